# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Models and their weights, to PyTorch and back."""

import inspect
from functools import partial
from operator import attrgetter
import numpy as np
from zerobook import functional, nn


# %% 2.1.3 book/deep_learning/to_pytorch.md
AXES = {  # PyTorch's axes, in terms of ours
    ("Linear", "weight"): (1, 0),
    ("Conv2d", "weight"): (3, 2, 0, 1),
    ("Conv1d", "weight"): (2, 1, 0),
    ("ConvTranspose2d", "weight"): (2, 3, 0, 1),
    ("Recurrent", "weight_ih_l0"): (1, 0),
    ("Recurrent", "weight_hh_l0"): (1, 0),
    ("MultiheadAttention", "in_proj_weight"): (1, 0),
}


def axes_of(module, name):
    """Where PyTorch's axes of a weight stand in ours; None: in order."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith("zerobook.nn."):
            if (kind.__name__, name) in AXES:
                return AXES[kind.__name__, name]
    return None


# %% 2.1.3 book/deep_learning/to_pytorch.md
def pytorch():
    """The library, or an error that says how to get it."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "this needs PyTorch: pip install 'zerobook[interop]'"
        ) from error
    return torch


def layouts(model):
    """`axes_of` for every name of the model's state dict."""
    return {
        f"{prefix}.{name}".lstrip("."): axes_of(module, name)
        for prefix, module in model.named_modules(remove_duplicate=False)
        for name in vars(module)
    }


# %% 2.1.3 book/deep_learning/to_pytorch.md
def state_dict_to_torch(model):
    """The state dict of a model as PyTorch would have it.

    Parameters
    ----------
    model : Module
        Of layers of `zerobook.nn`, in modules of one's own or not. A
        parameter that such a module holds itself is copied as it is.

    Returns
    -------
    dict of str to torch.Tensor
        Copies, for ``load_state_dict`` of a torch module whose attributes
        have the same names; same dtypes, same bits.

    Raises
    ------
    ImportError
        If PyTorch is not there: it comes with the extra ``interop``.

    Notes
    -----
    Section 2.1.3.
    """
    torch, axes = pytorch(), layouts(model)
    return {
        name: torch.from_numpy(np.array(
            array if axes[name] is None else array.transpose(axes[name]),
            order="C",
        ))
        for name, array in model.state_dict().items()
    }


# %% 2.1.3 book/deep_learning/to_pytorch.md
def array_of(name, tensor):
    """The numbers of a torch tensor, wherever it lives."""
    if not isinstance(tensor, np.ndarray):
        torch = pytorch()
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name}: {type(tensor).__name__} is no tensor")
        tensor = tensor.detach().cpu()
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.float()
        tensor = tensor.numpy()
    return tensor


def turned(name, array, theirs, axes):
    """An array of PyTorch's with our order of axes, if it fits `array`."""
    axes = tuple(range(array.ndim)) if axes is None else axes
    wanted = tuple(array.shape[i] for i in axes)
    if theirs.shape != wanted:
        raise ValueError(f"{name}: shape {theirs.shape} from PyTorch, not "
                         f"{wanted}, which is {array.shape} here")
    if not np.can_cast(theirs.dtype, array.dtype, "same_kind"):
        raise TypeError(f"{name}: {theirs.dtype} for {array.dtype}")
    return theirs.transpose(np.argsort(axes))


