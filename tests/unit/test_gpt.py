"""`zh.gpt`: the model beside PyTorch's and Hugging Face's, what it writes, and the checkpoints.

Oracles: `transformers`' GPT-2, small and randomly initialised here; plain loops without a cache.
"""
import json
import math
import os

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from zh import sampling, training
from zh.attention import Cache
from zh.gpt import GPT, Block, GPTConfig, draw_blocks, evaluate, optimizer, pretrained, window

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(seed=0, **changes):
    """A GPT whose logits are not all alike: the usual start, five times as large."""
    config = GPTConfig(**{**dict(vocab=17, block=8, layers=2, heads=2, dim=8), **changes})
    model = GPT(config, generator=seeded(seed)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(5.0 if p.ndim > 1 else 1.0).add_(0.1 * torch.randn(p.shape, generator=seeded(1)))
    return model


def some_ids(B=2, T=8, vocab=17, seed=3):
    return torch.randint(vocab, (B, T), generator=seeded(seed))


configs = st.builds(
    lambda block, layers, heads, size, inner, **more: dict(
        block=block, layers=layers, heads=heads, dim=heads * size, inner=inner, **more),
    block=st.integers(1, 9), layers=st.integers(1, 2), heads=st.integers(1, 2),
    size=st.sampled_from([2, 4]), inner=st.sampled_from([None, 5]), vocab=st.integers(2, 20),
    tie=st.booleans(), bias=st.booleans(), positions=st.sampled_from(["learned", "rope"]),
    residual=st.booleans(), norm=st.booleans())


# ---------------------------------------------------------------------------
# The model


@pytest.mark.parametrize("changes", [
    {}, {"tie": False}, {"bias": False}, {"inner": 12}, {"positions": "rope", "heads": 1}])
def test_parameters_are_as_many_as_the_sizes_say(changes):
    c = small(**changes).config
    bias, inner = int(c.bias), c.inner or 4 * c.dim
    norms = c.dim * (1 + bias)
    layer = (2 * norms + 3 * c.dim * (c.dim + bias) + c.dim * (c.dim + bias)
             + inner * (c.dim + bias) + c.dim * (inner + bias))
    places = c.block * c.dim if c.positions == "learned" else 0
    expected = c.vocab * c.dim * (1 if c.tie else 2) + places + c.layers * layer + norms
    assert sum(p.numel() for p in small(**changes).parameters()) == expected


def test_the_defaults_are_the_smallest_gpt_2():
    with torch.device("meta"):
        model = GPT(GPTConfig(), generator=torch.Generator())
    assert sum(p.numel() for p in model.parameters()) == 124_439_808


@settings(max_examples=25)
@given(configs)
def test_no_place_sees_a_later_one(sizes):
    model, T = small(**sizes), sizes["block"]
    ids = some_ids(2, T, sizes["vocab"])
    with torch.no_grad():
        whole = model(ids)
        for t in range(1, T):
            torch.testing.assert_close(model(ids[:, :t]), whole[:, :t], atol=2e-5, rtol=2e-5)
    assert whole.shape == (2, T, sizes["vocab"])


@settings(max_examples=25)
@given(configs)
def test_rows_of_a_batch_do_not_know_of_each_other(sizes):
    model, ids = small(**sizes), some_ids(3, sizes["block"], sizes["vocab"])
    with torch.no_grad():
        alone = torch.cat([model(row[None]) for row in ids])
        torch.testing.assert_close(model(ids), alone, atol=2e-5, rtol=2e-5)


def test_a_block_is_torchs_pre_norm_encoder_layer():
    c = GPTConfig(vocab=3, block=6, layers=1, heads=2, dim=8)
    block = Block(c, seeded())
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0.0, activation=lambda x: F.gelu(x, approximate="tanh"),
        batch_first=True, norm_first=True)
    pairs = {"self_attn.in_proj_weight": "attention.qkv.weight",
             "self_attn.in_proj_bias": "attention.qkv.bias",
             "self_attn.out_proj.weight": "attention.project.weight",
             "self_attn.out_proj.bias": "attention.project.bias",
             "linear1.weight": "up.weight", "linear1.bias": "up.bias",
             "linear2.weight": "down.weight", "linear2.bias": "down.bias",
             "norm1.weight": "ln1.weight", "norm1.bias": "ln1.bias",
             "norm2.weight": "ln2.weight", "norm2.bias": "ln2.bias"}
    ours = block.state_dict()
    theirs.load_state_dict({their: ours[our] for their, our in pairs.items()})
    x = torch.randn(3, 6, 8, generator=seeded(1))
    mask = torch.nn.Transformer.generate_square_subsequent_mask(6)
    torch.testing.assert_close(block(x), theirs(x, src_mask=mask, is_causal=True))


