"""After an HTML build: no third-party request and no dead weight in any page.

The stock theme sends 1.2 MB for a page of text. Here, on the written pages:

* scripts that a page does not use are dropped (FontAwesome's: its icons are a font already; the
  search tools, except on the search page; thebe), the others are deferred;
* the colour theme is set before the first paint;
* code is coloured with half the elements;
* the style sheets become one, without the rules whose classes occur nowhere in the site, and
  without custom properties that nothing uses;
* the icon font keeps the icons in use;
* faults of the theme that axe and Lighthouse name are mended;
* what no page refers to any more is deleted.

Running it again changes nothing, so a build that rewrites one page may follow one that wrote all.
"""

from __future__ import annotations

import hashlib
import json
import logging as python_logging
import posixpath
import re
from pathlib import Path

import tinycss2
from fontTools import subset
from sphinx.errors import ExtensionError
from sphinx.util import logging

log = logging.getLogger(__name__)
python_logging.getLogger("fontTools").setLevel(python_logging.WARNING)  # it lists every glyph

THEME = (
    "<script>(function(d,s){var m=s('mode')||'auto';d.dataset.mode=m;d.dataset.theme=m==='auto'?"
    "(matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light'):m})"
    "(document.documentElement,function(k){try{return localStorage.getItem(k)}catch(e){}})</script>"
)
DROP = ("scripts/fontawesome.js", "sphinx-thebe.js", "design-tabs.js", "togglebutton.js")
SEARCH_ONLY = ("searchtools.js", "language_data.js", "searchindex.js", "sphinx_highlight.js")
COPY = ("clipboard.min.js", "copybutton.js")  # the buttons on code
SHEET = re.compile(r'<link(?=[^>]*rel="stylesheet")[^>]*href="([^"]+)"[^>]*>\s*')
FONTS = ("Main-Regular", "Math-Italic")  # of nearly every formula
CLASSES = re.compile(r"""\s(?:class|data-[\w-]+)="([^"]*)"|<script\b[^>]*>(.*?)</script>""", re.S)
UNUSED = (
    "*.map",
    "fontawesome.js*",
    "sphinx-thebe.*",
    "togglebutton.*",
    "design-tabs.js",
    "sphinx-design.*",
    "mystnb.*.css",
    "webpack-macros.html",
    "sbt-webpack-macros.html",
    "locales/**/*.*",
)


# -- one page -------------------------------------------------------------------------------------


def without_bootstrap(html: str) -> str:
    """Drop Bootstrap's script, the largest of a page, where all that it does is to draw the titles
    of five buttons in its own way and to show a button that leads back to the top."""
    html = re.sub(r'<(?:script|link)[^>]*/bootstrap\.js[^>]*>(?:</script>)?\n?', "", html)
    html = re.sub(r'<button[^>]*id="pst-back-to-top".*?</button>\n?', "", html, flags=re.S)
    html = html.replace(' data-bs-placement="bottom"', "").replace(' data-bs-toggle="tooltip"', "")
    return html.replace(' data-bs-title="', ' title="')


def scripts(html: str, is_search: bool) -> str:
    """Drop the scripts that the page does not use, defer the rest, set the theme at once."""

    def script(match):
        tag, source = match[0], match[1].split("?")[0]
        if source.endswith(DROP) or (not is_search and source.endswith(SEARCH_ONLY)):
            return ""
        if source.endswith(COPY) and '<div class="highlight">' not in html:
            return ""
        if is_search or "defer" in tag or "async" in tag:
            return tag
        return tag.replace("<script ", "<script defer ", 1)

    html = re.sub(r'<script[^>]*\ssrc="([^"]*)"[^>]*></script>\n?', script, html)
    if not re.search(r'data-bs-toggle="(?!tooltip)', html):
        html = without_bootstrap(html)
    html = re.sub(r"<script>const THEBE_JS_URL.*?</script>", "", html, flags=re.S)
    html = re.sub(r'<script type="text/x-thebe-config">.*?</script>', "", html, flags=re.S)
    html = re.sub(r"<script>kernelName[^<]*</script>", "", html)
    html = re.sub(r"<script>(?:let toggle|var togglebutton)[^<]*</script>\n?", "", html)
    html = re.sub(r"<script>DOCUMENTATION_OPTIONS\.pagename[^<]*</script>\n?", "", html)
    if not is_search:
        html = re.sub(
            r"<script>DOCUMENTATION_OPTIONS\.search_as_you_type[^<]*</script>\n?", "", html
        )
    html = re.sub(
        r'<script data-cfasync="false">.*?</script>', lambda m: THEME, html, count=1, flags=re.S
    )
    return html


def lighten(html: str) -> str:
    """Code without the spans of names, punctuation and spaces: they have the colour of the text.

    They are half of all elements of a chapter, and a phone pays for each. A block of code can be
    scrolled with the keyboard from the start; see TURNS.
    """
    html = html.replace("<pre>", '<pre tabindex="0">')
    return re.sub(r'<span class="[npw]">([^<]*)</span>', r"\1", html)


