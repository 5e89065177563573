"""Run: python -m pytest tests/unit/test_attention.py

Attention against `torch.nn.MultiheadAttention`, `scaled_dot_product_attention` and closed forms.
"""
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zh import attention as at
from zh.attention import (
    Cache,
    CrossAttention,
    Head,
    HeadList,
    MultiHead,
    OneLayer,
    attention,
    causal,
    padding,
    rotate,
    stack,
)

F64 = torch.float64
CLOSE = dict(rtol=1e-9, atol=1e-10)


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=gen(seed), dtype=F64)


def multi(dim=8, heads=2, seed=0, **options) -> MultiHead:
    """A layer in float64, with biases that are not at rest."""
    layer = MultiHead(dim, heads, generator=gen(seed), **options).double()
    with torch.no_grad():
        for part in (layer.qkv, layer.project):
            if part.bias is not None:
                part.bias.normal_(generator=gen(seed + 1))
    return layer


def theirs(layer: MultiHead) -> nn.MultiheadAttention:
    """PyTorch's module with the weights of a MultiHead."""
    dim = layer.qkv.in_features
    twin = nn.MultiheadAttention(dim, layer.heads, batch_first=True, dtype=F64)
    with torch.no_grad():
        twin.in_proj_weight.copy_(layer.qkv.weight)
        twin.in_proj_bias.copy_(layer.qkv.bias)
        twin.out_proj.load_state_dict(layer.project.state_dict())
    return twin


# ---------------------------------------------------------------------------
# Averages


@pytest.mark.parametrize("average", [at.average_loop, at.average_matmul, at.average_softmax])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 5), (2, 12, 1)])
def test_an_average_is_a_running_sum_over_its_length(average, shape):
    x = normal(*shape)
    torch.testing.assert_close(average(x), x.cumsum(1) / torch.arange(1, shape[1] + 1)[:, None],
                               **CLOSE)


# ---------------------------------------------------------------------------
# Masks


@given(st.integers(1, 9), st.integers(0, 5))
def test_causal_queries_are_the_last_places(T, before):
    S = T + before
    mask = causal(T, S)
    assert mask.dtype == torch.bool and mask.shape == (T, S)
    assert all(mask[t, s] == (s <= before + t) for t in range(T) for s in range(S))
    assert torch.equal(causal(S)[-T:], mask)


@pytest.mark.parametrize("T, S", [(3, 2), (0, 4)])
def test_more_queries_than_places_are_refused(T, S):
    with pytest.raises(ValueError, match=f"{T} queries among {S} places"):
        causal(T, S)


def test_padding_hides_what_fills_up():
    mask = padding(torch.tensor([3, 1, 4]), 4)
    assert mask.shape == (3, 1, 4)
    assert mask[:, 0].sum(-1).tolist() == [3, 1, 4] and mask[1, 0].tolist() == [True] + 3 * [False]
    assert torch.equal(padding([2], 3), torch.tensor([[[True, True, False]]]))


@pytest.mark.parametrize("lengths, error, words", [
    ([2.0, 1.0], TypeError, "whole numbers"), ([[1, 2]], TypeError, r"shape \(1, 2\)"),
    ([True], TypeError, "torch.bool"), ([0, 2], ValueError, "from 0 to 2"),
    ([1, 5], ValueError, "between 1 and 4")])
def test_lengths_that_are_none(lengths, error, words):
    with pytest.raises(error, match=words):
        padding(torch.tensor(lengths), 4)


WRONG = [
    (torch.tril(torch.ones(5, 5)), TypeError, "booleans.*torch.float32.*mask == 1"),
    (torch.zeros(5, 5).masked_fill(~causal(5), -torch.inf), TypeError, "scores == 0"),
    (torch.ones(5, 5, dtype=torch.int64), TypeError, "torch.int64"),
    ([[True] * 5] * 5, TypeError, "list"),
    (causal(4), ValueError, r"\(4, 4\).*broadcast to \(2, 5, 5\)"),
    (torch.ones(3, 5, 5, dtype=torch.bool), ValueError, r"\(3, 5, 5\)"),
    (torch.ones(2, 1, 5, 5, dtype=torch.bool), ValueError, "queries and keys"),
    (causal(5).tril(-1), ValueError, "query 0 may look at no key"),
    (torch.zeros(2, 1, 5, dtype=torch.bool), ValueError, "not a number"),
]


