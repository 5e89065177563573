"""Folded blocks that may hold executed cells and figures (MyST runs code cells only at top level).

    :::{fold-start} Why does tanh saturate?
    :kind: discussion
    :name: why-tanh-saturates
    :::

    Markdown, code cells, figures, other folds; no headings.

    :::{fold-end}
    :::

Kinds: discussion, notebook (From the lab notebook), broken (Broken on purpose), solution, hint,
crosswalk (added by crosswalk.py).
A fold becomes a native `<details>`. Its id sits on the body inside, because browsers open a fold
by themselves when the address points at something in it: a link to a fold works without JavaScript.
A fold that is never closed, an end without a start, and an unknown kind fail the build.
"""

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_id

KINDS = {
    "discussion": "Discussion",
    "notebook": "From the lab notebook",
    "broken": "Broken on purpose",
    "solution": "Solution",
    "hint": "Hint",
    "crosswalk": "Crosswalk",
}


class fold(nodes.General, nodes.Element):
    """The merged block; its first child is the title."""


class fold_title(nodes.TextElement):
    pass


class fold_start(nodes.General, nodes.Element):
    pass


class fold_end(nodes.General, nodes.Element):
    pass


def _kind(argument: str) -> str:
    return directives.choice(argument, tuple(KINDS))


class FoldStart(SphinxDirective):
    required_arguments, final_argument_whitespace = 1, True
    option_spec = {"name": directives.unchanged, "kind": _kind, "open": directives.flag}

    def run(self):
        title, _ = self.parse_inline(self.arguments[0])
        node = fold_start(kind=self.options.get("kind", "discussion"), open="open" in self.options)
        self.set_source_info(node)
        node += fold_title("", "", *title)
        name = self.options.get("name")
        if name:
            node["ids"] = [nodes.make_id(name)]
            std, key = self.env.get_domain("std"), nodes.fully_normalize_name(name)
            std.note_hyperlink_target(key, self.env.docname, node["ids"][0], node[0].astext())
        else:
            node["ids"] = [make_id(self.env, self.state.document, "fold", self.arguments[0])]
        return [node]


class FoldEnd(SphinxDirective):
    def run(self):
        node = fold_end()
        self.set_source_info(node)
        return [node]


class MergeFolds(SphinxTransform):
    """Move everything between a start and its end into one node."""

    default_priority = 5

    def apply(self):
        for end in list(self.document.findall(fold_end)):
            siblings, at = end.parent, end.parent.index(end)
            starts = [i for i in range(at) if isinstance(siblings[i], fold_start)]
            if not starts:
                self._fail(
                    end, "fold-end without a fold-start before it (a fold must not hold a heading)"
                )
            start = siblings[starts[-1]]
            merged = fold(ids=start["ids"], kind=start["kind"], open=start["open"])
            merged.source, merged.line = start.source, start.line
            merged += start.children
            merged += siblings[starts[-1] + 1 : at]
            siblings[starts[-1] : at + 1] = [merged]
        for start in self.document.findall(fold_start):
            title = start[0].astext()
            self._fail(
                start, f"fold-start “{title}” is never closed (a fold must not hold a heading)"
            )

    def _fail(self, node, message):
        raise ExtensionError(f"{self.env.doc2path(self.env.docname)}:{node.line}: {message}")


def visit_fold(self, node):
    state = " open" if node["open"] else ""
    self.body.append(f'<details class="zh-fold zh-fold-{node["kind"]}"{state}>')


def depart_fold(self, node):
    self.body.append("</div></details>\n")


def visit_title(self, node):
    label = KINDS[node.parent["kind"]]
    self.body.append(
        f'<summary><span class="zh-fold-kind">{label}</span> <span class="zh-fold-title">'
    )


def depart_title(self, node):
    target, title = node.parent["ids"][0], self.encode(node.astext())
    self.body.append(
        f'</span></summary><div class="zh-fold-body" id="{target}">'
        f'<a class="zh-fold-link" href="#{target}" aria-label="Link to “{title}”">link</a>'
    )


def setup(app):
    skip = (lambda self, node: None, lambda self, node: None)
    app.add_node(fold, html=(visit_fold, depart_fold), latex=skip, text=skip)
    app.add_node(fold_title, html=(visit_title, depart_title), latex=skip, text=skip)
    app.add_directive("fold-start", FoldStart)
    app.add_directive("fold-end", FoldEnd)
    app.add_transform(MergeFolds)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