def mend(html: str) -> str:
    """Faults of the theme and of docutils' bibliography."""
    html = re.sub(r'(<button class="btn search-button-field[^>]*?) aria-label="[^"]*"', r"\1", html)
    html = re.sub(
        r'<(div|dialog) id="pst-primary-sidebar"(?! role)',
        r'<\1 id="pst-primary-sidebar" role="region" aria-label="Book"',
        html,
    )
    html = re.sub(  # what opens the pages below a page, in the list of chapters
        r'(>([^<>]+)</a><details[^>]*><summary)(?=><span class="toctree-toggle)',
        r'\1 aria-label="Pages below: \2"',
        html,
    )
    html = re.sub(r' role="doc-(?:biblioentry|backlink)"', "", html)
    html = html.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    viewports = re.findall(r'<meta name="viewport"[^>]*>\n?', html)
    for extra in viewports[1:]:
        html = html[::-1].replace(extra[::-1], "", 1)[::-1]
    return html


# -- the style sheet ------------------------------------------------------------------------------


def _selectors(prelude: str) -> list[str]:
    """Split a selector list at the commas that are not inside brackets."""
    parts, depth = [""], 0
    for char in prelude:
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [p.strip() for p in parts]


def _body(content, variables: set[str] | None) -> str:
    """A rule's declarations, without custom properties that are not in `variables`."""
    items = tinycss2.parse_blocks_contents(content, True, True)
    if any(item.type != "declaration" for item in items):
        return tinycss2.serialize(content).strip()
    return ";".join(
        item.serialize()
        for item in items
        if variables is None or not item.name.startswith("--") or item.name in variables
    )


def classes(html: str) -> str:
    """What of a page may name a class: its class and data attributes, and its scripts."""
    return "\n".join(m[1] or m[2] for m in CLASSES.finditer(html))


def purge(css: str, used: set[str], variables: set[str] | None = None) -> str:
    """The style sheet without comments, without selectors whose classes are not in `used`, and
    without custom properties that are not in `variables` (None: with all)."""
    optional = re.compile(r":(?:not|is|where|has)\([^()]*\)")
    classes = re.compile(r"\.(-?[_a-zA-Z][\w-]*)")

    def needed(selector: str) -> bool:
        return all(c in used for c in classes.findall(optional.sub("", selector).replace("\\", "")))

    def rules(parsed) -> str:
        out = []
        for rule in parsed:
            if rule.type == "qualified-rule":
                kept = ",".join(filter(needed, _selectors(tinycss2.serialize(rule.prelude))))
                body = _body(rule.content, variables) if kept else ""
                if body:
                    out.append(f"{kept}{{{body}}}")
            elif rule.type == "at-rule":
                head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude).rstrip()}"
                if rule.content is None:
                    out.append(head + ";")
                elif rule.lower_at_keyword in ("media", "supports", "layer", "container"):
                    body = rules(tinycss2.parse_rule_list(rule.content, True, True))
                    if body:
                        out.append(f"{head}{{{body}}}")
                else:
                    out.append(f"{head}{{{tinycss2.serialize(rule.content)}}}")
        return "".join(out)

    return rules(tinycss2.parse_stylesheet(css, True, True))


def joined(static: Path, sheets: list[str]) -> str:
    """The style sheets as one text, imports in place, their addresses relative to `static`."""
    return "\n".join(_relocated(static, sheet) for sheet in sheets)


def _relocated(static: Path, sheet: str) -> str:
    file, folder = static / sheet, posixpath.dirname(sheet)
    text = re.sub(
        r'@import\s+(?:url\()?["\']?([^)"\';]+)["\']?\)?;?',
        lambda m: (file.parent / m[1]).read_text("utf8"),
        file.read_text("utf8"),
    )
    return re.sub(
        r"url\(([\"']?)(?!data:|https?:|#|/)([^)\"']+)\1\)",
        lambda m: f"url({posixpath.normpath(posixpath.join(folder, m[2]))})",
        text,
    )


def subset_icons(static: Path, css: str) -> None:
    """Keep the glyphs of the icons that the style sheet still names."""
    glyphs = {int(code, 16) for code in re.findall(r"\\([ef][0-9a-f]{3})", css)}
    glyphs |= {ord(char) for char in css if 0xE000 <= ord(char) <= 0xF8FF}
    for woff in (static / "vendor" / "fontawesome" / "webfonts").glob("*.woff2"):
        full = woff.with_suffix(".ttf")
        if not full.exists():
            continue
        options = subset.Options(
            flavor="woff2", drop_tables=["GSUB", "GPOS"], recalc_timestamp=False
        )
        font = subset.load_font(str(full), options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=glyphs)
        subsetter.subset(font)
        subset.save_font(font, str(woff), options)
        full.unlink()


# -- the site -------------------------------------------------------------------------------------


