"""Recorder: watches a network while it trains, every so many steps, and lets go of it cleanly.

    recorder = Recorder(model, every=10)      # attached from here on
    ... loss.backward(); optimizer.step(); recorder.step(loss) ...
    recorder.detach()                         # or `with Recorder(model) as recorder:`
    recorder.records                          # one Record a recorded step

How it listens. Only while a step is being recorded are there hooks on the model: on the forward
pass of every module, on the gradient of every output, and on every parameter once its gradient is
complete. In between, the model is as it was, so the steps in between cost nothing, and a model
from `torch.compile` runs its compiled code; a recorded step of it runs eagerly
(`torch.compiler.set_stance`). The layers of `zh` have no hooks: while a step is recorded, the
attribute `forward` of each instance is a wrapper.

What is seen. Every module's output (the first tensor of it), the input of the model, and, where a
module's input comes from a function that has no module, as in `fc2(F.relu(fc1(x)))`, that input
too, as "fc2 (input)". A module called twice in a step has one record of both calls; one that only
hands on its input (Dropout in eval mode, Flatten) has none. Forward passes without gradient, as in
a validation between two steps, are left out as soon as there is one with gradient in that step.

What is left out: functions in the middle of a module's own forward, optimiser state, second
derivatives (see Schneider, Dangel and Hennig 2021, Cockpit), and every step that is not sampled.

Layer by layer histograms of activations and gradients: Glorot and Bengio 2010. Update over data:
Karpathy's lecture 4 (2022); it is what You, Gitman and Ginsburg 2017 (LARS) hold equal.
"""
from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from zh.diagnostics.statistics import Values, activations, entries, merge
from zh.layers import Layer

# functions that can stand between modules without being one, by the name of their graph node
FUNCTIONS = {
    "ReluBackward0": "relu", "TanhBackward0": "tanh", "SigmoidBackward0": "sigmoid",
    "GeluBackward0": "gelu", "SiluBackward0": "silu", "LeakyReluBackward0": "leakyrelu",
    "EluBackward0": "elu", "SoftplusBackward0": "softplus", "HardtanhBackward0": "hardtanh",
    "SoftmaxBackward0": "softmax", "LogSoftmaxBackward0": "logsoftmax"}
LOSSES = {"classification": ("LogSoftmax", "NllLoss", "Logsumexp", "BinaryCrossEntropyWithLogits"),
          "probability": ("BinaryCrossEntropyBackward",),
          "regression": ("MseLoss", "L1Loss", "SmoothL1", "HuberLoss", "PowBackward")}


# ---------------------------------------------------------------------------
# What is kept of a step


@dataclass
class LayerRecord:
    """One layer in one step."""

    name: str
    kind: str                      # the class in small letters, or the function: "linear", "tanh"
    shape: tuple[int, ...]         # of its output, in its last call
    calls: int
    training: bool
    leaf: bool                     # it holds no other module
    weights: bool                  # it has a matrix of its own
    source: str | None             # the layer whose output it got, where that is known
    out: Values
    grad: Values | None            # of the loss by its output


@dataclass
class ParameterRecord:
    """One parameter in one step: before it, its gradient, and how far the step moved it."""

    name: str
    layer: str
    shape: tuple[int, ...]
    trainable: bool                # requires_grad
    rms: float                     # before the step
    grad: Values | None            # as the backward pass left it: before any clipping
    update: float | None           # rms of the change; None if the step was not finished
    slope: float | None            # cosine of the change and the gradient: below 0 is downhill

    @property
    def grad_to_data(self) -> float | None:
        """rms of the gradient over rms of the parameter; None where that has no meaning."""
        return None if self.grad is None or self.rms == 0 else self.grad.rms / self.rms

    @property
    def update_to_data(self) -> float | None:
        """rms of the change in this step over rms of the parameter before it."""
        return None if self.update is None or self.rms == 0 else self.update / self.rms


