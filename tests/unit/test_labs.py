"""Labs: one file is a module for a kernel and a classic script for the page."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from py_mini_racer import MiniRacer

from zh import labs, page

LAB = """import { parseNumber, rng as random } from "./base.js";

// a comment with export default in it
const twice = (x) => 2 * x;
export const half = (x) => x / 2;

/* another
   comment */
export default {
  render({ model, el }) {
    el.text = String(twice(parseNumber(model.get("text"))));
    return () => { el.text = "gone"; };
  },
};
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    for name in ("base.js", "labs.css"):
        (tmp_path / name).write_text((labs.FOLDER / name).read_text("utf8"), "utf8")
    (tmp_path / "double.js").write_text(LAB, "utf8")
    monkeypatch.setattr(labs, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def engine():
    with ThreadPoolExecutor(1) as aside:  # a browser in the same process has an event loop in this
        made = aside.submit(MiniRacer).result()  # thread, and the engine would take it for its own
    made.eval("var window = globalThis;")
    yield made
    made.close()


RUN = """(() => {
  const el = { classList: { add() {} }, setAttribute() {} };
  const gone = LAB.render({ model: { get: () => "3/2" }, el });
  const text = el.text; gone();
  return JSON.stringify([text, el.text]);
})()"""


def test_a_lab_runs_as_a_classic_script(folder, engine):
    engine.eval(labs.classic("base"))
    engine.eval(labs.classic("double"))
    assert json.loads(engine.eval(RUN.replace("LAB", "zhLabs.double"))) == ["3", "gone"]
    assert engine.eval("Object.keys(globalThis).filter(k => k === 'twice').length") == 0


def test_a_lab_runs_as_one_module(folder, engine):
    module = labs.module("double")
    assert "import" not in module.replace("important", "") and module.count("export default") == 1
    engine.eval(module.replace("export default", "globalThis.made ="))
    assert json.loads(engine.eval(RUN.replace("LAB", "made"))) == ["3", "gone"]


def test_the_base_may_be_imported_whole(folder, engine):
    (folder / "double.js").write_text(
        LAB.replace('{ parseNumber, rng as random } from "', '* as base from "').replace(
            "parseNumber(", "base.parseNumber("
        ),
        "utf8",
    )
    engine.eval(labs.classic("base") + labs.classic("double"))
    assert json.loads(engine.eval(RUN.replace("LAB", "zhLabs.double"))) == ["3", "gone"]
    assert "const base = zhBase;" in labs.module("double")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'import { parseNumber, rng as random } from "./base.js";',
            "",
            "first line must be import",
        ),
        ("parseNumber, rng", "parseNumber, wheel, rng", "imports what base.js has not: wheel"),
        ("// a comment", 'import x from "./x.js"; // ', "from base.js alone"),
        ("export default {", "const made = {", "exactly one line"),
        ("export const half", "export default {}; const half", "exactly one line"),
    ],
)
def test_a_file_that_is_no_lab_is_refused(folder, old, new, words):
    (folder / "double.js").write_text(LAB.replace(old, new), "utf8")
    with pytest.raises(ValueError, match=words):
        labs.classic("double")


SHARING = """import { rng } from "./base.js";
import { five } from "./network.js";
export default {
  render({ model, el }) { el.text = String(five() + rng(1)() * 0); return () => {}; },
};
"""


def test_a_lab_may_import_from_a_shared_module_too(folder, engine):
    (folder / "network.js").write_text(
        'import { show } from "./base.js";\nexport function five() { return +show(5); }\n', "utf8")
    (folder / "double.js").write_text(SHARING, "utf8")
    run = "(() => { const el = { classList: { add() {} }, setAttribute() {} };" \
          " LAB.render({ model: { get: () => 0 }, el }); return el.text; })()"
    engine.eval(labs.classic("base") + labs.classic("double"))
    assert engine.eval(run.replace("LAB", "zhLabs.double")) == "5"
    engine.eval(labs.module("double").replace("export default", "globalThis.made ="))
    assert engine.eval(run.replace("LAB", "made")) == "5"
    assert "network" not in labs.names()
    (folder / "double.js").write_text(SHARING.replace("{ five }", "{ six }"), "utf8")
    with pytest.raises(ValueError, match="imports what network.js has not: six"):
        labs.classic("double")


def test_an_unknown_lab_names_those_that_exist(folder):
    with pytest.raises(ValueError, match="no lab 'duble'. Did you mean 'double'.*exist: double"):
        labs.lab("duble", name="lab-x", title="X")
    for outside in ("../page", "base.js", ""):
        with pytest.raises(ValueError, match="there is no lab"):
            labs.source(outside)


