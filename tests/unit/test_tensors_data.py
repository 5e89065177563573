"""Run: python -m pytest tests/unit/test_tensors_data.py

What the tensor stepper shows is true: its forward lines, its rules, its axes, its pictures.
"""
from types import SimpleNamespace

import pytest
import torch

from zh import backward as bw
from zh import page
from zh.labs import tensors


@pytest.fixture(scope="module")
def run():
    g = torch.Generator().manual_seed(3)
    p = bw.init(27, 3, hidden=64, generator=g, dtype=torch.float64)
    for tensor in vars(p).values():
        tensor.requires_grad_()
    X, Y = torch.randint(0, 27, (32, 3), generator=g), torch.randint(0, 27, (32,), generator=g)
    t = bw.forward(p, X, Y)
    for name in bw.TENSORS:
        getattr(t, name).retain_grad()
    t.loss.backward()
    with torch.no_grad():
        mine = bw.unfused(t)
    return t, mine, SimpleNamespace(**{name: getattr(t, name).grad for name in bw.TENSORS})


@pytest.fixture(scope="module")
def data(run):
    return tensors.stepper(*run)


def test_every_tensor_is_a_step_in_backward_order(data):
    assert [step["name"] for step in data["steps"]] == list(bw.TENSORS)
    assert sum(n for _, n in data["groups"]) == len(bw.TENSORS)


def test_the_forward_lines_compute_the_tensors(run):
    t = run[0]
    names = tensors.namespace(t, run[1])
    names |= {"X": t.X, "Y": t.Y}
    for name, line in tensors.forward_lines().items():
        value = eval(line.split("=", 1)[1], {}, names)
        assert torch.equal(value, getattr(t, name)), line


def test_one_choice_is_right_and_the_others_are_not(run):
    """Each choice as an expression, against autograd."""
    t, mine, true = run
    names = tensors.namespace(t, mine)
    for name, (choices, _) in tensors.STEPS.items():
        for i, choice in enumerate(choices):
            try:
                grad = eval(tensors.expression(choice)[1], {}, names)
            except RuntimeError:
                assert i > 0, choice
                continue
            reference = getattr(true, name)
            same = grad.shape == reference.shape and torch.allclose(grad, reference, atol=1e-14)
            assert same == (i == 0), (name, choice)


def test_a_wrong_choice_says_how(data):
    for step in data["steps"]:
        assert step["how"][step["right"]] == ""
        assert sum(how == "" for how in step["how"]) == 1, step["name"]
        assert len(set(step["choices"])) == len(step["choices"])


def test_the_axes_are_those_of_the_shapes(data):
    """Stretched: the axes where the output is larger. Reduced: the axes that are summed."""
    axes = {(s["name"], u["out"]): (u["axes"], u["axis"]) for s in data["steps"] for u in s["uses"]}
    assert axes["counts_sum_inv", "probs"] == ("stretched", [1])
    assert axes["logit_maxes", "norm_logits"] == ("stretched", [1])
    assert axes["b2", "logits"] == axes["b1", "hprebn"] == ("stretched", [0])
    assert axes["bngain", "hpreact"] == axes["bnvar_inv", "bnraw"] == ("stretched", [0])
    assert axes["bnmeani", "bndiff"] == ("stretched", [0])
    assert axes["counts", "counts_sum"] == axes["logits", "logit_maxes"] == ("reduced", [1])
    assert axes["bndiff2", "bnvar"] == axes["hprebn", "bnmeani"] == ("reduced", [0])
    assert axes["h", "logits"] == axes["W1", "hprebn"] == ("product", [])
    assert axes["C", "emb"][0] == "looked up" and axes["emb", "embcat"][0] == "moved"
    twice = {s["name"] for s in data["steps"] if len(s["uses"]) == 2}
    assert twice == {"counts", "logits", "bndiff", "hprebn"}


def test_corner_and_number_are_the_runs(run, data):
    _, mine, true = run
    for step in data["steps"]:
        grad = getattr(true, step["name"])
        matrix = grad.reshape(1, -1) if grad.ndim < 2 else grad.reshape(len(grad), -1)
        shown = torch.tensor(step["grad"], dtype=torch.float64)
        corner = matrix[: shown.shape[0], : shown.shape[1]]
        torch.testing.assert_close(shown, corner, rtol=6e-3, atol=1e-12)
        if "number" in step:
            at = tuple(step["number"]["at"])
            assert step["number"]["right"] == pytest.approx(grad[at].item(), rel=1e-5)


def test_the_picture_has_the_signs_and_the_sizes():
    rows, columns, text = tensors.picture(torch.tensor([[1.0, -1.0, 0.0], [0.25, -0.25, 1e-9]]))
    assert (rows, columns, text) == (2, 3, "Zz0Mm0")


def test_the_data_is_small(data):
    import gzip
    assert len(gzip.compress(page.to_json(data).encode())) < 40_000


def test_it_wants_bessels_form(run):
    t = SimpleNamespace(**{**vars(run[0]), "bessel": False})
    with pytest.raises(ValueError, match="bessel=True"):
        tensors.stepper(t, run[1], run[2])


def test_the_sheet_has_every_tensor_and_its_right_rule(run):
    text = repr(tensors.sheet(run[0])).splitlines()
    assert len(text) == 26
    for name, line in zip(bw.TENSORS, text, strict=True):
        assert line.endswith(f"d{name} = {tensors.expression(tensors.STEPS[name][0][0])[0]}")
