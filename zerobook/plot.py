# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""The look of the book's figures, and the few helpers that draw them."""

import numpy as np


# %% book/given/plot.md
INK = "#5f6673"
CYCLE = (
    "#0c8df5",
    "#cd4403",
    "#098154",
    "#b4329f",
    "#9c9145",
    "#7654f7",
)


# %% book/given/plot.md
STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.bbox": "standard",
    "figure.figsize": (5.0, 3.0),
    "figure.dpi": 96,
    "font.size": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
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
)


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "figures need matplotlib: pip install 'zerobook[plot]'"
        ) from error
    return plt


# %% book/given/plot.md
def use_style():
    """Switch matplotlib, and a notebook's figure format, to the book's look.

    Needs the extra ``plot``. Changes matplotlib's settings for this process,
    which is why it must be called; nothing is changed by importing.
    """
    plt = _pyplot()
    plt.rcParams.update(STYLE)
    plt.rcParams.update({name: INK for name in INKED})
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=CYCLE)
    _svg_in_notebooks()


def _svg_in_notebooks():
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", bbox_inches=None, metadata={"Date": None})


# %% book/given/plot.md
def label_lines(ax, labels=None, *, gap=4, spread=11):
    """Write each line's label beside its last point, in the line's colour.

    Parameters
    ----------
    ax : matplotlib Axes
    labels : sequence of str, optional
        One for each line; by default what ``ax.plot(label=…)`` was given.
    gap, spread : float
        Points to the right of the line's end, and least points from one
        label to the next: labels that would overlap are pushed apart.
    """
    lines = [line for line in ax.get_lines() if len(line.get_xdata())]
    if labels is None:
        lines = [l for l in lines if not l.get_label().startswith("_")]
        labels = [line.get_label() for line in lines]
    ends = np.array([_last_point(ax, line) for line in lines])  # (n, 2) pixels
    scale = 72 / ax.figure.dpi
    shift = _apart(ends[:, 1] * scale, spread) - ends[:, 1] * scale
    for line, text, dy in zip(lines, labels, shift):
        _write(ax, line, text, (gap, dy))


# %% book/given/plot.md
def _last_point(ax, line):
    xy = np.column_stack(line.get_data()).astype(float)  # (points, 2)
    xy = xy[np.isfinite(xy).all(axis=1)]
    return ax.transData.transform(xy[-1])


def _apart(heights, least):
    order = np.argsort(heights)
    low = np.arange(len(heights)) * least
    placed = np.maximum.accumulate(heights[order] - low) + low
    placed -= (placed - heights[order]).mean()
    out = np.empty_like(placed)
    out[order] = placed
    return out


def _write(ax, line, text, offset):
    xy = np.column_stack(line.get_data()).astype(float)
    xy = xy[np.isfinite(xy).all(axis=1)]
    ax.annotate(
        text,
        xy[-1],
        xytext=offset,
        textcoords="offset points",
        color=line.get_color(),
        va="center",
        annotation_clip=False,
    )


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
        Labels: each class gets its colour of the cycle.
    steps : int
        Grid points along each axis.
    margin : float
        Room around the data, as a part of its width.
    """
    low, high = X.min(axis=0), X.max(axis=0)
    room = margin * (high - low)
    low, high = low - room, high + room
    x1, x2 = (np.linspace(low[k], high[k], steps) for k in (0, 1))
    grid = np.stack(np.meshgrid(x1, x2), axis=-1)  # (steps, steps, 2)
    labels = np.asarray(predict(grid.reshape(-1, 2)))
    classes = np.unique(labels if y is None else np.append(labels, y))
    codes = np.searchsorted(classes, labels).reshape(steps, steps)
    _paint(ax, x1, x2, codes, len(classes))
    if y is not None:
        _dots(ax, X, np.searchsorted(classes, y), len(classes))


# %% book/given/plot.md
def _paint(ax, x1, x2, codes, n_classes):
    colors = _pyplot().rcParams["axes.prop_cycle"].by_key()["color"]
    for k in range(n_classes):
        inside = np.where(codes == k, 1.0, 0.0)
        if inside.any():
            color = [colors[k % len(colors)]]
            ax.contourf(x1, x2, inside, [0.5, 1.5], colors=color, alpha=0.18)


def _dots(ax, X, codes, n_classes):
    for k, marker in zip(range(n_classes), "osD^vP*X<>" * n_classes):
        mine = X[codes == k]
        ax.plot(*mine.T, marker, color=f"C{k}", markersize=4, alpha=0.9, mew=0)


# %% book/given/plot.md
def show_digits(images, labels=None, *, columns=10, scale=0.55, ax=None):
    """Show images in rows, dark ink on a clear ground.

    Parameters
    ----------
    images : ndarray of shape (N, H, W) or (N, H * H)
        Larger is darker; one scale of grey for all.
    labels : sequence of str or int, optional
        One under each image.
    columns : int
        Images in a row.
    scale : float
        Inches for each image.

    Returns
    -------
    matplotlib Figure
    """
    images = _square(np.asarray(images, dtype=float))
    rows = -(-len(images) // columns)
    columns = min(columns, len(images))
    size = (columns * scale, rows * scale * (1.35 if labels is not None else 1))
    fig, axes = _pyplot().subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained"
    )
    low, high = images.min(), images.max()
    for k, ax in enumerate(axes.flat):
        ax.axis("off")
        if k < len(images):
            _show(ax, images[k], low, high)
            if labels is not None:
                ax.text(0.5, -0.05, str(labels[k]), transform=ax.transAxes, ha="center", va="top", fontsize=9)
    return fig


# %% book/given/plot.md
def _square(images):
    if images.ndim == 2:
        side = round(images.shape[1] ** 0.5)
        images = images.reshape(-1, side, side)
    return images


def _show(ax, image, low, high):
    ink = np.zeros((*image.shape, 4))
    ink[..., :3] = [int(INK[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    ink[..., 3] = (image - low) / ((high - low) or 1.0)
    ax.imshow(ink, interpolation="nearest")


# %% book/given/plot.md
def band(ax, x, runs, label=None, *, color=None, deviations=1.0):
    """Draw the mean of several runs with a band of its spread.

    Parameters
    ----------
    ax : matplotlib Axes
    x : ndarray of shape (T,)
    runs : ndarray of shape (seeds, T)
    label : str, optional
        For ``label_lines``.
    deviations : float
        Half the width of the band, in standard deviations over the seeds.
    """
    runs = np.asarray(runs, dtype=float)
    mean, spread = runs.mean(axis=0), deviations * runs.std(axis=0, ddof=1)
    (line,) = ax.plot(x, mean, label=label, color=color)
    ax.fill_between(x, mean - spread, mean + spread, color=line.get_color(), alpha=0.2, lw=0)
    return line
