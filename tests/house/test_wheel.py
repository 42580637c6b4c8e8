"""What ships: the wheel, the source archive, and an installed package."""

import json
import re
import tarfile
import zipfile

import pytest

from tests.house.package import FILES, PLAIN, ROOT, pages


def test_the_wheel_holds_package_chapters_and_types_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as shipped:
        names = {n for n in shipped.namelist() if ".dist-info/" not in n}
        wanted = {str(p.relative_to(ROOT)) for p in FILES.values()}
        wanted |= {"zerobook/py.typed", "zerobook/_book/_toc.yml"}
        kept = [*pages(), *ROOT.glob("book/_data/*"), *ROOT.glob("runs/*.*")]
        wanted |= {f"zerobook/_book/{f.relative_to(ROOT)}" for f in kept}
        assert names == wanted
        for name in names:
            source = name.removeprefix("zerobook/_book/")
            assert shipped.read(name) == (ROOT / source).read_bytes()


def test_the_wheel_needs_numpy_alone(wheel):
    with zipfile.ZipFile(wheel) as shipped:
        (name,) = [
            n for n in shipped.namelist() if n.endswith("dist-info/METADATA")
        ]
        text = shipped.read(name).decode()
    needs = re.findall(r"^Requires-Dist: (.+)$", text, re.M)
    assert [n for n in needs if "extra ==" not in n] == ["numpy>=1.26"]
    assert "License-File: LICENSE\n" in text
    assert "License-File: LICENSE-CODE\n" in text


def test_the_source_archive_can_build_the_book(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {n.split("/", 1)[-1] for n in archive.getnames()}
    for wanted in ("Makefile", "_toc.yml", "_config.yml", "pyproject.toml",
                   "constraints/py312.txt", "tools/set_up.py", "setup.py",
                   "tests/conftest.py",
                   "book/_data/book_prose.txt",
                   *(str(page.relative_to(ROOT)) for page in pages()),
                   *(str(f.relative_to(ROOT)) for f in ROOT.glob("runs/*.*"))):
        assert wanted in names


def test_the_installed_wheel_works_with_numpy_alone(installed):
    said = installed(f"""
import importlib, json
for name in {PLAIN}:
    importlib.import_module(name)
import numpy as np
from zerobook.linear_model import LogisticRegression
X = np.arange(8.0)[:, None]
y = X[:, 0] > 3
print(json.dumps(float(LogisticRegression().fit(X, y).score(X, y))))
""")
    assert json.loads(said) == 1.0


def test_the_installed_wheel_has_the_frozen_prose(installed):
    said = installed("""
from zerobook.datasets import load_book_prose
print(len(load_book_prose().train) > 250_000)
""")
    assert said == "True\n"


@pytest.mark.parametrize("name, line", [
    ("LogisticRegression", "class LogisticRegression("),
    ("losses.squared_error", "def squared_error("),
])
def test_the_installed_wheel_knows_where_things_were_built(
    installed, name, line
):
    said = installed(f"""
import sys
sys.argv = ["zerobook", "where", {name!r}]
from zerobook.cli import main
sys.exit(main())
""")
    assert "1.1.2" in said
    page, number = re.search(r"(book/\S+\.md):(\d+)", said).groups()
    rows = (ROOT / page).read_text("utf-8").splitlines()
    assert rows[int(number) - 1].startswith(line)
