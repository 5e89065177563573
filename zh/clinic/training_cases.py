"""Cases in which the training is at fault: the loop, the rates, the modes, the last batch."""
from __future__ import annotations

import torch
import torch.nn.functional as F

from zh.clinic import bench
from zh.clinic.bench import seeded
from zh.clinic.case import Case, Run, View, late, loss_view, smooth
from zh.layers import Linear
from zh.training import evaluating

__all__ = ["CASES"]

# ---------------------------------------------------------------- no zero_grad


def step(model, optimizer, x, y):
    """One step; returns the loss."""
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def step_broken(model, optimizer, x, y):
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def run_step(part):
    X, Y = bench.windows()
    curves = {}
    for lr in (0.02, 0.1):
        model = bench.mlp(seeded(1))
        losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2), lr=lr,
                                     step=part)
        curves[f"rate {lr}"] = smooth(losses)
    still = torch.optim.SGD(model.parameters(), 0.0)
    gradients = []
    for _ in range(2):
        part(model, still, X[:32], Y[:32])
        gradients.append(model[2].weight.grad.clone())
    return Run(late(losses), recorder, [View("loss", "step", curves)],
               things={"once": gradients[0], "again": gradients[1]})


def check_step(once, again):
    return torch.allclose(once, again)


# ---------------------------------------------------------------- a rate of another network


def rate():
    """The learning rate."""
    return 0.3


def rate_broken():
    return 5.0


def run_rate(part):
    X, Y = bench.windows()
    model = bench.mlp(seeded(1))
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2), lr=part())
    record = recorder.records[1].parameters["2.weight"]
    return Run(late(losses), recorder, [loss_view(losses)],
               things={"step": record.update, "weight": record.rms})


def check_rate(step, weight):
    return step < 0.1 * weight


# ---------------------------------------------------------------- the rates the other way round


def groups(layers, rates):
    """Each layer with its own learning rate, the first layer the smallest."""
    return [{"params": layer.parameters(), "lr": rate}
            for layer, rate in zip(layers, rates, strict=True)]


def groups_broken(layers, rates):
    return [{"params": layer.parameters(), "lr": rate}
            for layer, rate in zip(reversed(layers), rates, strict=True)]


def run_groups(part):
    X, Y = bench.windows()
    model = bench.mlp(seeded(1))
    layers = [layer for layer in model if layer.parameters()]
    table = model[0].weight.detach().clone()
    rates = [0.003, 0.3, 1.0]
    optimizer = torch.optim.SGD(part(layers, rates))
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2),
                                 optimizer=optimizer)
    names = {"embedding": "0.weight", "hidden": "2.weight", "scores": "4.weight"}
    steps = [r.step for r in recorder.records]
    moved = View("update over weight", "step", {
        name: (steps, [r.parameters[key].update_to_data for r in recorder.records])
        for name, key in names.items()}, log=True)
    gone = ((model[0].weight - table) ** 2).mean().sqrt() / (table ** 2).mean().sqrt()
    return Run(late(losses), recorder, [loss_view(losses), moved],
               {"the table has moved by": gone.item()},
               things={"optimizer": optimizer, "table": model[0].weight, "smallest": rates[0]})


def check_groups(optimizer, table, smallest):
    return [g["lr"] for g in optimizer.param_groups if g["params"][0] is table] == [smallest]


# ---------------------------------------------------------------- eval mode forgotten


def held_out(model, X, Y):
    """The loss on held-out examples, 50 at a time."""
    with evaluating(model):
        losses = [F.cross_entropy(model(x), y)
                  for x, y in zip(X.split(50), Y.split(50), strict=True)]
    return torch.stack(losses).mean().item()


def held_out_broken(model, X, Y):
    with torch.no_grad():
        losses = [F.cross_entropy(model(x), y)
                  for x, y in zip(X.split(50), Y.split(50), strict=True)]
    return torch.stack(losses).mean().item()


def run_held_out(part):
    X, Y = bench.windows()
    Xd, Yd = (rows[:1500] for rows in bench.windows("dev"))
    order = Yd.argsort(stable=True)
    model = bench.mlp(seeded(1), norm=True)
    held = []

    def after(number):
        if number % 100 == 99:
            held.append((number + 1, part(model, Xd[order], Yd[order])))

    losses, recorder = bench.fit(model, bench.batches(X, Y), 310, generator=seeded(2),
                                 after=after)
    held.append((310, part(model, Xd[order], Yd[order])))    # of the finished network, both orders
    mixed = torch.randperm(len(Yd), generator=seeded(3))
    shuffled = part(model, Xd[mixed], Yd[mixed])
    halves = [part(model, Xd[rows], Yd[rows]) for rows in (slice(0, 25), slice(25, 50))]
    one, two = part(model, Xd[:50], Yd[:50]), sum(halves) / 2
    view = View("loss", "step", {"minibatches": smooth(losses),
                                 "held out": tuple(map(list, zip(*held, strict=True)))})
    return Run(held[-1][1], recorder, [view],
               {"minibatches": late(losses), "held out, shuffled": shuffled},
               things={"one_batch": one, "two_batches": two})


def check_held_out(one_batch, two_batches):
    return abs(one_batch - two_batches) < 1e-5


# ---------------------------------------------------------------- a last batch of one


