"""The page runtime in a browser, on one small page made here: served, and opened from disk."""

import gzip
import json
import re
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tools import serve
from zh import exercises, labs, page, plots
from zh.claims import claim
from zh.exercises import Exercise
from zh.explore import explore

SITE = Path(__file__).parents[2] / "book" / "_site"

LAB = """import { data, el, svg, button, field, state, announcer, keys, guess, show, color }
  from "./base.js";
export default {
  async render({ model, el: root }) {
    const numbers = await data(model);
    const s = state(model, { step: 0, word: "a", flags: [] });
    const line = el("p", { id: "bench-line" }), box = el("input", { id: "bench-guess" });
    const said = el("output", { id: "bench-said" }), say = announcer(root);
    const dot = svg("circle", { cx: 9, cy: 9, r: 5, fill: color.blue });
    const next = () => s.set({ step: s.get("step") + 1 });
    root.append(line, button("Next", next, { id: "bench-next" }),
      field("your guess", box), said, svg("svg", { width: 20, height: 20 }, dot),
      el("p", null, "<b>" + s.get("word") + "</b>"));
    box.addEventListener("input", () => { said.textContent = guess(box.value, 2).text; });
    const draw = () => {
      const i = s.get("step") % numbers.length;
      line.textContent = `step ${s.get("step")} of ${s.get("word")}: ${show(numbers[i])}`;
      say(line.textContent);
    };
    s.on(draw); draw();
    const off = keys(root, { ArrowRight: () => s.set({ step: s.get("step") + 1 }) });
    return () => { off(); s.off(); };
  },
};
"""
EXERCISES = [
    Exercise("slope", "The slope", 2, "number", 14.0, because="It climbs.",
             mistakes=[(22, "That is the value.")]),
    Exercise("growth", "The growth", 1, "choice", "It <grows>",
             choices=["It shrinks", "It <grows>"], why={"It shrinks": "Look at the sign."}),
]  # fmt: skip
HEAD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Bench</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --pst-color-text-base: #222832; --pst-color-background: #fff;
  --pst-color-primary: #0a6c8f; --pst-color-border: #767680; --pst-color-text-muted: #48566b; }
