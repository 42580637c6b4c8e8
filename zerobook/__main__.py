# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""``python -m zerobook``."""

from zerobook.cli import run_if_started


# %% book/given/package.md
started = run_if_started(__spec__)
