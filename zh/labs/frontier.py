"""The data of the lab `frontier`: policies by how far they went and what they got for it.

    lab("frontier", name="lab-frontier", title="...", data=frontier.pack(points), chosen=3)

A point is a dictionary: "method", "label", "kl", "taste", "proxy", "asked", "distinct", "samples",
"entropy" where it was measured, and "bound": True where the KL is no more than a bound.
"""
from __future__ import annotations

import math
from collections.abc import Sequence

NUMBERS = ("kl", "taste", "proxy", "asked", "distinct")


def pack(points: Sequence[dict]) -> dict:
    """The points as JSON, numbers rounded to a thousandth. Raises ValueError for one that lacks."""
    if not points:
        raise ValueError("there are no points to show.")
    packed = []
    for place, point in enumerate(points):
        if missing := [k for k in ("method", "label", "samples", *NUMBERS) if k not in point]:
            raise ValueError(f"point {place} has no {missing[0]!r}.")
        own = {k: round(float(point[k]), 3) for k in NUMBERS}
        if not all(math.isfinite(v) for v in own.values()):
            raise ValueError(f"point {place}, {point['method']}, has a number that is not finite.")
        entropy = point.get("entropy")
        packed.append({"method": point["method"], "label": point["label"], **own,
                       "entropy": None if entropy is None else round(float(entropy), 2),
                       "bound": bool(point.get("bound")), "samples": list(point["samples"])})
    return {"points": packed}
