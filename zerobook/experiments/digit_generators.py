# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""All the generators of digits in Chapter 3, before the same judges."""

import time
import numpy as np
from zerobook.datasets import load_digits
from zerobook.model_selection import train_test_split
from zerobook.mixture import GaussianMixture, expectation, maximisation
from zerobook import nn
from zerobook.models.gan import GAN, ConditionalGAN, fit_gan
from zerobook.training import AveragedModel
from zerobook.autograd import no_grad
from zerobook.functional import binomial_nll
from zerobook.models.vae import VAE, fit_vae
from zerobook.models.vqvae import VQVAE, CodePrior, fit_vqvae
from zerobook.optim import AdamW, LambdaLR, clip_grad_norm_, warmup_cosine
from zerobook.activations import log_softmax
from zerobook.functional import cross_entropy
from zerobook.models.gpt import GPT, GPTConfig, Reader
from zerobook.sampling import generate
from zerobook.models.diffusion import DDPM
from zerobook.models.flow import FlowMatching
from zerobook.training import fit_by_loss
from zerobook.evaluation import digit_judge, frechet_distance
from zerobook.evaluation import nearest_distance, precision_recall
from zerobook.evaluation import two_sample_accuracy


# %% 3.6 book/generative/rivals.md
def split():
    """The digits, 1347 to learn from and 450 in the drawer."""
    X, y = load_digits()
    return train_test_split((X / 16).astype(np.float32), y, test_size=0.25,
                            stratify=y, rng=0)


# %% 3.6 book/generative/rivals.md
def table_of_pixels(X, y, rng, effort):
    """Each pixel by its own table of seventeen values."""
    counts = np.rint(X * 16).astype(int)
    p = np.stack([np.bincount(k, minlength=17) for k in counts.T]) + 0.5
    p /= p.sum(axis=1, keepdims=True)  # (64, 17)

    def draw(classes, rng):
        u = rng.random((len(classes), 64, 1))
        return (u > np.cumsum(p, axis=1)).sum(axis=-1) / 16

    def nats(X, y, rng):
        k = np.rint(X * 16).astype(int)
        return -np.log(p[np.arange(64), k]).sum(axis=1).mean()

    yield "each pixel alone", draw, nats


def noise(X, y, rng, effort):
    """Seventeen values, all equally likely."""
    yield ("uniform noise",
           lambda classes, rng: rng.integers(0, 17, (len(classes), 64)) / 16,
           lambda X, y, rng: 64 * np.log(17))


def copies(X, y, rng, effort):
    """The training rows themselves."""
    yield ("training copies",
           lambda classes, rng: X[rng.permutation(len(X))[: len(classes)]],
           None)


# %% 3.6 book/generative/rivals.md
def spread(X, rng):
    """Counts spread evenly over seventeen cells of a unit interval."""
    return (np.rint(X * 16) + rng.random(X.shape)) / 17


def draw_from(parts, k, rng):
    """Rows of the Gaussians `k` out of weights, means and covariances."""
    _, means, covariances = parts
    z = rng.standard_normal((len(k), means.shape[1], 1))
    return means[k] + (np.linalg.cholesky(covariances)[k] @ z)[..., 0]


def choices(parts, n, rng):
    """Which Gaussian each of n rows shall come from."""
    return rng.choice(len(parts[0]), n, p=parts[0])


def of_gaussians(parts, by_class=False):
    """The two functions of a mixture of spread counts."""
    def draw(classes, rng):
        k = classes if by_class else choices(parts, len(classes), rng)
        return np.floor(17 * draw_from(parts, k, rng)).clip(0, 16) / 16

    def nats(X, y, rng):
        log_p = expectation(spread(X, rng), *parts)[1]
        return 64 * np.log(17) - log_p.mean()

    return draw, nats


# %% 3.6 book/generative/rivals.md
def one_gaussian(X, y, rng, effort):
    """Mean and covariance of all digits."""
    dusty = np.concatenate([spread(X, rng) for _ in range(4)])
    parts = maximisation(dusty, np.ones((len(dusty), 1)))
    yield "one Gaussian", *of_gaussians(parts)


