"""Run: python -m pytest tests/unit/test_lab_forming_data.py

What `zh.labs.forming` keeps of a run is what the model did, watching changes nothing, and the
lab's own code reads it as it was.
"""
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from zh import labs, page, training
from zh.gpt import GPT, GPTConfig, draw_blocks, evaluate, optimizer
from zh.labs import forming

CHARACTERS = "\n abcdef"
PROMPTS = ["a bad cab", "fed\nbed ad"]
STEPS = 25


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made() -> GPT:
    config = GPTConfig(vocab=len(CHARACTERS), block=12, layers=2, heads=2, dim=8, dropout=0.1)
    model = GPT(config, generator=gen())
    with torch.no_grad():                                  # heads that do not look at all alike
        for p in model.parameters():
            p += 0.4 * torch.randn(p.shape, generator=gen(1))
    return model


def text(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(len(CHARACTERS), (n,), generator=gen(seed))


def run(model: GPT, callbacks=(), steps: int = STEPS):
    return training.train(model, draw_blocks(text(500), 12, 4), steps, generator=gen(5), lr=1e-2,
                          optimizer=optimizer(model, 1e-2), callbacks=callbacks, progress=False)


@pytest.fixture(scope="module")
def seen():
    """A watched run: what is packed of it, the model at its end, the losses, text held back."""
    model, held_out = made(), text(100, 9)
    torch.manual_seed(0)                                   # for dropout
    watch = forming.Watch(model, PROMPTS, STEPS, CHARACTERS, held_out=held_out, count=6)
    history = run(model, [watch])
    return json.loads(page.to_json(watch.pack())), model, history.losses, held_out


@given(st.integers(1, 5000), st.integers(2, 40))
def test_moments_begin_and_end_the_run_and_are_closer_at_first(steps, count):
    found = forming.moments(steps, count)
    assert found[0] == 0 and found[-1] == steps and len(found) <= count
    gaps = [b - a for a, b in zip(found, found[1:], strict=False)]
    assert min(gaps) >= 1 and all(b >= a - 1 for a, b in zip(gaps, gaps[1:], strict=False))


def test_watching_a_run_changes_nothing():
    plain, watched = made(), made()
    for model, watch in ((plain, False), (watched, True)):
        torch.manual_seed(0)
        calls = [forming.Watch(model, PROMPTS, STEPS, CHARACTERS, held_out=text(60))] * watch
        run(model, calls)
        assert model.training
    assert all(torch.equal(a, b) for a, b in
               zip(plain.state_dict().values(), watched.state_dict().values(), strict=True))


def test_the_last_moment_is_the_trained_model(seen):
    packed, model, losses, held_out = seen
    assert packed["steps"] == [0, 1, 4, 9, 16, 25]
    for prompt, weights in zip(PROMPTS, forming.unpack(packed), strict=True):
        ids = torch.tensor([CHARACTERS.index(c) for c in prompt])
        right = forming.attention(model, ids)
        assert weights.shape == (6, 2, 2, len(prompt), len(prompt))
        assert (weights[-1] - right).abs().max() < 0.02
        assert (weights[0] - right).abs().max() > 0.05      # the first is another
    assert packed["held"][-1] == pytest.approx(evaluate(model.eval(), held_out, 12), abs=1e-4)
    assert packed["losses"][0] is None
    assert packed["losses"][3] == pytest.approx(sum(losses[4:9]) / 5, abs=1e-4)


def test_attention_is_what_the_layers_keep_without_the_kernel():
    model = made().eval()
    ids = text(10)
    found = forming.attention(model, ids)
    x = model.tokens(ids[None]) + model.places.weight[:10]
    for number, block in enumerate(model.blocks):
        q, k, _ = block.attention.qkv(block.ln1(x)).chunk(3, -1)
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            scores = q[0, :, part] @ k[0, :, part].T / 2
            scores = scores.masked_fill(torch.ones(10, 10).triu(1).bool(), -torch.inf)
            torch.testing.assert_close(found[number, head], scores.softmax(-1), rtol=1e-4,
                                       atol=1e-6)  # fmt: skip
        x = block(x)
    assert all(block.attention.fused for block in model.blocks)


def test_a_head_that_is_gone_is_a_head_that_says_nothing(seen):
    """The oracle: its values, and their biases, are zero."""
    packed, model, _, held_out = seen
    for layer in range(2):
        for head in range(2):
            state = {name: t.clone() for name, t in model.state_dict().items()}
            rows = slice(16 + 4 * head, 20 + 4 * head)     # of q, k, v the values
            qkv = model.blocks[layer].attention.qkv
            with torch.no_grad():
                qkv.weight[rows] = 0
                qkv.bias[rows] = 0
            right = evaluate(model.eval(), held_out, 12)
            model.load_state_dict(state)
            assert forming.without_head(model, layer, head, held_out) == pytest.approx(right)
            more = packed["without"][-1][2 * layer + head]
            assert packed["held"][-1] + more == pytest.approx(right, abs=2e-4)
            assert all(torch.equal(t, state[name]) for name, t in model.state_dict().items())


def test_shares_of_heads_that_are_known():
    word = "abcab a"
    T = len(word)
    even = forming.shares(torch.ones(T, T).tril(), word)
    assert even["spread"] == pytest.approx(1)
    assert even["itself"] == even["first"] == pytest.approx(
        sum(1 / (i + 1) for i in range(1, T)) / (T - 1))  # fmt: skip
    shifted = torch.zeros(T, T)
    shifted[range(1, T), range(T - 1)] = 1
    shifted[0, 0] = 1
    previous = forming.shares(shifted, word)
    assert previous["previous"] == pytest.approx(1) and previous["itself"] == 0
    assert previous["spread"] == pytest.approx(even["itself"])       # one place of i + 1
    induction = torch.eye(T)
    for i, j in ((3, 1), (4, 2), (6, 4)):                            # after the a, b, a before
        induction[i] = torch.eye(T)[j]
    assert forming.shares(induction, word)["after"] == pytest.approx(3 / 6)
    assert forming.shares(torch.eye(T)[[0] * T], word)["same"] == pytest.approx(2 / 6)
    assert forming.shares(torch.eye(T)[[0, 0, 0, 0, 0, 0, 5]], word)["spaces"] == 1 / 6


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(2, 9))
def test_a_weight_survives_to_within_its_digit(seed, T):
    weights = (3 * torch.randn(1, 1, 2, T, T, generator=gen(seed))).masked_fill(
        torch.ones(T, T).triu(1).bool(), -torch.inf).softmax(-1)  # fmt: skip
    packed = {"prompts": ["a" * T], "layers": 1, "heads": 2, "steps": [0],
              "weights": [forming._text(weights[0])]}  # fmt: skip
    found = forming.unpack(packed)[0]
    assert found.shape == weights.shape
    assert (found - weights).abs().max() < 0.04 and found.triu(1).abs().max() == 0
    assert (found.sum(-1) - 1).abs().max() < 1e-9