def test_on_the_page_it_is_markup_with_state_data_and_a_word_without_scripts(folder, monkeypatch):
    monkeypatch.setattr(page, "STATIC", True)
    body = labs.lab("double", name="lab-x", title="Do <it>", data={"a": [1]}, text="</script>").body
    assert '<div class="zh-lab" id="lab-x" data-lab="double"' in body
    assert "Do &lt;it&gt;" in body and "<noscript>" in body
    state = re.search(r'class="zh-state">(.*?)</script>', body)[1]
    assert json.loads(state) == {"text": "</script>"}
    assert json.loads(re.search(r'class="zh-payload">(.*?)</script>', body)[1]) == {"a": [1]}
    assert "zh-payload" not in labs.lab("double", name="lab-x", title="X").body


def test_in_a_kernel_it_is_a_widget_with_the_same_state(folder, monkeypatch):
    monkeypatch.setattr(page, "STATIC", False)
    import anywidget

    widget = labs.lab("double", name="lab-x", title="Do it", data={"a": [1]}, text="3/2", step=0)
    assert isinstance(widget, anywidget.AnyWidget)
    assert (widget.text, widget.step, widget.data, widget.title) == ("3/2", 0, {"a": [1]}, "Do it")
    synced = widget.get_state()
    assert {"text", "step", "data", "title", "_esm", "_css"} <= set(synced)
    other = labs.lab("double", name="lab-y", title="Do it", text="1")
    assert other.text == "1" and widget.text == "3/2"


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Lab X"}, "the name of a lab"),
        ({"title": " "}, "needs a title"),
        ({"el": 1}, "cannot have state called 'el'"),
        ({"step": float("nan")}, "NaN"),
    ],
)
def test_a_lab_that_cannot_be_shown_is_refused(folder, monkeypatch, static, change, words):
    monkeypatch.setattr(page, "STATIC", static)
    with pytest.raises(ValueError, match=words):
        labs.lab("double", **{"name": "lab-x", "title": "X", **change})


def test_words_that_widgets_use_are_no_state(folder, monkeypatch):
    monkeypatch.setattr(page, "STATIC", False)
    with pytest.raises(ValueError, match="'layout': widgets use that word"):
        labs.lab("double", name="lab-x", title="X", layout=1)


@pytest.mark.parametrize("name", ["base", *labs.names()])
def test_every_lab_of_the_book_is_a_script_that_parses(name):
    script = labs.classic(name)
    with MiniRacer() as engine:
        engine.eval("var window = globalThis;" + labs.classic("base"))
        engine.eval(script)
    if name != "base":
        labs.module(name)


def test_the_base_is_small():
    import gzip

    assert len(gzip.compress(labs.classic("base").encode())) < 6000


# ------------------------------------------------------------------ base.js


@pytest.fixture
def js(engine):
    engine.eval(labs.classic("base"))
    return lambda code: json.loads(engine.eval(f"JSON.stringify((() => {{ {code} }})())"))


def test_the_generator_repeats_itself_and_stays_in_range(js):
    one = js("const r = zhLabs.base.rng(3); return Array.from({length: 1000}, r);")
    assert one == js("const r = zhLabs.base.rng(3); return Array.from({length: 1000}, r);")
    assert all(0 <= x < 1 for x in one) and 0.45 < sum(one) / 1000 < 0.55
    assert one[:5] != js("const r = zhLabs.base.rng(4); return Array.from({length: 5}, r);")


@pytest.mark.parametrize(
    ("x", "text"),
    [("0", "0"), ("-1.5", "−1.5"), ("1/3", "0.3333"), ("12345.678", "12350"), ("1e-5", "1.00e−5"),
     ("-2e9", "−2.00e+9"), ("NaN", "not a number"), ("-Infinity", "−∞")],
)  # fmt: skip
def test_numbers_are_shown_short(js, x, text):
    assert js(f"return zhLabs.base.show({x});") == text


def test_half_precision_is_numpys(js):
    import numpy as np

    numbers = np.array([0, -0.0, 1, -2.5, 1e-7, 6.1e-5, 65504, 1 / 3], np.float16)
    decode = f"globalThis.atob = () => String.fromCharCode(...{[*numbers.tobytes()]});"
    assert js(decode + "return [...zhLabs.base.half({f16: ''})];") == numbers.tolist()


