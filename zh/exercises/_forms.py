"""Exercises and predictions as the page shows them: real forms, which the page's script answers.

Without JavaScript a form does nothing (``method="dialog"`` outside a dialog), and the style sheet
hides it.
"""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zh import page

if TYPE_CHECKING:
    from zh.exercises import Exercise


def in_page(exercise: Exercise) -> bool:
    """Can the page judge it? Numbers and choices, unless Python has to compare or to be given
    something."""
    if exercise.kind not in ("number", "choice") or exercise.compare is not None:
        return False
    if callable(exercise.answer):
        return not inspect.signature(exercise.answer).parameters
    return True


def spec(exercise: Exercise) -> dict[str, Any]:
    """What the page needs to judge a number or a choice, as ``judge`` of base.js takes it."""
    if not in_page(exercise):
        raise ValueError(f"exercise {exercise.name!r} ({exercise.kind}) is checked in a notebook")
    data: dict[str, Any] = {"kind": exercise.kind, "because": exercise.because}
    if exercise.kind == "choice":
        data["right"] = list(exercise.choices).index(exercise.answer)
        data["why"] = [exercise.why.get(choice, "") for choice in exercise.choices]
    else:
        data["right"] = float(exercise.right())
        data["tolerance"], data["absolute"] = exercise.tolerance, exercise.absolute
        data["mistakes"] = [
            [float(value() if callable(value) else value), text]
            for value, text in exercise.mistakes
        ]
    return data


def hide(data: dict[str, Any], key: str) -> str:
    """A specification so that a look at the page's source does not give the answer away.

    No secret: whoever reads ``unhide`` in base.js gets it back.
    """
    plain = json.dumps(data, separators=(",", ":"))  # ASCII only
    mixed = bytes(ord(c) ^ ord(key[i % len(key)]) for i, c in enumerate(plain))
    return base64.b64encode(mixed).decode()


def _radios(ident: str, choices: Sequence[str], legend: str) -> str:
    rows = "".join(
        f'<label class="zh-choice"><input type="radio" name="{ident}" value="{i}"> '
        f"<span>{page.escape(choice)}</span></label>"
        for i, choice in enumerate(choices)
    )
    return f"<fieldset><legend>{legend}</legend>{rows}</fieldset>"


def _text_box(ident: str, label: str, number: bool) -> str:
    mode = 'inputmode="text" ' if number else ""
    hint = ' placeholder="-1.5, 3/2, 1e-3"' if number else ""
    return (
        f'<label class="zh-text" for="{ident}">{label}</label>'
        f'<input type="text" id="{ident}" name="{ident}" {mode}autocomplete="off" '
        f'spellcheck="false"{hint}>'
    )


def exercise_form(exercise: Exercise) -> str:
    """The form in which the page takes the answer to a number or a choice.

    For what only a notebook can judge: a sentence that says how to check it there.
    """
    name = exercise.name
    if not in_page(exercise):
        return (
            '<p class="zh-check-here">Check it in the notebook: '
            f"<code>check(&quot;{name}&quot;, answer)</code></p>"
        )
    hidden = hide(spec(exercise), name)
    ident = f"answer-{name}"
    if exercise.kind == "choice":
        ask = _radios(ident, exercise.choices, "Your answer")
    else:
        ask = _text_box(ident, "Your answer", True)
    return (
        f'<form class="zh-form" method="dialog" data-name="{name}" data-kind="{exercise.kind}" '
        f'data-spec="{hidden}">{ask}'
        '<button type="submit">Check</button>'
        '<p class="zh-reply" role="status"></p></form>'
        '<noscript><p class="zh-check-here">The page checks answers with JavaScript. The notebook '
        "checks them too, and the solution stands below.</p></noscript>"
    )


def render_predict(name: str, kind: str, choices: Sequence[str] = ()) -> str:
    """The form in which the page takes a prediction, as HTML.

    Args:
        name: unique in the book; the reader's browser keeps the prediction under it.
        kind: ``number``, ``choice`` or ``text``.
        choices: the texts of a choice.

    Raises:
        ValueError: another kind, a choice without choices, choices without a choice.
    """
    page.check_name(name, "the name of a prediction")
    if kind not in ("number", "choice", "text"):
        raise ValueError(f"prediction {name!r}: kind {kind!r} is not number, choice or text")
    if (kind == "choice") != (len(choices) > 1):
        raise ValueError(f"prediction {name!r}: a choice, and only a choice, has two or more texts")
    ident = f"predict-{name}-answer"
    if kind == "choice":
        ask = _radios(ident, choices, "Your prediction")
    else:
        ask = _text_box(ident, "Your prediction", kind == "number")
    return (
        f'<form class="zh-form" method="dialog" data-name="{name}" data-kind="{kind}">{ask}'
        '<button type="submit">Commit and show the result</button>'
        '<button type="button" class="zh-decline">Show it without a prediction</button>'
        '<p class="zh-reply" role="status"></p></form>'
    )