# %% 2.1.3 book/deep_learning/to_pytorch.md
def load_torch_state_dict(model, state, strict=True):
    """Copy weights of a torch module into a model.

    Parameters
    ----------
    model : Module
    state : dict of str to torch.Tensor or ndarray
        As ``state_dict()`` of the torch module gives it.
    strict : bool
        False lets names be missing or unexpected, and returns them.

    Returns
    -------
    pair of list of str
        Missing and unexpected names, as from `Module.load_state_dict`.

    Raises
    ------
    ValueError
        Names the first weight whose shape does not fit, or else all names
        that are missing or unexpected. The model is then as it was.
    TypeError
        Names the first weight that is no tensor, or whose numbers are of
        another kind, as complex ones are.

    Notes
    -----
    Section 2.1.3. Float64 weights for a float32 model are rounded, as
    PyTorch does.

    Examples
    --------
    >>> state = {"weight": np.ones((2, 3)), "bias": np.zeros(2)}
    >>> load_torch_state_dict(nn.Linear(3, 2, rng=0), state)
    IncompatibleKeys(missing_keys=[], unexpected_keys=[])
    """
    axes, mine = layouts(model), model.state_dict()
    arrays = {name: state[name] for name in state if name not in mine}
    for name, array in mine.items():
        if name in state:
            theirs = array_of(name, state[name])
            arrays[name] = turned(name, array, theirs, axes[name])
    return model.load_state_dict(arrays, strict)


# %% 2.1.3 book/deep_learning/to_pytorch.md
def kept(*names):
    """Options that both libraries keep as attributes of the same name."""
    return lambda m: {name: getattr(m, name) for name in names}


def linear_options(m):
    """Of a Linear."""
    return {"in_features": m.in_features, "out_features": m.out_features,
            "bias": m.bias is not None}


def embedding_options(m):
    """Of an Embedding, from the shape of its table."""
    rows, width = m.weight.shape
    return {"num_embeddings": rows, "embedding_dim": width}


def norm_options(m):
    """Of a LayerNorm or RMSNorm; PyTorch's eps may be None, the dtype's."""
    dtype = str(m.weight.dtype).removeprefix("torch.")
    eps = float(np.finfo(dtype).eps) if m.eps is None else m.eps
    return {"normalized_shape": tuple(m.weight.shape), "eps": eps}


# %% 2.1.3 book/deep_learning/to_pytorch.md
def batch_norm_options(m):
    """Of a BatchNorm1d or BatchNorm2d."""
    if m.momentum is None:
        raise TypeError("momentum=None: give the number")
    return {**kept("num_features", "eps", "momentum")(m),
            "affine": m.weight is not None}


def group_norm_options(m):
    """Of a GroupNorm."""
    return {**kept("num_groups", "num_channels", "eps")(m),
            "affine": m.weight is not None}


def conv_options(m):
    """Of a convolution; the sizes are the weight's."""
    shape = tuple(m.weight.shape)
    if not isinstance(m, nn.Module):
        back = np.argsort(AXES[type(m).__name__, "weight"])
        shape = tuple(shape[i] for i in back)
    if isinstance(m.padding, str):
        raise TypeError(f"padding={m.padding!r}: give the number")
    *kernel, C, O = shape
    return {"in_channels": C, "out_channels": O, "kernel_size": tuple(kernel),
            "stride": m.stride, "padding": m.padding,
            "bias": m.bias is not None}


def attention_options(m):
    """Of a MultiheadAttention."""
    drop = m.drop.p if isinstance(m, nn.Module) else m.dropout
    return {"embed_dim": m.embed_dim, "num_heads": m.num_heads,
            "dropout": drop, "bias": m.in_proj_bias is not None}


# %% 2.1.3 book/deep_learning/to_pytorch.md
def block_options(m):
    """Of a layer of a Transformer's encoder or decoder."""
    drop = m.drop if isinstance(m, nn.Module) else m.dropout
    bend = m.activation
    if not isinstance(bend, str):
        bend = getattr(bend, "func", bend)  # of a partial
        home = getattr(bend, "__module__", None) or ""
        bend = getattr(bend, "__name__", type(bend).__name__).lower()
        if home.partition(".")[0] not in ("", "torch", "zerobook"):
            raise TypeError(f"activation {bend} of {home}")
    if not hasattr(functional, bend):
        raise TypeError(f"activation {bend} is no name in functional")
    return {"d_model": m.self_attn.embed_dim,
            "nhead": m.self_attn.num_heads, "dropout": drop.p,
            "dim_feedforward": m.linear1.out_features,
            "norm_first": m.norm_first, "activation": bend}


