# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Layers that normalise by what the batch shows, and remember it."""

import numpy as np
from zerobook import functional
from zerobook.nn.module import Module, Parameter


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
        if self.training:
            self.num_batches_tracked += 1
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training, self.momentum, self.eps,
        )


# %% 2.2.1 book/deep_learning/batch_norm.md
class BatchNorm2d(BatchNorm1d):
    """Batch norm of images (N, C, H, W), each channel over all places."""

    dimensions = (4,)