def test_the_stream_starts_at_the_same_size_whatever_the_depth():
    sizes = []
    for layers in (1, 4, 16):
        model = GPT(GPTConfig(vocab=50, block=16, layers=layers, heads=2, dim=64),
                    generator=seeded())
        parts = [p for b in model.blocks for p in (b.attention.project.weight, b.down.weight)]
        sizes.append(sum(p.detach().var().item() for p in parts))
        assert model(some_ids(4, 16, 50)).std() < 0.5         # so the first loss is log(vocab)
    assert sizes == pytest.approx([0.02 ** 2] * 3, rel=0.05)


def test_tied_is_one_parameter_and_gets_the_gradient_of_both_uses():
    model = small()
    assert model.head.weight is model.tokens.weight
    apart = small(tie=False)
    apart.load_state_dict(model.state_dict())
    ids = some_ids()
    for m in (model, apart):
        m.loss(ids[:, :-1], ids[:, 1:]).backward()
    torch.testing.assert_close(model.tokens.weight.grad,
                               apart.tokens.weight.grad + apart.head.weight.grad)


def test_loss_is_the_mean_over_the_places_that_count():
    model, ids = small(), some_ids()
    targets = ids.clone()
    targets[0, :5] = -1
    logits = model(ids).detach()
    expected = F.cross_entropy(logits[targets >= 0], targets[targets >= 0])
    assert model.loss(ids, targets).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_weights_depend_on_the_generator_and_on_nothing_else():
    made = []
    for seed, general in ((1, 0), (1, 5), (2, 0)):
        torch.manual_seed(general)
        made.append(GPT(GPTConfig(vocab=5, block=4, layers=1, heads=1, dim=4),
                        generator=seeded(seed)).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not torch.equal(made[0]["tokens.weight"], made[2]["tokens.weight"])


@pytest.mark.parametrize("wrong, says", [
    ({"vocab": 0}, "vocab is 0"), ({"layers": True}, "layers is True"),
    ({"dim": 9}, "multiple"), ({"dropout": 1.0}, "dropout is 1.0"), ({"inner": 0}, "inner is 0"),
    ({"positions": "sine"}, "positions is 'sine'"), ({"eps": 0}, "eps is 0"),
    ({"heads": 2.0}, "heads is 2.0")])
def test_sizes_that_cannot_be_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        GPTConfig(**{**dict(vocab=17, block=8, layers=2, heads=2, dim=8), **wrong})


@pytest.mark.parametrize("ids, error, says", [
    ([[1, 2]], TypeError, "tensor of int64, not list"),
    (torch.rand(2, 3), TypeError, "not torch.float32"),
    (torch.tensor([1, 2]), ValueError, r"shape \(B, T\).*\(2,\)"),
    (torch.zeros(1, 0, dtype=torch.int64), ValueError, "one token at least"),
    (torch.zeros(1, 9, dtype=torch.int64), ValueError, r"9 places.*8 at most"),
    (torch.tensor([[17]]), IndexError, "from 17 to 17.*0 to 16"),
    (torch.tensor([[-1]]), IndexError, "from -1")])
def test_ids_that_it_cannot_read_are_named(ids, error, says):
    with pytest.raises(error, match=says):
        small()(ids)


def test_no_dropout_in_eval_mode_and_some_in_training():
    model = small(dropout=0.5)
    ids = some_ids()
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


# ---------------------------------------------------------------------------
# Writing


@settings(max_examples=60, deadline=None)
@given(configs, st.integers(1, 20), st.integers(1, 25), st.integers(0, 99),
       st.sampled_from([0.0, 0.7, 1.3]), st.sampled_from([None, 1, 3]),
       st.sampled_from([None, 0.5, 0.9]), st.integers(1, 3))
def test_with_the_cache_it_writes_exactly_what_it_writes_without(
        sizes, length, count, seed, temperature, top_k, top_p, B):
    model, ids = small(seed, **sizes), some_ids(B, length, sizes["vocab"], seed)
    how = dict(temperature=temperature, top_k=top_k, top_p=top_p)
    with_cache, without = (model.generate(ids, count, seeded(seed), cache=cache, **how)
                           for cache in (True, False))
    assert torch.equal(with_cache, without)
    assert with_cache.shape == (B, length + count) and torch.equal(with_cache[:, :length], ids)


@settings(max_examples=30, deadline=None)
@given(configs, st.integers(1, 12), st.integers(0, 14), st.integers(0, 99))
def test_generation_is_the_loop_that_anyone_would_write(sizes, length, count, seed):
    model, ids = small(seed, **sizes), some_ids(2, length, sizes["vocab"], seed)
    g, expected = seeded(seed), ids
    for _ in range(count):
        seen = expected[:, window(expected.shape[1], sizes["block"]):]
        with torch.no_grad():
            p = sampling.probabilities(model(seen)[:, -1], 0.9, 4, 0.8)
        expected = torch.cat([expected, sampling.sample(p, g)[:, None]], 1)
    assert torch.equal(model.generate(ids, count, seeded(seed), temperature=0.9, top_k=4,
                                      top_p=0.8), expected)


@settings(max_examples=200)
@given(st.integers(1, 40), st.integers(1, 300))
def test_the_window_keeps_half_a_block_at_least_and_jumps_seldom(block, n):
    start = window(n, block)
    seen = n - start
    assert seen <= block
    assert start == 0 if n <= block else seen > block - max(1, block // 2)
    assert start <= window(n + 1, block)
    moves = len({window(k, block) for k in range(n, n + 2 * block)}) - 1
    assert moves <= 2 * block / max(1, block // 2) + 1


def test_the_cache_computes_the_same_logits_in_pieces_of_any_size():
    for positions in ("learned", "rope"):
        model, ids = small(positions=positions), some_ids(3, 8)
        whole = model(ids).detach()
        for pieces in ([1] * 8, [8], [3, 5], [5, 1, 2]):
            caches, found = [Cache(8) for _ in model.blocks], []
            with torch.no_grad():
                for piece in ids.split(pieces, 1):
                    found.append(model(piece, caches))
            torch.testing.assert_close(torch.cat(found, 1), whole, atol=1e-5, rtol=1e-5)


def test_the_cache_knows_when_it_is_full():
    model = small()
    caches = [Cache(8) for _ in model.blocks]
    with torch.no_grad():
        model(some_ids(1, 8), caches)
        with pytest.raises(ValueError, match="9 places.*8 at most"):
            model(some_ids(1, 1), caches)


def test_a_row_that_has_ended_repeats_the_stop_and_the_others_go_on():
    model, ids = small(), some_ids(40, 3)
    free = model.generate(ids, 30, seeded(5))
    ended = model.generate(ids, 30, seeded(5), stop=4)
    assert ended.shape[1] <= free.shape[1]
    assert (ended[:, 3:] == 4).any(1).sum() > 5               # else this test says nothing
    for row in ended[:, 3:]:
        at = (row == 4).nonzero()
        if len(at):
            assert (row[at[0]:] == 4).all()
    assert torch.equal(ended[:, 3], free[:, 3])


def test_generation_ends_when_every_row_has_ended():
    model, ids = small(), some_ids(1, 2)
    first = int(model.generate(ids, 1, seeded(), temperature=0)[0, -1])
    assert model.generate(ids, 50, seeded(), temperature=0, stop=first).shape == (1, 3)


def test_a_stop_in_the_prompt_does_not_end_it():
    ids = torch.full((1, 3), 4)
    assert small().generate(ids, 1, seeded(), stop=4).shape == (1, 4)


def test_greedy_is_the_most_probable_and_top_k_of_one_is_greedy():
    model, ids = small(), some_ids(2, 4)
    greedy = model.generate(ids, 3, seeded(), temperature=0)
    with torch.no_grad():
        assert torch.equal(greedy[:, 4], model(ids)[:, -1].argmax(-1))
    assert torch.equal(greedy, model.generate(ids, 3, seeded(9), top_k=1))


@pytest.mark.parametrize("wrong, says", [
    (dict(temperature=-1.0), "temperature is 0 .* not -1.0"),
    (dict(temperature=math.nan), "temperature"), (dict(top_k=0), "top_k"),
    (dict(top_p=0.0), "top_p"), (dict(stop=17), "stop is 17; tokens go from 0 to 16")])
def test_settings_out_of_range_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        small().generate(some_ids(), 2, seeded(), **wrong)


@pytest.mark.parametrize("count", [-1, 2.0, True, None])
def test_a_count_that_is_none_is_named(count):
    with pytest.raises(ValueError, match="count is"):
        small().generate(some_ids(), count, seeded())


@pytest.mark.parametrize("ids, error", [
    (torch.zeros(1, 0, dtype=torch.int64), ValueError), ([1, 2], TypeError),
    (torch.tensor(3), ValueError), (torch.tensor([[99]]), IndexError), (None, TypeError)])
def test_prompts_that_are_none_are_refused_before_anything_is_drawn(ids, error):
    g = seeded()
    state = g.get_state()
    with pytest.raises(error):
        small().generate(ids, 2, g)
    with pytest.raises(error):
        next(small().stream(ids, g))
    assert torch.equal(g.get_state(), state)


def test_a_prompt_longer_than_the_context_is_read_from_the_window_on():
    model, ids = small(), some_ids(1, 30)
    drawn = model.generate(ids, 5, seeded(2))
    assert torch.equal(drawn[:, 30:],
                       model.generate(ids[:, window(30, 8):], 5, seeded(2))[:, -5:])


def test_writing_leaves_no_trace_in_the_model():
    model = small(dropout=0.5).train()
    model.blocks[0].drop.eval()                               # a mode of its own
    drawn = model.generate(some_ids(), 4, seeded())
    assert torch.equal(drawn, small(dropout=0.5).generate(some_ids(), 4, seeded()))
    assert model.training and not model.blocks[0].drop.training and model.blocks[1].drop.training
    assert all(p.grad is None for p in model.parameters()) and torch.is_grad_enabled()
    with pytest.raises(ValueError):
        model.generate(some_ids(), 4, seeded(), top_k=0)
    assert model.training


def test_a_stream_can_be_left_and_the_model_trained_between_two_tokens():
    model = small(dropout=0.2).train()
    stream = model.stream(some_ids(), seeded())
    assert next(stream).shape == (2,)
    assert model.training and torch.is_grad_enabled()
    model.loss(some_ids(), some_ids()).backward()
    next(stream)
    stream.close()
    assert model.training


# ---------------------------------------------------------------------------
# Optimizer, batches, evaluation


def test_the_optimizer_shrinks_matrices_alone():
    model = small()
    groups = optimizer(model, 1e-3, decay=0.3).param_groups
    by_id = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert {by_id[id(p)] for p in model.parameters() if p.ndim > 1} == {0.3}
    assert {by_id[id(p)] for p in model.parameters() if p.ndim < 2} == {0.0}
    assert len(by_id) == sum(len(g["params"]) for g in groups) == len(list(model.parameters()))


def test_a_step_is_that_of_torchs_plain_adamw():
    ours, theirs = small().double(), small().double()     # a key's bias has no gradient but noise
    ids = some_ids(4)
    a = optimizer(ours, 1e-2, decay=0.0)
    b = torch.optim.AdamW(theirs.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=0.0)
    for _ in range(5):
        for model, step in ((ours, a), (theirs, b)):
            step.zero_grad()
            model.loss(ids[:, :-1], ids[:, 1:]).backward()
            step.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q, atol=1e-9, rtol=1e-9)


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 5), st.integers(0, 9))
def test_batches_are_pieces_of_the_text_with_what_follows(n, block, batch, seed):
    ids = torch.arange(n)
    if n <= block:
        with pytest.raises(ValueError, match=f"{n} tokens.*need {block + 1}"):
            draw_blocks(ids, block, batch)
        return
    x, y = draw_blocks(ids, block, batch)(seeded(seed))
    assert x.shape == y.shape == (batch, block) and torch.equal(y, x + 1)
    assert torch.equal(x - x[:, :1], torch.arange(block).expand(batch, block))
    assert x.min() >= 0 and y.max() < n


