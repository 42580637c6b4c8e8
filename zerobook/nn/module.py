# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""What all layers share: they find their parameters, and each has a name."""

import collections
import operator
import numpy as np
from zerobook.autograd import Tensor
from zerobook.autograd import increment_version
from zerobook.memory import fitting


# %% 2.1.2 book/deep_learning/modules.md
class Parameter(Tensor):
    """A tensor that is trained; a module finds it among its attributes."""

    __slots__ = ()

    def __init__(self, data, requires_grad=True, dtype=None):
        super().__init__(data, requires_grad, dtype)


# %% 2.1.2 book/deep_learning/modules.md
class Module:
    """A part of a model. Subclasses set attributes and write `forward`.

    Examples
    --------
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.weight = Parameter([2.0])
    ...     def forward(self, x):
    ...         return self.weight * x
    >>> [name for name, _ in Scale().named_parameters()]
    ['weight']

    Notes
    -----
    Section 2.1.2.
    """

    training = True
    _buffers = ()

    def forward(self, *inputs, **options):
        """Compute the output; every subclass writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)

    @property
    def _modules(self):
        """The modules held directly, by name."""
        held = vars(self).items()
        return {k: v for k, v in held if isinstance(v, Module)}


# %% 2.1.2 book/deep_learning/modules.md
def named_modules(self, prefix="", remove_duplicate=True, memo=None):
    """Pairs (name, module): this one and all below it, each once."""
    memo = set() if memo is None else memo
    if self in memo:
        return
    if remove_duplicate:
        memo.add(self)
    yield prefix, self
    before = f"{prefix}." if prefix else ""
    for name, child in self._modules.items():
        yield from child.named_modules(before + name, remove_duplicate, memo)


def _named(self, wanted, shared):
    """Pairs (dotted name, value) of parameters or buffers."""
    seen = set()
    for prefix, module in self.named_modules("", not shared):
        for name, value in vars(module).items():
            if wanted(module, name, value):
                if shared or id(value) not in seen:
                    seen.add(id(value))
                    yield f"{prefix}.{name}".lstrip("."), value


def named_parameters(self):
    """Pairs (dotted name, Parameter), each parameter once."""
    return _named(self, lambda m, k, v: isinstance(v, Parameter), False)


def named_buffers(self):
    """Pairs (dotted name, ndarray) of what is kept but not trained."""
    return _named(self, lambda m, k, v: k in m._buffers, False)


# %% 2.1.2 book/deep_learning/modules.md
def parameters(self):
    """All parameters, each once."""
    return [p for _, p in self.named_parameters()]


def modules(self):
    """This module and all below it, each once."""
    return [module for _, module in self.named_modules()]


def named_children(self):
    """Pairs (name, module) of the modules held directly, each once."""
    seen = set()
    for name, child in self._modules.items():
        if child not in seen:
            seen.add(child)
            yield name, child


def children(self):
    """The modules held directly, each once."""
    return [child for _, child in self.named_children()]


def zero_grad(self):
    """Forget all gradients."""
    for p in self.parameters():
        p.grad = None


def train(self, mode=True):
    """Say that training is on (or off) to this module and all below."""
    for module in self.modules():
        module.training = mode
    return self


def evaluate(self):
    """As ``train(False)``: dropout stops, batch norm uses its averages."""
    return self.train(False)


def register_buffer(self, name, value):
    """Keep an array that belongs to the state but is not trained."""
    if name not in self._buffers:
        self._buffers = (*self._buffers, name)
    setattr(self, name, np.asarray(value))


# %% 2.1.2 book/deep_learning/modules.md
Module.named_modules, Module.modules = named_modules, modules
Module.named_parameters, Module.parameters = named_parameters, parameters
Module.named_buffers, Module.children = named_buffers, children
Module.named_children = named_children
Module.zero_grad, Module.register_buffer = zero_grad, register_buffer
Module.train, Module.eval = train, evaluate


# %% 2.1.2 book/deep_learning/modules.md
def extra_repr(self):
    """What `repr` tells of this module's options; empty here."""
    return ""


def module_repr(self):
    """The tree of parts, as PyTorch prints it."""
    extra, lines = self.extra_repr(), []
    for name, child in self._modules.items():
        lines.append(f"({name}): {child!r}".replace("\n", "\n  "))
    if extra and lines:
        lines.insert(0, extra)
    inside = "\n  ".join(["", *lines]) + "\n" if lines else extra
    return f"{type(self).__name__}({inside})"


Module.extra_repr, Module.__repr__ = extra_repr, module_repr


