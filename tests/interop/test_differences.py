"""The page of differences to PyTorch says what is so.

The kinds: a name listed as missing that is there; a default that differs and
stands in no table; a table of silent differences without a run.
"""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from oracles import torch

from zerobook import autograd, data, functional, nn, optim
from zerobook.autograd import Tensor

PAGE = (Path(__file__).resolve().parents[2]
        / "book/deep_learning/differences.md").read_text("utf8")
OURS = {
    "Tensor": Tensor, "autograd": autograd, "functional": functional,
    "nn": nn, "nn.Module": nn.Module, "nn.init": nn.init, "optim": optim,
    "optim.Optimizer": optim.Optimizer, "data": data,
}
THEIRS = {
    "Tensor": [torch.Tensor], "autograd": [torch, torch.autograd],
    "functional": [torch.nn.functional], "nn": [torch.nn],
    "nn.Module": [torch.nn.Module], "nn.init": [torch.nn.init],
    "optim": [torch.optim, torch.optim.lr_scheduler, torch.nn.utils],
    "optim.Optimizer": [torch.optim.Optimizer],
    "data": [torch.utils.data],
}


def rows(head):
    """The rows of the table with this head: a name, and names."""
    table = PAGE.split(f"| {head} | missing |\n|---|---|\n")[1]
    for line in table.split("\n\n")[0].splitlines():
        name, *missing = re.findall("`([^`]+)`", line)
        yield from ((name, one) for one in missing)


@pytest.mark.parametrize("place, name", list(rows("where")))
def test_a_name_listed_as_missing_is_missing_here_alone(place, name):
    assert not hasattr(OURS[place], name)
    assert any(hasattr(there, name) for there in THEIRS[place])


@pytest.mark.parametrize("place, option", list(rows("of")))
def test_an_option_listed_as_missing_is_refused_by_name(place, option):
    where, name = place.rsplit(".", 1) if "." in place else ("", place)
    kind = getattr(OURS[where], name)
    positions = {"LSTM": (2, 3), "Conv2d": (1, 1, 1), "Embedding": (2, 3),
                 "LayerNorm": (2,), "GELU": (), "DataLoader": ([1, 2],),
                 "TransformerEncoderLayer": (4, 2),
                 "backward": (Tensor(1.0, True),)}
    arguments = positions.get(name, ([nn.Parameter([1.0])],))
    kind(*arguments)
    with pytest.raises(TypeError, match="GELU" if name == "GELU" else option):
        kind(*arguments, **{option: 1})


PAIRS = {
    "nn": (nn, torch.nn), "optim": (optim, torch.optim),
    "schedules": (optim, torch.optim.lr_scheduler),
    "functional": (functional, torch.nn.functional),
    "nn.init": (nn.init, torch.nn.init),
    "data": (data, torch.utils.data), "clip": (optim, torch.nn.utils),
}
NAMED = {  # differs, and stands on the page or is no difference in effect
    ("MultiheadAttention", "batch_first"), ("RMSNorm", "eps"),
    ("rms_norm", "eps"), ("TransformerEncoderLayer", "dim_feedforward"),
    ("TransformerEncoderLayer", "norm_first"),
    ("TransformerDecoderLayer", "dim_feedforward"),
    ("TransformerDecoderLayer", "norm_first"),
    ("TransformerEncoderLayer", "activation"),  # "relu", and relu
    ("TransformerDecoderLayer", "activation"),
    ("ModuleList", "modules"), ("ModuleDict", "modules"),  # (), and None
    ("DataLoader", "shuffle"),  # False, and None
}


def options(kind):
    try:
        return inspect.signature(kind).parameters
    except (TypeError, ValueError):  # written in C
        return {}


def test_a_default_that_differs_stands_on_the_page():
    found = set()
    for ours, theirs in PAIRS.values():
        for name in vars(ours):
            a, b = getattr(ours, name), getattr(theirs, name, None)
            if name.startswith("_") or not callable(a) or not callable(b):
                continue
            mine, other = options(a), options(b)
            found |= {
                (name, k) for k in mine.keys() & other.keys() - {"dtype"}
                if inspect.Parameter.empty not in (mine[k].default,
                                                   other[k].default)
                and mine[k].default != other[k].default}
    assert {pair for pair in found if pair[0] != "Parameter"} == NAMED


def test_each_table_of_silent_differences_has_a_run_of_both_libraries():
    silent = PAGE.split("## In silence\n")[1].split("\n## ")[0]
    sections = silent.split("\n### ")[1:]
    tables = [s for s in sections if "| zerobook | PyTorch |" in s]
    assert len(tables) >= 6
    for section in tables:
        code = "".join(re.findall(r"```{code-cell}.*?```", section, re.S))
        assert "torch" in code and "assert" in code, section.splitlines()[0]


SILENT = {  # a mark of the row, and the word that its run holds
    "weight of `Linear`": "Linear(3, 2).weight", "filters of": "Conv2d(3",
    "`GELU()`": "GELU()(", "`RMSNorm`": "RMSNorm(8)",
    "`binary_cross_entropy`": "binary_cross_entropy(", "third": "SGD(layer.p",
    "`Sequential(": "[1:].state_dict", "NumPy's float64": "Tensor(x).dtype",
    "float64 beside": "torch.tensor([1.0, 2.0]) + one",
    "`Tensor(array)`": "memory(Tensor)", "`x.max(axis)`, ": ".max(1)[0]",
    "`b = a`": "renamed(Tensor)", "gradient of `x.max": ".max(dim=1)",
    "seed": "stirred", "`CosineAnn": "CosineAnnealingLR(", "a rate": "StepLR(",
    "`state_dict()`": "stale", "a failed": "after_failure(",
    "classes in": "cross_entropy(z, y)",
    "`TransformerEncoderLayer`": "norm_first",
    "`TransformerEncoder`": "TransformerEncoder(",
}


def test_each_silent_difference_has_a_run():
    silent = PAGE.split("## In silence\n")[1].split("\n## ")[0]
    code = "".join(re.findall(r"```{code-cell}.*?```", silent, re.S))
    table = [line[2:] for line in silent.splitlines() if line[:2] == "| "
             and "zerobook | PyTorch" not in line]
    for row in table:
        marks = [mark for mark in SILENT if row.startswith(mark)]
        assert len(marks) == 1, row
        assert SILENT[marks[0]] in code, row
    assert len(table) == len(SILENT)


def test_arrays_stand_where_the_page_says_so():
    layer = nn.BatchNorm1d(2)
    layer(np.ones((3, 2))).sum().backward()
    assert type(layer.weight.grad) is type(layer.running_mean) is np.ndarray
    (batch,) = data.DataLoader(data.TensorDataset(np.ones((2, 2))), 2)
    assert type(batch) is tuple and type(batch[0]) is np.ndarray
    assert isinstance(layer.parameters(), list)
