# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""LoRA: a frozen matrix and, beside it, a thin product that is trained."""

import numpy as np
from zerobook.nn.linear import LayerNorm
from zerobook.nn.module import Module, Parameter, check_sizes


# %% 4.2.1 book/practice/head_all_or_little.md
def matrix_of(module):
    """Name of the matrix that a layer multiplies by, or None."""
    for name, beside in (("weight", "bias"),
                         ("in_proj_weight", "in_proj_bias")):
        value = vars(module).get(name)  # a table of rows has no bias
        if isinstance(value, Parameter) and value.ndim == 2 and (
                beside in vars(module) and not isinstance(module, LayerNorm)):
            return name
    return None


# %% 4.2.1 book/practice/head_all_or_little.md
class LoRA(Module):
    """A layer with the matrix ``base + A @ B * (alpha / rank)``.

    Parameters
    ----------
    module : Module
        A layer that holds a matrix `weight` or `in_proj_weight`, of shape
        (D, K): `Linear`, GPT's `Conv1D`, `MultiheadAttention`.  Changed in
        place: its own parameters are frozen.
    rank : int
        Columns r of A and rows of B, at most min(D, K).
    alpha : float
        The product counts ``alpha / rank`` times.
    rng : Generator or int, optional
        Draws A, of shape (D, r); B, of shape (r, K), begins with zeros.

    Raises
    ------
    TypeError, ValueError
        If the layer has no matrix, or the rank does not fit it.

    Notes
    -----
    Section 4.2.1; Hu et al. (2022), section 4.1.

    Examples
    --------
    >>> from zerobook.nn.linear import Linear
    >>> layer = LoRA(Linear(6, 4, rng=0), rank=2, rng=0)
    >>> [name for name, p in layer.named_parameters() if p.requires_grad]
    ['A', 'B']
    """

    def __init__(self, module, rank=8, alpha=16.0, *, rng=None):
        name, weight = self.checked(module, rank)
        for own in vars(module).values():
            if isinstance(own, Parameter):
                own.requires_grad = False
        (D, K), dtype = weight.shape, weight.dtype
        A = np.random.default_rng(rng).normal(0, D ** -0.5, (D, rank))
        self.module, self.name, self.scale = module, name, alpha / rank
        self.base = weight
        self.A = Parameter(A, dtype=dtype)
        self.B = Parameter(np.zeros((rank, K)), dtype=dtype)
        setattr(module, name, None)  # from now on a Tensor stands there

    def checked(self, module, rank):
        """The matrix of a layer and its name, or a clear error."""
        name = matrix_of(module)
        if name is None:
            raise TypeError(f"LoRA: {type(module).__name__} holds no matrix "
                            "weight or in_proj_weight")
        weight = getattr(module, name)
        check_sizes(self, rank=rank)
        if rank > min(weight.shape):
            raise ValueError(f"LoRA: rank {rank} for a matrix {weight.shape}")
        return name, weight

    def adapted(self):
        """The matrix that the layer works with, a Tensor of shape (D, K)."""
        return self.base + self.A @ self.B * self.scale

    def forward(self, *inputs, **options):
        """What the layer gives with the adapted matrix."""
        setattr(self.module, self.name, self.adapted())
        return self.module(*inputs, **options)

    def merged(self):
        """The layer alone, with the product added into its matrix."""
        W = self.adapted().data
        setattr(self.module, self.name, Parameter(W, False, dtype=W.dtype))
        return self.module


# %% 4.2.1 book/practice/head_all_or_little.md
def add_lora(model, rank=8, alpha=16.0, *, rng=None):
    """Freeze a model and give every matrix but the embeddings a `LoRA`.

    Parameters
    ----------
    model : Module
        Changed in place.
    rank, alpha : int, float
        As for `LoRA`; where a matrix has fewer rows or columns than `rank`,
        their number.
    rng : Generator or int, optional

    Returns
    -------
    model : Module

    Raises
    ------
    TypeError
        If no layer of the model has a matrix.

    Notes
    -----
    Section 4.2.1.  `merge` undoes it.
    """
    check_sizes(model, rank=rank)
    rng, found = np.random.default_rng(rng), []
    for parent in model.modules():
        found += [(parent, name, child)
                  for name, child in parent.named_children()
                  if matrix_of(child)]
    if not found:
        raise TypeError(f"LoRA: no layer of {type(model).__name__} holds a "
                        "matrix")
    model.requires_grad_(False)
    for parent, name, child in found:
        r = min(rank, *getattr(child, matrix_of(child)).shape)
        setattr(parent, name, LoRA(child, r, alpha * r / rank, rng=rng))
    return model


# %% 4.2.1 book/practice/head_all_or_little.md
def merge(model):
    """Add every product into its matrix; the model is as it was built.

    The weights remain frozen: ``model.requires_grad_()`` trains them all.
    Section 4.2.1.

    Parameters
    ----------
    model : Module
        Changed in place; a `LoRA` gives its layer.

    Returns
    -------
    model : Module
    """
    for parent in model.modules():
        for name, child in list(parent.named_children()):
            if isinstance(child, LoRA):
                setattr(parent, name, child.merged())
    return model.merged() if isinstance(model, LoRA) else model
