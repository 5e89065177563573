"""The names sampler: the network in the page is the network of PyTorch, and every control works."""

import re

import pytest
import torch
from playwright.sync_api import expect

from zh import data, sampling
from zh.packing import unpack

PAGE, LAB, DRAWN = "book/intro", "names", ".zh-letters button"


@pytest.fixture(scope="session")
def packed(payload):
    """The model as the built page ships it."""
    return payload(PAGE, LAB)


def shown(node):
    """The 27 probabilities that the bars show."""
    cells = node.locator(".zh-letters button")
    return torch.tensor(cells.evaluate_all("all => all.map((c) => Number(c.dataset.p))")).double()


def pytorch(packed, start, place, temperature):
    """The same from the packed weights, by torch and zh.sampling."""
    w = unpack(packed["weights"])
    seen = torch.tensor(([0] * packed["block"] + data.encode(start))[-packed["block"] :])
    row = [code for code, _, _ in packed["places"]].index(place)
    x = torch.cat([w["letters"][seen].flatten(), w["places"][row]])
    z = (x @ w["w1"] + w["b1"]).tanh() @ w["w2"] + w["b2"]
    return sampling.probabilities(z, temperature)


def test_the_page_has_the_probabilities_of_the_build(lab, packed):
    assert len(packed["checks"]) >= 3
    for start, place, temperature, p in packed["checks"]:
        page, node = lab(f"start={start}&place={place}&temperature={temperature}")
        assert (shown(node) - torch.tensor(p).double()).abs().max() < 1e-3
        page.close()


@pytest.mark.parametrize(
    ("start", "place", "temperature"),
    [("", "all", 1), ("anna", "fi_FI", 0.3), ("abcdefghij", "tr_TR", 2), ("mar", "all", 0)],
)
def test_the_page_computes_what_pytorch_computes(lab, packed, start, place, temperature):
    _, node = lab(f"start={start}&place={place}&temperature={temperature}")
    p = shown(node)
    assert (p - pytorch(packed, start, place, temperature)).abs().max() < 1e-5
    assert p.sum().item() == pytest.approx(1)


def test_the_words_in_the_page_are_the_list(packed):
    found, before = [], ""
    for shared, rest in re.findall(r"(\d)([a-z]*)", packed["words"]):
        before = before[: int(shared)] + rest
        found.append(before)
    assert found == sorted(data.names())


def test_typing_choosing_and_sliding(lab):
    page, node = lab()
    box, live = node.get_by_label("Start with"), node.locator("[aria-live]")
    box.fill("Jö")
    expect(node.locator(".zh-now")).to_have_text("jo?")
    expect(live).to_contain_text("Next letter:")
    box.fill("a1")
    expect(live).to_contain_text("Letters a to z")
    before = shown(node)
    node.get_by_label("as in").select_option("is_IS")
    assert (shown(node) - before).abs().max() > 0.01
    node.get_by_label("temperature").focus()
    page.keyboard.press("Home")
    assert shown(node).max() == 1
    expect(node.locator("output")).to_have_text("0.0")
    page.wait_for_function("location.hash.includes('temperature=0')")
    assert "place=is_IS" in page.url and "start=a" in page.url


def test_the_letters_are_one_tab_stop_and_arrows_move_in_them(lab):
    page, node = lab()
    cells = node.locator(".zh-letters button")
    assert cells.evaluate_all("all => all.filter((c) => c.tabIndex === 0).length") == 1
    node.get_by_label("temperature").focus()
    page.keyboard.press("Tab")
    expect(cells.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(cells.nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(node.locator(".zh-now")).to_have_text("b?")
    expect(cells.nth(2)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.offsetTop - document.activeElement.parentElement"
                          ".children[2].offsetTop")  # fmt: skip
    assert below > 0
    page.keyboard.press("End")
    expect(cells.nth(26)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")  # the end mark
    expect(node.locator("[aria-live]")).to_contain_text("B ends here: it is not in the list")
    expect(node.locator(".zh-now")).to_have_text("Start of a name?")


def test_ten_names_come_back_with_the_address(lab, packed):
    page, node = lab("start=ma&temperature=0.8")
    node.get_by_role("button", name="Draw ten names").click()
    names = node.locator(".zh-drawn li")
    expect(names).to_have_count(10)
    first = names.all_inner_texts()
    known = set(data.names())
    for line in first:
        name = line.split()[0].lower()
        assert name.startswith("ma") and ("in the list" in line) == (name in known)
    node.get_by_role("button", name="Draw ten names").click()
    assert names.all_inner_texts() != first
    page.wait_for_function("location.hash.includes('seed=2')")
    second, state = names.all_inner_texts(), page.url.partition("?")[2]
    _, again = lab(state)
    assert again.locator(".zh-drawn li").all_inner_texts() == second
    node.get_by_role("button", name="Start again").click()
    expect(names).to_have_count(0)
    expect(node.get_by_label("Start with")).to_have_value("")


def test_the_chance_of_a_name_is_the_product_over_its_letters(lab, packed):
    _, node = lab("temperature=0&seed=1")  # greedy: ten times the same name, which is certain
    lines = node.locator(".zh-drawn li").all_inner_texts()
    assert len(set(lines)) == 1 and lines[0].endswith("100 %")
    _, node = lab("temperature=1&seed=3")
    for line in node.locator(".zh-drawn li").all_inner_texts():
        name, p = line.split()[0].lower(), 1.0
        for i, letter in enumerate(name + "."):
            p *= pytorch(packed, name[:i], "all", 1)[data.encode(letter)[0]].item()
        number, _, unit = line.partition("1 in ")[2].partition(" ")
        scale = {"": 1, "million": 1e6, "billion": 1e9, "trillion": 1e12}[unit]
        assert float(number.replace(",", "")) * scale == pytest.approx(1 / p, rel=0.06)


def test_one_letter_at_a_time_reaches_an_end(lab):
    _, node = lab()
    for _ in range(60):
        node.get_by_role("button", name="Draw one letter").click()
        if "ends here" in node.locator("[aria-live]").inner_text():
            break
    expect(node.locator("[aria-live]")).to_contain_text("ends here")


@pytest.mark.parametrize(
    "state", ["start=%3Cb%3E&place=nowhere&temperature=99&seed=-3", "start=&seed=x"]
)
def test_an_address_that_makes_no_sense_does_no_harm(lab, state):
    _, node = lab(state)
    assert shown(node).sum().item() == pytest.approx(1)
    assert node.locator("b").count() == 0


def test_from_disk_and_on_a_narrow_phone(lab, fits):
    page, node = lab("start=li", width=360, disk=True)
    fits(page, node)
    node.get_by_role("button", name="Draw ten names").click()
    expect(node.locator(".zh-drawn li")).to_have_count(10)
