# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Neural networks on plain arrays, layer by layer."""

import numpy as np
from zerobook.base import (
    BaseEstimator,
    check_classification_targets,
    check_is_fitted,
    check_random_state,
    validate_data,
)
from zerobook.metrics import ClassifierMixin
from zerobook.preprocessing import one_hot
from zerobook.activations import relu, relu_backward
from zerobook.optim import adam_update, momentum_update, sgd_update
from zerobook.losses import cross_entropy, cross_entropy_backward
from zerobook.optim import minibatches


# %% 1.2.1 book/foundations/neural_networks.md
def linear(X, weight, bias):
    """Weighted sums of the inputs, one per unit: ``X @ weight + bias``.

    Parameters
    ----------
    X : ndarray of shape (N, D_in)
    weight : ndarray of shape (D_in, D_out)
        One column per unit; PyTorch's ``nn.Linear`` stores the transpose.
    bias : ndarray of shape (D_out,)

    Returns
    -------
    ndarray of shape (N, D_out)

    Notes
    -----
    Section 1.2.1.

    Examples
    --------
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.ones(1))
    array([[12.]])
    """
    return X @ weight + bias  # (N, D_out)


# %% 1.2.1 book/foundations/hidden_layer.md
def ridge_read_out(H, T, alpha):
    """Weights and bias of the linear map from `H` that comes closest to `T`.

    Minimises ``sum((H @ weight + bias - T) ** 2) + alpha * sum(weight ** 2)``.

    Parameters
    ----------
    H : ndarray of shape (N, n_hidden)
    T : ndarray of shape (N, K)
    alpha : float
        Price of a squared weight; the bias is free.

    Returns
    -------
    weight : ndarray of shape (n_hidden, K)
    bias : ndarray of shape (K,)
    """
    h, t = H.mean(axis=0), T.mean(axis=0)
    price = np.sqrt(alpha) * np.eye(H.shape[1])
    rows = np.vstack([H - h, price])  # (N + n_hidden, n_hidden)
    wanted = np.vstack([T - t, np.zeros((len(price), T.shape[1]))])
    weight = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return weight, t - h @ weight


# %% 1.2.1 book/foundations/hidden_layer.md
class RandomLayerClassifier(ClassifierMixin, BaseEstimator):
    """Network whose hidden layer is drawn, and whose read-out is solved.

    Parameters
    ----------
    n_hidden : int, default=300
        Hidden units.
    activation : callable, default=np.tanh
        Applied to every weighted sum; ``f(array) -> array``.
    alpha : float, default=0.001
        Price of the squared read-out weights.
    random_state : int, Generator or None, default=None
        Source of the hidden layer.

    Attributes
    ----------
    hidden_weight_, hidden_bias_ : ndarrays of shape (D, H) and (H,)
        Drawn once; a typical row of the training set gives sums of
        spread 1 before the bias.
    weight_, bias_ : ndarrays of shape (H, K) and (K,)
        The read-out.
    classes_ : ndarray of shape (K,)

    Notes
    -----
    Section 1.2.1; Schmidt, Kraaijveld and Duin (1992) drew the hidden layer
    and solved for the read-out in this way.

    Examples
    --------
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    >>> RandomLayerClassifier(20, random_state=0).fit(X, y).predict(X)
    array([0, 1, 1, 0])
    """

    def __init__(
        self, n_hidden=300, activation=np.tanh, alpha=1e-3, random_state=None
    ):
        self.n_hidden = n_hidden
        self.activation = activation
        self.alpha = alpha
        self.random_state = random_state


# %% 1.2.1 book/foundations/hidden_layer.md
def _fit_random_layer(self, X, y):
    X, y = validate_data(self, X, y)
    check_classification_targets(y, at_least=2)
    self.classes_, targets = np.unique(y, return_inverse=True)
    rng = check_random_state(self.random_state)
    length = np.sqrt(np.mean(np.sum(X**2, axis=1))) or 1.0
    shape = (X.shape[1], self.n_hidden)
    self.hidden_weight_ = rng.normal(size=shape) / length
    self.hidden_bias_ = rng.normal(size=self.n_hidden)
    H = self.hidden(X)  # (N, n_hidden)
    T = one_hot(targets, len(self.classes_))  # (N, K)
    self.weight_, self.bias_ = ridge_read_out(H, T, self.alpha)
    return self


