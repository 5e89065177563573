"""The tokenizer in the page: its tokens, merges and training are those of zh.tokenizers."""

import json
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from zh.tokenizers import BPETokenizer

PAGE, LAB, DRAWN = "book/tokenization", "tokenizer", ".zh-numbers"
PATTERNS = {"gpt4": "gpt4", "gpt2": "gpt2", "none": None}
NASTY = [
    "",
    " ",
    "\n\n \t x",
    "aaabdaaabac",
    "IT'S 'ſ it'll we'VE",
    "naïve cafe\u0301 Füße",
    "👩\u200d👩\u200d👧 🇮🇸 \U0001f9d1\U0001f3fd",
    "שלום \u202eabc العالم",
    "नमस्ते 世界 ٣²Ⅷ 12345",
    "\x85\u3000\ufeff\u2028\u200b",
    "<b>no &amp; html</b>",
    "the value of the expression, returned  by\nthe function.",
]
SURROGATES = [[0xD800], [0x61, 0xDFFF, 0xDFFF, 0x62], [0xDC00, 0xD800, 0x20], [0xD83D, 0xDE00]]


@pytest.fixture(scope="module")
def merges(payload):
    return payload(PAGE, LAB)["merges"]


def tokens(node, name="The tokens"):
    """The ids in the row of tokens."""
    return (
        node.get_by_label(name, exact=True)
        .locator("li")
        .evaluate_all("all => all.map((li) => Number(li.dataset.id))")
    )


def test_its_merges_are_learned_from_the_books_text(merges):
    assert {name: len(found) for name, found in merges.items()} == dict.fromkeys(PATTERNS, 1024)
    assert BPETokenizer(merges["gpt4"]).vocab[-1]  # each merge is of tokens before it


@pytest.mark.parametrize("pattern", PATTERNS)
def test_its_ids_are_those_of_python(lab, merges, pattern):
    page, node = lab(f"pattern={pattern}&size=768")
    python = BPETokenizer(merges[pattern][:512], pattern=PATTERNS[pattern])
    box = node.get_by_label("Your text")
    for text in NASTY:
        box.fill(text)
        text = box.input_value()  # a text area makes \r\n and \r a line break
        assert tokens(node) == python.encode(text), ascii(text)
        points, size = len(text), len(text.encode("utf-8"))
        said = node.locator(".zh-numbers").first.inner_text()
        assert re.match(f"{points:,} characters?, {size:,} bytes?, ", said), said
        assert f"{len(python.split(text)):,} piece" in said
    assert not page.locator("b:has-text('no &')").count()  # what was typed is text


def test_lone_surrogates_are_three_bytes(lab, merges):
    page, node = lab()
    for units in SURROGATES:
        text = b"".join(u.to_bytes(2, "big") for u in units).decode("utf-16-be", "surrogatepass")
        for pattern, name in PATTERNS.items():
            found = page.evaluate(
                "([units, pattern, merges]) => zhLabs.tokenizer.encode("
                "String.fromCharCode(...units), pattern, merges)",
                [units, pattern, merges[pattern]],
            )
            assert found == BPETokenizer(merges[pattern], pattern=name).encode(text)
    node.get_by_label("Your text").evaluate(
        "box => { box.value = 'x\\ud800'; box.dispatchEvent(new Event('input')); }"
    )
    assert tokens(node) == [120, 0xED, 0xA0, 0x80]
    assert node.get_by_label("The tokens", exact=True).inner_text().count("‹") == 3


def test_the_merges_one_by_one(lab, merges):
    page, node = lab(f"text={quote('the other theatre')}&pattern=none&size=1280&step=0")
    live, made = node.locator("[aria-live]"), BPETokenizer(merges["none"], pattern=None)
    ids = list(b"the other theatre")
    assert tokens(node) == ids
    expect(live).to_contain_text("No merge applied yet, of")
    step = 0
    while found := [made.ranks[p] for p in zip(ids, ids[1:], strict=False) if p in made.ranks]:
        new, step = min(found), step + 1
        a, b = made.merges[new - 256]
        node.get_by_label("One merge on").click()
        out, i = [], 0
        while i < len(ids):
            pair = tuple(ids[i : i + 2]) == (a, b)
            out.append(new if pair else ids[i])
            i += 2 if pair else 1
        ids = out
        assert tokens(node) == ids
        expect(live).to_contain_text(f"Merge {step} of ")
        expect(live).to_contain_text(f"token {new}, ")
        marked = node.get_by_label("The tokens", exact=True).locator("li[data-new]")
        assert marked.count() == ids.count(new)
    assert step > 3 and ids == made.encode("the other theatre")
    expect(node.get_by_label("One merge on")).to_be_disabled()
    node.get_by_role("button", name="None").press("ArrowRight")
    node.get_by_role("button", name="None").click()
    assert tokens(node) == list(b"the other theatre")
    node.get_by_label("One merge on").press("ArrowRight")
    expect(live).to_contain_text("Merge 1 of ")
    page.wait_for_function("location.hash.endsWith('step=1')")


