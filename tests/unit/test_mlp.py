"""Run: python -m pytest tests/unit/test_mlp.py

The model against its twin in torch.nn, and its own two passes against autograd.
"""
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import data, training
from zh.layers import BatchNorm1d, Layer, Linear, Tanh
from zh.mlp import MLP

DOUBLE = torch.float64


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n, block, vocab, seed=1):
    g = gen(seed)
    return (torch.randint(vocab, (n, block), generator=g),
            torch.randint(vocab, (n,), generator=g))


def twin_of(model: MLP) -> torch.nn.Module:
    """The same network from torch.nn with the same numbers in it."""
    table, _, first, *norm, _, second = model.layers
    vocab, dim = table.weight.shape
    fan_in, hidden = first.weight.shape
    twin = torch.nn.Sequential(
        torch.nn.Embedding(vocab, dim), torch.nn.Flatten(),
        torch.nn.Linear(fan_in, hidden, bias=not norm),
        *[torch.nn.BatchNorm1d(hidden) for _ in norm],
        torch.nn.Tanh(), torch.nn.Linear(hidden, vocab)).double()
    mine = model.parameters()
    with torch.no_grad():
        for theirs, own in zip(twin.parameters(), mine, strict=True):
            theirs.copy_(own.T if own.ndim == 2 and own is not table.weight else own)
    return twin


def fuzzed(seed, **sizes) -> MLP:
    """A model in float64 with no parameter at a special value such as 0 or 1."""
    model = MLP(**sizes, generator=gen(seed), dtype=DOUBLE)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, generator=gen(seed + 1), dtype=DOUBLE)
    return model


def close(mine, theirs):
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


sizes = st.fixed_dictionaries(dict(
    block=st.integers(1, 5), dim=st.integers(1, 6), hidden=st.integers(1, 9),
    vocab=st.integers(1, 12), batchnorm=st.booleans()))


@settings(max_examples=40)
@given(sizes, st.integers(2, 9), st.booleans(), st.integers(0, 99))
def test_model_is_its_torch_twin(sizes, n, training, seed):
    """Scores, gradients, and the running statistics that a training step leaves behind."""
    model = fuzzed(seed, **sizes)
    twin = twin_of(model).train(training)
    model.train(training)
    x, y = batch(n, sizes["block"], sizes["vocab"], seed)
    out, ref = model(x), twin(x)
    close(out, ref)
    mine = torch.autograd.grad(F.cross_entropy(out, y), model.parameters())
    theirs = torch.autograd.grad(F.cross_entropy(ref, y), list(twin.parameters()))
    for number, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        close(a, b.T if a.ndim == 2 and number else b)
    if sizes["batchnorm"]:
        close(model[3].running_mean, twin[3].running_mean)
        close(model[3].running_var, twin[3].running_var)


@settings(max_examples=60)
@given(sizes, st.integers(2, 9), st.booleans(), st.booleans(), st.integers(0, 99))
def test_own_passes_are_autograds(sizes, n, training, bessel, seed):
    """`gradients` and `loss` against `F.cross_entropy(model(x), y)`, in float64 to 1e-12."""
    models = [fuzzed(seed, **sizes).train(training) for _ in range(3)]
    if sizes["batchnorm"]:
        for model in models:
            model[3].bessel = bessel
    x, y = batch(n, sizes["block"], sizes["vocab"], seed)
    expected = F.cross_entropy(models[0](x), y)
    (3 * expected).backward()
    loss, gradients = models[1].gradients(x, y)
    node = models[2].loss(x, y)
    (3 * node).backward()
    close(loss, expected.detach())
    close(node.detach(), expected.detach())
    for p, g, q in zip(models[0].parameters(), gradients, models[2].parameters(), strict=True):
        close(3 * g, p.grad)
        close(q.grad, p.grad)
    for name, buffer in models[0].state_dict().items():     # moved once, not twice
        close(models[1].state_dict()[name], buffer)
        close(models[2].state_dict()[name], buffer)


def test_loss_keeps_no_graph_where_none_is_wanted():
    model, (x, y) = MLP(generator=gen()), batch(8, 3, 27)
    with torch.no_grad():
        assert model.loss(x, y).grad_fn is None
    assert model.loss(x, y).requires_grad
    assert all(p.grad is None for p in model.parameters())
    model.gradients(x, y)
    assert all(p.grad is None for p in model.parameters())


