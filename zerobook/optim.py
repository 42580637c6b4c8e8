# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Update rules: they change an array in place and return nothing."""

import numpy as np


# %% 1.1.3 book/foundations/gradient_descent.md
def sgd_update(param, grad, *, lr, scratch=None):
    """One step of gradient descent: ``param -= lr * grad``, in place."""
    param -= np.multiply(grad, lr, out=scratch)


# %% 1.1.3 book/foundations/gradient_descent.md
def momentum_update(
    param, grad, velocity, *, lr, momentum=0.9, scratch=None
):
    """One step with a velocity that remembers earlier slopes, in place."""
    velocity *= momentum
    velocity += grad
    param -= np.multiply(velocity, lr, out=scratch)


# %% 1.1.3 book/foundations/gradient_descent.md
def adam_update(
    param,
    grad,
    m,
    v,
    step,
    *,
    lr,
    betas=(0.9, 0.999),
    eps=1e-8,
    scratch=None,
):
    """One step of Adam, in place; `step` counts from 1."""
    beta1, beta2 = betas
    work = np.empty_like(param) if scratch is None else scratch
    m *= beta1
    m += np.multiply(grad, 1 - beta1, out=work)
    v *= beta2
    np.multiply(grad, grad, out=work)
    work *= 1 - beta2
    v += work
    np.sqrt(v, out=work)
    work /= (1 - beta2**step) ** 0.5
    work += eps
    np.divide(m, work, out=work)
    work *= lr / (1 - beta1**step)
    param -= work


# %% 1.1.3 book/foundations/gradient_descent.md
def minibatches(n, batch_size, *, rng=None):
    """Visit the rows 0 .. n-1 once, at random, `batch_size` at a time."""
    order = np.random.default_rng(rng).permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]
