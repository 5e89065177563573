"""The exercises of the chapter on initialisation."""

from __future__ import annotations

import functools
import math

import torch

from zh import init
from zh.exercises import Exercise
from zh.exercises._inputs import generator


def _telling(judge):
    """A judge that tells what the reader's function raises, in place of raising it."""

    @functools.wraps(judge)
    def judged(function):
        if not callable(function):
            return None  # the usual judgement says so
        try:
            return judge(function)
        except Exception as error:
            return f"It raises {type(error).__name__}: {error}"

    return judged


# ---------------------------------------------------------------- a weight for a leaky ReLU

SLOPES = (0.0, 0.1, 0.5, 1.0)


@_telling
def _judge_weights(weights):
    """By what a draw does to a signal, and by its shape, mean and repetition."""
    for slope in SLOPES:
        w = weights(300, 500, slope, generator(1))
        if not torch.is_tensor(w) or w.shape != (300, 500):
            shape = tuple(w.shape) if torch.is_tensor(w) else type(w).__name__
            return (f"weights(300, 500, {slope:g}, generator) must be a tensor (fan_in, fan_out), "
                    f"(300, 500), for x @ w; it is {shape}.")
        if not w.is_floating_point() or not w.isfinite().all():
            return (f"weights(300, 500, {slope:g}, generator) must be finite floats; these are "
                    f"{str(w.dtype).removeprefix('torch.')}, {int((~w.isfinite()).sum())} of them "
                    "not finite.")
        if w.std() == 0 or bool((w.std(1) < 1e-9).all()):
            return "All units have the same weights: they would stay the same for ever."
        if not torch.equal(w, weights(300, 500, slope, generator(1))):
            return ("Two calls with generators in the same state give different weights: hand the "
                    "generator to torch.randn.")
        if abs(w.mean()) > 0.1 * w.std():
            return f"Weights have mean zero; these have {w.mean():.3g}."
        ratio = w.double().var().item() * 300 * (1 + slope**2) / 2
        if abs(ratio - 1) < 0.03:
            continue
        for wrong, words in (
            (300 / 500, "That is the fan-out in the place of the fan-in: a unit adds up its "
                        "inputs."),
            (600 / 800, "That is the mean of both fans; the signal asks for the fan-in alone."),
            ((1 + slope**2) / 2, "The gain is missing: this is right for a linear layer."),
            (1 + slope**2, "This is right for a plain ReLU. What passes on the left has a mean "
                           "square too."),
            ((1 + slope**2) / (1 + slope), "The slope must be squared: it is the mean square that "
                                           "it multiplies."),
            (2 / (1 + slope**2) / 300, "That is the variance where the standard deviation "
                                       "belongs."),
            (2 / (1 + slope**2), "The gain is squared twice."),
        ):
            if abs(wrong - 1) > 0.03 and abs(ratio / wrong - 1) < 0.03:
                return f"With a slope of {slope:g}: {words}"
        return (f"With a slope of {slope:g} the mean square of a signal is multiplied by "
                f"{ratio:.3g} a layer; it should stay.")
    return True


# ---------------------------------------------------------------- where the length settles


def _settles(gain):
    return init.fixed_point("tanh", gain)


