"""The encoder-decoder of the chapter, its decoder-only twin and what was taken away, five seeds.

    python benchmarks/encoder_decoder.py [model ...] [again]

A seed decides the split of the months, the first weights and what is drawn. Every 50 steps the
share of exact answers on 1,000 dates of held-out months is noted (greedy; texts that can mean two
dates are left out); at the end also the forms that no model was trained on, and other centuries.

encoder-decoder     the model of the chapter
decoder only        a GPT of about as many parameters, loss of the answer alone
loss on everything  the same, and the loss of the source's signs counts as well
one vector          the decoder gets the mean of the encoder's places: no attention over them
causal encoder      the encoder looks back only
mask forgotten      what fills a row up is looked at, in the encoder and from the decoder
more centuries      the model of the chapter, trained on the years 1000 to 2999

seeds               the model of the chapter from eight more seeds: where cross-attention looks and
                    what matters, greedy and beam after 150 steps and at the end, two readings

Recorded row by row in zh/recorded/encoder_decoder.json; a row that is there is kept, unless
`again` is given. About 10 minutes on one core.
"""
from __future__ import annotations

import copy
import time

import torch

from zh import dates, recorded, training
from zh.gpt import optimizer
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
    shifted,
)

SCRIPT = "benchmarks/encoder_decoder.py"
STEPS, EVERY, BATCH, LR, WARMUP, SEEDS = 700, 50, 64, 0.01, 50, range(1, 6)
ASKED = 1000
CENTURIES = {"1700-1799": range(1700, 1800), "2030-2099": range(2030, 2100),
             "3000-3099": range(3000, 3100)}


class Unmasked(EncoderDecoder):
    """The bug: what fills a row up is a place like the others."""

    def read(self, source):
        x = self.tokens(source) + self.source_places.weight[:source.shape[1]]
        everywhere = torch.ones(len(source), 1, source.shape[1], dtype=torch.bool)
        for block in self.encoder:
            x = block(x, everywhere)
        return self.norm_memory(x), everywhere


def causal(generator):
    model = EncoderDecoder(Seq2SeqConfig(dates.VOCAB), generator=generator)
    for block in model.encoder:
        block.attention.causal = True
    return model


def twin(generator, everything=False):
    return DecoderOnly(Seq2SeqConfig(dates.VOCAB, dim=34), 2, everything=everything,
                       generator=generator)


MODELS = {
    "encoder-decoder": lambda g: EncoderDecoder(Seq2SeqConfig(dates.VOCAB), generator=g),
    "decoder only": twin,
    "loss on everything": lambda g: twin(g, everything=True),
    "one vector": lambda g: OneVector(Seq2SeqConfig(dates.VOCAB), generator=g),
    "causal encoder": causal,
    "mask forgotten": lambda g: Unmasked(Seq2SeqConfig(dates.VOCAB), generator=g),
    "more centuries": lambda g: EncoderDecoder(Seq2SeqConfig(dates.VOCAB), generator=g),
}
YEARS = {"more centuries": range(1000, 3000)}


def decidable(months, generator, forms=tuple(dates.FORMS), count=ASKED) -> list[dates.Item]:
    """Dates whose text can mean one thing."""
    items = dates.sample(months, 2 * count, generator, forms)
    return [item for item in items if not dates.ambiguous(item.text)][:count]


def exact(model, items) -> float:
    """Share of the items whose answer is right to the last sign."""
    answers = greedy(model, dates.sources([item.text for item in items]))
    right = [dates.decode(row) == item.iso for row, item in zip(answers, items, strict=True)]
    return sum(right) / len(right)


def alone(model, items) -> float:
    """The same when no row is filled up: texts of one length at a time."""
    right = 0.0
    for length in {len(item.text) for item in items}:
        some = [item for item in items if len(item.text) == length]
        right += exact(model, some) * len(some)
    return right / len(items)


def run(name: str, seed: int) -> dict:
    """One model, trained and asked."""
    generator = torch.Generator().manual_seed(seed)
    train, held = dates.split(generator, YEARS.get(name, dates.YEARS))
    items = decidable(held, generator)
    model = MODELS[name](generator)
    found = {"params": sum(p.numel() for p in model.parameters()), "exact": []}

    def note(step, model, history):
        if (step + 1) % EVERY == 0:
            found["exact"].append(exact(model, items))

    start = time.process_time()
    training.train(model, dates.draw_pairs(train, BATCH), STEPS, generator=generator,
                   optimizer=optimizer(model, LR), lr=training.cosine(LR, STEPS, warmup=WARMUP),
                   callbacks=[note], progress=False)
    found["seconds"] = round(time.process_time() - start, 2)
    if name == "mask forgotten":
        found["alone"] = alone(model, items)
    found["forms"] = {form: exact(model, decidable(held, generator, [form], 300))
                      for form in (*dates.FORMS, *dates.UNSEEN)}
    found["centuries"] = {}
    for century, years in CENTURIES.items():
        months = [(year, month) for year in years for month in range(1, 13)]
        found["centuries"][century] = exact(model, decidable(months, generator, count=300))
    return found


DIGITS = {"year, last two": (2, 3), "month, first": (5,), "month, second": (6,),
          "day, first": (8,), "day, second": (9,)}


