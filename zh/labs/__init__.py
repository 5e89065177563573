"""Labs: interactive figures with logic of their own, one ES module each, no framework.

A lab is ``zh/labs/<name>.js``. It imports from ``base.js``, in its first line, and has one
``export default { render({ model, el }) { ... } }``. In a second line it may import from a module
that labs share (``network.js``, a GPT); that module's text then becomes part of the lab. The same
file is a widget in a kernel (through anywidget) and, in the static page, a classic script that also
works when the page is opened from disk, where a browser loads no modules. Both are made from it by
the plain text rules below.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from zh import page

FOLDER = Path(__file__).parent
SHARED = ("network",)  # modules for labs, beside the base; each imports from the base alone

_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*.*?\*/[ \t]*)\n", re.M | re.S)
_IMPORT = re.compile(
    r'^import\s*(?:\{(?P<names>[^}]*)\}|\*\s*as\s+(?P<space>\w+))\s*from\s*"\./base\.js";?[ \t]*\n'
)
_SHARED = re.compile(
    r'^import\s*\{(?P<names>[^}]*)\}\s*from\s*"\./(?P<file>'
    + "|".join(SHARED)
    + r')\.js";?[ \t]*\n'
)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+)?(?:function\*?|const|let|class)\s+(\w+))", re.M)
_DEFAULT = "export default {"


def names() -> list[str]:
    """The labs that exist, in alphabetical order."""
    return sorted(file.stem for file in FOLDER.glob("*.js") if file.stem not in ("base", *SHARED))


def source(name: str) -> str:
    """The ES module of a lab, or of ``base``.

    Raises:
        ValueError: there is no such lab; the message names those that exist.
    """
    file = FOLDER / f"{name}.js"
    if not re.fullmatch(r"\w+", str(name)) or not file.is_file():
        near = difflib.get_close_matches(str(name), names(), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"there is no lab {name!r}.{hint} Labs that exist: {', '.join(names()) or 'none'}; "
            f"a new one is a file zh/labs/{name}.js"
        )
    return file.read_text("utf8")


def classic(name: str) -> str:
    """A lab, or ``base``, as a classic script: it puts what it exports at ``zhLabs[name]``.

    A page opened from disk may load classic scripts and nothing else. Load ``base`` first.

    Raises:
        ValueError: no such lab, or its text does not have the shape that is described above.
    """
    text = _COMMENT.sub("", source(name))
    if name == "base":
        body = _strip_exports(text)
    else:
        imported, text = _split_import(name, text)
        body = f"{imported('window.zhLabs.base')}\n{_named_default(name, text)}\nreturn zhLab;"
    return f'(window.zhLabs??={{}})["{name}"]=(function(){{"use strict";\n{body}\n}})();\n'


def module(name: str) -> str:
    """A lab as one ES module with the base in front of it, as anywidget takes it."""
    imported, text = _split_import(name, _COMMENT.sub("", source(name)))
    return (
        f"const zhBase = (() => {{\n{_strip_exports(_COMMENT.sub('', source('base')))}\n}})();\n"
        f"{imported('zhBase')}\n{_named_default(name, text)}\n"
        "export default { render(context) {\n"
        '  context.el.classList.add("zh-lab");\n'
        '  context.el.setAttribute("role", "group");\n'
        '  context.el.setAttribute("aria-label", context.model.get("title"));\n'
        "  return zhLab.render(context);\n} };\n"
    )


def _strip_exports(text: str) -> str:
    """A module of named exports as the body of a function that returns them."""
    exported = _EXPORT.findall(text)
    return f"{_EXPORT.sub('', text)}\nreturn {{ {', '.join(exported)} }};"


def _split_import(name: str, text: str):
    """The import line as a function of where the base is, and the text after it."""
    text = text.lstrip()
    found = _IMPORT.match(text)
    if not found:
        raise ValueError(
            f'zh/labs/{name}.js: the first line must be import {{ ... }} from "./base.js"; '
            f"it is {text.splitlines()[0] if text else 'missing'!r}"
        )
    rest = text[found.end() :]
    if shared := _SHARED.match(rest):
        rest = rest[shared.end() :]
    if re.search(r"^import\b", rest, re.M):
        raise ValueError(
            f"zh/labs/{name}.js: a lab imports from base.js alone, in one line, and in a second "
            f"one from {', '.join(SHARED)}.js"
        )
    before = (lambda base: "") if not shared else _inlined(name, shared["file"], shared["names"])
    if found["space"]:
        return (lambda base: f"const {found['space']} = {base};{before(base)}"), rest
    wanted = found["names"].replace(" as ", ": ").strip()
    unknown = [
        part.split(":")[0].strip()
        for part in wanted.split(",")
        if part.strip() and part.split(":")[0].strip() not in _EXPORT.findall(source("base"))
    ]
    if unknown:
        raise ValueError(f"zh/labs/{name}.js imports what base.js has not: {', '.join(unknown)}")
    return (lambda base: f"const {{ {wanted} }} = {base};{before(base)}"), rest


def _inlined(name: str, file: str, names: str):
    """What a lab imports from a shared module: that module's text, as a function of the base."""
    imported, text = _split_import(file, _COMMENT.sub("", source(file)))
    wanted = [part.strip() for part in names.split(",") if part.strip()]
    if unknown := [part for part in wanted if part not in _EXPORT.findall(text)]:
        raise ValueError(
            f"zh/labs/{name}.js imports what {file}.js has not: {', '.join(unknown)}"
        )
    return lambda base: (
        f"\nconst {{ {', '.join(wanted)} }} = (() => {{\n{imported(base)}\n"
        f"{_strip_exports(text)}\n}})();"
    )


