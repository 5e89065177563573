"""The long runs on the lecture's text: nanoGPT's setting for a CPU, and our own in no more time.

    ZH_DATA=folder/with/tinyshakespeare.txt python benchmarks/gpt_runs.py [short] [long] [again]

Without ZH_DATA the text is fetched. One thread, the recipes of `zh.gpt.recipes` taking turns, so
that both meet the same load on the machine; the text is cut 90/10 by position, as in the lecture.
Recorded run by run in `zh/recorded/gpt_runs.json`; what is there is kept, unless `again` is given.

long    each recipe with three seeds. `recipes.OURS` was chosen with seed 100, which is not among
        them. Four minutes a run on one core of 2026.
short   the first steps of each, on the names that the book carries, three seeds: what the tests
        hold a fresh run to.

"val" is the loss over the whole of the held-back text, in nats a character; "val_drawn" over 20
random batches of it, which is how nanoGPT estimates it on a CPU, with an error of its own of about
0.02. nanoGPT's own number for its setting, 1.88, is of that kind.
"""
from __future__ import annotations

import hashlib
import time

import torch

from zh import data, recorded
from zh.gpt import recipes

KEEP = ("train", "val", "val_drawn", "seconds", "cpu", "parameters")
SEEDS = {"long": (0, 1, 2), "short": (0, 1, 2)}


def text(table: str) -> str:
    """The lecture's text, or for the short runs the book's own."""
    return data.text("tinyshakespeare") if table == "long" else recipes.names_text()


def save(result: dict) -> None:
    seconds = sum(row["seconds"] for table in SEEDS for row in result.get(table, []))
    recorded.save("gpt_runs", {
        **result, **recorded.provenance("benchmarks/gpt_runs.py", seconds),
        "command": "python benchmarks/gpt_runs.py",
        "recipes": {r.name: recipes.said(r) for r in recipes.RECIPES},
        "nanogpt says": 1.88, "short steps": recipes.SHORT})


def main() -> None:
    tables, again = recorded.asked("table", list(SEEDS))
    torch.set_num_threads(1)
    result = recorded.load("gpt_runs", {})
    for table in tables:
        if again:
            result[table] = []
        words = text(table)
        result.setdefault("corpora", {})[table] = {
            "characters": len(words), "sha256": hashlib.sha256(words.encode()).hexdigest()}
        ids, held, vocab = recipes.cut(words)
        for seed in SEEDS[table]:
            for recipe in recipes.RECIPES:
                rows = result.setdefault(table, [])
                about = recipes.said(recipe)
                if any((row["name"], row["seed"], row["recipe"]) == (recipe.name, seed, about)
                       for row in rows):
                    continue
                began = time.perf_counter()
                shown = recipe if table == "long" else recipes.short(recipe)
                run = recipes.train(shown, ids, held, seed, vocab)
                rows[:] = [row for row in rows
                           if (row["name"], row["seed"]) != (recipe.name, seed)]
                rows.append({"name": recipe.name, "seed": seed, "recipe": about,
                             **{key: run[key] for key in KEEP},
                             **{key: value for key, value in recorded.made(
                                 time.perf_counter() - began).items() if key != "seconds"}})
                save(result)
                print(f"{table:6} {recipe.name:8} seed {seed}: train {run['train']:.4f}, held back "
                      f"{run['val']:.4f}, drawn {run['val_drawn']:.4f}, {run['cpu']:.0f} s of the "
                      f"processor, {run['seconds']:.0f} s by the clock", flush=True)


if __name__ == "__main__":
    main()
