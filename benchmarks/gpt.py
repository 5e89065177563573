"""A training step of `zh.gpt` beside Hugging Face's GPT-2, and writing with and without a cache.

    python benchmarks/gpt.py [small] [large] [generation] [compile] [quick]

The peer is `transformers`' GPT2LMHeadModel of the same shape (its default attention is PyTorch's
own kernel, as ours), trained as most people do: its own loss, and torch.optim.AdamW as it comes.
Ours is `GPT.loss` with `zh.gpt.optimizer`. Both see the same batch and take turns, so that both
meet the same load on the machine; a ratio is the median over turns that stand beside each other.

small       4 layers, 4 heads, 128 numbers a token, pieces of 64, 12 of them: nanoGPT's CPU setting
large       6 layers, 6 heads, 384 numbers, pieces of 256, 8 of them: nanoGPT's GPU setting, thinner
generation  tokens from a prompt of one to a full context of 256, and behind it
compile     `torch.compile` of both (it needs a C++ compiler; minutes)

"peak": the share of the machine's matrix-product peak, measured in the same run as the fastest of
several square products; counted are the products of the model alone, three times those of its
forward pass, and of attention the half that a causal model needs. With one thread the time is the
processor's own, with two it is the clock's. Without arguments all parts run, with one thread and
with two, and are recorded in `zh/recorded/gpt_step.json`; `quick` takes fewer turns.
"""
from __future__ import annotations

import logging
import os
import statistics
import sys
import time

import torch

from zh import recorded
from zh.gpt import GPT, GPTConfig, optimizer

os.environ["HF_HUB_OFFLINE"] = "1"
SHAPES = {                                    # GPTConfig, batch
    "small": (dict(vocab=65, block=64, layers=4, heads=4, dim=128), 12),
    "large": (dict(vocab=65, block=256, layers=6, heads=6, dim=384), 8)}
WRITING = {"small": dict(vocab=65, block=256, layers=4, heads=4, dim=128),
           "large": dict(vocab=65, block=256, layers=6, heads=6, dim=384)}
TURNS = {"small": (30, 10), "large": (10, 2)}     # turns, steps a turn


def ours(sizes: dict, compiled: bool = False):
    """A step of ours: x, y -> the loss."""
    model = GPT(GPTConfig(**sizes), generator=torch.Generator().manual_seed(1))
    move = optimizer(model, 1e-3)
    loss = torch.compile(model.loss) if compiled else model.loss
    return stepper(lambda x, y: loss(x, y), move)


def theirs(sizes: dict, compiled: bool = False):
    """A step of Hugging Face's GPT-2 of the same shape."""
    from transformers import GPT2Config, GPT2LMHeadModel

    logging.getLogger("transformers").setLevel(logging.ERROR)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=sizes["vocab"], n_positions=sizes["block"], n_layer=sizes["layers"],
        n_head=sizes["heads"], n_embd=sizes["dim"], resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0, bos_token_id=None, eos_token_id=None, use_cache=False)).train()
    move = torch.optim.AdamW(model.parameters(), lr=1e-3)
    call = torch.compile(model) if compiled else model
    return stepper(lambda x, y: call(input_ids=x, labels=x).loss, move)   # it shifts them itself


def stepper(loss, move):
    """One step: gradients away, forward, backward, move."""
    def step(x, y):
        move.zero_grad(set_to_none=True)
        value = loss(x, y)
        value.backward()
        move.step()
        return value

    return step


def take_turns(steps: dict, x, y, turns: int, size: int, clock) -> dict[str, list[float]]:
    """Milliseconds a step, one number a turn, for each of `steps`."""
    took = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(3):
            step(x, y)
    for turn in range(turns):
        order = list(steps.items())
        for name, step in order if turn % 2 else order[::-1]:
            start = clock()
            for _ in range(size):
                step(x, y)
            took[name].append((clock() - start) / size * 1e3)
    return took


def ratio(a: list[float], b: list[float]) -> list[float]:
    """Least, median and largest of a / b, turn beside turn."""
    each = sorted(x / y for x, y in zip(a, b, strict=True))
    return [each[0], statistics.median(each), each[-1]]


def peak(clock) -> float:
    """The most floating-point operations a second of a square matrix product."""
    best = 0.0
    for n in (512, 1024, 2048):
        a, b = torch.randn(n, n), torch.randn(n, n)
        a @ b
        for _ in range(5):
            start = clock()
            a @ b
            best = max(best, 2 * n ** 3 / (clock() - start))
    return best


