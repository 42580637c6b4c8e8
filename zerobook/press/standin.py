# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""A stand-in until zerobook.press.reading lands."""

import re
from collections import namedtuple
from pathlib import Path


# %% book/press/weaving.md
Cell = namedtuple("Cell", "page line code code_line target tags preview")
Page = namedtuple("Page", "path docname title section part given cells")
Book = namedtuple("Book", "pages")


def read_cells(path, text):
    cells = []
    for m in re.finditer(r"^(`{3,})\{code-cell\}[^\n]*\n(.*?)^\1\s*$", text, re.M | re.S):
        body, line = m.group(2), text.count("\n", 0, m.start()) + 1
        head = re.match(r"(---\n.*?\n---\n|(:[\w-]+:[^\n]*\n)*)\n*", body, re.S).group(0)
        t = re.search(r"tangle: *(\S+)", head)
        tags = re.search(r"tags: *\[(.*?)\]", head)
        tags = tuple(tags.group(1).replace(",", " ").split()) if tags else ()
        code = body[len(head):].rstrip("\n")
        cells.append(Cell(path, line, code, line + 1 + head.count("\n"), t and t.group(1), tags, "preview" in tags))
    return tuple(cells)


def read_book(root):
    pages, part = [], ""
    for line in Path(root, "_toc.yml").read_text("utf8").splitlines():
        if "caption:" in line:
            part = line.split("caption:")[1].strip()
        m = re.match(r"\s*(?:- file|root): *(\S+)", line)
        if m:
            path = m.group(1) + ".md"
            text = Path(root, path).read_text("utf8")
            title = re.search(r"^# (.*)$", text, re.M).group(1)
            number = re.match(r"\d+(\.\d+)+", title)
            given = part in ("Given parts", "How this book is made")
            pages.append(Page(path, m.group(1), title, number.group(0) if number else "", part, given, read_cells(path, text)))
    return Book(pages)
