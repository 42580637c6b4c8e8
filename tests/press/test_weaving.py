"""Between the chapters and the site: what runs again, what is linked."""

import html
import json
import re
import time
from pathlib import Path

import pytest

pytest.importorskip("pygments")
pytest.importorskip("docutils")

from zerobook import plot
from zerobook.press import book as maker
from zerobook.press import execute, figures, linking, site
from zerobook.press.reading import read_book, read_page

ROOT = Path(__file__).parents[2]
FRONT = (
    "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n"
    "  display_name: Python 3\n---\n\n"
)
FENCE = "`" * 3


def cell(code, options=""):
    return f"{FENCE}{{code-cell}} python\n{options}{code}\n{FENCE}\n\n"


@pytest.fixture(autouse=True)
def fresh():
    """What another process would not remember."""
    forget()


def forget():
    execute.NOTES.clear()
    for function in vars(execute).values():
        getattr(function, "cache_clear", lambda: None)()


@pytest.fixture
def small(tmp_path):
    """A book of three pages over three modules, one of them unused."""
    package = tmp_path / "zerobook"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "low.py").write_text("def low():\n    return 1\n")
    (package / "high.py").write_text(
        "from zerobook.low import low\n\n\ndef high():\n    return low() + 1\n"
    )
    (package / "alone.py").write_text("def alone():\n    return 3\n")
    pages = {
        "a": "from zerobook.high import high\nhigh()",
        "b": "import zerobook.alone as z\nz.alone()",
        "c": "1 + 1",
    }
    (tmp_path / "book").mkdir()
    for name, code in pages.items():
        text = FRONT + f"# Page {name}\n\nA sentence.\n\n" + cell(code)
        (tmp_path / "book" / f"{name}.md").write_text(text)
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/a\nchapters:\n"
        "- file: book/b\n- file: book/c\n"
    )
    return tmp_path


def digests(root):
    forget()
    pages = read_book(root).pages
    return {page.docname[-1]: execute.digest(page, root) for page in pages}


def changed(root, file, old, new):
    before = digests(root)
    path = root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    after = digests(root)
    return {name for name in after if after[name] != before[name]}


# What makes a page run again -------------------------------------------------


def test_a_changed_module_touches_the_pages_that_use_it_and_no_other(small):
    assert changed(small, "zerobook/low.py", "return 1", "return 2") == {"a"}
    assert changed(small, "zerobook/alone.py", "3", "4") == {"b"}


@pytest.mark.parametrize(
    "new", ["return 1  # one", 'r"""A docstring."""\n    return 1', "return (1)"]
)
def test_comments_docstrings_and_layout_touch_no_page(small, new):
    assert changed(small, "zerobook/low.py", "return 1", new) == set()


def test_a_file_that_a_cell_names_counts(small):
    (small / "book" / "data.csv").write_text("1\n")
    page = small / "book" / "c.md"
    page.write_text(page.read_text().replace("1 + 1", 'open("data.csv")'))
    assert changed(small, "book/data.csv", "1", "2") == {"c"}


def test_what_a_build_has_written_counts_for_no_page(small):
    (small / "_build").mkdir()
    (small / "_build" / "all.pickle").write_text("1\n")
    page = small / "book" / "c.md"
    page.write_text(page.read_text().replace("1 + 1", '"_build/all.pickle"'))
    assert changed(small, "_build/all.pickle", "1", "2") == set()


def test_a_file_that_the_front_matter_lists_counts(small):
    (small / "runs").mkdir()
    (small / "runs" / "long.json").write_text("1\n")
    page = small / "book" / "c.md"
    page.write_text(
        page.read_text().replace("kernelspec:", "reads: [runs/*]\nkernelspec:")
    )
    assert changed(small, "runs/long.json", "1", "2") == {"c"}


def test_a_page_that_reads_the_book_depends_on_every_cell(small):
    page = small / "book" / "c.md"
    code = "from zerobook.press.reading import read_book"
    page.write_text(page.read_text().replace("1 + 1", code))
    assert changed(small, "book/b.md", "z.alone()", "z.alone")
    assert "c" in changed(small, "book/b.md", "z.alone", "z.alone()")
    assert changed(small, "book/b.md", "A sentence", "A phrase") == set()


