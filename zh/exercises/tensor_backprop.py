"""The exercises of the chapter on tensors. Reference answers come from PyTorch's autograd."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from zh.exercises import Exercise
from zh.exercises._inputs import normal


def _autograd(fn, dout: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    leaves = [x.clone().requires_grad_() for x in inputs]
    return torch.autograd.grad(fn(*leaves), leaves, dout)


def _division(dout, a, b):
    return _autograd(torch.div, dout, a, b)


def _division_inputs():
    shapes = [((3, 4), (3, 4)), ((3, 4), (3, 1)), ((3, 4), (4,)), ((1, 4), (3, 1)), ((3, 4), ())]
    for seed, (a, b) in enumerate(shapes):
        a, b = normal(*a, seed=seed), 1 + normal(*b, seed=seed + 50).abs()
        yield normal(*(a / b).shape, seed=seed + 90), a, b


def _softmax(dout, probs):
    return _autograd(lambda z: torch.softmax(z, 1), dout, probs.log())[0]


def _softmax_inputs():
    for seed, shape in enumerate([(1, 2), (4, 3), (5, 27)]):
        yield normal(*shape, seed=seed), torch.softmax(normal(*shape, seed=seed + 9), 1)


def _layernorm(dout, x, gain, eps):
    bias = torch.zeros_like(gain)

    def forward(x, gain, bias):
        return torch.nn.functional.layer_norm(x, gain.shape, gain, bias, eps)

    return _autograd(forward, dout, x, gain, bias)


def _layernorm_inputs():
    for seed, (n, h) in enumerate([(1, 3), (4, 2), (6, 10)]):
        yield (
            normal(n, h, seed=seed),
            normal(n, h, seed=seed + 9),
            1 + 0.3 * normal(h, seed=seed + 20),
            1e-5,
        )


def _layernorm_bessel(dout, x, gain, eps):
    """The slip: n - 1 for the variance, as in the network of the chapter."""

    def forward(x, gain, bias):
        s = (x.var(1, keepdim=True) + eps) ** -0.5
        return gain * (x - x.mean(1, keepdim=True)) * s + bias

    return _autograd(forward, dout, x, gain, torch.zeros_like(gain))


def _layernorm_gain(dout, x, gain, eps):
    """The slip: the gain in front of the sums, as batch normalisation has it."""
    ones = torch.ones_like(gain)
    dx = _layernorm(dout, x, ones, eps)[0]
    return gain * dx, *_layernorm(dout, x, gain, eps)[1:]


def _layernorm_batch(dout, x, gain, eps):
    """The slip: statistics over the batch."""

    def forward(x, gain, bias):
        s = (x.var(0, unbiased=False) + eps) ** -0.5
        return gain * (x - x.mean(0)) * s + bias

    return _autograd(forward, dout, x, gain, torch.zeros_like(gain))


DEEP = ("C", "W1", "b1", "W2", "b2", "W3", "b3")


def _deep_forward(p, X, Y):
    x = p.C[X].view(len(X), -1)
    h = torch.tanh(torch.tanh(x @ p.W1 + p.b1) @ p.W2 + p.b2)
    return torch.nn.functional.cross_entropy(h @ p.W3 + p.b3, Y)


def _deep(p, X, Y):
    leaves = [getattr(p, name).clone().requires_grad_() for name in DEEP]
    loss = _deep_forward(SimpleNamespace(**dict(zip(DEEP, leaves, strict=True))), X, Y)
    return torch.autograd.grad(loss, leaves)


def _deep_inputs():
    # all sizes differ, so that a transposed product shows
    for seed, (n, context, first, second) in enumerate([(9, 2, 3, 5), (8, 3, 5, 4)]):
        generator = torch.Generator().manual_seed(seed)
        shapes = [
            (7, 2),
            (2 * context, first),
            (first,),
            (first, second),
            (second,),
            (second, 7),
            (7,),
        ]
        p = SimpleNamespace(
            **{
                name: 0.5 * normal(*shape, seed=10 * seed + i)
                for i, (name, shape) in enumerate(zip(DEEP, shapes, strict=True))
            }
        )
        yield (
            p,
            torch.randint(0, 7, (n, context), generator=generator),
            torch.randint(0, 7, (n,), generator=generator),
        )


EXERCISES = [
    Exercise(
        "matmul-shapes",
        "The input of a product",
        minutes=2,
        kind="choice",
        choices=["dout @ w.T", "w.T @ dout", "dout.T @ w", "x.T @ dout"],
        answer="dout @ w.T",
        why={
            "w.T @ dout": "(200, 30) times (32, 200): the inner sizes 30 and 32 do not meet.",
            "dout.T @ w": "(200, 32) times (30, 200): the inner sizes 32 and 30 do not meet.",
            "x.T @ dout": "(30, 32) times (32, 200) gives (30, 200): that is the shape of w. "
            "This is the other gradient.",
        },
        because="(32, 200) times (200, 30) gives (32, 30), the shape of x.",
    ),
    Exercise(
        "broadcast-count",
        "How often is it used?",
        minutes=3,
        kind="number",
        answer=12,
        mistakes=[
            (24, "That is the number of entries of the output; one entry of b meets half of them."),
            (4, "You counted the axis in front. The last axis of b was stretched too."),
            (3, "You counted the last axis. There is an axis in front of b too."),
            (7, "The two axes multiply, they do not add up."),
            (1, "Each entry of b is used more than once: write the shape of the output first."),
            (2, "That is the length of the middle axis, the one that b has: along it nothing is "
                "copied."),
            (6, "That is one place of the first axis."),
            (8, "Those are the first and the middle axis; b has the middle one and was stretched "
                "along the last."),
        ],
        because="The output is (4, 2, 3), and b has one number for each place on its middle axis.",
    ),
    Exercise(
        "embedding-rows",
        "A letter used again",
        minutes=3,
        kind="number",
        answer=3,
        mistakes=[
            (
                1,
                "That is one use. An index collects a gradient each time it stands there.",
            ),
            (2, "That is the first context alone; the second one has a 0 too."),
            (6, "That is all six places; only those with a 0 reach row 0."),
            (9, "Look at one column: dC[0, 0] gets one number from each use."),
        ],
        because="Row 0 was picked three times, so three ones are added.",
    ),
    Exercise(
        "batchnorm-pair",
        "A batch of two",
        minutes=10,
        kind="number",
        answer=0,
        absolute=1e-9,
        mistakes=[
            (0.5, "That is the direct path. The mean and the variance have moved too."),
            (
                0.25,
                "One of the two further paths is missing: the one through the mean, or the one "
                "through the variance.",
            ),
            (
                -0.25,
                "Did n - 1 stay in the last term? With n it is a half. (Or this is the second x, "
                "without its path through the variance.)",
            ),
        ],
        because="Two different numbers always come out as -1 and 1, so moving one changes nothing.",
    ),
    Exercise(
        "division-backward",
        "Division with broadcasting",
        minutes=10,
        kind="function",
        answer=_division,
        inputs=lambda: list(_division_inputs()),
        because="Right for equal shapes, for stretched axes, and for a single number.",
    ),
    Exercise(
        "softmax-backward",
        "Softmax without its Jacobian",
        minutes=15,
        kind="function",
        answer=_softmax,
        inputs=lambda: list(_softmax_inputs()),
        because="A whole Jacobian a row, and no matrix was built.",
    ),
    Exercise(
        "layernorm-backward",
        "Layer normalisation",
        minutes=30,
        kind="function",
        answer=_layernorm,
        inputs=lambda: list(_layernorm_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_layernorm_bessel, "That is the gradient with n - 1 in the variance: here it is H."),
            (
                _layernorm_gain,
                "The gain stands outside the sums. It differs along the axis that is normalised, "
                "so it belongs inside: start from d = dout * gain.",
            ),
            (_layernorm_batch, "That is batch normalisation: the statistics run over axis 1."),
        ],
        because="The formula of batch normalisation with the axes exchanged.",
    ),
    Exercise(
        "two-hidden-layers",
        "A deeper network, all of it by hand",
        minutes=120,
        kind="function",
        answer=_deep,
        inputs=lambda: list(_deep_inputs()),
        tolerance=1e-6,
        because="Seven gradients, none of them from autograd.",
    ),
]