RandomLayerClassifier.fit = _fit_random_layer


# %% 1.2.1 book/foundations/hidden_layer.md
def _hidden(self, X):
    """What the hidden units say about each row, shape (N, n_hidden)."""
    sums = linear(X, self.hidden_weight_, self.hidden_bias_)
    return self.activation(sums)


def _random_layer_decision_function(self, X):
    check_is_fitted(self)
    X = validate_data(self, X, reset=False)
    scores = linear(self.hidden(X), self.weight_, self.bias_)  # (N, K)
    two = len(self.classes_) == 2
    return scores[:, 1] - scores[:, 0] if two else scores


def _random_layer_predict(self, X):
    scores = self.decision_function(X)
    if scores.ndim == 1:
        return self.classes_[(scores > 0).astype(int)]
    return self.classes_[scores.argmax(axis=1)]


RandomLayerClassifier.hidden = _hidden
RandomLayerClassifier.decision_function = _random_layer_decision_function
RandomLayerClassifier.predict = _random_layer_predict


# %% 1.2.3 book/foundations/backpropagation.md
def linear_backward(g, X, weight):
    """Gradient through `linear`, for its three inputs.

    Parameters
    ----------
    g : ndarray of shape (N, D_out)
        Gradient of the loss by the output of the layer.
    X : ndarray of shape (N, D_in)
    weight : ndarray of shape (D_in, D_out)

    Returns
    -------
    dX : ndarray of shape (N, D_in)
    dweight : ndarray of shape (D_in, D_out)
    dbias : ndarray of shape (D_out,)

    Notes
    -----
    Section 1.2.3.

    Examples
    --------
    >>> g, X, weight = np.ones((2, 1)), np.eye(2), np.array([[3.0], [4.0]])
    >>> linear_backward(g, X, weight)[0]
    array([[3., 4.],
           [3., 4.]])
    """
    return g @ weight.T, X.T @ g, g.sum(axis=0)


