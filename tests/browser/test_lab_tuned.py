"""Five models side by side: what the page counts of their answers is what PyTorch's give."""

import pytest
import torch
from playwright.sync_api import expect

from zh.labs import tuned
from zh.post_training import requests
from zh.post_training.taste import taste

PAGE, LAB, DRAWN = "book/post_training", "tuned", "button"
DONE = "document.querySelector('#lab-tuned .zh-lab-body').dataset.drawn > 0"


@pytest.fixture(scope="module")
def packed(payload):
    return payload(PAGE, LAB)


@pytest.fixture
def answered(lab):
    def opened(state="", **options):
        page, node = lab(state, **options)
        node.get_by_role("button", name="Load the models").click()
        page.wait_for_function(DONE, timeout=60_000)
        return page, node

    return opened


def rows(node) -> dict:
    return {name: (float(asked), float(points)) for name, asked, points in node.locator(
        "tbody tr").evaluate_all("all => all.map((r) => [r.dataset.model, r.dataset.asked, "
                                 "r.dataset.points])")}


def test_nothing_is_loaded_before_it_is_asked_for(lab):
    _, node = lab()
    expect(node.locator("tbody tr")).to_have_count(0)
    expect(node.get_by_role("button", name="kB")).to_be_visible()


def test_the_shares_are_those_of_the_models(answered, packed):
    page, node = answered("letter=m")
    found, models = rows(node), tuned.unpack(packed)
    assert list(found) == list(models)
    for name, model in models.items():
        ids = requests.write(model, torch.full((1000,), 13), torch.Generator().manual_seed(1))
        p, points = requests.obeys(ids).mean().item(), taste(ids)
        assert abs(found[name][0] - p) < 4 * (p * (1 - p) / 40) ** 0.5 + 0.03, name
        assert abs(found[name][1] - points.mean()) < 4 * points.std() / 40**0.5 + 0.05, name


def test_another_letter_another_seed_and_the_keyboard(answered):
    page, node = answered("letter=m&seed=3")
    before = node.locator("tbody").inner_text()
    node.get_by_role("button", name="Answer again").click()
    page.wait_for_function("location.hash.includes('seed=4')")
    expect(node.locator("tbody")).not_to_have_text(before)
    node.get_by_label("a name that ends in").fill("T")
    expect(node.locator("thead")).to_contain_text("ends in t")
    heat = node.get_by_label("temperature")
    heat.focus()
    page.keyboard.press("Home")
    expect(heat).to_have_attribute("aria-valuetext", "0, always the likeliest")
    page.wait_for_function("location.hash.includes('temperature=0')")


def test_on_a_phone(answered, fits):
    page, node = answered(width=390)
    fits(page, node)
