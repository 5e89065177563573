"""Run: python -m pytest tests/unit/test_accumulation.py

Accumulated gradients beside autograd's own for the whole minibatch.
"""
import pytest
import torch

from zh.accumulation import accumulate
from zh.gpt import GPT, GPTConfig


@pytest.fixture
def model():
    return GPT(GPTConfig(11, 8, 2, 2, 16, std=0.1), generator=torch.Generator().manual_seed(1)
               ).double()


def batch(targets, rows=6, seed=2):
    """Inputs and targets, of which the first so many of each row count."""
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randint(11, (2, rows, 8), generator=g)
    for row, count in enumerate(targets):
        y[row, count:] = -1
    return x, y


def gradients(model):
    found = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.parametrize("targets", [[8] * 6, [1, 8, 3, 8, 2, 5], [0, 0, 8, 8, 8, 8]])
def test_pieces_have_the_gradient_of_the_whole(model, size, targets):
    x, y = batch(targets)
    whole = model.loss(x, y)
    whole.backward()
    expected = gradients(model)
    loss = accumulate(model, list(zip(x.split(size), y.split(size), strict=True)))
    assert loss == pytest.approx(whole.item(), rel=1e-12)
    for a, b in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_pieces_may_have_other_lengths(model):
    """Padding changes nothing: two texts of 3 and 8 places, apart and in one tensor."""
    x, y = batch([3, 8], rows=2)
    model.loss(x, y).backward()
    expected = gradients(model)
    accumulate(model, [(x[:1, :3], y[:1, :3]), (x[1:], y[1:])])
    for a, b in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_it_adds_to_what_is_there(model):
    x, y = batch([8] * 6)
    accumulate(model, [(x, y)])
    once = [p.grad.clone() for p in model.parameters()]
    accumulate(model, [(x, y)])
    for a, p in zip(once, model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, 2 * a)


def test_no_target_at_all(model):
    x, y = batch([0] * 6)
    with pytest.raises(ValueError, match="no target counts"):
        accumulate(model, [(x, y)])
