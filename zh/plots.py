"""The book's one matplotlib style, and its figures: each a function of data that returns a Figure.

A figure is SVG with text as text. Its ink is a sentinel colour, which becomes ``currentColor`` when
the site puts the SVG into the page, so that one picture is right in the light and in the dark
theme. The colours of the palette have a contrast of at least 3:1 on white and on the dark page.
"""

from __future__ import annotations

import io
import math
import re
import sys
from typing import TYPE_CHECKING

from zh import page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#0b0c0e"  # text and axes: becomes currentColor
PAPER = "#fdfefc"  # the page behind the figure: becomes var(--zh-paper)
# after Okabe and Ito (2008), darkened or lightened to 3:1 on #ffffff and on #14181e
BLUE, ORANGE, GREEN = "#2f7fd6", "#d55e00", "#0a9a6c"
PINK, OLIVE, GREY = "#b8629a", "#8a7a1e", "#7d7d85"
PALETTE = [BLUE, ORANGE, GREEN, PINK, OLIVE, GREY]


def style() -> None:
    """Set the book's style; called once, in the first cell of a chapter.

    In a static build a Figure then shows itself as SVG and as nothing else. In a kernel it is a
    picture on white, which reads in every theme of every front end.
    """
    import matplotlib
    from cycler import cycler

    paper = "none" if page.STATIC else "white"
    matplotlib.rcParams.update(
        {
            "figure.figsize": (6.0, 3.4),
            "figure.constrained_layout.use": True,
            "figure.facecolor": paper,
            "savefig.facecolor": paper,
            "axes.facecolor": "none",
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlesize": "medium",
            "axes.titlelocation": "left",
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "patch.edgecolor": INK,
            "hatch.color": INK,
            "boxplot.flierprops.color": INK,
            "grid.color": INK,
            "grid.alpha": 0.15,
            "legend.frameon": False,
            "font.family": "sans-serif",
            "font.size": 12.0,  # 16 px where the figure fills the column, 10 px on a phone
            "xtick.labelsize": 11.0,
            "ytick.labelsize": 11.0,
            "legend.fontsize": 11.0,
            "lines.linewidth": 1.8,
            "image.cmap": "viridis",
            "svg.fonttype": "none",
            "svg.hashsalt": "zh",
            "svg.image_inline": True,
            "path.simplify": True,
            "path.simplify_threshold": 0.2,
        }
    )
    _show_figures()


def _show_figures() -> None:
    """Say how a Figure is displayed, in IPython only."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None:
        return
    from matplotlib.figure import FigureBase

    try:
        from matplotlib_inline.config import InlineBackend
    except ImportError:
        pass
    else:
        # the inline backend removes every formatter of Figure when pyplot is first used, and adds
        # its own: tell it to add none, and register for the class above
        InlineBackend.instance(parent=shell).figure_formats = set()
    formatters = shell.display_formatter.formatters
    if page.STATIC:
        formatters["image/svg+xml"].for_type(FigureBase, _shown_svg)
    else:
        formatters["image/png"].for_type(FigureBase, _shown_png)


def forget(fig: Figure) -> None:
    """A figure that is shown as the value of a cell is not shown again by pyplot."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)


def _shown_svg(fig: Figure) -> str:
    forget(fig)
    return raw_svg(fig)


def _shown_png(fig: Figure) -> tuple[bytes, dict[str, int]]:
    forget(fig)
    out = io.BytesIO()
    fig.savefig(out, format="png", dpi=192)
    width, height = (round(side * 96) for side in fig.get_size_inches())
    return out.getvalue(), {"width": width, "height": height}


def new(ncols: int = 1, nrows: int = 1, *, size: tuple[float, float] | None = None, **subplots):
    """A Figure with its axes, not registered in pyplot: nothing to close, nothing shown twice.

    Args:
        ncols, nrows: the grid of axes.
        size: width and height in inches; 6 inches fill the text column.
        **subplots: handed to ``Figure.subplots`` (sharex, width_ratios, ...).

    Returns:
        ``(fig, ax)``, where ``ax`` is one Axes or an array of them, as ``plt.subplots`` gives.
    """
    from matplotlib.figure import Figure

    fig = Figure(figsize=size)
    return fig, fig.subplots(nrows, ncols, **subplots)


