"""Where a page sends its reader back to, the term is explained."""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parent.parent / "book"
FENCE = re.compile(r"`{3,}")
LABEL = re.compile(r"\(([\w-]+)\)=")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ENDINGS = ("ations", "ation", "ives", "ive", "ities", "ity", "ies", "ing",
           "es", "s", "y", "e")


def prose(text):
    """The lines of a page that stand in no fence of backticks."""
    inside = None
    for line in text.splitlines():
        mark = FENCE.match(line)
        if inside is not None:
            inside = None if line.strip() == inside else inside
        elif mark:
            inside = mark[0]
        else:
            yield line


def anchored(text):
    """Anchors of a page, each with the prose up to the next heading."""
    found, label, current = {}, None, None
    for line in prose(text):
        if LABEL.fullmatch(line):
            label = LABEL.fullmatch(line)[1]
        elif re.match(r"#+ ", line):
            current, label = label, None
            found.setdefault(current, "")
        elif current is not None:
            found[current] += line + "\n"
    found.pop(None, None)
    return found


def stem(word):
    """A word without the ending that number or form gives it."""
    word = word.lower()
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def stems(text):
    """The stems of the words of a text, links and short words aside."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return {stem(word) for word in re.findall(r"[^\W\d_]{3,}", text)}


def clauses(line):
    """The parts of a sentence that each send back to one place."""
    return re.split(r"; |, and (?:from there )?to ", line)


def sendings(text):
    """Pairs (clause, links) of the sentences that send a reader back."""
    for line in prose(text):
        for sentence in re.split(r"(?<=[.)]) (?=[A-Z(])", line):
            if "go back to" not in sentence or not LINK.search(sentence):
                continue
            if sentence.startswith("|"):
                continue
            for clause in clauses(sentence):
                if re.match(r"(the|bring) |if the slopes of", clause):
                    continue  # what is next, no way back
                for link in LINK.findall(clause):
                    yield clause, link


PAGES = {p.relative_to(BOOK).as_posix(): p.read_text("utf-8")
         for p in sorted(BOOK.rglob("*.md"))}
ANCHORS = {label: text for page in PAGES.values()
           for label, text in anchored(page).items()}


def complaints(text, anchors):
    """What is wrong with a page's ways back."""
    for clause, link in sendings(text):
        if not link.startswith("#"):
            yield f"no anchor: {clause}"
        elif link[1:] not in anchors:
            yield f"no heading bears {link}: {clause}"
        else:
            terms = re.findall(r"\*\*([^*]+)\*\*", anchors[link[1:]])
            if not stems(clause) & set().union(*map(stems, terms)):
                yield f"{terms} is not what is asked for: {clause}"


@pytest.mark.parametrize("page", PAGES)
def test_going_back_leads_to_the_heading_that_defines_the_term(page):
    assert not list(complaints(PAGES[page], ANCHORS))


def test_there_are_ways_back_to_be_judged():
    assert sum(1 for p in PAGES.values() for _ in sendings(p)) > 80


@pytest.mark.parametrize("sentence, word", [
    ("If sums puzzle you, go back to [1](a.md).", "no anchor"),
    ("If sums puzzle you, go back to [1](#none).", "no heading"),
    ("If cats puzzle you, go back to [1](#sums).", "not what is asked"),
    ("If sums puzzle you, go back to [1](#sums); if cats do, to [2](#sums).",
     "not what is asked"),
])
def test_a_way_that_leads_elsewhere_is_seen(sentence, word):
    anchors = {"sums": "A **sum** adds."}
    [complaint] = complaints(sentence, anchors)
    assert word in complaint
