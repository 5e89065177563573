"""The data of the lab `tuned`: several GPTs that answer the same request, side by side.

    packed = tuned.pack({"base": base, "tuned": model}, ids=rows[:1000])
    lab("tuned", name="lab-tuned", title="...", data=packed, kilobytes=tuned.kilobytes(packed))

Each model as `zh.labs.playground` packs one; they run in the same code of the page. The page also
judges: whether an answer ends as asked, and the points of `zh.post_training.taste`.
"""
from __future__ import annotations

import torch

from zh.gpt import GPT
from zh.labs import playground
from zh.labs.playground import kilobytes
from zh.post_training.requests import BLOCK, CHARACTERS, GIVEN, LONGEST
from zh.post_training.taste import AGAIN, ASKED, OFF, TURNS

__all__ = ["kilobytes", "pack", "unpack"]


def pack(models: dict[str, GPT], ids: torch.Tensor | None = None, dtype: str = "int10") -> dict:
    """{name: model} as JSON. ids (N, T): rows to round the weights by."""
    if not models:
        raise ValueError("there is no model to show.")
    for name, model in models.items():
        if model.config.block < BLOCK:
            raise ValueError(f"{name!r} reads {model.config.block} places; a request with its "
                             f"answer has {BLOCK}.")
    text = None if ids is None else ids[:, :BLOCK].flatten()
    return {"given": GIVEN, "longest": LONGEST,
            "taste": {"asked": ASKED, "turns": TURNS, "off": OFF, "again": AGAIN},
            "models": [{"name": name, **playground.pack(model, CHARACTERS, dtype, text)}
                       for name, model in models.items()]}


def unpack(packed: dict) -> dict[str, GPT]:
    """The models that the page holds."""
    return {one["name"]: playground.unpack(one) for one in packed["models"]}
