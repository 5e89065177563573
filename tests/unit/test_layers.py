"""Run: python -m pytest tests/unit/test_layers.py

Every layer against its twin in torch.nn: forward, gradients, running statistics.
"""
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import activations
from zh.layers import (
    Activate,
    BatchNorm1d,
    Embedding,
    Flatten,
    FlattenConsecutive,
    Layer,
    LayerNorm,
    Linear,
    RMSNorm,
    Sequential,
    Tanh,
    fold,
)

sizes = st.integers(1, 6)


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grads(loss: torch.Tensor, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, tensors))


def assert_all_close(mine, theirs, tol=1e-12):
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=tol, atol=tol)


# --------------------------------------------------------------------------- Activate


@pytest.mark.parametrize("name, twin", [
    ("relu", torch.nn.ReLU()), ("tanh", torch.nn.Tanh()), ("gelu", torch.nn.GELU()),
    ("leaky_relu", torch.nn.LeakyReLU()), ("silu", torch.nn.SiLU())])  # fmt: skip
def test_activate_is_torchs_layer(name, twin):
    x = torch.randn(3, 4, 5, generator=gen(), dtype=torch.float64, requires_grad=True)
    layer = Activate(name)
    out, ref = layer(x), twin(x)
    assert_all_close([out, *grads(out.sum(), [x])], [ref, *grads(ref.sum(), [x])])
    assert layer.parameters() == [] and repr(layer) == f"Activate({name!r})"


def test_activate_takes_a_function_and_names_the_known():
    x = torch.tensor([-2.0, 3.0])
    assert torch.equal(Activate(activations.leaky_relu_with(0.5))(x), torch.tensor([-1.0, 3.0]))
    with pytest.raises(ValueError, match="there is no activation 'rleu'"):
        Activate("rleu")


# --------------------------------------------------------------------------- Linear