@_telling
def _judge_settles(settles):
    for gain in (3.0, 5 / 3, 1.1, 1.4, 5.0, 0.8):
        got, want = settles(gain), _settles(gain)
        if isinstance(got, str) or not hasattr(got, "__float__") or (
            torch.is_tensor(got) and got.numel() != 1
        ):
            return (f"settles({gain:.4g}) must be one number; it is a {type(got).__name__}"
                    f"{' of many' if torch.is_tensor(got) else ''}.")
        got = float(got)
        if abs(got - want) <= (0.01 * want if want else 0.01):
            continue
        said = f"With a gain of {gain:.4g}: "
        if math.isnan(got) or math.isinf(got):
            return f"{said}the answer is {got}."
        if want == 0:
            return f"{said}the signal dies out, and the answer is 0, not {got:.3g}."
        for wrong, words in (
            (math.sqrt(want), "that is the standard deviation; the variance is asked."),
            (want / gain**2, "that is the mean square of the activations; the variance of the "
                             "pre-activations is gain ** 2 times that."),
            (math.sqrt(want) / gain, "that is the size of the activations; the variance of the "
                                     "pre-activations is asked."),
            (_slips(gain, "gain"), "the weights' variance is the square of the gain."),
            (_slips(gain, "root"), "q is a variance: what goes into tanh is its root times z."),
            (init.length_map(1.0, "tanh", gain), "that is one layer; go on until it settles."),
        ):
            if abs(got - wrong) <= 0.01 * wrong:
                return said + words
        near = abs(got - want) <= 0.2 * want
        return (f"{said}{'close. More layers, or a finer grid?' if near else 'not yet.'} "
                "Put it through the length map once: it should stay as it is.")
    return True


def _slips(gain, slip):
    """What the iteration settles at with one of two mistakes in it."""
    z = torch.linspace(-8, 8, 801, dtype=torch.float64)
    p = torch.exp(-(z**2) / 2)
    p, q = p / p.sum(), torch.tensor(1.0, dtype=torch.float64)
    for _ in range(1000):
        std = q if slip == "root" else q.sqrt()
        q = (gain if slip == "gain" else gain**2) * (p * torch.tanh(std * z) ** 2).sum()
    return q.item()


# ---------------------------------------------------------------- rescue a net


def _nets():
    """(weights, batch): too small, too large, uneven, and one after the other otherwise."""
    for seed, scales in enumerate([[0.01] * 12, [30.0] * 12, [10.0 ** (i % 5 - 2) for i in
                                                              range(12)]]):  # fmt: skip
        g = generator(seed)
        weights = [s * torch.randn(64, 64, generator=g) / 8 for s in scales]
        yield weights, 2 * torch.randn(256, 64, generator=g) + 0.5


def _what(value) -> str:
    if isinstance(value, list | tuple):
        other = next(w for w in value if not torch.is_tensor(w))
        return f"a list with a {type(other).__name__} in it"
    return f"a {type(value).__name__}"


@_telling
def _judge_rescue(rescue):
    for weights, x in _nets():
        before = [w.clone() for w in weights]
        new = rescue(weights, x)
        if not isinstance(new, list | tuple) or not all(torch.is_tensor(w) for w in new):
            return f"A list of tensors is asked; {_what(new)} came back."
        if len(new) != len(weights):
            return f"There are {len(weights)} matrices; {len(new)} came back."
        if any(not torch.equal(a, b) for a, b in zip(weights, before, strict=True)):
            return "The given weights were changed; a new list is asked."
        h = x
        for i, (w, old) in enumerate(zip(new, before, strict=True)):
            if w.shape != old.shape:
                return f"Matrix {i} has the shape {tuple(w.shape)}, not {tuple(old.shape)}."
            if not w.isfinite().all():
                return f"Matrix {i} has entries that are not finite."
            factor = (w * old).sum() / (old * old).sum()
            if not torch.allclose(w, factor * old, rtol=1e-3, atol=1e-4 * w.abs().max().item()):
                return f"Matrix {i} is not the given one times a number."
            z = h @ w
            if not abs(z.std() - 1) < 0.01:
                note = ""
                if i and abs((x @ w).std() - 1) < 0.01:
                    note = " You measured each matrix on x, and not on what reaches it."
                elif i:
                    note = " Are the layers before it rescued when you measure this one?"
                return (f"The pre-activations of layer {i} have a standard deviation of "
                        f"{z.std():.3g}, not 1.{note}")
            h = torch.tanh(z)
    return True


