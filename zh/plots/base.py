"""The book's one matplotlib style, and how a figure becomes a picture of the page.

A figure is SVG with text as text. Its ink is a sentinel colour, which becomes ``currentColor`` when
the site puts the SVG into the page, so that one picture is right in the light and in the dark
theme. The colours of the palette have a contrast of at least 3:1 on white and on the dark page.
"""

from __future__ import annotations

import io
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
