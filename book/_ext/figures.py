"""Figures of the chapters: inline SVG in the page's own ink, with a caption and a text alternative.

A cell that draws gives both in its options:

    mystnb:
      image: {alt: "what the picture shows"}
      figure: {caption: "What to see in it.", name: fig-name}

A figure without them fails the build. The SVG is put into the page, where `currentColor` makes it
right in the light and the dark theme without a second picture and without a flash.
"""

from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

log = logging.getLogger(__name__)


def _cell_of(node) -> nodes.Node | None:
    while node is not None and not (
        isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"
    ):
        node = node.parent
    return node


class InlineFigures(SphinxPostTransform):
    """Replace the SVG files of executed cells by their text."""

    default_priority = 50  # after myst-nb has chosen what to show of each output
    formats = ("html",)

    def run(self, **kwargs):
        from zh.plots import inline_svg

        for image in list(self.document.findall(nodes.image)):
            cell = _cell_of(image)
            if cell is None:
                continue
            path = Path(self.env.srcdir, image["uri"])
            options = cell["cell_metadata"].get("mystnb", {})
            alt = options.get("image", {}).get("alt", "").strip()
            figure = options.get("figure", {})
            for what, text in (("alt text", alt), ("caption", figure.get("caption", "").strip())):
                if not text:
                    log.warning(
                        "a figure has no %s: give the cell `mystnb:` options", what, location=cell
                    )
            if path.suffix != ".svg":
                log.warning("%s is not an SVG: figures are drawn as SVG", path.name, location=cell)
                continue
            uid = f"{cell['cell_index']}-{figure.get('name', 'fig')}"
            svg = inline_svg(path.read_text("utf8"), alt or "missing", uid)
            image.replace_self(nodes.raw("", f'<div class="zh-figure">{svg}</div>', format="html"))


def setup(app):
    app.add_post_transform(InlineFigures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
