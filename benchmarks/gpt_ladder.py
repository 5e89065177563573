"""The ladder from a table of pairs to a small GPT, with the spread of its seeds.

    python benchmarks/gpt_ladder.py [short] [bundled] [others] [own] [tinyshakespeare] [again]

Tables and two baselines, recorded row by row in `zh/recorded/gpt_ladder.json`:

short             every rung of `zh.gpt_ladder.RUNGS`, five seeds, 200 steps, on the bundled text:
                  what the tests hold a fresh short run to.
bundled           five seeds, 5000 steps, on the bundled text.
others            three seeds, 5000 steps, on the bundled text: rungs beside the ladder, with other
                  depths and other positions.
own               the GPT that the chapter trains, and variants of it, three seeds; a long run, one.
tinyshakespeare   three seeds, 5000 steps, on the lecture's text, beside the lecture's own losses.

Both texts also have the loss of counting with back-off, with as many characters to go by. A rung
that is in a table already is kept while its short run still comes out as recorded; `again` repeats
all. The seeds of a rung run side by side; most of an hour on one core in all.
"""
from __future__ import annotations

import functools
import time

import torch

from zh import gpt_ladder, recorded

RUNGS, OTHERS = gpt_ladder.RUNGS, gpt_ladder.OTHERS
TABLES = {"short": ("bundled", gpt_ladder.SHORT, range(5), RUNGS + OTHERS),
          "bundled": ("bundled", gpt_ladder.STEPS, range(5), RUNGS),
          "others": ("bundled", gpt_ladder.STEPS, range(3), OTHERS),
          "own": ("bundled", gpt_ladder.OWN_RECIPE["steps"], range(3), gpt_ladder.VARIANTS),
          "tinyshakespeare": ("tinyshakespeare", gpt_ladder.STEPS, range(3), RUNGS)}
CLOSE = 1e-5

corpus = functools.cache(gpt_ladder.corpus)


def load() -> dict:
    return recorded.load("gpt_ladder", {"tables": {}, "corpora": {}, "counted": {}})


def save(result: dict) -> None:
    seconds = sum(row["seconds"] for rows in result["tables"].values() for row in rows)
    recorded.save("gpt_ladder", {
        **result, **recorded.provenance("benchmarks/gpt_ladder.py", seconds),
        "command": "python benchmarks/gpt_ladder.py",
        "recipe": {"dim": gpt_ladder.DIM, "heads": gpt_ladder.HEADS, "block": gpt_ladder.BLOCK,
                   "batch": gpt_ladder.BATCH, "lr": gpt_ladder.LR}})


def find(result: dict, table: str, name: str) -> dict | None:
    return next((row for row in result["tables"].get(table, []) if row["name"] == name), None)


@functools.cache
def unchanged(rung: gpt_ladder.Rung) -> bool:
    """Whether the short run of a rung comes out as it was recorded."""
    result = load()
    old = find(result, "short", rung.name)
    if old is None or result["corpora"].get("bundled") != gpt_ladder.about("bundled"):
        return False
    run = measure(rung, "short")
    return all(abs(a - b) < CLOSE for a, b in zip(run["val"], old["val"], strict=True))


@functools.cache
def measure(rung: gpt_ladder.Rung, table: str) -> dict:
    name, steps, seeds, _ = TABLES[table]
    train, val, tokenizer = corpus(name)
    return gpt_ladder.climb(rung, train, val, tokenizer.vocab_size, list(seeds), steps)


def climb(table: str, again: bool) -> None:
    """Run what is missing of one table, recording after each rung."""
    name, steps, seeds, rungs = TABLES[table]
    for rung in rungs:
        old = find(load(), table, rung.name)
        if old and not again and (old["steps"], old["lr"]) == (steps, rung.lr) and unchanged(rung):
            continue
        row = {"name": rung.name, "lecture": rung.lecture, "steps": steps, "lr": rung.lr,
               "seeds": list(seeds), **measure(rung, table), "made": recorded.made()}
        result = load()
        rows = {old["name"]: old for old in result["tables"].get(table, [])} | {rung.name: row}
        result["tables"][table] = [rows[r.name] for r in rungs if r.name in rows]
        result["corpora"][name] = gpt_ladder.about(name)
        save(result)
        print(f"{table:15} {rung.name:20} {row['params']:6} {gpt_ladder.mean(row):.4f}",
              [round(loss, 4) for loss in row["val"]], f"{row['seconds']:.0f} s", flush=True)
    result = load()
    if table == name and (again or name not in result["counted"]):
        train, val, tokenizer = corpus(name)
        result["counted"][name] = gpt_ladder.counted(train, val, tokenizer.vocab_size)
        save(result)
        print(f"{table:15} counting", result["counted"][name], flush=True)


def own(again: bool) -> None:
    """The chapter's own run and its variants: a row each, from every seed."""
    name, steps, seeds, variants = TABLES["own"]
    train, val, tokenizer = corpus(name)
    settings = {**gpt_ladder.OWN, **gpt_ladder.OWN_RECIPE}
    for variant, changes in variants.items():
        old = find(load(), "own", variant)
        if old and not again and old["settings"] == {**settings, **changes}:
            continue
        some = list(seeds)[:1 if "steps" in changes else None]       # a long run is one run
        runs = [gpt_ladder.own(train, val, tokenizer.vocab_size, seed, **changes)
                for seed in some]
        row = {"name": variant, "settings": {**settings, **changes}, "seeds": some,
               "params": runs[0]["params"], "val": [run["val"] for run in runs],
               "train": [run["train"] for run in runs],
               "seconds": sum(run["seconds"] for run in runs), "made": recorded.made()}
        result = load()
        rows = {old["name"]: old for old in result["tables"].get("own", [])} | {variant: row}
        result["tables"]["own"] = [rows[v] for v in variants if v in rows]
        save(result)
        print(f"own             {variant:20} {row['params']:6} {gpt_ladder.mean(row):.4f}",
              [round(loss, 4) for loss in row["val"]], f"{row['seconds']:.0f} s", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    tables, again = recorded.asked("table", list(TABLES))
    start = time.perf_counter()
    for table in tables:
        if table == "own":
            own(again)
        else:
            climb(table, again)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
