"""Figures of the chapter `tokenization`: each a function of data that returns a Figure, or HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zh import page
from zh.plots.base import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, new

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIGNS = {" ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥"}


def visible(token: bytes) -> str:
    """A token as text, with what cannot be seen made visible; its bytes where they are none."""
    try:
        text = token.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return f"‹{token.hex(' ')}›"
    return "".join(
        _SIGNS.get(c) or (c if c.isprintable() else f"⟨U+{ord(c):04X}⟩") for c in text
    )


def pieces(tokens: list[bytes], label: str = "The tokens", ids: list[int] | None = None):
    """Tokens beside each other, each underlined in a colour of its own, with its id if given."""
    texts = [visible(token) for token in tokens]
    body = "".join(
        f'<span style="display:inline-block;border-bottom:.2em solid {color};margin:0 2px .3em 0;'
        f'text-align:center" dir="auto">{page.escape(text)}'
        + (f'<br><small style="font-size:.72em">{ids[i]}</small>' if ids else "") + "</span>"
        for i, (text, color) in enumerate(
            zip(texts, (PALETTE[i % 5] for i in range(len(texts))), strict=True))
    )  # fmt: skip
    text = "|".join(texts)
    return page.Html(
        f'<p role="group" aria-label="{page.escape(label)}" style="line-height:1.5">{body}</p>',
        text if not ids else f"{text}\n{ids}",
    )


def compression(curves: dict[str, dict[int, float]]) -> Figure:
    """Bytes a token over the size of the vocabulary: {text: {size: bytes}}."""
    fig, ax = new(size=(6.0, 3.3))
    for (name, found), color in zip(curves.items(), (BLUE, ORANGE, GREEN, GREY), strict=False):
        ax.plot(list(found), list(found.values()), "o-", ms=4, color=color, label=name)
    ax.set_xscale("log", base=2)
    sizes = sorted({size for found in curves.values() for size in found})
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="tokens in the vocabulary", ylabel="bytes a token")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left")
    return fig


def work(reads: list[int], changes: list[int]) -> Figure:
    """What each merge costs: tokens that the textbook loop reads, and places that change."""
    fig, ax = new(size=(6.0, 3.0))
    merges = range(1, len(reads) + 1)
    ax.semilogy(merges, reads, color=ORANGE, label="tokens read by the textbook loop")
    ax.semilogy(merges, changes, color=BLUE, label="places where something changes")
    ax.set(xlabel="merge", ylabel="tokens or places")
    ax.set_ylim(bottom=1)
    ax.legend(loc="lower left")
    return fig


def two_losses(sizes: list[int], per_token: list[float], per_byte: list[float]) -> Figure:
    """The same runs in nats a token and in bits a byte, over the size of the vocabulary."""
    fig, axes = new(2, size=(6.2, 2.9))
    for ax, losses, color, name in zip(axes, (per_token, per_byte), (ORANGE, BLUE),
                                       ("loss a token, in nats", "bits a byte"),
                                       strict=True):  # fmt: skip
        ax.plot(range(len(sizes)), losses, "o-", color=color)
        ax.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        ax.set_xlim(-0.3, len(sizes) - 0.7)
        ax.set(xlabel="tokens in the vocabulary", ylabel=name)
    axes[0].set_ylim(bottom=0)
    return fig


def languages(rows: dict[str, tuple[int, int, int]]) -> Figure:
    """One sentence in many languages: {language: (characters, bytes, tokens)}."""
    fig, ax = new(size=(6.2, 0.8 + 0.34 * len(rows)))
    for y, (characters, size, tokens) in enumerate(rows.values()):
        ax.plot([tokens, size], [y, y], color=GREY, linewidth=1, alpha=0.6)
        ax.plot(characters, y, "|", color=INK, ms=13, mew=2)
        ax.plot(size, y, "s", color=GREY, ms=8)
        ax.plot(tokens, y, "o", color=ORANGE, ms=6)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(left=0)
    for mark, color, name in (("|", INK, "characters"), ("s", GREY, "bytes"),
                              ("o", ORANGE, "tokens")):  # fmt: skip
        ax.plot([], [], mark, color=color, ms=9, mew=2 if mark == "|" else 1, label=name)
    ax.set(xlabel="how many")
    ax.legend(loc="lower right")
    return fig


def language_shares(found: dict[str, dict[float, float]], at: float | None = None) -> Figure:
    """Tokens a number word by word over the share of a language: {language: {share: tokens}}."""
    fig, ax = new(size=(6.0, 3.2))
    for (name, curve), color in zip(found.items(), (BLUE, ORANGE), strict=False):
        ax.plot([100 * share for share in curve], list(curve.values()), "o-", ms=4, color=color,
                label=name)  # fmt: skip
    ax.set(xlabel="share of Russian in the tokenizer's text, %", ylabel="tokens a number")
    ax.set_ylim(0, at)
    ax.legend(loc="upper center")
    return fig


def moved(counts: list[int], untied: list[float], tied: list[float], odd: int) -> Figure:
    """How far each token's vector has moved in training, over how often the token was met."""
    fig, axes = new(2, size=(6.2, 3.1), sharey=True)
    for ax, found, name in zip(axes, (untied, tied), ("two tables", "one table for both"),
                               strict=True):  # fmt: skip
        ax.plot(counts, found, ".", color=GREY, ms=4, alpha=0.6)
        never = [i for i, count in enumerate(counts) if not count]
        ax.plot([0] * len(never), [found[i] for i in never], ".", color=BLUE, ms=5)
        ax.plot([counts[odd]], [found[odd]], "o", color=ORANGE, ms=8)
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xticks([0, 1, 10, 100, 1000, 10_000], ["0", "1", "10", "100", "1000", "10⁴"])
        ax.minorticks_off()
        ax.set(xlabel="times met in training", title=name)
    axes[0].set(ylabel="distance moved")
    return fig


def number_cuts(numbers: list[int], tokenizers: dict[str, object]):
    """How tokenizers cut numbers: a row a number, a column a tokenizer."""
    from zh.plots.wavenet import table

    rows = [[n, *("|".join(t.decode([i]) for i in t.encode(str(n))) for t in tokenizers.values())]
            for n in numbers]  # fmt: skip
    return table(["number", *tokenizers], rows, "How numbers are cut")
