"""The chapter on the network shows the package's training loop, and retypes nothing."""

import ast
import inspect

from tests.chapters.test_shown_source import blocks
from tests.conftest import ROOT
from tests.prose import cells
from zh import training


def test_mlp_shows_the_loop_once_and_whole(site):
    """The same statements as in the package; only the docstring is left out."""
    def body(source):
        function = ast.parse(source).body[0]
        words = ast.get_docstring(function) is not None
        return [ast.dump(line) for line in function.body[words:]]

    shown = [block for block in blocks(site, "book/mlp") if block.startswith("def train(")]
    assert len(shown) == 1
    assert body(shown[0]) == body(inspect.getsource(training.train))


def test_mlp_retypes_nothing():
    code = "\n".join(c for _, c in cells((ROOT / "book" / "mlp.md").read_text("utf8")))
    for name in ("def windows(", "def train(", "def find_lr(", "class MLP"):
        assert name not in code