@pytest.fixture(scope="module")
def js():
    with MiniRacer() as engine:
        engine.eval("const window = globalThis;" + labs.classic("base") + labs.classic("forming"))
        yield lambda code: json.loads(engine.eval(f"JSON.stringify((() => {{ {code} }})())"))


def test_the_page_reads_the_weights_and_shares_that_were_kept(js, seen):
    packed = seen[0]
    lab = f"const lab = zhLabs.forming, data = {page.to_json(packed)}, rows = lab.weights(data);"
    right = forming.unpack(packed)
    for moment, layer, head, text in ((0, 0, 1, 0), (3, 1, 0, 1), (5, 1, 1, 0)):
        rows, got = js(lab + f"const r = rows({text}, {moment}, {layer}, {head});"
                       f"return [r, lab.shares(data.prompts[{text}], r)];")
        want = right[text][moment, layer, head]
        for i, row in enumerate(rows):
            assert row == pytest.approx(want[i, : i + 1].tolist(), abs=1e-9)
        found = forming.shares(want, PROMPTS[text])
        T = len(PROMPTS[text])
        even = forming.shares(torch.ones(T, T).tril(), PROMPTS[text])
        assert [*got["share"], got["spread"]] == pytest.approx([*found.values()])
        assert got["even"] == pytest.approx([*even.values()][:-1])


def test_the_word_for_a_head(js):
    lab = "const lab = zhLabs.forming, t = 'ab cd ef', n = 8, row = (i, f) => "
    lab += "Array.from({length: i + 1}, (_, j) => f(i, j));"
    heads = {"previous": "+(j === Math.max(0, i - 1))", "itself": "+(i === j)", "first": "+!j",
             "even": "1 / (i + 1)", "spaces": "i > 2 ? +(j === (i > 5 ? 5 : 2)) : 1 / (i + 1)"}
    for name, f in heads.items():
        code = f"Array.from({{length: n}}, (_, i) => row(i, (i, j) => {f}))"
        assert js(f"{lab} return lab.word(lab.shares(t, {code}));") == name


@pytest.mark.parametrize("change, words", [
    ({"prompts": []}, "one at least"),
    ({"prompts": "a bad cab"}, "a list of texts"),
    ({"prompts": ["a bag"]}, r"holds \['g'\]"),
    ({"prompts": ["a"]}, "2 to 12"),
    ({"prompts": ["a" * 13]}, "2 to 12"),
    ({"steps": 0}, "1 step or more"),
])  # fmt: skip
def test_what_cannot_be_watched_is_said(change, words):
    with pytest.raises(ValueError, match=words):
        forming.Watch(**{"model": made(), "prompts": PROMPTS, "steps": STEPS,
                         "characters": CHARACTERS, **change})  # fmt: skip


def test_a_run_that_did_not_end_is_not_packed():
    model = made()
    watch = forming.Watch(model, PROMPTS, STEPS, CHARACTERS)
    run(model, [watch], steps=10)
    with pytest.raises(ValueError, match="after 10 steps and not after 25"):
        watch.pack()


def test_without_held_out_text_there_are_no_losses_of_it():
    model = made()
    watch = forming.Watch(model, PROMPTS[:1], STEPS, CHARACTERS, count=3)
    run(model, [watch])
    packed = watch.pack()
    assert packed["held"] == packed["without"] == [] and len(packed["losses"]) == 3
