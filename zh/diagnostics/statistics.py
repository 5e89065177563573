"""The numbers that describe one tensor: how large, how spread, how much of it is stuck.

    values = activations(tensor, axis=-1, kind="tanh")     # of a layer's output, unit by unit
    values = entries(tensor)                               # of a gradient or a weight

A few reductions and one histogram, in numpy, whose operations on small arrays cost less than
torch's.  Low precision (bfloat16, float16) is measured in float32.  Of a tensor with more than
LARGEST entries evenly spaced ones are measured (of activations whole rows, FEWEST at least), so
that the cost is bounded: its std is then right to one or two percent.  Whether all of it is finite
is always looked up in full.  What is left out: order statistics, which need a sort.

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
LARGEST = 1 << 12    # entries that are measured one and all
FEWEST = 256         # rows that are measured at least, however wide they are
ONE_SIDED = ("relu", "relu6", "threshold")              # exactly zero on one side
TWO_SIDED = ("tanh", "sigmoid", "hardtanh", "hardsigmoid")   # flat on both sides


@dataclass
class Values:
    """Statistics of the entries of a tensor; of all of them together if a layer ran twice.

    Of activations also, unit by unit (a unit is a feature, or a channel of a convolution, and its
    values are those over examples and places), the arrays at the end.
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
    saturated: float | None = None     # share of entries on the flat part; tanh and sigmoid only
    dead: np.ndarray | None = None     # (units,) on the flat part for every example
    same: np.ndarray | None = None     # (units,) one value for every example
    unit_mean: np.ndarray | None = None    # (units,) over the examples
    unit_std: np.ndarray | None = None

    @property
    def norm(self) -> float:
        """Root of the sum of squares."""
        return self.rms * math.sqrt(self.count)

    @property
    def edges(self) -> np.ndarray:
        """The BINS + 1 edges of the histogram."""
        return np.linspace(self.low, self.high, BINS + 1)

    @property
    def spread(self) -> float:
        """How much the examples differ: root mean square over the units of a unit's std."""
        if self.unit_std is None:
            return math.nan
        return math.sqrt(float(np.square(self.unit_std, dtype=np.float64).mean()))

    @property
    def constant(self) -> bool:
        """No unit differs between examples."""
        return self.same is not None and bool(self.same.all())

    @property
    def unevenness(self) -> float:
        """Largest over smallest std of a unit, of those that vary at all."""
        varying = self.unit_std[~self.same]
        return float(varying.max() / varying.min()) if len(varying) else math.nan

    @property
    def varying(self) -> int:
        """How many units differ between examples."""
        return 0 if self.same is None else int((~self.same).sum())

    @property
    def distinct(self) -> int:
        """How many of the varying units differ from one another.

        Told by their mean and std over the examples: two units that compute the same agree to
        rounding; two that do not agree in both to one part in 10^4 about once in 10^7 pairs.
        """
        if self.varying < 2:
            return self.varying
        marks = []
        for v in (self.unit_mean, self.unit_std):
            v = np.nan_to_num(v[~self.same].astype(np.float64))      # a square may have overflowed
            marks.append(np.round(v / max(np.abs(v).max(), 1e-300) * 1e4))
        return len(np.unique(marks[0] * 1e5 + marks[1]))


def _cheap(tensor: torch.Tensor) -> torch.Tensor | np.ndarray:
    """The tensor without graph, as an array where that copies nothing: its slices cost less."""
    x = tensor.detach()
    plain = x.dtype in (torch.float32, torch.float64) and x.layout == torch.strided
    return x.numpy() if plain and x.device.type == "cpu" else x


def _array(x: torch.Tensor | np.ndarray) -> np.ndarray:
    """The numbers of a tensor: dense, real, float32 or float64, in main memory."""
    if isinstance(x, np.ndarray):
        return x
    if x.layout != torch.strided:
        x = x.to_dense()
    if x.is_complex():
        x = x.abs()
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    return x.cpu().numpy()


