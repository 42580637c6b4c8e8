# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Update rules: they change an array in place and return nothing."""

import numpy as np


# %% 1.1.3 book/foundations/gradient_descent.md
def sgd_update(param, grad, *, lr, scratch=None):
    """One step of gradient descent, ``param -= lr * grad``, in place.

    Derived in section 1.1.3.

    Parameters
    ----------
    param : ndarray of float
        Changed in place.
    grad : ndarray, same shape
        Slope of the loss; left as it is.
    lr : float
        Learning rate; diverges above two over the steepest curvature.
    scratch : ndarray like `param`, optional
        Room for intermediate results, so that nothing is allocated.

    Examples
    --------
    >>> weight = np.array([0.0])
    >>> sgd_update(weight, np.array([-12.0]), lr=0.1)
    >>> weight.round(6).tolist()
    [1.2]
    """
    param -= np.multiply(grad, lr, out=scratch)


# %% 1.1.3 book/foundations/momentum_and_adam.md
def momentum_update(
    param, grad, velocity, *, lr, momentum=0.9, scratch=None
):
    """One step with a velocity that remembers earlier slopes, in place.

    Derived in section 1.1.3; Polyak (1964), in PyTorch's form.

    Parameters
    ----------
    param, velocity : ndarray of float, same shape
        Changed in place; `velocity` starts as zeros.
    grad : ndarray, same shape
    lr : float
    momentum : float
        Share of the velocity that survives a step, in 0 .. 1.
    scratch : ndarray like `param`, optional

    Examples
    --------
    >>> weight, velocity = np.zeros(1), np.zeros(1)
    >>> for _ in range(2):
    ...     momentum_update(weight, np.ones(1), velocity, lr=1.0)
    >>> velocity.tolist(), weight.tolist()
    ([1.9], [-2.9])
    """
    velocity *= momentum
    velocity += grad
    param -= np.multiply(velocity, lr, out=scratch)


# %% 1.1.3 book/foundations/momentum_and_adam.md
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
    """One step of Adam, in place: each weight at a rate of its own.

    Derived in section 1.1.3; Kingma and Ba (2015), Algorithm 1.

    Parameters
    ----------
    param, m, v : ndarray of float, same shape
        Changed in place; `m` and `v`, the running means of the slope and
        of its square, start as zeros.
    grad : ndarray, same shape
    step : int
        Counts from 1.
    lr : float
        About the largest change of a weight in one step.
    betas : pair of float
        Share of each mean that survives a step.
    eps : float
        Keeps a weight without slope from dividing by zero.
    scratch : ndarray like `param`, optional
    """
    work = np.empty_like(param) if scratch is None else scratch
    m *= betas[0]
    m += np.multiply(grad, 1 - betas[0], out=work)
    np.multiply(grad, grad, out=work)
    work *= 1 - betas[1]
    v *= betas[1]
    v += work
    np.sqrt(v, out=work)
    work /= (1 - betas[1] ** step) ** 0.5
    work += eps
    np.divide(m, work, out=work)
    work *= lr / (1 - betas[0] ** step)
    param -= work


# %% 1.1.3 book/foundations/momentum_and_adam.md
def minibatches(n, batch_size, *, rng=None):
    """Visit the rows ``0 .. n-1`` once, in random order, a batch at a time.

    Derived in section 1.1.3.

    Parameters
    ----------
    n : int
        Rows of the data.
    batch_size : int
        Rows of a batch; the last one holds what is left.
    rng : numpy.random.Generator or int, optional
        Pass one Generator through all epochs: an int gives each epoch the
        same order.

    Yields
    ------
    ndarray of int

    Examples
    --------
    >>> [len(rows) for rows in minibatches(10, 4, rng=0)]
    [4, 4, 2]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    order = np.random.default_rng(rng).permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]
