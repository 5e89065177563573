"""Numbers for the exercises to be tried on, the same every time."""

from __future__ import annotations

import torch


def generator(seed: int) -> torch.Generator:
    """A generator of its own, started from this seed."""
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> torch.Tensor:
    """Standard normal numbers, in float64."""
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def integers(high: int, *shape: int, seed: int) -> torch.Tensor:
    """Whole numbers from 0 to high - 1."""
    return torch.randint(high, shape, generator=generator(seed))