@settings(max_examples=25)
@given(sizes, sizes, sizes, st.booleans(), st.booleans())
def test_linear_is_torch_linear(n, fan_in, fan_out, bias, three_d):
    layer = Linear(fan_in, fan_out, generator=gen(1), bias=bias, dtype=torch.float64)
    twin = torch.nn.Linear(fan_in, fan_out, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        twin.weight.copy_(layer.weight.T)
        if bias:
            layer.bias += torch.randn(fan_out, generator=gen(2), dtype=torch.float64)
            twin.bias.copy_(layer.bias)
    shape = (n, 3, fan_in) if three_d else (n, fan_in)
    x = torch.randn(shape, generator=gen(3), dtype=torch.float64, requires_grad=True)
    out, ref = layer(x), twin(x)
    seed = torch.randn(out.shape, generator=gen(4), dtype=torch.float64)
    assert_all_close([out], [ref])
    mine = grads((out * seed).sum(), [x, *layer.parameters()])
    theirs = grads((ref * seed).sum(), [x, *twin.parameters()])
    mine[1] = mine[1].T
    assert_all_close(mine, theirs)


def test_linear_keeps_unit_variance():
    layer = Linear(400, 300, generator=gen(0))
    out = layer(torch.randn(500, 400, generator=gen(1)))
    assert out.std().item() == pytest.approx(1, abs=0.03)


def test_linear_init_is_the_generators_alone():
    torch.manual_seed(0)
    a = Linear(3, 4, generator=gen(7)).weight
    torch.manual_seed(1)
    b = Linear(3, 4, generator=gen(7)).weight
    assert torch.equal(a, b)


@pytest.mark.parametrize("x, error, words", [
    (torch.zeros(2, 4), ValueError, r"\(2, 4\).*3 entries"),
    (torch.zeros(()), ValueError, "3 entries"),
    (torch.zeros(2, 3, dtype=torch.long), TypeError, "floating point.*Embedding"),
])
def test_linear_says_what_is_wrong(x, error, words):
    with pytest.raises(error, match=words):
        Linear(3, 2, generator=gen())(x)


# --------------------------------------------------------------------------- Embedding


@settings(max_examples=25)
@given(sizes, sizes, st.lists(st.integers(1, 3), max_size=2), st.integers(0, 99))
def test_embedding_is_torch_embedding(num, dim, shape, seed):
    layer = Embedding(num, dim, generator=gen(seed), dtype=torch.float64)
    twin = torch.nn.Embedding(num, dim, dtype=torch.float64)
    with torch.no_grad():
        twin.weight.copy_(layer.weight)
    x = torch.randint(0, num, shape, generator=gen(seed + 1))
    out, ref = layer(x), twin(x)
    assert_all_close([out], [ref])
    weights = torch.randn(out.shape, generator=gen(2), dtype=torch.float64)
    assert_all_close(grads((out * weights).sum(), layer.parameters()),
                     grads((ref * weights).sum(), list(twin.parameters())))


@pytest.mark.parametrize("x, error, words", [
    (torch.tensor([0, 5]), IndexError, "0 to 5.*0 to 4"),
    (torch.tensor([-1]), IndexError, "-1"),
    (torch.tensor([0.0]), TypeError, "integers"),
    (torch.tensor([True]), TypeError, "integers"),
])
def test_embedding_says_what_is_wrong(x, error, words):
    with pytest.raises(error, match=words):
        Embedding(5, 2, generator=gen())(x)


def test_embedding_reads_bytes_as_row_numbers():
    """In PyTorch a tensor of uint8 that is as long as the table would be a mask."""
    layer = Embedding(5, 2, generator=gen())
    rows = torch.tensor([0, 1, 1, 0, 4], dtype=torch.uint8)
    assert torch.equal(layer(rows), layer(rows.long()))


# --------------------------------------------------------------------------- BatchNorm1d


def twins(dim: int, momentum: float, eps: float):
    layer = BatchNorm1d(dim, momentum=momentum, eps=eps, dtype=torch.float64)
    twin = torch.nn.BatchNorm1d(dim, momentum=momentum, eps=eps, dtype=torch.float64)
    with torch.no_grad():
        layer.gain += 0.3 * torch.randn(dim, generator=gen(8), dtype=torch.float64)
        layer.bias += torch.randn(dim, generator=gen(9), dtype=torch.float64)
        twin.weight.copy_(layer.gain)
        twin.bias.copy_(layer.bias)
    return layer, twin


@settings(max_examples=40)
@given(st.integers(2, 6), sizes, st.none() | st.integers(1, 4), st.sampled_from([0.1, 0.001, 1.0]),
       st.sampled_from([1e-5, 1e-2]))
def test_batchnorm_is_torch_batchnorm(n, dim, time, momentum, eps):
    """Training and evaluation, 2-D and 3-D, over several batches so that the estimates move."""
    layer, twin = twins(dim, momentum, eps)
    shape = (n, dim) if time is None else (n, time, dim)
    swap = (lambda z: z) if time is None else (lambda z: z.transpose(1, 2))
    for training in (True, True, False, True):
        layer.train(training)
        twin.train(training)
        x = 1 + 2 * torch.randn(shape, generator=gen(n), dtype=torch.float64)
        x.requires_grad_()
        out, ref = layer(x), swap(twin(swap(x)))
        assert_all_close([out], [ref], 1e-10)
        seed = torch.randn(shape, generator=gen(4), dtype=torch.float64)
        assert_all_close(grads((out * seed).sum(), [x, *layer.parameters()]),
                         grads((ref * seed).sum(), [x, *twin.parameters()]), 1e-9)
        assert_all_close([layer.running_mean, layer.running_var],
                         [twin.running_mean, twin.running_var])


def test_batchnorm_bessel_divides_by_n_minus_one():
    x = torch.randn(8, 3, generator=gen(), dtype=torch.float64)
    out = BatchNorm1d(3, bessel=True, eps=0.0, dtype=torch.float64)(x)
    torch.testing.assert_close(out.std(0), torch.ones(3, dtype=torch.float64))
    out = BatchNorm1d(3, eps=0.0, dtype=torch.float64)(x)
    torch.testing.assert_close(out.std(0, unbiased=False), torch.ones(3, dtype=torch.float64))


def test_batchnorm_running_estimates_reach_the_population():
    layer = BatchNorm1d(2, momentum=0.02)
    g = gen(5)
    for _ in range(600):
        layer(3 + 2 * torch.randn(64, 2, generator=g))
    assert layer.running_mean.tolist() == pytest.approx([3, 3], abs=0.15)
    assert layer.running_var.tolist() == pytest.approx([4, 4], rel=0.15)


def test_batchnorm_in_evaluation_takes_one_example_and_keeps_its_estimates():
    layer = BatchNorm1d(2).eval()
    before = layer.running_mean.clone()
    layer(torch.ones(1, 2))
    assert torch.equal(layer.running_mean, before)


@pytest.mark.parametrize("shape, words", [
    ((1, 3), "one value has no spread.*eval"),
    ((1, 1, 3), "one value has no spread"),
    ((4, 2), r"\(4, 2\).*3 entries"),
    ((3,), r"\(batch, features\)"),
    ((2, 2, 2, 3), r"\(batch, features\)"),
])
def test_batchnorm_says_what_is_wrong(shape, words):
    with pytest.raises(ValueError, match=words):
        BatchNorm1d(3)(torch.zeros(shape))


def test_batchnorm_refuses_an_impossible_momentum():
    with pytest.raises(ValueError, match="momentum is 1.5"):
        BatchNorm1d(3, momentum=1.5)


def test_batchnorm_takes_three_axes_as_one_long_batch():
    """(B, T, dim) has the statistics of (B * T, dim), not one set a position."""
    x = torch.randn(4, 5, 3, generator=gen(), dtype=torch.float64)
    a, b = BatchNorm1d(3, dtype=torch.float64), BatchNorm1d(3, dtype=torch.float64)
    torch.testing.assert_close(a(x).view(20, 3), b(x.view(20, 3)))
    assert a.running_mean.shape == (3,)
    assert_all_close([a.running_mean, a.running_var], [b.running_mean, b.running_var])


# --------------------------------------------------------------------------- LayerNorm, RMSNorm


NORMS = {"layer": (LayerNorm, torch.nn.LayerNorm), "rms": (RMSNorm, torch.nn.RMSNorm)}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(NORMS)), st.integers(1, 5), st.integers(2, 6),
       st.none() | st.integers(1, 4), st.sampled_from([None, 1e-5, 1e-2]),
       st.sampled_from([1e-3, 1.0, 1e3]), st.booleans())
