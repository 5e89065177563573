"""How an answer is judged: what is wrong with a number, a tensor, a choice, a function.

The replies to numbers and choices are rows of the table ``REPLIES`` in ``zh/labs/base.js``; the
page judges by the same rows. The replies to tensors and functions are said here.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zh import labs, page

if TYPE_CHECKING:
    from zh.exercises import Exercise


@dataclass(frozen=True)
class Reply:
    """What :func:`check` says: ``ok``, and why, in ``text``."""

    ok: bool
    text: str

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return ("✓ " if self.ok else "✗ ") + self.text

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        state = "ok" if self.ok else "no"
        body = f'<p class="zh-reply zh-{state}">{page.escape(repr(self))}</p>'
        return {"text/html": body, "text/plain": repr(self)}


@functools.cache
def replies() -> dict[str, Any]:
    """The table of replies that page and notebook share."""
    found = re.search(r"^export const REPLIES = (\{.*?^\});", labs.source("base"), re.M | re.S)
    return json.loads(found[1])


_ONE = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(rf"({_ONE})\s*(?:/\s*({_ONE})|(%))?", re.ASCII)


def parse_number(text: str) -> float:
    """The number in a text (-1.5, 3/2, 1e-3, 12 %, 2,100), else NaN; as in the page."""
    text = text.strip().replace("\u2212", "-").replace("\u2013", "-")
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+", text, re.ASCII):
        text = text.replace(",", "")
    found = _NUMBER.fullmatch(text)
    if not found:
        return math.nan
    try:
        value = float(found[1]) / (float(found[2]) if found[2] else 100 if found[3] else 1)
    except ZeroDivisionError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _close(x: float, target: float, tolerance: float, absolute: float) -> bool:
    allowed = tolerance * abs(target) if target else tolerance
    return abs(x - target) <= max(allowed, absolute)


def _rule_holds(rule: dict, x: float, r: float, tolerance: float, absolute: float) -> bool:
    """One row of the table; the page's twin is TESTS in base.js."""
    k = rule.get("k", 0.0)

    def close(target: float) -> bool:
        return _close(x, target, tolerance, absolute)

    match rule["if"]:
        case "zero":
            return r != 0 and close(0.0)
        case "times":
            return r != 0 and close(k * r)
        case "power":
            return 1e-150 < abs(r) < 1e150 and (r > 0 or k != 0.5) and close(r**k)
        case "plus":
            return close(r + k)
        case "near":
            return abs(x - r) <= k * abs(r)
        case "sign":
            return x * r < 0
        case "above":
            return r != 0 and abs(x) > k * abs(r)
        case "below":
            return abs(x) < k * abs(r)
    raise ValueError(f"REPLIES in base.js has a rule {rule['if']!r} that Python does not know")


def _said_right(exercise: Exercise) -> Reply:
    return Reply(True, " ".join(filter(None, [replies()["right"], exercise.because])))


def judge(exercise: Exercise, answer: Any, given: dict) -> Reply:
    if answer is None or answer is ...:
        return Reply(False, replies()["empty"])
    if exercise.compare is not None:
        reply = exercise.compare(answer, **given)
        if isinstance(reply, Reply):
            return reply
        if isinstance(reply, str):
            return Reply(False, reply)
        if reply is not None:
            return _said_right(exercise) if reply else Reply(False, replies()["other"])
    if exercise.kind == "choice":
        return _judge_choice(exercise, answer)
    if exercise.kind == "function":
        return _judge_function(exercise, answer)
    right = exercise.right(**given)
    mistakes = [
        (value(**given) if callable(value) else value, text) for value, text in exercise.mistakes
    ]
    find = _wrong_number if exercise.kind == "number" else _wrong_tensor
    wrong = find(exercise, answer, right, mistakes)
    return Reply(False, wrong) if wrong else _said_right(exercise)


