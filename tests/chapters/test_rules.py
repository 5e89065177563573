"""What every chapter keeps to: numbers computed, cells short, exercises with solutions, a shape."""

from __future__ import annotations

import re

import pytest

from tests.conftest import CHAPTERS, PAGES, ROOT
from tests.prose import cells, prose, typed_numbers, words
from zh import exercises

# the bug clinic is no lesson: a case has an exercise, and no place for the rest
OTHERS = ("book/intro", "book/diagnostics_lab", "book/bug_clinic", "book/claims", "book/colophon")
LESSONS = [name for name in CHAPTERS if name not in OTHERS]
MAX_LINES = 15  # of a cell, comments and blank lines aside; more where code is shown whole
WHOLE = re.compile(r"^(?:class|def) \w+", re.M)
FOLD = re.compile(r"^:{3,}\{fold-start\}[^\n]*\n((?::[\w-]+:[^\n]*\n)*)", re.M)


def source(name: str) -> str:
    """The text of a page."""
    return (ROOT / f"{name}.md").read_text("utf8")


def folds(text: str) -> list[dict[str, str]]:
    """The options of each fold."""
    return [dict(re.findall(r"^:([\w-]+): *(.*?) *$", m[1], re.M)) for m in FOLD.finditer(text)]


def names_of(directive: str, text: str) -> list[str]:
    """The names of the exercises or predictions of a chapter."""
    return re.findall(rf"^[:`]{{3,}}\{{{directive}\}} *(\S+)", text, re.M)


def test_no_number_of_the_prose_is_typed(page_name):
    found = [f"line {line}: {number}" for line, number in typed_numbers(source(page_name))]
    assert not found, (
        "typed numbers: glue a measured one, mark a constant with {fixed}: " + "; ".join(found)
    )


def test_chapters_are_text_without_outputs():
    assert not list((ROOT / "book").rglob("*.ipynb"))


def test_one_title_and_a_description(page_name):
    text = source(page_name)
    assert len(re.findall(r"^# ", prose(text), re.M)) == 1
    assert re.search(r"html_meta:\s+description: \S", text), "no description for search engines"
    levels = [len(m) for m in re.findall(r"^(#+) ", prose(text), re.M)]
    jumps = [b for a, b in zip(levels, levels[1:], strict=False) if b > a + 1]
    assert not jumps, "a heading skips a level"


def test_cells_are_short(chapter):
    long = []
    for line, code in cells(source(chapter)):
        lines = [x for x in code.splitlines() if x.strip() and not x.strip().startswith("#")]
        limit = 2 * MAX_LINES if WHOLE.search(code) else MAX_LINES
        if len(lines) > limit:
            long.append(f"line {line}: {len(lines)} lines of code, {limit} at most")
    assert not long, "; ".join(long)


def test_folds_have_kinds_and_names_of_their_own(chapter):
    found = folds(source(chapter))
    named = [f["name"] for f in found if "name" in f]
    assert len(named) == len(set(named)), "two folds of one name"
    assert all("kind" in f for f in found), "a fold without a kind"
    others = [f for f in found if f["kind"] not in ("hint", "solution")]
    assert all("name" in f for f in others), "a fold that cannot be linked to"


def test_predictions_have_names_of_their_own(chapter):
    found = names_of("predict", source(chapter))
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", exercises.names())
def test_exercise_stands_once_and_its_solution_is_checked(name):
    """Statement in one chapter, then a fold with a solution that the build checks."""
    spec = exercises.get(name)
    where = [page for page in PAGES if name in names_of("exercise", source(page))]
    assert len(where) == 1, f"{name} stands in {where}"
    assert where[0].rpartition("/")[2] == spec.chapter
    text = source(where[0])
    start = text.index(f"{{exercise}} {name}")
    solution = re.search(rf"^:name: solution-{re.escape(name)} *$", text[start:], re.M)
    assert solution, f"no fold with :name: solution-{name} after the exercise"
    inside = text[start + solution.start() : text.index("{fold-end}", start + solution.start())]
    called = re.compile(rf"""^check\(\s*["']{re.escape(name)}["']""", re.M)
    assert any(called.search(code) for _, code in cells(inside)), "the solution is not checked"


@pytest.mark.parametrize("name", LESSONS, ids=[n.rpartition("/")[2] for n in LESSONS])
class TestLesson:
    """The shape of a chapter that teaches."""

    def test_length(self, name):
        assert 2500 <= words(source(name)) <= 6500

    def test_shape(self, name):
        assert re.search(r"you will be able to", source(name), re.I), "what it is for"
        heads = re.findall(r"^## (.+)$", source(name), re.M)
        for wanted in ("Exercises", "What to remember", "Further reading"):
            assert wanted in heads, f"no section {wanted!r}; there are {heads}"

    def test_kinds_of_blocks(self, name):
        kinds = {f["kind"] for f in folds(source(name))}
        assert {"notebook", "broken", "solution"} <= kinds
        assert names_of("predict", source(name)), "nothing to predict"
        assert re.search(r"\{margin\} Noted", source(name)), "no margin note"

    def test_five_to_eight_exercises(self, name):
        assert 5 <= len(names_of("exercise", source(name))) <= 8

    def test_what_to_remember_is_short(self, name):
        text = re.search(r"^## What to remember\n(.*?)(?=^## |\Z)", source(name), re.M | re.S)[1]
        assert 1 <= len(re.findall(r"^[-*\d]", text, re.M)) <= 7