def looking(model, items) -> dict:
    """Share of the weight, and of the effect of changes, on the field of each digit."""
    items = [item for item in items if item.form != "month"][:400]
    source = dates.sources([item.text for item in items])
    told, _ = shifted(dates.targets([item.iso for item in items]))
    look = maps(model, source, told)[0].mean(1)                          # (N, T, S)
    effect = effects(model, source, told, dates.next_of_kind())
    effect = effect / effect.sum(-1, keepdim=True)
    field = [dates.fields(item) + ["-"] * source.shape[1] for item in items]
    found = {}
    for name, places in DIGITS.items():
        own = torch.tensor([[f == name.split(",")[0] for f in row[:source.shape[1]]]
                            for row in field])                           # (N, S)
        between = torch.tensor([[f == "-" and s < len(item.text) for s, f in
                                 enumerate(row[:source.shape[1]])]
                                for row, item in zip(field, items, strict=True)])
        found[name] = {key: sum((part[:, t] * mask).sum(1).mean().item() for t in places)
                       / len(places) for key, part, mask in
                       (("weight", look, own), ("effect", effect, own),
                        ("between", look, between))}
        found[name]["chance"] = (own.sum(1) / (source != dates.PAD).sum(1)).mean().item()
    return found


def searching(model, items, widths=(1, 4, 8)) -> dict:
    """Right answers with beams: of the likeliest and among all; length; log-probability."""
    source = dates.sources([item.text for item in items])
    _, answers = shifted(dates.targets([item.iso for item in items]))
    long = (answers == dates.END).double().argmax(1)
    found = {}
    for width in widths:
        rows, scores = beam(model, source, width)
        right = torch.tensor([[dates.decode(row) == item.iso for row in some]
                              for some, item in zip(rows, items, strict=True)])
        ends = (rows[:, 0] == dates.END).double().argmax(1)
        found[width] = {"first": right[:, 0].double().mean().item(),
                        "among": right.any(1).double().mean().item(),
                        "short": (ends < long).double().mean().item(),
                        "log_p": scores[:, 0].mean().item()}
    return found


def reading_twice(model, months, generator) -> dict:
    """What becomes of texts that can mean two dates."""
    items = [item for item in dates.sample(months, 3 * ASKED, generator, ["month first"])
             if dates.ambiguous(item.text)][:400]
    source = dates.sources([item.text for item in items])
    both = [dates.readings(item.text) for item in items]
    p = {form: log_probability(model, source, dates.targets([b[form] for b in both])).exp()
         for form in ("month first", "day first")}
    taken = [dates.decode(row) == b["month first"]
             for row, b in zip(greedy(model, source), both, strict=True)]
    found, _ = beam(model, source, 4)
    pairs = [{*b.values()} <= {dates.decode(row) for row in some}
             for some, b in zip(found, both, strict=True)]
    return {**{form: q.mean().item() for form, q in p.items()},
            "spread": p["month first"].std().item(), "greedy": sum(taken) / len(taken),
            "both among four": sum(pairs) / len(pairs)}


def one_more(seed: int) -> dict:
    """The model of the chapter from another seed, looked at closely."""
    generator = torch.Generator().manual_seed(seed)
    train, held = dates.split(generator)
    items = decidable(held, generator)
    model, kept = MODELS["encoder-decoder"](generator), {}

    def note(step, model, history):
        if step + 1 == 150:
            kept["half"] = copy.deepcopy(model)

    training.train(model, dates.draw_pairs(train, BATCH), STEPS, generator=generator,
                   optimizer=optimizer(model, LR), lr=training.cosine(LR, STEPS, warmup=WARMUP),
                   callbacks=[note], progress=False)
    return {"seed": seed, "exact": exact(model, items), "looking": looking(model, items),
            "half": searching(kept["half"], items[:400]), "whole": searching(model, items[:400]),
            "two readings": reading_twice(model, held, generator)}


def save(key: str, rows: dict) -> None:
    """Record one part, and where it comes from."""
    result = {**recorded.load("encoder_decoder", {}), key: rows}
    made = [row["made"]["seconds"] for row in result.get("models", {}).values()]
    made.append(result.get("seeds", {}).get("made", {}).get("seconds", 0.0))
    recorded.save("encoder_decoder", {
        **result, **recorded.provenance(SCRIPT, sum(made)), "command": f"python {SCRIPT}",
        "steps": list(range(EVERY, STEPS + 1, EVERY)), "batch": BATCH, "lr": LR, "asked": ASKED})


def main() -> None:
    torch.set_num_threads(1)
    wanted, again = recorded.asked("part", [*MODELS, "seeds"])
    if "seeds" in wanted and (again or "seeds" not in recorded.load("encoder_decoder", {})):
        start = time.perf_counter()
        rows = [one_more(seed) for seed in range(11, 19)]
        save("seeds", {"rows": rows, "made": recorded.made(time.perf_counter() - start)})
    for name in wanted:
        if name == "seeds":
            continue
        result = recorded.load("encoder_decoder", {})
        if not again and name in result.get("models", {}):
            continue
        start = time.perf_counter()
        runs = [run(name, seed) for seed in SEEDS]
        row = {"params": runs[0]["params"], "seed": list(SEEDS),
               **{key: [r[key] for r in runs]
                  for key in runs[0] if key not in ("params", "seconds")},
               "made": recorded.made(time.perf_counter() - start)}
        save("models", {**recorded.load("encoder_decoder", {}).get("models", {}), name: row})
        print(name, [curve[-1] for curve in row["exact"]], [r["seconds"] for r in runs],
              flush=True)


if __name__ == "__main__":
    main()
