"""The build itself, on books of one or two tiny chapters: what must fail, fails, and says where.

Each test builds a copy of the machinery (tests/minibook.py); a build takes about five seconds.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.minibook import MiniBook, cell

pytestmark = pytest.mark.xdist_group("mechanics")  # its fixtures are built once
FOLD = ":::{fold-start} Why\n:kind: discussion\n:name: why\n:::\n\nBecause.\n\n"
PLOT = (
    "from zh import plots\nplots.style()\nfigure, axes = plots.new()\naxes.plot([1, 2])\nfigure"
)
GOOD_OPTIONS = (
    'mystnb:\n  image: {alt: "A line that rises."}\n  figure: {caption: "It rises.", name: fig-a}'
)


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> MiniBook:
    """A book that is built again and again; each test sets its chapters."""
    return MiniBook(tmp_path_factory.mktemp("book"))


@pytest.fixture
def fresh(tmp_path) -> MiniBook:
    """A book of its own."""
    return MiniBook(tmp_path)


def fails(book: MiniBook, *wanted: str, times: int = 1) -> str:
    """Build, expect failure, return what was said; `times=2`: a second build must not forget."""
    for _ in range(times):
        done = book.build()
        assert done.returncode != 0, done.stdout
        for text in wanted:
            assert text in done.stdout, f"{text!r} is not in\n{done.stdout}"
        assert "NOT built" in done.stdout
    return done.stdout


# -- what fails -----------------------------------------------------------------------------------


def test_a_failing_cell_names_file_and_cell_of_every_chapter(fresh):
    fresh["one"] = cell("x = 1") + cell("y = x / 0")
    fresh["two"] = cell("raise ValueError('the second chapter')")
    said = fails(fresh, "ZeroDivisionError", "the second chapter", "one.md", "two.md", times=2)
    assert "cell 2 of 2: y = x / 0" in said
    line = (fresh.root / "book" / "one.md").read_text().splitlines().index("y = x / 0") + 1
    assert f"one.md:{line}" in said


def test_every_warning_fails_the_build_and_says_where(book):
    faults = {
        "link": ("A [link](#nowhere).", "nowhere"),
        "glue": ("A number {glue:text}`unknown:.2f`.", "unknown"),
        "formula": ("$\\frac{1}{$ is no formula.", "frac"),
        "kind": (FOLD.replace("discussion", "rumour") + ":::{fold-end}\n:::\n", "rumour"),
        "exercise": (":::{exercise} no-such-exercise\nDo it.\n:::", "no-such-exercise"),
        "predict": (":::{predict} which\n:kind: choice\nWhich?\n:::", "choice"),
        "directive": (":::{no-such-directive}\n:::", "no-such-directive"),
        "alt": (cell(PLOT), "alt text"),
        "caption": (cell(PLOT, 'mystnb:\n  image: {alt: "A line."}'), "caption"),
        "unglued": (cell("import warnings\nwarnings.warn('to stderr')"), "stderr"),
    }
    book.names.clear()
    for name, (body, _) in faults.items():
        book[name] = body
    said = fails(book, times=2)
    for name, (_, wanted) in faults.items():
        lines = [line for line in said.splitlines() if f"{name}.md" in line]
        assert any(wanted in line for line in lines), f"{name}: {wanted!r} is not in\n{said}"


@pytest.mark.parametrize(
    "body",
    [FOLD, ":::{fold-end}\n:::\n", FOLD + "## A heading\n\n:::{fold-end}\n:::\n"],
    ids=["not closed", "not opened", "with a heading inside"],
)
def test_a_broken_fold_fails_the_build_and_says_where(book, body):
    book.names.clear()
    book["one"] = body
    fails(book, "fold", "one")


def test_a_page_of_the_contents_that_is_missing_fails(book):
    book.names.clear()
    book["one"] = "Text."
    book.toc("one", "nowhere")
    fails(book, "nowhere")


def test_a_page_without_content_fails(book):
    book.names.clear()
    book["one"] = "Text."
    book["two"] = ""
    (book.root / "book" / "two.md").write_text("# Title\n")
    fails(book, "two")


# -- the list of discussions -----------------------------------------------------------------------

CLAIMS = """
from zh.claims import claim
claim("sure", "It is so.", [("one", 1.0, True), ("two", 2.0, True)], says="holds")
"""
SECOND = """
claim("half", "It is always so.", [("one", 1.0, True), ("two", 2.0, False)],
      says="holds with a condition")
