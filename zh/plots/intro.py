"""Figures of the chapter `intro`: each a function of data that returns a Figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh.plots.base import BLUE, INK, ORANGE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sureness(right: list[float], signs: int = 27) -> Figure:
    """The probability of the right sign by position in a name, beside a blind guess."""
    fig, ax = new(size=(6, 2.9))
    positions = range(1, len(right) + 1)
    ax.bar(positions, right, color=[ORANGE, *[BLUE] * (len(right) - 1)], width=0.75)
    ax.axhline(1 / signs, color=INK, linewidth=1, linestyle="--")
    ax.text(len(right) + 2, 1 / signs, "blind guess", ha="right", va="bottom", fontsize=9)
    ax.set(xlabel="position in the name", ylabel="probability of the right sign")
    ax.set_xticks(positions)
    ax.set_xlim(0.4, len(right) + 2)
    return fig
