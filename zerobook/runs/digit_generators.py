# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""All the generators of digits in Chapter 3, before the same judges."""

import time
import numpy as np
from zerobook.datasets import load_digits
from zerobook.model_selection import train_test_split
from zerobook.mixture import GaussianMixture, expectation, fit_counts
from zerobook import nn
from zerobook.models.gan import GAN, ConditionalGAN, fit_gan
from zerobook.training import AveragedModel
from zerobook.autograd import no_grad
from zerobook.models.vae import VAE, fit_vae, importance_nats
from zerobook.activations import log_softmax
from zerobook.functional import binomial_log_prob
from zerobook.models.vqvae import VQVAE, CodePrior, fit_vqvae
from zerobook.optim import AdamW, LambdaLR, clip_grad_norm_, warmup_cosine
from zerobook.functional import cross_entropy
from zerobook.models.gpt import GPT, GPTConfig, Reader
from zerobook.sampling import generate
from zerobook.models.diffusion import DDPM
from zerobook.models.flow import FlowMatching
from zerobook.training import fit_by_loss
import functools
from zerobook.evaluation import digit_judge, frechet_distance
from zerobook.evaluation import nearest_distance, precision_recall
from zerobook.evaluation import two_sample_accuracy


# %% 3.6 book/generative/rivals.md
def split():
    """The digits, 1347 to learn from and 450 to test by."""
    X, y = load_digits()
    return train_test_split((X / 16).astype(np.float32), y, test_size=0.25,
                            stratify=y, rng=0)


# %% 3.6 book/generative/rivals.md
def everything(X, y):
    """One group: a 1 for each of the rows asked for."""
    return lambda rows: np.ones((len(rows), 1))


def classes_of(X, y):
    """A group for each class: a 1 in the column of the class, (n, 10)."""
    return lambda rows: np.eye(10)[y[rows]]


def counts_of(X):
    """Pixels from 0 to 1 as counts from 0 to 16."""
    return np.rint(X * 16).astype(int)


# %% 3.6 book/generative/rivals.md
def tables(X, R, more):
    """Share of each of 17 values, for each group and pixel: (K, 64, 17)."""
    values = np.eye(17)[counts_of(X)]  # (N, 64, 17)
    p = np.tensordot(R.T, values, 1) + more
    return p / p.sum(axis=-1, keepdims=True)


def table_nats(p, weights, X):
    """Surprise at images whose group is not told, (N,)."""
    log_p = np.log(p[:, np.arange(64), counts_of(X)]).sum(axis=-1)  # (K, N)
    return -np.logaddexp.reduce(np.log(weights)[:, None] + log_p, axis=0)


def fit_tables(X, groups, rng):
    """Tables; what is added to each count is chosen on a fifth of rows."""
    rows = rng.permutation(len(X))
    fifth, rest = rows[: len(X) // 5], rows[len(X) // 5 :]
    R = groups(rest)
    tried = {more: table_nats(tables(X[rest], R, more), R.mean(axis=0),
                              X[fifth]).mean()
             for more in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)}
    R = groups(np.arange(len(X)))
    return tables(X, R, min(tried, key=tried.get)), R.mean(axis=0)


# %% 3.6 book/generative/rivals.md
def of_tables(p, weights):
    """The two functions of tables for groups."""
    def draw(classes, rng):
        k = classes if len(p) > 1 else np.zeros_like(classes)
        u = rng.random((len(classes), 64, 1))
        return (u > np.cumsum(p[k], axis=-1)).sum(axis=-1) / 16

    return draw, lambda X, y, rng: table_nats(p, weights, X)


def table_of_pixels(X, y, rng, effort):
    """Each pixel by its own table of seventeen values."""
    yield "one table", *of_tables(*fit_tables(X, everything(X, y), rng))


def table_per_class(X, y, rng, effort):
    """Each pixel of each class by a table of its own."""
    yield "table per class", *of_tables(*fit_tables(X, classes_of(X, y), rng))


# %% 3.6 book/generative/rivals.md
def noise(X, y, rng, effort):
    """Seventeen values, all equally likely."""
    yield ("uniform noise",
           lambda classes, rng: rng.integers(0, 17, (len(classes), 64)) / 16,
           lambda X, y, rng: np.full(len(X), 64 * np.log(17)))


