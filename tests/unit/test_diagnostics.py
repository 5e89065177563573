"""Run: python -m pytest tests/unit/test_diagnostics.py

What a Recorder says against the same numbers from saved activations and from autograd; what it
leaves behind; and the rules of `diagnose`, one fault at a time (tests/runs/test_battery.py has the
networks of the battery).
"""
import copy
import gc
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn

from zh import plots, training
from zh.diagnostics import LIMITS, Recorder, diagnose
from zh.diagnostics.statistics import BINS, LARGEST, activations, entries, merge
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh
from zh.mlp import MLP


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind():
    """Recorders that a test forgot go, and what they hold back with them."""
    yield
    gc.collect()


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(inputs=6, classes=3, n=20, seed=1):
    g = gen(seed)
    return torch.randn(n, inputs, generator=g), torch.randint(classes, (n,), generator=g)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def run(model, x, y, steps=7, every=3, lr=0.1, recorder=None, **kwargs):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr)
    recorder = recorder or Recorder(model, every=every, **kwargs)
    for _ in range(steps):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.step(loss)
    recorder.detach()
    return recorder


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
               for m in model.modules())


# --------------------------------------------------------------------------- statistics


def test_the_entries_of_a_tensor_by_hand():
    x = torch.tensor([[0.0, -2.0], [4.0, 0.0], [1.0, 3.0]])
    v = entries(x)
    assert (v.count, v.low, v.high, v.nonfinite) == (6, -2, 4, 0)
    assert v.mean == pytest.approx(1) and v.zeros == pytest.approx(1 / 3)
    assert v.rms == pytest.approx(math.sqrt(30 / 6)) and v.norm == pytest.approx(math.sqrt(30))
    assert v.std == pytest.approx(float(x.std(correction=0)))


