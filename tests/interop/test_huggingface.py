"""Folders of `transformers`: theirs here, ours there, and clear errors."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from oracles import oracle
from tests.test_checkpoint import killed_at

from zerobook import safetensors
from zerobook.interop.huggingface import (
    MOVING,
    load_bert,
    load_gpt,
    save_bert,
    save_gpt,
)
from zerobook.models.bert import BERT, BertConfig
from zerobook.models.gpt import GPT, GPTConfig
from zerobook.safetensors import FormatError, load_file, save_file
from zerobook.tokenizers import BPETokenizer, WordPieceTokenizer

torch = oracle("torch")
transformers = oracle("transformers")

TEXT = "The loss falls, the step shrinks, the loss falls again. 損失 " * 8
SMALL = {"n_positions": 24, "n_embd": 24, "n_layer": 2, "n_head": 3}
GPT2 = {"vocab_size": 41, "bos_token_id": 0, "eos_token_id": 0} | SMALL
BERT_SIZES = {"vocab_size": 41, "hidden_size": 24, "num_hidden_layers": 2,
              "num_attention_heads": 3, "intermediate_size": 40,
              "max_position_embeddings": 16}


def stir(model, seed=0):
    """Weights far from a fresh draw, in either library.

    Gains of 1 and biases of 0 would hide a norm that forgets them.
    """
    if isinstance(model, GPT | BERT):
        rng = np.random.default_rng(seed)
        for p in model.parameters():
            p.data += rng.normal(0, 0.2, p.shape).astype(p.dtype)
        return model
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.2 * torch.randn(p.shape, generator=generator)
    return model.eval()


def tokens(*shape, V=41, seed=0):
    return np.random.default_rng(seed).integers(0, V, shape)


def theirs(kind, sizes, folder, **options):
    """A stirred model of `transformers`, saved in a folder."""
    config = {"GPT2": "GPT2Config", "Bert": "BertConfig"}[kind[:4]]
    config = getattr(transformers, config)(**sizes)
    model = stir(getattr(transformers, kind)(config))
    model.save_pretrained(folder, **options)
    return model


@pytest.fixture
def tokenizer():
    return BPETokenizer.train(TEXT, vocab_size=290)


@pytest.fixture
def ours(tokenizer):
    sizes = GPTConfig(tokenizer.vocab_size, **SMALL)
    return stir(GPT(sizes, rng=0)).eval()


# ---- ours, opened by transformers


@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_of_ours_gives_the_same_logits_and_text(tokenizer, tmp_path,
                                                         tied):
    sizes = GPTConfig(tokenizer.vocab_size, **SMALL,
                      tie_word_embeddings=tied)
    model = stir(GPT(sizes, rng=0)).eval()
    save_gpt(model, tokenizer, tmp_path / "out")
    auto = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = tokenizer.encode("The loss falls 損")
    assert reader.encode("The loss falls 損") == ids
    assert reader.model_max_length == 24 and reader.eos_token_id == 0
    there = auto(torch.tensor([ids])).logits.detach().numpy()
    assert np.abs(there).max() > 3
    np.testing.assert_allclose(model(np.array([ids])).data, there, atol=1e-5)
    greedy = auto.generate(torch.tensor([ids]), max_new_tokens=6)[0].tolist()
    mine = list(ids)
    while len(mine) < len(greedy):
        mine.append(int(model(np.array([mine])).data[0, -1].argmax()))
    assert mine == greedy
    assert tokenizer.decode(mine) == reader.decode(greedy)


def test_what_we_wrote_comes_back_bit_for_bit(ours, tokenizer, tmp_path):
    save_gpt(ours, tokenizer, tmp_path / "out")
    model, reader = load_gpt(tmp_path / "out")
    assert model.config == ours.config and not model.training
    assert reader.vocab == tokenizer.vocab
    for name, array in ours.state_dict().items():
        assert np.array_equal(model.state_dict()[name], array), name


def test_the_folder_has_the_files_and_the_keys_that_are_expected(
        ours, tokenizer, tmp_path):
    save_gpt(ours, tokenizer, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "vocab.json", "merges.txt",
        "tokenizer_config.json", "special_tokens_map.json"}
    config = json.loads((tmp_path / "out/config.json").read_text())
    expected = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True, "scale_attn_weights": True,
        "n_inner": None, "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0,
        "bos_token_id": 0, "eos_token_id": 0, "dtype": "float32",
        "vocab_size": tokenizer.vocab_size} | SMALL
    assert config.items() >= expected.items()
    made = json.loads((tmp_path / "out/generation_config.json").read_text())
    assert made == {"bos_token_id": 0, "eos_token_id": 0, "do_sample": False}
    path = tmp_path / "out/model.safetensors"
    assert safetensors.load_metadata(path) == {"format": "pt"}
    keys = load_file(path)
    assert all(key.startswith("transformer.") for key in keys)
    assert keys["transformer.h.1.attn.c_attn.weight"].shape == (24, 72)


@pytest.mark.parametrize("head", [True, False])
def test_a_bert_of_ours_opens_there(tokenizer, tmp_path, head):
    sizes = BERT_SIZES | {"vocab_size": tokenizer.vocab_size}
    model = stir(BERT(BertConfig(**sizes), head=head, rng=0)).eval()
    save_bert(model, tokenizer, tmp_path / "out")
    ids = tokens(2, 9)
    auto = (transformers.AutoModelForMaskedLM if head
            else transformers.AutoModel).from_pretrained(tmp_path / "out")
    out, hidden = auto(torch.from_numpy(ids)), model(ids)
    if head:
        np.testing.assert_allclose(model.score(hidden).data,
                                   out.logits.detach().numpy(), atol=1e-5)
    else:
        np.testing.assert_allclose(hidden.data,
                                   out.last_hidden_state.detach().numpy(),
                                   atol=1e-5)
        np.testing.assert_allclose(model.pool(hidden).data,
                                   out.pooler_output.detach().numpy(),
                                   atol=1e-5)
    again, reader = load_bert(tmp_path / "out")
    assert (again(ids).data == hidden.data).all()
    assert reader.vocab == tokenizer.vocab


# ---- theirs, opened here


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("inner", [None, 52])
def test_a_gpt2_of_theirs_gives_the_same_logits(tmp_path, tied, inner):
    sizes = GPT2 | {"tie_word_embeddings": tied, "n_inner": inner}
    other = theirs("GPT2LMHeadModel", sizes, tmp_path)
    model, reader = load_gpt(tmp_path)
    there = other(torch.from_numpy(tokens(3, 24))).logits.detach().numpy()
    assert reader is None and np.abs(there).max() > 2
    np.testing.assert_allclose(model(tokens(3, 24)).data, there, atol=2e-5)


def test_a_gpt2_without_a_head_and_its_prefix_is_read(tmp_path):
    other = theirs("GPT2Model", GPT2, tmp_path)
    model, _ = load_gpt(tmp_path)
    out = other(torch.from_numpy(tokens(2, 9))).last_hidden_state
    np.testing.assert_allclose(model.read(tokens(2, 9)).data,
                               out.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("act", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM",
                                  "BertForPreTraining"])
def test_a_bert_of_theirs_gives_the_same_hidden_states(tmp_path, kind, act):
    other = theirs(kind, BERT_SIZES | {"hidden_act": act}, tmp_path)
    model, _ = load_bert(tmp_path)
    ids, mask = tokens(3, 16), np.ones((3, 16), int)
    mask[1, 9:] = mask[2, 4:] = 0
    types = (np.arange(16) > 6) + np.zeros_like(ids)
    given = {"input_ids": ids, "attention_mask": mask,
             "token_type_ids": types}
    given = {k: torch.from_numpy(v) for k, v in given.items()}
    out = other(**given, output_hidden_states=True)
    hidden = model(ids, mask, types)
    np.testing.assert_allclose(hidden.data,
                               out.hidden_states[-1].detach().numpy(),
                               atol=1e-5)
    if kind == "BertModel":
        assert model.head is None
        np.testing.assert_allclose(model.pool(hidden).data,
                                   out.pooler_output.detach().numpy(),
                                   atol=1e-5)
    else:
        logits = getattr(out, "logits", getattr(out, "prediction_logits",
                                                None))
        np.testing.assert_allclose(model.score(hidden).data,
                                   logits.detach().numpy(), atol=2e-5)


def test_norms_under_their_oldest_names_are_found(tmp_path):
    other = theirs("BertModel", BERT_SIZES, tmp_path)
    path = tmp_path / "model.safetensors"
    arrays = load_file(path)
    for end, old in (("weight", "gamma"), ("bias", "beta")):
        for key in [k for k in arrays if k.endswith(f"LayerNorm.{end}")]:
            arrays[key.replace(end, old)] = arrays.pop(key)
    save_file(arrays, path)
    model, _ = load_bert(tmp_path)
    out = other(torch.from_numpy(tokens(1, 5))).last_hidden_state
    np.testing.assert_allclose(model(tokens(1, 5)).data,
                               out.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("kind, load", [("GPT2LMHeadModel", load_gpt),
                                        ("BertForMaskedLM", load_bert)])
def test_a_checkpoint_in_shards_is_the_same_model(tmp_path, kind, load):
    sizes = GPT2 if "GPT" in kind else BERT_SIZES
    other = theirs(kind, sizes, tmp_path / "one")
    other.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    assert len(list((tmp_path / "many").glob("model-*"))) > 2
    one, many = (load(tmp_path / name)[0] for name in ("one", "many"))
    for name, array in one.state_dict().items():
        assert np.array_equal(many.state_dict()[name], array), name


def test_half_and_double_precision_are_read(tmp_path):
    other = theirs("GPT2LMHeadModel", GPT2, tmp_path)
    for dtype in ("float16", "float64"):
        other.to(getattr(torch, dtype)).save_pretrained(tmp_path)
        model, _ = load_gpt(tmp_path)
        assert model.wte.weight.dtype == np.float32
        np.testing.assert_allclose(
            model.wte.weight.data,
            other.transformer.wte.weight.detach().numpy(), rtol=1e-6)


BIG = """
import sys, time
from zerobook.interop.huggingface import load_gpt


