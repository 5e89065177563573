"""The scaling curve of the book's models, and what a step costs on this machine.

    python benchmarks/scaling.py [curve] [edges] [speed] [compiled] [again]

One thread. Recorded row by row in `zh/recorded/scaling.json`; what is there is kept, unless `again`
is given.

curve   `zh.scaling.GRID`: seven budgets over two decades, three sizes each, two seeds; and one run
        with twice the largest budget, which no fit sees. Ten minutes on one core of 2026.
edges   `zh.scaling.EDGES`: one size more, two seeds, where the best of the three is the smallest or
        the largest. Two minutes.
speed   milliseconds of a training step in float32 and under bf16 autocast, in turns.
compiled  the same beside `torch.compile`. It needs a C++ compiler, and minutes for the first step;
        without one it says so.
"""
from __future__ import annotations

import shutil
import statistics
import time

import torch

from zh import gpt_ladder, recorded, scaling, sizes
from zh.gpt import GPT, GPTConfig, optimizer

SHAPE, TEXTS = dict(vocab=65, block=64, layers=4, heads=4, dim=128), 12
TURNS = 8


def save(result: dict) -> None:
    trained = [row for key in ("curve", "beyond", "edges") for row in result.get(key, [])]
    seconds = sum(row["cpu"] for row in trained) + sum(
        result[key]["seconds"] for key in ("speed", "compiled") if key in result)
    recorded.save("scaling", {
        **result, **recorded.provenance("benchmarks/scaling.py", seconds),
        "command": "python benchmarks/scaling.py",
        "about": {"text": gpt_ladder.about(), "block": scaling.BLOCK, "batch": scaling.BATCH,
                  "rate": scaling.RATE, "std": scaling.STD, "warmup": scaling.WARMUP}})


def curve(result: dict) -> None:
    run_all(result, [("curve", budget, size, seed) for budget, names in scaling.GRID.items()
                     for size in names for seed in scaling.SEEDS] + [("beyond", *scaling.BEYOND)])


def edges(result: dict) -> None:
    run_all(result, [("edges", budget, size, seed) for budget, size in scaling.EDGES.items()
                     for seed in scaling.SEEDS])


def run_all(result: dict, wanted: list[tuple[str, float, str, int]]) -> None:
    """Train what is not recorded yet: (part of the record, budget, size, seed)."""
    for part, budget, size, seed in wanted:
        rows = result.setdefault(part, [])
        if any((r["budget"], r["size"], r["seed"]) == (budget, size, seed) for r in rows):
            continue
        row = scaling.run(budget, size, seed)
        rows.append({**row, **{k: v for k, v in recorded.made().items() if k != "seconds"}})
        rows.sort(key=lambda r: (r["budget"], list(scaling.SIZES).index(r["size"]), r["seed"]))
        save(result)
        print(f"{budget:.1e} {size:7} seed {seed}: {row['steps']:5} steps, "
              f"loss {row['loss']:.4f}, {row['cpu']:.0f} s", flush=True)


def compiler() -> bool:
    """Is there a C++ compiler for torch.compile?"""
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


def in_turns(kinds: tuple[str, ...]) -> dict:
    """Steps of SHAPE, the kinds taking turns: seconds of the first, median milliseconds after it.
    """
    began = time.perf_counter()
    ids = torch.randint(SHAPE["vocab"], (TEXTS, SHAPE["block"] + 1),
                        generator=torch.Generator().manual_seed(2))
    x, y = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    model = GPT(GPTConfig(**SHAPE), generator=torch.Generator().manual_seed(1))
    move, fast = optimizer(model, 1e-4), torch.compile(model.loss)

    def step(kind: str) -> float:
        move.zero_grad()
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16"):
            loss = (fast if kind == "compiled" else model.loss)(x, y)
        loss.backward()
        move.step()
        return 1000 * (time.process_time() - start)

    first = {}
    for kind in kinds:                                         # the first one compiles
        start = time.perf_counter()
        step(kind)
        first[kind] = round(time.perf_counter() - start, 1)
    took = {kind: [] for kind in kinds}
    for _ in range(TURNS):
        for kind in kinds:
            took[kind].append(step(kind))
    return {"shape": SHAPE, "batch": TEXTS, "step": sizes.count(GPTConfig(**SHAPE), TEXTS)["step"],
            "first": first, "ms": {kind: statistics.median(ms) for kind, ms in took.items()},
            **recorded.made(time.perf_counter() - began)}


def speed(result: dict, part: str = "speed", other: str = "bf16") -> None:
    if part in result:
        return
    result[part] = in_turns(("float32", other))
    save(result)
    print(part, {k: round(v, 1) for k, v in result[part]["ms"].items()}, flush=True)


def compiled(result: dict) -> None:
    if compiler():
        speed(result, "compiled", "compiled")
    else:
        print("no C++ compiler (g++ or clang++): torch.compile is left out")


PARTS = {"curve": curve, "edges": edges, "speed": speed, "compiled": compiled}


def main() -> None:
    parts, again = recorded.asked("part", list(PARTS))
    torch.set_num_threads(1)
    result = recorded.load("scaling", {})
    for part in parts:
        if again:
            for key in {"curve": ("curve", "beyond")}.get(part, (part,)):
                result.pop(key, None)
        PARTS[part](result)


if __name__ == "__main__":
    main()
