"""Cases in which the model is at fault: a mask, an axis, a start, a way through."""
from __future__ import annotations

import torch

from zh.clinic import bench
from zh.clinic.bench import seeded
from zh.clinic.case import Case, Run, View, late, loss_view, smooth
from zh.gpt import evaluate as evaluate_text
from zh.training import evaluate

__all__ = ["CASES"]


def train_text(model, steps=120, every=20):
    """Train a GPT on the row of names; returns (losses, recorder)."""
    ids = bench.stream()

    def draw(g):
        at = bench.places(ids, 16, g)
        return ids[at], ids[at + 1]

    return bench.fit(model, draw, steps, generator=seeded(2), optimizer=bench.adam(model),
                     every=every)


# ---------------------------------------------------------------- no causal mask


def look(q, k, v):
    """What each place gathers from the others: (B, heads, T, size)."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    later = torch.ones(q.shape[2], q.shape[2]).triu(1).bool()
    scores = scores.masked_fill(later, -torch.inf)
    return scores.softmax(-1) @ v


def look_broken(q, k, v):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.softmax(-1) @ v


def with_look(part, layers=1):
    """A GPT whose places look at each other by `part`."""
    model = bench.gpt(seeded(1), layers)
    for block in model.blocks:
        block.attention.mix = lambda q, k, v, mask: part(q, k, v)
    return model


def two_endings():
    """The same pieces of the row with another last letter: (8, T) twice."""
    ids = bench.stream("dev")
    x = ids[bench.places(ids, 8, seeded(4))]
    other = x.clone()
    other[:, -1] = (other[:, -1] + 1) % 27
    return x, other


def run_mask(part):
    model = with_look(part)
    losses, recorder = train_text(model)
    held = evaluate_text(model, bench.stream("dev"), bench.TEXT_BLOCK)
    x, other = two_endings()
    return Run(held, recorder, [loss_view(losses)], {"minibatches": late(losses)},
               text="it writes: " + bench.write(model, ".ma"),
               things={"model": model, "x": x, "other_ending": other})


def check_mask(model, x, other_ending):
    return torch.allclose(model(x)[:, :-1], model(other_ending)[:, :-1], atol=1e-5)


# ---------------------------------------------------------------- softmax over the wrong axis


def look_axis_broken(q, k, v):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    later = torch.ones(q.shape[2], q.shape[2]).triu(1).bool()
    scores = scores.masked_fill(later, -torch.inf)
    return scores.softmax(-2) @ v


def run_axis(part):
    model = with_look(part)
    losses, recorder = train_text(model)
    ids = bench.stream("dev")
    held = evaluate_text(model, ids, bench.TEXT_BLOCK)
    at = bench.places(ids, 200, seeded(4))
    with torch.no_grad():
        x, y = ids[at], ids[at + 1]
        within = bench.cross_entropy(model(x)[:, 5], y[:, 5]).item()
        alone = bench.cross_entropy(model(x[:, :6])[:, 5], y[:, 5]).item()
        one = torch.ones(1, 1, 6, 2)
        weights = part(one, one, torch.eye(6)[None, None])           # what is gathered of whom
    return Run(held, recorder, [loss_view(losses)],
               {"minibatches": late(losses), "sixth letter, more text behind it": within,
                "sixth letter, nothing behind it": alone}, things={"weights": weights})


def check_axis(weights):
    return torch.allclose(weights.sum(-1), torch.ones(()))


# ---------------------------------------------------------------- keepdim


def normalise(x):
    """Every example with mean 0 and spread 1 over its features, (B, features)."""
    mean, spread = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
    return (x - mean) / spread


def normalise_broken(x):
    mean, spread = x.mean(-1), x.std(-1)
    return (x - mean) / spread


def run_normalise(part):
    X, Y = bench.windows()
    Xd, Yd = bench.windows("dev")
    model = bench.mlp(seeded(1), hidden=bench.BATCH)
    model.layers.insert(3, bench.Own(part))
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2))
    x = torch.randn(bench.BATCH, bench.BATCH, generator=seeded(3)) + 1
    try:
        seen, text = {"held out": evaluate(model, Xd, Yd)}, ""
    except RuntimeError as error:
        seen, text = {}, f"RuntimeError: {error}"
    return Run(late(losses), recorder, [loss_view(losses)], seen, text, {"out": part(x)})


def check_normalise(out):
    return torch.allclose(out.mean(-1), torch.zeros(len(out)), atol=1e-5)


# ---------------------------------------------------------------- dead from the start


def start(layer):
    """The biases of a hidden layer as they begin."""
    layer.bias.data.fill_(0.0)


def start_broken(layer):
    layer.bias.data.fill_(-5.0)


def run_start(part):
    X, Y = bench.windows()
    model = bench.mlp(seeded(1), depth=2, act="relu")
    part(model[2])
    part(model[4])
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2), lr=0.1)
    model(X[:500])
    return Run(late(losses), recorder, [loss_view(losses)],
               {"frequencies alone": bench.letter_entropy()}
               | bench.inside(recorder, "5", "4.weight"), things={"hidden": model[5].out})


def check_start(hidden):
    return (hidden > 0).any(0).float().mean() > 0.5


# ---------------------------------------------------------------- all zeros


def first_weights(fan_in, fan_out, g):
    """The matrix that a layer starts with."""
    return torch.randn(fan_in, fan_out, generator=g) / fan_in ** 0.5


def first_weights_broken(fan_in, fan_out, g):
    return torch.zeros(fan_in, fan_out)


def run_weights(part):
    X, Y = bench.windows()
    model = bench.mlp(seeded(1), depth=2, weights=part)
    first = model[2].weight.detach().clone()
    losses, recorder = bench.fit(model, bench.batches(X, Y), 300, generator=seeded(2))
    return Run(late(losses), recorder, [loss_view(losses)],
               {"frequencies alone": bench.letter_entropy()}
               | bench.inside(recorder, "5", "4.weight"), things={"first": first})


def check_weights(first):
    return len(first.unique(dim=1).T) == first.shape[1]


# ---------------------------------------------------------------- no way past a layer


def add(x, part):
    """What goes on to the next part."""
    return x + part


def add_broken(x, part):
    return part


def run_add(part):
    ends = {}
    for layers in (1, 4):
        model = bench.gpt(seeded(1), layers)
        for block in model.blocks:
            block.add = part
        losses, recorder = train_text(model, every=30)
        ends[layers] = losses
    view = View("loss", "step", {f"{n} layer{'s' * (n > 1)}": smooth(losses)
                                 for n, losses in ends.items()})
    ids = bench.stream("dev")
    x = ids[bench.places(ids, 8, seeded(4))]
    with torch.no_grad():
        stream = model.tokens(x) + model.places.weight[:x.shape[1]]
        for block in model.blocks:
            stream = block(stream)
    return Run(late(ends[4]), recorder, [view],
               {"1 layer": late(ends[1]), "frequencies alone": bench.letter_entropy()},
               things={"last": stream[0]})


def check_add(last):
    return torch.corrcoef(last).mean() < 0.9


CASES = [
    Case("good-until-it-writes", "model", "no causal mask", look_broken, look, run_mask,
         check_mask),
    Case("the-past-changes", "model", "softmax over the wrong axis", look_axis_broken, look,
         run_axis, check_axis),
    Case("batches-of-32-only", "model", "keepdim forgotten", normalise_broken, normalise,
         run_normalise, check_normalise),
    Case("stuck-with-relu", "model", "biases far below zero", start_broken, start, run_start,
         check_start, {"dead": "biases, or weights, that start strongly negative"}),
    Case("stuck-with-tanh", "model", "all weights start at zero", first_weights_broken,
         first_weights, run_weights, check_weights,
         {"zero_init": "weights initialised to zero"}),
    Case("deeper-is-worse", "model", "no residual connections", add_broken, add, run_add,
         check_add, {"vanishing": "residual connections"}),
]
