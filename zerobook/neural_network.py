# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Neural networks on plain arrays, layer by layer."""

import numpy as np
from zerobook.base import (
    COUNT,
    NOT_NEGATIVE,
    SEED,
    BaseEstimator,
    check_classification_targets,
    check_is_fitted,
    check_params,
    check_random_state,
    validate_data,
)
from zerobook.metrics import ClassifierMixin
from zerobook.preprocessing import one_hot
from zerobook.activations import relu, relu_backward
from zerobook.optim import adam_update, momentum_update, sgd_update
from zerobook.losses import cross_entropy, cross_entropy_backward
from zerobook.optim import minibatches
from zerobook.activations import (
    gelu,
    gelu_backward,
    identity,
    identity_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    tanh,
    tanh_backward,
)
from zerobook.base import (
    BOOL,
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    Interval,
    check_params,
)
from zerobook.model_selection import train_test_split
from zerobook.base import ConvergenceWarning, warn
from zerobook.activations import log_softmax


# %% 1.2.1 book/foundations/neural_networks.md
def linear(X, weight, bias=None):
    """Weighted sums of the inputs, one per unit: ``X @ weight + bias``.

    Parameters
    ----------
    X : ndarray of shape (N, D_in)
    weight : ndarray of shape (D_in, D_out)
        One column per unit; PyTorch's ``nn.Linear`` stores the transpose.
    bias : ndarray of shape (D_out,), optional

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
    return X @ weight if bias is None else X @ weight + bias  # (N, D_out)


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

    def fit(self, X, y):
        """Draw the hidden layer, solve for the read-out; return self."""
        check_params(self, _RANDOM_LAYER_RULES)
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

    def hidden(self, X):
        """What the hidden units say about each row, shape (N, n_hidden)."""
        sums = linear(X, self.hidden_weight_, self.hidden_bias_)
        return self.activation(sums)

    def decision_function(self, X):
        """How far each class leads: (N,) for two classes, else (N, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        scores = linear(self.hidden(X), self.weight_, self.bias_)  # (N, K)
        two = len(self.classes_) == 2
        return scores[:, 1] - scores[:, 0] if two else scores

    def predict(self, X):
        """Class of each row, the one with the largest output."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(int)]
        return self.classes_[scores.argmax(axis=1)]


# %% 1.2.1 book/foundations/hidden_layer.md
_RANDOM_LAYER_RULES = {
    "n_hidden": COUNT,
    "activation": [callable],
    "alpha": NOT_NEGATIVE,
    "random_state": SEED,
}


# %% 1.2.3 book/foundations/backpropagation.md
def linear_backward(g, X, weight, wanted=(True, True, True), out=None):
    """Gradient through `linear`, for its three inputs.

    Parameters
    ----------
    g : ndarray of shape (N, D_out)
        Gradient of the loss by the output of the layer.
    X : ndarray of shape (N, D_in)
    weight : ndarray of shape (D_in, D_out)
    wanted : three bools
        Which to compute, in the order below; None stands for the others.
    out : ndarray of shape (D_in, D_out), optional
        Where `dweight` is written.

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
    dX = g @ weight.T if wanted[0] else None
    dweight = np.matmul(X.T, g, out=out) if wanted[1] else None
    return dX, dweight, g.sum(axis=0) if wanted[2] else None


# %% 1.2.3 book/foundations/backpropagation.md
class LinearLayer:
    """`linear` with a memory: forward keeps `X`, backward the gradients."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, X):
        """Answer for the rows of `X`, and remember them."""
        self.X = X
        return linear(X, self.weight, self.bias)

    def backward(self, g):
        """Keep the gradients of weight and bias, return that of `X`."""
        dX, self.dweight, self.dbias = linear_backward(g, self.X, self.weight)
        return dX

    def parameters(self):
        """The two arrays that training changes."""
        return [self.weight, self.bias]

    def gradients(self):
        """Their gradients, after `backward`."""
        return [self.dweight, self.dbias]


# %% 1.2.3 book/foundations/backpropagation.md
class ActivationLayer:
    """A function and its gradient rule, with a memory of input and output."""

    def __init__(self, function, function_backward):
        self.function, self.function_backward = function, function_backward

    def forward(self, x):
        """Apply the function, and remember what went in and came out."""
        self.x, self.y = x, self.function(x)
        return self.y

    def backward(self, g):
        """Gradient by the input of the last `forward`."""
        return self.function_backward(g, self.x, self.y)

    def parameters(self):
        """None: there is nothing to train."""
        return []

    def gradients(self):
        """None."""
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
def mlp(sizes, activation=relu, activation_backward=relu_backward, *,
        init=he_normal, rng=None, dtype=np.float64):
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


# %% 1.2.4 book/foundations/overfitting.md
def with_weight_decay(layers, step, weight_decay):
    """`step`, with the slope of an L2 penalty added to the gradients first.

    The penalty is ``weight_decay / 2`` times the sum of squared weights, on
    top of the mean loss; biases are free. Section 1.2.4. PyTorch's optimisers
    have the same term as ``weight_decay``, which there holds biases too.
    """
    linears = [layer for layer in layers if isinstance(layer, LinearLayer)]

    def decayed_step():
        for layer in linears:
            layer.dweight += weight_decay * layer.weight
        step()

    return decayed_step


# %% 1.2.4 book/foundations/overfitting.md
def dropout(x, p, *, rng):
    """Set each entry to zero with probability `p`; divide the rest by 1 - p.

    Parameters
    ----------
    x : ndarray of float, any shape
    p : float
        Probability of falling, from 0 (nothing happens) to less than 1.
    rng : Generator, int or None
        Pass one Generator through all steps: an int draws the same mask.

    Returns
    -------
    y : ndarray, shape and dtype of `x`
        Equal to `x` in the mean over masks.
    mask : ndarray, shape and dtype of `x`
        0 or ``1 / (1 - p)``, for `dropout_backward`.

    Raises
    ------
    ValueError
        If `p` lies outside ``0 <= p < 1``.

    Notes
    -----
    Section 1.2.4; Srivastava et al. (2014), in the inverted form.

    Examples
    --------
    >>> y, mask = dropout(np.array([2.0, 4.0, 6.0, 8.0]), 0.5, rng=1)
    >>> y.tolist(), mask.tolist()
    ([4.0, 8.0, 0.0, 16.0], [2.0, 2.0, 0.0, 2.0])
    """
    if not 0 <= p < 1:
        raise ValueError(f"p must lie in 0 <= p < 1, got {p!r}")
    rng = np.random.default_rng(rng)
    mask = (rng.random(x.shape) >= p).astype(x.dtype)
    mask /= 1 - p
    return x * mask, mask


def dropout_backward(g, mask):
    """Gradient through `dropout`: the same entries fall, the rest grow."""
    return g * mask


# %% 1.2.4 book/foundations/overfitting.md
class DropoutLayer:
    """`dropout` with a memory of its mask: a layer for training only."""

    def __init__(self, p, *, rng=None):
        self.p, self.rng = p, np.random.default_rng(rng)

    def forward(self, x):
        """Draw a new mask and let it work."""
        y, self.mask = dropout(x, self.p, rng=self.rng)
        return y

    def backward(self, g):
        """Gradient through the mask of the last forward pass."""
        return dropout_backward(g, self.mask)

    def parameters(self):
        """None: `p` is given, not learned."""
        return []

    def gradients(self):
        """None, like the parameters."""
        return []


# %% 1.2.4 book/foundations/overfitting.md
def with_dropout(layers, p, *, rng=None):
    """The same layers with dropout behind each activation, for training.

    Linear layers are shared: what the new list learns, `layers` knows, and
    `layers` is the one to predict with. Section 1.2.4.
    """
    rng, noisy = np.random.default_rng(rng), []
    for layer in layers:
        noisy.append(layer)
        if isinstance(layer, ActivationLayer):
            noisy.append(DropoutLayer(p, rng=rng))
    return noisy


# %% 1.2.4 book/foundations/overfitting.md
class EarlyStopping:
    """Remembers the best parameters, and says when to stop waiting.

    Parameters
    ----------
    params : list of ndarray
        As from `parameters(layers)`; copied at each new best.
    patience : int, default=10
        Losses without improvement that end the training.
    tol : float, default=0.0
        What counts as an improvement must exceed this.

    Attributes
    ----------
    best : float
        The lowest loss so far.

    Notes
    -----
    Section 1.2.4.
    """

    def __init__(self, params, *, patience=10, tol=0.0):
        self.params, self.patience, self.tol = params, patience, tol
        self.best, self.waited, self.kept = np.inf, 0, None

    def stop(self, loss):
        """Hear of one more loss; True when patience is at its end."""
        self.waited = 0 if loss < self.best - self.tol else self.waited + 1
        if loss < self.best:
            self.best, self.kept = loss, [p.copy() for p in self.params]
        return self.waited >= self.patience

    def restore(self):
        """Put the best parameters back, in place."""
        if self.kept is None:
            raise ValueError("nothing to restore: no loss was a number")
        for param, kept in zip(self.params, self.kept):
            param[...] = kept


# %% 1.2.4 book/foundations/overfitting.md
def train_until(layers, X, y, step, *, validation=None, epochs,
                patience=10, tol=0.0, batch_size=32, rng=None):
    """`train_epoch` until the loss has not fallen for `patience` passes.

    Parameters
    ----------
    layers, X, y, step, batch_size, rng
        As in `train_epoch`.
    validation : triple of layers, X and y, optional
        Its loss is watched, and the best weights are put back; the layers
        are those that predict (`layers` without dropout). By default the
        training loss is watched, and the last weights stay.
    epochs : int
        The most passes.
    patience, tol
        As in `EarlyStopping`.

    Returns
    -------
    losses, watched : ndarrays of shape (passes,)
        Training loss and watched loss after each pass, nats per example.

    Raises
    ------
    ValueError
        If the loss is no longer a number.

    Notes
    -----
    Section 1.2.4.
    """
    rng = np.random.default_rng(rng)
    brake = EarlyStopping(parameters(layers), patience=patience, tol=tol)
    losses, watched = [], []
    for _ in range(epochs):
        loss = train_epoch(layers, X, y, step, batch_size=batch_size, rng=rng)
        losses.append(loss)
        watched.append(_watched_loss(loss, validation))
        if brake.stop(watched[-1]):
            break
    if validation is not None:
        brake.restore()
    return np.array(losses), np.array(watched)


# %% 1.2.4 book/foundations/overfitting.md
def _watched_loss(loss, validation):
    if validation is not None:
        layers, X, y = validation
        loss = cross_entropy(forward(layers, X), y)
    if not np.isfinite(loss):
        raise ValueError(
            f"the training diverged, its loss is {loss}: scale the columns "
            "of X or lower the learning rate"
        )
    return loss


# %% 1.2.4 book/foundations/mlp_classifier.md
class MLPClassifier(ClassifierMixin, BaseEstimator):
    """Multilayer perceptron for classes, trained by backpropagation and Adam.

    Derived in section 1.2.4. Put a scaler in front: columns of very different
    spread train slowly.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; ``()`` leaves none.
    activation : str, default="relu"
        A key of `ACTIVATIONS`; "logistic" is the sigmoid.
    alpha : float, default=0.0001
        L2 penalty: ``alpha / (2 * batch_size)`` times the sum of squared
        weights joins the mean loss, as in scikit-learn.
    dropout : float, default=0.0
        Probability with which a hidden output falls, ``0 <= dropout < 1``.
    batch_size : int or "auto", default="auto"
        "auto" is 200, or all rows if there are fewer.
    learning_rate_init, max_iter : float, int, defaults 0.001 and 200
        Step of Adam, and the most passes over the data.
    tol, n_iter_no_change : float, int, defaults 1e-4 and 10
        So many passes without a loss lower by more than `tol` end the fit.
    early_stopping, validation_fraction : bool, float, defaults False and 0.1
        Watch the loss on this share of the rows, kept aside, and put the best
        weights back.
    random_state : int, Generator or None, default=None

    Attributes
    ----------
    classes_, n_iter_ : ndarray of shape (K,), int
    coefs_, intercepts_ : lists of ndarrays
        Weights (D_in, D_out) and biases (D_out,), one pair a layer.
    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each pass in nats per example, without the penalty;
        about ``log(K)`` for a network that knows nothing.
    validation_loss_curve_ : ndarray of shape (n_iter_,), or None

    Examples
    --------
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    >>> net = MLPClassifier(32, learning_rate_init=0.05, random_state=0)
    >>> net.fit(X, y).predict(X)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        alpha=1e-4,
        dropout=0.0,
        batch_size="auto",
        learning_rate_init=1e-3,
        max_iter=200,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.dropout = dropout
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def fit(self, X, y):
        """Learn the classes `y` of the rows of `X`; returns self."""
        check_params(self, _MLP_RULES)
        sizes = np.atleast_1d(self.hidden_layer_sizes).tolist()
        for size in sizes:
            check_params(
                self, {"hidden_layer_sizes": COUNT}, hidden_layer_sizes=size
            )
        X, y = validate_data(self, X, y)
        check_classification_targets(y, at_least=2)
        self.classes_, codes = np.unique(y, return_inverse=True)
        rng = check_random_state(self.random_state)
        f, f_backward, init = ACTIVATIONS[self.activation]
        sizes = (X.shape[1], *sizes, len(self.classes_))
        layers = mlp(sizes, f, f_backward, init=init, rng=rng, dtype=X.dtype)
        validation = None
        if self.early_stopping:
            share = self.validation_fraction
            X, X_val, codes, codes_val = train_test_split(
                X, codes, test_size=share, stratify=codes, rng=rng
            )
            validation = layers, X_val, codes_val
        _train_mlp(self, layers, X, codes, validation, rng)
        _warn_if_cut_off(self)
        self.coefs_ = parameters(layers)[::2]
        self.intercepts_ = parameters(layers)[1::2]
        return self

    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`."""
        return log_softmax(_mlp_logits(self, X))

    def predict_proba(self, X):
        """Probability of each class, (N, K), columns as in `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """The most probable class of each row."""
        best = _mlp_logits(self, X).argmax(axis=1)  # (N,)
        return self.classes_[best]


# %% 1.2.4 book/foundations/mlp_classifier.md
ACTIVATIONS = {
    "identity": (identity, identity_backward, xavier_normal),
    "logistic": (sigmoid, sigmoid_backward, xavier_normal),
    "tanh": (tanh, tanh_backward, xavier_normal),
    "relu": (relu, relu_backward, he_normal),
    "gelu": (gelu, gelu_backward, he_normal),
    "silu": (silu, silu_backward, he_normal),
}


# %% 1.2.4 book/foundations/mlp_classifier.md
_MLP_RULES = {
    "activation": [*ACTIVATIONS],
    "alpha": NOT_NEGATIVE,
    "dropout": [Interval(float, "[0, 1)")],
    "batch_size": ["auto", *COUNT],
    "learning_rate_init": POSITIVE,
    "max_iter": COUNT,
    "tol": NOT_NEGATIVE,
    "n_iter_no_change": [*COUNT, np.inf],
    "early_stopping": BOOL,
    "validation_fraction": [Interval(float, "(0, 1)")],
    "random_state": SEED,
}


# %% 1.2.4 book/foundations/mlp_classifier.md
def _train_mlp(model, layers, X, codes, validation, rng):
    """Run the loop with the brakes that were asked for; keep its curves."""
    auto = isinstance(model.batch_size, str)
    size = min(200 if auto else model.batch_size, len(X))
    noisy = layers
    if model.dropout:
        noisy = with_dropout(layers, model.dropout, rng=rng)
    step = adam(noisy, lr=model.learning_rate_init)
    model.loss_curve_, watched = train_until(
        noisy,
        X,
        codes,
        with_weight_decay(noisy, step, model.alpha / size),
        validation=validation,
        epochs=model.max_iter,
        patience=model.n_iter_no_change,
        tol=model.tol,
        batch_size=size,
        rng=rng,
    )
    model.validation_loss_curve_ = None if validation is None else watched
    model.n_iter_ = len(watched)


# %% 1.2.4 book/foundations/mlp_classifier.md
def _warn_if_cut_off(model):
    if model.n_iter_ == model.max_iter and not model.early_stopping:
        warn(
            f"no convergence in {model.max_iter} passes: raise max_iter, "
            "or stop early on purpose with early_stopping=True",
            ConvergenceWarning,
        )


# %% 1.2.4 book/foundations/mlp_classifier.md
def _mlp_logits(model, X):
    """Scores of all classes, dropout left out, shape (N, K)."""
    check_is_fitted(model)
    X = validate_data(model, X, reset=False)
    f, f_backward, _ = ACTIVATIONS[model.activation]
    layers = []
    for weight, bias in zip(model.coefs_, model.intercepts_):
        layers.append(LinearLayer(weight, bias))
        layers.append(ActivationLayer(f, f_backward))
    return forward(layers[:-1], X)  # (N, K)
