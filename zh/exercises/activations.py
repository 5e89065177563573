"""The exercises of the chapter on activations. References are autograd and zh.activations."""

from __future__ import annotations

import math

import torch

from zh import activations
from zh.exercises import Exercise
from zh.exercises._inputs import normal

# ---------------------------------------------------------------- the unit that is dead

CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
UNITS = {  # (weights, bias), as the exercise shows them
    "w = (-1, -1), b = 0.5": ((-1.0, -1.0), 0.5),
    "w = (1, -2), b = -1.5": ((1.0, -2.0), -1.5),
    "w = (3, -1), b = -2": ((3.0, -1.0), -2.0),
    "w = (-2, 1), b = -0.5": ((-2.0, 1.0), -0.5),
}


def highest(weights, bias) -> float:
    """The largest pre-activation of a unit over the unit square: it stands at a corner."""
    return float((CORNERS @ torch.tensor(weights) + bias).max())


# ---------------------------------------------------------------- survival


def survives(width: int, depth: int) -> float:
    """The chance that one example gets through: no layer is off as a whole (fair coins)."""
    return (1 - 0.5**width) ** depth


# ---------------------------------------------------------------- the step that kills


def killing_rate(x, z: float, dz: float) -> float:
    """The step size at which one step of descent brings this example's z to 0."""
    return z / (dz * (sum(v * v for v in x) + 1))


# ---------------------------------------------------------------- functions


def _silu_slope(x):
    return activations.silu.derivative(x)


def _silu_forgotten(x):
    """The slip: the product rule's second half."""
    return torch.sigmoid(x)


def _silu_no_x(x):
    s = torch.sigmoid(x)
    return s + s * (1 - s)


def _silu_first_lost(x):
    s = torch.sigmoid(x)
    return x * s * (1 - s)


def _silu_itself(x):
    return activations.silu(x)


def _silu_inputs():
    yield (torch.linspace(-6, 6, 25, dtype=torch.float64),)
    yield (normal(3, 4, seed=1),)


def _dead(h):
    return ~(h > 0).any(0)


def _dead_all(h):
    """The slip: silent for some example."""
    return (h <= 0).any(0)


def _dead_rows(h):
    """The slip: examples that no unit fires for."""
    return ~(h > 0).any(1)


def _dead_alive(h):
    return (h > 0).any(0)


def _dead_mean(h):
    """The slip: silent on average."""
    return h.mean(0) <= 0


def _dead_strict(h):
    """The slip: a pre-activation of exactly 0 taken for firing."""
    return (h < 0).all(0)


def _dead_inputs():
    for seed, (n, units) in enumerate([(5, 8), (12, 6), (3, 3)]):
        z = normal(n, units, seed=seed) - torch.linspace(0, 3, units, dtype=torch.float64)
        yield (z,)
    yield (torch.tensor([[0.0, -1.0, 2.0], [0.0, 0.5, -3.0]]),)


def _restart(weight, out, dead, fresh):
    return torch.cat([torch.where(dead, fresh, weight), torch.where(dead, 0.0, out.T)])


def _restart_out(weight, out, dead, fresh):
    """The slip: outgoing weights stay, and the output jumps."""
    return torch.cat([torch.where(dead, fresh, weight), out.T])


def _restart_living(weight, out, dead, fresh):
    return _restart(weight, out, ~dead, fresh)


def _restart_all(weight, out, dead, fresh):
    return torch.cat([fresh, torch.where(dead, 0.0, out.T)])


def _restart_inputs():
    for seed, (n, units, classes) in enumerate([(2, 6, 2), (3, 5, 4)]):
        dead = torch.arange(units) % 3 == 1
        yield (normal(n, units, seed=seed), normal(units, classes, seed=seed + 5), dead,
               normal(n, units, seed=seed + 9))


