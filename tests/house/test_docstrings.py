"""Everything public, and every module, says what it is."""

import ast
import importlib.util
import inspect

import pytest

from tests.house.package import MODULES, TREES, part


def public(module):
    """Functions, classes and methods that a module offers and defines."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(
            thing, "__module__", None
        ) != module.__name__:
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield name, thing
        if inspect.isclass(thing) and part(module.__name__) != "press":
            for inner, method in vars(thing).items():
                if inspect.isfunction(method) and not inner.startswith("_"):
                    yield f"{name}.{inner}", method


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_has_a_docstring(module):
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:  # Sphinx extensions without Sphinx
        pytest.skip(f"could not import {error.name}")
    bare = [name for name, thing in public(loaded) if not thing.__doc__]
    assert not bare


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module):
    assert not TREES[module].body or ast.get_docstring(TREES[module])
