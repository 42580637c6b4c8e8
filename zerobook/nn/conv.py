# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Layers that slide windows over images."""

import numpy as np
from zerobook import functional
from zerobook.functional import pair
from zerobook.nn import init
from zerobook.nn.module import Module, Parameter, check_sizes


# %% 2.2.1 book/deep_learning/convolution.md
def filters(module, kernel_size, channels, fan_in, bias, rng, dtype):
    """Give a module its weight and bias, even within 1 / sqrt(fan_in)."""
    check_sizes(module, in_channels=channels[0], out_channels=channels[1],
                kernel_size=kernel_size, stride=module.stride)
    check_sizes(module, 0, padding=module.padding)
    rng, a = np.random.default_rng(rng), fan_in**-0.5
    module.in_channels, module.out_channels = channels
    shape = (*kernel_size, *channels)
    for name, sizes in (("kernel_size", kernel_size),
                        ("stride", module.stride),
                        ("padding", module.padding)):
        setattr(module, name, tuple(int(n) for n in sizes))
    module.weight = Parameter(np.empty(shape, dtype), dtype=dtype)
    init.uniform_(module.weight, -a, a, rng=rng)
    module.bias = None
    if bias:
        module.bias = Parameter(np.empty(channels[1], dtype), dtype=dtype)
        init.uniform_(module.bias, -a, a, rng=rng)


def told(module):
    """Channels and options, those that are not as usual."""
    text = f"{module.in_channels}, {module.out_channels}"
    for name, usual in (("kernel_size", None), ("stride", None),
                        ("padding", 0), ("output_padding", 0)):
        value = getattr(module, name, None)
        if value is not None and set(value) != {usual}:
            text += f", {name}={value}"
    return text if module.bias is not None else text + ", bias=False"


# %% 2.2.1 book/deep_learning/convolution.md
class Conv2d(Module):
    """`functional.conv2d` with its weights.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding : int or pair of int
    bias : bool
    rng : Generator or int, optional
    dtype : dtype

    Notes
    -----
    Section 2.2.1. `weight` has the shape (kh, kw, in, out); PyTorch stores
    (out, in, kh, kw).
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1,
                 padding=0, bias=True, *, rng=None, dtype=np.float32):
        self.stride, self.padding = pair(stride), pair(padding)
        kh, kw = pair(kernel_size)
        filters(self, (kh, kw), (in_channels, out_channels),
                kh * kw * in_channels, bias, rng, dtype)

    def forward(self, x):
        """(N, in, H, W) -> (N, out, H_out, W_out)."""
        return functional.conv2d(
            x, self.weight, self.bias, self.stride, self.padding
        )

    extra_repr = told


# %% 2.2.1 book/deep_learning/convolution.md
class ConvTranspose2d(Module):
    """`functional.conv_transpose2d` with its weights.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias, rng, dtype
        As in `Conv2d`.
    output_padding : int or pair of int
        As in `functional.conv_transpose2d`.

    Notes
    -----
    Section 2.2.1. `weight` has the shape (kh, kw, in, out); PyTorch stores
    (in, out, kh, kw), and takes out * kh * kw for the number of inputs.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1,
                 padding=0, output_padding=0, bias=True, *, rng=None,
                 dtype=np.float32):
        self.stride, self.padding = pair(stride), pair(padding)
        self.output_padding = pair(output_padding)
        kh, kw = pair(kernel_size)
        filters(self, (kh, kw), (in_channels, out_channels),
                kh * kw * out_channels, bias, rng, dtype)

    def forward(self, x):
        """(N, in, H, W) -> (N, out, H_out, W_out)."""
        return functional.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding,
            self.output_padding,
        )

    extra_repr = told


# %% 2.2.1 book/deep_learning/convolution.md
class MaxPool2d(Module):
    """`functional.max_pool2d`; the stride is the kernel's by default."""

    def __init__(self, kernel_size, stride=None, padding=0):
        stride = kernel_size if stride is None else stride
        check_sizes(self, kernel_size=kernel_size, stride=stride)
        check_sizes(self, 0, padding=padding)
        self.kernel_size, self.stride = kernel_size, stride
        self.padding = padding

    def extra_repr(self):
        """The window, as PyTorch tells it."""
        more = ", dilation=1, ceil_mode=False" if type(self) is MaxPool2d \
            else ""
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}{more}")

    def forward(self, x):
        """The largest entry of each window."""
        return functional.max_pool2d(
            x, self.kernel_size, self.stride, self.padding
        )


class AvgPool2d(MaxPool2d):
    """`functional.avg_pool2d`; the stride is the kernel's by default."""

    def forward(self, x):
        """The mean of each window."""
        return functional.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding
        )


# %% 2.2.1 book/deep_learning/convolution.md
class Conv1d(Module):
    """`functional.conv1d` with its weights. Section 2.2.1.

    The arguments are those of `Conv2d`, with one number for each size;
    `weight` has the shape (k, in, out), PyTorch stores (out, in, k).
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1,
                 padding=0, bias=True, *, rng=None, dtype=np.float32):
        one = [n if isinstance(n, tuple | list) else (n,)
               for n in (kernel_size, stride, padding)]
        (k,), self.stride, self.padding = one[0], *map(tuple, one[1:])
        filters(self, (k,), (in_channels, out_channels), k * in_channels,
                bias, rng, dtype)

    def forward(self, x):
        """(N, in, L) -> (N, out, L_out)."""
        return functional.conv1d(x, self.weight, self.bias, *self.stride,
                                 *self.padding)

    extra_repr = told
