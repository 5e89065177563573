"""Run: python -m pytest tests/unit/test_backward.py

The hand-written backward against PyTorch's autograd and against finite differences.
"""
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import backward as bw

F64 = torch.float64
sizes = st.integers(1, 5)
quick = settings(max_examples=30)


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=gen(seed), dtype=F64)


def autograd(fn, *inputs: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """A random output gradient, and what autograd makes of it for each input."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    out = fn(*leaves)
    dout = normal(*out.shape, seed=99)
    return dout, torch.autograd.grad(out, leaves, dout)


def same(mine, theirs):
    mine = mine if isinstance(mine, tuple) else (mine,)
    for a, b in zip(mine, theirs, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


# --------------------------------------------------------------------------- each operation


@st.composite
def broadcastable(draw):
    """Two shapes that broadcast together."""
    full = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))

    def weaken(shape):
        kept = [draw(st.sampled_from([s, 1])) for s in shape]
        return tuple(kept[draw(st.integers(0, len(kept) - 1)):])
    return weaken(full), weaken(full)


@quick
@given(broadcastable())
def test_broadcasting_operations(shapes):
    a, b = normal(*shapes[0], seed=1), normal(*shapes[1], seed=2)
    for fn, back in [(torch.add, bw.add_backward), (torch.sub, bw.sub_backward),
                     (torch.mul, bw.mul_backward)]:
        dout, theirs = autograd(fn, a, b)
        same(back(dout, a, b), theirs)


@quick
@given(broadcastable())
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes):
    """sum(dout * broadcast(a)) == sum(unbroadcast(dout) * a), for every dout and a."""
    a, other = normal(*shapes[0], seed=1), normal(*shapes[1], seed=2)
    wide = a + torch.zeros_like(other)
    dout = normal(*wide.shape, seed=3)
    down = bw.unbroadcast(dout, a.shape)
    assert down.shape == a.shape
    torch.testing.assert_close((dout * wide).sum(), (down * a).sum())


@pytest.mark.parametrize("grad, shape", [((3, 4), (3, 5)), ((3,), (2, 3)), ((3, 1), (3, 4))])
def test_unbroadcast_refuses_shapes_that_do_not_fit(grad, shape):
    with pytest.raises(ValueError, match="does not broadcast"):
        bw.unbroadcast(torch.zeros(grad), shape)


@quick
@given(sizes, sizes, sizes)
def test_matmul(n, k, m):
    a, b = normal(n, k, seed=1), normal(k, m, seed=2)
    dout, theirs = autograd(torch.matmul, a, b)
    same(bw.matmul_backward(dout, a, b), theirs)


@quick
@given(sizes, sizes, st.sampled_from([-2, -1, -0.5, 0.5, 1, 2, 3]))
def test_elementwise(n, m, k):
    a = normal(n, m, seed=1).abs() + 0.1
    dout, theirs = autograd(lambda z: z ** k, a)
    same(bw.pow_backward(dout, a, k), theirs)
    dout, theirs = autograd(torch.exp, a)
    same(bw.exp_backward(dout, a.exp()), theirs)
    dout, theirs = autograd(torch.log, a)
    same(bw.log_backward(dout, a), theirs)
    dout, theirs = autograd(torch.tanh, a)
    same(bw.tanh_backward(dout, a.tanh()), theirs)


@quick
@given(sizes, sizes, st.integers(0, 1))
def test_reductions(n, m, dim):
    a = normal(n, m, seed=1)
    dout, theirs = autograd(lambda z: z.sum(dim, keepdim=True), a)
    same(bw.sum_backward(dout, a.shape), theirs)
    dout, theirs = autograd(lambda z: z.max(dim, keepdim=True).values, a)
    same(bw.max_backward(dout, a, dim), theirs)


@quick
@given(sizes, sizes, st.integers(0, 99))
def test_indexing(n, m, seed):
    a, rows = normal(n, m, seed=1), torch.arange(n)
    columns = torch.randint(0, m, (n,), generator=gen(seed))
    dout, theirs = autograd(lambda z: z[rows, columns], a)
    same(bw.pick_backward(dout, a.shape, rows, columns), theirs)
    index = torch.randint(0, n, (3, 4), generator=gen(seed))          # rows used again and again
    dout, theirs = autograd(lambda z: z[index], a)
    same(bw.embedding_backward(dout, a.shape, index), theirs)


@quick
@given(sizes, st.integers(2, 6), st.integers(0, 99))
def test_cross_entropy(n, m, seed):
    logits = 3 * normal(n, m, seed=seed)
    Y = torch.randint(0, m, (n,), generator=gen(seed))
    leaf = logits.clone().requires_grad_()
    torch.nn.functional.cross_entropy(leaf, Y).backward()
    mine = bw.cross_entropy_backward(logits, Y)
    same(mine, (leaf.grad,))
    torch.testing.assert_close(mine.sum(1), torch.zeros(n, dtype=F64), rtol=0, atol=1e-15)


@quick
@given(st.integers(2, 7), sizes, st.booleans())
def test_batchnorm(n, h, bessel):
    x, gain, bias = normal(n, h, seed=1), 1 + 0.2 * normal(h, seed=2), normal(h, seed=3)

    def batchnorm(z):
        inv_std = (z.var(0, unbiased=bessel) + 1e-5) ** -0.5
        return gain * (z - z.mean(0)) * inv_std + bias
    dout, theirs = autograd(batchnorm, x)
    inv_std = (x.var(0, unbiased=bessel) + 1e-5) ** -0.5
    xhat = (x - x.mean(0)) * inv_std
    same(bw.batchnorm_backward(dout, xhat, gain, inv_std, bessel), theirs)


def test_batchnorm_equals_torch_nn_in_the_biased_form():
    x, gain = normal(8, 3, seed=1), 1 + 0.2 * normal(3, seed=2)
    layer = torch.nn.BatchNorm1d(3, dtype=F64)
    with torch.no_grad():
        layer.weight.copy_(gain)
    leaf = x.clone().requires_grad_()
    dout = normal(8, 3, seed=4)
    theirs = torch.autograd.grad(layer(leaf), leaf, dout)
    inv_std = (x.var(0, unbiased=False) + 1e-5) ** -0.5
    xhat = (x - x.mean(0)) * inv_std
    same(bw.batchnorm_backward(dout, xhat, gain, inv_std, bessel=False), theirs)


# --------------------------------------------------------------------------- the whole network


def network(dtype=F64, n=8, context=3, embedding=4, hidden=5, vocab=7, seed=0, bessel=True,
            track=True):
    g = gen(seed)
    p = bw.init(vocab, context, embedding=embedding, hidden=hidden, generator=g, dtype=dtype)
    X = torch.randint(0, vocab, (n, context), generator=g)
    Y = torch.randint(0, vocab, (n,), generator=g)
    if track:
        for tensor in vars(p).values():
            tensor.requires_grad_()
    return p, X, Y, bw.forward(p, X, Y, bessel=bessel)


def test_the_network_has_26_tensors_in_backward_order():
    assert len(bw.TENSORS) == len(set(bw.TENSORS)) == 26
    *_, t = network(track=False)
    g = bw.unfused(t)
    assert set(vars(g)) == set(bw.TENSORS)
    for name in bw.TENSORS:
        assert getattr(g, name).shape == getattr(t, name).shape, name


def test_the_loss_is_the_cross_entropy_of_its_logits():
    _, _, Y, t = network(track=False)
    torch.testing.assert_close(t.loss, torch.nn.functional.cross_entropy(t.logits, Y))


@settings(max_examples=15)
@given(st.integers(2, 6), st.integers(1, 3), sizes, sizes, st.integers(2, 6), st.integers(0, 99),
       st.booleans())
def test_unfused_and_fused_against_autograd(n, context, embedding, hidden, vocab, seed, bessel):
    *_, t = network(F64, n, context, embedding, hidden, vocab, seed, bessel)
    for name in bw.TENSORS:
        getattr(t, name).retain_grad()
    t.loss.backward()
    with torch.no_grad():
        unfused, fused = vars(bw.unfused(t)), vars(bw.fused(t))
    for mine in (unfused, fused):
        for name, grad in mine.items():
            reference = getattr(t, name).grad
            assert grad.shape == reference.shape, name
            # where the spread of a feature is near zero, 1/std is large and so is the rounding
            scale = max(1.0, reference.abs().max().item())
            torch.testing.assert_close(grad, reference, rtol=1e-7, atol=1e-9 * scale, msg=name)


def test_float32_is_close_everywhere():
    *_, t = network(torch.float32, 32, 3, 10, 64, 27)
    for name in bw.TENSORS:
        getattr(t, name).retain_grad()
    t.loss.backward()
    with torch.no_grad():
        for g in (bw.unfused(t), bw.fused(t)):
            for name, grad in vars(g).items():
                assert bw.compare(name, grad, getattr(t, name).grad, show=False), name


def test_parameters_against_finite_differences():
    p, X, Y, t = network(track=False)
    g = bw.fused(t)
    h = 1e-6
    for name in bw.PARAMETERS:
        numeric = torch.zeros_like(getattr(p, name))
        flat = getattr(p, name).view(-1)
        for i in range(flat.numel()):
            kept = flat[i].item()
            flat[i] = kept + h
            up = bw.forward(p, X, Y).loss.item()
            flat[i] = kept - h
            down = bw.forward(p, X, Y).loss.item()
            flat[i] = kept
            numeric.view(-1)[i] = (up - down) / (2 * h)
        torch.testing.assert_close(getattr(g, name), numeric, rtol=1e-5, atol=1e-8, msg=name)


def test_no_autograd_in_the_hand_written_path():
    *_, t = network(track=False)
    for g in (bw.unfused(t), bw.fused(t)):
        assert not any(x.requires_grad for x in vars(g).values())


def test_a_bias_before_batchnorm_has_no_gradient():
    """Batchnorm subtracts the mean, and a bias is a part of the mean."""
    *_, t = network(track=False)
    assert bw.fused(t).b1.abs().max() < 1e-15
    assert bw.unfused(t).logit_maxes.abs().max() < 1e-15


def test_side_by_side_is_fused_network_by_network():
    runs = [network(track=False, seed=seed, bessel=seed != 1) for seed in range(3)]
    p = bw.stack([run[0] for run in runs])
    X, Y = torch.stack([run[1] for run in runs]), torch.stack([run[2] for run in runs])
    for one, (q, *_) in zip(bw.unstack(p), runs, strict=True):
        for name in bw.PARAMETERS:
            assert torch.equal(getattr(one, name).view_as(getattr(q, name)), getattr(q, name))
    together = bw.unstack(bw.side_by_side(p, X, Y, bessel=torch.tensor([1, 0, 1])))
    for mine, (*_, t) in zip(together, runs, strict=True):
        for name in bw.PARAMETERS:
            reference = getattr(bw.fused(t), name)
            assert bw.compare(name, getattr(mine, name).view_as(reference), reference), name


def test_side_by_side_with_parts_left_out():
    """Each fault against its definition, from the tensors of the small steps."""
    p, X, Y, t = network(track=False)
    right = bw.fused(t)
    d = right.hpreact
    along = t.bnraw * (d * t.bnraw).sum(0) / (t.n - 1)
    wanted = {(1, 1): d - d.mean(0) - along, (0, 1): d - along, (1, 0): d - d.mean(0), (0, 0): d}
    mean, spread = zip(*wanted, strict=True)
    four = bw.side_by_side(bw.stack([p] * 4), X.expand(4, -1, -1), Y.expand(4, -1),
                           mean=torch.tensor(mean), spread=torch.tensor(spread))
    for i, dx in enumerate(wanted.values()):
        dW1 = t.embcat.T @ (t.bngain * t.bnvar_inv * dx)
        assert bw.compare("W1", four.W1[i], dW1)
        assert bw.compare("W2", four.W2[i], right.W2)
    X = torch.arange(len(X) * 3).view(-1, 3) % 7     # every letter more than once
    rows = bw.fused(bw.forward(p, X, Y))
    both = bw.side_by_side(bw.stack([p] * 2), X.expand(2, -1, -1), Y.expand(2, -1),
                           overwrite=torch.tensor([False, True]))
    assert bw.compare("C", both.C[0], rows.C)
    for letter in range(7):                          # one of the writes survives
        uses = rows.emb[X == letter]
        assert len(uses) > 1
        assert (uses - both.C[1][letter]).abs().sum(1).min() < 1e-12


@pytest.mark.parametrize("bessel", [True, False])
def test_the_backward_pass_uses_the_eps_of_the_forward_pass(bessel):
    p, X, Y, _ = network(track=False)
    leaves = SimpleNamespace(**{k: v.clone().requires_grad_() for k, v in vars(p).items()})
    t = bw.forward(leaves, X, Y, bessel=bessel, eps=0.1)
    t.loss.backward()
    with torch.no_grad():
        for g in (bw.unfused(t), bw.fused(t)):
            for name in bw.PARAMETERS:
                assert bw.compare(name, getattr(g, name), getattr(leaves, name).grad), name


def test_a_batch_of_one_has_no_spread():
    p, X, Y, _ = network(track=False)
    with pytest.raises(ValueError, match="batch of 1 has no spread.*two examples"):
        bw.forward(p, X[:1], Y[:1])
    assert not bw.forward(p, X[:1], Y[:1], bessel=False).bnraw.any()


def test_init_is_the_generators_alone():
    torch.manual_seed(0)
    a = bw.init(27, 3, generator=gen(5))
    torch.manual_seed(1)
    b = bw.init(27, 3, generator=gen(5))
    assert all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))
    assert tuple(vars(a)) == bw.PARAMETERS


# --------------------------------------------------------------------------- compare


REF = normal(3, 3, seed=5)


@pytest.mark.parametrize("mine, reference, verdict, how", [
    (REF, REF, "exact", ""),
    (REF * (1 + 1e-15), REF, "close", ""),
    (-REF, REF, "wrong", "wrong sign"),
    (2 * REF, REF, "wrong", "factor of 2"),
    (REF * 31 / 32, REF, "wrong", "factor of 0.969"),
    (REF / 32, REF, "wrong", "factor of 1/32"),
    (REF.T, REF, "wrong", "transposed"),
    (REF[:2].T, REF[:2], "wrong", "transposed"),
    (REF, REF.sum(0), "wrong", "sum in backward"),
    (REF, REF.sum(0, keepdim=True), "wrong", "sum in backward"),
    (REF.sum(0), REF.sum(0, keepdim=True), "wrong", "keepdim"),
    (REF[0, :2], REF, "wrong", "shape is"),
    (0 * REF, REF, "wrong", "zero, up to rounding"),
    (1e-16 * REF, REF, "wrong", "zero, up to rounding"),
    (REF / 0, REF, "wrong", "not finite: a division"),
    (REF, REF * math.nan, "wrong", "the reference is not finite"),
    (REF / 0, REF / 0, "exact", ""),
    (REF * 0 / 0, REF * 0 / 0, "wrong", "not finite"),
    (REF * torch.tensor([1, 1, 3]), REF, "wrong", "3 of 9 entries"),
    (REF + 1, REF, "wrong", "9 of 9 entries"),
    (REF, 1e-18 * REF, "wrong", "should be zero"),
    (REF.float(), REF, "close", ""),
])
def test_compare_says_how(mine, reference, verdict, how, capsys):
    found = bw.compare("x", mine, reference)
    assert (found.verdict, bool(found)) == (verdict, verdict != "wrong")
    assert how in found.how
    assert found.verdict in capsys.readouterr().out
    if mine.shape == reference.shape and verdict in ("exact", "close") and mine.isfinite().all():
        assert found.maxdiff == (mine - reference).abs().max().item()


def test_compare_takes_a_tensor_that_autograd_watches():
    x = torch.ones(2, requires_grad=True)
    assert bw.compare("x", x * 2, torch.full((2,), 2.0), show=False).verdict == "exact"


def test_compare_of_two_noises_around_zero_is_close():
    """The true gradient of b1 is zero: both sides hold nothing but rounding."""
    noise = 1e-9 * torch.randn(64, generator=gen(1))
    found = bw.compare("b1", noise, -noise, show=False)
    assert (found.verdict, found.how) == ("close", "both zero, up to rounding")
    assert bw.compare("b1", 1e3 * noise, -1e3 * noise, show=False).how == "wrong sign"


def test_compare_gives_the_relative_error():
    found = bw.compare("x", 1.01 * REF, REF, show=False)
    assert found.relative == pytest.approx(0.01)


def test_compare_with_another_shape_has_no_difference():
    assert math.isnan(bw.compare("x", torch.zeros(2), torch.zeros(3), show=False).maxdiff)


def test_the_steps_of_unfused_can_be_run_alone():
    *_, t = network(track=False)
    g = SimpleNamespace()
    bw.loss_to_logits(t, g)
    torch.testing.assert_close(g.logits, bw.cross_entropy_backward(t.logits, t.Y))