# %% 2.1.2 book/deep_learning/modules.md
def apply(self, f):
    """Call `f` with every part, the module itself last."""
    for child in self.children():
        child.apply(f)
    f(self)
    return self


def requires_grad_(self, requires_grad=True):
    """Train all parameters from now on, or freeze them."""
    for p in self.parameters():
        p.requires_grad = requires_grad
    return self


def to(self, dtype):
    """Turn all floats to another type, before an optimizer gets them.

    "cpu" changes nothing: there is no other device.
    """
    if dtype == "cpu":
        return self
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"parameters are floats, not {np.dtype(dtype)}")
    for p in self.parameters():
        p.data, p.grad = p.data.astype(dtype), None
    for module in self.modules():
        for name in module._buffers:
            array = getattr(module, name)
            if array is not None and array.dtype.kind == "f":
                setattr(module, name, array.astype(dtype))
    return self


Module.apply, Module.requires_grad_, Module.to = apply, requires_grad_, to


# %% 2.1.2 book/deep_learning/modules.md
def _float(self):
    """Change the parameters and buffers to float32."""
    return self.to(np.float32)


def _double(self):
    """Change the parameters and buffers to float64."""
    return self.to(np.float64)


def _buffers(self):
    """All buffers, without their names."""
    return [b for _, b in self.named_buffers()]


Module.float, Module.double, Module.buffers = _float, _double, _buffers


# %% 2.1.2 book/deep_learning/modules.md
def get_submodule(self, path):
    """The module of a dotted name, as `named_modules` gives it."""
    found = dict(self.named_modules(remove_duplicate=False))
    if path not in found:
        raise AttributeError(f"{type(self).__name__} holds no module {path!r}")
    return found[path]


def register_parameter(self, name, value):
    """Hold a Parameter (or None) as the attribute `name`."""
    if not (value is None or isinstance(value, Parameter)):
        raise TypeError(f"{name} must be a Parameter or None")
    setattr(self, name, value)


Module.get_submodule = get_submodule
Module.register_parameter = register_parameter


# %% 2.1.2 book/deep_learning/modules.md
def state_dict(self):
    """All parameters and buffers by name, as the arrays themselves."""

    def wanted(m, k, v):
        return isinstance(v, Parameter) or k in m._buffers

    return {
        name: value.data if isinstance(value, Tensor) else value
        for name, value in _named(self, wanted, True)
    }


# %% 2.1.2 book/deep_learning/modules.md
IncompatibleKeys = collections.namedtuple(
    "IncompatibleKeys", "missing_keys unexpected_keys")


def load_state_dict(self, state, strict=True):
    """Copy arrays into the parameters and buffers of the same names.

    Parameters
    ----------
    state : dict of str to array_like
    strict : bool
        Whether a name too many or too few is an error.

    Returns
    -------
    missing_keys, unexpected_keys : list of str

    Raises
    ------
    ValueError
        Names all that does not fit; the model is then as it was.
    """
    mine = self.state_dict()
    missing = [name for name in mine if name not in state]
    unexpected = [name for name in state if name not in mine]
    names = [f"missing: {n}" for n in missing]
    names += [f"unexpected: {n}" for n in unexpected]
    wrong, new = [], {}
    for name in [name for name in mine if name in state]:
        try:
            new[name] = fitting(name, state[name], mine[name])
        except ValueError as error:
            wrong.append(str(error))
    if wrong or (strict and names):
        raise ValueError("; ".join(wrong + (names if strict else [])))
    for name in new:
        mine[name][...] = new[name]
    increment_version(*self.parameters())
    return IncompatibleKeys(missing, unexpected)


Module.state_dict, Module.load_state_dict = state_dict, load_state_dict


# %% 2.1.2 book/deep_learning/modules.md
def described(value):
    """What was given, as an error message names it."""
    name = getattr(value, "__name__", None)
    if isinstance(value, type):
        return f"the class {name}; an instance is {name}(...)"
    if callable(value) and name:
        return f"the function {name}"
    return "None" if value is None else f"of type {type(value).__name__}"


def as_module(value, place):
    """`value` if it is a Module; if not, TypeError names it and `place`."""
    if not isinstance(value, Module):
        raise TypeError(f"{place} must be a Module, is {described(value)}")
    return value


