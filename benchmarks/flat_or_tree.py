"""Eight letters through one flat layer or through a tree, with the same number of parameters.

    python benchmarks/flat_or_tree.py [seeds] [steps]

Recorded as zh/recorded/flat_or_tree.json. About ten minutes on one core for 6 seeds.
"""
from __future__ import annotations

import sys
import time

import torch

from zh import data, recorded, training
from zh.mlp import MLP
from zh.wavenet import WaveNet

MODELS = {
    "flat": lambda g: MLP(8, 10, 200, generator=g),
    "flat + batchnorm": lambda g: MLP(8, 10, 200, batchnorm=True, generator=g),
    "tree": lambda g: WaveNet(8, 10, 68, generator=g),
}


def main(seeds: int = 6, steps: int = 20_000) -> None:
    torch.set_num_threads(1)
    train, dev, _ = data.split(data.names())
    (X, Y), (Xd, Yd) = data.windows(train, 8), data.windows(dev, 8)
    rows = {name: {"dev": [], "train": []} for name in MODELS}
    start = time.perf_counter()
    for seed in range(1, seeds + 1):
        for name, make in MODELS.items():
            generator = torch.Generator().manual_seed(seed)
            model = make(generator)
            training.train(model, lambda g: data.batch(X, Y, 32, g), steps, generator=generator,
                           lr=training.step_down(0.1, at={3 * steps // 4: 0.1}), progress=False)
            rows[name]["params"] = sum(p.numel() for p in model.parameters())
            rows[name]["dev"].append(training.evaluate(model, Xd, Yd))
            rows[name]["train"].append(training.evaluate(model, X, Y))
        print(seed, {name: round(row["dev"][-1], 4) for name, row in rows.items()}, flush=True)
    recorded.save("flat_or_tree", {
        **recorded.provenance("benchmarks/flat_or_tree.py", time.perf_counter() - start),
        "seeds": list(range(1, seeds + 1)), "steps": steps, "models": rows})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