def test_layer_and_rms_norm_are_torchs(kind, n, dim, time, eps, scale, single):
    """Forward and gradients, 2-D and 3-D, in both modes, for small and for large inputs."""
    norm, twin = NORMS[kind]
    dtype = torch.float32 if single else torch.float64
    given_eps = {} if eps is None else {"eps": eps}
    layer, ref = norm(dim, dtype=dtype, **given_eps), twin(dim, dtype=dtype, **given_eps)
    with torch.no_grad():
        for mine, theirs in zip(layer.parameters(), ref.parameters(), strict=True):
            mine += 0.3 * torch.randn(dim, generator=gen(8), dtype=dtype)
            theirs.copy_(mine)
    shape = (n, dim) if time is None else (n, time, dim)
    x = scale * (1 + 2 * torch.randn(shape, generator=gen(n), dtype=dtype))
    x.requires_grad_()
    seed = torch.randn(shape, generator=gen(4), dtype=dtype)
    for training in (True, False):
        out, theirs = layer.train(training)(x), ref.train(training)(x)
        assert_all_close([out], [theirs], 1e-4 if single else 1e-9)
        if single:
            continue                                 # two units: a gradient of rounding errors
        mine = grads((out * seed).sum(), [x, *layer.parameters()])
        other = grads((theirs * seed).sum(), [x, *ref.parameters()])
        for a, b in zip(mine, other, strict=True):
            size = b.abs().max().item() + 1 / scale
            torch.testing.assert_close(a / size, b / size, rtol=0, atol=1e-7)


