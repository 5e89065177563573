"""Run: python -m pytest tests/unit/test_lab_playground_data.py

What `zh.labs.playground` packs is the model; what the lab's own code computes from it is what
PyTorch computes, for every kind of GPT that the configuration knows.
"""
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from tests.rng import mulberry
from zh import labs, page, sampling
from zh.gpt import GPT, GPTConfig, window
from zh.labs import playground

CHARACTERS = "\n abcdefghij"
SMALL = {"vocab": len(CHARACTERS), "block": 10, "layers": 2, "heads": 2, "dim": 8}
FORMS = [{}, {"positions": "rope"}, {"bias": False, "tie": False}, {"norm": False},
         {"residual": False, "eps": 1e-2}, {"heads": 3, "dim": 18, "block": 7, "layers": 3}]


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(seed: int = 0, **more) -> GPT:
    """A GPT whose every weight is large enough to matter."""
    model = GPT(GPTConfig(**{**SMALL, **more}), generator=gen(seed)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.4 * torch.randn(p.shape, generator=gen(seed + 1))
    return model


def some_ids(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(len(CHARACTERS), (n,), generator=gen(seed))


# ---------------------------------------------------------------------------
# The weights


@pytest.mark.parametrize("dtype", ["int4", "int8", "int10", "int13", "float32"])
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("by_text", [False, True])
def test_a_page_gives_back_the_model_that_it_holds(dtype, form, by_text):
    model = made(**form)
    ids = some_ids(100) if by_text else None
    packed = json.loads(page.to_json(playground.pack(model, CHARACTERS, dtype, ids)))
    held, found = playground.quantised(model, dtype, ids), playground.unpack(packed)
    for name, tensor in held.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    x = some_ids(20).view(2, 10)[:, : model.config.block]
    assert playground.difference(held, found, x) == 0
    assert playground.same_greedy(held, found, x, 15)
    if dtype == "float32":
        assert playground.difference(model, found, x) == 0


@settings(max_examples=20)
@given(st.integers(4, 13), st.integers(0, 99))
def test_a_weight_is_half_a_step_off_at_most(bits, seed):
    model = made(seed)
    held = playground.quantised(model, f"int{bits}")
    for (name, before), after in zip(model.state_dict().items(), held.state_dict().values(),
                                     strict=True):  # fmt: skip
        if before.ndim < 2:
            assert torch.equal(before, after)
            continue
        ends = name.startswith(("tokens", "places", "head"))
        more = 3 if ends else 1 if "attention" in name else 0
        step = before.abs().amax(1, keepdim=True) / (2 ** (bits + more - 1) - 1)
        assert ((after - before).abs() <= 0.501 * step * (1 + 2 ** -10)).all()


def test_more_bits_are_nearer():
    model, x = made(), some_ids(200).view(20, 10)
    off = [playground.difference(model, playground.quantised(model, f"int{bits}"), x)
           for bits in (4, 8, 12)]  # fmt: skip
    assert all(b < a / 4 for a, b in zip(off, off[1:], strict=False))


def test_rounding_by_a_text_is_nearer_on_its_inputs():
    """The point of it: what a layer gives out is nearer, though its weights are farther off."""
    model, ids = made(dim=32, heads=4), some_ids(2000)
    inputs = {}
    layer = model.blocks[1].up
    hook = layer.register_forward_hook(lambda _, x, out: inputs.update(x=x[0], out=out))
    model(ids.view(-1, 10))
    hook.remove()
    plain, by_text = (playground.quantised(model, "int6", x) for x in (None, ids))
    with torch.no_grad():
        off = [(other.blocks[1].up(inputs["x"]) - inputs["out"]).square().mean().item()
               for other in (plain, by_text)]  # fmt: skip
    weights = [(other.blocks[1].up.weight - layer.weight).square().mean().item()
               for other in (plain, by_text)]  # fmt: skip
    assert off[1] < 0.8 * off[0] and weights[1] > weights[0]


def test_a_tied_head_is_sent_once_and_the_model_stays_as_it_was():
    model = made()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    packed = playground.pack(model, CHARACTERS, ids=some_ids(50))
    assert "head.weight" not in packed["tensors"]
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())
    assert 0 < playground.kilobytes(packed) < len(page.to_json(packed)) / 1000


@pytest.mark.parametrize("text", ["ab", "a\nbad cab, a bad cab".replace(",", "")])
def test_checks_are_what_the_model_says_before_rounding(text):
    model = made()
    packed = playground.pack(model, CHARACTERS, "int4", checks=["f", text])
    ids = torch.tensor([[CHARACTERS.index(c) for c in text]])
    right = model.generate(ids, playground.GREEDY, gen(), temperature=0, cache=False)[0]
    assert [*packed["checks"]] == ["f", text]
    found = packed["checks"][text]
    assert text + found["greedy"] == "".join(CHARACTERS[i] for i in right.tolist())
    with torch.no_grad():
        logits = model(ids[:, window(len(text), 10):])[0, -1]
    assert found["logits"] == pytest.approx(logits.tolist(), abs=6e-5)


class Tokenizer:
    chars = list(CHARACTERS)


def test_characters_may_come_from_a_tokenizer():
    assert playground.pack(made(), Tokenizer())["characters"] == CHARACTERS


@pytest.mark.parametrize("call, error, words", [
    (lambda m: playground.pack(m, CHARACTERS[:-1]), ValueError, "11 characters.*vocabulary of 12"),
    (lambda m: playground.pack(m, CHARACTERS[:-1] + "a"), ValueError, "stands there once"),
    (lambda m: playground.pack(m, ["ab"] * 12), ValueError, "'ab', at place 0"),
    (lambda m: playground.pack(m, CHARACTERS, "int3"), ValueError, "int4"),
    (lambda m: playground.pack(m, CHARACTERS, ids=some_ids(9)), ValueError, "10 of them at least"),
    (lambda m: playground.pack(m, CHARACTERS, checks=["a", "aZ"]), ValueError, r"holds \['Z'\]"),
    (lambda m: playground.pack(m, CHARACTERS, checks=[""]), ValueError, "must hold characters"),
    (lambda m: playground.pack(m.head, CHARACTERS), TypeError, "not a Linear"),
])  # fmt: skip
def test_what_cannot_be_packed_is_said(call, error, words):
    with pytest.raises(error, match=words):
        call(made())


def test_weights_that_are_not_finite_or_too_large_are_refused():
    model = made()
    with torch.no_grad():
        model.blocks[0].up.weight[0, 0] = 1e9
    with pytest.raises(ValueError, match=r"blocks.0.up.weight.*too large"):
        playground.pack(model, CHARACTERS)
    with torch.no_grad():
        model.blocks[0].up.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        playground.pack(model, CHARACTERS)


# ---------------------------------------------------------------------------
# The lab's code, in a JavaScript engine without a page

START = """const window = globalThis, DIGITS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
globalThis.atob = (text) => {
  let out = "", held = 0, have = 0;
  for (const c of text.replace(/=/g, "")) {
    held = held << 6 | DIGITS.indexOf(c);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += String.fromCharCode(held >> have & 255);
    held &= (1 << have) - 1;
  }
  return out;
};
function reading(packed) { // a reader, and what the page does frame by frame
  const { reader, probabilities } = zhLabs.playground, r = reader(packed);
  const settle = () => { while (r.pending()) r.step(); };
  return { r, read(ids) { r.set(ids); settle(); },
    write(count, settings, u = () => 0) {
      for (let i = 0; i < count; i++) {
        const p = probabilities(r.logits(r.ids().length - 1), settings);
        r.add(zhLabs.base.draw(p, u()));
        settle();
      }
      return [...r.ids()];
    } };
}"""


@pytest.fixture(scope="module")
def js():
    with MiniRacer() as engine:
        engine.eval(START)
        engine.eval(labs.classic("base"))
        engine.eval(labs.classic("playground"))
        yield lambda code: json.loads(engine.eval(f"JSON.stringify((() => {{ {code} }})())"))


@pytest.mark.parametrize("dtype", ["float32", "int10"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_logits_attention_and_surprise_are_pytorchs(js, form, dtype):
    packed = playground.pack(made(**form), CHARACTERS, dtype)
    model = playground.unpack(packed)
    ids = some_ids(model.config.block)
    for block in model.blocks:
        block.attention.fused = False
    with torch.no_grad():
        logits = model(ids[None])[0]
    weights = torch.stack([block.attention.weights[0] for block in model.blocks])
    found = js(f"""const {{ r, read }} = reading({page.to_json(packed)});
      const {{ layers, heads }} = {json.dumps(packed["config"])}, to = (n) => [...Array(n).keys()];
      read({ids.tolist()});
      const all = to(r.ids().length);
      const look = (l) => (h) => all.map((i) => [...r.net.weights(l, h, i)]);
      return [all.map((i) => [...r.logits(i)]), r.bits(),
              to(layers).map((l) => to(heads).map(look(l)))];""")
    scale = max(1, logits.abs().max().item())
    assert (torch.tensor(found[0]) - logits).abs().max() < 1e-5 * scale
    bits = -logits.log_softmax(-1)[:-1].gather(1, ids[1:, None])[:, 0] / torch.tensor(2.0).log()
    assert found[1][1:] == pytest.approx(bits.tolist(), abs=1e-4 * scale)
    for layer, rows in zip(weights, found[2], strict=True):
        for head, got in zip(layer, rows, strict=True):
            for i, row in enumerate(got):
                assert row == pytest.approx(head[i, : i + 1].tolist(), abs=1e-5)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_writing_is_generate_beyond_the_window_and_after_a_jump(js, form):
    """Greedy, from prompts shorter and longer than the block, and after the text was cut."""
    packed = playground.pack(made(**form), CHARACTERS, "float32")
    model = playground.unpack(packed)
    prompts = [some_ids(n, seed=n) for n in (1, 6, model.config.block, 3 * model.config.block)]
    found = js(f"""const {{ r, read, write }} = reading({page.to_json(packed)});
      const found = {json.dumps([p.tolist() for p in prompts])}.map((ids) => {{
        read(ids);
        return write(25, {{ temperature: 0 }});
      }});
      read(found.at(-1).slice(0, 30));
      return [...found, write(9, {{ temperature: 0 }})];""")
    for prompt, ids in zip([*prompts, prompts[-1]], found, strict=True):
        right = model.generate(prompt[None], len(ids) - len(prompt), gen(), temperature=0)[0]
        assert ids == right.tolist()


@settings(max_examples=60)
@given(st.lists(st.floats(-8, 8), min_size=1, max_size=12),
       st.sampled_from([0, 0.1, 0.7, 1, 2]), st.integers(0, 13),
       st.sampled_from([0.05, 0.5, 0.9, 1]))
def test_what_is_drawn_from_is_that_of_sampling(js, logits, temperature, k, p):
    logits = torch.tensor(logits).tolist()                 # float32, as the page has them
    right = sampling.probabilities(torch.tensor(logits), temperature, k or None, p)
    state = json.dumps({"temperature": temperature, "top_k": k, "top_p": p})
    found = js(f"const logits = Float32Array.from({logits});"
               f"return [...zhLabs.playground.probabilities(logits, {state})];")
    assert found == pytest.approx(right.tolist(), abs=1e-12)


def test_the_same_numbers_draw_the_same_text(js):
    packed = playground.pack(made(), CHARACTERS, "float32")
    model, ids, u = playground.unpack(packed), [3, 1, 4], mulberry(7)
    settings_ = {"temperature": 0.9, "top_k": 8, "top_p": 0.95}
    for _ in range(60):
        seen = torch.tensor([ids[window(len(ids), model.config.block):]])
        with torch.no_grad():
            p = sampling.probabilities(model(seen)[0, -1], **settings_)
        ids.append(int((p.cumsum(0) <= next(u)).sum()))
    found = js(f"""const {{ read, write }} = reading({page.to_json(packed)});
      read([3, 1, 4]);
      return write(60, {json.dumps(settings_)}, zhLabs.base.rng(7));""")
    assert found == ids
    assert len({*ids}) > 5
