"""The data of the lab `playground`: a trained GPT of characters, made small enough for a page.

    from zh.labs import lab, playground
    packed = playground.pack(model, characters)          # characters: in the order of their ids
    lab("playground", name="lab-playground", title="...", data=packed,
        kilobytes=playground.kilobytes(packed), prompt="The ", temperature=0.8)

    page = playground.quantised(model)                   # the model that the page will hold
    playground.difference(model, page, ids)              # the largest difference of a logit
    playground.same_greedy(model, page, ids, 80)         # does it write the same?

A matrix is sent as whole numbers of a few bits with one scale a row, the size of the row's largest
weight over the largest number (as for weights of 8 bits in Jacob et al. 2018, there one scale a
matrix). The embeddings, which enter the scores directly, get three bits more; vectors are few and
go as float32; a head that is tied to the embedding is sent once. `unpack` builds the model again
from what a page holds, so that the tests can ask PyTorch what the page should say.

State of the lab beside `prompt` and `temperature`: top_k (0: all), top_p (1: all), seed.
Left out: tokens of more than a character, and rounding that makes up for what it did before.
"""
from __future__ import annotations

import base64
import copy
import gzip
from collections.abc import Sequence
from dataclasses import asdict, fields

import numpy as np
import torch

from zh import page
from zh.gpt import GPT, GPTConfig

DTYPE = "int10"                  # of the matrices; "int4" to "int13", or "float32"
MORE = 3                         # bits of an embedding, beyond those of a matrix
SKIP = ("dropout",)              # of the configuration: a page does not train


def pack(model: GPT, characters: str | Sequence[str], dtype: str = DTYPE) -> dict:
    """The model as JSON: {"config", "characters", "tensors": {name: {"shape", ...}}}.

    characters: one for each id, in order; a string, a list, or a tokenizer with `.chars`. dtype: of
    the matrices, "int4" to "int13" or "float32". Raises ValueError where characters and vocabulary
    do not fit, for weights that are not finite, and TypeError for what is no GPT.
    """
    characters = _check(model, characters, dtype)
    config = {name: value for name, value in asdict(model.config).items() if name not in SKIP}
    return {"config": config, "characters": characters,
            "tensors": {name: _pack(name, tensor, dtype) for name, tensor in _tensors(model)}}


def unpack(packed: dict) -> GPT:
    """The model that a page holds, in eval mode."""
    known = {field.name for field in fields(GPTConfig)}
    config = {name: value for name, value in packed["config"].items() if name in known}
    model = GPT(GPTConfig(**config), generator=torch.Generator())
    values = {name: _unpack(entry) for name, entry in packed["tensors"].items()}
    if model.config.tie:
        values["head.weight"] = values["tokens.weight"]
    model.load_state_dict(values)
    return model.eval()


def quantised(model: GPT, dtype: str = DTYPE) -> GPT:
    """A copy of the model with exactly the weights that a page will hold, in eval mode."""
    _check(model, None, dtype)
    other = copy.deepcopy(model).eval()
    with torch.no_grad():
        for name, tensor in _tensors(other):
            tensor.copy_(_unpack(_pack(name, tensor, dtype)))
    return other


def kilobytes(packed: dict) -> int:
    """What a reader loads, in thousands of bytes, as a server sends it (gzip)."""
    return round(len(gzip.compress(page.to_json(packed).encode(), 9)) / 1000)


@torch.no_grad()
def difference(model: GPT, other: GPT, ids: torch.Tensor) -> float:
    """The largest difference between the logits of two models, over all places of ids (B, T)."""
    return max((a - b).abs().max().item()
               for a, b in ((model(part), other(part)) for part in ids.split(32)))


def same_greedy(model: GPT, other: GPT, ids: torch.Tensor, count: int) -> bool:
    """Whether both write the same `count` tokens after ids (B, T), always taking the likeliest."""
    drawn = [each.generate(ids, count, torch.Generator(), temperature=0) for each in (model, other)]
    return torch.equal(*drawn)


# ---------------------------------------------------------------------------


def _check(model: GPT, characters, dtype: str) -> str:
    if not isinstance(model, GPT):
        raise TypeError(f"the playground runs a zh.gpt.GPT, not a {type(model).__name__}.")
    if dtype != "float32" and dtype not in {f"int{bits}" for bits in range(4, 14)}:
        raise ValueError(f"dtype is {dtype!r}; it is \"int4\" to \"int13\", or \"float32\".")
    for name, tensor in _tensors(model):
        if not tensor.isfinite().all():
            raise ValueError(f"{name} holds a number that is not finite: look at how the model "
                             "was trained.")
    if characters is None:
        return ""
    characters = list(getattr(characters, "chars", characters))
    if len(characters) != model.config.vocab:
        raise ValueError(f"{len(characters)} characters and a vocabulary of {model.config.vocab}: "
                         "give one character for each id, in the order of the ids.")
    for i, c in enumerate(characters):
        if not isinstance(c, str) or len(c) != 1 or c in characters[:i]:
            raise ValueError(f"{c!r}, at place {i}, must be one character that stands there once.")
    return "".join(characters)


def _tensors(model: GPT):
    """(name, tensor) of all that is sent; a tied head is the embedding."""
    return [(name, tensor) for name, tensor in model.state_dict().items()
            if not (model.config.tie and name == "head.weight")]


def _pack(name: str, tensor: torch.Tensor, dtype: str) -> dict:
    values = tensor.detach().cpu().float().numpy()
    entry = {"shape": list(values.shape)}
    if values.ndim < 2 or dtype == "float32":
        return entry | {"f32": _text(values.astype("<f4"))}
    bits = int(dtype[3:]) + (MORE if name.startswith(("tokens", "places")) else 0)
    top = 2 ** (bits - 1) - 1
    exact = np.abs(values).max(1) / top                                    # (rows,)
    scale = exact.astype("<f2")
    scale = np.where(scale < exact, np.nextafter(scale, np.float16(np.inf)), scale)
    if not np.isfinite(scale).all():
        raise ValueError(f"{name} holds a weight of {np.abs(values).max():.3g}, too large to send.")
    steps = np.where(scale > 0, scale, 1).astype("f4")[:, None]
    whole = np.rint(values / steps).astype("i4") + top                     # 0 to 2 top
    lines = whole.reshape(-1, 1) >> np.arange(bits)[::-1] & 1              # (numbers, bits)
    return entry | {"bits": bits, "int": _text(np.packbits(lines.astype("u1"))),
                    "scale": _text(scale.astype("<f2"))}


def _unpack(entry: dict) -> torch.Tensor:
    shape = entry["shape"]
    if "f32" in entry:
        return torch.from_numpy(_numbers(entry["f32"], "<f4").astype("f4").reshape(shape))
    bits = entry["bits"]
    lines = np.unpackbits(_numbers(entry["int"], "u1"), count=bits * int(np.prod(shape)))
    whole = lines.reshape(-1, bits) @ (1 << np.arange(bits)[::-1]) - (2 ** (bits - 1) - 1)
    scale = _numbers(entry["scale"], "<f2").astype("f4")                   # (rows,)
    return torch.from_numpy(whole.reshape(shape).astype("f4") * scale[:, None])


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)
