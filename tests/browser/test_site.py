"""The finished site, looked at by a browser: `make book` must have run."""

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import changed_pages, of_this_third
from zerobook.press.exercises import unsolved
from zerobook.press.reading import read_book, read_page

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
PAGES = [page.docname for page in read_book(ROOT).pages]
OTHERS = ["index", "404", "search"]
THEMES = ("light", "dark")
# The insides of formulas and drawings are hundreds of shapes, hidden from
# listeners; the formula and the drawing as such are looked at.
LOOK_AT = {"exclude": [["mjx-container > *"], ["svg.drawing > *"]]}
# without preload, which asks for style sheets at addresses of its own making
ALL = {"resultTypes": ["violations"], "preload": False}
# what a theme can change is its colours; the rest is looked at once
COLOURS = ALL | {"runOnly": ["color-contrast", "link-in-text-block"]}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def address():
    if not (SITE / "book" / "index.html").is_file():
        pytest.fail(f"no site in {SITE}: run `make book` first")
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    names = "chromium", "chromium-browser", "google-chrome"
    where = next(filter(None, map(shutil.which, names)), None)
    if where is None:
        pytest.fail("no chromium: `apt-get install chromium`")
    with api.sync_playwright() as playwright:
        # a container runs as root, where Chromium's sandbox cannot start
        browser = playwright.chromium.launch(
            executable_path=where, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe():
    module = pytest.importorskip("axe_playwright_python.sync_playwright")
    return module.Axe()


class Visit:
    """A page in a window, with whatever went wrong while it loaded."""

    def __init__(self, browser, address, docname, width=1200):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}
        )
        self.outside, self.errors = [], []
        self.page = self.context.new_page()
        host = urlsplit(address).netloc

        def judge(route):
            url = urlsplit(route.request.url)
            if url.scheme in ("data", "blob") or url.netloc == host:
                route.continue_()
            else:
                self.outside.append(route.request.url)
                route.abort()

        self.page.route("**/*", judge)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("console", self.heard)
        self.page.on("response", self.answered)
        self.page.goto(f"{address}/{docname}.html")
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("window.MathJax?.startup?.promise")

    def heard(self, message):
        if message.type == "error" and "404" not in message.text:
            self.errors.append(message.text)

    def answered(self, response):
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")

    def theme(self, name):
        self.page.evaluate(
            "t => { document.documentElement.dataset.theme = t;"
            " document.documentElement.dataset.mode = t; }",
            name,
        )
        self.page.wait_for_timeout(400)  # the theme fades from one to the next

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.context.close()


TOO_WIDE = """() => {
  const wide = [];
  for (const pre of document.querySelectorAll('article div.cell_input pre')) {
    if (!pre.getClientRects().length) continue;
    const longest = Math.max(...pre.textContent.split('\\n')
                                .map(line => line.length));
    if (longest <= 79 && pre.scrollWidth > pre.clientWidth + 1)
      wide.push(longest + ': ' + pre.textContent.slice(0, 60));
  }
  return wide;
}"""


def serious(violations):
    return [
        (v["id"], v["nodes"][0]["html"][:200], len(v["nodes"]))
        for v in violations if v["impact"] in ("serious", "critical")
    ]


# One test a page: a visit takes seconds, and the tests run in two processes.
@pytest.mark.parametrize(
    "docname", of_this_third(PAGES + OTHERS, changed_pages()))
def test_a_page_is_sound(browser, address, axe, docname):
    wrong = {}
    with Visit(browser, address, docname) as visit:
        wrong["79 characters wider than the column"] = visit.page.evaluate(
            TOO_WIDE)
        for theme in THEMES:
            visit.theme(theme)
            rules = ALL if theme == "light" else COLOURS
            found = axe.run(visit.page, LOOK_AT, rules).response
            wrong[f"axe, {theme}"] = serious(found["violations"])
        visit.page.set_viewport_size({"width": 390, "height": 800})
        visit.page.wait_for_timeout(200)
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        wrong["scrolls sideways at 390"] = [width] if width > 390 else []
        wrong["asked elsewhere"] = visit.outside
        wrong["errors in the console"] = visit.errors
    assert {what: found for what, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "docname", ["book/index", "book/foundations/linear_models"]
)
def test_the_notebook_of_a_page_can_be_downloaded(browser, address, docname):
    with Visit(browser, address, docname) as visit:
        with visit.page.expect_download() as waiting:
            visit.page.click("a.notebook")
        notebook = json.loads(Path(waiting.value.path()).read_text("utf8"))
    text = (ROOT / f"{docname}.md").read_text("utf8")
    page, _ = read_page(docname, unsolved(text))
    code = [c["source"] for c in notebook["cells"] if c["cell_type"] == "code"]
    assert code == [cell.code for cell in page.cells]


def test_a_name_in_a_cell_leads_to_the_cell_that_built_it(browser, address):
    with Visit(browser, address, "book/foundations/training") as visit:
        link = visit.page.locator("div.cell a.built:visible").first
        link.click()
        visit.page.wait_for_load_state("load")
        anchor = urlsplit(visit.page.url).fragment
        assert anchor.startswith("zerobook.")
        found = visit.page.locator(f'[id="{anchor}"]')
        assert found.count() == 1
        below = found.locator("xpath=following::div[contains(@class,'cell')]")
        assert anchor.rpartition(".")[2] in below.first.inner_text()


