"""The data of the lab `playground`: a trained GPT of characters, made small enough for a page.

    from zh.labs import lab, playground
    packed = playground.pack(model, characters, ids=ids[:4096], checks=["The ", "def "])
    lab("playground", name="lab-playground", title="...", data=packed,
        kilobytes=playground.kilobytes(packed), prompt="The ", temperature=0.8)

    page = playground.unpack(packed)                     # the model that the page will hold
    playground.difference(model, page, ids_dev[:640].view(10, 64))    # the largest, of a logit
    playground.same_greedy(model, page, ids_dev[None, :20], 80)       # does it write the same?

A matrix is sent as whole numbers of a few bits with one scale a row, the size of the row's largest
weight over the largest number. The embeddings, which enter the scores directly, get three bits
more, and the matrices of attention one; vectors are few and go as float32; a head that is tied to
the embedding is sent once. With `ids`, some text, the columns of a matrix are rounded one after
another and each makes up for the errors of those before it, on the inputs that this text gives
(Frantar et al. 2023, GPTQ).

How many bits: a GPT of 206,080 parameters after 800 steps is off by 0.027 in its worst logit (of
1.2 million) with all matrices at 10 bits, by 0.020 with attention at 11; from another seed by 0.023
and 0.015. Ask `difference`.

State of the lab beside `prompt` and `temperature`: top_k (0: all), top_p (1: all), seed.
Left out: tokens of more than a character.
"""
from __future__ import annotations

import base64
import copy
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import nn

from zh import page
from zh.gpt import GPT, GPTConfig, window
from zh.training import evaluating

DTYPE = "int10"                  # of the matrices: "int4" to "int13", or "float32"
MORE = {"tokens": 3, "places": 3, "head.weight": 3, "attention": 1}    # bits beyond those
GREEDY = 80                      # characters of a check
DAMP = 0.01                      # added to the squares of inputs, as a share of their mean


def pack(model: GPT, characters: str | Sequence[str], dtype: str = DTYPE,
         ids: torch.Tensor | None = None, checks: Sequence[str] = ()) -> dict:
    """The model as JSON: {"config", "characters", "tensors": {name: {"shape", ...}}, "checks"}.

    characters: one for each id, in order; a string, a list, or a tokenizer with `.chars`. dtype: of
    the matrices, "int4" to "int13" or "float32". ids (N,): text to round by, a few thousand tokens.
    checks: texts; the tests ask the page for what this model, not yet rounded, says of them.
    Raises ValueError where characters and vocabulary do not fit, for weights that are not finite,
    and TypeError for what is no GPT.
    """
    _check(model, dtype)
    characters = list(getattr(characters, "chars", characters))
    if len(characters) != model.config.vocab:
        raise ValueError(f"{len(characters)} characters and a vocabulary of {model.config.vocab}: "
                         "give one character for each id, in the order of the ids.")
    for i, c in enumerate(characters):
        if not isinstance(c, str) or len(c) != 1 or c in characters[:i]:
            raise ValueError(f"{c!r}, at place {i}, must be one character that stands there once.")
    config = {name: v for name, v in asdict(model.config).items() if name != "dropout"}
    tensors = {name: {"shape": list(tensor.shape), **entry}
               for name, tensor, entry in _entries(model, dtype, ids)}
    said = {text: _check_of(model, characters, text) for text in checks}
    return {"config": config, "characters": "".join(characters), "tensors": tensors,
            "checks": said}


def unpack(packed: dict) -> GPT:
    """The model that a page holds, in eval mode."""
    model = GPT(GPTConfig(**packed["config"]), generator=torch.Generator())
    values = {name: _read(entry) for name, entry in packed["tensors"].items()}
    if model.config.tie:
        values["head.weight"] = values["tokens.weight"]
    model.load_state_dict(values)
    return model.eval()


def quantised(model: GPT, dtype: str = DTYPE, ids: torch.Tensor | None = None) -> GPT:
    """A copy of the model with exactly the weights that a page will hold, in eval mode."""
    _check(model, dtype)
    other = copy.deepcopy(model).eval()
    with torch.no_grad():
        for _, tensor, entry in _entries(other, dtype, ids):
            tensor.copy_(_read({"shape": list(tensor.shape), **entry}))
    return other


def kilobytes(packed: dict) -> int:
    """What a reader loads, in thousands of bytes, as a server sends it (gzip)."""
    return round(len(gzip.compress(page.to_json(packed).encode(), 9)) / 1000)


@torch.no_grad()
def difference(model: GPT, other: GPT, ids: torch.Tensor) -> float:
    """The largest difference between the logits of two models, over all places of ids (B, T)."""
    return max((model(part) - other(part)).abs().max().item() for part in ids.split(32))


def same_greedy(model: GPT, other: GPT, ids: torch.Tensor, count: int) -> bool:
    """Whether both write the same `count` tokens after ids (B, T), always taking the likeliest."""
    drawn = [each.generate(ids, count, torch.Generator(), temperature=0) for each in (model, other)]
    return torch.equal(*drawn)