def test_a_draw_is_where_the_running_sum_passes_the_number(js):
    import torch

    p = torch.tensor([0, 0.25, 0, 0.5, 0.25, 0], dtype=torch.float64)
    shares = [0, 0.2499, 0.25, 0.5, 0.7499, 0.75, 0.999999]
    found = js(f"return {shares}.map((u) => zhLabs.base.draw({p.tolist()}, u));")
    cumulative = p.cumsum(0)
    assert found == [int(torch.searchsorted(cumulative, u, right=True)) for u in shares]
    # a sum that rounding leaves below u ends at the last entry that can occur
    assert js("return zhLabs.base.draw([0.3, 0.6999, 0], 0.99999);") == 1


def test_standard_normals_have_mean_0_and_variance_1(js):
    found = js("const u = zhLabs.base.rng(1);"
               " return Array.from({length: 20000}, () => zhLabs.base.normal(u));")  # fmt: skip
    mean = sum(found) / len(found)
    assert abs(mean) < 0.03
    assert sum((x - mean) ** 2 for x in found) / len(found) == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("nearest([1, 2, 4], 3.1, 1)", 4),
        ("nearest([1, 2, 4], '2.2', 1)", 2),
        ("nearest([1, 2, 4], 'x', 7)", 7),
        ("nearest([1, 2, 4], Infinity, 7)", 7),
        ("within('9', 0, 5)", 5),
        ("within(-3, -1, 5)", -1),
        ("within(null, 2, 5)", 2),
        ("within('x', 2, 5, 3)", 3),
        ("ticks(0, 2, 10)", [k / 10 for k in range(21)]),
        ("ticks(-1, 1, 2)", [-1, -0.5, 0, 0.5, 1]),
        ("letters('Zoë-Ann 1', 4)", "zoea"),
        ("leftOut('Zoë', 4)", ""),
        ("leftOut('Zo1', 4)", "Letters a to z only. "),
        ("leftOut('maria', 4)", "At most 4 letters. "),
        ("percent(0)", "0 %"),
        ("percent(0.0004)", "<0.1 %"),
        ("percent(0.0123)", "1.2 %"),
        ("percent(0.123)", "12 %"),
        ("percent(0.994)", "99 %"),
        ("percent(0.9997)", ">99 %"),
        ("percent(1 - 1e-12)", "100 %"),
        ("odds(-Infinity)", "never"),
        ("odds(Math.log(0.75))", "75 %"),
        ("odds(Math.log(1 / 4000))", "1 in 4,000"),
        ("odds(Math.log(3.2e-8))", "1 in 31 million"),
        ("odds(Math.log(1e-20))", "1 in 1.0e+20"),
        ("odds(-1000)", "1 in 1e+434"),
    ],
)
def test_what_labs_share(js, call, value):
    assert js(f"return zhLabs.base.{call};") == value


MODEL = """
  const values = VALUES, heard = {}; let saved = 0;
  const model = { get: k => values[k], save_changes() { saved++; },
    set(k, v) {
      if (values[k] === v) return;
      values[k] = v;
      (heard["change:" + k] || []).forEach(f => f());
    },
    on(e, f) { (heard[e] ??= []).push(f); },
    off(e, f) { heard[e] = heard[e].filter(g => g !== f); } };
  const seen = [];
"""


def test_state_keeps_what_the_model_has_and_tells_once_a_change(js):
    told = js(
        MODEL.replace("VALUES", "{step: 3}")
        + """
        const s = zhLabs.base.state(model, {step: 0, word: "a"});
        s.on((all) => seen.push(all));
        s.set({step: 4, word: "b"});
        const before = s.all();
        s.off(); model.set("step", 9);
        return [before, seen, saved, s.get("step")];"""
    )
    assert told == [{"step": 4, "word": "b"}, [{"step": 4, "word": "b"}], 1, 9]


def test_data_is_a_value_or_is_fetched(engine):
    engine.eval(labs.classic("base"))
    for value, expected in (("[1]", [1]), ("async () => [2]", [2]), ("undefined", None)):
        promise = engine.eval(f"zhLabs.base.data({{ get: () => ({value}) }}).then(JSON.stringify)")
        assert json.loads(promise.get()) == expected


def test_the_site_script_parses():
    import shutil
    from pathlib import Path

    file = Path(__file__).parents[2] / "book" / "_site" / "site.js"
    if shutil.which("node"):
        subprocess.run(["node", "--check", file], check=True)
    with MiniRacer() as engine:
        engine.eval(f"new Function({json.dumps(file.read_text('utf8'))})")
