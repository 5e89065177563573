"""Run: python -m pytest tests/unit/test_exercises_wavenet.py

The slips that the exercises of the WaveNet chapter are likely to meet, and what is said of them.
"""
import pytest
import torch

from zh.exercises import check, get
from zh.exercises import wavenet as chapter
from zh.layers import BatchNorm1d, FlattenConsecutive
from zh.wavenet import FuseDilated, WaveNet


@pytest.mark.parametrize("sizes", [(8, 10, 68, 2), (16, 10, 68, 4), (9, 4, 5, 3), (4, 2, 3, 4)])
def test_the_count_is_that_of_a_model(sizes):
    block, dim, hidden, fuse = sizes
    model = WaveNet(block, dim, hidden, fuse=fuse, generator=torch.Generator())
    assert chapter.parameters(*sizes) == sum(p.numel() for p in model.parameters())


def test_every_mistake_of_the_count_is_another_number():
    spec = get("tree-parameters")
    values = [spec.right(), *(value() for value, _ in spec.mistakes)]
    assert len(set(values)) == len(values)


def test_layers_of_the_package_are_right_answers():
    assert check("fuse-neighbours", lambda x, n: FlattenConsecutive(n)(x))

    def running(batches, momentum):
        layer = BatchNorm1d(batches[0].shape[-1], momentum=momentum, dtype=torch.float64)
        for x in batches:
            layer(x)
        return layer.running_mean

    def causal(x, weight, dilation):
        n, wide, out = weight.shape
        front = torch.zeros(len(x), (n - 1) * dilation, wide, dtype=x.dtype)
        return FuseDilated(n, dilation)(torch.cat([front, x], 1)) @ weight.reshape(n * wide, out)

    assert check("running-mean", running)
    assert check("causal-convolution", causal)


@pytest.mark.parametrize("name, answer, words", [
    ("fuse-neighbours", chapter._fuse_halves, "far apart"),
    ("fuse-neighbours", chapter._fuse_backwards, "wrong order"),
    ("fuse-neighbours", chapter._fuse_kept, "one group is left"),
    ("fuse-neighbours", lambda x, n: x, "shape"),
    ("running-mean", chapter._running_by((0,)), "axis 0 alone"),
    ("running-mean", chapter._running_swapped, "wrong side"),
    ("running-mean", chapter._running_average, "starts at 0"),
    ("causal-convolution", chapter._causal_both_sides, "in front"),
    ("causal-convolution", chapter._causal_ahead, "what comes after it"),
    ("causal-convolution", chapter._causal_flipped, "farthest back"),
    ("causal-convolution", chapter._causal_undilated, "dilation of 1"),
    ("running-mean", chapter._running_from_first, "starts at zero"),
    ("causal-convolution", chapter._causal_padded_only, "k * dilation"),
    ("reach", 9, "Every level multiplies"),
    ("reach", 6, "multiplies what is read"),
    ("batch-of-one", "the first", "four values"),
    ("running-shape", "axes 0 and 1", "(68,)"),
    ("shape-after-two", "(4, 2, 68)", "after the linear layer"),
    ("tree-parameters", 22397, "model of the chapter"),
])  # fmt: skip
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


@pytest.mark.parametrize("name, answer", [
    ("shape-after-two", (4, 2, 136)), ("shape-after-two", torch.Size([4, 2, 136])),
    ("batch-of-one", "third"), ("tree-parameters", "23,621"),
])  # fmt: skip
def test_what_the_page_prints_is_an_answer(name, answer):
    assert check(name, answer)


def test_the_third_norm_is_the_one_that_raises():
    model = WaveNet(8, 10, 68, generator=torch.Generator())
    with pytest.raises(ValueError, match="one value has no spread"):
        model(torch.zeros(1, 8, dtype=torch.long))
    norms = [layer for layer in model if isinstance(layer, BatchNorm1d)]
    assert [norm.out is not None for norm in norms] == [True, True, False]
