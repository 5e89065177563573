"""Run: python -m pytest tests/unit/test_activations.py

Each function against torch.nn.functional and autograd; each number against a closed form.
"""
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import activations
from zh.activations import ALL, Activation, gaussian_mean, get

TWINS = {
    "linear": lambda x: x,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "softplus": lambda x: F.softplus(x, threshold=30),
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}
CLOSED = {  # E f(z)^2 for z standard normal
    "linear": 1.0,
    "relu": 1 / 2,
    "leaky_relu": (1 + 0.01**2) / 2,
    "selu": 1.0,
    # E x^2 Phi(x)^2 = 1/4 + E x^2 (Phi - 1/2)^2: 1/3 + 1 / (2 pi sqrt(3))
    "gelu": 1 / 3 + 1 / (2 * math.pi * math.sqrt(3)),
    # E (e^x - 1)^2 over the left half, with E e^(ax) [x < 0] = e^(a^2/2) Phi(-a)
    "elu": 1 / 2 + math.exp(2) * math.erfc(2 / math.sqrt(2)) / 2
    - 2 * math.exp(0.5) * math.erfc(1 / math.sqrt(2)) / 2 + 1 / 2,
}
names = st.sampled_from(list(ALL))
numbers = st.floats(-30, 30)


def grid(dtype=torch.float64):
    return torch.cat([torch.linspace(-30, 30, 601, dtype=dtype),
                      torch.tensor([0.0, -0.0, 1e-9, -1e-9, 700, -700], dtype=dtype)])


# --------------------------------------------------------------------------- torch's twins