@pytest.mark.parametrize("mask, error, words", WRONG)
@pytest.mark.parametrize("options", [dict(), dict(fused=False), dict(causal=False)])
def test_a_wrong_mask_is_a_clear_error(mask, error, words, options):
    with pytest.raises(error, match=words):
        multi(**options)(normal(2, 5, 8), mask)


@pytest.mark.parametrize("mask, error, words", WRONG)
def test_a_wrong_mask_of_the_function_and_of_cross_attention(mask, error, words):
    x = normal(2, 5, 8)
    if getattr(mask, "ndim", 0) < 4:
        with pytest.raises(error, match=words):
            attention(x, x, x, mask)
    with pytest.raises(error, match=words):
        CrossAttention(8, 2, generator=gen()).double()(x, x, mask)


@pytest.mark.parametrize("fused", [True, False])
def test_masks_that_leave_a_query_blind_together(fused):
    """Each is fine by itself: place 0 is padding, and before it there is nothing."""
    late = torch.tensor([False, True, True, True])
    assert multi(causal=False, fused=fused)(normal(2, 4, 8), late).isfinite().all()
    with pytest.raises(ValueError, match="query 0 may look at no key.*all its masks together"):
        multi(fused=fused)(normal(2, 4, 8), late)


# ---------------------------------------------------------------------------
# Attention


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4),
       st.sampled_from([None, 1.0, 0.1]), st.integers(0, 99))
def test_attention_is_the_kernel_of_pytorch(T, S, d, e, scale, seed):
    q, k, v = normal(2, 3, T, d, seed=seed), normal(2, 3, S, d, seed=seed + 1), normal(
        2, 3, S, e, seed=seed + 2)
    mask = torch.rand(2, 1, T, S, generator=gen(seed)) < 0.5
    mask |= F.one_hot(torch.randint(S, (T,), generator=gen(seed)), S).bool()   # one at least
    out, weights = attention(q, k, v, mask, scale)
    torch.testing.assert_close(out, F.scaled_dot_product_attention(q, k, v, mask, scale=scale),
                               **CLOSE)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, T, dtype=F64))
    assert (weights[~mask.expand_as(weights)] == 0).all() and (weights >= 0).all()


def test_scores_of_zero_are_an_average():
    x = normal(2, 6, 3)
    out, _ = attention(x, x, x, causal(6), scale=0.0)
    torch.testing.assert_close(out, at.average_loop(x), **CLOSE)


def test_products_are_divided_by_the_root_of_the_size():
    """Their variance is 1 for any d; without it, d."""
    for d in (4, 64, 256):
        q, k = normal(4000, 1, d, seed=d), normal(4000, 2, d, seed=d + 1)
        weights = attention(q, k, k)[1].squeeze(1)
        assert (weights[:, 0] / weights[:, 1]).log().var().item() == pytest.approx(2, rel=0.1)


# ---------------------------------------------------------------------------
# The versions of heads


@pytest.mark.parametrize("dim, heads", [(8, 1), (8, 2), (12, 4), (6, 6)])
def test_all_versions_of_the_heads_are_equal(dim, heads):
    listed = HeadList(dim, heads, generator=gen()).double()
    x = normal(3, 7, dim)
    want, tensor = listed(x), stack(listed)
    assert want.shape == (3, 7, dim) and tensor.qkv.weight.dtype == F64
    torch.testing.assert_close(tensor(x), want, **CLOSE)              # the kernel
    tensor.fused = False
    torch.testing.assert_close(tensor(x), want, **CLOSE)              # by hand
    twin = theirs(tensor)(x, x, x, attn_mask=~causal(7), need_weights=False)[0]
    torch.testing.assert_close(twin, want, **CLOSE)
    kept = torch.stack([head.weights for head in listed.heads], 1)
    torch.testing.assert_close(tensor.weights, kept, **CLOSE)


def test_one_head_is_the_kernel():
    head, x = Head(8, 3, generator=gen()).double(), normal(2, 5, 8)
    q, k, v = head.query(x), head.key(x), head.value(x)
    torch.testing.assert_close(head(x), F.scaled_dot_product_attention(q, k, v, is_causal=True),
                               **CLOSE)
    assert head.weights.shape == (2, 5, 5) and not head.weights.requires_grad


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("wise", [True, False])
@pytest.mark.parametrize("lengths", [None, [5, 2, 4]])
def test_masks_are_those_of_nn_multiheadattention(fused, wise, lengths):
    """There a mask is True where a query may *not* look."""
    layer, x = multi(causal=wise, fused=fused), normal(3, 5, 8)
    mask = None if lengths is None else padding(torch.tensor(lengths), 5)
    want = theirs(layer)(
        x, x, x, attn_mask=~causal(5) if wise else None, need_weights=False,
        key_padding_mask=None if mask is None else ~mask[:, 0])[0]
    torch.testing.assert_close(layer(x, mask), want, **CLOSE)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("lengths", [None, [6, 1, 4]])
