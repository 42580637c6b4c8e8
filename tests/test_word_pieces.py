"""WordPiece: Hugging Face's ids, folders both ways, files that lie."""

import json
import random
import sys
import unicodedata

import pytest
from oracles import oracle
from test_fuzz import damaged_json
from test_tokenizers import strings

from zerobook import tokenizers
from zerobook.datasets import load_book_prose
from zerobook.safetensors import FormatError
from zerobook.tokenizers import BERT_SPECIALS, WordPieceTokenizer

hf = oracle("tokenizers")
KINDS = [{}, {"do_lower_case": False}, {"strip_accents": False},
         {"do_lower_case": False, "strip_accents": True},
         {"tokenize_chinese_chars": False}]


def role(category):
    """What a category means to BERT's splitting."""
    return category if category == "Mn" else category[0] * (
        category[0] in "PZC")


def agreed(character):
    """Whether the tables of both libraries know it as the same.

    Theirs are some versions older in signs and marks, and newer in capitals.
    """
    now = unicodedata.category(character)
    before = unicodedata.ucd_3_2_0.category(character)
    if before == "Cn":
        return now[0] not in "PMC"
    return role(now) == role(before)


def clean(text):
    return "".join(c for c in text if agreed(c))


@pytest.fixture(scope="module", params=KINDS, ids=str)
def ours(request):
    return WordPieceTokenizer.train(
        [load_book_prose().train, *strings(2000, seed=5)], 3000,
        **request.param)


@pytest.fixture(scope="module")
def folder(ours, tmp_path_factory):
    path = tmp_path_factory.mktemp("pieces")
    ours.save(path, context=64)
    return path


@pytest.fixture(scope="module")
def theirs(folder):
    return hf.Tokenizer.from_file(str(folder / "tokenizer.json"))


# ---- the oracle


def test_twenty_thousand_strings_have_hugging_faces_ids(ours, theirs):
    texts = [clean(text) for text in strings(20_000, seed=2)]
    texts += ["[MASK] and [MASK][SEP] [mask] [MASK", "x" * 100, "x" * 101,
              "e\u0301" * 60, "ΣΑΣ ΟΔΟΣ", "İi ıI", "ﬁ ß ẞ", load_book_prose().test]
    wrong = [
        (text, ours.encode(text), found.ids)
        for text, found in zip(texts, theirs.encode_batch(
            texts, add_special_tokens=False))
        if ours.encode(text) != found.ids
    ]
    assert not wrong, (len(wrong), wrong[0])
    for text in texts[-2000:]:
        ids = ours.encode(text)
        assert ours.decode(ids) == theirs.decode(
            ids, skip_special_tokens=False)


def test_every_old_character_is_read_alike(ours, theirs):
    every = [f"a{chr(c)}b" for c in range(sys.maxunicode + 1)
             if not 0xD800 <= c < 0xE000 and agreed(chr(c))]
    assert len(every) > 200_000
    for text in (" ".join(every[i : i + 500])
                 for i in range(0, len(every), 500)):
        assert ours.encode(text) == theirs.encode(
            text, add_special_tokens=False).ids


def test_pairs_and_their_types_are_hugging_faces(ours, theirs):
    for a, b in (("One.", "Two, three."), ("", "b"), ("a", ""), ("", "")):
        found = theirs.encode(a, b)
        assert ours.encode_pair(a, b) == (found.ids, found.type_ids)
        found = theirs.encode(a)
        assert ours.encode_pair(a) == (found.ids, found.type_ids)


def test_transformers_opens_the_folder(ours, folder):
    auto = oracle("transformers").AutoTokenizer.from_pretrained(folder)
    text = clean("Ein Café, ÜBER alles: 東京 [MASK]!")
    found = auto(text, "und noch eins")
    ids, types = ours.encode_pair(text, "und noch eins")
    assert found["input_ids"] == ids and found["token_type_ids"] == types
    assert auto.model_max_length == 64
    for name in BERT_SPECIALS:
        assert auto.convert_tokens_to_ids(name) == ours.ids[name]
    assert auto.decode(ids) == ours.decode(ids)


def test_a_folder_that_transformers_wrote_is_read(ours, folder, tmp_path):
    auto = oracle("transformers").AutoTokenizer.from_pretrained(folder)
    auto.save_pretrained(tmp_path)
    again = WordPieceTokenizer.load(tmp_path)
    assert again.tokens == ours.tokens
    text = load_book_prose().validation
    assert again.encode(text) == auto(
        text, add_special_tokens=False)["input_ids"]


# ---- learning


def test_the_vocabulary_is_nearly_that_of_hugging_faces_trainer():
    # ties between pairs of one count are broken in another order there
    text = load_book_prose().train
    theirs = hf.BertWordPieceTokenizer(lowercase=True)
    theirs.train_from_iterator([text], vocab_size=1500, show_progress=False)
    ours = WordPieceTokenizer.train(text, 1500)
    assert len(ours.tokens) == 1500 == theirs.get_vocab_size()
    assert len(set(ours.tokens) & set(theirs.get_vocab())) > 1450


