# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Tokenizers: from text to whole numbers and back."""

import operator
import re
import unicodedata
import heapq
from array import array
from collections import Counter, defaultdict
import sys
import time
import json
from pathlib import Path
from zerobook.git_lfs import refuse_pointer
from zerobook.safetensors import FormatError, write_whole
import base64
from collections import Counter


# %% 3.3 book/generative/byte_pair_encoding.md
class CharTokenizer:
    """One token for each character of the training texts.

    Section 3.3. `characters` are sorted, and a token is the place of its
    character among them. A character that is not there is a ValueError.

    Examples
    --------
    >>> from zerobook.tokenizers import CharTokenizer
    >>> tokenizer = CharTokenizer.train(["abba"])
    >>> tokenizer.encode("baa"), tokenizer.decode([1, 0])
    ([1, 0, 0], 'ba')
    """

    def __init__(self, characters):
        self.characters = sorted(set(characters))
        for c in self.characters:
            if not isinstance(c, str) or len(c) != 1:
                raise ValueError(f"{c!r:.60} is no character")
        self.ids = {c: i for i, c in enumerate(self.characters)}

    @classmethod
    def train(cls, texts):
        """A tokenizer of all characters in a text, or in several."""
        return cls("".join([texts] if isinstance(texts, str) else texts))

    @property
    def vocab_size(self):
        return len(self.characters)

    def encode(self, text):
        """The tokens of a text, as a list of int."""
        for place, character in enumerate(text):
            if character not in self.ids:
                raise ValueError(
                    f"character {place}, {character!r}, was not in training"
                )
        return [self.ids[c] for c in text]

    def decode(self, ids):
        """The text of some tokens."""
        known = self.characters
        return "".join([known[i] for i in as_ids(ids, len(known))])


# %% 3.3 book/generative/byte_pair_encoding.md
def as_ids(ids, n):
    """Tokens as a list of int; an error names the first that is none.

    TypeError for what is no whole number, ValueError outside ``0 .. n-1``.
    """
    found = []
    for place, i in enumerate(ids):
        try:
            whole = operator.index(i)
        except TypeError:
            whole = None
        if whole is None or type(i) is bool:
            raise TypeError(f"token {place} is {i!r:.60}, no whole number")
        if not 0 <= whole < n:
            raise ValueError(f"token {i} is none of 0 to {n - 1}")
        found.append(whole)
    return found


# %% 3.3 book/generative/byte_pair_encoding.md
def merge(ids, pair, new):
    """Put `new` where `pair` stands in a list of tokens, from the left."""
    merged, i, last = [], 0, len(ids) - 1
    while i <= last:
        if i < last and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


# %% 3.3 book/generative/byte_pair_encoding.md
class Glasses(dict):
    """For `str.translate`: a stand-in from ASCII for every character."""

    def __missing__(self, code):
        character = chr(code)
        shown = {"L": "x", "N": "0"}.get(unicodedata.category(character)[0])
        if character.isascii():
            shown = character
        self[code] = shown or ("\t" if character.isspace() else "!")
        return self[code]


GLASSES = Glasses()
PIECE = re.compile(
    r"'(?:[sdmt]|ll|ve|re)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+"
    r"|\s+(?!\S)|\s+",
    re.ASCII,
)


def split(text):
    """Cut a text into the pieces that GPT-2 merges within.

    Section 3.3. Joined again they are the text.
    """
    shown = text if text.isascii() else text.translate(GLASSES)
    return [text[m.start() : m.end()] for m in PIECE.finditer(shown)]


# %% 3.3 book/generative/byte_pair_encoding.md
BYTE_ORDER = [
    *range(33, 127), *range(161, 173), *range(174, 256),  # printable
    *range(33), *range(127, 161), 173,
]
BYTE_CHARS = dict(
    zip(BYTE_ORDER, map(chr, [*BYTE_ORDER[:188], *range(256, 324)]))
)


# %% 3.3 book/generative/byte_pair_encoding.md
STOP = -1  # ends a word; no pair holds it


class PairCounts:
    """How often each pair of neighbours stands in a bag of words.

    `words` is a list of (tokens, count).  A merge takes time in proportion
    to the places of its pair.  Section 3.3.
    """

    def __init__(self, words):
        self.tokens, self.times = array("i"), array("i")
        for ids, count in words:
            self.tokens.extend([*ids, STOP])
            self.times.extend([count] * (len(ids) + 1))
        n = len(self.tokens)
        self.next = array("i", range(1, n + 1))
        self.last = array("i", range(-1, n - 1))
        self.counts = Counter()
        self.where = defaultdict(lambda: array("i"))
        pairs = zip(self.tokens, self.tokens[1:])
        for place, pair in enumerate(pairs):
            if STOP not in pair:
                self.counts[pair] += self.times[place]
                self.where[pair].append(place)
        self.heap = [(-n, pair) for pair, n in self.counts.items()]
        heapq.heapify(self.heap)


