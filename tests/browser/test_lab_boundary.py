"""The boundary lab: what it draws is what the chapter's run recorded."""

import pytest
from playwright.sync_api import expect

PAGE, LAB, DRAWN = "book/backprop", "moons", "input[type=range]"


def wrong(node):
    return node.locator("[data-wrong=true]").count()


def told(node):
    return node.locator("p", has_text="points on the right side").first


def test_marks_agree_with_the_record_at_every_step(lab):
    _, node = lab()
    slider = node.get_by_label("Step of the training")
    for run in range(node.locator("select option").count()):
        node.locator("select").select_option(str(run))
        for step in range(61):
            slider.evaluate(
                "(s, k) => { s.value = k; s.dispatchEvent(new Event('input')); }", step
            )
            text = told(node).inner_text()
            assert text.startswith(f"Step {step} of 60")
            assert f"{100 - wrong(node)} of 100" in text, (run, step)
            line = node.locator("[data-contour]").get_attribute("d")
            assert line or "50 of 100" in text, (run, step)  # all on one side: no line in sight


def test_the_run_of_the_book_ends_with_all_points_right(lab):
    _, node = lab("run=0&step=60")
    expect(told(node)).to_contain_text("100 of 100 points")
    assert wrong(node) == 0


def test_keyboard_and_address(lab):
    page, node = lab()
    node.get_by_role("button", name="One step on").click()
    expect(told(node)).to_contain_text("Step 1 of 60")
    page.keyboard.press("PageUp")
    expect(told(node)).to_contain_text("Step 11 of 60")
    page.keyboard.press("ArrowLeft")
    expect(told(node)).to_contain_text("Step 10 of 60")
    page.wait_for_function("location.hash.includes('step=10')")
    node.locator("select").select_option("2")
    page.wait_for_function("location.hash.includes('run=2')")
    page.reload()
    expect(told(node)).to_contain_text("Step 10 of 60")
    expect(node.locator("select")).to_have_value("2")


def test_play_moves_and_stops(lab):
    page, node = lab("run=0&step=55")
    node.get_by_role("button", name="Play").click()
    expect(node.get_by_role("button", name="Pause")).to_be_visible()
    expect(told(node)).to_contain_text("Step 60 of 60", timeout=8000)
    expect(node.get_by_role("button", name="Play")).to_be_visible()
    page.wait_for_function("location.hash.includes('step=60')")


def test_no_movement_where_none_is_wanted(lab):
    _, node = lab(reduced_motion="reduce")
    node.get_by_role("button", name="+10").click()
    expect(told(node)).to_contain_text("Step 10 of 60")


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab("run=1&step=20", width=360, dark=dark)
    fits(page, node)


def test_works_from_disk(lab):
    _, node = lab("run=0&step=60", disk=True)
    expect(told(node)).to_contain_text("100 of 100 points")