def test_what_was_learned_from_has_no_unknown_word():
    text = load_book_prose().train
    for size in (10, 400):
        ours = WordPieceTokenizer.train(text, size)
        assert ours.ids["[UNK]"] not in ours.encode(text)
        assert len(set(ours.tokens)) == ours.vocab_size


def test_decoding_gives_the_words_back():
    ours = WordPieceTokenizer.train("low lower lowest newest", 30)
    text = "lowest newer low"
    assert ours.decode(ours.encode(text)) == text
    assert ours.encode("") == [] and ours.decode([]) == ""
    with pytest.raises(ValueError, match="token 99 is none of 0 to"):
        ours.decode([99])


# ---- bad input


@pytest.mark.parametrize("tokens, said", [
    (["a"], r"no \[PAD\] among the 1 tokens"),
    ([*BERT_SPECIALS, "a", "b", "a"], "token 5, 'a', stands at 7 too"),
    ([*BERT_SPECIALS, ""], "token 5 is ''"),
    ([*BERT_SPECIALS, "##"], "token 5 is '##'"),
])
def test_tokens_that_make_no_tokenizer_are_refused(tokens, said):
    with pytest.raises(ValueError, match=said):
        WordPieceTokenizer(tokens)


@pytest.mark.parametrize("content, said", [
    (b"", r"no \[PAD\]"),
    (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n", r"no \[MASK\]"),
    ("\n".join([*BERT_SPECIALS, "a", "b", "a"]).encode(), "stands at"),
    ("\n".join([*BERT_SPECIALS, "a", "", "b"]).encode(), "token 6 is ''"),
    (b"[PAD]\n\xff\n", "position 6"),
])
def test_a_damaged_list_names_the_file_and_the_place(tmp_path, content, said):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(FormatError, match=said) as caught:
        WordPieceTokenizer.load(tmp_path)
    assert "vocab.txt" in str(caught.value)


def test_the_options_stand_beside_the_list(tmp_path):
    (tmp_path / "vocab.txt").write_text("\r\n".join([*BERT_SPECIALS, "É"]))
    assert WordPieceTokenizer.load(tmp_path).encode("É") == [1]
    beside = tmp_path / "tokenizer_config.json"
    beside.write_text('{"do_lower_case": false}')
    assert WordPieceTokenizer.load(tmp_path).encode("É") == [5]
    beside.write_text('{"do_lower_case": "no"}')
    with pytest.raises(FormatError, match="do_lower_case is 'no'"):
        WordPieceTokenizer.load(tmp_path)


def test_a_folder_without_a_list_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="vocab.txt"):
        WordPieceTokenizer.load(tmp_path)


@pytest.mark.parametrize("path, value, said", [
    (["normalizer"], {"type": "NFC"}, "normalizer"),
    (["normalizer"], None, "normalizer"),
    (["normalizer", "clean_text"], False, "clean_text"),
    (["normalizer", "lowercase"], "yes", "do_lower_case"),
    (["model", "type"], "BPE", "type 'BPE'"),
    (["model", "unk_token"], "?", "unk_token"),
    (["model", "continuing_subword_prefix"], "@@", "prefix"),
    (["model", "max_input_chars_per_word"], 50, "max_input_chars"),
    (["pre_tokenizer"], {"type": "Whitespace"}, "Whitespace"),
    (["added_tokens", 0, "content"], "[NEW]", "NEW"),
    (["model", "vocab", "[UNK]"], 10**12, "numbers 0 to"),
    (["model", "vocab"], [], "cannot be read"),
    (["model"], [], "model"),
])
def test_a_step_we_do_not_have_is_refused_by_name(tmp_path, path, value, said):
    WordPieceTokenizer.train("low lower", 20).save(tmp_path)
    file = part = json.loads((tmp_path / "tokenizer.json").read_text())
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(file))
    with pytest.raises(FormatError, match=said) as caught:
        WordPieceTokenizer.load(tmp_path)
    assert "tokenizer.json" in str(caught.value)


def test_a_thousand_damaged_files_are_format_errors_or_tokenizers(tmp_path):
    WordPieceTokenizer.train("low lower lowest", 20).save(tmp_path)
    path, rng = tmp_path / "tokenizer.json", random.Random(0)
    whole, refused = path.read_bytes(), 0
    for _ in range(1000):
        path.write_bytes(damaged_json(whole, rng))
        try:
            loaded = WordPieceTokenizer.load(tmp_path)
        except FormatError:
            refused += 1
            continue
        assert all(0 <= i < loaded.vocab_size for i in loaded.encode("lower"))
    assert 300 < refused < 1000


def test_a_list_too_long_to_be_one_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tokenizers, "LONGEST_FILE", 10)
    (tmp_path / "vocab.txt").write_text("\n".join(BERT_SPECIALS))
    with pytest.raises(FormatError, match="more than 10 bytes"):
        WordPieceTokenizer.load(tmp_path)