# %% 3.3 book/generative/byte_pair_encoding.md
def most_frequent(self):
    """The pair of highest count, smallest numbers first, and its count."""
    while self.heap:
        count, pair = heapq.heappop(self.heap)
        now = self.counts[pair]
        if now == -count:
            return pair, now
        if now > 0:
            heapq.heappush(self.heap, (-now, pair))
    return None, 0


PairCounts.most_frequent = most_frequent


# %% 3.3 book/generative/byte_pair_encoding.md
def join(self, pair, new):
    """Merge a pair wherever it stands, and count its neighbours anew."""
    (a, b), tokens, counts = pair, self.tokens, self.counts
    after, before, grown = self.next, self.last, set()
    for i in sorted(self.where.pop(pair)):
        j = after[i]
        if tokens[i] != a or tokens[j] != b:
            continue
        h, k, n = before[i], after[j], self.times[i]
        tokens[i], tokens[j], after[i], before[k] = new, STOP, k, i
        counts[pair] -= n
        for end, old, made, place in (
            (tokens[h], (tokens[h], a), (tokens[h], new), h),
            (tokens[k], (b, tokens[k]), (new, tokens[k]), i),
        ):
            if end != STOP:
                counts[old] -= n
                counts[made] += n
                self.where[made].append(place)
                grown.add(made)
    for made in grown:
        heapq.heappush(self.heap, (-counts[made], made))


PairCounts.join = join


# %% 3.3 book/generative/byte_pair_encoding.md
class Progress:
    """A line on stderr that counts merges, once a second has passed."""

    def __init__(self, total, wanted=None, each=1.0):
        self.total, self.each, self.shown = total, each, False
        self.wanted = sys.stderr.isatty() if wanted is None else wanted
        self.due = time.monotonic() + each
        self.done = 0

    def __call__(self, done):
        self.done = done
        if self.wanted and time.monotonic() >= self.due:
            self.due, self.shown = time.monotonic() + self.each, True
            self.show("")

    def show(self, end):
        """Draw the line over itself."""
        text = f"\r{self.done} of {self.total} merges{end}"
        sys.stderr.write(text)
        sys.stderr.flush()

    def end(self):
        """Leave the line, if there is one."""
        if self.shown:
            self.show("\n")


# %% 3.3 book/generative/byte_pair_encoding.md
def learn_merges(texts, n_merges, min_frequency=2, progress=None):
    """Pairs of bytes-like tokens to be joined, in the order of learning.

    Parameters
    ----------
    texts : iterable of str
    n_merges : int
        At most so many.
    min_frequency : int
        A pair that occurs less often is not merged.
    progress : bool, optional
        A line on stderr, from the first second on; by default if stderr is
        a terminal.

    Returns
    -------
    list of (bytes, bytes)

    Notes
    -----
    Section 3.3. Time grows in proportion to the text, and so does memory:
    some 50 bytes for each byte of the pieces that are different.
    """
    say = Progress(n_merges, progress)
    pieces = Counter(piece for text in texts for piece in split(text))
    number = {b: i for i, b in enumerate(BYTE_ORDER)}
    words = [[[number[b] for b in piece.encode()], count]
             for piece, count in pieces.items()]
    names = [bytes([b]) for b in BYTE_ORDER]
    known = {name: i for i, name in enumerate(names)}
    pairs, merges = PairCounts(words), []
    while len(merges) < n_merges:
        pair, count = pairs.most_frequent()
        if pair is None or count < min_frequency:
            break
        left, right = names[pair[0]], names[pair[1]]
        new = known.setdefault(left + right, len(names))
        names += [left + right] if new == len(names) else []
        merges.append((left, right))
        pairs.join(pair, new)
        say(len(merges))
    say.end()
    return merges


# %% 3.3 book/generative/byte_pair_encoding.md
END_OF_TEXT = "<|endoftext|>"


class BPETokenizer:
    """Byte-level byte-pair encoding, in GPT-2's form.

    Parameters
    ----------
    merges : list of (bytes, bytes)
        In the order of learning.
    specials : sequence of str, or dict of str to int
        Tokens that stand for themselves: 0, 1, … unless numbers are given.
    vocab : dict of bytes to int, optional
        Numbers of the other tokens; by default bytes, then merges.

    Notes
    -----
    Section 3.3; Sennrich, Haddow and Birch (2016), on bytes as in GPT-2.
    Characters newer than Python's Unicode count as signs, not letters.

    Examples
    --------
    >>> tokenizer = BPETokenizer.train("low lower lowest", vocab_size=260)
    >>> ids = tokenizer.encode("low lower")
    >>> [tokenizer.tokens[i] for i in ids]
    [b'low', b' low', b'e', b'r']
    """

    def __init__(self, merges=(), specials=(END_OF_TEXT,), vocab=None):
        specials = names_of_specials(specials)
        self.merges, self.specials = list(merges), specials
        names = [bytes([b]) for b in BYTE_ORDER]
        names += [left + right for left, right in self.merges]
        numbers = enumerate(dict.fromkeys(names), start=len(specials))
        default = {name: i for i, name in numbers}
        self.vocab = default if vocab is None else vocab
        self.tokens, self.cache = self.check(), {}
        self.joins = {
            (self.vocab[a], self.vocab[b]): (rank, self.vocab[a + b])
            for rank, (a, b) in enumerate(self.merges)
        }
        self.byte_ids = [self.vocab[bytes([b])] for b in range(256)]
        self.special_pattern = self.pattern_of_specials()


