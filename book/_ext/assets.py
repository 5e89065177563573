"""The site's own files: style, runtime, labs, formula fonts; and large data out of the pages.

Jupyter Book loads every script under `_static/` on every page, so ours live elsewhere in the source
and are written to the site's `_static/` here: `site.css` and `site.js` (every page), `practice.js`
and `practice.css` (the list of exercises), `labs/*.js` (when a page shows the lab), `data/*.js`
(when a reader needs the numbers behind a figure), `katex/` (style and fonts). They are classic
scripts: a page opened from disk may load nothing else.
"""

import hashlib
import re
import shutil
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1]
ROOT = BOOK.parent
COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*.*?\*/[ \t]*)\n", re.M | re.S)
INDENT = re.compile(r"^[ \t]+", re.M)
PAYLOAD = re.compile(r'<script type="application/json" class="zh-payload">(.*?)</script>', re.S)


def _sources() -> list[Path]:
    folders = (BOOK / "_site", BOOK / "_vendor", ROOT / "zh" / "labs")
    return sorted(f for d in folders for f in d.rglob("*") if f.is_file() and f.suffix != ".pyc")


def _digest(files) -> str:
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:12]


def bare(script: str) -> str:
    """A script without the lines that are comments, and without indentation: every page has it."""
    return INDENT.sub("", COMMENT.sub("", script))


def _configure(app, config) -> None:
    """A change of these files rewrites every page, one of an extension reads every page again."""
    config.zh_assets = _digest(_sources())
    config.zh_extensions = _digest(sorted((BOOK / "_ext").glob("*.py")))


def _write(app) -> None:
    if app.builder.format != "html":
        return
    from zh import labs

    static = Path(app.outdir) / "_static"
    for folder in ("labs", "data"):
        (static / folder).mkdir(parents=True, exist_ok=True)
    for file in (BOOK / "_site").iterdir():
        text = file.read_text("utf8")
        (static / file.name).write_text(bare(text) if file.suffix == ".js" else text, "utf8")
    shutil.copytree(
        BOOK / "_vendor" / "katex",
        static / "katex",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("*.js"),
    )
    for name in ["base", *labs.names()]:
        (static / "labs" / f"{name}.js").write_text(labs.classic(name), "utf8")
    shutil.copyfile(labs.FOLDER / "labs.css", static / "labs" / "labs.css")
    app.add_css_file("katex/katex.min.css")
    app.add_css_file("theme.css")
    app.add_css_file("site.css")
    app.add_js_file("site.js", loading_method="defer")


def _move_payloads(app, pagename, templatename, context, doctree) -> None:
    """Each payload of the page becomes a file, named by its content and loaded on demand."""

    def move(match):
        key = hashlib.sha256(match[1].encode()).hexdigest()[:12]
        file = Path(app.outdir) / "_static" / "data" / f"{key}.js"
        file.write_text(f'(window.zhData??={{}})["{key}"]={match[1]};\n', "utf8")
        url = context["pathto"](f"_static/data/{key}.js", 1)
        return (
            '<script type="application/json" class="zh-payload" '
            f'data-key="{key}" data-src="{url}"></script>'
        )

    if context.get("body"):
        context["body"] = PAYLOAD.sub(move, context["body"])


def setup(app):
    app.add_config_value("zh_assets", "", "html")
    app.add_config_value("zh_extensions", "", "env")
    app.connect("config-inited", _configure)
    app.connect("builder-inited", _write)
    app.connect("html-page-context", _move_payloads)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
