"""Eight letters through one flat layer or through a tree, with the same number of parameters.

    python benchmarks/flat_or_tree.py [plain] [tuned]

plain   20,000 minibatches of 32, learning rate 0.1 and then 0.01 for all, as in the lecture;
        six seeds.
tuned   as the ladder: its steps and minibatches, a cosine with the top that suits the model (that
        of the rung without the five further letters), its five seeds. The tree is the ladder's.

Recorded as zh/recorded/flat_or_tree.json. About ten minutes on one core.
"""
from __future__ import annotations

import sys
import time

import torch

from zh import data, ladder, recorded, training
from zh.mlp import MLP
from zh.wavenet import WaveNet

STEPS, SEEDS = 20_000, range(1, 7)
FLAT = {"flat": lambda g: MLP(8, 10, 200, generator=g),
        "flat + batchnorm": lambda g: MLP(8, 10, 200, batchnorm=True, generator=g)}
TREE = {"tree": lambda g: WaveNet(8, 10, 68, generator=g)}


def plain() -> dict:
    """{model: {params, dev, train}}, the lecture's recipe."""
    (X, Y), (Xd, Yd), _ = ladder.windows(8)
    rows = {name: {"dev": [], "train": []} for name in FLAT | TREE}
    for seed in SEEDS:
        for name, make in (FLAT | TREE).items():
            generator = torch.Generator().manual_seed(seed)
            model = make(generator)
            training.train(model, lambda g: data.batch(X, Y, 32, g), STEPS, generator=generator,
                           lr=training.step_down(0.1, at={3 * STEPS // 4: 0.1}), progress=False)
            rows[name]["params"] = sum(p.numel() for p in model.parameters())
            rows[name]["dev"].append(training.evaluate(model, Xd, Yd))
            rows[name]["train"].append(training.evaluate(model, X, Y))
        print("plain", seed, {name: round(row["dev"][-1], 4) for name, row in rows.items()},
              flush=True)
    return rows


def tuned() -> dict:
    """{model: {params, lr, dev, test, train}} of the flat ones, the ladder's recipe."""
    parts, rows = ladder.windows(8), {}
    rates = {rung.name: rung.lr for rung in ladder.RUNGS}
    for name, make in FLAT.items():
        lr = rates["MLP + batchnorm" if "batchnorm" in name else "MLP"]
        rung = ladder.Rung(name, 8, make=make, lr=lr)
        runs = [ladder.climb(rung, parts, seed) for seed in range(5)]
        rows[name] = {"params": runs[0]["params"], "lr": lr,
                      **{key: [run[key] for run in runs] for key in ("dev", "test", "train")}}
        print("tuned", name, [round(loss, 4) for loss in rows[name]["dev"]], flush=True)
    return rows


def main() -> None:
    torch.set_num_threads(1)
    start, wanted = time.perf_counter(), sys.argv[1:] or ["plain", "tuned"]
    try:
        result = recorded.load("flat_or_tree")
    except FileNotFoundError:
        result = {}
    if "plain" in wanted:
        result |= {"steps": STEPS, "seeds": list(SEEDS), "models": plain()}
    if "tuned" in wanted:
        result["tuned"] = tuned()
    made = recorded.provenance("benchmarks/flat_or_tree.py", time.perf_counter() - start)
    made["command"] = "python benchmarks/flat_or_tree.py"
    recorded.save("flat_or_tree", {**result, **made})


if __name__ == "__main__":
    main()
