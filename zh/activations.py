"""Activation functions, each with its derivative and the numbers that matter about it.

    from zh import activations
    tanh = activations.get("tanh")
    tanh(x), tanh.derivative(x)     # any shape in, the same shape out
    tanh.gain                       # 1.59...: what undoes one squashing of unit-variance inputs
    tanh.saturation(0.06)           # where the slope is below 0.06: left of -2.08, right of 2.08
    tanh.saturated(std=5/3)         # share of inputs of standard deviation 5/3 there

Every number is computed from the function and its derivative: averages over a normal input by
quadrature (`gaussian_mean`), edges by bisection.  The functions are made of PyTorch's elementary
ones, so that autograd goes through them, and behave like their namesakes in
`torch.nn.functional`; where a function has a kink, the derivative there is the one PyTorch takes.

Left out: randomised and learnt ones (RReLU, PReLU), hard approximations (hardtanh, ReLU6), and
gated pairs of layers (GLU), which are layers rather than functions of one number.

Sources: tanh and its scaled form, LeCun et al. 1998; ReLU, Nair and Hinton 2010, Glorot et al.
2011; leaky ReLU, Maas et al. 2013; maxout, Goodfellow et al. 2013; softplus, Dugas et al. 2001;
ELU, Clevert et al. 2016; SELU, Klambauer et al. 2017; GELU, Hendrycks and Gimpel 2016; SiLU,
Elfwing et al. 2018, and, as Swish, Ramachandran et al. 2017; gain, He et al. 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

# ---------------------------------------------------------------------------
# Averages over a normal distribution

REACH = 12.0  # standard deviations: what lies further out weighs less than 1e-32


def gaussian_mean(f: Callable[[Tensor], Tensor], std: float = 1.0, mean: float = 0.0,
                  breaks: tuple[float, ...] = (0.0,)) -> float:
    """E f(x) for x normal with this mean and standard deviation.

    `breaks` are the places where f or its slope jumps.  The line is cut there, at whole standard
    deviations, and ever more finely towards each break; every piece gets 16 Gauss-Legendre points,
    which are exact for polynomials of degree 31.  (Gauss-Hermite points would lose most of their
    digits to the kink of a ReLU, and to a tanh that is narrow beside the normal.)

    Raises ValueError for a std that is negative or not finite.
    """
    if not 0 <= std < math.inf:
        raise ValueError(f"std is {std}; a standard deviation is a finite number, 0 or more")
    if std == 0:
        return float(f(torch.tensor([mean], dtype=torch.float64)))
    x, weight = normal_nodes(std, mean, breaks)
    return float((f(x) * weight).sum())


def normal_nodes(std: float = 1.0, mean: float = 0.0,
                 breaks: tuple[float, ...] = (0.0,)) -> tuple[Tensor, Tensor]:
    """Points x and weights, (N,) float64 each, with E f(x) = (f(x) * weight).sum()."""
    steps = [s * 2.0**k for k in range(-12, 5) for s in (-1, 1)]  # 1/4096 ... 16 on either side
    cuts = [float(i) for i in range(-int(REACH), int(REACH) + 1)]
    cuts += [(b + step - mean) / std for b in breaks for step in (*steps, 0.0)]
    cuts += [(b - mean) / std + step for b in breaks for step in steps]
    edges = torch.tensor(cuts, dtype=torch.float64).clamp(-REACH, REACH).unique()  # (P,) sorted
    z, dz = panels(edges)  # (N,)
    return mean + std * z, dz * torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def panels(edges: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points and weights, (..., 16 * (P - 1)), between sorted edges (..., P)."""
    middle, half = (edges[..., 1:] + edges[..., :-1]) / 2, edges.diff(dim=-1) / 2  # (..., P - 1)
    x = middle[..., None] + half[..., None] * _POINTS  # (..., P - 1, 16)
    return x.flatten(-2), (half[..., None] * _WEIGHTS).flatten(-2)