def test_every_piece_of_the_text_is_drawn_the_last_too():
    x, _ = draw_blocks(torch.arange(6), 4, 200)(seeded())
    assert set(x[:, 0].tolist()) == {0, 1}


def test_evaluation_is_the_mean_over_all_pieces():
    model, ids = small(dropout=0.5).train(), some_ids(1, 60)[0]
    with torch.no_grad():
        model.eval()
        losses = [F.cross_entropy(model(ids[i:i + 8][None])[0], ids[i + 1:i + 9])
                  for i in range(0, 56, 8)]
        model.train()
    expected = sum(x.item() for x in losses) / len(losses)
    for batch in (1, 3, 64):
        assert evaluate(model, ids, 8, batch) == pytest.approx(expected, rel=1e-6)
    assert model.training
    with pytest.raises(ValueError, match="needs 9"):
        evaluate(model, ids[:8], 8)


def test_it_learns_in_the_loop_of_the_book():
    ids = torch.arange(400) % 7
    model = GPT(GPTConfig(vocab=7, block=8, layers=1, heads=2, dim=16), generator=seeded())
    training.train(model, draw_blocks(ids, 8, 8), 60, generator=seeded(1), lr=1e-2,
                   optimizer=optimizer(model, 1e-2), progress=False)
    assert evaluate(model, ids, 8) < 0.1
    written = model.generate(torch.tensor([[3, 4]]), 20, seeded(), temperature=0)[0]
    assert torch.equal(written, (torch.arange(22) + 3) % 7)