@dataclass
class Record:
    """One recorded step."""

    step: int
    layers: dict[str, LayerRecord] = field(default_factory=dict)       # in order of their calls
    parameters: dict[str, ParameterRecord] = field(default_factory=dict)
    output: str | None = None      # the layer whose output is the model's
    loss: float | None = None
    training: bool = True          # the model's own mode
    stale: list[str] = field(default_factory=list)       # parameters whose gradient was not 0
    #                                                      when the backward pass began
    unguarded: list[str] = field(default_factory=list)   # batchnorms, training, without gradient


@dataclass
class NonFinite:
    """The first NaN or infinity that was seen."""

    step: int
    what: str          # "input", "parameter", "output", "loss", "gradient" or "update"
    place: str         # layer or parameter
    share: float       # of the entries
    by: str = ""       # the function whose result it is, where known
    sampled: bool = True           # False: seen in the loss alone, in a step not recorded


# ---------------------------------------------------------------------------
# The recorder


class Recorder:
    """Records what `model` does, every `every` steps; `step(loss)` ends a step.

    model: a torch.nn.Module (compiled or not) or a layer of `zh.layers`.
    every: 1 records each step. Step 0 is always recorded.
    keep: when there are more records than this, every second one is dropped and `every` doubles,
        so that a long run stays within memory and its beginning is kept.

    `records` has the recorded steps, `losses` the loss of every step that was handed to `step`,
    `nonfinite` the first NaN or infinity. Several recorders may watch one model, nested or not.
    The modules and parameters are those that the model has when it is attached.
    Raises TypeError for anything else than a model, ValueError for every < 1, keep < 2 or
    parameters that have no shape yet (lazy modules).
    """

    def __init__(self, model: torch.nn.Module | Layer, every: int = 10, *, keep: int = 400):
        if not isinstance(model, torch.nn.Module | Layer):
            raise TypeError(f"Recorder watches a torch.nn.Module or a layer of zh.layers, not "
                            f"{type(model).__name__}. Put functions into a module.")
        if every < 1 or keep < 2:
            raise ValueError(f"every is {every} and keep {keep}; every is 1 or more, keep 2.")
        if any(isinstance(p, torch.nn.parameter.UninitializedTensorMixin)
               for p in model.parameters()):
            raise ValueError("the model has lazy parameters without a shape yet: run one batch "
                             "through it before a Recorder is attached.")
        self.model = getattr(model, "_orig_mod", model)        # inside torch.compile(model)
        self.every, self.keep = int(every), int(keep)
        self.records: list[Record] = []
        self.losses: list[float | None] = []
        self.nonfinite: NonFinite | None = None
        self.loss_kind: str | None = None      # a key of LOSSES, if its graph shows it
        self.parts: list[_Part] = []           # the modules, as they are when it is attached
        self.parameters: dict[str, torch.Tensor] = {}
        self.attached = False
        self._count = 0                        # steps ended
        self._urgent = False                   # record the next step whatever its number
        self._sample: _Sample | None = None
        self.attach()

    @property
    def kinds(self) -> dict[str, str]:
        """{name: class in small letters} of every module, called or not."""
        return {part.name: part.kind for part in self.parts}

    # -- attaching ----------------------------------------------------------

    def attach(self) -> Recorder:
        """Watch (again) from the next forward pass on; returns the recorder."""
        if not self.attached:
            self.attached = True
            self.parts = [_Part(n, m) for n, m in _modules(self.model)]
            self.parameters = {n.replace("_orig_mod.", ""): p
                               for n, p in self.model.named_parameters()}
            self._begin()
        return self

    def detach(self) -> None:
        """Let go: the model is as it was. A step that has begun is kept, without its update."""
        if not self.attached:
            return
        self.attached = False
        if self._sample is not None:
            record = self._sample.close(finished=False)
            self._sample = None
            if record.layers:
                self._add(record)

    def __enter__(self) -> Recorder:
        return self.attach()

    def __exit__(self, *error) -> None:
        self.detach()

    # -- stepping -----------------------------------------------------------

    def step(self, loss: torch.Tensor | float | None = None) -> None:
        """End a step: call it once a step, after the optimizer has moved the parameters.

        loss: of this step, a tensor with one entry or a number; a tensor that still has its graph
        also tells whether it is a cross-entropy. May be left out.
        """
        value = None
        if loss is not None:
            if isinstance(loss, torch.Tensor):
                if loss.numel() != 1:
                    raise ValueError(f"the loss has the shape {tuple(loss.shape)}; it is one "
                                     "number: take its mean.")
                self.loss_kind = self.loss_kind or _loss_kind(loss)
            value = float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        self.losses.append(value)
        if self._sample is not None:
            self._urgent = False
            record = self._sample.close(finished=True)
            record.loss = value
            self._sample = None
            self._add(record)
        bad = value is not None and not math.isfinite(value)
        if bad and self.nonfinite is None:
            recorded = bool(self.records) and self.records[-1].step == self._count
            self._found(NonFinite(self._count, "loss", "the loss", 1.0, sampled=recorded))
        self._count += 1
        if self.attached:
            self._begin()

    def callback(self, step: int, model: object, history: object) -> None:
        """For `zh.training.train(..., callbacks=[recorder.callback])`."""
        self.step(history.losses[-1])

    def _begin(self) -> None:
        if self._urgent or self._count % self.every == 0:
            self._sample = _Sample(self, self._count)

    def _add(self, record: Record) -> None:
        self.records.append(record)
        if len(self.records) > self.keep:
            self.every *= 2
            self.records = [r for r in self.records if r.step % self.every == 0]

    def _found(self, event: NonFinite) -> None:
        if self.nonfinite is None:
            self.nonfinite = event
            self._urgent = not event.sampled         # look where it is as soon as possible

    # -- reading ------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.records)

    def at(self, step: int | None = None) -> Record:
        """The record of `step`, or of the recorded step nearest to it; None: the last one."""
        if not self.records:
            raise LookupError("nothing is recorded yet: run a step of the model and call "
                              "recorder.step(loss).")
        if step is None:
            return self.records[-1]
        return min(self.records, key=lambda record: abs(record.step - step))

    def series(self, what: str) -> dict[str, tuple[list[int], list[float]]]:
        """{parameter: (steps, values)} over the run of an attribute of ParameterRecord.

        what: "update_to_data", "grad_to_data", "update", "rms" or "slope". Steps where it
        has no value are left out.
        """
        told: dict[str, tuple[list[int], list[float]]] = {}
        for record in self.records:
            for name, parameter in record.parameters.items():
                value = getattr(parameter, what)
                if value is not None:
                    steps, values = told.setdefault(name, ([], []))
                    steps.append(record.step)
                    values.append(value)
        return told

    def __repr__(self) -> str:
        steps = f", steps 0 to {self.records[-1].step}" if self.records else ""
        return (f"Recorder({type(self.model).__name__}, every={self.every}, "
                f"{len(self.records)} recorded{steps}{'' if self.attached else ', detached'})")


