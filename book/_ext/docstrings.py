"""The package as pages: every public name of `zh` with its signature and its docstring.

    ```{package}            the modules of this page, as PAGES says
    ```
    ```{package-index}      all modules in a line each, with a link
    ```
    {code-of}`zh.autograd.Value`    a name, linked to where it is described

All of it is read from the source with `ast`: nothing is imported. A name of `{code-of}` that the
package does not have is a warning (a module that does not exist at all is not: its chapter may not
be written yet). `described(module)` is what a docstring becomes: paragraphs, code, and lists of
"name: text" lines, also under Google's heads (Args, Raises).
"""

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
PAGES = {  # which modules stand on which page, by the beginnings of their names
    "book/api_parts": ("zh.activations", "zh.autograd", "zh.backward", "zh.init", "zh.layers",
                       "zh.neurons"),
    "book/api_training": ("zh.checkpoints", "zh.data", "zh.ladder", "zh.sampling", "zh.training"),
    "book/api_measuring": ("zh.claims", "zh.diagnostics", "zh.recorded"),
    "book/api_experiments": ("zh.battery", "zh.clinic", "zh.dying", "zh.dynamics", "zh.ghosts",
                             "zh.meanfield", "zh.starts"),
    "book/api_figures": ("zh.plots",),
    "book/api_pages": ("zh.exercises", "zh.explore", "zh.labs", "zh.packing", "zh.page"),
    "book/api_models": ("zh",),  # and all that stands nowhere else
}  # fmt: skip
HIDDEN = re.compile(r"zh\.exercises\.\w+$|(?:^|\.)_")  # answers, and what is nobody's business


# -- what the source says -------------------------------------------------------------------------


@dataclass
class Name:
    """A function, a class (with its methods), or a value."""

    name: str
    signature: str
    doc: str
    members: list["Name"] = field(default_factory=list)


@dataclass
class Module:
    """One module: its docstring, what it defines, and what it only hands on (name: from where)."""

    name: str
    doc: str
    names: list[Name]
    handed_on: dict[str, str]


def _public(name: str) -> bool:
    return not name.startswith("_")


def _signature(node: ast.FunctionDef, method: bool = False) -> str:
    arguments = ast.unparse(node.args)
    bound = method and not any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)
    return f"({re.sub(r'^(self|cls)(, |$)', '', arguments) if bound else arguments})"


def _class(node: ast.ClassDef) -> Name:
    made, fields, members = "", [], []
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            if part.name == "__init__":
                made = _signature(part, True)
            elif _public(part.name):
                marks = {ast.unparse(d).split(".")[-1] for d in part.decorator_list}
                if "setter" in marks:
                    continue
                signature = "" if marks & {"property", "cached_property"} else None
                signature = _signature(part, True) if signature is None else signature
                members.append(Name(part.name, signature, ast.get_docstring(part) or ""))
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            default = f" = {ast.unparse(part.value)}" if part.value else ""
            fields.append(f"{part.target.id}: {ast.unparse(part.annotation)}{default}")
    bases = {ast.unparse(b).split(".")[-1] for b in node.bases}
    data = any("dataclass" in ast.unparse(d) for d in node.decorator_list) or "NamedTuple" in bases
    if data and not made:
        made = f"({', '.join(f for f in fields if _public(f))})"
    return Name(node.name, made, ast.get_docstring(node) or "", members)


