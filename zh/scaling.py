"""A scaling curve of the book's own models: budgets of operations, models of several sizes, a fit.

    row = run(3e9, SIZES[1], seed=0)              # train one model until the budget is used up
    best = frontier(rows)                         # for each budget the least loss over the sizes
    line = fit(*points(best))                     # loss = floor + scale * (C / UNIT) ** -power

A budget is a number of operations of matrix products, forward and back, as `zh.sizes.operations`
counts them; it says how many steps a model may take. All models read 64 characters, learn from 4
pieces a step, and have a learning rate of 0.32 over their width, which was chosen at two budgets.

Loss against compute: Kaplan et al. 2020. Several sizes for each budget, and a fit with a floor:
Hoffmann et al. 2022. How little such a fit may know of its numbers: Besiroglu et al. 2024.
"""
from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass

import torch

from zh import gpt_ladder, sizes, training
from zh.gpt import GPT, GPTConfig, draw_blocks, evaluate, optimizer

BLOCK, BATCH, RATE, STD, WARMUP = 64, 4, 0.32, 0.1, 0.05
UNIT = 1e10                                       # budgets in fits are counted in these
SIZES = {"1 x 4": (1, 4), "1 x 8": (1, 8), "1 x 12": (1, 12), "1 x 16": (1, 16),
         "2 x 16": (2, 16), "2 x 24": (2, 24), "2 x 32": (2, 32)}
GRID = {6.5e8: ("1 x 8", "1 x 12", "1 x 16"), 1.0e9: ("1 x 8", "1 x 12", "1 x 16"),
        3.0e9: ("1 x 8", "1 x 12", "1 x 16"), 6.5e9: ("1 x 8", "1 x 12", "1 x 16"),
        1.4e10: ("1 x 12", "1 x 16", "2 x 16"), 3.0e10: ("1 x 16", "2 x 16", "2 x 24"),
        6.5e10: ("2 x 16", "2 x 24", "2 x 32")}
# where the best of the three is the smallest or the largest: the next size on that side
EDGES = {6.5e8: "1 x 4", 1.0e9: "1 x 4", 3.0e9: "1 x 4", 6.5e9: "2 x 16", 3.0e10: "1 x 12"}
BEYOND = (1.4e11, "2 x 24", 0)                    # one run that no fit has seen
SEEDS = (0, 1)


def config(size: str, vocab: int) -> GPTConfig:
    """The model of a size: layers x width."""
    if size not in SIZES:
        raise ValueError(f"no size {size!r}; there is {', '.join(SIZES)}")
    layers, dim = SIZES[size]
    return GPTConfig(vocab=vocab, block=BLOCK, layers=layers, heads=2 if dim < 32 else 4, dim=dim,
                     positions="rope", std=STD)


def steps(budget: float, c: GPTConfig) -> int:
    """How many steps of BATCH pieces a budget pays for; ValueError for less than one."""
    found = round(budget / (sizes.operations(c)["training"] * BATCH * BLOCK))
    if found < 1:
        raise ValueError(f"a budget of {budget:.2g} operations pays for no step of this model; "
                         f"one costs {sizes.operations(c)['training'] * BATCH * BLOCK:.2g}.")
    return found


def run(budget: float, size: str, seed: int, text: str = "bundled") -> dict:
    """Train one model for a budget: what the record keeps of it."""
    train, held, tokenizer = gpt_ladder.corpus(text)
    c = config(size, tokenizer.vocab_size)
    count, rate = steps(budget, c), RATE / c.dim
    g = torch.Generator().manual_seed(seed)
    model, began = GPT(c, generator=g), time.process_time()
    training.train(model, draw_blocks(train, BLOCK, BATCH), count, generator=g, progress=False,
                   optimizer=optimizer(model, rate),
                   lr=training.cosine(rate, count, warmup=int(WARMUP * count)))
    return {"budget": budget, "size": size, "seed": seed, "steps": count,
            "parameters": sizes.parameters(c)["all"], "tokens": count * BATCH * BLOCK,
            "times": count * BATCH * BLOCK / len(train), "loss": evaluate(model, held, BLOCK),
            "cpu": time.process_time() - began}


# ---------------------------------------------------------------------------
# From runs to a curve


def means(rows: list[dict]) -> dict[tuple[float, str], list[float]]:
    """{(budget, size): the loss of each seed}."""
    found = defaultdict(list)
    for row in rows:
        found[row["budget"], row["size"]].append(row["loss"])
    return dict(found)


def frontier(rows: list[dict]) -> dict[float, tuple[str, float]]:
    """{budget: (the size with the least mean loss, that loss)}, from the smallest budget on."""
    found: dict[float, tuple[str, float]] = {}
    for (budget, size), losses in means(rows).items():
        loss = statistics.fmean(losses)
        if budget not in found or loss < found[budget][1]:
            found[budget] = size, loss
    return dict(sorted(found.items()))