@pytest.mark.parametrize("call, moved, renamed", [
    ('where("low.low")', True, True),
    ("where(thing)", True, True),
    ('where("nowhere")', True, True),
    ('zerobook.where("low.low")', True, True),
    ('np.where("low.low")', False, False),
    ("torch.where(a, b, c)", False, False),
    ("F.where(a, b, c)", False, False),
    ("x.where(a, b)", False, False),
    ("def where(thing):\n    pass", False, False),
])
def test_a_page_that_asks_where_depends_on_the_lines_it_asks_for(
    small, call, moved, renamed
):
    page, home = small / "book" / "c.md", small / "book" / "b.md"
    page.write_text(page.read_text().replace("1 + 1", call))
    home.write_text(home.read_text() + cell(
        "def low():\n    return 1", ":tangle: zerobook/low.py\n\n"))
    assert ("c" in changed(
        small, "book/b.md", "A sentence.", "A sentence.\n")) == moved
    assert ("c" in changed(
        small, "book/b.md", "Page b", "Page B")) == renamed
    below = home.read_text() + "\nWords.\n\n" + cell("2 + 2")
    home.write_text(below)
    after = changed(small, "book/b.md", "Words.", "Words.\n")
    assert ("c" in after) == (moved and "low.low" not in call)


def test_signing_a_page_moves_no_line(small):
    text = (small / "book" / "a.md").read_text()
    signed = execute.signed(text, "0123456789ab")
    assert signed != text
    assert signed.count("\n") == text.count("\n")
    assert signed.split("\n---\n")[1] == text.split("\n---\n")[1]


# Running ---------------------------------------------------------------------


def run(root):
    heard = []
    report = execute.execute(read_book(root).pages, root, heard.append)
    return report, heard


def test_pages_run_once_and_then_again_only_if_touched(small):
    pytest.importorskip("jupyter_cache")
    report, heard = run(small)
    assert report["errors"] == []
    assert len(report["ran"]) == len(report["seconds"]) == len(heard) == 3

    page = small / "book" / "b.md"
    page.write_text(page.read_text().replace("A sentence", "Another"))
    fresh_report, heard = run(small)
    assert fresh_report["ran"] == heard == []
    assert fresh_report["seconds"] == pytest.approx(report["seconds"])

    changed(small, "zerobook/low.py", "return 1", "return 5")
    report, _ = run(small)
    assert report["ran"] == ["book/a.md"]


def test_a_page_that_wants_the_machine_alone_gets_it(small, monkeypatch):
    pytest.importorskip("jupyter_cache")
    page = small / "book" / "a.md"
    options = ":tags: [alone]\n\n"
    page.write_text(page.read_text() + "\n" + cell("1 + 1", options))
    spans, truly_run = {}, execute.run

    def timed(page, *rest):
        start = time.perf_counter()
        seconds = truly_run(page, *rest)
        spans[page.path] = start, time.perf_counter()
        return seconds

    monkeypatch.setattr(execute, "run", timed)
    report, heard = run(small)
    assert report["errors"] == []
    assert len(report["ran"]) == 3 and heard[-1].endswith("book/a.md")
    quiet, *others = [spans[f"book/{name}.md"] for name in "abc"]
    assert quiet[0] >= max(end for _, end in others)
    assert others[0][0] < others[1][1] and others[1][0] < others[0][1]


def never(*_):
    raise AssertionError("this must not be asked")


def test_nothing_is_parsed_again_for_a_changed_sentence(small, monkeypatch):
    pytest.importorskip("jupyter_cache")
    run(small)  # runs
    run(small)  # notes what the cache answers
    page = small / "book" / "b.md"
    page.write_text(page.read_text().replace("A sentence", "Another"))
    forget()
    for name in ("look", "notebook_of", "open_cache", "installed"):
        monkeypatch.setattr(execute, name, never)
    report, heard = run(small)
    assert report["ran"] == heard == report["errors"] == []
    assert len(report["seconds"]) == 3