def test_gradients_add_up_as_autograds_do():
    model, (x, y) = MLP(generator=gen()), batch(8, 3, 27)
    model.loss(x, y).backward()
    once = [p.grad.clone() for p in model.parameters()]
    model.loss(x, y).backward()
    for p, g in zip(model.parameters(), once, strict=True):
        torch.testing.assert_close(p.grad, 2 * g)


def test_training_by_either_way_is_the_same_to_rounding():
    X, Y = data.windows(data.names()[:200], block=3)
    ends = []
    for own in (True, False):
        g = gen(3)
        model = MLP(hidden=20, generator=g, dtype=DOUBLE)
        for _ in range(50):
            x, y = data.batch(X, Y, 32, g)
            loss = model.loss(x, y) if own else F.cross_entropy(model(x), y)
            grads = torch.autograd.grad(loss, model.parameters())
            with torch.no_grad():
                for p, grad in zip(model.parameters(), grads, strict=True):
                    p -= 0.1 * grad
        ends.append(loss.item())
    assert ends[0] == pytest.approx(ends[1], abs=1e-11)


def test_large_scores_stay_finite():
    """The softmax is taken of scores less their largest: exp never overflows."""
    model, (x, y) = MLP(generator=gen()), batch(8, 3, 27)
    with torch.no_grad():
        model[4].weight *= 1e4
    loss, gradients = model.gradients(x, y)
    assert loss.isfinite() and all(g.isfinite().all() for g in gradients)
    torch.testing.assert_close(loss, F.cross_entropy(model(x), y).detach())


@pytest.mark.parametrize("batchnorm, count", [(False, 11897), (True, 12097)])
def test_sizes(batchnorm, count):
    """The network of the lecture: 270 + 6000 + 200 + 5400 + 27 numbers; 200 more with batchnorm."""
    model = MLP(3, 10, 200, batchnorm=batchnorm, generator=gen())
    assert sum(p.numel() for p in model.parameters()) == count
    assert model.block == 3
    assert model(torch.zeros(5, 3, dtype=torch.long)).shape == (5, 27)


def test_names_are_torchs():
    names = [name for name, _ in MLP(generator=gen()).named_parameters()]
    assert names == ["0.weight", "2.weight", "2.bias", "4.weight", "4.bias"]


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_first_loss_is_nearly_uniform(seed):
    model, (x, y) = MLP(generator=gen(seed)), batch(2000, 3, 27, seed)
    assert model.loss(x, y).item() == pytest.approx(math.log(27), abs=0.05)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int64])
def test_contexts_of_any_integer_type(dtype):
    model, (x, y) = MLP(generator=gen()), batch(8, 3, 27)
    for value in (model.loss(x.to(dtype), y), model.gradients(x.to(dtype), y.to(dtype))[0]):
        assert value.item() == pytest.approx(F.cross_entropy(model(x), y).item(), abs=1e-6)


@pytest.mark.parametrize("x, y, error, words", [
    (torch.zeros(4, 2).long(), torch.zeros(4).long(), ValueError, r"contexts of 3.*\(4, 2\)"),
    (torch.zeros(4).long(), torch.zeros(4).long(), ValueError, r"\(B, 3\).*\(4,\)"),
    (torch.zeros(4, 3).long(), torch.zeros(5).long(), ValueError, r"4 contexts need 4.*\(5,\)"),
    (torch.zeros(4, 3).long(), torch.zeros(4, 1).long(), ValueError, r"\(4,\).*\(4, 1\)"),
    (torch.zeros(4, 3), torch.zeros(4).long(), TypeError, "integers"),
    (torch.full((4, 3), 27), torch.zeros(4).long(), IndexError, "0 to 26"),
    (torch.full((4, 3), -1), torch.zeros(4).long(), IndexError, "0 to 26"),
    (torch.zeros(4, 3).long(), torch.full((4,), 27), IndexError, "0 to 26.*answers from 27"),
    (torch.zeros(4, 3).long(), torch.full((4,), -1), IndexError, "0 to 26.*answers from -1"),
    (torch.zeros(4, 3).long(), torch.zeros(4), TypeError, "integers"),
    (torch.zeros(0, 3).long(), torch.zeros(0).long(), ValueError, "empty"),
])
@pytest.mark.parametrize("how", ["loss", "gradients"])
def test_wrong_input_is_a_clear_error(x, y, error, words, how):
    with pytest.raises(error, match=words):
        getattr(MLP(generator=gen()), how)(x, y)


