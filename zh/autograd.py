"""A number that remembers how it was made, and so finds its own gradient.

Reverse-mode automatic differentiation, one real number at a time. A `Value`
holds a number, the Values it was computed from (its parents), and the slope
of the result with respect to each of them, worked out in the forward pass.
`backward()` walks from the result back to the leaves and multiplies the
slopes along the way.

The interface is that of micrograd (A. Karpathy, 2020). Two things differ.
micrograd stores in each node a closure that knows how to pass a gradient on;
here a node stores two tuples, parents and slopes. So a graph can be printed,
drawn and stepped through, and it holds no reference cycle: it is freed as
soon as it is dropped. And a second `backward()` accumulates in the leaves
only, as PyTorch does.

Left out: tensors, derivatives of derivatives, a `Value` as an exponent.
"""

import math
from numbers import Real


class Value:
    """One real number in a graph of computations.

    data: the number, a float.
    grad: d(result)/d(this), a float, filled in by `result.backward()`.
    label: a name for pictures.
    op: the operation that made it, "" for a leaf.
    parents: the Values it was made from, a tuple.
    slopes: d(this)/d(parent), one for each parent.
    """

    __slots__ = ("data", "grad", "label", "op", "parents", "slopes")
    __array_ufunc__ = None  # numpy_number * value: leave it to __rmul__

    def __init__(self, data, label="", op="", parents=(), slopes=()):
        if type(data) is not float:
            data = real(data)
        self.data = data
        self.grad = 0.0
        self.label = label
        self.op = op
        self.parents = parents
        self.slopes = slopes

    def __repr__(self):
        return f"Value(data={self.data}, grad={self.grad})"

    # ---- arithmetic: the number, the parents, the slope towards each ----

    def __add__(self, other):
        other = other if isinstance(other, Value) else constant(other, "+")
        total = self.data + other.data
        return Value(total, "", "+", (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else constant(other, "*")
        a, b = self.data, other.data
        return Value(a * b, "", "*", (self, other), (b, a))

    def __sub__(self, other):
        other = other if isinstance(other, Value) else constant(other, "-")
        difference = self.data - other.data
        return Value(difference, "", "-", (self, other), (1.0, -1.0))

    def __truediv__(self, other):
        other = other if isinstance(other, Value) else constant(other, "/")
        a, b = self.data, other.data
        if b == 0.0:
            raise ZeroDivisionError(f"{a} / {b}: division by zero")
        return Value(a / b, "", "/", (self, other), (1.0 / b, -a / b / b))

    def __neg__(self):
        return Value(-self.data, "", "neg", (self,), (-1.0,))

    def __pow__(self, n):
        x = self.data
        if not isinstance(n, Real):
            raise TypeError(
                f"({x}) ** {n!r}: the exponent must be a plain number, because "
                "only the base gets a gradient. For a positive base write "
                "(n * x.log()).exp()"
            )
        n = real(n)
        if x < 0 and not n.is_integer():
            why = "a negative base needs a whole exponent"
            raise ValueError(f"({x}) ** {n:g}: {why}")
        try:
            slope = n * x ** (n - 1) if n else 0.0
            return Value(x**n, "", f"**{n:g}", (self,), (slope,))
        except ZeroDivisionError:
            why = "the power or its slope is infinite"
            raise ZeroDivisionError(f"({x}) ** {n:g}: {why}") from None
        except OverflowError:
            why = "the power or its slope overflows a float"
            raise OverflowError(f"({x}) ** {n:g}: {why}") from None

    # With a number on the left, Python asks number.__sub__(value) first and
    # then value.__rsub__(number).

    __radd__ = __add__  # other + self
    __rmul__ = __mul__  # other * self

    def __rsub__(self, other):  # other - self
        return constant(other, "-") - self

    def __rtruediv__(self, other):  # other / self
        return constant(other, "/") / self

    def __rpow__(self, other):  # other ** self
        return constant(other, "**") ** self  # says why it cannot

    # ---- functions ----

    def relu(self):
        x = self.data
        slope = 1.0 if x > 0 else 0.0
        return Value(0.0 if x < 0 else x, "", "relu", (self,), (slope,))

    def tanh(self):
        t = math.tanh(self.data)
        return Value(t, "", "tanh", (self,), (1.0 - t * t,))

    def sigmoid(self):
        e = math.exp(-abs(self.data))  # at most 1, so it cannot overflow
        s = 1.0 / (1.0 + e) if self.data >= 0 else e / (1.0 + e)
        return Value(s, "", "sigmoid", (self,), (e / (1.0 + e) ** 2,))

    def exp(self):
        x = self.data
        try:
            e = math.exp(x)
        except OverflowError:
            why = "floats end at exp(709.78)"
            raise OverflowError(f"exp({x}): {why}") from None
        return Value(e, "", "exp", (self,), (e,))

    def log(self):
        x = self.data
        if x <= 0.0:
            raise ValueError(f"log({x}): only a positive number has one")
        return Value(math.log(x), "", "log", (self,), (1.0 / x,))

    # ---- comparison: of the numbers; in a set, two nodes stay two ----

    def __eq__(self, other):
        return self.data == (other.data if isinstance(other, Value) else other)

    def __lt__(self, other):
        return self.data < (other.data if isinstance(other, Value) else other)

    def __le__(self, other):
        return self.data <= (other.data if isinstance(other, Value) else other)

    def __gt__(self, other):
        return self.data > (other.data if isinstance(other, Value) else other)

    def __ge__(self, other):
        return self.data >= (other.data if isinstance(other, Value) else other)

    __hash__ = object.__hash__

    # ---- the chain rule ----

    def backward(self):
        """Find d(self)/d(node) for every node below: add it to the grad of a
        leaf, and make it the grad of any other node."""
        order = topological(self)
        for node in order:
            if node.parents:
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(order):
            grad = node.grad
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                parent.grad += slope * grad


def topological(root):
    """All nodes that `root` was computed from, each after its parents.

    `root` comes last. The stack is a list and not Python's own, so a chain
    of a million nodes is no problem.
    """
    order, seen, stack = [], set(), [root]
    while stack:
        node = stack.pop()
        if node is None:  # the mark: the next node's parents are all in order
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += node, None, *node.parents
    return order


def graph(root):
    """The graph as plain data: {"nodes": [...], "edges": [...]}.

    A node is {"id", "op", "label", "data", "grad"}, parents before children.
    An edge is {"from", "to", "slope"}: from the parent, slope = d(to)/d(from).
    `a + a` has two edges between one pair.
    """
    order = topological(root)
    number = {node: i for i, node in enumerate(order)}
    nodes = [
        {"id": i, "op": v.op, "label": v.label, "data": v.data, "grad": v.grad}
        for i, v in enumerate(order)
    ]
    edges = [
        {"from": number[parent], "to": i, "slope": slope}
        for i, v in enumerate(order)
        for parent, slope in zip(v.parents, v.slopes, strict=True)
    ]
    return {"nodes": nodes, "edges": edges}


def gradcheck(f, inputs, step=6e-6, tolerance=1e-6):
    """Compare the gradient of `f` with nudges; return the largest difference.

    f: takes len(inputs) Values, returns one Value. Each input x is moved by
    h = step * max(1, |x|) up and down: (f(x + h) - f(x - h)) / 2h, the central
    difference, whose error is of order h². The default step is the cube root
    of the spacing of floats at 1, where that error meets the rounding error.
    A difference may be `tolerance` times the slope, plus what a nudge cannot
    tell: rounding in the graph, over h, and twice what half the step changes.
    Raises ValueError, with both numbers, for the first input where it is more.
    """
    if not hasattr(inputs, "__iter__"):
        why = "inputs must be a list of numbers, as in gradcheck(f, [0.5])"
        raise TypeError(f"{why}, not {inputs!r}")
    leaves = [Value(x) for x in inputs]
    result = f(*leaves)
    if not isinstance(result, Value):
        raise TypeError(f"f must return a Value, not {type(result).__name__}")
    result.backward()
    made = [abs(v.data) for v in topological(result) if v.parents]
    worst = 0.0
    for i, leaf in enumerate(leaves):
        h = step * max(1.0, abs(leaf.data))
        ends = []
        for k in (-1.0, -0.5, 0.5, 1.0):
            moved = [Value(v.data + k * h * (v is leaf)) for v in leaves]
            ends.append(f(*moved).data)
        nudged, half = (ends[3] - ends[0]) / (2 * h), (ends[2] - ends[1]) / h
        rounding = 4.5e-16 * max(made, default=0.0) / h
        allowed = tolerance * max(abs(nudged), abs(leaf.grad))
        allowed += rounding + 2 * abs(nudged - half)
        difference = abs(leaf.grad - nudged)
        if not difference <= allowed:  # `not <=` also catches nan
            bend = abs(ends[0] + ends[3] - 2 * result.data) / h
            kink = "; is there a kink here, as of relu at 0?" * (bend > 1e-3)
            raise ValueError(
                f"input {i} (= {leaf.data}): backward() says {leaf.grad:.9g}, "
                f"a nudge says {nudged:.9g}{kink}"
            )
        worst = max(worst, difference)
    return worst


def real(x):
    """`x` as a float. TypeError for what is no real number ("3", None, 1j)."""
    if not isinstance(x, Real):
        why = f"one real number, not {type(x).__name__} {x!r}"
        hint = ": use .item() or .tolist()" if hasattr(x, "tolist") else ""
        raise TypeError(f"a Value holds {why}{hint}")
    try:
        return float(x)
    except OverflowError:
        why = "too large for a float, which ends at 1.8e308"
        raise OverflowError(f"this number is {why}") from None


def constant(x, op):
    """A leaf for the plain number `x` that met a Value under `op`."""
    if not isinstance(x, Real):
        why = f"expected a Value or a number, got {type(x).__name__}"
        raise TypeError(f"Value {op} {x!r}: {why}")
    return Value(x)
