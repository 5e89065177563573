"""The cross-attention map: the page computes what PyTorch computes, and every control works."""

import gzip
import json
import math
import re

import pytest
import torch
from playwright.sync_api import expect

from zh import dates
from zh.labs import cross
from zh.seq2seq import beam, greedy, log_probability, maps

PAGE, LAB, DRAWN = "book/encoder_decoder", "cross", ".zh-cross-map svg"
TEXTS = ["14 March 1999", "3/14/1999", "3/4/1999", "September 22nd, 2011", "March 1772", "9",
         "5.10.1913", "31 february 2001", "may", ",,-/ 00"]  # fmt: skip
SIGNS = "|-0123456789"  # the bars of the lab


@pytest.fixture(scope="session")
def packed(payload):
    """The model as the built page ships it."""
    return payload(PAGE, LAB)


@pytest.fixture(scope="session")
def model(packed):
    """The same model in PyTorch, in float64."""
    return cross.unpack(packed).double()


def box(node):
    return node.get_by_label("A written date")


def live(node):
    return node.locator("[aria-live]")


def answer(node) -> str:
    """The answer that the map shows, with | for the end."""
    rows = node.locator(".zh-cross-map [data-row]").evaluate_all(
        "all => all.map((g) => g.querySelector('text').textContent)"
    )
    return "".join("|" if sign == "end" else sign for sign in rows)


def chances(node) -> torch.Tensor:
    """What the bars show: probabilities of the end, the hyphen and the digits."""
    return torch.tensor(node.locator(".zh-letters button").evaluate_all(
        "all => all.map((b) => Number(b.dataset.p))")).double()  # fmt: skip


def weights(node) -> torch.Tensor:
    """The weights that the map shows, a row a sign of the answer."""
    rows = node.locator(".zh-cross-map [data-row]").evaluate_all(
        "all => all.map((g) => [...g.querySelectorAll('[data-weight]')]"
        ".map((r) => Number(r.dataset.weight)))"
    )
    return torch.tensor(rows).double()


def found(node) -> list[tuple[str, float]]:
    """What the beam has found: answers with their log-probabilities."""
    return [tuple(pair) for pair in node.locator(".zh-cross-beam tbody tr").evaluate_all(
        "all => all.map((r) => [r.dataset.answer, Number(r.dataset.score)])")]  # fmt: skip


def signs(row) -> str:
    """A row that a model wrote as the lab writes it."""
    ids = [int(i) for i in row if i != dates.PAD]
    return dates.decode(ids) + ("|" if dates.END in ids else "")


def told(text: str) -> torch.Tensor:
    """The beginning of an answer as the decoder is told it."""
    return torch.tensor([[dates.START, *dates.encode(text)]])


@torch.no_grad()
def next_sign(model, text, beginning="") -> torch.Tensor:
    """PyTorch's probabilities of the signs of the bars."""
    p = model(dates.sources([text]), told(beginning))[0, -1].softmax(-1)
    return p[[dates.END, *dates.encode(SIGNS[1:])]]


@pytest.mark.parametrize("text", TEXTS)
def test_the_page_computes_what_pytorch_computes(lab, model, text):
    """The greedy answer, its probabilities sign by sign, and the weights of every head."""
    _, node = lab("at=0")
    box(node).fill(text)
    expect(node.locator(".zh-cross-map svg")).to_be_visible()
    row = greedy(model, dates.sources([text]))[0]
    assert answer(node) == signs(row)
    wanted = maps(model, dates.sources([text]), torch.cat([told("")[0], row])[None, :-1])
    views = {"mean": torch.stack(wanted).mean((0, 2))[0],
             **{f"{n + 1}.{h + 1}": layer[0, h] for n, layer in enumerate(wanted)
                for h in range(layer.shape[1])}}  # fmt: skip
    for value, theirs in views.items():
        node.get_by_label("weights of").select_option(value)
        assert (weights(node) - theirs).abs().max() < 1e-4, value
    written = signs(row).rstrip("|")
    for at in range(0, len(written) + 1, 3):
        node.locator(f".zh-cross-map [data-row='{at}'] text").click()
        p = next_sign(model, text, written[:at])
        assert (chances(node) - p).abs().max() < 1e-4
        assert (chances(node).log() - p.log()).abs()[p > 1e-6].max() < 1e-3


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_the_beam_is_that_of_the_package(lab, model, width):
    _, node = lab(f"width={width}")
    for text in TEXTS:
        box(node).fill(text)
        rows, scores = beam(model, dates.sources([text]), width)
        mine = found(node)
        assert [row for row, _ in mine] == [signs(row) for row in rows[0]], text
        for (_, score), right in zip(mine, scores[0].tolist(), strict=True):
            assert score == pytest.approx(right, abs=1e-3)


