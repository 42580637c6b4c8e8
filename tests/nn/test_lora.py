"""LoRA: the formula of the paper in NumPy, and the way there and back."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook import functional, nn
from zerobook.models.bert import BERT, BertConfig
from zerobook.models.gpt import GPT, Conv1D, GPTConfig
from zerobook.nn.lora import LoRA, add_lora, merge
from zerobook.optim import SGD, AdamW

IDS = np.array([[3, 1, 4, 1], [5, 2, 6, 5]])


def gpt(seed=0):
    config = GPTConfig(9, n_positions=6, n_embd=8, n_layer=2, n_head=2,
                       initializer_range=0.3)
    return GPT(config, rng=seed, dtype="float64").eval()


def bert():
    config = BertConfig(9, hidden_size=8, num_attention_heads=2,
                        initializer_range=0.3)
    return BERT(config, rng=0, dtype="float64", head=False,
                pooler=False).eval()


def rnn_stack():
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(4, 6, rng=rng, dtype="float64"), nn.ReLU(),
                         nn.LayerNorm(6, dtype="float64"),
                         nn.Linear(6, 9, False, rng=rng, dtype="float64"))


MODELS = {"GPT": (gpt, IDS), "BERT": (bert, IDS),
          "MLP": (rnn_stack, np.linspace(-1, 1, 12).reshape(3, 4))}
EACH = pytest.mark.parametrize("name", MODELS)


def adapted(name, rank=3):
    """A model with LoRA whose products are not zero, its input, its output."""
    make, x = MODELS[name]
    model, rng = make(), np.random.default_rng(1)
    before = model(x).data
    add_lora(model, rank, rng=2)
    assert np.array_equal(model(x).data, before), "B begins with zeros"
    for p in model.parameters():
        if p.requires_grad:
            p.data += rng.normal(0, 0.1, p.shape)
    return model, x, before


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_a_layer_computes_the_formula_of_the_paper(D, K, data):
    # peft: result + lora_B(lora_A(x)) * scaling, scaling = alpha / rank
    r = data.draw(st.integers(1, min(D, K)))
    alpha = data.draw(st.sampled_from([1.0, 8.0, 16.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    layer = nn.Linear(D, K, rng=rng, dtype="float64")
    W, b, x = layer.weight.data.copy(), layer.bias.data, rng.normal(size=(3, D))
    lora = LoRA(layer, r, alpha, rng=rng)
    lora.B.data[...] = rng.normal(size=(r, K))
    A, B = lora.A.data, lora.B.data
    assert np.allclose(lora(x).data, x @ W + b + (x @ A) @ B * (alpha / r))


@EACH
def test_merged_gives_what_unmerged_gave(name):
    model, x, before = adapted(name)
    y = model(x).data
    assert np.abs(y - before).max() > 1e-3
    assert merge(model) is model
    assert np.abs(model(x).data - y).max() < 1e-12
    fresh = MODELS[name][0]()
    assert list(model.state_dict()) == list(fresh.state_dict())
    fresh.load_state_dict(model.state_dict())
    assert np.array_equal(fresh(x).data, model(x).data)


@EACH
def test_a_step_moves_the_thin_matrices_and_nothing_else(name):
    model, x, _ = adapted(name)
    old = {n: p.data.copy() for n, p in model.named_parameters()}
    weights = [p for p in model.parameters() if p.requires_grad]
    y = model(x)
    (y * y).mean().backward()
    AdamW(weights, 0.1).step()
    for n, p in model.named_parameters():
        thin = n.rpartition(".")[2] in ("A", "B")
        assert p.requires_grad == thin
        assert (p.grad is not None) == thin
        assert np.array_equal(p.data, old[n]) != thin


def test_the_gradient_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    layer = nn.Linear(4, 3, rng=rng, dtype="float64")
    lora, x = LoRA(layer, 2, 6.0, rng=rng), rng.normal(size=(5, 4))
    lora.B.data[...] = rng.normal(size=(2, 3))
    lora(x).sum().backward()
    g = np.ones((5, 3))
    assert np.allclose(lora.A.grad, x.T @ g @ lora.B.data.T * 3)
    assert np.allclose(lora.B.grad, (x @ lora.A.data).T @ g * 3)


def test_every_matrix_that_multiplies_is_adapted_and_no_table():
    model = add_lora(gpt(), 2)
    found = {n for n, m in model.named_modules() if isinstance(m, LoRA)}
    assert found == {f"h.{i}.{n}" for i in (0, 1) for n in (
        "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")}
    kinds = [type(m.module).__name__ for m in add_lora(bert(), 2).modules()
             if isinstance(m, LoRA)]
    assert kinds.count("MultiheadAttention") == 2  # in_proj_weight
    assert kinds.count("Linear") == 2 * 3  # out_proj, two maps


def test_the_rank_is_cut_to_what_a_matrix_has_and_the_scale_stays():
    model = add_lora(rnn_stack(), rank=5, alpha=10.0)
    first, last = model[0], model[3]
    assert first.A.shape == (4, 4) and last.A.shape == (6, 5)
    assert first.scale == last.scale == 2.0


def test_a_copy_of_an_adapted_model_is_its_own():
    model, x, _ = adapted("GPT")
    y, other = model(x).data, copy.deepcopy(model)
    for p in other.parameters():
        p.data += 1
    assert np.array_equal(model(x).data, y)


def test_a_merged_model_can_be_trained_whole_again():
    model, x, _ = adapted("GPT")
    merge(model).requires_grad_()
    functional.cross_entropy(model(x), x).backward()
    assert all(p.grad is not None for p in model.parameters())
    SGD(model.parameters(), lr=0.1).step()


def test_a_layer_alone_comes_back_from_merge():
    layer = Conv1D(3, 2)
    assert merge(LoRA(layer, 1)) is layer
    assert [n for n, _ in layer.named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize("layer", [
    nn.LayerNorm(4), nn.LayerNorm((3, 4)), nn.ReLU(), nn.Conv2d(1, 2, 3),
    nn.Embedding(5, 4), nn.Dropout(0.1), nn.BatchNorm1d(4),
], ids=lambda m: type(m).__name__)
def test_a_layer_without_a_matrix_is_refused_by_name(layer):
    before = {n: p.requires_grad for n, p in layer.named_parameters()}
    with pytest.raises(TypeError, match=type(layer).__name__):
        LoRA(layer)
    with pytest.raises(TypeError, match="no layer of Sequential"):
        add_lora(nn.Sequential(layer))
    assert before == {n: p.requires_grad for n, p in layer.named_parameters()}


def test_a_layer_that_is_adapted_already_is_refused():
    lora = LoRA(nn.Linear(3, 3), 1)
    with pytest.raises(TypeError, match="Linear holds no matrix"):
        LoRA(lora.module)
    with pytest.raises(TypeError, match="no layer of Sequential"):
        add_lora(nn.Sequential(lora))


@pytest.mark.parametrize(("rank", "error", "said"), [
    (0, ValueError, "rank must be 1 or more"),
    (5, ValueError, r"rank 5 for a matrix \(4, 9\)"),
    (2.0, TypeError, "rank must be a whole number"),
])
def test_a_rank_that_does_not_fit_is_refused_and_freezes_nothing(
        rank, error, said):
    layer = nn.Linear(4, 9)
    with pytest.raises(error, match=said):
        LoRA(layer, rank)
    assert layer.weight.requires_grad and layer.bias.requires_grad


@pytest.mark.parametrize("rank", [0, -1, 1.5])
def test_a_model_whose_rank_is_refused_is_as_it_was(rank):
    model = gpt()
    with pytest.raises((TypeError, ValueError), match="rank"):
        add_lora(model, rank)
    assert all(p.requires_grad for p in model.parameters())
    assert not any(isinstance(m, LoRA) for m in model.modules())
