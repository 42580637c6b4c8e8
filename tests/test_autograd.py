"""The tape: every operation against PyTorch, over generated shapes."""

import gc
import operator
import threading
import weakref

import numpy as np
import pytest
from drawing import TOLERANCE, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles import torch

from zerobook import autograd
from zerobook import functional as F
from zerobook.autograd import Tensor, no_grad, unbroadcast
from zerobook.nn import Module, Parameter, init
from zerobook.optim import SGD

pair = hnp.mutually_broadcastable_shapes(
    num_shapes=2, min_dims=0, max_dims=3, min_side=0, max_side=3
)
one = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
BINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}
UNARY = {
    "negative": lambda a: -a,
    "cube": lambda a: a**3,
    "inverse": lambda a: a**-1,
    "root": lambda a: a**0.5,
    "exp": lambda a: a.exp(),
    "log": lambda a: a.log(),
    "sum": lambda a: a.sum(),
    "reflected": lambda a: 2 - 3 / a + 1,
    "used twice": lambda a: a * a + a,
    "flat": lambda a: a.reshape(-1),
}
AXIS = {
    "sum": lambda a, axis, keep: a.sum(axis, keep),
    "mean": lambda a, axis, keep: a.mean(axis, keep),
}


def draw(shape, seed, dtype="float64"):
    """Numbers between 0.5 and 2: no pole, no tie, and not contiguous."""
    rng = np.random.default_rng(seed)
    wide = rng.uniform(0.5, 2, (*shape[::-1], 2)).astype(dtype)
    return wide[..., 0].T


def agree(f, *arrays, theirs=None):
    """Value and gradients of `f` on our tensors and on PyTorch's."""
    dtype = str(arrays[0].dtype)
    mine = [Tensor(a, True, dtype) for a in arrays]
    twin = [torch.tensor(np.array(a, order="C"), requires_grad=True)
            for a in arrays]
    y, z = f(*mine), (theirs or f)(*twin)
    assert y.shape == tuple(z.shape) and str(y.dtype) == dtype
    g = draw(y.shape, 9, dtype)
    y.backward(g)
    z.backward(torch.tensor(np.array(g, order="C")))
    close = TOLERANCE[dtype]
    np.testing.assert_allclose(
        y.data, z.detach().numpy(), rtol=close, atol=close
    )
    for a, b in zip(mine, twin):
        assert a.grad.shape == a.shape and a.grad.dtype == a.dtype
        np.testing.assert_allclose(
            a.grad, b.grad.numpy(), rtol=close, atol=close
        )


@pytest.mark.parametrize("name", BINARY)
@given(shapes=pair, seed=st.integers(0, 99),
       dtype=st.sampled_from(["float64", "float32"]))
def test_two_operands_of_any_shapes_that_fit(name, shapes, seed, dtype):
    a, b = shapes.input_shapes
    agree(BINARY[name], draw(a, seed, dtype), draw(b, seed + 1, dtype))


@pytest.mark.parametrize("name", UNARY)
@given(shape=one, seed=st.integers(0, 99))
def test_one_operand_of_any_shape(name, shape, seed):
    agree(UNARY[name], draw(shape, seed))


@pytest.mark.parametrize("name", AXIS)
@given(data=st.data(), keep=st.booleans(), seed=st.integers(0, 99),
       shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_along_an_axis(name, data, keep, seed, shape):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    f = AXIS[name]
    agree(lambda a: f(a, axis, keep), draw(shape, seed))


@given(data=st.data(), seed=st.integers(0, 99),
       shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_maximum_along_an_axis_shares_among_equals(data, seed, shape):
    axis = data.draw(st.integers(0, len(shape) - 1))
    few = np.round(draw(shape, seed))  # ties, on purpose
    agree(lambda a: a.max(axis), few, theirs=lambda a: a.amax(axis))


@given(batch=hnp.mutually_broadcastable_shapes(
           num_shapes=2, min_dims=0, max_dims=2, max_side=3),
       sizes=st.tuples(*[st.integers(0, 3)] * 3), seed=st.integers(0, 99))
def test_matrix_product_with_batches_that_broadcast(batch, sizes, seed):
    n, k, m = sizes
    first, second = batch.input_shapes
    agree(lambda a, b: a @ b, draw((*first, n, k), seed),
          draw((*second, k, m), seed + 1))


@given(data=st.data(), seed=st.integers(0, 99))
def test_axes_in_another_order(data, seed):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=4, max_side=3))
    order = data.draw(st.permutations(range(len(shape))))
    agree(lambda a: a.permute(*order), draw(shape, seed))
    agree(lambda a: a.swapaxes(0, -1), draw(shape, seed))


