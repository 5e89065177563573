"""The EPUB: a valid container, well-formed pages, nothing that moves or comes from elsewhere."""

from __future__ import annotations

import re
import zipfile
from xml.etree import ElementTree as ET

import pytest

from tools import epub

OPF = "{http://www.idpf.org/2007/opf}"
XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
MATHML = "{http://www.w3.org/1998/Math/MathML}"
MOVING = {"script", "form", "input", "button", "details", "iframe", "video", "audio", "object"}
pytestmark = pytest.mark.xdist_group("epub")  # it is made once


@pytest.fixture(scope="module")
def book(site, tmp_path_factory) -> zipfile.ZipFile:
    return zipfile.ZipFile(epub.epub(site, tmp_path_factory.mktemp("epub") / "book.epub"))


@pytest.fixture(scope="module")
def manifest(book) -> dict[str, dict[str, str]]:
    """What the package lists: name in the archive -> attributes."""
    package = ET.fromstring(book.read("book/content.opf"))
    return {f"book/{item.get('href')}": item.attrib for item in package.iter(f"{OPF}item")}


@pytest.fixture(scope="module")
def pages(book, manifest) -> dict[str, ET.Element]:
    """Every page, parsed as XML: one that is not well-formed fails here."""
    names = [n for n, item in manifest.items() if item["media-type"] == "application/xhtml+xml"]
    return {name: ET.fromstring(book.read(name)) for name in names}


def test_the_container(book):
    first = book.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert book.read("mimetype") == b"application/epub+zip" and not first.extra
    root = ET.fromstring(book.read("META-INF/container.xml"))
    path = root.find(".//{*}rootfile").get("full-path")
    assert path in book.namelist()


def test_every_file_is_listed_once_and_is_there(book, manifest):
    files = [n for n in book.namelist() if n.startswith("book/") and n != "book/content.opf"]
    assert sorted(files) == sorted(manifest)
    package = ET.fromstring(book.read("book/content.opf"))
    ids = [item["id"] for item in manifest.values()]
    spine = [ref.get("idref") for ref in package.iter(f"{OPF}itemref")]
    assert len(ids) == len(set(ids)) and len(spine) == len(set(spine)) and set(spine) < set(ids)
    wanted = [epub.file_of(page) for _, names in epub.parts() for page in names]
    assert [f"book/{w}" for w in wanted] == [
        name for ref in spine for name, item in manifest.items() if item["id"] == ref
    ]
    for what in ("identifier", "title", "language", "creator"):
        assert package.find(f".//{{*}}{what}").text.strip()
    modified = package.find(f".//{OPF}meta[@property='dcterms:modified']").text
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", modified)


def test_properties_say_what_a_page_holds(pages, manifest):
    for name, page in pages.items():
        told = set(manifest[name].get("properties", "").split()) - {"nav"}
        holds = {p for tag, p in ((f"{SVG}svg", "svg"), (f"{MATHML}math", "mathml"))
                 if page.find(f".//{tag}") is not None}  # fmt: skip
        assert told == holds, name


def test_nothing_moves_and_nothing_is_loaded(pages):
    for name, page in pages.items():
        for node in page.iter():
            tag = node.tag.rpartition("}")[2]
            assert tag not in MOVING, f"{name}: {tag}"
            for key, value in node.attrib.items():
                key = key.rpartition("}")[2]
                assert not key.startswith("on"), f"{name}: {key}"
                if key in ("src", "srcset", "poster") or (key == "href" and tag not in ("a",)):
                    assert value.startswith(("#", "data:", "style.css")), f"{name}: {value[:80]}"
                if key == "style":
                    assert "url(" not in value.replace("url(#", "")


def test_links_lead_somewhere(pages):
    ids = {name: {n.get("id") for n in page.iter() if n.get("id")} for name, page in pages.items()}
    for name, page in pages.items():
        found = [n.get("id") for n in page.iter() if n.get("id")]
        assert len(found) == len(set(found)), f"{name}: an id twice"
        for node in page.iter(f"{XHTML}a"):
            href = node.get("href")
            if re.match(r"(https?|mailto):", href):
                continue
            path, _, anchor = href.partition("#")
            target = f"book/{path}" if path else name
            assert target in pages, f"{name}: {href}"
            assert not anchor or anchor in ids[target], f"{name}: {href}"
        for node in page.iter(f"{SVG}use"):
            assert node.get("href", node.get("{http://www.w3.org/1999/xlink}href"))[1:] in ids[name]


