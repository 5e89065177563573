"""Run: python -m pytest tests/unit/test_lab_attention_data.py

What `zh.labs.attention` packs for a page is the model itself.
"""
import json

import pytest
import torch

from zh import page
from zh.attention import OneLayer
from zh.labs import attention as explorer

VOCABULARY = "\n abcdefgh"


def model(heads: int = 2, **options) -> OneLayer:
    made = OneLayer(len(VOCABULARY), 6, 8, heads, generator=torch.Generator().manual_seed(1),
                    **options)
    explorer.round_to_half(made)
    return made


def test_a_page_gives_back_the_model():
    made = model()
    packed = json.loads(page.to_json(explorer.pack(made, VOCABULARY, ["a bad"], loss=1.23456)))
    assert packed["block"] == 6 and packed["heads"] == 2 and packed["loss"] == 1.2346
    again = explorer.unpack(packed)
    seen = torch.tensor([[VOCABULARY.index(c) for c in "a bad"]])
    with torch.no_grad():
        torch.testing.assert_close(again(seen), made.double()(seen))
    assert again.attention.weights.shape == (1, 2, 5, 5)


@pytest.mark.parametrize("made, vocabulary, tries, words", [
    (lambda: model(positions="rope"), VOCABULARY, [], "other settings"),
    (lambda: model(causal=False), VOCABULARY, [], "other settings"),
    (lambda: model(scale=1.0), VOCABULARY, [], "other settings"),
    (lambda: model(0), VOCABULARY, [], "other settings"),
    (model, VOCABULARY[1:], [], "9 characters for 10 tokens"),
    (model, VOCABULARY, ["a bat"], "holds 't'"),
    (model, VOCABULARY, [""], "1 to 6"),
    (model, VOCABULARY, ["abc abc"], "has 7 characters"),
])  # fmt: skip
def test_what_the_page_cannot_show_is_refused(made, vocabulary, tries, words):
    with pytest.raises(ValueError, match=words):
        explorer.pack(made(), vocabulary, tries)


def test_weights_that_were_not_rounded_are_refused():
    made = OneLayer(10, 6, 8, 2, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match="not exact in float16"):
        explorer.pack(made, VOCABULARY)