def epoch(n, size):
    """The rows of each minibatch of an epoch."""
    whole = n // size * size
    return torch.arange(whole).split(size)


def epoch_broken(n, size):
    return torch.arange(n).split(size)


def standardise(x):
    """Every unit with mean 0 and spread 1 over the minibatch, as a learner writes it."""
    spread = ((x - x.mean(0)) ** 2).sum(0) / (len(x) - 1)
    return (x - x.mean(0)) / spread.sqrt()


def run_epoch(part):
    X, Y = (rows[:3201] for rows in bench.windows())
    g = seeded(3)
    order = torch.randperm(len(X), generator=g)
    parts = part(len(X), 32)
    lasted = {}
    for lr in (0.03, 0.3):
        model = bench.mlp(seeded(1))
        model.layers.insert(3, bench.Own(standardise))
        turns = iter([order[rows] for _ in range(2) for rows in parts])

        def draw(g, turns=turns):
            rows = next(turns)
            return X[rows], Y[rows]

        losses, recorder = bench.fit(model, draw, 2 * len(parts), generator=g, lr=lr, every=10)
        lasted[lr] = len(losses)
    finite = [loss for loss in losses if loss == loss]
    view = View("loss", "step", {"minibatches": (list(range(len(finite)))[::4], finite[::4])})
    return Run(late(losses), recorder, [view],
               {f"steps that it ran, rate {lr}": steps for lr, steps in lasted.items()},
               things={"batches": parts})


def check_epoch(batches):
    return min(len(rows) for rows in batches) > 1


# ---------------------------------------------------------------- accumulation


def gather(model, parts):
    """The gradient of several minibatches, as if they were one; returns the loss."""
    total = 0.0
    for x, y in parts:
        loss = F.cross_entropy(model(x), y) / len(parts)
        loss.backward()
        total += loss.item()
    return total


def gather_broken(model, parts):
    total = 0.0
    for x, y in parts:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        total += loss.item() / len(parts)
    return total


def run_gather(part):
    X, Y = bench.windows()
    curves = {}
    for size in (64, 8):
        model = bench.mlp(seeded(1))

        def step(model, optimizer, x, y, size=size):
            optimizer.zero_grad()
            loss = part(model, list(zip(x.split(size), y.split(size), strict=True)))
            optimizer.step()
            return torch.tensor(loss)

        losses, recorder = bench.fit(model, bench.batches(X, Y, 64), 80, lr=0.5,
                                     generator=seeded(2), step=step, every=10)
        curves["64 at once" if size == 64 else "8 parts of 8"] = smooth(losses)
    for p in model.parameters():
        p.grad = None
    part(model, list(zip(X[:64].split(8), Y[:64].split(8), strict=True)))
    whole = torch.autograd.grad(F.cross_entropy(model(X[:64]), Y[:64]), model[2].weight)[0]
    return Run(late(losses), recorder, [View("loss", "step", curves)],
               things={"in_parts": model[2].weight.grad, "whole": whole})


def check_gather(in_parts, whole):
    return torch.allclose(in_parts, whole, atol=1e-5)


# ---------------------------------------------------------------- an optimiser of another model


def prepared(model, head, lr):
    """A model with a new last layer, and its optimiser."""
    model.layers[-1] = head
    optimizer = torch.optim.SGD(model.parameters(), lr)
    return model, optimizer


def prepared_broken(model, head, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr)
    model.layers[-1] = head
    return model, optimizer


def run_prepared(part):
    X, Y = bench.windows()
    head = Linear(bench.HIDDEN, 27, gain=0.3, generator=seeded(4))
    model, optimizer = part(bench.mlp(seeded(1)), head, 0.3)
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2),
                                 optimizer=optimizer)
    return Run(late(losses), recorder, [loss_view(losses)],
               {"frequencies alone": bench.letter_entropy()}
               | bench.inside(recorder, "3", "2.weight"),
               things={"optimizer": optimizer, "model": model})


def check_prepared(optimizer, model):
    return {id(p) for g in optimizer.param_groups for p in g["params"]} == set(
        map(id, model.parameters()))


CASES = [
    Case("good-then-bad", "training", "no zero_grad()", step_broken, step, run_step, check_step,
         {"stale_gradient": "zero_grad() is missing"}),
    Case("restless", "training", "a learning rate for another network", rate_broken, rate,
         run_rate, check_rate, {"too_fast": "the learning rate is too high"}),
    Case("should-have-stayed", "training", "the rates of the layers in reverse", groups_broken,
         groups, run_groups, check_groups),
    Case("order-matters", "training", "eval() forgotten", held_out_broken, held_out,
         run_held_out, check_held_out, {"validation_in_training_mode": "model.eval() is missing"}),
    Case("always-at-the-same-step", "training", "a last batch of one", epoch_broken, epoch,
         run_epoch, check_epoch, {"nonfinite": ""}),
    Case("more-is-worse", "training", "accumulation without its divisor", gather_broken, gather,
         run_gather, check_gather, {"too_fast": "a sum where a mean was meant"}),
    Case("half-of-it-learns", "training", "an optimiser without the last layer", prepared_broken,
         prepared, run_prepared, check_prepared, {"not_updated": "replaced after it was made"}),
]
