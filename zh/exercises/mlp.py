"""The exercises of the chapter on the network for the next letter."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from zh import data, training
from zh.exercises import Exercise
from zh.exercises._inputs import generator, integers, normal
from zh.mlp import MLP


class _Calls(TorchFunctionMode):
    """Notes the names of the functions of torch that are called within it; `on`: with this one."""

    def __init__(self, on: torch.Tensor | None = None):
        super().__init__()
        self.on, self.names = on, set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if self.on is None or any(a is self.on for a in (*args, *(kwargs or {}).values())):
            self.names.add(function.__name__)
        return function(*args, **(kwargs or {}))


def _used(function, reference, inputs, on: int | None = None) -> set[str]:
    """What of torch a right function calls, with its argument number `on`; of others nothing."""
    names: set[str] = set()
    if not callable(function):
        return names
    for arguments in inputs():
        try:
            with _Calls(None if on is None else arguments[on]) as calls:
                found = function(*arguments)
            if not torch.allclose(found, reference(*arguments)):
                return set()
        except Exception:
            return set()                              # the usual judgement says what is wrong
        names |= calls.names
    return names


# --------------------------------------------------------------------------- lookup by a product


def _embed(x, C):
    return F.embedding(x, C).reshape(len(x), -1)


def _embed_inputs():
    for seed, (n, block, vocab, dim) in enumerate([(1, 1, 3, 2), (5, 3, 27, 10), (4, 2, 6, 3)]):
        yield integers(vocab, n, block, seed=seed), normal(vocab, dim, seed=seed)


def _looks_up(embed):
    """A reply to a function that is right and takes rows of C out by their numbers."""
    used = _used(embed, _embed, _embed_inputs, on=1) & {
        "__getitem__", "embedding", "index_select", "gather", "take", "index"}
    if used:
        return "That uses x as an index into C. Make one-hot rows of x, and multiply."
    return None


def _embed_three_axes(x, C):
    return F.embedding(x, C)


def _embed_mixed(x, C):
    return F.embedding(x.T, C).reshape(len(x), -1)


# --------------------------------------------------------------------------- a stable loss


def _cross_entropy(logits, y):
    return F.cross_entropy(logits, y)


def _cross_entropy_inputs():
    for seed, (n, vocab) in enumerate([(1, 2), (4, 3), (32, 27)]):
        logits, y = 3 * normal(n, vocab, seed=seed), integers(vocab, n, seed=seed)
        yield logits, y
        yield logits + 1000, y
        yield 300 * logits, y


def _ready_made(cross_entropy):
    """A reply to a function that is right and calls what it is asked to write."""
    used = _used(cross_entropy, _cross_entropy, _cross_entropy_inputs) & {
        "cross_entropy", "nll_loss", "log_softmax", "softmax", "logsumexp", "logaddexp"}
    if used:
        return (f"That calls {min(used)}, which does the work for you: use exp, log, sum and max "
                "only.")
    return None


def _summed(logits, y):
    return F.cross_entropy(logits, y, reduction="sum")


# --------------------------------------------------------------------------- a quiet start


def _wild(seed: int) -> MLP:
    model = MLP(generator=generator(seed))
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(generator=generator(seed + 1))
    return model


LEAST = 1e-4                  # length of the least gradient; the book's own start has 0.003


def _gradients(model, x, y):
    """(name, gradient) of the weights, by autograd."""
    weights = [model[i].weight.detach().requires_grad_() for i in (0, 2, 4)]
    for i, weight in zip((0, 2, 4), weights, strict=True):
        model[i].weight = weight
    found = torch.autograd.grad(F.cross_entropy(model(x), y), weights)
    return [(f"model[{i}].weight", g) for i, g in zip((0, 2, 4), found, strict=True)]


def _quiet(start):
    """Judge a function that changes the parameters of a wild network in place."""
    if not callable(start):
        return None
    x, y = integers(27, 500, 3, seed=5), integers(27, 500, seed=6)
    for seed in (0, 10):
        model = _wild(seed)
        try:
            start(model)
            with torch.no_grad():
                loss = F.cross_entropy(model(x), y).item()
        except Exception as error:
            if "in-place" in str(error):
                return "Change parameters under torch.no_grad(): autograd watches them otherwise."
            return f"It stops with {type(error).__name__}: {error}"
        hidden, last = model[3].out, model[4].weight
        if not math.isfinite(loss):
            return "After it the first loss is not a finite number."
        if loss > math.log(27) + 0.05:
            return (f"The first loss is {loss:.2f} after it, and ln 27 is {math.log(27):.2f}: the "
                    "scores are still too far apart. Look at the last layer, bias included.")
        if not last.abs().max() > 0:
            return ("The last layer's weights are all zero. The loss is right, but then no "
                    "gradient reaches the layers before it at the first step: make them small.")
        share = (hidden.abs() > 0.97).double().mean().item()
        if share > 0.1:
            return (f"The loss is right, but {share:.0%} of the hidden outputs stand beyond 0.97, "
                    "where tanh passes hardly any gradient. Look at the layer before the tanh.")
        if hidden.std(0).mean() < 0.05:
            return ("The loss is right, but the hidden units hardly differ from one context to "
                    "another: their weights have become too small.")
        if (last.abs() > 1e-6).double().mean() < 0.9:
            return ("The loss is right, but most of the last layer's weights are zero, or as good "
                    "as zero: their units get no gradient. Make all of them small.")
        for name, gradient in _gradients(model, x, y):
            if not gradient.norm() > LEAST:
                return (f"The loss is right, but the gradient of {name} has a length of "
                        f"{gradient.norm():.0e}: hardly any reaches it. The weights behind it have "
                        "become too small.")
    return True


# --------------------------------------------------------------------------- a schedule

STEPS, BELOW = 3000, 0.03


def _dev_after(plan) -> float:
    """Dev loss of the book's network after 3000 steps under a schedule."""
    train, dev, _ = data.split(data.names("bundled"))
    X, Y = data.windows(train, 3)
    g = generator(1)
    model = MLP(generator=g)
    training.train(model, lambda g: data.batch(X, Y, 32, g), STEPS, lr=plan, generator=g,
                   progress=False)
    return training.evaluate(model, *data.windows(dev, 3))


