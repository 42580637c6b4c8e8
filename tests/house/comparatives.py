"""Sentences that compare, under a heading where no cell asserts anything.

    python -m tests.house.comparatives book/foundations/losses.md …
    python -m tests.house.comparatives --lower

The first lists them for pages, or for the whole book; the second lowers the
allowance in comparatives.json to what is left.
"""

import json
import re
import sys
from pathlib import Path

from zerobook.press.reading import fence_end, fence_opened
from zerobook.press.reading import front_matter_end, read_book

ROOT = Path(__file__).resolve().parents[2]
ALLOWANCE = Path(__file__).with_name("comparatives.json")
PARTS = ("Start here", "1 Foundations", "2 Deep learning", "3 Generative AI")

COMPARES = re.compile(
    r"\b(better|worse|best|worst|twice|never|faster|fastest|slower|slowest"
    r"|half (of|as|the)|halve[sd]?|doubles?|doubled|(more|less|fewer) than"
    r"|times (as|more|less|fewer|larger|smaller)|nothing (goes|comes|lies)"
    r"|wins?|won|beats?|beaten|loses? to|ahead of|as good as|no better)\b", re.I)

# A question, the goals of a page, what somebody else's paper says.
NO_CLAIM = re.compile(r"\?\s*$|^\*Goals|\{cite")


def claims(page, text):
    """Comparing sentences of a page under headings without an assertion.

    Returns a list of (line, sentence).
    """
    lines = text.split("\n")
    guarded = {c.line for c in page.cells if "assert" in c.code}
    sections, kept, i = [[]], [False], front_matter_end(lines)
    while i < len(lines):
        fence = fence_opened(lines[i])
        end = fence and fence_end(lines, i, fence[0])
        if end:
            kept[-1] |= i + 1 in guarded
            body = lines[i + 1 : end]
            for k, line in enumerate(body, i + 2):
                if line.strip().startswith("caption:"):
                    sections[-1].append((k, line.split("caption:", 1)[1]))
            if fence[1].strip().startswith("{admonition}"):
                sections[-1] += list(enumerate(body, i + 2))
            i = end
        elif re.match(r"##+ ", lines[i]):
            sections.append([])
            kept.append(False)
        elif not re.match(r"\s*(\||:|\$\$)", lines[i]):
            sections[-1].append((i + 1, lines[i]))
        i += 1
    return [
        (number, line.strip())
        for found, safe in zip(sections, kept, strict=True) if not safe
        for number, line in found
        if COMPARES.search(line) and not NO_CLAIM.search(line)
    ]


def all_claims(root=ROOT):
    """The claims of each page of the chapters that runs something."""
    return {
        page.path: claims(page, (root / page.path).read_text("utf8"))
        for page in read_book(root).pages
        if page.part in PARTS and page.cells
    }


def main(arguments):
    found = all_claims()
    if arguments == ["--lower"]:
        old = json.loads(ALLOWANCE.read_text("utf8"))
        new = {path: min(len(c), old.get(path, len(c)))
               for path, c in found.items() if c}
        ALLOWANCE.write_text(json.dumps(new, indent=1) + "\n", "utf8")
        return
    for path, sentences in found.items():
        if not arguments or path in arguments:
            for line, sentence in sentences:
                print(f"{path}:{line}: {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
