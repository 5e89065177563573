"""The attention explorer: its numbers are PyTorch's under any mask, and every control works."""

import json
import random
import re
from urllib.parse import quote, urlencode

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import expect

from zh import attention as at
from zh.labs import attention as explorer

PAGE, LAB, DRAWN = "book/attention", "attention", ".zh-attention-maps svg"
SENTENCES = ["the value of the name", "return x[0]", "a", "aa aa aa aa aa aa aa aa aa aa aa",
             "class C(B):", "if not (a <= b): # 3.14", "e" * 32]  # fmt: skip


@pytest.fixture(scope="session")
def packed(payload):
    """The model as the built page ships it."""
    return payload(PAGE, LAB)


@pytest.fixture(scope="session")
def pytorch(packed):
    """ask(text, mask, scale) -> weights (heads, T, T), probabilities (T, V), logits, by PyTorch.

    A query that may look at nothing gathers nothing, as PyTorch's kernel has it.
    """
    model = explorer.unpack(packed)
    layer = model.attention

    @torch.no_grad()
    def ask(text, mask, scale="root"):
        seen = torch.tensor([[packed["vocabulary"].index(c) for c in text]])
        x = model.tokens(seen) + model.places.weight[: len(text)]
        q, k, v = (at.split_heads(part, layer.heads) for part in layer.qkv(x).chunk(3, -1))
        size = q.shape[-1]
        scale = {"root": size**-0.5, "one": 1.0, "size": 1 / size}[scale]
        out = F.scaled_dot_product_attention(q, k, v, mask, scale=scale)
        eye = torch.eye(len(text), dtype=q.dtype).expand(1, layer.heads, -1, -1)
        weights = F.scaled_dot_product_attention(q, k, eye, mask, scale=scale)
        logits = model.scores(layer.project(at.merge_heads(out)))[0]
        return weights[0], logits.softmax(-1), logits

    return ask


def preset(name, T):
    """The masks of the lab."""
    wise = at.causal(T)
    return {"causal": wise, "full": wise | wise.T, "window": wise.triu(-3), "before": wise.tril(-1),
            "itself": wise.triu()}[name].clone()  # fmt: skip


def shown(node):
    """What the lab shows: the weights of the chosen place and head, every probability."""
    def numbers(selector, key):
        all_of = node.locator(selector)
        return torch.tensor(
            all_of.evaluate_all(f"all => all.map((one) => Number(one.dataset.{key}))")
        ).double()

    return numbers(".zh-attention-tiles button", "weight"), numbers("details td[data-p]", "p")


def cases(seed, count=14):
    """Random sentences, places, heads, masks with holes and scales."""
    dice = random.Random(seed)
    for _ in range(count):
        text = dice.choice(SENTENCES)
        T = len(text)
        name = dice.choice(["causal", "full", "window", "before", "itself"])
        hidden = sorted(dice.sample(range(T), dice.randint(0, min(3, T))))
        cells = {(dice.randrange(T), dice.randrange(T)) for _ in range(dice.randint(0, 6))}
        toggled = sorted(cells)
        mask = preset(name, T)
        mask[:, hidden] = False
        for t, s in toggled:
            mask[t, s] = not mask[t, s]
        yield {"text": text, "place": dice.randrange(T), "head": dice.randint(1, 4), "mask": name,
               "scale": dice.choice(["root", "one", "size"]), "hidden": ".".join(map(str, hidden)),
               "toggled": ".".join(f"{t}-{s}" for t, s in toggled)}, mask  # fmt: skip


