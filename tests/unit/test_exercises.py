"""Answers are judged: useful replies, never the answer, the same in Python and in the page."""

import base64
import itertools
import json
import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from zh import exercises, labs, page
from zh.exercises import Exercise, Reply, _forms, _judging, parse_number


def number(answer=14.0, **more):
    return Exercise("a-number", "A number", 2, "number", answer, **more)


def tensor(answer, **more):
    return Exercise("a-tensor", "A tensor", 2, "tensor", answer, **more)


def function(answer, inputs, **more):
    return Exercise("a-function", "A function", 2, "function", answer, inputs=inputs, **more)


def choice(**more):
    return Exercise(
        "a-choice", "A choice", 1, "choice", "It grows", choices=["It shrinks", "It grows"], **more
    )


def said(exercise, answer, **given):
    return _judging.judge(exercise, answer, given)


# ------------------------------------------------------------------ numbers

NUMBERS = [name for name in exercises.names()
           if exercises.get(name).kind == "number" and exercises.get(name).mistakes]


@pytest.mark.parametrize("name", NUMBERS)
def test_the_known_slips_of_a_number_are_told_apart(name):
    """No two of them, and none and the right answer, are within reach of one reply."""
    spec = exercises.get(name)
    values = [spec.right(), *(v() if callable(v) else v for v, _ in spec.mistakes)]
    for a, b in itertools.combinations(values, 2):
        reach = max(spec.absolute, spec.tolerance * max(abs(a), abs(b)))
        assert abs(a - b) > 2 * reach



@pytest.mark.parametrize("answer", [14, 14.0, "14", "28/2", "1.4e1", "1400 %", torch.tensor(14.0)])
def test_a_right_number_is_right_however_it_is_written(answer):
    assert said(number(), answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (-14, "sign is wrong"),
        (28, "Twice"),
        (7, "Half"),
        (1 / 14, "reciprocal"),
        (196, "square of"),
        (15, "One too much"),
        (13, "One too little"),
        (14.3, "Close"),
        (0, "not zero"),
        (-90, "sign is wrong, and so is the size"),
        (1400, "hundred times"),
        (3, "Not right yet"),
        (math.nan, "NaN"),
        (math.inf, "infinite"),
        (True, "True or False"),
        ("fourteen", "not a number"),
        (None, "Nothing to check"),
        (..., "Nothing to check"),
        (torch.ones(3), "has 3 of them"),
        (len, "function"),
        ({}, "dict"),
    ],
)
def test_a_wrong_number_is_told_how(answer, words):
    reply = said(number(), answer)
    assert not reply and words in reply.text


def test_a_value_of_the_graph_is_told_from_its_number():
    from zh.autograd import Value

    assert "its .data or its .grad" in said(number(), Value(14.0)).text


def test_a_known_mistake_has_its_own_reply():
    exercise = number(mistakes=[(22, "That is the value at 3."), (lambda: 5, "Computed.")])
    assert said(exercise, 22).text == "That is the value at 3."
    assert said(exercise, 5.0).text == "Computed."


def test_an_answer_of_zero_and_an_absolute_tolerance():
    assert said(number(0.0), 1e-4) and not said(number(0.0), 0.1)
    assert said(number(1e-6, absolute=1e-3), 0.0)


def test_what_the_answer_shows_is_said_when_it_is_right():
    assert said(number(because="So it is."), 14).text == "Right. So it is."


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_reply_never_holds_the_answer(right, wrong):
    reply = said(number(right), wrong)
    if not reply:
        assert not re.search(r"\d", reply.text)


# ------------------------------------------------------------------ choices


def test_choices_are_taken_by_text_and_by_letter():
    for right in ("It grows", " it GROWS.", "b"):
        assert said(choice(), right)
    assert said(choice(), "a").text == "Not this one."
    assert "why not" in said(choice(why={"It shrinks": "why not"}), "It shrinks").text
    order = Exercise("o", "O", 1, "choice", "t, s", choices=["s, t", "t, s"])
    for right in ("t, s", "t s", "t,s", ["t", "s"], ("t", "s")):
        assert said(order, right)
    for stray in ("c", "", 1):
        assert "none of the choices" in said(choice(), stray).text


# ------------------------------------------------------------------ tensors

W = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
SQUARE = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("answer", [W, W.double(), W.tolist(), W.numpy(), W * (1 + 1e-6)])
def test_a_right_tensor_is_right_in_any_container(answer):
    assert said(tensor(W), answer)


