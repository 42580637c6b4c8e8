"""Names that moved: the old ones lead to the new ones and say so."""

import importlib

import pytest

from zerobook import records, runs, training
from zerobook.moved import MOVED


@pytest.mark.parametrize("new, name", [
    (new, name) for new, names in MOVED.items() for name in names
])
def test_an_old_name_is_the_new_one_and_says_where_that_is(new, name):
    with pytest.warns(FutureWarning, match=f"{new}.{name} now") as said:
        found = getattr(training, name)
    assert found is getattr(importlib.import_module(new), name)
    assert said[0].filename == __file__


def test_an_import_of_an_old_name_works():
    with pytest.warns(FutureWarning, match="zerobook.checkpoint.Checkpoint"):
        from zerobook.training import Checkpoint
    assert Checkpoint.__module__ == "zerobook.checkpoint"


def test_a_name_that_never_was_is_an_attribute_error():
    with pytest.raises(AttributeError, match="training' has no .* 'nothing'"):
        training.nothing  # noqa: B018


def test_the_records_are_read_under_their_old_names_too():
    with pytest.warns(FutureWarning, match="zerobook.runs.read now"):
        assert records.read_record is runs.read
    with pytest.warns(FutureWarning, match="zerobook.runs.weights now"):
        assert records.record_weights is runs.weights
