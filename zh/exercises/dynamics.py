"""The exercises of the chapter on training dynamics. References: zh.training, zh.diagnostics."""

from __future__ import annotations

import math

import torch

from zh import training
from zh.diagnostics.statistics import SATURATED
from zh.exercises import Exercise
from zh.exercises._inputs import normal

OWN_UP = "Its own line rises by 1, the others fall by 1"
SATURATED_2 = "Layer 2: tanh units saturated for all examples"


# ---------------------------------------------------------------- update over data


def _rms(x):
    return x.square().mean().sqrt()


def _ratio(before, after):
    return (_rms(after - before) / _rms(before)).log10().item()


def _ratio_after(before, after):
    """The slip: over the size after."""
    return (_rms(after - before) / _rms(after)).log10().item()


def _ratio_plain(before, after):
    return (_rms(after - before) / _rms(before)).item()


def _ratio_natural(before, after):
    return (_rms(after - before) / _rms(before)).log().item()


def _ratio_sizes(before, after):
    """The slip: the change of the size, not the size of the change."""
    return ((_rms(after) - _rms(before)).abs() / _rms(before)).log10().item()


def _ratio_mean(before, after):
    """The slip: mean of the change, which is near 0 whatever moved."""
    return ((after - before).mean().abs() / _rms(before)).log10().item()


def _ratio_centred(before, after):
    """The slip: the standard deviation, which takes the mean away."""
    return ((after - before).std() / before.std()).log10().item()


def _ratio_centred_all(before, after):
    return ((after - before).std(correction=0) / before.std(correction=0)).log10().item()


def _ratio_inputs():
    for seed, (shape, size) in enumerate([((6, 4), 0.3), ((5,), 0.02), ((2, 3, 4), 1.7)]):
        before = normal(*shape, seed=seed) + 0.5
        yield before, before + size * normal(*shape, seed=seed + 9)


_CENTRED = ("That subtracts the mean first (a standard deviation). For centred weights it is the "
            "same; these are not centred: take the root of the mean square.")


# ---------------------------------------------------------------- stuck units


def _stuck(h):
    return (h.abs() > SATURATED).all(0).double().mean().item()


def _stuck_values(h):
    """The slip: the share of values."""
    return (h.abs() > SATURATED).double().mean().item()


def _stuck_examples(h):
    return (h.abs() > SATURATED).all(1).double().mean().item()


def _stuck_one_side(h):
    return (h > SATURATED).all(0).double().mean().item()


def _stuck_mean(h):
    """The slip: the mean over the examples hides a unit that jumps from side to side."""
    return (h.mean(0).abs() > SATURATED).double().mean().item()


def _stuck_any(h):
    return (h.abs() > SATURATED).any(0).double().mean().item()


def _stuck_inputs():
    for seed, (n, units) in enumerate([(6, 8), (9, 5), (4, 10)]):
        h = torch.tanh(2 * normal(n, units, seed=seed))
        h[:, :3] = torch.tanh(6 + normal(n, 3, seed=seed + 5).abs())
        h[:, 1] = -h[:, 1]
        h[::2, 2] = -h[::2, 2]
        h[:, 3] = 0.98 + 0.005 * torch.tanh(normal(n, seed=seed + 7))     # stuck, by a little
        h[:, 4] = 0.965                                                   # not yet
        yield (h,)


# ---------------------------------------------------------------- a schedule


def _rate(step, peak, steps, warmup):
    return training.cosine(peak, steps, warmup=warmup)(step)


def _rate_from_zero(step, peak, steps, warmup):
    """The slip: the first step does nothing."""
    return peak * step / warmup if step < warmup else _rate(step, peak, steps, warmup)


def _rate_whole(step, peak, steps, warmup):
    """The slip: the cosine counts from step 0, so that it starts below the peak."""
    return _rate(step, peak, steps, warmup) if step < warmup else _rate(step, peak, steps, 0)


def _rate_line(step, peak, steps, warmup):
    if step < warmup:
        return _rate(step, peak, steps, warmup)
    return peak * (1 - (step - warmup) / (steps - warmup))


