"""The look of the figures: legible, steady, and switched on by hand."""

import io
import itertools
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerobook import plot
from zerobook.autograd import Tensor

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        plot.use_style()
        yield
    plt.close("all")


def linear(color):
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    bent = ((rgb + 0.055) / 1.055) ** 2.4
    return np.where(rgb > 0.04045, bent, rgb / 12.92)


def lab(rgb):
    """CIE Lab of linear sRGB, where distance is close to visible difference."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array(
        [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]
    )


# Machado, Oliveira and Fernandes 2009, severity 1, on linear sRGB
EYES = {
    "usual": np.eye(3),
    "no red cones": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green cones": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no blue cones": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


@pytest.mark.parametrize("eyes", EYES)
def test_no_two_colours_look_alike_to_any_eyes(eyes):
    seen = [lab(EYES[eyes] @ linear(color)) for color in plot.CYCLE]
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    # a difference of 2 can just be seen side by side; 15 is seen in a figure
    assert min(apart) > 15


@pytest.mark.parametrize("ground", ["#ffffff", "#14181e", "#121212"])
def test_every_colour_stands_out_from_both_grounds(ground):
    weights = np.array([0.2126, 0.7152, 0.0722])
    for color in plot.CYCLE:
        dark, light = sorted(
            [linear(color) @ weights, linear(ground) @ weights]
        )
        assert (light + 0.05) / (dark + 0.05) > 3


def svg(draw):
    fig, ax = plt.subplots(layout="constrained")
    draw(ax)
    out = io.StringIO()
    fig.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def ordinary(ax):
    runs = np.random.default_rng(0).random((4, 9))
    plot.band(ax, np.arange(9), runs, "mean")
    ax.set(xlabel="step", ylabel="loss")
    plot.label_lines(ax)


def test_the_same_figure_is_the_same_bytes():
    assert svg(ordinary) == svg(ordinary)
    assert "dc:date" not in svg(ordinary)


def test_text_and_axes_have_the_one_ink_and_grounds_none():
    text = svg(ordinary)
    colors = set(re.findall(r"#[0-9a-f]{6}\b", text))
    assert colors == {plot.INK, plot.CYCLE[0]}


def test_the_ink_is_no_colour_of_the_cycle():
    assert plot.INK not in plot.CYCLE
    assert len(set(plot.CYCLE)) == len(plot.CYCLE)


def test_importing_changes_no_setting_and_brings_no_matplotlib():
    code = (
        "import sys\n"
        "import zerobook.plot\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"zerobook\[plot\]"):
        plot.use_style()


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12),
    st.floats(0.5, 30),
)
def test_labels_keep_their_order_and_distance(heights, least):
    heights = np.array(heights)
    placed = plot._apart(heights, least)
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(placed[order])
    assert (gaps > least - 1e-6).all()
    np.testing.assert_allclose(placed.mean(), heights.mean(), atol=1e-6)


@given(
    st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.integers(0, 99)
)
def test_labels_move_as_little_as_possible(heights, seed):
    # any other arrangement that keeps order and distance is at least as far
    heights = np.array(heights)
    placed = plot._apart(heights, 11)
    cost = ((placed - heights) ** 2).sum()
    rng = np.random.default_rng(seed)
    order = np.argsort(heights, kind="stable")
    for _ in range(20):
        other = placed[order] + rng.normal(0, 3, len(heights))
        other = np.maximum.accumulate(other - 11 * np.arange(len(other)))
        other = other + 11 * np.arange(len(other))
        assert ((other - heights[order]) ** 2).sum() >= cost - 1e-6


def test_labels_that_have_room_do_not_move():
    heights = np.array([40.0, 0.0, 90.0])
    np.testing.assert_array_equal(plot._apart(heights, 11), heights)


def test_labels_stand_at_the_ends_in_their_colours():
    _, ax = plt.subplots()
    for k, name in enumerate(("one", "two")):
        ax.plot([0, 1, 2], [k, 2 * k, 3 * k], label=name)
    ax.axhline(0.5)  # has no label of its own, gets none
    plot.label_lines(ax)
    assert [t.get_text() for t in ax.texts] == ["one", "two"]
    assert [t.get_color() for t in ax.texts] == list(plot.CYCLE[:2])
    assert [tuple(t.xy) for t in ax.texts] == [(2, 0), (2, 3)]


def test_a_line_that_ends_in_nan_is_labelled_where_it_was_last_seen():
    _, ax = plt.subplots()
    ax.plot([0, 1, 2], [5.0, 6.0, np.nan])
    plot.label_lines(ax, ["run"])
    assert tuple(ax.texts[0].xy) == (1, 6)


def test_a_band_is_one_deviation_wide():
    _, ax = plt.subplots()
    runs = np.array([[0.0, 1.0], [2.0, 5.0]])
    line = plot.band(ax, [0, 1], runs, "x")
    np.testing.assert_allclose(line.get_ydata(), [1, 3])
    corners = ax.collections[0].get_paths()[0].vertices
    spread = runs.std(axis=0, ddof=1)
    assert corners[:, 1].max() == pytest.approx(3 + spread[1])
    assert corners[:, 1].min() == pytest.approx(1 - spread[0])


@pytest.mark.parametrize("names", [(0, 1), ("ant", "bee")])
def test_regions_and_dots_of_a_class_share_its_colour(names):
    names = np.array(names)
    X = np.array([[-1.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    _, ax = plt.subplots()
    plot.decision_regions(
        ax, lambda P: names[(P[:, 0] > 0).astype(int)], X, names[[0, 1, 1]]
    )
    painted = [c.get_facecolor()[0, :3] for c in ax.collections]
    wanted = [mpl.colors.to_rgb(c) for c in plot.CYCLE[:2]]
    np.testing.assert_allclose(painted, wanted)
    dots = [mpl.colors.to_rgb(line.get_color()) for line in ax.get_lines()]
    np.testing.assert_allclose(dots, wanted)
    assert [len(line.get_xdata()) for line in ax.get_lines()] == [1, 2]


def test_a_class_that_no_point_gets_keeps_its_colour_free():
    X = np.array([[-1.0, 0.0], [1.0, 1.0]])
    _, ax = plt.subplots()
    plot.decision_regions(
        ax, lambda P: np.full(len(P), 2), X, np.array([0, 2])
    )
    assert len(ax.collections) == 1
    painted = ax.collections[0].get_facecolor()[0, :3]
    np.testing.assert_allclose(painted, mpl.colors.to_rgb(plot.CYCLE[1]))


@pytest.mark.parametrize("shape", [(7, 64), (7, 8, 8), (1, 4, 6)])
def test_digits_are_shown_on_one_scale(shape):
    images = np.random.default_rng(0).random(shape)
    labels = [str(k) for k in range(shape[0])]
    fig = plot.show_digits(images, labels, columns=4)
    shown = [ax.images[0] for ax in fig.axes if ax.images]
    assert len(shown) == shape[0]
    assert len({image.get_clim() for image in shown}) == 1
    assert [ax.texts[0].get_text() for ax in fig.axes if ax.texts] == labels
    assert shown[0].get_array().shape == (8, 8) if shape[0] == 7 else (4, 6)


def test_a_blank_image_is_shown_too():
    fig = plot.show_digits(np.zeros((1, 64)))
    low, high = fig.axes[0].images[0].get_clim()
    assert low < 0 < high


# ---- graphs of operations


def drawn(tensor, names=None):
    figure = plot.draw_graph(tensor, names)
    figure.canvas.draw()
    (ax,) = figure.axes
    boxes = [t for t in ax.texts if t.get_bbox_patch() is not None]
    arrows = [t for t in ax.texts if t.get_bbox_patch() is None]
    return boxes, arrows


def test_a_graph_has_a_box_for_each_operation_and_leaf_and_an_arrow_a_use():
    x = Tensor([3.0], requires_grad=True)
    u = x * x
    y = u * x + u
    names = {x.node: "x", u.node: "u", y.node: "y"}
    boxes, arrows = drawn(y, names)
    texts = [box.get_text().splitlines() for box in boxes]
    assert sorted(text for text, _ in texts) == [
        "multiply", "u = multiply", "x", "y = add"]
    assert {shape for _, shape in texts} == {"(1,)"}
    assert len(arrows) == 6  # two inputs of three operations
    at = {text: box.get_position()[0] for (text, _), box in zip(texts, boxes)}
    assert at["x"] < at["u = multiply"] < at["multiply"] < at["y = add"]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1,
                max_size=8))
def test_every_arrow_of_any_graph_points_to_the_right(steps):
    made = [Tensor([1.0], True), Tensor([2.0], True)]
    for i, j in steps:
        made.append(made[i % len(made)] + made[j % len(made)])
    column = plot._columns(made[-1].node)
    for end in column:
        for parent in plot._inputs(end):
            assert column[parent] < column[end]
    assert min(column.values()) == 0


def test_inputs_that_need_no_gradient_are_left_out():
    boxes, arrows = drawn(Tensor([1.0], True) * 2.0)
    assert len(boxes) == 2 and len(arrows) == 1

