"""Run: python -m pytest tests/unit/test_plots_tokenization.py

The figures of the chapter on tokenization draw what they are given.
"""

import pytest

from zh import plots
from zh.tokenizers import BPETokenizer


def lines(ax):
    return [list(zip(*map(list, line.get_data()), strict=True)) for line in ax.lines]


@pytest.mark.parametrize("token, shown", [
    (b" the", "·the"), (b"a\n\t", "a⏎⇥"), (b"\xe2\x82", "‹e2 82›"), ("é".encode(), "é"),
    ("\u200d".encode(), "⟨U+200D⟩"), (b"\xed\xa0\x80", "⟨U+D800⟩"), (b"", ""),
    ("\u202e".encode(), "⟨U+202E⟩"), (b"\x00", "⟨U+0000⟩"),
])  # fmt: skip
def test_what_cannot_be_seen_is_shown(token, shown):
    assert plots.visible(token) == shown


def test_pieces_are_text_and_never_html():
    made = plots.pieces([b"<b>", b" &", b"\xff"], "a < b", [60, 300, 255])
    assert "<b>" not in made.body and "&lt;b&gt;" in made.body and "·&amp;" in made.body
    assert 'aria-label="a &lt; b"' in made.body and ">300<" in made.body
    assert made.text == "<b>|·&|‹ff›\n[60, 300, 255]"
    assert "<small" not in plots.pieces([b"a"]).body


def test_curves_and_works():
    (ax,) = plots.compression({"a": {256: 1.0, 512: 2.0}, "b": {256: 1.0}}).axes
    assert lines(ax)[0] == [(256, 1.0), (512, 2.0)] and lines(ax)[1] == [(256, 1.0)]
    (ax,) = plots.work([30, 20], [4, 2]).axes
    assert lines(ax) == [[(1, 30), (2, 20)], [(1, 4), (2, 2)]]
    left, right = plots.two_losses([256, 512], (2.0, 4.0), (2.8, 2.6)).axes
    assert lines(left) == [[(0, 2.0), (1, 4.0)]] and lines(right) == [[(0, 2.8), (1, 2.6)]]
    (ax,) = plots.language_shares({"English": {0: 6.0, 0.5: 11.0}}, 80).axes
    assert lines(ax) == [[(0, 6.0), (50, 11.0)]] and ax.get_ylim() == (0, 80)


def test_languages_mark_characters_bytes_and_tokens():
    (ax,) = plots.languages({"Greek": (71, 130, 130), "English": (69, 69, 31)}).axes
    marked = [points[0] for points in lines(ax) if len(points) == 1]
    assert marked == [(71, 0), (130, 0), (130, 0), (69, 1), (69, 1), (31, 1)]


def test_moved_marks_the_odd_one_and_what_was_never_met():
    left, right = plots.moved([5, 0, 0], [1.0, 0.0, 0.0], [1.5, 2.0, 2.5], odd=2).axes
    assert lines(left) == [[(5, 1.0), (0, 0.0), (0, 0.0)], [(0, 0.0), (0, 0.0)], [(0, 0.0)]]
    assert lines(right)[1:] == [[(0, 2.0), (0, 2.5)], [(0, 2.5)]]


def test_number_cuts():
    made = plots.number_cuts([1212, 7], {"pairs": BPETokenizer([(49, 50)])})
    assert made.text.split("\n") == ["number  pairs", "1212  12|1|2", "7  7"]  # cut by threes