def peak(name="VmHWM"):
    text = open("/proc/self/status").read().split(name + ":")[1]
    return int(text.split()[0]) * 1024


start = peak("VmRSS")
begin = time.process_time()
model, _ = load_gpt(sys.argv[1])
seconds = time.process_time() - begin
more = peak() - start
import numpy as np
ids = np.load(sys.argv[2])
np.save(sys.argv[3], model(ids).data)
print(seconds, more)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(),
                    reason="reads the peak of memory where Linux keeps it")
def test_gpt2_small_at_its_real_size_in_3_seconds_and_its_own_memory(
        tmp_path):
    with torch.device("meta"):
        other = transformers.GPT2LMHeadModel(transformers.GPT2Config())
    other.to_empty(device="cpu")
    other.tie_weights()
    # a few million random numbers, each weight from another place of them
    rng = np.random.default_rng(0)
    pool = torch.from_numpy(rng.normal(0, 1, 5_000_011).astype("float32"))
    for name, p in other.named_parameters():
        flat, start = p.detach().view(-1), int(rng.integers(len(pool)))
        for part in flat.split(len(pool)):
            part.copy_(pool.roll(start)[: len(part)])
        flat *= 0.3 if p.ndim == 1 else 0.08
        flat += "ln_" in name and name.endswith("weight")
    for name, buffer in other.named_buffers():
        if name.endswith("attn.bias"):
            buffer.copy_(torch.ones_like(buffer).tril())
    other.eval().save_pretrained(tmp_path)
    ids = tokens(1, 24, V=50257)
    np.save(tmp_path / "ids.npy", ids)
    with torch.no_grad():
        there = other(torch.from_numpy(ids)).logits.numpy()
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, "-c", BIG, tmp_path, tmp_path / "ids.npy",
         tmp_path / "out.npy"],
        capture_output=True, text=True, check=True, env=environment)
    seconds, more = map(float, out.stdout.split())
    file = (tmp_path / "model.safetensors").stat().st_size
    assert file > 490e6 and seconds < 3 and more < 1.3 * file
    # weights this large give logits of some tens: float32 rounds them to
    # a few millionths of that
    scale = np.abs(there).max()
    assert scale > 5
    assert np.abs(np.load(tmp_path / "out.npy") - there).max() < 1e-5 * scale


