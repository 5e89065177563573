"""`zh.autograd` beside PyTorch, beside finite differences and beside the micrograd package.

python -m pytest tests/unit/test_autograd.py
"""

import gc
import math
import sys
import weakref

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zh import autograd
from zh.autograd import Value, gradcheck, graph, topological

# ---- PyTorch as the oracle, on random graphs in which any node may be used again ----

UNARY = {
    "neg": lambda x: -x,
    "tanh": lambda x: x.tanh(),
    "relu": lambda x: x.relu(),
    "sigmoid": lambda x: x.sigmoid(),
    "exp": lambda x: x.tanh().exp(),  # in (1/e, e)
    "log": lambda x: (x * x + 1).log(),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "to the zero": lambda x: x**0,
    "root": lambda x: (x * x + 0.5) ** 0.5,
    "inverse": lambda x: (x * x + 0.5) ** -1,
    "1.5 -": lambda x: 1.5 - x,
    "- 1.5": lambda x: x - 1.5,
    "2 *": lambda x: 2 * x,
    "/ 3": lambda x: x / 3,
    "1 /": lambda x: 1 / (x * x + 0.5),
    "+ 1": lambda x: 1 + x,
}
BINARY = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / (y * y + 0.5),
}

numbers = st.floats(-3, 3).filter(lambda x: x == 0 or abs(x) > 1e-3)
steps = st.tuples(st.sampled_from([*UNARY, *BINARY]), st.integers(0, 100), st.integers(0, 100))


def run(leaves, program):
    nodes = list(leaves)
    for op, i, j in program:
        x, y = nodes[i % len(nodes)], nodes[j % len(nodes)]
        nodes.append(UNARY[op](x) if op in UNARY else BINARY[op](x, y))
    return nodes[-1].tanh() + nodes[-1] * 0.01  # bounded growth


def close(mine, theirs):
    return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(numbers, min_size=1, max_size=4), st.lists(steps, min_size=1, max_size=10))
@settings(max_examples=300)
@example([0.0], [("relu", 0, 0)])
@example([2.0], [("+", 0, 0), ("*", 1, 1)])
def test_equals_pytorch(inputs, program):
    mine = [Value(x) for x in inputs]
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in inputs]
    out, reference = run(mine, program), run(theirs, program)
    if not torch.isfinite(reference) or abs(reference) > 1e12:
        return
    out.backward()
    reference.backward()
    assert close(out.data, reference.item())
    for v, t in zip(mine, theirs, strict=True):
        grad = 0.0 if t.grad is None else t.grad.item()
        if abs(grad) < 1e12:
            assert close(v.grad, grad)


@given(st.lists(numbers, min_size=1, max_size=3), st.lists(steps, min_size=1, max_size=6))
@settings(max_examples=100)
def test_order_and_graph_of_any_program(inputs, program):
    out = run([Value(x) for x in inputs], program)
    order = topological(out)
    place = {id(v): i for i, v in enumerate(order)}
    assert order[-1] is out and len(place) == len(order)
    assert all(place[id(p)] < place[id(v)] for v in order for p in v.parents)
    g = graph(out)
    assert [n["id"] for n in g["nodes"]] == list(range(len(order)))
    assert len(g["edges"]) == sum(len(v.parents) for v in order)
    assert all(e["from"] < e["to"] for e in g["edges"])


SMOOTH = {k: v for k, v in UNARY.items() if k != "relu"}


@given(numbers, st.lists(st.sampled_from(sorted(SMOOTH)), min_size=1, max_size=3))
@example(0.00390625, ["log", "log"])  # a result far smaller than what rounds on the way to it
@settings(max_examples=100)
def test_finite_differences(x, ops):
    def f(v):
        for op in ops:
            v = SMOOTH[op](v)
        return v.tanh()

    gradcheck(f, [x], tolerance=1e-5)


