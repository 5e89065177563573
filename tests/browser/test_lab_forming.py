"""Attention through training: what the page shows of every head is what the run kept of it."""

import gzip
import re

import pytest
import torch
from playwright.sync_api import expect

from tests.browser.test_site import ALL_RULES, AXE, FOUND
from zh import page as pages
from zh.labs import forming

PAGE, LAB, DRAWN = "book/gpt", "forming", ".zh-form-matrix rect"


@pytest.fixture(scope="module")
def packed(payload):
    return payload(PAGE, LAB)


@pytest.fixture(scope="module")
def kept(packed):
    """For each prompt, weights (moments, layers, heads, T, T)."""
    return forming.unpack(packed)


def live(node):
    return node.locator(".zh-live")


def steps(node):
    return node.get_by_label("Step of the training")


def matrix(node) -> list[float]:
    """The shade of every cell of the lower triangle, row by row."""
    return node.locator(".zh-form-matrix rect[fill-opacity]").evaluate_all(
        "all => all.map((r) => +r.getAttribute('fill-opacity'))")  # fmt: skip


def triangle(weights: torch.Tensor) -> list[float]:
    T = len(weights)
    return [weights[i, j].item() ** 0.5 for i in range(T) for j in range(i + 1)]


def head(node, layer, number):
    """The small picture of a head."""
    return node.locator(".zh-form-heads button").filter(
        has=node.page.locator("small", has_text=re.compile(rf"^{layer}\.{number}\D")))


def test_what_loads_is_small(packed):
    size = len(gzip.compress(pages.to_json(packed).encode(), 6))
    print(f"attention of {len(packed['steps'])} moments: {size / 1000:.0f} kB")
    assert size < 250_000


