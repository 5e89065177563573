"""Run: python -m pytest tests/unit/test_exercises_encoder_decoder.py

The slips that the exercises of the chapter are likely to meet, and what is said of them.
"""
import itertools

import pytest
import torch

from zh.attention import check_mask, padding
from zh.exercises import check, get
from zh.exercises import encoder_decoder as chapter
from zh.seq2seq import DecoderBlock, EncoderBlock, EncoderDecoder, Seq2SeqConfig, beam, maps


@pytest.mark.parametrize("dim", [8, 32, 64])
def test_the_count_is_that_of_a_block(dim):
    config = Seq2SeqConfig(20, dim=dim)
    for kind, decoder in ((EncoderBlock, False), (DecoderBlock, True)):
        block = kind(config, torch.Generator())
        assert chapter.block_parameters(dim, decoder) == sum(p.numel() for p in block.parameters())


def test_every_mistake_of_the_count_is_another_number():
    spec = get("decoder-block")
    values = [spec.right(), *(value() for value, _ in spec.mistakes)]
    assert len(set(values)) == len(values)


def test_the_beam_by_hand_is_the_beam_of_the_package():
    """The tree of the exercise, as a model; and all its answers, one by one."""
    first = {"a": 0.4, "b": 0.32, "c": 0.28}
    second = {"a": {"a": 0.5, "b": 0.5}, "b": {"a": 0.8, "b": 0.2}, "c": {"b": 1.0}}
    signs = {"a": 3, "b": 4, "c": 5}

    class Tree:
        config = Seq2SeqConfig(6, target=3, dim=2, heads=1)

        def read(self, source):
            return (source,)

        def write(self, target, source):
            out = torch.full((len(target), 1, 6), -torch.inf, dtype=torch.float64)
            names = {v: k for k, v in signs.items()}
            for b, row in enumerate(target.tolist()):
                if len(row) == 1:
                    found = first
                elif len(row) == 2:
                    found = second[names[row[1]]]
                else:
                    found = {}
                    out[b, 0, 2] = 0.0
                for name, p in found.items():
                    out[b, 0, signs[name]] = torch.tensor(p).log()
            return out

    found = {width: beam(Tree(), torch.tensor([[3]]), width)[1][0, 0].exp().item()
             for width in (1, 2, 3)}
    assert found == pytest.approx({1: 0.2, 2: 0.256, 3: 0.28})
    best = max(first[x] * second[x].get(y, 0) for x, y in itertools.product("abc", repeat=2))
    assert best == pytest.approx(0.28) and check("beam-of-two", found[2])


def test_functions_of_the_package_are_right_answers():
    assert check("source-mask", lambda ids, pad: padding((ids != pad).sum(1), ids.shape[1]))

    def by_hand(scores, target, pad):
        log_p = scores.log_softmax(-1).gather(-1, target[:, 1:, None])[..., 0]
        real = target[:, 1:] != pad
        return -(log_p * real).sum() / real.sum()

    def step(score, log_p, width):
        total = score[:, None] + log_p
        order = sorted(itertools.product(range(len(score)), range(log_p.shape[1])),
                       key=lambda at: -total[at])[:width]
        return (torch.stack([total[at] for at in order]), torch.tensor([at[0] for at in order]),
                torch.tensor([at[1] for at in order]))

    assert check("teacher-forced-loss", by_hand)
    assert check("beam-step", step)
    assert check("weight-on-field", lambda weights, places: sum(weights[..., p] for p in places))


def test_the_mask_fits_where_masks_are_asked():
    for ids, pad in chapter._mask_inputs():
        check_mask(chapter._mask(ids, pad), (len(ids), 4, ids.shape[1]))


def test_the_shape_is_that_of_a_map():
    model = EncoderDecoder(Seq2SeqConfig(9, dim=8, heads=4), generator=torch.Generator())
    source, told = torch.full((2, 20), 3), torch.full((2, 11), 1)
    assert check("cross-shape", tuple(maps(model, source, told)[0].shape))


@pytest.mark.parametrize("name, answer, words", [
    ("source-mask", chapter._mask_flipped, "turned round"),
    ("source-mask", chapter._mask_scores, "added to the scores"),
    ("source-mask", chapter._mask_flat, "axis for the queries"),
    ("source-mask", chapter._mask_queries, "where the keys belong"),
    ("source-mask", chapter._mask_square, "masks the queries"),
    ("source-mask", lambda ids, pad: (ids != pad).double()[:, None], "bool"),
    ("teacher-forced-loss", chapter._loss_unshifted, "one place later"),
    ("teacher-forced-loss", chapter._loss_with_pad, "PAD counts as an answer"),
    ("teacher-forced-loss", chapter._loss_by_row, "mean over rows"),
    ("teacher-forced-loss", chapter._loss_sum, "That is the sum"),
    ("teacher-forced-loss", chapter._loss_diluted, "still counted"),
    ("beam-step", chapter._beam_alone, "add the score"),
    ("beam-step", chapter._beam_product, "multiply logarithms"),
    ("beam-step", chapter._beam_each, "one continuation of each"),
    ("beam-step", chapter._beam_swapped, "changed places"),
    ("beam-step", chapter._beam_low, "least likely"),
    ("weight-on-field", chapter._on_field_mean, "mean of the weights"),
    ("weight-on-field", chapter._on_field_rows, "places of the answer"),
    ("weight-on-field", chapter._on_field_most, "largest"),
    ("cross-shape", "(2, 4, 20, 11)", "source asking"),
    ("told-last", "0", "could copy"),
    ("decoder-block", 49984, "an encoder block"),
    ("beam-of-two", 0.28, "has dropped it"),
    ("beam-of-two", 0.2, "greedy"),
])
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


def test_the_loss_of_the_exercise_is_that_of_the_model():
    model = EncoderDecoder(Seq2SeqConfig(10), generator=torch.Generator().manual_seed(0))
    source = chapter.rows(4, 6, seed=0)
    target = chapter.rows(3, 5, seed=1, special=True)
    scores = model(source, target[:, :-1])
    assert chapter._loss(scores, target, 0).item() == pytest.approx(
        model.loss(source, target).item())
