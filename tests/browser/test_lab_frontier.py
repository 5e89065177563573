"""The frontier lab: its places are the packed numbers, and a policy can be chosen in every way."""

import pytest
from playwright.sync_api import expect

PAGE, LAB, DRAWN = "book/post_training", "frontier", "svg g[data-i]"


@pytest.fixture(scope="module")
def points(payload):
    return payload(PAGE, LAB)["points"]


def test_every_policy_stands_at_its_numbers(lab, points):
    _, node = lab()
    marks = node.locator("svg g[data-i]").evaluate_all(
        "all => all.map((g) => [+g.dataset.i, +g.dataset.x, +g.dataset.y])")
    assert sorted(marks) == [[i, p["kl"], p["taste"]] for i, p in enumerate(points)]
    places = node.locator("svg g[data-i] > circle:first-child").evaluate_all(
        "all => all.map((c) => [+c.getAttribute('cx'), +c.getAttribute('cy')])")
    for (_, x, y), (cx, cy) in zip(marks, places, strict=True):      # right is further, up is more
        for (_, x2, y2), (cx2, cy2) in zip(marks, places, strict=True):
            assert (x < x2) == (cx < cx2) and (y < y2) == (cy > cy2)


def test_choosing_shows_its_answers_and_numbers(lab, points):
    page, node = lab("chosen=2")
    expect(node.locator(".zh-drawn li")).to_have_text(points[2]["samples"])
    node.locator("select").first.select_option(index=4)
    expect(node.locator(".zh-drawn li").first).to_have_text(points[4]["samples"][0])
    expect(node.locator(".zh-live")).to_contain_text(
        f"{points[4]['method']}, {points[4]['label']}: KL {points[4]['kl']:.2f}")
    page.wait_for_function("location.hash.includes('chosen=4')")
    node.locator("svg g[data-i='1'] circle").first.click(force=True)
    expect(node.locator(".zh-drawn li").first).to_have_text(points[1]["samples"][0])


def test_nearer_and_further_go_along_the_distance(lab, points):
    _, node = lab("chosen=0")
    order = sorted(points, key=lambda p: p["kl"])
    for p in order[1:4]:
        node.get_by_role("button", name="further from the start").click()
        expect(node.locator(".zh-live")).to_contain_text(f"{p['method']}, {p['label']}:")
    node.get_by_role("button", name="nearer to the start").click()
    expect(node.locator(".zh-live")).to_contain_text(f"{order[2]['method']}, {order[2]['label']}:")


def test_another_height_leaves_out_what_was_not_measured(lab, points):
    _, node = lab("height=entropy")
    measured = [p for p in points if p["entropy"] is not None]
    assert 0 < len(measured) < len(points)
    expect(node.locator("svg g[data-i]")).to_have_count(len(measured))


@pytest.mark.parametrize("state", ["chosen=99&height=no", "chosen=-3", "chosen=x"])
def test_an_address_that_is_none_is_made_sound(lab, state):
    _, node = lab(state)
    expect(node.locator(".zh-drawn li").first).to_be_visible()


def test_on_a_phone(lab, fits):
    page, node = lab(width=390)
    fits(page, node)
