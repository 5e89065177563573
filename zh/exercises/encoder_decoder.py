"""The exercises of the chapter on encoder and decoder. References are torch's own operations."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from zh.exercises import Exercise
from zh.exercises._inputs import generator, normal

PAD, START, END = 0, 1, 2


def block_parameters(dim: int, decoder: bool, bias: bool = True, norms: bool = True) -> int:
    """The number of parameters of a block of zh.seq2seq, without building one."""
    attentions = 2 if decoder else 1
    matrices = attentions * 4 * dim * dim + 8 * dim * dim
    biases = bias * (attentions * 4 * dim + 5 * dim)
    return matrices + biases + norms * (attentions + 1) * 2 * dim


def rows(*lengths: int, seed: int, special: bool = False) -> torch.Tensor:
    """Rows of signs (3 to 9) of these lengths, filled up behind; special: START and END in them."""
    out = torch.full((len(lengths), max(lengths) + 2 * special), PAD)
    for row, length in zip(out, lengths, strict=True):
        signs = torch.randint(3, 10, (length,), generator=generator(seed + length))
        row[special:special + length] = signs
        if special:
            row[0], row[length + 1] = START, END
    return out


# ---------------------------------------------------------------- the mask of the source


def _mask(ids, pad):
    return (ids != pad)[:, None]


def _mask_flipped(ids, pad):
    return (ids == pad)[:, None]


def _mask_scores(ids, pad):
    """The slip: what is added to scores, 0 and -inf."""
    return torch.zeros(ids.shape, dtype=torch.float64).masked_fill(ids == pad, -1e9)[:, None]


def _mask_flat(ids, pad):
    return ids != pad


def _mask_queries(ids, pad):
    """The slip: the axis of the queries."""
    return (ids != pad)[:, :, None]


def _mask_square(ids, pad):
    real = ids != pad
    return real[:, :, None] & real[:, None]


def _mask_inputs():
    yield rows(5, 3, 1, seed=0), PAD
    yield rows(4, seed=1), PAD
    yield rows(2, 6, seed=2) + 1, 1
    yield rows(7, 7, 2, 4, seed=3), PAD


# ---------------------------------------------------------------- the loss


def _loss(scores, target, pad):
    return F.cross_entropy(scores.flatten(0, 1), target[:, 1:].flatten(), ignore_index=pad)


def _loss_unshifted(scores, target, pad):
    return F.cross_entropy(scores.flatten(0, 1), target[:, :-1].flatten(), ignore_index=pad)


def _loss_with_pad(scores, target, pad):
    return F.cross_entropy(scores.flatten(0, 1), target[:, 1:].flatten())


def _loss_by_row(scores, target, pad):
    """The slip: the mean of the means of the rows."""
    return torch.stack([_loss(s[None], t[None], pad) for s, t in zip(scores, target,
                                                                     strict=True)]).mean()


def _loss_sum(scores, target, pad):
    return F.cross_entropy(scores.flatten(0, 1), target[:, 1:].flatten(), ignore_index=pad,
                           reduction="sum")


def _loss_diluted(scores, target, pad):
    """The slip: PAD costs nothing and is counted all the same."""
    return _loss_sum(scores, target, pad) / target[:, 1:].numel()


def _loss_inputs():
    for seed, lengths in enumerate([(4, 2), (3, 3, 1), (5,)]):
        target = rows(*lengths, seed=10 * seed, special=True)
        yield normal(len(target), target.shape[1] - 1, 10, seed=seed), target, PAD


# ---------------------------------------------------------------- one step of a beam


def _beam_step(score, log_p, width):
    best, at = (score[:, None] + log_p).flatten().topk(width)
    return best, at // log_p.shape[1], at % log_p.shape[1]


def _beam_alone(score, log_p, width):
    """The slip: the next sign is ranked by itself, what came before is forgotten."""
    best, at = log_p.flatten().topk(width)
    return best, at // log_p.shape[1], at % log_p.shape[1]


def _beam_product(score, log_p, width):
    """The slip: logarithms are multiplied."""
    best, at = (score[:, None] * log_p).flatten().topk(width)
    return best, at // log_p.shape[1], at % log_p.shape[1]


def _beam_each(score, log_p, width):
    """The slip: the best continuation of each beginning, so that all of them stay."""
    best, sign = (score[:, None] + log_p).max(1)
    order = best.argsort(descending=True)[:width]
    return best[order], order, sign[order]


def _beam_swapped(score, log_p, width):
    best, row, sign = _beam_step(score, log_p, width)
    return best, sign, row


def _beam_low(score, log_p, width):
    best, at = (score[:, None] + log_p).flatten().topk(width, largest=False)
    return best, at // log_p.shape[1], at % log_p.shape[1]


def _beam_inputs():
    for seed, (kept, vocab, width) in enumerate([(2, 4, 2), (3, 5, 3), (1, 6, 4), (4, 3, 2)]):
        yield (normal(kept, seed=seed).log_softmax(0), normal(kept, vocab, seed=seed + 9)
               .mul(2).log_softmax(1), width)


# ---------------------------------------------------------------- weights on a field


def _on_field(weights, places):
    return weights[..., places].sum(-1)


def _on_field_mean(weights, places):
    return weights[..., places].mean(-1)


def _on_field_rows(weights, places):
    """The slip: places of the answer instead of the source."""
    return weights[..., places, :].sum(-2)


def _on_field_most(weights, places):
    return weights[..., places].max(-1).values


def _on_field_inputs():
    for seed, (heads, T, S, places) in enumerate([(2, 6, 7, [3, 4, 5]), (1, 8, 6, [0]),
                                                  (3, 9, 9, [8, 0])]):  # fmt: skip
        yield normal(heads, T, S, seed=seed).softmax(-1), places


EXERCISES = [
    Exercise(
        "cross-shape",
        "Who asks whom",
        minutes=2,
        kind="choice",
        choices=["(2, 4, 11, 20)", "(2, 4, 20, 11)", "(2, 4, 11, 11)", "(2, 4, 20, 20)",
                 "(2, 4, 31, 31)"],
        answer="(2, 4, 11, 20)",
        why={
            "(2, 4, 20, 11)": "That is the source asking the target. In cross-attention the target "
                              "asks: a row for each of its places.",
            "(2, 4, 11, 11)": "That is the decoder's self-attention: the target asks itself.",
            "(2, 4, 20, 20)": "That is the encoder's self-attention: the source asks itself.",
            "(2, 4, 31, 31)": "That is a decoder-only model, with source and target in one row.",
        },
        because="A row for each query, from the target; a column for each key, from the source.",
    ),
    Exercise(
        "told-last",
        "What the decoder has been told",
        minutes=2,
        kind="choice",
        choices=["START", "9", "-", "0", "3"],
        answer="-",
        why={
            "START": "START is the first thing that it is told; five signs have followed.",
            "9": "The sign before the hyphen. The hyphen has been answered and is told now.",
            "0": "That is the answer itself. Told that, it could copy.",
            "3": "That comes after the answer: no place sees it.",
        },
        because="The sign just before the one that it has to answer.",
    ),
    Exercise(
        "decoder-block",
        "The price of a decoder block",
        minutes=8,
        kind="number",
        answer=lambda: block_parameters(64, decoder=True),
        tolerance=1e-9,
        mistakes=[
            (lambda: block_parameters(64, decoder=False),
             "That is an encoder block. A decoder block has two attentions and three "
             "normalisations."),
            (lambda: block_parameters(64, decoder=True, bias=False),
             "The linear layers have biases."),
            (lambda: block_parameters(64, decoder=True, norms=False),
             "The three normalisations have a gain and a bias for each number."),
            (lambda: block_parameters(64, decoder=True, bias=False, norms=False),
             "Those are the matrices. There are biases, and three normalisations."),
            (lambda: block_parameters(64, decoder=True) - 2 * 64,
             "One normalisation is missing: there are three."),
            (lambda: block_parameters(32, decoder=True),
             "That is a block of the chapter's model, of dim 32. This one has 64."),
        ],
        because="A third more matrices than an encoder block: 16 times the square of dim, not 12.",
    ),
    Exercise(
        "beam-of-two",
        "A beam by hand",
        minutes=8,
        kind="number",
        answer=0.256,
        tolerance=1e-6,
        mistakes=[
            (0.28, "That is the likeliest answer that there is, cb. Its beginning is third after "
                   "the first sign, and a beam of two has dropped it."),
            (0.2, "That is the best that begins with a, what greedy writing finds."),
            (0.8, "That is the probability of the last sign alone. Multiply by that of its "
                  "beginning."),
            (0.32, "That is the probability of the beginning b. A sign follows."),
            (0.4, "That is the first step, a. A sign follows."),
        ],
        because="Greedy writing finds 0.2, a beam of two 0.256, a beam of three 0.28.",
    ),
    Exercise(
        "source-mask",
        "A mask for the source",
        minutes=8,
        kind="function",
        answer=_mask,
        inputs=lambda: list(_mask_inputs()),
        mistakes=[
            (_mask_flipped, "It is turned round: True where there is nothing to see. In this book "
                            "True means that a query may look."),
            (_mask_scores, "That is what is added to the scores. A mask holds booleans, True "
                           "where a query may look."),
            (_mask_flat, "The numbers are right; an axis for the queries is missing: (B, 1, S)."),
            (_mask_queries, "The axis of length one stands where the keys belong: (B, 1, S), not "
                            "(B, S, 1)."),
            (_mask_square, "That masks the queries as well, and would not fit a target of another "
                           "length. One row for all queries: (B, 1, S)."),
        ],
        because="It broadcasts over the queries, so the encoder and every layer of the decoder "
                "can use it.",
    ),
    Exercise(
        "teacher-forced-loss",
        "The loss, by hand",
        minutes=12,
        kind="function",
        answer=_loss,
        inputs=lambda: list(_loss_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_loss_unshifted, "You compare with what the decoder was told. It has to answer what "
                              "comes one place later: target[:, 1:]."),
            (_loss_with_pad, "PAD counts as an answer there: rows of other lengths would teach it "
                             "to write PAD."),
            (_loss_by_row, "That is the mean over rows of the mean of each. Every sign has the "
                           "same weight here, whatever row it stands in."),
            (_loss_sum, "That is the sum. The mean over the signs that count is asked."),
            (_loss_diluted, "PAD costs nothing and is still counted in the mean: divide by the "
                            "number of signs that count."),
        ],
        because="The same number as F.cross_entropy with ignore_index.",
    ),
    Exercise(
        "beam-step",
        "One step of a beam",
        minutes=15,
        kind="function",
        answer=_beam_step,
        inputs=lambda: list(_beam_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_beam_alone, "You rank the next signs by themselves. What came before them counts: "
                          "add the score of the beginning."),
            (_beam_product, "You multiply logarithms. The probability of an answer is a product, "
                            "so its logarithm is a sum."),
            (_beam_each, "You keep one continuation of each beginning. Two of one beginning may "
                         "both be better than any of another."),
            (_beam_swapped, "The row and the sign have changed places: scores, rows, signs."),
            (_beam_low, "Those are the least likely."),
        ],
        because="All beginnings times all signs compete for the same few places.",
    ),
    Exercise(
        "weight-on-field",
        "How much looks at the year",
        minutes=5,
        kind="function",
        answer=_on_field,
        inputs=lambda: list(_on_field_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_on_field_mean, "That is the mean of the weights. Their sum is the share of the look "
                             "that falls on the field."),
            (_on_field_rows, "Those are places of the answer. The places of the source are the "
                             "last axis."),
            (_on_field_most, "That is the largest of the weights. The field has all of them: add."),
        ],
        because="The rows of the weights sum to 1, so a sum over some columns is a share.",
    ),
]
