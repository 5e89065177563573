"""The count table in the page: its chances are zh.ngrams', and every control works."""

import math
import re

import pytest
import torch
from playwright.sync_api import expect

from zh import data, sampling
from zh.ngrams import NGram

PAGE, LAB, DRAWN = "book/bigrams", "counts", ".zh-letters button"


@pytest.fixture(scope="module")
def model():
    """The bigram model of the chapter; its k is set by each test."""
    return NGram(2, k=0).fit(*data.windows(data.split(data.names())[0], 1))


def shown(node):
    """The 27 probabilities that the bars show."""
    bars = node.locator(".zh-letters button")
    return torch.tensor(bars.evaluate_all("all => all.map((b) => Number(b.dataset.p))")).double()


def expected(model, letter, k, temperature):
    model.k = k
    logits = model(torch.tensor([[data.ALPHABET.index(letter)]]))[0]
    return sampling.probabilities(logits, temperature)


@pytest.mark.parametrize(
    ("letter", "k", "temperature"),
    [(".", 0, 1), ("a", 0, 1), ("q", 0, 0.5), ("q", 0.5, 1), ("m", 3, 2), ("z", 1000, 0.7),
     ("x", 0.01, 0.1), ("e", 0, 0)],
)  # fmt: skip
def test_the_page_has_the_chances_of_the_model(lab, model, letter, k, temperature):
    name = "" if letter == "." else "an" + letter
    _, node = lab(f"name={name}&k={k}&temperature={temperature}")
    p = shown(node)
    assert (p - expected(model, letter, k, temperature)).abs().max() < 1e-6
    assert p.sum().item() == pytest.approx(1)


def test_every_row_by_the_arrow_keys(lab, model):
    page, node = lab()
    node.locator(".zh-counts-map").focus()
    for letter in data.ALPHABET:
        assert (shown(node) - expected(model, letter, 0, 1)).abs().max() < 1e-6, letter
        page.keyboard.press("ArrowDown")
    expect(node.locator(".zh-now")).to_have_text("z?")  # the end stops


def test_looking_at_the_map_leaves_the_name_alone(lab):
    page, node = lab("name=maria")
    box, now = node.get_by_label("The name so far"), node.locator(".zh-now")
    node.locator(".zh-counts-map").focus()
    page.keyboard.press("q")
    expect(now).to_have_text("q?")
    expect(box).to_have_value("maria")
    page.wait_for_function("/name=maria/.test(location.hash) && /row=q/.test(location.hash)")
    page.keyboard.press("Escape")
    expect(now).to_have_text("maria?")
    page.keyboard.press("q")
    node.locator(".zh-letters button").nth(data.ALPHABET.index("u")).click()
    expect(box).to_have_value("qu")  # a letter drawn goes on from the row that is shown
    expect(now).to_have_text("qu?")


def test_a_cell_says_its_count(lab, model):
    page, node = lab("name=q")
    node.locator(".zh-counts-map").focus()
    page.keyboard.press("u")
    page.keyboard.press("q")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    count = model.levels[1][1]
    row = count[data.ALPHABET.index("q")]
    expect(node.locator(".zh-counts-cell")).to_contain_text(
        f"b followed q {int(row[2])} times of {int(row.sum())}"
    )
    expect(node.locator("[aria-live]")).to_contain_text("b followed q")
    expect(node.locator(".zh-letters button[aria-current]")).to_contain_text("b")
    page.keyboard.press("End")
    expect(node.locator(".zh-counts-cell")).to_contain_text("z followed q")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(node.locator(".zh-counts-cell")).to_contain_text("The end followed q")
    page.wait_for_function("location.hash.includes('next=.')")


def test_a_click_on_the_map_picks_the_cell_under_it(lab):
    page, node = lab()
    cells = node.locator(".zh-counts-map rect")
    n, a = data.ALPHABET.index("n"), data.ALPHABET.index("a")
    cells.nth(27 * n + a).click()
    expect(node.locator(".zh-counts-cell")).to_contain_text("a followed n ")
    expect(node.locator(".zh-now")).to_have_text("n?")
    node.locator(".zh-counts-map text").first.click()  # the letter at the side: its row
    expect(node.locator(".zh-counts-cell")).to_contain_text("The mark stands first")


def test_typing_sliding_and_the_address(lab, model):
    page, node = lab()
    box = node.get_by_label("The name so far")
    box.fill("Zoë1")
    expect(box).to_have_value("Zoë1")  # what is being typed is left alone
    expect(node.locator("[aria-live]")).to_contain_text("Letters a to z")
    expect(node.locator(".zh-now")).to_have_text("zoe?")
    assert (shown(node) - expected(model, "e", 0, 1)).abs().max() < 1e-6
    node.get_by_label("add to each count").focus()
    page.keyboard.press("End")
    assert (shown(node) - expected(model, "e", 1000, 1)).abs().max() < 1e-6
    node.get_by_label("temperature").focus()
    page.keyboard.press("Home")
    assert shown(node).max() == 1
    page.wait_for_function("/k=1000/.test(location.hash) && /temperature=0/.test(location.hash)")
    node.get_by_label("Shade by").select_option("chances")
    page.wait_for_function("location.hash.includes('shade=chances')")
    node.get_by_role("button", name="Start again").click()
    expect(box).to_have_value("")