def _judge_choice(exercise: Exercise, answer: Any) -> Reply:
    def bare(text: str) -> str:
        words = " ".join(text.lower().replace(",", " ").split()).strip(" .()[]")
        return words.removeprefix("the ")

    texts = {bare(choice): choice for choice in exercise.choices}
    letters = {"abcdefghij"[i]: choice for i, choice in enumerate(exercise.choices)}
    chosen = None
    if isinstance(answer, list | tuple):  # ["c", "b"] for "c, b"
        answer = " ".join(map(str, answer))
    if isinstance(answer, str):
        chosen = texts.get(bare(answer)) or letters.get(bare(answer))
    if chosen is None:
        last = "abcdefghij"[len(exercise.choices) - 1]
        return Reply(False, f"That is none of the choices: give the text of one, or a to {last}.")
    if chosen == exercise.answer:
        return _said_right(exercise)
    return Reply(False, exercise.why.get(chosen, replies()["other choice"]))


def _as_number(answer: Any) -> float | str:
    """The answer as a float, or a sentence saying why it is none."""
    if isinstance(answer, bool):
        return "That is True or False: a number is asked."
    if isinstance(answer, str):
        value = parse_number(answer)
        return replies()["not a number"] if math.isnan(value) else value
    if type(answer).__name__ == "Value":
        return "That is a Value: give its .data or its .grad, whichever is asked."
    if callable(answer):
        return "That is a function: call it, and give what it returns."
    shape = getattr(answer, "shape", None)
    if shape is not None and math.prod(shape) != 1:
        return f"One number is asked; that has {math.prod(shape)} of them, shape {tuple(shape)}."
    try:
        value = float(answer)
    except (TypeError, ValueError):
        return f"A number is asked; that is a {type(answer).__name__}."
    if math.isnan(value):
        return "That is NaN, not a number: some step divided zero by zero, or took infinity away."
    if math.isinf(value):
        return "That is infinite: some step divided by zero or overflowed."
    return value


def _wrong_number(exercise: Exercise, answer: Any, right: Any, mistakes=()) -> str:
    """What is wrong with a number; empty if it is right."""
    x, r = _as_number(answer), float(right)
    if isinstance(x, str):
        return x
    tolerance, absolute = exercise.tolerance, exercise.absolute
    if _close(x, r, tolerance, absolute):
        return ""
    for value, sentence in mistakes:
        if _close(x, float(value), tolerance, absolute):
            return sentence
    for rule in replies()["rules"]:
        if _rule_holds(rule, x, r, tolerance, absolute):
            return rule["say"]
    return replies()["other"]


def _kind_of(axes: int) -> str:
    words = {0: "a single number (no axis)", 1: "a vector (one axis)", 2: "a matrix (two axes)"}
    return words.get(axes, f"{axes} axes")


def _as_tensor(answer: Any):
    """The answer as a tensor of float64 (bools and integers too), or a sentence why it is none."""
    import torch

    if isinstance(answer, torch.Tensor):
        value = answer.detach().cpu()
    else:
        if callable(answer):
            return "That is a function or a class: call it, and give what it returns."
        if isinstance(answer, list | tuple) and any(type(x).__name__ == "Value" for x in answer):
            return "Those are Values: give the .data or the .grad of each, whichever is asked."
        try:
            value = torch.as_tensor(answer)
        except (TypeError, ValueError, RuntimeError):
            return f"A tensor is asked; that is a {type(answer).__name__} that is no array."
    if value.is_complex():
        return "The numbers are complex: real ones are asked."
    return value.to(torch.float64)


def _wrong_tensor(exercise: Exercise, answer: Any, right: Any, mistakes=()) -> str:
    """What is wrong with a tensor; empty if it is right."""
    import torch

    x, r = _as_tensor(answer), torch.as_tensor(right).detach()
    if isinstance(x, str):
        return x
    integers, boolean = not r.is_floating_point(), r.dtype == torch.bool
    r = r.cpu().to(torch.float64)
    scale = r.square().mean().sqrt() if r.numel() else r.new_zeros(())

    def same(a, b) -> bool:
        if a.shape != b.shape:
            return False
        allowed = exercise.tolerance * (b.abs() + scale) + exercise.absolute
        return bool(((a - b).abs() <= allowed.clamp_min(1e-300)).all())

    if x.isnan().any():
        count = f"{int(x.isnan().sum())} of {x.numel()}"
        return f"{count} entries are NaN: find the step that makes the first one."
    if x.isinf().any():
        count = f"{int(x.isinf().sum())} of {x.numel()}"
        return f"{count} entries are infinite: a division by zero, or an overflow."
    if x.shape != r.shape:
        return _wrong_shape(x, r, same)
    if same(x, r):
        given = answer if isinstance(answer, torch.Tensor) else torch.as_tensor(answer)
        if integers and given.is_floating_point():
            asked = "booleans" if boolean else "integers"
            return f"The numbers are right, their dtype is not: {given.dtype}; {asked} are asked."
        if not integers and not given.is_floating_point():
            return f"The numbers are right, their dtype is not: {given.dtype}; floats are asked."
        return ""
    for value, sentence in mistakes:
        if same(x, torch.as_tensor(value).detach().cpu().to(torch.float64)):
            return sentence
    return _wrong_entries(x, r, same)