@torch.no_grad()
def _check_of(model: GPT, characters: list[str], text: str) -> dict:
    """What the model says after a text: its logits, and GREEDY characters, always the likeliest."""
    if not text or (odd := sorted(set(text) - set(characters))):
        raise ValueError(f"the text to check {text!r} must hold characters that the model knows"
                         + (f", and holds {odd}." if text else "."))
    ids = torch.tensor([[characters.index(c) for c in text]])
    with evaluating(model):
        logits = model(ids[:, window(len(text), model.config.block):])[0, -1]
    drawn = model.generate(ids, GREEDY, torch.Generator(), temperature=0)[0, len(text):]
    return {"logits": [round(v, 4) for v in logits.tolist()],
            "greedy": "".join(characters[i] for i in drawn.tolist())}


# ---------------------------------------------------------------------------
# Rounding


def _entries(model: GPT, dtype: str, ids: torch.Tensor | None) -> Iterator[tuple]:
    """(name, tensor, what is sent of it); a tied head is the embedding."""
    squares = {} if ids is None or dtype == "float32" else _squares(model, ids)
    for name, tensor in model.state_dict().items():
        if model.config.tie and name == "head.weight":
            continue
        if tensor.ndim < 2 or dtype == "float32":
            yield name, tensor, {"f32": _text(tensor.float().numpy().astype("<f4"))}
            continue
        bits = int(dtype[3:]) + sum(more for part, more in MORE.items() if part in name)
        whole, scale = _round(name, tensor.double().numpy(), bits, squares.get(name))
        yield name, tensor, {"bits": bits, "int": _text(_shrink(whole, bits)),
                             "scale": _text(scale.astype("<f2"))}


def _round(name: str, values: np.ndarray, bits: int, squares: np.ndarray | None) -> tuple:
    """values (rows, columns) as whole numbers, times a float16 for each row."""
    top = 2 ** (bits - 1) - 1
    exact = np.abs(values).max(1) / top                                    # (rows,)
    if exact.max() > 60_000:                                               # of float16: 65,504
        raise ValueError(f"{name} holds a weight of {np.abs(values).max():.3g}, too large to send.")
    scale = exact.astype("f2")
    scale = np.where(scale < exact, np.nextafter(scale, np.float16(np.inf)), scale)
    steps = np.where(scale > 0, scale, 1).astype("f8")                     # (rows,)
    if squares is None:
        return np.rint(values / steps[:, None]).astype("i4"), scale
    whole, left = np.empty(values.shape, "i4"), values.copy()
    order = np.argsort(-squares.diagonal(), kind="stable")                 # large inputs first
    damped = squares + DAMP * squares.diagonal().mean() * np.eye(len(order))
    factor = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T    # upper triangle
    for i, column in enumerate(order):
        number = np.rint(left[:, column] / steps).clip(-top, top)
        error = (left[:, column] - number * steps) / factor[i, i]          # (rows,)
        left[:, order[i + 1:]] -= error[:, None] * factor[i, i + 1:]
        whole[:, column] = number
    return whole, scale


def _squares(model: GPT, ids: torch.Tensor) -> dict[str, np.ndarray]:
    """For each linear layer the mean of x x^T over its inputs x on ids (N,)."""
    block = model.config.block
    if ids.ndim != 1 or len(ids) < block:
        raise ValueError(f"ids are the tokens of a text, shape (N,), {block} of them at least; "
                         f"here the shape is {tuple(ids.shape)}.")
    found, hooks = {}, []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            def keep(layer, inputs, out, name=name):
                x = inputs[0].flatten(0, 1).double()                       # (B * T, columns)
                found[name + ".weight"] = (x.T @ x / len(x)).numpy()
            hooks.append(layer.register_forward_hook(keep))
    try:
        with evaluating(model):
            model(ids[: len(ids) // block * block].view(-1, block))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _check(model: GPT, dtype: str) -> None:
    if not isinstance(model, GPT):
        raise TypeError(f"the playground runs a zh.gpt.GPT, not a {type(model).__name__}.")
    if dtype != "float32" and dtype not in {f"int{bits}" for bits in range(4, 14)}:
        raise ValueError(f"dtype is {dtype!r}; it is \"int4\" to \"int13\", or \"float32\".")
    for name, tensor in model.state_dict().items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} holds a number that is not finite: look at how the model "
                             "was trained.")


# ---------------------------------------------------------------------------
# Numbers as text


def _shrink(whole: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers as bytes, `bits` bits a number, the highest first; the smallest is 0."""
    numbers = whole.reshape(-1, 1) + (2 ** (bits - 1) - 1)
    return np.packbits((numbers >> np.arange(bits)[::-1] & 1).astype("u1"))


def _read(entry: dict) -> torch.Tensor:
    """A tensor from what is sent of it."""
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
