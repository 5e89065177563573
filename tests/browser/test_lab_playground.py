"""The GPT playground: what the page computes is what PyTorch computes from the weights it ships."""

import gzip
import re

import pytest
import torch
from playwright.sync_api import expect

from tests.browser.test_site import ALL_RULES, AXE, FOUND
from tests.rng import mulberry
from zh import page as pages
from zh import sampling
from zh.gpt import window
from zh.labs import playground

PAGE, LAB, DRAWN = "book/gpt", "playground", ".zh-play-prompt"
WROTE = "document.querySelector('#lab-playground .zh-lab-body').dataset.rate > 0"
NEAR = 3e-2  # a logit of the rounded model, and of the model
READ = """([packed, texts]) => texts.map((ids) => {
  const r = zhLabs.playground.reader(packed);
  r.set(ids);
  while (r.pending()) r.step();
  return ids.map((_, i) => [...r.logits(i)]);
})"""
WRITE = """([packed, ids, count]) => {
  const { reader, probabilities } = zhLabs.playground, r = reader(packed);
  r.set(ids);
  const settle = () => { while (r.pending()) r.step(); };
  settle();
  for (let i = 0; i < count; i++) {
    r.add(probabilities(r.logits(r.ids().length - 1), { temperature: 0 }).indexOf(1));
    settle();
  }
  return r.ids();
}"""


@pytest.fixture(scope="module")
def packed(payload):
    return payload(PAGE, LAB)


@pytest.fixture(scope="module")
def model(packed):
    """The model that the page holds."""
    held = playground.unpack(packed)
    for block in held.blocks:
        block.attention.fused = False  # keeps its weights
    return held


@pytest.fixture(scope="module")
def texts(packed):
    """Ids to read: the checked prompts, and one as long as the model reads."""
    found = [encode(packed, text)[-packed["config"]["block"] :] for text in packed["checks"]]
    whole = sum(found, []) * packed["config"]["block"]
    return [*found, whole[: packed["config"]["block"]]]


def encode(packed, text: str) -> list[int]:
    return [packed["characters"].index(c) for c in text]


def say(model, ids: list[int]) -> torch.Tensor:
    """Logits (T, vocab) at every place of a text that fits."""
    with torch.no_grad():
        return model(torch.tensor([ids]))[0]


def last(model, ids: list[int]) -> torch.Tensor:
    return say(model, ids[window(len(ids), model.config.block) :])[-1]


def written(node) -> str:
    """The text as the model has it."""
    shown = node.locator(".zh-play-text").evaluate("(n) => n.textContent")
    return shown.replace("\u200b", "").replace("·", " ").replace("↵\n", "\n")


@pytest.fixture
def loaded(lab):
    """`loaded("prompt=ab")`: the lab with its model, once it has written its first stretch."""

    def opened(state="", **options):
        page, node = lab(state, **options)
        node.get_by_role("button", name="Load the model").click()
        page.wait_for_function(WROTE, timeout=60_000)
        return page, node

    return opened


def box(node):
    return node.locator(".zh-play-prompt")


def live(node):
    return node.locator(".zh-live")


def button(node, name):
    return node.get_by_role("button", name=name, exact=True)


def bars(node) -> list[dict]:
    return node.locator(".zh-play-bars button:not([hidden])").evaluate_all(
        "all => all.map((b) => ({id: +b.dataset.id, p: +b.dataset.p, own: +b.dataset.own}))")


def settled(node):
    """All is read, and nothing is written any more."""
    expect(node.locator(".zh-play-text")).to_have_attribute("aria-busy", "false", timeout=30_000)


def rewrite(node, text):
    """Type a prompt, and wait until it is read."""
    box(node).fill(text)
    settled(node)


# -- the model ------------------------------------------------------------------------------------


def test_nothing_loads_before_the_reader_asks_and_it_is_small(lab, packed, site):
    asked = []
    page, node = lab()
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(300)
    weights = "() => Object.values(window.zhData ?? {}).filter((d) => d.tensors).length"
    assert page.evaluate(weights) == 0
    size = len(gzip.compress(pages.to_json(packed).encode(), 6))
    assert size < 300_000
    label = button(node, re.compile("Load the model")).inner_text()
    assert int(re.search(r"(\d+) kB", label)[1]) == pytest.approx(size / 1000, abs=2)
    button(node, re.compile("Load the model")).click()
    page.wait_for_function(WROTE, timeout=60_000)
    assert page.evaluate(weights) == 1 and sum("/_static/data/" in url for url in asked) == 1
    print(f"weights {size / 1000:.0f} kB as sent")


