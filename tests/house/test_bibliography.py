"""Sources: each key once, each that is cited is there."""

import re

import pytest

from tests.house.package import FENCE, ROOT, pages


CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")


def sources():
    """The keys of the bibliography, each as often as it stands there."""
    text = (ROOT / "book" / "references.bib").read_text("utf-8")
    return re.findall(r"^@\w+\{([^,\s]+),", text, re.M)


def test_the_bibliography_can_be_read_and_no_key_stands_twice():
    pybtex = pytest.importorskip("pybtex")
    from pybtex.database import parse_file

    keys = sources()
    twice = {key for key in keys if keys.count(key) > 1}
    assert not twice, f"twice in references.bib: {twice}"
    try:
        known = parse_file(ROOT / "book" / "references.bib").entries
    except pybtex.exceptions.PybtexError as error:
        pytest.fail(f"references.bib: {error}")
    assert set(known) == set(keys), "an entry begins a line with @kind{key,"


def test_every_source_that_is_cited_is_in_the_bibliography():
    cited = {}
    for page in pages():
        text = FENCE.sub(
            lambda m: "" if "code" in m[2] else m[3], page.read_text("utf-8"))
        for found in CITE.findall(text):
            for key in found.split(","):
                cited.setdefault(key.strip(), page.name)
    keys = set(sources())
    lost = {key: page for key, page in cited.items() if key not in keys}
    assert not lost, f"not in references.bib: {lost}"
    assert not keys - set(cited), "in references.bib and cited nowhere"
