"""The list of all exercises, predictions and labs, beside which a reader sees their own progress.

    ```{practice-list}
    ```

What the chapters ask is collected while they are read (`env.metadata[docname]["zh_asked"]`), labs
from what their runs showed. The list is plain links; `_site/practice.js`, loaded where the list is,
reads what the browser has kept (`localStorage`, see site.js) and writes it beside each line. That
works by name, so a prediction or a lab whose name stands in two chapters stops the build.
"""

import re
from html import escape, unescape

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from ledgers import _in_order
from prompts import block

LAB = re.compile(r'<div class="zh-lab" id="([^"]+)"[^>]*aria-label="([^"]*)"')
LONGEST = 140  # letters of a question


class practice_list(nodes.General, nodes.Element):
    """Filled when the page is written: other pages may not have been read before."""


class PracticeList(SphinxDirective):
    def run(self):
        return [practice_list()]


def question(node: block) -> str:
    """What a prediction asks: its last paragraph, or as much of its end as fits a line."""
    asked = [p for p in node.findall(nodes.paragraph) if p.astext().strip()]
    text = " ".join(asked[-1].astext().split()) if asked else node["title"]
    sentences = re.split(r"(?<=[.?!:]) (?=[A-Z(])", text)
    while len(sentences) > 1 and len(" ".join(sentences)) > LONGEST:
        sentences.pop(0)
    text = " ".join(sentences)
    return text if len(text) <= LONGEST else text[: LONGEST - 2].rsplit(" ", 1)[0] + " …"


def _collect(app, doctree) -> None:
    app.env.metadata[app.env.docname]["zh_asked"] = [
        {"what": node["what"], "name": node["name"], "id": node["id"], "kind": node["kind"],
         "text": question(node) if node["what"] == "predict" else node["title"]}
        for node in doctree.findall(block)
    ]  # fmt: skip


def labs(env, docname: str) -> list[tuple[str, str]]:
    """The labs of a chapter: (id, title)."""
    found = []
    for cell in env.zh_runs[docname]["nb"].cells:
        for output in cell.get("outputs", []):
            found += LAB.findall(output.get("data", {}).get("text/html", ""))
    return [(ident, unescape(title)) for ident, title in found]


def minutes(count: int) -> str:
    """A time as a reader says it."""
    hours, rest = divmod(count, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest)
    return " ".join(parts)


class FillPractice(SphinxPostTransform):
    default_priority = 60
    formats = ("html",)

    def run(self, **kwargs):
        for node in list(self.document.findall(practice_list)):
            node.replace_self(nodes.raw("", self._html(), format="html"))

    def _html(self) -> str:
        taken: dict[str, str] = {}
        sections = [self._chapter(docname, taken) for docname in _in_order(self.env)]
        return f'<div class="zh-practice">{"".join(sections)}</div>'

    def _chapter(self, docname: str, taken: dict[str, str]) -> str:
        from zh.exercises import get
        from zh.exercises._forms import in_page

        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        exercises, predictions, used, total = [], [], [], 0
        for asked in self.env.metadata[docname].get("zh_asked", []):
            line = f'<a href="{uri}#{asked["id"]}">{escape(asked["text"])}</a>'
            key = self._key(asked["what"], asked["name"], docname, taken)
            if asked["what"] == "predict":
                predictions.append(f'<li data-key="{key}">{line}</li>')
                continue
            exercise = get(asked["name"])
            total += exercise.minutes
            hand = "" if in_page(exercise) else " data-by-hand"
            where = "in a notebook" if hand else "on the page"
            note = f"<small>{minutes(exercise.minutes)}, {where}</small>"
            exercises.append(f'<li data-key="{key}"{hand}>{line} {note}</li>')
        for ident, title in labs(self.env, docname):
            key = self._key("lab", ident, docname, taken)
            used.append(f'<li data-key="{key}"><a href="{uri}#{ident}">{escape(title)}</a></li>')
        if not exercises + predictions + used:
            return ""
        first = docname == self.env.config.root_doc
        title = "The first page" if first else escape(self.env.titles[docname].astext())
        name = docname.rpartition("/")[2]
        head = f'<h2 id="practice-{name}"><a href="{uri}">{title}</a></h2>'
        lists = self._list("Exercises", exercises, minutes(total)) + self._list("Labs", used)
        if predictions:
            lists += (
                '<details class="zh-fold"><summary>'
                f"Predictions ({len(predictions)})</summary>"
                f'<div class="zh-fold-body"><ul>{"".join(predictions)}</ul></div></details>'
            )
        return f'<section data-chapter="{name}">{head}{lists}</section>'

    def _list(self, what: str, lines: list[str], note: str = "") -> str:
        note = f" <small>about {note}</small>" if note else ""
        return f"<h3>{what}{note}</h3><ul>{''.join(lines)}</ul>" if lines else ""

    def _key(self, what: str, name: str, docname: str, taken: dict[str, str]) -> str:
        key = f"zh:{what}:{name}"
        if key in taken:
            raise ExtensionError(f"{docname}: {what} {name!r} stands in {taken[key]} too; the "
                                 "reader's progress is kept by name: choose another")  # fmt: skip
        taken[key] = docname
        return key


def setup(app):
    app.add_node(practice_list)
    app.add_directive("practice-list", PracticeList)
    app.add_post_transform(FillPractice)
    app.connect("doctree-read", _collect)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