@pytest.mark.parametrize("harm", [
    lambda path: path.write_text("{"),
    lambda path: path.write_text("[]"),
    lambda path: path.unlink(),
    lambda path: path.write_text(path.read_text().replace(
        '"takers": "', '"takers": "x')),
    lambda path: path.write_text(path.read_text().replace(
        '"imports": [', '"imports": ["numpy.nothing", ').replace(
        '"takers": "', '"takers": "x')),
])
def test_bad_notes_and_those_of_another_press_are_not_believed(small, harm):
    pytest.importorskip("jupyter_cache")
    run(small)
    harm(small / ".jupyter_cache" / "notes.json")
    forget()
    report, _ = run(small)
    assert report["ran"] == [] and len(report["seconds"]) == 3
    changed(small, "zerobook/low.py", "return 1", "return 5")
    forget()
    assert run(small)[0]["ran"] == ["book/a.md"]


def test_a_result_that_left_the_cache_is_made_again(small):
    pytest.importorskip("jupyter_cache")
    import shutil

    run(small), run(small)
    shutil.rmtree(small / ".jupyter_cache" / "executed")
    forget()
    assert len(run(small)[0]["ran"]) == 3
    assert run(small)[0]["ran"] == []


@pytest.mark.parametrize("options", ["", ":tags: [check]\n\n"])
def test_a_cell_s_options_are_part_of_what_is_looked_up(small, options):
    pytest.importorskip("jupyter_cache")
    run(small), run(small)
    page = small / "book" / "c.md"
    page.write_text(page.read_text().replace("1 + 1", options + "1 + 1"))
    forget()
    assert bool(run(small)[0]["ran"]) == bool(options)


def test_versions_are_those_of_the_distributions_behind_a_package():
    import importlib.metadata

    for package, name in {"numpy": "numpy", "sklearn": "scikit-learn",
                          "yaml": "PyYAML"}.items():
        pytest.importorskip(package)
        number = importlib.metadata.version(name)
        assert execute.versions([package]) == {name: number}
    assert execute.versions(["os", "no_such_package"]) == {}


def test_an_error_names_page_line_and_code_and_fails_the_build(small):
    pytest.importorskip("jupyter_cache")
    page = small / "book" / "c.md"
    code = "x = 1\n\nx / 0"
    page.write_text(page.read_text().replace("1 + 1", code))
    line = page.read_text().split("\n").index("x / 0") + 1
    heard = []
    assert maker.build(small, "book/c.md", heard.append) == 1
    last = heard[-1]
    assert f"book/c.md:{line}: ZeroDivisionError" in last
    assert last.endswith("x / 0")
    assert run(small)[0]["ran"] == ["book/a.md", "book/b.md"]


def test_a_page_that_is_in_no_table_is_refused(small):
    heard = []
    assert maker.build(small, "book/nowhere.md", heard.append) == 3
    assert "book/nowhere.md" in heard[-1]


# Names -----------------------------------------------------------------------

MODULES = {"zerobook": {}, "zerobook.a": {"f": 1, "g": 1}, "zerobook.p": {}}
MODULES["zerobook.p"]["draw"] = 1


def found(*codes, tangle=None):
    options = f":tangle: {tangle}\n\n" if tangle else ""
    text = "# T\n\n" + "".join(cell(code, options) for code in codes)
    page, problems = read_page("book/t.md", text)
    assert problems == []
    marks = linking.marks_of(page, MODULES)
    return [
        [c.code[m.start : m.stop] + "@" + m.module[9:] for m in ms]
        for c, ms in zip(page.cells, marks, strict=True)
    ]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from zerobook.a import f\nf(f(1))", ["f@a"] * 3),
        ("from zerobook.a import f as h\nh(1)", ["f@a", "h@a"]),
        ("import zerobook.a as z\nz.f, z.nothing", ["f@a"]),
        ("import zerobook.a\nzerobook.a.g", ["g@a"]),
        ("from zerobook import p\np.draw()", ["draw@p"]),
        ("from numpy import f\nf(1)", []),
        ("import zerobook.a, numpy as f\nf.g", []),
        ("from zerobook.a import f\nlambda f: f", ["f@a"]),
        ("from zerobook.a import f\ndef h():\n    f = 1\n    return f", ["f@a"]),
        ("é = 1; from zerobook.a import f; 'é', f", ["f@a", "f@a"]),
        ("not python (", []),
    ],
)
def test_a_name_is_found_by_its_binding(code, names):
    assert found(code) == [names]


