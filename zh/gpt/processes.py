"""Several processes that train one GPT, as `torchrun` starts them.

    torchrun --standalone --nproc-per-node 2 -m zh.gpt train --text mine.txt --out run

Each process holds the whole model and draws the same minibatch from the same generator; it takes
its own equal share of the pieces. `DistributedDataParallel` averages the gradients on the way back,
so that all take the same step, and it is the step that one process takes with the whole minibatch,
up to the order of additions. Process 0 writes, measures and speaks. With dropout each process has
zeros of its own, and the losses are no longer those of one process.

A process that dies takes the run with it: the others hear of it in the next exchange, say so and
end; the last checkpoint is kept.

Processors exchange with Gloo. With `--device cuda` each process has a graphics card of its own, and
the exchange is NCCL's. That part was written without a card at hand: the tests see what PyTorch is
asked for and that all tensors of a step meet on one device, and nothing more has been tried.

Data parallelism with one large minibatch: Goyal et al. 2017.
"""
from __future__ import annotations

import os
from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from zh.checkpoints import TrainingError

LOST = ("another process of this run has ended, so this one cannot go on ({error}). The last "
        "checkpoint is kept; the same command goes on from there.")


class Group:
    """The processes of a run: `rank` of `size`, alone without torchrun; what this one computes on.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: str | torch.device = "cpu"):
        self.rank, self.size, self.device = rank, size, torch.device(device)

    @property
    def first(self) -> bool:
        """Is this the process that writes and speaks?"""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's rows of a minibatch.

        ValueError where it cannot be shared evenly.
        """
        if batch % self.size:
            below = batch // self.size * self.size
            near = [str(n) for n in (below, below + self.size) if n]
            raise ValueError(
                f"batch is {batch} and there are {self.size} processes: each "
                f"takes an equal share, so it must be a multiple of "
                f"{self.size}, such as {' or '.join(near)}.")
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def draw(self, draw: Callable, batch: int,
             dropout: float = 0.0) -> Callable:
        """This process's share of `draw(generator)`, on its device."""
        mine = self.share(batch)

        def drawn(generator: torch.Generator):
            x, y = draw(generator)             # the same in all processes
            if dropout and self.size > 1:      # zeros of its own
                seed = torch.randint(2 ** 62, (), generator=generator).item()
                torch.manual_seed(seed + self.rank)
            return (x[mine].to(self.device),   # (batch / size, block)
                    y[mine].to(self.device))

        return drawn

    def loss(self, model: nn.Module) -> Callable | None:
        """The loss for `zh.training.train`: value and gradients are means.

        None for one process: the model's own.
        """
        if self.size == 1:
            return None
        wrapped = nn.parallel.DistributedDataParallel(model)

        def loss(_, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            own = F.cross_entropy(wrapped(x).flatten(0, 1), y.flatten(),
                                  ignore_index=-1)
            mean = own.detach().clone()
            dist.all_reduce(mean)
            return own + (mean / self.size - own.detach())

        return loss

    def any(self, *flags: bool) -> list[bool]:
        """Which of the flags are up in at least one process: so all stop at the same step."""
        if self.size == 1:
            return list(flags)
        told = torch.tensor([float(flag) for flag in flags], device=self.device)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return [bool(flag) for flag in told]

    def in_turn(self, make: Callable):
        """`make()` in process 0, then in the others: what the first writes, they find."""
        made = make() if self.first else None
        if self.size > 1:
            dist.barrier()
        return made if self.first else make()


def ranked() -> int:
    """The rank that torchrun gave this process; 0 without torchrun."""
    return int(os.environ.get("RANK", 0))


def place(device: str) -> torch.device:
    """What this process computes on: "cpu", or "cuda" for the card of its number on this machine.

    TrainingError where PyTorch sees no such card.
    """
    if device == "cpu":
        return torch.device("cpu")
    number, there = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if number >= there:
        raise TrainingError(
            f"process {number} was to compute on graphics card {number} (they count from 0), and "
            f"PyTorch {torch.__version__} sees {there or 'none'}. Take --device cpu, or "
            + ("as many processes as there are cards." if there else "a PyTorch built for CUDA."))
    return torch.device("cuda", number)


def join(device: str = "cpu") -> Group:
    """The group that torchrun's variables describe; TrainingError where the others do not come."""
    mine = place(device)
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        return Group(device=mine)
    try:
        if mine.type == "cuda":
            torch.cuda.set_device(mine)
        dist.init_process_group("nccl" if mine.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"the {size} processes did not find each other ({error}). Start them "
                            "with torchrun: torchrun --standalone --nproc-per-node "
                            f"{size} -m zh.gpt train ...") from error
    return Group(dist.get_rank(), dist.get_world_size(), mine)


def leave() -> None:
    """Say good-bye, where there are others."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def lost(error: RuntimeError) -> bool:
    """Does an error say that another process is gone?"""
    words = str(error).lower()
    return dist.is_initialized() and any(word in words for word in (
        "connection closed", "connection reset", "broken pipe", "gloo", "nccl", "timed out"))
