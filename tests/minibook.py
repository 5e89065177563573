"""A book of one or two tiny chapters with the real extensions: what the mechanics are tested on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst, format_version: 0.13}
kernelspec: {display_name: Python 3, language: python, name: python3}
myst: {html_meta: {description: "A chapter for a test."}}
---

# A chapter

These are more than twenty words of text, because a page with next to nothing in it counts as a
page that went wrong, and this one should not.

"""
HEAD = HEAD.replace(
    "kernelspec: {display_name: Python 3, language: python, name: python3}",
    "kernelspec:\n  display_name: Python 3\n  language: python\n  name: python3",
)


class MiniBook:
    """A copy of the machinery in `folder`; chapters are set with `book["name"] = body`."""

    def __init__(self, folder: Path):
        self.root = folder
        skip = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        for name in ("book/_ext", "book/_site", "book/_vendor", "zh", "tools"):
            shutil.copytree(ROOT / name, folder / name, ignore=skip)
        for name in ("_config.yml", "requirements.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "book" / "references.bib").write_text("")
        self.names: list[str] = []

    def __setitem__(self, name: str, body: str) -> None:
        (self.root / "book" / f"{name}.md").write_text(HEAD + body, "utf8")
        if name not in self.names:
            self.names.append(name)
            self.toc(*self.names)

    def toc(self, first: str, *rest: str) -> None:
        """Write _toc.yml."""
        chapters = "".join(f"- file: book/{name}\n" for name in rest)
        text = f"format: jb-book\nroot: book/{first}\n" + (f"chapters:\n{chapters}" if rest else "")
        (self.root / "_toc.yml").write_text(text)

    def build(self, out: Path | None = None, **env: str) -> subprocess.CompletedProcess:
        """`make book`: exit code, and everything it said in `.stdout`."""
        return subprocess.run(
            [sys.executable, "tools/build.py", "--out", str(out or self.root)],
            cwd=self.root, text=True, env={**os.environ, "ZH_JOBS": "2", **env},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def html(self, name: str) -> str:
        """A page of the built site."""
        return (self.root / "_build" / "html" / "book" / f"{name}.html").read_text("utf8")

    def ran(self, done: subprocess.CompletedProcess) -> set[str]:
        """The chapters that a build executed."""
        return set(re.findall(r"^  book/(\S+): [\d.]+ s$", done.stdout, re.M))


def cell(source: str, options: str = "") -> str:
    """A code cell; `options` is YAML."""
    head = f"---\n{options}\n---\n" if options else ""
    return f"\n```{{code-cell}} ipython3\n{head}{source}\n```\n\n"
