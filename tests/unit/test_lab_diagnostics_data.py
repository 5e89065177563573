"""Run: python -m pytest tests/unit/test_lab_diagnostics_data.py

The runs of the diagnostics lab are the runs that a plain PyTorch loop makes, one by one, and what
is said of them is what a Recorder and `diagnose` say.
"""
import math
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zh.diagnostics import Recorder, diagnose
from zh.labs import diagnostics
from zh.labs.diagnostics import DIGITS, STEPS, Nets, Setting


@pytest.fixture(scope="module")
def seen():
    """Inputs and next letters of every step."""
    return diagnostics.task()


def plain(setting: Setting) -> nn.Module:
    """The same network from torch's own parts."""
    layers = OrderedDict()
    for i, w in enumerate(diagnostics.start(setting.depth, setting.width), 1):
        last = i > setting.depth
        linear = nn.Linear(*w.shape, bias=last or setting.norm == "none")
        with torch.no_grad():
            linear.weight.copy_(w.T * (diagnostics.LAST if last else setting.factor))
            if linear.bias is not None:
                linear.bias.zero_()
        layers["output" if last else f"linear {i}"] = linear
        if last:
            break
        if setting.norm == "batch":
            layers[f"batchnorm {i}"] = nn.BatchNorm1d(setting.width)
        if setting.norm == "layer":
            layers[f"layernorm {i}"] = nn.LayerNorm(setting.width)
        layers[f"{setting.f} {i}"] = nn.Tanh() if setting.f == "tanh" else nn.ReLU()
    return nn.Sequential(layers)


def trained(setting: Setting, x: torch.Tensor, y: torch.Tensor) -> Recorder:
    """A plain loop, watched at the steps of the lab."""
    model = plain(setting)
    kind = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[setting.optimizer]
    optimizer = kind(model.parameters(), setting.lr)
    with Recorder(model, every=1) as recorder:
        for step in range(STEPS[-1] + 1):
            loss = F.cross_entropy(model(x[step]), y[step])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss)
    recorder.records = [r for r in recorder.records if r.step in STEPS]
    return recorder


@pytest.mark.parametrize("setting", [
    Setting("tanh", depth=2, width=16), Setting("relu", 1.0, "batch", 0.01, "Adam", 2, 16),
    Setting("tanh", 3.0, "layer", 0.1, "SGD", 2, 16),
    Setting("relu", 0.5**0.5, lr=0.001, depth=2, width=16)], ids=str)  # fmt: skip
def test_a_point_of_the_grid_is_a_plain_run(setting, seen):
    other = Setting(setting.f, 1.0, setting.norm, 1.0, "Adam", 2, 16)  # trained beside it
    run = diagnostics.train([other, setting], *seen)[1]
    recorder = trained(setting, *seen)
    assert run.losses == pytest.approx(recorder.losses, rel=2e-3)
    assert [r.step for r in run.records] == list(STEPS)
    for ours, theirs, shown in zip(run.records, recorder.records, run.seen, strict=True):
        names = [*(f"{setting.f} {i}" for i in (1, 2)), "output"]
        layers = [theirs.layers[n] for n in names]
        weights = [theirs.parameters[f"{n}.weight"] for n in ("linear 1", "linear 2", "output")]
        close = {"rel": 5e-3, "abs": 1e-12}
        assert shown["size"] == pytest.approx([v.out.rms for v in layers], **close)
        assert shown["slope"] == pytest.approx([v.grad.rms for v in layers], **close)
        assert shown["grad"] == pytest.approx([w.grad_to_data for w in weights], **close)
        assert shown["update"] == pytest.approx([w.update_to_data for w in weights], **close)
        flat = [v.out.zeros if v.kind == "relu" else v.out.saturated or 0 for v in layers]
        assert shown["flat"] == pytest.approx(flat, abs=5e-3)
        assert list(ours.layers) == list(theirs.layers)[:len(ours.layers)]
        for name, p in theirs.parameters.items():
            mine = ours.parameters[name.replace("norm 1.weight", "norm 1.gain").replace(
                "norm 2.weight", "norm 2.gain")]
            assert mine.rms == pytest.approx(p.rms, rel=5e-3, abs=1e-9)
            assert len(mine.shape) == len(p.shape)
            assert p.slope is None or mine.slope == pytest.approx(p.slope, abs=0.02)
    ours, theirs = run.diagnose(), diagnose(recorder)
    assert ours.codes == theirs.codes
    assert [f.where for f in ours] == [f.where for f in theirs]


def test_histograms_count_the_values(seen):
    x, y = seen
    nets = Nets([Setting("tanh", depth=2, width=16)])
    out = nets.forward(x[0])["tanh 1"][0].detach().flatten()
    told = nets.step(0, x[0], y[0], watch=True)[1][0][1]
    want = torch.histc(out, diagnostics.BARS, -1, 1)
    assert told["bars"][0].tolist() == want.tolist()
    assert sum(told["bell"][1]) == out.numel()


