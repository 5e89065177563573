"""Training: one loop, and the small functions around it.

    history = train(model, lambda g: data.batch(X, Y, 32, g), 20_000,
                    lr=step_down(0.1, at={15_000: 0.1}), generator=generator)
    evaluate(model, Xdev, Ydev)

The loop works on the layers of `zh.layers` and on any `torch.nn.Module`: all that it asks of a
model is `parameters()`, `named_parameters()`, `state_dict()`, `load_state_dict()` and `train()`.
All randomness comes from the generator it is given, so a run can be repeated; and a run with a
checkpoint that was killed at any step, then started again by the same call, ends in the same bits
as a run that nobody stopped.

Left out: devices, mixed precision. Several pieces of a minibatch one after the other:
`zh.accumulation`; several processes: `zh.gpt.processes`.
The range test for the learning rate: Smith 2017. The cosine schedule: Loshchilov and Hutter 2017.
"""
from __future__ import annotations

import copy
import math
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F

from zh import checkpoints, page
from zh.checkpoints import TrainingError


class History(NamedTuple):
    """What a run leaves behind: one loss and one learning rate for each step."""

    losses: list[float]
    lrs: list[float]


# ---------------------------------------------------------------------------
# The loop


def train(model, draw, steps, *, lr=None, generator, optimizer=None, loss=None, callbacks=(),
          progress=None, checkpoint=None, every=1000, writes=True):
    """Move `model` down its loss for `steps` minibatches; returns the `History`.

    draw(generator) -> (x, y): one minibatch; it depends on nothing but the generator.
    lr: a number, or a schedule step -> number. None: 0.1, or what the optimizer was made with.
    optimizer: None for p -= lr * p.grad; else one of torch.optim, its lr set to `lr`.
    loss(model, x, y) -> scalar. None: `model.loss(x, y)`, or the cross-entropy of `model(x)`;
        a model with `gradients(x, y)` -> loss, gradients is asked for those, without autograd
        (its layers are not called then: their `.out` stays as it was).
    callbacks: each is called as callback(step, model, history) after every step, with the
        gradients of that step still in place.
    progress: False for no bar. In a built page there is none.
    checkpoint: a path, written every `every` steps and at the end. If the file is there
        already, the run goes on from it.
    writes: False where another process writes the checkpoint; this one only goes on from it.
    Raises TrainingError at a loss, gradient or parameter that is not finite.
    """
    _check(model, draw, steps, generator, loss, callbacks, every)
    everything = list(model.parameters())
    parameters = [p for p in everything if p.requires_grad]
    rate, move = _rate(lr, optimizer), _mover(parameters, optimizer, lr)
    by_hand = loss is None and _has(model, "gradients")
    loss = loss or _loss(model)
    history, start = History([], []), 0
    if checkpoint is not None:
        start = checkpoints.resume(checkpoint, steps, rate, history, model, generator, optimizer)
    model.train()
    for step in _bar(start, steps, history, progress):
        x, y = _pair(draw(generator))
        if by_hand:
            value, gradients = model.gradients(x, y)
            for p, gradient in zip(everything, gradients, strict=True):
                p.grad = gradient
        else:
            value = _scalar(loss(model, x, y))
            for p in parameters:
                p.grad = None
            value.backward()
        moved = [p for p in parameters if p.grad is not None]
        history.losses.append(value.item())
        history.lrs.append(rate(step))
        _stop_unless_finite(step, model, moved, history)
        move(moved, history.lrs[-1])
        for callback in callbacks:
            callback(step, model, history)
        if checkpoint is not None and ((step + 1) % every == 0 or step + 1 == steps):
            _stop_unless_parameters_finite(step + 1, model)
            if writes:
                checkpoints.save(checkpoint, step + 1, history, model, generator, optimizer)
    _stop_unless_parameters_finite(len(history.losses), model)
    return history


def _pair(drawn):
    """What `draw` returned, if it is contexts and answers."""
    if not isinstance(drawn, tuple | list) or len(drawn) != 2:
        raise TypeError(f"draw(generator) returned a {type(drawn).__name__}; it must return a "
                        "pair (x, y). Such as: lambda g: data.batch(X, Y, 32, g)")
    return drawn


def _scalar(value):
    """What `loss` returned, if it is a tensor that `backward()` can start from."""
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        what = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise TypeError(f"the loss is of {what}; it must be one number, a tensor: take the mean.")
    if not value.requires_grad:
        raise TypeError("the loss does not depend on a parameter that requires_grad: was it made "
                        "from .item(), .data or under torch.no_grad()?")
    return value


def _loss(model):
    """The loss of a model that has one, else the cross-entropy of its scores."""
    if _has(model, "loss"):
        return lambda model, x, y: model.loss(x, y)
    return lambda model, x, y: F.cross_entropy(model(x), y)


