"""The data of the lab `diagnostics`: a grid of real runs, and the broken networks of its game.

    from zh.labs import diagnostics, lab
    grid = diagnostics.grid()                   # every combination of LEVELS, trained: 15 s
    lab("diagnostics", name="lab-diagnostics", title="...", data=grid.pack())
    lab("diagnostics", name="which-layer", title="...", data=diagnostics.patients().pack())

Every point of the grid is a run of its own: an MLP that reads three letters of a name and says the
next.  Runs of one activation, normalisation, depth and width are trained together, as tensors with
an axis for the run, which changes what it costs and not what comes out: rows of a batched product
do not mix, and the sum of the runs' losses has the gradient of each.  All runs of a shape start
from the same normal numbers, times their gain, and see the same minibatches, so that two of them
differ by their setting alone.

What is measured is what `zh.diagnostics` measures; `Watched` has the records of a run in the form
of a Recorder's, and `zh.diagnostics.diagnose` reads them.  In the page a size is one of 100 a
decade (1.2 % off at most), a share one of 64, the height of a histogram's bar one of 12.

Left out: embeddings that are trained (a letter is ten fixed random numbers), evaluation mode, and
histograms of weights.
"""
from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F

from zh import activations, data, meanfield
from zh.diagnostics import diagnose
from zh.diagnostics.findings import Diagnosis
from zh.diagnostics.recorder import LayerRecord, NonFinite, ParameterRecord, Record
from zh.diagnostics.statistics import SATURATED, Values

OWN = "own"                      # the gain that the activation's rule names
GAINS = {"tanh": 5 / 3, "relu": 2**0.5}
LEVELS = {
    "f": ["tanh", "relu"],
    "gain": [0.5**0.5, 1.0, OWN, 3.0],
    "norm": ["none", "batch", "layer"],
    "lr": [0.001, 0.01, 0.1, 1.0],
    "optimizer": ["SGD", "Adam"],
    "depth": [2, 8],
    "width": [16, 48],
}
STEPS = (0, 3, 10, 30, 100)      # the recorded ones; the last is the last
BATCH, BLOCK, DIM, LAST = 32, 3, 10, 0.1
VOCAB, INPUTS, EPS = len(data.ALPHABET), BLOCK * DIM, 1e-5
WINDOW = 5                       # steps whose losses are averaged for the curve
BARS, BELL, HEIGHTS = 16, 12, 12 # bins of activations, of gradients, and heights of a bar
REACH = 3.0                      # a gradient's bins end at so many standard deviations
HIGH = 4.0                       # a rectifier's at so many root mean squares


@dataclass(frozen=True)
class Setting:
    """One run: a point of the grid, or a patient of the game."""

    f: str = "tanh"
    gain: float | str = OWN
    norm: str = "none"
    lr: float = 0.1
    optimizer: str = "SGD"
    depth: int = 8
    width: int = 48
    broken: str | None = None    # a key of BREAKS
    layer: int = 0               # which, from 1
    much: float = 1.0            # how badly

    @property
    def factor(self) -> float:
        """The standard deviation of a weight, times the root of the fan-in."""
        return GAINS[self.f] if self.gain == OWN else self.gain


# ---------------------------------------------------------------------------
# Task


