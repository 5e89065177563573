"""Run: python -m pytest tests/unit/test_dates.py

Written dates against the standard library, and what a text can mean against all forms that write
it.
"""
import datetime
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import dates

DAYS = st.dates(datetime.date(1000, 1, 1), datetime.date(2999, 12, 31))
KNOWN = {"long": "%d %B %Y", "american": "%B %d, %Y", "short": "%d %b %Y", "dots": "%d.%m.%Y",
         "month first": "%m/%d/%Y", "day first": "%d/%m/%Y", "comma": "%d %B, %Y",
         "short american": "%b %d, %Y", "year first": "%Y %B %d", "iso": "%Y-%m-%d"}


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def triple(day: datetime.date) -> tuple[int, int, int]:
    return day.year, day.month, day.day


@given(DAYS, st.sampled_from(sorted(KNOWN)))
def test_a_written_date_is_read_back_by_the_standard_library(day, form):
    text = dates.write(triple(day), form)
    assert datetime.datetime.strptime(text, KNOWN[form]).date() == day
    assert dates.iso(triple(day), form) == day.isoformat()


@given(DAYS)
def test_ordinals_and_months(day):
    text = dates.write(triple(day), "ordinal")
    ending = {1: "st", 21: "st", 31: "st", 2: "nd", 22: "nd", 3: "rd", 23: "rd"}
    assert text == f"{day:%B} {day.day}{ending.get(day.day, 'th')}, {day.year}"
    assert dates.write(triple(day), "of") == f"{text.split()[1][:-1]} of {day:%B} {day.year}"
    assert dates.write(triple(day), "month") == f"{day:%B} {day.year}"
    assert dates.iso(triple(day), "month") == f"{day:%Y-%m}"


@given(DAYS, st.sampled_from(sorted(dates.FORMS)))
def test_readings_are_all_dates_that_are_written_so(day, form):
    """By asking, for each form and each date that could be meant, whether it gives this text."""
    text = dates.write(triple(day), form)
    could = {triple(day), (day.year, day.day, day.month), (day.year, day.month, 1)}
    want = {}
    for other in dates.FORMS:
        for date in could:
            try:
                if dates.write(date, other) == text:
                    want[other] = dates.iso(date, other)
            except ValueError:
                continue
    assert dates.readings(text) == want
    assert dates.readings(text.upper()) == want
    assert dates.ambiguous(text) == (len(set(want.values())) > 1)
    slashes = form in ("month first", "day first")
    assert dates.ambiguous(text) == (slashes and day.day <= 12 and day.day != day.month)


@pytest.mark.parametrize("text", ["", "31 February 2001", "14 Marhc 1999", "March 2st, 1999",
                                  "14/14/1999", "1999-03-14", "3.14.1999x", "03/04/1999", "March"])
def test_what_means_nothing(text):
    assert dates.readings(text) == {}


def test_two_readings():
    assert dates.readings("3/4/1999") == {"month first": "1999-03-04", "day first": "1999-04-03"}
    assert dates.readings("3/14/1999") == {"month first": "1999-03-14"}
    assert dates.readings("14/3/1999") == {"day first": "1999-03-14"}
    assert not dates.ambiguous("5/5/2005")


@given(DAYS, st.sampled_from(sorted(dates.FORMS)))
def test_fields_cover_the_year_the_month_and_the_day(day, form):
    item = dates.Item(dates.write(triple(day), form), dates.iso(triple(day), form), form)
    found = dates.fields(item)
    assert len(found) == len(item.text)
    part = {name: "".join(s for s, f in zip(item.text, found, strict=True) if f == name)
            for name in ("year", "month", "day", "-")}
    assert part["year"] == str(day.year)
    assert part["month"] in (f"{day:%B}", f"{day:%b}", str(day.month))
    assert part["day"] == ("" if form == "month" else
                           re.search(r"\d+(st|nd|rd|th)?", part["day"])[0])
    assert int(re.sub(r"\D", "", part["day"]) or day.day) == day.day
    assert set(part["-"]) <= set(" ,./")


# ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_no_month_is_in_two_parts(seed):
    train, held = dates.split(gen(seed))
    assert len(held) == 156 and len(train) + len(held) == 130 * 12
    assert not set(train) & set(held)
    asked = dates.sample(held, 500, gen(seed))
    months = {f"{year}-{month:02}" for year, month in train}
    assert not {item.iso[:7] for item in asked} & months
    learned = {item.iso for item in dates.sample(train, 3000, gen(seed))}
    assert not learned & {item.iso for item in asked}
    # nor is a text in both, where it can mean one thing
    texts = {item.text for item in dates.sample(train, 3000, gen(seed + 1))}
    assert not texts & {item.text for item in asked if not dates.ambiguous(item.text)}


def test_items_are_drawn_by_weight_and_mean_what_they_say():
    train, _ = dates.split(gen())
    items = dates.sample(train, 8000, gen(1))
    for item in items:
        assert item.iso in dates.readings(item.text).values()
        assert dates.readings(item.text)[item.form] == item.iso
        assert (int(item.iso[:4]), int(item.iso[5:7])) in train
    count = {form: sum(item.form == form for item in items) for form in dates.FORMS}
    total = sum(dates.WEIGHTS.get(form, 1) for form in dates.FORMS)
    for form, n in count.items():
        p = dates.WEIGHTS.get(form, 1) / total
        assert abs(n - 8000 * p) < 5 * (8000 * p) ** 0.5
    ends = {int(item.iso[8:]) for item in items if len(item.iso) == 10}
    assert ends == set(range(1, 32))


def test_the_generator_decides_alone():
    train, _ = dates.split(gen())
    torch.manual_seed(0)
    first = dates.sample(train, 20, gen(3))
    torch.manual_seed(1)
    assert dates.sample(train, 20, gen(3)) == first
    x, y = dates.draw_pairs(train, 20)(gen(3))
    assert [dates.decode(row) for row in x] == [item.text.lower() for item in first]
    assert [dates.decode(row) for row in y] == [item.iso for item in first]
    assert (y[:, 0] == dates.START).all() and ((y == dates.END).sum(1) == 1).all()


@settings(max_examples=50)
@given(st.lists(st.text(dates.SIGNS + dates.SIGNS.upper(), min_size=1, max_size=9), min_size=1,
                max_size=4))
def test_rows_come_back(texts):
    x = dates.sources(texts)
    assert [dates.decode(row) for row in x] == [text.lower() for text in texts]
    y = dates.targets(texts)
    assert [dates.decode(row) for row in y] == [text.lower() for text in texts]
    assert x.shape[1] == max(map(len, texts)) and y.shape[1] == x.shape[1] + 2


def test_signs_are_those_of_all_forms():
    used = set()
    for form in (*dates.FORMS, *dates.UNSEEN):
        for month in range(1, 13):
            for day in range(1, 29):
                used |= set(dates.write((1234 + 5000 * (day % 2), month, day), form).lower())
    assert used <= set(dates.SIGNS) and len(set(dates.SIGNS)) == len(dates.SIGNS)
    assert dates.VOCAB == 3 + len(dates.SIGNS)
    assert set("abcdefghijlmnoprstuvy ,-./0123456789") == set(dates.SIGNS)


def test_next_of_kind_keeps_the_kind_and_changes_the_sign():
    other = dates.next_of_kind().tolist()
    assert other[:3] == [0, 1, 2] and sorted(other) == list(range(dates.VOCAB))
    for sign in dates.SIGNS:
        (i,) = dates.encode(sign)
        after = dates.decode([other[i]])
        assert after != sign
        assert (after.isdigit(), after.isalpha()) == (sign.isdigit(), sign.isalpha())


@pytest.mark.parametrize("call, says", [
    (lambda: dates.encode("14 Märch"), r"the sign 'ä' at place 4 of '14 Märch'"),
    (lambda: dates.encode("14 Mar\n"), r"'\\n' at place 6"),
    (lambda: dates.encode("12 İ 1999"), "'İ' at place 3"),
    (lambda: dates.sources([]), "an empty text"), (lambda: dates.sources(["5", ""]), "an empty"),
    (lambda: dates.write((2001, 2, 29), "long"), "no day 29 in month 2 of the year 2001"),
    (lambda: dates.write((2001, 13, 1), "long"), "month 13"),
    (lambda: dates.iso((0, 1, 1)), "year 0"),
    (lambda: dates.write((2001, 2, 2), "amercan"), "no form 'amercan'; there are long, american"),
    (lambda: dates.split(gen(), share=1.5), "share is 1.5"),
    (lambda: dates.split(gen(), years=[]), "two months at least"),
])
def test_what_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
