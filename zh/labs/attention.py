"""The data of the lab `attention`: a trained `OneLayer` made small enough for a page.

    from zh.labs import attention as explorer, lab
    explorer.round_to_half(model)               # the weights as the page will hold them
    packed = explorer.pack(model, vocabulary, tries=["the value of"], loss=1.77)
    lab("attention", name="lab-attention", title="...", data=packed)

`unpack` builds the model again from what a page holds, in float64, so that the tests can ask
PyTorch what the page should say.
"""
from __future__ import annotations

import torch

from zh import packing
from zh.attention import OneLayer


def round_to_half(model: OneLayer) -> None:
    """Give the model the weights that a page will hold, in place."""
    packing.round_to_half(model.state_dict().values())


def pack(model: OneLayer, vocabulary: str, tries: list[str] = (), *,
         loss: float | None = None) -> dict:
    """The model as JSON: {vocabulary, block, heads, tries, loss, weights}.

    vocabulary: the characters in the order of their ids. tries: sentences to offer. loss: of the
    model as it is packed, said in the lab. Raises ValueError where the model is another one than
    the page computes (learned positions, causal, scaled by the size of a head), where a sentence
    holds what the vocabulary has not, and for weights that are not exact in float16.
    """
    layer = model.attention
    if layer is None or model.places is None or not layer.causal or layer.scale is not None:
        raise ValueError("the page computes a OneLayer with attention, learned positions, a causal "
                         "mask and the usual scale; this model has other settings.")
    if len(vocabulary) != len(model.tokens.weight):
        raise ValueError(f"{len(vocabulary)} characters for {len(model.tokens.weight)} tokens: "
                         "the vocabulary has a character for each id.")
    for text in tries:
        if strange := set(text) - set(vocabulary):
            raise ValueError(f"the sentence {text!r} holds {min(strange)!r}, which is not in the "
                             "vocabulary.")
        if not 0 < len(text) <= model.block:
            raise ValueError(f"the sentence {text!r} has {len(text)} characters; the model reads "
                             f"1 to {model.block}.")
    return {"vocabulary": vocabulary, "block": model.block, "heads": layer.heads,
            "tries": list(tries), **({} if loss is None else {"loss": round(loss, 4)}),
            "weights": packing.pack(model.state_dict())}


def unpack(packed: dict) -> OneLayer:
    """The model of a page, in float64; its attention keeps its weights."""
    weights = packing.unpack(packed["weights"])
    vocab, dim = weights["tokens.weight"].shape
    model = OneLayer(vocab, packed["block"], dim, packed["heads"], generator=torch.Generator(),
                     fused=False).double()
    model.load_state_dict({name: value.double() for name, value in weights.items()})
    return model