def test_the_units_of_an_activation_by_hand():
    g = gen(3)
    x = torch.randn(40, 5, generator=g) * torch.tensor([1.0, 2, 3, 1, 0]) + torch.arange(5)
    v = activations(x)
    np.testing.assert_allclose(v.unit_mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(v.unit_std, x.std(0, correction=0), rtol=1e-5, atol=1e-7)
    assert v.spread == pytest.approx(float(x.var(0, correction=0).mean().sqrt()), rel=1e-5)
    assert v.std == pytest.approx(float(x.std(correction=0)), rel=1e-5)
    assert v.rms == pytest.approx(float(x.square().mean().sqrt()), rel=1e-5)
    assert v.same.tolist() == [False] * 4 + [True] and v.rows == 40 and v.distinct == 4


@pytest.mark.parametrize("scale", [1e-42, 1e-6, 1.0, 1e6, 6e37])
def test_the_histogram_is_numpys(scale):
    x = torch.randn(500, generator=gen(0)) * scale
    v = entries(x)
    there, edges = np.histogram(x.double().numpy(), BINS, (v.low, v.high))
    assert np.abs(v.histogram - there).sum() <= 2 and v.histogram.sum() == 500
    np.testing.assert_allclose(v.edges, edges)


def test_saturated_and_dead_units_by_hand():
    t = torch.tensor([[0.99, 0.99, 0.1], [0.98, -0.99, 0.2]])
    v = activations(t, kind="tanh")
    assert v.saturated == pytest.approx(4 / 6) and v.dead.tolist() == [True, False, False]
    s = (1 + t) / 2                                   # the same curve as a sigmoid
    w = activations(s, kind="sigmoid")
    assert w.saturated == v.saturated and w.dead.tolist() == v.dead.tolist()
    r = activations(torch.tensor([[0.0, 0, 1], [0, 2, 0]]), kind="relu")
    assert r.saturated is None and r.dead.tolist() == [True, False, False]


def test_channels_are_units_over_examples_and_places():
    x = torch.randn(4, 3, 5, 5, generator=gen(0))
    v = activations(x, axis=1)
    np.testing.assert_allclose(v.unit_mean, x.mean((0, 2, 3)), atol=1e-6)
    assert v.rows == 100 and len(v.same) == 3


def test_copies_are_counted_once():
    x = torch.randn(30, 4, generator=gen(0))
    assert activations(x[:, [0, 0, 1, 1, 1, 2]]).distinct == 3
    assert activations(x).distinct == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n", [50, 3 * LARGEST])
def test_one_bad_entry_is_never_missed(bad, n):
    x = torch.zeros(n, 2)
    x[n - 7, 1] = bad
    for v in (entries(x), activations(x)):
        assert v.nonfinite == 1 and v.count == 2 * n and v.histogram is None


def test_a_large_tensor_is_measured_by_evenly_spaced_entries():
    x = torch.randn(8 * LARGEST // 64, 64, generator=gen(0))
    for v in (entries(x), activations(x)):
        assert v.count == x.numel() and v.std == pytest.approx(1, abs=0.03)
        assert v.norm == pytest.approx(float(x.norm()), rel=0.03)
    image = torch.randn(64, 16, 16, 16, generator=gen(0))
    assert activations(image, axis=1).rows == 64 * 256


def test_two_calls_together_are_as_one():
    a, b = torch.randn(30, 4, generator=gen(0)), 2 + torch.randn(10, 4, generator=gen(1))
    both, whole = merge([activations(a), activations(b)]), activations(torch.cat([a, b]))
    for name in ("count", "mean", "std", "rms", "low", "high", "rows", "spread"):
        assert getattr(both, name) == pytest.approx(getattr(whole, name), rel=1e-5), name
    assert both.histogram.sum() == whole.histogram.sum()


def test_squares_that_overflow_are_no_infinity():
    v = entries(torch.full((4,), 1e30))
    assert v.nonfinite == 0 and v.rms == pytest.approx(1e30)
    v = entries(torch.tensor([3e38, 3e38, -3e38, -3e38]))
    assert v.nonfinite == 0 and v.mean == 0 and v.std == pytest.approx(3e38)


# --------------------------------------------------------------------------- recording


def test_activations_and_gradients_are_those_of_autograd():
    model, (x, y) = network(), batch()
    outs, h = {}, x
    for i, layer in enumerate(model):
        h = layer(h)
        outs[str(i)] = h
    loss = F.cross_entropy(h, y)
    grads = dict(zip(outs, torch.autograd.grad(loss, list(outs.values()), retain_graph=True),
                     strict=True))
    weights = dict(zip(dict(model.named_parameters()),
                       torch.autograd.grad(loss, list(model.parameters())), strict=True))
    record = run(model, x, y, steps=1).records[0]
    assert list(record.layers) == ["input", "0", "1", "2", "3", "4"] and record.output == "4"
    for name, out in outs.items():
        layer = record.layers[name]
        assert layer.out.std == pytest.approx(float(out.detach().std(correction=0)), rel=1e-4)
        assert layer.grad.norm == pytest.approx(float(grads[name].norm()), rel=1e-4)
        assert layer.grad.zeros == pytest.approx(float((grads[name] == 0).float().mean()))
    assert record.layers["1"].out.saturated == pytest.approx(
        float((outs["1"].abs() > 0.97).float().mean()))
    assert record.layers["3"].out.dead.tolist() == (outs["3"] == 0).all(0).tolist()
    for name, grad in weights.items():
        assert record.parameters[name].grad.norm == pytest.approx(float(grad.norm()), rel=1e-4)


def test_ratios_are_those_of_plain_descent():
    model, (x, y) = network(), batch()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    record = run(model, x, y, steps=1, lr=0.25).records[0]
    for name, p in record.parameters.items():
        rms = float(before[name].square().mean().sqrt())
        assert p.rms == pytest.approx(rms, rel=1e-5)
        assert p.grad_to_data == pytest.approx(p.grad.rms / rms, rel=1e-5)
        assert p.update_to_data == pytest.approx(0.25 * p.grad_to_data, rel=1e-4)
        assert p.slope == pytest.approx(-1, abs=1e-5)


def test_the_gradient_is_seen_before_it_is_clipped_or_cleared():
    model, (x, y) = network(), batch()
    recorder = Recorder(model, every=1)
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    norm = float(model[0].weight.grad.norm())
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-6)
    model.zero_grad()
    recorder.step(loss)
    recorder.detach()
    assert recorder.at().parameters["0.weight"].grad.norm == pytest.approx(norm, rel=1e-5)


def test_every_third_step_and_the_first():
    recorder = run(network(), *batch(), steps=8)
    assert [r.step for r in recorder.records] == [0, 3, 6] and len(recorder.losses) == 8
    assert recorder.at(4).step == 3 and recorder.at().step == 6
    assert recorder.records[1].loss == recorder.losses[3]


def test_a_long_run_is_thinned_and_keeps_its_beginning():
    recorder = run(network(), *batch(), steps=40, every=1, keep=10)
    steps = [r.step for r in recorder.records]
    assert len(steps) <= 11 and steps[0] == 0 and len(set(np.diff(steps))) == 1


def test_training_is_the_same_with_and_without():
    a, b = network(), network()
    run(a, *batch(), every=2)
    Recorder(b).detach()
    optimizer = torch.optim.SGD(b.parameters(), 0.1)
    for _ in range(7):
        optimizer.zero_grad()
        F.cross_entropy(b(batch()[0]), batch()[1]).backward()
        optimizer.step()
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(p, q)


def test_it_leaves_nothing_behind():
    model, (x, _) = network(), batch()
    recorder = Recorder(model)
    assert hooks(model) > 0
    model(x)
    recorder.detach()
    recorder.detach()
    assert hooks(model) == 0 and not recorder.attached
    assert all(not p._post_accumulate_grad_hooks for p in model.parameters()
               if p._post_accumulate_grad_hooks is not None)
    with pytest.raises(RuntimeError, match="stop"), Recorder(model) as recorder:
        raise RuntimeError("stop")
    assert hooks(model) == 0


def test_between_records_there_are_no_hooks():
    model, (x, y) = network(), batch()
    recorder = Recorder(model, every=5)
    F.cross_entropy(model(x), y).backward()
    recorder.step()
    assert hooks(model) == 0
    recorder.detach()


def test_recorders_nest_and_may_leave_in_any_order():
    model, (x, y) = network(), batch()
    first, second = Recorder(model, every=1), Recorder(model, every=2)
    for step in range(3):
        loss = F.cross_entropy(model(x), y)
        model.zero_grad()
        loss.backward()
        first.step(loss)
        if step < 2:
            second.step(loss)
        if step == 1:
            second.detach()
    first.detach()
    assert [r.step for r in first.records] == [0, 1, 2] and [r.step for r in second.records] == [0]
    a, b = first.records[0].layers["1"], second.records[0].layers["1"]
    assert a.out.std == b.out.std and a.grad.std == b.grad.std and hooks(model) == 0


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.never = nn.Linear(6, 6), nn.Linear(2, 2)
        self.again, self.out = self.a, nn.Linear(6, 3)

    def forward(self, x):
        return self.out(torch.tanh(self.again(F.relu(self.a(x)))))


def test_modules_called_twice_or_never_and_functions_between():
    torch.manual_seed(0)
    model, (x, y) = Shared(), batch()
    first = model.a(x)
    both = torch.cat([first, model.a(first.relu())]).detach()
    record = run(model, x, y, steps=1).records[0]
    assert record.layers["a"].calls == 2 and "again" not in record.layers
    assert record.layers["a"].out.std == pytest.approx(float(both.std(correction=0)), rel=1e-4)
    assert record.layers["a (input)"].kind == "relu"
    assert record.layers["out (input)"].kind == "tanh"
    assert "never" not in record.layers
    assert record.parameters["never.weight"].grad is None
    assert record.parameters["never.weight"].update == 0


def test_frozen_parameters():
    model, (x, y) = network(), batch()
    model[0].requires_grad_(False)
    record = run(model, x, y).at()
    assert not record.parameters["0.weight"].trainable
    assert record.parameters["0.weight"].update == 0 and record.layers["0"].grad is None
    assert record.layers["2"].grad is not None


def test_bfloat16_autocast_is_measured_in_float32():
    model, (x, y) = network(), batch()
    recorder = Recorder(model, every=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(x)
        loss = F.cross_entropy(out.float(), y)
    assert out.dtype == torch.bfloat16
    loss.backward()
    recorder.step(loss)
    recorder.detach()
    layer = recorder.at().layers["4"]
    assert layer.out.std == pytest.approx(float(out.detach().float().std(correction=0)), rel=1e-3)
    assert layer.grad.norm > 0 and recorder.nonfinite is None


def test_a_compiled_model():
    model, (x, y) = network(), batch()
    compiled = torch.compile(model, backend="eager")
    want = compiled(x)                                 # compiled before anybody watches
    recorder = Recorder(compiled, every=2)
    counted = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for _ in range(4):
        loss = F.cross_entropy(compiled(x), y)
        loss.backward()
        model.zero_grad()
        recorder.step(loss)
    recorder.detach()
    assert list(recorder.at().layers) == ["input", "0", "1", "2", "3", "4"]
    assert recorder.at().layers["1"].grad is not None
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == counted, "compiled again"
    torch.testing.assert_close(compiled(x), want)


def test_a_recorder_that_is_forgotten_holds_no_compiled_code_back():
    from torch._dynamo.testing import CompileCounter

    gc.collect()                                       # what other tests left behind
    Recorder(network())                                # never detached
    gc.collect()
    counter, (x, _) = CompileCounter(), batch()
    torch.compile(network(), backend=counter)(x)
    assert counter.frame_count == 1


def test_a_validation_inside_a_recorded_step_is_no_eval_mode():
    model, (x, y) = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)), batch()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with Recorder(model, every=1) as recorder:
        for forgotten in (False, True):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model.eval()
            with torch.no_grad():
                model(x)
            if not forgotten:
                model.train()
            recorder.step(loss)
        assert [record.training for record in recorder.records] == [True, True]
        loss = F.cross_entropy(model(x), y)            # this one trains in eval mode
        loss.backward()
        recorder.step(loss)
        assert recorder.records[-1].training is False


