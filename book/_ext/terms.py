"""The first use of each term of the glossary, in each chapter's prose, becomes a link to it.

The terms are those of the `{glossary}` directive; a plural is found too. A term is not linked in
code, headings, links, captions, formulas, predictions, exercises, tables or what a cell shows.
Where a term stands both in a fold and outside, the first use outside is linked: it is in sight.
Pages with code are chapters; the others keep their text as it is.
"""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from folds import fold, fold_title
from prompts import block

NOT_PROSE = (nodes.title, nodes.literal, nodes.literal_block, nodes.reference, nodes.caption,
             nodes.math, nodes.math_block, nodes.raw, nodes.table, nodes.footnote, nodes.citation,
             nodes.image, nodes.rubric, fold_title, block)  # fmt: skip
NOT_PROSE_CLASSES = {"zh-map", "zh-crosswalk"}
VERBS = "gains|spreads|leaks"  # more often verbs than plurals


def pattern(terms) -> re.Pattern:
    """Finds the longest term at a place, as a word of its own, in any case, also in the plural."""
    ordered = sorted(terms, key=len, reverse=True)
    words = "|".join(re.escape(t).replace(r"\ ", r"\s+") for t in ordered)
    return re.compile(rf"(?<![\w-])(?!(?:{VERBS})\b)({words})(?:e?s)?(?![\w-])", re.I)


def _in_link(text) -> bool:
    """Does this text stand between the tags of a link that is written as HTML?"""
    before = []
    for node in text.parent.children:
        if node is text:
            break
        before.append(node)
    tags = [node.astext() for node in before if isinstance(node, nodes.raw)]
    return bool(tags) and tags[-1].startswith("<a ")


def _kept_out(node) -> tuple[bool, bool]:
    """Does this text stand where no link belongs? Does it stand in a fold?"""
    if _in_link(node):
        return True, False
    folded = False
    while node.parent is not None:
        node = node.parent
        cell = isinstance(node, nodes.container) and "nb_element" in node
        if isinstance(node, NOT_PROSE) or cell or NOT_PROSE_CLASSES & set(node.get("classes", ())):
            return True, folded
        folded |= isinstance(node, fold)
    return False, folded


def join_texts(document) -> None:
    """Lines of a paragraph are texts of their own; a term may go over their end."""
    for parent in list(document.findall(nodes.TextElement)):
        for i in range(len(parent) - 1, 0, -1):
            if isinstance(parent[i], nodes.Text) and isinstance(parent[i - 1], nodes.Text):
                parent[i - 1 : i + 1] = [nodes.Text(parent[i - 1] + parent[i])]


def first_uses(document, terms: dict[str, str]) -> dict[nodes.Text, list[re.Match]]:
    """Where to link: the matches in each text, one an entry; `terms`: words -> their entry."""
    found = pattern(terms)
    best: dict[str, tuple[bool, nodes.Text, re.Match]] = {}
    for text in document.findall(nodes.Text):
        out, folded = _kept_out(text)
        for match in () if out else found.finditer(text.astext()):
            term = terms[re.sub(r"\s+", " ", match[1]).lower()]
            if term not in best or (best[term][0] and not folded):
                best[term] = (folded, text, match)
    places: dict[nodes.Text, list[re.Match]] = {}
    for _, text, match in best.values():
        places.setdefault(text, []).append(match)
    return places


def _synonyms(app, doctree) -> None:
    """Keep which ids of a glossary belong to one entry: each id -> the first of its entry."""
    found = {}
    for item in doctree.findall(nodes.definition_list_item):
        ids = [ident for term in item.findall(nodes.term) for ident in term["ids"]]
        found |= dict.fromkeys(ids, ids[0]) if ids else {}
    app.env.metadata[app.env.docname]["zh_entries"] = found


class LinkTerms(SphinxPostTransform):
    default_priority = 70  # after the other links
    formats = ("html",)

    def run(self, **kwargs):
        docname = self.env.docname
        found = [o for o in self.env.get_domain("std").get_objects() if o[2] == "term"]
        if not found or docname not in getattr(self.env, "zh_runs", {}):
            return
        address = {name.lower(): (where, ident) for name, _, _, where, ident, _ in found}
        entries = {d: self.env.metadata[d].get("zh_entries", {}) for d, _ in address.values()}
        terms = {name: entries[d].get(i, i) for name, (d, i) in address.items()}
        join_texts(self.document)
        for text, matches in first_uses(self.document, terms).items():
            text.parent.replace(text, list(self._pieces(text.astext(), matches, address)))

    def _pieces(self, text: str, matches, address):
        at = 0
        for match in sorted(matches, key=re.Match.start):
            where, ident = address[re.sub(r"\s+", " ", match[1]).lower()]
            uri = self.app.builder.get_relative_uri(self.env.docname, where)
            yield nodes.Text(text[at : match.start()])
            link = nodes.reference("", match[0], refuri=f"{uri}#{ident}", internal=True)
            link["classes"] = ["zh-term"]
            yield link
            at = match.end()
        yield nodes.Text(text[at:])


def setup(app):
    app.add_post_transform(LinkTerms)
    app.connect("doctree-read", _synonyms)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