def _schedule(plan):
    """Judge a schedule by training with it, and with a constant rate beside it."""
    if not callable(plan):
        return None
    rates = []
    for step in range(STEPS):
        try:
            rates.append(plan(step))
        except Exception as error:
            return (f"plan({step}) stops with {type(error).__name__}: {error}. It takes a step, 0 "
                    f"to {STEPS - 1}.")
        if isinstance(rates[-1], bool) or not isinstance(rates[-1], int | float):
            return (f"plan({step}) gives {rates[-1]!r}; a rate is a Python number. A tensor or a "
                    "number of NumPy becomes one by .item().")
        if not math.isfinite(rates[-1]) or rates[-1] < 0:
            return f"plan({step}) gives {rates[-1]}; rates are finite and 0 or more."
    try:
        gain = _dev_after(training.constant(0.1)) - _dev_after(rates.__getitem__)
    except training.TrainingError as error:
        return f"The run does not survive: {error}"
    if gain < -1:
        return "The loss blows up: the rates are too large. Where does the valley end?"
    if gain < BELOW:
        told = f"{gain:.3f} lower" if gain > 0 else f"{-gain:.3f} higher"
        hint = (" The rate at the end is as large as at the start: let it fall."
                if rates[-1] > 0.5 * max(rates) else "")
        return f"The loss on dev ends {told} than with a constant 0.1; {BELOW} is asked.{hint}"
    return True


# --------------------------------------------------------------------------- direct connections


def _direct(p, X):
    x = p.C[X].view(len(X), -1)
    return torch.tanh(x @ p.W1 + p.b1) @ p.W2 + p.b2 + x @ p.W


def _direct_inputs():
    for seed, (n, block, dim, hidden, vocab) in enumerate([(5, 2, 3, 4, 7), (8, 3, 2, 5, 9)]):
        shapes = dict(C=(vocab, dim), W1=(block * dim, hidden), b1=(hidden,), W2=(hidden, vocab),
                      b2=(vocab,), W=(block * dim, vocab))
        p = SimpleNamespace(**{name: normal(*shape, seed=10 * seed + i)
                               for i, (name, shape) in enumerate(shapes.items())})
        yield p, integers(vocab, n, block, seed=seed)


def _without(p, X):
    return torch.tanh(p.C[X].view(len(X), -1) @ p.W1 + p.b1) @ p.W2 + p.b2


def _inside(p, X):
    x = p.C[X].view(len(X), -1)
    return _without(p, X) + torch.tanh(x @ p.W)


def _no_b1(p, X):
    return _direct(SimpleNamespace(**{**vars(p), "b1": 0}), X)


def _no_b2(p, X):
    return _direct(p, X) - p.b2