# %% 2.1.3 book/deep_learning/to_pytorch.md
def transposed_options(m):
    """Of a ConvTranspose2d, which has one option more."""
    return {**conv_options(m), "output_padding": m.output_padding}


_recurrent = kept("input_size", "hidden_size", "bias", "batch_first")
_pool = kept("kernel_size", "stride", "padding")
OPTIONS = {
    "Linear": linear_options, "Embedding": embedding_options,
    "LayerNorm": norm_options, "RMSNorm": norm_options,
    "Dropout": kept("p"), "Flatten": kept(), "Identity": kept(),
    "ReLU": kept(), "Tanh": kept(), "Sigmoid": kept(), "GELU": kept(),
    "SiLU": kept(),
    "Conv2d": conv_options, "ConvTranspose2d": transposed_options,
    "Conv1d": conv_options, "GroupNorm": group_norm_options,
    "MaxPool2d": _pool, "AvgPool2d": _pool,
    "BatchNorm1d": batch_norm_options, "BatchNorm2d": batch_norm_options,
    "RNN": _recurrent, "LSTM": _recurrent, "GRU": _recurrent,
    "MultiheadAttention": attention_options,
    "TransformerEncoderLayer": block_options,
    "TransformerDecoderLayer": block_options,
}


# %% 2.1.3 book/deep_learning/to_pytorch.md
ONE_WAY = {  # PyTorch's options that are no options here
    "dilation": (1, (1,), (1, 1)), "groups": (1,), "padding_mode": ("zeros",),
    "ceil_mode": (False,), "return_indices": (False,),
    "count_include_pad": (True,), "divisor_override": (None,),
    "padding_idx": (None,), "max_norm": (None,), "sparse": (False,),
    "scale_grad_by_freq": (False,), "track_running_stats": (True,),
    "elementwise_affine": (True,), "num_layers": (1,), "proj_size": (0,),
    "bidirectional": (False,), "nonlinearity": ("tanh",),
    "start_dim": (1,), "end_dim": (-1,), "approximate": ("tanh",),
    "add_zero_attn": (False,), "bias_k": (None,),
    "_qkv_same_embed_dim": (True,),
}
TOLD = {  # what PyTorch must be told, where its default is another
    "GELU": {"approximate": "tanh"},
    "MultiheadAttention": {"batch_first": True},
    "TransformerEncoderLayer": {"batch_first": True},
    "TransformerDecoderLayer": {"batch_first": True},
    "TransformerEncoder": {"enable_nested_tensor": False},
}


# %% 2.1.3 book/deep_learning/to_pytorch.md
def refuse_what_we_lack(module):
    """Raise TypeError for an option of PyTorch's that we do not have."""
    for option, values in ONE_WAY.items():
        value = getattr(module, option, values[0])
        if value not in values:
            raise TypeError(f"{option}={value!r}: only {values[0]!r} here")
    attention = getattr(module, "self_attn", module)
    if "Attention" in type(attention).__name__ and not attention.batch_first:
        raise TypeError("batch_first=False: only True here")
    if getattr(getattr(module, "norm1", None), "eps", 1e-5) != 1e-5:
        raise TypeError(f"layer_norm_eps={module.norm1.eps}: only 1e-5 here")
    bend = getattr(module, "activation", None)
    form = getattr(bend, "keywords", {}).get("approximate")
    if "gelu" in str(bend).lower() and \
            getattr(bend, "approximate", form) != "tanh":
        raise TypeError("exact GELU: only the tanh form here")


