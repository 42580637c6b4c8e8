"""A missing library is told by the name of its extra."""

import tomllib

import pytest

from tests.house.package import ROOT, fresh


EXTRA_OF = {"sklearn": "data", "matplotlib": "plot", "matplotlib_inline":
            "plot", "IPython": "notebook", "music21": "music"}


LACKING = """
import sys
sys.modules[{library!r}] = None
import zerobook.datasets, zerobook.plot
try:
    zerobook.{call}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("library, call", [
    ("sklearn", "datasets.load_digits()"),
    ("sklearn", "datasets.load_iris()"),
    ("sklearn", "datasets.load_diabetes()"),
    ("sklearn", "datasets.load_breast_cancer()"),
    ("sklearn", "datasets.load_wine()"),
    ("matplotlib", "plot.use_style()"),
])
def test_a_missing_library_is_told_by_the_name_of_its_extra(library, call):
    said = fresh(LACKING.format(library=library, call=call))
    assert f"zerobook[{EXTRA_OF[library]}]" in said


def test_the_extras_are_those_of_the_design():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(project["project"]["optional-dependencies"]) == {
        "plot", "data", "music", "interop", "frameworks", "notebook", "book",
        "test",
    }
    assert [d.split(">")[0] for d in project["project"]["dependencies"]] == [
        "numpy"
    ]
