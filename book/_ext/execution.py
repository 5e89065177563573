"""Run the chapters: in parallel, from a cache that sees `zh`, with every failure named.

Jupyter Book executes the notebooks one by one while it reads the pages, its cache does not notice
that `zh` has changed, and a failing cell leaves the exit code at 0. So the chapters are run here,
before Sphinx reads the first page; Sphinx then finds all of them in jupyter-cache.

1. Kernels find `zh` in this checkout (PYTHONPATH) and use one thread each: two kernels with two
   threads each are slower than either alone on a small machine.
2. A chapter runs again when its code, the part of `zh` that it imports (followed through the
   imports), the requirements or the version of Python change; not when prose or a caption does.
3. Stale chapters run side by side, `ZH_JOBS` at a time (default: one a core).
4. A failing cell ends the build with the file, the line, the cell and the traceback, for every
   chapter that failed.
5. What a run shows about itself (the seconds and the peak memory of each cell, the outputs) is kept
   in `env.zh_runs[docname]` for the pages that list it.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partialmethod
from pathlib import Path

import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from myst_nb.core.read import create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from sphinx.errors import ExtensionError
from sphinx.util import logging

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "zh"

# jupyter-cache keys a notebook by its cells' source and all their metadata, captions included,
# and hands back the metadata of the run. Only the tags matter to a run.
JupyterCacheBase.create_hashed_notebook = partialmethod(
    JupyterCacheBase.create_hashed_notebook, cell_metadata=("tags",)
)
JupyterCacheBase.merge_match_into_notebook = partialmethod(
    JupyterCacheBase.merge_match_into_notebook, cell_meta=()
)


def kernel_environment(root: Path) -> None:
    """Set the variables that the kernels inherit."""
    paths = [str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["ZH_STATIC_BUILD"] = "1"
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"


# -- what a chapter depends on --------------------------------------------------------------------


@cache  # every chapter follows the same files
def _imported(source: str, package: str = "") -> frozenset[str]:
    """Dotted names of the modules of PACKAGE that this source imports."""
    source = re.sub(r"^\s*[%!].*$", "pass", source, flags=re.M)  # IPython magics
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, *filter(None, [base])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(name for name in found if name.split(".")[0] == PACKAGE)


def _files(name: str, root: Path) -> list[Path]:
    """The files of a module; of a subpackage all files, since it may load them by name, but what
    only the page loads: a lab's script and style reach the site by themselves (assets.py)."""
    path = root.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return [path.with_suffix(".py")]
    if (path / "__init__.py").is_file():
        if name == PACKAGE:
            return [path / "__init__.py"]
        return sorted(f for f in path.rglob("*") if f.is_file()
                      and "__pycache__" not in f.parts and f.suffix not in (".js", ".css"))
    return []


def dependencies(code: str, root: Path = ROOT) -> list[Path]:
    """The files of `zh` that this code imports, followed through their own imports."""
    todo, seen, files = sorted(_imported(code)), set(), set()
    while todo:
        name = todo.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        todo.append(name.rpartition(".")[0])  # importing a module imports its packages
        for file in _files(name, root):
            files.add(file)
            if file.suffix == ".py":
                package = ".".join(file.relative_to(root).parent.parts)
                todo += _imported(file.read_text("utf8"), package)
    return sorted(files)


def code_of(text: str) -> str:
    """The code cells of a MyST chapter, without their options, joined."""
    fence = re.compile(r"^(`{3,}|~{3,})\{code-cell\}[^\n]*\n(.*?)^\1\s*$", re.M | re.S)
    options = re.compile(r"\A(?:---\n.*?\n---\n|(?::[\w-]+:[^\n]*\n)+)", re.S)
    return "\n".join(options.sub("", m[2]) for m in fence.finditer(text))