def raw_svg(fig: Figure) -> str:
    """The figure as an SVG document: text as text, no date, the same bytes on every run."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "zh"}):
        fig.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def to_svg(fig: Figure, alt: str, uid: str) -> str:
    """The figure as inline SVG for a page; see :func:`inline_svg`."""
    return inline_svg(raw_svg(fig), alt, uid)


# comments, metadata, the rule that would reach every element of the page, rotations by nothing,
# the figure's empty background
_NOISE = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*<style[^>]*>.*?</style>\s*</defs>"
    r'| transform="rotate\(-?0 [\d. -]*\)"|<path d="[^"]*" style="fill: none"/>',
    re.S,
)
_TAG = re.compile(r"<[^>]*>")
_REFERENCE = re.compile(r'(?:xlink:)?href="#([\w.-]+)"|url\(#([\w.-]+)\)')
_ID = re.compile(r'\s+id="([\w.-]+)"')
_GEOMETRY = re.compile(r'\b(d|x|y|x1|x2|y1|y2|cx|cy|r|width|height|points)="([^"]*)"')
_DECIMALS = re.compile(r"-?\d+\.\d+")
_FONT_FAMILY = re.compile(r"font-family:([^;\"]*);?\s*")


def _short(number: re.Match) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def inline_svg(svg_text: str, alt: str, uid: str, *, ink: str = "currentColor") -> str:
    """An SVG document as an ``<svg>`` element that belongs to a page.

    Prolog and metadata go; ids that are referred to get ``uid`` in front of them, the others go;
    the sentinel colours become ``ink`` and ``var(--zh-paper)``; coordinates keep two decimals;
    text takes the font of the page, or its monospaced one.

    Args:
        svg_text: what matplotlib wrote (or any SVG document).
        alt: what the picture shows, in words; it becomes the accessible name.
        uid: goes in front of every id: give each picture of a page its own.
        ink: the colour that the sentinel ink becomes.

    Raises:
        ValueError: no ``<svg`` in the text, no words in ``alt``, or a ``uid`` that is no id.
    """
    start = svg_text.find("<svg")
    if start < 0:
        raise ValueError("this is no SVG document: it has no <svg element")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("a figure needs an alternative text: say in words what it shows")
    if not re.fullmatch(r"[\w-]+", uid):
        raise ValueError(f"uid {uid!r} cannot begin an id: use letters, digits and hyphens")
    text = svg_text[start:].strip()
    text = _NOISE.sub("", text)

    used = {first or second for first, second in _REFERENCE.findall(text)}

    def tag(match: re.Match) -> str:
        part = match[0]
        part = _ID.sub(lambda m: f' id="{uid}-{m[1]}"' if m[1] in used else "", part)
        part = _REFERENCE.sub(
            lambda m: f'href="#{uid}-{m[1]}"' if m[1] else f"url(#{uid}-{m[2]})", part
        )
        part = part.replace("xlink:href=", "href=").replace("base64,\n", "base64,")
        part = _GEOMETRY.sub(lambda m: f'{m[1]}="{_DECIMALS.sub(_short, m[2])}"', part)
        if part.startswith(("<text", "<tspan")):
            part = _FONT_FAMILY.sub(
                lambda m: "font-family: monospace; " if "monospace" in m[1] else "", part
            )
        return part.replace(INK, ink).replace(PAPER, "var(--zh-paper, #fff)")

    text = _ungroup(re.sub(r">\s*\n\s*<", "><", _TAG.sub(tag, text)))
    head, rest = text.split(">", 1)
    width, height = _pixels(head)
    box = re.search(r'viewBox="([^"]*)"', head)
    view = _DECIMALS.sub(_short, box[1]) if box else f"0 0 {width} {height}"
    head = (
        f'<svg role="img" aria-label="{page.escape(alt.strip())}" class="zh-svg" '
        f'stroke-linejoin="round" width="{width}" height="{height}" viewBox="{view}"'
    )
    return re.sub(r"\s*\n\s*", " ", f"{head}>{rest}")


def _ungroup(svg: str) -> str:
    """Without the groups that say nothing: half of what matplotlib writes."""
    said: list[bool] = []

    def tag(match: re.Match) -> str:
        if match[0] == "</g>":
            return "</g>" if said.pop() else ""
        said.append(match[0] != "<g>")
        return match[0] if said[-1] else ""

    return re.sub(r"<g(?: [^>]*[^/])?>|</g>", tag, svg)


def _pixels(head: str) -> tuple[int, int]:
    """Width and height of an ``<svg`` tag in CSS pixels (96 an inch, 72 points an inch)."""
    sides = []
    for name, default in (("width", 576), ("height", 326)):
        found = re.search(rf'\b{name}="([\d.]+)(pt|px)?"', head)
        scale = 4 / 3 if found and found[2] == "pt" else 1
        sides.append(round(float(found[1]) * scale) if found else default)
    return sides[0], sides[1]


# -- tensor_backprop ----------------------------------------------------------------------


def _signed(ax, matrix, **options):
    """A matrix as cells: blue above zero, orange below, stronger for larger (by the root)."""
    import numpy as np
    from matplotlib.colors import to_rgb

    matrix = np.asarray(matrix, dtype=float)
    cells = np.empty((*matrix.shape, 4))
    cells[..., :3] = np.where(matrix[..., None] >= 0, to_rgb(BLUE), to_rgb(ORANGE))
    cells[..., 3] = np.sqrt(np.abs(matrix) / (np.abs(matrix).max() or 1))
    return ax.imshow(cells, interpolation="none", aspect="auto", **options)


def gradient_map(gradient, letters: str, contexts: list[str]) -> Figure:
    """The gradient of the logits, one example a row: (examples, letters)."""
    fig, ax = new(size=(6.2, 4.6))
    _signed(ax, gradient)
    ax.set_xticks(range(len(letters)), list(letters))
    ax.set_yticks(range(len(contexts)), contexts, fontsize=8, family="monospace")
    ax.tick_params(length=0)
    ax.set(xlabel="letter", ylabel="context and its next letter")
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


def pushes(gradient, letters: str, right: int) -> Figure:
    """One row of the gradient of the logits as a step of descent would use it: (letters,)."""
    fig, ax = new(size=(6.2, 2.8))
    colors = [BLUE if i == right else ORANGE for i in range(len(letters))]
    ax.bar(range(len(letters)), [-float(v) for v in gradient], color=colors)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xticks(range(len(letters)), list(letters))
    ax.set(xlabel="letter", ylabel="minus the gradient")
    return fig


def who_pays(x, dx, dout) -> Figure:
    """A column of a batch: what arrives at each output and what reaches each input. (n,) each."""
    n = len(x)
    fig, ax = new(size=(6, 3.2))
    ax.bar([i - 0.2 for i in range(n)], dout, 0.38, color=GREY, label="arrives at the output")
    ax.bar([i + 0.2 for i in range(n)], dx, 0.38, color=BLUE, label="reaches the input")
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_xticks(range(n), [f"{i}\n{v:.1f}" for i, v in enumerate(x)])
    ax.set(xlabel="example, and its value x", ylabel="gradient", ylim=(-0.55, 1.4))
    ax.legend(loc="upper center", ncols=2)
    return fig


def bessel(sizes, errors) -> Figure:
    """Relative error of a gradient without Bessel's correction, over the batch size."""
    fig, ax = new(size=(5.6, 3.2))
    ax.loglog(sizes, errors, "o-", color=BLUE)
    ax.loglog(sizes, [1 / n**1.5 for n in sizes], "--", color=GREY, linewidth=1.2)
    ax.text(sizes[-1], sizes[-1] ** -1.5 * 1.7, "$n^{-3/2}$", color=INK, ha="right")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="batch size n", ylabel="relative error of dhprebn")
    return fig