def test_nothing_breaks_the_graph_that_a_compiler_sees():
    from torch._dynamo.testing import CompileCounter

    counter = CompileCounter()
    for positions in ("learned", "rope"):
        torch._dynamo.reset()
        counter.clear()
        model = small(positions=positions).train()
        loss = torch.compile(model.loss, backend=counter, fullgraph=True)
        ids = some_ids()
        assert loss(ids, ids).item() == pytest.approx(model.loss(ids, ids).item(), rel=1e-6)
        assert counter.frame_count == 1
    torch._dynamo.reset()


# ---------------------------------------------------------------------------
# Hugging Face's checkpoints


@pytest.fixture(scope="module")
def hf():
    """`hf(**changes)`: a small GPT-2 of transformers with random weights, biases and gains."""
    from transformers import GPT2Config, GPT2LMHeadModel

    def make(seed=0, **changes):
        sizes = dict(vocab_size=17, n_positions=8, n_embd=8, n_layer=2, n_head=2,
                     bos_token_id=None, eos_token_id=None)
        model = GPT2LMHeadModel(GPT2Config(**{**sizes, **changes})).eval()
        g = seeded(seed)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(0.3 * torch.randn(p.shape, generator=g) + (p.ndim == 1))
        return model

    return make


def close(model, theirs, vocab=17, T=8):
    ids = some_ids(3, T, vocab)
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("changes", [
    {}, {"tie_word_embeddings": False}, {"n_inner": 12}, {"layer_norm_epsilon": 0.1},
    {"n_head": 1, "n_layer": 1}, {"n_head": 4, "n_layer": 3, "n_embd": 16},
    {"activation_function": "gelu_pytorch_tanh"}])
