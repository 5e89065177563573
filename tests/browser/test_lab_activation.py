"""The three labs of the chapter on activations: keyboard, address, phone, what is drawn."""

import re

import pytest
from playwright.sync_api import expect

PAGE, DRAWN = "book/activations", "svg[role=img]"


@pytest.fixture
def lab(any_lab):
    """`lab("hinges", "lr=1", width=390)` opens the page with that state: page and lab."""
    return any_lab


def told(node):
    return node.locator(".zh-numbers")


def counts(node):
    """Dead in both layers, as the text says."""
    found = re.search(r"(\d+) of 64 dead in the first layer, (\d+)", told(node).inner_text())
    return int(found[1]), int(found[2])


def lines(node, which):
    """How many hinges of this kind cross the picture."""
    return (node.locator(f"[data-{which}]").get_attribute("d") or "").count("M")


def test_a_sane_rate_kills_few_and_three_kills_most(lab):
    _, node = lab("hinges", "lr=0.1&step=400")
    expect(told(node)).to_contain_text("Step 400")
    assert counts(node)[0] <= 2 and lines(node, "dead") <= 2
    node.get_by_label("learning rate").select_option("3")
    expect(told(node)).to_contain_text("Step 400", timeout=20_000)
    assert counts(node)[0] > 32 and 0 < lines(node, "dead") <= counts(node)[0]
    assert lines(node, "alive") <= 64 - counts(node)[0]


def test_every_choice_runs_and_says_so(lab):
    _, node = lab("hinges", "lr=0.3&step=100")
    for label, value in (("normalisation", "batch"), ("normalisation", "layer"),
                         ("slope below 0", "0.1"), ("batch size", "8"),
                         ("offset of the inputs", "10"), ("learning rate", "10")):
        node.get_by_label(label).select_option(value)
        expect(told(node)).to_contain_text("Step 100", timeout=20_000)
        assert not re.search("NaN|undefined", node.inner_text())
    before = told(node).inner_text()
    node.get_by_role("button", name="Another start").click()
    expect(told(node)).not_to_have_text(before)


def test_keys_buttons_and_the_address(lab):
    page, node = lab("hinges", "lr=3&step=40")
    expect(told(node)).to_contain_text("Step 40")
    node.get_by_role("button", name="Five steps on").click()
    expect(told(node)).to_contain_text("Step 45")
    page.keyboard.press("PageUp")
    expect(told(node)).to_contain_text("Step 95")
    page.keyboard.press("Home")
    expect(told(node)).to_contain_text("Step 0:")
    expect(node.locator(".zh-live")).to_contain_text("Step 0:")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('step=5')")
    slider = node.get_by_label("Step of the training")
    slider.focus()
    page.keyboard.press("End")
    expect(told(node)).to_contain_text("Step 400")
    page.wait_for_function("location.hash.includes('step=400')")
    page.reload()
    expect(told(node)).to_contain_text("Step 400", timeout=20_000)


def test_play_runs_to_the_end(lab):
    page, node = lab("hinges", "step=385")
    expect(told(node)).to_contain_text("Step 385", timeout=20_000)
    node.get_by_role("button", name="Play").click()
    expect(told(node)).to_contain_text("Step 400", timeout=8000)
    expect(node.get_by_role("button", name="Play")).to_be_visible()


def test_no_movement_where_none_is_wanted(lab):
    _, node = lab("hinges", "step=0", reduced_motion="reduce")
    node.get_by_role("button", name="+50").click()
    expect(told(node)).to_contain_text("Step 50")


def test_the_explorer_follows_its_controls(lab):
    page, node = lab("activation")
    numbers = node.locator(".zh-numbers")
    expect(numbers).to_contain_text("2.9 % of the inputs")
    node.get_by_label("function").select_option("relu")
    expect(numbers).to_contain_text("50.0 % of the inputs")
    expect(node.locator(".zh-live")).to_contain_text("relu")
    node.get_by_label("mean of the input").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(node.locator(".zh-live")).to_contain_text("mean 1: 15.9 % flat")
    page.wait_for_function("location.hash.includes('mean=1')")


def test_the_map_of_the_dead(lab):
    page, node = lab("sentinels", "kick=4&gap=0.25&radius=4")
    numbers = node.locator(".zh-numbers")
    share = [float(v) for v in re.findall(r"([\d.]+) %", numbers.inner_text())]
    assert share[1] > share[0] > 5             # far out they fire, more so towards the gap
    node.get_by_label("radius asked about").focus()
    page.keyboard.press("Home")
    expect(numbers).to_contain_text("radius 0.5")
    node.get_by_label("size of the twelve").select_option("0")
    expect(node.locator(".zh-live")).to_contain_text("of 200 units are dead")
    few = int(re.match(r"\d+", numbers.inner_text())[0])
    node.get_by_label("size of the twelve").select_option("8")
    expect(numbers).not_to_contain_text(f"{few} of 200")
    assert int(re.match(r"\d+", numbers.inner_text())[0]) > few


@pytest.mark.parametrize("name, state", [
    ("hinges", "lr=7&norm=group&step=-9&start=x&leak=&size=1e9"),
    ("activation", "f=nope&std=NaN&mean=1e9&flat=-1"),
    ("sentinels", "kick=99&gap=2&radius=-5")])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(lab, name, state):
    _, node = lab(name, state)
    assert not re.search("NaN|undefined|Infinity", node.inner_text())


@pytest.mark.parametrize("name", ["hinges", "activation", "sentinels"])
@pytest.mark.parametrize("dark", [False, True])
def test_on_a_narrow_phone(lab, fits, name, dark):
    page, node = lab(name, width=360, dark=dark, disk=True)
    if name == "hinges":
        expect(told(node)).to_contain_text("Step 40", timeout=20_000)
    fits(page, node)
    for box in node.locator("svg[role=img]").all():
        inside = box.bounding_box()
        assert inside["x"] >= 0 and inside["x"] + inside["width"] <= 360
