"""Build the book, and be honest about it: exit code 0 only when the site is whole.

    python tools/build.py [--source .] [--out .]        # the site is in OUT/_build/html

What `jupyter-book build` does not do by itself, and this does:

* nothing changed since the last good build: say so and stop (a fraction of a second);
* something changed: start from an empty `html` folder, because a page that left `_toc.yml`, a
  static file that changed and a number glued by another page would otherwise stay as they were.
  What the cells computed is kept (`_build/.jupyter_cache`): only chapters whose code changed run;
* every warning is an error (`-W --keep-going`), and is one in the next build too;
* a page of `_toc.yml` that is missing or empty in the site is an error.

The whole log goes to OUT/_build/build.log; the terminal gets the lines that matter.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from importlib.metadata import distributions
from pathlib import Path

import yaml

INPUTS = ("_config.yml", "_toc.yml", "requirements.txt", "book", "zh")
ENVIRONMENT = ("ZH_CORPUS", "GITHUB_REPOSITORY")
PROGRESS = re.compile(r"^running \d+ chapter|^  \S+: [\d.]+ s$")  # what book/_ext/execution.py says
COLOUR = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
NOISE = re.compile(r"Kernel is running over TCP without encryption|^\s*$")

# `jupyter-book`, without the forty lines of its own traceback below each error
JUPYTER_BOOK = """
import sys, traceback
from jupyter_book.cli.main import main

def hook(kind, error, trace):
    if kind is not RuntimeError:
        traceback.print_exception(kind, error, trace)

sys.excepthook = hook
main()
"""


def input_files(source: Path) -> list[Path]:
    """Every file that decides what the site looks like, sorted."""
    found = []
    for name in INPUTS:
        path = source / name
        found += [path] if path.is_file() else path.rglob("*")
    hidden = ("__pycache__", ".ipynb_checkpoints")
    return sorted(p for p in found if p.is_file() and not set(hidden) & set(p.parts))


def fingerprint(source: Path) -> str:
    """Hash of the inputs, of the installed packages and of the settings that reach the pages."""
    digest = hashlib.sha256(sys.version.encode())
    packages = {f"{d.metadata['Name']}=={d.version}" for d in distributions()}
    settings = [f"{name}={os.environ.get(name, '')}" for name in ENVIRONMENT]
    if shutil.which("git"):  # the pages link to the repository's address
        git = ["git", "-C", str(source), "config", "remote.origin.url"]
        settings.append(subprocess.run(git, capture_output=True, text=True).stdout)
    for text in (*sorted(packages), *settings):
        digest.update(text.encode() + b"\0")
    for path in input_files(source):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def pages(source: Path) -> list[str]:
    """The pages that `_toc.yml` names, in its order: ["book/intro", ...]."""
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend(node[k].removesuffix(".md") for k in ("root", "file") if k in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load((source / "_toc.yml").read_text("utf8")))
    return found


def faults(source: Path, html: Path) -> list[str]:
    """What is wrong with the site as a whole: a page that is not there, or has nothing in it."""
    found = []
    for name in pages(source):
        page = html / f"{name}.html"
        if not page.is_file():
            found.append(f"{name}: named in _toc.yml, but the site has no such page")
            continue
        article = re.search(r"<article\b.*?</article>", page.read_text("utf8"), re.S)
        body = article[0] if article else ""
        words = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", body, flags=re.S).split()
        if "<h1" not in body or len(words) < 10:
            found.append(f"{name}: the page has no title or next to no text")
    if not (html / "index.html").is_file():
        found.append("index.html: the site has no front page")
    return found


def run(command: list[str], log: Path) -> int:
    """Run the builder; the log gets all it says, the terminal the problems and the progress."""
    with log.open("w", encoding="utf8") as out:
        process = subprocess.Popen(
            command, text=True, encoding="utf8", errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUTF8": "1"},
        )

        def copy(stream, wanted, terminal):
            for line in stream:
                line = COLOUR.sub("", line)
                if not NOISE.search(line):
                    out.write(line)
                    if wanted(line):
                        print(line, end="", file=terminal, flush=True)

        errors = threading.Thread(target=copy, args=(process.stderr, lambda _: True, sys.stderr))
        errors.start()
        copy(process.stdout, PROGRESS.search, sys.stdout)
        errors.join()
        return process.wait()


def build(source: Path, out: Path) -> int:
    """Build the site of `source` into OUT/_build/html; return the exit code."""
    folder = out / "_build"
    html, stamp, log = folder / "html", folder / ".built", folder / "build.log"
    wanted, started = fingerprint(source), time.monotonic()
    if stamp.is_file() and stamp.read_text() == wanted and not faults(source, html):
        print(f"book: nothing has changed; the site is {html / 'index.html'}")
        return 0
    stamp.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name not in (".jupyter_cache", ".lock"):  # what the cells computed
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    options = ["--path-output", str(out), "-W", "--keep-going"]
    code = run([sys.executable, "-c", JUPYTER_BOOK, "build", str(source), *options], log)
    problems = faults(source, html) if code == 0 else []
    for problem in problems:
        print(f"book: {problem}", file=sys.stderr)
    if code or problems:
        print(f"book: NOT built. The reasons stand above; the whole log is {log}", file=sys.stderr)
        return code or 1
    stamp.write_text(wanted)
    seconds = time.monotonic() - started
    print(f"book: {len(pages(source))} pages in {seconds:.0f} s; the site is {html / 'index.html'}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=Path("."), help="folder with _config.yml")
    parser.add_argument("--out", type=Path, default=None, help="folder that gets _build (source)")
    options = parser.parse_args()
    source = options.source.resolve()
    if not (source / "_toc.yml").is_file():
        parser.error(f"{source} has no _toc.yml: --source must name the folder of the book")
    return build(source, (options.out or source).resolve())


if __name__ == "__main__":
    sys.exit(main())