def training(losses: dict, levels: dict, average: int = 100) -> Figure:
    """Losses over the steps, averaged over blocks of `average`, with levels to read them by."""
    fig, ax = new(size=(6.2, 3.4))
    styles = [{"linewidth": 4.5, "alpha": 0.35, "color": BLUE}, {"linewidth": 1.4, "color": ORANGE}]
    for (name, values), style_ in zip(losses.items(), styles, strict=False):
        blocks = [
            sum(values[i : i + average]) / average
            for i in range(0, len(values) - average + 1, average)
        ]
        ax.plot([(i + 0.5) * average for i in range(len(blocks))], blocks, label=name, **style_)
    end = ax.get_xlim()[1]
    for name, level in levels.items():
        ax.axhline(level, color=INK, linewidth=0.8, linestyle=":")
        ax.text(end, level, name, ha="right", va="bottom", fontsize=9)
    ax.set(xlabel="step", ylabel=f"loss, mean of {average} steps")
    ax.legend(loc="center")
    return fig


def dots(groups: dict, xlabel: str) -> Figure:
    """A few measurements a row: {name: [value, ...]}, the first one the reference."""
    fig, ax = new(size=(6.2, 0.9 + 0.42 * len(groups)))
    names = list(groups)
    for row, name in enumerate(names):
        ax.plot(
            groups[name],
            [row] * len(groups[name]),
            "o",
            alpha=0.8,
            color=BLUE if row == 0 else ORANGE,
        )
    for value in (min(groups[names[0]]), max(groups[names[0]])):
        ax.axvline(value, color=BLUE, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set(xlabel=xlabel)
    return fig


def seconds_table(rows: dict, head: tuple[str, str] = ("what", "microseconds")):
    """Timings as a table, marked as such: {what: seconds}."""
    body = "".join(
        f'<tr><th scope="row">{page.escape(what)}</th>'
        f'<td><span class="zh-cost">{value * 1e6:.0f}</span></td></tr>'
        for what, value in rows.items()
    )
    columns = "".join(f'<th scope="col">{page.escape(text)}</th>' for text in head)
    text = "\n".join(f"{what}: {value * 1e6:.0f} {head[1]}" for what, value in rows.items())
    return page.Html(
        f'<div class="zh-table" tabindex="0" role="group" aria-label="{page.escape(head[1])}">'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>",
        text,
    )


# ---------------------------------------------------------------------------
# intro


def sureness(right: list[float], signs: int = 27) -> Figure:
    """The probability of the right sign by position in a name, beside a blind guess."""
    fig, ax = new(size=(6, 2.9))
    positions = range(1, len(right) + 1)
    ax.bar(positions, right, color=[ORANGE, *[BLUE] * (len(right) - 1)], width=0.75)
    ax.axhline(1 / signs, color=INK, linewidth=1, linestyle="--")
    ax.text(len(right) + 2, 1 / signs, "blind guess", ha="right", va="bottom", fontsize=9)
    ax.set(xlabel="position in the name", ylabel="probability of the right sign")
    ax.set_xticks(positions)
    ax.set_xlim(0.4, len(right) + 2)
    return fig


# ---------------------------------------------------------------------------
# backprop


def tangents(f, slopes: dict[float, float], span: tuple[float, float]) -> Figure:
    """A curve with a piece of its tangent at some points; slopes: {x: slope}."""
    import numpy as np

    fig, ax = new(size=(6.0, 3.0))
    x = np.linspace(*span, 200)
    ax.plot(x, f(x))
    for (at, slope), color in zip(slopes.items(), PALETTE[1:], strict=False):
        t = np.array([-0.75, 0.75])
        ax.plot(at + t, f(at) + slope * t, color=color, lw=3)
        ax.plot([at], [f(at)], "o", color=color)
        ax.annotate(f"slope {slope:.3g}", (at, f(at)), (8, -16), textcoords="offset points")
    ax.set(xlabel="x", ylabel="f(x)", ylim=(min(f(x)) - 10, None))
    return fig


def nudge(f, slope: float, x: float, exponent: int, errors: dict) -> Figure:
    """What a nudge of 10**-exponent sees of f at x, and how far off its answers are.

    Left: f around x, enlarged until the nudge fits, with the forward and the central chord.
    Right: the error of both formulas for every step; errors: {formula: {exponent: error}}.
    """
    h = 10.0**-exponent
    fig, (left, right) = new(2, size=(6.4, 3.0), width_ratios=[1, 1.15])
    ts = [i / 40 for i in range(-60, 61)]
    left.plot(ts, [(f(x + t * h) - f(x)) / h for t in ts], color=INK, lw=1.2)
    for start, color in ((0, BLUE), (-1, GREEN)):
        ends = (start, 1)
        left.plot(ends, [(f(x + t * h) - f(x)) / h for t in ends], "o-", color=color, ms=5)
    left.set(xlim=(-1.5, 1.5), ylim=(-2 * abs(slope), 2 * abs(slope)), xticks=[-1, 0, 1])
    left.set_xticklabels(["x - h", "x", "x + h"])
    left.set(yticks=[], title=f"a step of 1e-{exponent}")
    for (name, row), color in zip(errors.items(), (BLUE, GREEN), strict=True):
        logs = [math.log10(max(e, 1e-17)) for e in row.values()]
        right.plot([-k for k in row], logs, "o-", ms=2.5, color=color)
        right.plot([-exponent], [logs[exponent]], "o", ms=9, color=color)
        side, place = ("right", -5) if name == "forward" else ("left", -3.3)
        right.text(place, logs[4], name, ha=side, va="center")
    ticks = [-15, -12, -9, -6, -3, 0]
    right.set_xticks(ticks, [f"1e{t}" if t else "1" for t in ticks])
    right.set_yticks([-10, -5, 0], ["1e-10", "1e-5", "1"])
    right.set(xlabel="step h", title="error of the slope", ylim=(-12.5, 1.5))
    right.grid(True)
    return fig


def value_graph(graph: dict, show_grad: bool = True) -> Figure:
    """A graph of Values from left to right; graph: what `zh.autograd.graph` returns."""
    nodes, edges = graph["nodes"], graph["edges"]
    parents = {n["id"]: [e["from"] for e in edges if e["to"] == n["id"]] for n in nodes}
    users = {n["id"]: [e["to"] for e in edges if e["from"] == n["id"]] for n in nodes}
    layer: dict[int, int] = {}
    for i in parents:  # parents come first
        layer[i] = 1 + max((layer[p] for p in parents[i]), default=-1)
    for i in parents:  # a leaf stands just before its first use
        if not parents[i] and users[i]:
            layer[i] = min(layer[u] for u in users[i]) - 1
    columns: dict[int, list[int]] = {}
    for i in reversed(parents):
        columns.setdefault(layer[i], []).append(i)
    row = {i: float(r) for column in columns.values() for r, i in enumerate(column)}
    for sweep in range(8):  # each node towards the middle of its neighbours, none on another
        near = users if sweep % 2 else parents
        for k in sorted(columns, reverse=bool(sweep % 2)):
            column = columns[k]
            wish = {
                i: sum(row[j] for j in near[i]) / len(near[i]) if near[i] else row[i]
                for i in column
            }
            column.sort(key=wish.__getitem__)
            free = -math.inf
            for i in column:
                row[i] = free = max(wish[i], free + 1)
            shift = sum(wish[i] - row[i] for i in column) / len(column)
            for i in column:
                row[i] += shift
    top, high = min(row.values()), max(row.values()) - min(row.values())
    fig, ax = new(size=(0.2 + 1.02 * len(columns), 0.3 + 0.68 * (high + 1)))
    wide, tall = 0.82, 0.78
    for i, ps in parents.items():
        for k, p in enumerate(sorted(ps, key=row.__getitem__)):
            off = (k - (len(ps) - 1) / 2) * 0.22
            bend = off if ps.count(p) > 1 else 0
            ax.annotate(
                "", (layer[i] - wide / 2, row[i] - top + off),
                (layer[p] + wide / 2, row[p] - top + bend),
                arrowprops={"arrowstyle": "->", "color": GREY, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
    for n in nodes:
        x, y = layer[n["id"]], row[n["id"]] - top
        ax.add_patch(_box(x - wide / 2, y - tall / 2, wide, tall))
        name, op = n["label"], n["op"]
        ax.text(x, y - 0.2, f"{name} = {op}" if name and op else name or op or " ", ha="center",
                va="center", weight="bold", size=9)  # fmt: skip
        lines = [f"data {n['data']:.4g}", f"grad {n['grad']:.4g}"][: 1 + show_grad]
        for k, line in enumerate(lines):
            line = line.replace("-", "−")
            ax.text(x, y + 0.04 + 0.22 * k, line, ha="center", va="center", size=9)
    ax.set(xlim=(-0.5, max(columns) + 0.5), ylim=(high + 0.5, -0.5))
    ax.axis("off")
    return fig


def _box(x: float, y: float, width: float, height: float):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor=PAPER, edgecolor=INK, lw=1)


def paths(rows: dict, xlabel: str, ylabel: str, log: bool = False) -> Figure:
    """Lines over the steps of training; rows: {label: list of numbers}."""
    fig, ax = new(size=(6.0, 3.2))
    for label, values in rows.items():
        ax.plot(range(len(values)), values, label=label)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(True, axis="y")
    fig.legend(loc="outside upper center", ncols=len(rows))
    return fig


def finals(rows: dict, xlabel: str, floor: float) -> Figure:
    """One dot a run, one row a setting, on a logarithmic axis; values below `floor` stand at it."""
    fig, ax = new(size=(6.2, 0.9 + 0.42 * len(rows)))
    for k, values in enumerate(rows.values()):
        dots = [max(v, floor) for v in values]
        ax.plot(dots, [k] * len(dots), "o", color=ORANGE if k % 2 else BLUE, alpha=0.6, ms=7)
    ax.set_xscale("log")
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.grid(True, axis="x")
    return fig