# %% 3.3 book/generative/byte_pair_encoding.md
def names_of_specials(specials):
    """The number of each special token, by its name."""
    if isinstance(specials, str):
        raise TypeError(f"specials is one text, {specials!r:.60}: give a "
                        "list of names")
    names = list(specials)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"the special token {name!r:.60} is no text")
        if names.count(name) > 1:
            raise ValueError(f"the special token {name!r:.60} stands twice")
    return (dict(specials) if isinstance(specials, dict)
            else {name: i for i, name in enumerate(names)})


# %% 3.3 book/generative/byte_pair_encoding.md
def check(self):
    """The bytes of each token by its number; ValueError if none can be."""
    known = {bytes([b]) for b in range(256)}
    if not known <= self.vocab.keys():
        raise ValueError("a vocabulary must hold each of the 256 bytes")
    for rank, (left, right) in enumerate(self.merges):
        if not {left, right} <= known or left + right not in self.vocab:
            raise ValueError(
                f"merge {rank} joins {left!r} and {right!r}: a side that no "
                "earlier merge makes, or a result that has no number"
            )
        known.add(left + right)
    if "" in self.specials:
        raise ValueError("a special token cannot be empty")
    names = {i: name for name, i in self.vocab.items()}
    names |= {i: name.encode() for name, i in self.specials.items()}
    n = len(self.vocab) + len(self.specials)
    if any(type(i) is not int for i in names) or sorted(names) != [*range(n)]:
        raise ValueError(f"{n} tokens, but not the numbers 0 to {n - 1}")
    return [names[i] for i in range(n)]


def pattern_of_specials(self):
    """A pattern that finds the special tokens, the longest first."""
    longest = sorted(self.specials, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest)) or r"(?!)")


BPETokenizer.check = check
BPETokenizer.pattern_of_specials = pattern_of_specials


# %% 3.3 book/generative/byte_pair_encoding.md
def train(cls, texts, vocab_size, specials=(END_OF_TEXT,), min_frequency=2,
          progress=None):
    """A tokenizer whose merges are learned from a text, or from several.

    Parameters
    ----------
    texts : str or iterable of str
    vocab_size : int
        Of all tokens together; at least 256 and the specials. It is less
        when no pair occurs `min_frequency` times any more.
    specials : sequence of str
    min_frequency : int
    progress : bool, optional
        A line on stderr, as for `learn_merges`.
    """
    specials = names_of_specials(specials)
    least = 256 + len(specials)
    if vocab_size < least:
        raise ValueError(
            f"vocab_size is {vocab_size}, but {least} tokens are there "
            "before the first merge"
        )
    texts = [texts] if isinstance(texts, str) else texts
    merges = learn_merges(texts, vocab_size - least, min_frequency,
                          progress)
    return cls(merges, specials)


BPETokenizer.train = classmethod(train)


# %% 3.3 book/generative/byte_pair_encoding.md
NEVER = float("inf"), None
CACHE = 100_000  # pieces
LONG = 40  # bytes of a piece


def encode_piece(self, piece):
    """The tokens of one piece: the earliest merge first, until none fits."""
    ids = [self.byte_ids[b] for b in piece.encode()]
    if len(ids) > LONG:
        return self.encode_long(ids)
    while len(ids) > 1:
        pairs = zip(ids, ids[1:])
        pair = min(pairs, key=lambda pair: self.joins.get(pair, NEVER))
        _, new = self.joins.get(pair, NEVER)
        if new is None:
            break
        ids = merge(ids, pair, new)
    if len(self.cache) < CACHE:
        self.cache[piece] = ids
    return ids


def encode_ordinary(self, text):
    """The tokens of a text in which no special token is looked for."""
    ids, cache = [], self.cache
    for piece in split(text):
        ids += cache.get(piece) or self.encode_piece(piece)
    return ids


BPETokenizer.encode_piece = encode_piece
BPETokenizer.encode_ordinary = encode_ordinary