def test_logits_are_pytorchs_at_every_place(loaded, packed, model, texts):
    """The shipped weights, and the same as float32: within 1e-4 both times."""
    page, _ = loaded()
    exact = playground.pack(model, packed["characters"], "float32")
    for name, sent in (("shipped", packed), ("float32", exact)):
        found = page.evaluate(READ, [sent, texts])
        off = max((torch.tensor(got) - say(model, ids)).abs().max().item()
                  for got, ids in zip(found, texts, strict=True))  # fmt: skip
        print(f"{name}: logits off by {off:.1e}")
        assert off < 1e-4


def test_after_rounding_it_says_nearly_what_the_model_said(loaded, packed, model):
    """Against logits and greedy text that the chapter's own model gave when the chapter ran."""
    assert len(packed["checks"]) >= 3
    page, _ = loaded()
    for text, check in packed["checks"].items():
        ids = encode(packed, text)
        begun = ids[window(len(ids), packed["config"]["block"]) :]
        got = torch.tensor(page.evaluate(READ, [packed, [begun]])[0][-1])
        off = (got - torch.tensor(check["logits"])).abs().max().item()
        wrote = page.evaluate(WRITE, [packed, ids, len(check["greedy"])])[len(ids) :]
        right = encode(packed, check["greedy"])
        same = next((i for i, pair in enumerate(zip(wrote, right, strict=True))
                     if pair[0] != pair[1]), len(right))  # fmt: skip
        print(f"{text!r}: logits off by {off:.4f}, {same} of {len(right)} greedy characters")
        assert off < NEAR
        if same < len(right):  # only where two characters are as likely to within the rounding
            two = last(model, ids + right[:same])[[wrote[same], right[same]]]
            assert (two[0] - two[1]).abs() < 2 * NEAR


def test_greedy_text_is_generates(loaded, packed, model):
    prompt = next(iter(packed["checks"]))
    page, node = loaded(f"prompt={prompt}&temperature=0")
    ids = torch.tensor([encode(packed, prompt)])
    count = len(written(node)) - len(prompt)
    assert count == 300  # well beyond what the model reads at once
    right = model.generate(ids, count, torch.Generator(), temperature=0)[0].tolist()
    assert encode(packed, written(node)) == right


@pytest.mark.parametrize("settings", [{"temperature": 1.2}, {"temperature": 0.7, "top_k": 5},
                                      {"temperature": 1.1, "top_k": 40, "top_p": 0.6}])  # fmt: skip
def test_the_same_numbers_draw_the_same_text(loaded, packed, model, settings):
    prompt = list(packed["checks"])[1]
    query = "&".join(f"{key}={value}" for key, value in settings.items())
    page, node = loaded(f"prompt={prompt}&seed=11&{query}")
    ids, u = encode(packed, prompt), mulberry(11)
    for _ in range(300):
        p = sampling.probabilities(last(model, ids), **settings)
        ids.append(int((p.cumsum(0) <= next(u)).sum()))
    assert written(node) == "".join(packed["characters"][i] for i in ids)
    timing = node.locator(".zh-lab-body").evaluate("(n) => ({...n.dataset})")
    print(f"first character {float(timing['first']):.0f} ms after the weights, "
          f"{float(timing['rate']):.0f} characters a second ({float(timing['busy']):.0f} while it "
          "computes)")  # fmt: skip


def test_bars_attention_and_surprise_are_pytorchs(loaded, packed, model):
    prompt = next(iter(packed["checks"]))
    page, node = loaded(f"prompt={prompt}&temperature=0.6&top_k=4")
    button(node, "Back to the prompt").click()
    settled(node)
    ids = encode(packed, prompt)
    logits = say(model, ids)
    own, drawn = sampling.probabilities(logits), sampling.probabilities(logits, 0.6, 4)
    best = own[-1].argsort(descending=True)[:12].tolist()
    for bar, i in zip(bars(node), best, strict=True):
        assert bar["id"] == i
        assert bar["own"] == pytest.approx(own[-1, i].item(), abs=1e-5)
        assert bar["p"] == pytest.approx(drawn[-1, i].item(), abs=1e-5)
    bits = node.locator("[data-bits]").evaluate_all("all => all.map((i) => +i.dataset.bits)")
    right = [-own[i, ids[i + 1]].log2().item() for i in range(len(ids) - 1)]
    assert bits == pytest.approx(right, abs=1e-3)
    expect(node).to_contain_text(f"{sum(right) / len(right):.2f} bits a character")
    layers, heads = packed["config"]["layers"], packed["config"]["heads"]
    for layer, head, place in ((0, 0, len(ids) - 1), (layers - 1, heads - 1, 4), (0, 1, 2)):
        button(node, re.compile(f"^Layer {layer + 1}, head {head + 1}:")).click()
        node.locator(f".zh-play-text [data-i='{place}']").click()
        marks = node.locator("[data-w]").evaluate_all("all => all.map((i) => +i.dataset.w)")
        weights = model.blocks[layer].attention.weights[0, head, place, : place + 1]
        assert marks == pytest.approx(weights.tolist(), abs=1e-5)
        pressed = node.locator(".zh-play-heads [aria-pressed=true]")
        expect(pressed).to_have_count(1)
        expect(pressed).to_have_text(f"{layer + 1}.{head + 1}")
        expect(live(node)).to_contain_text(f"Place {place + 1}")
        for bar in bars(node):
            assert bar["own"] == pytest.approx(own[place, int(bar["id"])].item(), abs=1e-5)


