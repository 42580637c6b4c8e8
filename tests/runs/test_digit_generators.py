"""The league of generators: its program runs, and keeps what it promises."""

import numpy as np
import pytest

from zerobook.runs import digit_generators as league
from zerobook import runs

pytest.importorskip("sklearn", reason="could not import sklearn")


@pytest.fixture(scope="module")
def small():
    said, bound = [], league.importance_nats

    def quick(model, X, draws, **options):
        return bound(model, X, min(draws, 2), **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(league, "importance_nats", quick)
        out = league.run(say=said.append, effort=0.004, seeds=1, images=50,
                         only=("noise", "table_of_pixels",
                               "gaussian_per_class", "copies", "gan", "vae",
                               "vq_vae"))
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
    assert nats["one table"] < nats["uniform noise"] - 50
    assert nats["GAN"] is None and nats["training copies"] is None


def test_nats_are_kept_image_by_image(small):
    for row in small["rows"]:
        each = small["arrays"].get("nats: " + row["name"])
        assert (each is None) == (row["nats"] is None)
        if each is not None:
            assert each.shape == (1, 450)
            assert np.isclose(each.mean(), row["nats"], rtol=1e-5)


# The kind: a rival whose nats and draws come from two models.


@pytest.mark.parametrize("learn", ["table_of_pixels", "table_per_class",
                                   "one_gaussian", "gaussian_per_class"])
def test_what_is_scored_is_what_is_drawn(learn):
    X, X_test, y, y_test = league.split()
    rng = np.random.default_rng(0)
    (_, draw, nats), = getattr(league, learn)(X, y, rng, 1.0)
    made = draw(np.arange(2000) % 10, rng)
    assert set(np.unique(made * 16)) <= set(range(17))
    own, other = nats(made, None, rng), nats(X_test, y_test, rng)
    assert max(own.mean(), other.mean()) < 64 * np.log(17) - 60
    if "gaussian" not in learn:  # test_mixture.py has those
        assert np.allclose(made.mean(axis=0), X.mean(axis=0), atol=0.04)
        assert own.mean() < other.mean() + 1


def test_a_class_is_no_pixel_in_draws_and_in_nats():
    config = league.GPTConfig(27, 64, n_embd=8, n_layer=1, n_head=2)
    model = league.GPT(config, rng=0).eval()
    draw, nats = league.of_gpt(model, 1.0)
    made = draw(np.arange(200) % 10, np.random.default_rng(0))
    # an untrained model is even: a seventeenth for each level
    assert abs((made == 1).mean() - 1 / 17) < 0.03
    X, _, y, _ = league.split()
    each = nats(X[:20], y[:20], None)
    assert abs(each.mean() - 64 * np.log(17)) < 8


def test_guidance_is_chosen_without_the_test_rows(monkeypatch):
    X, X_test, y, y_test = league.split()
    monkeypatch.setattr(league, "split", lambda: (X, None, y, None))
    monkeypatch.setattr(league, "WEIGHTS", (1, 2))
    league.guidance.cache_clear()
    w, seen = league.guidance(league.FlowMatching, 0.004)
    league.guidance.cache_clear()
    assert w in (1, 2) and set(seen) == {1, 2}
    assert seen[w][0] == min(far for far, _ in seen.values())


def test_the_record_has_every_row_of_the_table():
    record = runs.read("digit_generators")["results"]
    rows, arrays = record["rows"], runs.arrays("digit_generators")
    names = [row["name"] for row in rows if row["seed"] == 0]
    assert len(names) == len(set(names)) == 24
    for seed in range(3):
        assert [r["name"] for r in rows if r["seed"] == seed] == names
    assert set(names) <= set(arrays)
    found = {row["name"]: row for row in rows if row["seed"] == 0}
    assert found["training copies"]["nearest"] == 0
    assert found["DDPM, guided"]["as_asked"] > 0.95
    assert len(record["samplers"]) == 3 * 4 * 2 * 2
    assert len(record["race"]) == 3 * 5 * 4


def test_the_record_keeps_networks_that_fit():
    net = league.nn.ConditionalMLP(64, width=192, depth=3, n_classes=10)
    flow = league.FlowMatching(net, 64)
    name = "flow matching, guided"
    flow.load_state_dict(runs.weights("digit_generators", name))
    with pytest.raises(KeyError, match="flow matching, guided"):
        runs.weights("digit_generators", "no such network")
