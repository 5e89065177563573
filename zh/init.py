"""Initialisation: how large the first weights are, and what that does to a deep network.

    from zh import init
    w = init.draw("kaiming", 300, 200, generator=g)          # (300, 200), as zh.layers keeps it
    w = init.draw("lecun", 300, 200, generator=g, gain=init.gain("tanh"))
    init.fill(net.weight, "xavier", generator=g, layout="torch")      # in place
    forward, backward = init.propagate(x, weights, "tanh", generator=g)
    init.mean_field("tanh", 5 / 3).out_rms                            # what theory says of it

Orientation.  `zh.layers.Linear` keeps its weight as (fan_in, fan_out) and computes x @ weight;
`torch.nn.Linear` keeps (fan_out, fan_in).  Everything here is (fan_in, fan_out) unless told
layout="torch"; then a draw is equal, value by value, to that of `torch.nn.init` from a generator
in the same state.

The theory of wide networks (length map, fixed point, chi, edge of chaos) is `zh.meanfield`; its
functions can be had from here too.

Left out: data-dependent initialisation (LSUV), truncated draws, and biases, which start at zero.

Sources: LeCun et al. 1998; Glorot and Bengio 2010; He et al. 2015; orthogonal, Saxe et al. 2014;
scaled residual branches, Radford et al. 2019; width and depth, Hanin and Nica 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from zh.activations import Activation, get
from zh.meanfield import (  # noqa: F401  (theory's half of the subject, under one roof)
    MeanField,
    chi,
    correlation_map,
    depth_scale,
    edge_of_chaos,
    fixed_point,
    length_map,
    lengths,
    mean_field,
)

# ---------------------------------------------------------------------------
# How large: fans, gains, rules


def fans(weight: Tensor | Sequence[int], layout: str = "zh") -> tuple[int, int]:
    """(fan_in, fan_out) of a weight or of its shape: how many inputs a unit adds up, and how many
    units an input goes to.

    layout "zh": (fan_in, fan_out), as x @ weight.  layout "torch": (fan_out, fan_in), or
    (fan_out, fan_in, *kernel) of a convolution, where both are multiplied by the kernel's size.
    """
    shape = tuple(weight.shape if torch.is_tensor(weight) else weight)
    if len(shape) < 2 or (_layout(layout) == "zh" and len(shape) != 2):
        raise ValueError(
            f"a weight of shape {shape} has no fans in layout {layout!r}: zh takes (fan_in, "
            "fan_out), torch (fan_out, fan_in) with a kernel's axes after it. A bias has none")
    if layout == "zh":
        return shape[0], shape[1]
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def gain(activation: str | Activation, table: bool = False) -> float:
    """What to multiply weights by so that this activation function does not shrink the signal.

    1 / sqrt(E f(z)^2), see `Activation.gain`; with table=True the number that
    `torch.nn.init.calculate_gain` has for it (5/3 for tanh, 3/4 for SELU, 1 for sigmoid).
    """
    f = get(activation)
    if not table:
        return f.gain
    if f.torch_gain is None:
        raise ValueError(f"torch.nn.init.calculate_gain has no entry for {f.name}; "
                         f"gain({f.name!r}) computes it: {f.gain:.4f}")
    return f.torch_gain


# The variance of one weight.  The gain multiplies its root.
RULES: dict[str, Callable[[int, int], float]] = {
    "lecun": lambda fan_in, fan_out: 1 / fan_in,                # keeps the forward signal
    "xavier": lambda fan_in, fan_out: 2 / (fan_in + fan_out),   # forward and backward, a compromise
    "kaiming": lambda fan_in, fan_out: 2 / fan_in,              # lecun with ReLU's gain in it
    "kaiming_fan_out": lambda fan_in, fan_out: 2 / fan_out,     # keeps the gradient instead
}

# What chats, slips and old code have instead; the chapters compare them.
WRONG: dict[str, Callable[[int, int], float]] = {
    "zeros": lambda fan_in, fan_out: 0.0,                       # nothing to tell units apart
    "no_fan": lambda fan_in, fan_out: 1.0,                      # torch.randn as it comes
    "half_xavier": lambda fan_in, fan_out: 1 / (fan_in + fan_out),  # 1 where Glorot has 2
    "half_kaiming": lambda fan_in, fan_out: 1 / fan_in,         # under ReLU: the 2 forgotten
    "double_kaiming": lambda fan_in, fan_out: 4 / fan_in,       # the 2 counted twice
    "fan_out": lambda fan_in, fan_out: 1 / fan_out,             # the shape read the other way
}

Rule = str | float | Callable[[int, int], float]


def variance(rule: Rule, fan_in: int, fan_out: int) -> float:
    """The variance that a rule gives one weight.

    rule: a name in RULES or WRONG, a function of (fan_in, fan_out), or the variance itself.
    """
    if fan_in < 1 or fan_out < 1:
        raise ValueError(f"fans are 1 or more, not fan_in={fan_in}, fan_out={fan_out}")
    if isinstance(rule, str):
        known = {**RULES, **WRONG}
        if rule not in known:
            raise ValueError(f"there is no rule {rule!r}; there are {', '.join(known)}, orthogonal "
                             "and constant (in draw), a function of (fan_in, fan_out), a variance")
        rule = known[rule]
    value = float(rule(fan_in, fan_out) if callable(rule) else rule)
    if not 0 <= value < math.inf:
        raise ValueError(f"the rule gives the variance {value} for fans {fan_in}, {fan_out}; "
                         "a variance is a finite number, 0 or more")
    return value


# ---------------------------------------------------------------------------
# Drawing


def draw(rule: Rule, fan_in: int, fan_out: int, *, generator: torch.Generator, gain: float = 1.0,
         kind: str = "normal", layout: str = "zh", dtype: torch.dtype = torch.float32) -> Tensor:
    """A weight: (fan_in, fan_out), or (fan_out, fan_in) with layout="torch"; without gradient.

    rule: see `variance`; also "orthogonal" (see there) and "constant" (every weight the same,
        1 / sqrt(fan_in): as large as lecun's, and no two units differ).
    gain: multiplies the standard deviation.
    kind: "normal", or "uniform" between -b and b with b = sqrt(3) standard deviations.
    """
    if kind not in ("normal", "uniform"):
        raise ValueError(f"kind is {kind!r}; a draw is 'normal' or 'uniform'")
    shape = (fan_in, fan_out) if _layout(layout) == "zh" else (fan_out, fan_in)
    if rule == "orthogonal":
        return orthogonal(*shape, generator=generator, gain=gain, dtype=dtype)
    if rule == "constant":
        return torch.full(shape, gain * variance("lecun", fan_in, fan_out) ** 0.5, dtype=dtype)
    std = gain * variance(rule, fan_in, fan_out) ** 0.5
    weight = torch.empty(shape, dtype=dtype)
    if kind == "uniform":
        bound = math.sqrt(3) * std
        return weight.uniform_(-bound, bound, generator=generator)
    return weight.normal_(0, std, generator=generator)


def orthogonal(rows: int, columns: int, *, generator: torch.Generator, gain: float = 1.0,
               dtype: torch.dtype = torch.float32) -> Tensor:
    """A random (rows, columns) matrix whose rows or columns, the fewer, are orthonormal, * gain.

    A square one keeps every length, and not only the mean over many inputs, as independent
    weights do.  Saxe et al. 2014.
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"a matrix has 1 or more rows and columns, not {rows} by {columns}")
    weight = torch.empty(rows, columns, dtype=dtype).normal_(0, 1, generator=generator)
    tall = weight if rows >= columns else weight.T
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()  # so that every orthogonal matrix is as likely (Mezzadri 2007)
    return gain * (q if rows >= columns else q.T).contiguous()