@pytest.mark.parametrize("norm, names", [(LayerNorm, ["gain", "bias"]), (RMSNorm, ["gain"])])
def test_layer_and_rms_norm_in_a_network(norm, names):
    layer = norm(3)
    assert [name for name, _ in layer.named_parameters()] == names
    assert list(layer.named_buffers()) == [] and repr(layer) == f"{norm.__name__}(3)"
    for x, error, words in ((torch.zeros(2, 4), ValueError, r"\(2, 4\).*3 entries"),
                            (torch.zeros(2, 3).long(), TypeError, "floating point")):
        with pytest.raises(error, match=words):
            layer(x)
    with pytest.raises(ValueError, match="dim is 0"):
        norm(0)
    assert torch.isfinite(layer(torch.zeros(2, 3))).all()      # a batch of zeros, a batch of one
    assert layer(torch.ones(1, 3)).shape == (1, 3)


# --------------------------------------------------------------------------- folding


@settings(max_examples=25, deadline=None)
@given(sizes, sizes, st.booleans(), st.booleans(), st.integers(1, 3), st.integers(0, 99))
def test_a_folded_layer_computes_what_both_did(fan_in, dim, bias, bessel, batches, seed):
    g = gen(seed)
    linear = Linear(fan_in, dim, generator=g, bias=bias, dtype=torch.float64)
    norm = BatchNorm1d(dim, momentum=0.5, bessel=bessel, dtype=torch.float64)
    with torch.no_grad():
        for parameter in [*linear.parameters(), *norm.parameters()]:
            parameter += torch.randn(parameter.shape, generator=g, dtype=torch.float64)
    for _ in range(batches):
        norm(linear(3 * torch.randn(8, fan_in, generator=g, dtype=torch.float64)))
    norm.eval()
    before = [p.clone() for p in [*linear.parameters(), *norm.parameters()]]
    one = fold(linear, norm)
    for shape in ((1, fan_in), (4, fan_in), (2, 3, fan_in)):
        x = torch.randn(shape, generator=g, dtype=torch.float64)
        torch.testing.assert_close(one(x), norm(linear(x)), rtol=1e-9, atol=1e-9)
    assert isinstance(one, Linear) and [p.is_leaf for p in one.parameters()] == [True, True]
    assert all(torch.equal(a, b) for a, b in zip(
        before, [*linear.parameters(), *norm.parameters()], strict=True))