def check_sizes(owner, least=1, **sizes):
    """Refuse sizes that are not whole, or below `least`, by name."""
    for name, size in sizes.items():
        for n in size if isinstance(size, tuple | list) else (size,):
            if not isinstance(n, int | np.integer):
                raise TypeError(f"{type(owner).__name__}: {name} must be a "
                                f"whole number, got {size!r}")
            if n < least:
                raise ValueError(f"{type(owner).__name__}: {name} must be "
                                 f"{least} or more, got {size!r}")


def add_module(self, name, module):
    """Hold a module as the attribute `name`, which may be any text."""
    there = isinstance(vars(self).get(name), Module)
    free = there or not hasattr(self, name)
    if not name or "." in name or not free:
        raise KeyError(f"{type(self).__name__} cannot hold {name!r}: empty, "
                       "with a dot, or the name of an attribute")
    setattr(self, name, as_module(module, f"{type(self).__name__}[{name}]"))


Module.add_module = Module.register_module = add_module


# %% 2.1.2 book/deep_learning/modules.md
def set_attribute(self, name, value):
    """Set an attribute; a part may become None, or another such part."""
    before = vars(self).get(name)
    kinds = {Parameter: isinstance(before, Parameter),
             Module: isinstance(before, Module),
             np.ndarray: name in self._buffers}
    for kind, was in kinds.items():
        if was and not (value is None or isinstance(value, kind)):
            raise TypeError(f"{type(self).__name__}.{name} must be a "
                            f"{kind.__name__}, is {described(value)}")
    object.__setattr__(self, name, value)


Module.__setattr__ = set_attribute


# %% 2.1.2 book/deep_learning/modules.md
class ModuleList(Module):
    """Modules in a list, found like attributes: ``layers[0]``, a loop, len."""

    def __init__(self, modules=()):
        self.extend(modules)

    def append(self, module):
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __getitem__(self, i):
        found = list(self)[i]
        return type(self)().extend(found) if isinstance(i, slice) else found


# %% 2.1.2 book/deep_learning/modules.md
def __setitem__(self, i, module):
    setattr(self, list(self._modules)[operator.index(i)],
            as_module(module, f"{type(self).__name__}[{i}]"))


def __delitem__(self, i):
    kept = list(self)
    del kept[i]
    for name in self._modules:
        delattr(self, name)
    self.extend(kept)


def insert(self, index, module):
    """Put a module before the one at `index`; those behind it move."""
    as_module(module, f"{type(self).__name__}[{index}]")
    modules = list(self)
    modules.insert(index, module)
    del self[:]
    self.extend(modules)


def pop(self, index):
    """Take the module at `index` out of the list and return it."""
    module = self[operator.index(index)]
    del self[index]
    return module


ModuleList.__setitem__, ModuleList.__delitem__ = __setitem__, __delitem__
ModuleList.insert, ModuleList.pop = insert, pop
ModuleList.__iadd__ = ModuleList.extend


# %% 2.1.2 book/deep_learning/modules.md
def list_repr(self):
    """As `repr`, with neighbours that look alike in one line."""
    groups = [[0, None, 0]]
    for i, child in enumerate(self):
        if repr(child) != groups[-1][1]:
            groups.append([i, repr(child), 0])
        groups[-1][2] += 1
    lines = [
        f"({i}): {text}" if n == 1 else f"({i}-{i + n - 1}): {n} x {text}"
        for i, text, n in groups[1:]
    ]
    inside = "\n".join(["", *lines]).replace("\n", "\n  ")
    return f"{type(self).__name__}({inside}\n)" if lines else "ModuleList()"


ModuleList.__repr__ = list_repr


# %% 2.1.2 book/deep_learning/modules.md
class Sequential(ModuleList):
    """Modules one after the other: each gets what the one before gave."""

    def __init__(self, *modules):
        super().__init__(modules)

    def forward(self, x):
        """Send `x` through all modules."""
        for module in self:
            x = module(x)
        return x


Sequential.__repr__ = Module.__repr__


# %% 2.1.2 book/deep_learning/modules.md
class ModuleDict(Module):
    """Modules under names, found like attributes: ``heads["digits"]``."""

    def __init__(self, modules=()):
        self.update(modules)

    def update(self, modules):
        """Hold the modules of a dict, or of pairs (name, module)."""
        for name, module in dict(modules).items():
            self[name] = module

    def __setitem__(self, name, module):
        self.add_module(name, module)

    def __getitem__(self, name):
        return self._modules[name]

    def __delitem__(self, name):
        del vars(self)[name]

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def keys(self):
        """The names."""
        return self._modules.keys()

    def values(self):
        """The modules."""
        return self._modules.values()

    def items(self):
        """Pairs of name and module."""
        return self._modules.items()
