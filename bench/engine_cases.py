"""The eight trainings (one of them writes) that both engines run.

Each case is built twice, in zerobook and in PyTorch, from the same arrays;
a name of a weight is the same on both sides, and its shape is zerobook's. The GPT
of e, f and g is `zerobook.models.gpt.GPT`; in g it writes with its cache.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """A model, its data, and the ratios to PyTorch that we hope to keep."""

    name: str
    what: str
    kind: str  # mlp, cnn, lstm, gpt or writer
    sizes: dict = field(default_factory=dict)
    aim: float | None = None  # one thread
    aim2: float | None = None  # two cores
    replicas: int = 2  # on two cores; 1 where a step is too short to share

    @property
    def product(self):
        """Rows, inner length and columns of the largest common product."""
        s = self.sizes
        if self.kind == "mlp":
            return s["N"], *s["widths"][:2]
        if self.kind == "cnn":
            _, inner, outer = s["channels"]
            return s["N"] * s["side"] ** 2, 9 * inner, outer
        if self.kind == "lstm":
            return s["N"] * s["T"], s["D"], 4 * s["D"]
        return (s["N"] * s["T"] if self.kind == "gpt" else 1,
                s["D"], 4 * s["D"])


GPT = {"V": 65, "D": 128, "heads": 4, "layers": 4, "T": 64, "N": 12}
CASES = {c.name: c for c in [
    Case("a", "MLP 64-128-128-10, batch 64", "mlp",
         {"widths": (64, 128, 128, 10), "N": 64}, 0.5, 0.6, 1),
    Case("b", "MLP 784-512-512-10, batch 128", "mlp",
         {"widths": (784, 512, 512, 10), "N": 128}, 0.95, 1.1),
    Case("c8", "CNN 1-16-32, 8 x 8, batch 64", "cnn",
         {"channels": (1, 16, 32), "side": 8, "N": 64}, 0.8, 1.1),
    Case("c28", "CNN 1-16-32, 28 x 28, batch 64", "cnn",
         {"channels": (1, 16, 32), "side": 28, "N": 64}, 1.0, 1.0),
    Case("wide", "CNN 32-64-64, 14 x 14, batch 32", "cnn",
         {"channels": (32, 64, 64), "side": 14, "N": 32}),
    Case("d", "LSTM 128, 65 letters, T 64, batch 32", "lstm",
         {"V": 65, "D": 128, "T": 64, "N": 32}, 1.15, 1.1),
    Case("e", "GPT 4 layers of 128, T 64, batch 12", "gpt", GPT, 0.9, 0.85),
    Case("f", "GPT 6 layers of 384, T 256, batch 4", "gpt",
         {"V": 65, "D": 384, "heads": 6, "layers": 6, "T": 256, "N": 4},
         0.97, 0.92),
    Case("g", "GPT of case e writes 200 letters", "writer",
         {**GPT, "T": 200}, 0.6, 0.65, 1),
]}


def sequential(nn, case):
    """An MLP or a CNN; `nn` is zerobook's or PyTorch's, by the same names."""
    s = case.sizes
    if case.kind == "mlp":
        a, b, c, d = s["widths"]
        return nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c),
                             nn.ReLU(), nn.Linear(c, d))
    a, b, c = s["channels"]
    return nn.Sequential(
        nn.Conv2d(a, b, 3, padding=1), nn.ReLU(),
        nn.Conv2d(b, c, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(c * (s["side"] // 2) ** 2, 10),
    )


def shapes(case):
    """Names and shapes of the weights, (in, out) at the end."""
    s, out = case.sizes, {}

    def linear(name, rows, columns):
        out[f"{name}.weight"] = (rows, columns)
        out[f"{name}.bias"] = (columns,)

    def norm(name):
        out[f"{name}.weight"], out[f"{name}.bias"] = (s["D"],), (s["D"],)

    if case.kind == "mlp":
        for i, pair in enumerate(zip(s["widths"], s["widths"][1:])):
            linear(f"{2 * i}", *pair)
    elif case.kind == "cnn":
        a, b, c = s["channels"]
        for name, pair in (("0", (a, b)), ("2", (b, c))):
            linear(name, *pair)
            out[f"{name}.weight"] = (3, 3, *pair)
        linear("6", c * (s["side"] // 2) ** 2, 10)
    elif case.kind == "lstm":
        V, D = s["V"], s["D"]
        out["embedding.weight"] = (V, D)
        for name in ("ih", "hh"):
            out[f"lstm.weight_{name}_l0"] = (D, 4 * D)
            out[f"lstm.bias_{name}_l0"] = (4 * D,)
        linear("head", D, V)
    else:
        V, D = s["V"], s["D"]
        out["wte.weight"], out["wpe.weight"] = (V, D), (s["T"], D)
        for i in range(s["layers"]):
            at = f"h.{i}"
            norm(f"{at}.ln_1"), norm(f"{at}.ln_2")
            linear(f"{at}.attn.c_attn", D, 3 * D)
            linear(f"{at}.attn.c_proj", D, D)
            linear(f"{at}.mlp.c_fc", D, 4 * D)
            linear(f"{at}.mlp.c_proj", 4 * D, D)
        norm("ln_f")
        out["lm_head.weight"] = (D, V)
    return out


def weights(case, seed=0):
    """The same arrays for both sides."""
    rng, arrays = np.random.default_rng(seed), {}
    for name, shape in shapes(case).items():
        if "ln_" in name:
            array = np.full(shape, float("weight" in name))
        elif len(shape) == 1:
            array = np.zeros(shape)
        else:
            inputs = np.prod(shape[:-1])
            scale = 0.1 if name.startswith(("wte", "wpe")) else None
            array = rng.normal(0, scale or inputs**-0.5, shape)
        arrays[name] = array.astype(np.float32)
    return arrays


def signature(text):
    """A number that two texts share only if they are the same text."""
    digest = hashlib.sha256(bytes(text)).hexdigest()
    return 1.0 + int(digest[:12], 16)


def batches(case, n=4, seed=1):
    """A few batches, taken in turn: inputs and targets as arrays."""
    rng, s = np.random.default_rng(seed), case.sizes
    if case.kind == "writer":
        return [(rng.integers(0, s["V"], (1, 1)), None)]
    if case.kind in ("mlp", "cnn"):
        shape = (s["N"], s["widths"][0]) if case.kind == "mlp" else (
            s["N"], s["channels"][0], s["side"], s["side"])
        return [(rng.normal(size=shape).astype(np.float32),
                 rng.integers(0, 10, s["N"])) for _ in range(n)]
    texts = rng.integers(0, s["V"], (n, s["N"], s["T"] + 1))
    return [(text[:, :-1], text[:, 1:]) for text in texts]
