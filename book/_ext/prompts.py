"""Directives and roles that ask the reader for something.

    :::{predict} slope-of-noise        covers what the next cells show until the reader commits
    :kind: choice                      number, choice or text
    :choices: It shrinks | It grows
    What happens to the error when the step shrinks further?
    :::

    :::{exercise} slope-at-three       title, time and answer come from zh.exercises
    Compute the slope at 3.
    :::

`{fixed}` marks a number in the prose that is not measured: a constant, a setting, a date.
"""

from html import escape

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

log = logging.getLogger(__name__)


def _html(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


class block(nodes.General, nodes.Element):
    """A `<div>` around parsed content: `what` it is (predict, exercise), `name`, `id`, `title` and
    `kind`; `before` and `after` are its opening and closing HTML."""


def visit_block(self, node):
    self.body.append(node["before"])


def depart_block(self, node):
    self.body.append(node["after"])


class Predict(SphinxDirective):
    required_arguments, has_content = 1, True
    option_spec = {
        "kind": lambda a: directives.choice(a, ("number", "choice", "text")),
        "choices": directives.unchanged,
    }

    def run(self):
        from zh.exercises import render_predict

        name, kind = self.arguments[0], self.options.get("kind", "number")
        choices = [c.strip() for c in self.options.get("choices", "").split("|") if c.strip()]
        if (kind == "choice") != (len(choices) > 1):
            raise self.error("a prediction of kind `choice`, and no other, has two choices or more")
        seen = self.env.metadata[self.env.docname].setdefault("zh_predictions", [])
        if name in seen:
            raise self.error(f"prediction {name!r} stands twice in this chapter")
        seen.append(name)
        node = block(
            what="predict", name=name, id=f"predict-{name}", title="Prediction", kind=kind,
            before=f'<div class="zh-predict" id="predict-{name}" data-name="{name}" '
            f'data-kind="{kind}" role="group" aria-label="Prediction">'
            '<p class="zh-label">Predict, then run</p>',
            after="</div>\n",
        )  # fmt: skip
        node += self.parse_content_to_nodes()
        try:
            node += _html(render_predict(name, kind, choices))
        except ValueError as error:
            raise self.error(str(error)) from error
        return [node]


class ExerciseDirective(SphinxDirective):
    required_arguments, has_content = 1, True

    def run(self):
        from zh.exercises import get, render_exercise_form

        name = self.arguments[0]
        try:
            spec = get(name)
        except KeyError as error:
            raise self.error(str(error.args[0])) from error
        ident = f"exercise-{name}"
        std = self.env.get_domain("std")
        std.note_hyperlink_target(ident, self.env.docname, ident, f"Exercise: {spec.title}")
        seen = self.env.metadata[self.env.docname].setdefault("zh_exercises", [])
        if name in seen:
            raise self.error(f"exercise {name!r} stands twice in this chapter")
        seen.append(name)
        minutes = f"{spec.minutes} minute" + ("s" if spec.minutes != 1 else "")
        node = block(
            what="exercise", name=name, id=ident, title=spec.title, kind=spec.kind,
            before=f'<div class="zh-exercise" id="{ident}" data-name="{name}" role="group" '
            f'aria-label="Exercise: {escape(spec.title)}">'
            f'<p class="zh-label">Exercise · {minutes}</p>'
            f"<p><strong>{escape(spec.title)}</strong></p>",
            after="</div>\n",
        )  # fmt: skip
        node += self.parse_content_to_nodes()
        node += _html(render_exercise_form(name))
        return [node]


def fixed(name, rawtext, text, lineno, inliner, options=None, content=None):
    return [nodes.inline(rawtext, text, classes=["zh-fixed"])], []


def setup(app):
    skip = (lambda self, node: None, lambda self, node: None)
    app.add_node(block, html=(visit_block, depart_block), latex=skip, text=skip)
    app.add_directive("predict", Predict)
    app.add_directive("exercise", ExerciseDirective)
    app.add_role("fixed", fixed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
