"""The crosswalk: what each lecture shows, beside this book's section and the name in `zh`.

One data file, `book/crosswalk.yml` (its head says what a row holds), is shown twice:

    ```{crosswalk}               the lectures of this page, a section each
    ```
    ```{crosswalk} backprop      the rows that lead to one chapter, by lecture
    ```

The second is added to the end of each chapter, folded, without a line in the chapter's text. A row
that is not well formed stops the build. So does a link to a place that a chapter does not have, a
name that `zh` does not have, and a row that leads to a written chapter as a whole.
"""

import functools
import re
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from docstrings import name_link
from sections import place, stands

log = logging.getLogger(__name__)
FILE = Path(__file__).resolve().parents[1] / "crosswalk.yml"
KINDS = {"item": "", "exercise": "Exercise", "erratum": "Erratum"}
KEYS = {*KINDS, "at", "got", "today", "book", "zh"}
TIME = re.compile(r"(?:(\d):)?(\d?\d):(\d\d)")
FOLD = """

:::{{fold-start}} Where the lectures show this
:kind: crosswalk
:name: crosswalk-{chapter}
:::

```{{crosswalk}} {chapter}
```

:::{{fold-end}}
:::
"""


def _list(value) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def measured(text: str) -> str:
    """Put in what benchmarks/lectures.py measured: {measured:kaiming} -> 2.1070."""
    from zh import recorded

    rows = {row["name"]: row["measured"] for row in recorded.load("lectures")["rows"]}

    def number(match: re.Match) -> str:
        if match[1] not in rows:
            raise ExtensionError(f"crosswalk.yml: nothing measured is called {match[1]!r}; "
                                 f"there is {', '.join(rows)}")  # fmt: skip
        return f"{rows[match[1]]:.4f}"

    return re.sub(r"\{measured:([^{}]+)\}", number, text)


def load(file: Path = FILE) -> list[dict]:
    """The lectures, checked: each row has `kind`, `text`, `book` and `zh` as lists, `seconds`."""
    lectures = yaml.safe_load(file.read_text("utf8")) if file.is_file() else []
    for lecture in lectures:
        for number, row in enumerate(lecture["rows"], 1):
            where = f"{file.name}, {lecture['lecture']}, row {number}"
            kinds = [kind for kind in KINDS if kind in row]
            if len(kinds) != 1 or set(row) - KEYS:
                raise ExtensionError(f"{where}: a row has one of {', '.join(KINDS)}, and of "
                                     f"{', '.join(sorted(KEYS))} nothing else")  # fmt: skip
            if "book" not in row:
                raise ExtensionError(f"{where}: no place in the book; say [] where it has none")
            time = TIME.fullmatch(row.get("at", "0:00"))
            if not time:
                raise ExtensionError(f"{where}: a time is like 1:09:02, not {row['at']!r}")
            hours, minutes, seconds = (int(part or 0) for part in time.groups())
            row |= {"kind": kinds[0], "text": row[kinds[0]], "zh": _list(row.get("zh"))}
            row |= {"book": _list(row["book"]), "seconds": 3600 * hours + 60 * minutes + seconds}
    return lectures


loaded = functools.cache(load)


def chapters() -> set[str]:
    """The chapters that rows lead to."""
    return {target.partition("#")[0] for lecture in loaded() for row in lecture["rows"]
            for target in row["book"]}  # fmt: skip


def of_chapter(chapter: str) -> list[dict]:
    """The lectures with the rows that lead to this chapter, others left out."""
    found = []
    for lecture in loaded():
        rows = [r for r in lecture["rows"]
                if any(t.partition("#")[0] == chapter for t in r["book"])]  # fmt: skip
        if rows:
            found.append({**lecture, "rows": rows})
    return found


class Crosswalk(SphinxDirective):
    optional_arguments = 1

    def run(self):
        self.env.note_dependency(str(FILE))
        if not self.arguments:
            here = self.env.docname.rpartition("/")[2]
            return [self._section(lec) for lec in loaded() if lec.get("page", "crosswalk") == here]
        found = []
        for lecture in of_chapter(self.arguments[0]):
            title = nodes.paragraph("", "", self._video(lecture, lecture["title"]))
            found += [title, self._rows(lecture)]
        return found

    def _section(self, lecture: dict):
        section = nodes.section(ids=[nodes.make_id(f"lecture {lecture['lecture']}")])
        section += nodes.title("", lecture["lecture"])
        section += nodes.paragraph("", "", self._video(lecture, lecture["title"]))
        section += self._rows(lecture)
        return section

    def _video(self, lecture: dict, text: str, seconds: int | None = None):
        at = "" if seconds is None else f"&t={seconds}s"
        address = f"https://www.youtube.com/watch?v={lecture['video']}{at}"
        return nodes.reference("", text, refuri=address)

    def _rows(self, lecture: dict):
        found = nodes.bullet_list(classes=["zh-crosswalk"])
        for row in lecture["rows"]:
            found += self._row(lecture, row)
        return found

    def _row(self, lecture: dict, row: dict):
        head = nodes.paragraph()
        if "at" in row:
            link = self._video(lecture, row["at"], row["seconds"])
            head += [link, nodes.Text(" ")]
        if KINDS[row["kind"]]:
            head += [nodes.inline("", KINDS[row["kind"]], classes=["zh-row-kind"]), nodes.Text(" ")]
        head += self._inline(row["text"])
        item = nodes.list_item("", head)
        facts = [("There", row.get("got")), ("Today", row.get("today"))]
        facts = [(label, text) for label, text in facts if text]
        if facts:
            text = nodes.paragraph()
            for label, fact in facts:
                text += nodes.emphasis("", f"{label}: ")
                text += self._inline(measured(fact))
                text += nodes.Text(" ")
            item += text
        item += self._here(row)
        return item

    def _inline(self, text: str) -> list[nodes.Node]:
        return self.parse_inline(text)[0]

    def _here(self, row: dict):
        targets = dict.fromkeys(t if stands(self.env, t) else t.partition("#")[0]
                                for t in row["book"])  # fmt: skip
        links = [place(target=target) for target in targets]
        for target in row["book"]:
            if "#" not in target and stands(self.env, target):
                log.warning("crosswalk.yml: %s.md is written, and the row %r leads to no place in "
                            "it", target, row["text"], location=self.get_location())  # fmt: skip
        links += [name_link("", name) for name in row["zh"]]
        text = nodes.paragraph(classes=["zh-here"])
        for i, link in enumerate(links or [nodes.Text("Not in this book.")]):
            text += [*([nodes.Text(" · ")] if i else []), link]
        return text


def _append(app, docname: str, source: list[str]) -> None:
    chapter = docname.removeprefix("book/")
    if chapter in chapters():
        source[0] = source[0].rstrip("\n") + FOLD.format(chapter=chapter)


def setup(app):
    app.add_directive("crosswalk", Crosswalk)
    app.connect("source-read", _append)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
