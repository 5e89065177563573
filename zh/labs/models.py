"""The data of the lab `models`: trained models of names made small enough for a page.

    from zh.labs import lab, models
    nets = {"MLP": mlp, "WaveNet": wavenet}
    models.round_to_half(nets)                      # the weights as the page will hold them
    packed = models.pack({"4-gram": four, **nets}, X, Y, tries=["mar"],
                         losses={"MLP": 2.31}, note="Losses are those of unseen names.")
    lab("models", name="lab-models", title="...", data=packed)

A network is the list of its layers and its weights as float16 (zh.packing). The count models share
one table, that of the longest: the counts of shorter contexts are its sums. `unpack` builds the
models again from what a page holds, so that the tests can ask PyTorch what the page should say.
"""
from __future__ import annotations

import base64

import torch

from zh import data, packing
from zh.layers import BatchNorm1d, Embedding, Flatten, FlattenConsecutive, Linear, Sequential, Tanh
from zh.ngrams import NGram

KINDS = {kind.__name__: kind for kind in
         (Embedding, Flatten, FlattenConsecutive, Linear, BatchNorm1d, Tanh)}


def round_to_half(models: dict) -> None:
    """Give every network the weights and running statistics that a page will hold, in place."""
    for model in models.values():
        if not isinstance(model, NGram):
            packing.round_to_half(model.state_dict().values())


def pack(models: dict, X: torch.Tensor, Y: torch.Tensor, tries: list[str] = (), *,
         losses: dict[str, float] | None = None, note: str = "") -> dict:
    """{name: model} as JSON: count models (zh.ngrams) and rows of layers (zh.layers).

    X (N, block), Y (N,): what the count models were fitted to; `tries`: prefixes to offer;
    `losses`: of the models as they are packed, shown beside their names; `note`: a sentence above
    them. Raises ValueError for weights that are not exact in float16 (see `round_to_half`) or for
    the loss of an unknown model, and TypeError for a layer that the page does not know.
    """
    losses = losses or {}
    if strange := [name for name in losses if name not in models]:
        raise ValueError(f"there is a loss of {strange[0]!r}, and no such model; there is "
                         f"{', '.join(models)}.")
    counting = [model for model in models.values() if isinstance(model, NGram)]
    order = max([model.n for model in counting], default=1)
    block = max([order - 1, *(model.block for model in models.values())])
    return {"alphabet": data.ALPHABET, "block": block, "tries": list(tries), "note": note,
            "counts": {"order": order, "base64": _pack_counts(X, Y, order)},
            "models": [{"name": name, **_pack_model(model),
                        **({"loss": round(losses[name], 4)} if name in losses else {})}
                       for name, model in models.items()]}


def unpack(packed: dict) -> dict:
    """The models of a page, in float64 and eval mode: {name: function of contexts (B, block)}.

    The count models come as functions of the packed table, the networks as layers of zh.
    """
    X, Y = _unpack_counts(packed["counts"], len(packed["alphabet"]))
    models = {}
    for entry in packed["models"]:
        if "n" in entry:
            model = NGram(entry["n"], entry["k"], backoff=entry["backoff"]).fit(X, Y)
        else:
            model = _unpack_network(entry)
        models[entry["name"]] = model
    return models


def _pack_model(model) -> dict:
    if isinstance(model, NGram):
        return {"n": model.n, "k": model.k, "backoff": model.backoff}
    layers = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind not in KINDS:
            raise TypeError(f"the page has no layer {kind}; it has {', '.join(KINDS)}")
        option = {"FlattenConsecutive": "n", "BatchNorm1d": "eps"}.get(kind)
        layers.append([kind, getattr(layer, option)] if option else [kind])
    return {"block": model.block, "layers": layers, "weights": packing.pack(model.state_dict())}


def _unpack_network(entry: dict) -> Sequential:
    weights = packing.unpack(entry["weights"])
    g, layers = torch.Generator(), []
    for i, (kind, *option) in enumerate(entry["layers"]):
        shape = entry["weights"].get(f"{i}.weight", {"shape": ()})["shape"]
        if kind == "Embedding":
            layers.append(Embedding(*shape, generator=g))
        elif kind == "Linear":
            layers.append(Linear(*shape, bias=f"{i}.bias" in weights, generator=g))
        elif kind == "BatchNorm1d":
            layers.append(BatchNorm1d(len(weights[f"{i}.gain"]), eps=option[0]))
        else:
            layers.append(KINDS[kind](*option))
    model = Sequential(*layers)
    model.load_state_dict(weights)
    model.block = entry["block"]
    return model.eval()


def _pack_counts(X: torch.Tensor, Y: torch.Tensor, order: int) -> str:
    """How often each `order` letters in a row occur: gaps between codes and counts, in base64.

    A code is the letters as one number in base 27; codes rise. Numbers go in groups of seven bits,
    the lowest first, with the eighth bit where more follow.
    """
    code = torch.zeros(len(X), dtype=torch.int64)
    for column in range(X.shape[1] - order + 1, X.shape[1]):
        code = code * len(data.ALPHABET) + X[:, column]
    codes, counts = (code * len(data.ALPHABET) + Y).unique(return_counts=True)
    out, last = bytearray(), -1
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        for number in (code - last, count):
            while number > 127:
                out.append(number & 127 | 128)
                number >>= 7
            out.append(number)
        last = code
    return base64.b64encode(bytes(out)).decode()


def _unpack_counts(counts: dict, vocab: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Contexts (N, order - 1) and next letters (N,) with these counts, by rising code."""
    numbers, value, shift = [], 0, 0
    for byte in base64.b64decode(counts["base64"]):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    codes = torch.tensor(numbers[::2]).cumsum(0) - 1
    codes = codes.repeat_interleave(torch.tensor(numbers[1::2]))            # (N,)
    columns = [codes // vocab ** i % vocab for i in reversed(range(counts["order"]))]
    letters = torch.stack(columns, 1)                                       # (N, order)
    return letters[:, :-1], letters[:, -1]
