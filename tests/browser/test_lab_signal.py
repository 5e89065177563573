"""The lab of signals: its line is zh.meanfield's, its points are what such networks do."""

import math
import re

import pytest
from playwright.sync_api import expect

from zh import activations, init

PAGE, LAB, DRAWN = "book/initialization", "signal", "svg"
NUMBER = r"([−-]?[\d.]+(?:e[−-]?\d+)?)"


def told(node):
    return node.locator(".zh-live").inner_text()


def said(text):
    """(sizes, theory's size, gradients, theory's gradient, factor) of the lab's sentence."""
    text = text.replace("−", "-").replace("∞", "inf")
    found = re.match(
        rf"After \d+ layers the activations have size (.+); theory: {NUMBER}\. The gradient "
        rf"arrives at the input (.+) times its size at the top; theory: {NUMBER}\. Far from the "
        rf"input a layer multiplies it by {NUMBER}", text)  # fmt: skip
    assert found, text
    sizes, gradients = ([float(v) for v in found[i].split(", ")] for i in (1, 3))
    return sizes, float(found[2]), gradients, float(found[4]), float(found[5])


@pytest.mark.parametrize("f, c, depth", [("tanh", 25 / 9, 50), ("tanh", 0.5, 20), ("relu", 2, 50),
                                         ("relu", 4, 10), ("linear", 0.9, 20), ("sigmoid", 1, 10),
                                         ("silu", 2, 10), ("tanh", 25, 5)])  # fmt: skip
def test_the_line_is_mean_field_theory_and_the_points_follow(lab, f, c, depth):
    _, node = lab(f"f={f}&c={c}&width=128&depth={depth}")
    sizes, size, gradients, gradient, factor = said(told(node))
    gain = math.sqrt(c)
    q = init.lengths(c, depth - 1, f, gain)
    chis = [init.chi(v, f, gain) ** 0.5 for v in q]
    want = activations.get(f).second_moment(q[-1] ** 0.5) ** 0.5
    assert size == pytest.approx(want, rel=0.06)  # two digits are shown
    assert gradient == pytest.approx(math.prod(chis), rel=0.06)
    assert factor == pytest.approx(chis[-1], rel=0.01)
    spread = 1 + 0.12 * depth**0.5 + (2 if f == "tanh" and c > 4 else 0)
    for measured, theory in ((sizes, size), (gradients, gradient)):
        for value in measured:
            assert 1 / spread / 1.3 < value / theory < spread * 1.3


def test_width_one_falls_below_the_line(lab):
    _, node = lab("f=linear&c=1&width=1&depth=50")
    sizes, size, *_ = said(told(node))
    assert size == 1.0 and len(sizes) == 3 and max(sizes) < 1e-4


def test_orthogonal_weights_keep_a_linear_signal_exactly(lab):
    _, node = lab("f=linear&c=1&width=8&depth=100&kind=orthogonal")
    sizes, _, gradients, *_ = said(told(node))
    assert sizes == gradients == [1.0] * len(sizes)
    assert "independent weights" in told(node)


def test_what_the_chat_said_and_other_weights(lab):
    page, node = lab()
    before = told(node)
    node.get_by_role("button", name="What the chat said").click()
    page.wait_for_function("location.hash.includes('c=0.5')")
    expect(node.locator("select").nth(1)).to_have_value("0.5")
    sizes, *_ = said(told(node))
    assert told(node) != before and max(sizes) < 1e-6
    node.get_by_role("button", name="Other weights").click()
    page.wait_for_function("location.hash.includes('seed=2')")
    assert said(told(node))[0] != sizes


def test_every_setting_and_the_keyboard(lab):
    page, node = lab("width=4&depth=5")
    for select in node.locator("select").all():
        for value in select.locator("option").evaluate_all("all => all.map((o) => o.value)"):
            select.select_option(value)
            said(told(node))
    width, depth = node.get_by_label("width", exact=True), node.get_by_label("depth")
    width.focus()
    page.keyboard.press("Home")
    expect(width).to_have_attribute("aria-valuetext", "1")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('width=2')")
    depth.focus()
    page.keyboard.press("Home")
    expect(depth).to_have_attribute("aria-valuetext", "2 layers")
    page.wait_for_function("/depth=2(&|$)/.test(location.hash)")
    page.reload()
    expect(node.get_by_label("depth")).to_have_attribute("aria-valuetext", "2 layers")


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab("width=8", width=360, dark=dark)
    fits(page, node)


def test_works_from_disk(lab):
    _, node = lab("f=relu&c=2&width=16&depth=10", disk=True)
    assert said(told(node))[1] == 1.0
