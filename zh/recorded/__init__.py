"""Results of runs that are too long for the build, as the scripts in `benchmarks/` wrote them.

    from zh import recorded
    ladder = recorded.load("ladder")

Each file is one JSON object.  Beside its results it says how they were made: "script", "command",
"date", "versions" (python, torch, zh's commit), "machine", "seconds" and the seeds.
"""

import json
from importlib import resources

PROVENANCE = ("script", "command", "date", "versions", "seconds")


def load(name):
    """The recorded result `name` as a dict.  Raises FileNotFoundError, with the names there are."""
    folder = resources.files(__name__)
    file = folder / f"{name}.json"
    if not file.is_file():
        there = sorted(f.name.removesuffix(".json") for f in folder.iterdir()
                       if f.name.endswith(".json"))
        raise FileNotFoundError(
            f"no recorded result {name!r}; there is {', '.join(there) or 'none yet'}. "
            "The scripts in benchmarks/ make them")
    return json.loads(file.read_text("utf8"))


def save(name, result):
    """Write a result for `load`, whole or not at all.  Raises ValueError without provenance."""
    import os
    from pathlib import Path

    missing = [key for key in PROVENANCE if key not in result]
    if missing:
        raise ValueError(f"the result {name!r} does not say {', '.join(missing)}: "
                         f"a recorded result holds {', '.join(PROVENANCE)}")
    file = Path(__file__).with_name(f"{name}.json")
    beside = file.with_suffix(".tmp")
    beside.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", "utf8")
    os.replace(beside, file)
