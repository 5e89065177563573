"""Run: python -m pytest tests/unit/test_seq2seq.py

The encoder, the decoder and the whole against torch.nn with the same weights; padding that must
not leak; beam search against all answers that there are.
"""
import itertools
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zh.seq2seq import (
    DecoderOnly,
    EncoderDecoder,
    OneVector,
    Seq2SeqConfig,
    beam,
    effects,
    greedy,
    log_probability,
    maps,
)

F64 = torch.float64
PAD, START, END = range(3)


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, with biases and gains that are not at rest and a head that says something."""
    model.double()
    g = gen(seed + 1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1 or "head" in name:
                p += 0.3 * torch.randn(p.shape, generator=g, dtype=F64)
    return model


def pair(seed: int = 0, **sizes) -> EncoderDecoder:
    config = Seq2SeqConfig(**{"vocab": 11, "source": 9, "target": 6, "dim": 8, "heads": 2} | sizes)
    return lively(EncoderDecoder(config, generator=gen(seed)), seed)


def twin(seed: int = 0, **sizes) -> DecoderOnly:
    everything = sizes.pop("everything", False)
    config = Seq2SeqConfig(**{"vocab": 11, "source": 9, "target": 6, "dim": 8, "heads": 2} | sizes)
    return lively(DecoderOnly(config, 2, everything=everything, generator=gen(seed)), seed)


def rows(lengths, vocab: int = 11, seed: int = 0, longest: int | None = None) -> torch.Tensor:
    """Rows of signs of these lengths, filled up behind."""
    g, longest = gen(seed), longest or max(lengths)
    out = torch.full((len(lengths), longest), PAD)
    for row, length in zip(out, lengths, strict=True):
        row[:length] = torch.randint(3, vocab, (length,), generator=g)
    return out


def answers(lengths, vocab: int = 11, seed: int = 1) -> torch.Tensor:
    """Targets of so many signs: START, the signs, END, filled up behind."""
    out = F.pad(rows(lengths, vocab, seed), (1, 1), value=PAD)
    out[:, 0] = START
    for row, length in zip(out, lengths, strict=True):
        row[length + 1] = END
    return out


# ---------------------------------------------------------------------------
# torch.nn with the same weights

GELU = partial(F.gelu, approximate="tanh")


def copy_norm(to, norm):
    to.weight.copy_(norm.weight)
    to.bias.copy_(norm.bias)


def copy_rest(to, block):
    """The linear layers of a block."""
    for ours, theirs in ((block.mlp.up, to.linear1), (block.mlp.down, to.linear2)):
        theirs.weight.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)


def copy_self(to, attention):
    to.in_proj_weight.copy_(attention.qkv.weight)
    to.in_proj_bias.copy_(attention.qkv.bias)
    to.out_proj.weight.copy_(attention.project.weight)
    to.out_proj.bias.copy_(attention.project.bias)


def copy_cross(to, cross):
    to.in_proj_weight.copy_(torch.cat([cross.query.weight, cross.key_value.weight]))
    to.in_proj_bias.copy_(torch.cat([cross.query.bias, cross.key_value.bias]))
    to.out_proj.weight.copy_(cross.project.weight)
    to.out_proj.bias.copy_(cross.project.bias)


@torch.no_grad()
def torch_twin(model: EncoderDecoder):
    """nn.TransformerEncoder and nn.TransformerDecoder with the weights of the model."""
    c = model.config
    how = dict(d_model=c.dim, nhead=c.heads, dim_feedforward=4 * c.dim, dropout=0.0,
               activation=GELU, batch_first=True, norm_first=True, dtype=F64)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**how), c.encoder,
                                    nn.LayerNorm(c.dim, dtype=F64), enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**how), c.decoder,
                                    nn.LayerNorm(c.dim, dtype=F64))
    for theirs, ours in zip(encoder.layers, model.encoder, strict=True):
        copy_self(theirs.self_attn, ours.attention)
        copy_norm(theirs.norm1, ours.ln1)
        copy_norm(theirs.norm2, ours.ln2)
        copy_rest(theirs, ours)
    for theirs, ours in zip(decoder.layers, model.decoder, strict=True):
        copy_self(theirs.self_attn, ours.attention)
        copy_cross(theirs.multihead_attn, ours.cross)
        for number in (1, 2, 3):
            copy_norm(getattr(theirs, f"norm{number}"), getattr(ours, f"ln{number}"))
        copy_rest(theirs, ours)
    copy_norm(encoder.norm, model.norm_memory)
    copy_norm(decoder.norm, model.norm)
    return encoder, decoder


SIZES = [{}, {"encoder": 2, "decoder": 3}, {"heads": 4}, {"heads": 1, "dim": 6}]


@pytest.mark.parametrize("sizes", SIZES)
def test_the_encoder_and_the_decoder_are_those_of_torch(sizes):
    """Memory, scores and the gradient of every weight, with rows of different lengths."""
    model = pair(**sizes)
    encoder, decoder = torch_twin(model)
    source, target = rows([9, 4, 1]), answers([5, 2, 3])
    told, right = target[:, :-1], target[:, 1:]
    blind = source == PAD
    S, T = source.shape[1], told.shape[1]
    x = model.tokens(source) + model.source_places.weight[:S]
    y = model.tokens(told) + model.target_places.weight[:T]
    ahead = torch.ones(T, T, dtype=torch.bool).triu(1)
    theirs_memory = encoder(x, src_key_padding_mask=blind)
    theirs = model.head(decoder(y, theirs_memory, tgt_mask=ahead, memory_key_padding_mask=blind))
    memory, mask = model.read(source)
    real = ~blind
    torch.testing.assert_close(memory[real], theirs_memory[real], rtol=1e-10, atol=1e-11)
    assert torch.equal(mask[:, 0], real)
    torch.testing.assert_close(model(source, told), theirs, rtol=1e-10, atol=1e-11)
    loss = F.cross_entropy(theirs.flatten(0, 1), right.flatten(), ignore_index=PAD)
    loss.backward()
    shared = model.tokens.weight.grad.clone()
    model.zero_grad()
    model.loss(source, target).backward()
    torch.testing.assert_close(model.tokens.weight.grad, shared, rtol=1e-9, atol=1e-11)
    for ours, theirs in zip(model.encoder, encoder.layers, strict=True):
        torch.testing.assert_close(ours.attention.qkv.weight.grad,
                                   theirs.self_attn.in_proj_weight.grad, rtol=1e-8, atol=1e-11)
    for ours, theirs in zip(model.decoder, decoder.layers, strict=True):
        mine = torch.cat([ours.cross.query.weight.grad, ours.cross.key_value.weight.grad])
        torch.testing.assert_close(mine, theirs.multihead_attn.in_proj_weight.grad,
                                   rtol=1e-8, atol=1e-11)
        torch.testing.assert_close(ours.mlp.up.weight.grad, theirs.linear1.weight.grad,
                                   rtol=1e-8, atol=1e-11)


def test_the_map_is_what_torch_gives_as_weights():
    model = pair(decoder=2)
    source, told = rows([7, 3]), answers([4, 4])[:, :-1]
    memory, mask = model.read(source)
    found = maps(model, source, told)
    x = model.tokens(told) + model.target_places.weight[:told.shape[1]]
    for block, weights in zip(model.decoder, found, strict=True):
        x = x + block.attention(block.ln1(x))
        other = nn.MultiheadAttention(8, 2, batch_first=True, dtype=F64)
        with torch.no_grad():
            copy_cross(other, block.cross)
        _, want = other(block.ln2(x), memory, memory, key_padding_mask=~mask[:, 0],
                        average_attn_weights=False)
        assert weights.shape == (2, 2, told.shape[1], 7)
        torch.testing.assert_close(weights, want, rtol=1e-10, atol=1e-12)
        x = x + block.cross(block.ln2(x), memory, mask)
        x = x + block.mlp(block.ln3(x))
    assert all(block.cross.fused for block in model.decoder)
    assert all((weights[1, ..., 3:] == 0).all() for weights in found)


def test_effects_are_distances_between_what_is_said_before_and_after():
    """One sign changed at a time, by hand; PAD stays PAD and has none."""
    model = pair()
    source, told = rows([5, 3]), answers([4, 2])[:, :-1]
    other = torch.arange(11)
    other[3:] = torch.arange(3, 11).roll(1)
    found = effects(model, source, told, other)
    assert found.shape == (2, told.shape[1], 5)
    for b, s in ((0, 0), (0, 4), (1, 2)):
        changed = source[b:b + 1].clone()
        changed[0, s] = other[changed[0, s]]
        p, q = model(source[b:b + 1], told[b:b + 1]).softmax(-1), model(changed, told[b:b + 1])
        want = (p - q.softmax(-1)).clamp(min=0).sum(-1)[0]        # total variation, otherwise
        torch.testing.assert_close(found[b, :, s], want, rtol=1e-9, atol=1e-12)
    assert not found[1, :, 3:].any() and (found >= 0).all() and (found <= 1).all()


# ---------------------------------------------------------------------------
# What may be seen from where


@settings(max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 99),
       st.sampled_from([pair, twin]))
def test_a_row_does_not_depend_on_its_company(lengths, more, seed, make):
    """Batched and filled up, or alone: the same scores and the same answers."""
    model = make(seed)
    longest = min(9, max(lengths) + more)
    source, told = rows(lengths, seed=seed, longest=longest), answers([4] * len(lengths))[:, :-1]
    together = model(source, told)
    written = greedy(model, source)
    found, scores = beam(model, source, 3)
    for i, length in enumerate(lengths):
        one = source[i:i + 1, :length]
        torch.testing.assert_close(model(one, told[i:i + 1])[0], together[i],
                                   rtol=1e-9, atol=1e-11)
        alone = greedy(model, one)[0]
        assert written[i, :len(alone)].tolist() == alone.tolist()
        assert not written[i, len(alone):].any()
        torch.testing.assert_close(beam(model, one, 3)[1][0], scores[i], rtol=1e-9, atol=1e-10)


def test_the_decoder_does_not_see_what_comes_and_the_encoder_does():
    for make in (pair, twin):
        model = make()
        source, told = rows([6]), answers([4])[:, :-1]
        other = told.clone()
        other[0, 3] = 3 + (other[0, 3] - 2) % 8
        moved = (model(source, told) != model(source, other)).any(-1)[0]
        assert moved.tolist() == [False, False, False, True, True]
    model = pair()
    source = rows([6])
    other = source.clone()
    other[0, 5] = 3 + (other[0, 5] - 2) % 8                     # the last sign
    moved = (model.read(source)[0] != model.read(other)[0]).any(-1)
    assert moved.all()
    for block in model.encoder:
        block.attention.causal = True
    moved = (model.read(source)[0] != model.read(other)[0]).any(-1)
    assert moved.tolist() == [[False] * 5 + [True]]


def test_one_vector_is_the_mean_of_the_real_places():
    whole = pair()
    model = OneVector(whole.config, generator=gen()).double()
    model.load_state_dict(whole.state_dict())
    source = rows([5, 2])
    memory, _ = whole.read(source)
    mean, mask = model.read(source)
    want = torch.stack([memory[0, :5].mean(0), memory[1, :2].mean(0)])
    torch.testing.assert_close(mean[:, 0], want)
    assert mask.shape == (2, 1, 1) and mask.all()
    assert model.loss(source, answers([3, 1])).ndim == 0


# ---------------------------------------------------------------------------
# The loss


@pytest.mark.parametrize("make", [pair, twin])
def test_the_loss_is_the_mean_over_the_signs_of_the_targets(make):
    """Sign by sign, with what is told cut off behind it; nothing for PAD."""
    model = make()
    source, target = rows([9, 4]), answers([5, 2])
    each = []
    for i in range(2):
        for t in range(1, target.shape[1]):
            if target[i, t] != PAD:
                scores = model(source[i:i + 1], target[i:i + 1, :t])[0, -1]
                each.append(-scores.log_softmax(-1)[target[i, t]])
    assert len(each) == 6 + 3
    torch.testing.assert_close(model.loss(source, target), torch.stack(each).mean())
    totals = [-log_probability(model, source[i:i + 1], target[i:i + 1]).item() for i in range(2)]
    assert sum(totals) / 9 == pytest.approx(model.loss(source, target).item())


def test_the_decoder_only_reads_source_and_target_as_one_row():
    """Its scores are those of its GPT on the two, one behind the other."""
    model = twin()
    source, told = rows([9, 4, 1]), answers([4, 4, 4])[:, :-1]
    scores = model(source, told)
    for i, length in enumerate([9, 4, 1]):
        row = torch.cat([source[i, :length], told[i]])[None]
        torch.testing.assert_close(scores[i], model.gpt(row)[0, length:], rtol=1e-9, atol=1e-11)


def test_the_loss_of_everything_counts_the_source_as_well():
    model = twin(everything=True)
    source, target = rows([9, 4]), answers([4, 2])
    each = []
    for i, length in enumerate([9, 4]):
        row = torch.cat([source[i, :length], target[i][target[i] != PAD]])
        log_p = model.gpt(row[None, :-1])[0].log_softmax(-1)
        each += [-log_p[t, sign] for t, sign in enumerate(row[1:].tolist())]
    assert len(each) == 9 + 5 + 4 + 3
    torch.testing.assert_close(model.loss(source, target), torch.stack(each).mean())
    model.everything = False
    assert model.loss(source, target).item() == pytest.approx(
        -sum(log_probability(model, source, target)).item() / 8)


def test_the_first_loss_is_about_uniform():
    for model in (EncoderDecoder(Seq2SeqConfig(40), generator=gen()),
                  DecoderOnly(Seq2SeqConfig(40), 2, generator=gen())):
        loss = model.loss(rows([20] * 8, 40), answers([10] * 8, 40))
        assert loss.item() == pytest.approx(torch.tensor(40.0).log().item(), abs=0.05)


# ---------------------------------------------------------------------------
# Writing


def everything(model, source, signs, most):
    """All answers of at most so many signs with their log-probabilities, the likeliest first."""
    all_rows = []
    for n in range(most + 1):
        for row in itertools.product(signs, repeat=n):
            if n < most:
                all_rows.append([START, *row, END] + [PAD] * (most - n - 1))
            else:
                all_rows.append([START, *row])                  # cut: it has not ended
    target = torch.tensor(all_rows)
    log_p = log_probability(model, source.expand(len(target), -1), target)
    order = log_p.argsort(descending=True)
    return target[order, 1:], log_p[order]


@pytest.mark.parametrize("make", [pair, twin])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_as_wide_as_everything_finds_everything(make, seed):
    model = make(seed, vocab=6, target=4)
    source = rows([5], vocab=6, seed=seed)
    want, log_p = everything(model, source, [3, 4, 5], 4)
    width = len(want)
    assert width == 1 + 3 + 9 + 27 + 81
    found, scores = beam(model, source, width)
    torch.testing.assert_close(scores[0], log_p, rtol=1e-9, atol=1e-10)
    assert torch.equal(found[0], want)
    wider, scores = beam(model, source, width + 5)              # there are no more
    assert torch.equal(wider[0, :width], want)
    assert (scores[0, width:] == -torch.inf).all()


@settings(max_examples=25)
@given(st.integers(0, 999), st.integers(1, 6), st.sampled_from([pair, twin]), st.integers(1, 6))
def test_greedy_is_a_beam_of_one_and_scores_are_log_probabilities(seed, width, make, most):
    model = make(seed)
    source = rows([9, 4, 1], seed=seed)
    found, scores = beam(model, source, 1, most)
    assert torch.equal(found[:, 0], greedy(model, source, most))
    found, scores = beam(model, source, width, most)
    assert found.shape[:2] == scores.shape == (3, width)
    assert (scores[:, :-1] >= scores[:, 1:]).all()
    for i in range(width):
        target = F.pad(found[:, i], (1, 0), value=START)
        torch.testing.assert_close(log_probability(model, source, target[:, :7]), scores[:, i],
                                   rtol=1e-9, atol=1e-10)
    for row in found:
        assert len({tuple(answer.tolist()) for answer in row}) == width
    signs = found[found != PAD]
    assert (signs != START).all()


def test_an_answer_ends_once_and_pad_follows():
    written = [row for seed in range(12)
               for row in greedy(pair(seed), rows([5] * 9, seed=seed), 6).tolist()]
    ended = [row for row in written if END in row]
    assert ended and len(ended) < len(written) and len({row.index(END) for row in ended}) > 1
    for row in ended:
        assert not any(row[row.index(END) + 1:])
    assert all(PAD not in row for row in written if END not in row)


class Table:
    """A model whose next sign depends on what was written by a table: {(signs): probabilities}."""

    def __init__(self, table, vocab, target=4):
        self.table, self.config = table, Seq2SeqConfig(vocab, target=target, dim=2, heads=1)

    def read(self, source):
        return (source,)

    def write(self, target, source):
        scores = torch.full((*target.shape, self.config.vocab), -torch.inf, dtype=F64)
        for b, row in enumerate(target.tolist()):
            for t in range(len(row)):
                found = self.table.get(tuple(row[1:t + 1]), {END: 1.0})
                for sign, p in found.items():
                    scores[b, t, sign] = torch.tensor(p, dtype=F64).log()
        return scores


A, B, C, D = 3, 4, 5, 6


def test_greedy_is_caught_by_a_good_beginning_and_a_beam_of_two_is_not():
    """0.6 * 0.5 against 0.4 * 0.9."""
    model = Table({(): {A: 0.6, B: 0.4}, (A,): {A: 0.5, B: 0.5}, (B,): {A: 0.9, B: 0.1}}, 5)
    source = torch.tensor([[A]])
    assert greedy(model, source)[0, 0] == A
    found, scores = beam(model, source, 2)
    assert found[0, 0].tolist() == [B, A, END]
    assert scores[0].exp().tolist() == pytest.approx([0.36, 0.3])


def test_a_wider_beam_can_find_a_less_likely_answer():
    """Two beginnings that come to nothing crowd out the one that greedy writing goes on with."""
    some = {A: 0.25, B: 0.25, C: 0.25, D: 0.25}
    model = Table({(): {A: 0.5, B: 0.4, C: 0.1}, (A,): {A: 0.3, B: 0.28, C: 0.22, D: 0.2},
                   (B,): {A: 0.5, B: 0.5}, (B, A): some, (B, B): some}, 7)
    found = {width: beam(model, torch.tensor([[A]]), width)[1][0, 0].exp().item()
             for width in (1, 2, 3)}
    assert found == pytest.approx({1: 0.15, 2: 0.05, 3: 0.15})


# ---------------------------------------------------------------------------
# What is refused

SOURCE, TARGET = rows([5, 3]), answers([4, 2])


@pytest.mark.parametrize("make", [pair, twin])
@pytest.mark.parametrize("source, target, error, says", [
    (rows([10]), answers([2]), ValueError, r"source of 10 places.*room for 9.*source=10"),
    (torch.zeros(2, 4, dtype=torch.int64), TARGET, ValueError, "source 0 is empty"),
    (torch.tensor([[3, 0, 4]]), answers([2]), ValueError, "PAD before its last sign"),
    (torch.zeros(1, 0, dtype=torch.int64), answers([2]), ValueError, "one row and one token"),
    (torch.tensor([3, 4]), answers([2]), ValueError, r"\(2,\). One row: source\[None\]"),
    (torch.tensor([[3.0, 4.0]]), answers([2]), TypeError, "int64, not torch.float32"),
    ("12 May", answers([2]), TypeError, "int64, not str"),
    (torch.tensor([[3, 11]]), answers([2]), IndexError, "from 3 to 11; this model knows 0 to 10"),
    (torch.tensor([[3, -1]]), answers([2]), IndexError, "from -1 to 3"),
    (SOURCE, answers([6, 2]), ValueError, r"target of 7 places.*room for 6"),
    (SOURCE, answers([4]), ValueError, "2 sources and 1 targets"),
    (SOURCE, TARGET[0], ValueError, "One row: target"),
])
def test_rows_that_do_not_fit_are_refused(make, source, target, error, says):
    with pytest.raises(error, match=says):
        make().loss(source, target)


@pytest.mark.parametrize("call, says", [
    (lambda m: beam(m, SOURCE, 0), "width is 0; it must be a whole number, 1 or more"),
    (lambda m: beam(m, SOURCE, -2), "width is -2"),
    (lambda m: beam(m, SOURCE, 1.5), "width is 1.5"),
    (lambda m: beam(m, SOURCE, True), "width is True"),
    (lambda m: beam(m, SOURCE, 2, 0), "most is 0"), (lambda m: greedy(m, SOURCE, 0), "most is 0"),
    (lambda m: greedy(m, SOURCE, 7), r"most is 7; this model can write 6.*target=7"),
    (lambda m: greedy(m, torch.zeros(1, 3, dtype=torch.int64)), "is empty"),
    (lambda m: beam(m, rows([10]), 2), "source of 10 places"),
])
def test_what_cannot_be_written_is_refused(call, says):
    for make in (pair, twin):
        with pytest.raises(ValueError, match=says):
            call(make())


@pytest.mark.parametrize("sizes, says", [
    (dict(vocab=0), "vocab is 0"), (dict(source=0), "source is 0"), (dict(target=-1), "target"),
    (dict(encoder=0), "encoder is 0"), (dict(decoder=1.5), "decoder is 1.5"),
    (dict(dim=10, heads=3), "dim is 10 and heads 3"), (dict(pad=1), "pad, start and end"),
    (dict(end=99), "three different tokens of the 20"), (dict(start=-1), "pad, start and end"),
])
def test_impossible_sizes(sizes, says):
    with pytest.raises(ValueError, match=says):
        Seq2SeqConfig(**{"vocab": 20, **sizes})


def test_the_generator_decides_alone():
    with pytest.raises(TypeError, match="generator is None; pass"):
        EncoderDecoder(Seq2SeqConfig(20), generator=None)
    torch.manual_seed(0)
    first = EncoderDecoder(Seq2SeqConfig(20), generator=gen(4)).state_dict()
    torch.manual_seed(1)
    second = EncoderDecoder(Seq2SeqConfig(20), generator=gen(4)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
