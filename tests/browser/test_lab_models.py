"""All models of names in the page: their probabilities are PyTorch's, and every control works."""

import json

import pytest
import torch
from playwright.sync_api import expect

from zh import data, sampling
from zh.labs import models

PAGE, LAB, DRAWN = "book/wavenet", "models", ".zh-models-strips svg"
PREFIXES = ["", "a", "mar", "oma", "alexand", "xq", "zzzzzzzz", "christophe", "jo", "q", "ilse",
            "maximilia", "bartholomewson", "eeeeeee", "thi"]  # fmt: skip


@pytest.fixture(scope="session")
def packed(payload):
    """The models as the built page ships them."""
    return payload(PAGE, LAB)


@pytest.fixture(scope="session")
def pytorch(packed):
    """prefix -> {model: 27 probabilities}, from what the page ships, by zh and torch."""
    unpacked = models.unpack(packed)

    def ask(prefix):
        seen = torch.tensor([([0] * packed["block"] + data.encode(prefix))[-packed["block"] :]])
        with torch.no_grad():
            return {name: sampling.probabilities(model(seen[:, -max(model.block, 1) :]))[0]
                    for name, model in unpacked.items()}  # fmt: skip

    return ask


def shown(node):
    """{model: the 27 probabilities that its bars show}."""
    rows = node.locator(".zh-models-strips svg").evaluate_all(
        "all => all.map((s) => [s.dataset.model, "
        "[...s.querySelectorAll('rect')].map((r) => Number(r.dataset.p))])"
    )
    return {name: torch.tensor(p).double() for name, p in rows}


def box(node):
    return node.get_by_label("A name, or the start of one")


def bits(node):
    """{model: (total, [bits of each letter and of the end])} as the table shows them."""
    rows = node.locator(".zh-models-bits tbody tr").evaluate_all(
        "all => all.map((r) => [r.cells[0].textContent,"
        " Number(r.querySelector('[data-total]').dataset.total),"
        " [...r.querySelectorAll('[data-bits]')].map((c) => Number(c.dataset.bits))])"
    )
    return {name: (total, each) for name, total, each in rows}


def test_the_page_has_the_probabilities_of_the_build(lab, packed):
    """Against what PyTorch said when the chapter ran, with the models that it trained."""
    assert len(packed["checks"]) >= 5
    _, node = lab()
    for prefix, wanted in packed["checks"].items():
        box(node).fill(prefix)
        found = shown(node)
        assert list(found) == list(wanted)
        for name, p in wanted.items():
            assert (found[name] - torch.tensor(p).double()).abs().max() < 1e-3, (prefix, name)


def test_the_page_computes_what_pytorch_computes(lab, pytorch):
    _, node = lab()
    for prefix in PREFIXES:
        box(node).fill(prefix)
        found, wanted = shown(node), pytorch(prefix)
        assert list(found) == list(wanted)
        for name, p in wanted.items():
            assert (found[name] - p).abs().max() < 1e-5, (prefix, name)
            assert found[name].sum().item() == pytest.approx(1)


def test_models_of_the_part(packed):
    names = [model["name"] for model in packed["models"]]
    assert {"unigram", "bigram", "trigram", "4-gram"} <= {*names}
    assert {"MLP", "MLP + batchnorm", "WaveNet"} <= {*names}


def test_what_loads_is_small(site, packed):
    import gzip

    assert len(gzip.compress(json.dumps(packed).encode())) < 200_000


@pytest.mark.parametrize("name", ["emma", "christophe", "x"])
def test_surprise_is_minus_the_logarithm(lab, pytorch, name):
    _, node = lab(f"prefix={name}")
    found = bits(node)
    for model, (total, each) in found.items():
        right = [-pytorch(name[:i])[model][data.encode(letter)[0]].log2().item()
                 for i, letter in enumerate(name + ".")]  # fmt: skip
        assert each == pytest.approx(right, abs=1e-3)
        assert total == pytest.approx(sum(right), abs=1e-2)
    least = min(found, key=lambda model: found[model][0])
    expect(node.locator(".zh-models-bits .zh-least th")).to_have_text(least)
    live = node.locator("[aria-live]")
    expect(live).to_contain_text(f"with its end, it takes {least} the fewest bits")
    first = min(found, key=lambda model: sum(found[model][1][:-1]))
    expect(live).to_contain_text(f"As a beginning, {name} costs {first} the fewest bits")


def test_typing_what_is_no_letter(lab):
    page, node = lab()
    box(node).fill("Jö-1")
    expect(node.locator("[aria-live]")).to_contain_text("Letters a to z")
    page.wait_for_function("location.hash.includes('prefix=jo')")
    expect(node.locator(".zh-models-bits thead th")).to_have_text(["all", "j", "o", "end"])
    expect(node.locator("[aria-live]")).not_to_contain_text("At most")
    box(node).fill("a" * 25)
    expect(node.locator("[aria-live]")).to_contain_text("At most 20 letters.")
    expect(node.locator("[aria-live]")).not_to_contain_text("a to z only")