def test_a_folded_solution_opens(browser, address):
    with Visit(browser, address, "book/foundations/linear_models") as visit:
        summary = visit.page.locator("div.solution summary, details summary")
        summary.first.click()
        assert visit.errors == []


def test_every_link_within_the_site_leads_somewhere(browser, address):
    # without a browser's help: every local href and every anchor in it
    import re

    broken, ids = [], {}
    for file in SITE.rglob("*.html"):
        text = file.read_text("utf8")
        ids[file.resolve()] = set(re.findall(r'\bid="([^"]+)"', text))
    for file in SITE.rglob("*.html"):
        body = file.read_text("utf8").partition("<article")[2]
        for link in set(re.findall(r'(?:xlink:)?href="([^"]+)"', body)):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("#d"):
                continue
            target = (file.parent / parts.path).resolve()
            target = target if parts.path else file.resolve()
            if not target.exists():
                broken.append((file.name, link))
            elif parts.fragment and target in ids:
                if parts.fragment not in ids[target]:
                    broken.append((file.name, link))
    assert broken == []


def test_the_dial_of_digits_is_turned_by_the_keyboard(browser, address):
    docname = "book/generative/project_dial"
    with Visit(browser, address, docname, 390) as visit:
        page = visit.page

        def place():
            shown = page.locator(".dial .shown").bounding_box()
            assert shown["width"] == shown["height"] > 150
            return page.evaluate(
                "getComputedStyle(document.querySelector('.dial .shown'))"
                ".backgroundPosition")

        seen = [place()]
        for name in ("digit-3", "weight-2", "hand-0"):
            page.focus(f"#dial-{name}")
            page.keyboard.press("ArrowRight")
            seen.append(place())
        assert len(set(seen)) == 4
        assert visit.outside == []


# The kind: something of the page that a width, paper or a theme takes away.


@pytest.mark.parametrize("width", [800, 1000, 1100, 1250, 1300, 1400])
def test_the_contents_of_a_page_can_be_seen_at_every_width(
    browser, address, width
):
    docname = "book/foundations/linear_models"
    with Visit(browser, address, docname, width) as visit:
        beside = visit.page.locator("div.bd-sidebar-secondary")
        if not beside.is_visible():
            visit.page.click("button.secondary-toggle:visible")
            beside = visit.page.locator("#pst-secondary-sidebar-modal")
            beside.wait_for(state="visible")
            visit.page.wait_for_timeout(500)  # it slides in
        links = beside.locator("a.nav-link")
        assert links.count() > 3 and links.first.is_visible()
        box = beside.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width + 1


def test_a_formula_wider_than_a_phone_shows_that_it_scrolls(browser, address):
    wide = 0
    for docname in ("book/foundations/linear_models",
                    "book/foundations/gradient_descent"):
        with Visit(browser, address, docname, 390) as visit:
            visit.page.wait_for_function("window.MathJax?.startup?.promise")
            visit.page.wait_for_selector("mjx-container[display=true]")
            for hidden, scrolls, drawn in visit.page.evaluate("""() =>
              [...document.querySelectorAll('mjx-container[display=true]')]
              .map(e => [e.scrollWidth - e.clientWidth,
                         getComputedStyle(e).overflowX,
                         getComputedStyle(e).backgroundAttachment])"""):
                wide += hidden > 0
                assert hidden <= 0 or scrolls == "auto"
                assert drawn == "local, local, scroll, scroll"
    assert wide


def test_no_line_begins_with_the_comma_behind_a_formula(browser, address):
    with Visit(browser, address, "book/foundations/linear_models",
               390) as visit:
        loose = visit.page.evaluate("""() =>
          [...document.querySelectorAll('article span.math.notranslate')]
          .filter(e => /^[,.;:!?)]/.test(e.nextSibling?.data ?? ''))
          .filter(e => !e.closest('.kept-together'))
          .map(e => e.textContent)""")
    assert loose == []


def test_no_id_stands_twice_on_a_page():
    import re

    for file in SITE.rglob("book/**/*.html"):
        ids = re.findall(r'<[a-z]+[^>]* id="([^"]+)"', file.read_text("utf8"))
        assert "exercise-content" not in ids, file


def test_on_paper_folds_are_open_and_no_line_is_cut(browser, address):
    with Visit(browser, address, "book/foundations/linear_models") as visit:
        visit.page.emulate_media(media="print")
        shut, cut = visit.page.evaluate("""() => [
          [...document.querySelectorAll('article details')].filter(d =>
            d.lastElementChild.getBoundingClientRect().height < 5).length,
          [...document.querySelectorAll('article pre')].filter(e =>
            e.scrollWidth > e.clientWidth + 1).length]""")
    assert (shut, cut) == (0, 0)


@pytest.mark.parametrize("query, title", [
    ("1.1.4", "1.1.4"), ("交差", "Glossary"), ("softmax", "softmax"),
])
def test_the_search_finds_a_number_and_half_a_word(
    browser, address, query, title
):
    with Visit(browser, address, f"search.html?q={query}#") as visit:
        visit.page.wait_for_selector("ul.search li a")
        visit.page.wait_for_timeout(1000)
        found = visit.page.locator("ul.search li").all_inner_texts()
    assert any(title.lower() in text.lower() for text in found)
