"""The two labs of the chapter on batch normalisation: what they say is what zh computes."""

import re

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import expect

from zh import data, ghosts
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh

PAGE, DRAWN = "book/batchnorm", "svg circle"


def numbers(node):
    """The numbers of what the lab says last, with its minus signs made plain."""
    text = node.locator(".zh-live").inner_text().replace("−", "-")
    return [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


@pytest.mark.parametrize("size, z", [(2, 1.0), (8, 1.5), (32, 0.0), (256, -3.0)])
def test_the_jitter_is_that_of_zh(any_lab, size, z):
    _, node = any_lab("jitter", f"size={size}&z={z:g}&draws=1000")
    said = numbers(node)                  # size, value, draws, mean, spread, formula, size, bound
    ours = ghosts.jitter(size, z, 4000, torch.Generator().manual_seed(1))
    assert said[:3:2] == [size, 1000]
    assert said[3] == pytest.approx(ours.mean().item(), abs=0.05)
    assert said[4] == pytest.approx(ours.std().item(), rel=0.08, abs=2e-3)
    assert said[5] == pytest.approx(((1 + z * z / 2) / size) ** 0.5, abs=6e-4)
    assert abs(said[1]) <= (size - 1) ** 0.5 + 0.01


def test_draws_keys_and_the_address(any_lab):
    page, node = any_lab("jitter", "size=8&z=1.5&draws=1")
    expect(node.locator("rect")).to_have_count(1)
    before = numbers(node)[1]
    node.get_by_role("button", name="Draw the others again").click()
    expect(node.locator(".zh-live")).to_contain_text("Over 2 draws")
    assert numbers(node)[1] != before
    node.get_by_role("button", name="100 times").click()
    page.wait_for_function("location.hash.includes('draws=102')")
    place = node.get_by_label("the example's value z")
    place.focus()
    page.keyboard.press("End")
    expect(place).to_have_attribute("aria-valuetext", "3")
    node.get_by_label("batch size").focus()
    page.keyboard.press("Home")
    expect(node.locator(".zh-live")).to_contain_text("No value in a batch of 2 can pass 1.0")
    node.get_by_role("button", name="From one draw").click()
    expect(node.locator(".zh-live")).to_contain_text("Over 1 draw:")


def at_start(gain, norm, size):
    """What the chapter measures, written once more."""
    g = torch.Generator().manual_seed(1)
    layers = [Embedding(27, 10, generator=g), Flatten()]
    for fan_in in [30] + [100] * 4:
        layers.append(Linear(fan_in, 100, gain=gain, generator=g, bias=norm is None))
        layers += [norm(100), Tanh()] if norm else [Tanh()]
    model = Sequential(*layers, Linear(100, 27, gain=0.1, generator=g))
    X, Y = data.windows(data.split(data.names())[0], 3)
    loss = F.cross_entropy(model(data.batch(X, Y, size, g.manual_seed(3))[0]),
                           data.batch(X, Y, size, g.manual_seed(3))[1])
    outs = [layer.out for layer in model if isinstance(layer, Tanh)]
    weights = [layer.weight for layer in model if isinstance(layer, Linear)][:-1]
    grads = torch.autograd.grad(loss, outs + weights)
    return [(out.std().item(), grad.std().item(), (0.1 * slope.std() / weight.std()).item())
            for out, grad, slope, weight in zip(outs, grads, grads[5:], weights, strict=False)]


@pytest.mark.parametrize("norm, layer", [("batch", BatchNorm1d), ("none", None)])
def test_the_first_step_is_that_of_a_network(any_lab, norm, layer):
    _, node = any_lab("gains", f"gain=3&size=32&norm={norm}")
    values = node.locator("circle").evaluate_all("all => all.map((c) => Number(c.dataset.value))")
    want = at_start(3.0, layer, 32)
    assert values == pytest.approx([row[k] for k in range(3) for row in want], rel=0.02)


def test_with_batch_normalisation_only_the_steps_feel_the_gain(any_lab):
    page, node = any_lab("gains", "gain=0.5&size=256&norm=batch")
    small = numbers(node)
    node.get_by_label("gain of the weights").focus()
    page.keyboard.press("End")
    page.wait_for_function("location.hash.includes('gain=10')")
    large = numbers(node)
    assert large[:4] == pytest.approx(small[:4], rel=0.02)          # tanh, its gradient
    assert small[4] / large[4] == pytest.approx(400, rel=0.3)       # one digit each
    node.get_by_label("normalisation").select_option("none")
    expect(node.locator(".zh-live")).to_contain_text("spread of tanh 0.9")
    node.get_by_label("batch size").focus()
    page.keyboard.press("Home")
    page.wait_for_function("location.hash.includes('size=2')")


@pytest.mark.parametrize("name, state", [
    ("jitter", "size=7&z=x&draws=1e9"), ("gains", "gain=nope&size=-1&norm=group")])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(any_lab, name, state):
    _, node = any_lab(name, state)
    assert not re.search("NaN|undefined|Infinity", node.inner_text())


@pytest.mark.parametrize("name", ["jitter", "gains"])
def test_on_a_phone_from_disk_in_the_dark(any_lab, fits, name):
    page, node = any_lab(name, width=360, dark=True, disk=True)
    fits(page, node)
