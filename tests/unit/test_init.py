"""Run: python -m pytest tests/unit/test_init.py

Draws against torch.nn.init, value by value; theory against closed forms and wide networks.
"""
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import init, layers, meanfield
from zh.activations import ALL, Activation, get
from zh.init import draw, fans, fill, orthogonal, propagate, variance

sizes = st.integers(1, 40)
gains = st.floats(0.1, 5)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def erf():
    return Activation("erf", torch.erf,
                      lambda x: 2 / math.sqrt(math.pi) * torch.exp(-x * x))


# --------------------------------------------------------------------------- torch.nn.init

TORCH = {
    ("xavier", "normal"): lambda w, g, a: torch.nn.init.xavier_normal_(w, a, generator=g),
    ("xavier", "uniform"): lambda w, g, a: torch.nn.init.xavier_uniform_(w, a, generator=g),
    ("kaiming", "normal"): lambda w, g, a: torch.nn.init.kaiming_normal_(
        w, nonlinearity="relu", generator=g).mul_(a),
    ("kaiming", "uniform"): lambda w, g, a: torch.nn.init.kaiming_uniform_(
        w, nonlinearity="relu", generator=g).mul_(a),
    ("kaiming_fan_out", "normal"): lambda w, g, a: torch.nn.init.kaiming_normal_(
        w, mode="fan_out", nonlinearity="relu", generator=g).mul_(a),
    ("lecun", "normal"): lambda w, g, a: torch.nn.init.kaiming_normal_(
        w, nonlinearity="linear", generator=g).mul_(a),
    ("orthogonal", "normal"): lambda w, g, a: torch.nn.init.orthogonal_(w, a, generator=g),
}


@settings(max_examples=80)
@given(st.sampled_from(list(TORCH)), sizes, sizes, gains, st.integers(0, 9))
def test_draws_are_torchs_value_by_value(which, fan_in, fan_out, gain, seed):
    rule, kind = which
    twin = torch.nn.Linear(fan_in, fan_out, bias=False, dtype=torch.float64)
    TORCH[which](twin.weight.detach(), gen(seed), gain)
    mine = draw(rule, fan_in, fan_out, generator=gen(seed), gain=gain, kind=kind, layout="torch",
                dtype=torch.float64)
    torch.testing.assert_close(mine, twin.weight.detach(), rtol=1e-12, atol=1e-12)
    other = torch.nn.Linear(fan_in, fan_out, bias=False, dtype=torch.float64)
    fill(other.weight, rule, generator=gen(seed), gain=gain, kind=kind, layout="torch")
    assert torch.equal(other.weight, mine) and other.weight.requires_grad


@pytest.mark.parametrize("which", TORCH, ids="-".join)
def test_a_convolutions_fans_count_its_kernel(which):
    rule, kind = which
    twin = torch.empty(12, 5, 3, 2)
    TORCH[which](twin, gen(3), 1.5)
    mine = fill(torch.empty(12, 5, 3, 2), rule, generator=gen(3), gain=1.5, kind=kind,
                layout="torch")
    torch.testing.assert_close(mine, twin)


@settings(max_examples=30)
@given(st.lists(sizes, min_size=2, max_size=5))
def test_fans_are_torchs(shape):
    assert fans(shape, "torch") == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


def test_fans_of_a_zh_weight_are_its_shape():
    weight = layers.Linear(30, 20, generator=gen()).weight
    assert fans(weight) == (30, 20)
    assert fans(torch.nn.Linear(30, 20).weight, "torch") == (30, 20)


def test_lecun_is_the_linear_layers_own_start():
    torch.testing.assert_close(draw("lecun", 30, 20, generator=gen(5)),
                               layers.Linear(30, 20, generator=gen(5)).weight.detach())


# --------------------------------------------------------------------------- statistics


@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize("rule", [*init.RULES, *init.WRONG])
def test_a_draw_has_the_variance_of_its_rule(rule, kind):
    weight = draw(rule, 500, 300, generator=gen(), gain=1.7, kind=kind, dtype=torch.float64)
    assert weight.shape == (500, 300) and not weight.requires_grad
    assert weight.var().item() == pytest.approx(1.7**2 * variance(rule, 500, 300), rel=0.02)
    assert abs(weight.mean().item()) <= 0.01 * weight.std().item()