def test_a_compiled_part_keeps_its_name():
    torch.manual_seed(0)
    model = nn.Sequential(torch.compile(nn.Linear(6, 8), backend="eager"), nn.Linear(8, 3))
    record = run(model, *batch(), steps=1).records[0]
    assert {"0", "1"} <= set(record.layers) and "0.weight" in record.parameters


def test_inplace_functions_tuples_and_recurrent_layers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.act = nn.Linear(6, 8), nn.ReLU(inplace=True)
            self.rnn, self.out = nn.GRU(8, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.out(self.rnn(self.act(self.fc(x))[:, None])[0][:, 0])

    torch.manual_seed(0)
    model, (x, y) = Net(), batch()
    h = model.fc(x).detach()
    record = run(model, x, y, steps=1).records[0]
    assert record.layers["fc"].out.std == pytest.approx(float(h.std(correction=0)), rel=1e-4)
    assert record.layers["act"].out.low == 0 and record.layers["act"].kind == "relu"
    assert record.layers["rnn"].shape == (20, 1, 5) and record.layers["rnn"].grad is not None


def test_outputs_in_a_dict_and_inputs_by_name():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 3)

        def forward(self, *, inputs):
            return {"logits": self.fc(inputs), "inputs": inputs}

    torch.manual_seed(0)
    model, (x, y) = Net(), batch()
    with Recorder(model) as recorder:
        F.cross_entropy(model(inputs=x)["logits"], y).backward()
    record = recorder.at()
    assert list(record.layers) == ["input", "fc"] and record.output == "fc"
    assert record.layers["fc"].source == "input"


