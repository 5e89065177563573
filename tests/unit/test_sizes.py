"""Run: python -m pytest tests/unit/test_sizes.py

What is counted by hand, beside what PyTorch measures, to the last number and byte.
"""
import itertools

import pytest
import torch

from zh import measuring, sizes
from zh.attention import Cache
from zh.gpt import GPT, GPTConfig, optimizer

GPT2 = {"small": (12, 12, 768, 124_439_808), "medium": (24, 16, 1024, 354_823_168),
        "large": (36, 20, 1280, 774_030_080), "xl": (48, 25, 1600, 1_557_611_200)}
SHAPES = [dict(vocab=65, block=32, layers=2, heads=4, dim=32),
          dict(vocab=7, block=5, layers=1, heads=1, dim=6),
          dict(vocab=300, block=16, layers=3, heads=2, dim=24)]


def made(**settings):
    return GPT(GPTConfig(**settings), generator=torch.Generator().manual_seed(1))


def batch(c, rows):
    x, y = torch.randint(c.vocab, (2, rows, c.block), generator=torch.Generator().manual_seed(2))
    return x, y


@pytest.mark.parametrize("name", GPT2)
def test_the_published_sizes(name):
    layers, heads, dim, expected = GPT2[name]
    assert sizes.parameters(GPTConfig(layers=layers, heads=heads, dim=dim))["all"] == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("more", [dict(), dict(tie=False), dict(bias=False), dict(positions="rope"),
                                  dict(norm=False), dict(inner=10, tie=False, bias=False)])
def test_parameters_are_those_of_a_model(shape, more):
    if more.get("positions") and shape["dim"] // shape["heads"] % 2:
        pytest.skip("rotation needs even heads")
    model = made(**shape, **more)
    counted = sizes.parameters(model.config)
    assert counted["all"] == sum(p.numel() for p in model.parameters())
    assert counted["tokens"] == model.tokens.weight.numel()
    assert counted["attention"] == sum(p.numel() for b in model.blocks
                                       for p in b.attention.parameters())
    assert counted["mlp"] == sum(p.numel() for b in model.blocks for part in (b.up, b.down)
                                 for p in part.parameters())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("more", [dict(), dict(tie=False), dict(inner=10)])
def test_operations_are_those_of_the_counter(shape, more):
    model = made(**shape, **more)
    c, (x, y) = model.config, batch(model.config, 3)
    counted, tokens = sizes.operations(c), x.numel()
    assert measuring.operations(lambda: model(x)) == tokens * counted["forward"]
    assert measuring.operations(lambda: model.loss(x, y).backward()) == tokens * counted["training"]


def test_the_counter_overlooks_the_fused_kernel():
    """The day that PyTorch counts it too, the chapter has to say so."""
    model = made(**SHAPES[0])
    x, _ = batch(model.config, 3)
    counted = sizes.operations(model.config)
    assert measuring.operations(lambda: model(x), fused=True) == x.numel() * (
        counted["forward"] - counted["attention"])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "bf16"])
@pytest.mark.parametrize("tie", [True, False])
def test_activations_are_those_that_autograd_keeps(shape, rows, dtype, tie):
    model = made(**shape, tie=tie)
    x, y = batch(model.config, rows)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
        found, _ = measuring.saved(lambda: model.loss(x, y), model)
    assert found == sizes.activations(model.config, rows, dtype)


@pytest.mark.parametrize("kind", list(sizes.STATES))
@pytest.mark.parametrize("tie", [True, False])
def test_memory_of_parameters_gradients_and_states(kind, tie):
    model = made(**SHAPES[0], tie=tie)
    move = {"adamw": lambda: optimizer(model, 1e-3),
            "momentum": lambda: torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9),
            "sgd": lambda: torch.optim.SGD(model.parameters(), 1e-3)}[kind]()
    model.loss(*batch(model.config, 2)).backward()
    move.step()
    counted = sizes.memory(model.config, 2, optimizer=kind)
    assert measuring.bytes_of(model.parameters()) == counted["parameters"]
    assert measuring.bytes_of(p.grad for p in model.parameters()) == counted["gradients"]
    assert measuring.bytes_of(measuring.states(move)) == counted["optimizer"]
    assert counted["all"] == sum(v for k, v in counted.items() if k != "all")


@pytest.mark.parametrize("dtype, kind", [("float32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_cache_has_the_size_that_is_counted(dtype, kind):
    model = made(**SHAPES[0]).to(kind)
    caches = [Cache(model.config.block) for _ in model.blocks]
    with torch.no_grad():
        model(batch(model.config, 1)[0], caches)
    held = measuring.bytes_of(t for c in caches for t in (c.k, c.v))
    assert held == sizes.cache(model.config, dtype=dtype)
    assert sizes.cache(model.config, places=1, dtype=dtype) * model.config.block == held


def test_the_rule_is_near_where_the_width_is_large():
    for (layers, heads, dim, _), block in itertools.product(GPT2.values(), (64,)):
        c = GPTConfig(layers=layers, heads=heads, dim=dim, block=block)
        assert sizes.rules(c)["6N"] == pytest.approx(sizes.operations(c)["training"], rel=0.02)


def test_count_has_it_all():
    c = GPTConfig(**SHAPES[0])
    all_ = sizes.count(c, 3, "bf16", "sgd")
    assert all_["step"] == 3 * 32 * sizes.operations(c)["training"]
    assert all_["memory"] == sizes.memory(c, 3, "bf16", "sgd")
    assert all_["cache"] == sizes.cache(c, dtype="bf16")


@pytest.mark.parametrize("arguments, words", [
    (dict(batch=0), "batch is 0"), (dict(batch=1, dtype="fp8"), "one of float32, bf16"),
    (dict(batch=1, optimizer="lion"), "one of adamw, momentum, sgd")])
def test_what_it_cannot_count_it_says(arguments, words):
    with pytest.raises(ValueError, match=words):
        sizes.memory(GPTConfig(**SHAPES[0]), **arguments)


@pytest.mark.parametrize("more", [dict(positions="rope"), dict(dropout=0.1), dict(norm=False),
                                  dict(residual=False), dict(bias=False), dict(inner=64)])
def test_memory_of_other_models_is_refused(more):
    with pytest.raises(ValueError, match="zh.measuring.saved"):
        sizes.activations(GPTConfig(**SHAPES[0], **more), 1)