def copies(X, y, rng, effort):
    """The training rows themselves."""
    yield ("training copies",
           lambda classes, rng: X[rng.permutation(len(X))[: len(classes)]],
           None)


# %% 3.6 book/generative/rivals.md
def of_gaussians(model, by_class=False):
    """The two functions of Gaussians of counts."""
    def draw(classes, rng):
        k = classes if by_class else None
        return model.sample(len(classes), k, rng=rng) / 16

    return draw, lambda X, y, rng: model.nats(counts_of(X))


# %% 3.6 book/generative/rivals.md
def one_gaussian(X, y, rng, effort):
    """Mean and covariance of all digits."""
    model = fit_counts(counts_of(X), everything(X, y), keeps=(1.0,), rng=rng)
    yield "one Gaussian", *of_gaussians(model)


def gaussian_per_class(X, y, rng, effort):
    """Mean and covariance of each digit."""
    model = fit_counts(counts_of(X), classes_of(X, y), rng=rng)
    yield "Gaussian per class", *of_gaussians(model, by_class=True)


def clipped(X, y, rng, effort):
    """Mean and covariance of each digit, draws clipped to 0 .. 1."""
    parts = [(X[y == k].mean(axis=0), np.cov(X[y == k].T)) for k in range(10)]

    def draw(classes, rng):
        rows = [rng.multivariate_normal(*parts[k]) for k in classes]
        return np.array(rows).clip(0, 1)

    yield "clipped Gaussians", draw, None


# %% 3.6 book/generative/rivals.md
def mixture(K):
    """A mixture of K Gaussians that is not told the classes."""
    def learn(X, y, rng, effort):
        def groups(rows):
            found = GaussianMixture(K, reg_covar=1e-4, random_state=rng)
            return found.fit(X[rows]).predict_proba(X[rows])

        model = fit_counts(counts_of(X), groups, rng=rng)
        yield f"mixture of {K}", *of_gaussians(model)

    learn.__name__ = f"mixture_of_{K}"
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
    """Codes drawn by the encoder, (N, Z)."""
    with no_grad():
        mean, log_var = (t.data for t in model.encode(X))
    return mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)


def draw_from(parts, n, rng):
    """Rows of a mixture of weights, means and covariances."""
    weights, means, covariances = parts
    k = rng.choice(len(weights), n, p=weights)
    z = rng.standard_normal((n, means.shape[1], 1))
    return means[k] + (np.linalg.cholesky(covariances)[k] @ z)[..., 0]


def of_vae(model, prior):
    """The two functions of a VAE whose codes come from Gaussians."""
    def draw(classes, rng):
        p = model.decode(draw_from(prior, len(classes), rng)).astype(float)
        return rng.binomial(16, p) / 16

    def nats(X, y, rng, draws=500):
        return importance_nats(model, X, draws, rng=rng,
                               prior=lambda z: expectation(z, *prior)[1])

    return draw, nats


# %% 3.6 book/generative/rivals.md
STANDARD = np.ones(1), np.zeros((1, 16)), np.eye(16)[None]


def vae(X, y, rng, effort):
    """The VAE of 3.2, then with a mixture in place of its prior."""
    model = VAE(16, 256, rng=rng)
    fit_vae(model, X, steps=int(3000 * effort), rng=rng)
    yield "VAE, β = 1", *of_vae(model, STANDARD)
    codes = np.concatenate([codes_of(model, X, rng) for _ in range(4)])
    found = GaussianMixture(10, random_state=rng).fit(codes)
    prior = found.weights_, found.means_, found.covariances_
    yield "VAE, mixture prior", *of_vae(model, prior)


def strict_vae(X, y, rng, effort):
    """The VAE of 3.2 with a message that counts four times."""
    model = VAE(16, 256, rng=rng)
    fit_vae(model, X, steps=int(3000 * effort), beta=4, rng=rng)
    yield "VAE, β = 4", *of_vae(model, STANDARD)


