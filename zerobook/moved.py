# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Names that moved: their old modules answer through one release."""

import importlib
import warnings


# %% book/given/package.md
MOVED = {  # new module: what once stood in "zerobook.training"
    "zerobook.checkpoint": (
        "split_state split_dict join_state generators Checkpoint MARK REST "
        "read_checkpoint earlier_file read_earlier"
    ).split(),
    "zerobook.parallel": (
        "shared_like Replica own_generators PATIENCE RETREAT Receiver serve "
        "serve_apart hire dismiss openblas blas_threads DataParallel "
        "cut_rows in_one"
    ).split(),
    "zerobook.memory": ["keep_heap"],
}


def find(old, name, moved):
    """The `name` that left the module `old`; an AttributeError if none did.

    Parameters
    ----------
    old : str
        The module that was asked.
    name : str
    moved : dict of str to list of str
        For each new module the names that it took over.
    """
    for new, names in moved.items():
        if name in names:
            warnings.warn(f"{old}.{name} is {new}.{name} now; the old name "
                          "goes with the next release", FutureWarning, 3)
            return getattr(importlib.import_module(new), name)
    raise AttributeError(f"module {old!r} has no attribute {name!r}")