def test_a_gpt_2_gives_the_logits_of_transformers(hf, tmp_path, changes):
    theirs = hf(**changes)
    theirs.save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path)
    close(model, theirs)
    assert model.config.tie == changes.get("tie_word_embeddings", True)
    assert model.config.tie == (model.head.weight is model.tokens.weight)
    assert all(p.is_leaf and p.requires_grad and p.is_contiguous() and p.device.type == "cpu"
               for p in model.parameters())


def test_it_writes_what_transformers_writes(hf, tmp_path):
    theirs = hf()
    theirs.save_pretrained(tmp_path)
    ids = some_ids(1, 3)
    expected = theirs.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=5,
                               do_sample=False, pad_token_id=0)
    ours = GPT.from_pretrained(tmp_path).generate(ids, 5, seeded(), temperature=0)
    assert torch.equal(ours, expected)


def rewritten(folder, change):
    """Replace the weights of a checkpoint by what `change(state)` makes of them."""
    state = load_file(folder / "model.safetensors")
    save_file({k: v.contiguous() for k, v in change(state).items()},
              folder / "model.safetensors", {"format": "pt"})


def test_names_without_prefix_and_with_the_masks_of_older_versions(hf, tmp_path):
    theirs = hf()
    theirs.save_pretrained(tmp_path)

    def older(state):
        state = {k.removeprefix("transformer."): v for k, v in state.items()}
        for i in range(2):
            state[f"h.{i}.attn.bias"] = torch.ones(1, 1, 8, 8).tril()
            state[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
        return state

    rewritten(tmp_path, older)
    close(GPT.from_pretrained(tmp_path), theirs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(hf, tmp_path, dtype):
    theirs = hf().to(dtype)
    theirs.save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    close(model, theirs.float())


def test_a_checkpoint_in_several_files(hf, tmp_path):
    theirs = hf()
    theirs.save_pretrained(tmp_path, max_shard_size="1KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    close(GPT.from_pretrained(tmp_path), theirs)
    first = sorted(tmp_path.glob("*.safetensors"))[0]
    first.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"{first.name} is missing.*index"):
        GPT.from_pretrained(tmp_path)


def test_a_head_of_its_own_beside_a_config_that_calls_it_tied(hf, tmp_path):
    """transformers 5 unties them then; so do we. The same matrix twice is one parameter."""
    from transformers import AutoModelForCausalLM

    hf().save_pretrained(tmp_path)
    head = torch.randn(17, 8, generator=seeded(5))
    rewritten(tmp_path, lambda state: {**state, "lm_head.weight": head})
    model = GPT.from_pretrained(tmp_path)
    assert not model.config.tie and torch.equal(model.head.weight, head)
    close(model, AutoModelForCausalLM.from_pretrained(tmp_path).eval())
    rewritten(tmp_path, lambda state: {
        **state, "lm_head.weight": state["transformer.wte.weight"].clone()})
    model = GPT.from_pretrained(tmp_path)
    assert model.config.tie and model.head.weight is model.tokens.weight


def test_reading_does_not_tie_the_model_to_the_file(hf, tmp_path):
    hf().save_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    model = GPT.from_pretrained(tmp_path)
    step = optimizer(model, 0.1)
    model.loss(some_ids(), some_ids()).backward()
    step.step()
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_dropout_is_the_configs_or_ones_own(hf, tmp_path):
    hf(resid_pdrop=0.2, embd_pdrop=0.2, attn_pdrop=0.2).save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path)
    assert model.config.dropout == 0.2 and not model.training
    assert GPT.from_pretrained(tmp_path, dropout=0.0).config.dropout == 0.0
    hf(resid_pdrop=0.2).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="different shares"):
        GPT.from_pretrained(tmp_path)
    assert GPT.from_pretrained(tmp_path, dropout=0.0).config.dropout == 0.0


