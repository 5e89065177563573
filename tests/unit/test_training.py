"""`zh.training` beside a plain torch loop, torch's schedulers, and runs that are really killed."""
import json
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import data, page, training
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh
from zh.training import TrainingError, cosine, evaluate, find_lr, step_down, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def letters():
    """Contexts (N, 3) and their next letters, of a few names."""
    return data.windows(data.names()[:300], 3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def ours(seed=0):
    """Layers of zh, with batch normalisation: parameters and buffers."""
    g = seeded(seed)
    return Sequential(Embedding(27, 4, generator=g), Flatten(), Linear(12, 16, generator=g),
                      BatchNorm1d(16), Tanh(), Linear(16, 27, generator=g))


def theirs(seed=0):
    """The same shape of network from torch.nn, with dropout: it draws from the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Embedding(27, 4), torch.nn.Flatten(), torch.nn.Linear(12, 16),
            torch.nn.BatchNorm1d(16), torch.nn.Tanh(), torch.nn.Dropout(0.2),
            torch.nn.Linear(16, 27))


MODELS = {"zh": ours, "torch": theirs}
OPTIMIZERS = {
    "plain": lambda model: None,
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "adamw": lambda model: torch.optim.AdamW(model.parameters(), lr=0.01),
    "adagrad": lambda model: torch.optim.Adagrad(model.parameters(), lr=0.01),
}


def draw_from(letters, size=8):
    return lambda g: data.batch(*letters, size, g)


def same(a, b):
    """Equal in every bit: two state dicts."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def copies(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


# ---------------------------------------------------------------------------
# The loop is the loop that one would write


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_equal_to_a_plain_torch_loop_in_every_bit(letters, kind, optimizer):
    model, plain = MODELS[kind](), MODELS[kind]()
    schedule = cosine(0.05, 40, warmup=5)
    torch.manual_seed(3)                             # dropout
    history = train(model, draw_from(letters), 40, lr=schedule, generator=seeded(1),
                    optimizer=OPTIMIZERS[optimizer](model), progress=False)

    torch.manual_seed(3)
    g, losses = seeded(1), []
    how = OPTIMIZERS[optimizer](plain) or torch.optim.SGD(plain.parameters())
    for step in range(40):
        rows = torch.randint(len(letters[0]), (8,), generator=g)
        loss = F.cross_entropy(plain(letters[0][rows]), letters[1][rows])
        how.zero_grad()
        loss.backward()
        for group in how.param_groups:
            group["lr"] = schedule(step)
        how.step()
        losses.append(loss.item())
    assert history.losses == losses
    assert history.lrs == [schedule(step) for step in range(40)]
    assert same(model.state_dict(), plain.state_dict())


def test_without_a_learning_rate_it_is_a_tenth_or_what_the_optimizer_has(letters):
    assert train(ours(), draw_from(letters), 2, generator=seeded(), progress=False).lrs == [0.1] * 2
    model = ours()
    groups = [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[2].parameters()}]
    before = copies(model)
    optimizer = torch.optim.SGD(groups, lr=0.25)
    history = train(model, draw_from(letters), 2, generator=seeded(), progress=False,
                    optimizer=optimizer)
    groups = optimizer.param_groups
    assert history.lrs == [0.5] * 2
    after = model.state_dict()
    assert [group["lr"] for group in groups] == [0.5, 0.25]         # each group keeps its own
    assert torch.equal(before["5.weight"], after["5.weight"])       # in no group: stays
    assert not torch.equal(before["2.weight"], after["2.weight"])


def test_loss_of_the_model_and_a_loss_of_ones_own(letters):
    class Halved(Sequential):
        def loss(self, x, y):
            return F.cross_entropy(self(x), y) / 2

    kind = Halved(*ours().layers)
    own = train(kind, draw_from(letters), 1, generator=seeded(), progress=False).losses[0]
    cross = train(ours(), draw_from(letters), 1, generator=seeded(), progress=False).losses[0]
    given = train(ours(), draw_from(letters), 1, generator=seeded(), progress=False,
                  loss=lambda model, x, y: 3 * F.cross_entropy(model(x), y)).losses[0]
    assert own == cross / 2 and given == pytest.approx(3 * cross)


class ByHand(Sequential):
    """A model that gives its own gradients, and counts how often it was asked."""

    asked = 0

    def gradients(self, x, y):
        self.asked += 1
        with torch.enable_grad():
            loss = F.cross_entropy(self(x), y)
            return loss.detach(), list(torch.autograd.grad(loss, self.parameters()))


