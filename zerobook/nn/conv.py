# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Layers that slide windows over images."""

import numpy as np
from zerobook import functional
from zerobook.nn import init
from zerobook.nn.module import Module, Parameter


# %% 2.2.1 book/deep_learning/convolution.md
def filters(module, kernel_size, channels, fan_in, bias, rng, dtype):
    """Give a module its weight and bias, even within 1 / sqrt(fan_in)."""
    rng, a = np.random.default_rng(rng), fan_in**-0.5
    shape = (*functional.pair(kernel_size), *channels)
    module.weight = Parameter(np.empty(shape, dtype), dtype=dtype)
    init.uniform_(module.weight, -a, a, rng=rng)
    module.bias = None
    if bias:
        module.bias = Parameter(np.empty(channels[1], dtype), dtype=dtype)
        init.uniform_(module.bias, -a, a, rng=rng)


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
        self.stride, self.padding = stride, padding
        kh, kw = functional.pair(kernel_size)
        filters(self, kernel_size, (in_channels, out_channels),
                kh * kw * in_channels, bias, rng, dtype)

    def forward(self, x):
        """(N, in, H, W) -> (N, out, H_out, W_out)."""
        return functional.conv2d(
            x, self.weight, self.bias, self.stride, self.padding
        )


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
        self.stride, self.padding = stride, padding
        self.output_padding = output_padding
        kh, kw = functional.pair(kernel_size)
        filters(self, kernel_size, (in_channels, out_channels),
                kh * kw * out_channels, bias, rng, dtype)

    def forward(self, x):
        """(N, in, H, W) -> (N, out, H_out, W_out)."""
        return functional.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding,
            self.output_padding,
        )


# %% 2.2.1 book/deep_learning/convolution.md
class MaxPool2d(Module):
    """`functional.max_pool2d`; the stride is the kernel's by default."""

    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size, self.stride = kernel_size, stride
        self.padding = padding

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