def test_the_text_is_the_text_of_the_site(site, pages):
    """Every paragraph of a chapter that the site shows, folds and predictions included."""
    from bs4 import BeautifulSoup

    def letters(text: str) -> str:
        return re.sub(r"[^a-z]", "", text.lower())

    told = letters("".join(pages["book/backprop.xhtml"].itertext()))
    article = BeautifulSoup((site / "book/backprop.html").read_text("utf8"), "html.parser").article
    wanted = [p for p in article.select("p, li, figcaption")
              if not p.find_parent(class_=["zh-lab", "zh-form", "hide"])
              and not p.select(".math, form, .headerlink, button")
              and not set(p.get("class", ())) & epub.GONE_CLASSES]  # fmt: skip
    missing = [p.get_text()[:80] for p in wanted if letters(p.get_text()) not in told]
    assert len(wanted) > 100 and not missing, missing[:5]


def test_figures_formulas_and_what_stands_for_sliders_and_labs(site, pages):
    page = pages["book/backprop.xhtml"]
    html = (site / "book/backprop.html").read_text("utf8")
    assert len(page.findall(f".//{MATHML}math")) == html.count('<span class="katex">')
    drawings = page.findall(f".//{SVG}svg")
    assert drawings and all(d.get("viewBox") for d in drawings), "capitals of SVG"
    text = "".join(page.itertext())
    assert text.count("On the site this figure moves") == html.count('class="zh-explore"')
    assert text.count("It runs on the site of the book") == html.count('class="zh-lab"')


def test_the_same_site_gives_the_same_bytes(site, book, tmp_path):
    again = epub.epub(site, tmp_path / "book.epub")
    assert again.read_bytes() == open(book.filename, "rb").read()


def test_a_site_that_is_not_built_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match="make book"):
        epub.epub(tmp_path, tmp_path / "x.epub")


PAGE = """<html><body><article class="bd-article"><h1>T<a class="headerlink" href="#t">#</a></h1>
<p>a &lt; b<br>c</p><details class="zh-fold"><summary><span class="zh-fold-kind">Hint</span>
<span>Look</span></summary>
<div class="zh-fold-body" id="h"><p>Deep <code>x&amp;y</code>.</p></div></details>
<div class="zh-lab" id="lab-a" data-lab="a" aria-label="A &amp; B"><script>1</script></div>
<div class="zh-explore" id="e" data-spec='{"names":["k"],"values":[["1","2"]],"start":[1]}'>
<form class="zh-controls"><label for="k">how many</label><input id="k"></form>
<div class="zh-frame"><svg viewBox="0 0 1 1"><clipPath id="c"><path d="M0"/></clipPath></svg></div>
</div>
<p>See <a href="other.html#h">it</a>, <a href="#gone">gone</a>, <a href="#h">here</a>.</p>
<div class="zh-exercise"><form><label class="zh-choice"><input type="radio"><span>yes</span></label>
</form></div><p hidden>no</p>tail</article></body></html>"""


def test_a_page_made_still():
    tree = epub.article(PAGE, "book/one", "https://host/book/")
    epub.link({"book/one": tree})
    text = " ".join(ET.tostring(tree, "unicode").split())
    ET.fromstring(text)
    assert "<h1>T</h1>" in text and "a &lt; b<br />c" in text and "tail" in text
    assert ">Hint:</span> Look" in text and '<div class="zh-fold-body" id="h">' in text
    assert '<a href="https://host/book/book/one.html#lab-a">at this place</a>' in text
    assert "Lab: A &amp; B." in text and "it stands at: how many 2." in text
    assert 'viewBox="0 0 1 1"' in text and "<clipPath" in text
    assert "See it, gone, " in text and '<a href="#h">here</a>' in text
    assert "<li>yes</li>" in text and "hidden" not in text and "script" not in text
