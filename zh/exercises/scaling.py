"""The exercises of the chapter on scaling. References: `zh.sizes`, and sums that one can follow."""

from __future__ import annotations

import torch

from zh.exercises import Exercise
from zh.exercises._inputs import generator, normal

XL = dict(layers=48, dim=1600, vocab=50257, block=1024)
XL_PARAMETERS = 1_557_611_200


# ---------------------------------------------------------------- gradients of pieces


def _joined(gradients, counts):
    """The gradient of the mean over all targets, from means over the targets of each piece."""
    total = sum(counts)
    return sum(g * (n / total) for g, n in zip(gradients, counts, strict=True))


def _joined_mean(gradients, counts):
    return sum(gradients) / len(gradients)


def _joined_sum(gradients, counts):
    return sum(gradients)


def _joined_weighted(gradients, counts):
    """The slip: weighted by the targets, and never divided."""
    return sum(g * n for g, n in zip(gradients, counts, strict=True))


def _joined_twice(gradients, counts):
    """The slip: divided by the number of pieces as well."""
    return _joined(gradients, counts) / len(gradients)


def _joined_last(gradients, counts):
    return gradients[-1]


def _joined_inputs():
    for seed, counts in enumerate([[4, 4], [1, 7, 3], [10, 0, 5, 2], [6]]):
        yield [normal(3, 2, seed=10 * seed + i) for i in range(len(counts))], counts


# ---------------------------------------------------------------- a curve with a floor


def _floor_fit(x, y, power):
    """Least squares of y = floor + scale * x ** -power, by the normal equations."""
    basis = torch.stack([torch.ones_like(x), x ** -power], 1)              # (N, 2)
    floor, scale = torch.linalg.solve(basis.T @ basis, basis.T @ y)
    return torch.stack([floor, scale])


def _floor_fit_sign(x, y, power):
    return _floor_fit(x, y, -power)


def _floor_fit_none(x, y, power):
    basis = x ** -power
    return torch.stack([torch.zeros((), dtype=x.dtype), (basis * y).sum() / (basis ** 2).sum()])


def _floor_fit_exchanged(x, y, power):
    return _floor_fit(x, y, power).flip(0)


def _floor_fit_logs(x, y, power):
    """The slip: a line through logarithms, which has no floor."""
    basis = torch.stack([torch.ones_like(x), x.log()], 1)
    return torch.linalg.lstsq(basis, y.log()[:, None]).solution[:, 0]


def _floor_fit_inputs():
    for seed, (n, power) in enumerate([(5, 0.3), (3, 0.5), (9, 1.0), (4, 0.1)]):
        g = generator(seed)
        x = (torch.rand(n, generator=g, dtype=torch.float64) * 5).exp()
        y = 1.2 + 0.8 * x ** -0.4 + 0.02 * normal(n, seed=seed + 50)
        yield x, y, power


