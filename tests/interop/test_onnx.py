"""ONNX files against onnxruntime, which also runs on phones and in browsers."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import oracle

from zerobook import nn
from zerobook.activations import sigmoid, softmax
from zerobook.autograd import no_grad
from zerobook.interop.onnx import ENDINGS, RULES, save_onnx, to_onnx
from zerobook.models.vae import VAE
from zerobook.neural_network import ACTIVATIONS, MLPClassifier

onnx, onnxruntime = oracle("onnx"), oracle("onnxruntime")


@pytest.fixture(autouse=True)
def libraries():
    """Skip where one of them is missing, also if only ours would use it."""
    return onnx.helper, onnxruntime.InferenceSession


def stir(model, seed=0):
    """Weights and averages that no fresh layer has: zeros hide mistakes."""
    rng = np.random.default_rng(seed)
    for name, array in model.state_dict().items():
        if array.dtype.kind == "f":
            array[...] = rng.uniform(0.2, 1, array.shape)
            if "var" not in name:
                fan_in = max(array[..., 0].size, 1)
                array *= rng.choice([-1, 1], array.shape) / fan_in**0.5
    return model.eval()


def theirs(proto, x):
    if not isinstance(proto, (bytes, str)):
        proto = proto.SerializeToString()
    return onnxruntime.InferenceSession(proto).run(["y"], {"x": x})[0]


def agree(model, shape, n=5, ending=None, bend=lambda y: y, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, *shape))
    x = x.astype(np.float32)
    with no_grad():
        wanted = bend(model(x).data)
    found = theirs(to_onnx(model, shape, ending=ending), x)
    assert found.shape == wanted.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


ONE = [  # a layer, and the shape of an example
    (nn.Linear(5, 3), (5,)),
    (nn.Linear(5, 3, bias=False), (5,)),
    (nn.Linear(5, 3), (2, 4, 5)),
    (nn.LayerNorm(6), (6,)),
    (nn.LayerNorm(6, eps=0.1), (3, 6)),
    *((kind(), (7,)) for kind in
      (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Identity)),
    (nn.Dropout(0.9), (7,)),
    (nn.Flatten(), (2, 3, 4)),
    (nn.Flatten(), (4,)),
    (nn.Conv2d(2, 3, 3), (2, 5, 6)),
    (nn.Conv2d(2, 3, (2, 3), (1, 2), (1, 0), bias=False), (2, 5, 6)),
    (nn.MaxPool2d(2), (2, 6, 4)),
    (nn.MaxPool2d((3, 2), (2, 1), (1, 0)), (2, 6, 4)),
    (nn.AvgPool2d(2), (2, 6, 4)),
    (nn.AvgPool2d(3, 2, 1), (2, 6, 4)),
    (nn.BatchNorm1d(4), (4,)),
    (nn.BatchNorm1d(4, affine=False), (4,)),
    (nn.BatchNorm2d(2), (2, 3, 4)),
    (nn.Conv1d(2, 3, 3), (2, 7)),
    (nn.Conv1d(2, 3, 4, stride=2, padding=1, bias=False), (2, 7)),
    (nn.GroupNorm(2, 6), (6, 3, 4)),
    (nn.GroupNorm(3, 6, eps=0.1), (6, 5)),
    (nn.GroupNorm(2, 6), (6,)),
    (nn.GroupNorm(1, 4, affine=False), (4, 3)),
]


@pytest.mark.parametrize("layer, shape", ONE, ids=lambda a: (
    type(a).__name__ if isinstance(a, nn.Module) else str(a)))
def test_a_layer_gives_what_onnxruntime_makes_of_its_file(layer, shape):
    agree(stir(layer), shape)


def test_every_layer_that_has_a_rule_is_tested():
    assert {type(layer) for layer, _ in ONE} == set(RULES)


def test_the_decoder_of_a_vae_draws_the_same_digits():
    vae = VAE(2, 32, rng=0)
    z = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)
    found = theirs(to_onnx(vae.decoder, (2,), ending="sigmoid"), z)
    np.testing.assert_allclose(found, vae.decode(z), rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:no convergence")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_classifier_of_chapter_1_gives_the_same_probabilities(activation):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = np.array(["low", "mid", "high"])[rng.integers(0, 3, 60)]
    model = MLPClassifier((8, 6), activation=activation, max_iter=5,
                          random_state=0).fit(X, y)
    found = theirs(to_onnx(model, ending="softmax"), X.astype(np.float32))
    wanted = model.predict_proba(X.astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("ending, bend", [
    ("softmax", softmax), ("sigmoid", sigmoid), (None, lambda y: y)])
def test_an_ending_is_applied_to_the_output(ending, bend):
    agree(nn.mlp([4, 8, 3], rng=0), (4,), ending=ending, bend=bend)


def test_there_are_the_endings_that_are_tested():
    assert set(ENDINGS) == {None, "softmax", "sigmoid"}


def test_a_convolutional_classifier_agrees():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0), nn.BatchNorm2d(4), nn.ReLU(),
        nn.MaxPool2d(2), nn.Sequential(nn.Flatten(), nn.Dropout(0.5)),
        nn.Linear(64, 10, rng=1), nn.LayerNorm(10))
    agree(stir(model), (1, 8, 8))


@settings(deadline=None, max_examples=30)
@given(widths=st.lists(st.integers(1, 9), min_size=2, max_size=5),
       n=st.integers(1, 4), seed=st.integers(0, 99))
def test_any_chain_of_linear_layers_agrees_for_any_batch(widths, n, seed):
    agree(nn.mlp(widths, rng=seed), widths[:1], n=n, seed=seed)


def test_one_file_takes_batches_of_every_size():
    session = onnxruntime.InferenceSession(
        to_onnx(nn.mlp([3, 2], rng=0), (3,)).SerializeToString())
    assert session.get_inputs()[0].shape == ["N", 3]
    assert session.get_outputs()[0].shape == ["N", 2]
    for n in (1, 2, 17):
        x = np.zeros((n, 3), np.float32)
        assert session.run(None, {"x": x})[0].shape == (n, 2)


def test_the_weights_keep_the_names_of_the_state_dict():
    model = nn.Sequential(nn.mlp([3, 4, 2], rng=0), nn.LayerNorm(2))
    kept = {w.name: onnx.numpy_helper.to_array(w)
            for w in to_onnx(model, (3,)).graph.initializer}
    state = model.state_dict()
    assert set(kept) == set(state)
    assert all(np.array_equal(kept[name], state[name]) for name in state)


def test_a_shared_layer_is_written_once():
    layer = nn.Linear(3, 3, rng=0)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(to_onnx(model, (3,)).graph.initializer) == 2
    agree(model, (3,))


def test_weights_that_only_look_alike_are_kept_apart():
    model = nn.Sequential(*(nn.BatchNorm1d(3, affine=False)
                            for _ in range(4)))
    agree(stir(model), (3,))


def test_a_model_of_doubles_is_rounded_to_single_precision():
    model = nn.Linear(3, 2, rng=0, dtype=np.float64)
    x = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(theirs(to_onnx(model, (3,)), x),
                               model(x.astype(float)).data, atol=1e-6)


def test_writing_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    before = {k: v.copy() for k, v in model.state_dict().items()}
    to_onnx(model, (3,))
    assert all(m.training for m in model.modules())
    for name, array in model.state_dict().items():
        assert np.array_equal(array, before[name])


def test_metadata_and_producer_are_in_the_file(tmp_path):
    path = tmp_path / "m.onnx"
    save_onnx(nn.Linear(2, 1, rng=0), path, 2,
              metadata={"x": "metres", "version": 3})
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert proto.producer_name == "zerobook"
    kept = {p.key: p.value for p in proto.metadata_props}
    assert kept == {"x": "metres", "version": "3"}


class Own(nn.Linear):
    def forward(self, x):
        return -super().forward(x)


LAYERS = [kind for kind in vars(nn).values() if isinstance(kind, type)
          and issubclass(kind, nn.Module)]


# the kind: a layer that is neither written nor refused by its name
@pytest.mark.parametrize("kind", [
    kind for kind in LAYERS if kind not in {*RULES, nn.Sequential}])
def test_every_layer_without_a_rule_is_refused_by_place_and_name(kind):
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU()))
    made = kind.__new__(kind)
    nn.Module.__init__(made)
    model[1].body = made
    with pytest.raises(TypeError, match=rf"^1\.body: no ONNX for "
                       rf"{kind.__name__};"):
        to_onnx(model, (2,))


@pytest.mark.parametrize("model, place, kind", [
    (nn.Sequential(nn.ReLU(), nn.Sequential(nn.LSTM(2, 2))), "1.0", "LSTM"),
    (Own(2, 2), "the model", "Own"),
    (VAE(2, 4), "the model", "VAE"),
])
def test_a_module_without_a_rule_is_named_with_its_path(model, place, kind):
    with pytest.raises(TypeError, match=f"^{place}: no ONNX for {kind};"):
        to_onnx(model, (2,))


def test_an_example_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="63"):
        to_onnx(nn.mlp([64, 10], rng=0), (63,))
    with pytest.raises(ValueError, match="input_shape"):
        to_onnx(nn.mlp([64, 10], rng=0))
    with pytest.raises(ValueError, match="ending 'soft'"):
        to_onnx(nn.mlp([64, 10], rng=0), (64,), ending="soft")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.onnx"
    save_onnx(nn.Linear(2, 1, rng=0), path, (2,))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_onnx(nn.LSTM(2, 2), path, (2,))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_without_onnx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"zerobook\[interop\]"):
        to_onnx(nn.Linear(2, 1, rng=0), (2,))