def fingerprint(text: str, root: Path = ROOT) -> str:
    """A short hash of all that a chapter's results depend on besides its own code."""
    hasher = hashlib.sha256(f"{sys.version_info[:2]} {os.environ.get('ZH_CORPUS', '')}".encode())
    requirements = root / "requirements.txt"
    for file in [requirements, *dependencies(code_of(text), root)]:
        if file.is_file():
            hasher.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return hasher.hexdigest()[:12]


_KERNEL = re.compile(r"^(\s+display_name:\s*)(.*)$", re.M)


def stamp(text: str, root: Path = ROOT) -> str:
    """Write the fingerprint into the kernel's display name, which jupyter-cache hashes."""
    return _KERNEL.sub(lambda m: f"{m[1]}{m[2]} [{fingerprint(text, root)}]", text, count=1)


# -- running --------------------------------------------------------------------------------------


class Client(NotebookClient):
    """nbclient that also notes each cell's seconds and the kernel's peak memory in it."""

    def run(self, cwd: str) -> tuple[list[dict], BaseException | None]:
        """Execute; return the cost of each code cell and the error that stopped it, if any."""
        self.costs: list[dict] = []
        self.resources = {"metadata": {"path": cwd}}
        self._peak, self._stop = 0, threading.Event()
        self.on_cell_execute = lambda cell, cell_index: self._begin()
        self.on_cell_executed = lambda cell, cell_index, execute_reply: self._end(cell_index)
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            self.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return self.costs, error
        finally:
            self._stop.set()
            watcher.join()
        return self.costs, None

    def _resident(self) -> int:
        pid = getattr(getattr(self.km, "provisioner", None), "pid", None)
        try:
            return psutil.Process(pid).memory_info().rss if pid else 0
        except psutil.Error:
            return 0

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._peak = max(self._peak, self._resident())

    def _begin(self) -> None:
        self._peak, self._started = self._resident(), time.perf_counter()

    def _end(self, index: int) -> None:
        seconds = time.perf_counter() - self._started
        peak = max(self._peak, self._resident())
        self.costs.append({"cell": index, "seconds": seconds, "peak_mb": peak / 2**20})


def forget_place(nb, root: Path = ROOT) -> None:
    """Where the checkout lies says nothing to a reader, and would make two builds differ."""
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                lines = output.traceback
                output.traceback = [line.replace(f"{root}{os.sep}", "") for line in lines]