def test_the_page_has_the_probabilities_of_the_build(lab, packed):
    """Against what PyTorch said when the chapter ran, with the model that it trained."""
    assert len(packed["checks"]) >= 3
    _, node = lab()
    for text, wanted in packed["checks"].items():
        node.get_by_label("Your sentence").fill(text)  # and the last place is chosen
        expect(node.locator("h4").first).to_contain_text(f"place {len(text)}")
        _, p = shown(node)
        assert (p - torch.tensor(wanted).double()).abs().max() < 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_the_page_computes_what_pytorch_computes(lab, packed, pytorch, seed):
    page, node = lab()
    for state, mask in cases(seed):
        fragment = urlencode(state, quote_via=quote)
        page.evaluate("to => { location.hash = to }", f"#lab-attention?{fragment}")
        expect(node.get_by_label("Your sentence")).to_have_value(state["text"])
        page.wait_for_function(
            "([t, k]) => document.querySelector(`#lab-attention [data-cursor='${t}-${k}']`)",
            arg=[state["place"], min(7, len(state["text"]) - 1)],
        )
        expect(node.locator("button[aria-pressed=true]")).to_have_text(f"Head {state['head']}")
        weights, p, logits = pytorch(state["text"], mask, state["scale"])
        found, q = shown(node)
        place, T = state["place"], len(state["text"])
        assert (found - weights[state["head"] - 1, place]).abs().max() < 1e-4, state
        assert (q - p[place]).abs().max() < 1e-4, state
        allowed = node.locator(".zh-attention-tiles button").evaluate_all(
            "all => all.map((b) => b.getAttribute('aria-checked') === 'true')"
        )
        assert allowed == mask[place].tolist()
        assert not re.search("NaN|undefined|Infinity|∞", node.inner_text())
        if T > 1:
            ids = [packed["vocabulary"].index(c) for c in state["text"][1:]]
            losses = -p[torch.arange(T - 1), torch.tensor(ids)].log()
            mean = float(node.locator(".zh-numbers").get_attribute("data-mean"))
            assert mean == pytest.approx(losses.mean().item(), abs=1e-4)
            if place < T - 1:
                here = float(node.locator(".zh-numbers").get_attribute("data-here"))
                assert here == pytest.approx(losses[place].item(), abs=1e-4)
        parts = node.locator("[data-adds]").evaluate_all(
            "all => all.map((c) => Number(c.dataset.adds))"
        )
        score = float(node.locator("[data-score]").get_attribute("data-score"))
        assert len(parts) == 4 and (logits[place] - score).abs().min() < 1e-4


def test_a_place_that_may_look_at_nothing(lab, pytorch, packed):
    _, node = lab(f"text={quote('the value')}&mask=before&place=0")
    live = node.locator("[aria-live]")
    expect(live).to_contain_text("may look at nothing")
    weights, p = shown(node)
    assert not weights.any() and p.sum().item() == pytest.approx(1)
    biases = explorer.unpack(packed)
    with torch.no_grad():
        alone = biases.scores(biases.attention.project.bias).softmax(-1)
    assert (p - alone).abs().max() < 1e-4
    assert (p - pytorch("the value", preset("before", 9))[1][0]).abs().max() < 1e-4
    expect(node).not_to_contain_text("NaN")
    _, node = lab(f"text={quote('the value')}&mask=before&place=3")
    expect(node.locator("[aria-live]")).to_contain_text("One other place may look at nothing.")


def test_a_tile_edits_the_mask_and_everything_follows(lab, pytorch):
    page, node = lab(f"text={quote('the value of')}&place=7&key=7")
    tiles = node.locator(".zh-attention-tiles button")
    before = shown(node)
    tiles.nth(6).click()  # the l before the u
    expect(tiles.nth(6)).to_have_attribute("aria-checked", "false")
    expect(tiles.nth(6)).to_have_attribute("aria-label", "place 7, “l”: not allowed")
    mask = preset("causal", 12)
    mask[7, 6] = False
    weights, p, _ = pytorch("the value of", mask)
    after = shown(node)
    assert (after[0] - weights[0, 7]).abs().max() < 1e-4 and (after[1] - p[7]).abs().max() < 1e-4
    assert (after[1] - before[1]).abs().max() > 0.01
    expect(node.locator("[aria-live]")).to_contain_text("Place 7 is not allowed.")
    page.wait_for_function("location.hash.includes('toggled=7-6')")
    tiles.nth(9).click()  # a place of the future
    expect(tiles.nth(9)).to_have_attribute("aria-checked", "true")
    mask[7, 9] = True
    assert (shown(node)[1] - pytorch("the value of", mask)[1][7]).abs().max() < 1e-4
    node.get_by_role("button", name="As trained").click()
    assert (shown(node)[1] - before[1]).abs().max() < 1e-12
    expect(node.get_by_role("button", name="As trained")).to_be_disabled()


