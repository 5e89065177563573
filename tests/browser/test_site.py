"""The site in a browser: what a reader does, on every page, in both themes, at phone and desktop.

`visit` (tests/conftest.py) also fails a test when a page writes an error to the console, misses a
file, or asks another host for anything.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import axe_playwright_python
import pytest
from bs4 import BeautifulSoup

from tests.conftest import CHAPTERS, PAGES

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf8")
ALL_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]  # all that the dark theme can change
TEXT_PAGE, CHAPTER = 80 * 1024, 200 * 1024  # bytes as sent, before anything loaded on demand
ON_DEMAND = ("/_static/data/", "/_static/labs/")
EVERYWHERE = [*PAGES, "search"]


def by_name(name: str) -> str:
    return name.rpartition("/")[2]


def unfold(page) -> None:
    """Open every fold, uncover every result, start every lab, lay out every cell (one that nobody
    has reached has no measured place), and let the page settle."""
    page.add_style_tag(content=".cell { content-visibility: visible !important }")
    page.evaluate(
        """async () => {
          for (const d of document.querySelectorAll("details")) d.open = true;
          for (const h of document.querySelectorAll("[hidden='until-found']"))
            h.removeAttribute("hidden");
          for (const e of document.querySelectorAll(".zh-lab, .zh-explore")) {
            e.scrollIntoView(); await new Promise((done) => setTimeout(done, 100));
          }
          scrollTo(0, 0);
        }"""
    )
    page.wait_for_load_state("networkidle")


# -- accessibility and layout ---------------------------------------------------------------------


FOUND = """async ([runOnly, contrast]) =>
  (await axe.run(document, {resultTypes: ["violations"], runOnly,
     rules: {"color-contrast": {enabled: contrast}}}))
    .violations.map((v) => `${v.id} (${v.impact}), ${v.nodes.length} times: ` +
      v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " | " +
        [...n.any, ...n.all].slice(0, 1).map((c) => c.message)).join("\\n    "))"""
WALK = """async () => {
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
    scrollTo(0, y); await new Promise(requestAnimationFrame);
  }
  scrollTo(0, 0);
}"""
WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")].filter((e) => {
    if (e.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let p = e.parentElement; p; p = p.parentElement)
      if (/auto|scroll|hidden|clip/.test(getComputedStyle(p).overflowX)) return false;
    return true;
  }).slice(0, 5).map((e) => e.outerHTML.slice(0, 160)).concat("the page itself")"""


@pytest.mark.parametrize("name", EVERYWHERE, ids=by_name)
def test_accessible_and_no_wider_than_the_screen(visit, name):
    """axe at desktop and phone width, the colours in both themes (once each: they take most of the
    time), everything open; and nothing sticks out to the side, down to 360 pixels."""
    page = visit(name)
    unfold(page)
    page.evaluate(AXE)
    wrong = []
    for theme, width, rules, contrast in (
        ("light", 1280, ALL_RULES, True),
        ("light", 390, ALL_RULES, False),
        ("dark", 390, COLOUR_RULES, True),
    ):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        page.wait_for_function("t => document.documentElement.dataset.theme === t", arg=theme)
        page.wait_for_timeout(400)  # a moment after a resize the theme looks which code blocks
        page.evaluate(WALK)  # scroll, each when it comes near
        wrong += [f"{theme}, {width}: {w}" for w in page.evaluate(FOUND, [rules, contrast])]
    for width in (390, 360):
        page.set_viewport_size({"width": width, "height": 740})
        wrong += [f"wider than {width}: {html}" for html in page.evaluate(WIDE)]
    assert not wrong, "\n".join(wrong)


# -- weight ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES, ids=by_name)
def test_weight(visit, name):
    """Bytes over the wire, from a server with gzip, before the reader does anything."""
    page = visit("search")
    sizes = {}

    def note(request):
        if not any(part in request.url for part in ON_DEMAND):
            sizes[request.url.rpartition("/")[2]] = request.sizes()["responseBodySize"]

    fresh = page.context.browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        fresh_page = fresh.new_page()
        fresh_page.on("requestfinished", note)
        fresh_page.goto(page.url.replace("search.html", f"{name}.html"), wait_until="networkidle")
    finally:
        fresh.close()
    total, limit = sum(sizes.values()), CHAPTER if name in CHAPTERS else TEXT_PAGE
    parts = ", ".join(f"{k} {v}" for k, v in sorted(sizes.items(), key=lambda i: -i[1])[:8])
    print(f"{name}: {total / 1024:.0f} KiB in {len(sizes)} requests")
    assert total <= limit, f"{total} bytes, {limit} at most: {parts}"