def _has(model, shortcut):
    """Whether the model has its own `loss` or `gradients`, and means it.

    A class that inherits them and changes what they stand for, `forward` (or `loss`, for
    `gradients`), does not: its shortcut is the arithmetic of another model.
    """
    if not callable(getattr(model, shortcut, None)):
        return False
    order = type(model).__mro__
    place = {name: next((i for i, kind in enumerate(order) if name in vars(kind)), len(order))
             for name in ("forward", "__call__", "loss", "gradients")}
    over = ("forward", "__call__") + (("loss",) if shortcut == "gradients" else ())
    return all(place[shortcut] <= place[name] for name in over)


def _mover(parameters, optimizer, lr):
    """A function that moves the parameters that have a gradient, once, by a learning rate."""
    def descend(moved, rate):
        if moved:
            with torch.no_grad():                 # p -= rate * p.grad for all of them at once
                torch._foreach_add_(moved, [p.grad for p in moved], alpha=-rate)

    def step(moved, rate):
        if lr is not None:                        # else each group keeps its own
            for group in optimizer.param_groups:
                group["lr"] = rate
        optimizer.step()

    if optimizer is None:
        return descend
    theirs = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in theirs for p in parameters):
        raise ValueError("the optimizer moves none of this model's parameters. Make it after the "
                         "model: torch.optim.AdamW(model.parameters(), lr=...)")
    return step


def _bar(start, steps, history, progress):
    """The numbers of the steps, behind a progress bar with the mean of the last losses."""
    if progress is False or page.STATIC or start >= steps:
        yield from range(start, steps)
        return
    from tqdm.auto import tqdm

    with tqdm(total=steps, initial=start, unit="step", mininterval=0.5) as shown:
        for step in range(start, steps):
            yield step
            if step % 100 == 99 or step + 1 == steps:
                recent = history.losses[-100:]
                shown.set_postfix_str(f"loss {sum(recent) / len(recent):.3f}", refresh=False)
                shown.update(step + 1 - shown.n)


# ---------------------------------------------------------------------------
# Schedules: functions from the number of the step, counted from 0, to its learning rate


def constant(lr):
    """The same learning rate at every step."""
    _positive("lr", lr)
    return lambda step: lr


def step_down(lr, at):
    """`lr`, multiplied by a factor from each named step on.

    step_down(0.1, at={150_000: 0.1}) is 0.1, and 0.01 from step 150,000 on.
    """
    _positive("lr", lr)
    for step, factor in at.items():
        _positive(f"the factor at step {step}", factor)
    return lambda step: lr * math.prod(factor for first, factor in at.items() if step >= first)