"""
LISTED = ":::{discussion} why\nWhy is it so?\n:::\n"


def test_a_discussion_is_listed_with_its_headline_claim_and_verdict(book):
    book.names.clear()
    book["one"] = (
        FOLD + ":::{fold-start} A hint\n:kind: hint\n:::\n" + cell(CLAIMS) + ":::{fold-end}\n:::\n"
        + cell(SECOND) + ":::{fold-end}\n:::\n" + cell(CLAIMS.replace("sure", "outside"))
    )  # fmt: skip
    book["two"] = LISTED + ":::{discussion} later\n:coming: Scaling\nAnd then?\n:::\n"
    done = book.build()
    assert done.returncode == 0, done.stdout
    html = book.html("two")
    assert 'href="one.html#why">Why</a>' in html and "Why is it so?" in html
    assert 'href="one.html#claim-sure">It is so.</a>' in html
    assert "Claims tested: 2 (1 holds, 1 holds with a condition)." in html
    assert "And then?" in html and "Scaling, is not written yet" in html


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (LISTED.replace("why", "wherefore"), "wherefore"),
        (LISTED.replace("Why is", ":coming: Scaling\nWhy is"), "take :coming: away"),
        (":::{discussion} other\n:coming: Scaling\nAnd then?\n:::\n", "not listed: why"),
        (LISTED.replace("Why is it so?\n", ""), "discussion"),
        (LISTED.replace("Why is", ":headline: rumour\nWhy is"), "the claim 'rumour'"),
    ],
)
def test_a_list_of_discussions_that_is_wrong_fails(book, listed, words):
    book.names.clear()
    book["one"] = FOLD + cell(CLAIMS) + ":::{fold-end}\n:::\n"
    book["two"] = listed
    fails(book, words)


# -- what runs again, and what does not -----------------------------------------------------------


def test_what_runs_again(fresh):
    """Nothing, prose, a caption: no. The code, the part of zh it imports, the requirements: yes."""
    imports = "from zh import labs, tiny\nfrom myst_nb import glue\n"
    uses = cell(imports + "glue('x', tiny.X, display=False)")
    (fresh.root / "zh" / "tiny.py").write_text("from zh.inner import Y as X\n")
    (fresh.root / "zh" / "inner.py").write_text("Y = 'first value'\n")
    fresh["one"] = uses + "It says {glue:text}`x`.\n"
    fresh["two"] = cell(PLOT, GOOD_OPTIONS) + "From there: {glue:text}`one.md::x:s`.\n"

    def build() -> set[str]:
        done = fresh.build()
        assert done.returncode == 0, done.stdout
        return fresh.ran(done)

    assert build() == {"one", "two"}
    done = fresh.build()
    assert "nothing has changed" in done.stdout

    two = (fresh.root / "book" / "two.md").read_text()
    (fresh.root / "book" / "two.md").write_text(two.replace("It rises.", "Up.") + "\nMore prose.\n")
    assert build() == set()
    assert "Up." in fresh.html("two") and "More prose." in fresh.html("two")

    (fresh.root / "zh" / "inner.py").write_text("Y = 'second value'\n")
    assert build() == {"one"}
    for name in ("one", "two"):  # the other page shows the new value too
        assert "second value" in fresh.html(name) and "first value" not in fresh.html(name)

    with (fresh.root / "zh" / "labs" / "labs.css").open("a") as file:
        file.write(".anew {}\n")
    assert build() == set()
    assert ".anew" in (fresh.root / "_build/html/_static/labs/labs.css").read_text()

    fresh["one"] = uses.replace("tiny.X", "tiny.X.upper()") + "It says {glue:text}`x`.\n"
    assert build() == {"one"}
    assert "SECOND VALUE" in fresh.html("two")

    with (fresh.root / "requirements.txt").open("a") as file:
        file.write("# another line\n")
    assert build() == {"one", "two"}

    fresh.toc("one")
    (fresh.root / "book" / "one.md").write_text(
        (fresh.root / "book" / "one.md").read_text().replace("It says", "It now says")
    )
    assert build() == set()
    assert not (fresh.root / "_build/html/book/two.html").exists(), "a page that left the contents"


def test_a_mended_fault_is_forgotten(book):
    book.names.clear()
    book["one"] = cell("1 / 0")
    fails(book, "ZeroDivisionError")
    book["one"] = cell("1 / 1")
    assert book.build().returncode == 0


# -- what comes out -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> MiniBook:
    """One chapter with one of everything."""
    book = MiniBook(tmp_path_factory.mktemp("built"))
    end = ":::{fold-end}\n:::\n"
    inside = cell("print('printed in the fold')") + FOLD.replace("why", "inner") + end
    book["one"] = (
        cell("from myst_nb import glue\nglue('x', 1 / 3, display=False)")
        + "The value {glue:text}`x:.3f` and {fixed}`0.5`.\n\n"
        + cell(PLOT, GOOD_OPTIONS)
        + "See {numref}`fig-a` and [the reason](#why).\n\n"
        + FOLD.replace("Because.", "Because." + inside)
        + end
    )
    done = book.build(GITHUB_REPOSITORY="owner/name")
    assert done.returncode == 0, done.stdout
    return book


def test_a_fold_is_native_holds_cells_and_is_reached_without_scripts(built):
    html = built.html("one")
    fold = html[html.index("<details") : html.rindex("</details>")]
    assert fold.count("<details") == 2, "the inner fold"
    assert "printed in the fold" in fold
    summary_end = fold.index("</summary>")
    assert fold.index('id="why"') > summary_end, "a target outside leaves the fold shut"
    assert 'href="#why"' in html[: html.index("<details")]


def test_a_figure_is_in_the_page_with_its_text_and_caption(built):
    html = built.html("one")
    figure = html[html.index("<figure") : html.index("</figure>")]
    assert "<svg" in figure and "A line that rises." in figure and "It rises." in figure
    assert "currentColor" in figure
    assert "<img" not in figure


def test_the_notebook_of_a_chapter(built):
    notebook = json.loads((built.root / "_build/html/notebooks/one.ipynb").read_text("utf8"))
    text = "\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")
    assert "The value 0.333 and 0.5." in text
    assert "#### Discussion: Why" in text, "a fold with cells is a heading"
    assert "<details>" in text, "a fold without cells stays a fold"
    assert re.search(r"\*\*Fig\. [\d.]+\.\*\* It rises\.", text)
    assert "git+https://github.com/owner/name@main" in notebook["cells"][0]["source"]
    assert all(not c["outputs"] for c in notebook["cells"] if c["cell_type"] == "code")
    html = built.html("one")
    assert "colab.research.google.com/github/owner/name/blob/notebooks/one.ipynb" in html
    assert "mybinder.org/v2/gh/owner/name/main" in html
    assert 'href="../notebooks/one.ipynb"' in html


def test_two_cold_builds_are_equal(built, tmp_path):
    """The same commit gives the same site, but for what the build measured about itself."""
    from tools import reproducible

    other = tmp_path / "other"
    done = built.build(other, GITHUB_REPOSITORY="owner/name")
    assert done.returncode == 0, done.stdout
    again = other / "_build" / "html"
    assert reproducible.differences(built.root / "_build" / "html", again) == []
    (sheet,) = (again / "_static").glob("bundle.*.css")
    assert ".zh-cost-label" in sheet.read_text("utf8"), "also where no cell was slow"
