"""diagnose(recorder): what is wrong with a network, in words, from what a Recorder saw.

Each rule reads the records and returns findings: what, where, the numbers, likely causes in order,
what to try.  What follows from something else that was found is kept, and says so, and stands
last.  A rule compares quantities of one kind (a gradient with a gradient, an update with its
weight), so that multiplying the loss, the width or the number of examples changes nothing; the
three that look at an absolute size (of the inputs, of the scores, of the targets) say why.

The limits are in `Limits`, each with its reason.  They are wide: a network that trains should pass
in silence, and a rule that is right in half of the cases teaches its reader to skip it.

What no rule can see: whether what is learnt is worth learning.  A network that memorises shuffled
labels (Zhang et al. 2017) has healthy statistics; only data that was not trained on tells.

The order of looking follows Karpathy's "A Recipe for Training Neural Networks" (2019): the data,
the loss at the start, then what happens inside. Layer-wise statistics as evidence: Glorot and
Bengio 2010. Rules that watch a training run: Schoop, Huang and Hartmann 2021 (UMLAUT); Wardat et
al. 2022 (DeepDiagnosis); Schneider, Dangel and Hennig 2021 (Cockpit).
"""
from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from zh import page
from zh.diagnostics.recorder import LayerRecord, ParameterRecord, Record, Recorder
from zh.diagnostics.statistics import ONE_SIDED, TWO_SIDED

# ---------------------------------------------------------------------------
# Limits


@dataclass(frozen=True)
class Limits:
    """Where a number becomes a finding. Each has its reason; all can be changed:
    `diagnose(recorder, replace(LIMITS, dead=0.3))`.
    """

    dead: float = 0.5
    """Share of a layer's units that are on the flat side for every example, in every recorded
    step of the second half.  Some die in healthy runs (a fifth in the battery's small ones)."""
    saturated: float = 0.6
    """Share of a tanh's or sigmoid's values on the flat part.  The lecture's bad start has 61 %
    beyond 0.99; a sound deep tanh network has 5 % in its fixed point and 20 % in its first layer;
    with weights three times too large 45 %, and it still trains."""
    stuck: float = 0.4
    """Share of its units saturated for every example: nothing flows through them at all."""
    same_units: float = 0.5
    """Different units over units: below, most units are copies. Random weights give 1."""
    fade: float = 1e-3
    """Smallest hidden signal, or gradient, over the largest, along the depth. Five layers with
    PyTorch's default start lose a factor 30, which is harmless; a thousand is not made up for by
    a learning rate that all layers share."""
    fade_stalled: float = 1e-2
    """The same, when the loss has not moved either (see `stalled`)."""
    stalled: float = 0.97
    """Loss at the end over loss at the start: above, it has not moved."""
    grow: float = 30.0
    """Largest hidden output over the first one (spread over the examples, so that a bias does not
    count). A residual stream of N sound blocks grows by sqrt(N), and Kaiming's start holds it
    level."""
    blow: float = 100.0
    """First over last hidden gradient. Batchnorm alone makes gradients grow with depth at the start
    (Yang et al. 2019): measured, by a factor 20 over twenty ReLU layers, and that trains."""
    fast: float = 0.2
    """Update over data, median over the weight matrices, after the first recorded step. The
    lecture's guide is 0.001; sound small networks under Adam begin near 0.1. At 0.2 a matrix is
    another one after five steps."""
    restless: float = 0.03
    """The same, when the loss at the end is above the first one, or was three times as high on the
    way: then the steps lead nowhere, and this is large enough to be the reason. (So is `fast` in a
    single record.)"""
    slow: float = 3e-5
    """Update over data, largest of the run: after 10,000 steps of this size, all in one direction,
    a weight has moved by a third of itself. The lecture's "too slow" is 1e-5."""
    learnt: float = 0.9
    """Loss at the end over loss at the start: below, the loss has moved, whatever the steps."""
    hot: float = 1.0
    """Nats by which the first loss exceeds ln(classes). Scores of std s cost about s^2 / 2 more
    than equal ones, so 1 is a std of 1.4: confident, and by chance."""
    input_rms: float = 10.0
    """Size of the inputs. Initialisations assume 1 (LeCun et al. 1998); pixels 0 to 255 have 150,
    pixels 0 to 1 have 0.5."""
    input_offset: float = 4.0
    """Mean over spread of the inputs; pixels 0 to 1 have at most about 3."""
    input_uneven: float = 100.0
    """Largest over smallest spread of a feature: the curvature of the loss differs by the square.
    """
    target: float = 10.0
    """Root of the first squared error over the size of the predictions (at least 1)."""
    examples: int = 8
    """Fewer rows than this say nothing about what is the same for all examples."""
    units: int = 8
    """In a layer of fewer units than this some may die and the network be sound: there it counts
    when all of them are dead."""


LIMITS = Limits()


# ---------------------------------------------------------------------------
# What is found


