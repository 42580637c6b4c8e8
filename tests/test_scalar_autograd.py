"""scalar_autograd.Value against PyTorch and against the array rules."""

import math

import numpy as np
import pytest
from oracles import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zerobook.activations import tanh, tanh_backward
from zerobook.neural_network import ActivationLayer, LinearLayer, backward
from zerobook.neural_network import forward
from zerobook.scalar_autograd import Value, ancestors

number = st.floats(-3, 3).filter(lambda x: abs(x) > 0.1)


def everything(a, b, c):
    d = a * b + 2 - c / a
    e = d.tanh() - b**3 + (1 - c) * d
    return (e * 0.1).exp() + (e * e + 1.0).log() - 3 / (b * b + 1) + -a * a


@settings(deadline=None)
@given(a=number, b=number, c=number)
def test_value_agrees_with_torch_on_a_formula_of_everything(a, b, c):
    ours = [Value(x) for x in (a, b, c)]
    y = everything(*ours)
    y.backward()
    theirs = [
        torch.tensor(x, dtype=torch.float64, requires_grad=True)
        for x in (a, b, c)
    ]
    y_t = everything(*theirs)
    y_t.backward()
    assert y.data == pytest.approx(y_t.item(), rel=1e-10)
    for mine, other in zip(ours, theirs):
        assert mine.grad == pytest.approx(other.grad.item(), rel=1e-8, abs=1e-9)


def test_a_number_used_twice_collects_both_gradients():
    x = Value(3.0)
    (x * x + x).backward()
    assert x.grad == 7.0


def test_gradients_of_two_backward_calls_add_up():
    # as in PyTorch; inner numbers must not be counted twice
    x = Value(2.0)
    y = x * x
    (y * 3.0).backward()
    (y * 5.0).backward()
    assert x.grad == 3 * 4 + 5 * 4


def test_a_diamond_is_walked_once_per_number():
    # forty doublings: a walk along every path would take 2**40 steps
    x = y = Value(1.0)
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad == 2.0**40
    assert len(ancestors(y)) == 41


def test_a_long_chain_does_not_exhaust_the_call_stack():
    x = y = Value(0.0)
    for _ in range(5000):
        y = y + 1
    y.backward()
    assert x.grad == 1.0


def test_scalar_road_and_array_road_meet_in_a_two_layer_net():
    rng = np.random.default_rng(0)
    X, W1, b1 = rng.normal(size=(1, 3)), rng.normal(size=(3, 2)), np.ones(2)
    W2, b2 = rng.normal(size=(2, 1)), np.zeros(1)
    layers = [
        LinearLayer(W1, b1),
        ActivationLayer(tanh, tanh_backward),
        LinearLayer(W2, b2),
    ]
    out = forward(layers, X)
    dX = backward(layers, np.ones_like(out))

    x = [Value(v) for v in X[0]]
    first = [[Value(w) for w in row] for row in W1]
    hidden = [
        (sum(x[d] * first[d][j] for d in range(3)) + float(b1[j])).tanh()
        for j in range(2)
    ]
    z = sum(h * float(w) for h, w in zip(hidden, W2[:, 0])) + float(b2[0])
    z.backward()
    assert z.data == pytest.approx(out.item(), rel=1e-12)
    np.testing.assert_allclose([v.grad for v in x], dX[0], rtol=1e-10)
    grads = [[w.grad for w in row] for row in first]
    np.testing.assert_allclose(grads, layers[0].dweight, rtol=1e-10)


def test_logarithm_of_nothing_is_refused():
    with pytest.raises(ValueError):
        Value(0.0).log()


def test_repr_shows_value_and_gradient():
    assert repr(Value(math.pi)) == "Value(3.142, grad=0)"


def test_the_engine_has_the_sixty_lines_that_its_page_promises():
    import ast
    import inspect

    from zerobook import scalar_autograd

    source = inspect.getsource(scalar_autograd)
    words = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node) is not None:
                text = node.body[0]
                words |= set(range(text.lineno, text.end_lineno + 1))
    lines = [line for number, line in enumerate(source.split("\n"), start=1)
             if line.strip() and line[0] != "#" and number not in words]
    assert 50 <= len(lines) <= 65
