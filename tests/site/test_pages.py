"""The built pages as files: whole, linked, described, and loading nothing from elsewhere."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

# What may stand in a script as an address: names of formats, never fetched
NAMESPACES = ("http://www.w3.org/", "https://www.w3.org/")
LOADED = re.compile(r"""url\(\s*['"]?\s*(?:https?:)?//|@import\s+['"]?\s*(?:https?:)?//""")


@lru_cache(maxsize=32)
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf8"), "html.parser")


@lru_cache(maxsize=32)
def ids(path: Path) -> frozenset[str]:
    return frozenset(tag["id"] for tag in soup(path).find_all(id=True))


def html_files(site: Path) -> list[Path]:
    """Every page of the site, the search page and the front page too."""
    return sorted(p for p in site.rglob("*.html") if "_static" not in p.relative_to(site).parts)


# -- each page of the book ------------------------------------------------------------------------


def test_page_is_whole(site, page_name):
    page = soup(site / f"{page_name}.html")
    article = page.find("article")
    assert article, "the page has no article"
    assert len(article.find_all("h1")) == 1
    assert len(article.get_text(" ").split()) > 40, "next to no text"
    assert page.html["lang"] == "en"
    assert page.title.get_text(strip=True)
    description = page.find("meta", attrs={"name": "description"})
    assert description and len(description["content"]) > 20, "no description (myst: html_meta)"


def test_page_has_no_leftovers(site, page_name):
    """Markup that was not understood, and errors that were shown."""
    article = soup(site / f"{page_name}.html").find("article")
    assert not article.select(".problematic, .system-message")
    for tag in article.select(".traceback, .stderr"):
        assert tag.find_parent(class_="tag_raises-exception"), f"an error: {tag.get_text()[-300:]}"
    for output in article.select(".cell_output pre"):
        text = output.get_text()
        assert not re.search(r"^<Figure|<[\w.]+ (object )?at 0x", text), f"a bare object: {text}"
    prose = BeautifulSoup(str(article), "html.parser")
    for tag in prose(["script", "style", "pre", "code", "svg", "math"]):
        tag.decompose()
    for tag in prose.select(".math"):
        tag.decompose()
    left = re.findall(r"\{[\w:]+\}`|:::|\*\*\w|`\w+`|\{[#.][\w-]+\}", prose.get_text())
    assert not left, f"unread markup: {left[:5]}"


def test_page_links_to_its_notebook(site, chapter):
    page = site / f"{chapter}.html"
    links = [a["href"] for a in soup(page).find_all("a", href=True)]
    files = [page.parent / unquote(u) for u in links if u.endswith(".ipynb") and "://" not in u]
    assert files, "no link to the page's notebook"
    json.loads(files[0].resolve().read_text("utf8"))


# -- all files of the site ------------------------------------------------------------------------


def test_nothing_loads_from_elsewhere(site):
    bad = []
    for path in html_files(site):
        page, where = soup(path), path.relative_to(site)
        for tag in page.find_all(True):
            loads = [tag.get(k) for k in ("src", "srcset", "poster", "data", "action")]
            if tag.name == "link" and "canonical" not in tag.get("rel", []):
                loads.append(tag.get("href"))
            bad += [f"{where}: {u}" for u in loads if u and re.match(r"\s*(https?:)?//", str(u))]
            if LOADED.search(tag.get("style", "")):
                bad.append(f"{where}: style {tag['style']}")
        bad += [f"{where}: <style>" for tag in page("style") if LOADED.search(tag.get_text())]
    for path in site.rglob("*.css"):
        if LOADED.search(path.read_text("utf8")):
            bad.append(f"{path.relative_to(site)}: url() or @import")
    assert not bad, "\n".join(bad)


def test_scripts_know_no_other_host(site):
    """An address in a script is a format's name, a link that a reader may follow, or a mistake."""
    bad = []
    scripts = {p.relative_to(site).as_posix(): p.read_text("utf8") for p in site.rglob("*.js")}
    for path in html_files(site):
        for number, tag in enumerate(soup(path).find_all("script", src=False)):
            if tag.get("type", "text/javascript") in ("text/javascript", "module"):
                scripts[f"{path.relative_to(site)} script {number}"] = tag.get_text()
    for name, text in scripts.items():
        code = re.sub(r"/\*.*?\*/|^\s*//[^\n]*", "", text, flags=re.S | re.M)
        for url in re.findall(r"""["'`]((?:https?:)?//[\w.-]+\.\w[^"'`\s]*)""", code):
            if not url.startswith(NAMESPACES):
                bad.append(f"{name}: {url[:80]}")
    assert not bad, "\n".join(sorted(set(bad)))


def test_links_and_anchors_lead_somewhere(site):
    bad = []
    for path in html_files(site):
        where = path.relative_to(site)
        for tag in soup(path).find_all(["a", "link", "script", "img", "source"]):
            for url in filter(None, (tag.get("href"), tag.get("src"))):
                parts = urlsplit(url)
                if parts.scheme or parts.netloc:
                    continue
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                target = target / "index.html" if target.is_dir() else target
                if not target.is_file():
                    bad.append(f"{where}: {url}")
                elif parts.fragment and target.suffix == ".html":
                    name = unquote(parts.fragment).partition("?")[0]  # a lab's state follows "?"
                    if name not in ids(target):
                        bad.append(f"{where}: no anchor {url}")
    assert not bad, "\n".join(sorted(set(bad)))


def test_ids_are_unique(site):
    bad = []
    for path in html_files(site):
        names = [tag["id"] for tag in soup(path).find_all(id=True)]
        bad += [f"{path.relative_to(site)}: {n}" for n in sorted(set(names)) if names.count(n) > 1]
    assert not bad, "\n".join(bad)


def test_every_picture_has_a_text(site):
    bad = []
    for path in html_files(site):
        where, page = path.relative_to(site), soup(path)
        for image in page.find_all("img"):
            alt = image.get("alt")
            if alt is None or re.search(r"_images/|\.(png|svg|jpe?g)$", alt):
                bad.append(f"{where}: <img src={image.get('src')}> alt={alt!r}")
        for drawing in page.find_all("svg"):
            if drawing.find_parent("svg") or drawing.find_parent(attrs={"aria-hidden": "true"}):
                continue
            named = drawing.get("aria-label") or drawing.get("aria-labelledby")
            hidden = drawing.get("aria-hidden") == "true"
            in_image = drawing.find_parent(attrs={"role": "img", "aria-label": True})
            title = drawing.find("title", recursive=False)
            if not (hidden or in_image or (drawing.get("role") == "img" and (named or title))):
                bad.append(f"{where}: <svg {dict(list(drawing.attrs.items())[:4])}>")
    assert not bad, "\n".join(bad)


def test_no_page_carries_bootstrap_for_the_titles_of_its_buttons(site):
    for path in html_files(site):
        page = soup(path)
        assert not page.select('[data-bs-toggle="tooltip"]'), path
        asks = page.select('[src*="bootstrap.js"], [href*="bootstrap.js"]')
        assert bool(asks) == bool(page.select("[data-bs-toggle]")), path
        bare = [b for b in page.find_all("button")
                if not (b.get_text(strip=True) or b.get("title") or b.get("aria-label"))]
        assert not bare, f"{path}: {bare[0]}"


def test_no_word_of_this_machine(site):
    """A path of the machine that built the site tells nobody anything and makes builds differ."""
    root = str(Path(__file__).resolve().parents[2])
    files = [*html_files(site), *site.rglob("*.js"), *site.rglob("*.ipynb")]
    bad = [p.relative_to(site).as_posix() for p in files if root in p.read_text("utf8")]
    assert not bad, f"{root} stands in {bad}"


def test_the_search_knows_every_page(site):
    from tests.conftest import PAGES

    index = (site / "searchindex.js").read_text("utf8")
    known = json.loads(re.search(r'"?docnames"?:\s*(\[.*?\])', index)[1])
    assert set(PAGES) <= set(known)


@pytest.mark.parametrize("name", ["index.html", "search.html"])
def test_front_and_search_page(site, name):
    page = soup(site / name)
    assert page.title.get_text(strip=True) and page.html["lang"] == "en"
    assert page.find("h1")