def test_shading_follows_counts_or_chances(lab):
    def strengths(node):
        return node.locator(".zh-counts-map rect").evaluate_all(
            "all => all.slice(0, 729).map((r) => Number(r.getAttribute('fill-opacity')))"
        )

    _, node = lab()
    counts = torch.zeros(27, 27)
    X, Y = data.windows(data.split(data.names())[0], 1)
    counts.index_put_((X[:, 0], Y), torch.ones(len(Y)), accumulate=True)
    right = (counts / counts.max()).sqrt().flatten()
    assert (torch.tensor(strengths(node)) - right).abs().max() < 1e-3
    _, node = lab("k=1000&shade=chances")
    p = (counts + 1000) / (counts + 1000).sum(1, keepdim=True)
    assert (torch.tensor(strengths(node)) - p.sqrt().flatten()).abs().max() < 1e-3


def test_a_dot_for_each_pair_that_never_occurred(lab, model):
    _, node = lab()
    centres = node.locator(".zh-counts-map circle").evaluate_all(
        "all => all.map((c) => [c.getAttribute('cy'), c.getAttribute('cx')].map(Number))"
    )
    empty = (model.levels[1][1] == 0).nonzero().tolist()
    assert [[int(y / 20) - 1, int(x / 20) - 1] for y, x in centres] == empty


def test_the_chance_of_a_name_and_of_one_that_cannot_be(lab, model):
    model.k = 0
    X, Y = data.windows(["maria"], 1)
    page, node = lab("name=maria")
    nll = model.nll(X, Y)
    expect(node).to_contain_text(f"mean −ln p is {nll:.4g} a letter")
    odds = math.exp(nll * len(Y))
    text = re.search(r"its chance is 1 in ([\d,]+), and", node.inner_text())[1]
    assert int(text.replace(",", "")) == pytest.approx(odds, rel=0.02)  # two digits are shown
    _, node = lab("name=qq")
    expect(node).to_contain_text("q after q has none")
    expect(node).to_contain_text("its chance is never")


def test_a_product_too_small_for_a_number_is_not_impossible(lab, model):
    name = "zxqjvw" * 5
    _, node = lab(f"name={name}&temperature=0.1&k=0.01")
    model.k = 0.01
    X, Y = data.windows([name], 1)
    p = sampling.probabilities(model(X), 0.1)
    nll = -p.gather(1, Y[:, None]).log().mean().item()
    assert math.exp(-nll * len(Y)) == 0
    expect(node).to_contain_text(f"its chance is 1 in 1e+{nll * len(Y) / math.log(10):.0f}")
    expect(node).to_contain_text(f"mean −ln p is {nll:.4g} a letter")


def test_a_name_of_thirty_letters_has_not_ended(lab):
    page, node = lab("name=" + "e" * 30)
    said, now = node.locator("[aria-live]"), node.locator(".zh-now")
    node.locator(".zh-letters button").nth(1).click()
    expect(said).to_contain_text("A name has at most 30 letters here.")
    expect(now).to_have_text("e" * 30 + "?")
    node.get_by_role("button", name="Draw ten names").click()
    lines = node.locator(".zh-drawn li")
    expect(lines).to_have_count(10)
    for line in lines.all_inner_texts():
        cut = re.fullmatch(r"e{30}… not ended", line)
        assert cut or re.fullmatch(r"e{30} 1 in \S+", line), line
    assert any("…" in line for line in lines.all_inner_texts())  # an e ends about 1 name in 4
    node.locator(".zh-letters button").first.click()
    expect(said).to_contain_text("ends here. Its chance was 1 in")


def test_the_bars_are_one_tab_stop_and_drawing_goes_on(lab):
    page, node = lab()
    bars = node.locator(".zh-letters button")
    assert bars.evaluate_all("all => all.filter((b) => b.tabIndex === 0).length") == 1
    bars.nth(0).focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(node.locator(".zh-now")).to_have_text("e?")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(node.locator("[aria-live]")).to_contain_text("e ends here. Its chance was 1 in")
    for _ in range(80):
        node.get_by_role("button", name="Draw one letter").click()
        if "ends here" in node.locator("[aria-live]").inner_text():
            break
    expect(node.locator("[aria-live]")).to_contain_text("ends here")


def test_ten_names_come_back_with_the_address_and_can_be_spelled(lab, model):
    page, node = lab("name=ma")
    names = node.locator(".zh-drawn li")
    node.get_by_role("button", name="Draw ten names").click()
    expect(names).to_have_count(10)
    first = names.all_inner_texts()
    model.k = 0
    for line in first:
        name = line.split()[0]
        assert name.startswith("ma") and model.nll(*data.windows([name], 1)) < math.inf
    node.get_by_role("button", name="Draw ten names").click()
    second = names.all_inner_texts()
    assert second != first
    page.wait_for_function("location.hash.includes('seed=2')")
    _, again = lab(page.url.partition("?")[2])
    assert again.locator(".zh-drawn li").all_inner_texts() == second


@pytest.mark.parametrize("state", ["name=%3Cb%3E1&next=%3C&k=-4&temperature=99&seed=x&shade=no",
                                   "k=nonsense&temperature=nonsense"])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(lab, state):
    _, node = lab(state)
    assert shown(node).sum().item() == pytest.approx(1)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_and_from_disk(lab, fits, dark):
    page, node = lab("name=an", width=360, height=740, dark=dark, disk=True)
    fits(page, node)
    box = node.locator(".zh-counts-map svg").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
