"""``claim(slug, statement, evidence, says)``: a statement, its measurements, a computed verdict.

The verdict is what the measurements say: all conditions held, some, or none. The text around a
claim says which verdict it expects; if the measurements say another, the build stops, because then
the text is wrong.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zh import page

HOLDS, CONDITION, FAILS = VERDICTS = ("holds", "holds with a condition", "does not hold")
_MARKS = {HOLDS: ("✓", "holds"), CONDITION: ("◐", "condition"), FAILS: ("✗", "fails")}


class ClaimChanged(AssertionError):
    """The measurements give another verdict than the text around the claim."""


@dataclass(frozen=True)
class Evidence:
    """One measurement: the condition, in words, what was measured, and whether the claim held."""

    condition: str
    measured: Any
    held: bool


@dataclass(frozen=True)
class Claim:
    """A statement with its evidence; shows itself as a badge with a table."""

    slug: str
    statement: str
    evidence: tuple[Evidence, ...]

    @property
    def verdict(self) -> str:
        """``holds`` (in all measurements), ``holds with a condition`` (in some), or ``does not
        hold`` (in none)."""
        held = sum(e.held for e in self.evidence)
        return HOLDS if held == len(self.evidence) else CONDITION if held else FAILS

    def badge(self) -> str:
        """The verdict as HTML: a mark, words and a colour."""
        mark, state = _MARKS[self.verdict]
        return (
            f'<span class="zh-verdict zh-verdict-{state}"><span aria-hidden="true">{mark}</span> '
            f"{self.verdict}</span>"
        )

    def data(self) -> dict[str, Any]:
        """What the list of all claims shows of it; plain JSON."""
        return {
            "slug": self.slug,
            "statement": self.statement,
            "verdict": self.verdict,
            "held": sum(e.held for e in self.evidence),
            "measured": len(self.evidence),
            "badge": self.badge(),
            "evidence": [[e.condition, _shown(e.measured), e.held] for e in self.evidence],
        }

    def html(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{page.escape(e.condition)}</th>'
            f"<td>{page.escape(_shown(e.measured))}</td>"
            f"<td>{'✓ yes' if e.held else '✗ no'}</td></tr>"
            for e in self.evidence
        )
        _, state = _MARKS[self.verdict]
        words = page.escape(self.statement)
        return (
            f'<div class="zh-claim zh-claim-{state}" id="claim-{self.slug}" role="group" '
            f'aria-label="Claim"><p class="zh-claim-statement">{self.badge()} {words}</p>'
            '<div class="zh-table" tabindex="0" role="group" aria-label="The evidence"><table>'
            '<thead><tr><th scope="col">Measured</th><th scope="col">Result</th>'
            f'<th scope="col">Held</th></tr></thead><tbody>{rows}</tbody></table></div></div>'
        )

    def __repr__(self) -> str:
        lines = [f"{_MARKS[self.verdict][0]} {self.verdict}: {self.statement}"]
        for e in self.evidence:
            lines.append(f"    {'✓' if e.held else '✗'} {e.condition}: {_shown(e.measured)}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html(), "text/plain": repr(self)}, {"zh_claim": self.data()}


def claim(slug: str, statement: str, evidence: Sequence[tuple[str, Any, bool]], says: str) -> Claim:
    """State a claim with its measurements; its verdict is computed, and must be what the text says.

    Args:
        slug: its address, ``#claim-slug``; unique in the book.
        statement: one sentence.
        evidence: ``(condition measured, in words; measured value; whether the claim held)``.
        says: the verdict that the text around it relies on, one of :data:`VERDICTS`.

    Returns:
        A :class:`Claim`: the last expression of its cell.

    Raises:
        ClaimChanged: the measurements give another verdict than ``says``.
        ValueError, TypeError: no evidence, a row that is no triple, a condition that stands twice
            or has no words, a third item that is no boolean, an unknown verdict in ``says``.
    """
    page.check_name(slug, "the slug of a claim")
    where = f"claim {slug!r}"
    if not isinstance(statement, str) or not statement.strip():
        raise ValueError(f"{where} needs a statement, one sentence")
    if says not in VERDICTS:
        raise ValueError(f"{where}: says={says!r} is none of: {', '.join(VERDICTS)}")
    rows = list(evidence)
    if not rows:
        raise ValueError(f"{where} has no evidence: a claim without a measurement has no verdict")
    made: list[Evidence] = []
    for i, row in enumerate(rows):
        if not isinstance(row, tuple | list) or len(row) != 3:
            raise TypeError(f"{where}, evidence {i}: (condition, measured value, held) is expected")
        condition, measured, held = row
        if not isinstance(condition, str) or not condition.strip():
            raise ValueError(f"{where}, evidence {i}: say the condition in words")
        if any(condition.strip() == e.condition for e in made):
            raise ValueError(f"{where}: the condition {condition!r} stands there twice")
        made.append(Evidence(condition.strip(), measured, _truth(f"{where}, {condition!r}", held)))
    result = Claim(slug, statement.strip(), tuple(made))
    if result.verdict != says:
        raise ClaimChanged(
            f"{where}: the text says it {says!r}, the measurements say {result.verdict!r}.\n"
            f"{result!r}\nEither the measurement broke, or the text around the claim must change, "
            f"and with it says={result.verdict!r}."
        )
    return result


def _truth(where: str, held: Any) -> bool:
    """A bool, a numpy bool or a boolean tensor with one element; nothing else is a verdict."""
    kind = str(getattr(held, "dtype", type(held).__name__)).removeprefix("torch.")
    if kind != "bool" or _size(held) != 1:
        raise TypeError(
            f"{where}: whether it held must be one True or False (a comparison), not {held!r}"
        )
    return bool(held)


def _size(value: Any) -> int:
    return value.numel() if hasattr(value, "numel") else getattr(value, "size", 1)


def _shown(value: Any) -> str:
    """A measured value for the reader: four significant digits."""
    if hasattr(value, "item") and _size(value) == 1:
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        text = f"{value:,}" if abs(value) >= 10_000 else str(value)
        return text.replace(",", "\u202f").replace("-", "−")
    if isinstance(value, numbers.Real):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value))
    return str(value)
