"""What a run shows of itself: a bar on a terminal, lines elsewhere, and samples of what it writes.

The lines go to standard output, the bar to standard error, where it is a terminal.
"""
from __future__ import annotations

import sys
import time

import torch

from zh.gpt.runs import Run, begin, write
from zh.training import History


class Show:
    """Told by `Run.train` how it goes. sample: how many tokens to write at each measurement."""

    def __init__(self, sample: int = 0, bar: bool | None = None, out=None, err=None):
        self.sample = sample
        self.out, self.err = out or sys.stdout, err or sys.stderr
        self.wanted = self.err.isatty() if bar is None else bar
        self.bar = None
        self.broken: OSError | None = None         # why nobody reads its lines any more
        self.tokens = self.spent = 0.0             # that were learned from, and the time it took
        self.left = time.perf_counter()            # when the last step was over
        self.saw = ""                              # the last loss on the held-back text

    def begin(self, run: Run, step: int, history: History) -> None:
        """Before the first step of this call is shown; `step` were done by earlier ones."""
        s = run.settings
        self.per_step, self.steps = s.batch * s.block, s.steps
        if step:
            self.say(f"goes on from step {step:,}")
        if self.wanted:
            from tqdm import tqdm

            self.bar = tqdm(total=s.steps * self.per_step, initial=step * self.per_step,
                            unit=" tokens", unit_scale=True, file=self.err, mininterval=0.5,
                            dynamic_ncols=True)
        self.tokens, self.spent = -self.per_step, 0.0      # the first step began before this
        self.left = time.perf_counter()

    def step(self, done: int, history: History) -> None:
        """After each step."""
        self.tokens += self.per_step
        self.spent += time.perf_counter() - self.left
        if self.bar is not None:
            if done % 20 == 0 or done == self.steps:
                recent = history.losses[-100:]
                self.bar.set_postfix_str(f"step {done:,}, train {sum(recent) / len(recent):.3f}"
                                         f"{self.saw}", refresh=False)
            self.bar.update(self.per_step)
        self.left = time.perf_counter()

    def measured(self, run: Run, done: int, history: History) -> None:
        """After each measurement: a line, and a sample."""
        _, train, held = run.losses[-1]
        best = run.best[0] == done
        self.saw = f", held back {held:.3f}"
        rate = self.tokens / self.spent if self.spent else 0.0
        left = (run.settings.steps - done) * self.per_step / rate if rate else 0.0
        self.say(f"step {done:,} of {run.settings.steps:,}: train {train:.4f}, held back "
                 f"{held:.4f}{' (least yet, kept)' if best else ''}, {rate:,.0f} tokens a second"
                 + (f", {clock(left)} left" if left else ""))
        if self.sample:
            # of its own generator: what is shown changes nothing of what is learned
            g = torch.Generator().manual_seed(run.settings.seed * 1_000_003 + done)
            pieces = write(run.model, run.tokenizer, begin(run.tokenizer), self.sample, g)
            self.say("".join(f"    {line}\n" for line in "".join(pieces).strip("\n").split("\n")))
        self.left = time.perf_counter()

    def say(self, line: str) -> None:
        """A line on standard output, above the bar; `.broken` where it cannot be written."""
        try:
            if self.bar is not None:
                self.bar.write(line, file=self.out)
            else:
                print(line, file=self.out, flush=True)
        except OSError as error:
            self.broken = error

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss, or m:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