def test_cross_attention_is_nn_multiheadattention(fused, lengths):
    cross = CrossAttention(8, 2, generator=gen(), fused=fused).double()
    x, source = normal(3, 4, 8), normal(3, 6, 8, seed=1)
    twin = nn.MultiheadAttention(8, 2, batch_first=True, dtype=F64)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([cross.query.weight, cross.key_value.weight]))
        twin.in_proj_bias.zero_()
        twin.out_proj.load_state_dict(cross.project.state_dict())
    mask = None if lengths is None else padding(torch.tensor(lengths), 6)
    want, weights = twin(x, source, source, average_attn_weights=False,
                         key_padding_mask=None if mask is None else ~mask[:, 0])
    torch.testing.assert_close(cross(x, source, mask), want, **CLOSE)
    if not fused:
        torch.testing.assert_close(cross.weights, weights, **CLOSE)


@settings(max_examples=25)
@given(st.integers(1, 7), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 50))
def test_the_kernel_and_the_hand_agree_forwards_and_backwards(T, wise, rope, masked, seed):
    mask = (torch.rand(2, T, T, generator=gen(seed)) < 0.5) | torch.eye(T).bool()
    found = []
    for fused in (True, False):
        layer = multi(8, 2, seed, causal=wise, rope=rope, fused=fused, scale=0.3)
        x = normal(2, T, 8, seed=seed).requires_grad_()
        out = layer(x, mask if masked else None)
        grads = torch.autograd.grad(out.square().sum(), [x, *layer.parameters()])
        found.append([out, *grads])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_a_mask_may_be_short_of_axes():
    layer, x = multi(causal=False), normal(2, 4, 8)
    row = torch.tensor([True, False, True, True])
    want = layer(x, row.expand(2, 4, 4))
    for mask in (row, row[None], row[None, None], row.expand(4, 4)):
        torch.testing.assert_close(layer(x, mask), want, **CLOSE)


def test_scale_is_that_of_the_scores():
    x = normal(2, 5, 8)
    plain, same, other = (multi(fused=f, scale=s)(x) for f, s in
                          ((False, None), (True, 4 ** -0.5), (True, 8 ** -0.5)))
    torch.testing.assert_close(plain, same, **CLOSE)
    assert (plain - other).abs().max() > 1e-3


@pytest.mark.parametrize("fused", [True, False])
def test_dropout_drops_in_training_alone(fused):
    layer, x = multi(dropout=0.5, fused=fused), normal(4, 6, 8)
    still = multi(fused=fused)(x)
    assert not torch.equal(layer(x), still)
    torch.testing.assert_close(layer.eval()(x), still, **CLOSE)


# ---------------------------------------------------------------------------
# What may move what


@given(st.integers(2, 8), st.booleans(), st.integers(0, 30))
@settings(max_examples=20)
def test_a_prefix_has_the_outputs_it_had(T, rope, seed):
    layer, x = multi(seed=seed, rope=rope), normal(2, T, 8, seed=seed)
    whole = layer(x)
    for t in range(1, T):
        torch.testing.assert_close(layer(x[:, :t]), whole[:, :t], **CLOSE)


def test_gradients_follow_the_mask_and_never_cross_the_batch():
    mask = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, 1], [0, 0, 1, 0]]).bool()
    layer = multi(causal=False)
    x = normal(2, 4, 8).requires_grad_()
    out = layer(x, mask)
    for b in range(2):
        for t in range(4):
            (slope,) = torch.autograd.grad(out[b, t].sum(), x, retain_graph=True)
            moved = slope.abs().sum(-1) > 0                                   # (2, 4)
            others = torch.arange(4) != t       # the query itself moves its weights as well
            assert torch.equal(moved[b][others], mask[t][others])
            assert not moved[1 - b].any()


@given(st.permutations(range(6)), st.integers(0, 20))
@settings(max_examples=20)
def test_without_positions_there_is_no_order(order, seed):
    x, order = normal(2, 6, 8, seed=seed), torch.tensor(order)
    layer = multi(seed=seed, causal=False)
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order], **CLOSE)
    wise = multi(seed=seed)
    front = torch.cat([order[order != 5], torch.tensor([5])])
    torch.testing.assert_close(wise(x[:, front])[:, -1], wise(x)[:, -1], **CLOSE)