def test_a_place_is_hidden_from_all_and_shown_again(lab, pytorch):
    page, node = lab(f"text={quote('the value')}&place=8&key=2")
    node.get_by_role("button", name="Hide place 3, “e”, from all").click()
    page.wait_for_function("location.hash.includes('hidden=2')")
    mask = preset("causal", 9)
    mask[:, 2] = False
    assert (shown(node)[1] - pytorch("the value", mask)[1][8]).abs().max() < 1e-4
    expect(node.locator(".zh-numbers")).to_contain_text("as trained")
    node.get_by_role("button", name="Show place 3, “e”, to all").click()
    expect(node.get_by_role("button", name="As trained")).to_be_disabled()


def test_hidden_from_all_is_hidden_from_the_place_that_was_forbidden_it_before(lab):
    page, node = lab(f"text={quote('the value')}&place=8&key=0")
    tile = node.locator(".zh-attention-tiles button").nth(2)
    tile.click()  # forbidden to this place, and chosen
    expect(tile).to_have_attribute("aria-checked", "false")
    node.get_by_role("button", name="Hide place 3, “e”, from all").click()
    page.wait_for_function("location.hash.includes('hidden=2')")
    expect(tile).to_have_attribute("aria-checked", "false")
    expect(node.locator("[aria-live]")).to_contain_text("Place 3 is not allowed.")
    node.get_by_role("button", name="Show place 3, “e”, to all").click()
    expect(tile).to_have_attribute("aria-checked", "true")
    expect(node.get_by_role("button", name="As trained")).to_be_disabled()


def test_masks_and_scales_by_their_controls(lab, pytorch):
    _, node = lab(f"text={quote('the value')}&place=4&head=2")
    node.get_by_label("a place may see").select_option("full")
    node.get_by_label("scores times").select_option("size")
    weights, p, _ = pytorch("the value", preset("full", 9), "size")
    found = shown(node)
    assert (found[0] - weights[1, 4]).abs().max() < 1e-4
    assert (found[1] - p[4]).abs().max() < 1e-4
    node.get_by_role("button", name="Head 3").click()
    assert (shown(node)[0] - weights[2, 4]).abs().max() < 1e-4
    node.get_by_role("button", name="one place to the right").click()
    assert (shown(node)[0] - weights[2, 5]).abs().max() < 1e-4


def test_the_maps_by_keyboard_and_by_a_click(lab):
    page, node = lab(f"text={quote('the value')}&place=4&key=4")
    maps = node.locator(".zh-attention-maps")
    maps.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(node.locator("[data-cursor='5-2']")).to_have_count(4)
    page.keyboard.press("Enter")
    expect(node.locator(".zh-attention-tiles button").nth(2)).to_have_attribute(
        "aria-checked", "false")  # fmt: skip
    page.wait_for_function("location.hash.includes('toggled=5-2')")
    page.keyboard.press(" ")
    page.wait_for_function("!location.hash.includes('5-2')")
    assert page.evaluate("document.activeElement.className") == "zh-attention-maps"
    picture = maps.locator("svg").nth(1)
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 2.6 / 9.6, "y": box["height"] * 6.8 / 9.6})
    expect(node.locator("[data-cursor='6-2']")).to_have_count(4)
    expect(node.locator("button[aria-pressed=true]")).to_have_text("Head 2")


