# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""One network in several frameworks: the same start, the same batches."""

import os
import numpy as np
from zerobook import functional, nn
from zerobook.datasets import load_digits
from zerobook.optim import Adam


# %% 2.1.3 book/deep_learning/frameworks.md
NEEDS = ("tensorflow", "jax")
VERB = "make frameworks"
STEPS, LR, BETAS, EPS = 20, 0.01, (0.9, 0.999), 1e-7


def start():
    """Weights and biases of a 64-32-10 network, inputs first."""
    rng = np.random.default_rng(0)
    arrays = (rng.normal(0, 0.15, (64, 32)), np.zeros(32),
              rng.normal(0, 0.2, (32, 10)), np.zeros(10))
    return [a.astype(np.float32) for a in arrays]


def batches(batch_size=64):
    """Twenty batches of digits, no row twice."""
    X, y = load_digits()
    X = (X / 16).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(X))
    ends = range(batch_size, batch_size * STEPS + 1, batch_size)
    return [(X[rows], y[rows].astype(np.int64))
            for rows in (order[end - batch_size : end] for end in ends)]


# %% 2.1.3 book/deep_learning/frameworks.md
def with_zerobook(rule=Adam, eps=EPS):
    """Losses, first gradient and last weights of our own engine."""
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    net.load_state_dict(dict(zip(net.state_dict(), start())))
    optimizer = rule(net.parameters(), lr=LR, betas=BETAS, eps=eps)
    losses, first = [], None
    for X, y in batches():
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(X), y)
        loss.backward()
        first = first or [p.grad.copy() for p in net.parameters()]
        optimizer.step()
        losses.append(loss.item())
    return losses, first, [p.data for p in net.parameters()]


# %% 2.1.3 book/deep_learning/frameworks.md
def keras_net(eps=EPS):
    """The network and its optimiser, in Keras on TensorFlow."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3",
                      TF_ENABLE_ONEDNN_OPTS="0")
    import keras

    dense = keras.layers.Dense
    net = keras.Sequential([keras.Input((64,)), dense(32, "relu"), dense(10)])
    net.set_weights(start())
    cost = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return net, keras.optimizers.Adam(LR, *BETAS, epsilon=eps), cost


def with_keras(eps=EPS):
    """Losses, first gradient and last weights of Keras and TensorFlow."""
    net, optimizer, cost = keras_net(eps)
    import tensorflow as tf

    losses, first = [], None
    for X, y in batches():
        with tf.GradientTape() as tape:
            loss = cost(y, net(X, training=True))
        grads = tape.gradient(loss, net.trainable_variables)
        first = first or [g.numpy() for g in grads]
        optimizer.apply_gradients(zip(grads, net.trainable_variables))
        losses.append(float(loss))
    return losses, first, net.get_weights()


# %% 2.1.3 book/deep_learning/frameworks.md
def with_jax(eps=EPS):
    """Losses, first gradient and last weights of JAX, Adam by hand."""
    import jax
    from jax import numpy as jnp

    def cost(weights, X, y):
        W, b, U, c = weights
        logits = jnp.maximum(X @ W + b, 0) @ U + c
        log_p = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    slope = jax.jit(jax.value_and_grad(cost))
    weights = [jnp.array(a) for a in start()]
    m = v = [jnp.zeros_like(w) for w in weights]
    losses, first, (p, q) = [], None, BETAS
    for t, (X, y) in enumerate(batches(), 1):
        loss, grads = slope(weights, X, y)
        first = first or [np.array(g) for g in grads]
        m = [p * a + (1 - p) * g for a, g in zip(m, grads)]
        v = [q * a + (1 - q) * g * g for a, g in zip(v, grads)]
        weights = [
            w - LR * a / (1 - p**t) / (jnp.sqrt(b / (1 - q**t)) + eps)
            for w, a, b in zip(weights, m, v)
        ]
        losses.append(float(loss))
    return losses, first, [np.array(w) for w in weights]


# %% 2.1.3 book/deep_learning/frameworks.md
class HatAdam(Adam):
    """Adam with epsilon where Keras has it, before the corrections."""

    def update(self, i, part):
        """One step of the numbers in the slice `part` of group `i`."""
        group = self.param_groups[i]
        eps, beta = group["eps"], group["betas"][1]
        group["eps"] = eps / (1 - beta ** group["step"]) ** 0.5
        super().update(i, part)
        group["eps"] = eps


# %% 2.1.3 book/deep_learning/frameworks.md
class SingleHatAdam(HatAdam):
    """`HatAdam` with the corrections computed in single precision."""

    def update(self, i, part):
        """One step of the numbers in the slice `part` of group `i`."""
        group, one = self.param_groups[i], np.float32(1)
        lr, t = group["lr"], group["step"]
        exact = [1 - beta**t for beta in group["betas"]]
        single = [float(one - np.float32(beta) ** np.float32(t))
                  for beta in group["betas"]]
        group["lr"] = lr * (single[1] / exact[1]) ** 0.5
        group["lr"] *= exact[0] / single[0]
        super().update(i, part)
        group["lr"] = lr


# %% 2.1.3 book/deep_learning/frameworks.md
def furthest(a, b):
    """The largest difference between two lists of arrays."""
    return max(float(np.abs(np.subtract(x, y)).max()) for x, y in zip(a, b))


def run(say=print):
    """Train in all frameworks; losses, and how far from ours they end."""
    ours, sides, results = with_zerobook(), {}, {"losses": {}}
    for name, train in (("keras", with_keras), ("jax", with_jax)):
        sides[name] = train()
        say(f"{name}: last loss {sides[name][0][-1]:.6f}, "
            f"ours {ours[0][-1]:.6f}")
    sides["zerobook"] = ours
    results["losses"] = {name: r[0] for name, r in sides.items()}
    for key, i in (("first_gradient", 1), ("last_weights", 2)):
        results[key] = {n: furthest(r[i], ours[i]) for n, r in sides.items()}
    results["bias_gradient"] = {
        name: [float(g) for g in r[1][-1]] for name, r in sides.items()
    }
    net, optimizer, cost = keras_net()
    net.compile(optimizer, cost)
    X, y = (np.concatenate(parts) for parts in zip(*batches()))
    seen = net.fit(X, y, batch_size=64, shuffle=False, verbose=0)
    results["keras_fit"] = float(seen.history["loss"][0])
    return results
