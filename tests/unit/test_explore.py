"""explore(): bad grids are refused in words; page and kernel show the same frames."""

import gzip
import json
import re
from functools import partial
from html import unescape

import matplotlib
import numpy as np
import pytest
import torch

from zh import page, plots
from zh.explore import Axis, explore


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setattr(page, "STATIC", True)
    with matplotlib.rc_context():
        plots.style()
        yield


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(page, "STATIC", False)
    with matplotlib.rc_context():
        plots.style()
        yield


def curve(lr, momentum=0.0):
    fig, ax = plots.new(size=(3, 2))
    ax.plot([0, lr], [0, momentum])
    return fig


def words(**parameters):
    return "<p>" + ", ".join(f"{k}={v}" for k, v in parameters.items()) + "</p>"


show = partial(explore, name="explore-it", alt="A line")


def parts(shown):
    """The specification and the payload of a static figure."""
    spec = json.loads(unescape(re.search(r'data-spec="([^"]*)"', shown.body)[1]))
    data = re.search(r'class="zh-payload">(.*?)</script>', shown.body, re.S)[1]
    return spec, json.loads(data)


# ------------------------------------------------------------------ grids


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        ({}, ValueError, "at least one parameter"),
        ({"lr": []}, ValueError, "the list of values is empty"),
        ({"lr": [1]}, ValueError, "1 value is nothing to vary"),
        ({"lr": 0.1}, TypeError, "a list of values is expected, not a float"),
        ({"lr": "abc"}, TypeError, "a list of values is expected, not a str"),
        ({"lr": {1: 2}}, TypeError, "not a dict"),
        ({"lr": (x for x in (1, 2))}, TypeError, "not a generator"),
        ({"lr": [0.1, 0.1]}, ValueError, "0.1 stands there twice"),
        ({"lr": [1, 1.0]}, ValueError, "stands there twice"),
        ({"lr": [0.1, float("nan")]}, ValueError, "value 1 is nan"),
        ({"lr": [0.1, float("inf")]}, ValueError, "value 1 is inf"),
        ({"lr": [0.1, [2]]}, TypeError, "value 1 is a list"),
        ({"lr": list(range(20)), "momentum": list(range(11))}, ValueError, "20 x 11 = 220 frames"),
        (
            {"lr": [1, 2], "rate": [1, 2]},
            TypeError,
            "does not take these .*'rate'.*grid has lr, rate",
        ),
        ({"momentum": [1, 2]}, TypeError, "does not take these parameters .*'lr'"),
        ({"lr": [1, 2], "start": {"lr": 3}}, ValueError, "start has lr = 3, which is not one of"),
        ({"lr": [1, 2], "start": {"rl": 1}}, ValueError, "start names 'rl'; the parameters are lr"),
        ({"lr": [1, 2], "labels": {"rl": "x"}}, ValueError, "labels names 'rl'"),
        ({"lr": [1, 2], "name": "No good"}, ValueError, "the name of an explore figure"),
        ({"lr": [1, 2], "alt": " "}, ValueError, "alt must say in words"),
        ({"lr": [1, 2], "alt": lambda lr: ""}, ValueError, "alt gives no words"),
    ],
)
@pytest.mark.parametrize("static_build", [True, False])
def test_a_bad_grid_is_refused_in_words(monkeypatch, static_build, grid, error, message):
    monkeypatch.setattr(page, "STATIC", static_build)
    with pytest.raises(error, match=message):
        show(curve, **grid)


@pytest.mark.parametrize(
    ("figure", "error", "message"),
    [
        (3, TypeError, "must be a function"),
        (lambda lr: None, TypeError, "returned a NoneType .is there a return"),
        (lambda lr: 3, TypeError, "returned a int"),
    ],
)
def test_a_function_that_draws_nothing_is_refused(static, figure, error, message):
    with pytest.raises(error, match=message):
        show(figure, lr=[1, 2])


def test_an_error_in_a_frame_says_which_frame(static):
    with pytest.raises(ZeroDivisionError) as caught:
        show(lambda lr: str(1 / lr), lr=[1, 0, 2])
    assert caught.value.__notes__ == ["explore 'explore-it' was drawing the frame lr=0"]


@pytest.mark.parametrize(
    ("values", "control"),
    [
        ((0.1, 0.2), "range"),
        ((3, 2, 1), "range"),
        ((1, 3, 2), "radio"),
        (("a", "b"), "radio"),
        ((False, True), "radio"),
        ((None, 1), "radio"),
        (tuple("abcdef"), "select"),
    ],
)
def test_numbers_in_order_slide_and_words_are_chosen(values, control):
    assert Axis("x", "x", values, tuple(map(str, values)), 0).control == control


def test_arrays_ranges_and_tensors_are_lists(static):
    for values in (np.array([1, 2]), range(1, 3), torch.tensor([1, 2]), (1, 2)):
        assert parts(show(words, lr=values))[0]["values"] == [["1", "2"]]