def test_a_name_is_known_in_the_cells_below_until_it_is_bound_anew():
    first, second, third = found(
        "from zerobook.a import f", "f = f(1)", "f"
    )
    assert (first, second, third) == (["f@a"], ["f@a"], [])


def test_a_name_imported_anew_from_elsewhere_is_no_longer_the_book_s():
    mine, theirs, alias = found(
        "from zerobook.a import f, g", "from numpy import f\nf, g",
        "import zerobook.a as f\nf.g",
    )
    assert (mine, theirs, alias) == (["f@a", "g@a"], ["g@a"], ["g@a"])


def test_the_page_that_builds_a_name_links_it_too():
    assert found("def f(x):\n    return x\nh = f(1)", tangle="zerobook/a.py") == [
        ["f@a"]
    ]


@pytest.mark.parametrize("page", read_book(ROOT).pages, ids=lambda p: p.path)
def test_colouring_a_cell_changes_no_character_of_it(page):
    for c in page.cells:
        shown = linking.coloured(c.code, {})
        plain = html.unescape(re.sub(r"<[^>]*>", "", shown))
        assert plain.strip("\n") == c.code.strip("\n").replace("\t", "    ")


# Drawings --------------------------------------------------------------------


def test_every_colour_of_the_style_has_a_name_in_the_style_sheet():
    sheet = (ROOT / "book" / "_static" / "book.css").read_text()
    assert {plot.INK, *plot.CYCLE} <= figures.COLOURS.keys()
    variables = {v[4:-1] for v in figures.COLOURS.values() if "var" in v}
    for theme in ("light", "dark"):
        block = sheet.split(f'html[data-theme="{theme}"] {{')[1].split("}")[0]
        assert variables <= set(re.findall(r"(--[\w-]+):", block))


def test_two_drawings_on_a_page_share_no_name():
    plt = pytest.importorskip("matplotlib.pyplot")
    import io

    drawings = []
    for prefix in ("one", "two"):
        fig, ax = plt.subplots()
        ax.plot([1, 2], marker="o")
        ax.imshow([[1, 2]])
        file = io.StringIO()
        fig.savefig(file, format="svg")
        plt.close(fig)
        drawings.append(figures.inline(file.getvalue(), prefix, "a line"))
    ids = [set(re.findall(r' id="([^"]+)"', d)) for d in drawings]
    assert ids[0] and not ids[0] & ids[1]
    for drawing, known in zip(drawings, ids, strict=True):
        used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', drawing)
        assert {a or b for a, b in used} <= known
        assert "<style" not in drawing and "<metadata" not in drawing


# The site --------------------------------------------------------------------


@pytest.mark.parametrize("page", read_book(ROOT).pages, ids=lambda p: p.path)
def test_a_notebook_holds_the_cells_of_its_page_in_order(page):
    nbformat = pytest.importorskip("nbformat")
    text = (ROOT / page.path).read_text("utf8")
    notebook = json.loads(site.notebook(page, text))
    nbformat.validate(nbformat.from_dict(notebook))
    cells = notebook["cells"]
    code = [c["source"] for c in cells if c["cell_type"] == "code"]
    assert code == [c.code for c in page.cells]
    prose = "\n".join(
        c["source"] for c in cells if c["cell_type"] == "markdown"
    )
    assert re.match(r'(<a id="[\w-]+"></a>\s*)*# ', prose)
    assert ":::{" not in re.sub(r"`[^`]*`", "", prose)


def test_links_for_errors_appear_when_the_repository_is_known():
    page, _ = read_page("book/t.md", "# T & co\n")
    assert "issues" not in site.foot(page, "")
    foot = site.foot(page, "https://forge.example/zerobook/")
    assert "https://forge.example/zerobook/issues/new?title=T%20%26%20co" in foot