# %% 3.3 book/generative/byte_pair_encoding.md
def encode_long(self, ids):
    """The same merges in time that grows with the piece, not its square."""
    n, ids = len(ids), [*ids, STOP]
    after, before = array("i", range(1, n + 1)), array("i", range(-1, n))
    places, ranks = {}, []

    def note(i, j):
        rank, _ = self.joins.get((ids[i], ids[j]), NEVER)
        if rank in places:
            places[rank].append(i)
        elif rank < len(self.merges):
            places[rank] = array("i", [i])
            heapq.heappush(ranks, rank)

    for i in range(n):
        note(i, i + 1)
    while ranks:
        rank = heapq.heappop(ranks)
        pair = tuple(self.vocab[side] for side in self.merges[rank])
        for i in sorted(places.pop(rank)):
            j = after[i] if ids[i] == pair[0] else n
            if ids[j] == pair[1]:
                ids[i], ids[j] = self.joins[pair][1], STOP
                after[i] = after[j]
                before[after[j]] = i
                note(before[i], i)
                note(i, after[i])
    return [token for token in ids if token != STOP]


BPETokenizer.encode_long = encode_long


# %% 3.3 book/generative/byte_pair_encoding.md
def encode(self, text, specials=True):
    """The tokens of a text.

    Parameters
    ----------
    text : str
    specials : bool
        Whether a special token's name in the text becomes that token.

    Returns
    -------
    list of int
        At most one token for each byte of UTF-8.

    Raises
    ------
    ValueError
        If the text holds half of a surrogate pair, which is no character.
    """
    half = re.search("[\ud800-\udfff]", text)
    if half:
        raise ValueError(
            f"character {half.start()} of the text is {half[0]!r}, half of "
            "a surrogate pair: UTF-8 has no bytes for it"
        )
    ids, done = [], 0
    for found in self.special_pattern.finditer(text) if specials else ():
        ids += self.encode_ordinary(text[done : found.start()])
        ids.append(self.specials[found[0]])
        done = found.end()
    return ids + self.encode_ordinary(text[done:])


BPETokenizer.encode = encode


# %% 3.3 book/generative/byte_pair_encoding.md
def decode_bytes(self, ids):
    """The bytes of some tokens; they need not be whole characters."""
    return b"".join([self.tokens[i] for i in as_ids(ids, len(self.tokens))])


def decode(self, ids, errors="replace"):
    """The text of some tokens.

    What is no UTF-8 becomes U+FFFD; with ``errors="strict"`` it is a
    UnicodeDecodeError, which is a ValueError.
    """
    return self.decode_bytes(ids).decode("utf-8", errors)


BPETokenizer.decode_bytes = decode_bytes
BPETokenizer.decode = decode
BPETokenizer.vocab_size = property(lambda self: len(self.tokens))
BPETokenizer.eos_token_id = property(
    lambda self: self.specials.get(END_OF_TEXT)
)


# %% 3.3 book/generative/tokenizer_files.md
def written(token):
    """Bytes as the printable characters of GPT-2's files."""
    return "".join(BYTE_CHARS[b] for b in token)


# %% 3.3 book/generative/tokenizer_files.md
def tokenizer_json(self):
    """What stands in `tokenizer.json`, as dicts and lists."""
    level = {"type": "ByteLevel", "add_prefix_space": False,
             "trim_offsets": True, "use_regex": True}
    plain = {"single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
    model = {
        "type": "BPE", "dropout": None, "unk_token": None,
        "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": self.specials | {written(t): i
                                  for t, i in self.vocab.items()},
        "merges": [f"{written(a)} {written(b)}" for a, b in self.merges],
    }
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": name, **plain}
                         for name, i in self.specials.items()],
        "normalizer": None, "pre_tokenizer": level,
        "post_processor": level | {"trim_offsets": False},
        "decoder": level, "model": model,
    }


BPETokenizer.tokenizer_json = tokenizer_json


# %% 3.3 book/generative/tokenizer_files.md
def save(self, folder, context=None):
    """Write the tokenizer where Hugging Face's libraries look for it.

    Parameters
    ----------
    folder : path
        Made if it is not there; other files in it are left alone.
    context : int, optional
        How many tokens the model reads, for ``model_max_length``.
    """
    folder, file = Path(folder), self.tokenizer_json()
    folder.mkdir(parents=True, exist_ok=True)
    merges = "".join(f"{line}\n" for line in file["model"]["merges"])
    for name, content in {
        "merges.txt": f"#version: 0.2\n{merges}",
        "vocab.json": as_json(file["model"]["vocab"]),
        "tokenizer_config.json": as_json(self.config(context)),
        "tokenizer.json": as_json(file),
    }.items():
        write_whole(folder / name, [content.encode()])


