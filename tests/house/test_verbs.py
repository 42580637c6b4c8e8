"""A verb of the command line is a module that is found by being there."""

import importlib.util
import sys

import pytest

from tests.house.package import fresh


VERB = """
def add_to(verbs):
    verb = verbs.add_parser("hum", help="Hum a tune.")
    verb.add_argument("--bars", type=int, default=4)
    verb.set_defaults(run=lambda options: print("hm" * options.bars) or 7)
"""


@pytest.fixture
def with_command(tmp_path):
    """The package with a module that brings a verb, or is broken."""
    from zerobook import commands

    def add(text):
        (tmp_path / "hum.py").write_text(text)
        sys.modules.pop("zerobook.commands.hum", None)
        commands.__path__.append(str(tmp_path))
        importlib.invalidate_caches()

    yield add
    sys.modules.pop("zerobook.commands.hum", None)
    commands.__path__.remove(str(tmp_path))


def test_a_later_chapter_brings_a_verb_of_its_own(with_command, capsys):
    from zerobook.cli import main

    with_command(VERB)
    assert main(["hum", "--bars", "2"]) == 7
    assert capsys.readouterr().out == "hmhm\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Hum a tune." in capsys.readouterr().out


def test_a_broken_verb_stops_no_other(with_command, capsys):
    from zerobook.cli import main

    with_command("this is no Python\n")
    assert main(["where", "cli.main"]) == 0
    with pytest.raises(SyntaxError):
        main(["hum"])


def test_the_command_line_starts_without_numpy():
    said = fresh("""
import sys
from zerobook.cli import parser
before = set(sys.modules)
parser("tangle"), parser("hum")
print("numpy" in sys.modules)
""")
    assert said == "False\n"
