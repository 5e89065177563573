"""The book as an EPUB: the text of the built site, with still figures in place of the moving ones.

    python tools/epub.py _build/html book.epub [--site https://where.the/site/is/]

Made from the pages themselves, so that it says what they say. Of each page the article is kept:
folds are open, sliders stand at their start and say so, a lab is a sentence (and a link, when the
address of the site is known), formulas are MathML, figures SVG. There are no scripts, and nothing
is loaded from elsewhere. The same site gives the same bytes.

Left out: the pages about the package's names, and the list of exercises with its progress.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
import re
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import yaml

ROOT = Path(__file__).resolve().parents[1]
OUT = {"book/practice", "book/api"}  # pages that are left out, and those whose names begin so
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
ATTRIBUTE = re.compile(r"""([^\s=/>"']+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]+))?""")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what XML does not take
GONE = {"script", "style", "noscript", "button", "input", "select", "output"}
GONE_CLASSES = {"headerlink", "zh-launch", "zh-live", "zh-fold-link", "zh-progress", "zh-reply",
                "zh-check-here", "zh-cost-label", "katex-html"}  # fmt: skip
KEPT_SPANS = {"k", "kn", "kc", "ow", "c1", "sd"}  # of coloured code: keywords and comments
STYLE = """\
body { line-height: 1.5; } h1, h2, h3, h4 { line-height: 1.2; page-break-after: avoid; }
pre { white-space: pre-wrap; font-size: .85em; border-left: .2em solid; padding-left: .6em; }
.k, .kn, .kc, .ow { font-weight: bold; } .c1, .sd { font-style: italic; }
svg { max-width: 100%; height: auto; } figure { margin: 1em 0; } figcaption { font-size: .9em; }
table { border-collapse: collapse; } th, td { padding: .2em .5em; text-align: left;
  vertical-align: top; border-bottom: 1px solid; }
.fold, .box, aside { border: 1px solid; border-left-width: .3em; margin: 1em 0;
  padding: .3em .8em; }
.fold-title, .zh-label { font-weight: bold; } .still { font-size: .9em; font-style: italic; }
.zh-verdict { border: 1px solid; border-radius: 1em; padding: 0 .4em; }
div.math { margin: 1em 0; text-align: center; } ul.zh-crosswalk { list-style: none; padding: 0; }
"""
CONTAINER = """\
<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/content.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>
"""
PAGE = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" \
xml:lang="en"><head><meta charset="utf-8"/><title>{title}</title>\
<link rel="stylesheet" type="text/css" href="style.css"/></head>
<body>{body}</body></html>
"""
OPF = """\
<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{uuid}</dc:identifier>
<dc:title>{title}</dc:title><dc:creator>{author}</dc:creator><dc:language>en</dc:language>
<dc:rights>Text and figures: CC BY 4.0. Code: MIT.</dc:rights>
<meta property="dcterms:modified">{modified}</meta>
<meta property="schema:accessMode">textual</meta><meta property="schema:accessMode">visual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
</metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="style" href="style.css" media-type="text/css"/>
{items}
</manifest>
<spine>
{spine}
</spine>
</package>
"""


# -- reading --------------------------------------------------------------------------------------


class _Reader(HTMLParser):
    """HTML as it is written by the build, as a tree; names keep their capitals (SVG needs them)."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = ET.Element("page")
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        text = self.get_starttag_text()
        name = re.match(r"<([^\s/>]+)", text)[1]
        inside = text[len(name) + 1 :].rstrip(">").rstrip("/")
        pairs = {k: html.unescape((v or "").strip("\"'")) for k, v in ATTRIBUTE.findall(inside)}
        node = ET.SubElement(self.open[-1], name, pairs)
        if tag not in VOID and not text.endswith("/>"):
            self.open.append(node)

    def handle_endtag(self, tag):
        depth = next((i for i in range(len(self.open) - 1, 0, -1)
                      if self.open[i].tag.lower() == tag), None)  # fmt: skip
        if depth is not None:
            del self.open[depth:]

    def handle_data(self, data):
        node, text = self.open[-1], CONTROL.sub("", data)
        if len(node):
            node[-1].tail = (node[-1].tail or "") + text
        else:
            node.text = (node.text or "") + text


def read(text: str) -> ET.Element:
    """A page, or a part of one, as a tree under an element `page`."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.root


def classes(node: ET.Element) -> set[str]:
    """The classes of an element."""
    return set(node.get("class", "").split())


def words(node: ET.Element) -> str:
    """The text of an element, on one line."""
    return " ".join("".join(node.itertext()).split())


# -- changing -------------------------------------------------------------------------------------


def replace(parent: ET.Element, node: ET.Element, *new: ET.Element | str) -> None:
    """Put elements and texts in the place of a child; what stood after it stays."""
    at, tail = list(parent).index(node), node.tail or ""
    parent.remove(node)

    def write(text: str) -> None:
        if at:
            parent[at - 1].tail = (parent[at - 1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text

    for part in new:
        if isinstance(part, str):
            write(part)
        else:
            part.tail = None
            parent.insert(at, part)
            at += 1
    write(tail)


def unwrap(parent: ET.Element, node: ET.Element) -> None:
    """Put what an element holds in its place."""
    parts: list[ET.Element | str] = [node.text or ""]
    for child in list(node):
        tail = child.tail or ""
        node.remove(child)
        parts += [child, tail]
    replace(parent, node, *parts)


def element(tag: str, text: str = "", **attributes: str) -> ET.Element:
    """An element with a text; `class_` is its class."""
    node = ET.Element(tag, {k.rstrip("_"): v for k, v in attributes.items()})
    node.text = text
    return node


def still(node: ET.Element) -> ET.Element:
    """A figure with sliders as its first frame, and a sentence that says what is fixed at what."""
    spec = json.loads(node.get("data-spec"))
    labels = [words(n) for n in node.iter() if n.tag == "label" and n.get("for")
              or n.tag == "legend"]  # fmt: skip
    values = [values[at] for values, at in zip(spec["values"], spec["start"], strict=True)]
    said = ", ".join(f"{k} {v}" for k, v in zip(labels, values, strict=False))
    frame = next(n for n in node.iter() if "zh-frame" in classes(n))
    made = element("div", id=node.get("id"))
    made.append(frame)
    made.append(element("p", f"(On the site this figure moves; here it stands at: {said}.)",
                        class_="still"))  # fmt: skip
    return made


def lab(node: ET.Element, page: str, site: str | None) -> ET.Element:
    """A lab as a sentence, with a link when the site has an address."""
    made = element("div", id=node.get("id"), class_="box")
    text = element("p", f"Lab: {node.get('aria-label')}. It runs on the site of the book")
    if site:
        address = f"{site.rstrip('/')}/{page}.html#{node.get('id')}"
        text.append(element("a", "at this place", href=address))
        text.text, text[0].tail = f"{text.text}, ", "."
    else:
        text.text += ", with or without a network."
    made.append(text)
    return made


def choices(form: ET.Element) -> ET.Element | None:
    """The choices of a form as a list, or None if it has none."""
    found = [words(n) for n in form.iter("label") if "zh-choice" in classes(n)]
    if not found:
        return None
    made = element("ul")
    for choice in found:
        made.append(element("li", choice))
    return made


def clean(parent: ET.Element, page: str, site: str | None) -> None:
    """Make what stands in an element still, open and free of what only a browser understands."""
    for node in list(parent):
        names = classes(node)
        if node.tag in GONE or names & GONE_CLASSES or "hidden" in node.attrib:
            replace(parent, node)
            continue
        if "zh-lab" in names:
            replace(parent, node, lab(node, page, site))
            continue
        if "zh-explore" in names:
            new = still(node)
            replace(parent, node, new)
            clean(new, page, site)
            continue
        if node.tag == "form":
            replace(parent, node, *filter(None, [choices(node)]))
            continue
        clean(node, page, site)
        if node.tag == "details":
            _open(node, names)
        elif node.tag == "span" and (
            names & {"pre", "zh-fixed", "pasted-text", "math", "katex", "katex-mathml", "n", "p"}
            or (not node.attrib)
        ):
            unwrap(parent, node)
    _attributes(parent)
    if parent.tag == "pre":
        for span in [n for n in parent.iter("span") if not classes(n) & KEPT_SPANS]:
            around = next((n for n in parent.iter() if span in list(n)), None)
            if around is not None:
                unwrap(around, span)


def _open(node: ET.Element, names: set[str]) -> None:
    """A fold as a block: its summary is its title, but for code that the page only hides."""
    node.tag = "div"
    node.attrib.pop("open", None)
    summary = node.find("summary")
    if "zh-fold" in names:
        node.set("class", "fold")
        summary.tag = "p"
        summary.set("class", "fold-title")
        for kind in (n for n in summary if "zh-fold-kind" in classes(n)):
            kind.text = f"{kind.text}:"
    else:
        node.attrib.pop("class", None)
        if summary is not None:
            node.remove(summary)


def _attributes(node: ET.Element) -> None:
    """Only what means something in a book."""
    for name in list(node.attrib):
        if name.startswith(("data-", "on")) or name in ("tabindex", "open", "method", "rel"):
            del node.attrib[name]
    if node.tag == "svg":
        node.set("xmlns", "http://www.w3.org/2000/svg")
        if any("xlink:href" in n.attrib for n in node.iter()):
            node.set("xmlns:xlink", "http://www.w3.org/1999/xlink")
    if node.tag == "math":
        node.set("xmlns", "http://www.w3.org/1998/Math/MathML")


def article(text: str, page: str, site: str | None = None) -> ET.Element:
    """The article of a built page, made still."""
    found = next((n for n in read(text).iter("article")), None)
    if found is None:
        raise SystemExit(f"{page}: the page has no article")
    found.attrib = {}
    clean(found, page, site)
    found.tag = "section"
    return found


# -- links ----------------------------------------------------------------------------------------


def file_of(page: str) -> str:
    """The file of a page in the book: "book/backprop" -> "backprop.xhtml"."""
    return f"{page.removeprefix('book/').replace('/', '-')}.xhtml"


def link(articles: dict[str, ET.Element]) -> None:
    """Links between pages lead to the files of the book; those that lead nowhere become text."""
    ids = {page: {n.get("id") for n in tree.iter() if n.get("id")}
           for page, tree in articles.items()}  # fmt: skip
    for page, tree in articles.items():
        for parent in list(tree.iter()):
            for node in [n for n in parent if n.tag == "a"]:
                target = node.get("href", "")
                if re.match(r"(https?|mailto):", target):
                    continue
                path, _, anchor = target.partition("#")
                anchor = anchor.partition("?")[0]
                folder = page.rpartition("/")[0]
                there = os.path.normpath(f"{folder}/{path}")[: -len(".html")] if path else page
                if there not in articles or (anchor and anchor not in ids[there]):
                    unwrap(parent, node)
                    continue
                node.set("href", f"{file_of(there) if path else ''}{'#' if anchor else ''}{anchor}")


# -- writing --------------------------------------------------------------------------------------


def parts(root: Path = ROOT) -> list[tuple[str | None, list[str]]]:
    """What _toc.yml holds: (caption of a part or None, its pages)."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))

    def pages(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if "file" in node:
                yield node["file"].removesuffix(".md")
            for value in node.values():
                yield from pages(value)
        elif isinstance(node, list):
            for value in node:
                yield from pages(value)

    found = [(None, [toc["root"].removesuffix(".md")])]
    found += [(part.get("caption"), list(pages(part))) for part in toc.get("parts", [])]
    found += [(None, list(pages(toc.get("chapters", []))))]
    kept = [(caption, [p for p in names if not any(p.startswith(o) for o in OUT)])
            for caption, names in found]  # fmt: skip
    return [(caption, names) for caption, names in kept if names]


def nav(contents: list[tuple[str | None, list[str]]], titles: dict[str, str]) -> str:
    """The table of contents."""
    lines = []
    for caption, pages in contents:
        items = "".join(f'<li><a href="{file_of(p)}">{html.escape(titles[p])}</a></li>'
                        for p in pages)  # fmt: skip
        if caption:
            items = f"<li><span>{html.escape(caption)}</span><ol>{items}</ol></li>"
        lines.append(items)
    body = f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>'
    return PAGE.format(title="Contents", body=body)


def modified(root: Path = ROOT) -> str:
    """The time of the last commit, so that the same commit gives the same file."""
    git = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        seconds = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    except OSError:
        seconds = ""
    moment = datetime.fromtimestamp(int(seconds or 0), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def epub(site: Path, target: Path, address: str | None = None, root: Path = ROOT) -> Path:
    """Write `target` from the built site."""
    contents = parts(root)
    names = [page for _, pages in contents for page in pages]
    missing = [p for p in names if not (site / f"{p}.html").is_file()]
    if missing:
        raise SystemExit(f"{site} has no {missing[0]}.html: build the site first (make book)")
    articles = {p: article((site / f"{p}.html").read_text("utf8"), p, address) for p in names}
    link(articles)
    titles = {p: words(next(tree.iter("h1"))) for p, tree in articles.items()}
    files = {}
    for page, tree in articles.items():
        body = ET.tostring(tree, "unicode", short_empty_elements=True)
        files[file_of(page)] = PAGE.format(title=html.escape(titles[page]), body=body)
    items, spine = [], []
    for page, tree in articles.items():
        holds = [p for tag, p in (("math", "mathml"), ("svg", "svg")) if next(tree.iter(tag), None)
                 is not None]  # fmt: skip
        properties = f' properties="{" ".join(holds)}"' if holds else ""
        ident = file_of(page).removesuffix(".xhtml")
        items.append(f'<item id="p-{ident}" href="{file_of(page)}" '
                     f'media-type="application/xhtml+xml"{properties}/>')  # fmt: skip
        spine.append(f'<itemref idref="p-{ident}"/>')
    config = yaml.safe_load((root / "_config.yml").read_text("utf8"))
    digest = hashlib.sha256("".join(files.values()).encode()).hexdigest()
    opf = OPF.format(
        uuid=uuid.uuid5(uuid.NAMESPACE_URL, digest), title=html.escape(config["title"]),
        author=html.escape(config["author"]), modified=modified(root),
        items="\n".join(items), spine="\n".join(spine),
    )  # fmt: skip
    inside = {"META-INF/container.xml": CONTAINER, "book/content.opf": opf,
              "book/nav.xhtml": nav(contents, titles), "book/style.css": STYLE}  # fmt: skip
    inside |= {f"book/{name}": text for name, text in files.items()}
    beside = target.with_suffix(".part")
    with zipfile.ZipFile(beside, "w") as out:
        _put(out, "mimetype", "application/epub+zip", zipfile.ZIP_STORED)  # first, and as it is
        for name, text in inside.items():
            _put(out, name, text, zipfile.ZIP_DEFLATED)
    beside.replace(target)
    return target


def _put(out: zipfile.ZipFile, name: str, text: str, how: int) -> None:
    entry = zipfile.ZipInfo(name)  # no times: equal sites give equal books
    entry.compress_type = how
    entry.external_attr = 0o644 << 16
    out.writestr(entry, text.encode("utf8"), compresslevel=9)


def address_of_site() -> str | None:
    """Where GitHub serves the site of this repository, if it is known."""
    owner, _, name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")
    return f"https://{owner}.github.io/{name}/" if name else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="the built site, _build/html")
    parser.add_argument("target", type=Path, help="the .epub to write")
    parser.add_argument("--site", dest="address", default=address_of_site(),
                        help="where the site is on the web; labs link there")  # fmt: skip
    options = parser.parse_args()
    made = epub(options.site, options.target, options.address)
    print(f"{made} ({made.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
