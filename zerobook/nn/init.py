# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Initial weights: each function fills a parameter in place."""

import numpy as np
from zerobook.autograd import increment_version


# %% 2.1.2 book/deep_learning/modules.md
def fans(shape):
    """Inputs and outputs of one unit: (D_in, D_out), or (k, k, C_in, C_out).

    The last axis counts outputs, the one before it inputs, and all axes
    before those are places of a kernel.
    """
    places = int(np.prod(shape[:-2]))
    return shape[-2] * places, shape[-1] * places


def _fill(tensor, values):
    tensor.data[...] = values
    increment_version(tensor)
    return tensor


def constant_(tensor, value):
    """Fill with one number."""
    return _fill(tensor, value)


def zeros_(tensor):
    """Fill with zeros."""
    return _fill(tensor, 0)


def ones_(tensor):
    """Fill with ones."""
    return _fill(tensor, 1)


# %% 2.1.2 book/deep_learning/modules.md
def uniform_(tensor, a=0.0, b=1.0, *, rng=None):
    """Fill with numbers drawn evenly between `a` and `b`."""
    rng = np.random.default_rng(rng)
    return _fill(tensor, rng.uniform(a, b, tensor.shape))


def normal_(tensor, mean=0.0, std=1.0, *, rng=None):
    """Fill with normal numbers."""
    rng = np.random.default_rng(rng)
    return _fill(tensor, rng.normal(mean, std, tensor.shape))


def kaiming_normal_(tensor, *, rng=None):
    """Normal numbers of variance 2 / fan_in, for ReLU (section 1.2.3)."""
    scale = np.sqrt(2 / fans(tensor.shape)[0])
    return normal_(tensor, 0.0, scale, rng=rng)


def xavier_normal_(tensor, *, rng=None):
    """Normal numbers of variance 2 / (fan_in + fan_out) (section 1.2.3)."""
    scale = np.sqrt(2 / sum(fans(tensor.shape)))
    return normal_(tensor, 0.0, scale, rng=rng)


# %% 2.1.2 book/deep_learning/modules.md
def xavier_uniform_(tensor, *, rng=None):
    """Even numbers of variance 2 / (fan_in + fan_out)."""
    a = np.sqrt(6 / sum(fans(tensor.shape)))
    return uniform_(tensor, -a, a, rng=rng)


def kaiming_uniform_(tensor, *, rng=None):
    """Even numbers of variance 2 / fan_in, for ReLU."""
    a = np.sqrt(6 / fans(tensor.shape)[0])
    return uniform_(tensor, -a, a, rng=rng)
