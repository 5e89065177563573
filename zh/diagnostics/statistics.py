"""The numbers that describe one tensor: how large, how spread, how much of it is stuck.

    values = activations(tensor, axis=-1, kind="tanh")     # of a layer's output, unit by unit
    values = entries(tensor)                               # of a gradient or a weight

Everything is one pass of a few reductions and one histogram; low precision (bfloat16, float16) is
measured in float32.  What is left out: order statistics, which need a sort.

Which tanh counts as saturated: |t| > 0.97, where the slope 1 - t^2 is below 0.06 (Karpathy's
lecture 4, 2022).  A sigmoid s is the same curve, s = (1 + tanh) / 2, so the same limit is
|2 s - 1| > 0.97.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

BINS = 50            # of a histogram
SATURATED = 0.97     # |tanh| beyond which a unit passes back less than 6 % of its gradient
SAMPLE = 65_536      # a histogram of a larger tensor looks at evenly spaced entries
ONE_SIDED = ("relu", "relu6", "threshold")              # exactly zero on one side
TWO_SIDED = ("tanh", "sigmoid", "hardtanh", "hardsigmoid")   # flat on both sides


@dataclass
class Values:
    """Statistics of the entries of a tensor; of all of them together if a layer ran twice.

    Of activations also, unit by unit (a unit is a feature, or a channel of a convolution, and its
    values are those over examples and places): `spread`, `dead`, `same` and `distinct`.
    """

    count: int
    mean: float
    std: float
    rms: float                     # root of the mean square
    low: float
    high: float
    zeros: float                   # share of entries that are exactly zero
    nonfinite: int                 # how many are NaN or infinite; if any, the rest is NaN
    histogram: np.ndarray | None   # (BINS,) counts in equal bins from low to high
    rows: int = 0                  # values a unit
    spread: float = math.nan       # root mean square over units of a unit's std over the examples
    saturated: float | None = None     # share of entries on the flat part; tanh and sigmoid only
    dead: np.ndarray | None = None     # (units,) on the flat part for every example
    same: np.ndarray | None = None     # (units,) one value for every example
    distinct: int = 0              # how many different units there are among those that vary
    units_low: float = math.nan    # smallest and largest std of a unit that varies
    units_high: float = math.nan

    @property
    def norm(self) -> float:
        """Root of the sum of squares."""
        return self.rms * math.sqrt(self.count)

    @property
    def edges(self) -> np.ndarray:
        """The BINS + 1 edges of the histogram."""
        return np.linspace(self.low, self.high, BINS + 1)

    @property
    def varying(self) -> int:
        """How many units differ between examples."""
        return 0 if self.same is None else int((~self.same).sum())


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Without its graph, dense, real, and in a precision that can be summed."""
    x = tensor.detach()
    if x.is_sparse:
        x = x.to_dense()
    if x.is_complex():
        x = x.abs()
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _histogram(x: torch.Tensor, low: float, high: float) -> np.ndarray:
    flat = x.reshape(-1)
    if flat.numel() > SAMPLE:
        flat = flat[::math.ceil(flat.numel() / SAMPLE)]
    return torch.histc(flat, BINS, low, high).cpu().numpy()


def _broken(x: torch.Tensor) -> Values:
    """The record of a tensor in which something is not finite."""
    nan = math.nan
    bad = int((~torch.isfinite(x)).sum())
    zeros = float((x == 0).sum()) / x.numel()
    return Values(x.numel(), nan, nan, nan, nan, nan, zeros, bad, None)


@torch.no_grad()
def entries(tensor: torch.Tensor) -> Values | None:
    """Statistics of all entries of a tensor, whatever its shape; None if it has none."""
    x = _plain(tensor)
    if x.numel() == 0:
        return None
    low, high = torch.aminmax(x)
    low, high, total, norm, filled = torch.stack(
        [low, high, x.sum(), torch.linalg.vector_norm(x), x.count_nonzero().to(x.dtype)]).tolist()
    if not math.isfinite(low) or not math.isfinite(high):
        return _broken(x)
    mean, rms = total / x.numel(), norm / math.sqrt(x.numel())
    if not math.isfinite(rms):                        # the squares overflowed, not the entries
        rms = float(x.double().square().mean().sqrt())
    std = math.sqrt(max(rms * rms - mean * mean, 0.0))
    return Values(x.numel(), mean, std, rms, low, high, 1 - filled / x.numel(), 0,
                  _histogram(x, low, high))


