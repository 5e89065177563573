"""Build the book twice from nothing and compare the two sites, file by file.

    python tools/reproducible.py [--source .]

Everything must be equal but what the build measured about itself: the seconds and megabytes of
the cells, which the pages carry in elements of the class `zh-cost`, the lists of a chapter's longer
cells and the labels of slow ones.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COST = re.compile(  # a number, or the label that only a slow cell has
    r'<span class="zh-cost">.*?</span>|<p class="zh-cost-label">.*?</p>'
    r'|<details class="zh-fold zh-costs">.*?</details>', re.S
)
PASSED_OVER = {".buildinfo"}


def content(path: Path) -> bytes:
    """A file's bytes, the costs blanked."""
    if path.suffix == ".html":
        return COST.sub("", path.read_text("utf8")).encode()
    return path.read_bytes()


def differences(one: Path, two: Path) -> list[str]:
    """What differs between two sites, one line a file."""
    sites = [
        {p.relative_to(site).as_posix(): p for p in site.rglob("*") if p.is_file()}
        for site in (one, two)
    ]
    found = [f"{name}: only in one of the builds" for name in sorted(set(sites[0]) ^ set(sites[1]))]
    for name in sorted(set(sites[0]) & set(sites[1])):
        if sites[0][name].name in PASSED_OVER:
            continue
        a, b = content(sites[0][name]), content(sites[1][name])
        if a != b:
            lines = [x.decode("utf8", "replace").splitlines() for x in (a, b)]
            diff = [d for d in difflib.unified_diff(*lines, n=0, lineterm="") if d[:1] in "+-"]
            found.append("\n".join([f"{name}: differs", *(f"    {d[:160]}" for d in diff[2:8])]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default=".")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sites = []
        for name in ("first", "second"):
            out = Path(scratch) / name
            build = [sys.executable, "tools/build.py", "--source", options.source]
            if subprocess.run([*build, "--out", str(out)]).returncode:
                return 1
            sites.append(out / "_build" / "html")
        found = differences(*sites)
        files = sum(p.is_file() for p in sites[0].rglob("*"))
    print("\n".join(found) if found else f"reproducible: {files} files, equal in both builds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
