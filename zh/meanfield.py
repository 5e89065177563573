"""Theory of wide networks at initialisation: how large signals and gradients are at any depth.

    from zh.meanfield import mean_field
    m = mean_field("tanh", 5 / 3)
    m.out_rms, m.gradient_factor       # 0.65 and 1.10: the size of activations far from the input,
                                       # and by what a layer multiplies a gradient on its way back

A unit of a wide layer adds up many independent terms, so that its pre-activation is normal, and
one number, its variance q, says all.  The next layer's is the length map of it,

    q' = weight_std^2 E f(sqrt(q) z)^2 + bias_std^2,    z ~ N(0, 1),

where weights have the variance weight_std^2 / fan_in: `weight_std` is the gain of `zh.init`.
Iterated, the map runs to a fixed point.  The other question is what a layer does to a small
difference between two inputs: it multiplies its mean square by chi = weight_std^2 E f'(sqrt(q)z)^2,
and that of a gradient by the same number on its way back.

Exact for infinitely wide layers of independent weights; `zh.init.propagate` measures real ones.
Left out: convolutions, attention, normalisation, and every step of training after the first.

Sources: length and correlation maps, Poole et al. 2016; depth scales and gradients, Schoenholz et
al. 2017; the correlation map as a power series, Daniely et al. 2016.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zh.activations import Activation, gaussian_mean, get, normal_nodes

# ---------------------------------------------------------------------------
# The size of a signal


def length_map(q: float, activation: str | Activation, weight_std: float,
               bias_std: float = 0.0) -> float:
    """The variance of a layer's pre-activations, from that of the layer before (q).

    weight_std^2 E f(sqrt(q) z)^2 + bias_std^2 (Poole et al. 2016).
    """
    if not 0 <= q < math.inf:
        raise ValueError(f"q is {q}; it is a variance, a finite number, 0 or more")
    return weight_std**2 * get(activation).second_moment(math.sqrt(q)) + bias_std**2


def lengths(q: float, depth: int, activation: str | Activation, weight_std: float,
            bias_std: float = 0.0) -> list[float]:
    """[q, length_map(q), ...]: depth + 1 variances, the first of the first pre-activations."""
    out = [q]
    for _ in range(depth):
        out.append(length_map(out[-1], activation, weight_std, bias_std))
    return out


def fixed_point(activation: str | Activation, weight_std: float, bias_std: float = 0.0,
                start: float = 1.0) -> float:
    """The variance q at which pre-activations settle, layer after layer, from `start`.

    0.0 where the signal dies out, inf where it grows for ever.  Where every q stays (ReLU with
    weight_std = sqrt(2)), `start` itself.  The map goes up with q, so that the layers move to the
    nearest fixed point on one side: it is looked for in steps of a factor 1.2, then by bisection.
    """
    if not 0 < start < math.inf:
        raise ValueError(f"start is {start}; it is a variance, a finite number above 0")
    f, smallest, largest = get(activation), 1e-10, 1e10

    def grows(q: float) -> float:
        return length_map(q, f, weight_std, bias_std) / q - 1

    here = grows(start)
    if abs(here) < 1e-12:
        return start
    low = high = start
    while (here > 0) == (grows(high if here > 0 else low) > 0):
        if here > 0:
            low, high = high, high * 1.2
            if high > largest:
                return math.inf
        else:
            low, high = low / 1.2, low
            if low < smallest:
                return 0.0
    for _ in range(60):  # grows(low) > 0 > grows(high)
        middle = math.sqrt(low * high)
        low, high = (middle, high) if grows(middle) > 0 else (low, middle)
    return math.sqrt(low * high)


# ---------------------------------------------------------------------------
# What becomes of a difference, and of a gradient


def chi(q: float, activation: str | Activation, weight_std: float) -> float:
    """weight_std^2 E f'(sqrt(q) z)^2: the factor by which a layer multiplies the mean square of a
    gradient on its way back, and of a small difference between two inputs on its way forward.

    At the fixed point it is the chi_1 of Poole et al. 2016: below 1 differences die out (ordered
    phase, gradients vanish), above 1 they grow (chaotic phase, gradients explode).
    """
    return weight_std**2 * get(activation).slope_moment(math.sqrt(q))


def edge_of_chaos(activation: str | Activation, q: float) -> tuple[float, float]:
    """The (weight_std, bias_std) for which q is a fixed point and chi there is 1.

    One point of the edge of chaos for each q; sweep q to draw it (Schoenholz et al. 2017).
    Raises ValueError where no bias variance would do.
    """
    f = get(activation)
    weight_std = f.slope_moment(math.sqrt(q)) ** -0.5
    bias_var = q - weight_std**2 * f.second_moment(math.sqrt(q))
    if abs(bias_var) < 1e-12 * q:
        bias_var = 0.0  # rounding
    if bias_var < 0:
        raise ValueError(f"{f.name} has no edge of chaos at q={q:g}: chi = 1 asks for weight_std "
                         f"{weight_std:.4g}, and the weights alone then give more than q")
    return weight_std, math.sqrt(bias_var)


def hermite(activation: str | Activation, q: float, order: int = 200) -> Tensor:
    """Coefficients a_k, (order + 1,), of f(sqrt(q) z) in normalised Hermite polynomials.

    They give the correlation of two units' outputs: for standard normals u, v of correlation c,
    E f(sqrt(q) u) f(sqrt(q) v) = sum of a_k^2 c^k (Daniely et al. 2016).
    """
    f, std = get(activation), math.sqrt(q)
    x, weight = normal_nodes(std, 0.0, f.kinks or (0.0,))
    z, value = x / std, f.forward(x) * weight
    before, now, out = torch.zeros_like(z), torch.ones_like(z), []
    for k in range(order + 1):  # h_(k+1) = (z h_k - sqrt(k) h_(k-1)) / sqrt(k + 1)
        out.append((value * now).sum())
        before, now = now, (z * now - math.sqrt(k) * before) / math.sqrt(k + 1)
    return torch.stack(out)


def correlation_map(c: float | Tensor, q: float, activation: str | Activation, weight_std: float,
                    bias_std: float = 0.0) -> Tensor:
    """The correlation of two inputs' pre-activations, from that one layer before (c, from -1 to 1;
    any shape), both of variance q.  float64, the shape of c.  Poole et al. 2016.

    Of a function with kinks, the last digits close to c = 1 are lost (beyond 200 coefficients).
    """
    c = torch.as_tensor(c, dtype=torch.float64)
    if (c.abs() > 1).any():
        raise ValueError(f"a correlation lies between -1 and 1, not at {c.abs().max().item():g}")
    power = _powers(get(activation), q)
    return _correlate(c, power, weight_std, bias_std)


def _powers(f: Activation, q: float) -> Tensor:
    """a_k^2, (K,), of `hermite`; the last one is what the others leave of E f^2, so that two
    equal inputs stay equal."""
    power = hermite(f, q) ** 2
    rest = f.second_moment(math.sqrt(q)) - power.sum()
    return torch.cat([power, rest.clamp(min=0)[None]])


def _correlate(c: Tensor, power: Tensor, weight_std: float, bias_std: float) -> Tensor:
    kernel = (power * c[..., None] ** torch.arange(len(power))).sum(-1)  # (...)
    return (weight_std**2 * kernel + bias_std**2) / (weight_std**2 * power.sum() + bias_std**2)


# ---------------------------------------------------------------------------
# The summary


@dataclass(frozen=True)
class MeanField:
    """What theory says of a deep, wide net h = f(h @ w + b) at initialisation.

    Weights have variance weight_std^2 / fan_in, biases bias_std^2.  See `mean_field`.
    """

    activation: Activation
    weight_std: float
    bias_std: float = 0.0

    @cached_property
    def q(self) -> float:
        """Variance of the pre-activations far from the input; see `fixed_point`."""
        return fixed_point(self.activation, self.weight_std, self.bias_std)

    @property
    def pre_std(self) -> float:
        """Standard deviation of the pre-activations far from the input."""
        return math.sqrt(self.q)

    @cached_property
    def out_rms(self) -> float:
        """Root mean square of the activations far from the input: of an odd function, their
        standard deviation."""
        return math.inf if self.q == math.inf else math.sqrt(
            self.activation.second_moment(self.pre_std))

    @cached_property
    def chi(self) -> float:
        """chi_1, see `chi`; its limit where the signal dies out or grows for ever."""
        return chi(min(max(self.q, 1e-12), 1e16), self.activation, self.weight_std)

    @property
    def gradient_factor(self) -> float:
        """sqrt(chi): what a layer multiplies the size of a gradient by, on its way back."""
        return math.sqrt(self.chi)

    @property
    def phase(self) -> str:
        """"ordered" (gradients vanish), "critical" (to 6 digits) or "chaotic" (they explode)."""
        if abs(self.chi - 1) < 1e-6:
            return "critical"
        return "ordered" if self.chi < 1 else "chaotic"

    @cached_property
    def correlation(self) -> float:
        """c*: the correlation that two different inputs end up with; 1 in the ordered phase."""
        self._needs_signal()
        if self.phase != "chaotic":
            return 1.0
        low, high = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        for _ in range(50):  # the map less c is convex on [0, 1]: above 0 before c*, below after
            middle = (low + high) / 2
            to = _correlate(middle, self._power, self.weight_std, self.bias_std)
            low, high = (middle, high) if to > middle else (low, middle)
        return 0.0 if high < 1e-9 else float(low + high) / 2

    @property
    def depth_scale(self) -> float:
        """Over how many layers the correlation of two inputs comes e times closer to c*.

        Nets much deeper than a few times this train badly: nothing of the input's differences
        reaches the top.  inf at the edge of chaos.  Schoenholz et al. 2017.
        """
        self._needs_signal()
        if self.phase != "chaotic":
            return depth_scale(self.chi)
        k = torch.arange(1, len(self._power))  # the derivative of the sum of a_k^2 c^k
        slope = float((k * self._power[1:] * self.correlation ** (k - 1.0)).sum())
        return depth_scale(self.weight_std**2 * slope / self.q)

    @cached_property
    def length_slope(self) -> float:
        """The slope of the length map at q: below 1, layers bring a wrong length back to q.

        Above 1 the fixed point is a watershed: a little less dies out, a little more grows (GELU
        and SiLU with their `gain`).  1 for ReLU, which keeps any length as it is.
        """
        self._needs_signal()
        f = self.activation  # the derivative of E f(sqrt(q) z)^2 to q is E f f' z / sqrt(q)
        slope = gaussian_mean(lambda x: f.forward(x) * f.derivative(x) * x, self.pre_std, 0.0,
                              f.kinks or (0.0,)) / self.q
        return self.weight_std**2 * slope

    @cached_property
    def _power(self) -> Tensor:
        return _powers(self.activation, self.q)

    def _needs_signal(self) -> None:
        if not 0 < self.q < math.inf:
            raise ValueError(
                f"with {self.activation.name}, weight_std {self.weight_std:g} and bias_std "
                f"{self.bias_std:g} the signal {'dies out' if self.q == 0 else 'grows for ever'}: "
                "there is no fixed point to speak of. Ask chi or lengths instead")


def mean_field(activation: str | Activation, weight_std: float,
               bias_std: float = 0.0) -> MeanField:
    """The theory's summary for one activation and gain: `.q`, `.out_rms`, `.chi`, `.phase`, ..."""
    if not 0 < weight_std < math.inf or not 0 <= bias_std < math.inf:
        raise ValueError(f"weight_std is {weight_std} and bias_std {bias_std}; they are standard "
                         "deviations, finite, the first above 0")
    return MeanField(get(activation), float(weight_std), float(bias_std))


def depth_scale(factor: float) -> float:
    """1 / |ln factor|: in how many layers something multiplied by `factor` changes e times.

    inf at a factor of 1, 0.0 at a factor of 0.
    """
    if factor <= 0:
        return 0.0
    return math.inf if abs(factor - 1) < 1e-6 else 1 / abs(math.log(factor))