# -- offline --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES, ids=by_name)
def test_works_from_disk(visit, name):
    """As from an unpacked archive, without any network: sliders move, labs start."""
    page = visit(name, disk=True)
    unfold(page)
    for lab in page.locator(".zh-lab").all():
        lab.scroll_into_view_if_needed()
        controls = lab.locator(".zh-lab-body :is(button, input, select):visible")
        controls.first.wait_for(timeout=10_000)
        assert "did not start" not in lab.inner_text()
    for figure in page.locator(".zh-explore").all():
        frame = figure.locator(".zh-frame")
        before = frame.inner_html()
        slider = figure.locator("input[type=range]").first
        if slider.count():
            slider.focus()
            at, last = (slider.evaluate(f"e => +e.{k}") for k in ("value", "max"))
            slider.press("ArrowRight" if at < last else "ArrowLeft")
        else:
            figure.locator("input[type=radio]:not(:checked), select").first.press("ArrowDown")
        changed = "([frame, before]) => frame.innerHTML !== before"
        page.wait_for_function(changed, arg=[frame.element_handle(), before])


def test_front_page_from_disk_leads_to_the_book(visit):
    page = visit("index", disk=True)
    page.wait_for_url("**/book/*.html")


# -- folds, search, print -------------------------------------------------------------------------


@lru_cache
def fold_words(site: Path) -> tuple[str, str, str]:
    """A word that stands in one fold of one chapter and nowhere else: (page, fold's id, word)."""
    outside, inside = set(), {}
    for name in PAGES:
        article = BeautifulSoup((site / f"{name}.html").read_text("utf8"), "html.parser").article
        for tag in article(["script", "style", "pre", "svg", "code"]):
            tag.decompose()
        for tag in article.select(".math"):
            tag.decompose()
        for fold in article.select("details.zh-fold .zh-fold-body[id]"):
            if fold.find("details") or not fold.find_parent("details"):
                continue
            words = set(re.findall(r"\b[a-z]{8,}\b", " ".join(p.get_text() for p in fold("p"))))
            for word in words:
                inside.setdefault(word, []).append((name, fold["id"]))
        for fold in article.select("details"):
            fold.decompose()
        outside |= set(re.findall(r"[a-z]+", article.get_text(" ").lower()))
    for word, places in sorted(inside.items()):
        if len(places) == 1 and not any(o.startswith(word[:6]) for o in outside):
            return (*places[0], word)
    pytest.fail("no fold has a word of its own")


def test_search_finds_what_only_a_fold_says_and_opens_it(visit, site):
    name, _, word = fold_words(site)
    page = visit("search")
    page.locator("input[type=search][name=q]:visible").first.fill(word)
    page.keyboard.press("Enter")
    result = page.locator(f"#search-results a[href*='{by_name(name)}']").first
    result.wait_for(timeout=15_000)
    result.click()
    page.wait_for_url(f"**/{name}.html*")
    page.get_by_text(re.compile(rf"\b{word}\b")).first.wait_for(state="visible", timeout=5_000)


def test_a_link_into_a_fold_opens_it_without_scripts(visit, site):
    name, ident, word = fold_words(site)
    page = visit(name, js=False)
    text = page.locator(f"#{ident}").get_by_text(word).first
    assert not text.is_visible()
    page = visit(f"{name}#{ident}", js=False)
    assert page.locator(f"#{ident}").get_by_text(word).first.is_visible()


def test_a_link_into_a_fold_opens_it_with_scripts(visit, site):
    name, ident, word = fold_words(site)
    page = visit(f"{name}#{ident}")
    assert page.locator(f"#{ident}").get_by_text(word).first.is_visible()