# %% 3.6 book/generative/rivals.md
def picked(scores, ids):
    """Log probability of what came, summed over places: (N, T) -> (N,)."""
    log_p = np.take_along_axis(log_softmax(scores), ids[..., None], axis=-1)
    return log_p[..., 0].sum(axis=1)


def code_prior(words, rng, steps):
    """The prior of the VQ-VAE's symbols, trained."""
    prior = CodePrior(rng=rng)
    optimizer = AdamW(prior.parameters(), lr=3e-3, weight_decay=0.1)
    for _ in range(steps):
        loss = prior.nats(words[rng.integers(0, len(words), 64)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return prior.eval()


# %% 3.6 book/generative/rivals.md
def vq_vae(X, y, rng, effort):
    """The VQ-VAE of 3.2, and its prior before it learns rows by heart."""
    model = VQVAE(rng=rng)
    fit_vqvae(model, X, steps=int(2000 * effort), rng=rng)
    prior = code_prior(model.encode(X), rng, max(1, int(150 * effort)))

    def draw(classes, rng):
        p = model.decode(prior.sample(len(classes), rng=rng)).astype(float)
        return rng.binomial(16, p) / 16

    def nats(X, y, rng):
        words = model.encode(X)
        with no_grad():
            scores = prior(words[:, :-1]).data
            z = model.codebook.look_up(words).reshape(len(X), -1)
            logits = model.decoder(z).data
        return -picked(scores, words) - binomial_log_prob(logits, X)

    yield "VQ-VAE and prior", draw, nats


# %% 3.6 book/generative/rivals.md
def as_text(X, y):
    """A token for the class, then the counts: (N, 65)."""
    return np.column_stack([17 + y, counts_of(X)])


def pixel_nats(model, X, temperature):
    """Surprise at images whose class is not told, exactly, (N,)."""
    log_p = []
    for k in range(10):
        rows = as_text(X, np.full(len(X), k))
        with no_grad():
            scores = model(rows[:, :-1]).data[..., :17] / temperature
        log_p.append(picked(scores, rows[:, 1:]) - np.log(10))
    return -np.logaddexp.reduce(log_p)


def of_gpt(model, heat):
    """The two functions of a GPT on pixels at a temperature."""
    def draw(classes, rng):
        reader = Reader(model)
        pixels = generate(lambda ids: reader(ids)[:, :17],
                          17 + classes[:, None], 64, temperature=heat,
                          rng=rng)
        return np.array(list(pixels)).T / 16

    return draw, lambda X, y, rng: pixel_nats(model, X, heat)


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
    yield "GPT on pixels", *of_gpt(model, 1.0), model
    yield "GPT, temperature 0.7", *of_gpt(model, 0.7)


# %% 3.6 book/generative/rivals.md
def learned(kind, X, y, rng, effort):
    """A diffusion or a flow, with the network of 3.4; `y` may be None."""
    n_classes = 0 if y is None else 10
    net = nn.ConditionalMLP(64, width=192, depth=3, n_classes=n_classes,
                            rng=rng)
    epochs = max(1, int(250 * effort))
    return fit_by_loss(kind(net, 64, bounds=(-1, 1)), 2 * X - 1, y,
                       epochs=epochs, rng=rng)[0]


def walk(model, guidance=1.0, told=True, **options):
    """A function that draws images from 0 to 1 for classes."""
    def draw(classes, rng):
        x = model.sample(len(classes), classes if told else None,
                         guidance=guidance, rng=rng, **options)
        return (x + 1) / 2

    return draw


# %% 3.6 book/generative/rivals.md
WEIGHTS = (1, 1.25, 1.5, 1.75, 2, 3, 4)


@functools.cache
def guidance(kind, effort=1.0):
    """The weight chosen on a fifth of the training rows, and what it saw."""
    X, _, y, _ = split()
    X, fifth, y, _ = train_test_split(X, y, test_size=0.2, stratify=y, rng=1)
    model = learned(kind, X, y, np.random.default_rng(99), effort)
    options = {"steps": 50} if kind is DDPM else {}
    judge, wanted = digit_judge(rng=1), np.arange(1000) % 10
    real, seen = judge.features(fifth), {}
    for w in WEIGHTS:
        drawn = walk(model, w, **options)(wanted, 0).clip(0, 1)
        seen[w] = (frechet_distance(judge.features(drawn), real),
                   float((judge.predict(drawn) == wanted).mean()))
    return min(seen, key=seen.get), seen


# %% 3.6 book/generative/rivals.md
def free_ddpm(X, y, rng, effort):
    """The diffusion of 3.4, trained without classes."""
    model = learned(DDPM, X, None, rng, effort)
    yield "DDPM, no classes", walk(model, told=False, steps=50), None, model


def ddpm(X, y, rng, effort):
    """The diffusion of 3.4, trained with classes, a tenth withheld."""
    model = learned(DDPM, X, y, rng, effort)
    w, _ = guidance(DDPM, effort)
    yield "DDPM, null branch", walk(model, 0, steps=50), None
    yield "DDPM, class", walk(model, 1, steps=50), None
    yield "DDPM, guided", walk(model, w, steps=50), None, model


def flow(X, y, rng, effort):
    """The flow of 3.5, guided."""
    model = learned(FlowMatching, X, y, rng, effort)
    w, _ = guidance(FlowMatching, effort)
    yield "flow matching, class", walk(model), None
    yield "flow matching, guided", walk(model, w), None, model


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
    noise, table_of_pixels, table_per_class, one_gaussian,
    gaussian_per_class, clipped, mixture(10), mixture(40), copies, gan,
    conditional_gan, vae, strict_vae, vq_vae, gpt, free_ddpm, ddpm, flow,
)
ASKED = ("table per class", "Gaussian per class", "clipped Gaussians",
         "conditional GAN",
         "GPT on pixels", "GPT, temperature 0.7", "DDPM, class",
         "DDPM, guided", "flow matching, class", "flow matching, guided")


def entries(X, y, rng, effort, only=None):
    """All generators: name, processor seconds, two functions, a network."""
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
            name, draw, nats, *model = entry
            yield name, seconds, draw, nats, model


# %% 3.6 book/generative/rivals.md
def by_class(X, y):
    """Forty images as counts, four rows of the digits 0 to 9."""
    rows = [np.flatnonzero(y == k)[:4] for k in range(10)]
    return np.rint(16 * X[np.transpose(rows).ravel()])


def kept_arrays(sheets, cost, nets):
    """What the record keeps beside its numbers."""
    arrays = {name: a.astype(np.uint8) for name, a in sheets.items()}
    for name, each in cost.items():  # (seeds, images)
        arrays[f"nats: {name}"] = np.array(each, np.float32)
    for (name, seed), net in nets.items():
        if name.startswith("GPT"):
            arrays |= half(f"{name}, seed {seed}", net)
        elif seed == 0:
            arrays |= half(name, net)
    return arrays


# %% 3.6 book/generative/rivals.md
def one_row(name, seconds, draw, nats, told, rng):
    """A line of the table, the images, and the nats of each test image."""
    judge, X, X_test, y_test, wanted = told
    images = np.rint(draw(wanted, rng).clip(0, 1) * 16) / 16
    row = scores(judge, images, wanted, X, X_test, rng)
    if name not in ASKED:
        row["as_asked"] = None
    each = None if nats is None else np.asarray(nats(X_test, y_test, rng))
    if name.startswith("VAE"):  # the plain bound, for comparison
        once = [nats(X_test, y_test, rng, draws=1) for _ in range(20)]
        row["bound"] = float(np.mean(once))
    mean = None if nats is None else float(each.mean())
    return {"name": name, "seconds": round(seconds, 3), "nats": mean,
            **row}, images, each


# %% 3.6 book/generative/rivals.md
def looked_at(draw, told, rng):
    """Distance, precision and recall of a thousand images."""
    judge, X, X_test, _, wanted = told
    images = np.rint(draw(wanted, rng).clip(0, 1) * 16) / 16
    seen, real = judge.features(images), judge.features(X_test)
    precision, recall = precision_recall(real, seen[: len(real)])
    return {"frechet": frechet_distance(seen, real), "precision": precision,
            "recall": recall}


def samplers(free, model, told, rng):
    """Both samplers of the diffusion in four settings, long and short."""
    settings = {"no classes": (free, 1, False), "w = 0": (model, 0, True),
                "w = 1": (model, 1, True), "w = 1.5": (model, 1.5, True)}
    for name, (net, w, asks) in settings.items():
        for steps in (10, 50):
            for sampler in ("ddpm", "ddim"):
                draw = walk(net, w, asks, steps=steps, sampler=sampler)
                yield {"setting": name, "steps": steps, "sampler": sampler,
                       **looked_at(draw, told, rng)}


def race(ddpm, flow, told, rng):
    """Diffusion and flow, guided by 1.5, with few calls of the network."""
    ways = [(ddpm, 1, {"sampler": name}) for name in ("ddpm", "ddim")]
    ways += [(flow, cost, {"solver": name}) for name, cost in
             (("euler", 1), ("heun", 2), ("rk4", 4))]
    for model, cost, way in ways:
        for calls in (4, 8, 16, 32):
            draw = walk(model, 1.5, steps=calls // cost, **way)
            yield {"way": list(way.values())[0], "calls": calls,
                   **looked_at(draw, told, rng)}


# %% 3.6 book/generative/rivals.md
def real_row(told, y, rng):
    """The line of real digits: as many training rows as others draw."""
    judge, X, X_test, y_test, wanted = told
    some = rng.permutation(len(X))[: len(wanted)]
    row = scores(judge, X[some], y[some], X, X_test, rng)
    row["nearest"] = nearest_distance(X_test, X, X_test)
    row["as_asked"] = float((judge.predict(X_test) == y_test).mean())
    return {"name": "real digits", "seconds": 0.0, "nats": None, **row}


def half(name, model):
    """The weights of a network at half precision, for the record."""
    return {f"weights: {name}: {key}": array.astype(np.float16)
            for key, array in model.state_dict().items()}


# %% 3.6 book/generative/rivals.md
def choices(kinds, only, effort):
    """The guidance of each kind of model, chosen before the first row."""
    if only and not {"ddpm", "flow"} & set(only):
        return {}
    found = {kind.__name__: guidance(kind, effort) for kind in kinds}
    return {name: {"chosen": w, "tried": {str(k): pair for k, pair in
                                          seen.items()}}
            for name, (w, seen) in found.items()}


def beside(nets, seed, told, rng):
    """The two contests of samplers, if their networks were trained."""
    free, asked, flow = (nets.get((name, seed)) for name in (
        "DDPM, no classes", "DDPM, guided", "flow matching, guided"))
    if None in (free, asked, flow):
        return [], []
    return ([{"seed": seed, **row} for row in stream] for stream in (
        samplers(free, asked, told, rng), race(asked, flow, told, rng)))


# %% 3.6 book/generative/rivals.md
def run(say=print, *, effort=1.0, seeds=3, images=1000, only=None):
    """Train each generator with each seed, and ask every judge."""
    X, X_test, y, y_test = split()
    told = digit_judge(rng=0), X, X_test, y_test, np.arange(images) % 10
    out = {"guidance": choices((DDPM, FlowMatching), only, effort),
           "images": images, "effort": effort}
    rows, walks, races, cost, nets = [], [], [], {}, {}
    sheets = {"real digits": by_class(X_test, y_test)}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        rows.append({"seed": seed, **real_row(told, y, rng)})
        for *entry, net in entries(X, y, rng, effort, only):
            row, drawn, each = one_row(*entry, told, rng)
            rows.append({"seed": seed, **row})
            say("{name}, seed {seed}: {seconds:.1f} s, distance "
                "{frechet:.2f}".format(**rows[-1]))
            sheets.setdefault(row["name"], np.rint(16 * drawn[:40]))
            if each is not None:
                cost.setdefault(row["name"], []).append(each)
            nets |= {(row["name"], seed): n for n in net}
        walk_rows, race_rows = beside(nets, seed, told, rng)
        walks, races = walks + walk_rows, races + race_rows
    return out | {"rows": rows, "samplers": walks, "race": races,
                  "arrays": kept_arrays(sheets, cost, nets)}
