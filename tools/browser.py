"""Find the browser that the tests drive, and install it where that can be done.

    python tools/browser.py             # prints its path; on Debian, as root, installs it first

The tests use any Chromium or Chrome; $CHROMIUM names another one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
ADVICE = """\
No Chromium or Chrome was found, and the browser tests need one. Any of these gives it:
    Debian, Ubuntu:  sudo apt-get install chromium
    macOS:           brew install --cask chromium
    elsewhere:       install Chrome or Chromium, then CHROMIUM=/its/path make test
`make unit` runs the tests that need no browser."""


def find() -> str | None:
    """Path of the browser, or None: $CHROMIUM, then the PATH, then the usual places."""
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    found = (shutil.which(name) for name in NAMES)
    return next((p for p in (*found, *PLACES) if p and Path(p).exists()), None)


def install() -> str | None:
    """Debian's Chromium, when this is Debian and we may; returns its path or None."""
    apt = shutil.which("apt-get")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not apt or not root:
        return None
    print("browser: installing Debian's chromium", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    get = [apt, "install", "-y", "-qq", "--no-install-recommends", "chromium"]
    for command in ([apt, "update", "-qq"], get):
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            break
    return find()


@contextmanager
def launched():
    """A headless browser (playwright), closed afterwards."""
    from playwright.sync_api import sync_playwright

    path = find()
    if not path:
        raise RuntimeError(ADVICE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    path = find() or install()
    print(f"browser: {path}" if path else ADVICE, file=sys.stdout if path else sys.stderr)
    sys.exit(0 if path else 1)
