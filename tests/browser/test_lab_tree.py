"""The receptive-field tree: what it says about a model is what the model has and does."""

import re

import pytest
import torch
from playwright.sync_api import expect

from zh.layers import Linear
from zh.wavenet import WaveNet, convolution

PAGE, LAB, DRAWN = "book/wavenet", "tree", ".zh-tree-picture svg"


def lit(node):
    """{(level, place)} of the nodes that are lit."""
    found = node.locator("[data-lit=true]").evaluate_all(
        "all => all.map((g) => [Number(g.dataset.level), Number(g.dataset.place)])"
    )
    return {tuple(pair) for pair in found}


def reads(model, word, level, place):
    """The letters that move this node of the model: by changing one after the other."""
    model.eval()
    row = torch.tensor([[0] * model.block + [ord(c) - 96 for c in word]])
    twin = convolution(model)
    at, reach = 4 * level, model.fuse**level

    def run(row):
        with torch.no_grad():
            twin(row)
        return twin[at].out[0, place - reach + 1]

    before, found = run(row), set()
    for i in range(row.shape[1]):
        other = row.clone()
        other[0, i] = (other[0, i] + 1) % 27
        if not torch.equal(run(other), before):
            found.add(i)
    return found


@pytest.mark.parametrize("block, fuse, level, place", [(8, 2, 3, 12), (8, 2, 2, 9), (9, 3, 2, 14),
                                                       (4, 4, 1, 5), (16, 2, 4, 20)])  # fmt: skip
def test_the_letters_that_are_lit_are_those_that_move_the_node(lab, block, fuse, level, place):
    _, node = lab(f"word=anna&block={block}&fuse={fuse}&level={level}&place={place}")
    place = min(place, block + 3)
    model = WaveNet(block, 4, 6, fuse=fuse, generator=torch.Generator().manual_seed(0))
    leaves = {i for at, i in lit(node) if at == 0}
    assert leaves == reads(model, "anna", level, place)
    assert max(lit(node)) == (level, place)


@pytest.mark.parametrize("block, fuse, dim, hidden",
                         [(8, 2, 10, 68), (16, 4, 24, 128), (9, 3, 4, 32)])  # fmt: skip
def test_parameters_and_shapes_are_those_of_the_model(lab, block, fuse, dim, hidden):
    _, node = lab(f"block={block}&fuse={fuse}&dim={dim}&hidden={hidden}&level=9&place=99")
    model = WaveNet(block, dim, hidden, fuse=fuse, generator=torch.Generator().manual_seed(0))
    total = sum(p.numel() for p in model.parameters())
    expect(node.locator(".zh-tree-sums")).to_contain_text(f"{total:,} parameters")
    model(torch.zeros(5, block, dtype=torch.long))
    rows = node.locator(".zh-tree-levels tbody tr").all_inner_texts()
    linears = [i for i, layer in enumerate(model) if isinstance(layer, Linear)][:-1]
    assert len(rows) == len(linears)
    for text, i in zip(rows, linears, strict=True):
        for layer in (model[i - 1], model[i]):
            shape = str(tuple(layer.out.shape)).replace("(5", "(B")
            assert shape in text
        assert f"{model[i].weight.numel() + 2 * hidden:,}" in text


def test_nodes_are_counted(lab):
    """Ten windows of seven nodes; each node once: those of the picture above the letters."""
    _, node = lab("word=alexandra&block=8&fuse=2")
    once = node.locator("[data-level]").evaluate_all(
        "all => all.filter((g) => g.dataset.level > 0).length"
    )
    expect(node.locator(".zh-tree-sums")).to_contain_text(
        f"10 windows of 7 each is 70; each node once is {once}"
    )


def test_arrows_buttons_and_the_address(lab):
    page, node = lab("word=anna&level=9&place=99")
    live = node.locator("[aria-live]")
    expect(live).to_contain_text("Level 3, at letter 4 of the name: it reads 8 letters, “....anna”")
    node.locator(".zh-tree-picture").focus()
    page.keyboard.press("ArrowLeft")
    expect(live).to_contain_text("at letter 3")
    page.keyboard.press("ArrowDown")
    expect(live).to_contain_text(
        "Level 2, at letter 3 of the name: it reads 4 letters, “.ann”, through 3 nodes"
    )
    node.get_by_role("button", name="one level up").click()
    expect(live).to_contain_text("Level 3, at letter 3")
    node.get_by_role("button", name="one place to the right").click()
    expect(live).to_contain_text("shares 3")
    page.wait_for_function("location.hash.includes('place=11')")
    for _ in range(9):
        page.keyboard.press("ArrowUp")
        node.get_by_role("button", name="one place to the right").click()
    expect(live).to_contain_text("Level 3, at letter 4")
    node.locator("[data-level='0'][data-place='9']").click()
    expect(live).to_contain_text("Letter 2 of the name: n")


def test_choices_follow_the_fuse(lab):
    _, node = lab()
    node.get_by_label("fuse").select_option("3")
    options = node.get_by_label("letters of context").locator("option").all_inner_texts()
    assert options == ["3", "9"]
    expect(node.get_by_label("letters of context")).to_have_value("9")
    node.get_by_label("name").fill("Bo!")
    expect(node.locator("[aria-live]")).to_contain_text("Letters a to z only.")
    expect(node.locator(".zh-tree-picture text").last).to_have_text("o")


@pytest.mark.parametrize("state", ["block=7&fuse=5&level=-1&place=x", "word=%3Cb%3E&dim=-2",
                                   "word=&level=0&place=0"])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(lab, state):
    _, node = lab(state)
    assert lit(node) and node.locator("b").count() == 0
    assert not re.search("NaN|undefined|Infinity", node.inner_text())


def test_on_a_narrow_phone(lab, fits):
    page, node = lab("block=16", width=360, disk=True)
    fits(page, node)
    chosen = node.locator("circle[stroke-width='4']").bounding_box()
    assert 0 <= chosen["x"] <= 360  # the chosen node is in view


def test_what_is_cut_is_said(lab):
    _, node = lab()
    live = node.locator("[aria-live]")
    node.get_by_label("name", exact=True).fill("abcdefghijklmnopqrstuvwxyz")
    expect(live).to_contain_text("At most 14 letters.")
    expect(live).not_to_contain_text("a to z only")
    node.get_by_label("name", exact=True).fill("123")
    expect(live).to_contain_text("Letters a to z only. Level 3, at mark 8 of 8")
    node.get_by_label("name", exact=True).fill("anna")
    expect(live).to_have_text(re.compile("^Level 3"))