def points(best: dict[float, tuple[str, float]]) -> tuple[list[float], list[float]]:
    """Budgets and losses of a frontier."""
    return list(best), [loss for _, loss in best.values()]


def spread(rows: list[dict]) -> float:
    """Standard deviation of a loss over seeds, pooled over all budgets and sizes."""
    groups = [losses for losses in means(rows).values() if len(losses) > 1]
    if not groups:
        raise ValueError("no budget and size was run with two seeds: nothing says how much a loss "
                         "depends on the seed.")
    return math.sqrt(sum(statistics.variance(g) * (len(g) - 1) for g in groups)
                     / sum(len(g) - 1 for g in groups))


@dataclass(frozen=True)
class Fit:
    """loss(C) = floor + scale * (C / UNIT) ** -power, or in the form "logarithm"
    floor - scale * ln(C / UNIT)."""

    form: str
    floor: float
    scale: float
    power: float
    error: float                                  # root mean square over the points

    def __call__(self, budget: float) -> float:
        x = budget / UNIT
        if self.form == "logarithm":
            return self.floor - self.scale * math.log(x)
        return self.floor + self.scale * x ** -self.power


FORMS = ("floor", "no floor", "logarithm")
POWERS = torch.linspace(0.01, 1.5, 1491, dtype=torch.float64)


def fit(budgets: list[float], losses: list[float], form: str = "floor") -> Fit:
    """Least squares in the loss.

    "floor": three numbers, the floor not below 0. "no floor": floor 0.
    "logarithm": a straight line over ln C. For a given power the rest is
    linear, so each power of POWERS is tried.
    """
    x, y = checked(budgets, losses, form)                          # (N,) each
    if form == "logarithm":
        floor, scale = _line(-x.log()[None], y)
        powers = torch.zeros(1, dtype=torch.float64)
        guess = floor[:, None] - scale[:, None] * x.log()          # (1, N)
    else:
        powers = POWERS
        basis = x ** -powers[:, None]                              # (powers, N)
        through_zero = (basis * y).sum(1) / (basis ** 2).sum(1)
        if form == "floor":
            floor, scale = _line(basis, y)
            below = floor < 0
            floor = floor.masked_fill(below, 0.0)
            scale = torch.where(below, through_zero, scale)
        else:
            floor, scale = torch.zeros_like(powers), through_zero
        guess = floor[:, None] + scale[:, None] * basis            # (powers, N)
    errors = (guess - y).square().mean(1).sqrt()
    i = int(errors.argmin())
    return Fit(form, floor[i].item(), scale[i].item(), powers[i].item(),
               errors[i].item())


def checked(budgets: list[float], losses: list[float],
            form: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Budgets in UNITs and losses, (N,) each, float64.

    Raises ValueError for an unknown form or for fewer points than numbers to find.
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; it is one of {', '.join(FORMS)}.")
    least = 3 if form == "floor" else 2
    if len(budgets) != len(losses) or len(budgets) < least:
        raise ValueError(f"{len(budgets)} budgets and {len(losses)} losses; the form {form!r} "
                         f"needs {least} of each at least.")
    return (torch.tensor(budgets, dtype=torch.float64) / UNIT,
            torch.tensor(losses, dtype=torch.float64))


def _line(basis: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Intercepts and slopes of y (N,) over each row of basis (rows, N)."""
    about = basis - basis.mean(1, keepdim=True)
    slope = (about * y).sum(1) / about.square().sum(1)
    return y.mean() - slope * basis.mean(1), slope


def spreads(rows: list[dict]) -> dict[float, float]:
    """{budget: standard deviation of a loss over seeds, pooled over its sizes}."""
    return {budget: spread([row for row in rows if row["budget"] == budget])
            for budget in sorted({row["budget"] for row in rows})}


def refits(rows: list[dict], form: str = "floor", times: int = 400, seed: int = 0,
           most: float = math.inf) -> list[Fit]:
    """Fits to losses that other seeds might have given: a parametric bootstrap.

    Each mean loss of a budget and size gets noise of its budget's spread over the root of its
    seeds; then the best size of each budget is chosen again, and the curve fitted again. most: the
    largest budget that is used. What this does not know: that the form of the curve may be wrong.
    """
    noise = torch.Generator().manual_seed(seed)
    widths = spreads(rows)
    cells = [(b, s, losses) for (b, s), losses in means(rows).items() if b <= most]
    found = []
    for _ in range(times):
        draws = torch.randn(len(cells), generator=noise, dtype=torch.float64).tolist()
        again = [{"budget": b, "size": s,
                  "loss": statistics.fmean(losses) + widths[b] * z / math.sqrt(len(losses))}
                 for (b, s, losses), z in zip(cells, draws, strict=True)]
        found.append(fit(*points(frontier(again)), form))
    return found


def interval(values: list[float], share: float = 0.9) -> tuple[float, float]:
    """The middle `share` of some values."""
    ordered = sorted(values)
    cut = (1 - share) / 2 * (len(ordered) - 1)
    return ordered[round(cut)], ordered[round(len(ordered) - 1 - cut)]
