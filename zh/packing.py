"""Weights and word lists made small enough to travel in a page.

A model that answers inside a page is a few tensors.  `round_to_half` gives a trained model
the float16 values that will be sent, `pack` writes tensors as base64 of float16 (two bytes a
number), and `unpack` reads them back: so the model in the page and the model in PyTorch have
the same weights to the last bit, and differ by rounding in the arithmetic alone.
`pack_words` writes a sorted list with what each word shares with the one before left out.

Left out: 8-bit weights, and anything larger than a page should load.
"""

import base64

import numpy as np
import torch


def round_to_half(parameters):
    """Replace each parameter by the nearest float16 value, in its own dtype, in place.

    Raises ValueError where a value is not finite in float16 (larger than 65,504).
    """
    with torch.no_grad():
        for parameter in parameters:
            half = parameter.half()
            if not torch.isfinite(half).all():
                raise ValueError(
                    f"a parameter of shape {tuple(parameter.shape)} holds NaN or a value above "
                    "65,504, the largest of float16: look at how the model was trained"
                )
            parameter.copy_(half)


def pack(tensors):
    """{name: tensor} as {name: {"shape": [...], "f16": base64}}, ready for JSON.

    Values must be exact in float16 (see `round_to_half`); else ValueError.
    """
    packed = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu()
        half = tensor.half()
        if not torch.equal(half.to(tensor.dtype), tensor):
            raise ValueError(f"{name} is not exact in float16: call round_to_half first")
        raw = half.contiguous().numpy().astype("<f2").tobytes()  # low byte first, everywhere
        packed[name] = {"shape": list(tensor.shape), "f16": base64.b64encode(raw).decode()}
    return packed


def unpack(packed):
    """What `pack` wrote, as float32 tensors by name."""
    tensors = {}
    for name, entry in packed.items():
        values = np.frombuffer(base64.b64decode(entry["f16"]), dtype="<f2").astype("float32")
        tensors[name] = torch.from_numpy(values).view(entry["shape"])
    return tensors


def pack_words(words):
    """Words of letters a-z as one string: sorted, each after a digit for what it shares.

    The digit counts the leading letters taken from the word before, nine at most.

    >>> pack_words(["anna", "ann", "bo"])
    '0ann3a0bo'
    """
    pieces, before = [], ""
    for word in sorted(set(words)):
        shared = 0
        while shared < min(9, len(word), len(before)) and word[shared] == before[shared]:
            shared += 1
        pieces.append(f"{shared}{word[shared:]}")
        before = word
    return "".join(pieces)