def test_a_uniform_draw_has_an_edge():
    weight = draw("xavier", 300, 300, generator=gen(), kind="uniform")
    edge = math.sqrt(6 / 600)
    assert 0.99 * edge < weight.abs().max().item() <= edge


@pytest.mark.parametrize(("right", "wrong", "factor"), [
    ("xavier", "half_xavier", 2), ("kaiming", "half_kaiming", 2), ("double_kaiming", "kaiming", 2)])
def test_the_wrong_numerators(right, wrong, factor):
    assert variance(right, 30, 70) == factor * variance(wrong, 30, 70)


@settings(max_examples=40)
@given(sizes, sizes)
def test_the_rules_agree_where_they_must(fan_in, fan_out):
    assert variance("kaiming", fan_in, fan_out) == 2 * variance("lecun", fan_in, fan_out)
    assert variance("xavier", fan_in, fan_in) == pytest.approx(variance("lecun", fan_in, fan_in))
    lecun, fan_out_rule = (variance(r, fan_in, fan_out) for r in ("lecun", "fan_out"))
    assert variance("xavier", fan_in, fan_out) == pytest.approx(  # their harmonic mean
        2 / (1 / lecun + 1 / fan_out_rule))
    assert variance("fan_out", fan_in, fan_out) == variance("lecun", fan_out, fan_in)


@settings(max_examples=30)
@given(sizes, sizes, gains)
def test_orthogonal_rows_or_columns(rows, columns, gain):
    w = orthogonal(rows, columns, generator=gen(1), gain=gain, dtype=torch.float64)
    gram = w @ w.T if rows <= columns else w.T @ w
    want = gain**2 * torch.eye(min(rows, columns), dtype=torch.float64)
    torch.testing.assert_close(gram, want, rtol=1e-9, atol=1e-10)


def test_zeros_and_constant_leave_no_two_units_apart():
    assert not draw("zeros", 6, 4, generator=gen()).any()
    constant = draw("constant", 6, 4, generator=gen(), gain=2.0)
    assert torch.equal(constant, torch.full((6, 4), 2 / math.sqrt(6)))


def test_scaled_residual_keeps_the_stream_at_one_branch():
    g, width, branches = gen(2), 300, 20
    stream = torch.zeros(width)
    for _ in range(branches):
        w = init.scaled_residual(width, width, branches, generator=g, std=1 / math.sqrt(width))
        stream = stream + torch.randn(width, generator=g) @ w
    assert stream.var().item() == pytest.approx(1, rel=0.25)


def test_a_draw_is_the_generators_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b = (draw("xavier", 3, 4, generator=gen(7)) for _ in range(2))
    assert torch.equal(a, b) and torch.equal(before, torch.get_rng_state())


def test_a_rule_may_be_a_function_or_the_variance():
    weight = draw(lambda fan_in, fan_out: 3 / fan_in, 400, 200, generator=gen())
    assert weight.var().item() * 400 == pytest.approx(3, rel=0.02)
    assert torch.equal(weight, draw(3 / 400, 400, 200, generator=gen()))


def test_gain_computed_and_from_the_table():
    assert init.gain("tanh") == get("tanh").gain
    assert init.gain("tanh", table=True) == torch.nn.init.calculate_gain("tanh")
    with pytest.raises(ValueError, match="no entry for gelu.*1.5335"):
        init.gain("gelu", table=True)


# --------------------------------------------------------------------------- signals


