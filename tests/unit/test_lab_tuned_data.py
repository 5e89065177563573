"""Run: python -m pytest tests/unit/test_lab_tuned_data.py

What the labs of the chapter on post-training are given, and what the page computes from it.
"""
import json

import pytest
import torch
from py_mini_racer import MiniRacer

from zh import labs, page
from zh.gpt import GPT, GPTConfig
from zh.labs import frontier, tuned
from zh.post_training import recipes, requests
from zh.post_training.taste import taste

ATOB = """var window = globalThis;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
function atob(text) {
  let out = "", held = 0, have = 0;
  for (const c of text) {
    const v = LETTERS.indexOf(c);
    if (v < 0) continue;
    held = held << 6 | v; have += 6;
    if (have < 8) continue;
    have -= 8; out += String.fromCharCode(held >> have & 255); held &= (1 << have) - 1;
  }
  return out;
}
"""
POINT = {"method": "m", "label": "l", "kl": 1.23456, "taste": 1, "proxy": 2, "asked": 0.5,
         "distinct": 1.0, "samples": ["m>tom"]}


def gpt(seed=0, **more):
    g = torch.Generator().manual_seed(seed)
    return GPT(GPTConfig(**{**recipes.SIZES, **more}), generator=g).eval()


@pytest.fixture(scope="module")
def engine():
    made = MiniRacer()
    made.eval(ATOB + labs.classic("base") + labs.classic("tuned"))
    yield made
    made.close()


def test_the_page_computes_the_scores_of_the_model(engine):
    models = {"one": gpt(1), "two": gpt(2)}
    packed = tuned.pack(models, ids=requests.rows(["martin", "ada", "bo"] * 20))
    held = tuned.unpack(packed)
    ids = requests.rows(["martin"])[0, :8]
    for place, name in enumerate(models):
        js = (f"(() => {{ const n = zhLabs.tuned.network({page.to_json(packed['models'][place])});"
              f" for (const i of {ids.tolist()}) n.feed(i); return JSON.stringify([...n.logits(7)])"
              "; })()")
        found = torch.tensor(json.loads(engine.eval(js)))
        with torch.no_grad():
            wanted = held[name](ids[None])[0, -1]
            exact = models[name](ids[None])[0, -1]
        assert torch.allclose(found, wanted, atol=1e-4)
        assert (found - exact).abs().max() < 0.05


def test_the_page_judges_as_the_package_does(engine):
    names = ["ada", "martin", "bo", "z", "aaaaaa", "xyxyxyxyxyx"]
    ids = requests.rows(names, "ambzqx")
    weigh = page.to_json(tuned.pack({"one": gpt()})["taste"])
    for name, letter, points, asked in zip(names, "ambzqx", taste(ids).tolist(),
                                           requests.obeys(ids).tolist(), strict=True):
        said = json.loads(engine.eval(
            f"JSON.stringify(zhLabs.tuned.judge('{letter}', '{name}', true, {weigh}))"))
        assert said["points"] == pytest.approx(points, abs=1e-5) and said["asked"] == asked


def test_an_answer_of_the_page_ends_at_the_mark_or_is_cut(engine):
    packed = tuned.pack({"one": gpt(3)})
    said = json.loads(engine.eval(
        f"(() => {{ const p = {page.to_json(packed)}, n = zhLabs.tuned.network(p.models[0]);"
        " let u = 0.1; return JSON.stringify(Array.from({length: 20}, () => zhLabs.tuned.answer(n, "
        "p.models[0], 'm', () => (u = (u * 997.13 + 0.77) % 1), p, 1))); })()"))
    for one in said:
        assert "." not in one["text"] and len(one["text"]) <= requests.LONGEST
        assert one["ended"] or len(one["text"]) == requests.LONGEST


def test_what_is_refused():
    with pytest.raises(ValueError, match="no model"):
        tuned.pack({})
    with pytest.raises(ValueError, match="reads 5 places"):
        tuned.pack({"short": gpt(block=5)})
    assert tuned.kilobytes(tuned.pack({"one": gpt()})) < 60


def test_points_are_packed_and_checked():
    packed = frontier.pack([POINT, {**POINT, "entropy": 3.14159}])["points"]
    assert packed[0]["kl"] == 1.235 and packed[0]["entropy"] is None
    assert packed[1]["entropy"] == 3.14 and packed[0]["bound"] is False
    assert frontier.pack([{**POINT, "bound": True}])["points"][0]["bound"] is True
    with pytest.raises(ValueError, match="no points"):
        frontier.pack([])
    with pytest.raises(ValueError, match="point 0 has no 'kl'"):
        frontier.pack([{k: v for k, v in POINT.items() if k != "kl"}])
    with pytest.raises(ValueError, match="not finite"):
        frontier.pack([{**POINT, "taste": float("nan")}])
