# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The look of the book's figures, and the few helpers that draw them."""

import numpy as np


# %% book/given/plot.md
INK = "#5f6673"
CYCLE = (
    "#0c8df5",  # C0 blue
    "#cd4403",  # C1 rust
    "#098154",  # C2 green
    "#b4329f",  # C3 plum
    "#9c9145",  # C4 olive
    "#7654f7",  # C5 violet
)


# %% book/given/plot.md
STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.figsize": (5.0, 3.0),
    "figure.dpi": 96,
    "font.size": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.labelsize": 10,
    "image.cmap": "gray_r",
    "svg.fonttype": "path",
    "svg.hashsalt": "zerobook",
}


# %% book/given/plot.md
INKED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "axes.titlecolor",
    "xtick.color",
    "ytick.color",
    "patch.edgecolor",
    "hatch.color",
    "legend.labelcolor",
)


# %% book/given/plot.md
def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "figures need matplotlib: pip install 'zerobook[plot]'"
        ) from error
    return plt


def use_style():
    """Give matplotlib, and a notebook's figures, the look of the book.

    Needs the extra ``plot``. Described in "Plot style". Settings hold for the
    process; ``matplotlib.rcdefaults()`` takes them back.
    """
    plt = _pyplot()
    plt.rcParams.update(STYLE)
    plt.rcParams.update({name: INK for name in INKED})
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=CYCLE)
    _svg_in_notebooks()


# %% book/given/plot.md
def _svg_in_notebooks():
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        options = {"bbox_inches": None, "metadata": {"Date": None}}
        set_matplotlib_formats("svg", **options)


# %% book/given/plot.md
def label_lines(ax, labels=None, *, gap=4, spread=11):
    """Write each line's label beside its last point, in the line's colour.

    Parameters
    ----------
    ax : matplotlib Axes
        Call this last: the labels stand where the line ends now.
    labels : sequence of str, optional
        One for each line; by default what ``ax.plot(label=...)`` was given.
    gap, spread : float
        Points from the end of the line to its label, and the least points
        from one label to the next.
    """
    lines = [line for line in ax.get_lines() if len(line.get_xdata())]
    if labels is None:
        named = [not line.get_label().startswith("_") for line in lines]
        lines = [line for line, keep in zip(lines, named) if keep]
        labels = [line.get_label() for line in lines]
    ax.figure.draw_without_rendering()  # settles the layout
    ends = [_last_point(line) for line in lines]
    points = 72 / ax.figure.dpi
    heights = np.array([ax.transData.transform(e)[1] for e in ends]) * points
    for line, end, text, dy in zip(
        lines, ends, labels, _apart(heights, spread) - heights
    ):
        _write(ax, text, end, (gap, dy), line.get_color())


# %% book/given/plot.md
def _last_point(line):
    xy = np.column_stack(line.get_data()).astype(float)  # (points, 2)
    return xy[np.isfinite(xy).all(axis=1)][-1]


def _apart(heights, least):
    """Nearest heights, in least squares, of which no two are too close."""
    order = np.argsort(heights, kind="stable")
    low = np.arange(len(heights)) * least
    pools = []
    for height in heights[order] - low:
        pools.append([height])
        while len(pools) > 1 and np.mean(pools[-2]) >= np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    placed = np.empty(len(heights))
    placed[order] = low + [np.mean(pool) for pool in pools for _ in pool]
    return placed


def _write(ax, text, end, offset, color):
    ax.annotate(
        text,
        end,
        xytext=offset,
        textcoords="offset points",
        color=color,
        va="center",
        annotation_clip=False,
    )


# %% book/given/plot.md
def band(ax, x, runs, label=None, *, color=None, deviations=1.0):
    """Draw the mean of several runs, with their spread as a band.

    Parameters
    ----------
    ax : matplotlib Axes
    x : array-like of shape (T,)
    runs : array-like of shape (seeds, T)
        At least two seeds.
    label : str, optional
        For `label_lines` or a legend.
    color : optional
        The next of the cycle by default.
    deviations : float
        Half the width of the band, in standard deviations over the seeds.

    Returns
    -------
    matplotlib Line2D
    """
    runs = np.asarray(runs, dtype=float)
    mean, spread = runs.mean(axis=0), deviations * runs.std(axis=0, ddof=1)
    (line,) = ax.plot(x, mean, label=label, color=color)
    look = {"color": line.get_color(), "alpha": 0.2, "lw": 0}
    ax.fill_between(x, mean - spread, mean + spread, **look)
    return line


# %% book/given/plot.md
def decision_regions(ax, predict, X, y=None, *, steps=160, margin=0.08):
    """Colour the plane by the class that `predict` gives each point.

    Parameters
    ----------
    ax : matplotlib Axes
    predict : callable
        Takes points of shape (M, 2), returns labels of shape (M,).
    X : ndarray of shape (N, 2)
        Sets the frame; drawn as dots when `y` is given.
    y : ndarray of shape (N,), optional
        Labels: the classes, sorted, get the colours C0, C1, ... and a marker.
    steps : int
        Grid points along each axis.
    margin : float
        Room around the data, as a part of its width.
    """
    low, high = X.min(axis=0), X.max(axis=0)
    room = margin * (high - low)
    x1, x2 = np.linspace(low - room, high + room, steps).T
    grid = np.stack(np.meshgrid(x1, x2), axis=-1)  # (steps, steps, 2)
    labels = np.asarray(predict(grid.reshape(-1, 2)))
    known = labels if y is None else np.append(labels, y)
    classes = np.unique(known)
    codes = np.searchsorted(classes, labels).reshape(steps, steps)
    for k in range(len(classes)):
        _paint(ax, x1, x2, codes == k, f"C{k}")
    if y is not None:
        _dots(ax, X, np.searchsorted(classes, y), len(classes))


