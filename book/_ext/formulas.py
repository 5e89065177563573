"""Formulas become HTML at build time, with the vendored KaTeX: no script in the page.

A formula that KaTeX cannot read is a warning at its line (and warnings fail the build).
"""

import json
from pathlib import Path

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

log = logging.getLogger(__name__)
KATEX = Path(__file__).resolve().parents[1] / "_vendor" / "katex" / "katex.min.js"
RENDER = """function render(tex, options) {
  try { return JSON.stringify([true, katex.renderToString(tex, JSON.parse(options))]) }
  catch (e) { return JSON.stringify([false, String(e.message)]) }
}"""


class Katex:
    """KaTeX in an embedded JavaScript engine, started at the first formula."""

    def __init__(self):
        self.engine, self.rendered = None, {}

    def __call__(self, tex: str, display: bool, macros: dict) -> tuple[bool, str]:
        """Return (True, html) or (False, what is wrong with the formula)."""
        if self.engine is None:
            self.engine = MiniRacer()
            self.engine.eval(KATEX.read_text("utf8"))
            self.engine.eval(RENDER)
        key = (tex, display)
        if key not in self.rendered:
            options = {
                "displayMode": display,
                "throwOnError": True,
                "strict": "error",
                "macros": macros,
            }
            self.rendered[key] = json.loads(self.engine.call("render", tex, json.dumps(options)))
        return self.rendered[key]

    def close(self):
        if self.engine is not None:
            self.engine.close()  # without it the interpreter never exits
            self.engine = None


katex = Katex()


def _html(translator, node, display: bool) -> str:
    ok, text = katex(node.astext(), display, dict(translator.config.katex_macros))
    if ok:
        return text
    log.warning("formula not rendered: %s", text, location=node, type="katex")
    return f"<code>{translator.encode(node.astext())}</code>"


def inline(self, node):
    self.body.append(
        self.starttag(node, "span", "", CLASS="math") + _html(self, node, False) + "</span>"
    )
    raise nodes.SkipNode


def block(self, node):
    # A wide formula scrolls in its own box, so that box must be reachable by keyboard
    self.body.append(self.starttag(node, "div", "", CLASS="math", tabindex="0", role="group"))
    self.body[-1] = self.body[-1].replace("<div ", '<div aria-label="formula" ', 1)
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(_html(self, node, True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("katex_build", (inline, None), (block, None))
    app.add_config_value("katex_macros", {}, "env")
    app.connect("build-finished", lambda app, error: katex.close())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
