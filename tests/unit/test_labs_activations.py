"""Run: python -m pytest tests/unit/test_labs_activations.py

The arithmetic of the chapter's labs, in JavaScript, against the package.
"""
import json
import math

import pytest
import torch
from py_mini_racer import MiniRacer

from zh import activations, dying, labs


@pytest.fixture(scope="module")
def js():
    engine = MiniRacer()
    engine.eval("var window = globalThis;")
    for name in ("base", "activation", "hinges", "sentinels"):
        engine.eval(labs.classic(name))
    yield lambda code: json.loads(engine.eval(f"JSON.stringify({code})"))
    engine.close()


NAMES = ["sigmoid", "tanh", "softplus", "relu", "leaky_relu", "elu", "selu", "gelu", "silu"]


@pytest.mark.parametrize("name", NAMES)
def test_functions_and_slopes_are_those_of_the_package(js, name):
    x = torch.linspace(-6, 6, 60, dtype=torch.float64)
    f = activations.get(name)
    for k, mine in enumerate((f, f.derivative)):
        theirs = js(f"{x.tolist()}.map(zhLabs.activation.FUNCTIONS.{name}[{k}])")
        torch.testing.assert_close(torch.tensor(theirs).double(), mine(x), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name, std, mean", [("tanh", 3.0, 0.0), ("gelu", 1.0, -1.5),
                                             ("relu", 0.3, 2.0), ("sigmoid", 10.0, 0.0),
                                             ("silu", 2.0, -4.0), ("selu", 0.1, 0.0)])
def test_averages_are_those_of_the_package(js, name, std, mean):
    f = activations.get(name)
    pair = f"...zhLabs.activation.FUNCTIONS.{name}"
    found = js(f"zhLabs.activation.averages({pair}, {std}, {mean}, 0.05)")
    assert found["first"] == pytest.approx(f.mean(std, mean), rel=1e-4, abs=1e-4)
    assert found["second"] == pytest.approx(f.second_moment(std, mean), rel=1e-4, abs=1e-5)
    assert found["slope2"] == pytest.approx(f.slope_moment(std, mean), rel=2e-3, abs=1e-4)
    assert found["share"] == pytest.approx(f.saturated(std, mean), abs=3e-3)


# ---------------------------------------------------------------- hinges


def dice(seed, n, size, steps):
    """What the lab draws: weights and minibatches, with its own dice (mulberry32, Box-Muller)."""
    state, mask = (seed + 1) & 0xFFFFFFFF, 0xFFFFFFFF

    def draw():
        nonlocal state
        state = (state + 0x6D2B79F5) & mask
        t = ((state ^ state >> 15) * (state | 1)) & mask
        t ^= (t + ((t ^ t >> 7) * (t | 61) & mask)) & mask
        return ((t ^ t >> 14) & mask) / 4294967296

    def normal():
        return math.sqrt(-2 * math.log(1 - draw())) * math.cos(2 * math.pi * draw())

    weights = []
    for a, b in ((2, 64), (64, 64), (64, 2)):
        values = [normal() * math.sqrt(2 / a) for _ in range(a * b)]
        weights.append(torch.tensor(values, dtype=torch.float64).view(a, b))
    rows = [[math.floor(draw() * n) for _ in range(size)] for _ in range(steps)]
    return weights, torch.tensor(rows)


@pytest.mark.parametrize("given", [
    dict(lr=0.1), dict(lr=0.3, size=8), dict(lr=0.3, norm="batch"), dict(lr=0.3, norm="layer"),
    dict(lr=0.3, leak=0.1), dict(lr=0.1, offset=3), dict(lr=1, start=7)])  # fmt: skip
def test_the_lab_trains_as_the_package_does(js, given):
    given = dict(lr=0.1, offset=0, size=32, norm="none", leak=0, start=0) | given
    x, y = dying.moons(40, torch.Generator().manual_seed(0))
    x, steps = x.double(), 20
    looks = js(f"zhLabs.hinges.run({json.dumps(given)}, {x.tolist()}, {y.tolist()}, {steps})"
               ".map((l) => ({...l, weight: [...l.weight], bias: [...l.bias]}))")
    weights, rows = dice(given["start"], 40, given["size"], steps)
    setting = dying.Setting(lr=given["lr"], offset=float(given["offset"]), norm=given["norm"],
                            leak=float(given["leak"]))
    final, killed, revived, history, right, diverged, _, weight, bias = dying._moons(
        [setting], given["norm"], [(x, y, weights, rows)], 5)
    assert [look["dead"] for look in looks] == history[0, 0].tolist()
    assert looks[-1]["killed"] == killed[0, 0].tolist()
    assert looks[-1]["revived"] == revived[0, 0].tolist()
    assert looks[-1]["right"] == round(float(right[0, 0]) * 40) and not diverged.any()
    theirs = torch.tensor(looks[-1]["weight"], dtype=torch.float64).view(2, 64)
    torch.testing.assert_close(theirs, weight[0, 0], rtol=1e-5, atol=1e-6)
    theirs = torch.tensor(looks[-1]["bias"], dtype=torch.float64)
    torch.testing.assert_close(theirs, bias[0, 0], rtol=1e-5, atol=1e-6)


def test_a_diverged_run_stands_still(js):
    given = dict(lr=10, offset=10, size=32, norm="none", leak=0.1, start=0)
    x, y = dying.moons(40, torch.Generator().manual_seed(0))
    looks = js(f"zhLabs.hinges.run({json.dumps(given)}, {x.tolist()}, {y.tolist()}, 60)"
               ".map((l) => [l.sound, ...l.weight])")
    assert not looks[-1][0] and looks[-1] == looks[-2]
    assert all(isinstance(v, float | int) for v in looks[-1][1:])


# ---------------------------------------------------------------- sentinels


@pytest.mark.parametrize("radius, low, high", [(1.6, 0.0, 0.75), (4.0, 0.75, 1.0)])
def test_the_share_is_that_of_fires(js, radius, low, high):
    g = torch.Generator().manual_seed(0)
    params = [torch.randn(1, 2, 9, generator=g), torch.randn(1, 1, 9, generator=g)]
    w = torch.cat([params[0][0], params[1][0]]).T.tolist()
    units = torch.ones(1, 9, dtype=torch.bool)
    x, _ = dying.ring(torch.tensor([low]), torch.tensor([high]), 20_000, g, radius=radius,
                      spread=0.0)
    share = js(f"zhLabs.sentinels.share({json.dumps(w)}, {radius}, {low}, {high})")
    assert share == pytest.approx(float(dying.fires(params, units, x)), abs=0.01)


def test_no_unit_fires_nowhere(js):
    assert js("zhLabs.sentinels.share([], 1, 0, 1)") == 0
