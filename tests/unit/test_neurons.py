"""`zh.neurons` beside `torch.nn`, beside micrograd, and on what it should learn.

python -m pytest tests/unit/test_neurons.py
"""

import random

import pytest
import torch

from zh.autograd import Value, gradcheck
from zh.neurons import MLP, Layer, Neuron

TORCH = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid}


def copy_to_torch(model, activation):
    """The same net as a torch.nn.Sequential in float64."""
    modules = []
    for layer in model.layers:
        linear = torch.nn.Linear(len(layer.neurons[0].w), len(layer.neurons), dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor([[w.data for w in n.w] for n in layer.neurons]))
            linear.bias.copy_(torch.tensor([n.b.data for n in layer.neurons]))
        modules += [linear, TORCH[activation]()]
    return torch.nn.Sequential(*modules[:-1])  # the last layer is linear


@pytest.mark.parametrize("activation", TORCH)
def test_forward_and_gradients_equal_torch(activation):
    model = MLP(3, [5, 4, 1], random.Random(0), activation)
    for p in model.parameters():
        p.data = torch.tensor(p.data).item()  # float32 values, so that the copy is exact
    twin = copy_to_torch(model, activation)
    x = [0.5, -1.0, 2.0]
    out, reference = model(x), twin(torch.tensor(x, dtype=torch.float64))
    assert out.data == pytest.approx(reference.item(), rel=1e-12)
    out.backward()
    reference.backward()
    grads = [p.grad for p in model.parameters()]
    expected = []
    for linear in twin:
        if isinstance(linear, torch.nn.Linear):
            for row, bias in zip(linear.weight.grad, linear.bias.grad, strict=True):
                expected += [*row.tolist(), bias.item()]
    assert grads == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_gradcheck_through_an_mlp():
    model = MLP(2, [3, 1], random.Random(1))
    gradcheck(lambda a, b: model([a, b]), [0.2, -0.4])


def test_weights_equal_micrograd():
    nn = pytest.importorskip("micrograd.nn")
    random.seed(1337)
    theirs = nn.MLP(2, [16, 16, 1])
    mine = MLP(2, [16, 16, 1], random.Random(1337), "relu")
    assert [p.data for p in mine.parameters()] == [p.data for p in theirs.parameters()]
    assert mine([1.0, -2.0]).data == theirs([1.0, -2.0]).data
    assert len(mine.parameters()) == 337


def test_counts_and_shapes():
    rng = random.Random(0)
    assert len(MLP(3, [4, 4, 1], rng).parameters()) == 41
    assert isinstance(MLP(3, [4, 1], rng)([1, 2, 3]), Value)
    assert len(MLP(3, [4, 2], rng)([1, 2, 3])) == 2
    assert len(Layer(2, 5, rng)([1.0, 2.0])) == 5
    assert "41 parameters" in repr(MLP(3, [4, 4, 1], rng))


def test_the_generator_decides_and_nothing_else():
    random.seed(5)
    a = [p.data for p in MLP(2, [3, 1], random.Random(7)).parameters()]
    random.seed(6)
    assert a == [p.data for p in MLP(2, [3, 1], random.Random(7)).parameters()]
    assert a != [p.data for p in MLP(2, [3, 1], random.Random(8)).parameters()]


def test_zero_grad():
    model = MLP(2, [3, 1], random.Random(0))
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


def test_learns_four_examples():
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    model = MLP(3, [4, 4, 1], random.Random(42), "tanh", output="tanh")
    for _ in range(100):
        loss = sum((model(x) - y) ** 2 for x, y in zip(xs, ys, strict=True))
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.05 * p.grad
    assert loss.data < 0.05


def test_errors():
    rng = random.Random(0)
    with pytest.raises(ValueError, match="'gelu'.*tanh"):
        Neuron(2, rng, "gelu")
    with pytest.raises(ValueError, match="2 weights, but got 3"):
        Neuron(2, rng)([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "wrong, kind, words",
    [
        (lambda rng: MLP(3, [], rng), ValueError, "neurons of each layer.*got \\[\\]"),
        (lambda rng: MLP(3, 4, rng), ValueError, "neurons of each layer.*got 4"),
        (lambda rng: MLP(-1, [2], rng), ValueError, "number of inputs must be.*not -1"),
        (lambda rng: MLP(3, [2, 0], rng), ValueError, "neurons of a layer must be.*not 0"),
        (lambda rng: MLP(3, [2.0], rng), ValueError, "whole number.*not 2.0"),
        (lambda rng: MLP(3, [2], torch.Generator()), TypeError, "random.Random.*not a Generator"),
        (lambda rng: MLP(3, [2], rng)(torch.ones(3)), TypeError, "use .item\\(\\) or .tolist"),
    ],
)
def test_errors_say_what_was_expected(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong(random.Random(0))