# -- the page -------------------------------------------------------------------------------------


def test_a_character_is_chosen_and_the_text_goes_on_from_any_place(loaded, packed, model):
    page, node = loaded()
    rewrite(node, "the ")
    first = bars(node)[2]["id"]
    node.locator(".zh-play-bars button").nth(2).click()
    settled(node)
    text = "the " + packed["characters"][int(first)]
    assert written(node) == text
    expect(live(node)).to_contain_text("Chosen:")
    after = sampling.probabilities(say(model, encode(packed, text)))[-1]
    assert bars(node)[0]["own"] == pytest.approx(after.max().item(), abs=1e-5)
    button(node, "One character").click()
    settled(node)
    assert len(written(node)) == 6
    node.locator(".zh-play-text [data-i='1']").click()
    second = bars(node)[1]["id"]
    node.locator(".zh-play-bars button").nth(1).click()
    settled(node)
    assert written(node) == "th" + packed["characters"][int(second)]
    expect(box(node)).to_have_value("th")
    expect(live(node)).to_contain_text("The text goes on from there with")


def test_stop_write_on_another_try_and_clear(loaded):
    page, node = loaded("prompt=the+")
    first = written(node)
    button(node, "Write on").click()
    expect(button(node, "Stop")).to_be_visible()
    button(node, "Stop").click()
    expect(button(node, "Write on")).to_be_visible()
    longer = written(node)
    assert longer.startswith(first) and len(first) < len(longer) < 600
    button(node, "Another try").click()
    page.wait_for_function("location.hash.includes('seed=2')")
    settled(node)
    other = written(node)
    assert other.startswith("the ") and not other.startswith(first[:40])
    node.get_by_label("seed").fill("1")
    node.get_by_label("seed").press("Enter")
    settled(node)
    assert written(node) == "the "
    button(node, "Write").click()
    settled(node)
    assert written(node) == first  # the same seed writes the same
    button(node, "Back to the prompt").click()
    settled(node)
    assert written(node) == "the "
    button(node, "Clear").click()
    expect(box(node)).to_have_value("")
    expect(node).to_contain_text("Nothing to read: the text begins with a new line.")
    assert written(node) == "\n"


def test_what_it_does_not_know_is_said_and_left_out(loaded, packed):
    page, node = loaded()
    odd = next(c for c in "éñ漢" if c not in packed["characters"])
    rewrite(node, f"the{odd} 😀 a")
    expect(node).to_contain_text(f"does not know them: “{odd}”, “😀”.")
    assert written(node) == "the  a"


def test_a_long_prompt_says_which_part_is_read(loaded, packed, model):
    block = packed["config"]["block"]
    page, node = loaded("prompt=a&temperature=0")
    text = ("the value of an " * 30)[: block + 8]
    rewrite(node, text)
    read = len(text) - window(len(text), block)
    expect(node).to_contain_text(f"of these {len(text)} it reads the last {read}")
    assert written(node) == text
    best = last(model, encode(packed, text)).argmax().item()
    assert bars(node)[0]["id"] == best and bars(node)[0]["p"] == 1


