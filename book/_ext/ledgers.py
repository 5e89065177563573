"""Pages that list what the runs of all chapters showed.

`{discussion} slug` retells a learner's doubt (its body) and adds where the discussion stands, its
headline claim (the fold's first, or `headline`) and the verdicts; one whose chapter is not written
says so with the option `coming`. `{claims-ledger}` lists every claim with its verdict and where it
stands; `{cost-ledger}` what the cells cost: a row for each that took `LISTED` seconds, the others
together. A cell that took `EXPENSIVE` seconds or more says so in its own chapter.
The numbers come from `env.zh_runs`, filled before the first page is read (execution.py).
"""

import re
from collections import Counter
from html import escape

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

VERDICTS = ("holds", "holds with a condition", "does not hold")
EXPENSIVE, LISTED = 2.0, 0.2  # seconds


class ledger(nodes.General, nodes.Element):
    """Filled when the page is written, since it links to other pages."""


class late(nodes.General, nodes.Element):
    """HTML that the search index does not see: it holds timings, and two builds give one index."""


def visit_late(self, node):
    self.body.append(node["html"])
    raise nodes.SkipNode


class Ledger(SphinxDirective):
    def run(self):
        return [ledger(what=self.name)]


class Discussion(SphinxDirective):
    required_arguments, has_content = 1, True
    option_spec = {"headline": directives.unchanged, "coming": directives.unchanged_required}

    def run(self):
        self.assert_has_content()
        around = nodes.container(classes=["zh-discussion"])
        slug, options = self.arguments[0], {k: self.options.get(k) for k in self.option_spec}
        around += ledger(what=self.name, part="title", slug=slug, **options)
        self.state.nested_parse(self.content, self.content_offset, around)
        around += ledger(what=self.name, part="verdicts", slug=slug, **options)
        return [around]


def claims(env) -> list[dict]:
    """Every claim of the book, in the order of the chapters: its data, and `docname`."""
    return [
        {**claim, "docname": docname}
        for docname in _in_order(env)
        for cell in env.zh_runs[docname]["nb"].cells
        for claim in _of_cell(cell)
    ]


def _of_cell(cell) -> list[dict]:
    data = (o.get("metadata", {}).get("zh_claim") for o in cell.get("outputs", []))
    return [claim for claim in data if claim]


FOLD = re.compile(r"^:::\{fold-(start|end)\} *(.*)\n((?::\w+:.*\n)*)", re.M)


def discussions(env) -> dict[str, dict]:
    """Every fold of kind discussion: slug -> its title, docname and claims, in the book's order."""
    found = {}
    for docname in _in_order(env):
        within = []  # the folds that are open: a discussion, or None
        for cell in env.zh_runs[docname]["nb"].cells:
            if cell.cell_type == "markdown":
                for which, title, options in FOLD.findall(cell.source):
                    if which == "end":
                        within.pop()
                        continue
                    named = dict(re.findall(r"^:(\w+): *(.*?) *$", options, re.M))
                    within.append(None)
                    if named.get("kind") == "discussion":
                        within[-1] = found[named["name"]] = {
                            "title": title.strip(), "docname": docname, "claims": []
                        }  # fmt: skip
            for claim in _of_cell(cell):
                for discussion in filter(None, within):
                    discussion["claims"].append(claim)
    return found


def _in_order(env) -> list[str]:
    order = [env.config.root_doc, *_toc(env, env.config.root_doc)]
    return [docname for docname in order if docname in env.zh_runs]


def _toc(env, docname) -> list[str]:
    found = []
    for child in env.toctree_includes.get(docname, []):
        found += [child, *_toc(env, child)]
    return found


def cost(seconds: float, megabytes: float) -> tuple[str, str]:
    """A cost as the reader sees it; its class lets a comparison of two builds leave it out."""
    return (
        f'<span class="zh-cost">{seconds:.1f} s</span>',
        f'<span class="zh-cost">{megabytes:.0f} MB</span>',
    )