@torch.no_grad()
def activations(tensor: torch.Tensor, axis: int = -1, kind: str = "") -> Values | None:
    """Statistics of a layer's output; `axis` counts its units, all other axes its examples.

    kind: the function that made it, where one is known: `saturated` and `dead` depend on it.
    """
    x = _plain(tensor)
    if x.numel() == 0:
        return None
    if x.ndim < 2:
        x = x.reshape(-1, 1)
    x = x.movedim(axis, -1).reshape(-1, x.shape[axis])            # (rows, units)
    rows, units = x.shape
    flat = middle = None
    if kind in TWO_SIDED:
        middle, half = (0.5, 0.5) if "sigmoid" in kind else (0.0, 1.0)
        flat = half * SATURATED
    low, high = torch.aminmax(x, dim=0)                           # (units,) each
    mean = x.mean(0)
    std = torch.linalg.vector_norm(x - mean, dim=0) / math.sqrt(rows)
    told = [low, high, mean, std, (x != 0).sum(0)]
    if flat is not None:
        told.append(((x - middle).abs() > flat).sum(0))
    # one transfer from the device; what follows is one number a unit
    low, high, mean, std, filled, *beyond = torch.stack(
        [t.to(x.dtype) for t in told]).cpu().double().numpy()
    lowest, highest = float(low.min()), float(high.max())
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        return _broken(x)
    spread = math.sqrt(float(np.square(std).mean()))
    rms, mean_all = math.hypot(spread, math.sqrt(float(np.square(mean).mean()))), mean.mean()
    dead = None
    if kind in ONE_SIDED:
        dead = high <= 0
    elif flat is not None:
        dead = (low > middle + flat) | (high < middle - flat)
    same = high - low <= 1e-6 * np.maximum(np.abs(high), np.abs(low))
    varying = std[~same]
    return Values(
        x.numel(), float(mean_all), math.sqrt(max(rms * rms - mean_all * mean_all, 0.0)), rms,
        lowest, highest, 1 - float(filled.sum()) / x.numel(), 0, _histogram(x, lowest, highest),
        rows, spread, float(beyond[0].sum()) / x.numel() if beyond else None, dead, same,
        _distinct(mean[~same], varying), float(varying.min(initial=math.inf)), float(std.max()))


def _distinct(mean: np.ndarray, std: np.ndarray) -> int:
    """How many units differ from one another: by their mean and std over the examples.

    Two units that compute the same agree to rounding; two that do not agree in both numbers to
    one part in 10^4 about once in 10^7 pairs.
    """
    if len(mean) < 2:
        return len(mean)
    with np.errstate(invalid="ignore"):                # a square may have overflowed
        marks = [np.round(v / max(float(np.abs(v).max()), 1e-30) * 1e4) for v in (mean, std)]
    return len(np.unique(marks[0] * 1e5 + marks[1]))


def merge(parts: list[Values]) -> Values:
    """The statistics of several tensors as if they had been one."""
    if len(parts) == 1:
        return parts[0]
    count = sum(p.count for p in parts)

    def average(of):
        return sum(p.count * of(p) for p in parts) / count

    mean, rms = average(lambda p: p.mean), math.sqrt(average(lambda p: p.rms ** 2))
    low, high = min(p.low for p in parts), max(p.high for p in parts)
    fit = all(p.same is not None and len(p.same) == len(parts[0].same) for p in parts
              if parts[0].same is not None) and parts[0].same is not None

    def every(of):
        masks = [of(p) for p in parts]
        return np.logical_and.reduce(masks) if fit and masks[0] is not None else None

    told = [p.saturated for p in parts]
    return Values(
        count, mean, math.sqrt(max(rms * rms - mean * mean, 0.0)), rms, low, high,
        average(lambda p: p.zeros), sum(p.nonfinite for p in parts), _rebinned(parts, low, high),
        sum(p.rows for p in parts), math.sqrt(average(lambda p: p.spread ** 2)),
        average(lambda p: p.saturated) if None not in told else None,
        every(lambda p: p.dead), every(lambda p: p.same), max(p.distinct for p in parts),
        min(p.units_low for p in parts), max(p.units_high for p in parts))


def _rebinned(parts: list[Values], low: float, high: float) -> np.ndarray | None:
    """The histograms of `parts` in the bins from low to high, by the middle of each old bin."""
    if any(p.histogram is None for p in parts):
        return None
    total = np.zeros(BINS)
    for p in parts:
        middles = (p.edges[:-1] + p.edges[1:]) / 2
        total += np.histogram(middles, BINS, (low, high or 1.0) if low == high else (low, high),
                              weights=p.histogram)[0]
    return total
