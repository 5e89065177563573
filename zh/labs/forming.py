"""The data of the lab `forming`: what each head of a GPT looks at, from first step to last.

    from zh.labs import forming, lab
    watch = forming.Watch(model, ["def __init__(self, name)"], steps=600, characters=characters,
                          held_out=ids_dev[:1025])
    training.train(model, draw, 600, callbacks=[watch], ...)
    lab("forming", name="lab-forming", title="...", data=watch.pack())

At about twenty moments, closer together at the beginning, the model reads a few fixed texts, and
the weights of every head are kept. With `held_out` its loss is taken too, and the loss it would
have without each head: the columns of the projection that read the head are zero for that moment.
Watching draws no random number and changes no weight: a run that is watched ends in the same bits.

In a page a weight w is one of 64 characters, number round(63 sqrt(w)): at most 1.6 % off, and
small weights keep their digits. Of a row only what the causal mask lets through is sent.

Heads that look at the previous token, and at what followed the token the last time: Elhage et al.
2021, Olsson et al. 2022. Left out: heads put back one by one, and means in place of zeros.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zh.gpt import GPT, evaluate
from zh.training import evaluating

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
TOP = len(DIGITS) - 1


def moments(steps: int, count: int = 20) -> list[int]:
    """`count` numbers of steps from 0 to `steps`, close at first: the gaps grow evenly."""
    if steps < 1 or count < 2:
        raise ValueError(f"steps is {steps} and count {count}: a run of 1 step or more is seen at "
                         "2 moments or more.")
    return sorted({round(steps * (i / (count - 1)) ** 2) for i in range(count)})


def attention(model: GPT, ids: torch.Tensor) -> torch.Tensor:
    """The weights of every head on one text, ids (T,): (layers, heads, T, T)."""
    layers = [block.attention for block in model.blocks]
    before = [layer.fused for layer in layers]
    try:
        for layer in layers:
            layer.fused = False                            # the kernel keeps no weights
        with evaluating(model):
            model(ids[None])
        return torch.stack([layer.weights[0] for layer in layers])
    finally:
        for layer, fused in zip(layers, before, strict=True):
            layer.fused = fused


def without_head(model: GPT, layer: int, head: int, ids: torch.Tensor) -> float:
    """The loss on ids (N,) if the projection did not read this head; both count from 0."""
    weight = model.blocks[layer].attention.project.weight
    size = model.config.dim // model.config.heads
    columns = slice(head * size, (head + 1) * size)
    kept = weight.detach()[:, columns].clone()
    try:
        with torch.no_grad():
            weight[:, columns] = 0
        return evaluate(model, ids, model.config.block)
    finally:
        with torch.no_grad():
            weight[:, columns] = kept


KINDS = {
    "itself": lambda text, i, j: j == i,
    "previous": lambda text, i, j: j == i - 1,
    "first": lambda text, i, j: j == 0,
    "same": lambda text, i, j: j < i and text[j] == text[i],
    "after": lambda text, i, j: 0 < j < i and text[j - 1] == text[i],
    "spaces": lambda text, i, j: j < i and text[j].isspace(),
}


def shares(weights: torch.Tensor, text: str) -> dict[str, float]:
    """How much of a head's weight lies where: the mean over all characters but the first.

    weights (T, T). "previous", "first", "same": on the same character earlier; "after": on what
    followed it there; "spaces": on earlier spaces and line ends. "spread": over which part of the
    places in sight it spreads, exp of its entropy over their number.
    What a head that looks at all alike would have: `shares(torch.ones(T, T).tril(), text)`.
    """
    w = weights.double()
    w = w / w.sum(-1, keepdim=True)
    T, found = len(text), {}
    for name, looks in KINDS.items():
        where = torch.tensor([[j <= i and looks(text, i, j) for j in range(T)] for i in range(T)])
        found[name] = (w * where).sum(-1)[1:].mean().item()
    entropy = -torch.xlogy(w, w).sum(-1)                                   # (T,)
    found["spread"] = (entropy.exp() / torch.arange(1, T + 1))[1:].mean().item()
    return found


class Watch:
    """A callback of `training.train` that looks at the attention of `model` as it trains.

    prompts: texts of 2 characters or more that fit into the model's block; steps: of the run;
    characters: one for each id, in order, or a tokenizer with `.chars`; held_out: ids (N,) to take
    losses on, None for none; heads: False leaves out the losses without each head. Make it before
    the run: it looks at the model as it is then. Raises ValueError for what it cannot read.
    """

    def __init__(self, model: GPT, prompts: Sequence[str], steps: int,
                 characters: str | Sequence[str], *, held_out: torch.Tensor | None = None,
                 heads: bool = True, count: int = 20):
        characters = list(getattr(characters, "chars", characters))
        if not prompts or isinstance(prompts, str):
            raise ValueError(f"prompts is a list of texts, one at least, not {prompts!r}.")
        for text in prompts:
            if odd := sorted(set(text) - set(characters)):
                raise ValueError(f"the prompt {text!r} holds {odd}, which the model does not know.")
            if not 2 <= len(text) <= model.config.block:
                raise ValueError(f"the prompt {text!r} has {len(text)} characters; 2 to "
                                 f"{model.config.block}, the model's block, can be read.")
        self.prompts, self.moments = list(prompts), moments(steps, count)
        self.ids = [torch.tensor([characters.index(c) for c in text]) for text in prompts]
        self.held_out, self.ablate = held_out, heads and held_out is not None
        self.shape = model.config.layers, model.config.heads
        self.steps, self.losses, self.held, self.without = [], [], [], []
        self.weights = [[] for _ in prompts]               # of each prompt, a text a moment
        self.look(0, model, [])

    def __call__(self, step: int, model: GPT, history) -> None:
        if step + 1 in self.moments:
            self.look(step + 1, model, history.losses)

    def look(self, steps: int, model: GPT, losses: list[float]) -> None:
        """Keep what the model does after so many steps."""
        since = losses[self.steps[-1]:] if self.steps else []
        self.losses.append(sum(since) / len(since) if since else None)
        self.steps.append(steps)
        for kept, ids in zip(self.weights, self.ids, strict=True):
            kept.append(_text(attention(model, ids)))
        if self.held_out is not None:
            self.held.append(evaluate(model, self.held_out, model.config.block))
        if self.ablate:
            layers, heads = self.shape
            self.without.append([without_head(model, layer, head, self.held_out) - self.held[-1]
                                 for layer in range(layers) for head in range(heads)])

    def pack(self) -> dict:
        """What was seen, as JSON. Raises ValueError where the run did not come to its end."""
        if self.steps != self.moments:
            raise ValueError(f"the run was seen after {self.steps[-1]} steps and not after "
                             f"{self.moments[-1]}: pass the watch in callbacks=[...], make it "
                             "before the run, and give it the steps of the run.")
        digits = {"losses": self.losses, "held": self.held}
        rounded = {name: [None if v is None else round(v, 4) for v in values]
                   for name, values in digits.items()}
        return {"prompts": self.prompts, "layers": self.shape[0], "heads": self.shape[1],
                "steps": self.steps, **rounded,
                "without": [[round(v, 4) for v in row] for row in self.without],
                "weights": ["".join(kept) for kept in self.weights]}


def unpack(packed: dict) -> list[torch.Tensor]:
    """The weights of a page, for each prompt: (moments, layers, heads, T, T), rows sum to 1."""
    found = []
    for text, digits in zip(packed["prompts"], packed["weights"], strict=True):
        T = len(text)
        places = np.frombuffer(digits.encode(), "u1")
        order = np.zeros(128)
        order[np.frombuffer(DIGITS.encode(), "u1")] = np.arange(len(DIGITS))
        seen = (order[places] / TOP) ** 2
        shape = len(packed["steps"]), packed["layers"], packed["heads"]
        full = np.zeros((*shape, T, T))
        full[..., *np.tril_indices(T)] = seen.reshape(*shape, -1)
        found.append(torch.from_numpy(full / full.sum(-1, keepdims=True)))
    return found


def _text(weights: torch.Tensor) -> str:
    """Weights (layers, heads, T, T) as characters, the lower triangle row by row."""
    T = weights.shape[-1]
    rows, columns = np.tril_indices(T)
    seen = weights[..., rows, columns].double().clamp(0, 1).sqrt()
    return "".join(DIGITS[i] for i in (seen * TOP).round().int().flatten().tolist())