@pytest.mark.parametrize("f, norm", [("tanh", "none"), ("relu", "none"), ("tanh", "layer"),
                                     ("relu", "layer"), ("tanh", "batch")])  # fmt: skip
def test_theory_is_right_of_wide_networks(f, norm, seen):
    x, y = seen
    setting = Setting(f, 1.4, norm, depth=4, width=512)
    shown = Nets([setting]).step(0, x[0], y[0], watch=True)[1][0][1]
    rms = float(x[0].square().mean().sqrt())
    told = diagnostics.theory(f, setting.factor, norm, 4, 512, rms)
    assert told["size"] == pytest.approx(shown["size"][:4], rel=0.06)
    if norm == "batch":
        assert told["slope"] is None
    else:
        assert told["slope"] == pytest.approx(shown["slope"][:4], rel=0.15)
    for bars, counted in zip(told["bars"], shown["bars"], strict=True):
        share = torch.tensor(counted) / sum(counted)
        assert (torch.tensor(bars) / sum(bars) - share).abs().max() < 0.03


@given(st.floats(1e-17, 1e20))
def test_a_size_keeps_its_first_digits(x):
    assert diagnostics.size_of(diagnostics.size_code(x)) == pytest.approx(x, rel=0.012)


def test_sizes_that_are_none():
    assert diagnostics.size_of(diagnostics.size_code(0.0)) == 0.0
    for x in (math.nan, math.inf, 1e30):
        assert diagnostics.size_of(diagnostics.size_code(x)) == math.inf


def test_what_is_packed_stands_where_the_page_looks(seen):
    settings = [Setting("relu", lr=lr, depth=2, width=16) for lr in (0.1, 1e10, 0.01)]
    runs = diagnostics.train(settings, *seen)
    packed = diagnostics.pack_runs(runs)
    assert [DIGITS.index(c) for c in packed["recorded"]] == [5, len(runs[1].seen), 5]
    assert len(runs[1].seen) < 5
    assert runs[1].nonfinite and math.isinf(diagnostics.curve(runs[1])[-1])
    step, run, row, digits = 3, 2, 1, len(DIGITS)
    at = 2 * ((step * 3 + run) * 3 + row)
    code = DIGITS.index(packed["update"][at]) * digits + DIGITS.index(packed["update"][at + 1])
    assert diagnostics.size_of(code) == pytest.approx(runs[2].seen[3]["update"][1], rel=0.012)
    at = diagnostics.BARS * ((step * 3 + run) * 2 + row)
    bars = [DIGITS.index(c) for c in packed["bars"][at:at + diagnostics.BARS]]
    counts = runs[2].seen[3]["bars"][1]
    assert bars == [round(11 * math.sqrt(v / max(counts))) for v in counts]


def test_the_grid_is_the_whole_product():
    every = list(diagnostics.points())
    assert len(every) == len(set(every)) == math.prod(map(len, diagnostics.LEVELS.values()))


def test_runs_of_different_shape_are_refused(seen):
    with pytest.raises(ValueError, match="share"):
        diagnostics.train([Setting(depth=2), Setting(depth=8)], *seen)


@pytest.mark.parametrize("f", ["tanh", "relu"])
def test_a_break_is_where_it_is_said_to_be(f, seen):
    sound = Setting(f, depth=5, width=32)
    much = diagnostics.MUCH
    runs = dict(zip(
        [None, *diagnostics.BREAKS], diagnostics.train([sound] + [
            Setting(f, depth=5, width=32, broken=kind, layer=3, much=much.get(kind, 1.0))
            for kind in diagnostics.BREAKS], *seen, 1), strict=True))  # fmt: skip
    first, last = ({k: r.seen[i] for k, r in runs.items()} for i in (0, 3))
    assert first["biases"]["stuck"][2] > 0.9 > max(first["biases"]["stuck"][:2])
    ratio = {k: v["size"][2] / v["size"][1] for k, v in first.items()}
    assert ratio["small"] < 0.05 * ratio[None]
    assert ratio["large"] > (10 if f == "relu" else 1.2) * ratio[None]
    assert last["cut"]["slope"][:3] == [0, 0, 0] and min(last["cut"]["slope"][3:]) > 0
    assert last["left out"]["update"][2] == 0 < last["left out"]["grad"][2]
    assert min(v for i, v in enumerate(last["left out"]["update"]) if i != 2) > 0
    assert diagnostics.named(runs[None]) and diagnostics.named(runs["cut"])
    for run in runs.values():
        text = diagnostics.evidence(run)
        assert text.endswith(".") and (run.setting.broken is None or "layer" in text.lower())