def _histogram(flat: np.ndarray, low: float, high: float) -> np.ndarray:
    """Counts in BINS equal bins from low to high, the last one closed; of one value, all in one."""
    width = high - low
    if not 0 < width < math.inf:
        return np.bincount([BINS // 2], [flat.size], BINS)
    if width > 1e38:                                  # beyond float32, though its ends are not
        flat = flat.astype(np.float64)
    places = (flat - low) / width * (BINS * (1 - 1e-6))     # the largest stays below BINS
    return np.bincount(places.astype(np.intp), minlength=BINS)


def _broken(tensor: torch.Tensor) -> Values:
    """The record of a tensor in which something is not finite."""
    nan, count = math.nan, tensor.numel()
    bad = count - int(torch.isfinite(tensor.detach()).sum())
    return Values(count, nan, nan, nan, nan, nan, nan, bad, None)


def _finite(tensor: torch.Tensor, low: float, high: float) -> bool:
    """All entries are finite; low and high are those of the measured part, or NaN."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return False
    if tensor.numel() <= LARGEST:
        return True
    whole = tensor.detach()                     # a sum is finite if its terms are, or it overflows
    return math.isfinite(float(whole.abs().sum() if whole.is_complex() else whole.sum())) or bool(
        torch.isfinite(whole).all())


def entries(tensor: torch.Tensor) -> Values | None:
    """Statistics of all entries of a tensor, whatever its shape; None if it has none."""
    count = tensor.numel()
    if count == 0:
        return None
    part = _cheap(tensor)
    if count > LARGEST and tensor.layout == torch.strided:
        part = part.reshape(-1)[::math.ceil(count / LARGEST)]
    flat = np.ascontiguousarray(_array(part)).reshape(-1)
    low, high = float(np.minimum.reduce(flat)), float(np.maximum.reduce(flat))
    if not _finite(tensor, low, high):
        return _broken(tensor)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.add.reduce(flat)) / flat.size
        rms = math.sqrt(float(np.dot(flat, flat)) / flat.size)
    if not math.isfinite(rms):           # the squares, or the sum, overflowed, not the entries
        mean = float(flat.mean(dtype=np.float64))
        rms = math.sqrt(float(np.square(flat, dtype=np.float64).mean()))
    return Values(count, mean, math.sqrt(max(rms * rms - mean * mean, 0.0)), rms, low, high,
                  1 - int(np.count_nonzero(flat)) / flat.size, 0, _histogram(flat, low, high))


def activations(tensor: torch.Tensor, axis: int = -1, kind: str = "") -> Values | None:
    """Statistics of a layer's output; `axis` counts its units, all other axes its examples.

    kind: the function that made it, where one is known: `saturated` and `dead` depend on it.
    """
    count = tensor.numel()
    if count == 0:
        return None
    x = _cheap(tensor)
    x = x.reshape(-1, 1) if x.ndim < 2 else x.swapaxes(axis, -1)  # (examples, ..., units)
    units = x.shape[-1]
    if count > LARGEST:
        enough = max(LARGEST // units, FEWEST)
        x = x[::max(min(count // units // enough, len(x)), 1)]
        x = x.reshape(-1, units)
        x = x[::max(len(x) // enough, 1)]
    x = _array(x.reshape(-1, units))                              # (rows, units)
    rows = len(x)
    if rows > units:                    # the sums below run over the rows: put these side by side
        x = np.asfortranarray(x)
    low, high = np.minimum.reduce(x), np.maximum.reduce(x)        # (units,) each
    lowest, highest = float(np.minimum.reduce(low)), float(np.maximum.reduce(high))
    if not _finite(tensor, lowest, highest):
        return _broken(tensor)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduce(x) / rows
        away = x - mean
        std = np.sqrt(np.einsum("ij,ij->j", away, away) / rows)
        whole = float(np.add.reduce(mean)) / len(mean)
        square = float(np.dot(mean, mean) + np.dot(std, std)) / len(mean)
    saturated = dead = None
    if kind in ONE_SIDED:
        dead = high <= 0
    elif kind in TWO_SIDED:
        middle, half = (0.5, 0.5) if "sigmoid" in kind else (0.0, 1.0)
        flat = half * SATURATED
        dead = (low > middle + flat) | (high < middle - flat)
        saturated = int(np.count_nonzero(np.abs(x - middle if middle else x) > flat)) / x.size
    same = high - low <= 1e-6 * np.maximum(np.abs(high), np.abs(low))
    return Values(count, whole, math.sqrt(max(square - whole * whole, 0.0)), math.sqrt(square),
                  lowest, highest, 1 - int(np.count_nonzero(x)) / x.size, 0,
                  _histogram(x.ravel("K"), lowest, highest), count // units, saturated, dead,
                  same, mean, std)


def merge(parts: list[Values]) -> Values:
    """The statistics of several tensors as if they had been one."""
    if len(parts) == 1:
        return parts[0]
    count = sum(p.count for p in parts)

    def average(of):
        return sum(p.count * of(p) for p in parts) / count

    mean, rms = average(lambda p: p.mean), math.sqrt(average(lambda p: p.rms ** 2))
    low, high = min(p.low for p in parts), max(p.high for p in parts)
    whole = Values(
        count, mean, math.sqrt(max(rms * rms - mean * mean, 0.0)), rms, low, high,
        average(lambda p: p.zeros), sum(p.nonfinite for p in parts), _rebinned(parts, low, high),
        sum(p.rows for p in parts))
    if all(p.saturated is not None for p in parts):
        whole.saturated = average(lambda p: p.saturated)
    if all(p.same is not None and len(p.same) == len(parts[0].same) for p in parts):
        if all(p.dead is not None for p in parts):
            whole.dead = np.logical_and.reduce([p.dead for p in parts])
        weights = np.array([p.rows for p in parts])[:, None] / whole.rows        # (parts, 1)
        means = np.stack([p.unit_mean for p in parts])                           # (parts, units)
        stds = np.stack([p.unit_std for p in parts])
        whole.unit_mean = (weights * means).sum(0)
        whole.unit_std = np.sqrt((weights * (stds ** 2 + (means - whole.unit_mean) ** 2)).sum(0))
        whole.same = np.logical_and.reduce([p.same for p in parts])
    return whole


def _rebinned(parts: list[Values], low: float, high: float) -> np.ndarray | None:
    """The histograms of `parts` in the bins from low to high, by the middle of each old bin."""
    if any(p.histogram is None for p in parts):
        return None
    total = np.zeros(BINS)
    for p in parts:
        middles = (p.edges[:-1] + p.edges[1:]) / 2
        places = np.clip((middles - low) / ((high - low) or 1) * BINS, 0, BINS - 1).astype(int)
        total += np.bincount(places, p.histogram, BINS)
    return total
