"""Drawn inputs for the engine's tests, and how closely results must agree."""

import hypothesis
from hypothesis import settings

TOLERANCE = {"float64": 1e-7, "float32": 1e-4}


def given(**strategies):
    """Thirty examples each: there are many tests, and PyTorch takes time."""
    def decorate(test):
        drawn = hypothesis.given(**strategies)(test)
        return settings(max_examples=30)(drawn)
    return decorate