def test_by_keyboard_alone(loaded, packed):
    page, node = loaded("prompt=the+")
    rewrite(node, "the value")
    page.keyboard.press("End")
    page.keyboard.type(" of")
    settled(node)
    assert written(node) == "the value of"
    seen = []
    for _ in range(15):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(
            "document.activeElement.ariaLabel || document.activeElement.textContent.slice(0, 20)"))
    assert seen[:3] == ["temperature", "top k", "top p"]
    assert {"Write", "One character", "Back to the prompt", "Another try", "Clear", "The text",
            "Character that reads"} <= {*seen}  # fmt: skip
    page.evaluate("document.querySelector('.zh-play-text').focus()")
    page.keyboard.press("ArrowLeft")
    expect(live(node)).to_contain_text("Place 11, o")
    page.keyboard.press("ArrowRight")
    expect(live(node)).to_contain_text("Place 12, f")
    first = node.locator(".zh-play-bars button").first
    first.focus()
    page.keyboard.press("ArrowRight")
    chosen = bars(node)[1]["id"]
    page.keyboard.press("Enter")
    settled(node)
    assert written(node) == "the value of" + packed["characters"][int(chosen)]
    node.locator(".zh-play-heads [tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(node.locator(".zh-play-heads [aria-pressed=true]")).to_have_text("2.2")


def test_numbers_for_those_who_do_not_see_shades(loaded, packed, model):
    page, node = loaded()
    rewrite(node, "the\na b")
    node.get_by_text("The same as numbers").click()
    tables = node.locator("details table")
    expect(tables.nth(0).locator("tbody tr")).to_have_count(12)
    own = sampling.probabilities(say(model, encode(packed, "the\na b")))
    cells = tables.nth(0).locator("tbody tr").first.locator("td").all_inner_texts()
    assert float(cells[0].split()[0]) == pytest.approx(100 * own[-1].max().item(), abs=0.51)
    rows = tables.nth(1).locator("tbody tr").evaluate_all(
        "all => all.map((r) => [...r.cells].map((c) => c.textContent))")  # fmt: skip
    assert [row[1] for row in rows] == ["t", "h", "e", "new line", "a", "space", "b"]
    bits = -own[0, encode(packed, "h")[0]].log2().item()
    assert float(rows[1][2]) == pytest.approx(bits, abs=0.006) and rows[0][2] == ""


@pytest.mark.parametrize("state", [
    "prompt=%3Cb%3Ex&temperature=99&top_k=-3&top_p=7&seed=-9",
    "prompt=&temperature=hot&top_k=1.7e9&top_p=0&seed=1e99&kilobytes=-5"])  # fmt: skip
def test_an_address_that_makes_no_sense_does_no_harm(loaded, state):
    _, node = loaded(state)
    assert node.locator("b").count() == 0
    assert len(written(node)) in (301, 304)
    assert sum(bar["p"] for bar in bars(node)) <= 1 + 1e-9


def test_the_state_comes_back_with_the_address(loaded):
    page, node = loaded("prompt=a")
    rewrite(node, "if (x")
    node.get_by_label("temperature").focus()
    page.keyboard.press("Home")
    node.get_by_label("top k").press("ArrowLeft")
    page.wait_for_function("location.hash.includes('top_k=50')")
    assert "temperature=0&" in page.url and "prompt=if+%28x" in page.url
    _, again = loaded(page.url.partition("?")[2])
    expect(box(again)).to_have_value("if (x")
    assert again.locator("output").nth(1).inner_text() == "50"


@pytest.mark.parametrize("dark", [False, True])
def test_from_disk_on_a_narrow_phone_and_without_movement(loaded, fits, dark):
    page, node = loaded("prompt=the value of", width=360, disk=True, dark=dark,
                        reduced_motion="reduce")  # fmt: skip
    fits(page, node)
    node.get_by_text("The same as numbers").click()
    fits(page, node)


@pytest.mark.parametrize("width, dark", [(1280, True), (390, False)])
def test_accessible_with_its_model(loaded, width, dark):
    page, node = loaded("prompt=the value of", width=width, dark=dark)
    node.get_by_text("The same as numbers").click()
    page.evaluate(AXE)
    inside = FOUND.replace("axe.run(document", "axe.run('#lab-playground'")
    found = page.evaluate(inside, [ALL_RULES, True])
    assert not found, "\n".join(found)


def test_writing_leaves_the_page_free(loaded):
    """It writes a slice a frame, as long as it takes: one that does not let go leaves one frame."""
    page, _ = loaded("prompt=the+")
    gaps = page.evaluate("""() => new Promise((done) => {
      const gaps = [], text = document.querySelector("#lab-playground .zh-play-text");
      let last = performance.now();
      const tick = (now) => {
        gaps.push(now - last);
        last = now;
        if (text.ariaBusy === "true") requestAnimationFrame(tick);
        else done(gaps.slice(1).sort((a, b) => a - b));
      };
      const all = [...document.querySelectorAll("#lab-playground button")];
      all.find((b) => b.textContent === "Write on").click();
      requestAnimationFrame(tick);
    })""")
    print(f"frames while it writes: {len(gaps)}, median {gaps[len(gaps) // 2]:.0f} ms, "
          f"longest {gaps[-1]:.0f} ms")  # fmt: skip
    assert len(gaps) >= 6


def test_a_model_that_does_not_load_is_said_and_asked_for_again(lab, visit):
    page, node = lab()
    page.route("**/_static/data/*", lambda route: route.abort())
    button(node, re.compile("Load the model")).click()
    expect(live(node)).to_contain_text("The model did not load. Press the button to try again.")
    visit.complaints.clear()
    page.unroute("**/_static/data/*")
    button(node, re.compile("Load the model")).click()
    page.wait_for_function(WROTE, timeout=60_000)
