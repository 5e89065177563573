"""The exercises of the chapter on backpropagation. Reference answers: PyTorch's autograd."""

from __future__ import annotations

import math
from numbers import Real

from zh.autograd import Value, topological
from zh.exercises import Exercise


def _lecture_gradient() -> list[float]:
    import torch

    a, b, c = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (2.0, 3.0, 4.0))
    f = -(a**3) + torch.sin(3 * b) - 1 / c + b**2.5 - a**0.5
    return [g.item() for g in torch.autograd.grad(f, (a, b, c))]


def _lecture_gradient_without_the_three() -> list[float]:
    a, b, c = _lecture_gradient()
    return [a, b - 2 * math.cos(9.0), c]


def _softmax_gradient() -> list[float]:
    import torch

    logits = torch.tensor([0.0, 3.0, -2.0, 1.0], dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(3))
    return torch.autograd.grad(loss, logits)[0].tolist()


def _softmax() -> list[float]:
    import torch

    return torch.softmax(torch.tensor([0.0, 3.0, -2.0, 1.0], dtype=torch.float64), 0).tolist()


def _bad_node(out: Value) -> str:
    """What is wrong with the making of a node that `out` was computed from; empty if nothing is."""
    seen, stack = set(), [out]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        both = (node.parents, node.slopes)
        if not all(isinstance(x, tuple) for x in both) or len(both[0]) != len(both[1]):
            return "parents and slopes must be tuples of equal length: (x,) needs its comma."
        if not all(isinstance(x, Value) for x in node.parents):
            return "every parent must be a Value."
        if not all(isinstance(x, Real) for x in node.slopes):
            return "every slope must be a plain number: take the .data of a Value."
        stack += node.parents
    return ""


def _node_is(make, inputs, value, slopes, what: str):
    """Judge a function of Values: its number, its gradients, and whether it adds them up.

    make: the reader's function. inputs: lists of numbers. value, slopes: what is right, as
    functions of the numbers. Returns True or a sentence.
    """
    if not callable(make):
        return f"A function is asked: give {what} without calling it."
    for numbers in inputs:
        shown = ", ".join(f"{x:g}" for x in numbers)
        leaves = [Value(x) for x in numbers]
        try:
            out = make(*leaves)
        except Exception as error:  # whatever the reader's function raises is told, not raised
            return f"{what}({shown}) raises {type(error).__name__}: {error}"
        if not isinstance(out, Value):
            return f"{what}({shown}) returns a {type(out).__name__}: a Value is asked."
        if not math.isclose(out.data, value(*numbers), rel_tol=1e-9, abs_tol=1e-12):
            return f"{what}({shown}).data is {out.data:g}, which is not right yet."
        if bad := _bad_node(out):
            return f"The number is right. But {bad}"
        below = topological(out)
        out.backward()
        for i, (leaf, slope) in enumerate(zip(leaves, slopes(*numbers), strict=True)):
            which = "" if len(leaves) == 1 else f" of argument {i}"
            if not any(node is leaf for node in below):
                return f"The number is right, but no gradient arrives{which}: is it a parent?"
            if math.isclose(leaf.grad, -slope, rel_tol=1e-9) and slope:
                return f"The gradient{which} at {shown} has the wrong sign."
            if not math.isclose(leaf.grad, slope, rel_tol=1e-9, abs_tol=1e-12):
                return (
                    f"The number is right. The gradient{which} at {shown} comes out as "
                    f"{leaf.grad:g}, which is wrong."
                )
    return True


def _sin_node(make):
    good = _node_is(make, [[0.5], [0.0], [2.0], [-4.0]], math.sin, lambda x: [math.cos(x)], "sin")
    if good is not True:
        return good
    x = Value(0.7)
    (make(x) * x).backward()  # used twice
    if not math.isclose(x.grad, math.cos(0.7) * 0.7 + math.sin(0.7), rel_tol=1e-9):
        return "Right alone; wrong in sin(x) * x, where x is used twice. Leave x.grad alone."
    return True


def _power_node(make):
    good = _node_is(
        make,
        [[2.0, 3.0], [3.0, 2.5], [0.5, -1.0], [1.0, 4.0], [4.0, 0.0]],
        lambda a, b: a**b,
        lambda a, b: [b * a ** (b - 1), a**b * math.log(a)],
        "power",
    )
    if good is not True:
        return good
    x = Value(2.0)
    make(x, x).backward()  # x ** x
    if not math.isclose(x.grad, 4 * (1 + math.log(2)), rel_tol=1e-9):
        return "Right for two different Values; wrong for power(x, x), where one Value is both."
    return True


