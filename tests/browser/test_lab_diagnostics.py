"""The diagnostics lab: what it shows is what the run did; the game knows its answers."""

import re
import statistics

import pytest
from playwright.sync_api import expect

from zh.labs import diagnostics
from zh.labs.diagnostics import STEPS, Setting

PAGE = "book/diagnostics_lab"


@pytest.fixture
def lab(visit):
    def opened(state="", name="lab-diagnostics", **options):
        page = visit(f"{PAGE}#{name}{'?' + state if state else ''}", **options)
        node = page.locator(f"#{name}.zh-ready")
        expect(node.locator("svg")).to_have_count(4)
        return page, node

    return opened


def numbers(node):
    """The table: {row: [size, share, stuck, gradient, gradient / weight, update / weight]}."""
    rows = node.locator("tbody tr").evaluate_all(
        "all => all.map((r) => [...r.children].map((c) => c.textContent))")
    read = [[c.replace("−", "-").replace("∞", "inf") for c in r] for r in rows]
    return {r[0]: [float(c.replace("%", "")) / (100 if "%" in c else 1)
                   if re.match(r"[\d-]", c) else None for c in map(str.strip, r[1:])] for r in read}


def choose(node, label, value):
    node.get_by_label(label, exact=True).select_option(value)


@pytest.mark.parametrize("setting, state", [
    (Setting("relu", 1.0, "batch", 0.01, "Adam", 2, 16),
     "f=relu&gain=1&norm=batch&lr=0.01&optimizer=Adam&depth=2&width=16&step=30"),
    (Setting("tanh", 3.0, "layer", 0.1, "SGD", 2, 16),
     "gain=3&norm=layer&depth=2&width=16&step=100")])  # fmt: skip
def test_what_it_shows_is_what_the_run_did(lab, setting, state):
    step = int(state.rpartition("=")[2])
    run = diagnostics.train([setting], *diagnostics.task())[0]
    want = run.seen[STEPS.index(step)]
    _, node = lab(state)
    shown = numbers(node)
    assert list(shown) == ["1", "2", "out"]
    for i, row in enumerate(shown.values()):
        for place, key in ((0, "size"), (3, "slope"), (4, "grad"), (5, "update")):
            assert row[place] == pytest.approx(want[key][i], rel=0.07), key
        if i < 2:
            assert row[1] == pytest.approx(want["flat"][i], abs=0.02)
    drawn = float(node.locator("[data-loss]").get_attribute("data-loss"))
    assert drawn == pytest.approx(diagnostics.curve(run)[-1], rel=0.02)
    said = node.locator(".zh-findings").inner_text()
    words = diagnostics.words(run.diagnose())
    assert all(what in said for what, *_ in words) and (words or "Nothing wrong" in said)


def test_every_control_changes_the_picture_and_the_address(lab):
    page, node = lab("step=30")
    picture = "n => [...n.querySelectorAll('svg')].map((s) => s.outerHTML).join('')"
    for label, key, value in [
        ("activation", "f", "relu"), ("gain", "gain", "0.71"), ("normalisation", "norm", "batch"),
        ("hidden layers", "depth", "2"), ("width", "width", "16"), ("learning rate", "lr", "0.01"),
        ("optimiser", "optimizer", "Adam"),
    ]:  # fmt: skip
        before = node.evaluate(picture)
        choose(node, label, value)
        page.wait_for_function(f"location.hash.includes('{key}={value}')")
        assert node.evaluate(picture) != before, label
    address = page.url
    before = node.evaluate(picture)
    page.goto("about:blank")
    page.goto(address)
    expect(node.get_by_label("optimiser")).to_have_value("Adam")
    expect(node.get_by_label("gain")).to_have_value("0.71")
    assert node.evaluate(picture) == before


def test_a_wrong_address_is_made_sound(lab):
    _, node = lab("f=sine&gain=7&depth=3&step=12&lr=hot")
    expect(node.get_by_label("activation", exact=True)).to_have_value("tanh")
    assert len(numbers(node)) == 9 and numbers(node)["1"][0] > 0.5


def test_theory_is_drawn_at_the_start_alone(lab):
    page, node = lab()
    expect(node.locator("[data-theory]")).to_have_count(16)
    sizes = node.locator("[data-panel=activations] [data-theory]").evaluate_all(
        "all => all.map((p) => +p.dataset.theory)")
    assert [row[0] for row in numbers(node).values()][:8] == pytest.approx(sizes, rel=0.08)
    choose(node, "normalisation", "batch")
    expect(node.locator("[data-theory]")).to_have_count(8)
    step = node.get_by_label("training step")
    step.focus()
    page.keyboard.press("ArrowRight")
    expect(step).to_have_attribute("aria-valuetext", "step 3")
    expect(node.locator("[data-theory]")).to_have_count(0)
    page.keyboard.press("End")
    page.wait_for_function("location.hash.includes('step=100')")
    assert "step 100" in node.locator(".zh-live").inner_text()


