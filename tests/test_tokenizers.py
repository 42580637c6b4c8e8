"""Byte-pair encoding: Hugging Face and tiktoken id for id, files that lie."""

import base64
import json
import random
import shutil
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle

from zerobook import tokenizers
from zerobook.datasets import load_book_prose, load_topics
from zerobook.safetensors import FormatError
from zerobook.tokenizers import (
    BYTE_CHARS,
    BYTE_ORDER,
    BPETokenizer,
    CharTokenizer,
    learn_merges,
    merge,
    split,
)

hf = oracle("tokenizers")
tiktoken = oracle("tiktoken")

# Pieces of strings that tokenizers get wrong: every kind of space, endings
# with and without a letter before them, marks that join, signs of many bytes.
SPACES = [" ", "  ", "   ", "\n", "\r\n", "\t", "\x0b", "\x0c", "\x1c", "\x1f",
          "\x85", "\xa0", "\u1680", "\u2003", "\u200b", "\u2028", "\u202f",
          "\u205f", "\u3000", "\ufeff", "\x00", "\u180e"]
ODDITIES = ["'s", "'ll", "'re", "'S", "’s", "'", "''", "don't", "e\u0301",
            "ﬁ", "²", "½", "Ⅷ", "一", "١٢٣", "９", "\u200d", "\ufe0f", "🙂",
            "👩‍👩‍👧", "🇯🇵", "\U0001f3fd", "ǅ", "ß", "İ", "\ufffd", "\U0010ffff",
            "<|endoftext|>", "<|endoftext", "|>", "_", "...", "--", "((", "=="]
SCRIPTS = [(0x20, 0x7f), (0xa0, 0x250), (0x370, 0x530), (0x590, 0x700),
           (0x900, 0xe80), (0xe80, 0x1200), (0x2000, 0x2c00), (0x3040, 0x3100),
           (0x4e00, 0x9fff), (0xac00, 0xd7a4), (0x10000, 0x11000),
           (0x1d400, 0x1d800), (0x1f300, 0x1fb00), (0x20000, 0x20400)]


def known(character):
    """Whether this Python's Unicode has the character."""
    return unicodedata.category(character) not in ("Cn", "Cs")


def strings(n, seed=0):
    """Texts of up to twelve bits each, from prose and from odd corners."""
    rng = random.Random(seed)
    prose = load_book_prose().test
    alphabets = [
        [c for c in map(chr, range(*script)) if known(c)] for script in SCRIPTS
    ]
    for _ in range(n):
        parts = []
        for _ in range(rng.randint(0, 6)):
            kind = rng.random()
            if kind < 0.3:
                start = rng.randrange(len(prose))
                parts.append(prose[start : start + rng.randint(1, 20)])
            elif kind < 0.6:
                parts.append(rng.choice(SPACES if kind < 0.45 else ODDITIES))
            else:
                letters = rng.choice(alphabets)
                parts += rng.choices(letters, k=rng.randint(1, 6))
        yield "".join(parts)


@pytest.fixture(scope="module")
def ours():
    return BPETokenizer.train(load_book_prose().train, 1024)


