"""``explore(figure, **grid)``: one call for a figure that the reader varies.

In a kernel the controls are ipywidgets and the figure function runs again at each change. On the
static page the same function has drawn every frame when the book was built, and native inputs
choose among them. The frames are a payload that the page loads when the reader reaches for a
control; the state is in the page's address, ``#name?key=value``.
"""

from __future__ import annotations

import gzip
import inspect
import itertools
import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zh import page, plots

MAX_FRAMES = 200
FEW = 5  # so many words are radio buttons; more are a drop-down list


@dataclass(frozen=True)
class Axis:
    """One parameter: its values, as the figure function takes them and as the reader sees them."""

    name: str
    label: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]
    start: int

    @property
    def control(self) -> str:
        """``range`` for numbers in order, else ``radio`` or ``select``."""
        values = self.values
        if all(_is_number(v) for v in values):
            steps = list(itertools.pairwise(values))
            if all(a < b for a, b in steps) or all(a > b for a, b in steps):
                return "range"
        return "radio" if len(values) <= FEW else "select"


def explore(
    figure: Callable[..., Any],
    *,
    name: str,
    alt: str | Callable[..., str],
    start: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    budget_kb: float = 150,
    **grid: Sequence[Any],
):
    """Show ``figure(**parameters)`` with one control a parameter.

    Args:
        figure: draws one frame: returns a matplotlib Figure, or HTML as a string.
        name: its address in the page; unique in its chapter.
        alt: what the picture shows, in words; or a function of the parameters that says it.
        start: the values it starts with; the middle of each list where none is given.
        labels: parameter -> the words at its control; the parameter's own name otherwise.
        budget_kb: what all frames together may weigh, compressed, in kB (1000 bytes).
        **grid: parameter -> list of its values, two or more.

    Returns:
        An ipywidgets box in a kernel, a piece of HTML in a static build.

    Raises:
        ValueError, TypeError: a grid, a start, a label or an alternative text that makes no
            figure, a figure function that does not take the parameters or returns something else,
            and, in a static build, frames heavier than the budget.
    """
    page.check_name(name, "the name of an explore figure")
    if not callable(figure):
        raise TypeError(f"explore {name!r}: the first argument must be a function that draws")
    if not callable(alt) and not (isinstance(alt, str) and alt.strip()):
        raise ValueError(f"explore {name!r}: alt must say in words what the picture shows")
    axes = _axes(name, figure, grid, start or {}, labels or {})
    if page.STATIC:
        return _static(figure, name, alt, axes, budget_kb)
    return _widgets(figure, name, alt, axes)


# ---------------------------------------------------------------- the grid


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _axes(name: str, figure: Callable, grid: dict, start: dict, labels: dict) -> list[Axis]:
    where = f"explore {name!r}"
    if not grid:
        raise ValueError(f"{where}: give at least one parameter with its values, as lr=[0.1, 1.0]")
    for what, given in (("start", start), ("labels", labels)):
        unknown = [key for key in given if key not in grid]
        if unknown:
            raise ValueError(
                f"{where}: {what} names {unknown[0]!r}; the parameters are {', '.join(grid)}"
            )
    axes = []
    for key, values in grid.items():
        values = _values(f"{where}, parameter {key!r}", values)
        at = len(values) // 2
        if key in start:
            matches = [i for i, v in enumerate(values) if _same(v, start[key])]
            if not matches:
                raise ValueError(
                    f"{where}: start has {key} = {start[key]!r}, which is not one of its values "
                    f"{list(values)}"
                )
            at = matches[0]
        axes.append(Axis(key, labels.get(key, key), values, _texts(values), at))
    try:
        inspect.signature(figure).bind(**{a.name: a.values[a.start] for a in axes})
    except TypeError as error:
        raise TypeError(
            f"{where}: the figure function does not take these parameters ({error}); it takes "
            f"{inspect.signature(figure)}, the grid has {', '.join(grid)}"
        ) from None
    frames = math.prod(len(a.values) for a in axes)
    if frames > MAX_FRAMES:
        product = " x ".join(str(len(a.values)) for a in axes)
        raise ValueError(
            f"{where}: the grid has {product} = {frames} frames, more than {MAX_FRAMES}: "
            "give fewer values, or make two figures"
        )
    return axes


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _values(where: str, values: Any) -> tuple[Any, ...]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, list | tuple | range):
        raise TypeError(
            f"{where}: a list of values is expected, not a {type(values).__name__}: "
            "write [0.1, 0.3, 1.0]"
        )
    values = tuple(v.item() if hasattr(v, "item") else v for v in values)
    if len(values) < 2:
        raise ValueError(
            f"{where}: {len(values)} value is nothing to vary: give two or more, or fix the "
            "parameter with functools.partial"
            if values
            else f"{where}: the list of values is empty"
        )
    for i, value in enumerate(values):
        if not isinstance(value, numbers.Real | str | None):
            raise TypeError(
                f"{where}: value {i} is a {type(value).__name__}: numbers, words, booleans and "
                "None can stand at a control"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where}: value {i} is {value}: only finite numbers can be drawn")
        if any(_same(value, other) for other in values[:i]):
            raise ValueError(f"{where}: the value {value!r} stands there twice")
    return values