@pytest.mark.parametrize("change, says", [
    ({"activation_function": "relu"}, "activation_function: 'relu'"),
    ({"activation_function": "gelu"}, "activation_function: 'gelu'"),
    ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx: true"),
    ({"scale_attn_weights": False}, "scale_attn_weights: false"),
    ({"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn"),
    ({"add_cross_attention": True}, "add_cross_attention"),
    ({"model_type": "llama"}, "'llama', not 'gpt2'"), ({"model_type": None}, "not 'gpt2'"),
    ({"n_head": 3}, "multiple"), ({"n_embd": "8"}, "dim is '8'"),
    ({"n_positions": 9}, r"wpe.weight .* \(8, 8\).* \(9, 8\)"),
    ({"n_inner": 12}, r"mlp.c_fc.bias .*\(32,\).*\(12,\)"),
    ({"n_layer": 3}, "lacks h.2.ln_1.weight"), ({"n_layer": 1}, "does not have: h.1"),
    ({"tie_word_embeddings": False}, "lacks lm_head.weight")])
def test_what_gpt_cannot_be_is_named(hf, tmp_path, change, says):
    hf().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ValueError, match=says):
        GPT.from_pretrained(tmp_path)


def test_files_that_are_not_there_or_not_whole_are_named(hf, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        GPT.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no config.json"):
        GPT.from_pretrained(tmp_path)
    hf().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-40])
    with pytest.raises(ValueError, match="cannot be read"):
        GPT.from_pretrained(tmp_path)
    weights.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="a pickle.*save_pretrained"):
        GPT.from_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match="no model.safetensors"):
        GPT.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        GPT.from_pretrained(tmp_path)


