"""The calculator: its numbers are those of zh.sizes, on a grid and for GPT-2."""

import itertools

import pytest
from playwright.sync_api import expect

from zh import sizes
from zh.gpt import GPTConfig

PAGE, LAB, DRAWN = "book/scaling", "sizes", "table"
GPT2 = {"GPT-2": 124_439_808, "medium": 354_823_168, "large": 774_030_080, "xl": 1_557_611_200}
GRID = [
    dict(layers=layers, heads=heads, dim=heads * size, block=block, vocab=vocab, batch=batch,
         dtype=dtype, optimizer=optimizer)
    for layers, (heads, size), block, vocab, batch, dtype, optimizer in itertools.product(
        (1, 12, 96), ((1, 8), (25, 64), (96, 128)), (8, 1024), (65, 100277), (1, 512),
        sizes.BYTES, sizes.STATES)
]  # fmt: skip


def counted(batch, dtype, optimizer, **shape):
    return sizes.count(GPTConfig(**shape), batch, dtype, optimizer)


def test_both_formulas_give_the_same_numbers_on_a_grid(lab):
    page, _ = lab()
    found = page.evaluate("(grid) => grid.map((one) => zhLabs.sizes.count(one))", GRID)
    for setting, theirs in zip(GRID, found, strict=True):
        ours = counted(**setting)
        assert max(ours["memory"].values()) < 2**53  # a number of JavaScript holds it exactly
        assert theirs.keys() == ours.keys()
        for key, value in ours.items():
            exact = key != "step" or value < 2**53
            assert theirs[key] == (value if exact else pytest.approx(value, rel=1e-12)), setting


def shown(node, table):
    """{key: value} of a table of the lab."""
    return dict(node.locator(f"[data-table={table}] tr").evaluate_all(
        "rows => rows.map((row) => [row.dataset.key, Number(row.dataset.value)])"))  # fmt: skip


@pytest.mark.parametrize("name", GPT2)
def test_the_known_models(lab, name):
    _, node = lab()
    node.get_by_role("button", name=name, exact=True).click()
    expect(node.locator(".zh-live")).to_contain_text(f"{GPT2[name]:,} parameters")
    assert shown(node, "parameters")["all"] == GPT2[name]


def test_the_tables_show_the_counts_of_the_state(lab):
    _, node = lab("layers=4&heads=4&size=16&block=64&vocab=96&batch=6&dtype=bf16&optimizer=sgd")
    ours = counted(6, "bf16", "sgd", layers=4, heads=4, dim=64, block=64, vocab=96)
    assert shown(node, "parameters") == {k: v for k, v in ours["parameters"].items() if k != "head"}
    assert shown(node, "memory") == ours["memory"]
    operations = shown(node, "operations") | {"training": shown(node, "rest")["training"]}
    assert operations == ours["operations"]
    assert shown(node, "rest")["cache"] == ours["cache"]
    widths = node.locator("[data-table=memory] rect").evaluate_all(
        "bars => bars.map((bar) => [bar.dataset.part, Number(bar.getAttribute('width'))])")
    assert sum(width for _, width in widths) == pytest.approx(1000)
    for part, width in widths:
        assert width == pytest.approx(1000 * ours["memory"][part] / ours["memory"]["all"])


def test_keyboard_address_and_a_wrong_address(lab):
    page, node = lab("layers=x&dtype=fp3&batch=9999")
    expect(node.get_by_label("layers")).to_have_attribute("aria-valuetext", "12")
    expect(node.get_by_label("texts a step")).to_have_attribute("aria-valuetext", "512")
    node.get_by_label("layers").focus()
    page.keyboard.press("Home")
    page.wait_for_function("/layers=1(&|$)/.test(location.hash)")
    node.get_by_label("optimizer").select_option("momentum")
    page.wait_for_function("location.hash.includes('optimizer=momentum')")
    page.reload()
    expect(node.get_by_label("layers")).to_have_attribute("aria-valuetext", "1")
    memory = shown(node, "memory")
    assert memory["optimizer"] == memory["parameters"]


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab(width=360, dark=dark)
    fits(page, node)


def test_works_from_disk(lab):
    _, node = lab("layers=12&heads=12&size=64", disk=True)
    assert shown(node, "parameters")["all"] == GPT2["GPT-2"]