class FillLedgers(SphinxPostTransform):
    default_priority = 60
    formats = ("html",)

    def run(self, **kwargs):
        listed = set()
        for node in list(self.document.findall(ledger)):
            if node["what"] == "discussion":
                listed.add(node["slug"])
                node.replace_self(nodes.raw("", self._discussion(**node.attributes), format="html"))
            elif node["what"] == "claims-ledger":
                node.replace_self(nodes.raw("", self._claims(), format="html"))
            else:
                node.replace_self(late(html=self._costs()))
        if listed and (left_out := set(discussions(self.env)) - listed):
            raise ExtensionError(f"{self.env.docname}: not listed: {', '.join(sorted(left_out))}")

    def _link(self, docname: str, anchor: str, text: str) -> str:
        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        return f'<a href="{uri}{anchor}">{escape(text)}</a>'

    def _title(self, docname: str) -> str:
        return self.env.titles[docname].astext()

    def _claims(self) -> str:
        rows = []
        for c in claims(self.env):
            rows.append(
                f"<tr><td>{self._link(c['docname'], '#claim-' + c['slug'], c['statement'])}</td>"
                f"<td>{escape(self._title(c['docname']))}</td>"
                f"<td>{c['badge']}</td></tr>"
            )
        return (
            '<div class="zh-table" tabindex="0" role="group" aria-label="claims"><table><thead><tr>'
            "<th>Claim</th><th>Chapter</th><th>Verdict</th></tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table></div>"
        )

    def _discussion(self, part, slug, headline, coming, **_) -> str:
        told = discussions(self.env).get(slug)
        if bool(told) == bool(coming):
            raise ExtensionError(
                f"{self.env.docname}: the discussion {slug!r} "
                + ("stands in the book: take :coming: away" if told else
                   "is in no fold of kind discussion; if its chapter comes, say :coming: its title")
            )  # fmt: skip
        if coming:
            return (
                f"<p><strong>{escape(slug.replace('-', ' ').capitalize())}</strong></p>"
                if part == "title"
                else f"<p>Its chapter, {escape(coming)}, is not written yet.</p>"
            )
        shown = [c for c in told["claims"] if headline in (None, c["slug"])]
        if not shown:
            what = f"the claim {headline!r}" if headline else "any claim"
            raise ExtensionError(f"{told['docname']}: the discussion {slug!r} does not test {what}")
        if part == "title":
            link = self._link(told["docname"], "#" + slug, told["title"])
            return f"<p><strong>{link}</strong></p>"
        link = self._link(told["docname"], "#claim-" + shown[0]["slug"], shown[0]["statement"])
        verdicts = Counter(c["verdict"] for c in told["claims"])
        words = ", ".join(f"{verdicts[v]} {v}" for v in VERDICTS if verdicts[v])
        return (
            f"<p>{shown[0]['badge']} {link}<br><small>{escape(self._title(told['docname']))}. "
            f"Claims tested: {len(told['claims'])} ({words}).</small></p>"
        )

    def _costs(self) -> str:
        parts = []
        for docname in _in_order(self.env):
            run = self.env.zh_runs[docname]
            total = cost(
                sum(c["seconds"] for c in run["cells"]), max(c["peak_mb"] for c in run["cells"])
            )
            rows, rest = [], [c for c in run["cells"] if c["seconds"] < LISTED]
            for number, c in enumerate(run["cells"], 1):
                if c["seconds"] < LISTED:
                    continue
                seconds, peak = cost(c["seconds"], c["peak_mb"])
                first = run["nb"].cells[c["cell"]].source.strip().split("\n")[0]
                rows.append(
                    f"<tr><td>{number}</td><td><code>{escape(first)}</code></td>"
                    f"<td>{seconds}</td><td>{peak}</td></tr>"
                )
            others = cost(sum(c["seconds"] for c in rest), 0)[0]
            parts.append(
                f"<h3>{self._link(docname, '', self._title(docname))}</h3>"
                f"<p>{len(run['cells'])} cells, {total[0]} in all, peak {total[1]}.</p>"
                '<details class="zh-fold zh-costs"><summary>Its longer cells</summary>'
                '<div class="zh-fold-body zh-table" tabindex="0" role="group" '
                'aria-label="cost of each cell"><table>'
                "<thead><tr><th>#</th><th>Cell</th><th>Time</th><th>Peak memory</th></tr></thead>"
                f"<tbody>{''.join(rows)}</tbody></table>"
                f"<p>The other {len(rest)} cells took {others} together.</p></div></details>"
            )
        return "".join(parts)


class LabelCosts(SphinxPostTransform):
    default_priority = 61
    formats = ("html",)

    def run(self, **kwargs):
        run = getattr(self.env, "zh_runs", {}).get(self.env.docname)
        if not run:
            return
        for node in list(self.document.findall(nodes.raw)):  # a cell's own timings
            if 'class="zh-cost"' in node.astext():
                node.replace_self(late(html=node.astext()))
        cells = {c["cell"]: c for c in run["cells"] if c["seconds"] >= EXPENSIVE}
        for node in list(self.document.findall(nodes.container)):
            if node.get("nb_element") == "cell_code" and node["cell_index"] in cells:
                c = cells[node["cell_index"]]
                seconds, peak = cost(c["seconds"], c["peak_mb"])
                text = (
                    f'<p class="zh-cost-label">This cell took {seconds} and {peak} '
                    "when the book was built.</p>"
                )
                node.append(late(html=text))


def setup(app):
    app.add_node(ledger)
    app.add_node(late, html=(visit_late, None))
    app.add_directive("discussion", Discussion)
    app.add_directive("claims-ledger", Ledger)
    app.add_directive("cost-ledger", Ledger)
    app.add_post_transform(FillLedgers)
    app.add_post_transform(LabelCosts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
