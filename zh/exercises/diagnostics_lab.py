"""The exercises of the diagnostics lab."""

from __future__ import annotations

from zh.exercises import Exercise

EXERCISES = [
    Exercise(
        "gain-behind-a-norm", "What a normalisation does not undo", minutes=5, kind="number",
        answer=9, tolerance=0.03,
        mistakes=[
            (3, "The gradient of the weights changes by that much. The weights change too."),
            (1, "The activations stay as they are, and so do their gradients. Look at the weights: "
                "they are three times as large."),
            (1 / 9, "That is the factor itself; by what is it divided?"),
        ],
        because="The output does not change when a weight matrix before a normalisation is made "
                "three times as large. So its gradient is a third, and the matrix is three times "
                "what it was.",
    ),
    Exercise(
        "no-gradient-below", "Exactly zero", minutes=3, kind="choice",
        answer="The gradient is cut off after layer 3.",
        choices=(
            "The biases of layer 3 are far too large.",
            "The gradient is cut off after layer 3.",
            "The weights of layer 3 are far too small.",
            "The optimiser was not given layers 1 to 3.",
        ),
        why={
            "The biases of layer 3 are far too large.":
                "Then layer 3 would sit at the ends of its tanh, and the first picture would show "
                "it.",
            "The weights of layer 3 are far too small.":
                "Then the values of layer 3 would be small, and the gradient in front of it faint, "
                "not zero.",
            "The optimiser was not given layers 1 to 3.":
                "Then they would have a gradient, and not move.",
        },
        because="The way forward is whole and the way back ends at one place.",
    ),
]
