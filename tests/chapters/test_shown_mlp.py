"""The chapter on the network shows the package's code from its source, all of what it teaches."""

import ast
import inspect
import textwrap

from bs4 import BeautifulSoup

from tests.conftest import ROOT
from tests.prose import cells
from zh import data, training
from zh.mlp import MLP

TAUGHT = [data.windows, MLP.__init__, MLP._passes]


def blocks(site):
    html = (site / "book" / "mlp.html").read_text("utf8")
    return [pre.get_text() for pre in BeautifulSoup(html, "html.parser").select("article pre")]


def test_mlp_shows_its_functions(site):
    shown = blocks(site)
    for function in TAUGHT:
        source = textwrap.dedent(inspect.getsource(function)).strip()
        assert any(source in block for block in shown), function.__qualname__


def test_mlp_shows_the_loop_once_and_whole(site):
    """The same statements as in the package; only the docstring is left out."""
    def body(source):
        function = ast.parse(source).body[0]
        words = ast.get_docstring(function) is not None
        return [ast.dump(line) for line in function.body[words:]]

    shown = [block for block in blocks(site) if block.startswith("def train(")]
    assert len(shown) == 1
    assert body(shown[0]) == body(inspect.getsource(training.train))


def test_mlp_retypes_nothing():
    code = "\n".join(c for _, c in cells((ROOT / "book" / "mlp.md").read_text("utf8")))
    for name in ("def windows(", "def train(", "def find_lr(", "class MLP"):
        assert name not in code


def test_what_it_shows_of_the_network_fits_the_column():
    """About 80 characters fit beside the table of contents; a phone scrolls."""
    for function in (MLP.__init__, MLP._passes):
        source = textwrap.dedent(inspect.getsource(function))
        wide = [line for line in source.splitlines() if len(line) > 80]
        assert not wide, wide