def test_what_pytorch_said_when_the_chapter_ran(lab, packed):
    assert len(packed["checks"]) >= 5
    _, node = lab("width=4")
    for text, wanted in packed["checks"].items():
        box(node).fill(text)
        mine = found(node)
        assert [row.rstrip("|") for row, _ in mine] == [row for row, _ in wanted]
        for (_, score), (_, right) in zip(mine, wanted, strict=True):
            assert score == pytest.approx(right, abs=1e-3)


def test_what_loads_is_small(packed):
    assert len(gzip.compress(json.dumps(packed).encode())) < 100_000


def test_a_forced_sign_changes_what_follows(lab, model):
    """The rest is what greedy writing makes of it; the probability is that of the whole."""
    page, node = lab("text=3/4/1999&at=6")
    before = answer(node)
    other = "4" if before[6] == "3" else "3"
    node.locator(".zh-letters button").nth(SIGNS.index(other)).click()
    page.wait_for_function("location.hash.includes('forced=')")
    expect(live(node)).to_contain_text("Place 8 of")
    rest = before[:6] + other
    while not rest.endswith("|"):
        rest += SIGNS[int(next_sign(model, "3/4/1999", rest).argmax())]
    assert answer(node) == rest and rest != before
    expect(node.locator(".zh-cross-note").first).to_contain_text("With what you wrote in it")
    score = log_probability(model, dates.sources(["3/4/1999"]), dates.targets([rest[:-1]])).item()
    shown = float(node.locator("[data-score]").first.get_attribute("data-score"))
    assert shown == pytest.approx(score, abs=1e-3)
    marked = node.locator(".zh-cross-map text[text-decoration=underline]").all_text_contents()
    assert "".join(marked) == before[:6] + other
    assert found(node)[0][0] == before  # the beam starts from nothing
    node.locator(".zh-cross-map [data-row='6'] text").click()
    expect(live(node)).to_contain_text(f"You wrote {other}.")
    node.get_by_role("button", name="Let the model write").click()
    expect(node.locator(".zh-cross-note").first).to_contain_text("Its log-probability")
    assert answer(node) == before
    expect(node.get_by_role("button", name="Let the model write")).to_be_disabled()


def test_the_end_can_be_forced(lab):
    page, node = lab("text=14 March 1999&at=4")
    node.locator(".zh-letters button").first.click()
    expect(node.locator(".zh-cross-map [data-row]")).to_have_count(5)
    assert answer(node) == "1999|"
    page.wait_for_function("location.hash.includes('forced=1999')")
    score = float(node.locator("[data-score]").first.get_attribute("data-score"))
    assert score < -3
    _, again = lab(page.url.partition("?")[2])
    assert answer(again) == "1999|"


def test_what_is_typed_and_cannot_be_read_is_said(lab):
    page, node = lab()
    box(node).fill("14 März 1999")
    expect(live(node)).to_contain_text("Left out, since no date that the model learned from has it")
    expect(live(node)).to_contain_text("ä z.")
    page.wait_for_function("decodeURIComponent(location.hash).includes('Mr')")
    box(node).fill("1" * 40)
    expect(live(node)).to_contain_text("Only the first 28 signs are read.")
    expect(node.locator(".zh-cross-map [data-row='0'] [data-weight]")).to_have_count(28)
    box(node).fill("")
    expect(live(node)).to_have_text("Type a date to begin.")
    expect(node.locator(".zh-cross-map svg")).to_have_count(0)
    box(node).fill("MAY 1999")
    expect(node.locator(".zh-cross-map svg")).to_be_visible()
    assert answer(node) == "1999-05|"
    node.get_by_role("button", name="Try 3/14/1999").click()
    expect(box(node)).to_have_value("3/14/1999")