EXERCISES = [
    Exercise(
        "operations-of-gpt2",
        "A token, forward and back",
        minutes=4,
        kind="number",
        answer=lambda: 6 * 124_439_808,
        tolerance=2e-2,
        mistakes=[
            (lambda: 2 * 124_439_808, "That is the forward pass. The way back costs twice as much "
                                      "again."),
            (lambda: 4 * 124_439_808, "That is the way back. The forward pass comes to it."),
            (lambda: 3 * 124_439_808, "A product and an addition: two operations for each weight "
                                      "and pass."),
            (lambda: 6 * 124_439_808 * 1024, "That is a text of 1024 tokens. One token is asked."),
        ],
        because="With attention over 1024 places the exact count is 14 % more.",
    ),
    Exercise(
        "bytes-of-xl",
        "Before the first token",
        minutes=4,
        kind="number",
        answer=lambda: 16 * XL_PARAMETERS / 1e9,
        tolerance=5e-3,
        mistakes=[
            (lambda: 4 * XL_PARAMETERS / 1e9, "Those are the parameters alone. Each has a gradient "
                                              "and two numbers of AdamW as well."),
            (lambda: 8 * XL_PARAMETERS / 1e9, "Parameters and gradients. AdamW keeps two more "
                                              "numbers for each parameter."),
            (lambda: 12 * XL_PARAMETERS / 1e9, "Three numbers a parameter; AdamW keeps two, a mean "
                                               "and a mean square, so there are four."),
            (lambda: 16 * XL_PARAMETERS / 2 ** 30, "That is in GiB, of 2 to the power of 30. Asked "
                                                   "is GB, a thousand million."),
            (lambda: 16 * XL_PARAMETERS / 1e6, "That is in MB. Asked is GB."),
        ],
        because="Four numbers of four bytes for each parameter, and no activation yet.",
    ),
    Exercise(
        "cache-of-xl",
        "What one text costs while it is written",
        minutes=4,
        kind="number",
        answer=lambda: 2 * 48 * 1024 * 1600 * 2 / 1e6,
        tolerance=5e-3,
        mistakes=[
            (lambda: 48 * 1024 * 1600 * 2 / 1e6, "Keys and values: two vectors a place and layer."),
            (lambda: 2 * 48 * 1024 * 1600 * 4 / 1e6, "Numbers of bf16 have two bytes."),
            (lambda: 2 * 1024 * 1600 * 2 / 1e6, "Each layer has keys and values of its own."),
            (lambda: 2 * 48 * 1024 * 1600 * 2 / 25 / 1e6, "That is one head of 25."),
        ],
        because="A tenth of the model in bf16, for every text that is being written.",
    ),
    Exercise(
        "bf16-neighbour",
        "The next number",
        minutes=3,
        kind="number",
        answer=lambda: 1 + 2 ** -7,
        tolerance=1e-7,
        mistakes=[
            (lambda: 1 + 2 ** -8, "That lies half-way to the next one, and is rounded back to 1."),
            (lambda: 1 + 2 ** -10, "That is float16, with ten bits behind the point."),
            (lambda: 1 + 2 ** -23, "That is float32, with 23 bits behind the point."),
            (lambda: 2 ** -7, "That is how far away it is. The number itself is asked."),
        ],
        because="Seven bits behind the point: between 1 and 2 there are 127 numbers.",
    ),
    Exercise(
        "compute-optimal",
        "How large, for so much",
        minutes=8,
        kind="number",
        answer=lambda: (1e18 / 120) ** 0.5,
        tolerance=1e-2,
        mistakes=[
            (lambda: (1e18 / 6) ** 0.5, "That is with one token a parameter. There are 20."),
            (lambda: (1e18 / 20) ** 0.5, "A token costs 6 operations a parameter."),
            (lambda: 20 * (1e18 / 120) ** 0.5, "That is the number of tokens."),
            (lambda: 1e18 / 120, "The budget grows with the square of the size: take the root."),
        ],
        because="Twice the parameters and twice the tokens cost four times as much.",
    ),
    Exercise(
        "join-gradients",
        "Gradients of unequal pieces",
        minutes=10,
        kind="function",
        answer=_joined,
        inputs=lambda: list(_joined_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_joined_mean, "That is a mean of means. A piece with few targets gets as much weight "
                           "as one with many."),
            (_joined_sum, "Each is a mean already, so their sum is too long."),
            (_joined_weighted, "Divide by the number of all targets."),
            (_joined_twice, "Too short by the number of pieces: the shares of the targets sum to 1 "
                            "already."),
            (_joined_last, "That is the last piece alone: the gradients before it were thrown "
                           "away."),
        ],
        because="A piece counts by its targets. With equal pieces this is the plain mean.",
    ),
    Exercise(
        "fit-with-floor",
        "A curve with a floor",
        minutes=15,
        kind="function",
        answer=_floor_fit,
        inputs=lambda: list(_floor_fit_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_floor_fit_sign, "The loss falls: the power is negative, x ** -power."),
            (_floor_fit_none, "The floor is 0 in yours. It is one of the two numbers to find."),
            (_floor_fit_exchanged, "The floor comes first, then the scale."),
            (_floor_fit_logs, "A line through logarithms has no floor, and another error is made "
                              "small."),
        ],
        because="For a given power it is a straight line, over x ** -power.",
    ),
]