def test_values_that_look_alike_are_told_apart(static):
    spec, _ = parts(show(words, lr=[0.1234567, 0.1234568, 0.2], flag=[True, False]))
    assert spec["values"] == [["0.1234567", "0.1234568", "0.2"], ["yes", "no"]]


# ------------------------------------------------------------------ the page


def test_every_combination_has_its_frame(static):
    grid = {"lr": [1, 2, 3], "momentum": ["a", "b"], "flag": [True, False]}
    spec, data = parts(show(words, start={"lr": 1}, **grid))
    assert spec["names"] == list(grid) and spec["start"] == [0, 1, 1]
    for i, lr in enumerate(grid["lr"]):
        for j, momentum in enumerate(grid["momentum"]):
            for k, flag in enumerate(grid["flag"]):
                frame = data["frames"][data["order"][(i * 2 + j) * 2 + k]]
                assert words(lr=lr, momentum=momentum, flag=flag) in frame


def test_the_default_frame_stands_in_the_page_and_equal_frames_are_stored_once(static):
    shown = show(lambda lr, twice: words(lr=lr), lr=[1, 2], twice=[0, 1, 2])
    _, data = parts(shown)
    assert len(data["frames"]) == 2 and data["order"] == [0, 0, 0, 1, 1, 1]
    inline = re.search(r'<div class="zh-frame">(.*?)</div><p class="zh-live"', shown.body, re.S)[1]
    assert inline == data["frames"][1]


def test_frames_are_pictures_with_a_text_of_their_own(static):
    shown = show(curve, alt=lambda lr: f"slope <{lr}>", lr=[1, 2])
    _, data = parts(shown)
    assert 'aria-label="slope &lt;1&gt;"' in data["frames"][0]
    assert all("currentColor" in frame and "explore-it-" in frame for frame in data["frames"])


def test_controls_are_native_labelled_and_start_where_told(static):
    body = show(
        curve, lr=[0.1, 1.0, 10.0], momentum=[0.9, 0.5, 0.7], start={"lr": 10.0},
        labels={"lr": "step <size>"},
    ).body  # fmt: skip
    assert '<label for="explore-it-lr">step &lt;size&gt;</label>' in body
    assert re.search(r'type="range" id="explore-it-lr"[^>]*max="2"[^>]*value="2"', body)
    assert 'aria-valuetext="10"' in body and "<legend>momentum</legend>" in body
    assert body.count('type="radio"') == 3 and body.count(" checked") == 1
    many = show(words, word=list("abcdefg")).body
    assert many.count("<option") == 7 and 'value="3" selected' in many


def test_a_sweep_over_its_budget_says_by_how_much(static):
    g = np.random.default_rng(0)

    def heavy(lr):
        return "".join(map(str, g.random(4000)))

    with pytest.raises(
        ValueError, match=r"2 frames weigh (\d+) kB .* (\d+) kB over the budget of 5"
    ):
        show(heavy, lr=[1, 2], budget_kb=5)
    shown = show(words, lr=[1, 2], budget_kb=5)
    _, data = parts(shown)
    assert len(gzip.compress(json.dumps(data).encode())) < 5000


def test_two_builds_give_the_same_page(static):
    first, second = (show(curve, lr=[1, 2], momentum=[0, 1]).body for _ in range(2))
    assert first == second


# ------------------------------------------------------------------ a kernel


def test_the_same_call_gives_live_widgets(kernel):
    box = show(
        curve, lr=[0.1, 1.0], momentum=["a", "b"], start={"lr": 0.1}, labels={"lr": "step size"}
    )
    slider, buttons, picture = box.children
    assert slider.description == "step size" and slider.value == 0.1
    before = picture.value
    assert "<svg" in before and "currentColor" not in before, "on white, in every theme"
    slider.value = 1.0
    assert picture.value != before
    slider.value = 0.1
    assert picture.value == before
    assert [type(w).__name__ for w in (slider, buttons)] == ["SelectionSlider", "ToggleButtons"]


def test_words_are_shown_and_a_frame_that_fails_says_so(kernel):
    def sometimes(lr):
        if lr == 2:
            raise RuntimeError("<no frame>")
        return words(lr=lr)

    box = show(sometimes, lr=[1, 2], start={"lr": 1})
    assert "lr=1" in box.children[-1].value
    box.children[0].value = 2
    assert "RuntimeError: &lt;no frame&gt;" in box.children[-1].value


def test_page_and_kernel_call_the_same_function(monkeypatch):
    seen = []

    def figure(lr, momentum):
        seen.append((lr, momentum))
        return words(lr=lr, momentum=momentum)

    for build in (True, False):
        monkeypatch.setattr(page, "STATIC", build)
        show(figure, lr=[1, 2], momentum=[3, 4])
    assert seen[:4] == [(1, 3), (1, 4), (2, 3), (2, 4)] and seen[4:] == [(2, 4)]