def test_a_right_tensor_may_require_grad_and_be_computed_from_what_is_given():
    exercise = tensor(lambda scale: W * scale)
    assert said(exercise, (W * 3).requires_grad_(), scale=3)
    assert not said(exercise, W, scale=3)


@pytest.mark.parametrize(
    ("right", "answer", "words"),
    [
        (W, W.T, "transposed"),
        (SQUARE, SQUARE.T, "transposed"),
        (W, -W, "sign is wrong"),
        (W, 2 * W, "factor of two too much"),
        (W, W / 2, "factor of two is missing"),
        (W, 5 * W, "length of axis 1, too much"),
        (W, W / 4, "length of axis 0, missing"),
        (W, 1.01 * W, "same factor"),
        (W, W + 3, "same constant"),
        (W, 1 / W, "reciprocal"),
        (W, W.abs(), "sizes are right"),
        (W, W.flip(0), "wrong places"),
        (W, torch.zeros(4, 5), "All entries are zero"),
        (W, W + torch.eye(4, 5), "16 of 20 entries are right; the first wrong one is at (0, 0)"),
        (W, W[None], "one is too many"),
        (W.sum(0, keepdim=True), W.sum(0), "one is missing"),
        (W, W.flatten(), "right order"),
        (W, W[:3], "length of axis 0 is not"),
        (W, W[0], "A matrix (two axes) is expected"),
        (W.permute(1, 0)[None], W[None], "wrong order"),
        (W.sum(0), W, "summed along it"),
        (W.sum(1, keepdim=True), W, "summed along it"),
        (W.mean(0), W, "mean over one axis"),
        (W, W.masked_fill(W > 1, math.nan), "are NaN"),
        (W, W.masked_fill(W > 1, math.inf), "are infinite"),
        (W, "tensor", "A tensor is asked"),
        (W, [[1.0], [1.0, 2.0]], "no array"),
        (W, torch.tensor, "function or a class"),
        (W, W.to(torch.complex64), "complex"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1, 2]), "dtype is not: torch.int64; floats"),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0]), "integers are asked"),
        (W, torch.full((4, 5), 7.0), "no entry is"),
    ],
)
def test_a_wrong_tensor_is_told_how(right, answer, words):
    reply = said(tensor(right), answer)
    assert not reply and words in reply.text


def test_a_known_wrong_tensor_has_its_own_reply():
    exercise = tensor(
        lambda x: x.var(0), mistakes=[(lambda x: x.var(0, correction=0), "Bessel's factor.")]
    )
    assert said(exercise, W.var(0, correction=0), x=W).text == "Bessel's factor."


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 4), max_size=3))
def test_judging_a_tensor_never_fails_and_never_errs(seed, shape):
    g = torch.Generator().manual_seed(seed)
    right = torch.randn(shape, generator=g)
    assert said(tensor(right), right.clone())
    for wrong in (right + torch.randn(shape, generator=g), torch.randn(2, 3, generator=g)):
        reply = said(tensor(right), wrong)
        assert isinstance(reply, Reply) and (not reply) and reply.text


def test_values_of_the_graph_are_told_from_their_numbers():
    from zh.autograd import Value

    assert "the .data or the .grad of each" in said(tensor(W[0, :2]), [Value(1.0), Value(2.0)]).text


# ------------------------------------------------------------------ functions

TRIES = [(1.0,), (2.0,), (-3.0,)]


def _mutates(x):
    x.append(1)
    return sum(x)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: -x * x, "Wrong on all 3 inputs, in the same way: the size is right, the sign"),
        (lambda x: x * abs(x), "Right on 2 of 3 inputs, wrong on 1. On (-3.0)"),
        (lambda x: x**3, "Right on 1 of 3"),
        (lambda x: 1 / (x - 2) and x * x, "On (2.0): it raises ZeroDivisionError"),
        (lambda x: None, "returns None"),
        (lambda: 1.0, "it raises TypeError"),
        (4.0, "A function is asked"),
    ],
)
def test_a_wrong_function_is_told_where_and_how(answer, words):
    reply = said(function(lambda x: x * x, TRIES), answer)
    assert not reply and words in reply.text