def test_gradients_of_the_model_are_taken_without_autograd(letters):
    by_hand, plain = ByHand(*ours().layers), ours()
    a = train(by_hand, draw_from(letters), 5, generator=seeded(), progress=False)
    b = train(plain, draw_from(letters), 5, generator=seeded(), progress=False)
    assert by_hand.asked == 5
    assert a == b and same(by_hand.state_dict(), plain.state_dict())
    train(by_hand, draw_from(letters), 5, generator=seeded(), progress=False,
          loss=lambda model, x, y: F.cross_entropy(model(x), y))
    assert by_hand.asked == 5                            # a loss of one's own comes first


def test_gradients_that_are_not_finite_are_named_without_autograd_too(letters):
    class Broken(ByHand):
        def gradients(self, x, y):
            loss, gradients = super().gradients(x, y)
            gradients[1][0, 0] = math.nan
            return loss, gradients

    with pytest.raises(TrainingError, match=r"step 0: .* gradient of 2\.weight is"):
        train(Broken(*ours().layers), draw_from(letters), 5, generator=seeded(), progress=False)


def test_an_inherited_shortcut_of_another_model_is_not_taken(letters):
    """A subclass that changes `forward` still inherits `loss` and `gradients`: they are stale."""
    class Own(ByHand):
        def loss(self, x, y):
            pytest.fail("the loss of another model")

        def gradients(self, x, y):
            pytest.fail("the gradients of another model")

    class Changed(Own):
        def forward(self, x):
            return 2 * super().forward(x)

    class OtherLoss(Own):
        def loss(self, x, y):
            return F.cross_entropy(self(x), y, label_smoothing=0.1)

    changed = train(Changed(*ours().layers), draw_from(letters), 1, generator=seeded(),
                    progress=False).losses[0]
    smooth = train(OtherLoss(*ours().layers), draw_from(letters), 1, generator=seeded(),
                   progress=False).losses[0]
    x, y = draw_from(letters)(seeded())
    with torch.no_grad():
        assert changed == F.cross_entropy(2 * ours()(x), y).item()
        assert smooth == F.cross_entropy(ours()(x), y, label_smoothing=0.1).item()


def test_a_loss_kept_in_an_attribute_is_not_the_models_loss(letters):
    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.loss = theirs(), torch.nn.MSELoss()

        def forward(self, x):
            return self.body(x)

    assert train(Wrapped(), draw_from(letters), 1, generator=seeded(), progress=False).losses


def test_callbacks_see_each_step_with_its_gradient(letters):
    seen = []

    def look(step, model, history):
        seen.append((step, len(history.losses), model[2].weight.grad is not None))

    train(ours(), draw_from(letters), 3, generator=seeded(), callbacks=[look], progress=False)
    assert seen == [(0, 1, True), (1, 2, True), (2, 3, True)]


def test_frozen_parameters_stay_and_no_steps_change_nothing(letters):
    model = theirs()
    model[0].weight.requires_grad_(False)
    before = copies(model)
    assert train(model, draw_from(letters), 0, generator=seeded()).losses == []
    assert same(before, model.state_dict())
    train(model, draw_from(letters), 3, generator=seeded(), progress=False)
    assert torch.equal(before["0.weight"], model[0].weight)
    assert not torch.equal(before["2.weight"], model[2].weight)


def test_training_switches_the_model_to_training(letters):
    model = ours().eval()
    train(model, draw_from(letters), 1, generator=seeded(), progress=False)
    assert model.training and model[3].training


# ---------------------------------------------------------------------------
# Schedules, beside torch's


def torchs(make, steps, lr):
    parameter = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([parameter], lr=lr)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


scheduler = torch.optim.lr_scheduler


@settings(max_examples=25)
@given(st.floats(1e-4, 10), st.integers(1, 60), st.floats(0, 1))
def test_cosine_is_torchs(lr, steps, floor):
    ours = cosine(lr, steps, floor=floor * lr)
    torch_rates = torchs(lambda o: scheduler.CosineAnnealingLR(o, steps, eta_min=floor * lr),
                         steps + 1, lr)
    assert [ours(step) for step in range(steps + 1)] == pytest.approx(torch_rates, abs=1e-9 * lr)
    assert ours(steps) == pytest.approx(floor * lr)
    assert ours(10 * steps) == ours(steps)                # it stays down


