"""The repository: its files, its versions, its habits."""

import importlib.util
import re
import subprocess
import tomllib

import pytest

from tests.house.package import ROOT


def tracked():
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode().split("\0")
    for name in filter(None, names):
        path = ROOT / name
        try:
            yield name, path.read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_no_file_speaks_of_one_machine():
    # spelled so that this file does not find itself
    local = re.compile(
        r"(?<![\w.])/(?:ro{2}t|opt|hom{1}e|Us{1}ers|work)/\w"
        r"|fil{1}e:///|pythonhos{1}ted|pyp{1}i\.(?:org|python)|artifact{1}ory"
    )
    found = [
        f"{name}: {hit[0]}" for name, text in tracked()
        for hit in local.finditer(text)
    ]
    assert not found, "\n".join(found)


def test_the_index_of_cpu_builds_is_named_once():
    places = [
        name for name, text in tracked() if "download.pyt" "orch.org" in text
    ]
    assert places == ["Makefile"]


def test_versions_agree():
    version = tomllib.loads(
        (ROOT / "pyproject.toml").read_text("utf-8")
    )["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text("utf-8")
    loaded = importlib.import_module("zerobook")
    assert getattr(loaded, "__version__", version) == version


@pytest.mark.parametrize("name", [
    "README.md", "LICENSE", "LICENSE-CODE", "CHANGELOG.md", "CONTRIBUTING.md",
    "CITATION.cff", ".github/workflows/tests.yml",
    ".github/workflows/publish.yml", ".github/ISSUE_TEMPLATE/erratum.yml",
    ".github/ISSUE_TEMPLATE/unclear_step.yml",
    ".github/ISSUE_TEMPLATE/idea.yml", ".github/pull_request_template.md",
])
def test_the_repository_has_its_habits(name):
    assert (ROOT / name).stat().st_size > 50


def test_contributing_fits_one_screen():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 45
