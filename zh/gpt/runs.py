"""A run in a folder: training that may be stopped, or killed, and is gone on with by the same call.

    run = Run(folder, Settings(text="mine.txt", block=64, steps=2000))
    run.train()
    model, tokenizer = load(folder)

What a folder holds:

    run.json                 what was asked for: the settings, and the sum of the text
    tokenizer.json           `zh.tokenizers.load` reads it
    checkpoint.safetensors   all that the rest of the run depends on (`zh.checkpoints`)
    losses.csv               step, loss in training, loss on the text held back
    best/                    the weights with the least loss on the text held back, as a GPT-2 of
                             Hugging Face's, tokenizer included: `GPT.from_pretrained(best)`

Each file is written beside its place and renamed. All that a run draws comes from its seed, and
nothing that is shown draws from what training draws from: a run that was stopped or killed, and
taken up again, ends in the same bits as one that nobody touched.

Several processes share a run under torchrun (`zh.gpt.processes`); one of them writes.

Left out: texts that do not fit in memory. What dropout draws on a graphics card is not kept with
the checkpoint: a run with dropout that was taken up again is another run there.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from zh import checkpoints, data, tokenizers, training
from zh.checkpoints import TrainingError
from zh.gpt import recipes
from zh.gpt.fit import draw_blocks, evaluate, optimizer
from zh.gpt.model import GPT, GPTConfig
from zh.gpt.pretrained import write_all
from zh.gpt.processes import Group
from zh.gpt.vocabulary import load_tokenizer, save_tokenizer

MEASURED = 32768                     # tokens of the held-back text that a measurement reads


@dataclass(frozen=True)
class Settings:
    """What a run depends on. Another value of any of them is another run."""

    text: str                        # a file, or "bundled", "names", "tinyshakespeare"
    tokenizer: str = "char"          # or "bpe"
    vocab: int = 1024                # tokens of a bpe, at most
    held: float = 0.1                # the share at the end that is not learned from
    block: int = 64
    layers: int = 4
    heads: int = 4
    dim: int = 128
    dropout: float = 0.0
    batch: int = 12
    steps: int = 2000
    lr: float = 1e-3
    floor: float = 0.1               # where the rate ends, as a share of lr
    warmup: float = 0.05             # where the rate is at its top, as a share of the steps
    decay: float = 0.1
    clip: float = 1.0
    every: int = 250                 # steps between two measurements, and two checkpoints
    seed: int = 1

    def __post_init__(self):
        for name, least in (("batch", 1), ("steps", 1), ("every", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} is {value!r}; it is a whole number, {least} or more.")
        for name, above, below in (("held", 0, 1), ("floor", -1e-9, 1), ("warmup", -1e-9, 1),
                                   ("lr", 0, torch.inf), ("decay", -1e-9, torch.inf),
                                   ("clip", 0, torch.inf)):
            value = getattr(self, name)
            if not above < value < below:
                raise ValueError(f"{name} is {value}; it lies between {max(above, 0)} and {below}.")
        if self.tokenizer not in ("char", "bpe"):
            raise ValueError(f"tokenizer is {self.tokenizer!r}; it is \"char\" or \"bpe\".")
        self.config(2)

    def config(self, vocab: int) -> GPTConfig:
        """The model's sizes, for so many tokens."""
        return GPTConfig(vocab=vocab, block=self.block, layers=self.layers, heads=self.heads,
                         dim=self.dim, dropout=self.dropout)


@dataclass
class Outcome:
    """How a call of `Run.train` ended."""

    step: int                        # the steps that are done
    why: str                         # "done", "stopped" or "time"
    best: tuple[int, float] | None   # the step of the least loss on the held-back text, and it


class Stopped(Exception):
    """Leaves the loop when all is saved."""


# ---------------------------------------------------------------------------


