"""zh.packing: what comes back is what went in, and what does not fit is refused."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zh.packing import pack, pack_words, round_to_half, unpack

word = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=14)


@given(st.lists(st.floats(-60000, 60000, width=32), min_size=1, max_size=12))
def test_weights_come_back_as_the_model_has_them(values):
    weight = torch.tensor(values).view(1, -1)
    before = weight.clone()
    round_to_half([weight])
    assert torch.equal(unpack(pack({"w": weight}))["w"], weight)
    # ten bits after the leading one, and steps of 2**-24 near zero
    assert ((weight - before).abs() <= before.abs() * 2**-11 + 2**-25).all()


def test_transposed_weights_keep_their_order():
    weight = torch.arange(6.0).view(2, 3).T
    assert torch.equal(unpack(pack({"w": weight}))["w"], weight)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="65,504"):
        round_to_half([torch.tensor([1e6])])
    with pytest.raises(ValueError, match="round_to_half first"):
        pack({"w": torch.tensor([0.1])})


@given(st.lists(word, max_size=40))
def test_words_come_back(words):
    found, before = [], ""
    for shared, rest in re.findall(r"(\d)([a-z]*)", pack_words(words)):
        before = before[: int(shared)] + rest
        found.append(before)
    assert found == sorted(set(words))