def _wrong_shape(x, r, same) -> str:
    told = f"The shape is wrong: yours is {tuple(x.shape)}."
    if x.dim() == 2 and same(x.T, r):
        return f"{told} The numbers are right, but transposed."
    if x.squeeze().shape == r.squeeze().shape and same(x.squeeze(), r.squeeze()):
        if x.dim() > r.dim():
            return f"{told} The numbers are right; an axis of length one is too many (keepdim?)."
        return f"{told} The numbers are right; an axis of length one is missing (keepdim?)."
    if x.numel() == r.numel() and same(x.reshape(r.shape), r):
        return f"{told} The numbers are right, in the right order."
    for axis in range(x.dim()):
        for keep in (False, True):
            if same(x.sum(axis, keepdim=keep), r):
                return (
                    f"{told} The numbers are right before a last sum: what was broadcast along an "
                    "axis on the way forward is summed along it on the way back."
                )
            if same(x.mean(axis, keepdim=keep), r):
                return f"{told} A mean over one axis is missing."
    if x.dim() != r.dim():
        return f"{told} {_kind_of(r.dim()).capitalize()} is expected; that has {x.dim()}."
    if sorted(x.shape) == sorted(r.shape):
        return f"{told} The axes have the right lengths in the wrong order."
    off = [i for i in range(r.dim()) if x.shape[i] != r.shape[i]]
    which = f"{'axis' if len(off) == 1 else 'axes'} {', '.join(map(str, off))}"
    return f"{told} The number of axes is right, the length of {which} is not."


def _wrong_entries(x, r, same) -> str:
    """The right shape, the wrong numbers."""
    if not x.any():
        return "All entries are zero: nothing has reached it."
    for rule in replies()["rules"]:
        if rule["if"] == "times" and same(x, rule["k"] * r):
            return "Every entry: " + _small_first(rule["say"])
    nonzero = r != 0
    if nonzero.any():
        ratio = (x[nonzero] / r[nonzero]).median()
        for axis, length in enumerate(r.shape):
            for factor, word in ((length, "too much"), (1 / length, "missing")):
                if length > 2 and same(x, factor * r):
                    return (
                        f"Every entry is off by a factor, the length of axis {axis}, {word}: "
                        "a sum where a mean is asked, or a mean where a sum is."
                    )
        if same(x, ratio * r):
            side = "too large" if abs(ratio) > 1 else "too small"
            sign = " and the sign is wrong" if ratio < 0 else ""
            return f"Every entry is {side} by the same factor{sign}."
        if nonzero.all() and same(x, 1 / r):
            return "Every entry is the reciprocal of what it should be."
    if same(x - (x - r).median(), r):
        return "Every entry is off by the same constant."
    if x.dim() == 2 and x.shape[0] == x.shape[1] and same(x.T, r):
        return "The numbers are right, but transposed."
    if same(x.abs(), r.abs()):
        wrong = int((x.sign() != r.sign()).sum())
        return f"The sizes are right; the sign of {wrong} of {x.numel()} entries is wrong."
    if x.numel() == r.numel() and same(x.flatten().sort().values, r.flatten().sort().values):
        return "The numbers are right, in the wrong places: an index or an axis is swapped."
    scale = r.square().mean().sqrt()
    bad = (x - r).abs() > 1e-3 * (r.abs() + scale)
    if not bad.any():
        return "Close, but not close enough: a small term is left out, or it was rounded."
    count = int(bad.sum())
    if count < x.numel():
        first = tuple(bad.nonzero()[0].tolist())
        right = f"{x.numel() - count} of {x.numel()} entries are right"
        return f"{right}; the first wrong one is at {first}."
    if bool(((x - r).abs() <= 0.05 * (r.abs() + scale)).all()):
        return "Close everywhere, right nowhere: a factor near one, or a small term left out."
    return "The shape is right, no entry is."