def operations(sizes: dict, batch: int) -> int:
    """Floating-point operations of the matrix products of one step, forward and backward."""
    c, tokens = GPTConfig(**sizes), batch * sizes["block"]
    matrices = c.layers * 12 * c.dim ** 2 + c.vocab * c.dim
    attention = c.layers * 2 * c.dim * (c.block + 1) / 2           # q @ k and weights @ v, a token
    return int(3 * 2 * tokens * (matrices + attention))


def training(name: str, threads: int, quick: bool, compiled: bool) -> dict:
    """Steps of both, their ratio, and the share of the peak."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    sizes, batch = SHAPES[name]
    ids = torch.randint(sizes["vocab"], (batch, sizes["block"] + 1),
                        generator=torch.Generator().manual_seed(2))
    x, y = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    steps = {"zh": ours(sizes), "hf": theirs(sizes)}
    if compiled:
        steps |= {"zh compiled": ours(sizes, True), "hf compiled": theirs(sizes, True)}
    turns, size = TURNS[name]
    before = peak(clock)
    took = take_turns(steps, x, y, turns // 3 if quick else turns, size, clock)
    most = max(before, peak(clock))
    found = {
        "ms": {who: statistics.median(times) for who, times in took.items()},
        "ratio": ratio(took["zh"], took["hf"]),
        "clock": "process" if threads == 1 else "wall",
        "peak gflops": most / 1e9, "operations": operations(sizes, batch)}
    found["share of peak"] = {who: found["operations"] / (ms / 1e3) / most
                              for who, ms in found["ms"].items()}
    print(f"\n{name}, {threads} thread(s), {found['clock']} time, peak {most / 1e9:.0f} GFLOP/s")
    for who, ms in found["ms"].items():
        print(f"  {who:12} {ms:8.2f} ms a step, {found['share of peak'][who]:.0%} of the peak")
    print("  ratio {1:.3f}, turn beside turn {0:.3f} to {2:.3f}".format(*found["ratio"]))
    if compiled:
        found["compiled"] = {"zh to zh": ratio(took["zh compiled"], took["zh"]),
                             "zh to hf": ratio(took["zh compiled"], took["hf compiled"])}
        for which, (low, mid, high) in found["compiled"].items():
            print(f"  compiled, {which}: {mid:.3f} ({low:.3f} to {high:.3f})")
    return found


def generation(name: str, threads: int, quick: bool) -> dict:
    """Milliseconds a token with and without a cache, up to a full context and behind it."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    sizes = WRITING[name]
    model = GPT(GPTConfig(**sizes), generator=torch.Generator().manual_seed(1)).eval()
    found = {"clock": "process" if threads == 1 else "wall"}
    for where, length, count in (("to 256", 1, 255), ("behind 256", 256, 128)):
        ids = torch.randint(sizes["vocab"], (1, length), generator=torch.Generator().manual_seed(3))
        took = {True: [], False: []}
        for turn in range(2 if quick else 5):
            for cache in (True, False) if turn % 2 else (False, True):
                start = clock()
                model.generate(ids, count, torch.Generator().manual_seed(4), cache=cache)
                took[cache].append((clock() - start) / count * 1e3)
        found[where] = {"cached ms": statistics.median(took[True]),
                        "uncached ms": statistics.median(took[False]),
                        "times": ratio(took[False], took[True])}
        print(f"\nwriting, {name}, {where}, {threads} thread(s): a token in "
              f"{found[where]['cached ms']:.2f} ms with the cache, "
              f"{found[where]['uncached ms']:.2f} ms without: {found[where]['times'][1]:.1f} times "
              "({0:.1f} to {2:.1f})".format(*found[where]["times"]))
    return found


def main() -> None:
    words = sys.argv[1:]
    if unknown := set(words) - {*SHAPES, "generation", "compile", "quick", "one"}:
        sys.exit(f"no part {', '.join(unknown)}; there is small, large, generation, compile")
    quick, began = "quick" in words, time.perf_counter()
    parts = [w for w in words if w in (*SHAPES, "generation")] or [*SHAPES, "generation"]
    result = {}
    for threads in (1,) if "one" in words else (1, 2):
        for part in parts:
            if part == "generation":
                for name in WRITING:
                    result[f"writing {name}, {threads}"] = generation(name, threads, quick)
            else:
                result[f"{part}, {threads}"] = training(
                    part, threads, quick, not words or "compile" in words)
    if not words:
        import transformers

        about = recorded.provenance("benchmarks/gpt.py", time.perf_counter() - began)
        about["versions"]["transformers"] = transformers.__version__
        recorded.save("gpt_step", {**about, "shapes": {
            name: {**sizes, "batch": batch} for name, (sizes, batch) in SHAPES.items()}, **result})


if __name__ == "__main__":
    main()