@pytest.mark.parametrize(
    "f, x, value, slope",
    [
        (lambda v: v.tanh(), 0.5, math.tanh(0.5), 1 / math.cosh(0.5) ** 2),
        (lambda v: v.exp(), 1.25, math.exp(1.25), math.exp(1.25)),
        (lambda v: v.log(), 4.0, math.log(4), 0.25),
        (lambda v: v.sigmoid(), 0.0, 0.5, 0.25),
        (lambda v: v.sigmoid(), 800.0, 1.0, 0.0),
        (lambda v: v.sigmoid(), -800.0, 0.0, 0.0),
        (lambda v: v.tanh(), 800.0, 1.0, 0.0),
        (lambda v: v.relu(), 0.0, 0.0, 0.0),
        (lambda v: v**0, 0.0, 1.0, 0.0),
        (lambda v: v**1, 0.0, 0.0, 1.0),
        (lambda v: v**0.5, 9.0, 3.0, 1 / 6),
        (lambda v: 5 - v, 2.0, 3.0, -1.0),
        (lambda v: 1 / v, 4.0, 0.25, -1 / 16),
        (lambda v: v / v, 3.0, 1.0, 0.0),
        (lambda v: v - v, 3.0, 0.0, 0.0),
        (lambda v: v + v, 3.0, 6.0, 2.0),
        (lambda v: v * v * v, 2.0, 8.0, 12.0),
    ],
)
def test_closed_form(f, x, value, slope):
    v = Value(x)
    out = f(v)
    out.backward()
    assert close(out.data, value) and close(v.grad, slope)


def test_sigmoid_slope_in_the_tails():
    """s(1 - s) loses every digit where s rounds to 1; e/(1 + e)² does not."""
    v = Value(40.0)
    v.sigmoid().backward()
    assert math.isclose(v.grad, math.exp(-40), rel_tol=1e-12)


def test_micrograd_readme():
    """The example at the top of micrograd's README, with its printed results."""
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert f"{g.data:.4f} {a.grad:.4f} {b.grad:.4f}" == "24.7041 138.8338 645.5773"


# ---- two calls of backward ----


def test_leaves_accumulate_and_interior_nodes_do_not():
    def neuron(kind):
        x1, x2, w1, w2 = [kind(v) for v in (2.0, 0.0, -3.0, 1.0)]
        n = x1 * w1 + x2 * w2 + 6.881373587019543
        return x1, n, n.tanh()

    x1, n, out = neuron(Value)
    out.backward()
    assert close(x1.grad, -1.5) and close(n.grad, 0.5)
    out.backward()
    assert close(x1.grad, -3.0) and close(n.grad, 0.5)

    t1, _, reference = neuron(lambda v: torch.tensor(v, dtype=torch.float64, requires_grad=True))
    reference.backward(retain_graph=True)
    reference.backward()
    assert close(x1.grad, t1.grad.item())


def test_two_results_share_a_part():
    x, t = Value(0.3), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    for v in (x, t):
        shared = v * v
        a, b = shared.exp(), shared.tanh() + v
        a.backward(retain_graph=True) if v is t else a.backward()
        b.backward()
    assert close(x.grad, t.grad.item())


