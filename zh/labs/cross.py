"""The data of the lab `cross`: a trained encoder-decoder made small enough for a page.

    from zh.labs import cross, lab
    packing.round_to_half(model.state_dict().values())     # the weights as the page will hold them
    lab("cross", name="lab-cross", title="...", data=cross.pack(model, tries=["3/14/1999"]))

The page holds the sizes, the signs that tokens stand for, and the weights as float16 (zh.packing).
`unpack` builds the model again from what a page holds, so that the tests can ask PyTorch what the
page should say.
"""
from __future__ import annotations

from dataclasses import asdict

import torch

from zh import dates, packing
from zh.seq2seq import EncoderDecoder, Seq2SeqConfig


def pack(model: EncoderDecoder, tries: list[str] = ()) -> dict:
    """The model as JSON. tries: texts to offer.

    Raises ValueError for weights that are not exact in float16, for a text that the model cannot
    read, and for tokens that are not those of `zh.dates`.
    """
    config = asdict(model.config)
    special = [config[name] for name in ("pad", "start", "end")]
    if config["vocab"] != dates.VOCAB or special != [dates.PAD, dates.START, dates.END]:
        raise ValueError(f"the lab writes dates: it needs the {dates.VOCAB} tokens of zh.dates, "
                         "and its PAD, START and END.")
    for text in tries:
        if len(dates.encode(text)) > config["source"]:
            raise ValueError(f"{text!r} has {len(text)} signs; the model reads "
                             f"{config['source']}.")
    return {"config": config, "signs": dates.SIGNS, "tries": list(tries),
            "weights": packing.pack(model.state_dict())}


def unpack(packed: dict) -> EncoderDecoder:
    """The model of a page."""
    model = EncoderDecoder(Seq2SeqConfig(**packed["config"]), generator=torch.Generator())
    model.load_state_dict(packing.unpack(packed["weights"]))
    return model.eval()