def scaled_residual(fan_in: int, fan_out: int, branches: int, *, generator: torch.Generator,
                    std: float = 0.02, layout: str = "zh") -> Tensor:
    """The last weight of a residual branch: normal, of std / sqrt(branches).

    A stream to which `branches` branches are added has the variance of all of them together;
    divided so, it is that of one, however deep the net.  Radford et al. 2019 (GPT-2).
    """
    if branches < 1:
        raise ValueError(f"branches is {branches}; a residual stream has 1 or more")
    return draw(std**2 / branches, fan_in, fan_out, generator=generator, layout=layout)


@torch.no_grad()
def fill(weight: Tensor, rule: Rule, *, generator: torch.Generator, gain: float = 1.0,
         kind: str = "normal", layout: str = "zh") -> Tensor:
    """Draw into a weight that exists, in place; returns it.  See `draw`.

    For the weight of a torch.nn.Linear or a convolution say layout="torch".
    """
    fan_in, fan_out = fans(weight, layout)
    if rule not in ("orthogonal", "constant"):
        rule = variance(rule, fan_in, fan_out)  # of a convolution: its fans count the kernel
    rows, columns = weight.flatten(1).shape
    drawn = draw(rule, *((rows, columns) if layout == "zh" else (columns, rows)),
                 generator=generator, gain=gain, kind=kind, layout=layout, dtype=weight.dtype)
    return weight.copy_(drawn.view_as(weight))


