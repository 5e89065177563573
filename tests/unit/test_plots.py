"""Figures: SVG whose ink the page decides, the same on every run, shown once and in one form."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.conftest import ROOT
from zh import page, plots


@pytest.fixture(autouse=True)
def styled(monkeypatch):
    monkeypatch.setattr(page, "STATIC", True)
    with matplotlib.rc_context():
        plots.style()
        yield


def test_matplotlib_comes_with_the_first_figure():
    """Whoever imports the functions and draws nothing does not wait for it."""
    ask = "import sys; from zh import plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", ask], cwd=ROOT).returncode == 0


def drawing():
    x = np.linspace(0, 6, 50)
    fig, ax = plots.new(size=(5, 3))
    ax.plot(x, np.sin(x), label="loss 0.123456")
    ax.scatter(x, np.cos(x))
    ax.set(xlabel="step & <b>", title='"quoted"')
    ax.legend()
    ax.grid()
    return fig


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]  # WCAG 2


@pytest.mark.parametrize("paper", ["#ffffff", "#14181e"])
@pytest.mark.parametrize("colour", plots.PALETTE)
def test_each_colour_has_a_contrast_of_three_in_both_themes(colour, paper):
    low, high = sorted((luminance(colour), luminance(paper)))
    assert (high + 0.05) / (low + 0.05) >= 3


def test_the_page_decides_the_ink_and_nothing_is_painted_behind():
    svg = plots.to_svg(drawing(), "a curve", "one")
    assert plots.INK not in svg and "currentColor" in svg
    colours = set(re.findall(r"#[0-9a-f]{6}\b", svg))
    assert colours <= set(plots.PALETTE), "only the ink and the palette"
    assert "<style" not in svg, "a rule in an inline SVG reaches the whole page"


def test_it_is_well_formed_with_a_name_and_a_size_in_pixels():
    svg = plots.to_svg(drawing(), 'a "curve" <b>', "one")
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img" and root.get("aria-label") == 'a "curve" <b>'
    assert (root.get("width"), root.get("height")) == ("480", "288")
    assert "<?xml" not in svg and "DOCTYPE" not in svg and "metadata" not in svg


def test_text_is_text_and_its_numbers_are_not_rounded():
    texts = ["".join(t.itertext()) for t in ElementTree.fromstring(
        plots.to_svg(drawing(), "a curve", "one")).iter("text")]  # fmt: skip
    assert "loss 0.123456" in texts and "step & <b>" in texts and '"quoted"' in texts


def test_text_takes_the_font_of_the_page_and_code_a_monospaced_one():
    fig, ax = plots.new()
    ax.text(0, 0, "code", family="monospace")
    fonts = re.findall(r"font-family:[^;\"]*", plots.to_svg(fig, "a", "x"))
    assert fonts == ["font-family: monospace"]


def test_ids_are_unique_between_pictures_and_lead_somewhere():
    first, second = (plots.to_svg(drawing(), "a curve", uid) for uid in ("12-a", "b"))
    ids = [re.findall(r'\bid="([^"]+)"', svg) for svg in (first, second)]
    assert ids[0] and not set(ids[0]) & set(ids[1])
    for svg, known in zip((first, second), ids, strict=True):
        assert len(known) == len(set(known))
        referred = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
        assert {a or b for a, b in referred} == set(known)


def test_groups_that_say_nothing_are_left_out_and_the_others_stay():
    svg = '<svg><g id="a"><g><g opacity=".5"><use href="#a"/></g></g></g><g><rect/></g></svg>'
    inline = plots.inline_svg(svg, "a", "x")
    assert re.findall(r"</?(?:g|use|rect)[^>]*>", inline) == [
        '<g id="x-a">', '<g opacity=".5">', '<use href="#x-a"/>', "</g>", "</g>", "<rect/>"
    ]  # fmt: skip


def test_two_runs_give_the_same_bytes():
    assert plots.to_svg(drawing(), "a", "x") == plots.to_svg(drawing(), "a", "x")


def test_rounding_moves_nothing_by_more_than_a_hundredth():
    raw, svg = plots.raw_svg(drawing()), plots.to_svg(drawing(), "a", "x")

    def longest(text):
        path = max(re.findall(r'\bd="([^"]*)"', text), key=len)
        return [float(n) for n in re.findall(r"-?[\d.]+", path)]

    assert np.allclose(longest(raw), longest(svg), atol=0.0051)
    assert len(svg) < 0.8 * len(raw)


@pytest.mark.parametrize(
    ("text", "alt", "uid", "words"),
    [
        ("<p>", "alt", "a", "no <svg"),
        ("<svg/>", " ", "a", "alternative text"),
        ("<svg/>", None, "a", "alternative text"),
        ("<svg/>", "alt", 'a"', "cannot begin an id"),
    ],
)
def test_what_is_no_picture_is_refused(text, alt, uid, words):
    with pytest.raises(ValueError, match=words):
        plots.inline_svg(text, alt, uid)


def test_new_figures_are_not_pyplots():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    fig, axes = plots.new(2, 3, sharex=True)
    assert isinstance(fig, Figure) and axes.shape == (3, 2)
    assert pyplot.get_fignums() == before


@pytest.fixture
def shell(monkeypatch):
    import IPython
    from IPython.core.interactiveshell import InteractiveShell

    made = InteractiveShell()
    monkeypatch.setattr(IPython, "get_ipython", lambda: made)
    return made


@pytest.mark.parametrize(("static", "form"), [(True, "image/svg+xml"), (False, "image/png")])
def test_a_figure_shows_itself_in_one_form(shell, monkeypatch, static, form):
    monkeypatch.setattr(page, "STATIC", static)
    plots.style()
    from IPython.core.pylabtools import select_figure_formats

    # what the inline backend does when pyplot is first used
    from matplotlib_inline.config import InlineBackend

    select_figure_formats(shell, InlineBackend.instance().figure_formats)
    data, metadata = shell.display_formatter.format(drawing())
    assert set(data) == {form, "text/plain"}
    if not static:
        assert metadata[form] == {"width": 480, "height": 288}
        assert data[form].startswith(b"\x89PNG")


def test_a_figure_of_pyplot_that_was_shown_is_closed(shell):
    from matplotlib import pyplot

    plots.style()
    fig, _ = pyplot.subplots()
    shell.display_formatter.format(fig)
    assert fig.number not in pyplot.get_fignums()


def test_in_a_kernel_the_paper_is_white():
    page.STATIC = False
    plots.style()
    assert drawing().get_facecolor() == (1, 1, 1, 1)