@dataclass
class Finding:
    """One thing that is wrong, or looks so."""

    code: str                      # a short name: "dead", "saturated", ...
    what: str                      # one sentence
    where: list[str]               # layers or parameters, the most telling first
    evidence: str                  # the numbers
    causes: list[str]              # likely ones, the likeliest first
    remedies: list[str]            # what to try, in order
    step: int | None = None        # where it was first seen, if that is known
    follows: str | None = None     # the code of another finding that explains it

    def __str__(self) -> str:
        lines = [f"{self.what}" + (f" [probably because of: {self.follows}]" if self.follows
                                   else "")]
        if self.where:
            lines.append(f"  where:    {_names(self.where)}")
        lines.append(f"  evidence: {self.evidence}")
        for title, items in (("causes", self.causes), ("try", self.remedies)):
            for number, item in enumerate(items, 1):
                head = f"{title}:".ljust(9) if number == 1 else " " * 9
                lines.append(f"  {head} {number}. {item}")
        return "\n".join(lines)


@dataclass
class Diagnosis:
    """The findings, causes before consequences, and what cannot be seen from here."""

    findings: list[Finding]
    unseen: list[str] = field(default_factory=list)
    looked_at: str = ""

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def codes(self) -> list[str]:
        """The codes of the findings, in order."""
        return [finding.code for finding in self.findings]

    def __str__(self) -> str:
        if self.findings:
            parts = [f"{n}. {finding}" for n, finding in enumerate(self.findings, 1)]
        else:
            parts = ["Nothing wrong in what was recorded."]
        parts.append("Not visible from here:\n" + "\n".join(f"  - {u}" for u in self.unseen))
        return f"{self.looked_at}\n\n" + "\n\n".join(parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        body = "<p><strong>Nothing wrong in what was recorded.</strong></p>"
        if self.findings:
            body = f"<ol>{''.join(_finding_html(finding) for finding in self.findings)}</ol>"
        state = "found" if self.findings else "silent"
        return (f'<div class="zh-diagnosis zh-diagnosis-{state}" role="group" '
                f'aria-label="Diagnosis"><p>{page.escape(self.looked_at)}</p>{body}'
                f"<p>Not visible from here:</p>{_list_html('ul', self.unseen)}</div>")


def _html(text: str) -> str:
    """A sentence, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", page.escape(text))


def _list_html(tag: str, texts: list[str]) -> str:
    return f"<{tag}>{''.join(f'<li>{_html(t)}</li>' for t in texts)}</{tag}>"


def _finding_html(f: Finding) -> str:
    """What, where and the numbers; causes and remedies, folded if something else explains it."""
    where = f" In <code>{page.escape(_names(f.where))}</code>." if f.where else ""
    because = f" Probably because of <code>{page.escape(f.follows)}</code>." if f.follows else ""
    advice = (f"<p>Likely causes, the likeliest first:</p>{_list_html('ol', f.causes)}"
              f"<p>Try, in this order:</p>{_list_html('ol', f.remedies)}")
    if f.follows:
        advice = f"<details><summary>Causes, and what to try</summary>{advice}</details>"
    return (f"<li><p><strong>{_html(f.what)}</strong>{where}{because}</p>"
            f"<p>Evidence (<code>{page.escape(f.code)}</code>): {_html(f.evidence)}.</p>"
            f"{advice}</li>")


def _names(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# ---------------------------------------------------------------------------
# What the rules read


class Reading:
    """The records, with the questions that several rules ask."""

    def __init__(self, recorder: Recorder, limits: Limits):
        self.recorder, self.limits = recorder, limits
        self.records = [r for r in recorder.records if _finite(r)]
        self.all = recorder.records
        self.late = self.records[len(self.records) // 2:]
        self.first = self.records[0] if self.records else None
        self.last = self.records[-1] if self.records else None
        self.losses = [v for v in recorder.losses if v is not None and math.isfinite(v)]
        self.found: dict[str, Finding] = {}

    def layer(self, name: str, records: list[Record] | None = None) -> list[LayerRecord]:
        """The records of one layer."""
        records = self.late if records is None else records
        return [r.layers[name] for r in records if name in r.layers]

    def parameter(self, name: str, records: list[Record] | None = None) -> list[ParameterRecord]:
        records = self.records if records is None else records
        return [r.parameters[name] for r in records if name in r.parameters]

    def matrices(self) -> list[str]:
        """Names of the trainable weight matrices (and kernels, and tables)."""
        return [n for n, p in self.first.parameters.items() if len(p.shape) > 1 and p.trainable]

    def hidden(self) -> list[str]:
        """Layers with weights in the order of their calls; neither tables nor the output."""
        layers = self.last.layers.values()
        return [layer.name for layer in layers if layer.weights and layer.leaf
                and layer.name != self.last.output and "embedding" not in layer.kind]

    def trained(self) -> bool:
        """Whether a backward pass was seen."""
        return any(p.grad is not None for r in self.all for p in r.parameters.values())

    def speed(self, record: Record) -> float | None:
        """Median of update over data, over the matrices that have both."""
        told = [record.parameters[n].update_to_data for n in self.matrices()
                if n in record.parameters]
        told = [value for value in told if value is not None and math.isfinite(value)]
        return statistics.median(told) if told else None

    def fall(self) -> float | None:
        """Loss at the end over loss at the start: medians over a fifth of the run each."""
        n = max(len(self.losses) // 5, 1)
        if len(self.losses) < 4:
            return None
        start, end = self.losses[:n], self.losses[-n:]
        begin = statistics.median(start)
        return statistics.median(end) / begin if begin > 0 else None

    def rise(self) -> tuple[float, float]:
        """(loss at the end, highest loss) over the first loss; NaN without losses."""
        n = max(len(self.losses) // 5, 1)
        if len(self.losses) < 4 or self.losses[0] <= 0:
            return math.nan, math.nan
        end = statistics.median(self.losses[-n:])
        return end / self.losses[0], max(self.losses) / self.losses[0]

    def from_start(self) -> bool:
        """Whether the first record is of the first step."""
        return self.first.step == 0


def _finite(record: Record) -> bool:
    """Everything in a record is finite, so that its numbers can be compared."""
    return not any(layer.out.nonfinite or (layer.grad is not None and layer.grad.nonfinite)
                   for layer in record.layers.values()) and all(
        math.isfinite(p.rms) and (p.grad is None or not p.grad.nonfinite)
        for p in record.parameters.values())


def _middle(values) -> float:
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else math.nan


def _always(masks: list[np.ndarray]) -> float:
    """Share of units that are marked in every one of the masks."""
    if not masks or any(len(m) != len(masks[0]) for m in masks):
        return 0.0
    return float(np.logical_and.reduce(masks).mean())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _of_itself(change: float) -> str:
    """A change over what is changed, in words."""
    return f"{change:.0f} times its size" if change > 10 else f"{_percent(change)} of itself"


# ---------------------------------------------------------------------------
# The rules, causes before consequences


def _nonfinite(r: Reading) -> Iterator[Finding]:
    event = r.recorder.nonfinite
    if event is None:
        return
    by = f" It is the result of `{event.by}`." if event.by else ""
    share = f"{_percent(event.share) if event.share > 0.005 else 'less than 1 %'} of the entries"
    causes = {
        "input": ["the data has NaN or infinite entries: missing values, a division by zero in "
                  "its preparation"],
        "parameter": ["an earlier step moved the parameter there: the gradient of that step was "
                      "not finite, or the learning rate is too high",
                      "the model was loaded or made that way"],
        "output": ["a function outside its domain: log or division at 0, sqrt below 0, exp of "
                   "something large", "numbers too large for their precision: the layer before "
                   "it grows"],
        "loss": ["numbers that grew from step to step until they overflowed: the learning rate",
                 "log(0) in the loss: a probability that became 0"],
        "gradient": ["a function whose slope is infinite where its value is not: sqrt or a norm "
                     "at 0, a power below 1", "the values are finite but their squares are not"],
        "update": ["the gradient overflows the precision of the parameters",
                   "the learning rate is too high"]}[event.what]
    if not event.sampled:
        where, evidence = [], (f"the loss of step {event.step} was not finite; that step was not "
                               "recorded, so the place is not known")
        remedies = ["attach Recorder(model, every=1) a few steps earlier: it names the layer"]
    else:
        noun = {"parameter": "a parameter", "output": "the output", "input": "the input",
                "gradient": "the gradient", "update": "the update", "loss": "the loss"}
        where = [event.place]
        evidence = (f"step {event.step}: {share} of {noun[event.what]} there are NaN or infinite; "
                    f"everything computed before it was finite.{by}")
        remedies = {"input": ["assert torch.isfinite(x).all() where the data is made"],
                    "parameter": ["record every step (every=1) to see the step before",
                                  "a learning rate ten times lower"]}.get(
            event.what, ["keep the argument inside the domain: log(x + eps), sqrt(x + eps), "
                         "F.cross_entropy on scores instead of log(softmax)",
                         "a lower learning rate, or gradients clipped to a norm"])
    yield Finding("nonfinite", f"There are NaN or infinite numbers, first in "
                  f"{'the ' + event.what + ' of ' if where else ''}{event.place}.",
                  where, evidence, causes, remedies, event.step)


def _input(r: Reading) -> Iterator[Finding]:
    told = r.layer("input")
    if not told or told[-1].out.rows < r.limits.examples:
        return
    outs = [layer.out for layer in told]
    if all(o.constant for o in outs):
        yield Finding("constant_input", "Every example of a batch has the same input.", ["input"],
                      f"in {len(outs)} recorded batches no feature differs between examples",
                      ["the pipeline repeats one example", "an index that never advances, or a "
                       "feature column overwritten by a constant"],
                      ["print two examples of one batch"], r.first.step)
        return
    if told[-1].kind != "input" or _normalised(r):
        return
    rms = _middle(o.rms for o in outs)
    offset = _middle(abs(o.mean) / o.spread if o.spread else None for o in outs)
    uneven = _middle(o.unevenness for o in outs)
    limits, why = r.limits, []
    if rms > limits.input_rms or rms < 1 / limits.input_rms ** 2:
        why.append(f"their size (rms) is {rms:.3g} where initialisations assume 1")
    if offset > limits.input_offset:
        why.append(f"their mean is {offset:.1f} times their spread")
    if uneven > limits.input_uneven:
        why.append(f"one feature is spread {uneven:.3g} times as wide as another")
    if why:
        yield Finding("unscaled_input", "The inputs are not standardised.", ["input"],
                      "; ".join(why), ["raw data: pixels from 0 to 255, prices, counts",
                                       "standardised with the wrong statistics"],
                      ["subtract the mean and divide by the standard deviation of the training "
                       "set, feature by feature", "a normalisation layer first"], r.first.step)


def _normalised(r: Reading) -> bool:
    """The first thing that reads the input is a normalisation."""
    readers = [x for x in r.last.layers.values() if x.source == "input"]
    return bool(readers) and all("norm" in x.kind for x in readers)


def _loss(r: Reading) -> Iterator[Finding]:
    kind, output = r.recorder.loss_kind, r.first.output
    if output is None or output not in r.first.layers:
        return
    out, loss = r.first.layers[output], r.first.loss
    units = out.shape[1] if len(out.shape) in (4, 5) else out.shape[-1]
    if kind == "classification" and out.kind in ("softmax", "sigmoid", "relu", "tanh", "gelu",
                                                 "silu", "relu6", "hardtanh", "elu"):
        double = out.kind == "softmax"
        yield Finding(
            "squashed_scores",
            f"The loss takes scores and gets what a {out.kind} made of them.", [output],
            f"outputs from {out.out.low:.3g} to {out.out.high:.3g}, the last function of the "
            f"model is {out.kind}, and the loss has its own softmax or sigmoid",
            ["softmax (or sigmoid) applied twice: in the model and in the loss" if double
             or out.kind == "sigmoid" else "an activation was left after the last layer"],
            ["hand the scores of the last layer to F.cross_entropy as they are"], r.first.step)
    if kind and r.losses and min(r.losses) < 0:
        yield Finding("negative_loss", "The loss is below 0, which it never should be.", [],
                      f"{min(r.losses):.3g} at its lowest, for a loss of {kind}",
                      ["its sign is wrong: the steps make the prediction worse",
                       "something else is subtracted from it"],
                      ["minimise the cross-entropy or the squared error itself"], r.first.step)
    if loss is None or not math.isfinite(loss) or not r.from_start():
        return
    if kind == "classification":
        equal = math.log(units) if units > 1 else math.log(2)
        most = equal + 2 * max(abs(out.out.high), abs(out.out.low))
        if equal + r.limits.hot < loss <= most:     # above: the loss is a sum, or multiplied
            yield Finding(
                "hot_scores", "The first loss is far above that of equal probabilities: the "
                "network starts out sure of itself, and wrong.", [output],
                f"loss {loss:.2f} at step 0 where {max(units, 2)} equal probabilities give "
                f"{equal:.2f}; the scores have std {out.out.std:.2f}",
                ["the weights of the last layer are too large", "what reaches the last layer is "
                 "too large: inputs, or a growing stream"],
                ["last layer's weights times 0.1 or 0.01, its bias 0 (or the log frequencies)"],
                r.first.step)
    if kind == "regression" and loss > 0:
        size = max(out.out.rms, 1.0)
        if math.sqrt(loss) > r.limits.target * size:
            yield Finding(
                "unscaled_target", "The targets are far larger than anything the network gives.",
                [output], f"the root of the first loss is {math.sqrt(loss):.3g}, the predictions "
                f"have size {out.out.rms:.3g}", ["targets in raw units"],
                ["standardise the targets, and undo it on the predictions",
                 "start the last bias at the mean of the targets"], r.first.step)


def _stepping(r: Reading) -> Iterator[Finding]:
    """Does the loop do what a loop does?"""
    finished = [x for x in r.records if any(p.update is not None for p in x.parameters.values())]
    # a bias before a batchnorm has a gradient of rounding errors, and need not move
    least = 1e-5 * _middle(p.grad.rms for p in r.last.parameters.values() if p.grad is not None)
    still, moved = [], []
    for name, p in r.first.parameters.items():
        told = r.parameter(name, finished)
        if p.trainable and told and all(t.grad is not None and t.grad.rms > least for t in told):
            (still if all(t.update == 0 for t in told) else moved).append(name)
    late = [x for x in r.all if x.step > 0]
    stale = [x for x in late if set(x.stale) - (set(still) if moved else set())]
    if stale:
        yield Finding("stale_gradient", "The backward pass adds to gradients of earlier steps.",
                      [], f"in {len(stale)} of {len(late)} recorded steps the gradients were not "
                      "zero when the backward pass began",
                      ["optimizer.zero_grad() is missing",
                       "gradients are accumulated on purpose over several backward passes: then "
                       "call recorder.step() once for all of them"],
                      ["optimizer.zero_grad() once a step, before loss.backward()"],
                      stale[0].step)
    if len(finished) >= 2:
        if still:
            everything = not moved
            yield Finding(
                "not_updated", "No parameter moves." if everything else
                "Parameters with a gradient do not move.", _layers(still),
                f"{len(still)} of {len(still) + len(moved)} parameters have a gradient and are "
                f"exactly the same after each of {len(finished)} recorded steps",
                ["optimizer.step() is not called", "the learning rate is 0, or so small that it "
                 "is lost in rounding", "recorder.step() is called before optimizer.step()"]
                if everything else
                ["they were not given to the optimizer, or replaced after it was made"],
                ["call optimizer.step() after loss.backward()"] if everything else
                ["make the optimizer from model.parameters(), after the model is complete"],
                finished[0].step)
        slopes = [_middle(p.slope for p in x.parameters.values()) for x in finished]
        slopes = [s for s in slopes if math.isfinite(s)]
        if slopes and _middle(slopes) > 0.1:
            yield Finding("uphill", "The steps go up the gradient.", [],
                          f"the cosine between step and gradient is {_middle(slopes):.2f} in the "
                          "median; a step of descent has it below 0",
                          ["the sign of the update is wrong"],
                          ["p -= lr * p.grad; an optimizer without maximize=True"],
                          finished[0].step)


def _modes(r: Reading) -> Iterator[Finding]:
    """Training and evaluation mode where they belong?"""
    last = r.last
    if not r.trained():
        return
    norms = [x.name for x in last.layers.values() if "batchnorm" in x.kind and not x.training]
    if norms and last.training:
        yield Finding("batchnorm_eval", "Batchnorm layers are in evaluation mode while the model "
                      "trains.", norms, f"{len(norms)} use running statistics in step {last.step}",
                      ["eval() was called on a part, and train() not after it",
                       "they are held fixed on purpose, as in finetuning"],
                      ["model.train() before the loop and after each validation"], r.first.step)
    elif not last.training and any(k.startswith(("batchnorm", "dropout"))
                                   for k in r.recorder.kinds.values()):
        yield Finding("eval_mode", "The model is trained in evaluation mode.", norms,
                      f"model.training is False in step {last.step}, and it has batchnorm or "
                      "dropout", ["model.eval() for a validation, and no model.train() after it",
                                  "on purpose, as in finetuning with fixed statistics"],
                      ["model.train() before the loop and after each validation"], r.first.step)
    unguarded = [x for x in r.all if x.unguarded]
    if unguarded:
        yield Finding("validation_in_training_mode", "Batchnorm runs in training mode without "
                      "gradient: a validation, by the look of it.", unguarded[0].unguarded,
                      f"in step {unguarded[0].step} it normalised by the batch, and moved its "
                      "running statistics", ["model.eval() is missing before the validation"],
                      ["model.eval() before it, model.train() after it"], unguarded[0].step)


def _unreached(r: Reading) -> Iterator[Finding]:
    """Parameters that no gradient reaches."""
    if not r.trained():
        return
    parameters = r.last.parameters
    reached = [n for n in parameters if any(t.grad is not None for t in r.parameter(n))]
    frozen = [n for n, p in parameters.items() if not p.trainable]
    if frozen and len(frozen) < len(parameters):
        yield Finding("frozen", "Some layers are frozen.", _layers(frozen),
                      f"requires_grad is False for {len(frozen)} of {len(parameters)} parameters",
                      ["on purpose, as in finetuning: then this is as it should be",
                       "left over from an earlier experiment"],
                      ["parameter.requires_grad_(True), before the optimizer is made"],
                      r.first.step)
    missed = [n for n, p in parameters.items() if p.trainable and n not in reached]
    unused = [n for n in missed if parameters[n].layer not in r.last.layers
              and not _inside_called(r, parameters[n].layer)]
    cut = [n for n in missed if n not in unused]
    if cut:
        behind = [x.name for x in r.last.layers.values() if x.weights
                  and x.name in _layers(reached)]
        yield Finding(
            "detached", "No gradient reaches some layers, though they run.", _layers(cut),
            f"{len(cut)} parameters got no gradient in any recorded step"
            + (f"; the first layer that gets one is {behind[0]}" if behind else ""),
            ["the graph is cut between them and the loss: .detach(), .data, .item(), .numpy(), "
             "torch.no_grad(), or a function without a derivative (argmax, rounding)",
             "their result is computed and not used"],
            ["look at what stands between the last layer without and the first with gradient"],
            r.first.step)
    if unused:
        yield Finding("unused", "Some layers are never called.", _layers(unused),
                      f"{len(unused)} parameters belong to layers that did not run in "
                      f"{len(r.records)} recorded steps",
                      ["forward() does not use them", "they serve another path of the model"],
                      ["call them in forward(), or delete them"], r.first.step)


def _layers(parameters: list[str]) -> list[str]:
    """The layers of parameters, each once, in order."""
    return list(dict.fromkeys(n.rpartition(".")[0] or "model" for n in parameters))


def _inside_called(r: Reading, layer: str) -> bool:
    """A parameter of the model itself, or of a part whose own record is its container's."""
    return layer == "" or any(name == layer or name.startswith(layer + ".")
                              for name in r.last.layers)


def _zeros_and_copies(r: Reading) -> Iterator[Finding]:
    zero = [n for n in r.matrices() if r.first.parameters[n].rms == 0 and all(
        t.grad is not None and t.grad.rms == 0 for t in r.parameter(n))]
    if zero:
        yield Finding("zero_init", "Weights are zero, and their gradient is too: they stay so.",
                      _layers(zero), f"{len(zero)} weight matrices are exactly 0 in all recorded "
                      "steps, and so are their gradients", ["weights initialised to zero"],
                      ["random weights in every layer but, if you like, the last"], r.first.step)
    copies = {}
    for name in r.hidden():
        told = [x.out for x in r.layer(name, [r.first, *r.late]) if x.out.varying >= 4]
        if told and told[-1].rows >= r.limits.examples:
            share = max(o.distinct / o.varying for o in told)
            if share < r.limits.same_units:
                copies[name] = told[-1]
    if copies:
        name, out = next(iter(copies.items()))
        yield Finding("copies", "Units of a layer compute the same thing.", list(copies),
                      f"{out.distinct} different among {out.varying} units of {name} at step "
                      f"{r.last.step}", ["weights initialised to a constant: equal units get equal "
                                         "gradients and stay equal",
                                         "the layer's input has a single direction"],
                      ["random weights"], r.first.step)


def _flat(r: Reading) -> Iterator[Finding]:
    """Dead rectifiers, saturated tanh and sigmoid."""
    dead, flat, notes = {}, {}, {}
    for name, layer in r.last.layers.items():
        if layer.out.dead is None or layer.out.rows < r.limits.examples or (
                name == r.last.output):
            continue
        late, early = r.layer(name), r.layer(name, r.records[:1])
        stuck = _always([x.out.dead for x in late])
        enough = r.limits.dead if len(layer.out.dead) >= r.limits.units else 1
        if layer.kind in ONE_SIDED and stuck >= enough:
            dead[name] = stuck
            notes[name] = float(early[0].out.dead.mean()) if early else 0.0
        elif layer.kind in TWO_SIDED:
            share = _middle(x.out.saturated for x in late)
            if share >= r.limits.saturated or stuck >= r.limits.stuck:
                flat[name] = share, stuck
                notes[name] = bool(early) and early[0].out.saturated >= r.limits.saturated / 2
    if dead:
        name, share = next(iter(dead.items()))
        born = notes[name] >= r.limits.dead
        causes = ["biases, or weights, that start strongly negative", "inputs that are large or "
                  "far from zero"] if born else [
            "a step so large that it moved the units off the data: the learning rate",
            "inputs that are large or far from zero"]
        yield Finding("dead", f"{'A layer is' if share > 0.99 else 'Many units are'} dead: zero "
                      "for every example, so without gradient.",
                      list(dead), f"{_percent(share)} of the units of {name} are zero for all "
                      f"examples of every recorded step from {r.late[0].step} to {r.last.step}; "
                      f"at step {r.first.step} it was {_percent(notes[name])}", causes,
                      [f"look at the bias and the input of the layer before {name}" if born
                       else "a learning rate ten times lower, or a warm-up",
                       "Kaiming's initialisation, biases 0", "batchnorm before the rectifier, or "
                       "a leaky one"], r.first.step if born else None)
    if flat:
        name, (share, stuck) = next(iter(flat.items()))
        born = notes[name]
        one_side = stuck > share / 2
        causes = ["its units are pushed to one side: a large bias, or an input far from zero",
                  "weights too large"] if one_side else [
            "the weights of the layer before it are too large for its number of inputs",
            "its input is too large"]
        if not born:
            causes.insert(0, "the learning rate: it was not saturated at the first record")
        yield Finding("saturated", "Most of a layer sits on the flat part of its activation.",
                      list(flat), f"{_percent(share)} of the values of {name} are beyond 0.97 of "
                      f"its range, {_percent(stuck)} of its units for every example; "
                      f"{'already' if born else 'not yet'} at step {r.first.step}", causes,
                      ["weights of std gain / sqrt(fan_in), with gain 5/3 for tanh, biases 0",
                       "standardised inputs, or a normalisation before it",
                       *(["a lower learning rate"] if not born else [])],
                      r.first.step if born else None)


def _depth(r: Reading) -> Iterator[Finding]:
    """How the signal, and its gradient, change along the depth."""
    names = r.hidden()
    if len(names) < 3:
        return
    limits, fall = r.limits, r.fall()
    stalled = fall is not None and fall > limits.stalled
    fade = limits.fade_stalled if stalled else limits.fade
    stream = [x.name for x in r.last.layers.values() if x.source and not x.leaf
              and x.name not in (r.last.output, "model")]
    norms = sum("norm" in k for k in r.recorder.kinds.values())

    def measure(records):
        """(layers with a gradient, first over last gradient, last over first spread, the layer
        with the largest output, its size over the first one's, all gradients)."""
        back = {n: _middle(x.grad.norm for x in r.layer(n, records) if x.grad is not None)
                for n in names}
        order = [n for n in names if math.isfinite(back[n])]
        spread = [_middle(x.out.spread for x in r.layer(n, records))
                  for n in (names[0], names[-1])]
        size = {n: _middle(x.out.spread for x in r.layer(n, records)) for n in names + stream}
        if len(order) < 3 or not back[order[-1]] > 0 or not spread[0] > 0:
            return None
        top = max(size, key=size.get)
        return (order, back[order[0]] / back[order[-1]], spread[1] / spread[0], top,
                size[top] / size[names[0]], back)

    told, start = measure(r.records), measure(r.records[:1])
    if told is None:
        return
    order, ratio, spread, _, _, back = told
    if 0 < ratio < fade or (ratio > 0 and 0 < spread < fade):    # at 0 the way is cut, not faint
        born = start is not None and (start[1] < fade or start[2] < fade)
        drops = [math.log(back[b] / back[a]) if back[a] > 0 else 0.0
                 for a, b in zip(order, order[1:], strict=False)]
        worst = max(range(len(drops)), key=drops.__getitem__)
        local = 0 < ratio < fade and drops[worst] > max(-0.6 * math.log(ratio), math.log(30))
        evidence = (
            f"from {order[-1]} back to {order[0]} the gradient of the outputs changes by "
            f"{_times(ratio)}; from {names[0]} to {names[-1]} the spread of the outputs changes by "
            f"{_times(spread)}, over {len(names)} layers")
        if local:
            a, b = order[worst], order[worst + 1]
            yield Finding(
                "bottleneck", "Most of the gradient is lost at one place.", [a, b],
                f"{_times(math.exp(-drops[worst]))} from {b} back to {a}; {evidence}",
                [f"what stands between {a} and {b}: an activation that is dead or saturated, "
                 "weights that are almost zero, a product with something small"],
                [f"look at the outputs of {a} and of the activation after it"],
                r.first.step if born else None)
        else:
            yield Finding(
                "vanishing", "The signal fades along the depth.",
                [order[0]] if ratio < fade else [names[-1]], evidence,
                [*([] if born else ["it came while it trained: the learning rate"]),
                 "weights too small for their number of inputs: each layer passes on less than "
                 "it gets", "an activation with a small slope (sigmoid: at most 1/4), layer on "
                 "layer"],
                ["weights of std gain / sqrt(fan_in) with the activation's gain",
                 *([] if norms else ["normalisation layers"]), "residual connections",
                 "fewer layers"], r.first.step if born else None)
    born = start is not None and (start[1] > limits.blow or start[4] > limits.grow)
    order, ratio, _, top, grown, _ = start if born else told
    if ratio > limits.blow or grown > limits.grow:
        causes = ["weights too large for their number of inputs: each layer passes on more than "
                  "it gets"]
        if not norms:
            causes.insert(0 if stream else 1, "nothing normalises the signal on its way" + (
                ": each residual block adds to the stream what it got" if stream else ""))
        if not born:
            causes.insert(0, "the weights grew while it trained: the learning rate")
        yield Finding(
            "exploding", "The signal grows along the depth.", [top] if grown > limits.grow
            else [order[0]], f"from {names[0]} to {top} the spread of the outputs grows by "
            f"{_times(grown)}; from {order[-1]} back to {order[0]} the gradient changes by "
            f"{_times(ratio)}", causes,
            ["weights of std gain / sqrt(fan_in) with the activation's gain",
             *([] if norms else ["normalisation layers"]),
             *(["residual branches that start small"] if stream else [])],
            r.first.step if born else None)


def _times(ratio: float) -> str:
    return f"a factor {ratio:.2g}" if math.isfinite(ratio) else "an unbounded factor"


def _speed(r: Reading) -> Iterator[Finding]:
    """Update over data: too far, or not far enough."""
    told = [(x.step, r.speed(x)) for x in r.records]
    told = [(step, speed) for step, speed in told if speed is not None]
    if not told or not r.trained():
        return
    fall, after = r.fall(), [speed for _, speed in told[1:]] or [told[0][1]]
    fast, top = _middle(after), max(speed for _, speed in told)
    end, peak = r.rise()
    broke = r.recorder.nonfinite is not None
    if fast > r.limits.fast or (top > r.limits.restless and broke) or (
            (fast > r.limits.restless or top > r.limits.fast) and (end > 1.1 or peak > 3)):
        step, speed = max(told, key=lambda pair: pair[1])
        behind = "" if math.isnan(end) else (f"; the loss ends at {end:.2g} times the first one, "
                                             f"with {peak:.2g} times at its highest")
        yield Finding(
            "too_fast", "The steps are too large for the weights.", [],
            f"a step changes a weight matrix by {_of_itself(fast)} in the median after "
            f"the first record, by {_of_itself(speed)} at step {step}{behind}; the usual guide is "
            "a thousandth", ["the learning rate is too high", "gradients that are rarely very "
                             "large: a batch, or a sum where a mean was meant"],
            ["a learning rate ten times lower", "a warm-up", "gradients clipped to a norm"], step)
    elif 0 < top < r.limits.slow and (fall is None or fall > r.limits.learnt):
        yield Finding(
            "too_slow", "The steps are too small to arrive anywhere.", [],
            f"a step changes a weight matrix by at most {top:.1g} of itself; the usual guide is a "
            "thousandth" + ("" if fall is None else f"; the loss went to {fall:.3f} of the first"),
            ["the learning rate is too low", "gradients that hardly reach the weights"],
            ["a learning rate ten to a thousand times higher: a learning-rate finder shows how "
             "far"], r.first.step)


def _constant(r: Reading) -> Iterator[Finding]:
    """Layers whose output does not depend on the example, when nothing else has said why."""
    for name, layer in r.last.layers.items():
        late = [x.out for x in r.layer(name)]
        if name != "input" and layer.out.rows >= r.limits.examples and all(
                o.constant for o in late):
            yield Finding("constant", "A layer gives the same for every example.", [name],
                          f"no unit of {name} differs between examples from step "
                          f"{r.late[0].step} on", ["its weights are zero, or all its units dead",
                                                   "its input is constant"],
                          ["look at the layer before it, at its weights and its bias"],
                          r.late[0].step)
            return


RULES: tuple[Callable[[Reading], Iterator[Finding]], ...] = (
    _stepping, _modes, _unreached, _input, _loss, _zeros_and_copies, _depth, _flat, _speed,
    _nonfinite, _constant)

# what explains what: a finding that has one of these beside it is its consequence
EXPLAINED_BY = {
    "nonfinite": ("too_fast", "unscaled_input", "unscaled_target", "exploding"),
    "too_fast": ("stale_gradient", "uphill", "negative_loss", "unscaled_input", "unscaled_target",
                 "exploding", "hot_scores"),
    "too_slow": ("saturated", "dead", "vanishing", "bottleneck", "zero_init", "squashed_scores",
                 "copies", "exploding", "unscaled_target"),
    "hot_scores": ("unscaled_input", "exploding"),
    "dead": ("unscaled_input", "zero_init", "constant_input", "exploding", "stale_gradient",
             "vanishing"),
    "saturated": ("unscaled_input", "exploding", "stale_gradient", "negative_loss", "uphill",
                  "copies"),
    "vanishing": ("saturated", "zero_init", "constant_input", "detached", "copies",
                  "unscaled_input"),
    "bottleneck": ("saturated", "dead", "zero_init", "constant_input", "copies", "unscaled_input"),
    "exploding": ("unscaled_input", "stale_gradient", "uphill", "negative_loss", "saturated"),
    "copies": ("constant_input", "zero_init"),
    "constant": ("constant_input", "zero_init", "dead", "saturated", "vanishing", "bottleneck",
                 "unused", "too_fast", "exploding", "unscaled_input", "copies", "squashed_scores"),
    "not_updated": ("vanishing", "bottleneck", "saturated"),
}


LATER = ("dead", "saturated", "vanishing", "bottleneck", "exploding")   # `step` None: not at first


def _explain(found: list[Finding]) -> None:
    """Set `follows` where another finding explains one; a cause is not its own consequence.

    What was not there at the first record (no `step`) came with training: "too_fast" explains it,
    and it explains nothing but a layer that it cut. Two that explain each other: the one that the
    rules name first stays.
    """
    fast = any(f.code == "too_fast" for f in found)
    for f in found:
        later = f.step is None and f.code in LATER
        for g in found:
            if f.follows is None and g is not f and g.follows is None and (
                    (g.code in EXPLAINED_BY.get(f.code, ())
                     and (g.step is not None or f.code in ("constant", "bottleneck")))
                    or (later and fast and g.code == "too_fast")):
                f.follows = g.code


def diagnose(recorder: Recorder, limits: Limits = LIMITS) -> Diagnosis:
    """What is wrong with the network that `recorder` watched, causes before consequences.

    Raises LookupError if nothing was recorded.
    """
    if not recorder.records:
        raise LookupError("nothing is recorded yet: run some steps of the model and call "
                          "recorder.step(loss) after each.")
    reading = Reading(recorder, limits)
    rules = RULES if reading.records else (_nonfinite,)
    found = [finding for rule in rules for finding in rule(reading)]
    _explain(found)
    found.sort(key=lambda finding: finding.follows is not None)      # stable
    return Diagnosis(found, _unseen(reading), _looked_at(recorder))


def _looked_at(recorder: Recorder) -> str:
    records = recorder.records
    layers = len(records[-1].layers)
    return (f"{type(recorder.model).__name__}: {len(records)} recorded steps, "
            f"{records[0].step} to {records[-1].step}, {layers} layers, "
            f"{len(records[-1].parameters)} parameters.")


def _unseen(r: Reading) -> list[str]:
    """What this cannot know, said every time."""
    unseen = ["whether it learns anything that holds for new data: labels that are shuffled, or "
              "answers that leak into the inputs, raise no finding. Compare the "
              "loss on data that was not trained on."]
    fall = r.fall() if r.records else None
    if not r.losses:
        unseen.append("the loss: call recorder.step(loss) and its start and course are read too.")
    elif fall is not None and fall > 0.99:
        unseen.append(f"why the loss does not fall (the end is {fall:.2f} of the start): if "
                      "nothing above explains it, look at the labels, and try to learn a few "
                      "examples by heart.")
    if r.last is not None and r.trained() and not r.last.layers:
        unseen.append("the inside of the model: its layers were not called one by one. If it has "
                      "a loss() of its own, compute the loss from model(x) while you record.")
    if r.records and not any(p.update is not None for x in r.records
                             for p in x.parameters.values()):
        unseen.append("the updates: recorder.step() was not called after optimizer.step().")
    return unseen
