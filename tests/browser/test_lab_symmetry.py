"""The lab of equal units: it does what the chapter's runs do, and what theory says they must."""

import re

import pytest
from playwright.sync_api import expect

PAGE, LAB, DRAWN = "book/initialization", "symmetry", "[data-unit]"
LAST = "In 4000 steps the loss never came below 0.6."


def told(node):
    return node.locator(".zh-live").inner_text()


def end(node):
    """(loss, distinct units, step of the escape or None) at step 4000."""
    line = node.locator(".zh-live")
    expect(line).to_contain_text("Step 4000", timeout=30_000)
    expect(line).to_contain_text(re.compile("never came|from step"), timeout=30_000)
    text = line.inner_text()
    loss, units = re.search(r"loss ([\d.]+), (\d+) of 16", text).groups()
    step = re.search(r"from step (\d+) on", text)
    return float(loss), int(units), int(step[1]) if step else None


@pytest.mark.parametrize("state, stuck, units", [
    ("eps=0&where=both", True, 1),
    ("eps=0&where=zero", True, 1),
    ("eps=0&where=both&norm=true", True, 1),
    ("eps=0&where=in", False, 16),
    ("eps=0&where=top", False, 16),
    ("eps=0&where=out", False, 16),
    ("eps=0&where=both&dropout=0.3", False, 16),
    ("eps=0.5&where=both", False, 16),
])  # fmt: skip
def test_what_frees_the_units_and_what_does_not(lab, state, stuck, units):
    _, node = lab(f"{state}&step=4000")
    loss, found, _ = end(node)
    assert found == units
    assert loss > 0.55 if stuck else loss < 0.55
    spots = node.locator("[data-unit]").evaluate_all(
        "all => new Set(all.map((c) => c.getAttribute('cx') + ' ' + c.getAttribute('cy'))).size")
    assert spots == 1 if units == 1 else spots > 6


def test_all_zero_stays_at_ln_2(lab):
    _, node = lab("where=zero&eps=0&step=4000")
    loss, _, escape = end(node)
    assert loss == pytest.approx(0.693, abs=0.002) and escape is None


def test_every_power_of_ten_costs_about_the_same(lab):
    waits = []
    for eps in ("1e-8", "1e-6", "1e-4", "1e-2"):
        _, node = lab(f"eps={eps}&where=both&step=4000")
        waits.append(end(node)[2])
    gaps = [a - b for a, b in zip(waits, waits[1:], strict=False)]
    assert min(gaps) > 0.5 * max(gaps) and min(gaps) > 100, waits


def test_moments_keyboard_and_address(lab):
    page, node = lab("eps=0.01&where=both")
    step = node.get_by_label("training step")
    step.focus()
    page.keyboard.press("End")
    end(node)
    page.keyboard.press("Home")
    expect(node.locator(".zh-live")).to_contain_text("Step 0:")
    page.keyboard.press("ArrowRight")
    expect(node.locator(".zh-live")).to_contain_text("Step 10:")
    page.wait_for_function("location.hash.includes('step=10')")
    node.get_by_label("start").select_option("zero")
    page.wait_for_function("location.hash.includes('where=zero')")
    node.get_by_label("batch normalisation").check()
    page.wait_for_function("location.hash.includes('norm=true')")
    node.get_by_label("dropout").select_option("0.5")
    page.wait_for_function("location.hash.includes('dropout=0.5')")
    node.get_by_label("start").select_option("in")
    expect(node.get_by_label("difference")).to_be_enabled()
    node.get_by_label("start").select_option("out")
    expect(node.get_by_label("difference")).to_be_disabled()


def test_play_runs_to_the_end_and_stops(lab):
    page, node = lab("eps=0.1&where=both&step=2000")
    node.get_by_role("button", name="Play").click()
    expect(node.get_by_role("button", name="Pause")).to_be_visible()
    expect(node.locator(".zh-live")).to_contain_text("Step 4000", timeout=30_000)
    expect(node.get_by_role("button", name="Play")).to_be_visible(timeout=5000)
    page.wait_for_function("location.hash.includes('step=4000')")


def test_no_movement_where_none_is_wanted(lab):
    _, node = lab("eps=0.1", reduced_motion="reduce")
    node.get_by_role("button", name="Next moment").click()
    expect(node.locator(".zh-live")).to_contain_text("Step 10:", timeout=10_000)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab("eps=0.1&step=300", width=360, dark=dark)
    fits(page, node)


def test_works_from_disk(lab):
    _, node = lab("eps=0.5&step=4000", disk=True)
    assert end(node)[1] == 16