@pytest.mark.parametrize("name", CHAPTERS, ids=by_name)
def test_print_has_the_folds(visit, name):
    from pypdf import PdfReader

    page = visit(name)
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("details.zh-fold .zh-fold-body > p")]
             .filter((p) => !p.querySelector(".math, a, svg"))
             .map((p) => p.textContent.trim()).filter((t) => t.length > 40)"""
    )
    wanted += page.locator("details.zh-fold > summary").all_text_contents()
    reader = PdfReader(BytesIO(page.pdf()))

    def squeezed(text: str) -> str:  # ligatures, hyphens and line breaks aside
        return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKC", text).lower())

    printed = squeezed("".join(sheet.extract_text() for sheet in reader.pages))
    missing = [t for t in wanted if squeezed(t[:40]) not in printed]
    assert not missing, f"{len(missing)} of {len(wanted)} not printed, such as {missing[0][:100]!r}"
    assert page.locator("details[open]").count() == 0, "folds stay open after printing"


# -- keyboard, theme, scripts off -----------------------------------------------------------------


@pytest.mark.parametrize("name", CHAPTERS, ids=by_name)
def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit, name):
    """Tab from the top to the end: no trap, every control visited, focus always to be seen."""
    page = visit(name, reduced_motion="reduce")
    wanted = page.evaluate(
        """() => { const all = [...document.querySelectorAll(
             "article a[href], article button, article input, article select, article summary")]
             .filter((e) => e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0 &&
               !e.disabled && !(e.type === "radio" && !e.checked && e.name));
           all.forEach((e, i) => { e.dataset.stop = i; }); return all.length; }"""
    )
    seen, unseen_focus = set(), []
    for _ in range(wanted + 200):
        page.keyboard.press("Tab")
        state = page.evaluate(
            """() => { const e = document.activeElement, box = e.getBoundingClientRect();
              const s = getComputedStyle(e.querySelector(":scope > .toctree-toggle") || e);
              const outline = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
              const shadow = !/^(none|rgba\\(0, 0, 0, 0\\))/.test(s.boxShadow);
              return {stop: e.dataset.stop, body: e === document.body,
                shown: outline || shadow || e.matches(".headerlink") || box.width === 0,
                html: e.outerHTML.slice(0, 120)}; }"""
        )
        if state["body"]:
            break
        if state["stop"] is not None:
            seen.add(state["stop"])
        if not state["shown"]:
            unseen_focus.append(state["html"])
    assert not unseen_focus, "focus cannot be seen on:\n" + "\n".join(sorted(set(unseen_focus))[:5])
    missed = [i for i in range(wanted) if str(i) not in seen]
    html = [page.locator(f"[data-stop='{i}']").first.evaluate("e => e.outerHTML.slice(0, 120)")
            for i in missed[:5]]  # fmt: skip
    assert not missed, f"{len(missed)} of {wanted} not reached by Tab:\n" + "\n".join(html)


def test_a_fold_opens_by_keyboard(visit, site):
    name, ident, _ = fold_words(site)
    page = visit(name)
    outer = f"document.getElementById('{ident}').closest('details').parentElement"
    page.evaluate(f"for (let d = {outer}; d; d = d.parentElement) if ('open' in d) d.open = true")
    summary = page.locator(f"details:has(> #{ident}) > summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator(f"#{ident}").is_visible()
    page.keyboard.press("Space")
    assert not page.locator(f"#{ident}").is_visible()


@pytest.mark.parametrize("system, chosen", [("dark", None), ("light", "dark"), ("dark", "light")])
def test_no_flash_of_the_other_theme(visit, system, chosen):
    """The theme is set before the first frame: each frame until the page is loaded has it."""
    page = visit("search", dark=system == "dark")
    if chosen:
        page.evaluate("m => { localStorage.setItem('mode', m); }", chosen)
    page.add_init_script(
        """window.frames_ = [];
           (function look() {
             if (document.body) frames_.push([document.documentElement.dataset.theme,
               getComputedStyle(document.body).backgroundColor]);
             if (frames_.length < 60) requestAnimationFrame(look);
           })();"""
    )
    page.goto(page.url.replace("search.html", f"{CHAPTERS[-1]}.html"))
    page.wait_for_load_state("networkidle")
    seen = {tuple(frame) for frame in page.evaluate("frames_")}
    assert {theme for theme, _ in seen} == {chosen or system}
    assert len({colour for _, colour in seen}) == 1, seen


@pytest.mark.parametrize("name", CHAPTERS, ids=by_name)
def test_reads_without_scripts(visit, name):
    """Everything is there: text, figures, formulas, results; no dead control is shown."""
    page = visit(name, js=False)
    assert page.locator("article h1").is_visible()
    assert page.locator(".cell_output:visible").count() or not page.locator(".cell_output").count()
    for figure in page.locator(".zh-explore").all():
        if figure.locator(".zh-frame").is_visible():
            assert not figure.locator("input:visible").count(), "a slider that does nothing"
    for lab in page.locator(".zh-lab").all():
        assert lab.inner_text().strip() or not lab.is_visible(), "an empty box"