def _legendre(n: int) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points and weights on [-1, 1], (n,) each (Golub and Welsch 1969)."""
    k = torch.arange(1, n, dtype=torch.float64)
    beside = k / torch.sqrt(4 * k * k - 1)
    points, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return points, 2 * vectors[0] ** 2


_POINTS, _WEIGHTS = _legendre(16)


def normal_cdf(x: Tensor) -> Tensor:
    """The share of a standard normal below x: any shape in, the same shape out."""
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def normal_pdf(x: Tensor) -> Tensor:
    """The density of a standard normal at x: any shape in, the same shape out."""
    return torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


# ---------------------------------------------------------------------------
# What an activation function is


@dataclass(frozen=True)
class Activation:
    """A function of one number, applied to every entry of a tensor, and what follows from it.

    Args:
        name: how it is called here, and in `get`.
        forward, derivative: tensor (...) -> tensor (...); the derivative by hand.
        kinks: where the derivative jumps; there `derivative` has the value PyTorch takes.
        torch_gain: the answer of `torch.nn.init.calculate_gain`, or None where it has none.
    """

    name: str
    forward: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    kinks: tuple[float, ...] = ()
    torch_gain: float | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The function of every entry of x (...), floating point; (...)."""
        if not torch.is_tensor(x) or not x.is_floating_point():
            kind = x.dtype if torch.is_tensor(x) else type(x).__name__
            raise TypeError(f"{self.name} got {kind}; it needs a tensor of floating point. "
                            "torch.tensor(2.0) makes one of a number")
        return self.forward(x)

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"

    def mean(self, std: float = 1.0, mean: float = 0.0) -> float:
        """E f(x) for x ~ N(mean, std^2): the output's mean; 0 for an odd function."""
        return gaussian_mean(self.forward, std, mean, self._breaks)

    def second_moment(self, std: float = 1.0, mean: float = 0.0) -> float:
        """E f(x)^2 for x ~ N(mean, std^2): what the next layer's sum is made of."""
        return gaussian_mean(lambda x: self.forward(x) ** 2, std, mean, self._breaks)

    def slope_moment(self, std: float = 1.0, mean: float = 0.0) -> float:
        """E f'(x)^2 for x ~ N(mean, std^2): what a layer does to the size of a gradient."""
        return gaussian_mean(lambda x: self.derivative(x) ** 2, std, mean, self._breaks)

    @property
    def _breaks(self) -> tuple[float, ...]:
        return self.kinks or (0.0,)

    @cached_property
    def gain(self) -> float:
        """1 / sqrt(E f(z)^2) for z ~ N(0, 1): weights of variance gain^2 / fan_in keep the next
        layer's inputs at unit variance (He et al. 2015, for any function).

        It is sqrt(2) for ReLU, which drops half of E z^2.  For tanh it is 1.593, not the 5/3 of
        PyTorch and the lectures, which was chosen by trial: with any gain above 1 the signal of a
        deep tanh net settles at one size (zh.init.fixed_point).  With 1.593 it settles where
        pre-activations have variance 1, with 5/3 where they have 1.18.
        """
        return self.second_moment() ** -0.5

    @cached_property
    def backward_gain(self) -> float:
        """1 / sqrt(E f'(z)^2): weights of variance gain^2 / fan_out keep gradients at their size.

        Equal to `gain` for ReLU and its leaky kin alone (f(x) = x f'(x)); every other function
        asks for two different gains, and an initialisation picks one.
        """
        return self.slope_moment() ** -0.5

    @property
    def slope_at_zero(self) -> float:
        """f'(0); of a kink at 0, the value PyTorch takes (0 for ReLU, as from the left)."""
        return float(self.derivative(torch.zeros(1, dtype=torch.float64)))

    def saturation(self, threshold: float = 0.05) -> list[tuple[float, float]]:
        """The intervals (low, high), from left to right, in which |f'(x)| < threshold.

        A saturated side reaches to -inf or inf; a finite interval is a flat spot, such as the
        bottom of GELU's dip.  An empty list: the function is nowhere that flat.  A side counts
        as infinite when it is flat from somewhere within 50 of 0 outwards.
        """
        if not 0 < threshold < math.inf:
            raise ValueError(f"threshold is {threshold}; it is a slope, a finite number above 0")
        limit, n = 50.0, 20_001
        x = torch.linspace(-limit, limit, n, dtype=torch.float64)
        flat = self._flat(x, threshold)
        change = (flat[1:] != flat[:-1]).nonzero().flatten().tolist()
        edges = [self._edge(float(x[i]), float(x[i + 1]), threshold) for i in change]
        edges = [-math.inf] * bool(flat[0]) + edges + [math.inf] * bool(flat[-1])
        return list(zip(edges[::2], edges[1::2], strict=True))

    def _flat(self, x: Tensor, threshold: float) -> Tensor:
        return self.derivative(x).abs() < threshold

    def _edge(self, low: float, high: float, threshold: float) -> float:
        """Where, between low and high, the slope crosses the threshold."""
        at = torch.tensor([low, high], dtype=torch.float64)
        first = bool(self._flat(at, threshold)[0])
        for _ in range(60):
            middle = at.mean()
            at[0 if bool(self._flat(middle, threshold)) == first else 1] = middle
        edge = float(at.mean())
        return next((k for k in self.kinks if abs(k - edge) < 1e-8), edge)

    def saturated(self, std: float = 1.0, mean: float = 0.0, threshold: float = 0.05) -> float:
        """The share of x ~ N(mean, std^2) that lies where |f'(x)| < threshold.

        Raises ValueError for a std that is not a finite number above 0.
        """
        if not 0 < std < math.inf:
            raise ValueError(f"std is {std}; a standard deviation is a finite number above 0")
        edges = torch.tensor(self.saturation(threshold), dtype=torch.float64).reshape(-1, 2)
        return float(normal_cdf((edges - mean) / std).diff(dim=-1).sum())


# ---------------------------------------------------------------------------
# The functions


def _one_minus_tanh2(x: Tensor) -> Tensor:
    return 1 - torch.tanh(x) ** 2


linear = Activation("linear", lambda x: x, torch.ones_like, torch_gain=1.0)
sigmoid = Activation(
    "sigmoid", torch.sigmoid, lambda x: torch.sigmoid(x) * torch.sigmoid(-x), torch_gain=1.0)