def test_by_keyboard_alone(lab):
    page, node = lab("text=14 March 1999&at=0")
    box(node).focus()
    page.keyboard.press("End")
    page.keyboard.press("Backspace")
    page.keyboard.type("8")
    expect(node.locator(".zh-cross-map text").nth(12)).to_have_text("8")
    place = node.get_by_label("Place in the answer")
    place.focus()
    page.keyboard.press("ArrowRight")
    expect(live(node)).to_contain_text("Place 2 of 11, after “1”")
    expect(place).to_have_attribute("aria-valuetext", "place 2, 9")
    page.keyboard.press("End")
    expect(live(node)).to_contain_text("Place 11 of 11")
    bars = node.locator(".zh-letters button")
    bars.first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(live(node)).to_contain_text("Place 12 of")
    node.get_by_role("button", name="One sign back").focus()
    page.keyboard.press("Enter")
    expect(live(node)).to_contain_text("Place 11 of")
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.slice(0, 20)"
                               " || document.activeElement.type"))  # fmt: skip
    assert {"Play", "Let the model write"} <= seen, seen


def test_play_writes_to_the_end(lab):
    page, node = lab("text=March 1999&at=0", reduced_motion="no-preference")
    node.get_by_role("button", name="Play").click()
    expect(node.get_by_role("button", name="Pause")).to_be_visible()
    expect(live(node)).to_contain_text("Place 8 of 8", timeout=15_000)
    expect(node.get_by_role("button", name="Play")).to_be_visible()
    page.wait_for_function("location.hash.includes('at=7')")


def test_the_sentence_says_where_the_row_looks(lab):
    _, node = lab("text=14 March 1999&at=3&view=1.1")
    row = weights(node)[3]
    order = row.argsort(descending=True)[:2].tolist()
    sentence = live(node).inner_text()
    assert "To write it, head 1 looks at" in sentence
    for i in order:
        sign = "14 March 1999"[i].replace(" ", "␣")
        assert f"“{sign}” (sign {i + 1}, " in sentence
    assert math.isclose(row.sum().item(), 1, abs_tol=1e-6)


@pytest.mark.parametrize("state", [
    "text=%3Cb%3Ex%3C/b%3E&forced=zz&at=-3&view=9.9&width=77", "text=&at=x", "text=%20%20",
    "text=14%20March&forced=%7C%7C12&at=99&view=&width=", "text=3/4/1999&forced=99999999999999999",
])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(any_lab, state):
    _, node = any_lab("cross", state, ".zh-row")
    expect(live(node)).not_to_be_empty()
    assert node.locator("b:not(.zh-cross-answer b)").count() == 0
    assert not re.search("NaN|undefined|Infinity|∞", node.inner_text())
    box(node).fill("3/14/1999")
    node.get_by_label("weights of").select_option("mean")
    expect(node.locator(".zh-cross-map svg")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_from_disk_and_on_a_narrow_phone(lab, fits, dark):
    page, node = lab("text=September 22nd, 2011", width=360, disk=True, dark=dark)
    fits(page, node)
    node.locator(".zh-letters button").nth(4).click()
    fits(page, node)
    assert len(answer(node)) >= 8


def test_the_address_brings_it_back(lab):
    page, node = lab()
    box(node).fill("5/6/1977")
    node.get_by_label("weights of").select_option("1.2")
    node.get_by_label("width of the beam").select_option("2")
    node.get_by_role("button", name="One sign on").click()
    page.wait_for_function("location.hash.includes('width=2')")
    _, again = lab(page.url.partition("?")[2])
    expect(box(again)).to_have_value("5/6/1977")
    expect(again.get_by_label("weights of")).to_have_value("1.2")
    assert found(again) == found(node) and len(found(again)) == 2
    assert torch.equal(weights(again), weights(node))