EXERCISES = [
    Exercise(
        "small-scores",
        "The price of a little confidence",
        minutes=3,
        kind="number",
        answer=0.08,
        tolerance=0.04,
        mistakes=[
            (0.16, "That is the variance. The loss rises by half of it."),
            (0.2, "That is half of the standard deviation; it has to be squared."),
            (0.4, "That is the standard deviation itself."),
            (lambda: math.log(65) + 0.08, "That is the whole loss; how much above ln 65 is asked."),
        ],
        because="Half of the variance of the scores, whatever the size of the vocabulary.",
    ),
    Exercise(
        "spread-of-a-sum",
        "Inputs that are not centred",
        minutes=5,
        kind="number",
        answer=2,
        mistakes=[
            (1.6, "That counts the variance of the inputs, 16. Their mean square is what a weight "
                  "of mean zero meets."),
            (4, "That is the variance; the standard deviation is asked."),
            (1.2, "That counts the mean of the inputs alone."),
            (16, "The 64 terms are added with their variances: their number comes under the root."),
            (0.25, "That is the size of one term. There are 64 of them."),
        ],
        because="The offset of the inputs counts like spread: 9 of the 25 come from it.",
    ),
    Exercise(
        "kernel-fan",
        "The fan of a convolution",
        minutes=5,
        kind="number",
        answer=lambda: math.sqrt(2 / 576),
        tolerance=5e-3,
        mistakes=[
            (lambda: math.sqrt(2 / 64), "The kernel is missing: one output adds up all of its "
                                        "places."),
            (lambda: math.sqrt(2 / (96 * 9)), "That is the fan-out; the signal asks for the "
                                               "fan-in."),
            (lambda: math.sqrt(2 / (160 * 9)), "That is Xavier's rule."),
            (lambda: math.sqrt(1 / 576), "The 2 for ReLU is missing."),
            (lambda: 2 / 576, "That is the variance."),
            (lambda: math.sqrt(2 / (64 * 3)), "A kernel of 3 by 3 has nine places."),
        ],
        because="64 channels at 9 places are 576 terms.",
    ),
    Exercise(
        "which-zeros",
        "Zeros in a row of three",
        minutes=5,
        kind="choice",
        choices=[
            "the letters' vectors zero, the other two random",
            "the hidden weights zero, the other two random",
            "the last weights zero, the other two random",
            "the hidden and the last weights zero, the vectors random",
        ],
        answer="the hidden and the last weights zero, the vectors random",
        why={
            "the letters' vectors zero, the other two random":
                "The units put out zero at first. But a gradient comes back to the vectors through "
                "the other two weights, and they move.",
            "the hidden weights zero, the other two random":
                "The units put out zero at first. But the hidden weights get a gradient: what "
                "comes in is not zero, and the weights behind them are not.",
            "the last weights zero, the other two random":
                "The last weights get a gradient at once: the units differ and put something out.",
        },
        because="Two zeros keep each other at zero: the gradient of each contains the other.",
    ),
    Exercise(
        "two-groups",
        "Two groups of eight",
        minutes=5,
        kind="number",
        answer=2,
        mistakes=[
            (16, "Inside a group everything is equal, and equal units get equal gradients."),
            (1, "All incoming weights are equal at the start. But the groups send different "
                "gradients back to them."),
            (8, "There are two groups. What could part the members of one?"),
        ],
        because="The set of networks with two groups is closed under gradient descent.",
    ),
    Exercise(
        "leaky-weights",
        "Between linear and ReLU",
        minutes=10,
        kind="function",
        compare=_judge_weights,
        because="Tried on four slopes from 0 to 1.",
    ),
    Exercise(
        "where-it-settles",
        "The fixed point, by hand",
        minutes=25,
        kind="function",
        compare=_judge_settles,
        because="The same numbers as zh.meanfield, from gain 0.8 to 5.",
    ),
    Exercise(
        "rescue",
        "Rescue a network",
        minutes=60,
        kind="function",
        compare=_judge_rescue,
        because="Tried on weights that are too small, too large, and both in turn. Measuring on "
                "data where no formula fits is how deep networks without a theory are begun.",
    ),
]