def _named_default(name: str, text: str) -> str:
    if len(re.findall(r"^export default\b", text, re.M)) != 1 or text.count(_DEFAULT) != 1:
        raise ValueError(
            f"zh/labs/{name}.js must have exactly one line that begins with {_DEFAULT!r}"
        )
    return _EXPORT.sub("", text).replace(_DEFAULT, "const zhLab = {")


def lab(kind: str, /, *, name: str, title: str, data: object = None, **state: object):
    """Show a lab: a widget in a kernel, the same module on the static page.

    Args:
        kind: which lab, the name of its file.
        name: its address in the page, ``#name?key=value``; unique in its chapter.
        title: what it is, in words; its visible title and its accessible name.
        data: large read-only data (dicts, lists, numbers, strings, arrays, tensors).
        **state: the small state it starts with; numbers, strings, booleans, lists of them.

    Raises:
        ValueError: no such lab, a name that is no address, no title, or data that JSON has not.
    """
    source(kind)
    page.check_name(name, "the name of a lab")
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"lab {kind!r} needs a title that says what it is")
    for key, value in state.items():
        page.to_json(value)
        if key in ("title", "el") or key.startswith("_"):
            raise ValueError(f"a lab cannot have state called {key!r}: choose another word")
    if page.STATIC:
        return _static(kind, name, title, data, state)
    return _widget(kind, title, data, state)


def _static(kind: str, name: str, title: str, data: object, state: dict) -> page.Html:
    words = page.escape(title)
    body = (
        f'<div class="zh-lab" id="{name}" data-lab="{kind}" role="group" aria-label="{words}">'
        f'<p class="zh-lab-title">{words}</p>'
        f'<script type="application/json" class="zh-state">{page.to_json(state)}</script>'
        + ("" if data is None else page.payload(data))
        + '<div class="zh-lab-body"><noscript><p>This lab needs JavaScript. The text around it '
        "says what it shows.</p></noscript></div></div>"
    )
    return page.Html(body, f"[lab: {title}]")


def _widget(kind: str, title: str, data: object, state: dict):
    import json

    import anywidget
    import traitlets

    taken = [key for key in state if hasattr(anywidget.AnyWidget, key)]
    if taken:
        raise ValueError(f"a lab cannot have state called {taken[0]!r}: widgets use that word")
    everything = {**state, "data": data, "title": title}
    plain = {key: json.loads(page.to_json(value)) for key, value in everything.items()}
    members: dict[str, object] = {
        key: traitlets.Any(value).tag(sync=True) for key, value in plain.items()
    }
    members["_esm"] = module(kind)
    members["_css"] = (FOLDER / "labs.css").read_text("utf8")
    return type("Lab", (anywidget.AnyWidget,), members)()