# ---------------------------------------------------------------------------
# One step being recorded: hooks on, measurements in, hooks off


class _Sample:
    """The hooks of one step, from its beginning to `close()`."""

    def __init__(self, recorder: Recorder, step: int):
        self.recorder, self.record, self.open = recorder, Record(step), True
        self.seen = WeakTensorKeyDictionary()       # output -> (its layer, axis, version)
        self.calls: dict[tuple[str, bool], dict] = {}
        self.gradients: dict[str, list[Values]] = {}
        self.parameter_grads: dict[str, tuple[Values, torch.Tensor]] = {}
        self.handles: list = []
        self.backward = False
        model = recorder.model
        self.parameters = recorder.parameters
        self._snapshot()
        _eager(+1)
        self.compiled_again = weakref.finalize(self, _eager, -1)    # also if it is forgotten
        self.handles.append(_before(model, self.before))
        for part in recorder.parts:
            self.handles.append(_after(part.module, partial(self.after, part)))
        for name, p in self.parameters.items():
            if p.requires_grad and p.is_leaf:
                self.handles.append(p.register_post_accumulate_grad_hook(
                    partial(_if_there, weakref.WeakMethod(self.accumulated), name)))

    @torch.no_grad()
    def _snapshot(self) -> None:
        """Copies of the parameters before the step, and their sizes."""
        self.start = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.sizes = dict(zip(self.start, _rms(self.start.values()), strict=True))
        for name, rms in self.sizes.items():
            if not math.isfinite(rms):
                self._broken("parameter", name, entries(self.start[name]), "")

    # -- forward ------------------------------------------------------------

    def before(self, args: tuple) -> None:
        """The model is called: look at what it is called with."""
        if not self.open:
            return
        if torch.is_grad_enabled():                # a validation in between is another matter
            self.record.training = self.recorder.model.training
        x = _first_tensor(args)
        if x is not None and x not in self.seen:
            rows = x.reshape(len(x), -1) if x.ndim > 1 and x.is_floating_point() else x
            kind = "input" if x.is_floating_point() else "tokens"
            self._note("input", kind, x, -1, activations(rows), True, False, True, None)

    def after(self, part: _Part, args: tuple, out) -> None:
        """A module has run."""
        name, module, kind = part.name, part.module, part.kind
        if not self.open:
            return
        x, y = _first_tensor(args), _first_tensor(out)
        if y is None:
            return
        training = bool(module.training)
        if "batchnorm" in kind and training and not torch.is_grad_enabled():
            self.record.unguarded.append(name)
        source, axis, _ = self.seen.get(x, (None, None, 0)) if x is not None else (None, None, 0)
        node = _node(x)
        if x is not None and source is None and node in FUNCTIONS:
            source, axis = f"{name} (input)", _axis("", x)
            self._note(source, FUNCTIONS[node], x, axis,
                       activations(x, axis, FUNCTIONS[node]), True, False, training, None)
        if y in self.seen and self.seen[y][2] == _version(y):
            if module is self.recorder.model:
                self.record.output = self.seen[y][0]
            return                                 # it hands on what another module made
        if x is not None and y is not x and y.data_ptr() == x.data_ptr() and source is not None:
            self.seen[y] = source, -1, _version(y)  # the same numbers in another shape
            return
        if part.leaf or module is self.recorder.model:
            kind = FUNCTIONS.get(_node(y), kind) if kind not in FUNCTIONS.values() else kind
        axis = _axis(kind, y, axis)
        self._note(name, kind, y, axis, activations(y, axis, kind), part.leaf, part.weights,
                   training, source)
        if module is self.recorder.model:
            self.record.output = name

    def _note(self, name, kind, y, axis, values, leaf, weights, training, source) -> None:
        self.seen[y] = name, axis, _version(y)
        if values is None:
            return
        if values.nonfinite:
            self._broken("input" if name == "input" else "output", name, values, _node(y))
        call = self.calls.setdefault((name, torch.is_grad_enabled()), dict(
            kind=kind, calls=0, leaf=leaf, weights=weights, source=source, parts=[]))
        call["calls"] += 1
        call["parts"].append(values)
        call["shape"], call["training"] = tuple(y.shape), training
        if y.requires_grad and name != "input":
            y.register_hook(partial(self.gradient, name))

    # -- backward -----------------------------------------------------------

    def gradient(self, name: str, grad: torch.Tensor) -> None:
        """The gradient of the loss by an output has come."""
        if not self.open:
            return
        if not self.backward:
            self.backward = True
            self.record.stale = [n for n, p in self.parameters.items()
                                 if p.grad is not None and bool(p.grad.count_nonzero())]
        values = entries(grad)
        if values is not None:
            if values.nonfinite:
                self._broken("gradient", name, values, "")
            self.gradients.setdefault(name, []).append(values)

    def accumulated(self, name: str, parameter: torch.Tensor) -> None:
        """The gradient of a parameter is complete."""
        if not self.open or parameter.grad is None:
            return
        values = entries(parameter.grad)
        if values is not None:
            if values.nonfinite:
                self._broken("gradient", name, values, "")
            self.parameter_grads[name] = values, parameter.grad

    def _broken(self, what: str, place: str, values: Values, node: str) -> None:
        self.recorder._found(NonFinite(self.record.step, what, place,
                                       values.nonfinite / values.count,
                                       node.removesuffix("0").removesuffix("Backward").lower()))

    # -- the end ------------------------------------------------------------

    @torch.no_grad()
    def close(self, *, finished: bool) -> Record:
        """Take the hooks off, measure how far the parameters moved, hand over the record."""
        self.open = False
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.compiled_again()
        graded = any(enabled for _, enabled in self.calls)
        for (name, enabled), call in self.calls.items():
            if enabled == graded:
                grads = self.gradients.get(name)
                self.record.layers[name] = LayerRecord(
                    name, call["kind"], call["shape"], call["calls"], call["training"],
                    call["leaf"], call["weights"], call["source"], merge(call["parts"]),
                    merge(grads) if grads else None)
        updates, slopes = self._moved() if finished else ({}, {})
        for name, p in self.parameters.items():
            values, _ = self.parameter_grads.get(name, (None, None))
            self.record.parameters[name] = ParameterRecord(
                name, name.rpartition(".")[0], tuple(p.shape), p.requires_grad, self.sizes[name],
                values, updates.get(name), slopes.get(name))
        self.seen.clear()
        self.start.clear()
        self.parameter_grads.clear()
        return self.record

    def _moved(self) -> tuple[dict[str, float], dict[str, float]]:
        """rms of the change of each parameter; cosine between the change and the gradient."""
        changes = {n: p.detach() - self.start[n] for n, p in self.parameters.items()}
        updates = dict(zip(changes, _rms(changes.values()), strict=True))
        pairs = {}
        for name, (values, grad) in self.parameter_grads.items():
            if updates[name] > 0 and values.rms > 0 and grad.layout == torch.strided:
                pairs[name] = torch.vdot(changes[name].reshape(-1), grad.reshape(-1).to(
                    changes[name].dtype))
        products = [float(v) for v in pairs.values()]
        slopes = {}
        for name, product in zip(pairs, products, strict=True):
            values, _ = self.parameter_grads[name]
            slope = product / (updates[name] * values.rms * values.count)
            if math.isfinite(slope):
                slopes[name] = slope
        for name, size in updates.items():
            if not math.isfinite(size):
                self._broken("update", name, entries(self.parameters[name]), "")
        return updates, slopes


