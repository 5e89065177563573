"""The line under a chapter's title: how to open it as a notebook, and what running it costs."""

from html import escape

from notebooks import launch_links, repository_url


def _add_line(app, pagename, templatename, context, doctree) -> None:
    run = getattr(app.env, "zh_runs", {}).get(pagename)
    if not run or not context.get("body"):
        return
    links = "".join(
        f'<a href="{escape(address)}" title="{escape(title)}">{escape(label)}</a>'
        for label, address, title in launch_links(pagename, repository_url())
    )
    seconds = sum(cell["seconds"] for cell in run["cells"])
    peak = max(cell["peak_mb"] for cell in run["cells"])
    line = (
        f'<p class="zh-launch"><span>Run this page:</span> {links}'
        f'<span>takes <span class="zh-cost">{seconds:.0f} s</span> and '
        f'<span class="zh-cost">{peak:.0f} MB</span></span></p>'
    )
    context["body"] = context["body"].replace("</h1>", "</h1>\n" + line, 1)


def setup(app):
    app.connect("html-page-context", _add_line)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