# ---------------------------------------------------------------------------
# The cache


@settings(max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.booleans(), st.booleans(),
       st.integers(0, 30))
def test_the_cache_gives_what_the_whole_text_gives(parts, rope, fused, seed):
    T = sum(parts)
    layer = multi(seed=seed, rope=rope, fused=fused)
    x, cache = normal(2, T, 8, seed=seed), Cache(T)
    pieces = [layer(part, cache=cache) for part in x.split(parts, 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), layer(x), **CLOSE)
    assert cache.length == T


def test_a_full_cache_says_so():
    layer, cache = multi(), Cache(3)
    layer(normal(1, 2, 8), cache=cache)
    with pytest.raises(ValueError, match="has 2 places and 2 are added; it has room for 3"):
        layer(normal(1, 2, 8), cache=cache)


# ---------------------------------------------------------------------------
# Rotation


@given(st.integers(1, 5), st.integers(0, 10**6), st.integers(0, 50))
def test_rotation_is_a_complex_product(half, start, seed):
    d = 2 * half
    x, places = normal(3, 4, d, seed=seed), start + torch.arange(4)
    speed = torch.tensor([10_000.0 ** (-2 * i / d) for i in range(half)], dtype=F64)
    turn = torch.polar(torch.ones(4, half, dtype=F64), places[:, None] * speed)
    pairs = torch.view_as_complex(x.unflatten(-1, (half, 2)).contiguous())
    want = torch.view_as_real(pairs * turn).flatten(-2)
    torch.testing.assert_close(rotate(x, places), want, rtol=1e-7, atol=1e-8)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 2000), st.integers(0, 50))
def test_the_product_depends_on_the_distance_alone(p, s, shift, seed):
    q, k = normal(1, 8, seed=seed), normal(1, 8, seed=seed + 1)

    def score(a, b):
        return rotate(q, torch.tensor([a])) @ rotate(k, torch.tensor([b])).T

    torch.testing.assert_close(score(p, s), score(p + shift, s + shift), rtol=1e-8, atol=1e-9)
    assert rotate(q, torch.tensor([p])).norm().item() == pytest.approx(q.norm().item())


def test_place_zero_stays_where_it_is_and_others_move():
    x = normal(2, 3, 4)
    turned = rotate(x, torch.arange(3))
    torch.testing.assert_close(turned[:, 0], x[:, 0], **CLOSE)
    assert (turned[:, 1] - x[:, 1]).abs().max() > 0.1
    one = rotate(torch.tensor([[1.0, 0.0]], dtype=F64), torch.tensor([3]))
    torch.testing.assert_close(one, torch.tensor([[math.cos(3), math.sin(3)]], dtype=F64))


def test_shifting_all_places_changes_no_output_of_a_rotated_layer():
    """A cache that starts with other places has the same distances."""
    layer, x = multi(rope=True), normal(1, 6, 8)
    q, k, v = (at.split_heads(part, 2) for part in layer.qkv(x).chunk(3, -1))
    far = torch.arange(6) + 77
    moved = layer.project(at.merge_heads(layer.mix(rotate(q, far), rotate(k, far), v, None)))
    torch.testing.assert_close(moved, layer(x), rtol=1e-8, atol=1e-9)


# ---------------------------------------------------------------------------
# The smallest model


