"""The tensor stepper: the numbers in the page are PyTorch autograd's, and every control works."""

from types import SimpleNamespace

import pytest
import torch
from playwright.sync_api import expect

from zh import backward as bw
from zh import data

PAGE, LAB, DRAWN = "book/tensor_backprop", "tensors", "select"


@pytest.fixture(scope="module")
def run():
    """The chapter's batch again: tensors and gradients, by autograd alone."""
    train = data.split(data.names())[0]
    X, Y = data.windows(train, block=3)
    g = torch.Generator().manual_seed(5)
    p = bw.init(vocab=27, context=3, hidden=64, generator=g)
    for tensor in vars(p).values():
        tensor.requires_grad_()
    t = bw.forward(p, *data.batch(X, Y, 32, g))
    for name in bw.TENSORS:
        getattr(t, name).retain_grad()
    t.loss.backward()
    return t, SimpleNamespace(**{name: getattr(t, name).grad for name in bw.TENSORS})


def numbers(table) -> torch.Tensor:
    """The numbers of a table in the lab."""
    rows = table.locator("tr").evaluate_all(
        "rows => rows.map(r => [...r.cells].map(c => Number(c.textContent.replace(/−/g, '-'))))"
    )
    return torch.tensor(rows)


def corner(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    matrix = tensor.detach()
    matrix = matrix.reshape(1, -1) if matrix.ndim < 2 else matrix.reshape(len(matrix), -1)
    return matrix[: like.shape[0], : like.shape[1]]


def test_all_26_steps_show_what_autograd_computes(lab, run):
    t, grads = run
    _, node = lab()
    for i, name in enumerate(bw.TENSORS, 1):
        node.locator("select").select_option(name)
        value, grad = getattr(t, name), getattr(grads, name)
        shape = "(" + ", ".join(map(str, value.shape)) + (",)" if value.ndim == 1 else ")")
        expect(node.locator(".zh-where")).to_contain_text(f"step {i} of 26")
        expect(node.locator(".zh-where")).to_contain_text(f"Shape {shape}")
        node.get_by_role("button", name="Show it").click()
        expect(node.locator(".zh-rule")).to_contain_text(f"d{name} =")
        expect(node.locator(".zh-compare")).not_to_contain_text("wrong")
        shown = [numbers(node.locator("table").nth(k)) for k in (0, 1)]
        # two digits or three; a gradient that is zero in theory is rounding noise on both sides
        torch.testing.assert_close(shown[0], corner(grad, shown[0]), rtol=0.05, atol=2e-8)
        torch.testing.assert_close(shown[1], corner(value, shown[1]), rtol=0.05, atol=1e-6)
        expect(node.locator("canvas")).to_be_visible()


def test_a_wrong_guess_is_tried_and_told_and_a_right_one_opens(lab):
    page, node = lab("at=b2")
    reply = node.locator("[role=status]").first
    node.get_by_role("button", name="Check", exact=True).click()
    expect(reply).to_contain_text("Choose one")
    for wrong, why in [("dlogits", "(32, 27), should be (27,)"), ("dlogits.sum(1)", "should be"),
                       ("dlogits.mean(0)", "1/32")]:  # fmt: skip
        node.get_by_role("radio", name=wrong, exact=True).check()
        node.get_by_role("button", name="Check", exact=True).click()
        expect(reply).to_contain_text(why)
        expect(node.locator(".zh-rule")).to_have_count(0)
    node.get_by_role("radio", name="dlogits.sum(0)", exact=True).check()
    node.get_by_role("button", name="Check", exact=True).click()
    expect(node.locator(".zh-rule")).to_be_focused()
    expect(node.locator("[aria-live]").last).to_contain_text("Right: db2 = dlogits.sum(0)")
    page.wait_for_function("location.hash.includes('shown=true')")


def test_a_number_by_hand(lab, run):
    t, grads = run
    _, node = lab("at=probs")
    box = node.get_by_label("dprobs[0,")
    told = node.locator("[role=status]").last
    right = grads.probs[0, t.Y[0]].item()
    for given, reply in [(f"{-right:.4f}", "sign is wrong"), (f"{2 * right:.4f}", "factor of two"),
                         ("x", "not a number"), (f"{right:.4f}", "Right")]:  # fmt: skip
        box.fill(given)
        box.press("Enter")
        expect(told).to_contain_text(reply)


def test_arrow_keys_buttons_graph_and_address(lab):
    page, node = lab()
    pick = node.locator("select")
    node.get_by_role("button", name="Next").focus()
    page.keyboard.press("ArrowRight")
    expect(pick).to_have_value("probs")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(pick).to_have_value("probs")
    node.get_by_role("button", name="Next").click()
    expect(pick).to_have_value("counts_sum_inv")
    expect(node.locator("[aria-live]").last).to_contain_text("Step 3 of 26")
    expect(node).to_contain_text("is stretched along axis 1 to meet probs (32, 27)")
    page.wait_for_function("location.hash.includes('at=counts_sum_inv')")
    node.locator("svg g[aria-label^='bnraw ']").click()
    expect(pick).to_have_value("bnraw")
    now = node.locator("svg g[aria-current=step]")
    expect(now).to_have_attribute("aria-label", "bnraw (32, 64)")
    pick.select_option("C")
    after = node.get_by_role("button", name="Next")
    expect(after).to_have_attribute("aria-disabled", "true")
    after.click(force=True)
    expect(pick).to_have_value("C")
    page.keyboard.press("ArrowLeft")
    expect(pick).to_have_value("emb")
    page.keyboard.press("ArrowRight")
    expect(pick).to_have_value("C")
    expect(after).to_be_focused()
    _, again = lab("at=hprebn&shown=true")
    expect(again.locator(".zh-rule")).to_contain_text("dhprebn = dbndiff + dbnmeani / n")


def test_arrow_keys_scroll_the_graph_and_the_numbers(lab):
    """They stay with the region that has the focus, and change no tensor."""
    page, node = lab("at=C&shown=true", width=390)
    for name in ("Graph of the 26 tensors", "Numbers of dC"):
        region = node.get_by_role("region", name=name)
        region.evaluate("e => { e.scrollLeft = 0; }")
        region.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.scrollLeft > 0")
        expect(region).to_be_focused()
        page.keyboard.press("ArrowLeft")
        expect(node.locator("select")).to_have_value("C")


def test_an_address_that_names_no_tensor_is_the_first_step(lab):
    _, node = lab("at=nonsense")
    expect(node.locator("select")).to_have_value("logprobs")


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab("at=hprebn&shown=true", width=360, height=740, dark=dark, has_touch=True)
    fits(page, node)
    scrolls = node.get_by_role("region", name="Graph of the 26 tensors")
    assert scrolls.evaluate("e => e.scrollWidth > e.clientWidth && e.scrollLeft > 0")
    node.get_by_role("button", name="Next").tap()
    expect(node.locator("select")).to_have_value("embcat")


def test_from_disk(lab):
    _, node = lab("at=W1&shown=true", disk=True)
    expect(node.locator(".zh-rule")).to_contain_text("embcat.T @ dhprebn")