def _rms(tensors) -> list[float]:
    """Root mean square of each tensor; NaN or infinite if it has such entries."""
    tensors = [t if t.dtype in (torch.float32, torch.float64) else t.float() for t in tensors]
    if not tensors:
        return []
    norms = torch.stack(torch._foreach_norm(tensors)).tolist()
    return [norm / math.sqrt(max(t.numel(), 1)) for norm, t in zip(norms, tensors, strict=True)]


# ---------------------------------------------------------------------------
# torch and zh alike: names, children, hooks


def _modules(model, name: str = "", seen: set | None = None) -> Iterator[tuple[str, object]]:
    """(name, module) of a model and all in it, each once, named as torch names parameters."""
    seen = set() if seen is None else seen
    inner = getattr(model, "_orig_mod", model)          # a compiled part is the part
    if id(inner) in seen:
        return
    seen.add(id(inner))
    yield name or "model", inner
    for child_name, child in _children(inner):
        yield from _modules(child, f"{name}.{child_name}" if name else child_name, seen)


def _children(module) -> Iterator[tuple[str, object]]:
    if isinstance(module, torch.nn.Module):
        yield from module.named_children()
        return
    for attribute, value in vars(module).items():
        if isinstance(value, Layer):
            yield attribute, value
        elif isinstance(value, list | tuple):
            prefix = "" if attribute == "layers" else f"{attribute}."
            yield from ((f"{prefix}{i}", v) for i, v in enumerate(value) if isinstance(v, Layer))


