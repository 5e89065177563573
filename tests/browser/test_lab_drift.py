"""The lab of deep linear networks: its sizes are those of zh.init.log_drift."""

import math
import re

import pytest
from playwright.sync_api import expect

from zh import init

PAGE, LAB, DRAWN = "book/initialization", "drift", "svg text"


def said(node):
    """(mean over the nets, theory, the mean square's place, how many reach it)."""
    text = node.locator(".zh-live").inner_text().replace("−", "-")
    number = r"(-?[\d.]+(?:e-?\d+)?)"
    found = re.search(
        rf"size is {number} on average \(theory {number}\)\. The mean square over all nets "
        rf"belongs to {number}; (\d+) of the 400", text)  # fmt: skip
    assert found, text
    return [float(v) for v in found.groups()]


@pytest.mark.parametrize("width, depth, gain", [
    (1, 50, 1), (4, 50, 1), (16, 20, 0.9), (512, 100, 1.1), (2, 1, 2), (3, 10, 0.5),
])  # fmt: skip
def test_sizes_are_theorys(lab, width, depth, gain):
    _, node = lab(f"width={width}&depth={depth}&gain={gain}")
    mean, theory, square, _ = said(node)
    shift = depth * math.log10(gain)
    want = depth * init.log_drift(width) / math.log(10) + shift
    assert theory == pytest.approx(want, rel=0.01, abs=1e-3)
    assert square == pytest.approx(shift, rel=0.01, abs=1e-6)
    error = math.sqrt(depth * math.pi**2 / 8 / width) / math.log(10) / 20  # of 400, at most
    assert abs(mean - want) < 4 * error + 0.005 * abs(want)


def test_every_net_is_in_a_bar(lab):
    _, node = lab("width=8&depth=20")
    counts = node.locator("rect").evaluate_all("all => all.map((r) => Number(r.dataset.count))")
    assert sum(counts) == 400


def test_keyboard_address_and_other_nets(lab):
    page, node = lab()
    width = node.get_by_label("width", exact=True)
    width.focus()
    page.keyboard.press("Home")
    page.wait_for_function("location.hash.includes('width=1')")
    expect(width).to_have_attribute("aria-valuetext", "1")
    before = said(node)
    node.get_by_role("button", name="Other nets").click()
    after = said(node)
    assert before[0] != after[0] and before[1] == after[1]
    for label in ("depth", "spread of a weight"):
        control = node.get_by_label(label)
        control.focus()
        for key in ("Home", "End"):
            page.keyboard.press(key)
            said(node)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab("width=2", width=360, dark=dark)
    fits(page, node)


def test_works_from_disk(lab):
    _, node = lab("width=64&depth=10", disk=True)
    assert abs(said(node)[0]) < 0.2