def _listed(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def _module(name: str, path: Path) -> Module:
    tree = ast.parse(path.read_text("utf8"))
    listed, found, handed_on = _listed(tree), [], {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.append(Name(node.name, _signature(node), ast.get_docstring(node) or ""))
        elif isinstance(node, ast.ClassDef):
            found.append(_class(node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            found += [Name(n, "", "") for n in names if n.isupper() or n in (listed or ())]
        elif isinstance(node, ast.ImportFrom) and path.name == "__init__.py":
            inside = (node.module or "").startswith(f"{name}.")
            handed_on |= {a.asname or a.name: f"{node.module}.{a.name}"
                          for a in node.names if inside}  # fmt: skip
    wanted = set(listed) if listed is not None else None
    found = [n for n in found if _public(n.name) and (wanted is None or n.name in wanted)]
    handed_on = {k: v for k, v in handed_on.items()
                 if _public(k) and (wanted is None or k in wanted)}  # fmt: skip
    return Module(name, ast.get_docstring(tree) or "", found, handed_on)


@cache
def modules(root: Path = ROOT) -> dict[str, Module]:
    """Every public module of the package, in alphabetical order."""
    found = {}
    for path in (root / "zh").rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not HIDDEN.search(name) and parts[-1] != "__main__":
            found[name] = _module(name, path)
    return dict(sorted(found.items()))


def page_of(module: str) -> str:
    """The page that describes a module."""
    fits = (p for p, starts in PAGES.items() if any(f"{module}.".startswith(f"{s}.")
                                                    for s in starts))  # fmt: skip
    return next(fits)


@cache
def known(root: Path = ROOT) -> dict[str, str]:
    """Where each full name is described: "zh.diagnostics.diagnose" -> its module's name."""
    found = {}
    for module in modules(root).values():
        found[module.name] = module.name
        for name in module.names:
            found[f"{module.name}.{name.name}"] = module.name
            found |= {f"{module.name}.{name.name}.{m.name}": module.name for m in name.members}
        found |= {f"{module.name}.{name}": module.name for name in module.handed_on}
    return found


# -- docstrings as HTML ---------------------------------------------------------------------------

HEAD = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
ENTRY = re.compile(
    r"^(?![A-Z][a-z]+: )"  # not "Ideas: ..."
    r"(\*{0,2}[A-Za-z_][\w.]*(?:\([^()]*\))?(?:, \*{0,2}[A-Za-z_]\w*)*(?: -> [^:.]*)?)"
    r"(?:: +|(?<=\w)\. +(?=[A-Z]\w*: ))(\S.*)$"  # "loss(x) -> scalar. None: ..."
)
CODE = re.compile(r"(?::\w+:)?(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)", re.S)


POWER = re.compile(r"(?<=[\w)])\*\*(-?\w+)")


def inline(text: str) -> str:
    """Running text as HTML: what stands in backquotes is code, a power stands high."""
    out, at = [], 0
    for match in CODE.finditer(text):
        out += [_plain(text[at : match.start()]), f"<code>{escape(match[2], False)}</code>"]
        at = match.end()
    return "".join(out) + _plain(text[at:])


def _plain(text: str) -> str:
    return POWER.sub(r"<sup>\1</sup>", escape(text, False))


def described(doc: str) -> str:
    """A docstring as HTML."""
    out: list[str] = []
    for chunk in re.split(r"\n\s*\n", inspect.cleandoc(doc)):
        if chunk.strip():
            out += _chunk(chunk.split("\n"), after=out)
    return re.sub(r"</pre><pre>", "\n\n", "".join(out))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _chunk(lines: list[str], after: list[str]) -> list[str]:
    """A run of lines without a blank one: text, a list of entries, code."""
    if HEAD.match(lines[0]):
        inside = textwrap.dedent("\n".join(lines[1:])).split("\n")
        return [f"<p><strong>{lines[0][:-1]}</strong></p>", *_chunk(inside, [])]
    out, text, entries, code = [], [], [], []

    def flush() -> None:
        if text:
            joined = " ".join(text)
            out.append(f"<p>{inline(re.sub('::$', ':', joined))}</p>")
        if entries:
            rows = "".join(f"<dt><code>{escape(k, False)}</code></dt><dd>{inline(v)}</dd>"
                           for k, v in entries)  # fmt: skip
            out.append(f"<dl>{rows}</dl>")
        if code:
            block = textwrap.dedent("\n".join(code))
            out.append(f"<pre>{escape(block, False)}</pre>")
        for held in (text, entries, code):
            held.clear()

    for line in lines:
        if _indent(line) and entries:  # goes on with the entry
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}")
        elif _indent(line):
            if not code:
                flush()
            code.append(line)
        elif entry := ENTRY.match(line):
            if not entries:
                flush()
            entries.append((entry[1], entry[2]))
        else:
            if not text:
                flush()
            text.append(line.strip())
    flush()
    return out


# -- pages ----------------------------------------------------------------------------------------


def _entry(name: Name, full: str) -> str:
    """A name: its line, its text, and its methods."""
    short = f"<b>{escape(name.name)}</b>{escape(name.signature, False)}"
    body = described(name.doc)
    told = "".join(_entry(m, f"{full}.{m.name}") for m in name.members if m.doc)
    silent = ", ".join(f'<code id="{full}.{m.name}">{escape(m.name + m.signature, False)}</code>'
                       for m in name.members if not m.doc)  # fmt: skip
    body += f"<dl>{told}</dl>" if told else ""
    body += f"<p>Also: {silent}.</p>" if silent else ""
    return f'<dt id="{full}"><code>{short}</code></dt><dd>{body}</dd>'


def html_of(module: Module) -> str:
    """A module's description, without its heading."""
    told = [n for n in module.names if n.doc or n.members or n.signature]
    values = [n for n in module.names if n not in told]
    out = described(module.doc)
    if told:
        rows = "".join(_entry(n, f"{module.name}.{n.name}") for n in told)
        out += f'<dl class="zh-names">{rows}</dl>'
    if values:
        shown = ", ".join(f'<code id="{module.name}.{n.name}">{n.name}</code>' for n in values)
        out += f"<p>Values: {shown}.</p>"
    return out


class handed_on(nodes.General, nodes.Element):
    """Names that a package takes from its own modules; links, so filled in late."""


class name_link(nodes.Inline, nodes.TextElement):
    """A full name of the package that becomes a link when all pages have been read."""


class Package(SphinxDirective):
    def run(self):
        for path in (ROOT / "zh").rglob("*.py"):
            self.env.note_dependency(str(path))
        mine = [m for m in modules().values() if page_of(m.name) == self.env.docname]
        if not mine:
            raise self.error(f"PAGES of docstrings.py names no module for {self.env.docname}")
        return [self._section(module) for module in mine]

    def _section(self, module: Module):
        section = nodes.section(ids=[module.name], names=[module.name])
        section += nodes.title("", module.name)
        section += nodes.raw("", html_of(module), format="html")
        if module.handed_on:
            section += handed_on(module=module.name)
        return section


class PackageIndex(SphinxDirective):
    def run(self):
        found = nodes.bullet_list()
        for module in modules().values():
            link, first = name_link("", module.name), re.split(r"(?<=\.)\s", module.doc, maxsplit=1)
            text = nodes.paragraph()
            text += [link, nodes.Text(": ")]
            text += nodes.raw("", inline(first[0].replace("\n", " ")), format="html")
            found += nodes.list_item("", text)
        return [found]


class CodeRole(SphinxRole):
    def run(self):
        node = name_link("", self.text)
        self.set_source_info(node)
        return [node], []


class MakeNameLinks(SphinxPostTransform):
    default_priority = 6

    def run(self, **kwargs):
        for node in list(self.document.findall(handed_on)):
            node.replace_self(self._list(node["module"]))
        for node in list(self.document.findall(name_link)):
            node.replace_self(self._link(node.astext(), node))

    def _list(self, module: str):
        shown = [self._html(source, f'<code id="{module}.{name}">{name}</code>')
                 for name, source in sorted(modules()[module].handed_on.items())]  # fmt: skip
        return nodes.raw("", f"<p>From its modules: {', '.join(shown)}.</p>", format="html")

    def _link(self, full: str, where):
        if full not in known() and _file_of(full):
            log.warning("the package has no %s", full, location=where)
        return nodes.raw("", self._html(full, f"<code>{escape(full)}</code>"), format="html")

    def _html(self, full: str, code: str) -> str:
        module = known().get(full)
        docname = page_of(module) if module else None
        if docname not in self.env.found_docs:
            return code
        uri = self.app.builder.get_relative_uri(self.env.docname, docname)
        return f'<a href="{uri}#{full}">{code}</a>'


def _file_of(full: str) -> Path | None:
    """The file of the module that a full name begins with, if there is one besides `zh` itself."""
    parts = full.split(".")[:2]
    path = ROOT.joinpath(*parts)
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((f for f in files if f.is_file()), None) if len(parts) > 1 else None


def setup(app):
    app.add_node(handed_on)
    app.add_node(name_link)
    app.add_directive("package", Package)
    app.add_directive("package-index", PackageIndex)
    app.add_role("code-of", CodeRole())
    app.add_post_transform(MakeNameLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
