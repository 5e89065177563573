"""The exercises of the chapter on WaveNet. References are torch's own operations."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from zh.exercises import Exercise
from zh.exercises._inputs import normal


def parameters(block: int, dim: int, hidden: int, fuse: int, vocab: int = 27) -> int:
    """The number of parameters of zh.wavenet.WaveNet, without building one."""
    count, fan_in = vocab * dim + hidden * vocab + vocab, fuse * dim
    while block > 1:
        count += fan_in * hidden + 2 * hidden
        fan_in, block = fuse * hidden, block // fuse
    return count


# ---------------------------------------------------------------- fuse


def _fuse(x, n):
    out = x.unflatten(1, (-1, n)).flatten(2)
    return out[:, 0] if out.shape[1] == 1 else out


def _fuse_halves(x, n):
    """The slip: places that stand far apart are joined (x[:, :T//2] beside x[:, T//2:])."""
    return torch.cat(x.chunk(n, 1), -1).squeeze(1)


def _fuse_backwards(x, n):
    """The slip: the later neighbour first."""
    return _fuse(x.flip(1), n).flip(1) if x.shape[1] > n else _fuse(x.flip(1), n)


def _fuse_kept(x, n):
    """The slip: an axis of length one is left."""
    return x.unflatten(1, (-1, n)).flatten(2)


def _fuse_inputs():
    for seed, (shape, n) in enumerate([((2, 8, 3), 2), ((3, 6, 2), 3), ((2, 4, 5), 4),
                                       ((1, 2, 1), 2), ((2, 4, 3), 1)]):  # fmt: skip
        yield normal(*shape, seed=seed), n


# ---------------------------------------------------------------- the running mean


def _running(batches, momentum):
    layer = torch.nn.BatchNorm1d(batches[0].shape[-1], momentum=momentum, dtype=torch.float64)
    for x in batches:
        layer(x.transpose(1, 2))
    return layer.running_mean


def _running_by(axes):
    def slip(batches, momentum):
        mean = 0.0
        for x in batches:
            mean = mean + momentum * (x.mean(axes) - mean)
        return mean

    return slip


def _running_swapped(batches, momentum):
    mean = torch.zeros(batches[0].shape[-1], dtype=torch.float64)
    for x in batches:
        mean = momentum * mean + (1 - momentum) * x.mean((0, 1))
    return mean


def _running_average(batches, momentum):
    return torch.stack([x.mean((0, 1)) for x in batches]).mean(0)


def _running_from_first(batches, momentum):
    mean = batches[0].mean((0, 1))
    for x in batches[1:]:
        mean = mean + momentum * (x.mean((0, 1)) - mean)
    return mean


def _running_inputs():
    for seed, (momentum, sizes) in enumerate([(0.1, (4, 4, 4)), (0.5, (6, 3)), (0.01, (5,))]):
        yield [2 + normal(n, 3, 5, seed=10 * seed + i) for i, n in enumerate(sizes)], momentum


# ---------------------------------------------------------------- a causal convolution


def _causal(x, weight, dilation):
    n = len(weight)
    padded = F.pad(x.transpose(1, 2), ((n - 1) * dilation, 0))
    return F.conv1d(padded, weight.permute(2, 1, 0), dilation=dilation).transpose(1, 2)


def _causal_both_sides(x, weight, dilation):
    """The slip: zeros on both sides, so that a place sees what comes after it."""
    reach = (len(weight) - 1) * dilation
    padded = F.pad(x.transpose(1, 2), (reach // 2, reach - reach // 2))
    return F.conv1d(padded, weight.permute(2, 1, 0), dilation=dilation).transpose(1, 2)


def _causal_ahead(x, weight, dilation):
    """The slip: zeros at the end: a place sees itself and later ones."""
    padded = F.pad(x.transpose(1, 2), (0, (len(weight) - 1) * dilation))
    return F.conv1d(padded, weight.permute(2, 1, 0), dilation=dilation).transpose(1, 2)


def _causal_flipped(x, weight, dilation):
    return _causal(x, weight.flip(0), dilation)


def _causal_undilated(x, weight, dilation):
    return _causal(x, weight, 1)


def _causal_padded_only(x, weight, dilation):
    """The slip: the zeros know the dilation, the slices do not."""
    front = torch.zeros(len(x), (len(weight) - 1) * dilation, x.shape[2], dtype=x.dtype)
    padded, length = torch.cat([front, x], 1), x.shape[1]
    return sum(padded[:, k:k + length] @ w for k, w in enumerate(weight))


def _causal_inputs():
    for seed, (length, n, dilation) in enumerate([(7, 2, 1), (9, 2, 4), (8, 3, 2), (5, 1, 3)]):
        yield normal(2, length, 3, seed=seed), normal(n, 3, 4, seed=seed + 9), dilation


EXERCISES = [
    Exercise(
        "shape-after-two",
        "Half-way up the tree",
        minutes=3,
        kind="choice",
        choices=["(4, 2, 68)", "(4, 2, 136)", "(4, 4, 136)", "(2, 4, 136)", "(4, 136)"],
        answer="(4, 2, 136)",
        why={
            "(4, 2, 68)": "That is the shape after the linear layer that follows.",
            "(4, 4, 136)": "Four groups of two were left before; this layer joins them two by two.",
            "(2, 4, 136)": "The batch stays in front and keeps its 4 examples.",
            "(4, 136)": "That is one level further up, where a single group is left.",
        },
        because="Four vectors of 68 a context become two of 136.",
    ),
    Exercise(
        "reach",
        "How far back",
        minutes=2,
        kind="number",
        answer=27,
        mistakes=[
            (9, "That is what a sum gives, or two levels. Every level multiplies."),
            (6, "That is 2 times 3. Each of three levels multiplies what is read by 3."),
            (8, "That is three levels that fuse two."),
            (81, "One level too many."),
            (26, "It reads the letter at its own place too."),
        ],
        because="Each level multiplies what is read by 3: 3, 9, 27.",
    ),
    Exercise(
        "tree-parameters",
        "Parameters with a fuse of four",
        minutes=10,
        kind="number",
        answer=lambda: parameters(16, 10, 68, 4),
        tolerance=1e-9,
        mistakes=[
            (lambda: parameters(16, 10, 68, 2),
             "That is the tree that fuses two. (Or you counted the first layer once for each of "
             "its four groups; they share it.)"),
            (lambda: parameters(16, 10, 68, 4) - 2 * 2 * 68,
             "The two batch normalisations have a gain and a bias for each unit."),
            (lambda: parameters(16, 10, 68, 4) + 2 * 68,
             "The linear layers before a batch normalisation have no bias here."),
            (lambda: parameters(16, 10, 68, 4) - 27 * 10, "The table of letters is missing."),
            (lambda: parameters(16, 10, 68, 4) - 27, "The last layer has a bias."),
            (lambda: parameters(8, 10, 68, 2),
             "That is the model of the chapter; this one has 16 letters and a fuse of 4."),
            (lambda: parameters(4, 10, 68, 4),
             "That is one level. Sixteen letters by fours take two."),
        ],
        because="16 letters need two levels of four where they need four levels of two.",
    ),
    Exercise(
        "running-shape",
        "A shape that tells",
        minutes=3,
        kind="choice",
        choices=["axis 0", "axes 0 and 1", "axes 0 and 2", "axis 2"],
        answer="axis 0",
        why={
            "axes 0 and 1": "That leaves one number a feature: (68,).",
            "axes 0 and 2": "That leaves one number a place: (4,). PyTorch's own layer does this "
                            "when it is given (B, T, C), where it expects (B, C, T).",
            "axis 2": "That leaves one number for each place of each example: (32, 4).",
        },
        because="Each of the 4 places has kept statistics of its own.",
    ),
    Exercise(
        "batch-of-one",
        "One context in training mode",
        minutes=5,
        kind="choice",
        choices=["the first", "the second", "the third", "none of them"],
        answer="the third",
        why={
            "the first": "It gets (1, 4, 68): four values a unit, and four have a spread.",
            "the second": "It gets (1, 2, 68): two values a unit. Two are few, and they have a "
                          "spread.",
            "none of them": "Count the values a unit has at each level: 4, 2, and then?",
        },
        because="It gets (1, 68). The two before it have run, on statistics of four values and of "
                "two, and have said nothing.",
    ),
    Exercise(
        "fuse-neighbours",
        "FlattenConsecutive",
        minutes=10,
        kind="function",
        answer=_fuse,
        inputs=lambda: list(_fuse_inputs()),
        mistakes=[
            (_fuse_kept, "Where one group is left its axis must go: (B, 1, C * n) should be "
                         "(B, C * n)."),
            (_fuse_halves, "You joined places that stand far apart, such as 0 and T // n. "
                           "Neighbours are 0 and 1."),
            (_fuse_backwards, "The neighbours stand in the wrong order: the earlier one comes "
                              "first."),
        ],
        because="For groups of 1, 2, 3 and 4, and with one group left.",
    ),
    Exercise(
        "running-mean",
        "The running mean, by hand",
        minutes=15,
        kind="function",
        answer=_running,
        inputs=lambda: list(_running_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_running_by((0,)), "You averaged over axis 0 alone: each place has a mean of its "
                                "own, (T, C)."),
            (_running_swapped, "The momentum stands on the wrong side: it is the share of the "
                               "new batch."),
            (_running_from_first, "You start from the mean of the first batch. It starts at zero, "
                                  "and the first batch moves it by a step as well."),
            (_running_average, "That is the plain mean of the batches. The running mean starts at "
                               "0 and moves a step of `momentum` towards each."),
        ],
        because="The same numbers as torch.nn.BatchNorm1d.",
    ),
    Exercise(
        "causal-convolution",
        "A causal convolution",
        minutes=45,
        kind="function",
        answer=_causal,
        inputs=lambda: list(_causal_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_causal_both_sides, "A place sees letters after it: all the zeros belong in front."),
            (_causal_ahead, "A place sees itself and what comes after it: the zeros belong in "
                            "front."),
            (_causal_flipped, "The weights are in the wrong order: weight[-1] belongs to the "
                              "place itself, weight[0] to the one farthest back."),
            (_causal_undilated, "That has a dilation of 1 everywhere."),
            (_causal_padded_only, "The zeros in front have the dilation, the terms do not: term k "
                                  "is the slice that starts at k * dilation."),
        ],
        because="The same numbers as torch.nn.functional.conv1d on a padded input.",
    ),
]