@given(data=st.data(), seed=st.integers(0, 99),
       shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_a_piece_by_slices(data, seed, shape):
    # PyTorch knows no negative steps
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True).filter(
        lambda i: all(not isinstance(p, slice) or (p.step or 1) > 0
                      for p in (i if isinstance(i, tuple) else (i,)))
    ))
    agree(lambda a: a[index], draw(shape, seed))


@pytest.mark.parametrize("index", [
    np.array([0, 2, 2, -1]), [1, 1], np.array([[0, 1], [1, 1]]),
    (slice(None), np.array([0, 0])), (np.array([0, 1]), np.array([1, 1])),
    np.array([True, False, True]),
])
def test_a_piece_by_index_adds_up_what_is_read_twice(index):
    agree(lambda a: a[index], draw((3, 2), 0))


@given(n=st.integers(1, 4), axis=st.integers(0, 1), seed=st.integers(0, 99))
def test_joined(n, axis, seed):
    arrays = [draw((2, 3), seed + i) for i in range(n)]
    agree(lambda *a: autograd.concatenate(a, axis), *arrays,
          theirs=lambda *a: torch.cat(a, axis))
    agree(lambda *a: autograd.stack(a, axis), *arrays,
          theirs=lambda *a: torch.stack(a, axis))


@given(shapes=pair, seed=st.integers(0, 99))
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes, seed):
    small, whole = shapes.input_shapes[0], shapes.result_shape
    b, g = draw(small, seed), draw(whole, seed + 1)
    left = (g * np.broadcast_to(b, whole)).sum()
    assert np.isclose(left, (unbroadcast(g, small) * b).sum())


def test_float32_is_the_default_and_float64_is_kept():
    assert Tensor([1.0]).dtype == Tensor(np.ones(2)).dtype == np.float32
    x = Tensor([1.0], True, "float64")
    y = (2 * x + np.ones(1, np.float32)) / 3 - 1
    assert y.dtype == np.float64
    assert (Tensor([1.0]) * np.ones(1)).dtype == np.float32


ARITHMETIC = {
    **BINARY,
    "from the right": lambda a, b: b - a,
    "divided by it": lambda a, b: b / a,
}
TYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]
VALUES = {"bool": [True, False, True]}


def typed(f, mine, theirs):
    """Our result and PyTorch's have one type and the same numbers."""
    try:
        expected = f(*theirs).numpy()
    except RuntimeError as error:  # truth values are not subtracted there
        assert "bool" in str(error)
        return
    with np.errstate(all="ignore"):  # 1 / False
        y = f(*mine).data
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize("other", [True, 2, 0.5])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_number_beside_a_tensor_leaves_pytorch_s_type(name, other, dtype):
    x = np.array(VALUES.get(dtype, [1, 2, 5]), dtype)
    ours, theirs = Tensor(x, dtype=dtype), torch.tensor(x)
    typed(ARITHMETIC[name], (ours, other), (theirs, other))


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize("a", TYPES)
@pytest.mark.parametrize("b", TYPES)
def test_two_tensors_of_any_types_give_pytorch_s_type(name, a, b):
    pair = [np.array(VALUES.get(t, [1, 2, 5]), t) for t in (a, b)]
    ours = [Tensor(x, dtype=x.dtype) for x in pair]
    typed(ARITHMETIC[name], ours, [torch.tensor(x) for x in pair])