def _where(nb, costs: list[dict], path: Path, text: str) -> str:
    """The cell that failed, as `file:line, cell n: its first line`."""
    code = [i for i, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    done = {c["cell"] for c in costs}
    failed = [i for i in code if any(o.output_type == "error" for o in nb.cells[i].outputs)]
    index = failed[-1] if failed else next((i for i in code if i not in done), code[-1])
    source = nb.cells[index].source
    first = source.strip().splitlines()[0] if source.strip() else ""
    line = text[: text.find(first)].count("\n") + 1 if first else 0
    return f"{path}:{line}, cell {code.index(index) + 1} of {len(code)}: {first}"


def _read(env, docname: str):
    """The chapter as a notebook, stamped, or None if the page is not a notebook."""
    path = Path(env.doc2path(docname))
    text = path.read_text("utf8")
    if "{code-cell}" not in text:
        return None
    try:
        text = stamp(text)
    except SyntaxError as error:
        raise ExtensionError(f"{path}: a cell is not valid Python: {error}") from error
    reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
    return (path, text, reader.read(text), reader.read_fmt) if reader else None


def run_chapters(app, env, docnames: list[str]) -> None:
    """Execute what the cache does not hold; keep what the runs show."""
    config = env.mystnb_config
    if config.execution_mode != "cache":
        return
    cache = get_cache(config.execution_cache_path)
    jobs = []
    for docname in docnames:
        chapter = _read(env, docname)
        if chapter is None:
            env.zh_runs.pop(docname, None)
            continue
        try:
            cache.match_cache_notebook(chapter[2])
        except KeyError:
            jobs.append((docname, *chapter))

    def run(job):
        _, path, _, nb, _ = job
        client = Client(
            nb,
            timeout=config.execution_timeout,
            record_timing=False,
            extra_arguments=["--Application.log_level=ERROR"],  # a warning about TCP, once a kernel
        )
        started = time.perf_counter()
        costs, error = client.run(str(path.parent))
        return job, costs, error, time.perf_counter() - started

    workers = int(os.environ.get("ZH_JOBS", os.cpu_count() or 1))
    if jobs:
        log.info("running %d chapter(s), %d at a time", len(jobs), workers)
    failures = []
    with ThreadPoolExecutor(workers) as pool:
        for (docname, path, text, nb, read_fmt), costs, error, seconds in pool.map(run, jobs):
            if error is not None:
                plain = re.sub(
                    r"\x1b\[[\d;]*m", "", str(error)
                )  # without the colours of a terminal
                failures.append(f"{_where(nb, costs, path, text)}\n{plain}")
                continue
            log.info("  %s: %.1f s", docname, seconds)
            forget_place(nb)
            record = cache.add_nb_to_project(str(path), read_data=read_fmt)
            data = {"execution_seconds": seconds, "cells": costs}
            cache.cache_notebook_bundle(
                CacheBundleIn(nb, record.uri, data=data), check_validity=False, overwrite=True
            )
    if failures:
        raise ExtensionError(
            f"a cell failed in {len(failures)} chapter(s)\n\n" + "\n\n".join(failures)
        )

    changed = False
    for docname in docnames:
        chapter = _read(env, docname)
        if chapter is None:
            continue
        try:
            record = cache.match_cache_notebook(chapter[2])
        except KeyError as error:
            raise ExtensionError(
                f"{chapter[0]}: the chapter, or what it imports, changed while the book was being "
                "built: build again"
            ) from error
        pk, executed = cache.merge_match_into_notebook(chapter[2])
        run_ = {"pk": pk, "nb": executed, **record.data}
        changed |= env.zh_runs.get(docname, {}).get("pk") != pk
        env.zh_runs[docname] = run_
    for docname in set(env.zh_runs) - set(env.found_docs):
        del env.zh_runs[docname]
        changed = True
    if changed:  # pages that show other chapters' results
        for docname in sorted(env.zh_readers & env.found_docs):
            if docname not in docnames:
                docnames.append(docname)


# -- Sphinx ---------------------------------------------------------------------------------------


def _start(app) -> None:
    env = app.env
    for name, empty in (("zh_runs", {}), ("zh_prints", {}), ("zh_readers", set())):
        if not hasattr(env, name):
            setattr(env, name, empty)


def _stamp_source(app, docname: str, source: list[str]) -> None:
    text = source[0]
    if re.search(r"\{glue:\w*\}`[\w/.-]+\.md::|\{(claims-ledger|cost-ledger)\}", text):
        app.env.zh_readers.add(docname)
    else:
        app.env.zh_readers.discard(docname)
    if "{code-cell}" in text:
        app.env.zh_prints[docname] = fingerprint(text)
        source[0] = stamp(text)


def _outdated(app, env, added, changed, removed) -> list[str]:
    """Chapters whose part of `zh` has changed since they were read."""
    stale = []
    for docname in env.found_docs - added - changed:
        known = env.zh_prints.get(docname)
        if known and fingerprint(Path(env.doc2path(docname)).read_text("utf8")) != known:
            stale.append(docname)
    if stale:
        log.info("%s or the requirements changed: %s", PACKAGE, ", ".join(sorted(stale)))
    return stale


def setup(app):
    sys.path.insert(0, str(ROOT))  # the other extensions import this checkout's `zh` too
    kernel_environment(ROOT)
    app.connect("builder-inited", _start)
    app.connect("source-read", _stamp_source)
    app.connect("env-get-outdated", _outdated)
    app.connect("env-before-read-docs", run_chapters)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