def test_a_validation_between_steps_is_left_out():
    model, (x, y) = network(), batch()
    recorder = Recorder(model, every=1)
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    with torch.no_grad():
        model(100 * x)
    recorder.step(loss)
    recorder.detach()
    assert recorder.at().layers["0"].calls == 1


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_a_backward_pass(mode):
    model, (x, _) = network(), batch()
    with mode(), Recorder(model) as recorder:
        model(x)
    record = recorder.at()
    assert record.layers["1"].grad is None and record.parameters["0.weight"].update is None
    assert diagnose(recorder).codes == []


def test_the_first_nan_has_a_place_and_a_step():
    class Log(nn.Module):
        def forward(self, x):
            return torch.log(x)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), Log(), nn.Linear(8, 3))
    event = run(model, *batch(), steps=2, every=1).nonfinite
    assert (event.step, event.what, event.place, event.by) == (0, "output", "2", "log")


def test_nan_between_two_records_is_seen_in_the_loss():
    model, (x, y) = network(), batch()
    recorder = Recorder(model, every=10)
    for step in range(3):
        loss = F.cross_entropy(model(x * (math.nan if step == 2 else 1)), y)
        recorder.step(loss)
    recorder.detach()
    assert (recorder.nonfinite.step, recorder.nonfinite.what) == (2, "loss")
    assert not recorder.nonfinite.sampled
    assert "every=1" in str(diagnose(recorder))


