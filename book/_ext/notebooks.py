"""Every chapter as a notebook: notebooks/<chapter>.ipynb in the site, made by the build.

For Colab and for download; Binder opens the chapters themselves (binder/). A notebook starts with
a cell that installs `zh` where it is missing, its text is plain Markdown (plain_markdown.py) with
the numbers of the build's own run in it, and it holds no outputs: the reader runs it, and widgets
are live. `launch_links` says how a page links to it.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
from myst_nb.core.variables import format_plain_text
from sphinx.util import logging

from folds import KINDS
from plain_markdown import Unknown, blocks, inline, plain

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
BRANCH = "main"  # what Binder builds and pip installs
NOTEBOOKS = "notebooks"  # the folder in the site, and the branch that Colab opens

GLUE = '''\
def glue(name, value, display=True):
    """In the book this puts a value into a sentence; here the sentences hold the book's values."""
'''
INSTALL = """\
# The notebook needs the book's package{others}. This installs what is missing (Colab).
import importlib.util
import subprocess
import sys

wanted = {wanted}
missing = [package for name, package in wanted.items() if importlib.util.find_spec(name) is None]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
"""
NO_ADDRESS = """\
# The notebook needs the book's package{others}.
import importlib.util

missing = [name for name in {wanted} if importlib.util.find_spec(name) is None]
if missing:
    advice = "In a clone of the book: python -m pip install -r requirements.txt"
    raise ModuleNotFoundError(f"Not installed: {{', '.join(missing)}}. {{advice}}")
"""


# -- where the book lives -------------------------------------------------------------------------


def repository_url(root: Path = ROOT) -> str | None:
    """The repository's public address, "https://host/owner/name", or None if there is none.

    From GITHUB_REPOSITORY (set on GitHub's machines), else from the remote called origin.
    """
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    git = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    try:
        address = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    except OSError:
        return None
    # https://[user[:password]@]host/owner/name[.git] or git@host:owner/name[.git]
    match = re.fullmatch(
        r"(?:(?:https?|ssh|git)://)?(?:[^@/]+@)?([\w.-]+\.[a-z]+)(?::\d+)?[:/]([\w.-]+/[\w.-]+?)"
        r"(?:\.git)?/?",
        address,
    )
    return f"https://{match[1]}/{match[2]}" if match else None


def notebook_name(docname: str) -> str:
    """The file of a chapter's notebook: "book/backprop" -> "backprop.ipynb"."""
    return f"{docname.removeprefix('book/').replace('/', '-')}.ipynb"


def launch_links(docname: str, repository: str | None) -> list[tuple[str, str, str]]:
    """How the page of a chapter opens as a notebook: (label, address, what it does)."""
    file = notebook_name(docname)
    here = posixpath.relpath(f"{NOTEBOOKS}/{file}", posixpath.dirname(docname) or ".")
    links = [("Notebook", here, "Download this page as a notebook (.ipynb)")]
    if repository and (match := re.fullmatch(r"https://github\.com/(.+)", repository)):
        colab = f"https://colab.research.google.com/github/{match[1]}/blob/{NOTEBOOKS}/{file}"
        binder = f"https://mybinder.org/v2/gh/{match[1]}/{BRANCH}?urlpath=lab/tree/{docname}.md"
        links += [
            ("Colab", colab, "Run this page in Google Colab"),
            ("Binder", binder, "Run this page on Binder"),
        ]
    return links


# -- what the text refers to ----------------------------------------------------------------------


class Chapter:
    """One chapter's answers to plain_markdown.Book, from Sphinx's environment and the runs."""

    def __init__(self, env, docname: str, cells: list):
        self.env, self.docname = env, docname
        self._folds = folds_with_cells(cells)
        self._open: list[str] = []

    def glued(self, page: str, key: str, spec: str) -> str:
        docname = self._docname(page) if page else self.docname
        for cell in self.env.zh_runs[docname]["nb"].cells if docname in self.env.zh_runs else []:
            for output in cell.get("outputs", []):
                if output.get("metadata", {}).get("scrapbook", {}).get("name") == key:
                    mime = {k.rpartition("papermill.record/")[2]: v for k, v in output.data.items()}
                    return format_plain_text(mime["text/plain"], spec)
        raise Unknown(f"no cell of {docname} glues {key!r}")

    def title(self, target: str) -> str:
        std = self.env.get_domain("std")
        if target in std.labels:
            return std.labels[target][2]
        docname = self._docname(target)
        return self.env.titles[docname].astext() if docname in self.env.titles else target

    def number(self, target: str) -> str:
        docname, ident = self.env.get_domain("std").anonlabels.get(target, ("", ""))
        number = self.env.toc_fignumbers.get(docname, {}).get("figure", {}).get(ident)
        return f"Fig. {'.'.join(map(str, number))}" if number else "the figure"

    def notebook(self, page: str) -> str:
        docname = self._docname(page)
        return notebook_name(docname) if docname in self.env.zh_runs else ""

    def citation(self, key: str) -> str:
        entry = self.env.get_domain("cite").bibdata.data.entries.get(key)
        if entry is None:
            raise Unknown(f"no source is called {key!r}")
        people = [" ".join(p.last_names) for p in entry.persons.get("author", [])]
        names = people[:1] + ["et al."] if len(people) > 2 else [" and ".join(people)]
        text = re.sub(r"[{}\\]", "", f"{' '.join(names)} ({entry.fields.get('year', 'no year')})")
        address = entry.fields.get("url") or (
            f"https://doi.org/{entry.fields['doi']}" if "doi" in entry.fields else ""
        )
        return f"[{text}]({address})" if address else text

    def exercise(self, name: str) -> tuple[str, int, list[str]]:
        from zh.exercises import get

        spec = get(name)
        return spec.title, spec.minutes, [str(c) for c in getattr(spec, "choices", None) or []]

    def fold_start(self, title: str, kind: str) -> str:
        heading = title if title == KINDS[kind] else f"{KINDS[kind]}: {title}"
        if next(self._folds):
            self._open.append(f"*End of: {title}*\n")
            return f"\n#### {heading}\n"
        self._open.append("</details>\n")
        heading = re.sub(r"`([^`]+)`", r"<code>\1</code>", heading)
        return f"\n<details>\n<summary><b>{heading}</b></summary>\n"

    def fold_end(self) -> str:
        return "\n" + self._open.pop()

    def _docname(self, page: str) -> str:
        path = re.sub(r"\.(md|ipynb)$", "", page)
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.docname), path))


def folds_with_cells(cells: list):
    """For each fold in order: does a code cell stand in it?"""
    found: list[bool] = []
    stack: list[int] = []

    def mark(name: str, *_: object) -> str:
        if name == "fold-start":
            stack.append(len(found))
            found.append(False)
        elif name == "fold-end":
            stack.pop()
        return ""

    for cell in cells:
        if cell.cell_type == "code":
            for at in stack:
                found[at] = True
        else:
            blocks(cell.source, lambda _: "", mark)
    return iter(found)


# -- the notebook ---------------------------------------------------------------------------------


def notebook(env, docname: str, repository: str | None):
    """The chapter as a notebook node."""
    cells = env.zh_runs[docname]["nb"].cells
    book = Chapter(env, docname, cells)
    made = [nbformat.v4.new_code_cell(install(cells, repository))]
    for cell in cells:
        if cell.cell_type == "code":
            made += code(cell, book)
        elif text := plain(cell.source, book).strip():
            made.append(nbformat.v4.new_markdown_cell(re.sub(r"\n{3,}", "\n\n", text)))
    for number, cell in enumerate(made):
        cell.id = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    nb = nbformat.v4.new_notebook(cells=made, metadata=metadata)
    nbformat.validate(nb)
    return nb


def install(cells: list, repository: str | None) -> str:
    """The first cell: `zh`, and what the chapter imports that does not come with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    come = {"zh", "myst_nb", "IPython", *project["dependencies"], *sys.stdlib_module_names}
    source = "\n".join(c.source for c in cells if c.cell_type == "code")
    imported = re.findall(r"^\s*(?:from|import) (\w+)", source, re.M)
    extra = [name for name in dict.fromkeys(imported) if name not in come]
    others = "".join(f", and {name}" for name in extra)
    if not repository:
        return NO_ADDRESS.format(others=others, wanted=json.dumps(["zh", *extra])).strip()
    wanted = {"zh": f"zh @ git+{repository}@{BRANCH}"} | {name: name for name in extra}
    return INSTALL.format(others=others, wanted=json.dumps(wanted)).strip()


def code(cell, book: Chapter) -> list:
    """A code cell without outputs, and its caption as text below it."""
    source = re.sub(r"^from myst_nb import glue$", GLUE, cell.source, flags=re.M)
    tags = list(cell.metadata.get("tags", []))
    new = nbformat.v4.new_code_cell(source, metadata={"tags": tags} if tags else {})
    if {"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(tags):
        new.metadata["jupyter"] = {"source_hidden": True}  # JupyterLab
        new.metadata["cellView"] = "form"  # Colab
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    if not figure.get("caption"):
        return [new]
    number = book.number(figure.get("name", ""))
    caption = inline(figure["caption"], book)
    head = f"**{number}.** " if number != "the figure" else ""
    return [new, nbformat.v4.new_markdown_cell(head + caption)]


def write_notebooks(app, error) -> None:
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / NOTEBOOKS
    folder.mkdir(exist_ok=True)
    repository = repository_url(Path(app.srcdir))
    for docname in sorted(app.env.zh_runs):
        try:
            nb = notebook(app.env, docname, repository)
        except Unknown as problem:
            log.warning("its notebook cannot be made: %s", problem, location=docname)
            continue
        text = json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        (folder / notebook_name(docname)).write_text(text, "utf8")


def setup(app):
    app.connect("build-finished", write_notebooks, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
