"""What the noise of batch normalisation does to generalisation: ghost batches of 2 to 64.

    python benchmarks/ghosts.py [seeds]

Every kind of `zh.ghosts.KINDS` on the same tasks, from the same weights, on the same minibatches,
and ghosts of 4 once more with the variance that training divides by kept for use.  Recorded as
zh/recorded/ghosts.json: the mean curves; and of each seed the end, step 200 ("early"), and the look
at which the mean loss on the unseen was lowest ("stopped").  About eight minutes on one core.
"""
from __future__ import annotations

import sys
import time

import torch

from zh import ghosts, recorded

EARLY = 200


def ends(run):
    """The last look of each seed."""
    last = {name: getattr(run, name)[-1] for name in ("train", "unseen", "right")}
    return {name: [round(v, 5) for v in values.tolist()]
            for name, values in {**last, "cooled": run.cooled}.items()}


def main(seeds=64):
    start = time.time()
    torch.set_num_threads(1)
    found = {}
    for kind in (*ghosts.KINDS, "4, biased"):
        name, bessel = kind.partition(",")[0], "biased" not in kind
        run = ghosts.train(name, seeds, bessel=bessel)
        lowest = run.steps[run.unseen.mean(1).argmin()]
        found[kind] = {
            "curves": {what: [round(v, 4) for v in getattr(run, what).mean(1).tolist()]
                       for what in ("train", "unseen", "right")},
            **ends(run),
            **{when: {"steps": steps, **ends(ghosts.train(name, seeds, steps, bessel=bessel))}
               for when, steps in (("early", EARLY), ("stopped", lowest))},
        }
        print(f"{kind:10} train {run.train[-1].mean():.3f} unseen {run.unseen[-1].mean():.3f} "
              f"cooled {run.cooled.mean():.3f} right {run.right[-1].mean():.3f}", flush=True)
    recorded.save("ghosts", {
        **recorded.provenance("benchmarks/ghosts.py", time.time() - start),
        "code": recorded.code(ghosts), "seeds": seeds, "steps": run.steps, "kinds": found,
    })


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
