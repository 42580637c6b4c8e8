# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""What a training run must remember to go on, in one file."""

import copy
import json
from pathlib import Path
import numpy as np
from zerobook import safetensors
import os


# %% 2.1.2 book/deep_learning/safetensors.md
def split_state(state, arrays, path=""):
    """Put the arrays of nested dicts into `arrays`; return what is left.

    A TypeError names what cannot be read back as it was. Section 2.1.2.
    """
    if type(state) in (np.ndarray, np.memmap):
        name = path
        while name in arrays:
            name += "'"
        arrays[name] = state
        return {"$array": name}
    if isinstance(state, np.bool_ | np.integer | np.floating):
        state = state.item()
    if isinstance(state, list | tuple):
        rest = [split_state(v, arrays, f"{path}/{i}")
                for i, v in enumerate(state)]
        return {"$tuple": rest} if isinstance(state, tuple) else rest
    if isinstance(state, dict):
        return split_dict(state, arrays, path)
    if state is None or isinstance(state, bool | int | float | str):
        return state
    raise TypeError(f"{path}: a checkpoint cannot hold {state!r:.80}")


# %% 2.1.2 book/deep_learning/safetensors.md
def split_dict(state, arrays, path):
    """`split_state` of a dict."""
    rest = {k: split_state(v, arrays, f"{path}/{k}".lstrip("/"))
            for k, v in state.items()}
    texts = all(isinstance(k, str) for k in rest)
    if texts and not (len(rest) == 1 and min(rest).startswith("$")):
        return rest
    return {"$dict": [[split_state(k, arrays, f"{path}, a key"), v]
                      for k, v in rest.items()]}


# %% 2.1.2 book/deep_learning/safetensors.md
def join_state(rest, arrays):
    """Undo `split_state`."""
    if isinstance(rest, list):
        return [join_state(v, arrays) for v in rest]
    if not isinstance(rest, dict):
        return rest
    mark, inner = next(iter(rest.items()), ("", None))
    if len(rest) != 1 or not mark.startswith("$"):
        return {k: join_state(v, arrays) for k, v in rest.items()}
    if mark == "$array":
        return arrays[inner]
    inner = join_state(inner, arrays)
    return {"$tuple": tuple, "$dict": dict}[mark](inner)


# %% 2.1.2 book/deep_learning/safetensors.md
def generators(model):
    """The random generators that the modules of a model draw from."""
    return {
        name: module.rng
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(getattr(module, "rng", None), np.random.Generator)
    }


# %% 2.1.2 book/deep_learning/safetensors.md
class Checkpoint:
    """All that a training run needs to go on, in one file.

    Parameters
    ----------
    path : str or Path
        Without an ending; the file is ``path.safetensors``.
    model : Module
    **parts
        Whatever else has `state_dict` and `load_state_dict`: the
        optimizer, the loader, the schedule.

    Notes
    -----
    Section 2.1.2.
    """

    def __init__(self, path, model, **parts):
        self.path, self.model = Path(path), model
        if self.path.name in ("", ".."):
            raise ValueError(f"a checkpoint needs a name, not {path!r}")
        if "generators" in parts:
            raise ValueError("a part cannot be called generators")
        self.file = self.path.with_name(self.path.name + ".safetensors")
        self.parts = {"model": model, **parts}

    def state(self):
        """The state of all parts and of the model's generators."""
        state = {name: p.state_dict() for name, p in self.parts.items()}
        state["generators"] = {
            name: rng.bit_generator.state
            for name, rng in generators(self.model).items()
        }
        return state

    def restore(self, state):
        """Give all parts the state that `state()` returned."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        for name, rng in generators(self.model).items():
            rng.bit_generator.state = state["generators"][name]

    def exists(self):
        """Whether there is something to load."""
        return self.file.exists() or earlier_file(self.path) is not None

    def save(self, step=0, **notes):
        """Write the state, whole or not at all.

        Parameters
        ----------
        step : int
        **notes
            Whatever else `load` shall return: numbers, texts, arrays, None, and
            lists, tuples and dicts of them.

        Raises
        ------
        TypeError, ValueError
            For a note or a state that cannot be read back as it was.
        FileExistsError
            If the file is there and no checkpoint.
        OSError
            If the disk is full, for instance.

        Each leaves the checkpoint that was there.
        """
        self.check_owner()
        arrays = {REST: None}  # so that no other array takes the name
        whole = {"parts": self.state(), "step": step, "notes": notes}
        try:
            text = json.dumps(split_state(whole, arrays))
            json.loads(text)
        except RecursionError:
            raise ValueError("the state is nested too deep") from None
        arrays[REST] = np.frombuffer(text.encode(), np.uint8)
        safetensors.save_file(arrays, self.file, MARK)

    def check_owner(self):
        """FileExistsError if the file is there and no checkpoint wrote it."""
        try:
            owned = safetensors.load_metadata(self.file) == MARK
        except FileNotFoundError:
            return
        except ValueError:
            owned = False
        if not owned:
            raise FileExistsError(f"{self.file} is there and is no checkpoint")

    def load(self):
        """Go on from the file: restore all parts, return step and notes.

        Raises
        ------
        ValueError
            If the file is damaged or does not fit; nothing is then changed.
        """
        file = self.file
        try:
            if not file.exists() and earlier_file(self.path) is not None:
                file = earlier_file(self.path)
                whole = read_earlier(file)
            else:
                whole = read_checkpoint(file)
            state, step, notes = (whole[k] for k in ("parts", "step", "notes"))
        except (ValueError, LookupError, TypeError, AttributeError,
                OSError) as error:
            raise ValueError(f"{file}: no checkpoint: {error}") from error
        before = copy.deepcopy(self.state())
        try:
            self.restore(state)
        except BaseException as error:
            self.restore(before)
            if not isinstance(error, Exception):
                raise  # somebody wants to stop
            raise ValueError(f"{file}: does not fit: {error}") from error
        return step, notes


# %% 2.1.2 book/deep_learning/safetensors.md
MARK = {"zerobook": "checkpoint"}
REST = "state.json"  # the name of the text among the arrays


# %% 2.1.2 book/deep_learning/safetensors.md
def read_checkpoint(file):
    """What `Checkpoint.save` put into a file."""
    if safetensors.load_metadata(file) != MARK:
        raise ValueError("no checkpoint wrote this file")
    arrays = safetensors.load_file(file)
    return join_state(json.loads(arrays.pop(REST).tobytes()), arrays)


# %% 2.1.2 book/deep_learning/safetensors.md
def earlier_file(path):
    """The JSON file of a checkpoint in two files, if it is this one's."""
    try:
        file = path.with_suffix(".json")
        table = json.loads(file.read_bytes())
        owner, _, step = table["arrays"].rpartition("-")
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        return None
    right = owner == path.name and step == f"{table.get('step')}.safetensors"
    return file if right else None


def read_earlier(file):
    """The same as `read_checkpoint`, from two files."""
    def join(rest):
        if isinstance(rest, list):
            return [join(v) for v in rest]
        if not isinstance(rest, dict):
            return rest
        if list(rest) == ["array"] and isinstance(rest["array"], str):
            return arrays[rest["array"]]
        return {k: join(v) for k, v in rest.items()}

    table = json.loads(file.read_bytes())
    name = os.path.basename(table.pop("arrays"))
    arrays = safetensors.load_file(file.parent / name)
    step, notes = table.pop("step"), join(table.pop("notes"))
    return {"parts": join(table), "step": step, "notes": notes}