def as_json(content):
    """Text of a JSON file, one entry a line."""
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def config(self, context):
    """What stands in `tokenizer_config.json`."""
    found = {"tokenizer_class": "PreTrainedTokenizerFast",
             "clean_up_tokenization_spaces": False}
    if context is not None:
        found["model_max_length"] = context
    if self.eos_token_id is not None:
        found |= {"tokenizer_class": "GPT2Tokenizer",
                  "add_prefix_space": False, "bos_token": END_OF_TEXT,
                  "eos_token": END_OF_TEXT, "unk_token": END_OF_TEXT}
    return found


BPETokenizer.config = config
BPETokenizer.save = save


# %% 3.3 book/generative/tokenizer_files.md
def tiktoken_ranks(self):
    """Number of each token but the specials, for `tiktoken.Encoding`.

    A ValueError if a file has numbered them in another order than the
    merges', which `tiktoken` cannot express.
    """
    made = [self.vocab[left + right] for left, right in self.merges]
    if list(dict.fromkeys(made)) != sorted(set(made)):
        raise ValueError("the tokens are not numbered in the merges' order")
    return dict(self.vocab)


def save_tiktoken(self, path):
    """Write the file that `tiktoken.load.load_tiktoken_bpe` reads.

    That function keeps a copy by the file's *name* and would read the old
    one again; an empty `TIKTOKEN_CACHE_DIR` in the environment stops it.
    """
    ranks = sorted(self.tiktoken_ranks().items(), key=lambda item: item[1])
    lines = [b"%s %d\n" % (base64.b64encode(t), i) for t, i in ranks]
    write_whole(path, lines)


BPETokenizer.tiktoken_ranks = tiktoken_ranks
BPETokenizer.save_tiktoken = save_tiktoken


# %% 3.3 book/generative/tokenizer_files.md
LONGEST_FILE = 100_000_000  # bytes; GPT-2's has 2 million
CHAR_BYTES = {c: b for b, c in BYTE_CHARS.items()}


def read_json(path):
    """The table in a JSON file; FormatError if there is none."""
    refuse_pointer(path, FormatError)
    if path.stat().st_size > LONGEST_FILE:
        raise FormatError(f"{path}: more than {LONGEST_FILE} bytes")
    try:
        table = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON: {error}") from None
    if not isinstance(table, dict):
        raise FormatError(f"{path}: no table of names")
    return table


def expect(path, name, part, **values):
    """FormatError unless a part of a file has these values."""
    for key, value in values.items():
        given = part.get(key) if isinstance(part, dict) else part
        if given != value:
            raise FormatError(
                f"{path}: {name} has {key} {given!r:.60}, not {value!r}"
            )


def unwritten(token):
    """The bytes behind the printable characters of a token."""
    return bytes(CHAR_BYTES[c] for c in token)


# %% 3.3 book/generative/tokenizer_files.md
def kind_of(model):
    """BPE or WordPiece; files from before `tokenizers` 0.9 do not say it."""
    if not isinstance(model, dict):
        return None
    silent = "BPE" if "merges" in model else "WordPiece"
    return model.get("type", silent)


def read_tokenizer_json(path):
    """Vocabulary, merges and specials of a `tokenizer.json`."""
    file = read_json(path)
    model, added = file.get("model"), file.get("added_tokens", [])
    level = file.get("pre_tokenizer")
    expect(path, "normalizer", file, normalizer=None)
    expect(path, "model", {"type": kind_of(model)}, type="BPE")
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise FormatError(f"{path}: model has {key}")
    if model.get("byte_fallback") or model.get("ignore_merges"):
        raise FormatError(f"{path}: model has byte_fallback or ignore_merges")
    expect(path, "pre_tokenizer", level, type="ByteLevel",
           add_prefix_space=False)
    if level.get("use_regex", True) is not True:
        raise FormatError(f"{path}: pre_tokenizer has no use_regex")
    after = file.get("post_processor") or {"type": "ByteLevel"}
    expect(path, "post_processor", after, type="ByteLevel")
    for token in added:
        for key in ("single_word", "lstrip", "rstrip"):
            expect(path, "an added token", token, **{key: False})
    specials = {token["content"]: token["id"] for token in added}
    return model["vocab"], model["merges"], specials


# %% 3.3 book/generative/tokenizer_files.md
def read_vocab_and_merges(folder):
    """The same from the two older files; specials are what nothing makes."""
    vocab = read_json(folder / "vocab.json")
    path = folder / "merges.txt"
    refuse_pointer(path, FormatError)
    if path.stat().st_size > LONGEST_FILE:
        raise FormatError(f"{path}: more than {LONGEST_FILE} bytes")
    lines = path.read_text("utf-8").split("\n")
    merges = [line for line in lines if line and line[:9] != "#version:"]
    made = {"".join(line.split(" ")) for line in merges}
    specials = {token: i for token, i in vocab.items()
                if token not in made and token not in CHAR_BYTES}
    return vocab, merges, specials


