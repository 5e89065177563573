"""Code that a chapter shows as the package's own is just that, and none of it is retyped."""

import inspect
import re

from bs4 import BeautifulSoup

from tests.conftest import ROOT
from tests.prose import cells
from zh import autograd, neurons


def blocks(site, page):
    soup = BeautifulSoup((site / f"{page}.html").read_text("utf8"), "html.parser")
    return {pre.get_text().strip() for pre in soup.select("article pre")}


def dedented(thing):
    return inspect.cleandoc("\n" + inspect.getsource(thing)).strip()


def test_backprop_shows_the_whole_module(site):
    assert inspect.getsource(autograd).strip() in blocks(site, "book/backprop")


def test_backprop_shows_its_pieces(site):
    shown = "\n".join(blocks(site, "book/backprop"))
    Value, Neuron = autograd.Value, neurons.Neuron
    methods = Value.__init__, Value.__add__, Value.__mul__, Value.backward, Value.__rsub__
    for thing in (*methods, autograd.topological, Neuron.__call__, neurons.weighted_sum):
        assert dedented(thing) in shown, thing.__qualname__


def test_backprop_retypes_nothing():
    """One first sketch of the class stands on the page, before the real one is imported."""
    code = [c for _, c in cells((ROOT / "book" / "backprop.md").read_text("utf8"))]
    assert sum(len(re.findall(r"^class Value\b", c, re.M)) for c in code) == 1
    first = next(i for i, c in enumerate(code) if re.search(r"^class Value\b", c, re.M))
    real = next(i for i, c in enumerate(code) if "from zh.autograd import Value" in c)
    assert first < real
    for name in ("topological", "graph", "gradcheck", "weighted_sum"):
        assert not any(re.search(rf"^def {name}\b", c, re.M) for c in code)
