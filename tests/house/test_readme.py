"""What the README shows is what a reader gets."""

import importlib.util
import re
import shlex

import numpy as np

from tests.house.package import ROOT


# What the README prints must run as it is printed. The kind: an example that
# needs what the sentence before it does not install, or a name that changed.
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def test_a_block_of_the_readme_prints_what_it_shows(installed):
    shown = blocks("text")
    assert [installed(code) for code in blocks("python")] == shown != []


def test_a_link_of_the_readme_leads_to_a_file():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_picture_of_the_readme_is_what_the_record_draws():
    from matplotlib.image import imread

    spec = importlib.util.spec_from_file_location(
        "readme_picture", ROOT / "tools" / "readme_picture.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    kept = np.round(imread(tool.FILE)[:, :, :3] * 255)
    assert (kept == tool.sheet()).all(), "run tools/readme_picture.py"


def test_a_command_of_the_readme_is_one_that_the_package_knows():
    from zerobook.cli import parser

    lines = [line for block in blocks("console") for line in block.split("\n")
             if line]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert len(lines) >= 4
    for line in lines:
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.M), line
        else:
            assert program == "zerobook", line
            parser().parse_args(words)  # exits where it does not know one
