"""A training step of the MLP: `zh.mlp` in the loop of `zh.training`, beside the lecture's own code.

    python benchmarks/mlp_step.py [steps]

Both start from the same weights, see the same minibatches of 32 and move with the same learning
rate: 11,897 parameters, 3 letters of context, the names that the book carries, one thread. They
take turns of 250 steps, so that both meet the same load on the machine. The loop of `zh.training`
is the real one: schedule, history, and the check of loss and gradients at every step.

Prints the microseconds of a step, their ratio (also of the slowest and fastest pair of turns), and
how far apart the losses are: 0 at the first step, or nearly, and growing from then on as rounding
does. The time is the processor's own, so that what else runs on the machine counts as little as it
can; a neighbour that fills the caches still slows both, and brings the ratio nearer to 1. The
medians of a run without arguments are recorded in `zh/recorded/mlp_step.json`.
"""
from __future__ import annotations

import statistics
import sys
import time

import torch
import torch.nn.functional as F

from zh import data, recorded, training
from zh.mlp import MLP

TURN = 250


class Lecture:
    """The cell of the lecture (makemore, part 2) as it stands there, on weights of its own.

    Only the generator of the minibatches is added, so that both sides see the same ones.
    """

    def __init__(self, weights, X, Y, generator):
        self.parameters = [w.detach().clone().requires_grad_() for w in weights]
        self.X, self.Y, self.generator = X, Y, generator
        self.stepi, self.lossi = [], []

    def train(self, steps):
        Xtr, Ytr, parameters = self.X, self.Y, self.parameters
        C, W1, b1, W2, b2 = parameters
        for i in range(len(self.stepi), len(self.stepi) + steps):
            # minibatch construct
            ix = torch.randint(0, Xtr.shape[0], (32,), generator=self.generator)
            # forward pass
            emb = C[Xtr[ix]]
            h = torch.tanh(emb.view(-1, 30) @ W1 + b1)
            logits = h @ W2 + b2
            loss = F.cross_entropy(logits, Ytr[ix])
            # backward pass
            for p in parameters:
                p.grad = None
            loss.backward()
            # update
            lr = 0.1 if i < 100_000 else 0.01
            for p in parameters:
                p.data += -lr * p.grad
            # track stats
            self.stepi.append(i)
            self.lossi.append(loss.log10().item())


class Ours:
    """The same network as a book's chapter trains it."""

    def __init__(self, X, Y, generator):
        self.model = MLP(block=3, dim=10, hidden=200, generator=torch.Generator().manual_seed(1))
        self.X, self.Y, self.generator, self.losses = X, Y, generator, []
        self.schedule = training.constant(0.1)       # fewer than 100,000 steps

    def train(self, steps):
        history = training.train(
            self.model, lambda g: data.batch(self.X, self.Y, 32, g), steps, lr=self.schedule,
            generator=self.generator, progress=False)
        self.losses += history.losses


def main() -> None:
    torch.set_num_threads(1)
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    if steps < TURN:
        sys.exit(f"{steps} steps are less than one turn of {TURN}: give {TURN} or more.")
    began = time.perf_counter()
    train, _, _ = data.split(data.names("bundled"))
    X, Y = data.windows(train, 3)
    ours = Ours(X, Y, torch.Generator().manual_seed(2))
    lecture = Lecture(ours.model.parameters(), X, Y, torch.Generator().manual_seed(2))
    took = {lecture: [], ours: []}
    for turn in range(steps // TURN):
        for runner in (lecture, ours) if turn % 2 else (ours, lecture):
            start = time.process_time()
            runner.train(TURN)
            took[runner].append((time.process_time() - start) / TURN * 1e6)
    ratios = sorted(a / b for a, b in zip(took[lecture], took[ours], strict=True))
    logs = torch.tensor(ours.losses).log10()          # the lecture keeps the logarithm
    apart = [abs(a - b) for a, b in zip(lecture.lossi, logs.tolist(), strict=True)]
    weights = [(a - b).abs().max().item() for a, b in
               zip(lecture.parameters, ours.model.parameters(), strict=True)]
    print(f"{sum(p.numel() for p in lecture.parameters):,} parameters, "
          f"{len(apart):,} steps of 32, one thread, torch {torch.__version__}")
    for name, runner in [("the lecture's code", lecture), ("zh.mlp in zh.training", ours)]:
        times = sorted(took[runner])
        print(f"{name:22} {statistics.median(times):7.1f} microseconds a step "
              f"(fastest turn {times[0]:.1f}, slowest {times[-1]:.1f})")
    print(f"ratio {statistics.median(ratios):.2f}, turn beside turn "
          f"{ratios[0]:.2f} to {ratios[-1]:.2f}")
    print(f"log10 of the losses differs by {apart[0]:.1e} at the first step, at most "
          f"{max(apart[:100]):.1e} in the first 100, {max(apart[:1000]):.1e} in the first 1,000, "
          f"{max(apart):.1e} in all")
    print(f"its mean over the last 1,000: {statistics.fmean(lecture.lossi[-1000:]):.7f} and "
          f"{statistics.fmean(logs.tolist()[-1000:]):.7f}; largest difference of a weight "
          f"{max(weights):.1e}")
    if len(sys.argv) == 1:
        recorded.save("mlp_step", dict(
            recorded.provenance("benchmarks/mlp_step.py", time.perf_counter() - began),
            lecture=statistics.median(took[lecture]), zh=statistics.median(took[ours]),
            ratio=statistics.median(ratios), ratios=[ratios[0], ratios[-1]],
            steps=len(apart), batch=32,
            parameters=sum(p.numel() for p in lecture.parameters),
            apart={"first": apart[0], "100": max(apart[:100]), "all": max(apart)}))


if __name__ == "__main__":
    main()