def _bundle(static: Path, texts: dict[Path, str]) -> str | None:
    """Write the one style sheet of all pages; return its name (None if no page was written)."""
    sheets: list[str] = []
    for html in texts.values():
        for address in SHEET.findall(html):
            name = address.split("_static/")[-1].split("?")[0]
            if (
                not name.startswith("bundle.")
                and name not in sheets
                and not name.startswith("sphinx-thebe")
            ):
                sheets.append(name)
    if not sheets:
        return None
    own = [
        f.read_text("utf8")
        for f in [*static.glob("*.js"), *static.glob("labs/*.js"), *static.glob("scripts/*.js")]
        if "fontawesome" not in f.name
    ]
    everything = "\n".join([*texts.values(), *own])
    used = set(re.findall(r"[_a-zA-Z][\w-]*", "\n".join([*map(classes, texts.values()), *own])))
    used.add("zh-cost-label")  # which cells are slow is the machine's doing, not the book's
    named = set(re.findall(r"--[\w-]+", everything))
    before, css = "", purge(joined(static, sheets), used)
    while css != before:  # a property may have been used by another that is gone now
        before = css
        css = purge(css, used, named | set(re.findall(r"var\(\s*(--[\w-]+)", css)))
    name = f"bundle.{hashlib.sha256(css.encode()).hexdigest()[:10]}.css"
    for old in static.glob("bundle.*.css"):
        old.unlink()
    (static / name).write_text(css, "utf8")
    subset_icons(static, css)
    log.info(
        "style sheets: %d kB, of which %d kB are used",
        len(joined(static, sheets)) // 1000,
        len(css) // 1000,
    )
    return name


# By script, since a page opened from disk may not preload a font
PRELOAD = """<script class="preload">if(location.protocol!=="file:")for(const f of %s){
const l=document.createElement("link");Object.assign(l,{rel:"preload",as:"font",
type:"font/woff2",crossOrigin:"",href:"%s"+f+".woff2"});document.head.append(l)}</script>
"""


def _link_sheet(html: str, bundle: str) -> str:
    """One style sheet in place of all; the formulas' fonts are fetched with it, not after it."""
    html = re.sub(r'<script class="preload">.*?</script>\n', "", html, flags=re.S)
    first = SHEET.search(html)
    head, _, rest = html.partition(first[0])
    prefix = first[1].split("_static/")[0]
    links = f'<link rel="stylesheet" href="{prefix}_static/{bundle}">\n'
    if 'class="katex"' in html:
        links = PRELOAD % (json.dumps(FONTS), f"{prefix}_static/katex/fonts/KaTeX_") + links
    return head + links + SHEET.sub("", rest)


# The theme makes each block that scrolls a stop of the Tab key, and lays out the whole page to find
# them. Here every block of code is one (`lighten`), until it comes near the screen and is found to
# fit: blocks that nobody has reached yet need not be laid out (`content-visibility` in theme.css).
TURNS = (
    ".forEach(e=>{e.tabIndex=e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight?0:-1})",
    ".forEach(e=>{const near=window.zhNear??=new IntersectionObserver(seen=>seen"
    ".filter(s=>s.isIntersecting).map(({target:t})=>[t,t.scrollWidth>t.clientWidth||"
    "t.scrollHeight>t.clientHeight?0:-1]).forEach(([t,n])=>{t.getAttribute('tabindex')==n||"
    "(t.tabIndex=n)}),{rootMargin:'300px'});near.unobserve(e);near.observe(e)})",
)


def _theme_script(static: Path) -> None:
    """Mend the theme's script where it is slow on a long page."""
    file = static / "scripts" / "pydata-sphinx-theme.js"
    text = file.read_text("utf8")
    if TURNS[1] not in text:
        if TURNS[0] not in text:
            raise ExtensionError(f"{file.name} has changed: look at TURNS in book/_ext/slim.py")
        file.write_text(text.replace(*TURNS), "utf8")


ROOT_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{title}: an interactive book.">
<meta http-equiv="refresh" content="0; url={first}"><link rel="canonical" href="{first}"></head>
<body><main><h1>{title}</h1><p><a href="{first}">Start reading</a></p></main></body></html>
"""


def _root_page(app) -> None:
    """The bare meta refresh at the root becomes a page that readers and search engines can use."""
    page = ROOT_PAGE.format(title=app.config.html_title, first=app.config.root_doc + ".html")
    (Path(app.outdir) / "index.html").write_text(page, "utf8")


def slim(app, error) -> None:
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    pages = [p for p in out.rglob("*.html") if "_static" not in p.relative_to(out).parts]
    texts = {p: p.read_text("utf8") for p in pages}
    texts = {p: html for p, html in texts.items() if "<body" in html and SHEET.search(html)}
    bundle = _bundle(static, texts)
    if bundle:
        for page, html in texts.items():
            html = mend(lighten(scripts(html, page.name == "search.html")))
            page.write_text(_link_sheet(html, bundle), "utf8")
    _root_page(app)
    _theme_script(static)
    for pattern in UNUSED:
        for file in static.rglob(pattern):
            file.unlink()


def setup(app):
    # after the theme has rewritten pygments.css
    app.connect("build-finished", slim, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