def test_backward_of_a_leaf():
    x = Value(3.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0


# ---- size ----


def test_a_chain_of_a_million_nodes_is_walked_and_freed():
    limit = sys.getrecursionlimit()
    x = Value(1.0)
    y = x
    for _ in range(1_000_000):
        y = -y
    y.backward()
    assert x.grad == 1.0
    del y
    gc.collect()
    assert sys.getrecursionlimit() == limit


def test_a_dropped_graph_is_freed_without_the_collector():
    class Watched(Value):
        __slots__ = ("__weakref__",)

    x = Watched(1.0)
    gone = weakref.ref(x)
    gc.disable()
    try:
        y = (x * x).tanh() + x
        y.backward()
        del x, y
        assert gone() is None
    finally:
        gc.enable()


def test_slots():
    with pytest.raises(AttributeError):
        Value(1.0).gard = 2.0


# ---- numbers, comparison, repr ----


def test_numbers_become_floats():
    for x in (2, True, np.float32(2), np.float64(2), np.int64(2)):
        assert type(Value(x).data) is float
    for x in (2, np.float32(2), np.float64(2), np.int64(2)):
        v = Value(3.0)
        assert (x * v).data == (v * x).data == 6.0
        assert (x - v).data == -1.0 and (v - x).data == 1.0
        assert (x / v).data == 2 / 3 and (v / x).data == 1.5
        assert (v**x).data == 9.0
        assert isinstance(x + v, Value)
    assert sum([Value(1.0), Value(2.0)]).data == 3.0


def test_comparison_and_hash():
    a, b = Value(1.0), Value(1.0)
    assert a == b and a == 1 and 1 == a and a != 2 and not a != b
    assert a <= b and a >= b and not a < b and a < 2 and 0 < a
    assert len({a, b}) == 2 and len({a, a}) == 1
    assert max([Value(1.0), Value(3.0), Value(2.0)]).data == 3.0


def test_repr_as_micrograd():
    assert repr(Value(2.0)) == "Value(data=2.0, grad=0.0)"


def test_graph_as_data():
    a = Value(3.0, "a")
    out = a + a
    out.backward()
    assert graph(out) == {
        "nodes": [
            {"id": 0, "op": "", "label": "a", "data": 3.0, "grad": 2.0},
            {"id": 1, "op": "+", "label": "", "data": 6.0, "grad": 1.0},
        ],
        "edges": [{"from": 0, "to": 1, "slope": 1.0}, {"from": 0, "to": 1, "slope": 1.0}],
    }


# ---- what cannot be done says so ----


@pytest.mark.parametrize(
    "wrong, kind, words",
    [
        (lambda: Value("3"), TypeError, ["one real number", "str", "'3'"]),
        (lambda: Value(None), TypeError, ["NoneType"]),
        (lambda: Value(1j), TypeError, ["complex", "1j"]),
        (lambda: Value([1.0]), TypeError, ["list"]),
        (lambda: Value(torch.tensor([1.0, 2.0])), TypeError, ["Tensor"]),
        (lambda: Value(10**400), OverflowError, ["too large"]),
        (lambda: Value(2.0) + "3", TypeError, ["Value + '3'", "str"]),
        (lambda: "3" + Value(2.0), TypeError, []),
        (lambda: Value(2.0) * None, TypeError, ["Value * None"]),
        (lambda: None - Value(2.0), TypeError, ["Value - None"]),
        (lambda: Value(2.0) / 1j, TypeError, ["Value / 1j"]),
        (lambda: 1j / Value(2.0), TypeError, ["Value / 1j"]),
        (lambda: Value(2.0) * np.ones(2), TypeError, ["Value *", "ndarray"]),
        (lambda: Value(0.0).log(), ValueError, ["log(0.0)", "positive"]),
        (lambda: Value(-1.0).log(), ValueError, ["log(-1.0)"]),
        (lambda: Value(torch.ones(2)), TypeError, ["use .item() or .tolist()"]),
        (lambda: Value(0.0) ** -1, ZeroDivisionError, ["(0.0) ** -1:"]),
        (lambda: Value(0.0) ** 0.5, ZeroDivisionError, ["(0.0) ** 0.5:", "slope"]),
        (lambda: Value(-8.0) ** (1 / 3), ValueError, ["(-8.0) **", "whole exponent"]),
        (lambda: Value(1e200) ** 2, OverflowError, ["(1e+200) ** 2:"]),
        (lambda: Value(0.0) ** np.float64(-1), ZeroDivisionError, ["(0.0) ** -1:"]),
        (lambda: Value(1e200) ** np.float64(2), OverflowError, ["(1e+200) ** 2:"]),
        (lambda: Value(-2.0) ** 10**400, OverflowError, ["too large for a float"]),
        (lambda: Value(2.0) ** Value(3.0), TypeError, ["exponent", "log()"]),
        (lambda: 2 ** Value(3.0), TypeError, ["exponent"]),
        (lambda: Value(2.0) ** "3", TypeError, ["exponent", "'3'"]),
        (lambda: Value(2.0) / 0, ZeroDivisionError, ["2.0 / 0"]),
        (lambda: 2 / Value(0.0), ZeroDivisionError, ["2.0 / 0.0"]),
        (lambda: Value(800.0).exp(), OverflowError, ["exp(800.0)"]),
    ],
)
def test_errors_name_the_operation_and_the_value(wrong, kind, words):
    with pytest.raises(kind) as error:
        wrong()
    for word in words:
        assert word in str(error.value)


def test_inf_and_nan_travel_as_in_floats():
    big = Value(1e300)
    assert (big * big).data == math.inf
    assert math.isnan((big * big - big * big).data)
    assert math.isnan(Value(math.nan).relu().data)


# ---- gradcheck ----


def test_gradcheck_passes_and_reports():
    assert gradcheck(lambda a, b: (a * b + a).tanh(), [0.3, -0.7]) < 1e-8
    assert gradcheck(lambda a, a_again: a * a_again, [2.0, 2.0]) < 1e-8


def test_gradcheck_sees_a_wrong_slope():
    def bad(v):
        return Value(v.data**2, "", "square", (v,), (3.0 * v.data,))

    with pytest.raises(ValueError, match="input 0.*backward.*6,.*nudge says 4"):
        gradcheck(bad, [2.0])


def test_gradcheck_sees_nan():
    with pytest.raises(ValueError, match="nan"):
        gradcheck(lambda v: Value(1.0, "", "bad", (v,), (math.nan,)), [2.0])


@pytest.mark.parametrize(
    "f, x",
    [
        (lambda x: x + 1e8, 0.5),  # the rounding of f swamps the nudge
        (lambda x: (x + 1e8) - 1e8, 0.5),
        (lambda x: x * 1e-8, 0.5),
        (lambda x: x * x * x, 0.0),  # the slope is 0, the nudge h²
        (lambda x: x**9, 1e-3),
        (lambda x: x.log(), 1e-5),  # strongly bent
        (lambda x: (x * 1e3).exp() * 1e200, 0.1),
        (lambda x: x * 0.0, 2.0),
    ],
)
def test_gradcheck_gives_no_false_alarm(f, x):
    gradcheck(f, [x])


@pytest.mark.parametrize("scale", [1e-12, 1e-8, 1.0, 1e8])
@given(x=st.floats(0.1, 10), wrong=st.sampled_from([0.0, 0.5, -1.0, 0.999]))
@settings(max_examples=30)
def test_gradcheck_sees_a_wrong_slope_at_any_scale(scale, x, wrong):
    def half(v):
        return Value(scale * v.data**2, "", "", (v,), (wrong * 2 * scale * v.data,))

    with pytest.raises(ValueError, match="input 0"):
        gradcheck(half, [x])


def test_gradcheck_names_a_kink_only_where_one_is():
    with pytest.raises(ValueError, match="kink here, as of relu"):
        gradcheck(lambda x: x.relu(), [0.0])
    with pytest.raises(ValueError, match="a nudge says 6$"):
        gradcheck(lambda x: Value(x.data**2, "", "square", (x,), (x.data,)), [3.0])


def test_gradcheck_says_what_it_needs():
    with pytest.raises(TypeError, match=r"list of numbers.*\[0.5\].*not 0.5"):
        gradcheck(lambda x: x, 0.5)
    with pytest.raises(TypeError, match="must return a Value, not float"):
        gradcheck(lambda x: x.data, [0.5])


# ---- beside micrograd ----


@given(st.lists(numbers, min_size=2, max_size=2))
@settings(max_examples=50)
def test_equals_micrograd(inputs):
    engine = pytest.importorskip("micrograd.engine")

    def f(kind):
        a, b = (kind(x) for x in inputs)
        c = (a * b + 1).relu() - b / 3 + (2 - a) ** 3 + 1 / (a * a + 1)
        c.backward()
        return c.data, a.grad, b.grad

    assert all(close(m, t) for m, t in zip(f(Value), f(engine.Value), strict=True))


def test_module_is_short_enough_to_read():
    lines = open(autograd.__file__, encoding="utf-8").read().splitlines()
    assert len(lines) < 280 and max(map(len, lines)) <= 80
