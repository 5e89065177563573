"""MyST Markdown as plain Markdown: what Colab and JupyterLab show without knowing MyST.

`plain(text, book)` rewrites one Markdown cell. Directives become quotes, headings or `<details>`;
roles become the text that the site shows in their place; a link that has no meaning outside the
site becomes its text. `book` answers what the text alone does not say (see `Book`). A directive or
role that is not known here is an error: it would reach the reader as markup.

What is left out: tables of contents, bibliographies, margins' positions, cross-reference numbers
of anything but figures.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Protocol

FENCE = re.compile(r"^(?P<indent> *)(?P<mark>:{3,}|`{3,}|~{3,})\{(?P<name>[\w:-]+)\} *(?P<arg>.*)$")
CODE = re.compile(r"^ *(`{3,}|~{3,})(?!\{).*$")
# a label, a comment, attributes of a block, a cell break
SKIPPED = re.compile(r"^\([\w-]+\)=\s*$|^%|^\{[.#][^}`]*\}\s*$|^\+\+\+")
INLINE = re.compile(
    r"\{(?P<role>[\w:.+-]+)\}(?P<tick>`+)(?P<text>.+?)(?P=tick)(?!`)"
    r"|(?P<code>(?P<q>`+)(?!`).+?(?<!`)(?P=q)(?!`))"
    r"|(?P<math>\$\$.+?\$\$|\$[^$\n]+(?:\n[^$\n]+)*\$)"
    r"|(?<!!)\[(?P<label>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]*)\)",
    re.S,
)
NOTES = {
    name: name.capitalize()
    for name in ("note", "tip", "hint", "important", "warning", "caution", "attention", "danger")
} | {"seealso": "See also"}


class Unknown(ValueError):
    """A directive or a role that plain Markdown has no form for yet."""


class Book(Protocol):
    """What the text of a cell refers to."""

    def glued(self, page: str, key: str, spec: str) -> str:
        """The value that a cell of `page` ("" for this one) glued, formatted."""

    def title(self, target: str) -> str:
        """The text of a link to `target` that has none of its own."""

    def number(self, target: str) -> str:
        """ "Fig. 1.2" for a figure's name."""

    def notebook(self, page: str) -> str:
        """The file name of the notebook of `page`, or "" when it has none."""

    def citation(self, key: str) -> str:
        """A source as Markdown: [Author (year)](address)."""

    def exercise(self, name: str) -> tuple[str, int, list[str]]:
        """Title, minutes and choices of an exercise."""

    def fold_start(self, title: str, kind: str) -> str:
        """What opens a fold."""

    def fold_end(self) -> str:
        """What closes the fold that was opened last."""


