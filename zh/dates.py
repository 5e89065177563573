"""Written dates and what they mean: a task with a source, a target, and an answer to check.

    write((1999, 3, 14), "american")     # "March 14, 1999", the source
    iso((1999, 3, 14))                   # "1999-03-14", the target

A source is a date as people write it, in one of several forms; the target is the same date as
ISO 8601 has it. To a model both are rows of token ids: 0 fills a row up, 1 begins a target, 2 ends
it, and the signs follow. Months are held out whole, so that no date and no month is in two parts.

Two forms collide: 3/4/1999 is March 4 to some writers and April 3 to others. `readings` gives all
that a text can mean, by rules, and is what a model is judged by.

Left out: other languages, years of two digits, weekdays, spelling mistakes.
The targets: ISO 8601, a date of full precision or of a month.
"""
from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import torch

SIGNS = " ,-./0123456789abcdefghijlmnoprstuvy"      # what a text may hold, in small letters
PAD, START, END = range(3)
VOCAB = 3 + len(SIGNS)
YEARS = range(1900, 2030)

MONTHS = ("January February March April May June July August September October November "
          "December").split()
FORMS = {
    "long": "{day} {name} {year}",            # 14 March 1999
    "american": "{name} {day}, {year}",       # March 14, 1999
    "short": "{day} {name:.3} {year}",        # 14 Mar 1999
    "ordinal": "{name} {nth}, {year}",        # March 14th, 1999
    "dots": "{day}.{month}.{year}",           # 14.3.1999
    "month first": "{month}/{day}/{year}",    # 3/14/1999
    "day first": "{day}/{month}/{year}",      # 14/3/1999: collides with the form above
    "month": "{name} {year}",                 # March 1999, which is 1999-03
}
_IDS = {sign: 3 + i for i, small in enumerate(SIGNS) for sign in (small, small.upper())}
WEIGHTS = {"month first": 1.5, "day first": 0.5}    # of the others: 1
UNSEEN = {                                    # no model of the chapter is trained on these
    "comma": "{day} {name}, {year}",          # 14 March, 1999
    "short american": "{name:.3} {day}, {year}",    # Mar 14, 1999
    "of": "{nth} of {name} {year}",           # 14th of March 1999
    "year first": "{year} {name} {day}",      # 1999 March 14
    "iso": "{year}-{month:02}-{day:02}",      # 1999-03-14, its own answer
}


class Item(NamedTuple):
    """One example: a written text, what it means, and the form it is written in."""

    text: str
    iso: str
    form: str


# ---------------------------------------------------------------------------
# Writing and reading


def write(date: tuple[int, int, int], form: str) -> str:
    """A date (year, month, day) in a form of `FORMS` or `UNSEEN`, or by a pattern like theirs."""
    year, month, day = check_date(date)
    pattern = FORMS.get(form) or UNSEEN.get(form) or form
    if "{" not in pattern:
        raise ValueError(f"there is no form {form!r}; there are "
                         f"{', '.join([*FORMS, *UNSEEN])}, and patterns such as {{day}} {{name}}.")
    return pattern.format(year=year, month=month, day=day, name=MONTHS[month - 1],
                          nth=f"{day}{suffix(day)}")


def suffix(day: int) -> str:
    """st, nd, rd or th."""
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def iso(date: tuple[int, int, int], form: str = "long") -> str:
    """What a date (year, month, day) is in ISO 8601; without the day where the form has none."""
    year, month, day = check_date(date)
    whole = f"{year:04}-{month:02}-{day:02}"
    return whole[:7] if form == "month" else whole


def check_date(date: tuple[int, int, int]) -> tuple[int, int, int]:
    """The date itself; ValueError unless there is such a day."""
    year, month, day = date
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= days(year, month)):
        raise ValueError(f"there is no day {day} in month {month} of the year {year}.")
    return date


@cache
def days(year: int, month: int) -> int:
    """How many days a month has."""
    return monthrange(year, month)[1]


@cache
def _patterns() -> list[tuple[str, re.Pattern]]:
    names = "|".join(MONTHS)
    short = "|".join(name[:3] for name in MONTHS)
    parts = {"{day}": r"(?P<day>[1-9]\d?)", "{month}": r"(?P<month>[1-9]\d?)",
             "{year}": r"(?P<year>\d{4})", "{name}": f"(?P<name>{names})",
             "{name:.3}": f"(?P<name>{short})", "{nth}": r"(?P<day>[1-9]\d?)(?P<nth>st|nd|rd|th)"}
    found = []
    for form, pattern in FORMS.items():
        pieces = re.split(r"(\{[^}]*\})", pattern)
        whole = "".join(parts.get(piece) or re.escape(piece) for piece in pieces)
        found.append((form, re.compile(whole, re.I)))
    return found