class Run:
    """A folder with a run, new or begun: raises TrainingError where it holds another one.

    text: the text itself, where it is at hand; None reads what the settings name. group: the
    processes that train it, each with a Run of its own; process 0 makes the first.
    """

    def __init__(self, folder: str | os.PathLike, settings: Settings, text: str | None = None,
                 group: Group | None = None):
        self.folder, self.settings = Path(folder).expanduser(), settings
        self.group = group or Group()
        self.group.share(settings.batch)                       # ValueError where it cannot be
        text = read_text(settings.text) if text is None else text
        asked = {"settings": dataclasses.asdict(settings), "characters": len(text),
                 "sha256": hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()}
        begun = self._begun(asked)
        cut = round(len(text) * (1 - settings.held))
        self.tokenizer = self._tokenizer(text, cut, begun)
        self.ids, self.held = (torch.tensor(self.tokenizer.encode(part), dtype=torch.int64)
                               for part in (text[:cut], text[cut:]))
        self._long_enough(len(text))
        if not begun:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write("tokenizer.json", lambda path: self.tokenizer.save(path))
            self._write("best", lambda path: save_tokenizer(self.tokenizer, path))
            self._write("run.json", lambda path: write_all(
                path.parent, {path.name: json.dumps(asked, indent=1).encode()}))
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.model = GPT(settings.config(self.tokenizer.vocab_size), generator=self.generator)
        self.model.to(self.group.device)
        self.losses: list[tuple[int, float, float]] = []       # step, train, held back

    def _begun(self, asked: dict) -> bool:
        """Whether the folder holds this run; TrainingError where it holds anything else."""
        try:
            said = json.loads((self.folder / "run.json").read_text("utf8"))
            theirs = said["settings"]
        except FileNotFoundError:
            there = sorted(p.name for p in self.folder.glob("*")
                           if p.name not in ("best", "tokenizer.json") and p.suffix != ".tmp")
            if there:
                raise TrainingError(f"{self.folder} holds {', '.join(there[:3])} and no run.json: "
                                    "it is no folder of a run. Give a new one.") from None
            return False
        except NotADirectoryError:
            raise TrainingError(f"{self.folder} is a file; a run needs a folder.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{self.folder / 'run.json'} cannot be read ({error!r}). Give "
                                "another folder, or delete this one.") from error
        ours = asked["settings"]
        theirs = {**{name: getattr(Settings, name, None) for name in ours}, **theirs}
        wrong = [f"{name} {theirs[name]!r}, now {value!r}" for name, value in ours.items()
                 if theirs[name] != value and name != "text"]
        if said.get("sha256") != asked["sha256"]:
            wrong.insert(0, f"another text ({said.get('characters'):,} characters, "
                            f"now {asked['characters']:,})")
        if wrong:
            raise TrainingError(f"{self.folder} holds another run: {'; '.join(wrong)}. Give the "
                                "settings it was begun with, or another folder.")
        return True

    def _tokenizer(self, text: str, cut: int, begun: bool):
        path = self.folder / "tokenizer.json"
        if begun and path.is_file():
            return tokenizers.load(path)
        if self.settings.tokenizer == "char":                  # it must know what is held back
            return tokenizers.CharTokenizer.train(text)
        return tokenizers.BPETokenizer.train(text[:cut], self.settings.vocab)

    def _long_enough(self, characters: int) -> None:
        block, least = self.settings.block, min(len(self.ids), len(self.held))
        if least <= block:
            raise TrainingError(
                f"the text is too short: of its {characters:,} characters {len(self.ids):,} tokens "
                f"are learned from and {len(self.held):,} held back, and a context of {block} "
                f"needs {block + 1} of each. Take a longer text"
                + (f", or a block of {least - 1} at most." if least > 1 else "."))

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        """Write a file of the run; a TrainingError that says what is kept if it cannot be."""
        try:
            write(self.folder / name)
        except OSError as error:
            kept = "checkpoint.safetensors"
            raise TrainingError(
                f"{self.folder / name} could not be written ({error.strerror or error}). Make "
                "room, or choose another folder, and start the same run again"
                + (f": it goes on from {kept}." if (self.folder / kept).exists() else ".")
            ) from error

    # -----------------------------------------------------------------------

    def train(self, stop: Callable[[], bool] = lambda: False, minutes: float | None = None,
              show=None) -> Outcome:
        """Train until the settings' steps are done, `stop()` is true, or the minutes are over.

        show: told how it goes, `begin(run, step, history)`, `step(...)`, `measured(...)`; see
        `zh.gpt.show`. Raises TrainingError where it cannot go on; what was saved stays.
        """
        s, model = self.settings, self.model
        torch.manual_seed(s.seed)                  # dropout draws from PyTorch's own generator
        move = optimizer(model, s.lr, decay=s.decay, clip=s.clip)
        rate = training.cosine(s.lr, s.steps, int(s.warmup * s.steps), s.floor * s.lr)
        path, done = self.folder / "checkpoint.safetensors", 0
        until = None if minutes is None else time.monotonic() + 60 * minutes
        why = "done"

        def after(step: int, model: GPT, history: training.History) -> None:
            nonlocal done, why
            first, done = done == 0, step + 1
            if first:
                self._take_up(step)
                if show:
                    show.begin(self, step, history)
            if show:
                show.step(done, history)
            if self.group.first and (done % s.every == 0 or done == s.steps):
                self._measure(done, history)
                if show:
                    show.measured(self, done, history)
            over, asked = self.group.any(until is not None and time.monotonic() >= until, stop())
            if done < s.steps and (over or asked):
                why = "stopped" if asked else "time"
                if self.group.first:
                    checkpoints.save(path, done, history, model, self.generator, move)
                raise Stopped

        try:
            history = training.train(
                model, self.group.draw(draw_blocks(self.ids, s.block, s.batch), s.batch, s.dropout),
                s.steps, lr=rate, generator=self.generator, optimizer=move, callbacks=[after],
                loss=self.group.loss(model), progress=False, checkpoint=path, every=s.every,
                writes=self.group.first)
            if not done:                           # it was complete already
                self._take_up(len(history.losses))
        except Stopped:
            pass
        return Outcome(done or s.steps, why, self.best)

    def _take_up(self, step: int) -> None:
        """The losses that were measured before this step, of an earlier call."""
        try:
            rows = (self.folder / "losses.csv").read_text("utf8").splitlines()[1:]
            found = [(int(a), float(b), float(c)) for a, b, c in (row.split(",") for row in rows)]
        except FileNotFoundError:
            found = []
        except ValueError as error:
            raise TrainingError(f"{self.folder / 'losses.csv'} has changed since it was written "
                                f"({error}): delete its last lines.") from error
        self.losses = [row for row in found if row[0] <= step]

    def _measure(self, step: int, history: training.History) -> None:
        """Measure the loss on the held-back text, and keep the weights if it is the least yet."""
        s = self.settings
        recent = history.losses[-100:]
        value = evaluate(self.model, self.held, s.block, at_most=max(1, MEASURED // s.block))
        before = self.best
        self.losses.append((step, sum(recent) / len(recent), value))
        if before is None or value < before[1]:
            self._write("best", self.model.save_pretrained)
        lines = ["step,train,held back", *(f"{a},{b!r},{c!r}" for a, b, c in self.losses)]
        self._write("losses.csv", lambda path: write_all(
            path.parent, {path.name: ("\n".join(lines) + "\n").encode()}))

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the least loss on the held-back text."""
        return min(((step, value) for step, _, value in self.losses),
                   key=lambda pair: pair[1], default=None)


# ---------------------------------------------------------------------------


def read_text(source: str) -> str:
    """The text of a file, or of a corpus by its name. Raises CorpusError."""
    if source == "names":                          # in no order: the split is by position
        return recipes.names_text()
    text = data.text(source)
    if "\0" in text:
        raise data.CorpusError(f"{source} is no text: it holds bytes of the value 0. Is it a "
                               "binary file? A text is saved as UTF-8.")
    return text


def load(folder: str | os.PathLike, last: bool = False):
    """Model and tokenizer of a run, or of a GPT-2 of Hugging Face's.

    last: the weights of the last checkpoint, instead of the best ones. Raises FileNotFoundError
    or ValueError where there is nothing to load.
    """
    folder = Path(folder).expanduser()
    if not (folder / "run.json").is_file():
        if last:
            raise ValueError(f"{folder} is no folder of a run, so it has no last checkpoint.")
        return GPT.from_pretrained(folder), load_tokenizer(folder)
    tokenizer = tokenizers.load(folder / "tokenizer.json")
    if not last and (folder / "best" / "model.safetensors").is_file():
        return GPT.from_pretrained(folder / "best"), tokenizer
    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds a run without a checkpoint yet: train on.")
    from safetensors.torch import load_file

    settings = Settings(**json.loads((folder / "run.json").read_text("utf8"))["settings"])
    model = GPT(settings.config(tokenizer.vocab_size), generator=torch.Generator())
    model.load_state_dict({name.removeprefix("model."): tensor
                           for name, tensor in load_file(path).items()
                           if name.startswith("model.")})
    return model.eval(), tokenizer


def begin(tokenizer, prompt: str | None = None) -> torch.Tensor:
    """The ids (1, T) of a prompt; of the start of a text where there is none.

    Raises ValueError for a character that the tokenizer does not know.
    """
    if prompt:
        ids = tokenizer.encode(prompt)
    elif (end := end_of_text(tokenizer)) is not None:
        ids = [end]                                # what came before a text in training
    else:
        newline = "\n" in getattr(tokenizer, "chars", "\n")
        ids = tokenizer.encode("\n") if newline else [0]
    return torch.tensor([ids])


def end_of_text(tokenizer) -> int | None:
    """The token that GPT-2's texts are divided by, where a tokenizer has it."""
    return getattr(tokenizer, "special", {}).get("<|endoftext|>")


def write(model: GPT, tokenizer, ids: torch.Tensor, count: int, generator: torch.Generator,
          stop: int | None = None, **settings) -> Iterator[str]:
    """The text of `count` tokens that follow ids (1, T), piece by piece, as they are drawn.

    A piece is whole characters: tokens that end in the middle of one wait for the next.
    stop: the token that ends the text. settings: as in `GPT.stream`.
    """
    waiting: list[int] = []
    for number, drawn in enumerate(model.stream(ids, generator, **settings), 1):
        token = int(drawn)
        if token != stop:
            waiting.append(token)
        text = tokenizer.decode(waiting)
        over = number == count or token == stop
        if over or not text.endswith("\ufffd") or len(waiting) > 8:
            yield text
            waiting = []
        if over:
            return
