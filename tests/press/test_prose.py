"""Chapters as plain text: what stays, what goes, what is never left over."""

import hashlib
import re

import pytest

from zerobook.press.prose import HEADER, SNAPSHOT, freeze, plain, prose
from zerobook.press.prose import snapshot

CHAPTER = """\
---
file_format: mystnb
---

(label)=
# 1.2 A title

*Goals: see.*

One sentence.
Two, with `code` and a [link](page.md).

$$ x = y $$

```{code-cell} python
print("not this")
```

:::{admonition} Misconception: "it talks"
:class: warning
It does.
:::

| a | table |
|---|---|
| is | not |

- first
- second

<div>not this</div>

The end.
"""


def test_a_chapter_becomes_its_sentences():
    assert prose(CHAPTER).split("\n\n") == [
        "A title", "Goals: see.",
        "One sentence. Two, with code and a link.",
        'Misconception: "it talks"', "It does.", "first", "second",
        "The end.\n",
    ]


def test_windows_line_ends_make_no_difference():
    assert prose(CHAPTER.replace("\n", "\r\n")) == prose(CHAPTER)


@pytest.mark.parametrize("sentence, said", [
    ("It is **bold** and *so* on.", "It is bold and so on."),
    ("A rate $\\eta$ of $10^{-3}$.", "A rate eta of 10^-3."),
    ("`**kwargs` and `x_{t}` stay.", "**kwargs and x_{t} stay."),
    ("See {ref}`the table <notation-data>` there.", "See the table there."),
    ("As {cite:t}`knuth1984literate` says.", ""),
    ("Known {cite}`knuth1984literate`, and used.", "Known, and used."),
    ("A score of {glue:text}`score` %.", ""),
    ("The sum $\\sum_n x_n$ is one.", ""),
    ("", ""),
])
def test_a_sentence_is_said_or_dropped_whole(sentence, said):
    assert plain(sentence) == said


def test_no_markup_is_left_in_the_prose_of_the_book(root):
    text = snapshot(root)
    assert text.startswith(HEADER)
    assert not re.search(r"\{[\w:]+\}`|```\{|\]\(\S+\.md\)|^:::", text, re.M)
    assert text.count("\f") == len(set(re.findall(r"\f(\S+)", text)))
    for line in text.split("\n"):
        assert not line.startswith(("#", "$$", "|", "---")), line


def test_freezing_tells_the_sum_of_what_it_wrote(make_book):
    root = make_book({"index": "# Index", "a": CHAPTER})
    digest = freeze(root)
    assert hashlib.sha256((root / SNAPSHOT).read_bytes()).hexdigest() == digest