@pytest.mark.parametrize("name", TWINS)
def test_value_and_derivative_are_torchs(name):
    """At the kinks too: both take the same side."""
    x = grid().requires_grad_()
    ref = TWINS[name](x)
    slope, = torch.autograd.grad(ref.sum(), x)
    f = get(name)
    torch.testing.assert_close(f(x), ref, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(f.derivative(x.detach()), slope, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_derivative_is_what_autograd_finds_in_the_function_itself(name):
    x = grid()
    f = get(name)
    x = x[~torch.isin(x.abs(), torch.tensor([abs(k) for k in f.kinks], dtype=x.dtype))]
    x.requires_grad_()
    slope, = torch.autograd.grad(f(x).sum(), x)
    assert torch.isfinite(slope).all()
    torch.testing.assert_close(f.derivative(x.detach()), slope, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", TWINS)
def test_float32_is_as_good_as_torchs(name):
    x = grid(torch.float32)
    assert get(name)(x).dtype == torch.float32
    assert get(name).derivative(x).dtype == torch.float32
    torch.testing.assert_close(get(name)(x), TWINS[name](x), rtol=2e-6, atol=1e-6)


@settings(max_examples=60)
@given(st.sampled_from(["leaky", "elu", "swish"]), st.floats(0.01, 2), numbers)
def test_families_are_torchs(family, parameter, number):
    x = torch.tensor([number], dtype=torch.float64, requires_grad=True)
    mine, ref = {
        "leaky": (activations.leaky_relu_with, F.leaky_relu),
        "elu": (activations.elu_with, F.elu),
        "swish": (activations.swish_with, lambda x, b: x * torch.sigmoid(b * x)),
    }[family]
    f, out = mine(parameter), ref(x, parameter)
    slope, = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(f(x), out, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(f.derivative(x.detach()), slope, rtol=1e-9, atol=1e-12)


@settings(max_examples=60)
@given(names, numbers, numbers)
def test_slope_bounds_the_change(name, a, b):
    """|f(a) - f(b)| <= L |a - b| with the largest slope on a fine grid."""
    f = get(name)
    largest = f.derivative(torch.linspace(-30, 30, 6001, dtype=torch.float64)).abs().max()
    x = torch.tensor([a, b], dtype=torch.float64)
    assert f(x).diff().abs() <= (largest + 1e-3) * abs(a - b) + 1e-9


# --------------------------------------------------------------------------- averages


@settings(max_examples=40)
@given(st.floats(0, 50), st.floats(-20, 20))
def test_quadrature_has_the_moments_of_a_normal(std, mean):
    def close(a, b):
        assert a == pytest.approx(b, rel=1e-10, abs=1e-10)
    close(gaussian_mean(torch.ones_like, std, mean), 1)
    close(gaussian_mean(lambda x: x, std, mean), mean)
    close(gaussian_mean(lambda x: (x - mean) ** 2, std, mean), std**2)
    if std < 10:  # faster waves than the points can follow
        close(gaussian_mean(torch.cos, std, mean), math.exp(-std**2 / 2) * math.cos(mean))


@pytest.mark.parametrize("std", [1e-3, 0.3, 1, 7, 1000])
@pytest.mark.parametrize("mean", [0.0, -0.7])
def test_kinks_and_steep_places_cost_no_digits(std, mean):
    """E relu(x) = mean Phi(mean / std) + std phi(mean / std); E erf(x)^2 by Williams 1998."""
    share = 0.5 * math.erfc(-mean / std / math.sqrt(2))
    density = math.exp(-0.5 * (mean / std) ** 2) / math.sqrt(2 * math.pi)
    assert get("relu").mean(std, mean) == pytest.approx(mean * share + std * density, rel=1e-12,
                                                        abs=1e-15)
    assert get("relu").slope_moment(std, mean) == pytest.approx(share, rel=1e-11, abs=1e-15)
    if mean == 0:
        erf2 = gaussian_mean(lambda x: torch.erf(x) ** 2, std)
        want = 2 / math.pi * math.asin(2 * std**2 / (1 + 2 * std**2))
        assert erf2 == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_averages_are_those_of_samples(name):
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    f, x = get(name), 0.3 + 1.5 * z
    assert f.mean(1.5, 0.3) == pytest.approx(f(x).mean().item(), abs=0.02)
    assert f.second_moment(1.5, 0.3) == pytest.approx((f(x) ** 2).mean().item(), rel=0.02)
    assert f.slope_moment(1.5, 0.3) == pytest.approx((f.derivative(x) ** 2).mean().item(), rel=0.02)


def test_a_std_of_zero_is_a_point():
    assert get("tanh").second_moment(0.0, 0.5) == pytest.approx(math.tanh(0.5) ** 2)


# --------------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("name", CLOSED)
def test_gain_is_the_closed_form(name):
    assert get(name).gain == pytest.approx(CLOSED[name] ** -0.5, rel=1e-9)


@pytest.mark.parametrize("f", [f for f in ALL.values() if f.torch_gain], ids=lambda f: f.name)
def test_torch_gain_is_calculate_gain(f):
    assert f.torch_gain == pytest.approx(torch.nn.init.calculate_gain(f.name), rel=1e-12)


def test_gain_of_a_leaky_relu_is_hes_for_any_slope():
    for slope in (0.0, 0.1, 0.5, 1.0):
        f = activations.leaky_relu_with(slope)
        assert f.gain == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", slope))
        assert f.gain == pytest.approx(f.backward_gain)  # f(x) = x f'(x)


def test_tanh_is_not_five_thirds():
    assert get("tanh").gain == pytest.approx(1.5925, abs=1e-4)
    assert get("tanh").backward_gain < get("tanh").gain < 5 / 3


def test_slopes_at_zero():
    got = {name: f.slope_at_zero for name, f in ALL.items()}
    want = dict(linear=1, sigmoid=0.25, tanh=1, lecun_tanh=1.7159 * 2 / 3, softplus=0.5, relu=0,
                leaky_relu=0.01, elu=1, selu=1.0507009873554805 * 1.6732632423543772, gelu=0.5,
                gelu_tanh=0.5, silu=0.5)
    assert got == pytest.approx(want)


def test_lecuns_tanh_leaves_one_where_it_is():
    one = torch.ones(1, dtype=torch.float64)
    assert float(get("lecun_tanh")(one)) == pytest.approx(1, abs=1e-4)


# --------------------------------------------------------------------------- saturation


@settings(max_examples=12)
@given(st.floats(1e-3, 0.2))
def test_saturation_is_the_closed_form(threshold):
    t = math.atanh(math.sqrt(1 - threshold))  # tanh' = 1 - tanh^2
    assert get("tanh").saturation(threshold) == [
        (-math.inf, pytest.approx(-t, abs=1e-9)), (pytest.approx(t, abs=1e-9), math.inf)]
    s = math.acosh(1 / (2 * threshold) - 1)  # sigmoid' = 1 / (2 + 2 cosh x)
    assert get("sigmoid").saturation(threshold) == [
        (-math.inf, pytest.approx(-s, abs=1e-9)), (pytest.approx(s, abs=1e-9), math.inf)]
    assert get("elu").saturation(threshold) == [
        (-math.inf, pytest.approx(math.log(threshold), abs=1e-9))]
    assert get("relu").saturation(threshold) == [(-math.inf, 0.0)]
    assert get("linear").saturation(threshold) == []


@settings(max_examples=25)
@given(names, st.floats(0.01, 0.9), numbers)
def test_saturation_is_where_the_slope_is_small(name, threshold, number):
    f = get(name)
    slope = abs(float(f.derivative(torch.tensor(number, dtype=torch.float64))))
    inside = any(low < number < high for low, high in f.saturation(threshold))
    if abs(slope - threshold) > 1e-3 and number not in f.kinks:
        assert inside == (slope < threshold)


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_a_dip_is_a_flat_spot_of_its_own(name):
    sides = get(name).saturation(0.05)
    assert len(sides) == 2 and sides[0][0] == -math.inf
    low, high = sides[1]
    x = torch.tensor([low, (low + high) / 2, high], dtype=torch.float64)
    assert get(name)(x)[1] < get(name)(x)[[0, 2]].min()


def test_share_of_a_normal_that_is_saturated():
    """|tanh| > 0.97, the lectures' measure, is a slope below 1 - 0.97^2."""
    share = get("tanh").saturated(std=5 / 3, threshold=1 - 0.97**2)
    assert share == pytest.approx(math.erfc(math.atanh(0.97) / (5 / 3) / math.sqrt(2)), rel=1e-9)
    assert get("relu").saturated(std=3.0) == pytest.approx(0.5)
    assert get("relu").saturated(std=1.0, mean=-10.0) == pytest.approx(1)
    assert get("linear").saturated() == 0


@pytest.mark.parametrize("std", [0.0, -1.0, math.inf, math.nan])
def test_a_share_needs_a_standard_deviation(std):
    with pytest.raises(ValueError, match="finite number above 0"):
        get("relu").saturated(std=std)


# --------------------------------------------------------------------------- maxout


def test_maxout_of_x_and_zero_is_relu():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = torch.stack([x, torch.zeros_like(x)], -1).flatten(1).requires_grad_()  # (5, 8)
    out = activations.maxout(pairs)
    assert torch.equal(out, torch.relu(x))
    slope, = torch.autograd.grad(out.sum(), pairs)
    assert torch.equal(slope[:, ::2], (x > 0).double())


def test_maxout_gain():
    z = torch.randn(400_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert activations.maxout_gain(1) == pytest.approx(1)
    assert activations.maxout_gain(2) == pytest.approx(1)
    moment = (activations.maxout(z, 3) ** 2).mean().item()
    assert activations.maxout_gain(3) == pytest.approx(moment**-0.5, rel=0.01)


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: get("rleu"), ValueError, "no activation 'rleu'.*relu"),
    (lambda: get("tanh")(torch.tensor(2)), TypeError, "tanh got torch.int64"),
    (lambda: get("tanh")(2.0), TypeError, "tanh got float"),
    (lambda: get("tanh").saturation(0), ValueError, "threshold is 0"),
    (lambda: get("tanh").mean(-1.0), ValueError, "std is -1.0"),
    (lambda: get("tanh").mean(math.nan), ValueError, "std is nan"),
    (lambda: activations.maxout(torch.zeros(2, 5)), ValueError, r"\(2, 5\).*groups of 2"),
    (lambda: activations.maxout_gain(0), ValueError, "pieces is 0"),
])
def test_errors_say_what_is_wrong(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_activation_passes_through_get():
    mine = Activation("square", lambda x: x * x, lambda x: 2 * x)
    assert get(mine) is mine
    assert mine.gain == pytest.approx(3**-0.5)  # E z^4 = 3
    assert "square" in repr(mine)
