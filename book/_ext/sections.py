"""Links to sections of other chapters, checked, also when the chapter is not written yet.

    {section}`backprop#a-value-used-twice`          its text is the section's title
    {section}`twice <backprop#a-value-used-twice>`  a text of its own
    {section}`gpt`                                  the chapter; "GPT (coming)" before it stands

What a page has to link to (sections, labels, folds, exercises, predictions) is kept while it is
read, in `env.metadata[docname]["zh_places"]`: id -> title. A place that a chapter does not have is
a warning, and so fails the build. A chapter that is neither written nor planned is one too.
"""

import difflib
import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from folds import fold
from prompts import block

log = logging.getLogger(__name__)
PLANNED = {  # what chapters that may be missing yet are called
    "attention": "Attention",
    "gpt": "GPT",
    "encoder_decoder": "Encoder and decoder",
    "tokenization": "Tokenization",
    "post_training": "Post-training",
    "scaling": "Scaling",
    "bug_clinic": "The bug clinic",
}
EXPLICIT = re.compile(r"^(.*?)\s*<([^<>]+)>$", re.S)


class place(nodes.Inline, nodes.TextElement):
    """A link that is made when all pages have been read: `target`, and children or no text."""


def docname_of(target: str) -> str:
    """The page of a target: "backprop#a" -> "book/backprop"."""
    return f"book/{target.partition('#')[0]}"


def stands(env, target: str) -> bool:
    """Is the page of this target in the book?"""
    return docname_of(target) in env.found_docs


def places(doctree) -> dict[str, str]:
    """What a page has to link to: id -> title."""
    found, title = {}, ""
    for node in doctree.findall(nodes.Element):
        if isinstance(node, nodes.section):
            heading = node.next_node(nodes.title)
            title = heading.astext() if heading else ""
        if isinstance(node, block):
            found[node["id"]] = node["title"]
        elif isinstance(node, nodes.section | nodes.target | nodes.paragraph | fold):
            name = node[0].astext() if isinstance(node, fold) else title
            found |= dict.fromkeys(node["ids"], name)
    return found


def _keep(app, doctree) -> None:
    app.env.metadata[app.env.docname]["zh_places"] = places(doctree)


class SectionRole(SphinxRole):
    def run(self):
        explicit = EXPLICIT.match(self.text)
        node = place(target=explicit[2] if explicit else self.text)
        self.set_source_info(node)
        if explicit:
            node += nodes.Text(explicit[1])
        return [node], []


class MakeLinks(SphinxPostTransform):
    default_priority = 5

    def run(self, **kwargs):
        for node in list(self.document.findall(place)):
            node.replace_self(self._link(node))

    def _link(self, node):
        page, _, anchor = node["target"].partition("#")
        docname, text = docname_of(page), node.astext()
        if docname not in self.env.found_docs:
            if page not in PLANNED:
                log.warning("no chapter is called %r, and none is planned", page, location=node)
            return nodes.Text(text or f"{PLANNED.get(page, page)} (coming)")
        there = self.env.metadata[docname].get("zh_places", {})
        if anchor and anchor not in there:
            near = difflib.get_close_matches(anchor, there, 3, 0.4)
            log.warning("%s.md has no place #%s; near it: %s", page, anchor,
                        ", ".join(near) or "nothing", location=node)  # fmt: skip
        title = there.get(anchor) if anchor else self.env.titles[docname].astext()
        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        address = uri + (f"#{anchor}" if anchor else "")
        link = nodes.reference("", text or title or page, internal=True, refuri=address)
        link["classes"] = node["classes"]
        return link


def setup(app):
    app.add_node(place)
    app.add_role("section", SectionRole())
    app.add_post_transform(MakeLinks)
    app.connect("doctree-read", _keep)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