def _texts(values: tuple[Any, ...]) -> tuple[str, ...]:
    """The values as the reader sees them, in the page and in its address; all different."""
    for short in (True, False):
        texts = tuple(_text(v, short) for v in values)
        if len(set(texts)) == len(texts):
            return texts
    return tuple(repr(v) for v in values)


def _text(value: Any, short: bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}" if short else repr(value)
    return str(value)


# ---------------------------------------------------------------- one frame


def _draw(figure: Callable, name: str, parameters: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    try:
        result = figure(**parameters)
    except Exception as error:
        told = ", ".join(f"{k}={v!r}" for k, v in parameters.items())
        error.add_note(f"explore {name!r} was drawing the frame {told}")
        raise
    if isinstance(result, Figure):
        plots.forget(result)
    elif not isinstance(result, str):
        raise TypeError(
            f"explore {name!r}: the figure function must return a matplotlib Figure or HTML as a "
            f"string; it returned a {type(result).__name__}"
            + (" (is there a return?)" if result is None else "")
        )
    return result


def _words(alt: str | Callable[..., str], name: str, parameters: dict[str, Any]) -> str:
    words = alt(**parameters) if callable(alt) else alt
    if not isinstance(words, str) or not words.strip():
        raise ValueError(f"explore {name!r}: alt gives no words for {parameters}")
    return words.strip()


def _frame(result: Any, words: str, name: str, ink: str) -> str:
    if isinstance(result, str):
        return f'<div role="group" aria-label="{page.escape(words)}">{result}</div>'
    return plots.inline_svg(plots.raw_svg(result), words, name, ink=ink)


# ---------------------------------------------------------------- the static page


def _static(figure, name: str, alt, axes: list[Axis], budget_kb: float) -> page.Html:
    stored: dict[str, int] = {}  # frame -> its number; equal frames are stored once
    order = []
    for values in itertools.product(*(a.values for a in axes)):
        parameters = dict(zip((a.name for a in axes), values, strict=True))
        words = _words(alt, name, parameters)
        frame = _frame(_draw(figure, name, parameters), words, name, "currentColor")
        order.append(stored.setdefault(frame, len(stored)))
    frames = list(stored)
    first = 0
    for axis in axes:
        first = first * len(axis.values) + axis.start
    data = {"frames": frames, "order": order}
    weight = len(gzip.compress(page.to_json(data).encode(), mtime=0)) / 1000
    if weight > budget_kb:
        raise ValueError(
            f"explore {name!r}: its {len(frames)} frames weigh {weight:.0f} kB compressed, "
            f"{weight - budget_kb:.0f} kB over the budget of {budget_kb:g} kB. Draw fewer points, "
            "rasterize the dense layers, give the grid fewer values, or set budget_kb"
        )
    spec = {
        "names": [a.name for a in axes],
        "values": [a.texts for a in axes],
        "start": [a.start for a in axes],
    }
    controls = "".join(_control(name, axis) for axis in axes)
    label = ", ".join(a.label for a in axes)
    body = (
        f'<div class="zh-explore" id="{name}" role="group" aria-label="Vary {page.escape(label)}" '
        f'data-spec="{page.escape(page.to_json(spec))}">'
        f'<form class="zh-controls" method="dialog">{controls}</form>'
        f'<div class="zh-frame">{frames[order[first]]}</div>'
        '<p class="zh-live" aria-live="polite"></p>'
        f"{page.payload(data)}</div>"
    )
    return page.Html(body, f"[a figure that varies with {label}]")


def _control(name: str, axis: Axis) -> str:
    """One native input with its label. ``data-axis`` ties it to the parameter."""
    ident, label = f"{name}-{axis.name}".replace("_", "-"), page.escape(axis.label)
    if axis.control == "range":
        text = page.escape(axis.texts[axis.start])
        return (
            f'<div class="zh-control"><label for="{ident}">{label}</label>'
            f'<input type="range" id="{ident}" data-axis="{axis.name}" min="0" '
            f'max="{len(axis.values) - 1}" step="1" value="{axis.start}" aria-valuetext="{text}" '
            f'autocomplete="off"><output for="{ident}" aria-live="off">{text}</output></div>'
        )
    if axis.control == "radio":
        rows = "".join(
            f'<label><input type="radio" name="{ident}" data-axis="{axis.name}" value="{i}" '
            f'autocomplete="off"{" checked" if i == axis.start else ""}> '
            f"<span>{page.escape(text)}</span></label>"
            for i, text in enumerate(axis.texts)
        )
        return f'<fieldset class="zh-control"><legend>{label}</legend>{rows}</fieldset>'
    rows = "".join(
        f'<option value="{i}"{" selected" if i == axis.start else ""}>{page.escape(text)}</option>'
        for i, text in enumerate(axis.texts)
    )
    return (
        f'<div class="zh-control"><label for="{ident}">{label}</label>'
        f'<select id="{ident}" data-axis="{axis.name}" autocomplete="off">{rows}</select></div>'
    )


# ---------------------------------------------------------------- a kernel


def _widgets(figure, name: str, alt, axes: list[Axis]):
    import html
    import traceback

    import ipywidgets

    kinds = {
        "range": ipywidgets.SelectionSlider,
        "radio": ipywidgets.ToggleButtons,
        "select": ipywidgets.Dropdown,
    }
    controls = {}
    for axis in axes:
        more = {"continuous_update": False} if axis.control == "range" else {}
        controls[axis.name] = kinds[axis.control](
            options=list(zip(axis.texts, axis.values, strict=True)),
            value=axis.values[axis.start],
            description=axis.label,
            style={"description_width": "initial"},
            layout=ipywidgets.Layout(width="auto", max_width="36rem"),
            **more,
        )
    picture = ipywidgets.HTML()
    drawn: dict[tuple, str] = {}

    def frame() -> str:
        parameters = {key: control.value for key, control in controls.items()}
        at = tuple(control.index for control in controls.values())
        if at not in drawn:
            words = _words(alt, name, parameters)
            drawn[at] = _frame(_draw(figure, name, parameters), words, name, plots.INK)
        return drawn[at]

    def changed(_change) -> None:
        try:
            picture.value = frame()
        except Exception:  # a callback's error is otherwise seen by nobody
            picture.value = f"<pre>{html.escape(traceback.format_exc())}</pre>"

    for control in controls.values():
        control.observe(changed, "value")
    picture.value = frame()  # the first frame's error is raised in the cell
    return ipywidgets.VBox([*controls.values(), picture])