# %% 3.3 book/generative/tokenizer_files.md
def load(cls, folder):
    """Read a tokenizer that `save`, `tokenizers` or `transformers` wrote.

    Parameters
    ----------
    folder : path
        With `tokenizer.json`, or with `vocab.json` and `merges.txt`.

    Raises
    ------
    FileNotFoundError
        If neither is there.
    FormatError
        A ValueError, if the files are damaged or ask for steps that GPT-2's
        tokenizer does not have; the message names file and step.
    """
    folder = Path(folder)
    path = folder / "tokenizer.json"
    try:
        if path.exists():
            vocab, merges, specials = read_tokenizer_json(path)
        else:
            path = folder / "vocab.json"
            vocab, merges, specials = read_vocab_and_merges(folder)
        pairs = [tuple(map(unwritten, m.split(" ") if isinstance(m, str)
                           else m)) for m in merges]
        tokens = {unwritten(token): i for token, i in vocab.items()
                  if token not in specials}
        return cls(pairs, specials, tokens)
    except FormatError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise FormatError(f"{path}: cannot be read: {error!r:.200}") from None


BPETokenizer.load = classmethod(load)


# %% 3.3 book/generative/word_pieces.md
IDEOGRAPHS = (
    range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00),
    range(0x20000, 0x2A6E0), range(0x2A700, 0x2B820),
    range(0x2B920, 0x2CEB0), range(0x2F800, 0x2FA20),
)


class Cleaned(dict):
    """For `str.translate`: spaces made one, controls dropped."""

    def __init__(self, ideographs):
        self.alone = IDEOGRAPHS if ideographs else ()

    def __missing__(self, code):
        shown = chr(code)
        kind = unicodedata.category(shown)
        if shown in "\t\n\r" or kind[0] == "Z":
            shown = " "
        elif kind in ("Cc", "Cf", "Co") or code == 0xFFFD:
            shown = ""
        elif any(code in some for some in self.alone):
            shown = f" {shown} "
        self[code] = shown
        return shown


# %% 3.3 book/generative/word_pieces.md
class Parted(dict):
    """For `str.translate`: signs alone; capitals and accents, if wished."""

    def __init__(self, lowercase, strip_accents):
        self.lowercase, self.strip_accents = lowercase, strip_accents

    def __missing__(self, code):
        shown = chr(code)
        kind = unicodedata.category(shown)
        if kind[0] == "P" or (shown.isascii() and kind[0] == "S"):
            shown = f" {shown} "
        elif kind == "Mn" and self.strip_accents:
            shown = ""
        elif self.lowercase:
            shown = shown.lower()
        self[code] = shown
        return shown


# %% 3.3 book/generative/word_pieces.md
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


# %% 3.3 book/generative/word_pieces.md
class WordPieceTokenizer:
    """Words cut into the longest known pieces, in BERT's form.

    Parameters
    ----------
    tokens : sequence of str
        A token's number is its place; ``##`` marks a continuation. The
        five of `BERT_SPECIALS` must be among them.
    do_lower_case : bool
        True for the models called uncased.
    strip_accents : bool, optional
        As `do_lower_case` by default.
    tokenize_chinese_chars : bool
        Whether each ideograph is a word of its own.

    Notes
    -----
    Section 3.3; Schuster and Nakajima (2012), Devlin et al. (2019). Python's
    Unicode knows some hundred newer signs than Hugging Face's tables.

    Examples
    --------
    >>> tokens = [*BERT_SPECIALS, "un", "##able", "!"]
    >>> tokenizer = WordPieceTokenizer(tokens)
    >>> ids = tokenizer.encode("Unable!")
    >>> [tokenizer.tokens[i] for i in ids]
    ['un', '##able', '!']
    """

    def __init__(self, tokens, do_lower_case=True, strip_accents=None,
                 tokenize_chinese_chars=True):
        if isinstance(tokens, str):
            raise TypeError("tokens is one text: give a list of names")
        self.tokens = list(tokens)
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.check()
        self.options = {"do_lower_case": do_lower_case,
                        "strip_accents": strip_accents,
                        "tokenize_chinese_chars": tokenize_chinese_chars}
        self.decompose = (do_lower_case if strip_accents is None
                          else strip_accents)
        self.cleaned = Cleaned(tokenize_chinese_chars)
        self.parted = Parted(do_lower_case, self.decompose)
        self.cache = {}


# %% 3.3 book/generative/word_pieces.md
def _check_tokens(self):
    """ValueError unless every token has one number."""
    for name in BERT_SPECIALS:
        if name not in self.ids:
            raise ValueError(f"no {name} among the {len(self.tokens)} tokens")
    for i, token in enumerate(self.tokens):
        if not isinstance(token, str) or token in ("", "##"):
            raise ValueError(f"token {i} is {token!r:.60}")
        if self.ids[token] != i:
            raise ValueError(f"token {i}, {token!r:.60}, stands at "
                             f"{self.ids[token]} too")