EXERCISES = [
    Exercise(
        "slope-from-output",
        "What comes back through a tanh",
        minutes=2,
        kind="number",
        answer=lambda: 1 - 0.9**2,
        mistakes=[
            (lambda: 1 - 0.9, "Close in kind: it is one minus the square of the output."),
            (0.81, "That is the square of the output."),
            (lambda: 1 - math.tanh(0.9) ** 2,
             "That takes -0.9 for the input. It is the output: no further tanh is needed."),
            (-0.19, "A slope of tanh is never negative; the sign of the output goes with its "
                    "square."),
        ],
        because="Four fifths of the gradient are lost at an output that is not yet at the rail.",
    ),
    Exercise(
        "which-is-dead",
        "One of them is dead",
        minutes=4,
        kind="choice",
        choices=list(UNITS),
        answer="w = (1, -2), b = -1.5",
        why={
            "w = (-1, -1), b = 0.5": "At the corner (0, 0) it has 0.5, which is above 0.",
            "w = (3, -1), b = -2": "At the corner (1, 0) it has 3 - 2 = 1.",
            "w = (-2, 1), b = -0.5": "At the corner (0, 1) it has 1 - 0.5 = 0.5.",
        },
        because="Its largest value on the square is at (1, 0): 1 - 1.5 = -0.5. The corners decide "
                "for all examples between them.",
    ),
    Exercise(
        "gain-of-leaky",
        "A gain by hand",
        minutes=8,
        kind="number",
        answer=lambda: activations.leaky_relu_with(0.5).gain,
        mistakes=[
            (lambda: math.sqrt(2), "That is ReLU, whose left half passes nothing."),
            (1.0, "That is a line: nothing is squashed."),
            (lambda: 2 / 1.25, "That is the square of the gain: the variance to give the weights."),
            (lambda: math.sqrt(1.25 / 2), "That is what is left of the size; the gain undoes it."),
            (lambda: math.sqrt(2 / 1.5), "The left half passes half the size: a quarter of the "
                                         "square."),
        ],
        because="Half of the inputs keep their square, half keep a quarter of it: 5/8 in all.",
    ),
    Exercise(
        "killing-step",
        "The step that kills",
        minutes=8,
        kind="number",
        answer=lambda: killing_rate((1, 2), 3, 1),
        mistakes=[
            (3.0, "The gradient that arrives is multiplied by each input on its way to its "
                  "weight, and the step acts through that input once more."),
            (0.6, "Nearly: the bias moves as well."),
            (1.0, "The inputs count by their squares: the step of a weight is proportional to its "
                  "input, and acts through that input."),
            (0.75, "The inputs count by their squares: the step of a weight is proportional to its "
                   "input, and acts through that input."),
            (2.0, "Upside down: divide the 3 by what a step of size 1 does."),
        ],
        because="A step of size lr lowers z by lr (1 + 4 + 1). An input ten times as large would "
                "need a step about a hundred times as small.",
    ),
    Exercise(
        "one-gets-through",
        "Ten narrow layers",
        minutes=6,
        kind="number",
        answer=lambda: survives(3, 10),
        mistakes=[
            (lambda: 0.5**30, "That is the chance that all thirty units fire, or that none does. "
                              "One in each layer is enough."),
            (lambda: 1 - 0.125**10, "That is the chance that not all layers are off. Each single "
                                    "one must let something through."),
            (lambda: 1 - survives(3, 10), "That is the chance that it does not get through."),
            (lambda: 0.875, "That is one layer."),
            (lambda: survives(10, 3), "Width and depth are exchanged."),
        ],
        because="Each layer lets it through with 7/8.",
    ),
    Exercise(
        "silu-slope",
        "A derivative by hand",
        minutes=8,
        kind="function",
        answer=_silu_slope,
        inputs=lambda: list(_silu_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_silu_forgotten, "That is the first half of the product rule. The sigmoid depends on "
                              "x too."),
            (_silu_no_x, "In the second half of the product rule the factor x is missing."),
            (_silu_first_lost, "That is the second half of the product rule alone."),
            (_silu_itself, "That is the function itself."),
        ],
        because="The same numbers as zh.activations.silu.derivative.",
    ),
    Exercise(
        "find-the-dead",
        "Find the dead",
        minutes=5,
        kind="function",
        answer=_dead,
        inputs=lambda: list(_dead_inputs()),
        mistakes=[
            (_dead_all, "That marks a unit as soon as one example leaves it silent. Dead is "
                        "silent for all of them."),
            (_dead_rows, "That is about examples: axis 0 is the examples, and they are what must "
                         "go."),
            (_dead_alive, "Those are the living."),
            (_dead_strict, "A pre-activation of exactly 0 does not fire either: on it the slope "
                           "is 0."),
            (_dead_mean, "A mean below 0 is no death: one example above 0 keeps a unit alive."),
        ],
        because="A pre-activation of exactly 0 does not count as firing.",
    ),
    Exercise(
        "restart-units",
        "Restart, and change nothing",
        minutes=20,
        kind="function",
        answer=_restart,
        inputs=lambda: list(_restart_inputs()),
        mistakes=[
            (_restart_out, "The old outgoing weights are still there. A fresh unit fires, and "
                           "through them it would change the output at once: set them to 0."),
            (_restart_living, "You restarted the living."),
            (_restart_all, "You drew every unit again, the living as well."),
        ],
        because="The network computes what it did, and the slots are free.",
    ),
]