@media (prefers-color-scheme: dark) { :root {
  --pst-color-text-base: #ced6dd; --pst-color-background: #14181e;
  --pst-color-primary: #3fb1c5; --pst-color-border: #828a94; --pst-color-text-muted: #9ca4af; } }
[hidden] { display: none !important; } /* as the theme has it */
body { background: var(--pst-color-background); color: var(--pst-color-text-base);
  margin: 0 1rem; font: 16px sans-serif; }
</style>
<link rel="stylesheet" href="_static/site.css"><script defer src="_static/site.js"></script></head>
<body><main><h1>Bench</h1>"""


def cell(output, ident):
    return (
        f'<div class="cell docutils container"><div class="cell_input"><pre>code</pre></div>'
        f'<div class="cell_output docutils container" id="{ident}">{output}</div></div>'
    )


def fold(ident, body):
    return (
        f'<details class="zh-fold"><summary>Fold {ident}</summary>'
        f'<div class="zh-fold-body" id="{ident}">{body}</div></details>'
    )


def prompt(name, kind, choices=()):
    return (
        f'<div class="zh-predict" id="predict-{name}" data-name="{name}" data-kind="{kind}">'
        f"<p>What happens?</p>{exercises.render_predict(name, kind, choices)}</div>"
    )


def wave(frequency, shape="sine", points=120):
    x = np.linspace(0, 6, points)
    y = np.sin(frequency * x)
    fig, ax = plots.new()
    ax.plot(x, y if shape == "sine" else np.sign(y))
    ax.set(xlabel="time", ylabel="height", title=f"frequency {frequency}")
    return fig


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """A folder with bench.html and its _static, as the site's build lays them out."""
    out = tmp_path_factory.mktemp("bench")
    static = out / "_static"
    shutil.copytree(SITE, static)
    (static / "labs").mkdir()
    (static / "data").mkdir()
    with pytest.MonkeyPatch.context() as patch, matplotlib.rc_context():
        patch.setattr(page, "STATIC", True)
        patch.setattr(exercises, "_all", lambda: {e.name: e for e in EXERCISES})
        folder = tmp_path_factory.mktemp("labs")
        for name in ("base.js", "labs.css"):
            shutil.copyfile(labs.FOLDER / name, folder / name)
        (folder / "bench.js").write_text(LAB, "utf8")
        patch.setattr(labs, "FOLDER", folder)
        for name in ("base", "bench"):
            (static / "labs" / f"{name}.js").write_text(labs.classic(name), "utf8")
        shutil.copyfile(folder / "labs.css", static / "labs" / "labs.css")
        plots.style()
        sweep = explore(
            wave, name="explore-wave", alt=lambda frequency, shape: f"A {shape} of {frequency}",
            frequency=[0.5, 1.0, 2.0, 4.0], shape=["sine", "square"],
            labels={"frequency": "waves a second"}, start={"frequency": 1.0},
        )  # fmt: skip
        chosen = explore(
            lambda word: f"<p>The word is {word}.</p>", name="explore-word", alt="A word",
            word=list("abcdefg"),
        )  # fmt: skip
        lab = labs.lab(
            "bench", name="lab-bench", title="The bench", data=[1.5, -2.0, 3.25], word="z<i>"
        )
        verdict = claim("it-holds", "It holds.", [("here", 1.0, True), ("there", 2, False)],
                        says="holds with a condition")  # fmt: skip
        body = "".join([
            cell(sweep.body, "out-sweep"), cell(chosen.body, "out-word"),
            prompt("step", "number"),
            cell("<p style='height: 90px'>The secret result is 42.</p>", "out-step"),
            prompt("way", "choice", ["It shrinks", "It grows"]),
            cell("<p style='height: 200px'>It grew.</p>", "out-way"),
            '<div class="cell"><pre>nothing_to_show = 1</pre></div>',
            cell("<p style='height: 70px'>By half.</p>", "out-too"),
            '<p id="read-way">That is growth.</p><ul id="list-way"><li>And more.</li></ul>',
            '<h2 id="after-way">Next</h2><p id="next-way">Other text.</p>',
            prompt("why", "text"), cell("<p id='inside-why'>Because of the step.</p>", "out-why"),
            *(f'<div class="zh-exercise">{form}</div>'
              for form in map(exercises.render_exercise_form, [e.name for e in EXERCISES])),
            cell(verdict.html(), "out-claim"),
            fold("outer", "<p>outer text</p>" + fold("inner", '<p id="deep">deep text</p>')),
            '<p><button type="button" data-zh-forget>Forget my answers</button>'
            ' <span role="status"></span></p>',
            '<div style="height: 3000px">far</div>', fold("with-lab", cell(lab.body, "out-lab")),
        ])  # fmt: skip

    def move(found):
        key = f"k{len(list((static / 'data').iterdir()))}"
        script = f'(window.zhData??={{}})["{key}"]={found[1]};'
        (static / "data" / f"{key}.js").write_text(script, "utf8")
        return (
            f'<script type="application/json" class="zh-payload" data-key="{key}" '
            f'data-src="_static/data/{key}.js"></script>'
        )

    body = re.sub(
        r'<script type="application/json" class="zh-payload">(.*?)</script>', move, body, flags=re.S
    )
    (out / "bench.html").write_text(HEAD + body + "</main></body></html>", "utf8")
    return out


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The bench lab as one ES module, as a kernel sends it."""
    for name in ("base.js", "labs.css"):
        shutil.copyfile(labs.FOLDER / name, tmp_path / name)
    (tmp_path / "bench.js").write_text(LAB, "utf8")
    monkeypatch.setattr(labs, "FOLDER", tmp_path)
    return labs.module("bench")


@pytest.fixture(scope="session")
def served(bench):
    server, base = serve.start(bench)
    yield base
    server.shutdown()


@pytest.fixture
def opened(chromium, bench, served):
    """`opened("#fragment", disk=True, dark=True, width=390, js=False)` gives the page."""
    contexts, errors = [], []

    def go(fragment="", *, disk=False, dark=False, width=1280, js=True, before=None, quiet=False):
        base = bench.as_uri() + "/" if disk else served
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=js,
            color_scheme="dark" if dark else "light",
        )  # fmt: skip
        contexts.append(context)
        tab = context.new_page()
        if not quiet:
            tab.on("pageerror", lambda error: errors.append(str(error)))
            tab.on("console", lambda m: m.type == "error" and errors.append(m.text))
        tab.requests = []
        tab.on("request", lambda r: tab.requests.append(r.url.rpartition("/")[2]))
        if before:
            tab.add_init_script(before)
        tab.goto(f"{base}bench.html{fragment}", wait_until="load")
        return tab

    yield go
    for context in contexts:
        context.close()
    assert not errors, errors


WAYS = pytest.mark.parametrize("disk", [False, True], ids=["served", "from-disk"])
THEMES = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


WAVE, WORD = "#explore-wave .zh-frame", "#explore-word .zh-frame"


def until(tab, selector, words):
    """Wait until the element's text holds the words."""
    tab.wait_for_function(
        "([selector, words]) => document.querySelector(selector).textContent.includes(words)",
        arg=[selector, words], timeout=5000,
    )  # fmt: skip


def uncovered(tab, ident):
    tab.wait_for_function(f"document.getElementById('{ident}').hidden === false", timeout=5000)


def hash_of(tab):
    tab.wait_for_timeout(300)
    return tab.evaluate("location.hash")


# ------------------------------------------------------------------ explore


@WAYS
def test_a_slider_works_by_keyboard_and_writes_the_address(opened, disk):
    tab = opened(disk=disk)
    assert "frequency 1.0" in tab.text_content(WAVE) and "k0.js" not in tab.requests
    slider = tab.get_by_label("waves a second", exact=True)
    slider.focus()
    tab.keyboard.press("ArrowRight")
    until(tab, WAVE, "frequency 2.0")
    assert slider.get_attribute("aria-valuetext") == "2"
    assert tab.locator("#explore-wave output").inner_text() == "2"
    assert hash_of(tab) == "#explore-wave?frequency=2&shape=square"
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowUp")
    assert tab.get_by_label("sine", exact=True).is_checked()
    assert hash_of(tab) == "#explore-wave?frequency=2&shape=sine"
    until(tab, "#explore-wave .zh-live", "A sine of 2.0")
    assert tab.requests.count("k0.js") == 1 and "k1.js" not in tab.requests


@WAYS
def test_the_address_sets_the_figure_and_back_goes_back(opened, disk):
    tab = opened("#explore-wave?frequency=4&shape=sine", disk=disk)
    until(tab, WAVE, "frequency 4.0")
    assert tab.get_by_label("waves a second", exact=True).input_value() == "3"
    assert tab.get_by_label("sine", exact=True).is_checked()
    tab.evaluate("location.hash = '#explore-wave?frequency=0.50'")
    until(tab, WAVE, "frequency 0.5")
    assert tab.get_by_label("square", exact=True).is_checked(), (
        "what is not said is as at the start"
    )
    tab.go_back()
    until(tab, WAVE, "frequency 4.0")
    assert tab.get_by_label("sine", exact=True).is_checked()
    tab.go_forward()
    until(tab, WAVE, "frequency 0.5")
    tab.evaluate("location.hash = '#explore-wave?frequency=7&nonsense=<b>'")
    until(tab, WAVE, "frequency 1.0")


def test_a_list_of_words_and_a_second_figure_keep_apart(opened):
    tab = opened()
    tab.get_by_label("word", exact=True).select_option("f")
    until(tab, WORD, "word is f")
    assert "frequency 1.0" in tab.text_content(WAVE) and hash_of(tab) == "#explore-word?word=f"


def test_frames_that_do_not_load_are_said_and_tried_again(opened):
    tab = opened(quiet=True)
    tab.route("**/k0.js", lambda route: route.abort())
    tab.get_by_label("waves a second", exact=True).focus()
    until(tab, "#explore-wave .zh-live", "did not load")
    tab.unroute("**/k0.js")
    tab.keyboard.press("ArrowRight")
    until(tab, WAVE, "frequency 2.0")


def test_a_frame_changes_within_a_frame_time(opened):
    tab = opened()
    tab.get_by_label("waves a second", exact=True).focus()
    tab.keyboard.press("ArrowRight")
    until(tab, WAVE, "frequency 2.0")
    times = tab.evaluate("""async () => {
      const slider = document.querySelector('#explore-wave input'), out = [];
      for (let i = 0; i < 21; i++) {
        await new Promise(requestAnimationFrame);
        const t = performance.now();
        slider.value = i % 4;
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        document.body.offsetHeight; // layout too
        out.push(performance.now() - t);
      }
      return out.sort((a, b) => a - b);
    }""")
    print(f"input to laid-out frame: median {times[10]:.1f} ms, worst {times[-1]:.1f} ms")
    assert times[10] < 16


@THEMES
def test_ink_and_paper_follow_the_theme(opened, dark):
    tab = opened(dark=dark)
    ink = tab.evaluate("getComputedStyle(document.querySelector('.zh-svg text')).fill")
    assert ink == ("rgb(206, 214, 221)" if dark else "rgb(34, 40, 50)")


# ------------------------------------------------------------------ labs


@WAYS
def test_a_lab_loads_when_the_reader_comes_near(opened, disk):
    tab = opened(disk=disk)
    tab.wait_for_timeout(200)
    assert "bench.js" not in tab.requests and "labs.css" not in tab.requests
    tab.locator("summary", has_text="with-lab").click()
    tab.wait_for_selector("#bench-line")
    assert tab.inner_text("#bench-line") == "step 0 of z<i>: 1.5"
    assert "<b>z<i></b>" in tab.inner_text("#lab-bench"), "text is never HTML"
    tab.focus("#bench-next")
    tab.keyboard.press("Enter")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#bench-line") == "step 2 of z<i>: 3.25"
    assert hash_of(tab) == "#lab-bench?step=2"
    tab.fill("#bench-guess", "1")
    assert "factor of two is missing" in tab.inner_text("#bench-said")
    tab.fill("#bench-guess", "4/2")
    assert tab.inner_text("#bench-said") == "Right."


def test_the_same_lab_runs_as_the_module_that_a_kernel_sends(opened, module):
    """anywidget imports the module and calls render with a model and an element: so do we."""
    tab = opened()
    tab.evaluate(
        """async (module) => {
          const values = { title: "The bench", data: [1.5, -2], step: 0, word: "w" }, heard = {};
          window.model = {
            get: (k) => values[k], save_changes() { this.saved = (this.saved || 0) + 1; },
            set(k, v) { values[k] = v; (heard["change:" + k] || []).forEach((f) => f()); },
            on(e, f) { (heard[e] ??= []).push(f); },
            off(e, f) { heard[e] = (heard[e] || []).filter((g) => g !== f); },
          };
          const el = document.createElement("div");
          document.querySelector("main").prepend(el);
          const url = URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
          window.clean = await (await import(url)).default.render({ model: window.model, el });
        }""",
        module,
    )
    root = tab.locator("main > .zh-lab").first
    assert root.get_attribute("aria-label") == "The bench"
    assert "step 0 of w: 1.5" in root.inner_text()
    root.get_by_role("button", name="Next").click()
    assert "step 1 of w: −2" in root.inner_text() and tab.evaluate("model.saved") == 1
    tab.evaluate("model.set('step', 2)")  # from Python
    tab.wait_for_timeout(50)
    assert "step 2 of w: 1.5" in root.inner_text()
    tab.evaluate("clean(); model.set('step', 3)")
    assert "step 2 of w: 1.5" in root.inner_text()


@WAYS
def test_the_address_opens_the_fold_and_sets_the_lab(opened, disk):
    tab = opened("#lab-bench?step=1&word=hello%20you&flags=7", disk=disk)
    tab.wait_for_selector("#bench-line")
    assert tab.inner_text("#bench-line") == "step 1 of hello you: −2"
    tab.wait_for_function(
        "document.querySelector('#lab-bench').getBoundingClientRect().top < innerHeight"
    )
    tab.evaluate("location.hash = '#lab-bench?step=2'")
    until(tab, "#bench-line", "step 2 of z<i>: 3.25")
    tab.go_back()
    until(tab, "#bench-line", "hello")
    tab.evaluate("location.hash = '#lab-bench?step=[1]'")
    until(tab, "#bench-line", "step 0")


def test_a_lab_that_fails_says_so(opened):
    tab = opened(quiet=True)
    tab.route("**/bench.js", lambda route: route.abort())
    tab.evaluate("location.hash = '#lab-bench?step=1'")
    until(tab, "#lab-bench", "did not start")


# ------------------------------------------------------------------ exercises


@WAYS
def test_a_number_is_judged_in_the_page(opened, disk):
    tab = opened(disk=disk)
    form = tab.locator('form[data-name="slope"]')
    for answer, words in [
        ("", "Nothing to check yet"), ("abc", "not a number"), ("7", "factor of two is missing"),
        ("-14", "sign is wrong"), ("22", "That is the value."), ("28/2", "Right. It climbs."),
    ]:  # fmt: skip
        form.get_by_label("Your answer", exact=True).fill(answer)
        tab.keyboard.press("Enter")
        until(tab, "form[data-name=slope] .zh-reply", words)
    assert "zh-ok" in form.locator(".zh-reply").get_attribute("class")
    assert "#" not in tab.url and "?" not in tab.url


def test_a_choice_is_judged_by_keyboard(opened):
    tab = opened()
    form = tab.locator('form[data-name="growth"]')
    form.get_by_role("button").click()
    until(tab, "form[data-name=growth] .zh-reply", "Choose one of the answers first.")
    form.get_by_label("It shrinks", exact=True).focus()
    tab.keyboard.press("Space")
    tab.keyboard.press("Enter")
    until(tab, "form[data-name=growth] .zh-reply", "sign")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    until(tab, "form[data-name=growth] .zh-reply", "Right.")


def test_the_source_of_the_page_does_not_give_the_answers_away(bench):
    text = (bench / "bench.html").read_text("utf8")
    form = re.search(r'<form[^>]*data-name="slope".*?</form>', text, re.S)[0]
    assert "14" not in form and "It climbs" not in form


# ------------------------------------------------------------------ predictions


def covered(tab, ident):
    return tab.evaluate(f"document.getElementById('{ident}').hidden !== false")


@WAYS
def test_a_prediction_covers_the_next_result_until_it_is_made(opened, disk):
    tab = opened(disk=disk)
    assert covered(tab, "out-step") and covered(tab, "out-way") and not covered(tab, "out-sweep")
    form = tab.locator("#predict-step form")
    form.get_by_label("Your prediction", exact=True).focus()
    tab.keyboard.press("Enter")
    assert "first" in form.locator(".zh-reply").inner_text() and covered(tab, "out-step")
    tab.keyboard.type("a lot")
    tab.keyboard.press("Enter")
    until(tab, "#predict-step .zh-reply", "not a number")
    assert covered(tab, "out-step")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("1/2")
    tab.keyboard.press("Enter")
    uncovered(tab, "out-step")
    assert tab.locator(".zh-said", has_text="1/2").inner_text().startswith("You predicted: 1/2")
    assert tab.evaluate("document.activeElement.id") == "out-step"
    assert covered(tab, "out-way"), "each covers its own"


def test_predictions_of_words_and_choices_and_declining(opened):
    tab = opened()
    assert covered(tab, "read-way") and covered(tab, "list-way"), "the text that reads the result"
    assert covered(tab, "out-too"), "the result of a cell right behind it"
    assert not covered(tab, "after-way") and not covered(tab, "next-way")
    tab.locator("#predict-way").get_by_label("It grows", exact=True).check()
    tab.locator("#predict-way").get_by_role("button", name="Commit").click()
    assert not covered(tab, "out-way") and not covered(tab, "out-too")
    assert "You predicted: It grows" in tab.inner_text("main")
    assert not covered(tab, "read-way") and not covered(tab, "list-way")
    tab.locator("#predict-why").get_by_label("Your prediction", exact=True).fill("<b>I</b> do")
    tab.keyboard.press("Enter")
    assert "You predicted: <b>I</b> do" in tab.inner_text("main")
    tab.locator("#predict-step").get_by_role("button", name="without").click()
    assert not covered(tab, "out-step")
    assert (
        tab.evaluate("Object.keys(localStorage).sort().join()") == "zh:predict:way,zh:predict:why"
    )


@WAYS
def test_what_was_predicted_is_kept_and_can_be_forgotten(opened, disk):
    tab = opened(disk=disk)
    tab.locator("#predict-step").get_by_label("Your prediction", exact=True).fill("3")
    tab.keyboard.press("Enter")
    uncovered(tab, "out-step")
    tab.reload()
    assert not covered(tab, "out-step") and "You predicted: 3" in tab.inner_text("main")
    tab.get_by_role("button", name="Ask me again").click()
    assert covered(tab, "out-step") and "You predicted" not in tab.inner_text("main")
    tab.locator("#predict-step").get_by_label("Your prediction", exact=True).fill("4")
    tab.keyboard.press("Enter")
    uncovered(tab, "out-step")
    tab.get_by_role("button", name="Forget my answers").click()
    assert covered(tab, "out-step") and tab.evaluate("localStorage.length") == 0
    assert "Forgotten" in tab.inner_text("main")


def test_a_browser_that_keeps_nothing_still_asks(opened):
    blocked = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked') } })"
    )
    tab = opened(before=blocked)
    assert covered(tab, "out-step")
    tab.locator("#predict-step").get_by_label("Your prediction", exact=True).fill("3")
    tab.keyboard.press("Enter")
    uncovered(tab, "out-step")
    tab.get_by_role("button", name="Forget my answers").click()
    assert covered(tab, "out-step")


def test_a_search_in_the_page_uncovers_what_it_finds(opened):
    tab = opened("#:~:text=secret%20result")
    uncovered(tab, "out-step")
    assert covered(tab, "out-way")


def test_covering_and_uncovering_move_nothing(opened):
    below = "document.getElementById('predict-why').getBoundingClientRect().top + scrollY"
    tab = opened()
    covered_top = tab.evaluate(below)
    assert tab.evaluate("document.getElementById('out-way').offsetHeight") == 0
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")  # uncovers, and leaves the form
    tab.evaluate("document.querySelectorAll('.zh-cover').forEach(n => { n.hidden = true; })")
    assert tab.evaluate(below) == pytest.approx(covered_top, abs=1)


def test_an_address_inside_a_covered_result_uncovers_it(opened):
    tab = opened("#inside-why")
    assert not covered(tab, "out-why") and covered(tab, "out-step")


# ------------------------------------------------------------------ folds, paper, no script


@pytest.mark.parametrize("js", [True, False])
@pytest.mark.parametrize("target", ["inner", "deep"])
def test_an_address_opens_the_folds_around_it(opened, target, js):
    tab = opened(f"#{target}", js=js)
    tab.wait_for_timeout(100)
    assert tab.locator("#deep").is_visible() and tab.locator("text=outer text").is_visible()


def test_on_paper_everything_is_open_and_nothing_is_asked(opened):
    tab = opened()
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("#deep").is_visible() and not covered(tab, "out-step")
    assert not tab.locator("#explore-wave form").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not tab.locator("#deep").is_visible() and covered(tab, "out-step")


def test_without_scripts_all_is_read_and_nothing_dead_is_shown(opened):
    tab = opened(js=False)
    assert tab.get_by_text("The secret result is 42.").is_visible()
    assert tab.locator("#explore-wave .zh-frame svg").is_visible()
    for form in tab.locator("form").all():
        assert not form.is_visible()
    tab.locator("summary", has_text="with-lab").click()
    assert "needs JavaScript" in tab.inner_text("#lab-bench")


# ------------------------------------------------------------------ everyone


@THEMES
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_and_nothing_is_cut(opened, dark, width):
    from axe_playwright_python.sync_playwright import Axe

    tab = opened("#lab-bench?step=1", dark=dark, width=width)
    tab.wait_for_selector("#bench-line")
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.evaluate("window.zhForget()")
    tab.get_by_label("waves a second", exact=True).focus()
    form = tab.locator('form[data-name="slope"]')
    form.get_by_label("Your answer", exact=True).fill("7")
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(200)
    found = Axe().run(tab).response["violations"]
    assert not found, json.dumps([(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found])
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_controls_are_large_enough_for_a_finger(opened):
    tab = opened("#lab-bench", width=390)
    tab.wait_for_selector("#bench-line")
    small = tab.evaluate("""() => [...document.querySelectorAll('.zh-controls, .zh-form, .zh-lab')]
      .flatMap(root => [...root.querySelectorAll('button, select, input, label:has([type=radio])')])
      .filter(n => n.type !== 'radio' && n.offsetParent)
      .map(n => [n.outerHTML.slice(0, 90), n.getBoundingClientRect().height])
      .filter(([, height]) => height < 44)""")
    assert not small


def test_the_runtime_is_small():
    script, style = (
        len(gzip.compress((SITE / f"site.{end}").read_bytes())) for end in ("js", "css")
    )
    print(f"site.js {script} B, site.css {style} B, compressed")
    assert script < 8000 and style < 4000