def _own_parameters(module) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(module, torch.nn.Module):
        yield from module.named_parameters(recurse=False)
    else:
        mine = {id(value) for value in vars(module).values()}
        yield from ((n, p) for n, p in module.named_parameters() if id(p) in mine)


@dataclass
class _Part:
    """A module of the model, and what does not change about it."""

    name: str
    module: object

    def __post_init__(self):
        self.kind = type(self.module).__name__.lower()
        self.leaf = next(_children(self.module), None) is None
        self.weights = any(p.ndim > 1 for _, p in _own_parameters(self.module))


class _Tap:
    """Stands in for `forward` of a zh layer while somebody listens; undoes itself."""

    def __init__(self, layer: Layer):
        self.layer, self.original = layer, layer.forward
        self.own = layer.__dict__.get("forward")        # almost always none: the class has it
        self.first, self.last = [], []

    def __call__(self, *args):
        for hook in list(self.first):
            hook(args)
        out = self.original(*args)
        for hook in list(self.last):
            hook(args, out)
        return out

    def remove(self, hooks: list, hook) -> None:
        hooks.remove(hook)
        if not self.first and not self.last:
            if self.own is None:
                del self.layer.forward
            else:
                self.layer.forward = self.own


class _Handle:
    """What `remove()`s a hook of a `_Tap`, as torch's handles do."""

    def __init__(self, layer: Layer, which: str, hook):
        tap = layer.__dict__.get("forward")
        if not isinstance(tap, _Tap):
            tap = _Tap(layer)
            layer.forward = tap
        hooks = getattr(tap, which)
        hooks.append(hook)
        self.remove = partial(tap.remove, hooks, hook)