def _rate_full_turn(step, peak, steps, warmup):
    if step < warmup:
        return _rate(step, peak, steps, warmup)
    return peak * (1 + math.cos(2 * math.pi * (step - warmup) / (steps - warmup))) / 2


def _rate_quarter(step, peak, steps, warmup):
    if step < warmup:
        return _rate(step, peak, steps, warmup)
    return peak * math.cos(math.pi / 2 * (step - warmup) / (steps - warmup))


def _rate_inputs():
    for step in (0, 3, 9, 10, 11, 40, 77, 100):
        yield step, 0.3, 100, 10
    yield 4, 2.0, 9, 0


# ---------------------------------------------------------------- a rate for each layer


def _rates(weights, grads, share):
    return torch.stack([share * w.norm() / g.norm() if g.any() else w.new_zeros(())
                        for w, g in zip(weights, grads, strict=True)])


def _rates_upside_down(weights, grads, share):
    return torch.stack([share * g.norm() / w.norm()
                        for w, g in zip(weights, grads, strict=True)])


def _rates_no_size(weights, grads, share):
    """The slip: equal steps, not equal shares."""
    return torch.stack([share / g.norm() if g.any() else w.new_zeros(())
                        for w, g in zip(weights, grads, strict=True)])


def _rates_squared(weights, grads, share):
    return torch.stack([share * w.square().sum() / g.square().sum() if g.any()
                        else w.new_zeros(()) for w, g in zip(weights, grads, strict=True)])


def _rates_inputs():
    weights = [normal(4, 5, seed=1), 0.1 * normal(5, 5, seed=2), normal(5, 2, seed=3)]
    grads = [normal(4, 5, seed=4), 3 * normal(5, 5, seed=5), 0.01 * normal(5, 2, seed=6)]
    yield weights, grads, 1e-3
    yield weights[:2], [grads[0], torch.zeros(5, 5, dtype=torch.float64)], 0.02