@pytest.fixture(scope="module")
def folder(ours, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    ours.save(path, context=64)
    return path


@pytest.fixture(scope="module")
def theirs(folder):
    return hf.Tokenizer.from_file(str(folder / "tokenizer.json"))


def train_theirs(texts, vocab_size, min_frequency=2):
    tokenizer = hf.Tokenizer(hf.models.BPE())
    level = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = level
    tokenizer.decoder = hf.decoders.ByteLevel()
    trainer = hf.trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency,
        special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=level.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


# ---- the oracle


def test_a_hundred_thousand_strings_have_hugging_faces_ids(ours, theirs):
    texts = list(strings(100_000))
    encodings = theirs.encode_batch(texts)
    wrong = [
        (text, encoding.ids) for text, encoding in zip(texts, encodings)
        if ours.encode(text) != encoding.ids
    ]
    assert not wrong, (len(wrong), wrong[0])


def test_tiktoken_has_the_same_ids(ours):
    encoding = tiktoken.Encoding(
        "zerobook",
        pat_str=r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
        r"|\s+(?!\S)|\s+",
        mergeable_ranks=ours.tiktoken_ranks(),
        special_tokens=ours.specials,
    )
    for text in [load_topics().test, *strings(20_000, seed=1)]:
        assert encoding.encode(text, allowed_special="all") == ours.encode(text)
        ordinary = ours.encode(text, specials=False)
        assert encoding.encode_ordinary(text) == ordinary


def test_tiktoken_reads_its_file(ours, tmp_path, monkeypatch):
    load = oracle("tiktoken.load").load_tiktoken_bpe
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    ours.save_tiktoken(tmp_path / "tokenizer.tiktoken")
    assert load(str(tmp_path / "tokenizer.tiktoken")) == ours.tiktoken_ranks()


def test_auto_tokenizer_reads_the_folder(ours, folder):
    transformers = pytest.importorskip("transformers")
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    assert auto.model_max_length == 64
    assert auto.eos_token_id == ours.eos_token_id
    for text in strings(500, seed=2):
        assert auto.encode(text) == ours.encode(text)
        ids = ours.encode(text)
        assert auto.decode(ids, clean_up_tokenization_spaces=False) == text


def test_a_folder_that_transformers_writes_is_read(ours, folder, tmp_path):
    transformers = pytest.importorskip("transformers")
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    auto.save_pretrained(tmp_path)
    again = BPETokenizer.load(tmp_path)
    assert again.vocab == ours.vocab and again.specials == ours.specials
    assert again.merges == ours.merges


@pytest.mark.parametrize("vocab_size", [257, 300, 2000])
def test_training_finds_hugging_faces_vocabulary(vocab_size):
    texts = [load_topics().train[:150_000], load_book_prose().test]
    tokenizer = BPETokenizer.train(texts, vocab_size)
    found = tokenizer.tokenizer_json()["model"]
    theirs = json.loads(train_theirs(texts, vocab_size).to_str())["model"]
    assert found["vocab"] == theirs["vocab"]
    assert [m.split(" ") for m in found["merges"]] == theirs["merges"]


def test_training_breaks_ties_as_hugging_face_does():
    rng = random.Random(0)
    for _ in range(60):
        texts = ["".join(rng.choices("aab b\n", k=rng.randint(1, 120)))
                 for _ in range(3)]
        size, least = rng.randint(257, 330), rng.randint(1, 3)
        tokenizer = BPETokenizer.train(texts, size, min_frequency=least)
        found = tokenizer.tokenizer_json()["model"]["vocab"]
        assert found == train_theirs(texts, size, least).get_vocab()


def test_every_character_that_python_knows_is_cut_as_by_hugging_face():
    level = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    for start in range(0, sys.maxunicode, 4096):
        characters = [c for c in map(chr, range(start, start + 4096))
                      if known(c) and unicodedata.category(c) != "Co"]
        # before each a letter, a digit and a sign: it joins one of them
        text = "".join(f"a{c}\n1{c}\n!{c}\n" for c in characters)
        cut = [stop - start for _, (start, stop) in
               level.pre_tokenize_str(text)]
        assert [len(piece) for piece in split(text)] == cut


def test_decoding_repairs_broken_utf8_as_hugging_face_does(ours, theirs):
    rng = random.Random(0)
    for _ in range(2000):
        ids = rng.choices(range(ours.vocab_size), k=rng.randint(0, 12))
        assert ours.decode(ids) == theirs.decode(
            ids, skip_special_tokens=False
        )


def test_the_vocabularys_usual_order_is_not_needed():
    # GPT-2 itself counts from the bytes on and puts the special token last
    merges = [(b"t", b"h"), (b"th", b"e"), (b" ", b"the")]
    names = [bytes([b]) for b in BYTE_ORDER] + [a + b for a, b in merges]
    vocab = {name: i for i, name in enumerate(names)}
    tokenizer = BPETokenizer(merges, {"<|endoftext|>": len(names)}, vocab)
    assert tokenizer.encode("the the") == [257, 258]
    assert tokenizer.eos_token_id == 259
    assert tokenizer.tiktoken_ranks()[b" the"] == 258


# ---- properties

texts_of_any_kind = st.text(st.characters(exclude_categories=["Cs"]))


@given(text=texts_of_any_kind)
def test_decoding_brings_back_every_text(ours, text):
    ids = ours.encode(text)
    assert ours.decode(ids) == text
    assert len(ids) <= len(text.encode())
    assert "".join(split(text)) == text


@given(text=st.text(st.sampled_from("ab '\n1é<|>")))
def test_ordinary_encoding_brings_back_every_text(ours, text):
    text = f"{text}<|endoftext|>{text}"
    assert ours.decode(ours.encode(text, specials=False)) == text
    assert 0 not in ours.encode(text, specials=False)
    assert 0 in ours.encode(text)


@given(text=st.text(), at=st.integers(0, 9))
def test_half_a_surrogate_pair_is_refused_with_its_place(ours, text, at):
    text = "".join(c for c in text if not "\ud800" <= c <= "\udfff")
    at = min(at, len(text))
    with pytest.raises(ValueError, match=rf"character {at} .*surrogate"):
        ours.encode(text[:at] + "\ud83d" + text[at:])


@given(ids=st.lists(st.integers(0, 2), max_size=12))
def test_merging_leaves_no_pair_and_changes_no_text(ids):
    merged = merge(ids, (1, 1), 9)
    assert (1, 1) not in zip(merged, merged[1:])
    assert [j for i in merged for j in ([1, 1] if i == 9 else [i])] == ids


@given(texts=st.lists(st.text("ab c", max_size=40), max_size=3))
def test_no_merge_is_rarer_than_asked(texts):
    for left, right in learn_merges(texts, 20, min_frequency=3):
        whole = (left + right).decode()
        assert sum(text.count(whole[0]) for text in texts) >= 3
        assert " " not in whole.strip()


@given(text=st.text("abc", min_size=1))
def test_characters_come_back(text):
    tokenizer = CharTokenizer.train(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.vocab_size == len(set(text))


def test_an_unknown_character_is_named_with_its_place():
    with pytest.raises(ValueError, match="character 2, 'z'"):
        CharTokenizer("ab").encode("abz")


def test_the_byte_table_is_gpt_2s():
    assert BYTE_CHARS[32] == "Ġ" and BYTE_CHARS[10] == "Ċ"
    assert sorted(BYTE_CHARS) == list(range(256))
    assert len(set(BYTE_CHARS.values())) == 256


# ---- errors


def test_a_vocabulary_smaller_than_the_bytes_is_refused():
    with pytest.raises(ValueError, match="257 tokens"):
        BPETokenizer.train("abc", 200)


@pytest.mark.parametrize("ids", [[-1], [1024], [3, 10**12]])
def test_a_token_that_is_none_is_refused(ours, ids):
    with pytest.raises(ValueError, match=f"token {ids[-1]} is none"):
        ours.decode(ids)


@pytest.mark.parametrize("merges, specials, vocab", [
    ([(b"ab", b"c")], (), None),
    ([(b"a", b"")], (), None),
    ([], {"<s>": 3}, None),
    ([], {"<s>": 10**12}, None),
    ([], ("",), None),
    ([], (), {b"a": 0}),
])
def test_a_vocabulary_that_cannot_be_is_refused(merges, specials, vocab):
    with pytest.raises(ValueError):
        BPETokenizer(merges, specials, vocab)


# ---- files


def test_the_two_older_files_say_the_same(ours, folder, tmp_path):
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(folder / name, tmp_path)
    again = BPETokenizer.load(tmp_path)
    assert (again.vocab, again.merges) == (ours.vocab, ours.merges)
    assert again.specials == ours.specials


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="vocab.json"):
        BPETokenizer.load(tmp_path)


def test_tiktokens_file_is_base_64_and_ranks(ours, tmp_path):
    ours.save_tiktoken(tmp_path / "t")
    line = (tmp_path / "t").read_text().splitlines()[-1]
    token, rank = line.split()
    assert ours.vocab[base64.b64decode(token)] == int(rank) == 1023


@pytest.mark.parametrize("path, value, said", [
    (["normalizer"], {"type": "NFC"}, "normalizer"),
    (["model", "type"], "WordPiece", "type 'WordPiece'"),
    (["model", "byte_fallback"], True, "byte_fallback"),
    (["model", "dropout"], 0.1, "dropout"),
    (["pre_tokenizer"], {"type": "Whitespace"}, "Whitespace"),
    (["pre_tokenizer", "add_prefix_space"], True, "add_prefix_space"),
    (["pre_tokenizer", "use_regex"], False, "use_regex"),
    (["post_processor"], {"type": "TemplateProcessing"}, "Template"),
    (["added_tokens", 0, "lstrip"], True, "lstrip"),
    (["added_tokens", 0, "id"], 5, "numbers 0 to 1023"),
    (["model", "vocab", "a"], 10**12, "numbers"),
    (["model", "merges", 0], "a b c", "cannot be read"),
    (["model", "merges", 0], "世 b", "cannot be read"),
    (["model"], [], "model"),
])
def test_a_step_we_do_not_have_is_refused_by_name(
    folder, tmp_path, path, value, said
):
    file = part = json.loads((folder / "tokenizer.json").read_text())
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(file))
    with pytest.raises(FormatError, match=said) as caught:
        BPETokenizer.load(tmp_path)
    assert "tokenizer.json" in str(caught.value)