# %% book/given/plot.md
def _paint(ax, x1, x2, inside, color):
    if inside.any():
        look = {"colors": [color], "alpha": 0.18}
        ax.contourf(x1, x2, inside.astype(float), [0.5, 1.5], **look)


def _dots(ax, X, codes, n_classes):
    look = {"linestyle": "none", "markersize": 4, "mew": 0, "alpha": 0.9}
    for k in range(n_classes):
        marker = "osD^vP*X<>"[k % 10]
        ax.plot(*X[codes == k].T, marker=marker, color=f"C{k}", **look)


# %% book/given/plot.md
def show_digits(images, labels=None, *, columns=10, scale=0.55, signed=False):
    """Show small images in rows, larger numbers darker.

    Parameters
    ----------
    images : array-like of shape (N, H, W) or (N, H * H)
        One scale of grey for all.
    labels : sequence, optional
        One under each image.
    columns : int
        Images in a row.
    scale : float
        Inches for each image.
    signed : bool
        Zero is white, what is above it rust and what is below it blue.

    Returns
    -------
    matplotlib Figure
    """
    images = _square(np.asarray(images, dtype=float))
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tall = scale if labels is None else 1.4 * scale
    size = (columns * scale, rows * tall)
    fig, axes = _pyplot().subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained"
    )
    fig.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    _tile(axes.flat, images, labels, _signed(images) if signed else None)
    return fig


# %% book/given/plot.md
def _signed(images):
    """Look of images whose zero matters: blue, white, rust."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = (CYCLE[0], "#ffffff", CYCLE[1])
    cmap = LinearSegmentedColormap.from_list("signed", colors)
    reach = np.abs(images).max() or 1.0
    return {"cmap": cmap, "vmin": -reach, "vmax": reach}


# %% book/given/plot.md
def _square(images):
    if images.ndim == 2:
        side = round(images.shape[1] ** 0.5)
        images = images.reshape(-1, side, side)
    return images


def _tile(axes, images, labels, look=None):
    low, high = images.min(), images.max()
    room = (high - low or 1.0) / 12
    grey = {"cmap": "gray_r", "vmin": low - room, "vmax": high + room}
    look = look or grey
    for k, ax in enumerate(axes):
        ax.axis("off")
        if k < len(images):
            ax.imshow(images[k], interpolation="nearest", **look)
            if labels is not None:
                where = {"ha": "center", "va": "top", "fontsize": 9}
                at = (0.5, -0.06)
                ax.text(*at, str(labels[k]), transform=ax.transAxes, **where)


# %% book/given/plot.md
def _inputs(end):
    """Where the gradients of a node's inputs go; nowhere from a leaf."""
    return [p for p in getattr(end, "parents", ()) if p is not None]


def _columns(end):
    """Nodes and leaves behind `end`, each with its column from the left."""
    column, todo = {}, [end]
    while todo:
        new = [p for p in _inputs(todo[-1]) if p not in column]
        if new:
            todo += new
            continue
        end = todo.pop()
        column[end] = max([column[p] + 1 for p in _inputs(end)], default=0)
    first = {p: c - 1 for end, c in sorted(column.items(), key=lambda k: -k[1])
             for p in _inputs(end)}
    return {end: c if _inputs(end) else first.get(end, c)
            for end, c in column.items()}


# %% book/given/plot.md
def draw_graph(tensor, names=None):
    """Draw the operations that a tensor came from, before `backward`.

    Parameters
    ----------
    tensor : Tensor
        One that requires a gradient; inputs that need none are left out.
    names : dict, optional
        What to call a result or a leaf ``x``, by ``x.node``.

    Returns
    -------
    matplotlib Figure
    """
    column, names = _columns(tensor.node), names or {}
    tall, last = max(np.bincount(list(column.values()))), max(column.values())
    size = 1.5 * (last + 1), 0.5 + 0.7 * tall
    fig, ax = _pyplot().subplots(figsize=size, layout="constrained")
    ax.set(xlim=(-0.6, last + 0.6), ylim=(-tall / 2 - 0.2, tall / 2 + 0.2))
    ax.axis("off")
    boxes = {}
    for x in range(last + 1):
        rows = [end for end, where in column.items() if where == x]
        for i, end in enumerate(rows):
            place = x, (len(rows) - 1) / 2 - i
            boxes[end] = _box(ax, place, end, names.get(end, ""))
    for end in column:
        _arrows(ax, boxes, end)
    return fig


# %% book/given/plot.md
def _box(ax, place, end, name):
    """The operation's name, what the result is called, and its shape."""
    kind = end.name if _inputs(end) else ""
    text = " = ".join(part for part in (name, kind) if part) or "leaf"
    look = {"boxstyle": "round", "fc": "none", "ec": INK,
            "ls": "-" if kind else ":"}
    return ax.text(*place, f"{text}\n{tuple(end.shape)}", ha="center",
                   va="center", fontsize=9, bbox=look)


def _arrows(ax, boxes, end):
    """An arrow from each input; bent if it is one of two, or passes a box."""
    inputs, head = _inputs(end), boxes[end]
    for k, parent in enumerate(inputs):
        tail = boxes[parent]
        (x1, y1), (x2, y2) = tail.get_position(), head.get_position()
        twice = sum(p is parent for p in inputs) > 1
        bend = 0.3 * (-1) ** k if twice else 0.3 * (x2 - x1 > 1 and y1 == y2)
        ax.annotate("", (x2, y2), (x1, y1), arrowprops={
            "arrowstyle": "-|>", "color": INK, "shrinkA": 1, "shrinkB": 1,
            "patchA": tail.get_bbox_patch(), "patchB": head.get_bbox_patch(),
            "connectionstyle": f"arc3,rad={bend}"})
