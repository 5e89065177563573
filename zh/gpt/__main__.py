"""Train a GPT on a text of your own, and let it write.

    python -m zh.gpt train --text FILE --out FOLDER
    python -m zh.gpt sample FOLDER --prompt "Once upon"
    torchrun --standalone --nproc-per-node 2 -m zh.gpt train --text FILE --out FOLDER

Ctrl-C saves and stops; the same command goes on from there. A second Ctrl-C stops at once: then
the same command goes on from the last checkpoint.

Exit codes: 0 done, 1 an error that the message names, 2 a command that cannot be, 128 + the number
of the signal that stopped it (130 for Ctrl-C).
"""
from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import torch

from zh import sampling
from zh.checkpoints import TrainingError
from zh.data import CorpusError
from zh.gpt import processes, runs
from zh.gpt.runs import Run, Settings
from zh.gpt.show import Show

HELP = {
    "text": "a text file (UTF-8), or bundled, names, tinyshakespeare",
    "tokenizer": "one token a character, or byte pair encoding",
    "vocab": "tokens of a bpe, at most", "held": "share of the text that is held back, at its end",
    "block": "tokens it reads at once", "layers": "blocks of attention and network",
    "heads": "heads of attention", "dim": "numbers a token", "dropout": "share that is dropped",
    "batch": "pieces of text a step", "steps": "steps in all", "lr": "learning rate at its top",
    "floor": "where the rate ends, as a share of --lr",
    "warmup": "when the rate is at its top, as a share of --steps",
    "decay": "weight decay of matrices", "clip": "longest gradient",
    "every": "steps between measurements and checkpoints", "seed": "of all that is drawn"}


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    whole = argparse.ArgumentParser(
        prog="python -m zh.gpt", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True, metavar="train | sample")
    train = commands.add_parser("train", help="train on a text, or go on with it",
                                formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for one in dataclasses.fields(Settings):
        default = {} if one.name == "text" else {"default": one.default}
        choices = {"choices": ("char", "bpe")} if one.name == "tokenizer" else {}
        train.add_argument(f"--{one.name}", help=HELP[one.name], required=one.name == "text",
                           type={"int": int, "float": float, "str": str}[one.type],
                           metavar=one.name.upper() if not choices else None, **default, **choices)
    train.add_argument("--out", metavar="FOLDER", help="where the run is kept; without it: "
                       "the text's name with -gpt behind it, in this folder")
    train.add_argument("--minutes", type=float, help="stop and save after so many")
    train.add_argument("--sample", type=int, default=200, metavar="TOKENS",
                       help="written at each measurement; 0 for none")
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                       help="what computes: the processor, or a graphics card for each process")
    train.add_argument("--threads", type=int, help="of PyTorch; without it: as many as it takes")

    sample = commands.add_parser("sample", help="write, from a run or from a folder with a GPT-2",
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    sample.add_argument("folder", help="of a run, or of a GPT-2 as Hugging Face has it")
    sample.add_argument("--prompt", default="", help="what it goes on from; \"\" for a new start")
    sample.add_argument("--tokens", type=int, default=500, help="how many it writes")
    sample.add_argument("--count", type=int, default=1, help="how many texts")
    sample.add_argument("--temperature", type=float, default=0.8,
                        help="below 1 bolder on what is likely, above 1 wilder; 0: no chance")
    sample.add_argument("--top-k", type=int, help="draw from the k most probable")
    sample.add_argument("--top-p", type=float, help="draw from the most probable with a sum of p")
    sample.add_argument("--stop", metavar="TEXT", help="one token that ends a text; of a GPT-2 "
                        "its own mark does")
    sample.add_argument("--seed", type=int, help="without it: another text each time")
    sample.add_argument("--stream", action="store_true", help="write each token as it is drawn")
    sample.add_argument("--last", action="store_true",
                        help="the weights of the last checkpoint, not the best ones")
    sample.add_argument("--threads", type=int, help="of PyTorch; without it: as many as it takes")
    return whole


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code. Of several processes the first one speaks."""
    if not processes.ranked():
        return run(arguments)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return run(arguments)


def run(arguments: list[str] | None = None) -> int:
    """Run a command in this process; the exit code."""
    whole = parser()
    asked = whole.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):         # a terminal may not know every character
            stream.reconfigure(errors="replace")
    if asked.threads is not None:
        if asked.threads < 1:
            whole.error(f"--threads is {asked.threads}; it is 1 or more")
        torch.set_num_threads(asked.threads)
    try:
        return (train if asked.command == "train" else sample)(asked, whole)
    except BrokenPipeError:                        # whoever read has gone, as `head` does
        leave_unwritten()
        return 128 + 13
    except (TrainingError, CorpusError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        leave_unwritten()
        return 1
    except RuntimeError as error:
        if not processes.lost(error):
            raise
        said = processes.LOST.format(error=str(error).splitlines()[0][-120:])
        print(f"error: {said}", file=sys.__stderr__, flush=True)   # whoever is left says it
        return 1
    except KeyboardInterrupt:
        print("\nstopped.", file=sys.stderr)
        return 128 + signal.SIGINT


def train(asked: argparse.Namespace, whole: argparse.ArgumentParser) -> int:
    """`train`: begin a run or go on with it."""
    try:
        settings = Settings(**{one.name: getattr(asked, one.name)
                               for one in dataclasses.fields(Settings)})
    except ValueError as error:
        whole.error(str(error))
    if asked.minutes is not None and not asked.minutes > 0:
        whole.error(f"--minutes is {asked.minutes}; it is a number above 0")
    if asked.sample < 0:
        whole.error(f"--sample is {asked.sample}; it is 0 or more")
    group = processes.join(asked.device)
    try:
        group.share(settings.batch)
    except ValueError as error:
        whole.error(str(error))
    folder = Path(asked.out or f"{Path(asked.text).stem}-gpt")
    run = group.in_turn(lambda: Run(folder, settings, group=group))
    show = Show(asked.sample)
    if group.size > 1:
        show.say(f"{group.size} processes, {settings.batch // group.size} pieces of text a step "
                 "each")
    show.say(f"{folder}: {len(run.ids):,} tokens to learn from, {len(run.held):,} held back, "
             f"{run.tokenizer.vocab_size:,} different; "
             f"{sum(p.numel() for p in run.model.parameters()):,} parameters")
    again = "The same command goes on from there."
    try:
        with signals(echo=2.0 if group.size > 1 else 0.0) as came:
            outcome = run.train(lambda: bool(came or show.broken), asked.minutes,
                                show if group.first else None)
    except KeyboardInterrupt:
        show.close()
        kept = (folder / "checkpoint.safetensors").exists()
        print("\nstopped at once, in the middle of a step. " +
              (f"The last checkpoint is kept in {folder}. {again}" if kept else
               "There is no checkpoint yet; the same command starts anew."), file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        show.close()
    processes.leave()
    if show.broken:                                # all is saved, and there is no one to tell
        raise show.broken
    if outcome.why == "done":
        if group.first:                            # the others have measured nothing
            step, value = outcome.best
            show.say(f"done: {outcome.step:,} steps; the least loss on the held-back text was "
                     f"{value:.4f}, at step {step:,}.\n"
                     f"It writes: python -m zh.gpt sample {folder} --stream")
        return 0
    what = "the minutes are over" if outcome.why == "time" else "stopped"
    show.say(f"{what}: step {outcome.step:,} of {settings.steps:,} is saved in {folder}. {again}")
    return 0 if outcome.why == "time" else 128 + (came[0] if came else signal.SIGTERM)


def sample(asked: argparse.Namespace, whole: argparse.ArgumentParser) -> int:
    """`sample`: write."""
    how = dict(temperature=asked.temperature, top_k=asked.top_k, top_p=asked.top_p)
    for name, least in (("tokens", 1), ("count", 1)):
        if getattr(asked, name) < least:
            whole.error(f"--{name} is {getattr(asked, name)}; it is {least} or more")
    try:
        sampling.probabilities(torch.zeros(1), **how)
    except ValueError as error:
        whole.error(str(error))
    model, tokenizer = runs.load(asked.folder, asked.last)
    stop = runs.end_of_text(tokenizer)
    try:
        ids = runs.begin(tokenizer, asked.prompt)
    except ValueError as error:
        raise ValueError(f"the prompt: {error}") from error
    if asked.stop is not None:
        found = tokenizer.encode(asked.stop)
        if len(found) != 1:
            raise ValueError(f"--stop {asked.stop!r} is {len(found)} tokens; it must be one.")
        stop = found[0]
    generator = torch.Generator()
    generator.seed() if asked.seed is None else generator.manual_seed(asked.seed)
    for number in range(asked.count):
        if number:
            print("-" * 40)
        pieces = runs.write(model, tokenizer, ids, asked.tokens, generator, stop, **how)
        if asked.stream:
            print(asked.prompt, end="", flush=True)
            for piece in pieces:
                print(piece, end="", flush=True)
            print(flush=True)
        else:
            print(asked.prompt + "".join(pieces), flush=True)
    return 0


def leave_unwritten() -> None:
    """What standard output cannot take is dropped, so that Python's end does not fail of it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def signals(echo: float = 0.0) -> Iterator[list[int]]:
    """The signals that asked to stop, Ctrl-C's and a system's; the second one is not waited for.

    echo: seconds in which a second one is the first again: torchrun passes on what came to all.
    """
    came: list[int] = []
    began = 0.0

    def hear(number, frame):
        nonlocal began
        if came and time.monotonic() - began < echo:
            return
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        began = time.monotonic()
        print("\nstopping after this step (again: at once)", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