def _small_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _wrong_value(exercise: Exercise, answer: Any, right: Any) -> str:
    """What is wrong with what a function returned; empty if it is right."""
    import torch

    if isinstance(right, tuple | list) and (
        isinstance(right, tuple) or not isinstance(answer, torch.Tensor)
    ):
        if not isinstance(answer, tuple | list):
            return f"It returns a {type(answer).__name__}; a {type(right).__name__} is expected."
        if len(answer) != len(right):
            return f"It returns {len(answer)} things; {len(right)} are expected."
        for i, (a, b) in enumerate(zip(answer, right, strict=True)):
            wrong = _wrong_value(exercise, a, b)
            if wrong:
                return f"Item {i}: {_small_first(wrong)}"
        return ""
    if answer is None:
        return "It returns None: is there a return?"
    if isinstance(right, bool | str | dict | set):
        if not isinstance(answer, type(right)):
            return f"It returns a {type(answer).__name__}; a {type(right).__name__} is expected."
        return "" if answer == right else replies()["other"]
    if hasattr(right, "shape") and math.prod(right.shape) != 1:
        return _wrong_tensor(exercise, answer, right)
    return _wrong_number(exercise, answer, right)


def _judge_function(exercise: Exercise, answer: Any) -> Reply:
    if not callable(answer):
        return Reply(
            False, f"A function is asked; that is a {type(answer).__name__}. Give it without ()."
        )
    inputs = exercise.inputs() if callable(exercise.inputs) else exercise.inputs
    inputs = [args if isinstance(args, tuple) else (args,) for args in inputs]
    wrongs: list[tuple[str, str]] = []
    for args in inputs:
        shown = f"({', '.join(_brief(a) for a in args)})"
        right = exercise.answer(*copy.deepcopy(args))
        try:
            got = answer(*copy.deepcopy(args))
        except Exception as error:  # whatever the reader's function raises is told, not raised
            wrongs.append((shown, f"it raises {type(error).__name__}: {error}"))
            continue
        wrong = _wrong_value(exercise, got, right)
        if wrong:
            wrongs.append((f"{shown}, where it gives {_brief(got)}", _small_first(wrong)))
    if not wrongs:
        return _said_right(exercise)
    for mistake, sentence in exercise.mistakes:
        if _same_function(exercise, answer, mistake, inputs):
            return Reply(False, sentence)
    total = len(inputs)
    where, what = wrongs[0]
    if len(wrongs) == total:
        if len({w for _, w in wrongs}) == 1:
            return Reply(False, f"Wrong on all {total} inputs, in the same way: {what}")
        return Reply(False, f"Wrong on all {total} inputs. On {where}: {what}")
    count = f"Right on {total - len(wrongs)} of {total} inputs, wrong on {len(wrongs)}."
    return Reply(False, f"{count} On {where}: {what}")


def _same_function(exercise: Exercise, answer: Any, mistake: Any, inputs: list[tuple]) -> bool:
    """Does the reader's function give what a known mistake gives, on all inputs?"""
    try:
        return not any(
            _wrong_value(exercise, answer(*copy.deepcopy(args)), mistake(*copy.deepcopy(args)))
            for args in inputs
        )
    except Exception:  # it raises on some input: another mistake
        return False


def _brief(value: Any) -> str:
    if isinstance(value, tuple | list) and any(hasattr(v, "shape") for v in value):
        inside = ", ".join(map(_brief, value))
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    if hasattr(value, "shape") and math.prod(value.shape) > 4:
        return f"{type(value).__name__.lower()} of shape {tuple(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