# %% 2.1.3 book/deep_learning/to_pytorch.md
class Twins:
    """Make modules of `library` like those of the other; weights later."""

    def __init__(self, library, rng=None):
        self.library, self.made = library, {}
        self.rng = np.random.default_rng(rng)

    def __call__(self, module, path=""):
        """The twin of `module`, which the model holds as `path`."""
        if id(module) in self.made:
            return self.made[id(module)]
        kind, place = type(module).__name__, path or "the model"
        home = nn if isinstance(module, nn.Module) else pytorch().nn
        make = MAKERS.get(kind)
        known = getattr(home, kind, None) is type(module)
        if make is None or not known or not hasattr(self.library, kind):
            raise TypeError(f"{place}: no twin for {type(module).__module__}."
                            f"{kind}; for models of your own there is "
                            "state_dict_to_torch")
        out = self.made[id(module)] = make(self, module, path)
        out.training = module.training
        return out

    def leaf(self, module, path):
        """A layer with the same options."""
        kind, there = type(module).__name__, self.library
        make = getattr(there, kind)
        try:
            if there is nn:
                refuse_what_we_lack(module)
            options = {**OPTIONS[kind](module), **self.new(module, make)}
        except TypeError as error:
            raise TypeError(f"{path or 'the model'} ({kind}): {error}") from None
        if there is not nn:
            options |= TOLD.get(kind, {})
            if kind == "Embedding":  # or PyTorch would draw one
                options["_weight"] = pytorch().empty(module.weight.shape)
            if "activation" in options:
                name = options["activation"]
                bend = getattr(there.functional, name)
                options["activation"] = (
                    partial(bend, approximate="tanh") if name == "gelu" else bend
                )
        try:
            return make(**options).train(module.training)
        except ArithmeticError as error:  # a width of 0, for instance
            raise TypeError(f"{path or 'the model'} ({kind}): {error}") from None

    def new(self, module, make):
        """The generator and the dtype, where our layers ask for them."""
        if self.library is not nn:
            return {}
        dtypes = [str(a.dtype).removeprefix("torch.")
                  for a in module.state_dict().values()] or ["float32"]
        if dtypes[0] not in ("float32", "float64"):
            raise TypeError(f"weights of {dtypes[0]}: call .float() before")
        all_new = {"rng": self.rng, "dtype": np.dtype(dtypes[0])}
        asked = inspect.signature(make).parameters
        return {name: all_new[name] for name in all_new if name in asked}

    def filled(self, module, path):
        """A list of modules, or a sequence."""
        out = getattr(self.library, type(module).__name__)()
        for name, child in held(module):
            setattr(out, name, self(child, f"{path}.{name}".lstrip(".")))
        return out

    def stacked(self, module, path):
        """A Transformer's encoder or decoder: layers, perhaps a norm."""
        parts = {name: self(child, f"{path}.{name}".lstrip("."))
                 for name, child in held(module)}
        kind = type(module).__name__
        told = TOLD.get(kind, {}) if self.library is not nn else {}
        norm = parts.get("norm")
        out = getattr(self.library, kind)(parts["layers"][0], 1, norm, **told)
        out.layers, out.num_layers = parts["layers"], len(parts["layers"])
        return out


# %% 2.1.3 book/deep_learning/to_pytorch.md
def held(module):
    """Pairs (name, module) of the modules that a container holds."""
    return [(k, m) for k, m in module._modules.items() if m is not None]


MAKERS = {
    **{kind: Twins.leaf for kind in OPTIONS},
    "Sequential": Twins.filled, "ModuleList": Twins.filled,
    "ModuleDict": Twins.filled,
    "TransformerEncoder": Twins.stacked, "TransformerDecoder": Twins.stacked,
}


# %% 2.1.3 book/deep_learning/to_pytorch.md
def all_parameters(module):
    """Pairs (name, parameter), a shared one under each of its names."""
    if not isinstance(module, nn.Module):
        return list(module.named_parameters(remove_duplicate=False))
    return [
        (f"{prefix}.{name}".lstrip("."), value)
        for prefix, part in module.named_modules(remove_duplicate=False)
        for name, value in vars(part).items()
        if isinstance(value, nn.Parameter)
    ]


# %% 2.1.3 book/deep_learning/to_pytorch.md
def same_ties(module, out):
    """Share and freeze the parameters of `out` as in `module`."""
    axes = layouts(module if isinstance(module, nn.Module) else out)
    first, there = {}, dict(all_parameters(out))
    for name, p in all_parameters(module):
        there[name].requires_grad = p.requires_grad
        other = first.setdefault(id(p), name)
        if axes[name] != axes[other]:
            raise ValueError(f"{other} and {name} are one weight, but not "
                             "in one order of axes on the other side")
        if there[name] is not there[other]:
            holder, _, last = name.rpartition(".")
            setattr(attrgetter(holder)(out), last, there[other])