def _before(module, hook):
    if isinstance(module, Layer):
        return _Handle(module, "first", hook)
    return module.register_forward_pre_hook(
        lambda module, args, kwargs: hook((*args, *kwargs.values())), with_kwargs=True)


def _after(module, hook):
    if isinstance(module, Layer):
        return _Handle(module, "last", hook)
    return module.register_forward_hook(lambda module, args, out: hook(args, out))


def _first_tensor(thing) -> torch.Tensor | None:
    """The first tensor in a tensor, tuple, list or dict."""
    if isinstance(thing, torch.Tensor):
        return thing
    if isinstance(thing, dict):
        thing = thing.values()
    elif not isinstance(thing, tuple | list):
        return None
    return next((t for t in map(_first_tensor, thing) if t is not None), None)


def _node(tensor) -> str:
    """The name of the graph node that made a tensor, "" if there is none."""
    made = getattr(tensor, "grad_fn", None)
    return "" if made is None else made.name()


def _version(tensor: torch.Tensor) -> int:
    """How often a tensor was changed in place; tensors of inference mode do not count it."""
    return 0 if tensor.is_inference() else tensor._version


def _axis(kind: str, y: torch.Tensor, before: int | None = None) -> int:
    """Which axis counts the units: the channels of a convolution, else the last one.

    A function of a convolution's output has its axis; four axes or more are taken for images.
    """
    if kind.startswith(("conv", "lazyconv", "batchnorm2", "batchnorm3", "groupnorm")):
        return 1 if y.ndim > 2 else -1
    if kind.startswith(("linear", "embedding", "layernorm", "rmsnorm")):
        return -1
    if before is not None and before == 1 and y.ndim > 2:
        return 1
    return 1 if y.ndim == 4 else -1


def _loss_kind(loss: torch.Tensor) -> str | None:
    """What the last nodes of the graph say: a key of LOSSES, or None."""
    nodes = [loss.grad_fn]
    for _ in range(8):
        names = [n.name() for n in nodes if n is not None]
        for kind, keys in LOSSES.items():
            if any(key in name for name in names for key in keys):
                return kind
        nodes = [m for n in nodes if n is not None for m, _ in n.next_functions][:8]
    return None


def _if_there(method: weakref.WeakMethod, *arguments) -> None:
    """Call a method if its object still exists. (A hook of a parameter that held the object, which
    holds the parameter, would keep both for good: the collector does not see such a ring.)"""
    if (call := method()) is not None:
        call(*arguments)


_recording = 0          # how many samples are open: compiled code is held back while there is one
_stance = None


def _eager(change: int) -> None:
    """Run compiled models eagerly while a step is recorded; nothing if torch.compile is unused."""
    global _recording, _stance
    _recording += change
    if _recording == 1 and change > 0 and "torch._dynamo" in sys.modules:
        _stance = torch.compiler.set_stance("force_eager")
    elif _recording == 0 and _stance is not None:
        _stance.__exit__(None, None, None)
        _stance = None