# %% 1.2.3 book/foundations/backpropagation.md
class LinearLayer:
    """`linear` with a memory: forward keeps `X`, backward the gradients."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, X):
        self.X = X
        return linear(X, self.weight, self.bias)

    def backward(self, g):
        dX, self.dweight, self.dbias = linear_backward(g, self.X, self.weight)
        return dX

    def parameters(self):
        return [self.weight, self.bias]

    def gradients(self):
        return [self.dweight, self.dbias]


# %% 1.2.3 book/foundations/backpropagation.md
class ActivationLayer:
    """A function and its gradient rule, with a memory of input and output."""

    def __init__(self, function, function_backward):
        self.function, self.function_backward = function, function_backward

    def forward(self, x):
        self.x, self.y = x, self.function(x)
        return self.y

    def backward(self, g):
        return self.function_backward(g, self.x, self.y)

    def parameters(self):
        return []

    def gradients(self):
        return []


# %% 1.2.3 book/foundations/backpropagation.md
def forward(layers, X):
    """Send a batch through the layers, first to last."""
    for layer in layers:
        X = layer.forward(X)
    return X


def backward(layers, g):
    """Send a gradient through the layers, last to first.

    Each layer keeps the gradients of its own parameters; what is returned
    is the gradient by the network's input.
    """
    for layer in reversed(layers):
        g = layer.backward(g)
    return g


# %% 1.2.3 book/foundations/backpropagation.md
def parameters(layers):
    """All weights and biases, as the arrays themselves."""
    return [p for layer in layers for p in layer.parameters()]


def gradients(layers):
    """Gradients of `parameters(layers)`, in the same order."""
    return [g for layer in layers for g in layer.gradients()]


# %% 1.2.3 book/foundations/training.md
def he_normal(shape, *, rng=None, dtype=np.float64):
    """Draw a weight matrix for a layer that ReLU follows.

    Normal numbers of variance ``2 / D_in``, `shape` being ``(D_in, D_out)``:
    ReLU throws half of the signal away, the 2 gives it back.
    Section 1.2.3; He et al. (2015).
    """
    rng = np.random.default_rng(rng)
    scale = np.sqrt(2 / shape[0])
    return (scale * rng.normal(size=shape)).astype(dtype)


def xavier_normal(shape, *, rng=None, dtype=np.float64):
    """Draw a weight matrix for a layer that tanh or nothing follows.

    Normal numbers of variance ``2 / (D_in + D_out)``, a compromise between
    the signal on its way forward and the gradient on its way back.
    Section 1.2.3; Glorot and Bengio (2010).
    """
    rng = np.random.default_rng(rng)
    scale = np.sqrt(2 / (shape[0] + shape[1]))
    return (scale * rng.normal(size=shape)).astype(dtype)


# %% 1.2.3 book/foundations/training.md
def mlp(
    sizes,
    activation=relu,
    activation_backward=relu_backward,
    *,
    init=he_normal,
    rng=None,
    dtype=np.float64,
):
    """Layers of a multilayer perceptron, freshly drawn.

    Parameters
    ----------
    sizes : sequence of int
        Widths from input to output, ``(64, 128, 10)`` for one hidden layer.
    activation, activation_backward : callables
        Stand between two linear layers; the output has none.
    init : callable, default=he_normal
        ``init((D_in, D_out), rng=..., dtype=...)`` draws one weight matrix;
        biases start at 0.
    rng : Generator, int or None
    dtype : dtype, default=float64

    Returns
    -------
    list of layers
        For `forward`, `backward`, `parameters` and `train`.

    Notes
    -----
    Section 1.2.3.

    Examples
    --------
    >>> net = mlp((4, 8, 3), rng=0)
    >>> forward(net, np.ones((2, 4))).shape
    (2, 3)
    """
    rng = np.random.default_rng(rng)
    layers = []
    for D_in, D_out in zip(sizes[:-1], sizes[1:]):
        weight = init((D_in, D_out), rng=rng, dtype=dtype)
        layers.append(LinearLayer(weight, np.zeros(D_out, dtype)))
        layers.append(ActivationLayer(activation, activation_backward))
    return layers[:-1]


# %% 1.2.3 book/foundations/training.md
def sgd(layers, *, lr):
    """A function that moves every parameter against its gradient once."""
    params = parameters(layers)

    def step():
        for param, grad in zip(params, gradients(layers)):
            sgd_update(param, grad, lr=lr)

    return step


# %% 1.2.3 book/foundations/training.md
def momentum(layers, *, lr, momentum=0.9):
    """As `sgd`, with a velocity remembered for every parameter."""
    params = parameters(layers)
    velocities = [np.zeros_like(param) for param in params]

    def step():
        for param, grad, v in zip(params, gradients(layers), velocities):
            momentum_update(param, grad, v, lr=lr, momentum=momentum)

    return step


def adam(layers, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    """As `sgd`, with Adam's two running means for every parameter."""
    params = parameters(layers)
    means = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
    steps = 0

    def step():
        nonlocal steps
        steps += 1
        for param, grad, (m, v) in zip(params, gradients(layers), means):
            adam_update(param, grad, m, v, steps, lr=lr, betas=betas, eps=eps)

    return step


# %% 1.2.3 book/foundations/training.md
def train_epoch(layers, X, y, step, *, batch_size=32, rng=None):
    """One pass over the data in minibatches; returns the mean loss met.

    Parameters
    ----------
    layers : list of layers
        Changed in place.
    X : ndarray of shape (N, D)
    y : ndarray of int, shape (N,)
        Classes in ``0 .. K-1``, K the width of the last layer.
    step : callable
        Called after each backward pass; `sgd`, `momentum` or `adam` of
        these layers.
    batch_size : int, default=32
    rng : Generator, int or None
        Source of the order of the rows.

    Returns
    -------
    float
        Cross-entropy in nats per example, each minibatch seen before its
        step; about ``log(K)`` for a network that knows nothing.
    """
    total = 0.0
    for rows in minibatches(len(X), batch_size, rng=rng):
        logits = forward(layers, X[rows])
        total += len(rows) * cross_entropy(logits, y[rows])
        backward(layers, cross_entropy_backward(1.0, logits, y[rows]))
        step()
    return total / len(X)


# %% 1.2.3 book/foundations/training.md
def train(layers, X, y, step, *, epochs, batch_size=32, rng=None):
    """`train_epoch`, `epochs` times; returns the losses, one per pass."""
    rng = np.random.default_rng(rng)
    losses = [
        train_epoch(layers, X, y, step, batch_size=batch_size, rng=rng)
        for _ in range(epochs)
    ]
    return np.array(losses)