@pytest.mark.parametrize("dtype", TYPES[1:])
@pytest.mark.parametrize("n", [2, 0.5, 2.0])
def test_a_power_has_pytorch_s_type(dtype, n):
    x = np.array([1, 2, 5], dtype)
    typed(lambda a: a**n, [Tensor(x, dtype=dtype)], [torch.tensor(x)])


def test_a_gradient_passes_integers_by():
    x = Tensor([1.0, 2.0], True)
    (Tensor([2, 3]) * x / Tensor([4, 4]) + np.array([1, 1])).sum().backward()
    assert x.grad.tolist() == [0.5, 0.75] and x.grad.dtype == np.float32


def test_an_array_of_floats_beside_integers_makes_floats():
    for array in (np.array([0.5]), np.array([0.5], "float32"), [0.5]):
        for y in (Tensor([1, 2]) * array, array * Tensor([1, 2])):
            assert y.dtype == np.float32 and y.data.tolist() == [0.5, 1.0]


def test_whole_numbers_have_no_gradient():
    for data in ([1, 2], [True]):
        with pytest.raises(TypeError, match="no gradient"):
            Tensor(data, requires_grad=True)


def test_ten_thousand_steps_do_not_recurse():
    h, w = Tensor([1.0]), Tensor([0.9999], True, "float64")
    for _ in range(10_000):
        h = h * w
    h.backward()
    assert np.isclose(w.grad[0], 10_000 * 0.9999**9_999)


def test_a_freed_graph_says_so_and_a_kept_one_answers_twice():
    x = Tensor([3.0], True)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()
    with pytest.raises(RuntimeError, match="retain_graph"):
        (y * 2).backward()  # through the freed part


def test_backward_frees_the_activations():
    x = Tensor(np.ones(4), True)
    hidden = x * 2
    array = weakref.ref(hidden.data)
    loss = (hidden * hidden).sum()
    del hidden
    loss.backward()
    gc.collect()
    assert array() is None


def test_no_gradient_is_written_into_a_borrowed_array():
    a, b = Tensor([1.0], True), Tensor([1.0], True)
    c = a + b  # both receive one array
    (c + a).sum().backward()
    assert a.grad.tolist() == [2.0] and b.grad.tolist() == [1.0]
    start = np.ones(1, np.float32)
    a.grad = None
    (a * 1).backward(start)
    a.grad += 1
    assert start.tolist() == [1.0]


def test_no_grad_holds_for_its_own_thread_alone():
    x, seen = Tensor([1.0], True), []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(x * 2))
        thread.start()
        thread.join()
        assert not (x * 2).requires_grad
    assert seen[0].requires_grad and (x * 2).requires_grad


@pytest.mark.parametrize("wrong, words", [
    (lambda x: x @ Tensor(np.ones((2, 2))), r"\(3, 3\) and \(2, 2\)"),
    (lambda x: x.backward(), r"\(3, 3\) needs a gradient to start"),
    (lambda x: x.backward(np.ones(2)), r"\(2,\) for shape \(3, 3\)"),
    (lambda x: Tensor([1.0]).backward(), "requires a gradient"),
    (lambda x: x + Tensor(np.ones(2)), r"\(3,3\) \(2,\)"),
])
def test_an_error_names_the_shapes(wrong, words):
    with pytest.raises((ValueError, RuntimeError), match=words):
        wrong(Tensor(np.ones((3, 3)), True))


# ---- kind: an array that changed between forward and backward


CHANGES = {
    "assignment": lambda w: setattr(w, "data", w.data * 2),
    "in place": lambda w: setattr(w, "data", np.add(w.data, 1, out=w.data)),
    "step": lambda w: stepped(w),
    "load": lambda w: loaded(w),
    "init": lambda w: init.zeros_(w),
    "said": lambda w: autograd.increment_version(w),
}


