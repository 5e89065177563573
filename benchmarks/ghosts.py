"""What the noise of batch normalisation does to generalisation: ghost batches of 2 to 64.

    python benchmarks/ghosts.py [seeds]

Every kind of `zh.ghosts.KINDS` on the same tasks, from the same weights, on the same minibatches,
and ghosts of 4 once more with the variance that training divides by kept for use.  Recorded as
zh/recorded/ghosts.json: the mean curves, and the end of each seed.  About five minutes on one core.
"""
from __future__ import annotations

import sys
import time

import torch

from zh import ghosts, recorded


def main(seeds=64):
    start = time.time()
    torch.set_num_threads(1)
    found = {}
    for kind in (*ghosts.KINDS, "4, biased"):
        run = ghosts.train(kind.partition(",")[0], seeds, bessel="biased" not in kind)
        found[kind] = {
            "curves": {name: [round(v, 4) for v in getattr(run, name).mean(1).tolist()]
                       for name in ("train", "unseen", "right")},
            **{name: [round(v, 5) for v in getattr(run, name)[-1].tolist()]
               for name in ("train", "unseen", "right")},
            "cooled": [round(v, 5) for v in run.cooled.tolist()],
        }
        print(f"{kind:10} train {run.train[-1].mean():.3f} unseen {run.unseen[-1].mean():.3f} "
              f"cooled {run.cooled.mean():.3f} right {run.right[-1].mean():.3f}", flush=True)
    recorded.save("ghosts", {
        **recorded.provenance("benchmarks/ghosts.py", time.time() - start),
        "code": recorded.code(ghosts), "seeds": seeds, "steps": run.steps, "kinds": found,
    })


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