def test_propagate_is_autograd_on_the_whole_net():
    g = gen(4)
    x = torch.randn(8, 5, generator=g, dtype=torch.float64)
    weights = [torch.randn(5, 6, generator=g, dtype=torch.float64),
               torch.randn(6, 3, generator=g, dtype=torch.float64)]
    forward, backward = propagate(x, weights, "tanh", generator=gen(9))
    h = torch.tanh(x @ weights[0])
    out = torch.tanh(h @ weights[1])
    sent = torch.randn(out.shape, generator=gen(9), dtype=torch.float64)
    first = ((sent * (1 - out**2)) @ weights[1].T * (1 - h**2)) @ weights[0].T
    def rms(t):
        return t.square().mean().sqrt().item()
    assert forward == pytest.approx([rms(x), rms(h), rms(out)])
    assert backward[0] == pytest.approx(rms(first) / rms(sent)) and backward[-1] == 1


@pytest.mark.parametrize(("name", "weight_std"), [
    ("tanh", 5 / 3), ("tanh", 1.0), ("relu", 2**0.5), ("gelu", 1.6), ("sigmoid", 4.0),
    ("selu", 1.0)])
def test_a_wide_net_does_what_theory_says(name, weight_std):
    """Forward and backward, at every layer, within the spread of eight nets of width 256."""
    g, depth, width = gen(1), 10, 256
    runs = []
    for _ in range(8):
        x = torch.randn(16, width, generator=g)
        weights = [draw("lecun", width, width, generator=g, gain=weight_std) for _ in range(depth)]
        runs.append(propagate(x, weights, name, generator=g))
    forward, backward = torch.tensor(runs).square().mean(0).sqrt().tolist()
    q = init.lengths(weight_std**2, depth - 1, name, weight_std)  # x has mean square 1
    want = [get(name).second_moment(v**0.5) ** 0.5 for v in q]
    assert forward[1:] == pytest.approx(want, rel=0.2)
    factors = [init.chi(v, name, weight_std) ** 0.5 for v in q]
    assert backward[0] == pytest.approx(math.prod(factors), rel=0.25)


def test_log_drift_of_width_one_is_that_of_a_normal():
    """E ln|z| = -(ln 2 + Euler's constant) / 2; wide: -1 / (2n)."""
    assert init.log_drift(1) == pytest.approx(-(math.log(2) + 0.5772156649015329) / 2)
    assert init.log_drift(400) == pytest.approx(-1 / 800, rel=0.01)
    norms = torch.randn(20_000, 8, generator=gen(0)).square().mean(1).log() / 2
    assert init.log_drift(8) == pytest.approx(norms.mean().item(), abs=0.01)


@settings(max_examples=5)
@given(st.floats(0, 0.5), st.integers(2, 60))
def test_first_loss_of_small_logits(std, classes):
    """ln V + s^2 / 2 (1 - 1 / V) to second order; never above ln V + s^2 / 2 (Jensen)."""
    loss = init.first_loss(std, classes, generator=gen(0))
    assert loss == pytest.approx(math.log(classes) + std**2 / 2 * (1 - 1 / classes), abs=0.03)
    assert loss < math.log(classes) + std**2 / 2 + 0.02


def test_first_loss_of_hot_logits_is_their_largest():
    """30 times hotter than a normal, nearly all of it is max - logit."""
    loss = init.first_loss(30.0, 27, generator=gen(0))
    largest = torch.randn(20_000, 27, generator=gen(1)).max(1).values.mean().item()
    assert loss == pytest.approx(30 * largest, rel=0.03)


# --------------------------------------------------------------------------- mean field


def arc_cosine(c):
    """E relu(u) relu(v) for standard normals of correlation c (Cho and Saul 2009)."""
    return (torch.sqrt(1 - c * c) + c * (math.pi - torch.arccos(c))) / (2 * math.pi)


@settings(max_examples=30)
@given(st.floats(0.01, 20), st.floats(0.1, 4), st.floats(0, 2))
def test_length_map_closed_forms(q, weight_std, bias_std):
    got = init.length_map(q, "relu", weight_std, bias_std)
    assert got == pytest.approx(weight_std**2 * q / 2 + bias_std**2, rel=1e-9)
    got = init.length_map(q, erf(), weight_std, bias_std)
    want = 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
    assert got == pytest.approx(weight_std**2 * want + bias_std**2, rel=1e-9)
    got = init.chi(q, erf(), weight_std)
    assert got == pytest.approx(weight_std**2 * 4 / math.pi / math.sqrt(1 + 4 * q), rel=1e-9)