def task(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """What every run sees: inputs (steps, BATCH, 30) and next letters (steps, BATCH).

    A letter is ten normal numbers, drawn once and not trained.
    """
    g = torch.Generator().manual_seed(seed)
    words, _, _ = data.split(data.names())
    X, Y = data.windows(words, BLOCK)
    letters = torch.randn(VOCAB, DIM, generator=g)
    which = torch.randint(len(X), (STEPS[-1] + 1, BATCH), generator=g)
    return letters[X[which]].flatten(2), Y[which]


def start(depth: int, width: int, seed: int = 0) -> list[torch.Tensor]:
    """Weights of one net, std 1 / sqrt(fan-in): `depth` hidden ones, and the last."""
    g = torch.Generator().manual_seed(1000 * depth + width + 1_000_000 * seed)
    sizes = [INPUTS, *[width] * depth, VOCAB]
    return [torch.randn(i, o, generator=g) / i**0.5 for i, o in itertools.pairwise(sizes)]


# ---------------------------------------------------------------------------
# What is seen of a run


@dataclass
class Watched:
    """One run, in the form that `zh.diagnostics.diagnose` reads (see Recorder)."""

    setting: Setting
    kinds: dict[str, str]
    records: list[Record] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    nonfinite: NonFinite | None = None
    loss_kind: str = "classification"
    seen: list[dict[str, np.ndarray]] = field(default_factory=list)  # for the page, a step each

    @property
    def model(self) -> Watched:
        return self

    def diagnose(self) -> Diagnosis:
        return diagnose(self)


def train(settings: list[Setting], x: torch.Tensor, y: torch.Tensor,
          seed: int = 0) -> list[Watched]:
    """Train runs that share f, norm, depth and width, side by side, and watch them.

    x, y: what the steps see, from `task`; seed: of the weights.

    Raises ValueError where they do not share them.
    """
    shared = {(s.f, s.norm, s.depth, s.width) for s in settings}
    if len(shared) != 1:
        raise ValueError(f"runs that are trained together share activation, normalisation, depth "
                         f"and width; these have {len(shared)} different ones")
    nets = Nets(sorted(settings, key=lambda s: s.optimizer), seed)
    runs = {s: Watched(s, nets.kinds) for s in nets.settings}
    for step in range(STEPS[-1] + 1):
        losses, records = nets.step(step, x[step], y[step], watch=step in STEPS)
        for i, run in enumerate(runs.values()):
            if run.nonfinite is None:
                run.losses.append(losses[i])
                if not math.isfinite(losses[i]):
                    run.nonfinite = NonFinite(step, "loss", "the loss", 1.0, sampled=False)
                elif records:
                    run.records.append(records[i][0])
                    run.seen.append(records[i][1])
    return [runs[s] for s in settings]


class Nets:
    """Several MLPs of one shape as one: parameters have an axis (R, ...) for the run."""

    def __init__(self, settings: list[Setting], seed: int = 0):
        one = settings[0]
        self.settings, self.f, self.norm, self.depth = settings, one.f, one.norm, one.depth
        self.runs = len(settings)
        norm = {"none": [], "batch": ["batchnorm"], "layer": ["layernorm"]}[self.norm]
        hidden = range(1, self.depth + 1)
        self.kinds = {"model": "mlp", **{f"{kind} {i}": kind for i in hidden
                                         for kind in ("linear", *norm, self.f)}, "output": "linear"}
        shift = (norm or ["linear"])[0]                 # the layer that has the bias
        gain = torch.tensor([s.factor for s in settings])[:, None, None]         # (R, 1, 1)
        matrices = start(self.depth, one.width, seed)
        self.weights = [w * gain for w in matrices[:-1]]                         # (R, in, out)
        self.weights.append((LAST * matrices[-1]).repeat(self.runs, 1, 1))
        self.biases = [torch.zeros(self.runs, 1, w.shape[1]) for w in matrices]
        self.gains = [torch.ones(self.runs, 1, one.width) for _ in hidden if norm]
        self.cut = torch.zeros(self.depth, self.runs, 1, 1, dtype=torch.bool)
        self.moving = torch.ones(self.depth + 1, self.runs, 1, 1)     # 0: not in the optimizer
        for r, s in enumerate(settings):
            if s.broken:
                BREAKS[s.broken](self, r, s.layer - 1, s.much)
        self.parameters = {
            **{f"linear {i}.weight": w for i, w in zip(hidden, self.weights, strict=False)},
            "output.weight": self.weights[-1],
            **{f"{shift} {i}.bias": b for i, b in zip(hidden, self.biases, strict=False)},
            "output.bias": self.biases[-1],
            **{f"{shift} {i}.gain": g for i, g in zip(hidden, self.gains, strict=False)}}
        for p in self.parameters.values():
            p.requires_grad_()
        self.lr = torch.tensor([s.lr for s in settings])[:, None, None]          # (R, 1, 1)
        self.adam = sum(s.optimizer == "Adam" for s in settings)                 # the first ones
        self.moments = {n: [torch.zeros_like(p[:self.adam]) for _ in range(2)]
                        for n, p in self.parameters.items()}

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """x (B, 30) -> the output of every layer, in order; the last, "output", is (R, B, 27)."""
        out, h = {}, x
        for i in range(self.depth):
            z = h @ self.weights[i]                                              # (R, B, width)
            if self.norm == "none":
                z = z + self.biases[i]
            out[f"linear {i + 1}"] = z
            if self.norm != "none":
                axis = 1 if self.norm == "batch" else 2
                z = z - z.mean(axis, keepdim=True)
                z = z * (z.square().mean(axis, keepdim=True) + EPS).rsqrt()
                z = z * self.gains[i] + self.biases[i]
                out[f"{self.norm}norm {i + 1}"] = z
            h = torch.tanh(z) if self.f == "tanh" else torch.relu(z)
            out[f"{self.f} {i + 1}"] = h
            if self.cut[i].any():
                h = torch.where(self.cut[i], h.detach(), h)
        out["output"] = h @ self.weights[-1] + self.biases[-1]
        return out

    def step(self, number: int, x: torch.Tensor, y: torch.Tensor, watch: bool):
        """One step of all runs: their losses, and [(Record, for the page)] if they are watched."""
        out = self.forward(x)
        loss = F.cross_entropy(out["output"].flatten(0, 1), y.repeat(self.runs), reduction="none")
        loss = loss.view(self.runs, -1).mean(1)                                  # (R,)
        wanted = self.parameters | (out if watch else {})
        grads = dict(zip(wanted, torch.autograd.grad(loss.sum(), list(wanted.values())),
                         strict=True))
        with torch.no_grad():
            changes = {n: self._change(n, number, grads[n]) for n in self.parameters}
            told = self._look(number, loss, x, out, grads, changes) if watch else None
            for name, p in self.parameters.items():
                p += changes[name]
        return loss.tolist(), told

    def _change(self, name: str, number: int, grad: torch.Tensor) -> torch.Tensor:
        """What is added to a parameter: plain SGD, or Adam (Kingma and Ba 2015)."""
        change, a, t = grad.clone(), self.adam, number + 1
        if a:
            m, v = self.moments[name]
            m.lerp_(grad[:a], 0.1)
            v.lerp_(grad[:a] ** 2, 0.001)
            change[:a] = m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        return change * -self.lr * self.moving[self._number(name) - 1]

    def _number(self, name: str) -> int:
        """Which layer a name belongs to, from 1; the output is the last."""
        words = name.partition(".")[0].split()
        return int(words[1]) if len(words) > 1 else self.depth + 1

    def _look(self, number, loss, x, out, grads, changes) -> list[tuple[Record, dict]]:
        """A Record of every run, and the numbers for the page."""
        records = [Record(number, output="output", loss=float(v)) for v in loss]
        given, before = _units(x[None], "")[0], "input"
        for record in records:
            record.layers["input"] = LayerRecord("input", "input", tuple(x.shape), 1, True, True,
                                                 False, None, given, None)
        behind = self.cut.flip(0).cumsum(0).flip(0).bool().flatten(1)            # (depth, R)
        behind = [*behind.tolist(), [False] * self.runs]
        for name, tensor in out.items():
            kind = self.kinds[name]
            hidden = behind[self._number(name) - 1]
            values, slopes = _units(tensor, kind), _entries(grads[name])
            for r, record in enumerate(records):
                record.layers[name] = LayerRecord(
                    name, kind, tuple(tensor.shape[1:]), 1, True, True, kind == "linear", before,
                    values[r], None if hidden[r] else slopes[r])
            before = name
        for name, p in self.parameters.items():
            hidden = behind[self._number(name) - 1]
            slopes, size, moved = _entries(grads[name]), _rms(p), _rms(changes[name])
            dot = (changes[name] * grads[name]).flatten(1).sum(1).tolist()
            for r, record in enumerate(records):
                scale = moved[r] * slopes[r].rms * p[r].numel()
                shape = tuple(p[r].shape) if name.endswith("weight") else tuple(p[r, 0].shape)
                record.parameters[name] = ParameterRecord(
                    name, name.rpartition(".")[0], shape, True, size[r],
                    None if hidden[r] else slopes[r], moved[r], dot[r] / scale if scale else None)
        ends = [*(f"{self.f} {i + 1}" for i in range(self.depth)), "output"]
        bars = np.stack([_bars(out[name], self.f) for name in ends[:-1]], 1)
        bells = np.stack([_bell(grads[name]) for name in ends[:-1]], 1)          # (R, depth, bins)
        weights = list(self.parameters)[:self.depth + 1]
        return [(record, _shown(record, ends, weights, bars[r], bells[r]))
                for r, record in enumerate(records)]


def _shown(record: Record, ends: list[str], weights: list[str], bars, bells) -> dict:
    """What the page shows of one run at one step: an entry a layer, the output's last; of the
    hidden ones also the bins of activations and of their gradient."""
    layers = [record.layers[name] for name in ends]
    weights = [record.parameters[name] for name in weights]
    return {"size": [v.out.rms for v in layers],
            "flat": [_flat(v) for v in layers],
            "stuck": [0.0 if v.out.dead is None else float(v.out.dead.mean()) for v in layers],
            "slope": [0.0 if v.grad is None else v.grad.rms for v in layers],
            "grad": [w.grad_to_data or 0.0 for w in weights],
            "update": [w.update_to_data or 0.0 for w in weights],
            "bars": bars,
            "bell": [b * (v.grad is not None) for b, v in zip(bells, layers, strict=False)]}


def _flat(layer: LayerRecord) -> float:
    """Share of values on the flat part: beyond 0.97 of a tanh, exactly 0 of a rectifier."""
    if layer.kind == "relu":
        return layer.out.zeros
    return layer.out.saturated or 0.0


def _rms(x: torch.Tensor) -> list[float]:
    """Of each run: x (R, ...)."""
    return x.flatten(1).square().mean(1).sqrt().tolist()


def _bare(x: torch.Tensor) -> list[np.ndarray]:
    """Of each run of x (R, ...): mean, std, rms, least, largest, share of zeros, not finite."""
    flat = x.flatten(1).double()
    mean, square = flat.mean(1), flat.square().mean(1)
    std = (square - mean**2).clamp(min=0).sqrt()
    return [t.numpy() for t in (mean, std, square.sqrt(), flat.amin(1), flat.amax(1),
                                (flat == 0).double().mean(1), (~flat.isfinite()).sum(1))]


def _entries(x: torch.Tensor) -> list[Values]:
    """`zh.diagnostics.statistics.entries` of each run, without the histogram."""
    count = x[0].numel()
    return [Values(count, *map(float, v[:-1]), int(v[-1]), None)
            for v in zip(*_bare(x), strict=True)]


def _units(x: torch.Tensor, kind: str) -> list[Values]:
    """`zh.diagnostics.statistics.activations` of each run, without the histogram."""
    low, high = x.amin(1).numpy(), x.amax(1).numpy()                             # (R, units)
    mean = x.mean(1, keepdim=True)
    std = (x - mean).square().mean(1).sqrt().numpy()
    mean = mean[:, 0].numpy()
    saturated = dead = None
    if kind == "relu":
        dead = high <= 0
    elif kind == "tanh":
        dead = (low > SATURATED) | (high < -SATURATED)
        saturated = (x.abs() > SATURATED).double().mean((1, 2)).tolist()
    with np.errstate(invalid="ignore"):                  # a run that broke off
        same = high - low <= 1e-6 * np.maximum(np.abs(high), np.abs(low))
    values = _entries(x)
    for r, v in enumerate(values):
        v.rows, v.same, v.unit_mean, v.unit_std = x.shape[1], same[r], mean[r], std[r]
        if dead is not None:
            v.dead = dead[r]
        if saturated is not None:
            v.saturated = saturated[r]
    return values


def _bars(x: torch.Tensor, kind: str) -> np.ndarray:
    """Counts (R, BARS) of a layer's values: see `edges`."""
    x = x.flatten(1)                                                             # (R, B * units)
    size = x.square().mean(1, keepdim=True).sqrt()
    low, high = edges(kind)
    at = (x if kind == "tanh" else x / size.clamp(min=1e-30)).sub(low).mul(BARS / (high - low))
    return _counts(at, BARS, x != 0 if kind == "relu" else None)


def edges(kind: str) -> tuple[float, float]:
    """Where the bins of an activation begin and end: -1 and 1 of tanh; of a rectifier's values
    that are not 0, from 0 to HIGH times the root mean square of all."""
    return {"tanh": (-1.0, 1.0), "relu": (0.0, HIGH)}[kind]


def _bell(x: torch.Tensor) -> np.ndarray:
    """Counts (R, BELL) of a gradient, from -REACH to REACH of its root mean squares."""
    x = x.flatten(1)
    size = x.square().mean(1, keepdim=True).sqrt()
    return _counts((x / size.clamp(min=1e-30) + REACH) * (BELL / (2 * REACH)), BELL,
                   (size > 0).expand_as(x))


def _counts(at: torch.Tensor, bins: int, mask: torch.Tensor | None = None) -> np.ndarray:
    """How many of `at` (R, N) fall into each of `bins` bins; what lies outside, in the last one
    on its side; what is not finite, nowhere."""
    good = at.isfinite() if mask is None else at.isfinite() & mask
    place = at.nan_to_num(0.0).floor().clamp(0, bins - 1).long()
    place = place + bins * torch.arange(len(at))[:, None]
    return torch.bincount(place[good], minlength=bins * len(at)).view(-1, bins).numpy()


# ---------------------------------------------------------------------------
# Breaks


def _biases(nets: Nets, run: int, layer: int, much: float) -> None:
    """Every unit is pushed far to one side: a rectifier dies, a tanh saturates."""
    b = nets.biases[layer][run, 0]
    signs = torch.ones(len(b)) if nets.f == "relu" else 1 - 2.0 * (torch.arange(len(b)) % 2)
    b.copy_(-much * signs)


def _weights(nets: Nets, run: int, layer: int, much: float) -> None:
    nets.weights[layer][run] *= much


def _cut(nets: Nets, run: int, layer: int, much: float) -> None:
    nets.cut[layer, run] = True


def _left_out(nets: Nets, run: int, layer: int, much: float) -> None:
    nets.moving[layer, run] = 0.0


BREAKS = {"biases": _biases, "large": _weights, "small": _weights, "cut": _cut,
          "left out": _left_out}


# ---------------------------------------------------------------------------
# Theory


def theory(f: str, gain: float, norm: str, depth: int, width: int, start_rms: float) -> dict:
    """What mean-field theory says of step 0: {"size", "slope", "bars"}, a row a hidden layer.

    The pre-activations' variance goes by the length map, or is 1 after a normalisation.  A
    gradient's mean square is multiplied by chi on its way back; behind a layer normalisation by
    E f'^2 / E f^2, whatever the gain.  At the top it is that of equal probabilities through the
    last layer.  None of a batch normalisation's gradients ("slope" is None): there the factor
    depends on how alike the examples of a batch are (Yang et al. 2019).
    """
    act = activations.get(f)
    if norm == "none":
        q = meanfield.lengths(gain**2 * start_rms**2, depth - 1, act, gain)
        factors = [meanfield.chi(v, act, gain) for v in q]
    else:
        q = [1.0] * depth
        factors = [act.slope_moment(1.0) / act.second_moment(1.0)] * depth
    slopes = [LAST * math.sqrt((1 - 1 / VOCAB) / width) / BATCH]
    for factor in reversed(factors[1:]):
        slopes.insert(0, slopes[0] * math.sqrt(factor))
    sizes = [math.sqrt(act.second_moment(math.sqrt(v))) for v in q]
    return {"size": sizes, "slope": None if norm == "batch" else slopes,
            "bars": [_expected(f, math.sqrt(v), size) for v, size in zip(q, sizes, strict=True)]}


def _expected(f: str, std: float, size: float) -> list[float]:
    """Shares of normal pre-activations of this std whose value falls into each bin."""
    low, high = edges(f)
    at = torch.linspace(low, high, BARS + 1, dtype=torch.float64)
    z = at.atanh() if f == "tanh" else at * size
    below = activations.normal_cdf(z / std)
    if f == "relu":
        below[-1] = 1.0
    return below.diff().tolist()


# ---------------------------------------------------------------------------
# For the page

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SMALLEST, DECADE = -18, 100      # a size is 10 ** (SMALLEST + (code - 1) / DECADE); 0 is none
LARGEST = len(DIGITS) ** 2 - 1   # the code of what is not finite or larger


def size_code(x: float) -> int:
    """Which of 4096 codes stands for a size: 0 for 0, LARGEST where it is not finite."""
    if not math.isfinite(x):
        return LARGEST
    if x <= 0:
        return 0
    return min(max(1 + round(DECADE * (math.log10(x) - SMALLEST)), 1), LARGEST)


def size_of(code: int) -> float:
    """The size that a code stands for."""
    return 0.0 if code == 0 else math.inf if code == LARGEST else 10 ** (
        SMALLEST + (code - 1) / DECADE)


def _sizes(values: Iterable[float]) -> str:
    """Two characters a number, the higher digit first."""
    return "".join(DIGITS[c // 64] + DIGITS[c % 64] for c in map(size_code, values))


def _losses(values: Iterable[float]) -> str:
    """Hundredths, two characters each; LARGEST for what is not finite."""
    codes = (min(round(100 * v), LARGEST - 1) if math.isfinite(v) else LARGEST for v in values)
    return "".join(DIGITS[c // 64] + DIGITS[c % 64] for c in codes)


def _shares(values: Iterable[float]) -> str:
    return "".join(DIGITS[round(63 * v)] for v in values)


def _heights(rows: Iterable[Iterable[float]]) -> str:
    """Twelve heights, of the root of a count over that of the highest bar of its row."""
    return "".join(DIGITS[round((HEIGHTS - 1) * math.sqrt(v / (max(row) or 1)))]
                   for row in rows for v in row)


WRITE = {"size": _sizes, "flat": _shares, "stuck": _shares, "slope": _sizes, "grad": _sizes,
         "update": _sizes, "bars": _heights, "bell": _heights}


def pack_runs(runs: list[Watched]) -> dict:
    """Runs of one depth: {"depth", "recorded": how many steps of each run, "loss", "size", ...}.

    Every field is one string: run by run within a step, so that what is equal stands close.
    Of a run that broke off, the rest is filled with the code 0.
    """
    depth = runs[0].setting.depth
    empty = {key: [[0] * bins] * depth if (bins := {"bars": BARS, "bell": BELL}.get(key))
             else [0] * (depth + 1) for key in WRITE}
    packed = {"depth": depth, "recorded": "".join(DIGITS[len(run.seen)] for run in runs),
              "loss": _losses(v for run in runs for v in curve(run))}
    for key, write in WRITE.items():
        packed[key] = "".join(write((run.seen[i] if i < len(run.seen) else empty)[key])
                              for i in range(len(STEPS)) for run in runs)
    return packed


def curve(run: Watched) -> list[float]:
    """The loss, WINDOW steps' mean after WINDOW; infinite from where it was not finite."""
    losses = [*run.losses, *[math.inf] * (STEPS[-1] + 1 - len(run.losses))]
    return [sum(losses[i:i + WINDOW]) / WINDOW for i in range(0, STEPS[-1], WINDOW)]


def words(diagnosis: Diagnosis) -> list[list[str]]:
    """[[what, where, evidence, first thing to try, what it follows from], ...]."""
    return [[f.what, ", ".join(f.where[:3]) + (f" and {len(f.where) - 3} more"
                                               if len(f.where) > 3 else ""),
             f.evidence, f.remedies[0], f.follows or ""] for f in diagnosis]


COMMON = {"steps": list(STEPS), "window": WINDOW, "bars": BARS, "bell": BELL,
          "heights": HEIGHTS, "reach": REACH, "high": HIGH, "digits": DIGITS,
          "smallest": SMALLEST, "decade": DECADE}


# ---------------------------------------------------------------------------
# The grid


@dataclass
class Grid:
    """Every combination of LEVELS, trained."""

    runs: dict[Setting, Watched]
    start_rms: float             # size of the inputs of the first step

    def __len__(self) -> int:
        return len(self.runs)

    def run(self, **setting) -> Watched:
        """The run with this setting; what is not named is as in Setting."""
        return self.runs[Setting(**setting)]

    def pack(self) -> dict:
        """For the page: LEVELS, and for each shape "8x48" its runs, theory and diagnoses."""
        shapes = {}
        for depth, width in itertools.product(LEVELS["depth"], LEVELS["width"]):
            shape = f"{depth}x{width}"
            settings = [s for s in points() if (s.depth, s.width) == (depth, width)]
            runs = [self.runs[s] for s in settings]
            starts = dict.fromkeys((s.f, s.factor, s.norm) for s in settings)
            said = [theory(*which, depth, width, self.start_rms) for which in starts]
            shapes[shape] = {
                **pack_runs(runs), "said": [words(run.diagnose()) for run in runs],
                "theory": {"size": _sizes(v for t in said for v in t["size"]),
                           "slope": _sizes(v for t in said for v in t["slope"] or [0.0] * depth),
                           "bars": "".join(_heights(t["bars"]) for t in said)}}
        return {**COMMON, "levels": LEVELS, "shapes": shapes}


def points() -> Iterator[Setting]:
    """The settings of the grid. What changes nothing at step 0 comes last."""
    keys = ["depth", "width", "f", "norm", "gain", "lr", "optimizer"]
    for values in itertools.product(*(LEVELS[key] for key in keys)):
        yield Setting(**dict(zip(keys, values, strict=True)))


def grid() -> Grid:
    """Train every combination of LEVELS."""
    x, y = task()
    runs = {}
    for _, group in itertools.groupby(points(), lambda s: (s.depth, s.width, s.f, s.norm)):
        settings = list(group)
        runs |= zip(settings, train(settings, x, y), strict=True)
    return Grid(runs, float(x[0].square().mean().sqrt()))


# ---------------------------------------------------------------------------
# The game

KINDS = {"biases": "its biases are far too large", "large": "its weights are far too large",
         "small": "its weights are far too small", "cut": "the gradient is cut off after it",
         "left out": "the optimiser was not given its weights"}
MUCH = {"biases": 8.0, "large": 15.0, "small": 0.02}
CODES = {"biases": ("dead", "saturated"), "large": ("saturated", "exploding"),
         "small": ("vanishing", "bottleneck"), "cut": ("detached",), "left out": ("not_updated",)}
HEALTHY = (0.05, 0.1, 0.2)       # learning rates of the healthy ones, for each activation
HIDDEN = 5


@dataclass
class Game:
    """Networks of five hidden layers: one break each, or none."""

    runs: list[Watched]

    def pack(self) -> dict:
        """For the page: the runs, their settings, and what the answers say."""
        cases = [{"f": s.f, "broken": s.broken or "", "layer": s.layer, "why": evidence(run),
                  "said": words(run.diagnose()), "named": named(run)}
                 for run in self.runs for s in [run.setting]]
        return {**COMMON, "kinds": KINDS, "cases": cases, "runs": pack_runs(self.runs)}


def patients() -> Game:
    """One network for each activation, break and layer, and some that are sound."""
    x, y = task()
    runs = []
    for seed, f in enumerate(GAINS, 1):
        sound = Setting(f, depth=HIDDEN, width=32)
        settings = [replace(sound, broken=kind, layer=layer, much=MUCH.get(kind, 1.0))
                    for kind in BREAKS for layer in range(1, HIDDEN + 1)]
        runs += train(settings + [replace(sound, lr=lr) for lr in HEALTHY], x, y, seed)
    return Game(runs)


def named(run: Watched) -> bool:
    """Whether `zh.diagnostics` names the break and its layer; of a sound network, says nothing."""
    s, findings = run.setting, run.diagnose().findings
    if not s.broken:
        return not findings
    end = -1 if s.broken == "cut" else 0                 # where the list of layers tells the place
    return any(f.code in CODES[s.broken] and f.where[end].endswith(f" {s.layer}")
               for f in findings)


def evidence(run: Watched) -> str:
    """What the plots show of the break, with its numbers."""
    s, k, first, last = run.setting, run.setting.layer - 1, run.seen[0], run.seen[-1]
    size, flat, stuck = first["size"], first["flat"], first["stuck"]
    if s.broken == "biases" and s.f == "relu":
        return (f"At step 0 {_percent(stuck[k])} of the units of layer {s.layer} are 0 for every "
                "example" + (f", and {_percent(stuck[k - 1])} of those of layer {k}" if k else "")
                + ": what comes after gets nothing, and what comes before gets no gradient.")
    if s.broken == "biases":
        others = max(v for i, v in enumerate(stuck[:-1]) if i != k)
        return (f"At step 0 {_percent(stuck[k])} of the units of layer {s.layer} sit at the same "
                f"end of the tanh for every example, of any other layer at most "
                f"{_percent(others)}: a bias pushes each to its own side.")
    if s.broken == "large" and s.f == "tanh":
        others = max(v for i, v in enumerate(flat[:-1]) if i != k)
        return (f"At step 0 {_percent(flat[k])} of the values of layer {s.layer} are beyond 0.97, "
                f"of any other layer at most {_percent(others)}; but only {_percent(stuck[k])} of "
                "its units for every example: the sum is too large, whichever way it goes.")
    if s.broken in ("large", "small"):
        before = f"those of layer {k}" if k else "the inputs"
        ratio = size[k] / (size[k - 1] if k else float(run.records[0].layers["input"].out.rms))
        return (f"At step 0 the values of layer {s.layer} are {ratio:.2g} times as large as "
                f"{before}. The layers after it hand that on.")
    if s.broken == "cut":
        dark = "layer 1" if s.layer == 1 else f"layers 1 to {s.layer}"
        return (f"No gradient reaches {dark}, at any step, and nothing there moves; "
                f"{'layer ' + str(s.layer + 1) if s.layer < s.depth else 'the output'} has one.")
    if s.broken == "left out":
        return (f"The weights of layer {s.layer} have a gradient, {last['grad'][k]:.1g} of their "
                f"size at step {STEPS[-1]}, and do not move at all.")
    return (f"Sizes from {min(size[:-1]):.2g} to {max(size[:-1]):.2g}, updates from "
            f"{min(last['update']):.1g} to {max(last['update']):.1g} of the weights, and the loss "
            f"falls from {run.losses[0]:.2f} to {curve(run)[-1]:.2f}.")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