def readings(text: str) -> dict[str, str]:
    """All that a text can mean: {form: ISO date}, by the rules of `FORMS`; empty for none.

    >>> readings("3/4/1999")
    {'month first': '1999-03-04', 'day first': '1999-04-03'}
    """
    found = {}
    for form, pattern in _patterns():
        match = pattern.fullmatch(text)
        if not match:
            continue
        part = match.groupdict()
        month = (int(part["month"]) if part.get("month")
                 else [name[:3].lower() for name in MONTHS].index(part["name"][:3].lower()) + 1)
        day = int(part.get("day") or 1)
        if part.get("nth") and part["nth"].lower() != suffix(day):
            continue
        try:
            found[form] = iso((int(part["year"]), month, day), form)
        except ValueError:
            continue                              # there is no such day
    return found


def ambiguous(text: str) -> bool:
    """Whether the text can mean two dates."""
    return len(set(readings(text).values())) > 1


def fields(item: Item) -> list[str]:
    """Of each sign of a text in a form of `FORMS`: year, month, day, or - for none of them.

    >>> fields(Item("3/4/99", "", "month first"))
    ['month', '-', 'day', '-', 'year', 'year']
    """
    order = [{"name": "month", "nth": "day"}.get(part, part)
             for part in re.findall(r"\{(\w+)", FORMS[item.form])]
    parts = re.split(r"([A-Za-z]+(?= )|\d+(?:st|nd|rd|th)?)", item.text)
    return [order[k // 2] if k % 2 else "-" for k, part in enumerate(parts) for _ in part]


# ---------------------------------------------------------------------------
# Parts, and what is drawn from them


def split(generator: torch.Generator, years: Iterable[int] = YEARS,
          share: float = 0.1) -> tuple[list, list]:
    """Two lists of (year, month), to train on and to ask about; a month is in one of them."""
    months = [(year, month) for year in years for month in range(1, 13)]
    if not 0 < share < 1 or len(months) < 2:
        raise ValueError(f"share is {share} of {len(months)} months; it lies between 0 and 1, and "
                         "there must be two months at least.")
    held = max(1, round(share * len(months)))
    order = torch.randperm(len(months), generator=generator).tolist()
    return ([months[i] for i in sorted(order[held:])], [months[i] for i in sorted(order[:held])])


def sample(months: list, count: int, generator: torch.Generator,
           forms: Iterable[str] = tuple(FORMS)) -> list[Item]:
    """`count` dates of these months, each in one of the forms, drawn by their weights."""
    forms = list(forms)
    weights = torch.tensor([WEIGHTS.get(form, 1.0) for form in forms])
    which = torch.multinomial(weights, count, replacement=True, generator=generator).tolist()
    where = torch.randint(len(months), (count,), generator=generator).tolist()
    when = torch.rand(count, generator=generator, dtype=torch.float64).tolist()
    items = []
    for f, m, u in zip(which, where, when, strict=True):
        year, month = months[m]
        date = year, month, 1 + int(u * days(year, month))
        items.append(Item(write(date, forms[f]), iso(date, forms[f]), forms[f]))
    return items


def draw_pairs(months: list, batch: int, forms: Iterable[str] = tuple(FORMS)) -> Callable:
    """A function for `training.train`: generator -> (sources (B, S), targets (B, T))."""
    forms = tuple(forms)

    def draw_one(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        items = sample(months, batch, generator, forms)
        return sources([item.text for item in items]), targets([item.iso for item in items])

    return draw_one


# ---------------------------------------------------------------------------
# Signs and numbers


def encode(text: str) -> list[int]:
    """A text as token ids; capitals count as small letters. ValueError names an unknown sign."""
    try:
        return [_IDS[sign] for sign in text]
    except KeyError as error:
        sign = error.args[0]
        raise ValueError(f"the sign {sign!r} at place {text.index(sign)} of {text!r} is not among "
                         f"those that dates are written with: {SIGNS!r}.") from None


def decode(ids: Iterable[int]) -> str:
    """Token ids as a text: up to the end, without what begins and fills a row."""
    text = ""
    for i in ids:
        if int(i) == END:
            break
        if int(i) not in (PAD, START):
            text += SIGNS[int(i) - 3]
    return text


def pad(rows: list[list[int]]) -> torch.Tensor:
    """Rows of ids as one tensor (B, longest): filled up behind with PAD."""
    if not rows or not all(rows):
        raise ValueError("an empty text: there must be one row at least, and a sign in each.")
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def sources(texts: list[str]) -> torch.Tensor:
    """Written dates as (B, S)."""
    return pad([encode(text) for text in texts])


def targets(texts: list[str]) -> torch.Tensor:
    """ISO dates as (B, T): START, the signs, END."""
    return pad([[START, *encode(text), END] for text in texts])


def next_of_kind() -> torch.Tensor:
    """(VOCAB,): of each sign another of its kind, a digit, a letter or a separator."""
    other = torch.arange(VOCAB)
    for kind in ("0123456789", " ,-./", SIGNS[15:]):
        ids = torch.tensor(encode(kind))
        other[ids] = ids.roll(-1)
    return other
