"""Counting with more letters than the ladder has: 5-gram to 8-gram on its six splits.

    python benchmarks/long_counts.py

Made as the count models of the ladder are: k and the kind of smoothing are chosen on the
development set of each split. Recorded as zh/recorded/long_counts.json. About a minute.
"""
from __future__ import annotations

import time

from zh import ladder, recorded


def main() -> None:
    start, rows = time.perf_counter(), []
    parts = {split: ladder.windows(8, split) for split in range(6)}
    for n in (5, 6, 7, 8):
        rung = ladder.Rung(f"{n}-gram", n - 1, n=n)
        runs = [ladder.climb(rung, parts[split]) for split in parts]
        rows.append({"name": rung.name, "block": n - 1, "split": list(parts),
                     **{key: [run[key] for run in runs]
                        for key in ("train", "dev", "test", "params", "k", "backoff")}})
        print(rung.name, [round(loss, 4) for loss in rows[-1]["dev"]], rows[-1]["k"], flush=True)
    recorded.save("long_counts", {
        **recorded.provenance("benchmarks/long_counts.py", time.perf_counter() - start),
        "rows": rows})


if __name__ == "__main__":
    main()