EXERCISES = [
    Exercise(
        "update-by-hand",
        "A line by hand",
        minutes=3,
        kind="number",
        answer=lambda: math.log10(0.1 * 0.004 / 0.2),
        mistakes=[
            (lambda: math.log10(0.004 / 0.2), "That is gradient over data. The update is the "
                                              "gradient times the learning rate."),
            (0.002, "That is the ratio; the plot shows its power of ten."),
            (lambda: math.log(0.1 * 0.004 / 0.2), "That is the natural logarithm."),
            (lambda: math.log10(0.1 * 0.004), "That is the update. It is to be taken over the "
                                              "size of the weights."),
            (lambda: -math.log10(0.1 * 0.004 / 0.2), "The ratio is below 1: its power of ten is "
                                                     "negative."),
        ],
        because="Two thousandths: a little above the guide.",
    ),
    Exercise(
        "shrunk-output",
        "A smaller last layer",
        minutes=5,
        kind="choice",
        choices=[OWN_UP, "Its own line rises by 1, the others stay", "All lines fall by 1",
                 "Its own line falls by 1, the others stay"],
        answer=OWN_UP,
        why={
            "Its own line rises by 1, the others stay":
                "Right for its own. The gradients of the layers below pass through it on their "
                "way down.",
            "All lines fall by 1": "Its own gradient does not pass through it; only its "
                                   "denominator shrinks.",
            "Its own line falls by 1, the others stay":
                "Smaller weights under the same gradient: the ratio goes up. And what goes "
                "further down passes through it.",
        },
        because="The snapshots' odd line and its low neighbours are one and the same factor.",
    ),
    Exercise(
        "read-the-print",
        "Read the print",
        minutes=5,
        kind="choice",
        choices=["Layer 1: dead ReLU units", "Layer 2: dead ReLU units", SATURATED_2,
                 "Layer 3: tanh units saturated for all examples", "The inputs are all zero"],
        answer=SATURATED_2,
        why={
            "Layer 1: dead ReLU units": "Layer 1 would put out zeros; the bias of layer 2 would "
                                        "still get a gradient if anything lives above it.",
            "Layer 2: dead ReLU units": "Then layer 3 would multiply zeros, and the gradient of "
                                        "its weights would be exactly 0 as well.",
            "Layer 3: tanh units saturated for all examples":
                "Then the weights of layer 3 would get nothing either: their gradient passes "
                "through the slope of that tanh.",
            "The inputs are all zero": "Then the first weights would get exactly 0, and the "
                                       "first biases would not.",
        },
        because="It passes forward what layer 3 learns from, and nothing back.",
    ),
    Exercise(
        "how-deep",
        "How deep is too deep",
        minutes=4,
        kind="number",
        answer=lambda: math.log(1000) / math.log(1.1),
        tolerance=5e-3,
        mistakes=[
            (1000 / 1.1, "The factors multiply: it is a power that reaches a thousand."),
            (lambda: math.log(100) / math.log(1.1), "That is a hundredfold."),
            (lambda: math.log10(1000) / math.log(1.1), "Two different logarithms."),
            (10000, "Growth by a tenth compounds: it is not a tenth of the first, each time."),
            (lambda: math.log(1000), "Divide by the logarithm of the factor."),
        ],
        because="At fifty layers it is a factor of a hundred; any factor above 1 has such a depth.",
    ),
    Exercise(
        "update-ratio",
        "Update over data",
        minutes=6,
        kind="function",
        answer=_ratio,
        inputs=lambda: list(_ratio_inputs()),
        tolerance=1e-5,
        mistakes=[
            (_ratio_after, "That divides by the size after the step. The denominator is the size "
                           "before it."),
            (_ratio_plain, "That is the ratio; its power of ten is asked."),
            (_ratio_natural, "That is the natural logarithm."),
            (_ratio_sizes, "That is the change of the size. A vector can turn round without "
                           "changing its size: take the size of the change."),
            (_ratio_mean, "The mean of the change is near 0 however much moves."),
            (_ratio_centred, _CENTRED),
            (_ratio_centred_all, _CENTRED),
        ],
        because="What the Recorder keeps as update_to_data.",
    ),
    Exercise(
        "stuck-units",
        "Stuck units",
        minutes=6,
        kind="function",
        answer=_stuck,
        inputs=lambda: list(_stuck_inputs()),
        mistakes=[
            (_stuck_values, "That is the share of values. A unit is stuck if all its values are."),
            (_stuck_examples, "That is about examples: axis 0 is the examples, and they are what "
                              "must go."),
            (_stuck_one_side, "Minus one is a flat part too."),
            (_stuck_mean, "A unit that jumps from one rail to the other has a mean near 0, and is "
                          "stuck."),
            (_stuck_any, "One saturated example does not hold a unit: the others still move it."),
        ],
        because="The values that are saturated may be many where no unit is stuck.",
    ),
    Exercise(
        "warm-cosine",
        "Up, then down",
        minutes=10,
        kind="function",
        answer=_rate,
        inputs=lambda: list(_rate_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_rate_from_zero, "A rate of 0 at step 0 wastes that step: it starts at "
                              "peak / (warmup + 1)."),
            (_rate_whole, "The cosine starts where the warm-up ends, at the peak: count its steps "
                          "from there."),
            (_rate_line, "That falls in a straight line."),
            (_rate_full_turn, "That is a whole turn: it comes back up to the peak."),
            (_rate_quarter, "That is a quarter of a turn. Half a turn goes from 1 to -1: add 1 "
                            "and halve."),
        ],
        because="The same numbers as zh.training.cosine.",
    ),
    Exercise(
        "equal-moves",
        "A rate for each layer",
        minutes=15,
        kind="function",
        answer=_rates,
        inputs=lambda: list(_rates_inputs()),
        tolerance=1e-5,
        mistakes=[
            (_rates_upside_down, "Upside down: a large gradient needs a small rate."),
            (_rates_no_size, "That moves all matrices by the same length; the same share of "
                             "their own size is asked."),
            (_rates_squared, "Those are squares of the sizes."),
        ],
        because="One line of LARS (You, Gitman and Ginsburg 2017).",
    ),
]
