# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Moved to `zerobook.runs`."""

from zerobook.moved import RECORDS, find


# %% book/given/package.md
def __getattr__(name):
    """What stood here once."""
    return find(__name__, name, RECORDS)