tanh = Activation("tanh", torch.tanh, _one_minus_tanh2, torch_gain=5 / 3)
lecun_tanh = Activation(  # f(1) = 1 and f(-1) = -1 (LeCun et al. 1998)
    "lecun_tanh", lambda x: 1.7159 * torch.tanh(2 / 3 * x),
    lambda x: 1.7159 * 2 / 3 * _one_minus_tanh2(2 / 3 * x))
relu = Activation("relu", torch.relu, lambda x: (x > 0).to(x.dtype), (0.0,), math.sqrt(2))
softplus = Activation(
    "softplus", lambda x: torch.logaddexp(x, torch.zeros_like(x)), torch.sigmoid)


def leaky_relu_with(slope: float) -> Activation:
    """x above 0, slope * x below (Maas et al. 2013)."""
    return Activation(
        f"leaky_relu({slope:g})", lambda x: torch.where(x > 0, x, slope * x),
        lambda x: torch.where(x > 0, torch.ones_like(x), torch.full_like(x, slope)), (0.0,),
        math.sqrt(2 / (1 + slope * slope)))


def elu_with(alpha: float, scale: float = 1.0, name: str | None = None) -> Activation:
    """scale * x above 0, scale * alpha * (exp(x) - 1) below (Clevert et al. 2016)."""
    return Activation(
        name or f"elu({alpha:g})",
        # the clamp keeps exp from overflowing on the side that `where` does not take
        lambda x: scale * torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0))),
        lambda x: scale * torch.where(x > 0, 1.0, alpha * torch.exp(x.clamp(max=0))), (0.0,))


def swish_with(beta: float) -> Activation:
    """x * sigmoid(beta x): half of x at beta 0, towards ReLU for a large beta."""
    def derivative(x: Tensor) -> Tensor:
        s = torch.sigmoid(beta * x)
        return s + beta * x * s * torch.sigmoid(-beta * x)
    return Activation(f"swish({beta:g})", lambda x: x * torch.sigmoid(beta * x), derivative)


def _renamed(it: Activation, name: str, torch_gain: float | None = None) -> Activation:
    return Activation(name, it.forward, it.derivative, it.kinks, torch_gain)


leaky_relu = _renamed(leaky_relu_with(0.01), "leaky_relu", math.sqrt(2 / (1 + 0.01**2)))
elu = elu_with(1.0, name="elu")
# alpha and scale such that mean 0 and variance 1 are a fixed point (Klambauer et al. 2017)
selu = _renamed(elu_with(1.6732632423543772, 1.0507009873554805), "selu", 3 / 4)
silu = _renamed(swish_with(1.0), "silu")
gelu = Activation("gelu", lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_pdf(x))

_ROOT = math.sqrt(2 / math.pi)


def _gelu_tanh(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(_ROOT * (x + 0.044715 * x**3)))


def _gelu_tanh_derivative(x: Tensor) -> Tensor:
    t = torch.tanh(_ROOT * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * _ROOT * (1 + 3 * 0.044715 * x**2)


gelu_tanh = Activation("gelu_tanh", _gelu_tanh, _gelu_tanh_derivative)

ALL: dict[str, Activation] = {a.name: a for a in (
    linear, sigmoid, tanh, lecun_tanh, softplus, relu, leaky_relu, elu, selu, gelu, gelu_tanh,
    silu)}


def get(name: str | Activation) -> Activation:
    """The activation function of this name; an Activation is given back as it is."""
    if isinstance(name, Activation):
        return name
    if name not in ALL:
        raise ValueError(f"there is no activation {name!r}; there are: {', '.join(ALL)}. "
                         "leaky_relu_with(slope), elu_with(alpha) and swish_with(beta) make more")
    return ALL[name]


# ---------------------------------------------------------------------------
# Maxout: a function of several numbers


def maxout(x: Tensor, pieces: int = 2) -> Tensor:
    """The largest of each group of `pieces` neighbours: (..., C) -> (..., C / pieces).

    No function of one number: its layer computes `pieces` sums for each unit and keeps the
    largest.  ReLU is maxout of x and 0.  The gradient goes to the largest alone, so that no unit
    is ever dead.  Goodfellow et al. 2013.
    """
    if pieces < 1 or x.ndim == 0 or x.shape[-1] % pieces:
        raise ValueError(f"maxout got a tensor of shape {tuple(x.shape)}; its last axis is cut "
                         f"into groups of {pieces}. The layer before has units * pieces outputs")
    return x.unflatten(-1, (-1, pieces)).max(-1).values


def maxout_gain(pieces: int = 2) -> float:
    """1 / sqrt(E max(z_1 ... z_k)^2) for independent standard normals: 1 for two pieces."""
    if pieces < 1:
        raise ValueError(f"pieces is {pieces}; maxout takes the largest of 1 or more")
    # the density of the largest of k is k * pdf(z) * cdf(z)^(k - 1)
    return gaussian_mean(lambda z: z * z * pieces * normal_cdf(z) ** (pieces - 1)) ** -0.5
