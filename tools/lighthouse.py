"""Lighthouse scores of the built site: mobile, from a local server with gzip, median of three.

    python tools/lighthouse.py _build/html [book/intro ...] [--runs 3]

Lighthouse comes from npm on demand (node_modules/.tools). The exit code is 1 when a page is under
the book's marks. What the numbers mean on another machine: the scores of the last three columns
do not depend on it, the first does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import browser, build, serve

VERSION = "13.5.0"
PLACE = Path("node_modules/.tools")
MARKS = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
TIMES = {
    "FCP": "first-contentful-paint", "LCP": "largest-contentful-paint",
    "TBT": "total-blocking-time", "CLS": "cumulative-layout-shift",
}  # fmt: skip


def install() -> Path:
    """The lighthouse program, fetched when it is not there yet."""
    program = (PLACE / "node_modules" / ".bin" / "lighthouse").resolve()
    if not program.exists():
        npm = shutil.which("npm")
        if not npm:
            raise SystemExit("Lighthouse needs node and npm (Debian: apt-get install nodejs npm)")
        options = ["--silent", "--no-save", "--no-package-lock", "--prefix", str(PLACE)]
        subprocess.run([npm, "install", *options, f"lighthouse@{VERSION}"], check=True)
    return program


def measure(program: Path, address: str) -> dict:
    """One report."""
    flags = ["--headless", *browser.ARGUMENTS]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        report = Path(scratch) / "report.json"
        command = [
            str(program), address, "--quiet", "--no-enable-error-reporting",
            f"--chrome-flags={' '.join(flags)} --user-data-dir={scratch}/profile",
            "--output=json", f"--output-path={report}",
        ]  # fmt: skip
        env = os.environ | {"CHROME_PATH": browser.find() or ""}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        if not report.exists():
            raise SystemExit(f"lighthouse failed on {address}:\n{done.stderr[-2000:]}")
        return json.loads(report.read_text("utf8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", nargs="*", help="as in _toc.yml; all of them when none is named")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not browser.find():
        raise SystemExit(browser.ADVICE)
    program = install()
    server, base = serve.start(options.site)
    under = 0
    print(f"{'page':32}" + "".join(f"{name[:9]:>10}" for name in (*MARKS, *TIMES, "KiB")))
    for page in options.pages or build.pages(Path(".")):
        reports = [measure(program, f"{base}{page}.html") for _ in range(options.runs)]

        def median(get, reports=reports) -> float:
            return statistics.median(get(r) for r in reports)

        scores = {
            name: round(100 * median(lambda r, n=name: r["categories"][n]["score"] or 0))
            for name in MARKS
        }
        times = [
            median(lambda r, a=audit: r["audits"][a]["numericValue"]) for audit in TIMES.values()
        ]
        size = median(lambda r: r["audits"]["total-byte-weight"]["numericValue"]) / 1024
        cells = [*scores.values(), *(round(t, 2) if t < 10 else round(t) for t in times)]
        print(f"{page:32}" + "".join(f"{c:>10}" for c in [*cells, round(size)]), flush=True)
        for name, mark in MARKS.items():
            if scores[name] < mark:
                under += 1
                print(f"    {name}: {scores[name]} is under {mark}")
                for reference in reports[0]["categories"][name]["auditRefs"]:
                    audit = reports[0]["audits"][reference["id"]]
                    if reference["weight"] and (audit["score"] or 0) < 0.9:
                        print(f"        {audit['id']}: {audit['title']}")
    server.shutdown()
    return 1 if under else 0


if __name__ == "__main__":
    sys.exit(main())