def _layout(layout: str) -> str:
    if layout not in ("zh", "torch"):
        raise ValueError(f"layout is {layout!r}; it is 'zh' for (fan_in, fan_out) or 'torch' for "
                         "(fan_out, fan_in)")
    return layout


# ---------------------------------------------------------------------------
# What becomes of a signal


def propagate(x: Tensor, weights: Sequence[Tensor], activation: str | Activation, *,
              generator: torch.Generator) -> tuple[list[float], list[float]]:
    """Send x through h = f(h @ w), layer by layer, and a random gradient all the way back.

    x (batch, fan_in), weights (fan_in, fan_out) each.  Returns (forward, backward), one number a
    place, before the first layer and after each: the root mean square of h, and that of its
    gradient divided by that of the gradient sent in at the top.
    """
    f = get(activation)
    h = x.detach().requires_grad_()
    hidden = [h]
    for w in weights:
        h = f(h @ w)  # (batch, fan_out)
        hidden.append(h)
    sent = torch.randn(h.shape, generator=generator, dtype=h.dtype)
    gradients = torch.autograd.grad((h * sent).sum(), hidden)
    return [_rms(h) for h in hidden], [_rms(g) / _rms(gradients[-1]) for g in gradients]


def _rms(x: Tensor) -> float:
    return x.detach().double().square().mean().sqrt().item()


def log_drift(width: int) -> float:
    """How much one linear layer of weights N(0, 1/width) changes ln(rms), on average: below 0.

    The mean of rms^2 stays; the typical rms falls by about 1 / (2 width) a layer, because the
    log of a sum of `width` squares is below the log of its mean: (digamma(n/2) - ln(n/2)) / 2.
    At width 1, small numbers multiplied do get smaller.  Hanin and Nica 2020.
    """
    if width < 1:
        raise ValueError(f"width is {width}; a layer has 1 unit or more")
    half = torch.tensor(width / 2, dtype=torch.float64)
    return float(torch.digamma(half) - torch.log(half)) / 2


def first_loss(logit_std: float, classes: int, *, generator: torch.Generator,
               rows: int = 20_000) -> float:
    """Mean cross-entropy of random logits N(0, logit_std^2), by sampling `rows` of them.

    ln(classes) where all logits are equal; about ln(classes) + logit_std^2 / 2 for small ones;
    hot logits, above 1, are a confident guess at random, and cost more than knowing nothing.
    """
    logits = logit_std * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return (logits.logsumexp(1) - logits[:, 0]).mean().item()