# ---- what does not fit


def broken(folder, change):
    """Change the config of a folder, or its arrays."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    arrays = load_file(folder / "model.safetensors")
    change(config, arrays)
    path.write_text(json.dumps(config))
    save_file(arrays, folder / "model.safetensors")


WRONG = {
    "missing key": (
        lambda c, a: a.pop("transformer.h.1.ln_2.bias"),
        "out: no transformer.h.1.ln_2.bias"),
    "wrong shape": (
        lambda c, a: a.update({"transformer.wpe.weight":
                               np.zeros((3, 24), "f")}),
        r"model.safetensors: transformer.wpe.weight is float32 \(3, 24\), "
        r"where config.json wants floats \(24, 24\)"),
    "whole numbers": (
        lambda c, a: a.update({"transformer.ln_f.bias": np.zeros(24, int)}),
        r"transformer.ln_f.bias is int64 \(24,\)"),
    "no place": (
        lambda c, a: a.update({"score.weight": np.zeros(2, "f")}),
        "model.safetensors: no place here for 'score.weight'"),
    "model_type": (
        lambda c, a: c.update(model_type="llama"),
        "config.json: model_type 'llama', not 'gpt2'"),
    "activation": (
        lambda c, a: c.update(activation_function="relu"),
        "config.json: activation_function 'relu' is not supported"),
    "heads": (lambda c, a: c.update(n_head=7), "config.json: 7 heads in a"),
    "text": (lambda c, a: c.update(n_layer="2"), "config.json: n_layer '2'"),
    "true": (lambda c, a: c.update(n_head=True), "config.json: n_head True"),
    "nan": (lambda c, a: c.update(layer_norm_epsilon=float("nan")),
            "config.json: layer_norm_epsilon nan"),
    "huge": (lambda c, a: c.update(vocab_size=10**8),
             "config.json: 2 layers and 24000"),
    "deep": (lambda c, a: c.update(n_layer=10**8),
             "config.json: 100000000 layers"),
    "small": (lambda c, a: c.update(vocab_size=100),
              "tokenizer.json|transformer.wte.weight"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_names_the_file_and_the_key(ours, tokenizer, tmp_path, name):
    change, message = WRONG[name]
    save_gpt(ours, tokenizer, tmp_path / "out")
    broken(tmp_path / "out", change)
    with pytest.raises(FormatError, match=message):
        load_gpt(tmp_path / "out")


def test_files_that_are_not_there_are_named(ours, tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json"):
        load_gpt(tmp_path)
    save_gpt(ours, None, tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="any program") as caught:
        load_gpt(tmp_path)
    assert "model.safetensors" in str(caught.value)


def test_an_index_cannot_lead_out_of_its_folder(ours, tmp_path):
    save_gpt(ours, None, tmp_path / "out")
    (tmp_path / "out/model.safetensors").rename(tmp_path / "a.safetensors")
    index = {"weight_map": {"transformer.wte.weight": "../a.safetensors"}}
    path = tmp_path / "out/model.safetensors.index.json"
    path.write_text(json.dumps(index))
    with pytest.raises(FormatError, match="index.json: 'transformer.wte"):
        load_gpt(tmp_path / "out")


def test_a_save_that_fails_leaves_the_old_folder(ours, tokenizer, tmp_path,
                                                 monkeypatch):
    save_gpt(ours, tokenizer, tmp_path / "out")
    (tmp_path / "out/log.csv").write_text("kept")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}

    def full(*args):
        raise OSError(28, "No space left on device")

    other = stir(GPT(ours.config, rng=5), seed=5)
    with monkeypatch.context() as patch:
        patch.setattr(safetensors, "save_file", full)
        for folder in ("out", "new"):
            with pytest.raises(OSError, match="No space"):
                save_gpt(other, tokenizer, tmp_path / folder)
    after = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    assert before == after and [*tmp_path.iterdir()] == [tmp_path / "out"]
    save_gpt(other, tokenizer, tmp_path / "out")
    assert (tmp_path / "out/log.csv").read_text() == "kept"
    model, _ = load_gpt(tmp_path / "out")
    assert (model.wte.weight.data == other.wte.weight.data).all()


def numbered(n):
    """A GPT and a tokenizer that say everywhere that they are the `n`th."""
    letter = chr(ord("a") + n % 26)
    tokenizer = BPETokenizer.train(f"{letter}{letter} " * 3, 258)
    config = GPTConfig(258, **SMALL, initializer_range=n + 1.0)
    model = GPT(config, rng=0)
    for p in model.parameters():
        p.data[...] = n
    return model, tokenizer


def reads_as(folder):
    """Which GPT a folder holds; a mixed one fails."""
    model, tokenizer = load_gpt(folder)
    n = int(model.config.initializer_range) - 1
    wanted, its_tokenizer = numbered(n)
    assert model.config == wanted.config
    assert tokenizer.tokens == its_tokenizer.tokens
    assert all((p.data == n).all() for p in model.parameters())
    return n


def test_a_kill_at_every_call_of_a_save_leaves_one_model_of_the_two(tmp_path):
    # the kind: whatever the moment, weights, config and tokenizer are of one
    # save, a file of another's is not touched, and the next save is whole
    folder = tmp_path / "out"
    save_gpt(*numbered(0), folder)
    names = {p.name for p in folder.iterdir()}
    (folder / "log.csv").write_text("kept")
    last, ends, shapes = 0, set(), set()
    for k in range(1, 1000):
        n = last + 1
        if not killed_at(k, partial(save_gpt, *numbered(n), folder)):
            break
        shapes.add(len([*folder.glob(f"{MOVING}/*")]))
        if k % 3 == 0:  # the next save tidies up too, and not only a reader
            save_gpt(*numbered(n + 1), folder)
            assert reads_as(folder) == n + 1
            last = n + 1
            continue
        found = reads_as(folder)
        assert found in (last, n)
        ends.add(found == n)
        last = found
    assert ends == {True, False} and k > 20
    assert shapes >= {0, 2, 4, 6}  # it was killed between two moves
    assert (folder / "log.csv").read_text() == "kept"
    assert {p.name for p in folder.iterdir() if p.suffix != ".csv"
            and not p.name.startswith(".part-")} == names


def test_two_processes_may_finish_one_save(tmp_path, monkeypatch):
    save_gpt(*numbered(0), tmp_path / "out")
    save_gpt(*numbered(1), tmp_path / "new")
    os.rename(tmp_path / "new", tmp_path / "out" / MOVING)
    true = os.replace

    def late(*names):  # the other one was there before
        true(*names)
        true(*names)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", late)
        assert reads_as(tmp_path / "out") == 1
    assert not (tmp_path / "out" / MOVING).exists()


def test_a_tokenizer_larger_than_its_model_is_refused(ours, tmp_path):
    large = BPETokenizer.train(TEXT, vocab_size=ours.config.vocab_size + 9)
    with pytest.raises(ValueError, match="a tokenizer of"):
        save_gpt(ours, large, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bert_comes_with_its_word_pieces(tmp_path):
    pieces = WordPieceTokenizer.train(TEXT, vocab_size=90)
    config = BertConfig(**BERT_SIZES | {"vocab_size": pieces.vocab_size})
    model = stir(BERT(config, rng=0))
    save_bert(model, pieces, tmp_path)
    for name in ("tokenizer.json", "vocab.txt"):
        again, read = load_bert(tmp_path)
        assert read.tokens == pieces.tokens
        (tmp_path / "tokenizer.json").unlink(missing_ok=True)
    ids, types = read.encode_pair(TEXT[:20], TEXT[20:30])
    auto = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path)
    with torch.no_grad():
        theirs = auto(torch.tensor([ids]),
                      token_type_ids=torch.tensor([types])).logits
    here = again.score(again([ids], token_type_ids=[types])).data
    np.testing.assert_allclose(here, theirs, atol=1e-5)


def test_word_pieces_that_cannot_be_read_are_an_error(tmp_path):
    save_bert(stir(BERT(BertConfig(**BERT_SIZES), rng=0)), None, tmp_path)
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({"model": {"type": "WordPiece"}}))
    with pytest.raises(FormatError, match="unk_token"):
        load_bert(tmp_path)


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_brain_floats_are_opened(kind, tmp_path):
    if kind == "gpt2":
        theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(
            vocab_size=60, n_positions=16, n_embd=32, n_layer=2, n_head=4))
    else:
        theirs = transformers.BertModel(transformers.BertConfig(
            vocab_size=60, hidden_size=32, num_hidden_layers=2,
            num_attention_heads=4, intermediate_size=64))
    with torch.no_grad():
        for p in theirs.parameters():
            p += 0.1 * torch.randn(p.shape)
    theirs = theirs.eval().to(torch.bfloat16)
    theirs.save_pretrained(tmp_path, max_shard_size="40KB")
    ids = np.arange(24).reshape(2, 12)
    with torch.no_grad():
        there = theirs.float()(torch.from_numpy(ids))[0]
    model, _ = (load_gpt if kind == "gpt2" else load_bert)(tmp_path)
    np.testing.assert_allclose(model(ids).data, there, atol=1e-5)
