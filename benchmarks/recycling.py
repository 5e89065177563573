"""What dead units are worth when new data arrive: keep, cut or recycle them.

    python benchmarks/recycling.py [seeds]

Networks on a ring with a hidden quarter, thrown about by twelve oversized steps and then trained
(`zh.dying.kicked`).  Then the hidden quarter joins the data, and each network goes on for 2000
steps, on the same minibatches, in four ways: dead units kept; cut away; started anew; started
anew in their old direction.  The second table is for the chapter's slider: which share of the dead
units is recycled, how often, and whether they keep their direction; the same networks, the same
minibatches.  Recorded as zh/recorded/recycling.json.  About five minutes on one core.
"""
from __future__ import annotations

import sys
import time

import torch

from zh import dying, recorded

STEPS, LR = 2000, 0.3
SHARES, PERIODS = [0.25, 0.5, 0.75, 1.0], {"once": 0, "every 500 steps": 500, "every 100": 100}


def some(units, share, generator):
    """A random part of these units."""
    return units & (torch.rand(units.shape, generator=generator) < share)


def go_on(net, params, *, frozen=None, each=None):
    """The loss on the whole ring, (S,), after training on all of it."""
    x, y = torch.cat([net.x, net.hidden_x], 1), torch.cat([net.y, net.hidden_y], 1)
    g = torch.Generator().manual_seed(100)
    params = dying.descend(params, x, y, LR, STEPS, g, frozen=frozen, each=each)
    return dying.loss_of(params, x, y)


def recycled(net, share, period, keep_direction):
    """Loss and how many units were recycled in all, the mean over the networks."""
    g = torch.Generator().manual_seed(7)
    x = torch.cat([net.x, net.hidden_x], 1)
    units = some(net.dead, share, g)
    count = units.sum()
    params = dying.recycle(net.params, units, g, keep_direction=keep_direction)

    def each(step, params):
        nonlocal count
        if period and step % period == 0 and step < STEPS:
            units = some(dying.dead(dying.pre(params, x)), share, g)
            count = count + units.sum()
            for p, q in zip(params, dying.recycle(params, units, g, keep_direction=keep_direction),
                            strict=True):
                p.copy_(q)

    loss = go_on(net, params, each=each)
    return loss, float(count) / len(loss)


def main(seeds=64):
    start = time.time()
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(0)
    net = dying.kicked([4.0] * seeds, [0.25] * seeds, generator=g)
    W, b, V, c = net.params
    cut = [W, b, V * ~net.dead[..., None], c]
    ways = {
        "keep": go_on(net, net.params),
        "remove": go_on(net, cut, frozen=net.dead),
        "anew": recycled(net, 1.0, 0, False)[0],
        "same direction": recycled(net, 1.0, 0, True)[0],
    }
    for way, loss in ways.items():
        print(f"{way:15} mean {loss.mean():.4f} median {loss.median():.4f}", flush=True)
    grid = []
    for direction in (False, True):
        for when, period in PERIODS.items():
            for share in SHARES:
                loss, count = recycled(net, share, period, direction)
                grid.append({"share": share, "when": when, "direction": direction,
                             "recycled": round(count, 1),
                             "loss": [round(v, 5) for v in loss.tolist()]})
                print(direction, when, share, f"{loss.mean():.4f}", flush=True)
    recorded.save("recycling", {
        **recorded.provenance("benchmarks/recycling.py", time.time() - start),
        "code": recorded.code(dying), "seeds": seeds, "steps": STEPS,
        "dead": net.dead.sum(1).tolist(), "units": net.dead.shape[1],
        "loss": {way: [round(v, 5) for v in loss.tolist()] for way, loss in ways.items()},
        "grid": grid,
    })


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