def test_wrong_context_is_a_clear_error_of_the_model():
    with pytest.raises(ValueError, match=r"contexts of 3.*\(4, 2\)"):
        MLP(generator=gen())(torch.zeros(4, 2).long())


@pytest.mark.parametrize("name", ["block", "dim", "hidden", "vocab"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        MLP(**{name: 0}, generator=gen())


def test_batch_of_one_with_batchnorm_says_so():
    x, y = batch(1, 3, 27)
    with pytest.raises(ValueError, match="one value has no spread"):
        MLP(batchnorm=True, generator=gen()).loss(x, y)


class Relu(Layer):
    def forward(self, x):
        return x.relu()


class Doubled(MLP):
    def forward(self, x):
        return 2 * super().forward(x)


def relu(model):
    model.layers[3] = Relu()


def two_hidden(model):
    model.layers[4:4] = [Linear(20, 20, generator=gen(5)), Tanh()]


def no_last_bias(model):
    model.layers[4] = Linear(20, 27, bias=False, generator=gen(5))


def bias_before_batchnorm(model):
    model.layers[3:3] = [BatchNorm1d(20)]


def own_forward(model):
    model.layers[3].forward = torch.relu


def tied(model):
    model.layers[4].weight = model.layers[2].weight


def half(model):
    for layer in (model[0], model[2], model[4]):
        for name, p in layer.named_parameters():
            setattr(layer, name, p.detach().bfloat16().requires_grad_())


@pytest.mark.parametrize("change", [relu, two_hidden, no_last_bias, bias_before_batchnorm,
                                    own_forward, tied, half])
def test_a_changed_network_gets_its_own_gradients(change):
    """In each of the three ways that a step can be made, and never those of another network."""
    model = MLP(block=2, dim=10, hidden=27 if change is tied else 20, vocab=27, generator=gen())
    if change is tied:
        model = MLP(block=9, dim=3, hidden=27, generator=gen())
    assert model.by_hand()
    change(model)
    assert not model.by_hand()
    x, y = batch(16, model.block, 27)
    expected = F.cross_entropy(model(x), y)
    grads = torch.autograd.grad(expected, model.parameters())
    loss, own = model.gradients(x, y)
    torch.testing.assert_close(loss, expected.detach())
    model.loss(x, y).backward()
    for p, mine, right in zip(model.parameters(), own, grads, strict=True):
        torch.testing.assert_close(mine, right)
        torch.testing.assert_close(p.grad, right)


def test_a_changed_network_trains_as_by_autograd():
    ends = []
    for loss in (None, lambda m, x, y: F.cross_entropy(m(x), y)):
        model = MLP(hidden=20, generator=gen(), dtype=DOUBLE)
        relu(model)
        training.train(model, lambda g: batch(32, 3, 27, int(torch.randint(99, (), generator=g))),
                       20, loss=loss, generator=gen(1), progress=False)
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    close(*ends)


def test_a_subclass_with_its_own_forward_is_not_the_mlp():
    model, (x, y) = Doubled(generator=gen()), batch(8, 3, 27)
    assert not model.by_hand()
    expected = F.cross_entropy(model(x), y)
    torch.testing.assert_close(model.loss(x, y), expected)
    torch.testing.assert_close(model.gradients(x, y)[0], expected.detach())


def test_a_frozen_parameter_of_a_changed_network_has_no_gradient():
    model, (x, y) = MLP(generator=gen()), batch(8, 3, 27)
    relu(model)
    model[0].weight.requires_grad_(False)
    first, *others = model.gradients(x, y)[1]
    assert first is None and all(g is not None for g in others)


@pytest.mark.parametrize("wrong", [dict(block=3.0), dict(hidden="200"), dict(dim=True),
                                   dict(vocab=0), dict(last=math.nan), dict(last=-1)])
def test_sizes_are_whole_numbers(wrong):
    name, = wrong
    with pytest.raises(ValueError, match=f"{name} is .*1 or more|{name} is .*0 or more"):
        MLP(**wrong, generator=gen())


def test_letters_are_tensors_of_integers():
    model, (x, y) = MLP(generator=gen()), batch(8, 3, 27)
    for call in (model.loss, model.gradients):
        with pytest.raises(TypeError, match="Letters are integers"):
            call(x, y > 3)
        with pytest.raises(TypeError, match="came as list and Tensor"):
            call(x.tolist(), y)