def test_two_settings_beside_each_other(lab, merges):
    text = "12345 files, isn't it?"
    _, node = lab(f"text={quote(text)}&other=gpt2&size=1280&size2=1280")
    assert tokens(node) == BPETokenizer(merges["gpt4"]).encode(text)
    other = tokens(node, "The tokens of the other setting")
    assert other == BPETokenizer(merges["gpt2"], pattern="gpt2").encode(text)
    said = node.locator("[aria-live]").inner_text()
    assert f"{len(other)} with the other setting" in said
    node.get_by_label("compare with").select_option("nothing")
    expect(node.get_by_label("The tokens of the other setting")).to_be_hidden()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_training_in_the_page_learns_what_python_learns(lab, pattern):
    corpus = "the cat's hat, the rat's mat: 121 121 éé 😀😀\n\nthat bat, that cat  \n" * 3
    _, node = lab(f"pattern={pattern}&size=1280")
    node.get_by_text("Train a tokenizer on a text of your own").click()
    node.get_by_label("Text to train on").fill(corpus)
    node.get_by_role("button", name="Train", exact=True).click()
    python = BPETokenizer.train(corpus, 768, pattern=PATTERNS[pattern])
    expect(node.locator("[aria-live]")).to_contain_text(f"Learned {len(python.merges)} merges")
    node.get_by_label("Your text").fill("that hat: 1212 é😀 cats")
    assert tokens(node) == python.encode("that hat: 1212 é😀 cats")
    node.get_by_text("The merges that were learned").click()
    rows = node.get_by_label("The merges", exact=True).locator("tbody tr")
    assert rows.count() == min(300, len(python.merges))
    assert rows.first.inner_text().split("\t")[0] == "256"
    expect(node.get_by_label("merges learned from")).to_have_value("own")


def test_a_short_training_text_is_in_the_address(lab):
    _, node = lab(
        f"from=own&corpus={quote('aaabdaaabac')}&pattern=none&text={quote('aaabdaaabac')}"
    )
    assert tokens(node) == [258, 100, 258, 97, 99]
    expect(node.get_by_label("Text to train on")).to_have_value("aaabdaaabac")


def test_there_is_nothing_to_train_on(lab):
    _, node = lab("from=own")
    expect(node.get_by_label("merges learned from")).to_have_value("book")
    node.get_by_label("merges learned from").select_option("your own text")
    expect(node.locator("[aria-live]")).to_contain_text("Train one on your own text first")
    expect(node.get_by_label("Text to train on")).to_be_visible()
    node.get_by_role("button", name="Train", exact=True).click()
    expect(node.locator("[aria-live]")).to_contain_text("nothing to train on yet")
    node.get_by_label("Text to train on").fill("abc")
    node.get_by_role("button", name="Train", exact=True).click()
    expect(node.locator("[aria-live]")).to_contain_text("No pair stands twice")


def test_what_cannot_be_seen_is_shown(lab):
    _, node = lab(f"text={quote('a b' + chr(10) + chr(9) + chr(0x200D) + chr(0xFEFF))}&size=256")
    row = node.get_by_label("The tokens", exact=True)
    assert row.inner_text().count("·") == 1 and "⏎" in row.inner_text() and "⇥" in row.inner_text()
    node.get_by_text("Its characters and their bytes").click()
    table = node.get_by_label("The characters", exact=True)
    for sign, point, size in (
        ("⟨U+200D⟩", "U+200D", "e2 80 8d"),
        ("⟨U+FEFF⟩", "U+FEFF", "ef bb bf"),
    ):
        line = table.locator("tr", has_text=sign).inner_text()
        assert point in line and size in line


@pytest.mark.parametrize(
    "state",
    [
        "pattern=word&size=99999&step=-3&other=x&size2=abc",
        "text=%3Cb%3Ex%3C%2Fb%3E&from=own&step=NaN",
        "size=-1&step=1e9&from=&corpus=",
        "text=" + "x" * 4000,
    ],
)
def test_an_address_that_makes_no_sense_does_no_harm(lab, state):
    _, node = lab(state)
    expect(node.locator("[aria-live]")).not_to_be_empty()
    assert not re.search("NaN|undefined|Infinity", node.inner_text())
    assert node.locator(".zh-tokens b").count() == 0
    assert len(node.get_by_label("Your text").input_value()) <= 1500


def test_a_long_text_and_a_long_training_text_take_no_time(lab):
    page, node = lab()
    node.get_by_label("Your text").fill(" internationalisation of everything" * 42)
    assert len(tokens(node)) > 400
    took = page.evaluate(
        "([text]) => { const at = performance.now();"
        "zhLabs.tokenizer.train(text, 'none', 512); return performance.now() - at; }",
        [json.dumps([i * i for i in range(7000)])[:50_000]],
    )
    assert took < 20_000  # about a second on a quiet machine


def test_on_a_narrow_phone(lab, fits):
    page, node = lab(f"text={quote('the function returns ' * 9)}&other=none", width=360, disk=True)
    for fold in node.locator("summary").all():
        fold.click()
    fits(page, node)
    page, node = lab("text=abc", width=360, dark=True)
    fits(page, node)