def test_functions_of_lists_tuples_tensors_and_words():
    both = function(lambda x: (x, x.sum()), [W, W[0]])
    assert said(both, lambda x: (x, x.sum()))
    assert "item 1: the size is right, the sign" in said(both, lambda x: (x, -x.sum())).text
    assert "2 are expected" in said(both, lambda x: (x,)).text
    assert "returns a Tensor; a dict" in said(function(lambda x: {"a": x}, [1]), lambda x: W).text
    assert "returns a int; a tuple" in said(both, lambda x: 1).text
    assert said(function(lambda x: x.upper(), ["a", "b"]), str.upper)
    assert not said(function(lambda x: x.upper(), ["a", "b"]), str.lower)


def test_inputs_may_be_computed_and_are_not_shared_between_calls():
    assert said(function(_mutates, lambda: [([1, 2],), ([3],)]), _mutates)


def test_an_own_comparison_may_answer_in_any_form():
    for result, ok, words in [
        (True, True, "Right."),
        (False, False, "Not right yet."),
        ("The list is empty.", False, "The list is empty."),
        (Reply(True, "Well."), True, "Well."),
    ]:
        exercise = Exercise("own", "Own", 1, "number", compare=lambda answer, r=result: r)
        assert said(exercise, 1) == Reply(ok, words)
    usual = number(compare=lambda answer: "A list." if isinstance(answer, list) else None)
    assert said(usual, 14) and said(usual, []).text == "A list."


# ------------------------------------------------------------------ the list


@pytest.fixture
def listed(monkeypatch):
    found = {e.name: e for e in (number(because="The slope."), choice(), tensor(W))}
    monkeypatch.setattr(exercises, "_all", lambda: found)
    return found


def test_check_replies_and_an_unknown_name_names_the_nearest(listed):
    assert exercises.check("a-number", 14).ok
    with pytest.raises(KeyError, match="there is no exercise 'a-nmber'.*a-number"):
        exercises.check("a-nmber", 14)


def test_in_the_build_a_wrong_solution_stops_it(listed, monkeypatch):
    monkeypatch.setattr(page, "STATIC", True)
    assert exercises.check("a-number", 14)
    with pytest.raises(AssertionError, match="'a-number' is not right: Half"):
        exercises.check("a-number", 7)


def test_a_reply_shows_itself_as_text_that_is_never_html(listed):
    shown = Reply(False, "a < b")._repr_mimebundle_()
    assert shown["text/plain"] == "✗ a < b" and "a &lt; b" in shown["text/html"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Not good"}, "small letters"),
        ({"kind": "guess"}, "none of number"),
        ({"minutes": 0}, "positive number of minutes"),
        ({"answer": None}, "an answer, or a compare"),
        ({"tolerance": 2.0}, "tolerance"),
        ({"choices": ["a", "b"]}, "takes no choices"),
        ({"inputs": [1]}, "takes no inputs"),
        ({"kind": "choice"}, "two or more"),
        ({"kind": "choice", "choices": ["a", "b"]}, "word for word"),
        ({"kind": "function"}, "reference function"),
    ],
)
def test_a_bad_exercise_is_refused(change, words):
    good = {"name": "x", "title": "X", "minutes": 1, "kind": "number", "answer": 1.0}
    with pytest.raises(ValueError, match=words):
        Exercise(**{**good, **change})


def test_numbers_and_choices_are_checked_in_the_page():
    asked = [exercises.get(name) for name in exercises.names()]
    elsewhere = [e.name for e in asked if e.kind in ("number", "choice") and not _forms.in_page(e)]
    assert not elsewhere, "a right answer that takes parameters is for a notebook"


def test_every_exercise_of_the_book_knows_its_answer_and_its_mistakes():
    for name in exercises.names():
        exercise = exercises.get(name)
        if not _forms.in_page(exercise):
            continue
        assert said(exercise, exercise.right()), name
        for value, text in exercise.mistakes:
            assert said(exercise, value() if callable(value) else value) == Reply(False, text), name
        for wrong in exercise.why:
            assert said(exercise, wrong) == Reply(False, exercise.why[wrong]), name


# ------------------------------------------------------------------ backpropagation


def node(value, parents, slopes):
    from zh.autograd import Value

    return Value(value, "", "node", parents, slopes)


