"""The list of exercises, labs and predictions with the reader's own progress."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SMALL

PAGE = "book/practice"
EXERCISE, HAND, PREDICTION = "loss-of-knowing-nothing", "find-the-dead", "intro-unseen-names"


def line(page, key: str):
    """The line of the list for a key, and what is said in it."""
    return page.locator(f"li[data-key='zh:{key}']")


def go(page, name: str) -> None:
    page.goto(page.url.partition("/book/")[0] + f"/{name}.html", wait_until="load")


@pytest.fixture
def practised(visit):
    """The page of a reader who solved an exercise, failed one, made a prediction."""

    def opened(**options):
        page = visit("book/intro", **options)
        form = page.locator(f"#exercise-{EXERCISE} form")
        form.locator("input").fill("3.2958")
        form.locator("button").click()
        expect(form.locator(".zh-reply")).to_have_class("zh-reply zh-ok")
        expect(page.locator(f"#exercise-{EXERCISE} .zh-solved")).to_have_text(" · solved")
        predict = page.locator(f"#predict-{PREDICTION}")
        predict.locator("label").nth(2).click()
        predict.locator("button[type=submit]").click()
        go(page, "book/backprop")
        wrong = page.locator("#exercise-slope-left form")
        wrong.locator("button").click()  # nothing was entered: that is no try
        expect(wrong.locator(".zh-reply")).not_to_be_empty()
        assert page.evaluate("localStorage.getItem('zh:exercise:slope-left')") is None
        wrong.locator("input").fill("123")
        wrong.locator("button").click()
        expect(wrong.locator(".zh-reply")).to_have_class("zh-reply zh-no")
        go(page, PAGE)
        expect(page.locator(".zh-progress")).to_be_visible()
        return page

    return opened


@pytest.mark.parametrize("disk", [False, True], ids=["served", "from disk"])
def test_what_was_done_is_marked(practised, disk):
    page = practised(disk=disk)
    expect(line(page, f"exercise:{EXERCISE}").locator(".zh-state")).to_have_text(" ✓ right")
    expect(line(page, "exercise:slope-left").locator(".zh-state")).to_have_text(" tried")
    said = line(page, f"predict:{PREDICTION}").locator(".zh-state")
    expect(said).to_have_text(" ✓ you predicted: About 1 in 3")
    tally = page.locator(".zh-progress .zh-tally").inner_text()
    exercises = page.locator("li[data-key^='zh:exercise']").count()
    assert f"1 of {exercises} exercises" in tally and "1 of " in tally.partition("labs, ")[2]
    first = page.locator("section[data-chapter=intro] .zh-tally").inner_text()
    assert first.startswith("1 of 1 exercises")


def test_a_right_answer_stays_right_and_is_shown_again(practised):
    page = practised()
    go(page, "book/intro")
    expect(page.locator(f"#exercise-{EXERCISE} .zh-solved")).to_have_text(" · solved")
    form = page.locator(f"#exercise-{EXERCISE} form")
    form.locator("input").fill("1")
    form.locator("button").click()
    expect(form.locator(".zh-reply")).to_have_class("zh-reply zh-no")
    assert page.evaluate(f"localStorage['zh:exercise:{EXERCISE}']") == "right"


def test_exercises_for_a_notebook_are_ticked_by_keyboard(visit):
    page = visit(PAGE)
    box = line(page, f"exercise:{HAND}").locator("input")
    box.focus()
    page.keyboard.press("Space")
    expect(line(page, f"exercise:{HAND}")).to_have_class("zh-is-done")
    page.reload()
    expect(box).to_be_checked()
    box.press("Space")
    expect(line(page, f"exercise:{HAND}")).not_to_have_class("zh-is-done")
    assert page.evaluate("Object.keys(localStorage).filter((k) => k.startsWith('zh:'))") == []


def test_a_lab_counts_when_it_was_moved(visit):
    page = visit("book/activations#lab-activation")
    page.locator("#lab-activation.zh-ready select").first.wait_for(timeout=20_000)
    assert page.evaluate("localStorage['zh:lab:lab-activation']") is None
    page.locator("#lab-activation select").first.select_option(index=2)
    page.wait_for_function("localStorage['zh:lab:lab-activation'] === 'used'")
    go(page, PAGE)
    expect(line(page, "lab:lab-activation").locator(".zh-state")).to_have_text(" ✓ used")


def test_only_what_is_left(practised):
    page = practised()
    page.get_by_label("Show only what is left").check()
    expect(line(page, f"exercise:{EXERCISE}")).to_be_hidden()
    expect(line(page, "exercise:slope-left")).to_be_visible()
    intro = page.locator("section[data-chapter=intro]")
    expect(intro.locator("h3").first).to_be_hidden()  # no exercise is left there
    expect(intro.locator("details")).to_be_hidden()
    expect(intro.locator("h2")).to_be_visible()  # its lab is
    page.get_by_label("Show only what is left").uncheck()
    expect(line(page, f"exercise:{EXERCISE}")).to_be_visible()


def test_it_is_saved_forgotten_and_opened_again(practised, tmp_path):
    page = practised()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my progress as a file").click()
    file = tmp_path / "progress.json"
    download.value.save_as(file)
    kept = json.loads(file.read_text())["kept"]
    assert kept == {f"zh:exercise:{EXERCISE}": "right", "zh:exercise:slope-left": "tried",
                    f"zh:predict:{PREDICTION}": "About 1 in 3"}  # fmt: skip
    page.get_by_role("button", name="Forget all of it").click()
    status = page.locator(".zh-progress [role=status]")
    expect(status).to_have_text("Forgotten.")
    expect(line(page, f"exercise:{EXERCISE}").locator(".zh-state")).to_be_empty()
    page.locator(".zh-open input").set_input_files(file)
    expect(status).to_have_text("Took over 3 entries.")
    expect(line(page, f"exercise:{EXERCISE}").locator(".zh-state")).to_have_text(" ✓ right")


def test_a_file_adds_and_takes_nothing_away(practised, tmp_path):
    page = practised()
    file = tmp_path / "other.json"
    other = {f"zh:exercise:{EXERCISE}": "tried", "zh:exercise:momentum": "done", "mode": "dark",
             "zh:predict:x": 3, "zh:exercise:../x": "right", "zh:lab:y": "z" * 2000,
             f"zh:predict:{PREDICTION}": "<b>bold</b>"}  # fmt: skip
    file.write_text(json.dumps({"progress": "zh", "kept": other}))
    page.locator(".zh-open input").set_input_files(file)
    expect(page.locator(".zh-progress [role=status]")).to_have_text("Took over 3 entries.")
    expect(line(page, f"exercise:{EXERCISE}").locator(".zh-state")).to_have_text(" ✓ right")
    expect(line(page, "exercise:momentum").locator("input")).to_be_checked()
    said = line(page, f"predict:{PREDICTION}").locator(".zh-state")
    expect(said).to_have_text(" ✓ you predicted: <b>bold</b>")
    assert page.evaluate("localStorage.mode") != "dark"


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"progress": "other", "kept": {}}', "null"])
def test_another_file_is_refused_in_words(visit, tmp_path, text):
    page = visit(PAGE)
    (tmp_path / "x.json").write_text(text)
    page.locator(".zh-open input").set_input_files(tmp_path / "x.json")
    expect(page.locator(".zh-progress [role=status]")).to_contain_text("not a saved progress")


def test_without_storage_the_list_works(visit):
    page = visit("search")
    page.add_init_script(  # the theme's own entries are no matter of ours
        """const set = Storage.prototype.setItem;
           Storage.prototype.setItem = function (key, value) {
             if (key.startsWith("zh:")) throw new Error("refused");
             set.call(this, key, value);
           };"""
    )
    page.goto(page.url.replace("search", PAGE))
    expect(page.locator(".zh-progress")).to_contain_text("keeps nothing")
    assert page.locator(".zh-progress button").count() == 0
    line(page, f"exercise:{EXERCISE}").locator("a").click()
    page.wait_for_url("**/intro.html#exercise-*")


def test_without_scripts_it_is_a_list_of_links(visit):
    page = visit(PAGE, js=False)
    expect(page.locator(".zh-progress")).to_be_hidden()
    expect(line(page, f"exercise:{EXERCISE}").locator("a")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone(practised, dark):
    page = practised(width=360, height=740, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    panel = page.locator(".zh-progress")
    assert not panel.evaluate(SMALL)
    box = page.locator(".zh-open").bounding_box()
    assert box["height"] >= 44 and box["x"] + box["width"] <= 360
