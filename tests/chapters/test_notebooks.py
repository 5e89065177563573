"""The notebook of each chapter, made by the build: plain, and it runs top to bottom in a kernel.

Each holds the code of its chapter, cell by cell, which the build has just run. What the build has
not done is to run it as a reader does: in a kernel without the variables of the build, from another
folder, with figures drawn for a notebook and sliders and labs as live widgets. SOME are run so
here, and all of them, which takes as long as the book, with `make notebooks`.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.conftest import CHAPTERS, ROOT, TEXTS

pytestmark = pytest.mark.xdist_group("notebooks")  # run once, by one worker
WIDGET = "application/vnd.jupyter.widget-view+json"
SOME = ("intro", "bigrams", "batchnorm", "attention", "bug_clinic")  # of each kind of widget, a few
ALLOWED_SECONDS = 900  # for a cell that hangs; a busy machine is not a fault


def path_of(site: Path, chapter: str) -> Path:
    return site / "notebooks" / f"{chapter.rpartition('/')[2]}.ipynb"


def execute(path: Path, folder: Path) -> tuple[object, str]:
    """Run one notebook in a folder that is not the repository: (notebook, error)."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=ALLOWED_SECONDS, kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    ours = ("ZH_STATIC_BUILD", "PYTHONPATH", "PYTHONHASHSEED")
    env = {k: v for k, v in os.environ.items() if k not in ours} | {"OMP_NUM_THREADS": "1"}
    try:
        client.execute(env=env)
        error = ""
    except CellExecutionError as problem:
        error = str(problem)
    return notebook, error


@pytest.fixture(scope="session")
def executed(site, tmp_path_factory, request) -> dict[str, tuple[object, str]]:
    """The notebooks after their run, two at a time."""
    every = request.config.getoption("--every-notebook")
    chapters = [c for c in CHAPTERS if every or c.rpartition("/")[2] in SOME]
    assert every or len(chapters) == len(SOME)
    folder = tmp_path_factory.mktemp("elsewhere")
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda c: execute(path_of(site, c), folder), chapters)
        return dict(zip(chapters, runs, strict=True))


def test_they_run_top_to_bottom(executed):
    errors = [f"{chapter}: {error}" for chapter, (_, error) in executed.items() if error]
    assert not errors, "\n\n".join(errors)


def test_their_widgets_are_live(executed):
    seen = 0
    for notebook, error in executed.values():
        code = [c for c in notebook.cells if c.cell_type == "code" and not error]
        for cell in code:
            kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
            if re.search(r"^(?:explore|lab)\(", cell.source, re.M):
                seen += 1
                assert WIDGET in kinds, f"no widget, but {sorted(kinds)}, from:\n{cell.source}"
            html = "".join(str(o.get("data", {}).get("text/html", "")) for o in cell.outputs)
            assert "zh-payload" not in html, f"the page's form of a widget, from:\n{cell.source}"
    assert seen > 5


def test_holds_the_code_of_its_chapter(site, chapter):
    notebook = nbformat.read(path_of(site, chapter), as_version=4)
    ours = read_myst_markdown_notebook(TEXTS[chapter].read_text("utf8"))
    wanted = [c.source for c in ours.cells if c.cell_type == "code"]
    found = [c.source for c in notebook.cells if c.cell_type == "code"][1:]  # behind the set-up
    stub = re.compile(r'^def glue\(name, value, display=True\):\n    """.*"""\n', re.M)
    assert [stub.sub("from myst_nb import glue", source) for source in found] == wanted


def test_is_plain_and_without_outputs(site, chapter):
    notebook = nbformat.read(path_of(site, chapter), as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "code" and "zh" in notebook.cells[0].source
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            continue
        text = re.sub(r"```.*?```|`[^`]+`|\$\$.*?\$\$|\$[^$]+\$", "", cell.source, flags=re.S)
        left = re.findall(r"\{[\w:-]+\}|^:::.*|^\([\w-]+\)=|\]\(#[^)]*\)", text, re.M)
        assert not left, f"markup that a notebook does not know: {left} in\n{cell.source[:300]}"


def test_needs_only_what_its_first_cell_installs(site, chapter):
    """Colab gets `zh` and what comes with it; the book's own tools are not there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = {*project["dependencies"], "zh", "IPython", *sys.stdlib_module_names}
    notebook = nbformat.read(path_of(site, chapter), as_version=4)
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    allowed |= set(re.findall(r'[\[{,] ?"(\w+)"', notebook.cells[0].source))
    names = set()
    for node in ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "", code, flags=re.M))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    assert names <= allowed, f"not in Colab: {sorted(names - allowed)}"