def test_the_theme_s_icon_script_is_still_where_we_take_it_out():
    pytest.importorskip("pydata_sphinx_theme")
    macros = site.slim_macros()
    assert "fontawesome.js" not in macros
    assert "pydata-sphinx-theme.js" in macros


# A whole small site ----------------------------------------------------------

CONFIG = """
title: small
author: nobody
only_build_toc_files: true
exclude_patterns: [_build, ".*"]
execute: {{execute_notebooks: cache, cache: .jupyter_cache}}
sphinx:
  recursive_update: true
  extra_extensions: [zerobook.press.weave]
  config:
    project: small
    zerobook_address: "{address}"
    zerobook_repository: "{repository}"
    templates_path: [{templates}]
"""


@pytest.fixture
def site_of(small, monkeypatch):
    pytest.importorskip("jupyter_book")
    import shutil

    shutil.rmtree(small / "zerobook")
    for name in "ab":
        page = small / "book" / f"{name}.md"
        text = page.read_text().split(FENCE)[0]
        page.write_text(text + cell("print(6 * 7)"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def make(address="", repository="", page=None, also=""):
        templates = ROOT / "book" / "_templates"
        text = CONFIG.format(
            address=address, repository=repository, templates=templates
        )
        (small / "_config.yml").write_text(text + also)
        heard = []
        code = maker.build(
            small, page, say=lambda line: heard.append(str(line)))
        return code, heard, small / "_build" / "html"

    return make


def test_a_site_without_an_address_works_and_one_with_it_says_more(
    site_of, monkeypatch
):
    monkeypatch.delenv("ZEROBOOK_ADDRESS", raising=False)
    monkeypatch.delenv("ZEROBOOK_REPOSITORY", raising=False)
    code, heard, folder = site_of()
    assert code == 0, heard
    assert heard[-1].endswith("index.html") and Path(heard[-1]).is_file()
    page = (folder / "book" / "a.html").read_text()
    assert "42" in page and "This page ran in" in page
    assert "thebe" not in page.lower() and "fontawesome.js" not in page
    assert 'href="a.ipynb"' in page and (folder / "book/a.ipynb").is_file()
    assert "og:url" not in page and "/issues/new" not in page
    assert not (folder / "sitemap.xml").exists()
    assert (folder / "_static/mathjax/tex-mml-chtml.js").is_file()
    assert "<base" not in (folder / "404.html").read_text()

    address, forge = "https://book.example/en", "https://forge.example/z/b"
    monkeypatch.setenv("ZEROBOOK_ADDRESS", address)  # as a workflow does
    code, heard, folder = site_of("", forge)
    assert code == 0, heard
    page = (folder / "book" / "a.html").read_text()
    assert f'content="{address}/book/a.html"' in page
    assert f"{forge}/issues/new" in page
    assert "book/a.md" in page.split("issues/new")[0]  # the way to the source
    assert f"<loc>{address}/book/b.html</loc>" in (
        folder / "sitemap.xml"
    ).read_text()
    assert f'<base href="{address}/">' in (folder / "404.html").read_text()


FIGURE = """
```{{figure}} dot.svg
:name: fig-{name}
:alt: a dot

A dot.
```

See {{numref}}`fig-{name}`.
"""


def number(folder, page):
    text = (folder / "book" / f"{page}.html").read_text()
    return re.search(r"See <a[^>]*><span[^>]*>Fig\. (\d+)", text).group(1)


def test_a_figure_added_before_renumbers_the_pages_after(site_of, small):
    (small / "book" / "dot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    after = small / "book" / "b.md"
    after.write_text(after.read_text() + FIGURE.format(name="b"))
    code, heard, folder = site_of()
    assert code == 0, heard
    assert number(folder, "b") == "1"
    before = small / "book" / "a.md"
    first = before.read_text()
    before.write_text(first + FIGURE.format(name="a"))
    code, heard, _ = site_of()
    assert code == 0, heard
    assert (number(folder, "a"), number(folder, "b")) == ("1", "2")
    before.write_text(first)
    code, heard, _ = site_of()
    assert code == 0, heard
    assert number(folder, "b") == "1"


def used_in(folder, page):
    text = (folder / "book" / f"{page}.html").read_text()
    return re.findall(r'class="used">used in (.*?)</span>', text)


def test_a_new_use_on_another_page_shows_in_the_bar(site_of, small):
    from zerobook.press.writing import tangle

    first = small / "book" / "a.md"
    first.write_text(first.read_text() + cell(
        "def seven():\n    return 7", ":tangle: zerobook/seven.py\n\n"))
    assert tangle(small) == 0
    (small / "zerobook" / "press").symlink_to(ROOT / "zerobook" / "press")
    code, heard, folder = site_of()
    assert code == 0, heard
    assert used_in(folder, "a") == []
    user = small / "book" / "c.md"
    plain = user.read_text()
    user.write_text(plain.replace(
        "1 + 1", "from zerobook.seven import seven\nseven()"))
    code, heard, _ = site_of()
    assert code == 0, heard
    assert ["Page c" in bar for bar in used_in(folder, "a")] == [True]
    page = (folder / "book" / "c.html").read_text()
    assert 'href="a.html#zerobook.seven.seven"' in page
    user.write_text(plain)
    code, heard, _ = site_of()
    assert code == 0 and used_in(folder, "a") == []


def test_a_warning_fails_the_build_each_time_it_is_made(site_of, small):
    page = small / "book" / "b.md"
    page.write_text(page.read_text() + "\nSee [this](nowhere.md).\n")
    for _ in range(2):
        code, heard, _ = site_of()
        assert code == 1
        assert any("book/b.md" in line and "nowhere" in line for line in heard)


def test_a_page_is_not_built_when_sphinx_gave_up(site_of, small):
    (small / "book" / "sources.bib").write_text("@book{x, title={One}\n")
    code, heard, folder = site_of(
        page="book/a.md", also="bibtex_bibfiles: [book/sources.bib]\n")
    assert code == 1
    assert any("syntax error in line" in line for line in heard)
    assert not (folder / "book" / "a.html").exists()
    assert not any("a.html" in line for line in heard)


@pytest.mark.parametrize("exit_code, complaints, result, said", [
    (0, "", 0, []),
    (0, "book/b.md:1: WARNING: odd", 0, []),
    (0, "book/a.md:1: WARNING: odd", 0, ["book/a.md:1: WARNING: odd"]),
    (0, "book/a.md:1: ERROR: bad", 1, ["book/a.md:1: ERROR: bad"]),
    (0, "ERROR: no such theme", 1, ["ERROR: no such theme"]),
    (1, "book/b.md:1: WARNING: odd\nlost", 1, ["lost"]),
    (-9, "", 1, []),
])
def test_one_page_hears_of_itself_and_of_what_stops_sphinx(
    small, monkeypatch, exit_code, complaints, result, said
):
    nothing = {"seconds": {}, "ran": [], "errors": [], "digests": {}}
    monkeypatch.setattr(maker, "execute", lambda *arguments: nothing)
    monkeypatch.setattr(
        maker, "sphinx", lambda *arguments: (exit_code, complaints))
    heard = []
    assert maker.build(small, "book/a.md", heard.append) == result
    assert [line for line in heard[1:] if str(line) in complaints] == said
    assert any("a.html" in str(line) for line in heard) == (result == 0)


def test_a_corrected_source_shows_and_a_kept_one_stays(site_of, small):
    sources = small / "book" / "sources.bib"
    sources.write_text(
        "@book{x, title={One}, author={A, B}, publisher={P}, year={2001}}\n"
        "@book{y, title={Two}, author={C, D}, publisher={P}, year={2002}}\n")
    page = small / "book" / "b.md"
    page.write_text(page.read_text() + "See {cite}`x` and {cite}`y`.\n\n"
                    + FENCE + "{bibliography}\n" + FENCE + "\n")
    also = "bibtex_bibfiles: [book/sources.bib]\n"
    for new in ("One", "Won"):
        sources.write_text(sources.read_text().replace("{One}", f"{{{new}}}"))
        code, heard, folder = site_of(also=also)
        assert code == 0, heard
        text = (folder / "book" / "b.html").read_text()
        assert f"<em>{new}</em>" in text and "<em>Two</em>" in text