def _momentum(step):
    """Compare a reader's update, its parameters and its velocities, with torch.optim.SGD."""
    if not callable(step):
        return "A function is asked: give it without calling it."
    good = _momentum_at(step, 0.1, 0.9)
    if good is True and _momentum_at(step, 0.05, 0.5) is not True:
        return "Right for one rate and one share kept, wrong for others: is a number written in?"
    return good


def _momentum_at(step, rate, keep):
    import torch

    mine = [Value(1.0), Value(-2.0)]
    velocity = [0.0, 0.0]
    theirs = [torch.tensor(p.data, dtype=torch.float64, requires_grad=True) for p in mine]
    optimizer = torch.optim.SGD(theirs, lr=rate, momentum=keep)
    for k in range(4):
        for p, t in zip(mine, theirs, strict=True):
            p.grad = p.data + 1  # the gradient of (p + 1)² / 2
            t.grad = t.detach() + 1
        try:
            step(mine, velocity, rate, keep)
        except Exception as error:
            return f"It raises {type(error).__name__} on step {k + 1}: {error}"
        optimizer.step()
        if len(velocity) != 2 or not all(isinstance(v, Real) for v in velocity):
            return "The velocities must stay plain numbers, one for each parameter."
        if velocity == [0.0, 0.0]:
            return "The list of velocities is still zero after a step: change its entries in place."
        for p, t in zip(mine, theirs, strict=True):
            if not math.isclose(p.data, t.item(), rel_tol=1e-9):
                if k == 0:
                    return "The first step is wrong already: there the velocity is the gradient."
                return f"Step 1 is right, step {k + 1} is not: what does the velocity keep?"
        for v, t in zip(velocity, theirs, strict=True):
            if not math.isclose(v, optimizer.state[t]["momentum_buffer"].item(), rel_tol=1e-9):
                return (
                    "The parameters are right; the velocity holds something else. The rate and "
                    "the minus belong in the step, not in the velocity."
                )
    return True


EXERCISES = [
    Exercise(
        "slope-left",
        "The slope on the other side",
        minutes=2,
        kind="number",
        answer=-10,
        mistakes=[
            (12, "That is the value of f at -1. The slope is asked."),
            (-6, "One term of the slope is missing: what does -4x contribute?"),
            (-2, "Watch the sign of -4x: its slope is -4."),
            (2, "Watch the sign of 6x at x = -1."),
        ],
        because="Left of the lowest point a step to the right lowers f, so the slope is negative.",
    ),
    Exercise(
        "backward-order",
        "Who goes first",
        minutes=3,
        kind="choice",
        choices=["r, s, t", "t, r, s", "t, s, r", "Any order that begins with t"],
        answer="t, s, r",
        why={
            "r, s, t": "That is the order forward. At the start only t knows its gradient.",
            "t, r, s": "r is used by s too. When r passes its gradient on, s has not paid in yet.",
            "Any order that begins with t": "Then r could pass on a gradient that is not complete.",
        },
        because="A node may go when everything that uses it has gone: t, then s, then r.",
    ),
    Exercise(
        "lecture-gradient",
        "Three derivatives, twice",
        minutes=15,
        kind="tensor",
        answer=_lecture_gradient,
        tolerance=5e-5,  # five digits
        mistakes=[
            (
                _lecture_gradient_without_the_three,
                "In the second, sin 3b is a chain: the slope of 3b is missing.",
            ),
        ],
        because="The formula and the nudge agree, so you can trust both.",
    ),
    Exercise(
        "sin-node",
        "A new operation",
        minutes=10,
        kind="function",
        compare=_sin_node,
        because="One number and one slope: that is all an operation has to know.",
    ),
    Exercise(
        "softmax-nll",
        "Softmax and a loss, out of single numbers",
        minutes=20,
        kind="tensor",
        answer=_softmax_gradient,
        tolerance=1e-5,
        mistakes=[
            (_softmax, "Those are the probabilities. Which one does the loss look at?"),
        ],
        because="Each is the probability, minus one for the right answer. They sum to zero.",
    ),
    Exercise(
        "power-node",
        "A gradient for the exponent",
        minutes=20,
        kind="function",
        compare=_power_node,
        because="The logarithm in the slope is why the base must be positive.",
    ),
    Exercise(
        "twice-in-micrograd",
        "Ten operations deep",
        minutes=10,
        kind="number",
        answer=11,
        mistakes=[
            (2, "That is what happens when inner nodes start from zero again."),
            (10, "Nearly. Count the first backward() too: one for it, and then the second."),
            (2**10, "The factors add up along the way, they do not multiply."),
        ],
        because="A node k operations below the result ends with k + 1 times its gradient.",
    ),
    Exercise(
        "momentum",
        "Put the friction back",
        minutes=30,
        kind="function",
        compare=_momentum,
        because="With keep 1 this is the forgotten zero_grad; with keep 0 plain descent.",
    ),
]
