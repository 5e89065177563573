"""Run: python -m pytest tests/unit/test_lab_models_data.py

What `zh.labs.models` packs for a page is the models themselves.
"""
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import data, page
from zh.labs import models
from zh.layers import Layer, Sequential
from zh.mlp import MLP
from zh.ngrams import NGram
from zh.wavenet import WaveNet

NAMES = ["anna", "bo", "maria", "mari", "zoe", "alexandra", "bobo"]


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trained():
    """Count models and networks whose running statistics have moved."""
    X, Y = data.windows(NAMES, 8)
    nets = {"MLP": MLP(3, 4, 6, generator=gen()), "WaveNet": WaveNet(8, 3, 5, generator=gen(1)),
            "MLP + batchnorm": MLP(5, 4, 6, batchnorm=True, generator=gen(2))}
    for net in nets.values():
        for _ in range(3):
            net(X[:, -net.block:])
        net.eval()
    models.round_to_half(nets)
    counts = {f"{n}-gram": NGram(n, 0.3, backoff=n % 2 == 0).fit(X, Y) for n in (1, 2, 3, 4)}
    return counts | nets, X, Y


def test_a_page_gives_back_the_models():
    all_models, X, Y = trained()
    packed = json.loads(page.to_json(models.pack(all_models, X, Y, tries=["ma"])))
    assert packed["block"] == 8 and packed["tries"] == ["ma"]
    again = models.unpack(packed)
    assert list(again) == list(all_models)
    for name, model in all_models.items():
        seen = X[:, -max(model.block, 1):]
        with torch.no_grad():
            torch.testing.assert_close(again[name](seen), model(seen), rtol=1e-6, atol=1e-6)


@settings(max_examples=30)
@given(st.lists(st.text("abyz", min_size=1, max_size=6), min_size=1, max_size=8),
       st.integers(1, 5), st.integers(0, 40))
def test_counts_survive_the_packing(names, order, more):
    X, Y = data.windows(names + names[:1] * more * 10, 5)
    counts = {"order": order, "base64": models._pack_counts(X, Y, order)}
    contexts, letters = models._unpack_counts(counts, 27)
    key = lambda X, Y: sorted(map(tuple, torch.cat([X, Y[:, None]], 1).tolist()))  # noqa: E731
    assert key(contexts, letters) == key(X[:, 6 - order:], Y)


def test_weights_that_are_not_rounded_are_refused():
    X, Y = data.windows(NAMES, 3)
    with pytest.raises(ValueError, match="round_to_half"):
        models.pack({"MLP": MLP(3, 4, 6, generator=gen())}, X, Y)


def test_a_layer_that_the_page_lacks_is_refused():
    class Twice(Layer):
        def forward(self, x):
            return 2 * x

    net = Sequential(Twice())
    net.block = 3
    with pytest.raises(TypeError, match="no layer Twice"):
        models.pack({"net": net}, *data.windows(NAMES, 3))


def test_losses_and_the_note_go_with_the_models():
    all_models, X, Y = trained()
    packed = models.pack(all_models, X, Y, losses={"MLP": 2.34567}, note="Short runs.")
    found = {entry["name"]: entry.get("loss") for entry in packed["models"]}
    assert found["MLP"] == 2.3457 and found["WaveNet"] is None and packed["note"] == "Short runs."
    with pytest.raises(ValueError, match="no such model"):
        models.pack(all_models, X, Y, losses={"GPT": 1.0})
