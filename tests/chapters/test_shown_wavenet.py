"""The WaveNet chapter shows the package's code from its source, and what it records is true."""

import inspect
from textwrap import dedent

import pytest
from bs4 import BeautifulSoup

from zh import recorded, wavenet
from zh.layers import FlattenConsecutive, Sequential

TAUGHT = [FlattenConsecutive, wavenet.WaveNet.__init__, Sequential.forward,
          Sequential.named_parameters, Sequential.train, wavenet.FuseDilated.forward,
          wavenet.convolution]  # fmt: skip


def test_wavenet_shows_its_code(site):
    html = (site / "book" / "wavenet.html").read_text("utf8")
    blocks = [pre.get_text() for pre in BeautifulSoup(html, "html.parser").select("article pre")]
    for thing in TAUGHT:
        source = dedent(inspect.getsource(thing)).strip()
        assert any(source in block for block in blocks), thing.__qualname__


def test_what_it_shows_fits_the_column():
    """About 80 characters fit beside the table of contents; a phone scrolls."""
    for thing in TAUGHT:
        source = dedent(inspect.getsource(thing))
        wide = [line for line in source.splitlines() if len(line) > 80]
        assert not wide, (thing.__qualname__, wide)


@pytest.mark.parametrize("name", ["wrong_axis", "flat_or_tree", "long_counts"])
def test_what_was_recorded_says_how(name):
    result = recorded.load(name)
    assert result["script"] == f"benchmarks/{name}.py"
    assert result["command"].startswith(f"python benchmarks/{name}.py")


def test_runs_that_are_compared_are_as_many():
    axis = recorded.load("wrong_axis")
    assert {len(losses) for losses in axis["dev"].values()} == {len(axis["seeds"])}
    for row in recorded.load("long_counts")["rows"]:
        assert row["split"] == list(range(6)) and len(row["dev"]) == len(row["test"]) == 6
    ladder = recorded.load("ladder")
    assert [row["split"] for row in ladder["splits"]] == [[1, 2, 3, 4, 5]] * len(ladder["splits"])