def test_gradient_accumulation_within_a_step_is_no_stale_gradient():
    model, (x, y) = network(), batch()
    recorder = Recorder(model, every=1)
    for _ in range(3):
        model.zero_grad()
        for half in (slice(0, 10), slice(10, 20)):
            F.cross_entropy(model(x[half]), y[half]).backward()
        recorder.step()
    recorder.detach()
    assert not any(r.stale for r in recorder.records)
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    want = 2 * float(model[0].weight.grad.norm())
    assert recorder.at().parameters["0.weight"].grad.norm == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize("wrong, error, words", [
    (lambda: Recorder(lambda x: x), TypeError, "torch.nn.Module"),
    (lambda: Recorder(network(), every=0), ValueError, "every is 0"),
    (lambda: Recorder(nn.LazyLinear(3)), ValueError, "run one batch"),
    (lambda: Recorder(network()).step(torch.ones(2)), ValueError, "one number"),
    (lambda: Recorder(network()).at(), LookupError, "nothing is recorded"),
    (lambda: diagnose(Recorder(network())), LookupError, "nothing is recorded"),
])
def test_errors_say_what_to_do(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


# --------------------------------------------------------------------------- zh's layers


def zh_network(seed=0):
    g = gen(seed)
    return Sequential(Embedding(9, 4, generator=g), Flatten(), Linear(12, 10, generator=g),
                      BatchNorm1d(10), Tanh(), Linear(10, 9, generator=g))


def zh_batch(n=24):
    g = gen(5)
    return torch.randint(9, (n, 3), generator=g), torch.randint(9, (n,), generator=g)


def test_zh_layers_are_watched_and_left_as_they_were():
    model, (x, y) = zh_network(), zh_batch()
    loss = F.cross_entropy(model(x), y)
    outs = {str(i): layer.out for i, layer in enumerate(model)}
    grads = dict(zip(outs, torch.autograd.grad(loss, list(outs.values())), strict=True))
    plain = [set(vars(layer)) for layer in (model, *model)]
    with Recorder(model) as one, Recorder(model) as two:
        F.cross_entropy(model(x), y).backward()
        one.detach()                                   # not the last to have come
        assert "forward" in vars(model[4])
    assert [set(vars(layer)) for layer in (model, *model)] == plain
    record = two.at()
    assert list(one.at().layers) == list(record.layers) == ["input", "0", "2", "3", "4", "5"]
    assert record.output == "5" and record.layers["2"].source == "0"
    for name in ("2", "3", "4", "5"):
        assert record.layers[name].grad.norm == pytest.approx(float(grads[name].norm()), rel=1e-4)
        assert record.layers[name].out.std == pytest.approx(
            float(outs[name].detach().std(correction=0)), rel=1e-4)
    assert set(record.parameters) == {"0.weight", "2.weight", "2.bias", "3.gain", "3.bias",
                                      "5.weight", "5.bias"}


def test_the_training_loop_takes_it_as_a_callback():
    model = MLP(block=3, dim=4, hidden=16, vocab=9, generator=gen(0))
    recorder = Recorder(model, every=5)
    training.train(model, lambda g: zh_batch(), 12, lr=0.1, generator=gen(1), progress=False,
                   loss=lambda m, x, y: F.cross_entropy(m(x), y), callbacks=[recorder.callback])
    recorder.detach()
    assert [r.step for r in recorder.records] == [0, 5, 10] and len(recorder.losses) == 12
    assert "3" in recorder.at().layers and diagnose(recorder).codes == []


class OwnPasses(MLP):
    """Its loss reads the weights itself and calls no layer."""

    def loss(self, x, y):
        h = torch.tanh(self[0].weight[x].flatten(1) @ self[2].weight + self[2].bias)
        return F.cross_entropy(h @ self[4].weight + self[4].bias, y)


def after_two_losses(make):
    model = make(block=3, dim=4, hidden=16, vocab=9, generator=gen(0))
    recorder = Recorder(model, every=1)
    for _ in range(2):
        loss = model.loss(*zh_batch())
        loss.backward()
        recorder.step(loss)
    recorder.detach()
    return recorder


def test_a_model_that_does_its_own_passes_is_said_to_be_closed():
    recorder = after_two_losses(OwnPasses)
    assert not recorder.at().layers and recorder.at().parameters["2.weight"].grad.norm > 0
    assert "model(x)" in str(diagnose(recorder))


def test_a_watched_mlp_goes_through_its_layers():
    recorder = after_two_losses(MLP)
    assert {"2", "3", "4"} <= set(recorder.at().layers)


# --------------------------------------------------------------------------- diagnosis


def test_a_finding_has_words_numbers_and_advice():
    model = network()
    nn.init.constant_(model[2].bias, -50)
    told = diagnose(run(model, *batch()))
    first = told.findings[0]
    assert first.code == "dead" and first.where[0] == "3" and "100 %" in first.evidence
    assert first.causes and first.remedies
    text = str(told)
    assert "where:    3" in text and "causes:   1." in text and "shuffled" in text
    assert "<code>3" in told._repr_html_() and "—" not in text


def test_dead_units_with_large_biases_do_not_make_the_signal_grow():
    torch.manual_seed(0)
    rows = [m for i in range(4) for m in (nn.Linear(12 if i else 6, 12), nn.ReLU())]
    model = nn.Sequential(*rows, nn.Linear(12, 3))
    nn.init.constant_(model[2].bias, -50)
    assert diagnose(run(model, *batch())).codes[0] == "dead"


def test_the_dead_report_says_how_many_were_dead_at_the_start():
    model = network()
    x, y = batch()
    recorder = Recorder(model, every=1)
    with recorder:
        for step in range(6):
            if step == 3:
                nn.init.constant_(model[2].bias, -50)
            loss = F.cross_entropy(model(x), y)
            model.zero_grad()
            loss.backward()
            recorder.step(loss)
    told = next(f for f in diagnose(recorder) if f.code == "dead")
    assert told.step is None and "at step 0 it was" in told.evidence
    assert "learning rate" in told.causes[0]


def test_a_loss_that_is_multiplied_is_not_a_network_that_is_sure():
    model = network()
    with Recorder(model, every=1) as recorder:
        for _ in range(4):
            x, y = batch()
            loss = 10 * F.cross_entropy(model(x), y)
            model.zero_grad()
            loss.backward()
            recorder.step(loss)
    assert "hot_scores" not in diagnose(recorder).codes


def test_changes_of_many_times_are_not_told_in_percent():
    from zh.diagnostics.findings import _of_itself

    assert _of_itself(0.03) == "3 % of itself" and _of_itself(37.2) == "37 times its size"


def test_a_diagnosis_in_html_folds_what_follows():
    model = network()
    nn.init.constant_(model[2].bias, -50)
    told = diagnose(run(model, *batch()))
    html = told._repr_html_()
    after = [f for f in told if f.follows]
    assert 0 < len(after) < len(told) == html.count("Likely causes")
    assert html.count("<details>") == len(after) == html.count("Probably because of")
    assert 'class="zh-diagnosis zh-diagnosis-found"' in html
    told.findings.clear()
    assert "zh-diagnosis-silent" in told._repr_html_() and "Nothing wrong" in told._repr_html_()


def test_a_healthy_network_is_met_with_silence_and_a_caveat():
    told = diagnose(run(network(), *batch()))
    assert len(told) == 0
    assert "Nothing wrong in what was recorded" in str(told) and "not trained on" in str(told)


def test_limits_can_be_changed():
    recorder = run(network(), *batch())
    strict = replace(LIMITS, fast=1e-9)
    assert diagnose(recorder, strict).codes == ["too_fast"]


def test_multiplying_the_loss_changes_no_finding_about_depth():
    """A rule that compares like with like does not see the unit of the loss."""
    def depth(scale):
        g = gen(0)
        layers = []
        for _ in range(8):
            layer = nn.Linear(20, 20)
            with torch.no_grad():
                layer.weight.copy_(0.2 / 20 ** 0.5 * torch.randn(20, 20, generator=g))
            layers += [layer, nn.Tanh()]
        model = nn.Sequential(*layers, nn.Linear(20, 3))
        x, y = batch(inputs=20)
        with Recorder(model) as recorder:
            (scale * F.cross_entropy(model(x), y)).backward()
        return diagnose(recorder).findings[0]

    torch.manual_seed(0)
    small = depth(1e-4)
    torch.manual_seed(0)
    large = depth(1e4)
    assert small.code == large.code == "vanishing" and small.where == large.where


def test_a_consequence_stands_after_its_cause():
    torch.manual_seed(0)
    model, (x, y) = network(), batch()
    told = diagnose(run(model, 300 + x, y, lr=0.5))
    assert told.codes[0] == "unscaled_input"
    assert all(f.follows for f in told.findings[1:])


# --------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("draw", [plots.activation_histograms, plots.gradient_histograms,
                                  plots.weight_gradient_histograms, plots.update_ratios])
