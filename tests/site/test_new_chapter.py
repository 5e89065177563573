"""`make chapter`, the citation file, the guide: what an author starts from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.minibook import MiniBook
from tests.site.test_machinery import program
from tools import new_chapter

TOC = """format: jb-book
root: book/intro
parts:
- caption: First
  chapters:
  - file: book/one
- caption: Second
  chapters:
  - file: book/two
- caption: Back matter
  chapters:
  - file: book/api
"""


@pytest.mark.parametrize(("part", "before"), [("First", "- caption: Second"), ("Second", "- capt")])
def test_it_is_the_last_of_its_part(part, before):
    made = new_chapter.place(TOC, part, "new_one")
    assert f"  - file: book/new_one\n{before}" in made
    assert made.replace("  - file: book/new_one\n", "") == TOC


def test_a_part_that_is_not_there_says_which_are():
    with pytest.raises(SystemExit, match="First, Second"):
        new_chapter.place(TOC, "Third", "new")


@pytest.mark.parametrize("name", ["Optimisers", "1st", "new-one", "../x", ""])
def test_a_name_that_is_no_idea_is_refused(tmp_path, name):
    with pytest.raises(SystemExit, match="small letters"):
        new_chapter.create(tmp_path, name, "T", "")


def copy(folder) -> None:
    """What the rules of chapters read."""
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("book", "zh", "tests", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    for name in ("_toc.yml", "_config.yml", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)


def test_a_new_chapter_keeps_the_rules_but_for_its_length(tmp_path):
    copy(tmp_path)
    made = new_chapter.create(tmp_path, "tiny_steps", "Tiny steps", "")
    assert [p.relative_to(tmp_path).as_posix() for p in made] == [
        "book/tiny_steps.md", "zh/exercises/tiny_steps.py"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/chapters/test_rules.py", "-v", "-k", "tiny",
         "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    failed = re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.M)
    assert failed == ["test_length"], done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 14, done.stdout
    left = new_chapter.left(tmp_path, "tiny_steps")
    assert any("the question that makes the chapter necessary" in line for line in left)
    with pytest.raises(SystemExit, match="there already"):
        new_chapter.create(tmp_path, "tiny_steps", "Tiny steps", "")


def test_a_new_chapter_builds(tmp_path):
    book = MiniBook(tmp_path)
    (tmp_path / "_toc.yml").write_text("root: book/one\nparts:\n- caption: Only\n  chapters:\n")
    new_chapter.create(tmp_path, "tiny_steps", "Tiny steps", "")
    book.toc("tiny_steps")
    done = book.build()
    assert done.returncode == 0, done.stdout
    assert "spread is <span" in book.html("tiny_steps")


def test_the_citation_file_is_valid():
    schema = ["--builtin-schema", "vendor.citation-file-format"]
    done = program("check-jsonschema", *schema, "CITATION.cff")
    assert done.returncode == 0, done.stdout
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()


def test_the_guide_names_what_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf8")
    for path in re.findall(r"`((?:book|tools|tests|zh)/[\w./]+)`", text):
        made = ("book/optimisers.md", "zh/exercises/optimisers.py")
        assert path in made or (ROOT / path).exists(), path
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    for words in re.findall(r"(?:^|`)make ([a-z]+)", text, re.M):
        assert words in targets, words
