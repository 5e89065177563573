"""`zh.autograd` beside the micrograd package, on micrograd's own demo, in one run.

    python benchmarks/autograd.py [steps]

The demo: 100 points of two moons, MLP(2, [16, 16, 1]) with ReLU, the SVM max-margin loss plus an
L2 penalty, the learning rate falling from 1 to 0.1. Both libraries get the same points, start from
the same weights (seed 1337), run the same code, and take turns step by step, so that what else the
machine does falls on both. zh runs twice: as it is, where a neuron's weighted sum is one node, and
with a node for every + and *, where its graph is micrograd's own, node for node. Printed: the time
of a step, the memory of a node (tracemalloc, after backward), the ratios, and the largest
difference between the loss curves. Most of the gain over an equal graph is garbage: micrograd's
closures make every node a reference cycle, which only Python's cycle collector can free.
Ends with status 1 if either zh is less than three times as fast, needs more memory for a node, or
leaves micrograd's losses.
"""

import gc
import random
import statistics
import sys
import time
import tracemalloc

import micrograd.engine
import micrograd.nn
import torch

import zh.autograd
import zh.neurons
from zh import data


class PlainNeuron(zh.neurons.Neuron):
    """A neuron whose sum is made of single additions and products, as micrograd's."""

    def __call__(self, x):
        total = sum((w * x_i for w, x_i in zip(self.w, x, strict=True)), self.b)
        return total if self.activation == "linear" else total.relu()


class PlainMLP(zh.neurons.MLP):
    def __init__(self, *args):
        super().__init__(*args)
        for layer in self.layers:
            for neuron in layer.neurons:
                neuron.__class__ = PlainNeuron


def demo_loss(model, kind, X, y):
    """The loss of micrograd's demo notebook: max-margin plus 1e-4 of the squared parameters."""
    inputs = [[kind(x) for x in row] for row in X]
    scores = [model(row) for row in inputs]
    losses = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    return data_loss + 1e-4 * sum(p * p for p in model.parameters())


def step(model, kind, X, y, k):
    """One step of gradient descent; returns (loss, seconds)."""
    start = time.perf_counter()
    loss = demo_loss(model, kind, X, y)
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= (1.0 - 0.9 * k / 100) * p.grad
    return loss.data, time.perf_counter() - start


def count(root, parents):
    seen, stack = {root}, [root]
    while stack:
        new = [p for p in parents(stack.pop()) if p not in seen]
        seen.update(new)
        stack += new
    return len(seen)


def memory(model, kind, X, y, parents):
    """(nodes, bytes per node) of the graph of one loss, after backward."""
    gc.collect()
    tracemalloc.start()
    loss = demo_loss(model, kind, X, y)
    loss.backward()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    nodes = count(loss, parents)
    return nodes, size / nodes


def main(steps):
    X, y = data.moons(100, 0.1, torch.Generator().manual_seed(1))
    X, y = X.tolist(), (2 * y - 1).tolist()
    random.seed(1337)
    theirs = micrograd.nn.MLP(2, [16, 16, 1])
    mine = zh.neurons.MLP(2, [16, 16, 1], random.Random(1337), "relu")
    runs = {  # name: model, kind of node, its parents
        "micrograd": (theirs, micrograd.engine.Value, lambda v: v._prev),
        "zh": (mine, zh.autograd.Value, lambda v: v.parents),
        "zh, a node for every + and *": (
            PlainMLP(2, [16, 16, 1], random.Random(1337), "relu"),
            zh.autograd.Value,
            lambda v: v.parents,
        ),
    }
    losses = {name: [] for name in runs}
    seconds = {name: [] for name in runs}
    for k in range(steps):
        for name, (model, kind, _) in runs.items():
            gc.collect()  # nobody pays for what the one before left behind
            loss, took = step(model, kind, X, y, k)
            losses[name].append(loss)
            seconds[name].append(took)
    size = {name: memory(m, kind, X[:20], y[:20], p) for name, (m, kind, p) in runs.items()}
    typical = {name: statistics.median(s) for name, s in seconds.items()}
    good = True
    print(f"{steps} steps, loss {losses['zh'][0]:.4f} -> {losses['zh'][-1]:.4f}")
    for name, (nodes, per_node) in size.items():
        apart = max(abs(a - b) for a, b in zip(losses[name], losses["micrograd"], strict=True))
        speed = typical["micrograd"] / typical[name]
        share = per_node / size["micrograd"][1]
        good = good and apart < 1e-9 and (name == "micrograd" or (speed >= 3 and share <= 1))
        print(
            f"{name}:\n    {typical[name] * 1e3:7.1f} ms a step ({speed:.1f} times as fast), "
            f"{nodes} nodes of {per_node:.0f} bytes ({share:.2f} of micrograd's), "
            f"losses within {apart:.0e}"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
