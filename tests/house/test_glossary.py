"""A term is bold once, and stands in the glossary."""

import csv
import re

from tests.house.package import FENCE, ROOT, pages


def bold(page):
    """Terms set in bold: where a term is defined, and nowhere else."""
    text = page.read_text("utf-8")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    text = FENCE.sub(
        lambda m: "" if "code" in m[2] or not m[2].startswith("{") else m[3],
        text,
    )
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`", "", text, flags=re.S)
    return [
        " ".join(term.split()).lower()
        for term in re.findall(r"\*\*([^*\n]+?)\*\*", text)
    ]


def glossary():
    with open(ROOT / "book" / "glossary.csv", encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def test_a_term_is_bold_once_and_then_stands_in_the_glossary():
    where = {}
    for page in pages():
        for term in bold(page):
            where.setdefault(term, []).append(page.name)
    twice = {term: p for term, p in where.items() if len(p) > 1}
    known = {row["term"].lower() for row in glossary()}
    assert not twice, twice
    assert not set(where) - known, "bold and not in the glossary"
    assert not known - set(where), "in the glossary and nowhere bold"


def test_every_row_of_the_glossary_is_whole():
    rows = glossary()
    assert list(rows[0]) == ["term", "ja", "reading", "sentence", "avoid"]
    terms = [row["term"].lower() for row in rows]
    twice = {term for term in terms if terms.count(term) > 1}
    assert not twice, f"a term has two rows: {twice}"
    for row in rows:
        assert None not in row and None not in row.values(), row
        assert row["term"] and row["ja"], row
        assert row["term"] == row["term"].strip()
        # hiragana, katakana, and what stands between words or in formulas
        assert re.fullmatch(r"[\u3040-\u30ffA-Za-z0-9・ー（）()\-\s]+",
                            row["reading"]), row
        assert re.search(r"[.)]$", row["sentence"]), row


def test_every_line_of_the_glossary_has_all_its_columns():
    with open(ROOT / "book" / "glossary.csv", encoding="utf-8", newline="") as f:
        lines = csv.reader(f)
        wrong = [f"line {lines.line_num}: {len(row)} columns, not 5: {row}"
                 for row in lines if len(row) != 5]
    assert not wrong, "\n".join(wrong)