def gaussian_per_class(X, y, rng, effort):
    """Mean and covariance of each digit."""
    dusty = np.concatenate([spread(X, rng) for _ in range(4)])
    parts = maximisation(dusty, np.eye(10)[np.tile(y, 4)])
    yield "Gaussian per class", *of_gaussians(parts, by_class=True)


def mixture(K):
    """A mixture of K Gaussians that is not told the classes."""
    def learn(X, y, rng, effort):
        dusty = np.concatenate([spread(X, rng) for _ in range(4)])
        model = GaussianMixture(K, random_state=rng).fit(dusty)
        parts = model.weights_, model.means_, model.covariances_
        yield f"mixture of {K}", *of_gaussians(parts)

    return learn


# %% 3.6 book/generative/rivals.md
def silu_net(sizes, rng, *last):
    """Linear layers with a SiLU between each two."""
    layers = []
    for D_in, D_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(D_in, D_out, rng=rng), nn.SiLU()]
    return nn.Sequential(*layers[:-1], *last)


def gan(X, y, rng, effort):
    """The GAN of 3.1, the running mean of its weights."""
    generator = silu_net((16, 128, 128, 64), rng, nn.Sigmoid())
    net = GAN(generator, silu_net((64, 128, 128, 1), rng), 16)
    average = AveragedModel(net, 0.998)
    fit_gan(net, X, steps=int(6000 * effort), lr=2e-3, noise=0.5,
            average=average, rng=rng)
    artist = average.module
    yield "GAN", lambda y, rng: artist.sample(len(y), rng=rng), None


def conditional_gan(X, y, rng, effort):
    """The GAN of 3.1 that is asked for a class."""
    generator = silu_net((26, 128, 128, 64), rng, nn.Sigmoid())
    net = ConditionalGAN(generator, silu_net((74, 128, 128, 1), rng), 16, 10)
    average = AveragedModel(net, 0.998)
    fit_gan(net, X, y, steps=int(5000 * effort), lr=2e-3, noise=0.5,
            average=average, rng=rng)
    artist = average.module
    yield ("conditional GAN",
           lambda y, rng: artist.sample(len(y), y, rng=rng), None)


# %% 3.6 book/generative/rivals.md
def codes_of(model, X, rng):
    """Codes drawn by the encoder, and the log density of each there."""
    with no_grad():
        mean, log_var = (t.data for t in model.encode(X))
    noise = rng.standard_normal(mean.shape)
    log_q = -0.5 * (np.log(2 * np.pi) + log_var + noise**2).sum(axis=1)
    return mean + np.exp(log_var / 2) * noise, log_q


def of_vae(model, prior):
    """The two functions of a VAE whose codes come from Gaussians."""
    def draw(classes, rng):
        k = choices(prior, len(classes), rng)
        p = model.decode(draw_from(prior, k, rng)).astype(float)
        return rng.binomial(16, p) / 16

    def nats(X, y, rng):
        total = 0.0
        for _ in range(20):
            z, log_q = codes_of(model, X, rng)
            log_p = expectation(z, *prior)[1]
            with no_grad():
                seen = model.decoder(z.astype(np.float32))
                total += binomial_nll(seen, X).item()
            total += (log_q - log_p).mean()
        return total / 20

    return draw, nats


# %% 3.6 book/generative/rivals.md
STANDARD = np.ones(1), np.zeros((1, 16)), np.eye(16)[None]


def vae(X, y, rng, effort):
    """The VAE of 3.2, then with a mixture in place of its prior."""
    model = VAE(16, 256, rng=rng)
    fit_vae(model, X, steps=int(3000 * effort), rng=rng)
    yield "VAE, β = 1", *of_vae(model, STANDARD)
    codes = np.concatenate([codes_of(model, X, rng)[0] for _ in range(4)])
    found = GaussianMixture(10, random_state=rng).fit(codes)
    prior = found.weights_, found.means_, found.covariances_
    yield "VAE, mixture prior", *of_vae(model, prior)


