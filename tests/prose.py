"""What of a chapter is prose, and which of its numbers were typed by hand.

A measured number belongs in the prose by `{glue:text}`, so that it is the number of the run. What
is no measurement (a constant, a setting, a version) says so with {fixed}`0.001`, or is code or
a formula. `typed_numbers` finds the rest: decimals, percentages, numbers with a thousands comma,
and amounts of time and memory.
"""

from __future__ import annotations

import re

CELL = re.compile(r"^(`{3,}|~{3,})\{code-cell\}[^\n]*\n(.*?)^\1[ \t]*$", re.M | re.S)
OPTIONS = re.compile(r"\A---\n(.*?)\n---\n", re.S)
CAPTION = re.compile(  # "...", '...', a folded block, or the rest of the line
    r"""\bcaption:\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'"""
    r"""|[|>][^\n]*\n(?:\s+[^\n]*\n?)+|[^\n}]*)"""
)
NOT_PROSE = [
    re.compile(pattern, re.M | re.S)
    for pattern in (
        r"\A---\n.*?\n---\n",  # front matter
        r"^ *(`{3,}|~{3,})(?!\{)[^\n]*\n.*?^ *\1[ \t]*$",  # code
        r"^ *(`{3,}|~{3,}|:{3,})\{(?:math|code-block|literalinclude|code)\}.*?^ *\1[ \t]*$",
        r"^ *[:`~]{3,}\{(?:predict|exercise)\}[^\n]*",  # their argument is a name
        r"^ *[:`~]{3,}\{[\w:-]+\}",
        r"^ *:[\w-]+:[^\n]*$",  # options of a directive
        r"^%[^\n]*$|^\([\w-]+\)=[ \t]*$",
        r"\{[\w:.+-]+\}(`+).+?\1",  # roles
        r"(`+)(?!`).+?(?<!`)\1(?!`)",
        r"\$\$.+?\$\$",
        r"\$[^$\n]+(?:\n[^$\n]+)*\$",
        r"\]\([^()\s]*\)|<[^<>\n]*>|https?://\S+",
        r"^ *(?:\d+\.)+ ",  # numbers of a list
    )
]
UNIT = r"(?:s|ms|µs|seconds?|milliseconds?|[kKMG]i?B|kilobytes?|megabytes?|gigabytes?)"
TYPED = re.compile(
    r"(?<![\w.,-])-?(?:"
    r"\d+(?:\.\d+)?\s?(?:%|per ?cent\b)"
    r"|\d+\.\d+(?:e-?\d+)?(?![\w]|\.\d)"
    r"|\d+e-?\d+\b"
    r"|\d{1,3}(?:,\d{3})+\b"
    rf"|\d+\s{UNIT}\b"
    r")"
)  # fmt: skip


def blank(text: str) -> str:
    """The same length and the same lines, without letters."""
    return re.sub(r"[^\n]", " ", text)


def prose(text: str) -> str:
    """A chapter with all but its running text and its captions blanked; lines keep their number."""

    def captions(match: re.Match) -> str:
        whole, options = match[0], OPTIONS.match(match[2])
        caption = CAPTION.search(options[1]) if options else None
        if not caption:
            return blank(whole)
        start = match.start(2) - match.start(0) + options.start(1) + caption.start(1)
        end = start + len(caption[1])
        return blank(whole[:start]) + whole[start:end] + blank(whole[end:])

    text = CELL.sub(captions, text)
    for pattern in NOT_PROSE:
        text = pattern.sub(lambda m: blank(m[0]), text)
    return text


def typed_numbers(text: str) -> list[tuple[int, str]]:
    """The numbers of a chapter's prose that no run computed: (line, number)."""
    seen = prose(text)
    return [(seen.count("\n", 0, m.start()) + 1, m[0]) for m in TYPED.finditer(seen)]


def cells(text: str) -> list[tuple[int, str]]:
    """The code cells of a chapter without their options: (line of the fence, source)."""
    found = []
    for match in CELL.finditer(text):
        source = re.sub(r"\A(?:---\n.*?\n---\n|(?::[\w-]+:[^\n]*\n)+)", "", match[2], flags=re.S)
        found.append((text.count("\n", 0, match.start()) + 1, source.rstrip("\n")))
    return found


def words(text: str) -> int:
    """How many words of prose a chapter has."""
    return len(re.findall(r"[A-Za-z][\w'-]*", prose(text)))
