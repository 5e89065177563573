"""Run: python -m pytest tests/unit/test_exercises_tensor_backprop.py

The slips that the exercises of the tensor chapter are likely to meet, and what is said of them.
"""

import pytest

from zh.exercises import check
from zh.exercises import tensor_backprop as chapter


@pytest.mark.parametrize(
    "name, answer, words",
    [
        ("division-backward", lambda dout, a, b: dout / b, "returns a Tensor; a tuple"),
        ("division-backward", lambda dout, a, b: (dout / b, -dout * a / b**2), "before a last sum"),
        ("layernorm-backward", lambda dout, x, gain, eps: dout, "returns a Tensor; a tuple"),
        ("layernorm-backward", chapter._layernorm_bessel, "n - 1 in the variance"),
        ("layernorm-backward", chapter._layernorm_gain, "start from d = dout * gain"),
        ("layernorm-backward", chapter._layernorm_batch, "run over axis 1"),
        ("two-hidden-layers", lambda p, X, Y: p.C, "returns a Tensor; a tuple"),
        ("two-hidden-layers", lambda p, X, Y: tuple(-g for g in chapter._deep(p, X, Y)), "sign"),
        ("batchnorm-pair", -0.25, "Did n - 1 stay"),
        ("broadcast-count", 2, "middle axis"),
        ("broadcast-count", 6, "one place of the first axis"),
        ("broadcast-count", 8, "stretched along the last"),
    ],
)
def test_a_slip_is_named(slip, name, answer, words):
    slip(name, answer, words)


def test_a_reply_gives_tensors_in_a_tuple_by_their_shapes():
    reply = check("division-backward", lambda dout, a, b: (dout / b, dout))
    assert "(tensor of shape (3, 4), tensor of shape (3, 4))" in reply.text
    assert "0." not in reply.text.split("where it gives")[1]


def test_the_sizes_of_the_deep_network_all_differ():
    for p, X, _ in chapter._deep_inputs():
        sizes = [len(X), *p.W1.shape, p.W2.shape[1], *p.C.shape]
        assert len(set(sizes)) == len(sizes)