def ids(B: int, T: int, vocab: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(vocab, (B, T), generator=gen(seed))


@pytest.mark.parametrize("positions", [None, "learned", "rope"])
def test_one_layer_is_its_parts(positions):
    model = OneLayer(11, 6, 8, 2, positions=positions, generator=gen())
    x = F.embedding(ids(3, 5, 11), model.tokens.weight)
    if positions == "learned":
        x = x + model.places.weight[:5]
    want = F.linear(model.attention(x), model.scores.weight, model.scores.bias)
    torch.testing.assert_close(model(ids(3, 5, 11)), want)
    y = ids(3, 5, 11, seed=1)
    each = -want.log_softmax(-1).gather(-1, y[..., None])
    torch.testing.assert_close(model.loss(ids(3, 5, 11), y), each.mean())


def test_without_heads_each_place_sees_its_own_token():
    model = OneLayer(11, 6, 8, 0, positions=None, generator=gen())
    out = model(torch.tensor([[3, 4, 3]]))
    torch.testing.assert_close(out[0, 0], out[0, 2])
    assert model.attention is None and model.places is None


def test_one_layer_hands_the_mask_on():
    model = OneLayer(11, 6, 8, 2, causal=False, generator=gen())
    x = ids(2, 6, 11)
    free, bound = model(x), model(x, causal(6))
    torch.testing.assert_close(bound[:, -1], free[:, -1])
    assert (bound[:, 0] - free[:, 0]).abs().max() > 1e-3


def test_what_one_layer_refuses():
    model = OneLayer(11, 4, 8, 2, generator=gen())
    with pytest.raises(ValueError, match=r"5 places.*4 at most.*ids\[:, -4:\]"):
        model(ids(1, 5, 11))
    with pytest.raises(ValueError, match="positions is 'sine'"):
        OneLayer(11, 4, 8, 2, positions="sine", generator=gen())


# ---------------------------------------------------------------------------
# Reading weights


def test_reading_weights_is_a_loop():
    weights = normal(3, 2, 6, 6).softmax(-1)
    chosen = torch.rand(3, 6, 6, generator=gen()) < 0.3
    back = at.by_distance(weights, 4)
    assert back.shape == (2, 4)
    for h in range(2):
        for d in range(4):
            one = [weights[b, h, t, t - d] for b in range(3) for t in range(3, 6)]
            assert back[h, d].item() == pytest.approx(torch.stack(one).mean().item())
    found, usual = at.share_on(weights, chosen)
    for h in range(2):
        pairs = chosen.nonzero().tolist()
        got = [weights[b, h, t, s].item() for b, t, s in pairs]
        mean = [weights[:, h, t, s].mean().item() for _, t, s in pairs]
        assert found[h].item() == pytest.approx(sum(got) / len(got))
        assert usual[h].item() == pytest.approx(sum(mean) / len(mean))


# ---------------------------------------------------------------------------
# Starts and refusals


def test_weights_start_as_they_are_told_and_from_nobody_elses_dice():
    torch.manual_seed(0)
    a = multi(64, 4).state_dict()
    torch.manual_seed(1)
    b = multi(64, 4).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    layer = MultiHead(256, 4, generator=gen())
    assert layer.qkv.weight.std().item() == pytest.approx(256 ** -0.5, rel=0.02)
    assert layer.qkv.weight.mean().abs() < 1e-3 and not layer.qkv.bias.any()
    table = nn.Embedding(500, 64)
    at.draw(table, gen())
    assert table.weight.std().item() == pytest.approx(1, rel=0.02)
    at.draw(table, gen(), std=0.02)
    assert table.weight.std().item() == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("make, error, words", [
    (lambda: MultiHead(10, 3, generator=gen()), ValueError, "dim is 10 and heads 3"),
    (lambda: HeadList(8, 0, generator=gen()), ValueError, "dim is 8 and heads 0"),
    (lambda: CrossAttention(6, 4, generator=gen()), ValueError, "multiple"),
    (lambda: MultiHead(6, 2, rope=True, generator=gen()), ValueError, "heads of size 3"),
    (lambda: rotate(normal(2, 3), torch.arange(2)), ValueError, "has 3 features"),
    (lambda: Head(4, 2, generator=None), TypeError, "generator is None; pass"),
    (lambda: MultiHead(4, 2, generator=7), TypeError, "generator is 7; pass"),
])
def test_layers_that_make_no_sense(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("shape", [(5, 8), (2, 5, 7), (1, 2, 5, 8)])
def test_an_input_of_another_shape(shape):
    x, good = torch.zeros(shape), torch.zeros(2, 5, 8)
    for layer in (MultiHead(8, 2, generator=gen()), Head(8, 4, generator=gen()),
                  HeadList(8, 2, generator=gen())):
        with pytest.raises(ValueError, match=r"x has the shape.*\(B, T, 8\)"):
            layer(x)
    cross = CrossAttention(8, 2, generator=gen())
    with pytest.raises(ValueError, match="x has the shape"):
        cross(x, good)
    with pytest.raises(ValueError, match="the source has the shape"):
        cross(good, x)


def test_batches_of_cross_attention_must_agree():
    with pytest.raises(ValueError, match="2 examples ask and 3 sources answer"):
        CrossAttention(8, 2, generator=gen())(torch.zeros(2, 4, 8), torch.zeros(3, 5, 8))


def test_the_number_of_heads_costs_nothing():
    counts = {sum(p.numel() for p in MultiHead(24, heads, generator=gen()).parameters())
              for heads in (1, 2, 4, 24)}
    assert counts == {4 * (24 * 24 + 24)}