def test_folding_is_torchs():
    """The same weights as torch.nn.utils.fusion makes of the twins."""
    from torch.nn.utils.fusion import fuse_linear_bn_eval

    layer, twin = twins(4, 0.3, 1e-5)
    linear = Linear(3, 4, generator=gen(1), dtype=torch.float64)
    theirs = torch.nn.Linear(3, 4, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(linear.weight.T)
        theirs.bias.copy_(linear.bias)
    x = torch.randn(16, 3, generator=gen(2), dtype=torch.float64)
    layer(linear(x))
    twin(theirs(x))
    one, other = fold(linear, layer.eval()), fuse_linear_bn_eval(theirs.eval(), twin.eval())
    assert_all_close([one.weight.T, one.bias], [other.weight, other.bias])


@pytest.mark.parametrize("linear, norm, error, words", [
    (Tanh(), BatchNorm1d(3), TypeError, r"fold got Tanh\(\).*takes a Linear and the BatchNorm1d"),
    (Linear(2, 3, generator=gen()), LayerNorm(3), TypeError, r"LayerNorm\(3\)"),
    (Linear(2, 4, generator=gen()), BatchNorm1d(3), ValueError, "4 outputs .* 3 features"),
    (Linear(2, 3, generator=gen()), BatchNorm1d(3), ValueError, r"in training.*\.eval\(\)"),
])  # fmt: skip
def test_folding_says_what_is_wrong(linear, norm, error, words):
    with pytest.raises(error, match=words):
        fold(linear, norm)


# --------------------------------------------------------------------------- FlattenConsecutive


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
def test_flatten_consecutive_is_torch_unflatten(batch, groups, n, dim):
    """Against nn.Unflatten and nn.Flatten, and against a loop over the groups."""
    x = torch.randn(batch, groups * n, dim, generator=gen(), requires_grad=True)
    out = FlattenConsecutive(n)(x)
    ref = torch.nn.Sequential(torch.nn.Unflatten(1, (groups, n)), torch.nn.Flatten(2))(x)
    loop = torch.stack([torch.cat([x[:, g * n + i] for i in range(n)], -1)
                        for g in range(groups)], 1)
    assert torch.equal(ref, loop)
    if groups == 1:
        ref = ref[:, 0]
        assert torch.equal(out, Flatten()(x))
    assert torch.equal(out, ref) and out.shape == ref.shape
    seed = torch.randn(out.shape, generator=gen(1))
    assert_all_close(grads((out * seed).sum(), [x]), grads((ref * seed).sum(), [x]))


@pytest.mark.parametrize("shape, words", [
    ((2, 5, 3), r"FlattenConsecutive\(2\).*\(2, 5, 3\).*multiple of 2"),
    ((2, 0, 3), "multiple of 2"),
    ((2, 6), r"\(2, 6\).*\(batch, time, features\)"),
])
def test_flatten_consecutive_says_what_is_wrong(shape, words):
    with pytest.raises(ValueError, match=words):
        FlattenConsecutive(2)(torch.zeros(shape))


def test_flatten_consecutive_refuses_an_empty_group():
    with pytest.raises(ValueError, match="n is 0"):
        FlattenConsecutive(0)


# --------------------------------------------------------------------------- the rest


def network():
    g = gen(11)
    return Sequential(
        Embedding(27, 4, generator=g), Flatten(), Linear(12, 8, generator=g, bias=False),
        BatchNorm1d(8), Tanh(), Linear(8, 27, generator=g))


def test_sequential_reaches_every_layer():
    net = network()
    assert [tuple(p.shape) for p in net.parameters()] == [
        (27, 4), (12, 8), (8,), (8,), (8, 27), (27,)]
    assert net.eval() is net and not any(layer.training for layer in net)
    assert net.train() is net and all(layer.training for layer in net)
    assert len(net) == 6 and isinstance(net[3], BatchNorm1d)
    assert "BatchNorm1d(8)" in repr(net)


def test_sequential_equals_its_torch_twin_in_float32():
    net = network()
    twin = torch.nn.Sequential(torch.nn.Embedding(27, 4), torch.nn.Flatten(),
                               torch.nn.Linear(12, 8, bias=False), torch.nn.BatchNorm1d(8),
                               torch.nn.Tanh(), torch.nn.Linear(8, 27))
    with torch.no_grad():
        for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
            theirs.copy_(mine.T if theirs.shape != mine.shape else mine)
    x = torch.randint(0, 27, (16, 3), generator=gen(1))
    y = torch.randint(0, 27, (16,), generator=gen(2))
    out, ref = net(x), twin(x)
    assert_all_close([out], [ref], 1e-5)
    loss = torch.nn.functional.cross_entropy
    mine = grads(loss(out, y), net.parameters())
    theirs = grads(loss(ref, y), list(twin.parameters()))
    mine = [m.T if m.shape != r.shape else m for m, r in zip(mine, theirs, strict=True)]
    assert_all_close(mine, theirs, 1e-5)


def test_linear_gain_scales_the_start():
    a, b = Linear(3, 4, generator=gen(7)), Linear(3, 4, gain=0.1, generator=gen(7))
    torch.testing.assert_close(b.weight, a.weight * 0.1)
    assert b.weight.is_leaf and b.weight.requires_grad


def test_names_are_those_of_torch():
    """Numbers and dots as in torch.nn; the gain of batchnorm is called gain, not weight."""
    net = network()
    twin = torch.nn.Sequential(torch.nn.Embedding(27, 4), torch.nn.Flatten(),
                               torch.nn.Linear(12, 8, bias=False), torch.nn.BatchNorm1d(8),
                               torch.nn.Tanh(), torch.nn.Linear(8, 27))
    names = [name for name, _ in twin.named_parameters()]
    assert [name for name, _ in net.named_parameters()] == [
        name.replace("3.weight", "3.gain") for name in names]
    assert all(p is q for (_, p), q in zip(net.named_parameters(), net.parameters(), strict=True))
    theirs = {name.replace("3.weight", "3.gain") for name in twin.state_dict()}
    assert set(net.state_dict()) == theirs - {"3.num_batches_tracked"}
    inner = Sequential(Sequential(Linear(2, 2, generator=gen())), Tanh())
    assert [name for name, _ in inner.named_parameters()] == ["0.0.weight", "0.0.bias"]


def test_a_layer_in_two_places_is_listed_once():
    shared = Linear(2, 2, generator=gen())
    twin = torch.nn.Linear(2, 2)
    net = Sequential(shared, Tanh(), shared)
    assert len(net.parameters()) == len(list(torch.nn.Sequential(twin, twin).parameters())) == 2


def test_a_readers_own_layer_has_names():
    class Scale(Layer):
        def __init__(self):
            self.factor = torch.ones(2, requires_grad=True)
            self.steps = [torch.zeros(1, requires_grad=True)]

        def parameters(self):
            return [self.factor, *self.steps]

    assert [name for name, _ in Scale().named_parameters()] == ["factor", "1"]


def test_state_comes_back():
    net, other = network(), network()
    for layer in (other[2], other[5]):
        with torch.no_grad():
            layer.weight += 1
    x = torch.randint(0, 27, (16, 3), generator=gen(1))
    other(x)                                    # moves the running statistics
    place = net[2].weight
    state = other.state_dict()
    assert not any(tensor.requires_grad for tensor in state.values())
    net.load_state_dict({name: tensor.clone() for name, tensor in state.items()})
    assert net[2].weight is place and place.requires_grad
    assert torch.equal(net.eval()(x), other.eval()(x))
    assert torch.equal(net[3].running_var, other[3].running_var)


@pytest.mark.parametrize("change, error, words", [
    (lambda s: s.pop("3.running_mean"), KeyError, "3.running_mean is missing"),
    (lambda s: s.update(more=torch.zeros(1)), KeyError, "more is not expected"),
    (lambda s: s.update({"5.bias": torch.zeros(1)}), ValueError, r"5.bias.*\(27,\).*\(1,\)"),
    (lambda s: s.update({"5.bias": [0.0] * 27}), ValueError, "5.bias is a tensor of .*list"),
    (lambda s: s.update({"5.bias": torch.zeros(27).long()}), ValueError, "5.bias.*int64"),
])
def test_a_state_of_another_model_changes_nothing(change, error, words):
    net = network()
    state = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    change(state)
    before = [tensor.clone() for tensor in net.state_dict().values()]
    with pytest.raises(error, match=words):
        net.load_state_dict(state)
    assert all(torch.equal(a, b)
               for a, b in zip(before, net.state_dict().values(), strict=True))


def test_layers_keep_their_output():
    layer = Tanh()
    x = torch.randn(2, 3, generator=gen())
    assert layer(x) is layer.out
    assert torch.equal(layer.out, torch.tanh(x))


@pytest.mark.parametrize("what", [3, torch.tanh])
def test_sequential_refuses_what_is_no_layer(what):
    with pytest.raises(TypeError, match="is no Layer"):
        Sequential(what)


def test_a_layer_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Layer has no forward"):
        Layer()(torch.zeros(1))


def test_importing_seeds_nothing():
    from importlib import util

    import zh.layers
    torch.manual_seed(123)
    before = torch.get_rng_state()
    spec = util.spec_from_file_location("layers_once_more", zh.layers.__file__)
    spec.loader.exec_module(util.module_from_spec(spec))
    assert torch.equal(before, torch.get_rng_state())


def test_batch_normalisation_of_no_feature_is_refused():
    with pytest.raises(ValueError, match="dim is 0"):
        BatchNorm1d(0)