def cosine(lr, steps, warmup=0, floor=0.0):
    """Up to `lr` in `warmup` equal steps, then down half a cosine to `floor` at step `steps`.

    Loshchilov and Hutter 2017, without restarts.
    """
    _positive("lr", lr)
    if not 0 <= floor <= lr:
        raise ValueError(f"floor is {floor}; it lies between 0 and lr, which is {lr}.")
    if not 0 <= warmup < steps:
        raise ValueError(f"warmup is {warmup}; it lies between 0 and steps, which is {steps}.")

    def rate(step):
        if step < warmup:
            return lr * (step + 1) / (warmup + 1)
        done = min(1.0, (step - warmup) / (steps - warmup))
        return floor + (lr - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return rate


def _rate(lr, optimizer):
    """`lr` as a schedule; None is the optimizer's own (no number, only told) or 0.1."""
    if callable(lr):
        return lr
    if lr is None and optimizer is not None:
        return lambda step: optimizer.param_groups[0]["lr"]
    return constant(0.1 if lr is None else lr)


# ---------------------------------------------------------------------------
# Measuring a model


@contextmanager
def evaluating(model):
    """Within it, `model` is in eval mode and no gradients are kept; then all is as before.

    Every layer gets its own mode back, also when an error leaves the block.
    """
    modes = [(part, part.training) for part in _parts(model)]
    if modes:
        model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        for part, mode in modes:
            part.training = mode


def _parts(model):
    """The model and all its layers that know whether they are training."""
    if isinstance(model, torch.nn.Module):
        return list(model.modules())
    inner = [part for layer in getattr(model, "layers", ()) for part in _parts(layer)]
    return [model, *inner] if hasattr(model, "training") else inner


def evaluate(model, X, Y, batch=4096):
    """Mean negative log-likelihood of Y (N,) under `model(X)`, X (N, ...): a float, in nats.

    In eval mode, without gradients, `batch` rows at a time, summed in float64. Every model that
    gives logits or log-probabilities (N, vocab) will do, the count models of `zh.ngrams` too.
    """
    if len(X) != len(Y) or not len(Y):
        raise ValueError(f"{len(X)} contexts and {len(Y)} answers: there must be as many answers "
                         "as contexts, and at least one.")
    total = 0.0
    with evaluating(model):
        for x, y in zip(X.split(batch), Y.split(batch), strict=True):
            total += F.cross_entropy(model(x).double(), y, reduction="sum").item()
    return total / len(Y)


def find_lr(model, draw, *, low=1e-3, high=1.0, steps=1000, generator, optimizer=None, loss=None,
            progress=None):
    """One short run whose learning rate grows from `low` to `high`, by a factor each step.

    Returns (lrs, losses), two lists; they end early where the loss or a gradient is not finite
    any more. The model, the generator and the optimizer come back as they were. Smith 2017.
    """
    _positive("low", low)
    if low == 0:
        raise ValueError("low is 0; it must be above 0, since each step multiplies it.")
    if not low < high < math.inf:
        raise ValueError(f"low is {low} and high {high}; low must be below high.")
    if steps < 2:
        raise ValueError(f"steps is {steps}; from low to high it takes at least 2.")

    def grow(step):
        return low * (high / low) ** (step / (steps - 1))

    lrs, losses = [], []

    def note(step, model, history):
        lrs.append(history.lrs[-1])
        losses.append(history.losses[-1])

    with _borrowed(model, generator, optimizer):
        try:
            train(model, draw, steps, lr=grow, generator=generator, optimizer=optimizer,
                  loss=loss, callbacks=[note], progress=progress)
        except TrainingError:
            if not losses:
                raise
    return lrs, losses


@contextmanager
def _borrowed(model, generator, optimizer):
    """Give the model, the generator and the optimizer back as they were."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = [(p, p.grad) for p in model.parameters()]
    modes = [(part, part.training) for part in _parts(model)]
    dice, rates = generator.get_state(), copy.deepcopy(optimizer and optimizer.state_dict())
    default = torch.get_rng_state()               # dropout of torch.nn draws from it
    try:
        yield
    finally:
        torch.set_rng_state(default)
        model.load_state_dict(state)
        for p, grad in grads:
            p.grad = grad
        for part, mode in modes:
            part.training = mode
        generator.set_state(dice)
        if optimizer is not None:
            optimizer.load_state_dict(rates)


# ---------------------------------------------------------------------------
# Stopping


def _stop_unless_finite(step, model, moved, history):
    """Raise TrainingError at a loss or gradient that is not finite, before it moves anything."""
    loss, lr = history.losses[-1], history.lrs[-1]
    if not math.isfinite(loss):
        _stop_unless_parameters_finite(step, model, f"the loss is {loss}, and ")
        raise TrainingError(
            f"step {step}: the loss is {loss} while every parameter is finite. Look at the "
            "minibatch (an input that is not finite, a target that the model gives probability "
            "0) and at the loss function: log(0), 0/0, exp of a large number.", step)
    if not math.isfinite(lr) or lr < 0:
        raise TrainingError(f"step {step}: the schedule gives the learning rate {lr}; it must be "
                            "a finite number, 0 or more.", step)
    # Finite only if all gradients are; the norm of very large finite ones may overflow.
    norms = torch._foreach_norm([p.grad for p in moved]) if moved else []
    if not math.isfinite(sum([norm.item() for norm in norms])):
        bad = [name for name, p in model.named_parameters()
               if p.grad is not None and not p.grad.isfinite().all()]
        if bad:
            raise TrainingError(
                f"step {step}: the loss is {loss:.4g}, but the gradient of {_list(bad)} is not "
                f"finite. No parameter was moved. Look for a division by 0, a root or a log of "
                f"0 above it; or try a smaller learning rate than {lr:.4g}.", step, bad[0])


def _stop_unless_parameters_finite(step, model, before=""):
    """Raise TrainingError if a parameter is not finite, naming the first."""
    bad = [name for name, p in model.named_parameters() if not p.isfinite().all()]
    if bad:
        raise TrainingError(
            f"step {step}: {before}{_list(bad)} is not finite any more. The steps were too long: "
            "try a learning rate ten times smaller (find_lr shows where the loss blows up), or "
            "a smaller start for the weights.", step, bad[0])


def _list(names):
    """The first three names, and how many more."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _positive(name, value):
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; it must be a number.")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is {value}; it must be finite and 0 or more.")


def _check(model, draw, steps, generator, loss, callbacks, every):
    """Say what is wrong with the arguments of `train` before the first step."""
    for name, value, least in [("steps", steps, 0), ("every", every, 1)]:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} is {value!r}; it must be a whole number, {least} or more.")
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is {generator!r}; the run draws its minibatches from a "
                        "generator of your own: torch.Generator().manual_seed(0)")
    for name, value in [("draw", draw), ("loss", loss or _check),
                        *(("a callback", callback) for callback in callbacks)]:
        if not callable(value):
            raise TypeError(f"{name} is {value!r}; it must be a function. For draw: "
                            "lambda g: data.batch(X, Y, 32, g)")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(f"{type(model).__name__} has no parameter to train: none has "
                         "requires_grad.")