@settings(max_examples=10)
@given(st.sampled_from(list(ALL)), st.floats(0.5, 3), st.floats(0, 1), st.floats(0.05, 20))
def test_a_fixed_point_is_one_and_the_layers_lead_there(name, weight_std, bias_std, start):
    q = init.fixed_point(name, weight_std, bias_std, start)
    path = init.lengths(start, 20, name, weight_std, bias_std)
    if 0 < q < math.inf:
        assert init.length_map(q, name, weight_std, bias_std) == pytest.approx(q, rel=1e-7)
        assert abs(path[-1] - q) <= abs(start - q) * (1 + 1e-9) + 1e-9
    elif q == 0:
        assert path[-1] <= start
    else:
        assert path[-1] >= start


def test_tanhs_fixed_point_is_the_lectures_standard_deviation():
    m = init.mean_field("tanh", 5 / 3)
    assert m.out_rms == pytest.approx(0.651, abs=5e-4)
    assert m.gradient_factor == pytest.approx(1.100, abs=5e-4)
    assert m.pre_std == pytest.approx(1.0856, abs=5e-4)
    share = get("tanh").saturated(m.pre_std, threshold=1 - 0.97**2)
    assert share == pytest.approx(0.054, abs=5e-4)


@pytest.mark.parametrize("name", ALL)
def test_the_gain_has_unit_variance_for_a_fixed_point(name):
    assert init.length_map(1.0, name, init.gain(name)) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(("name", "stable"), [
    ("tanh", True), ("selu", True), ("sigmoid", True), ("gelu", False), ("silu", False)])
def test_which_gain_brings_a_wrong_length_back(name, stable):
    gain = init.gain(name)
    slope = init.mean_field(name, gain).length_slope
    h = 1e-4
    numeric = (init.length_map(1 + h, name, gain) - init.length_map(1 - h, name, gain)) / (2 * h)
    assert slope == pytest.approx(numeric, rel=1e-6)
    assert (slope < 1) == stable


@pytest.mark.parametrize("q", [0.2, 1.0, 9.0])
def test_correlation_map_of_relu_is_the_arc_cosine_kernel(q):
    c = torch.linspace(-1, 1, 81, dtype=torch.float64)
    got = init.correlation_map(c, q, "relu", 2**0.5)
    error = (got - 2 * arc_cosine(c)).abs()
    assert error[c.abs() <= 0.95].max() < 1e-6 and error.max() < 1e-4
    with_bias = init.correlation_map(0.5, q, "relu", 2**0.5, 0.7)
    want = (q * 2 * arc_cosine(torch.tensor(0.5)) + 0.49) / (q + 0.49)
    assert with_bias.item() == pytest.approx(want.item(), abs=1e-6)


@pytest.mark.parametrize("q", [0.2, 1.0, 9.0])
def test_correlation_map_of_erf_is_the_arc_sine_kernel(q):
    """Williams 1998."""
    c = torch.linspace(-1, 1, 41, dtype=torch.float64)
    got = init.correlation_map(c, q, erf(), 1.3)
    want = torch.arcsin(2 * q * c / (1 + 2 * q)) / math.asin(2 * q / (1 + 2 * q))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)


@settings(max_examples=15)
@given(st.sampled_from(list(ALL)), st.floats(0.1, 5), st.floats(0.5, 3), st.floats(0, 1))
def test_correlations_keep_their_order_and_their_end(name, q, weight_std, bias_std):
    c = torch.linspace(0, 1, 21, dtype=torch.float64)
    got = init.correlation_map(c, q, name, weight_std, bias_std)
    assert got[-1].item() == pytest.approx(1, abs=1e-9) and got[0] >= -1e-9
    assert (got.diff() > -1e-12).all(), "closer inputs stay closer"
    assert (got.diff().diff() > -1e-9).all(), "convex"


def test_chi_is_the_slope_of_the_correlation_map_at_one():
    m = init.mean_field("tanh", 1.5, 0.3)
    h = 1e-5
    to = init.correlation_map(1 - h, m.q, "tanh", 1.5, 0.3).item()
    assert m.chi == pytest.approx((1 - to) / h, rel=1e-3)


