# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Moved to `zerobook.runs`."""

from zerobook.moved import find


# %% book/given/package.md
MOVED = {"zerobook.runs": {
    "read_record": "read", "record_arrays": "arrays",
    "record_weights": "weights", "records_folder": "records_folder",
}}


def __getattr__(name):
    """What stood here once."""
    return find(__name__, name, MOVED)