def test_presets_and_copies_of_the_address(lab):
    page, node = lab()
    said = set()
    for preset in node.get_by_role("group", name="Settings worth a look").get_by_role(
            "button").all():  # fmt: skip
        if "Copy" not in preset.inner_text():
            preset.click()
            said.add(node.locator(".zh-live").inner_text())
    assert len(said) == 7
    node.get_by_role("button", name="What the chat said").click()
    sizes = [row[0] for row in numbers(node).values()][:8]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.1
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    node.get_by_role("button", name="Copy the address").click()
    expect(node.locator(".zh-live")).to_contain_text(re.compile("Copied|address of the page"))


def test_a_run_that_breaks_off_says_so(lab):
    _, node = lab("f=relu&gain=3&step=100")
    expect(node.locator(".zh-live")).to_contain_text("not finite")
    expect(node.locator("[data-panel=loss]")).to_contain_text("not finite")
    assert numbers(node)["1"] == [None] * 6
    expect(node.locator(".zh-findings")).to_contain_text("The signal grows along the depth")


def cut(node):
    """The layer after which the gradient is cut, as a player sees it; 0 if it is not."""
    rows = numbers(node)
    gone = [name for name, row in rows.items() if row[3] == 0]
    whole = all(row[1] is None or 0 < row[1] < 0.7 for row in rows.values())
    return len(gone) if whole else 0


def test_the_game_is_won_by_looking(lab):
    page, node = lab("round=2", name="which-layer")
    answer = node.get_by_role("button", name="This is it")
    while not cut(node):
        node.get_by_role("button", name="Another network").click()
    answer.click()  # nothing chosen yet
    expect(node.locator(".zh-live")).to_contain_text("Choose a layer")
    layer = cut(node)
    choose(node, "layer", str(layer))
    choose(node, "break", "cut")
    answer.click()
    live = node.locator(".zh-live")
    expect(live).to_have_class(re.compile("zh-ok"))
    expect(live).to_contain_text(f"Right. Layer {layer}: the gradient is cut off after it.")
    expect(node.locator(".zh-findings")).to_contain_text("zh.diagnostics named it")
    expect(node.locator("output.zh-numbers")).to_contain_text("1 of 1 right, 1 in a row")
    expect(answer).to_be_disabled()
    number = re.search(r"Network (\d+)", node.inner_text())[1]

    page.keyboard.press("Enter")  # the next network has the focus
    expect(live).to_contain_text("Look at its steps")
    expect(answer).to_be_enabled()
    node.get_by_label("break").focus()
    page.keyboard.press("End")  # "it is sound"
    expect(node.get_by_label("layer", exact=True)).to_be_disabled()
    page.wait_for_function(f"location.hash.includes('round={int(number) + 1}')")
    page.evaluate(f"location.hash = '#which-layer?round={number}'")  # back to the one that is cut
    expect(live).to_contain_text(f"This is network {number}.")
    choose(node, "break", "none")
    answer.click()
    expect(live).to_have_class(re.compile("zh-no"))
    expect(live).to_contain_text(f"No. Layer {layer}")
    expect(node.locator("output.zh-numbers")).to_contain_text("1 of 2 right, 0 in a row, 1 at best")


def test_no_round_tells_its_answer(lab):
    _, node = lab(name="which-layer")
    assert node.locator("[data-theory], .zh-findings p").count() == 0
    for _ in range(3):
        node.get_by_role("button", name="Another network").click()
        assert not re.search("bias|cut|sound", node.locator(".zh-live").inner_text())


@pytest.mark.parametrize("name", ["lab-diagnostics", "which-layer"])
@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, name, dark):
    page, node = lab(name=name, width=390, height=844, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for control in node.locator("button, select").all():
        size = control.bounding_box()
        assert size["width"] >= 44 and size["height"] >= 44
        assert size["x"] + size["width"] <= 390
    node.locator("svg").nth(1).scroll_into_view_if_needed()
    step = node.get_by_label("training step").bounding_box()
    assert 0 < step["y"] < 844, "the step stays at hand beside the pictures"


def test_a_change_is_drawn_at_once(lab):
    _, node = lab()
    took = node.evaluate("""n => {
      const out = [], range = n.querySelector("input[type=range]"), act = n.querySelector("select");
      for (let i = 0; i < 60; i++) {
        const from = performance.now(), before = n.innerHTML;
        if (i % 2) { range.value = i % 5; range.dispatchEvent(new Event("input")); }
        else { act.selectedIndex = i % 4 ? 0 : 1; act.dispatchEvent(new Event("change")); }
        n.getBoundingClientRect();
        out.push([performance.now() - from, n.innerHTML !== before]);
      }
      return out; }""")
    took, drawn = zip(*took, strict=True)
    print(f"input to drawn: median {statistics.median(took):.1f} ms, most {max(took):.1f} ms")
    assert sum(drawn) > 40, "drawn before the next line runs"


def test_works_from_disk(lab):
    _, node = lab("f=relu&depth=2&width=16", disk=True)
    assert len(numbers(node)) == 3