@settings(max_examples=20)
@given(st.sampled_from(["tanh", "sigmoid", "selu"]), st.floats(1e-3, 10))
def test_the_edge_of_chaos_is_critical(name, q):
    try:
        weight_std, bias_std = init.edge_of_chaos(name, q)
    except ValueError:
        assert name != "tanh"  # tanh has one for every q
        return
    assert init.length_map(q, name, weight_std, bias_std) == pytest.approx(q, rel=1e-9)
    assert init.chi(q, name, weight_std) == pytest.approx(1)


def test_relus_edge_is_he_alone():
    for q in (0.1, 5.0):
        assert init.edge_of_chaos("relu", q) == pytest.approx((2**0.5, 0))


@pytest.mark.parametrize(("gain", "bias_std", "phase"), [
    (0.8, 0.3, "ordered"), (3.0, 0.3, "chaotic"), (1.0, 0.0, "critical")])
def test_phases(gain, bias_std, phase):
    assert init.mean_field("tanh", gain, bias_std).phase == phase


def test_correlations_settle_as_the_depth_scale_says():
    for gain in (1.1, 2.5):  # ordered, chaotic
        m = init.mean_field("tanh", gain, 0.5)
        assert m.phase == ("ordered" if gain < 2 else "chaotic")
        c, distance = 0.6, []
        for _ in range(12):
            c = init.correlation_map(c, m.q, "tanh", gain, 0.5).item()
            distance.append(abs(c - m.correlation))
        rate = distance[11] / distance[10]
        assert m.depth_scale == pytest.approx(-1 / math.log(rate), rel=0.05)
        assert init.correlation_map(m.correlation, m.q, "tanh", gain, 0.5).item() == pytest.approx(
            m.correlation, abs=1e-6)


def test_relu_keeps_every_length_and_forgets_slowly():
    assert init.fixed_point("relu", 2**0.5, start=3.7) == 3.7
    assert init.mean_field("relu", 2**0.5).depth_scale == math.inf
    assert init.fixed_point("relu", 1.0) == 0 and init.fixed_point("relu", 2.0) == math.inf
    assert init.mean_field("relu", 1.0).chi == pytest.approx(0.5)
    assert init.mean_field("relu", 2.0).chi == pytest.approx(2)


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(("call", "words"), [
    (lambda: fans((5,)), r"\(5,\) has no fans.*bias"),
    (lambda: fans((5, 4, 3)), "zh takes"),
    (lambda: fans((5, 4), "pytorch"), "layout is 'pytorch'"),
    (lambda: variance("he", 3, 4), "no rule 'he'.*kaiming"),
    (lambda: variance("lecun", 0, 4), "fans are 1 or more"),
    (lambda: variance(lambda i, o: -1.0, 3, 4), "variance -1.0"),
    (lambda: draw("lecun", 3, 4, generator=gen(), kind="gaussian"), "kind is 'gaussian'"),
    (lambda: orthogonal(0, 4, generator=gen()), "0 by 4"),
    (lambda: init.scaled_residual(3, 4, 0, generator=gen()), "branches is 0"),
    (lambda: init.log_drift(0), "width is 0"),
    (lambda: init.length_map(-1.0, "tanh", 1.0), "q is -1.0"),
    (lambda: init.fixed_point("tanh", 1.0, start=0.0), "start is 0.0"),
    (lambda: init.correlation_map(1.5, 1.0, "tanh", 1.0), "not at 1.5"),
    (lambda: init.edge_of_chaos("sigmoid", 1.0), "no edge of chaos at q=1"),
    (lambda: init.mean_field("tanh", 0.0), "weight_std is 0.0"),
    (lambda: init.mean_field("tanh", 0.5).depth_scale, "dies out"),
    (lambda: init.mean_field("relu", 2.0).correlation, "grows for ever"),
])
def test_errors_say_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_init_and_meanfield_are_one_subject():
    assert init.mean_field is meanfield.mean_field
