# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Layers that normalise by what the batch shows, and remember it."""

import numpy as np
from zerobook import functional
from zerobook.nn.module import Module, Parameter, check_sizes


# %% 2.2.1 book/deep_learning/batch_norm.md
class BatchNorm1d(Module):
    """`functional.batch_norm` with its weights and running averages.

    Parameters
    ----------
    num_features : int
        Channels C of inputs (N, C) or (N, C, L).
    eps, momentum : float
    affine : bool
        Whether to scale and shift afterwards.
    dtype : dtype

    Notes
    -----
    Section 2.2.1.
    """

    dimensions = (2, 3)

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, *,
                 dtype=np.float32):
        check_sizes(self, num_features=num_features)
        self.num_features, self.eps = num_features, eps
        self.momentum, self.weight, self.bias = momentum, None, None
        if affine:
            self.weight = Parameter(np.ones(num_features), dtype=dtype)
            self.bias = Parameter(np.zeros(num_features), dtype=dtype)
        self.register_buffer("running_mean", np.zeros(num_features, dtype))
        self.register_buffer("running_var", np.ones(num_features, dtype))
        self.register_buffer("num_batches_tracked", np.array(0))

    def forward(self, x):
        """By the batch while training, by the averages otherwise."""
        x = functional.as_tensor(x, self.weight)
        if x.ndim not in self.dimensions or x.shape[1] != self.num_features:
            raise ValueError(f"{type(self).__name__}({self.num_features}) "
                             f"got an input of shape {x.shape}")
        y = functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training, self.momentum, self.eps,
        )
        self.num_batches_tracked += self.training
        return y

    def extra_repr(self):
        """Channels and options, as PyTorch tells them."""
        affine = self.weight is not None
        return (f"{self.num_features}, eps={self.eps}, "
                f"momentum={self.momentum}, affine={affine}, bias={affine}, "
                "track_running_stats=True")


# %% 2.2.1 book/deep_learning/batch_norm.md
class BatchNorm2d(BatchNorm1d):
    """Batch norm of images (N, C, H, W), each channel over all places."""

    dimensions = (4,)


# %% 2.2.1 book/deep_learning/batch_norm.md
class GroupNorm(Module):
    """`functional.group_norm` with its weights. Section 2.2.1."""

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, *,
                 dtype=np.float32):
        check_sizes(self, num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"{num_groups} groups of {num_channels} channels")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.weight, self.bias = eps, None, None
        if affine:
            self.weight = Parameter(np.ones(num_channels), dtype=dtype)
            self.bias = Parameter(np.zeros(num_channels), dtype=dtype)

    def forward(self, x):
        """(N, C, ...) of the same shape, normalised by group."""
        if np.ndim(x.data) < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm of {self.num_channels} channels got "
                             f"an input of shape {x.shape}")
        return functional.group_norm(x, self.num_groups, self.weight,
                                     self.bias, self.eps)

    def extra_repr(self):
        """Groups, channels and options, as PyTorch tells them."""
        affine = self.weight is not None
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, "
                f"affine={affine}, bias={affine}")