def test_the_matrix_is_that_of_the_moment_head_and_text(lab, packed, kept):
    page, node = lab("step=0&layer=1&head=1")
    n, layers, heads = len(packed["steps"]), packed["layers"], packed["heads"]
    other = len(packed["prompts"]) - 1
    for moment, layer, number, text in [
        (0, 1, 1, 0), (n // 2, 1, heads, 0), (n - 1, layers, 2, other)]:  # fmt: skip
        page.evaluate("(hash) => { location.hash = hash; }", "#lab-forming?"
                      f"step={packed['steps'][moment]}&layer={layer}&head={number}&text={text}")
        expect(node).to_contain_text(
            f"Layer {layer}, head {number}, after {packed['steps'][moment]} steps")
        weights = kept[text][moment, layer - 1, number - 1]
        assert matrix(node) == pytest.approx(triangle(weights), abs=6e-4)
        expect(head(node, layer, number)).to_have_attribute("aria-pressed", "true")
        tile = head(node, layer, number).locator("canvas").evaluate(
            "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
            ".filter((_, i) => i % 4 === 3)")  # fmt: skip
        shades = [255 * v ** 0.5 for v in weights.flatten().tolist()]
        assert tile == pytest.approx(shades, abs=0.51)
        marks = node.locator("[data-w]").evaluate_all("all => all.map((i) => +i.dataset.w)")
        assert marks == pytest.approx(weights[-1].tolist(), abs=1e-6)


def test_its_words_are_the_shares(lab, packed, kept):
    _, node = lab("step=99999&layer=1&head=2")
    text = packed["prompts"][0]
    weights = kept[0][-1, 0, 1]
    found = forming.shares(weights, text)
    even = forming.shares(torch.ones_like(weights).tril(), text)
    best = max(forming.KINDS, key=lambda kind: found[kind] - even[kind])
    said = node.locator(".zh-lab-body > p").first.inner_text()
    first = re.search(r"head 2: ([<\d.]+) % on .*? \(([\d.]+) % if all counted alike\)", said)
    assert float(first[1]) == pytest.approx(100 * found[best], abs=0.51)
    assert float(first[2]) == pytest.approx(100 * even[best], abs=0.51)
    spread = re.search(r"spreads over ([\d.]+) %", said)[1]
    assert float(spread) == pytest.approx(100 * found["spread"], abs=0.51)
    if packed["without"]:
        more = packed["without"][-1][1]
        assert f"{packed['held'][-1] + more:.3f} instead of {packed['held'][-1]:.3f}" in said
    node.get_by_text("The same as numbers").click()
    rows = node.locator("details tbody tr")
    expect(rows).to_have_count(packed["layers"] * packed["heads"])
    cells = rows.nth(1).locator("td").all_inner_texts()
    for cell, value in zip(cells, found.values(), strict=False):
        assert float(cell.replace("<", "").split()[0]) == pytest.approx(100 * value, abs=0.51)
    share = found[best] - even[best]
    word = rows.nth(1).locator("th").inner_text(), head(node, 1, 2).locator("span").inner_text()
    assert word[0] == "1.2"
    assert word[1] == (best if share >= 0.1 else "even" if found["spread"] > 0.8 else "mixed")


def test_the_losses_are_those_of_the_run(lab, packed):
    moment = len(packed["steps"]) // 2
    _, node = lab(f"step={packed['steps'][moment]}")
    chart = node.locator(".zh-form-loss")
    words = chart.get_attribute("aria-label")
    assert f"after {packed['steps'][moment]}: training {packed['losses'][moment]:.2f}" in words
    expect(chart.locator("[data-step]")).to_have_attribute("data-step",
                                                           str(packed["steps"][moment]))
    if packed["held"]:
        assert f"unseen text {packed['held'][moment]:.2f}" in words
        line = chart.locator("[data-line=held]").get_attribute("d")
        heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", line)]
        assert len(heights) == len(packed["steps"])
        order = sorted(range(len(heights)), key=lambda i: packed["held"][i])
        assert all(heights[a] >= heights[b] - 0.1
                   for a, b in zip(order, order[1:], strict=False))  # less is lower


def test_scrubbing_by_keyboard_and_by_the_address(lab, packed):
    page, node = lab("step=0")
    slider = steps(node)
    expect(slider).to_have_attribute("aria-valuetext", "after 0 steps")
    before = matrix(node)
    slider.focus()
    page.keyboard.press("End")
    last = packed["steps"][-1]
    expect(slider).to_have_attribute("aria-valuetext", f"after {last} steps")
    page.wait_for_function(f"location.hash.includes('step={last}')")
    assert matrix(node) != before
    expect(live(node)).to_contain_text(f"After {last} steps, of")
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", f"after {packed['steps'][-2]} steps")
    node.get_by_role("button", name="One moment back").click()
    expect(slider).to_have_attribute("aria-valuetext", f"after {packed['steps'][-3]} steps")
    page.wait_for_function(f"location.hash.includes('step={packed['steps'][-3]}')")
    _, again = lab(page.url.partition("?")[2])
    expect(steps(again)).to_have_attribute("aria-valuetext", f"after {packed['steps'][-3]} steps")


def test_playing_goes_to_the_end_and_stops(lab, packed):
    page, node = lab(f"step={packed['steps'][-4]}")
    node.get_by_role("button", name="Play").click()
    expect(node.get_by_role("button", name="Pause")).to_be_visible()
    head(node, 2, 2).click()  # another head while it plays
    last = packed["steps"][-1]
    page.wait_for_function(f"location.hash.includes('step={last}')", timeout=20_000)
    expect(node.get_by_role("button", name="Play")).to_be_visible()
    expect(node).to_contain_text(f"Layer 2, head 2, after {last} steps")
    expect(live(node)).to_contain_text(f"After {last} steps")


def test_heads_places_and_texts_by_keyboard(lab, packed, kept):
    page, node = lab("step=99999&layer=1&head=1")
    head(node, 1, 1).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(head(node, 2, 2)).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("location.hash.includes('layer=2')")
    place = node.get_by_label("Character that looks")
    place.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    text = packed["prompts"][0]
    expect(node).to_contain_text(f"2 of {len(text)}")
    marks = node.locator("[data-w]").evaluate_all("all => all.map((i) => +i.dataset.w)")
    assert marks == pytest.approx(kept[0][-1, 1, 1, 1, :2].tolist(), abs=1e-6)
    expect(node.locator(".zh-form-text [data-at]")).to_have_attribute("data-i", "1")
    if len(packed["prompts"]) > 1:
        node.get_by_label("text", exact=True).select_option(index=1)
        expect(node).to_contain_text(f"of {len(packed['prompts'][1])}:")
        cells = node.locator(".zh-form-matrix rect[fill-opacity]")
        n = len(packed["prompts"][1])
        expect(cells).to_have_count(n * (n + 1) // 2)


def test_a_press_on_the_matrix_or_the_text_chooses_who_looks(lab, packed):
    _, node = lab("step=99999")
    n = len(packed["prompts"][0])
    node.locator(".zh-form-matrix rect[fill-opacity]").nth(10).click()  # row 4, its first cell
    expect(node).to_contain_text(f"5 of {n}")
    node.locator(".zh-form-text i").nth(2).click()
    expect(node).to_contain_text(f"3 of {n}")


@pytest.mark.parametrize("state", ["step=x&text=99&layer=0&head=-3&place=1000",
                                   "step=-5&text=%3Cb%3E&layer=1e9&head=two&place=-1"])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(lab, packed, state):
    _, node = lab(state)
    expect(node.locator(".zh-form-heads [aria-pressed=true]")).to_have_count(1)
    assert node.locator("b").count() == 0 and "NaN" not in node.inner_text()
    expect(node).to_contain_text(re.compile(r"after \d+ of \d+ steps"))


@pytest.mark.parametrize("dark", [False, True])
def test_from_disk_on_a_narrow_phone_and_without_movement(lab, fits, packed, dark):
    page, node = lab("step=0", width=360, disk=True, dark=dark, reduced_motion="reduce")
    node.get_by_text("The same as numbers").click()
    fits(page, node)
    ten = node.get_by_role("button", name="+10")  # no movement: ten at once
    ten.click()
    step = packed["steps"][min(10, len(packed["steps"]) - 1)]
    expect(steps(node)).to_have_attribute("aria-valuetext", f"after {step} steps")


@pytest.mark.parametrize("width, dark", [(1280, True), (390, False)])
def test_accessible(lab, width, dark):
    page, node = lab("step=99999", width=width, dark=dark)
    node.get_by_text("The same as numbers").click()
    page.evaluate(AXE)
    inside = FOUND.replace("axe.run(document", "axe.run('#lab-forming'")
    found = page.evaluate(inside, [ALL_RULES, True])
    assert not found, "\n".join(found)
