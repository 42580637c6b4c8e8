# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Read what recorded runs have left behind."""

import hashlib
import json
from pathlib import Path
from zerobook.git_lfs import refuse_pointer


# %% book/given/records.md
def records_folder():
    """The folder of the records: beside the package, or inside a wheel."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "runs", package / "_book" / "runs"):
        if folder.is_dir():
            return folder
    return package.parent / "runs"


# %% book/given/records.md
def read(name, folder=None):
    """What is known of a recorded run, and what came out.

    Parameters
    ----------
    name : str
        That of its program: ``zerobook.runs.NAME``.
    folder : path, optional
        Where the records lie, if not where the book keeps them.

    Returns
    -------
    dict
        ``name``, ``section`` and ``page`` that tell of the run; ``date``,
        ``python``, ``versions`` and ``machine`` that it ran on; ``seconds``
        by the clock and ``cpu_seconds`` of its process; ``digest`` of its
        code and data; ``verb`` that repeats it; ``results``.

    Raises
    ------
    FileNotFoundError
        If there is no such record; the message names the verb.
    ValueError
        If the file is not a record.

    Examples
    --------
    >>> read("no_such_run")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: no recorded run 'no_such_run' in ...
    """
    path = Path(folder or records_folder(), name + ".json")
    try:
        refuse_pointer(path)
        record = json.loads(path.read_text("utf8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no recorded run {name!r} in {path.parent}; in a clone of the "
            f"book `make runs R={name}` makes it"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no record: {error}") from None
    if not isinstance(record, dict) or "results" not in record:
        raise ValueError(f"{path} is no record: it has no results")
    return record


# %% book/given/records.md
def arrays(name, folder=None):
    """The arrays that a recorded run has left.

    Parameters
    ----------
    name : str
        That of its program: ``zerobook.runs.NAME``.
    folder : path, optional
        Where the records lie, if not where the book keeps them.

    Returns
    -------
    dict of str to ndarray
        Empty if the run left none.

    Raises
    ------
    FileNotFoundError
        If there is no such record.
    ValueError
        If the arrays are not those of the record.
    """
    from zerobook.safetensors import load_file

    record = read(name, folder)
    if record.get("arrays") is None:
        return {}
    path = Path(folder or records_folder(), name + ".safetensors")
    if not path.is_file():
        raise FileNotFoundError(f"the arrays of {name!r} are not in {path}")
    refuse_pointer(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(record["arrays"]):
        raise ValueError(f"{path} is not the file that the run wrote")
    return load_file(path)


# %% book/given/records.md
def weights(name, model, folder=None):
    """The weights of one network that a recorded run has left.

    Parameters
    ----------
    name, folder
        As for `read`.
    model : str
        What the run calls the network.

    Returns
    -------
    dict of str to ndarray
        For `Module.load_state_dict`.

    Raises
    ------
    KeyError
        If the run has left no such network; names those that it has left.
    """
    start, every = f"weights: {model}: ", arrays(name, folder)
    found = {key.removeprefix(start): array for key, array in every.items()
             if key.startswith(start)}
    if not found:
        kept = {key.split(": ")[1] for key in every
                if key.startswith("weights: ")}
        raise KeyError(f"{name} has no network {model!r}: {sorted(kept)}")
    return found
