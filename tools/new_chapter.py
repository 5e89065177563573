"""Begin a chapter: its text, its exercises, its place in the table of contents.

    make chapter NAME=optimisers TITLE="Optimisers: what a step is" PART="Why deep nets train"

The text is the template of a chapter with all its parts, each with a TODO. It builds as it is, and
the rules of the chapters (tests/chapters/test_rules.py) hold, but for its length. What is left to
do is printed, and again with --left.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = Path(__file__).with_name("template")
EXERCISES = ("first", "second", "third", "fourth", "fifth")
REST = """\
its line in the map of book/intro.md, and in README.md if it opens a new part
the code it teaches: zh/{name}.py, with tests against an oracle in tests/unit/test_{name}.py
its figures: zh/plots/{name}.py, listed in zh/plots/__init__.py
its place in PLANNED of book/_ext/sections.py, and its rows in book/crosswalk.yml, if it has them
then: make book, and python -m pytest tests/chapters -k {name}"""


def parts(toc: str) -> list[str]:
    """The captions of a table of contents."""
    return [caption.strip() for caption in re.findall(r"^- caption: (.+)$", toc, re.M)]


def place(toc: str, part: str, name: str) -> str:
    """The table of contents with the chapter as the last of a part."""
    head, caption, rest = toc.partition(f"- caption: {part}\n")
    if not caption:
        raise SystemExit(f"_toc.yml has no part {part!r}; there are: {', '.join(parts(toc))}")
    inside, following, after = rest.partition("- caption:")
    return f"{head}{caption}{inside.rstrip()}\n  - file: book/{name}\n{following}{after}"


def create(root: Path, name: str, title: str, part: str) -> list[Path]:
    """Write the files of a new chapter; return those that are new."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", name):
        raise SystemExit(f"NAME is the chapter's idea in small letters, like batchnorm or "
                         f"tensor_backprop, not {name!r}")  # fmt: skip
    page, module = root / "book" / f"{name}.md", root / "zh" / "exercises" / f"{name}.py"
    for path in (page, module):
        if path.exists():
            raise SystemExit(f"{path.relative_to(root)} is there already")
    toc = (root / "_toc.yml").read_text("utf8")
    toc = place(toc, part or [p for p in parts(toc) if p not in ("Practice", "Back matter")][-1],
                name)  # fmt: skip
    slug = name.replace("_", "-")
    names = [f"{slug}-{which}" for which in EXERCISES]
    exercise = Template((TEMPLATE / "exercise.md").read_text("utf8"))
    text = Template((TEMPLATE / "chapter.md").read_text("utf8")).substitute(
        title=title, slug=slug, exercises="".join(exercise.substitute(name=n) for n in names)
    )
    listed = "".join(f'    Exercise("{n}", "TODO: its title", minutes=5, kind="number", '
                     "answer=lambda: 1.0),\n" for n in names)  # fmt: skip
    code = Template((TEMPLATE / "exercises.py.txt").read_text("utf8"))
    page.write_text(text, "utf8")
    module.write_text(code.substitute(title=title, exercises=listed), "utf8")
    (root / "_toc.yml").write_text(toc, "utf8")
    return [page, module]


def left(root: Path, name: str) -> list[str]:
    """What is left to do in a chapter: each TODO with its place, and what no file says."""
    found = []
    for path in (root / "book" / f"{name}.md", root / "zh" / "exercises" / f"{name}.py"):
        if not path.is_file():
            raise SystemExit(f"there is no {path.relative_to(root)}: make chapter NAME={name}")
        for number, line in enumerate(path.read_text("utf8").splitlines(), 1):
            if "TODO" in line:
                rest = re.search(r"TODO[^\"*]*", line)[0].rstrip("., ")
                found.append(f"{path.relative_to(root)}:{number}: {rest}")
    return found + REST.format(name=name).splitlines()


def main(root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the chapter's file, without .md")
    parser.add_argument("--title", default="", help="its title (the name, if not given)")
    parser.add_argument("--part", default="", help="the part it closes (the last, if not given)")
    parser.add_argument("--left", action="store_true", help="only say what is left to do")
    options = parser.parse_args()
    name = options.name.removesuffix(".md")
    if not options.left:
        title = options.title or name.replace("_", " ").capitalize()
        for path in create(root, name, title, options.part):
            print(f"new: {path.relative_to(root)}")
    print("left to do:", *left(root, name), sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
