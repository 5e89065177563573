"""What the tests of the labs share: opening one, its data, what a phone asks of it.

A module of tests names its lab: `PAGE` ("book/intro"), `LAB` (the name after `lab-` in the page)
and `DRAWN`, a selector of what is there once the lab has drawn.
"""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

expect.set_options(timeout=20_000)  # what has not happened by then, on a busy machine too, does not
OPEN = """node => { for (let fold = node; (fold = fold.parentElement.closest("details")); )
    fold.open = true; }"""
# Controls in sight that a finger misses, or that stand outside the window
SMALL = """node => [...node.querySelectorAll("button, select, summary, input")]
    .filter((n) => n.checkVisibility() && !n.closest(".zh-scroll"))
    .filter((n) => !/^(checkbox|radio)$/.test(n.type))
    .map((n) => [n, n.getBoundingClientRect()])
    .filter(([n, box]) => box.height < 43.9 || (n.matches("button, select") && box.width < 43.9)
        || box.x < 0 || box.right > innerWidth + 0.5)
    .map(([n, box]) => `${n.outerHTML.slice(0, 80)}: ${box.width} x ${box.height} at ${box.x}`)"""


@pytest.fixture(scope="session")
def payload(site):
    """`payload("book/intro", "names")`: the data of a lab as the built page ships it."""

    def read(page: str, lab: str) -> dict:
        html = (site / f"{page}.html").read_text("utf8")
        html = html[html.index(f'id="lab-{lab}"') :]
        source = re.search(r'class="zh-payload"[^>]*data-src="([^"?]+)', html)[1]
        text = (site / page).parent.joinpath(source).read_text("utf8")
        return json.loads(text.partition("]=")[2].rstrip().rstrip(";"))

    return read


@pytest.fixture
def any_lab(visit, request):
    """`any_lab("moons", "step=9", width=390)` opens the module's page at that lab and state."""

    def opened(name: str, state: str = "", drawn: str = "", **options):
        page = visit(f"{request.module.PAGE}#lab-{name}{'?' + state if state else ''}", **options)
        found = page.locator(f"#lab-{name}")
        found.evaluate(OPEN)
        found.scroll_into_view_if_needed()
        node = page.locator(f"#lab-{name}.zh-ready")
        expect(node.locator(drawn or request.module.DRAWN).first).to_be_visible(timeout=20_000)
        return page, node

    return opened


@pytest.fixture
def lab(any_lab, request):
    """`lab("step=9", width=390)` opens the module's lab with that state: the page and the lab."""
    return lambda state="", **options: any_lab(request.module.LAB, state, **options)


@pytest.fixture
def fits():
    """`fits(page, node)`: nothing scrolls the page sideways, and a finger hits every control."""

    def check(page, node) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not node.evaluate(SMALL)

    return check
