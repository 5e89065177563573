"""Exercises that check the answer: ``check("name", answer)`` in a notebook, a form on the page.

One specification (an :class:`Exercise`) serves the notebook, the page and the tests. A chapter's
specifications stand in ``zh/exercises/<chapter>.py``, in a list called ``EXERCISES``::

    from zh.exercises import Exercise

    EXERCISES = [
        Exercise("slope-at-three", "The slope at three", minutes=2, kind="number",
                 answer=lambda: 6 * 3 - 4,
                 mistakes=[(3 * 3**2 - 4 * 3 + 5, "That is the value at 3; the slope is asked.")]),
    ]

A reply says what is wrong with an answer, never what the right one is. The replies to numbers and
choices come from the table ``REPLIES`` of ``zh/labs/base.js``, which the page uses too.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from zh import page
from zh.exercises._forms import exercise_form, render_predict, spec
from zh.exercises._judging import Reply, judge, parse_number

__all__ = [
    "Exercise",
    "Reply",
    "check",
    "get",
    "names",
    "page_spec",
    "parse_number",
    "render_exercise_form",
    "render_predict",
]

KINDS = ("number", "choice", "tensor", "function")


@dataclass
class Exercise:
    """One exercise: what the page shows of it, and how its answer is judged.

    Attributes:
        name: its address; small letters, digits, hyphens; unique in the book.
        title: a few words.
        minutes: how long it takes a reader.
        kind: ``number``, ``choice``, ``tensor`` or ``function``.
        answer: the right answer, or a function that computes it. The function may take keywords,
            which the caller of ``check`` gives. For a choice: the text of the right choice. For a
            function: a reference implementation.
        choices: the texts of a choice.
        why: for a choice: wrong text -> what is wrong with it.
        tolerance: how far off a number may be, relative to the right one (for a tensor: relative
            to the entry plus the typical size of the entries).
        absolute: how far off a number may be in any case.
        mistakes: wrong answers that are worth a reply of their own: pairs of a value (or a
            function that computes it) and a sentence. "That is right for x = 2." For a function:
            pairs of a function that makes the mistake and a sentence.
        because: said after "Right.": what the answer shows.
        inputs: for a function: tuples of arguments to try it on, or a function giving them.
        compare: own judgement: ``compare(answer)`` gives True, False, a sentence saying what is
            wrong, a Reply, or None for "judge it the usual way". It may take the keywords too.
        chapter: filled in from the file that lists the exercise.
    """

    name: str
    title: str
    minutes: int
    kind: str
    answer: Any = None
    choices: Sequence[str] = ()
    why: dict[str, str] = field(default_factory=dict)
    tolerance: float | None = None
    absolute: float = 0.0
    mistakes: Sequence[tuple[Any, str]] = ()
    because: str = ""
    inputs: Any = ()
    compare: Callable[..., Any] | None = None
    chapter: str = ""

    def __post_init__(self) -> None:
        page.check_name(self.name, "the name of an exercise")

        def wrong(what: str) -> ValueError:
            return ValueError(f"exercise {self.name!r}: {what}")

        if self.kind not in KINDS:
            raise wrong(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if not self.title.strip() or not self.minutes > 0:
            raise wrong("it needs a title and a positive number of minutes")
        if self.answer is None and self.compare is None:
            raise wrong("it needs an answer, or a compare function")
        if self.tolerance is None:
            self.tolerance = 1e-4 if self.kind == "tensor" else 1e-3
        if not 0 <= self.tolerance < 1 or self.absolute < 0:
            raise wrong("the tolerance must be from 0 up to 1, the absolute one not negative")
        if self.kind == "choice":
            if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
                raise wrong("a choice needs two or more different texts in choices")
            if self.answer not in self.choices:
                raise wrong("the answer must be one of the choices, word for word")
            stray = [text for text in self.why if text not in self.choices or text == self.answer]
            if stray:
                raise wrong(f"why explains {stray[0]!r}, which is not a wrong choice")
        elif self.choices or self.why:
            raise wrong(f"kind {self.kind!r} takes no choices")
        if self.kind == "function":
            if self.compare is None and not (callable(self.answer) and self.inputs):
                raise wrong("a function needs a reference function as answer, and inputs to try")
        elif self.inputs:
            raise wrong(f"kind {self.kind!r} takes no inputs")

    def right(self, **given: Any) -> Any:
        """The right answer (computed, where it is a function that computes it)."""
        if self.kind in ("number", "tensor") and callable(self.answer):
            return self.answer(**given)
        return self.answer


def check(name: str, answer: Any, **given: Any) -> Reply:
    """Judge an answer to an exercise, and say what is wrong with it, never what is right.

    Args:
        name: the exercise.
        answer: a number, a tensor, a function, or the text (or letter) of a choice.
        **given: what the right answer is computed from, where the exercise asks for it.

    Raises:
        KeyError: no such exercise; the message names the nearest.
        AssertionError: in the build of the site, where every answer is the book's own solution
            and must be right.
    """
    reply = judge(get(name), answer, given)
    if page.STATIC and not reply.ok:
        raise AssertionError(f"the answer to exercise {name!r} is not right: {reply.text}")
    return reply


# ---------------------------------------------------------------- the list of exercises


@functools.cache
def _all() -> dict[str, Exercise]:
    """Every exercise, by name; the chapters' files are imported when one is first asked for."""
    found: dict[str, Exercise] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.name.startswith("_"):
            continue
        listed = getattr(importlib.import_module(f"{__name__}.{info.name}"), "EXERCISES", None)
        if not isinstance(listed, list) or not all(isinstance(e, Exercise) for e in listed):
            raise TypeError(f"zh/exercises/{info.name}.py must have a list EXERCISES of Exercise")
        for exercise in listed:
            if exercise.name in found:
                raise ValueError(
                    f"exercise {exercise.name!r} is listed twice, in {found[exercise.name].chapter}"
                    f" and in {info.name}: names are unique in the book"
                )
            exercise.chapter = info.name
            found[exercise.name] = exercise
    return found


def names(chapter: str | None = None) -> list[str]:
    """The names of all exercises, or of one chapter's, in their order."""
    return [e.name for e in _all().values() if chapter in (None, e.chapter)]


def get(name: str) -> Exercise:
    """The exercise of that name.

    Raises:
        KeyError: there is none; the message names the nearest.
    """
    exercises = _all()
    if name not in exercises:
        near = difflib.get_close_matches(str(name), exercises, 3, 0.5)
        hint = f" Near it: {', '.join(near)}." if near else ""
        raise KeyError(
            f"there is no exercise {name!r}.{hint} zh.exercises.names() lists all {len(exercises)}"
        )
    return exercises[name]


def page_spec(name: str) -> dict[str, Any]:
    """What the page needs to judge the answer, as ``judge`` of base.js takes it.

    Raises:
        KeyError: no such exercise.
        ValueError: it is judged in a notebook only.
    """
    return spec(get(name))


def render_exercise_form(name: str) -> str:
    """The form of an exercise as HTML; where only a notebook can judge it, a sentence that says so.

    Raises:
        KeyError: no such exercise.
    """
    return exercise_form(get(name))
