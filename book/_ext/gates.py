"""After the build: what must not happen silently.

* A page of the table of contents that was not built, or has no content, fails the build; so does an
  empty site.
* Pages that left the table of contents leave the site.
* A build that warned is read again from the start next time: Sphinx would otherwise forget the
  warning and publish the page.
"""

import re
from pathlib import Path

from sphinx.errors import ExtensionError

MIN_WORDS = 20


def words(html: str) -> int:
    """How many words the article of a page holds."""
    article = re.search(r'<article class="bd-article"[^>]*>(.*?)</article>', html, re.S)
    text = re.sub(
        r"<(script|style|svg)\b.*?</\1>|<[^>]+>", " ", article[1] if article else "", flags=re.S
    )
    return len(text.split())


def _check(app, error) -> None:
    if error or app.builder.format != "html":
        return
    if app._warncount:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)
    out = Path(app.outdir)
    pages = {f"{docname}.html" for docname in app.env.all_docs}
    for file in (out / "book").rglob("*.html"):
        if file.relative_to(out).as_posix() not in pages:
            file.unlink()
    if not pages:
        raise ExtensionError("the site is empty: _toc.yml names no page that exists")
    for page in sorted(pages):
        if not (out / page).is_file():
            raise ExtensionError(f"{page} was not built, though _toc.yml names it")
        if words((out / page).read_text("utf8")) < MIN_WORDS:
            raise ExtensionError(f"{page} was built without content (under {MIN_WORDS} words)")


def setup(app):
    app.connect("build-finished", _check, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