def test_tiles_by_keyboard(lab):
    """One tab stop; arrows go along the sentence, Enter allows or forbids, focus stays."""
    page, node = lab(f"text={quote('the value')}&place=8&key=3")
    tiles = node.locator(".zh-attention-tiles button")
    assert tiles.evaluate_all("all => all.filter((b) => b.tabIndex === 0).length") == 1
    tiles.nth(3).focus()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(4)).to_be_focused()
    page.keyboard.press("Enter")
    expect(tiles.nth(4)).to_have_attribute("aria-checked", "false")
    expect(tiles.nth(4)).to_be_focused()
    page.keyboard.press("Home")
    expect(tiles.nth(0)).to_be_focused()


def test_the_address_brings_everything_back(lab):
    page, node = lab(f"text={quote('a class')}&place=5")
    node.get_by_label("a place may see").select_option("window")
    node.locator(".zh-attention-tiles button").nth(1).click()
    node.get_by_role("button", name="Head 4").click()
    page.wait_for_function("location.hash.includes('head=4')")
    first, live = shown(node), node.locator("[aria-live]").inner_text()
    _, again = lab(page.url.partition("?")[2])
    found = shown(again)
    assert torch.equal(found[0], first[0]) and torch.equal(found[1], first[1])
    assert again.locator("[aria-live]").inner_text() == live


def test_what_cannot_be_read_is_left_out_and_said(lab, packed):
    page, node = lab()
    box, live = node.get_by_label("Your sentence"), node.locator("[aria-live]")
    box.fill("naïve ☃ <b>x</b>")
    expect(live).to_contain_text("Left out, since the model never met it: ï ☃.")
    tiles = node.locator(".zh-attention-tiles button span").all_inner_texts()
    assert "".join(tiles).replace("␣", " ") == "nave  <b>x</b>"
    assert node.locator("b").count() == 0
    box.fill("the " * 20)
    expect(live).to_contain_text(f"reads {packed['block']} characters; the rest is cut")
    expect(node.locator(".zh-attention-tiles button")).to_have_count(packed["block"])
    box.fill("")
    expect(live).to_contain_text("Type a sentence of one character at least.")
    box.fill("x")
    expect(live).to_contain_text("Place 1, “x”")
    expect(live).not_to_contain_text("Left out")
    node.get_by_role("button", name=f"Try: {packed['tries'][1]}").click()
    expect(box).to_have_value(packed["tries"][1])


@pytest.mark.parametrize("state", [
    "text=%3Cb%3Ehi&place=-4&key=x&head=99&mask=evil&scale=constructor&hidden=1.x.99&toggled=9-9.a",
    "text=&place=0&mask=before", "text=%E2%98%83&head=0",
    "text=abc&toggled=-1--2.1-1-1.2-2&hidden=.",
])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(visit, state):
    page = visit(f"{PAGE}#lab-attention?{state}")
    node = page.locator("#lab-attention")
    node.scroll_into_view_if_needed()
    expect(node.locator("[aria-live]")).not_to_be_empty(timeout=20_000)
    assert node.locator("b").count() == 0
    assert not re.search("NaN|undefined|Infinity|∞", node.inner_text())


def test_on_a_narrow_phone_from_disk(lab, fits):
    page, node = lab(f"text={quote('e' * 32)}&place=31", width=360, disk=True)
    fits(page, node)
    assert node.locator(".zh-attention-tiles button").last.bounding_box()["width"] >= 43.9


def test_dark_and_light_tell_the_chosen_place(lab):
    for dark in (False, True):
        _, node = lab("place=3", dark=dark)
        expect(node.locator(".zh-attention-tiles [aria-current]")).to_have_count(1)


def test_what_loads_is_small(packed):
    import gzip

    assert len(gzip.compress(json.dumps(packed).encode())) < 100_000
