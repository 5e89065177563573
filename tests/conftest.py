"""What the tests share: the built site, a server for it, and a browser that watches what pages do.

The site is built once when the first test asks for it (nothing happens when it is up to date), in
$BUILD/_build as `make book` does. Unit tests ask for none of this.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock
from hypothesis import settings

from tools import browser, build, serve

# Tests run side by side, a process a core: more threads than cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
OUT = (ROOT / os.environ.get("BUILD", ".")).resolve()
PAGES = build.pages(ROOT)
TEXTS = {p: ROOT / f"{p}.md" for p in PAGES}
settings.register_profile("book", deadline=None)  # a busy machine is not a fault
settings.load_profile("book")
CHAPTERS = [p for p, f in TEXTS.items() if f.is_file() and "{code-cell}" in f.read_text("utf8")]


def pytest_addoption(parser):
    parser.addoption("--every-notebook", action="store_true", help="run them all, not only some")


def pytest_generate_tests(metafunc):
    """`page_name`: a test for each page of the book; `chapter`: for each page with code."""
    for fixture, names in (("page_name", PAGES), ("chapter", CHAPTERS)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, names, ids=[n.rpartition("/")[2] for n in names])


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    command = [sys.executable, str(ROOT / "tools" / "build.py"), "--out", str(OUT)]
    (OUT / "_build").mkdir(parents=True, exist_ok=True)
    with FileLock(OUT / "_build" / ".lock"):  # tests run side by side; one of them builds
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"the book does not build:\n{done.stdout}{done.stderr}", pytrace=False)
    return OUT / "_build" / "html"


@pytest.fixture(scope="session")
def address(site) -> str:
    """Where the site is served, with a slash at the end."""
    server, base = serve.start(site)
    yield base
    server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium (playwright)."""
    if not browser.find():
        pytest.fail(browser.ADVICE, pytrace=False)
    with browser.launched() as running:
        yield running


@pytest.fixture
def visit(chromium, site, request):
    """`visit("book/backprop#fold", width=390, dark=True)` opens a page of the site.

    Options: `width`, `height`, `dark`, `js=False` (scripts off), `disk=True` (the file itself, as
    from an unpacked archive), and what else playwright's `new_context` takes. When the test is
    over, it fails if a page wrote an error to the console, failed to load something, or asked
    another host for anything.
    """
    contexts, complaints = [], []

    def open_page(name, *, width=1280, height=900, dark=False, js=True, disk=False, **options):
        base = site.as_uri() + "/" if disk else request.getfixturevalue("address")
        scheme = "dark" if dark else "light"
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme, java_script_enabled=js, **options,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        path, sharp, fragment = name.partition("#")

        def filter_request(route):
            url = route.request.url
            if url.startswith((base, "data:", "blob:", "about:")):
                route.continue_()
            else:
                complaints.append(f"{name} asked another host: {url}")
                route.abort()

        def listen(message):
            if message.type == "error":
                complaints.append(f"{name}: console: {message.text}")

        context.route("**/*", filter_request)
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(f"{name}: {error}"))

        def failed(request):
            left = "ERR_ABORTED" in (request.failure or "")  # the page was left while it loaded
            if not left and (js or not urlsplit(request.url).path.endswith(".js")):
                complaints.append(f"{name}: not loaded: {request.url}")

        page.on("requestfailed", failed)
        page.goto(f"{base}{path}.html{sharp}{fragment}", wait_until="load")
        return page

    open_page.complaints = complaints
    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)