def in_words(self, text):
    """The words of a text, as they are looked up; what is lost is lost."""
    text = text.translate(self.cleaned)
    if self.decompose:
        text = unicodedata.normalize("NFD", text)
    return text.translate(self.parted).split()


WordPieceTokenizer.check = _check_tokens
WordPieceTokenizer.in_words = in_words
WordPieceTokenizer.vocab_size = property(lambda self: len(self.tokens))


# %% 3.3 book/generative/word_pieces.md
LONGEST_WORD = 100  # characters


def encode_word(self, word):
    """The longest piece first; all of the word is unknown if a part is."""
    ids, start = [], 0
    while start < len(word) <= LONGEST_WORD:
        for end in range(len(word), start, -1):
            i = self.ids.get("##" * (start > 0) + word[start:end])
            if i is not None:
                break
        else:
            break
        ids.append(i)
        start = end
    if start < len(word):
        ids = [self.ids["[UNK]"]]
    if len(self.cache) < CACHE:
        self.cache[word] = ids
    return ids


WordPieceTokenizer.encode_word = encode_word


# %% 3.3 book/generative/word_pieces.md
def encode_text(self, text):
    """The tokens of a text, a list of int; `[MASK]` and its like in the
    text are those tokens. What no piece fits is `[UNK]`.
    """
    ids = []
    for i, part in enumerate(SPECIAL.split(text)):
        if i % 2:
            ids.append(self.ids[part])
            continue
        for word in self.in_words(part):
            ids += self.cache.get(word) or self.encode_word(word)
    return ids


SPECIAL = re.compile(f"({'|'.join(map(re.escape, BERT_SPECIALS))})")
WordPieceTokenizer.encode = encode_text


# %% 3.3 book/generative/word_pieces.md
def encode_pair(self, first, second=None):
    """What a BERT reads: one text, or two.

    Parameters
    ----------
    first, second : str

    Returns
    -------
    ids, token_type_ids : lists of int of one length
        ``[CLS] first [SEP] second [SEP]``, and 0 or 1 for each.
    """
    parts = [[self.ids["[CLS]"]] + self.encode(first)]
    parts += [] if second is None else [self.encode(second)]
    parts = [part + [self.ids["[SEP]"]] for part in parts]
    types = [i for i, part in enumerate(parts) for _ in part]
    return sum(parts, []), types


def decode_words(self, ids):
    """Words with a space between, but before ``. , ? !``, as in BERT's.

    What `in_words` took away, capitals above all, does not come back.
    """
    ids = as_ids(ids, len(self.tokens))
    text = " ".join([self.tokens[i] for i in ids]).replace(" ##", "")
    return re.sub(r" ([.,?!])", r"\1", text)


WordPieceTokenizer.encode_pair = encode_pair
WordPieceTokenizer.decode = decode_words


# %% 3.3 book/generative/word_pieces.md
def train_word_pieces(cls, texts, vocab_size, min_frequency=2, *,
                      progress=None, **options):
    """A tokenizer whose pieces are learned from a text, or from several.

    Parameters
    ----------
    texts : str or iterable of str
    vocab_size : int
        Of all tokens; more if there are more letters, less if no pair
        occurs `min_frequency` times any more.
    min_frequency : int
    progress : bool, optional
        A line on stderr, as for `learn_merges`.
    **options
        As for the class.
    """
    texts = [texts] if isinstance(texts, str) else texts
    draft = cls(BERT_SPECIALS, **options)
    bag = Counter(word for text in texts for word in draft.in_words(text))
    cuts = {word: [word[0], *("##" + c for c in word[1:])] for word in bag}
    names = sorted({letter for cut in cuts.values() for letter in cut})
    number = {name: i for i, name in enumerate(names)}
    pairs = PairCounts([[[number[letter] for letter in cuts[word]], n]
                        for word, n in bag.items()])
    say = Progress(vocab_size - len(names) - len(BERT_SPECIALS), progress)
    while len(names) + len(BERT_SPECIALS) < vocab_size:
        pair, count = pairs.most_frequent()
        if pair is None or count < min_frequency:
            break
        left, right = names[pair[0]], names[pair[1]]
        name = left + right.removeprefix("##")
        new = number.setdefault(name, len(names))
        names += [name] if new == len(names) else []
        pairs.join(pair, new)
        say(say.done + 1)
    say.end()
    return cls([*BERT_SPECIALS, *names], **options)


WordPieceTokenizer.train = classmethod(train_word_pieces)