def test_the_losses_of_what_is_shipped_are_said(lab, packed):
    """Beside each name the loss of these weights on the development names, and what they lack."""
    _, node = lab()
    X, Y = data.windows(data.split(data.names("bundled"))[1], 8)
    for model, entry in zip(models.unpack(packed).values(), packed["models"], strict=True):
        with torch.no_grad():
            p = sampling.probabilities(model(X[:, -max(model.block, 1) :]))
        loss = -p[torch.arange(len(Y)), Y].double().log().mean().item()
        assert entry["loss"] == pytest.approx(loss, abs=2e-3)
        expect(node).to_contain_text(f"{entry['name']} ({entry['loss']:.3f})")
    expect(node).to_contain_text("trained for seconds")


def test_by_keyboard_alone(lab):
    """Tab from the box through the offers to the slider and the buttons; nothing is a trap."""
    page, node = lab("prefix=")
    box(node).focus()
    page.keyboard.type("an")
    expect(node.locator(".zh-models-bits thead th")).to_have_text(["all", "a", "n", "end"])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    offered = page.evaluate("document.activeElement.textContent")
    expect(box(node)).to_have_value(offered)
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.slice(0, 12)"
                               " || document.activeElement.type"))  # fmt: skip
    assert {"range", "Draw names", "Clear"} <= seen, seen
    node.get_by_label("temperature").focus()
    page.keyboard.press("Home")
    expect(node.locator("output")).to_have_text("0.0")
    node.get_by_role("button", name="Draw names").focus()
    page.keyboard.press("Enter")
    names = node.locator(".zh-models-drawn tr").last.locator("td").all_inner_texts()
    assert len(set(names)) == 1  # at temperature 0 every draw is the same
    expect(node.locator("[aria-live]")).to_contain_text("names drawn from each")


def test_numbers_for_those_who_do_not_see_bars(lab, pytorch):
    _, node = lab("prefix=mar")
    node.get_by_text("The same as numbers").click()
    row = node.locator("details tbody tr").nth(1)  # the letter a
    expect(row.locator("th")).to_have_text("a")
    cells = row.locator("td").all_inner_texts()
    for text, p in zip(cells, pytorch("mar").values(), strict=True):
        assert float(text.split()[0]) == pytest.approx(100 * p[1].item(), abs=0.51)


def test_drawn_names_come_back_with_the_address(lab):
    page, node = lab("prefix=ma&temperature=0.8")
    node.get_by_role("button", name="Draw names").click()
    drawn = node.locator(".zh-models-drawn td")
    expect(drawn).to_have_count(4 * node.locator(".zh-models-strips svg").count())
    first = drawn.all_inner_texts()
    assert all(name.startswith("ma") for name in first)
    page.wait_for_function("location.hash.includes('seed=1')")
    _, again = lab(page.url.partition("?")[2])
    assert again.locator(".zh-models-drawn td").all_inner_texts() == first
    node.get_by_role("button", name="Draw names").click()
    assert drawn.all_inner_texts() != first
    node.get_by_role("button", name="Clear").click()
    expect(drawn).to_have_count(0)
    expect(box(node)).to_have_value("")


def test_draws_follow_the_probabilities(lab, pytorch):
    """First letters of many names of one model, against its own first row."""
    page, node = lab("prefix=&temperature=1")
    first = []
    for seed in range(1, 41):
        page.evaluate(f"location.hash = '#lab-models?prefix=&temperature=1&seed={seed}'")
        row = node.locator(".zh-models-drawn tr").nth(1)
        page.wait_for_function("(n) => location.hash.endsWith('seed=' + n)", arg=seed)
        first += [name[0] for name in row.locator("td").all_inner_texts() if name[0] != "("]
    p = pytorch("")[node.locator(".zh-models-drawn th").nth(1).inner_text()]
    top = data.ALPHABET[int(p.argmax())]
    share = first.count(top) / len(first)
    assert abs(share - p.max().item()) < 4 * (p.max().item() / len(first)) ** 0.5


@pytest.mark.parametrize(
    "state", ["prefix=%3Cb%3E&temperature=99&seed=-3", "prefix=&seed=x&temperature=y"]
)
def test_an_address_that_makes_no_sense_does_no_harm(lab, state):
    _, node = lab(state)
    for p in shown(node).values():
        assert p.sum().item() == pytest.approx(1)
    assert node.locator("b").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_from_disk_and_on_a_narrow_phone(lab, fits, dark):
    page, node = lab("prefix=christopherus", width=360, disk=True, dark=dark)
    fits(page, node)
    node.get_by_role("button", name="Draw names").click()
    expect(node.locator(".zh-models-drawn td").first).to_be_visible()
