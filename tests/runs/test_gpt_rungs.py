"""Short runs of each rung of the ladder on GPT against the record.

The same seeds again must give the recorded losses: this sees a changed model. A fresh seed must
land inside the spread of the recorded five, four standard deviations to either side: this sees a
result that holds for one seed alone. And the record must say what the chapter says of it.

The bundled text follows the version of Python. Where it is not the recorded one, losses cannot be
compared, and only the order of the rungs is asked.
"""
import statistics

import pytest

from zh import gpt_ladder as gl
from zh import ladder, recorded

FOUND = recorded.load("gpt_ladder")
SHORT = {row["name"]: row for row in FOUND["tables"]["short"]}
RUNGS = gl.RUNGS + gl.OTHERS
SAME_TEXT = FOUND["corpora"]["bundled"] == gl.about("bundled")
CLOSE = 1e-4            # a short run of one seed beside the recorded five side by side


@pytest.fixture(scope="module")
def corpus():
    return gl.corpus("bundled")


def climb(rung, corpus, seeds):
    train, val, tokenizer = corpus
    return gl.climb(rung, train, val, tokenizer.vocab_size, seeds, gl.SHORT)


@pytest.mark.skipif(not SAME_TEXT, reason="another version of Python, another text")
@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_a_recorded_run_comes_out_again_and_a_fresh_one_lands_beside(rung, corpus):
    row, fresh = SHORT[rung.name], 77
    assert fresh not in row["seeds"]
    run = climb(rung, corpus, [0, fresh])
    assert run["params"] == row["params"] and row["lr"] == rung.lr and row["steps"] == gl.SHORT
    assert abs(run["val"][0] - row["val"][0]) < CLOSE, f"{rung.name} is not what was recorded"
    mean, spread = statistics.fmean(row["val"]), statistics.stdev(row["val"])
    assert abs(run["val"][1] - mean) < 4 * spread + 0.01


def test_the_order_of_a_short_run_holds_on_any_text(corpus):
    losses = {name: climb(rung, corpus, [0, 1])["val"] for rung in gl.RUNGS
              if (name := rung.name) in ("+ feed-forward", "three of them", "+ residual")}
    worst = {name: (min(values), max(values)) for name, values in losses.items()}
    assert worst["+ residual"][1] < worst["+ feed-forward"][0]
    assert worst["+ feed-forward"][1] < worst["three of them"][0]


@pytest.mark.parametrize("broken, change", [
    ("half the rate", dict(lr=gl.LR / 2)),
    ("no feed-forward", dict(make=lambda V, g: gl.Rungs(
        V, *(gl.Add(gl.heads(g, True), True) for _ in range(3)), gl.nn.LayerNorm(gl.DIM)))),
    ("no last normalisation", dict(make=lambda V, g: gl.Rungs(
        V, *gl.blocks(g, project=True, wide=4, norm=True)))),
])
@pytest.mark.skipif(not SAME_TEXT, reason="another version of Python, another text")
def test_a_broken_rung_is_not_the_recorded_one(broken, change, corpus):
    """With room: a hundred times what the first test allows."""
    run = climb(gl.RUNGS[-1]._replace(**change), corpus, [0])
    assert abs(run["val"][0] - SHORT["+ layer norm"]["val"][0]) > 100 * CLOSE


@pytest.mark.parametrize("table", ["bundled", "tinyshakespeare"])
def test_the_record_says_what_the_chapter_says(table):
    rows = {row["name"]: row for row in FOUND["tables"][table]}
    assert list(rows) == [rung.name for rung in gl.RUNGS]
    for row in rows.values():
        assert row["steps"] == gl.STEPS and len(row["val"]) == len(row["seeds"]) >= 3
    worse = ladder.compare(rows["three of them"]["val"], rows["+ feed-forward"]["val"])
    better = ladder.compare(rows["three of them"]["val"], rows["+ residual"]["val"])
    assert worse.sure and worse.gain > 0 and better.sure and better.gain > 0


def test_tinyshakespeare_stands_beside_the_lecture():
    """Another start of the weights and other minibatches: within six hundredths."""
    for row in FOUND["tables"]["tinyshakespeare"]:
        if row["lecture"]:
            assert abs(gl.mean(row) - row["lecture"]) < 0.06, row["name"]


@pytest.mark.skipif(not SAME_TEXT, reason="another version of Python, another text")
def test_the_chapters_own_run_begins_as_recorded(corpus):
    """The first fortieth of it: the settings are the recorded ones, and it learns."""
    train, val, tokenizer = corpus
    row = FOUND["tables"]["own"][0]
    assert row["settings"] == {**gl.OWN, **gl.OWN_RECIPE}
    run = gl.own(train, val[:4000], tokenizer.vocab_size, 0, steps=60)
    assert run["params"] == row["params"] and run["val"] < 3.0
