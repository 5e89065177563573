"""The hand-written backward beside autograd, on the chapter's network and on a wider one.

    python benchmarks/backward.py

Prints microseconds (the fastest of many runs) and ratios. Forward: the 26 tensors kept, the same
for all; "autograd" is PyTorch's backward alone, over the graph of that forward.
"""
from __future__ import annotations

import time
from types import SimpleNamespace

import torch

from zh import backward as bw


def best(run, times: int = 200) -> float:
    """The fastest of many runs, in microseconds."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return 1e6 * min(took)


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'batch':>6} {'hidden':>6} {'forward':>8} {'26 steps':>9} {'fused':>7} {'autograd':>9}"
          f"   26 steps / fused   autograd / fused")
    for n, hidden in [(32, 64), (32, 200), (256, 512)]:
        g = torch.Generator().manual_seed(0)
        p = bw.init(27, 3, hidden=hidden, generator=g)
        X, Y = torch.randint(0, 27, (n, 3), generator=g), torch.randint(0, 27, (n,), generator=g)
        leaves = SimpleNamespace(**{k: v.clone().requires_grad_() for k, v in vars(p).items()})
        t = bw.forward(p, X, Y)

        loss = bw.forward(leaves, X, Y).loss

        def autograd(loss=loss, leaves=leaves):
            torch.autograd.grad(loss, tuple(vars(leaves).values()), retain_graph=True)

        forward = best(lambda p=p, X=X, Y=Y: bw.forward(p, X, Y))
        unfused, fused = best(lambda t=t: bw.unfused(t)), best(lambda t=t: bw.fused(t))
        auto = best(autograd)
        print(f"{n:6} {hidden:6} {forward:8.0f} {unfused:9.0f} {fused:7.0f} {auto:9.0f}"
              f"   {unfused / fused:16.2f}   {auto / fused:16.2f}")


if __name__ == "__main__":
    main()
