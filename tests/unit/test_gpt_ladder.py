"""Run: python -m pytest tests/unit/test_gpt_ladder.py

The ladder of the chapter on GPT: its rungs, and that seeds side by side are runs of their own.
"""
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zh import gpt_ladder as gl
from zh.gpt import draw_blocks

IDS = torch.randint(11, (4000,), generator=torch.Generator().manual_seed(0))
BY = {rung.name: rung for rung in gl.RUNGS + gl.OTHERS}


@given(st.lists(st.sampled_from(["a", "b b", "c\nd", ""]), max_size=12))
def test_distinct_keeps_each_paragraph_once_in_order(paragraphs):
    kept = gl.distinct("\n\n".join(paragraphs)).split("\n\n")
    assert kept == list(dict.fromkeys("\n\n".join(paragraphs).split("\n\n")))
    assert gl.distinct("\n\n".join(kept)) == "\n\n".join(kept)


def alone(rung, seed, steps):
    """The run of one seed in a plain loop, with a module and autograd."""
    model, dice = gl.start(rung, 11, seed), torch.Generator().manual_seed(1000 + seed)
    draw = draw_blocks(IDS[:3000], gl.BLOCK, gl.BATCH)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rung.lr)
    for _ in range(steps):
        x, y = draw(dice)
        optimizer.zero_grad()
        F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
        optimizer.step()
    held = IDS[3000:]
    pieces = (len(held) - 1) // gl.BLOCK * gl.BLOCK
    with torch.no_grad():
        logits = model(held[:pieces].view(-1, gl.BLOCK))
    return F.cross_entropy(logits.flatten(0, 1), held[1:pieces + 1]).item()


def test_seeds_side_by_side_are_runs_of_their_own():
    for name in ("bigram", "+ layer norm"):
        found = gl.climb(BY[name], IDS[:3000], IDS[3000:], 11, [3, 8], steps=4)
        for seed, loss in zip([3, 8], found["val"], strict=True):
            assert abs(loss - alone(BY[name], seed, 4)) < 1e-4, (name, seed)


def test_the_stretches_are_the_losses_of_the_text_in_parts():
    found = gl.climb(BY["bigram"], IDS[:3000], IDS[3000:], 11, [0, 1], steps=3)
    assert len(found["stretches"]) == gl.STRETCHES
    mean = sum(found["stretches"]) / gl.STRETCHES
    assert abs(mean - sum(found["val"]) / 2) < 0.05


def test_a_start_is_as_pytorch_draws():
    model = gl.start(BY["+ projection, wider"], 11, 0)
    for part in model.modules():
        if isinstance(part, nn.Linear):
            bound = part.in_features ** -0.5
            assert 0.8 * bound < part.weight.abs().max() <= bound
    assert abs(model.tokens.weight.std().item() - 1) < 0.2
    assert torch.equal(gl.start(BY["three of them"], 11, 5).head.weight,
                       gl.start(BY["three of them"], 11, 5).head.weight)


def test_a_start_leaves_pytorchs_own_dice_alone():
    before = torch.get_rng_state()
    gl.start(BY["+ layer norm"], 11, 0)
    assert torch.equal(before, torch.get_rng_state())


def test_residual_connections_are_all_that_differs():
    """Three of them and + residual have the same parameters, name for name, under Add."""
    plain, added = (gl.start(BY[name], 11, 0) for name in ("three of them", "+ residual"))
    assert [p.shape for p in plain.parameters()] == [p.shape for p in added.parameters()]
    for part in added.parts:
        assert isinstance(part, gl.Add)
        x = torch.randn(2, 8, gl.DIM, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(part(x) - x, part.part(x), atol=1e-6)


def test_without_places_nothing_knows_the_place():
    model = gl.start(BY["no places"], 11, 0)
    assert not model.places.weight.any() and not model.places.weight.requires_grad
    ids = torch.full((1, 8), 3)
    assert torch.allclose(model(ids)[0, 0], model(ids)[0, -1], atol=1e-5)
    turned = gl.start(BY["rotated"], 11, 0)
    other = torch.tensor([[1, 2, 3]])
    assert not torch.allclose(turned(other)[0, -1], turned(other[:, [1, 0, 2]])[0, -1], atol=1e-4)


def test_counting_sees_what_stands_in_its_piece():
    """A text in which each character is told by the one before: only the first can be unsure."""
    round_ = torch.arange(3).repeat(400)
    found = gl.counted(round_, round_[:97], 3)
    assert found["val"][0] < 0.05 and found["k"] == 0.01
