"""Results of runs that are too long for the build, as the scripts in `benchmarks/` wrote them.

    from zh import recorded
    ladder = recorded.load("ladder")

Each file is one JSON object.  Beside its results it says how they were made: "script", "command",
"date", "versions" (python, torch, zh's commit), "machine", "seconds" and the seeds.
"""

import json
from importlib import resources

PROVENANCE = ("script", "command", "date", "versions", "seconds")


def load(name, default=None):
    """The recorded result `name` as a dict.

    default: what there is before the first run. Without it a result that does not exist raises
    FileNotFoundError, with the names there are.
    """
    folder = resources.files(__name__)
    file = folder / f"{name}.json"
    if not file.is_file():
        if default is not None:
            return default
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


def provenance(script, seconds=0.0):
    """Where a result comes from, for `save`: call it in the script, add the result's own keys.

    script: the file, relative to the repository. seconds: how long the run took.
    """
    import datetime
    import os
    import platform
    import shlex
    import subprocess
    import sys
    from pathlib import Path

    import torch

    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                           cwd=Path(__file__).parent)
    return {
        "script": script,
        "command": shlex.join(["python", script, *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "zh": asked.stdout.strip() or "not a git checkout"},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
                   f"{torch.get_num_threads()} thread(s) used",
        "seconds": round(seconds, 1),
    }


def asked(what, names):
    """The names in a script's command line, in their order, and whether "again" is among its words.

    All of `names` when none is given. what: what they are called, "table". Ends the program, with
    the names there are, when one of them is unknown.
    """
    import sys

    words = [word for word in sys.argv[1:] if word != "again"]
    if unknown := [word for word in words if word not in names]:
        sys.exit(f"no {what} {', '.join(unknown)}; there is {', '.join(names)}")
    return words or list(names), "again" in sys.argv[1:]


def made(seconds=0.0):
    """Where one row of a result comes from: its "date", "versions" and "seconds".

    For results that are recorded row by row, on more than one day or commit: each row keeps its
    own. The script and the command are those of the whole file.
    """
    whole = provenance("", seconds)
    return {key: whole[key] for key in ("date", "versions", "seconds")}


def code(*modules):
    """A short digest of what these modules do: their syntax trees, without docstrings.

    A result can be kept while the code that made it says the same; comments may change.
    """
    import ast
    import hashlib
    import inspect

    digest = hashlib.sha256()
    for module in modules:
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [line for line in body if not (
                    isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]