@pytest.mark.parametrize(
    ("sin", "words"),
    [
        (lambda x: node(math.sin(x.data), (x), (math.cos(x.data),)), "(x,) needs its comma"),
        (lambda x: node(math.sin(x.data), (x,), (math.cos(x.data))), "(x,) needs its comma"),
        (lambda x: node(math.sin(x.data), (x,), ()), "tuples of equal length"),
        (lambda x: node(math.sin(x.data), (x.data,), (1.0,)), "every parent must be a Value"),
        (lambda x: node(math.sin(x.data), (x,), (x * 2,)), "take the .data of a Value"),
        (lambda x: node(math.sin(x.data), (), ()), "no gradient arrives: is it a parent?"),
        (lambda x: node(math.sin(x.data), (x,), (math.sin(x.data),)), "0.479426, which is wrong"),
        (lambda x: node(math.sin(x.data), (x,), (x.data,)), "0.5 comes out as 0.5, which is wrong"),
        (lambda x: node(math.sin(x.data), (x,), (-math.cos(x.data),)), "the wrong sign"),
        (lambda x: node(math.cos(x.data), (x,), (1.0,)), "not right yet"),
        (lambda x: math.sin(x.data), "a Value is asked"),
        (lambda x: math.sin(x), "raises TypeError"),
        (1.0, "A function is asked"),
    ],
)
def test_a_wrong_sine_is_told_how(sin, words):
    reply = said(exercises.get("sin-node"), sin)
    assert not reply and words in reply.text


def test_a_power_needs_a_slope_for_each_parent():
    def power(a, b):
        return node(a.data**b.data, (a, b), (b.data * a.data ** (b.data - 1),))

    reply = said(exercises.get("power-node"), power)
    assert not reply and "tuples of equal length" in reply.text
    assert said(exercises.get("power-node"), lambda a, b: (b * a.log()).exp())


def _velocities(new, move):
    """A `step` out of two lines: v becomes new(v, grad, rate, keep), p moves by move(v, rate)."""

    def step(parameters, velocity, rate, keep):
        for i, p in enumerate(parameters):
            velocity[i] = new(velocity[i], p.grad, rate, keep)
            p.data += move(velocity[i], rate)

    return step


@pytest.mark.parametrize(
    ("new", "move", "words"),
    [
        (lambda v, g, r, k: k * v + g, lambda v, r: -r * v, "Right."),
        (lambda v, g, r, k: k * v + r * g, lambda v, r: -v, "velocity holds something else"),
        (lambda v, g, r, k: k * v - r * g, lambda v, r: v, "velocity holds something else"),
        (lambda v, g, r, k: 0.9 * v + g, lambda v, r: -r * v, "is a number written in?"),
        (lambda v, g, r, k: k * v + g, lambda v, r: -0.1 * v, "is a number written in?"),
        (lambda v, g, r, k: g, lambda v, r: -r * v, "what does the velocity keep?"),
        (lambda v, g, r, k: k * v + g, lambda v, r: r * v, "first step is wrong"),
        (lambda v, g, r, k: 0.0, lambda v, r: -r, "still zero"),
        (lambda v, g, r, k: None, lambda v, r: -r, "plain numbers"),
        (lambda v, g, r, k: g / 0, lambda v, r: -r, "ZeroDivisionError on step 1"),
    ],
)
def test_a_wrong_momentum_is_told_how(new, move, words):
    assert words in said(exercises.get("momentum"), _velocities(new, move)).text


def test_the_order_of_backward_is_taken_in_any_spelling():
    exercise = exercises.get("backward-order")
    for right in ("t, s, r", "t s r", "T,S,R", ["t", "s", "r"], "c"):
        assert said(exercise, right)
    assert not said(exercise, "r") and not said(exercise, "t, r, s")


def test_five_digits_are_enough_for_the_gradient_of_the_lecture():
    exercise = exercises.get("lecture-gradient")
    assert said(exercise, [-12.354, 10.257, 0.0625])
    assert not said(exercise, [-12.35, 10.26, 0.06])
    b = math.cos(9) + 2.5 * 3**1.5
    assert "slope of 3b is missing" in said(exercise, [-12.35355, b, 0.0625]).text


@pytest.mark.parametrize(
    ("wrong", "words"), [(-2, "sign of -4x"), (2, "sign of 6x"), (-6, "-4x contribute")]
)
def test_the_slope_on_the_other_side_names_the_term(wrong, words):
    assert words in said(exercises.get("slope-left"), wrong).text


# ------------------------------------------------------------------ the page


@pytest.fixture(scope="module")
def javascript():
    """`javascript(expression, argument)` evaluates with base.js loaded as the page loads it."""
    engine = MiniRacer()
    engine.eval("var window = globalThis;" + labs.classic("base"))
    yield lambda code, value: json.loads(
        engine.eval(
            f"(() => {{ const value = {json.dumps(value)}; return JSON.stringify({code}); }})()"
        )
    )
    engine.close()


