"""The bug clinic in the browser: choices by keyboard, replies, folds, and what is counted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SMALL
from zh import clinic, exercises

PAGE, PRACTICE = "book/bug_clinic", "book/practice"
CASES = list(clinic.CASES)


def form(page, name: str):
    """The form of a case; none of it stands in a fold."""
    return page.locator(f"#exercise-clinic-{name} form")


def choose(page, name: str, text: str):
    """Choose a text with the keyboard alone, and check it; the reply."""
    spec, radios = exercises.get(f"clinic-{name}"), form(page, name).locator("input[type=radio]")
    radios.first.focus()
    page.keyboard.press("Space")
    for _ in range(list(spec.choices).index(text)):
        page.keyboard.press("ArrowDown")
    expect(radios.nth(list(spec.choices).index(text))).to_be_checked()
    page.keyboard.press("Tab")
    expect(form(page, name).locator("button")).to_be_focused()
    page.keyboard.press("Enter")
    return form(page, name).locator(".zh-reply")


def kept(page, name: str):
    """What the browser keeps of a case."""
    return page.evaluate(f"localStorage['zh:exercise:clinic-{name}']")


def test_every_choice_of_every_case_has_its_reply(visit):
    page = visit(PAGE)
    for name in CASES:
        spec = exercises.get(f"clinic-{name}")
        for text in spec.why:
            reply = choose(page, name, text)
            expect(reply).to_have_class("zh-reply zh-no")
            expect(reply).to_have_text(spec.why[text])
        assert kept(page, name) == "tried"
        reply = choose(page, name, spec.answer)
        expect(reply).to_have_class("zh-reply zh-ok")
        expect(reply).to_contain_text(spec.because)
        assert kept(page, name) == "right"
        solved = page.locator(f"#exercise-clinic-{name} .zh-solved")
        expect(solved).to_have_text(" · solved")


def test_nothing_chosen_is_said(visit):
    page = visit(PAGE)
    form(page, CASES[0]).locator("button").press("Enter")
    expect(form(page, CASES[0]).locator(".zh-reply")).to_have_class("zh-reply zh-no")


def test_the_cause_is_closed_until_it_is_opened(visit):
    page = visit(PAGE)
    for name in CASES:
        body = page.locator(f"#solution-clinic-{name}").locator(
            "xpath=ancestor-or-self::details[1]")
        fixed = body.locator(".zh-clinic")
        expect(fixed).to_be_hidden()
        body.locator("summary").first.focus()
        page.keyboard.press("Enter")
        expect(fixed).to_be_visible()
        expect(fixed).to_contain_text("fixed")
        page.keyboard.press("Enter")
        expect(fixed).to_be_hidden()


def test_right_answers_are_counted(visit):
    page = visit(PAGE)
    right, wrong = CASES[0], CASES[1]
    choose(page, right, exercises.get(f"clinic-{right}").answer)
    expect(form(page, right).locator(".zh-reply")).to_have_class("zh-reply zh-ok")
    choose(page, wrong, next(iter(exercises.get(f"clinic-{wrong}").why)))
    expect(form(page, wrong).locator(".zh-reply")).to_have_class("zh-reply zh-no")
    page.goto(page.url.partition("/book/")[0] + f"/{PRACTICE}.html", wait_until="load")
    expect(page.locator(".zh-progress")).to_be_visible()
    section = page.locator("section[data-chapter=bug_clinic]")
    expect(section.locator(".zh-tally")).to_have_text(f"1 of {len(CASES)} exercises")
    line = "li[data-key='zh:exercise:clinic-{}'] .zh-state"
    expect(page.locator(line.format(right))).to_have_text(" ✓ right")
    expect(page.locator(line.format(wrong))).to_have_text(" tried")


def test_an_answer_is_there_after_a_reload(visit):
    page = visit(PAGE)
    choose(page, CASES[0], exercises.get(f"clinic-{CASES[0]}").answer)
    solved = page.locator(f"#exercise-clinic-{CASES[0]} .zh-solved")
    expect(solved).to_have_text(" · solved")
    page.reload()
    expect(solved).to_have_text(" · solved")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone(visit, dark):
    page = visit(PAGE, width=360, height=740, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in CASES:
        exercise = page.locator(f"#exercise-clinic-{name}")
        assert not exercise.evaluate(SMALL)
        for label in exercise.locator("label").all():
            assert label.bounding_box()["height"] >= 44