@pytest.mark.parametrize("make", [lambda: run(network(), *batch()),
                                  lambda: run(zh_network(), *zh_batch())])
def test_each_plot_is_one_call_and_says_its_step(draw, make):
    fig = draw(make())
    assert isinstance(fig, Figure) and fig.axes[0].get_lines() or fig.axes[0].patches
    assert "6" in fig.axes[0].get_title() and "step" in fig.axes[0].get_title()
    assert len(plots.to_svg(fig, "curves", "x")) > 1000


def test_a_plot_of_a_named_layer_and_step():
    recorder = run(network(), *batch())
    fig = plots.activation_histograms(recorder, step=0, layers=["2"])
    assert "step 0" in fig.axes[0].get_title()
    assert "2 linear" in fig.axes[0].get_legend().get_texts()[0].get_text()
    with pytest.raises(KeyError, match="no layer 'x'"):
        plots.activation_histograms(recorder, layers=["x"])


def test_a_copy_of_a_watched_model_is_free():
    model, (x, y) = network(), batch()
    recorder = run(model, x, y)
    twin = copy.deepcopy(model)
    assert hooks(twin) == 0 and len(recorder) == 3


def test_the_example_of_the_readme_names_the_layer(capsys):
    text = (Path(__file__).parents[2] / "README.md").read_text("utf8")
    exec(re.search(r"```python\n(.*?)```", text, re.S)[1], {})
    said = capsys.readouterr().out
    assert re.search(r"1\. A layer is dead.*\n +where: +3\n", said), said