TEXTS = [
    "-1.5", "3/2", "1e-3", " 2 ", "+4", ".5", "5.", "\u22123", "12%", "12 %", "1/0", "0/5", "-3/-2",
    "1e999", "nan", "inf", "1,5", "1 000", "2**3", "0x10", "--1", "", " ", "three", "1/2/3",
    "\u0663", "23,621", "1,000,000", "-2,100", "12,34", "0,125", "1,2345", "1,000.5",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_page_and_python_read_the_same_number(javascript, text):
    theirs = javascript("zhLabs.base.parseNumber(value)", text)  # JSON writes NaN as null
    ours = parse_number(text)
    assert (theirs is None and math.isnan(ours)) or theirs == ours


@settings(max_examples=200)
@given(
    right=st.one_of(st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 14.0, -0.25]), st.floats(-1e4, 1e4)),
    factor=st.sampled_from([1, -1, 2, 0.5, -2, -0.5, 10, 0.1, 100, 0.01, 1.0004, 1.04, 50, 0, 3.3]),
    plus=st.sampled_from([0, 1, -1, 0.37]),
    power=st.sampled_from([1, -1, 2, 0.5]),
)
def test_page_and_python_say_the_same_of_a_number(javascript, right, factor, plus, power):
    exercise = number(right, mistakes=[(right * 7 + 0.3, "Known.")], because="So.")
    try:
        wrong = factor * abs(right) ** power * (1 if right > 0 else -1) + plus
    except ArithmeticError:
        wrong = 3.0
    if not math.isfinite(wrong):
        wrong = 1e300
    theirs = javascript(
        "zhLabs.base.judge(value[0], value[1])", [_forms.spec(exercise), repr(wrong)]
    )
    reply = said(exercise, wrong)
    assert theirs == {"ok": reply.ok, "text": reply.text}


@pytest.mark.parametrize("text", ["", "abc", "14", "-14", "28", "1/14", "13.7", "0", "99999"])
def test_page_and_python_say_the_same_of_what_is_typed(javascript, text):
    theirs = javascript("zhLabs.base.judge(value[0], value[1])", [_forms.spec(number()), text])
    reply = said(number(), text if text else None)
    assert theirs == {"ok": reply.ok, "text": reply.text}


def test_page_and_python_say_the_same_of_a_choice(javascript):
    exercise = choice(why={"It shrinks": "Look again: ü < ö."}, because="Seen.")
    for index, text in enumerate(exercise.choices):
        theirs = javascript("zhLabs.base.judge(value[0], value[1])", [_forms.spec(exercise), index])
        reply = said(exercise, text)
        assert theirs == {"ok": reply.ok, "text": reply.text}


def test_the_page_gets_back_what_was_hidden(javascript):
    spec = _forms.spec(choice(why={"It shrinks": "ü"}))
    hidden = _forms.hide(spec, "a-choice")
    mixed, key = base64.b64decode(hidden), "a-choice"
    assert b"right" not in mixed and b"choice" not in mixed
    plain = "".join(chr(b ^ ord(key[i % len(key)])) for i, b in enumerate(mixed))
    assert json.loads(plain) == spec


def test_forms_are_labelled_and_do_not_show_the_answer(listed):
    form = exercises.render_exercise_form("a-number")
    assert 'for="answer-a-number"' in form and 'id="answer-a-number"' in form
    assert "14" not in form and 'method="dialog"' in form and "<noscript>" in form
    radios = exercises.render_exercise_form("a-choice")
    assert radios.count('type="radio"') == 2 and "<legend>" in radios
    assert "check(&quot;a-tensor&quot;" in exercises.render_exercise_form("a-tensor")
    with pytest.raises(ValueError, match="in a notebook"):
        exercises.page_spec("a-tensor")


def test_predictions_are_forms_too():
    form = exercises.render_predict("step", "choice", ["It <i>", "It grows"])
    assert "It &lt;i&gt;" in form and form.count("radio") == 2 and "zh-decline" in form
    assert 'type="text"' in exercises.render_predict("step", "number")
    for kind, choices in (("choice", []), ("number", ["a", "b"]), ("guess", [])):
        with pytest.raises(ValueError, match="prediction 'step'"):
            exercises.render_predict("step", kind, choices)