def dear_vae(X, y, rng, effort):
    """The VAE of 3.2 with a message four times as dear."""
    model = VAE(16, 256, rng=rng)
    fit_vae(model, X, steps=int(3000 * effort), beta=4, rng=rng)
    yield "VAE, β = 4", *of_vae(model, STANDARD)


# %% 3.6 book/generative/rivals.md
def vq_vae(X, y, rng, effort):
    """The VQ-VAE of 3.2, and its prior before it learns rows by heart."""
    model = VQVAE(rng=rng)
    fit_vqvae(model, X, steps=int(2000 * effort), rng=rng)
    words, prior = model.encode(X), CodePrior(rng=rng)
    optimizer = AdamW(prior.parameters(), lr=3e-3, weight_decay=0.1)
    for _ in range(max(1, int(150 * effort))):
        loss = prior.nats(words[rng.integers(0, len(words), 64)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    prior.eval()

    def draw(classes, rng):
        p = model.decode(prior.sample(len(classes), rng=rng)).astype(float)
        return rng.binomial(16, p) / 16

    def nats(X, y, rng):
        with no_grad():
            rest = model.terms(X)[0].item()
            return prior.nats(model.encode(X)).item() + rest

    yield "VQ-VAE and prior", draw, nats


# %% 3.6 book/generative/rivals.md
def as_text(X, y):
    """A token for the class, then the counts: (N, 65)."""
    return np.column_stack([17 + y, np.rint(X * 16).astype(int)])


def pixel_nats(model, X, temperature):
    """Nats of images whose class is not told, exactly, (N,)."""
    log_p = []
    for k in range(10):
        rows = as_text(X, np.full(len(X), k))
        with no_grad():
            scores = model(rows[:, :-1]).data / temperature
        picked = np.take_along_axis(log_softmax(scores), rows[:, 1:, None],
                                    axis=-1)
        log_p.append(picked[..., 0].sum(axis=1) - np.log(10))
    return -np.logaddexp.reduce(log_p)


def of_gpt(model, heat):
    """The two functions of a GPT on pixels at a temperature."""
    def draw(classes, rng):
        pixels = list(generate(Reader(model), 17 + classes[:, None], 64,
                               temperature=heat, rng=rng))
        return np.minimum(np.array(pixels).T, 16) / 16

    return draw, lambda X, y, rng: pixel_nats(model, X, heat).mean()


# %% 3.6 book/generative/rivals.md
def gpt(X, y, rng, effort):
    """The GPT of 3.3 on pixels, drawing as it learned and colder."""
    rows, steps = as_text(X, y), int(400 * effort)
    config = GPTConfig(27, 64, n_embd=48, n_layer=2, n_head=4,
                       initializer_range=0.08)
    model = GPT(config, rng=rng)
    optimizer = AdamW(model.parameters(), lr=6e-3, betas=(0.9, 0.99))
    schedule = LambdaLR(optimizer, warmup_cosine(20, steps, 0.05))
    for _ in range(steps):
        batch = rows[rng.integers(0, len(rows), 32)]
        loss = cross_entropy(model(batch[:, :-1]), batch[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    yield "GPT on pixels", *of_gpt(model, 1.0)
    yield "GPT, temperature 0.7", *of_gpt(model, 0.7)


# %% 3.6 book/generative/rivals.md
def learned(kind, X, y, rng, effort):
    """A diffusion or a flow, with the network of 3.4."""
    net = nn.ConditionalMLP(64, width=192, depth=3, n_classes=10, rng=rng)
    epochs = max(1, int(250 * effort))
    return fit_by_loss(kind(net, 64, bounds=(-1, 1)), 2 * X - 1, y,
                       epochs=epochs, rng=rng)[0]


def ddpm(X, y, rng, effort):
    """The diffusion of 3.4, without classes and guided."""
    model = learned(DDPM, X, y, rng, effort)

    def draw(guidance):
        return lambda y, rng: (model.sample(
            len(y), y, guidance=guidance, steps=50, rng=rng) + 1) / 2

    yield "DDPM", draw(0), None
    yield "DDPM, guided", draw(1.5), None


def flow(X, y, rng, effort):
    """The flow of 3.5, guided."""
    model = learned(FlowMatching, X, y, rng, effort)
    yield ("flow matching, guided", lambda y, rng: (model.sample(
        len(y), y, guidance=1.5, rng=rng) + 1) / 2, None)


# %% 3.6 book/generative/rivals.md
def scores(judge, images, wanted, known, new, rng):
    """What every judge says of a thousand images."""
    seen, real = judge.features(images), judge.features(new)
    n = min(len(images), len(new))
    precision, recall = precision_recall(real, seen[:n])
    told, low, high = two_sample_accuracy(new, images[:n], rng)
    return {
        "frechet": frechet_distance(seen, real),
        "precision": precision, "recall": recall,
        "told": told, "told_from": low, "told_to": high,
        "nearest": nearest_distance(images, known, new),
        "as_asked": float((judge.predict(images) == wanted).mean()),
        "sure": float(judge.predict_proba(images).max(axis=1).mean()),
    }


# %% 3.6 book/generative/rivals.md
GENERATORS = (
    noise, table_of_pixels, one_gaussian, gaussian_per_class, mixture(10),
    mixture(40), copies, gan, conditional_gan, vae, dear_vae, vq_vae, gpt,
    ddpm, flow,
)
ASKED = ("Gaussian per class", "conditional GAN", "GPT on pixels",
         "GPT, temperature 0.7", "DDPM, guided", "flow matching, guided")


def entries(X, y, rng, effort, only=None):
    """All the generators: name, processor seconds, and two functions."""
    for learn in GENERATORS:
        if only and learn.__name__ not in only:
            continue
        stream, seconds = learn(X, y, rng, effort), 0.0
        while True:
            start = time.process_time()
            entry = next(stream, None)
            seconds += time.process_time() - start
            if entry is None:
                break
            name, draw, nats = entry
            yield name, seconds, draw, nats


# %% 3.6 book/generative/rivals.md
def by_class(X, y):
    """Forty images as counts, four rows of the digits 0 to 9."""
    rows = [np.flatnonzero(y == k)[:4] for k in range(10)]
    return np.rint(16 * X[np.transpose(rows).ravel()])


# %% 3.6 book/generative/rivals.md
def run(say=print, *, effort=1.0, seeds=2, images=1000, only=None):
    """Train each generator with each seed, and ask every judge."""
    X, X_test, y, y_test = split()
    judge, rows, sheets = digit_judge(rng=0), [], {}
    wanted = np.arange(images) % 10
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        some = rng.permutation(len(X))[:images]
        real = scores(judge, X[some], y[some], X, X_test, rng)
        real["nearest"] = nearest_distance(X_test, X, X_test)
        real["as_asked"] = float((judge.predict(X_test) == y_test).mean())
        rows.append({"name": "real digits", "seed": seed, "seconds": 0.0,
                     "nats": None, **real})
        sheets["real digits"] = by_class(X_test, y_test)
        for name, seconds, draw, nats in entries(X, y, rng, effort, only):
            drawn = np.rint(draw(wanted, rng).clip(0, 1) * 16) / 16
            row = scores(judge, drawn, wanted, X, X_test, rng)
            if name not in ASKED:
                row["as_asked"] = None
            value = nats and float(nats(X_test, y_test, rng))
            rows.append({"name": name, "seed": seed, "nats": value,
                         "seconds": round(seconds, 3), **row})
            say(f"{name}, seed {seed}: {seconds:.1f} s, "
                f"distance {row['frechet']:.2f}")
            if seed == 0:
                sheets[name] = np.rint(16 * drawn[:40])
    return {"rows": rows, "images": images, "effort": effort, "arrays": {
        name: sheet.astype(np.uint8) for name, sheet in sheets.items()}}
