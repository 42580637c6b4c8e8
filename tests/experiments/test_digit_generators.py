"""The league of generators: its program runs, and keeps what it promises."""

import numpy as np
import pytest

from zerobook.experiments import digit_generators as league
from zerobook.records import read_record, record_arrays

pytest.importorskip("sklearn", reason="could not import sklearn")


@pytest.fixture(scope="module")
def small():
    said = []
    out = league.run(say=said.append, effort=0.004, seeds=1, images=50,
                     only=("noise", "table_of_pixels", "gaussian_per_class",
                           "copies", "gan", "vae", "vq_vae", "flow"))
    assert len(said) == len(out["rows"]) - 1
    return out


def test_every_judge_is_asked_about_every_generator(small):
    for row in small["rows"]:
        assert {"frechet", "precision", "recall", "told", "nearest"} <= set(row)
        assert 0 <= row["precision"] <= 1 and 0 <= row["told"] <= 1
        sheet = small["arrays"][row["name"]]
        assert sheet.shape == (40, 64) and sheet.dtype == np.uint8
        assert sheet.max() <= 16


def test_noise_costs_the_logarithm_of_seventeen_a_pixel(small):
    nats = {row["name"]: row["nats"] for row in small["rows"]}
    assert np.isclose(nats["uniform noise"], 64 * np.log(17))
    assert nats["each pixel alone"] < nats["uniform noise"] - 50
    assert nats["GAN"] is None and nats["training copies"] is None


def test_the_table_of_pixels_draws_what_it_scores():
    X, X_test, y, y_test = league.split()
    rng = np.random.default_rng(0)
    (_, draw, nats), = league.table_of_pixels(X, y, rng, 1.0)
    made = draw(np.zeros(3000, int), rng)
    assert np.allclose(made.mean(axis=0), X.mean(axis=0), atol=0.03)
    # drawn from the table itself, the surprise is its entropy
    assert nats(made, None, rng) < nats(X_test, y_test, rng) + 1


def test_gaussians_of_dusty_counts_are_bounded_by_the_exact_sum():
    # one pixel: the cells can be summed, and the bound lies above
    from zerobook.mixture import expectation

    rng = np.random.default_rng(0)
    parts = np.ones(1), np.array([[0.4]]), np.array([[[0.02]]])
    fine = (np.arange(17 * 200) + 0.5) / 200 / 17
    log_p = expectation(fine[:, None], *parts)[1].reshape(17, 200)
    exact = -np.log(np.exp(log_p).mean(axis=1) / 17)  # nats of each count
    dusty = league.spread(np.repeat(np.arange(17) / 16, 400)[:, None], rng)
    bound = np.log(17) - expectation(dusty, *parts)[1].reshape(17, 400)
    assert (bound.mean(axis=1) > exact - 0.05).all()


def test_the_record_has_every_row_of_the_table():
    rows = read_record("digit_generators")["results"]["rows"]
    names = [row["name"] for row in rows if row["seed"] == 0]
    assert len(names) == len(set(names)) == 19
    assert set(record_arrays("digit_generators")) == set(names)
    found = {row["name"]: row for row in rows if row["seed"] == 0}
    assert found["training copies"]["nearest"] == 0
    assert found["DDPM, guided"]["as_asked"] > 0.95