def test_a_damaged_file_is_a_format_error_or_still_a_tokenizer(tmp_path):
    small = BPETokenizer.train("low lower lowest", 260)
    small.save(tmp_path)
    path, rng = tmp_path / "tokenizer.json", random.Random(0)
    whole = path.read_bytes()
    for _ in range(600):
        data = bytearray(whole)
        at = rng.randrange(len(data))
        kind = rng.random()
        if kind < 0.4:
            data[at] = rng.randrange(256)
        elif kind < 0.6:
            del data[at:]
        elif kind < 0.8:
            del data[at : at + rng.randint(1, 40)]
        else:
            data[at:at] = rng.choice([b"null", b"[" * 5000, b"{}", b"-1", b"9",
                                      b'"', b",", b"1e400", b"\xff"])
        path.write_bytes(data)
        try:
            loaded = BPETokenizer.load(tmp_path)
        except FormatError:
            continue
        assert loaded.decode(loaded.encode("lower é")) == "lower é"


def test_a_file_too_long_to_be_a_tokenizer_is_not_read(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(tokenizers, "LONGEST_FILE", 1000)
    with pytest.raises(FormatError, match="more than 1000 bytes"):
        BPETokenizer.load(folder)


def test_saving_leaves_no_half_written_file(ours, tmp_path, monkeypatch):
    ours.save(tmp_path)
    before = (tmp_path / "tokenizer.json").read_bytes()

    def full(path, pieces):
        raise OSError("no space left on device")

    monkeypatch.setattr(tokenizers, "write_whole", full)
    with pytest.raises(OSError):
        BPETokenizer().save(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == before


# ---- learning


def test_merges_shorten_a_text_that_was_not_in_training(ours):
    text = load_book_prose().validation
    assert len(ours.encode(text)) < 0.4 * len(text.encode())
