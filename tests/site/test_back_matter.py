"""Glossary, package, practice: what their extensions make of a small book, and of this one."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
import yaml
from bs4 import BeautifulSoup

import docstrings
from practice import minutes
from tests.conftest import PAGES
from tests.minibook import MiniBook, cell
from tests.site.test_pages import soup
from zh import exercises

GLOSSARY = """
:::{glossary}
learning rate
  The factor between a gradient and a step. → {section}`backprop#one-slope`

graph
computation graph
  Nodes and what joins them. → {section}`twice <backprop#a-fold>`

loss
  One number. → {section}`gpt`
:::
"""
LAB = """
from zh.labs import lab
lab("symmetry", name="lab-symmetry", title="Units & layers", data=None)
"""
CHAPTER = (
    cell("print('the loss of a cell')")
    + """
Before: `learning rate`, $loss$, [the loss](#one-slope).

:::{predict} what-comes
:kind: choice
:choices: The loss | The graph
It is a long introduction of more than one hundred and forty letters, which is not what is asked,
and which no list of questions could show on a line of its own. What becomes of the loss?
:::

(one-slope)=
## One slope and a loss

:::{fold-start} A fold
:kind: notebook
:name: a-fold
:::
In the fold the learning rate stands first.
:::{fold-end}
:::

Written by hand: <a href="#one-slope">a loss</a>.

Losses are many. A *Learning
rate* is chosen; the learning rate again. A computation graph, and a graph. The loss-free spreads.

:::{exercise} loss-of-knowing-nothing
The loss of knowing nothing.
:::
"""
    + cell(LAB)
)
ROWS = [{"lecture": "One", "title": "The first", "video": "x", "rows": [
    {"item": "A slope, $x^2$.", "at": "1:02", "got": "14", "today": "{measured:kaiming}",
     "book": ["backprop#one-slope-and-a-loss", "gpt"], "zh": "zh.autograd.Value"},
    {"exercise": "Another.", "book": "backprop#a-fold", "zh": ["zh.unwritten.Name"]},
]}]  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> MiniBook:
    """A chapter, and pages that list what is in it."""
    book = MiniBook(tmp_path_factory.mktemp("small"))
    (book.root / "book" / "crosswalk.yml").write_text(yaml.safe_dump(ROWS))
    book["backprop"] = CHAPTER
    book["glossary"] = GLOSSARY
    book["practice"] = "```{practice-list}\n```\n"
    book["crosswalk"] = "```{crosswalk}\n```\n\n{code-of}`zh.autograd.Value`\n"
    book["api_parts"] = "```{package}\n```\n"
    done = book.build()
    assert done.returncode == 0, done.stdout
    return book


def page(book: MiniBook, name: str) -> BeautifulSoup:
    return BeautifulSoup(book.html(name), "html.parser").find("article")


pytestmark = pytest.mark.xdist_group("back matter")  # its small book is built once


def test_first_uses_are_linked_and_only_in_prose(small):
    links = page(small, "backprop").select("a.zh-term")
    found = {(a["href"], " ".join(a.get_text().split())) for a in links}
    assert found == {
        ("glossary.html#term-loss", "Losses"),  # in sight, not in code, headings, links, prompts
        ("glossary.html#term-learning-rate", "Learning rate"),  # in sight, not in the fold
        ("glossary.html#term-computation-graph", "computation graph"),  # an entry once
    }
    assert len(links) == 3
    assert not page(small, "glossary").select("a.zh-term")


def test_links_to_sections_say_the_title_and_wait_for_chapters(small):
    entries = page(small, "glossary")
    first = entries.select_one("#term-learning-rate").find_next("dd").a
    assert first["href"] == "backprop.html#one-slope"  # a label; the title's own id works too
    assert first.get_text() == "One slope and a loss"
    second = entries.select_one("#term-computation-graph").find_next("dd").a
    assert (second["href"], second.get_text()) == ("backprop.html#a-fold", "twice")
    third = entries.select_one("#term-loss").find_next("dd")
    assert third.get_text().strip().endswith("→ GPT (coming)") and not third.a


def test_rows_of_the_crosswalk(small):
    fold = page(small, "backprop").select_one(".zh-fold-crosswalk")
    for where in (page(small, "crosswalk"), fold):
        first, second = where.select("ul.zh-crosswalk > li")
        text = " ".join(first.get_text(" ").split())
        assert text.startswith("1:02 A slope") and "There: 14 Today: 2.1070" in text
        assert first.a["href"] == "https://www.youtube.com/watch?v=x&t=62s"
        hrefs = [a["href"] for a in first.select(".zh-here a")]
        assert [h.rpartition("/")[2] for h in hrefs] == [
            "#one-slope-and-a-loss" if where.name == "details" else
            "backprop.html#one-slope-and-a-loss", "api_parts.html#zh.autograd.Value"]  # fmt: skip
        assert "GPT (coming)" in text and first.select_one(".katex")
        assert "Exercise" in second.get_text() and second.code.get_text() == "zh.unwritten.Name"


def test_practice_lists_what_the_chapter_asks(small):
    section = page(small, "practice").select_one("section[data-chapter=backprop]")
    lines = {li["data-key"]: li for li in section.select("li")}
    assert set(lines) == {"zh:exercise:loss-of-knowing-nothing", "zh:predict:what-comes",
                          "zh:lab:lab-symmetry"}  # fmt: skip
    spec = exercises.get("loss-of-knowing-nothing")
    exercise = lines["zh:exercise:loss-of-knowing-nothing"]
    assert exercise.a["href"] == "backprop.html#exercise-loss-of-knowing-nothing"
    assert f"{spec.minutes} min, on the page" in exercise.get_text()
    assert lines["zh:predict:what-comes"].get_text() == "What becomes of the loss?"
    assert lines["zh:lab:lab-symmetry"].get_text() == "Units & layers"


def test_what_leads_nowhere_fails_and_says_where(tmp_path):
    book = MiniBook(tmp_path)
    rows = [{"item": "Whole.", "book": "backprop"},
            {"item": "Nowhere.", "book": "backprop#a-flod"},
            {"item": "Nothing.", "book": "bigrams", "zh": "zh.autograd.Valve"}]  # fmt: skip
    lecture = {"lecture": "One", "title": "The first", "video": "x", "rows": rows}
    (tmp_path / "book" / "crosswalk.yml").write_text(yaml.safe_dump([lecture]))
    book["backprop"] = CHAPTER
    book["crosswalk"] = "```{crosswalk}\n```\n\n{section}`bigrms`\n"
    done = book.build()
    assert done.returncode != 0
    for words in ("backprop.md is written, and the row 'Whole.' leads to no place in it",
                  "backprop.md has no place #a-flod; near it: a-fold",
                  "the package has no zh.autograd.Valve",
                  "no chapter is called 'bigrms'", "no chapter is called 'bigrams'"):  # fmt: skip
        assert words in done.stdout, f"{words!r} is not in\n{done.stdout}"


def test_a_name_asked_twice_fails(tmp_path):
    book = MiniBook(tmp_path)
    twice = ":::{predict} same\nWhat?\n:::\n" + cell("print(1)")
    book["one"], book["two"] = twice, twice
    book["practice"] = "```{practice-list}\n```\n"
    done = book.build()
    assert done.returncode != 0 and "'same' stands in book/one too" in done.stdout


def test_minutes():
    assert [minutes(n) for n in (5, 60, 125)] == ["5 min", "1 h", "2 h 5 min"]


# -- docstrings -----------------------------------------------------------------------------------


def test_a_docstring_as_html():
    html = docstrings.described(
        """Do `this` & :class:`that`, x**2.

        Ideas: not an entry::

            code <a>

            more

        x, y: one thing,
            on two lines.  draw(g) -> x: not here
        loss(x) -> scalar. None: `it`.

        Args:
            **grid: its values.
                And more.

        Raises ValueError.
        """
    )
    assert html == (
        "<p>Do <code>this</code> &amp; <code>that</code>, x<sup>2</sup>.</p>"
        "<p>Ideas: not an entry:</p>"
        "<pre>code &lt;a&gt;\n\nmore</pre>"
        "<dl><dt><code>x, y</code></dt><dd>one thing, on two lines.  draw(g) -&gt; x: not here</dd>"
        "<dt><code>loss(x) -&gt; scalar</code></dt><dd>None: <code>it</code>.</dd></dl>"
        "<p><strong>Args</strong></p><dl><dt><code>**grid</code></dt>"
        "<dd>its values. And more.</dd></dl><p>Raises ValueError.</p>"
    )


def described() -> list[str]:
    return [name for name in docstrings.modules() if not name.startswith("zh.plots.")]


@pytest.mark.parametrize("name", described())
def test_the_description_has_what_the_module_has(name):
    """The source read without importing, against the module imported."""
    module, told = importlib.import_module(name), docstrings.modules()[name]
    assert told.doc == inspect.getdoc(module)
    listed = getattr(module, "__all__", None)
    there = {
        key for key, value in vars(module).items()
        if (key in listed if listed else not key.startswith("_"))
        and (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == name
    }  # fmt: skip
    mine = {n.name: n for n in told.names}
    assert there <= set(mine), f"not described: {there - set(mine)}"
    for key in there:
        value = vars(module)[key]
        if value.__doc__ and not value.__doc__.startswith(f"{key}("):  # a NamedTuple has its own
            assert mine[key].doc == inspect.getdoc(value)
        if inspect.isfunction(value):
            given = re.findall(r"(?<![\w.])(\w+)(?=[:=,)]| =)", mine[key].signature)
            assert [p for p in inspect.signature(value).parameters if p not in given] == []


def test_every_name_is_on_its_page(site):
    for name, module in docstrings.known().items():
        html = soup(site / f"{docstrings.page_of(module)}.html")
        assert html.find(id=name), f"{name} is not on the page of {module}"


def test_every_module_is_in_the_index(site):
    links = soup(site / "book" / "api.html").select("article li > p > a")
    assert [a.get_text() for a in links] == list(docstrings.modules())


def test_answers_are_not_on_the_pages():
    assert not [m for m in docstrings.modules() if m.startswith("zh.exercises.")]


# -- the whole book -------------------------------------------------------------------------------


def test_practice_lists_every_exercise(site):
    keys = {li["data-key"] for li in soup(site / "book" / "practice.html").select("li[data-key]")}
    assert {f"zh:exercise:{name}" for name in exercises.names()} <= keys
    on_pages = {
        tag["data-name"]
        for name in PAGES
        for tag in soup(site / f"{name}.html").select("article .zh-predict")
    }
    assert {f"zh:predict:{name}" for name in on_pages} <= keys
    labs = {tag["id"] for name in PAGES for tag in soup(site / f"{name}.html").select(".zh-lab")}
    assert {f"zh:lab:{name}" for name in labs} <= keys


def test_links_to_terms_weigh_little(site):
    for name in PAGES:
        html = (site / f"{name}.html").read_text("utf8")
        links = re.findall(r'<a class="zh-term[^>]*>.*?</a>', html, re.S)
        assert len("".join(links)) < 6000, f"{name}: {len(links)} links"
        targets = re.findall(r'href="([^"]+)"', "".join(links))
        assert len(targets) == len(set(targets)), f"{name}: a term is linked twice"
