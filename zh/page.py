"""How an object of the book shows itself: as a static page or in a live kernel.

The site is built with ``ZH_STATIC_BUILD=1`` in the environment. Interactive objects then return
HTML that works without a kernel; in a notebook the same calls return live widgets. Modules read
``page.STATIC`` when they are called, never when they are imported.
"""

from __future__ import annotations

import html
import inspect
import json
import os
import re
import textwrap

STATIC: bool = os.environ.get("ZH_STATIC_BUILD") == "1"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Html:
    """A piece of HTML that a notebook shows, with a plain text for front ends that show none."""

    def __init__(self, body: str, text: str = "") -> None:
        self.body, self.text = body, text

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.body, "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text or "[HTML]"


class Source:
    """The source of functions, methods, classes or a module: the code itself, not a copy of it."""

    def __init__(self, *things: object) -> None:
        texts = [textwrap.dedent(inspect.getsource(thing)).strip() for thing in things]
        self.text = "\n\n\n".join(texts)

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.text}\n```"

    def __repr__(self) -> str:
        return self.text


def escape(text: object) -> str:
    """``text`` for HTML, quotes included, so that it may stand in an attribute."""
    return html.escape(str(text), quote=True)


def _plain(value: object) -> object:
    """Arrays, tensors and numpy numbers as what JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        f"{type(value).__name__} cannot be written as JSON: "
        "give lists, dicts, numbers, strings, arrays or tensors"
    )


def to_json(value: object) -> str:
    """``value`` as compact JSON that may stand inside ``<script>``.

    Raises:
        ValueError: a number is NaN or infinite (JSON has neither).
        TypeError: something in it has no JSON form.
    """
    try:
        text = json.dumps(
            value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
        )
    except ValueError as error:
        raise ValueError(
            f"the data for the page holds a number that JSON cannot write ({error}): "
            "replace NaN and infinities by None or by a string"
        ) from None
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def payload(value: object) -> str:
    """Large read-only data as a script element; the site's build moves it into a file of its own,
    which the page fetches when it is needed."""
    return f'<script type="application/json" class="zh-payload">{to_json(value)}</script>'


def check_name(name: object, what: str) -> str:
    """``name`` if it can be an id in the page and stand in its address; else a clear error."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} cannot be used as an address: use small letters, digits and single "
            "hyphens, a letter first, for instance 'step-size'"
        )
    return name
