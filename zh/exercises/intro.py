"""The exercise of the introduction: the loss that every model of names is measured against."""

import math

from zh.exercises import Exercise

EXERCISES = [
    Exercise(
        "loss-of-knowing-nothing",
        "The loss of knowing nothing",
        minutes=2,
        kind="number",
        answer=lambda: math.log(27),
        tolerance=0.002,
        mistakes=[
            (lambda: math.log(26), "That is for 26 signs; the mark that ends a name is one more."),
            (lambda: math.log2(27), "That is in bits; the book's losses take the natural log."),
            (lambda: math.log10(27), "That is the logarithm to base 10; take the natural one."),
            (lambda: 1 / 27, "That is the probability; the loss is minus its logarithm."),
        ],
        because="A model of names that scores above this has learned less than nothing.",
    ),
]
