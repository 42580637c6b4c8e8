# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The prose of the chapters as plain text, for models to read."""

import hashlib
import re
from pathlib import Path
from zerobook.press.reading import HTML, block_end, fence_end, fence_opened
from zerobook.press.reading import front_matter_end, read_book
from zerobook.press.writing import replace


# %% book/press/prose.md
SNAPSHOT = "book/_data/book_prose.txt"


# %% book/press/prose.md
TALKS = re.compile(
    r"\{(admonition|exercise|note|tip|hint|important|warning|seealso)\}(.*)"
)


def spoken_lines(lines):
    """The lines of a chapter that are sentences, or empty."""
    i = 0
    while i < len(lines):
        fence = fence_opened(lines[i])
        end = fence and fence_end(lines, i, fence[0])
        if end:
            talks = TALKS.match(fence[1].strip())
            if talks:
                yield from ("", talks[2].strip(), "")
                yield from spoken_lines(lines[i + 1 : end])
            i = end
        elif HTML.match(lines[i]) or re.match(r" {0,3}\$\$", lines[i]):
            i, _ = block_end(lines, i)
        elif not re.match(r"\s*(\||%|!\[|:[\w-]+:|\([\w-]+\)=)", lines[i]):
            yield lines[i]
        i += 1


# %% book/press/prose.md
SIGNS = {r"\times": "×", r"\cdot": "·", r"\le": "≤", r"\ge": "≥",
         r"\pm": "±", r"\to": "→", r"\,": " ", r"\dots": "…"}
GREEK = re.compile(
    r"\\(alpha|beta|gamma|delta|epsilon|varepsilon|eta|theta|kappa|lambda"
    r"|mu|nu|pi|rho|sigma|tau|phi|chi|psi|omega|log|exp|tanh|max|min)\b"
)


def read_out(formula):
    """A small formula in letters and signs, or None."""
    text = GREEK.sub(r"\1", formula)
    for sign in sorted(SIGNS, key=len, reverse=True):
        text = text.replace(sign, SIGNS[sign])
    text = re.sub(r"\{(-?\w+)\}", r"\1", text)
    return None if re.search(r"[\\{}]", text) else text.strip()


# %% book/press/prose.md
def plain(sentence):
    """A sentence without markup; empty if it does not work without."""
    kept = []

    def keep(match):
        kept.append(match[1])
        return f"\x00{len(kept) - 1}\x00"

    text = re.sub(r"\s*\{cite(?::p)?\}`[^`]*`(?=[\s.,:;)]|$)", "", sentence)
    text = re.sub(r"\{\w+\}`([^`<]*[^`<\s])\s*<[^`]*>`", r"\1", text)
    if re.search(r"(?<!\w)\{[\w:]+\}`", text) or text[:1] != sentence[:1]:
        return ""
    text = re.sub(r"`+([^`]+)`+", keep, text)
    formulas = [read_out(f) for f in re.findall(r"\$([^$]+)\$", text)]
    if None in formulas:
        return ""
    text = re.sub(r"\$[^$]+\$", lambda match: formulas.pop(0), text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(\*\*|\*)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    return re.sub("\x00(\\d+)\x00", lambda m: kept[int(m[1])], text)


# %% book/press/prose.md
def prose(text):
    """The paragraphs of a chapter in plain English, a blank line between."""
    lines = text.replace("\r\n", "\n").split("\n")
    paragraphs, sentences = [], []
    for line in [*spoken_lines(lines[front_matter_end(lines) :]), ""]:
        line = line.strip()
        bare = re.sub(r"^(#+ ([\d.]+ )?|[-*+] |\d+\. |>\s*)", "", line)
        if (not line or bare != line) and sentences:
            paragraphs.append(" ".join(sentences))
            sentences = []
        sentences += filter(None, [plain(bare)])
        if line.startswith("#") and sentences:
            paragraphs.append(sentences.pop())
    return "\n\n".join(paragraphs) + "\n"


# %% book/press/prose.md
HEADER = (
    "The prose of zerobook, a snapshot. CC BY-SA 4.0, as the book is.\n"
)


def snapshot(root):
    """The prose of every page, each after a form feed and its path."""
    pages = [
        page for page in read_book(root).pages
        if page.part not in ("", "Reference")
    ]
    parts = [
        f"\f{page.path}\n{prose(Path(root, page.path).read_text('utf-8'))}"
        for page in pages
    ]
    return HEADER + "".join(parts)


# %% book/press/prose.md
def freeze(root="."):
    """Write a new snapshot; return the SHA-256 of its text."""
    text = snapshot(root)
    replace(Path(root, SNAPSHOT), text)
    return hashlib.sha256(text.encode()).hexdigest()