def test_warmup_climbs_in_equal_steps_and_the_cosine_starts_at_its_top():
    rate = cosine(0.6, steps=50, warmup=5, floor=0.1)
    assert [rate(step) for step in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    rest = torchs(lambda o: scheduler.CosineAnnealingLR(o, 45, eta_min=0.1), 46, 0.6)
    assert [rate(step) for step in range(5, 51)] == pytest.approx(rest)


@given(st.dictionaries(st.integers(1, 30), st.sampled_from([0.1, 0.5]), max_size=4))
def test_step_down_is_torchs_multistep(at):
    ours = step_down(0.3, at=at)
    torch_rates = torchs(lambda o: scheduler.MultiplicativeLR(
        o, lambda step: at.get(step, 1.0)), 35, 0.3)
    assert [ours(step) for step in range(35)] == pytest.approx(torch_rates)


def test_constant():
    assert {training.constant(0.2)(step) for step in (0, 7, 10**9)} == {0.2}


@pytest.mark.parametrize("make, says", [
    (lambda: training.constant(float("nan")), "finite"),
    (lambda: training.constant(-0.1), "0 or more"),
    (lambda: step_down(0.1, at={5: float("inf")}), "factor at step 5"),
    (lambda: cosine(0.1, 10, warmup=10), "warmup is 10"),
    (lambda: cosine(0.1, 10, floor=0.2), "floor is 0.2"),
])
def test_schedules_refuse_what_cannot_be(make, says):
    with pytest.raises(ValueError, match=says):
        make()


# ---------------------------------------------------------------------------
# What is not finite stops the run and is named


@pytest.mark.parametrize("kind", MODELS)
def test_a_parameter_that_is_not_finite_is_named(letters, kind):
    model = MODELS[kind]()

    def spoil(step, model, history):
        if step == 2:
            with torch.no_grad():
                model[2].weight[0, 0] = math.nan

    with pytest.raises(TrainingError, match=r"step 3: the loss is nan, and 2\.weight") as info:
        train(model, draw_from(letters), 9, generator=seeded(), callbacks=[spoil], progress=False)
    assert (info.value.step, info.value.parameter) == (3, "2.weight")
    assert "learning rate" in str(info.value)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_named_before_anything_moves(letters, kind, value):
    model = MODELS[kind]()
    model[2].bias.register_hook(lambda grad: torch.full_like(grad, value))
    before = {name: p.clone() for name, p in model.named_parameters()}
    with pytest.raises(TrainingError, match=r"step 0: .* gradient of 2\.bias is") as info:
        train(model, draw_from(letters), 5, generator=seeded(), progress=False)
    assert info.value.parameter == "2.bias"
    assert same(before, dict(model.named_parameters()))


def test_finite_gradients_whose_sum_overflows_are_fine(letters):
    model = theirs().eval()
    model[2].weight.register_hook(lambda grad: torch.full_like(grad, 3e38))
    train(model, draw_from(letters), 1, lr=0.0, generator=seeded(), progress=False)


def test_a_loss_that_is_not_finite_with_sound_parameters_blames_the_data(letters):
    with pytest.raises(TrainingError, match="step 0: the loss is inf while every") as info:
        train(ours(), draw_from(letters), 5, generator=seeded(), progress=False,
              loss=lambda model, x, y: F.cross_entropy(model(x), y) * math.inf)
    assert info.value.parameter is None and "minibatch" in str(info.value)


def test_parameters_that_blow_up_in_the_last_step_are_seen(letters):
    with pytest.raises(TrainingError, match="step 1: .* not finite any more"):
        train(ours(), draw_from(letters), 1, lr=3e38, generator=seeded(), progress=False,
              loss=lambda model, x, y: 1e3 * F.cross_entropy(model(x), y))


def test_a_schedule_that_leaves_the_numbers_is_named(letters):
    with pytest.raises(TrainingError, match="step 2: the schedule gives the learning rate nan"):
        train(ours(), draw_from(letters), 5, generator=seeded(), progress=False,
              lr=lambda step: math.nan if step == 2 else 0.1)


def test_a_checkpoint_is_never_written_from_a_broken_model(letters, tmp_path):
    path = tmp_path / "run.safetensors"

    def spoil(step, model, history):
        if step == 3:
            with torch.no_grad():
                model[5].bias[1] = math.inf

    with pytest.raises(TrainingError, match=r"5\.bias"):
        train(ours(), draw_from(letters), 9, generator=seeded(), callbacks=[spoil],
              progress=False, checkpoint=path, every=2)
    model = ours()
    history = train(model, draw_from(letters), 9, generator=seeded(), progress=False,
                    checkpoint=path, every=2)
    assert len(history.losses) == 9                     # it went on from step 2, which is sound
    assert all(p.isfinite().all() for p in model.parameters())


# ---------------------------------------------------------------------------
# Evaluation


@pytest.mark.parametrize("kind", MODELS)
def test_evaluate_is_the_mean_in_eval_mode_and_leaves_no_trace(letters, kind):
    model = MODELS[kind]()
    X, Y = letters
    model.train()
    model[3].training = False                           # one layer has a mode of its own
    before = copies(model)
    measured = evaluate(model, X, Y, batch=97)
    assert model.training and not model[3].training and model[4].training
    assert same(before, model.state_dict())
    assert all(p.grad is None for p in model.parameters())
    model.eval()
    with torch.no_grad():
        assert measured == pytest.approx(F.cross_entropy(model(X).double(), Y).item(), rel=1e-6)


def test_evaluate_needs_no_gradients_and_adds_in_float64():
    class Sure:
        """A model that is no layer: 1e6 rows of float32 losses would not add up in float32."""

        def __call__(self, X):
            assert not torch.is_grad_enabled()
            return torch.tensor([0.1, 0.0]).expand(len(X), 2)

    n = 1_000_000
    expected = math.log(1 + math.exp(-float(torch.tensor(0.1))))
    measured = evaluate(Sure(), torch.zeros(n, 1).long(), torch.zeros(n).long())
    assert measured == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", MODELS)
def test_the_mode_comes_back_after_an_error(letters, kind):
    model = MODELS[kind]().train()
    model[3].training = False
    with pytest.raises((IndexError, RuntimeError)):
        evaluate(model, torch.full((4, 3), 99), torch.zeros(4).long())
    assert model.training and model[4].training and not model[3].training
    assert torch.is_grad_enabled()


def test_evaluate_wants_an_answer_for_each_context(letters):
    with pytest.raises(ValueError, match="as many answers"):
        evaluate(ours(), letters[0], letters[1][:-1])
    with pytest.raises(ValueError, match="at least one"):
        evaluate(ours(), letters[0][:0], letters[1][:0])


# ---------------------------------------------------------------------------
# The learning-rate finder


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("optimizer", ["plain", "adamw"])
def test_find_lr_leaves_everything_as_it_was(letters, kind, optimizer):
    model, g = MODELS[kind](), seeded(4)
    torch.manual_seed(7)
    how = OPTIMIZERS[optimizer](model)
    train(model, draw_from(letters), 3, lr=0.01, generator=g, optimizer=how, progress=False)
    model.eval()
    before, dice = copies(model), g.get_state()
    grads = [p.grad.clone() for p in model.parameters()]
    state = json.dumps(how and how.state_dict(), sort_keys=True,
                       default=lambda t: t.tolist())
    default = torch.get_rng_state()
    lrs, losses = find_lr(model, draw_from(letters), steps=50, generator=g, optimizer=how,
                          progress=False)
    assert lrs == pytest.approx((10 ** torch.linspace(-3, 0, 50, dtype=torch.float64)).tolist())
    assert len(losses) == 50 and all(map(math.isfinite, losses))
    assert same(before, model.state_dict()) and torch.equal(dice, g.get_state())
    assert not model.training and torch.equal(default, torch.get_rng_state())
    assert all(torch.equal(p.grad, grad)
               for p, grad in zip(model.parameters(), grads, strict=True))
    assert state == json.dumps(how and how.state_dict(), sort_keys=True,
                       default=lambda t: t.tolist())


def test_find_lr_stops_where_the_loss_blows_up(letters):
    model = ours()
    before = copies(model)
    lrs, losses = find_lr(model, draw_from(letters), low=1e-2, high=1e60, steps=60,
                          generator=seeded(), progress=False)
    assert 0 < len(lrs) == len(losses) < 60
    assert same(before, model.state_dict())


@pytest.mark.parametrize("arguments, says", [
    (dict(low=1.0, high=0.1), "low must be below high"), (dict(steps=1), "at least 2"),
    (dict(low=-1.0), "0 or more"), (dict(low=0.0), "above 0"),
])
def test_find_lr_refuses(letters, arguments, says):
    with pytest.raises(ValueError, match=says):
        find_lr(ours(), draw_from(letters), generator=seeded(), progress=False, **arguments)


# ---------------------------------------------------------------------------
# Checkpoints


def a_run(letters, kind, optimizer, path=None, steps=12, stop_at=None, every=3, seed=1, size=8):
    """One run from scratch, as a script would start it again after it was killed."""
    class Killed(Exception):
        pass

    def kill(step, model, history):
        if step == stop_at:
            raise Killed

    torch.manual_seed(5)
    model = MODELS[kind]()
    how = OPTIMIZERS[optimizer](model)
    g = seeded(seed)
    try:
        history = train(model, draw_from(letters, size), steps, lr=cosine(0.05, 12), generator=g,
                        optimizer=how, callbacks=[kill], checkpoint=path, every=every,
                        progress=False)
    except Killed:
        return None
    state = json.dumps(how and how.state_dict(), sort_keys=True,
                       default=lambda t: t.tolist())
    return history, copies(model), g.get_state(), torch.get_rng_state(), state


def the_same_end(a, b):
    return (a[0] == b[0] and same(a[1], b[1]) and torch.equal(a[2], b[2])
            and torch.equal(a[3], b[3]) and a[4] == b[4])


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_killed_at_every_step_it_ends_in_the_same_bits(letters, kind, optimizer, tmp_path):
    whole = a_run(letters, kind, optimizer)
    for stop_at in range(12):
        path = tmp_path / f"{stop_at}.safetensors"
        assert a_run(letters, kind, optimizer, path, stop_at=stop_at) is None
        assert the_same_end(a_run(letters, kind, optimizer, path), whole), stop_at
        # started once more, it is at its end already
        assert the_same_end(a_run(letters, kind, optimizer, path), whole)


def test_killed_again_and_again(letters, tmp_path):
    path = tmp_path / "run.safetensors"
    whole = a_run(letters, "torch", "adamw")
    for stop_at in (3, 4, 6, 7, 11):
        assert a_run(letters, "torch", "adamw", path, stop_at=stop_at) is None
    assert the_same_end(a_run(letters, "torch", "adamw", path), whole)


def test_a_finished_run_can_be_made_longer(letters, tmp_path):
    path = tmp_path / "run.safetensors"
    a_run(letters, "zh", "adamw", path, steps=5)
    assert the_same_end(a_run(letters, "zh", "adamw", path), a_run(letters, "zh", "adamw"))


KILLS = """
    import json, os, random, signal, sys, time, torch
    from zh import data, training
    from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh
    torch.set_num_threads(1)
    X, Y = data.windows(data.names()[:300], 3)

    def run(checkpoint, tell=lambda step: None):
        g = torch.Generator().manual_seed(0)
        model = Sequential(Embedding(27, 4, generator=g), Flatten(), Linear(12, 16, generator=g),
                           BatchNorm1d(16), Tanh(), Linear(16, 27, generator=g))
        how = torch.optim.AdamW(model.parameters(), lr=0.01)
        history = training.train(model, lambda g: data.batch(X, Y, 8, g), 80, generator=g,
                                 optimizer=how, checkpoint=checkpoint, every=1, progress=False,
                                 callbacks=[lambda step, model, history: tell(step)])
        numbers = [how.state[p][key] for p in model.parameters() for key in sorted(how.state[p])]
        return history, [*model.state_dict().values(), g.get_state(), *numbers]

    others, b = run(None)                                # nobody stops this one
    dice, seen, kills = random.Random(20), [], 0
    while kills < 6:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            run(sys.argv[1], lambda step: os.write(writer, bytes([step])))
            os._exit(0)
        os.close(writer)
        steps = [os.read(reader, 1)[0] for _ in range(dice.randrange(1, 8))]
        time.sleep(dice.random() * 4e-3)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it ended before it was killed"
        seen.append([steps[0], steps[-1]])
        kills += 1
    losses, a = run(sys.argv[1])
    print(json.dumps({"seen": seen, "history": losses == others,
                      "tensors": all(map(torch.equal, a, b))}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork and SIGKILL on this system")
def test_a_process_killed_at_random_moments_ends_in_the_same_bits(tmp_path):
    """Six times a process is killed (SIGKILL) while it trains and saves after every step, so
    that most kills fall into the writing of a checkpoint; the next ends as one that never died.
    """
    script = tmp_path / "kills.py"
    script.write_text(textwrap.dedent(KILLS))
    done = subprocess.run(
        [sys.executable, script, tmp_path / "run.safetensors"], cwd=ROOT, text=True,
        capture_output=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["history"] and said["tensors"]
    (_, last), *rest = said["seen"]
    for first, next_last in rest:                # each began where the one before had got to,
        assert last <= first <= last + 20        # give or take what the sleep let it do
        last = next_last


def test_a_half_written_checkpoint_is_never_seen(letters, tmp_path, monkeypatch):
    """Whatever happens before the rename, the file of that name is the last whole one."""
    path = tmp_path / "run.safetensors"
    a_run(letters, "zh", "adamw", path, steps=6)
    before = path.read_bytes()

    def lightning(*paths):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lightning)
        with pytest.raises(KeyboardInterrupt):
            a_run(letters, "zh", "adamw", path)
    assert path.read_bytes() == before
    beside = tmp_path / "run.safetensors.tmp"
    assert beside.exists()                              # as after a kill: left, and in nobody's way
    assert the_same_end(a_run(letters, "zh", "adamw", path), a_run(letters, "zh", "adamw"))
    assert not beside.exists()


@pytest.mark.parametrize("damage", ["empty", "head", "half", "last byte", "a bit", "text", "other"])
def test_a_damaged_checkpoint_is_a_clear_error(letters, tmp_path, damage):
    path = tmp_path / "run.safetensors"
    a_run(letters, "zh", "adamw", path)
    whole = path.read_bytes()
    if damage == "other":
        from safetensors.torch import save
        path.write_bytes(save({"weight": torch.ones(3)}))
    else:
        flipped = bytearray(whole)
        flipped[-100] ^= 4
        path.write_bytes({"empty": b"", "head": whole[:5], "half": whole[:len(whole) // 2],
                          "last byte": whole[:-1], "a bit": bytes(flipped),
                          "text": b"not a checkpoint" * 50}[damage])
    with pytest.raises(TrainingError) as info:
        a_run(letters, "zh", "adamw", path)
    message = str(info.value)
    assert str(path) in message and "delete the file" in message
    assert ("changed" if damage == "a bit" else "no checkpoint that can be read") in message


@pytest.mark.parametrize("change, says", [
    (dict(kind="torch"), r"holds another model"),
    (dict(optimizer="sgd"), "its optimizer is AdamW, and this one SGD"),
    (dict(optimizer="plain"), "its optimizer is AdamW, and this one none"),
    (dict(steps=7), "at step 12, and this run ends at 7"),
    (dict(seed=2), "seeded with 1, and this one with 2"),
])
def test_a_checkpoint_of_another_run_is_a_clear_error(letters, tmp_path, change, says):
    path = tmp_path / "run.safetensors"
    a_run(letters, "zh", "adamw", path)
    with pytest.raises(TrainingError, match=says) as info:
        a_run(letters, **{**dict(kind="zh", optimizer="adamw", path=path), **change})
    assert str(path) in str(info.value)


@pytest.mark.parametrize("kind", MODELS)
def test_a_checkpoint_of_a_model_of_other_sizes_is_a_clear_error(letters, tmp_path, kind):
    path = tmp_path / "run.safetensors"
    a_run(letters, kind, "plain", path)
    if kind == "zh":
        g = seeded()
        wider = Sequential(Embedding(27, 4, generator=g), Flatten(), Linear(12, 20, generator=g),
                           BatchNorm1d(20), Tanh(), Linear(20, 27, generator=g))
    else:
        wider = theirs()
        wider[6] = torch.nn.Linear(16, 30)
    before = copies(wider)
    with pytest.raises(TrainingError, match="holds another model") as info:
        train(wider, draw_from(letters), 12, lr=cosine(0.05, 12), generator=seeded(1),
              checkpoint=path, progress=False)
    assert "20" in str(info.value) or "30" in str(info.value)       # the shape that does not fit
    assert kind == "torch" or same(before, wider.state_dict())


def test_another_learning_rate_is_another_run(letters, tmp_path):
    path = tmp_path / "run.safetensors"
    for lr, says in [(0.1, None), (0.2, "learning rate at step 0 is 0.1, and this one 0.2")]:
        def go(lr=lr):
            train(ours(), draw_from(letters), 3, lr=lr, generator=seeded(), checkpoint=path,
                  progress=False)
        if says is None:
            go()
        else:
            with pytest.raises(TrainingError, match=says):
                go()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_said_and_the_last_checkpoint_kept(letters, tmp_path):
    """`/dev/full` answers every write with "no space left on device"."""
    path = tmp_path / "run.safetensors"
    a_run(letters, "zh", "plain", path, steps=3)
    before = path.read_bytes()
    (tmp_path / "run.safetensors.tmp").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="step 6: .*No space left on device") as info:
        a_run(letters, "zh", "plain", path)
    assert "is kept" in str(info.value) and "Make room" in str(info.value)
    assert path.read_bytes() == before
    (tmp_path / "run.safetensors.tmp").unlink()
    assert the_same_end(a_run(letters, "zh", "plain", path), a_run(letters, "zh", "plain"))


def test_a_folder_that_is_not_there_is_said_before_the_first_step(letters, tmp_path):
    with pytest.raises(TrainingError, match="its folder is not there"):
        train(ours(), lambda g: pytest.fail("it started"), 3, generator=seeded(),
              checkpoint=tmp_path / "nowhere" / "run.safetensors")


def test_a_parameter_used_twice_is_saved(letters, tmp_path):
    """Tied weights share memory, which safetensors refuses unless they are copied."""
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(27, 4)
            self.head = torch.nn.Linear(4, 27)
            self.head.weight = self.table.weight

        def forward(self, x):
            return self.head(self.table(x).mean(1))

    def go(path, stop=None):
        torch.manual_seed(0)
        model = Tied()
        train(model, draw_from(letters), stop or 6, generator=seeded(), checkpoint=path,
              progress=False)
        return copies(model)

    go(tmp_path / "run.safetensors", 4)
    assert same(go(tmp_path / "run.safetensors"), go(None))


# ---------------------------------------------------------------------------
# The bar, and arguments that cannot be


def test_the_bar_is_quiet_in_a_built_page(letters, capsys, monkeypatch):
    for static, progress, quiet in [(True, None, True), (True, True, True), (False, False, True),
                                    (False, None, False)]:
        monkeypatch.setattr(page, "STATIC", static)
        train(ours(), draw_from(letters), 200, generator=seeded(), progress=progress)
        out, err = capsys.readouterr()
        assert out == ""
        assert (err == "") == quiet
    assert "200/200" in err and "loss" in err


@pytest.mark.parametrize("arguments, error, says", [
    (dict(steps=-1), ValueError, "steps is -1"),
    (dict(steps=2.5), ValueError, "steps is 2.5"),
    (dict(steps=True), ValueError, "steps is True"),
    (dict(every=0), ValueError, "every is 0"),
    (dict(lr=math.nan), ValueError, "lr is nan"),
    (dict(lr=-0.1), ValueError, "lr is -0.1"),
    (dict(lr="0.1"), TypeError, "lr is '0.1'"),
    (dict(draw=5), TypeError, "draw is 5"),
    (dict(loss=5), TypeError, "loss is 5"),
    (dict(callbacks=[5]), TypeError, "callback is 5"),
    (dict(generator=None), TypeError, "manual_seed"),
    (dict(generator=0), TypeError, "manual_seed"),
    (dict(model=Sequential(Tanh())), ValueError, "no parameter to train"),
    (dict(draw=lambda g: 3), TypeError, "must return a pair"),
    (dict(loss=lambda model, x, y: 3.0), TypeError, "one number, a tensor"),
    (dict(loss=lambda model, x, y: model(x)), TypeError, "one number, a tensor"),
    (dict(loss=lambda model, x, y: torch.zeros(())), TypeError, "does not depend"),
])
def test_arguments_that_cannot_be(letters, arguments, error, says):
    whole = dict(model=ours(), draw=draw_from(letters), steps=2, generator=seeded(),
                 progress=False) | arguments
    with pytest.raises(error, match=says):
        train(whole.pop("model"), whole.pop("draw"), whole.pop("steps"), **whole)


def test_an_optimizer_of_another_model_is_refused(letters):
    with pytest.raises(ValueError, match="none of this model's parameters"):
        train(ours(), draw_from(letters), 2, generator=seeded(), progress=False,
              optimizer=torch.optim.SGD(ours().parameters(), lr=0.1))