EXERCISES = [
    Exercise(
        "mlp-parameters",
        "How many numbers?",
        minutes=3,
        kind="number",
        answer=27 * 8 + 4 * 8 * 100 + 100 + 100 * 27 + 27,
        tolerance=1e-6,
        mistakes=[
            (27 * 8 + 4 * 8 * 100 + 100 * 27, "Both layers have a bias too."),
            (27 * 8 + 4 * 8 * 100 + 100 + 100 * 27, "The output layer has a bias too."),
            (27 * 8 + 4 * 8 * 100 + 100 * 27 + 27, "The hidden layer has a bias too."),
            (4 * 8 * 100 + 100 + 100 * 27 + 27, "The table of vectors is trained too."),
            (4 * 27 * 8 + 4 * 8 * 100 + 100 + 100 * 27 + 27,
             "There is one table for all four places, not one for each."),
            (27 * 8 + 8 * 100 + 100 + 100 * 27 + 27,
             "The hidden layer reads all four vectors, laid end to end."),
        ],
        because="216 in the table, 3300 in the hidden layer, 2727 in the output layer.",
    ),
    Exercise(
        "floor-of-eight",
        "The floor of eight examples",
        minutes=5,
        kind="number",
        answer=lambda: (2 * math.log(2) + 2 * math.log(4)) / 8,
        tolerance=2e-3,
        mistakes=[
            ((2 * math.log(2) + 2 * math.log(4)) / 4,
             "That is the mean over the four that share a context; the loss is a mean over all "
             "eight, and the others cost nothing."),
            (2 * math.log(2) + 2 * math.log(4), "That is the sum; the mean over eight is asked."),
            (4 * math.log(3) / 8, "Three answers, but they do not have equal shares."),
            (4 * math.log(4) / 8, "Two of the four answers are the same: together they have a "
                                  "share of a half."),
            (0.75, "That is in bits; the natural logarithm is asked."),
            (0, "One function of the context cannot give four examples different answers."),
        ],
        because="Shares of 1/2, 1/4 and 1/4: the entropy of that context, over half of the batch.",
    ),
    Exercise(
        "embed-by-product",
        "A lookup without an index",
        minutes=5,
        kind="function",
        answer=_embed,
        compare=_looks_up,
        inputs=lambda: list(_embed_inputs()),
        mistakes=[
            (_embed_three_axes, "That is (B, T, dim), as C[x] gives it; lay the T vectors of each "
                                "example end to end."),
            (_embed_mixed, "The shape is right, and the vectors of different examples stand in "
                           "one row: the order of the axes was changed before flattening."),
        ],
        because="A lookup is a linear layer whose input is one-hot.",
    ),
    Exercise(
        "stable-cross-entropy",
        "A loss that does not overflow",
        minutes=10,
        kind="function",
        answer=_cross_entropy,
        compare=_ready_made,
        inputs=lambda: list(_cross_entropy_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_summed, "That is the sum over the batch; the mean is asked."),
        ],
        because="It holds for scores of 1000 and for scores that are thousands apart.",
    ),
    Exercise(
        "quiet-start",
        "Begin near ln 27",
        minutes=15,
        kind="function",
        compare=_quiet,
        because="The first loss is that of an honest beginner, the hidden units are awake, and "
                "gradient reaches every layer.",
    ),
    Exercise(
        "right-schedule",
        "A schedule for 3000 steps",
        minutes=20,
        kind="function",
        compare=_schedule,
        because="Large first, small at the end.",
    ),
    Exercise(
        "direct-connections",
        "Past the hidden layer",
        minutes=45,
        kind="function",
        answer=_direct,
        inputs=lambda: list(_direct_inputs()),
        mistakes=[
            (_without, "The direct part x @ W is missing."),
            (_inside, "The direct connections do not pass a tanh: they are linear."),
            (_no_b1, "The bias b1 is missing."),
            (_no_b2, "The bias b2 is missing."),
        ],
        because="A linear model and a network that corrects it, trained together.",
    ),
    Exercise(
        "honest-comparison",
        "Which claim stands?",
        minutes=3,
        kind="choice",
        choices=[
            "The second network is better",
            "On dev the second is better; on test it will be too",
            "Nothing yet: compare the means of several seeds of both",
            "The first is better, since it was tried once and not ten times",
        ],
        answer="Nothing yet: compare the means of several seeds of both",
        why={
            "The second network is better":
                "The least of ten draws is lower than one draw even if both are the same network.",
            "On dev the second is better; on test it will be too":
                "It was chosen for being low on dev, by luck as well as by merit; the luck does "
                "not repeat on test.",
            "The first is better, since it was tried once and not ten times":
                "It has been unlucky or lucky once. One draw does not say.",
        },
        because="The test names wait until the choice is made.",
    ),
]