# %% 3.3 book/generative/word_pieces.md
def word_piece_json(self):
    """What stands in `tokenizer.json`, as dicts and lists."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
    cls, sep, a, b = (
        {kind: {"id": name, "type_id": second}} for kind, name, second in (
            ("SpecialToken", "[CLS]", 0), ("SpecialToken", "[SEP]", 0),
            ("Sequence", "A", 0), ("Sequence", "B", 1)))
    last = {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": self.ids[name], "content": name, **plain}
                         for name in BERT_SPECIALS],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True,
            "handle_chinese_chars": self.options["tokenize_chinese_chars"],
            "strip_accents": self.options["strip_accents"],
            "lowercase": self.options["do_lower_case"]},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [cls, a, sep],
            "pair": [cls, a, sep, b, last],
            "special_tokens": {
                name: {"id": name, "ids": [self.ids[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]",
                  "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": LONGEST_WORD,
                  "vocab": self.ids},
    }


WordPieceTokenizer.tokenizer_json = word_piece_json


# %% 3.3 book/generative/word_pieces.md
def save_word_pieces(self, folder, context=None):
    """Write the tokenizer where Hugging Face's libraries look for it.

    Parameters
    ----------
    folder : path
        Made if it is not there; other files in it are left alone.
    context : int, optional
        How many tokens the model reads, for ``model_max_length``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"tokenizer_class": "BertTokenizer", **self.options}
    config |= {f"{name[1:-1].lower()}_token": name for name in BERT_SPECIALS}
    if context is not None:
        config["model_max_length"] = context
    for name, content in {
        "vocab.txt": "".join(f"{token}\n" for token in self.tokens),
        "tokenizer_config.json": as_json(config),
        "tokenizer.json": as_json(self.tokenizer_json()),
    }.items():
        write_whole(folder / name, [content.encode()])


WordPieceTokenizer.save = save_word_pieces


# %% 3.3 book/generative/word_pieces.md
def read_word_piece_json(path):
    """Tokens in order and the options of a `tokenizer.json`."""
    file = read_json(path)
    model, steps = file.get("model"), file.get("normalizer")
    expect(path, "model", {"type": kind_of(model)}, type="WordPiece")
    expect(path, "model", model, unk_token="[UNK]",
           continuing_subword_prefix="##",
           max_input_chars_per_word=LONGEST_WORD)
    if isinstance(steps, dict) and "clean_text" in steps:
        steps = {"strip_accents": None, **steps}
        steps["type"] = steps.get("type") or "BertNormalizer"
    expect(path, "normalizer", steps, type="BertNormalizer", clean_text=True)
    expect(path, "pre_tokenizer", file.get("pre_tokenizer"),
           type="BertPreTokenizer")
    for token in file.get("added_tokens") or []:
        if token["content"] not in BERT_SPECIALS:
            raise FormatError(f"{path}: an added token "
                              f"{token['content']!r:.60}")
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    if sorted(model["vocab"].values()) != [*range(len(tokens))]:
        raise FormatError(f"{path}: {len(tokens)} tokens, but not the "
                          f"numbers 0 to {len(tokens) - 1}")
    return tokens, {"do_lower_case": steps["lowercase"],
                    "strip_accents": steps["strip_accents"],
                    "tokenize_chinese_chars": steps["handle_chinese_chars"]}


# %% 3.3 book/generative/word_pieces.md
def read_vocab_txt(folder):
    """The same from the two older files; options are BERT's if not given."""
    path, beside = folder / "vocab.txt", folder / "tokenizer_config.json"
    refuse_pointer(path, FormatError)
    if path.stat().st_size > LONGEST_FILE:
        raise FormatError(f"{path}: more than {LONGEST_FILE} bytes")
    tokens = path.read_bytes().decode("utf-8").split("\n")
    tokens = [token.removesuffix("\r") for token in tokens]
    config = read_json(beside) if beside.exists() else {}
    names = "do_lower_case", "strip_accents", "tokenize_chinese_chars"
    options = {name: config[name] for name in names if name in config}
    return tokens[:-1] if tokens[-1] == "" else tokens, options


# %% 3.3 book/generative/word_pieces.md
def load_word_pieces(cls, folder):
    """Read a tokenizer that `save`, `tokenizers` or `transformers` wrote.

    Parameters
    ----------
    folder : path
        With `tokenizer.json`, or with `vocab.txt`.

    Raises
    ------
    FileNotFoundError
        If neither is there.
    FormatError
        A ValueError, if the files are damaged or ask for steps that BERT's
        tokenizer does not have; the message names file and step.
    """
    folder = Path(folder)
    path = folder / "tokenizer.json"
    try:
        if path.exists():
            tokens, options = read_word_piece_json(path)
        else:
            path = folder / "vocab.txt"
            tokens, options = read_vocab_txt(folder)
        for name, value in options.items():
            if value not in ((True, False, None) if name == "strip_accents"
                             else (True, False)):
                raise FormatError(f"{path}: {name} is {value!r:.60}")
        return cls(tokens, **options)
    except FormatError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise FormatError(f"{path}: cannot be read: {error!s:.200}") from None


WordPieceTokenizer.load = classmethod(load_word_pieces)