# %% 2.1.3 book/deep_learning/to_pytorch.md
def to_torch(model):
    """The same model in PyTorch, with the same weights.

    Parameters
    ----------
    model : Module
        A layer of `zerobook.nn`, or a Sequential, ModuleList or
        Transformer stack of such layers.

    Returns
    -------
    torch.nn.Module
        Of PyTorch's own classes. Dtypes, ``train()`` or ``eval()``, frozen
        and shared weights are those of `model`; the weights are copies.

    Raises
    ------
    TypeError
        Names the first module that has no twin in PyTorch, such as one of
        your own (see `state_dict_to_torch`).

    Notes
    -----
    Section 2.1.3. Dropout draws from PyTorch's generator, not from `rng`.
    """
    out = Twins(pytorch().nn)(model)
    out.load_state_dict(state_dict_to_torch(model), assign=True)
    same_ties(model, out)
    return out


# %% 2.1.3 book/deep_learning/to_pytorch.md
def from_torch(module, *, rng=None):
    """The same model here, with the same weights.

    Parameters
    ----------
    module : torch.nn.Module
        Of PyTorch's own layers, as `to_torch` gives them, on any device.
    rng : Generator or int, optional
        For the dropout layers of the new model.

    Returns
    -------
    Module

    Raises
    ------
    TypeError
        Names the first module that has no twin here, or has an option that
        we lack, such as a second layer of an LSTM.
    ValueError
        Names weights that have no place here.

    Notes
    -----
    Section 2.1.3.
    """
    out = Twins(nn, rng)(module)
    refuse_what_was_lost(module, out)
    load_torch_state_dict(out, module.state_dict())
    same_ties(module, out)
    return out


# %% 2.1.3 book/deep_learning/to_pytorch.md
SAME_NUMBERS = {  # options that change no output, and what is judged above
    "inplace", "activation", "enable_nested_tensor", "use_nested_tensor",
    "mask_check",
}
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks",
         "_backward_pre_hooks")


def refuse_what_was_lost(module, out):
    """TypeError for a part of PyTorch's `module` that `out` cannot have."""
    torch = pytorch()
    with torch.device("meta"):  # no memory, and nothing is drawn
        again = Twins(torch.nn)(out)
    parts = dict(again.named_modules(remove_duplicate=False))
    for path, part in module.named_modules(remove_duplicate=False):
        place = f"{path or 'the model'} ({type(part).__name__})"
        if any(getattr(part, hooks) for hooks in HOOKS):
            raise TypeError(f"{place}: hooks stay in PyTorch")
        if path.rpartition(".")[2] == "activation":
            continue
        if type(part) is not type(parts.get(path)):
            raise TypeError(f"{place}: no part of ours is like it")
        for name, value in vars(part).items():
            if callable(value) and hasattr(type(part), name):
                raise TypeError(f"{place}: {name} was replaced")
        refuse_other_options(place, part, parts[path])


# %% 2.1.3 book/deep_learning/to_pytorch.md
def refuse_other_options(place, part, twin):
    """TypeError for an option in which two modules of PyTorch differ."""
    for name, value in vars(twin).items():
        mine = vars(part).get(name)
        if name in SAME_NUMBERS or not plain(value) or mine == value:
            continue
        if name == "eps" and mine is None:  # the dtype's, as a number here
            continue
        if name == "dropout" and hasattr(part, "mode"):  # of one RNN layer
            continue
        if not isinstance(value, tuple) or mine != value[0]:
            raise TypeError(f"{place}: {name}={mine!r}, only {value!r} here")


def plain(value):
    """Whether an attribute is an option: a number, a text, or some."""
    if isinstance(value, tuple | list):
        return all(map(plain, value))
    return value is None or isinstance(value, bool | int | float | str)