@pytest.mark.parametrize("change, says", [
    (lambda s: {**s, "score.weight": torch.zeros(2, 8)}, "score.weight.*another task"),
    (lambda s: {**s, "transformer.wte.weight": torch.zeros(17, 8, dtype=torch.int8)},
     "wte.weight .* int8"),
    (lambda s: {k: v for k, v in s.items() if "wte" not in k}, "lacks wte.weight"),
    (lambda s: {**s, "transformer.h.1.mlp.c_proj.weight": torch.zeros(8, 32)},
     r"c_proj.weight .*\(8, 32\).*\(32, 8\)"),
    (lambda s: {**s, "transformer.h.0.ln_1.bias": torch.zeros(1, 8)}, r"ln_1.bias.*\(1, 8\)")])
def test_tensors_that_do_not_belong_are_named(hf, tmp_path, change, says):
    hf().save_pretrained(tmp_path)
    rewritten(tmp_path, change)
    with pytest.raises(ValueError, match=says):
        GPT.from_pretrained(tmp_path)


@pytest.mark.parametrize("names", [["../model.safetensors"], [], ["/etc/passwd"], [3]])
def test_an_index_names_files_beside_it(hf, tmp_path, names):
    hf().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": dict(enumerate(names))}))
    with pytest.raises(ValueError, match="index|beside"):
        GPT.from_pretrained(tmp_path)


# -- and the way back


@settings(max_examples=8, deadline=None)
@given(st.booleans(), st.booleans(), st.sampled_from([None, 12]), st.sampled_from([1e-5, 0.1]))
def test_transformers_loads_what_was_saved(tmp_path_factory, tie, bias, inner, eps):
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("saved")
    model = small(tie=tie, bias=bias, inner=inner, eps=eps)
    model.save_pretrained(folder)
    theirs, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    close(model, theirs.eval())
    again = GPT.from_pretrained(folder)
    with torch.no_grad():
        assert torch.equal(again(some_ids()), model(some_ids()))
    assert again.config.tie == tie and again.config.inner == inner and again.config.bias


def test_there_and_back_is_the_same_file(hf, tmp_path):
    theirs = hf(seed=4)
    theirs.save_pretrained(tmp_path / "theirs")
    GPT.from_pretrained(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
    a, b = (load_file(tmp_path / who / "model.safetensors") for who in ("theirs", "ours"))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("changes, says", [
    ({"positions": "rope"}, "rotated"), ({"residual": False}, "residual"),
    ({"norm": False}, "normalisation")])
def test_what_a_gpt_2_cannot_be_is_not_written(tmp_path, changes, says):
    with pytest.raises(ValueError, match=says):
        small(**changes).save_pretrained(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_the_checkpoint_that_was_there(tmp_path, monkeypatch):
    small(seed=1).save_pretrained(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        small(seed=2, dim=4).save_pretrained(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_names_of_both_sides_are_all_of_them(hf):
    theirs = {name.removeprefix("transformer.") for name in hf().state_dict()}
    model = small()
    table = pretrained.names(model.config)
    assert set(table) == set(model.state_dict()) and set(table.values()) == theirs
