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
RECORDS = {"zerobook.runs": {  # what stood in "zerobook.records"
    "runs.read": "read", "runs.arrays": "arrays",
    "runs.weights": "weights", "records_folder": "records_folder",
}}


def find(old, name, moved):
    """The `name` that left the module `old`; an AttributeError if none did.

    Parameters
    ----------
    old : str
        The module that was asked.
    name : str
    moved : dict of str to list or dict of str
        For each new module the names that it took over, or a dict of the
        old names to the new ones.
    """
    for new, names in moved.items():
        if name in names:
            known = names[name] if isinstance(names, dict) else name
            warnings.warn(f"{old}.{name} is {new}.{known} now; the old name "
                          "goes with the next release", FutureWarning, 3)
            return getattr(importlib.import_module(new), known)
    raise AttributeError(f"module {old!r} has no attribute {name!r}")
