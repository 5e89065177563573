"""What each part of one attention layer is worth: short runs of one small model, several seeds.

    python benchmarks/attention.py [part ...] [again]

`zh.attention.OneLayer` of the chapter's size on the bundled text, character by character: without
attention, with one head and with several, with and without positions, with four ways to scale the
scores; and four heads on the lectures' text, which must be at hand or fetched (`zh.data`): runs
that test, with fifteen seeds, what was noticed in those on the bundled one.

All runs have one recipe (its rate was tried for four heads, with other minibatches, and did as well
as its neighbours), and the runs of a seed have the same minibatches. Of the models with four heads
it also keeps what each head looks at, and what it costs to do without it. "probe" is the loss of a
short run, by which the tests see whether the code still does the same.

Recorded as zh/recorded/attention.json after each part; a part that is there is kept, unless `again`
is given. About ten minutes on one core.
"""
from __future__ import annotations

import platform
import time

import torch

from zh import data, recorded, training
from zh.attention import OneLayer, by_distance, share_on
from zh.gpt.fit import draw_blocks, evaluate, optimizer

BLOCK, BATCH, DIM, STEPS, RATE, SEEDS = 32, 32, 64, 1000, 0.02, range(1, 6)
PROBE = 50                       # steps of the short run, from seed 0
PARTS = {
    "token alone": dict(heads=0, positions=None),
    "token and place": dict(heads=0),
    "one head": dict(heads=1),
    "two heads": dict(heads=2),
    "four heads": dict(heads=4),
    "eight heads": dict(heads=8),
    "no positions": dict(heads=4, positions=None),
    "rotated": dict(heads=4, positions="rope"),
    "scale 1": dict(heads=4, scale=1.0),
    "scale by the width": dict(heads=4, scale=DIM ** -0.5),
    "scale 1 over d": dict(heads=4, scale=4 / DIM),
    "four heads on plays": dict(heads=4),
}
LOOKED_AT = {"four heads": SEEDS, "four heads on plays": range(1, 16)}


def ids(part: str = "") -> tuple[torch.Tensor, torch.Tensor, str]:
    """The text as numbers: nine tenths to learn from, the rest held back; and the vocabulary."""
    text = data.text("tinyshakespeare" if part.endswith("plays") else "bundled")
    vocabulary = "".join(sorted(set(text)))
    code = {character: i for i, character in enumerate(vocabulary)}
    numbers = torch.tensor([code[character] for character in text])
    cut = 9 * len(numbers) // 10
    return numbers[:cut], numbers[cut:], vocabulary


def climb(part: str, seed: int, corpus, steps: int = STEPS) -> tuple[float, OneLayer]:
    """Train one model; returns its loss on the text held back, and the model."""
    train, dev, vocabulary = corpus
    model = OneLayer(len(vocabulary), BLOCK, DIM, generator=torch.Generator().manual_seed(seed),
                     **PARTS[part])
    training.train(model, draw_blocks(train, BLOCK, BATCH), steps,
                   generator=torch.Generator().manual_seed(1000 + seed),
                   optimizer=optimizer(model, RATE),
                   lr=training.cosine(RATE, steps, warmup=20), progress=False)
    return evaluate(model, dev, BLOCK), model


@torch.no_grad()
def looks(model: OneLayer, dev: torch.Tensor, vocabulary: str, pieces: int = 400) -> dict:
    """What each head looks at, on text held back, and the loss without it.

    "back": mean weight by distance. "space", "space_usual": on the last space before a place that
    is none, and what these places get anyway. "without": extra loss when the head gives nothing.
    """
    layer, ids = model.attention, dev[:pieces * BLOCK].view(pieces, BLOCK)
    layer.fused = False
    model(ids)
    layer.fused = True
    found, usual = share_on(layer.weights, last(ids == vocabulary.index(" ")))
    whole, size, without = evaluate(model, dev, BLOCK), DIM // layer.heads, []
    for head in range(layer.heads):
        columns = layer.project.weight[:, head * size:(head + 1) * size]
        kept = columns.clone()
        columns.zero_()
        without.append(evaluate(model, dev, BLOCK) - whole)
        columns.copy_(kept)
    return {"back": by_distance(layer.weights, 8).tolist(), "space": found.tolist(),
            "space_usual": usual.tolist(), "without": without}


def last(marks: torch.Tensor) -> torch.Tensor:
    """(B, T, T): True at the last marked place before each place that is not marked itself."""
    T = marks.shape[1]
    here = torch.arange(T)
    seen = torch.where(marks, here, -1).cummax(1).values                     # (B, T)
    return (seen[..., None] == here) & ~marks[..., None]


def main() -> None:
    torch.set_num_threads(1)
    wanted, again = recorded.asked("part", PARTS)
    bundled = ids()
    for part in wanted:
        result = recorded.load("attention", {"rows": {}, "made": {}})
        if part in result["rows"] and not again:
            continue
        corpus = ids(part)
        losses, heads, start = [], [], time.perf_counter()
        for seed in LOOKED_AT.get(part, SEEDS):
            loss, model = climb(part, seed, corpus)
            losses.append(loss)
            if part in LOOKED_AT:
                heads.append(looks(model, corpus[1], corpus[2]))
            print(part, seed, round(loss, 4), flush=True)
        made = {**result["made"], part: recorded.made(time.perf_counter() - start)}
        row = {"dev": losses, "probe": climb(part, 0, corpus, PROBE)[0],
               "parameters": sum(p.numel() for p in model.parameters()),
               **({"heads": heads} if heads else {})}
        rows = {**result["rows"], part: row}
        recorded.save("attention", {
            **recorded.provenance("benchmarks/attention.py",
                                  sum(one["seconds"] for one in made.values())),
            "command": "python benchmarks/attention.py", "seeds": list(SEEDS), "steps": STEPS,
            "batch": BATCH, "block": BLOCK, "dim": DIM, "rate": RATE,
            "text": {"characters": len(bundled[0]) + len(bundled[1]), "vocabulary": len(bundled[2]),
                     "python": platform.python_version()},
            "rows": {name: rows[name] for name in PARTS if name in rows}, "made": made})


if __name__ == "__main__":
    main()