def stepped(w):
    w.grad = np.ones_like(w.data)
    SGD([w], lr=0.1).step()


def loaded(w):
    module = Module()
    module.w = w
    module.load_state_dict({"w": w.data + 1})


READERS = {
    "product": lambda w: w * w, "power": lambda w: w**3,
    "quotient": lambda w: 2 / w, "matmul": lambda w: w @ w,
    "log": lambda w: w.log(), "linear": lambda w: F.linear(w, w),
    "view": lambda w: w.reshape(-1) * w.T.reshape(-1),
    "piece": lambda w: w[0] * w[:, 1], "silu": lambda w: F.silu(w),
    "einsum": lambda w: autograd.einsum("ij,jk->ik", w, w),
    "detached": lambda w: w.detach() * w,
}
NEEDLESS = {
    "sum": lambda w: w + w, "difference": lambda w: 1 - w,
    "exp": lambda w: w.exp(), "mean": lambda w: w.mean(),
    "shape": lambda w: w.reshape(4), "scaled": lambda w: w * 3,
    "joined": lambda w: autograd.concatenate([w, w]),
    "tanh": lambda w: F.tanh(w), "bias": lambda w: F.linear(
        np.ones((1, 2)), np.ones((2, 2)), w[0]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("reader", READERS)
def test_a_change_of_an_array_that_backward_needs_is_an_error(reader, change):
    w = Parameter(np.array([[0.5, 1.0], [1.5, 2.0]]))
    y = READERS[reader](w)
    CHANGES[change](w)
    w.grad = None
    with pytest.raises(RuntimeError, match="was changed since"):
        y.sum().backward()
    assert w.grad is None


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("reader", NEEDLESS)
def test_a_change_of_an_array_that_nobody_needs_is_none(reader, change):
    values = np.array([[0.5, 1.0], [1.5, 2.0]])
    w, before = Parameter(values), Parameter(values)
    NEEDLESS[reader](before).sum().backward()
    y = NEEDLESS[reader](w)
    CHANGES[change](w)
    w.grad = None
    y.sum().backward()
    np.testing.assert_array_equal(w.grad, before.grad)


# ---- kind: what reaches a leaf has its shape and its type


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_all_arrivals_are_added_up(n):
    x = Tensor([1.0, 2.0], True)
    inner = x * 1
    sum((inner for _ in range(n)), Tensor([0.0, 0.0])).sum().backward()
    assert x.grad.tolist() == [n, n]
    x.grad = None
    for _ in range(n):
        (x + 0).sum().backward()
    assert x.grad.tolist() == [n, n]


def test_a_gradient_of_another_shape_is_refused_and_one_of_another_type_cast():
    x = Tensor([1.0, 2.0], True)
    wrong = autograd.from_op(x.data, (x,), lambda g: np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"\(2, 1\) .* \(2,\)"):
        wrong.sum().backward()
    double = Tensor([3.0, 4.0], True, "float64")
    (x * double).sum().backward()
    assert x.grad.dtype == np.float32 and double.grad.dtype == np.float64
    one = Tensor(2.0, True)
    (one * one).backward()
    assert isinstance(one.grad, np.ndarray) and one.grad.shape == ()


def test_a_bias_of_one_number_gets_one_gradient():
    bias = Tensor([1.0], True)
    F.linear(np.ones((5, 2)), np.ones((2, 3)), bias).sum().backward()
    assert bias.grad.tolist() == [15.0]


def test_sums_keep_no_arrays_and_products_their_factors():
    for step, kept in ((lambda h, w: h + w, 0), (lambda h, w: h * w, 9)):
        w = Tensor(np.ones(3), True)
        h, arrays = w, []
        for _ in range(10):
            h = step(h, w)
            arrays.append(weakref.ref(h.data))
        assert sum(a() is not None for a in arrays[:-1]) == kept


# ---- kind: no tensor is an array of objects, a truth by its length, or NaN


@pytest.mark.parametrize("data", [
    None, "1", [1.0, None], ["a"], {"a": 1}, object(), [object()], 1j,
])
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_what_is_no_number_is_refused(data, dtype):
    with pytest.raises(TypeError, match="holds numbers, not"):
        Tensor(data, dtype=dtype)
    for f in (lambda x: x + data, lambda x: data * x, lambda x: x - data,
              lambda x: x / data):
        for x in (Tensor([1.0]), Tensor([1])):
            with pytest.raises(TypeError):
                f(x)


def test_one_number_converts_and_several_are_refused():
    one, some = Tensor([2.5]), Tensor([0.0, 1.0])
    assert float(one) == 2.5 and int(one) == 2 and bool(one)
    assert f"{one:.2f}" == "2.50" and not Tensor([0.0])
    assert list(range(Tensor(3))) == [0, 1, 2]
    for f in (float, int, bool, lambda x: f"{x:.1f}"):
        with pytest.raises(RuntimeError, match="no single number"):
            f(some)
    assert np.asarray(some).dtype == np.float32
    assert [x.item() for x in some] == [0.0, 1.0]
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(Tensor([1.0], True))
    with pytest.raises(TypeError):
        iter(Tensor(1.0))


RELATIONS = [operator.eq, operator.ne, operator.lt, operator.le,
             operator.gt, operator.ge]


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("other", [2, 0.1, [1, 2, 3], [0.1, 2.0, 2.5]])
def test_comparisons_are_pytorch_s(relation, dtype, other):
    x = np.array([1, 2, 3] if "int" in dtype else [0.1, 2, 3], dtype)
    b = other
    if isinstance(other, list):
        b = np.array(other, None if isinstance(other[0], int) else dtype)
    ours, theirs = Tensor(x, dtype=dtype), torch.tensor(x)
    twin = torch.tensor(b) if isinstance(b, np.ndarray) else b
    expected = relation(theirs, twin).numpy()
    for y in (relation(ours, b), relation(ours, Tensor(b, dtype=getattr(
            b, "dtype", dtype))) if isinstance(b, np.ndarray)
            else relation(ours, b)):
        assert y.dtype == bool
        np.testing.assert_array_equal(y.data, expected)


def test_tensors_stay_keys_and_members():
    a, b = Tensor([1.0]), Tensor([1.0])
    assert len({a, b}) == 2 and {a: 1}[a] == 1
    assert (a == None) is False and a != "x"  # noqa: E711
    assert 1 in Tensor([0, 1]) and 2 not in Tensor([0, 1])
    assert (np.array([1.0, 2.0]) == Tensor([1.0, 3.0])).data.tolist() == [
        True, False]


# ---- more operations: each a row, with PyTorch as the oracle


MORE = {
    "abs": lambda t, m: abs(t - 1), "sqrt": lambda t, m: t.sqrt(),
    "clip": lambda t, m: t.clip(0.8, 1.5), "clamp": lambda t, m: t.clamp(max=1),
    "var": lambda t, m: t.var(), "std": lambda t, m: t.std(),
    "min": lambda t, m: t.min(), "zeroth power": lambda t, m: t**0,
    "where": lambda t, m: m.where(t > 1, t, t * t),
    "filled": lambda t, m: t.masked_fill(t < 1, 7.0),
    "base": lambda t, m: 2**t, "exponent": lambda t, m: t**t,
    "squeeze": lambda t, m: t.unsqueeze(1).squeeze(1),
    "unsqueeze": lambda t, m: t.unsqueeze(-1) * t.unsqueeze(0).squeeze(0)
    .unsqueeze(-1), "flatten": lambda t, m: t.flatten(),
    "flatten some": lambda t, m: t.flatten(1),
    "transpose": lambda t, m: t.transpose(0, -1),
    "permute": lambda t, m: t.permute(-1, 0, -2),
    "split": lambda t, m: t.split(2, -1)[-1],
    "sizes": lambda t, m: t.split([1, 3], 2)[1],
    "gather": lambda t, m: t.gather(1, (t > 5) * 1),
    "cat": lambda t, m: m.cat([t, t * t], 1),
    "trace": lambda t, m: m.einsum("abc,abd->cd", t, t),
    "alone": lambda t, m: m.einsum("abc,c->a", t, t[0, 0]),
    "no arrow": lambda t, m: m.einsum("abc,bcd", t, t.transpose(0, 2)
                                      .transpose(0, 1)),
    "all": lambda t, m: m.einsum("abc->", t),
    "clone": lambda t, m: t.clone() * t, "view": lambda t, m: t.view(-1, 2),
    "pow": lambda t, m: t.pow(3),
    "matmul": lambda t, m: t.matmul(t.transpose(1, 2)),
    "to": lambda t, m: t.to("cpu") * 2,
}


@pytest.mark.parametrize("name", MORE)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_more_operations_are_pytorchs(name, dtype):
    f = MORE[name]
    agree(lambda a: f(a, autograd), draw((2, 3, 4), 3, dtype),
          theirs=lambda a: f(a, torch))


@pytest.mark.parametrize("axis, keep", [(0, False), (1, True), (-1, False)])
def test_more_along_an_axis(axis, keep):
    x = draw((3, 4), 1)
    agree(lambda a: a.var(axis, keep), x,
          theirs=lambda a: a.var(axis, keepdim=keep))
    agree(lambda a: a.std(axis, keep, 0), x,
          theirs=lambda a: a.std(axis, correction=0, keepdim=keep))
    agree(lambda a: a.min(axis, keep), x,
          theirs=lambda a: a.amin(axis, keep))
    for name in ("argmax", "argmin"):
        y = getattr(Tensor(x), name)(axis, keep)
        z = getattr(torch.tensor(np.array(x)), name)(axis, keep)
        assert y.dtype == np.int64 and y.data.tolist() == z.tolist()


def test_slopes_at_the_edge_are_pytorchs():
    for f in (lambda a: a**0, abs, lambda a: a.clip(0, 1),
              lambda a: a ** (a * 0)):
        x, twin = Tensor([0.0, 1.0], True), torch.tensor([0.0, 1.0])
        twin.requires_grad = True
        f(x).sum().backward()
        f(twin).sum().backward()
        np.testing.assert_array_equal(x.grad, twin.grad.numpy())


def test_a_quotient_is_rounded_once():
    x = Tensor(np.arange(1.0, 101.0))
    assert (x / x).data.tolist() == [1.0] * 100
    tiny = Tensor([1e-39], dtype="float32")
    assert (tiny / tiny).item() == 1.0


@pytest.mark.parametrize("wrong, error, words", [
    (lambda x: autograd.where([1, 0, 1], x, x), TypeError, "booleans"),
    (lambda x: x.masked_fill(np.ones(3), 0), TypeError, "booleans"),
    (lambda x: x.gather(0, [3, 0, 0]), IndexError, "axis of 3"),
    (lambda x: x.gather(0, [[0]]), ValueError, r"\(1, 1\)"),
    (lambda x: x.split(0), ValueError, "pieces of 0"),
    (lambda x: x.split([1, 1]), ValueError, "axis of 3"),
    (lambda x: autograd.einsum("ii->i", x), ValueError, "comes twice"),
    (lambda x: autograd.einsum("...i->i", x), ValueError, "a letter"),
])
def test_more_operations_name_what_they_refuse(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong(Tensor([1.0, 2.0, 3.0]))


# ---- kind: what PyTorch does in place is done in place, or is refused


PLACES = {
    "+=": operator.iadd, "-=": operator.isub,
    "*=": operator.imul, "/=": operator.itruediv,
}


@pytest.mark.parametrize("name", PLACES)
def test_a_leaf_is_changed_in_its_own_array_as_pytorchs_is(name):
    for make, m in ((Tensor, autograd), (torch.tensor, torch)):
        w = make([1.0, 2.0], requires_grad=True)
        model, y = [w], (w * w).sum()
        with pytest.raises(RuntimeError, match="in-place|in place"):
            PLACES[name](w, 4.0)
        with m.no_grad():
            same = PLACES[name](w, make([4.0, 8.0]))
        assert same is w and w.requires_grad and w.is_leaf
        assert model[0].tolist() == PLACES[name](
            np.array([1.0, 2.0]), np.array([4.0, 8.0])).tolist()
        with pytest.raises(RuntimeError, match="modified|changed"):
            y.backward()
        with m.no_grad(), pytest.raises((RuntimeError, ValueError)):
            PLACES[name](w, make([[1.0, 2.0]] * 3))
        loss, z = w.sum(), (w * 2).sum()
        loss += z
        loss.backward()
        assert w.grad.tolist() == [3.0, 3.0]


def test_types_and_truth_values_are_pytorchs():
    for make, m in ((Tensor, np), (torch.tensor, torch)):
        x = make([[1.5, 0.0], [2.0, -3.0]])
        assert x.long().tolist() == [[1, 0], [2, -3]]
        assert x.long().dtype == m.int64 and x.double().dtype == m.float64
        assert x.numel() == 4 and x.dim() == 2 and x.float() is x
        for axis in (None, 0, 1):
            where = () if axis is None else (axis,)
            assert (x > 0).any(*where).tolist() == np.any(
                np.array(x.tolist()) > 0, axis).tolist()
            assert (x > 0).all(*where).tolist() == np.all(
                np.array(x.tolist()) > 0, axis).tolist()
        both = ((x > 0) & (x < 2)) | ~(x > -1)
        assert both.tolist() == [[True, False], [False, True]]
        assert x.requires_grad_() is x and x.requires_grad
        assert not x.requires_grad_(False).requires_grad
        with pytest.raises((RuntimeError, TypeError)):
            make([1, 2]).requires_grad_()
        with pytest.raises(RuntimeError):
            (x.requires_grad_() * 2).requires_grad_(False)
        assert not x.long().requires_grad
        w = make([1.0, 2.0], requires_grad=True)
        (w.double() * w.double() * 3).sum().backward()
        assert w.grad.dtype == w.dtype and w.grad.tolist() == [6.0, 12.0]
        copy = x.clone()
        copy.data[0] = 7.0
        assert x.tolist()[0] == [1.5, 0.0] and not copy.is_leaf


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_is_no_error():
    x = Tensor(np.zeros((0, 3)), True)
    for f in (lambda a: a.sum(0), lambda a: a.exp(), lambda a: a.mean(),
              lambda a: a.permute(-1, 0), lambda a: a.flatten(),
              lambda a: autograd.cat([a, a]), lambda a: a @ np.ones((3, 2))):
        x.grad = None
        y = f(x)
        y.backward(np.ones(y.shape))
        assert x.grad.shape == (0, 3)
    assert np.isnan(Tensor(np.zeros(0)).mean().item())


# ---- a backward rule is a pure function that returns gradients


def graphs():
    """Losses whose graphs hold most operations of the package."""
    from zerobook import nn
    from zerobook.models.gpt import GPT, GPTConfig

    rng = np.random.default_rng(0)
    image, ids = rng.normal(size=(2, 3, 8, 8)), rng.integers(0, 5, (2, 6))
    text, row = rng.normal(size=(2, 6, 8)), rng.normal(size=(3, 4))
    yield nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, rng=0), nn.BatchNorm2d(4), nn.GELU(),
        nn.MaxPool2d(2), nn.ConvTranspose2d(4, 2, 2, stride=2, rng=0),
        nn.AvgPool2d(2), nn.Dropout(0.5, rng=0), nn.Flatten(), nn.SiLU(),
        nn.Linear(32, 2, rng=0))(image)
    yield nn.LSTM(8, 4, rng=0)(text)[0].sum(axis=0)
    yield nn.LSTM(8, 4, rng=0)(text)[1][1]
    yield nn.RNN(8, 4, rng=0)(text)[0]
    yield nn.TransformerEncoderLayer(8, 2, 16, rng=0)(text)
    yield GPT(GPTConfig(5, 6, 8, 1, 2), rng=0)(ids)
    a, b = Tensor(row, True, "float64"), Tensor(row + 9, True, "float64")
    yield F.rms_norm(a, b[0]) / b - a**2 + b**a.abs() + F.rotary(a).exp()
    yield autograd.einsum("nd,kd->nk", a, b) + autograd.where(
        row[:, :3] > 0, a[:, :3], b[[1, 0, 1], 1:])
    yield autograd.cat([autograd.stack([a, b]).max(axis=0), a.clip(-1, 1)])
    yield (a * a).reshape(4, 3).swapaxes(0, 1).sqrt().T @ b.log()
    yield F.cross_entropy(a, [0, 1, 3]) + F.squared_error(b, row)
    yield F.cross_entropy(a, [0, 1, 3], label_smoothing=0.1, reduction="none")


def arrays(grads):
    """What a rule returned, as a list of arrays."""
    grads = grads if isinstance(grads, tuple) else (grads,)
    return [g.values if isinstance(g, autograd.Piece) else g for g in grads]


def test_a_rule_changes_nothing_and_says_the_same_twice():
    seen = set()
    for y in graphs():
        for node in autograd.history(y):
            g = np.random.default_rng(1).normal(size=node.shape)
            g = np.asarray(g, node.dtype)
            g.flags.writeable = False
            first = [None if x is None else np.array(x)
                     for x in arrays(node.rule(g))]
            again = arrays(node.rule(g))
            assert len(first) == len(again) == len(node.parents)
            for x, twin in zip(first, again, strict=True):
                assert x is twin is None or np.array_equal(
                    x, twin, equal_nan=True)
            for end in node.parents:
                assert end is None or end.grad is None, node.name
            seen.add(node.name)
    assert len(seen) >= 30


def test_every_node_bears_the_name_of_a_function():
    known = {*vars(autograd), *vars(F)}
    for y in graphs():
        names = {node.name for node in autograd.history(y)}
        assert {n for n in names if n not in known
                and n + "_" not in known} <= {"BatchNorm.forward"}, names


def test_a_rule_that_returns_too_few_or_too_many_is_named():
    def pair(a, b, n):
        def backward(g):
            return (g,) * n

        return autograd.from_op(a.data + b.data, (a, b), backward)

    a, b = Tensor([1.0], True), Tensor([2.0], True)
    for n in (1, 3):
        with pytest.raises(ValueError, match=f"pair has 2 inputs.*{n} grad"):
            pair(a, b, n).backward()
    pair(a, b, 2).backward()
    assert a.grad == b.grad == 1


@given(uses=st.integers(1, 4), between=st.booleans())
def test_what_a_rule_keeps_is_not_changed_by_the_sums(uses, between):
    kept = np.array([2.0, 3.0], np.float32)
    leaf = Tensor([1.0, 1.0], True)
    x = leaf * 1 if between else leaf

    def backward(g):
        return kept

    parts = [autograd.from_op(x.data, (x,), backward) for _ in range(uses)]
    sum(parts, Tensor([0.0, 0.0])).backward(np.ones(2))
    leaf.grad += 100
    assert kept.tolist() == [2.0, 3.0]
    assert leaf.grad.tolist() == [100 + 2.0 * uses, 100 + 3.0 * uses]


def test_pieces_reach_a_leaf_with_a_buffer_and_pass_a_frozen_one_by():
    w = Parameter(np.ones(4, np.float32))
    SGD([w])
    for _ in range(2):
        w.grad = None
        (w[1:] * w[:3] + w[[0, 0, 3]]).sum().backward()
        assert w.grad.tolist() == [3.0, 2.0, 2.0, 2.0]
        assert w.grad is w._buffer
    loss = w[1:].sum()
    w.grad = None
    w.requires_grad_(False)
    loss.backward()
    assert w.grad is None
