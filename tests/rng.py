"""The random numbers of the labs (`rng` in zh/labs/base.js), for tests that draw as a page does."""

from __future__ import annotations

from collections.abc import Iterator


def mulberry(seed: int) -> Iterator[float]:
    """Numbers in [0, 1), the same as the page's: Mulberry32."""
    a = seed & 0xFFFFFFFF
    while True:
        a = (a + 0x6D2B79F5) & 0xFFFFFFFF
        t = (a ^ a >> 15) * (a | 1) & 0xFFFFFFFF
        t ^= (t + ((t ^ t >> 7) * (t | 61) & 0xFFFFFFFF)) & 0xFFFFFFFF
        yield ((t ^ t >> 14) & 0xFFFFFFFF) / 2**32