def options_of(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split the inside of a directive into its options and its body."""
    options = {}
    rest = list(lines)
    while rest and (match := re.match(r"^\s*:([\w-]+):\s*(.*)$", rest[0])):
        options[match[1]] = match[2].strip()
        rest.pop(0)
    return options, rest


def quote(title: str, *parts: str) -> str:
    """A block quote with a bold first line."""
    text = "\n\n".join(filter(None, [f"**{title}.**", *parts]))
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def inline(text: str, book: Book) -> str:
    """Roles and links of running text; code spans and formulas stay as they are."""

    def one(match: re.Match) -> str:
        if match["role"]:
            return role(match["role"], match["text"].strip(), book)
        if match["target"] is not None:
            return link(match["label"], match["target"], book)
        return match[0]

    return INLINE.sub(one, text)


def role(name: str, text: str, book: Book) -> str:
    """What the site shows in the place of {name}`text`."""
    shown = re.match(r"^(.*?)\s*<([^<>]+)>$", text, re.S)  # {ref}`its text <target>`
    if name == "glue:text":
        key, colon, spec = text.rpartition(":")
        page, _, key = (key if colon else text).rpartition("::")
        return book.glued(page, key, spec if colon else "s")
    if name == "fixed":
        return text
    if name.startswith("cite"):
        return ", ".join(book.citation(key.strip()) for key in text.split(","))
    if name == "numref":
        target = shown[2] if shown else text
        number = book.number(target)
        return shown[1].replace("{number}", number).replace("%s", number) if shown else number
    if name in ("ref", "doc", "eq", "term", "any"):
        return shown[1] if shown else book.title(text)
    if name == "math":
        return f"${text}$"
    if name in ("code", "kbd", "py:func", "py:class", "py:mod"):
        return f"`{text}`"
    if name in ("sub", "sup", "abbr"):
        return f"<{name}>{text}</{name}>"
    raise Unknown(f"the role {{{name}}} has no form in a notebook: add one to plain_markdown.role")


def link(label: str, target: str, book: Book) -> str:
    """A link that works outside the site, or its text."""
    label = inline(label, book)
    if re.match(r"^(https?|mailto):", target):
        return f"[{label}]({target})"
    page, _, anchor = target.partition("#")
    label = label or book.title(anchor or page)
    file = book.notebook(page) if page else ""
    return f"[{label}]({file})" if file else label


def directive(name: str, argument: str, lines: list[str], book: Book) -> str:
    """One block directive as plain Markdown."""
    options, rest = options_of(lines)
    body = textwrap.dedent("\n".join(rest)).strip("\n")

    def inside() -> str:
        return plain(body, book)

    if name == "math":
        return f"$$\n{body or argument}\n$$"
    if name in ("code", "code-block", "sourcecode"):
        return f"```{argument}\n{body}\n```"
    if name in NOTES:
        return quote(NOTES[name], inside())
    if name in ("margin", "admonition", "sidebar", "topic", "aside"):
        return quote(inline(argument, book), inside())
    if name == "predict":
        choices = [c.strip() for c in options.get("choices", "").split("|") if c.strip()]
        return quote("Predict, then run", inside(), "\n".join(f"- {c}" for c in choices))
    if name == "exercise":
        title, minutes, choices = book.exercise(argument)
        time = f"{minutes} minute{'s' * (minutes != 1)}"
        return quote(f"Exercise: {title} ({time})", inside(), "\n".join(f"- {c}" for c in choices))
    if name == "fold-start":
        return book.fold_start(inline(argument, book), options.get("kind", "discussion"))
    if name == "fold-end":
        return book.fold_end()
    if name == "list-table":
        return list_table(body, inline(argument, book), book)
    if name == "table":
        return f"{inside()}\n\n*{inline(argument, book)}*"
    if name == "glossary":
        return inside()
    if name in ("contents", "tableofcontents", "bibliography", "index", "claims-ledger"):
        return ""
    raise Unknown(
        f"the directive {{{name}}} has no form in a notebook: add one to plain_markdown.directive"
    )


def list_table(body: str, caption: str, book: Book) -> str:
    """`* - a` / `  - b` rows as a Markdown table; the first row is the head."""
    rows: list[list[str]] = []
    for line in body.splitlines():
        if match := re.match(r"^\* - ?(.*)$", line):
            rows.append([match[1]])
        elif match := re.match(r"^  - ?(.*)$", line):
            rows[-1].append(match[1])
        elif line.strip() and rows:
            rows[-1][-1] += " " + line.strip()
    cells = [[inline(cell.strip(), book).replace("|", r"\|") for cell in row] for row in rows]
    table = [f"| {' | '.join(row)} |" for row in cells]
    table.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join([*table, "", f"*{caption}*"] if caption else table)


def blocks(text: str, on_text: Callable[[str], str], on_block: Callable[..., str]) -> str:
    """Walk over a text: `on_text` gets what is outside of fences, `on_block` each directive."""
    lines, out, held = text.splitlines(), [], []

    def flush() -> None:
        if held:
            out.append(on_text("\n".join(held)))
            held.clear()

    at = 0
    while at < len(lines):
        line = lines[at]
        fence, code = FENCE.match(line), CODE.match(line)
        if fence or code:
            flush()
            mark = fence["mark"] if fence else code[1]
            close = re.compile(rf"^ *{re.escape(mark[0])}{{{len(mark)},}}\s*$")
            ends = (i for i in range(at + 1, len(lines)) if close.match(lines[i]))
            end = next(ends, None)
            if end is None:
                raise Unknown(f"a fence is never closed: {line.strip()}")
            if fence:
                made = on_block(fence["name"], fence["arg"].strip(), lines[at + 1 : end])
                out.append(textwrap.indent(made, fence["indent"]))
            else:
                out.append("\n".join(lines[at : end + 1]))
            at = end + 1
            continue
        if not SKIPPED.match(line):
            held.append(line)
        at += 1
    flush()
    return "\n".join(out)


def plain(text: str, book: Book) -> str:
    """One cell's MyST Markdown as plain Markdown."""
    return blocks(
        text,
        lambda t: inline(t, book),
        lambda name, argument, lines: directive(name, argument, lines, book),
    ).strip("\n")
