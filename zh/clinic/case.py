"""A case of the clinic: a part of a program, once broken and once right, and a run of each.

    patient = Patient(case)        # both runs, made now
    patient.broken.losses          # what the learner saw
    patient.diagnosis              # what zh.diagnostics makes of the broken run
    patient.fix                    # the two parts, line by line
    patient.row()                  # what the table at the end says

A case differs from its healthy twin in one function, `wrong` instead of `right`, and in nothing
else: the same data, the same random numbers, the same number of steps. So what the two runs differ
in is what the bug did. `check` is a function of one line which is False for the broken run
and True for the other; it asks by name for what it needs of `Run.things`.
"""
from __future__ import annotations

import difflib
import inspect
import math
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from zh.diagnostics import Diagnosis, Recorder, diagnose

NOTICED = 0.1        # nats by which a loss must be off before anybody would notice


@dataclass
class View:
    """A picture of a run: lines {name: (xs, ys)} over one axis; log: powers of ten upwards."""

    title: str
    xlabel: str
    lines: dict[str, tuple[list[float], list[float]]]
    log: bool = False


@dataclass
class Run:
    """What is left of a run, for whoever looks at it.

    loss: the number that the learner reads off and reports. views: the pictures, two at most.
    seen: other numbers by name. text: something it printed or wrote. things: what `check` needs.
    """

    loss: float
    recorder: Recorder | None = None
    views: list[View] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)
    text: str = ""
    things: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One bug.

    name: its address, which gives nothing away. place: "data", "model", "training" or
    "measuring". bug: what it is, in a few words. run(part) -> Run, with `wrong` or `right` as the
    part. named: {code of a finding of `zh.diagnostics` that comes of this bug: words of the cause,
    or of the remedy, that is this one}; the words are "" where it has none for it.
    """

    name: str
    place: str
    bug: str
    wrong: Callable
    right: Callable
    run: Callable[[Callable], Run]
    check: Callable[..., bool]
    named: dict[str, str] = field(default_factory=dict)


class Patient:
    """A case with its two runs."""

    def __init__(self, case: Case):
        self.case = case
        self.broken, self.fixed = case.run(case.wrong), case.run(case.right)

    @property
    def seen(self) -> dict[str, float]:
        """The numbers that the learner saw beside the loss."""
        return self.broken.seen

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What `zh.diagnostics` says of the broken run."""
        return diagnose(self.broken.recorder)

    @property
    def fix(self) -> Fix:
        """The broken part beside the right one."""
        return Fix(self.case.wrong, self.case.right)

    @property
    def off(self) -> float:
        """By how much the broken loss is above the right one, in nats; NaN where it is no number.
        """
        return self.broken.loss - self.fixed.loss

    @property
    def loss_sees(self) -> bool:
        """Whether the loss alone would have made somebody look."""
        return not abs(self.off) < NOTICED

    @property
    def diagnostics_say(self) -> str:
        """What `zh.diagnostics` makes of the bug.

        "first": it is the first cause of the first finding. "among": it stands among the causes or
        the remedies of a finding. "effect": what it did is reported, and not the bug.
        "something else", or "nothing".
        """
        findings, named = list(self.diagnosis), self.case.named
        if not findings:
            return "nothing"
        theirs = [(finding, named[finding.code]) for finding in findings if finding.code in named]
        if not theirs:
            return "something else"
        finding, words = theirs[0]
        if words and finding is findings[0] and words in finding.causes[0]:
            return "first"
        told = [text for finding, words in theirs if words
                for text in finding.causes + finding.remedies if words in text]
        return "among" if told else "effect"

    def passes(self, run: Run) -> bool:
        """Whether a run passes the check of this case."""
        wanted = inspect.signature(self.case.check).parameters
        return bool(self.case.check(**{name: run.things[name] for name in wanted}))

    def row(self) -> dict:
        """What the table of all cases says of this one."""
        return {"name": self.case.name, "place": self.case.place, "bug": self.case.bug,
                "off": self.off, "loss_sees": self.loss_sees,
                "diagnostics": self.diagnostics_say, "codes": self.diagnosis.codes,
                "check": one_line(self.case.check),
                "finds": not self.passes(self.broken) and self.passes(self.fixed)}

    def __repr__(self) -> str:
        """What the learner could print."""
        told = {"loss": self.broken.loss} | self.broken.seen
        lines = [f"{name}: {value:.4g}" for name, value in told.items()]
        return "\n".join(lines + ([self.broken.text] if self.broken.text else []))


def one_line(check: Callable) -> str:
    """What a check returns, as it is written, in one line."""
    source = inspect.getsource(check)
    if "return " not in source:
        raise ValueError(f"{check.__name__} returns nothing: a check is `return` and one "
                         "expression, True for a sound run.")
    return re.sub(r"([(\[{]) ", r"\1", " ".join(source.partition("return ")[2].split()))


class Fix:
    """Two functions line by line: what was taken out, and what stands there instead."""

    def __init__(self, wrong: Callable, right: Callable):
        self.before, self.after = code(wrong, right.__name__), code(right, right.__name__)

    @property
    def lines(self) -> list[str]:
        """Every line with "-", "+" or a space in front."""
        return [line for line in difflib.ndiff(self.before, self.after)
                if not line.startswith("?")]

    @property
    def faulty(self) -> list[str]:
        """The lines that were wrong; none where one was missing."""
        return [line[2:].strip() for line in self.lines if line.startswith("- ")]

    def _repr_markdown_(self) -> str:
        return "```diff\n" + "\n".join(line.rstrip() for line in self.lines) + "\n```"

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def code(function: Callable, name: str) -> list[str]:
    """The source of a function under another name, without its docstring."""
    source = textwrap.dedent(inspect.getsource(function)).strip()
    doc = function.__doc__
    if doc:
        start = source.index('"""')
        end = source.index('"""', start + 3) + 3
        source = source[:start].rstrip() + source[end:]
    return source.replace(function.__name__, name).splitlines()


def smooth(losses: list[float], parts: int = 30) -> tuple[list[float], list[float]]:
    """A curve of `parts` means: (step at the middle of each, mean loss)."""
    width = max(len(losses) // parts, 1)
    means = [sum(losses[i:i + width]) / len(losses[i:i + width])
             for i in range(0, len(losses), width)]
    return [(i + 0.5) * width for i in range(len(means))], means


def late(losses: list[float]) -> float:
    """The mean of the last fifth of a run: what its curve says at the end."""
    last = losses[-max(len(losses) // 5, 1):]
    return sum(last) / len(last) if all(map(math.isfinite, last)) else math.nan


def loss_view(losses: list[float]) -> View:
    """The picture that every learner has: the loss of the minibatches over the steps."""
    return View("loss", "step", {"minibatches": smooth(losses)})
