"""MyST as plain Markdown, and the links that launch a chapter (book/_ext)."""

import subprocess

import nbformat
import pytest

import notebooks
from plain_markdown import Unknown, plain


class Book:
    """Answers that a test can recognise."""

    def glued(self, page, key, spec):
        return f"<{page}|{key}|{spec}>"

    def title(self, target):
        return f"title of {target}"

    def number(self, target):
        return "Fig. 3"

    def notebook(self, page):
        return "other.ipynb" if page == "other.md" else ""

    def citation(self, key):
        return f"[{key}](https://example.org)"

    def exercise(self, name):
        return "A slope", 2, ["up", "down"]

    def fold_start(self, title, kind):
        return f"[{kind}] {title}"

    def fold_end(self):
        return "[end]"


CASES = {
    "A number {glue:text}`loss:.2f`.": "A number <|loss|.2f>.",
    "A text {glue:text}`who`.": "A text <|who|s>.",
    "There {glue:text}`other.md::loss:.3f`.": "There <other.md|loss|.3f>.",
    "Set to {fixed}`0.001`.": "Set to 0.001.",
    "See {cite}`a2003, b2004`.": "See [a2003](https://example.org), [b2004](https://example.org).",
    "In {numref}`fig-x` and {numref}`picture {number} <fig-x>`.": "In Fig. 3 and picture Fig. 3.",
    "{ref}`words <there>` and {ref}`there`": "words and title of there",
    "[words](#there), [](#there)": "words, title of there",
    "[words](other.md), [more](other.md#x), [gone](third.md)":
        "[words](other.ipynb), [more](other.ipynb), gone",
    "[out](https://example.org/a)": "[out](https://example.org/a)",
    "[`code` {fixed}`1`](#there)": "`code` 1",
    "`{fixed}` and `` {ref}`x` `` stay": "`{fixed}` and `` {ref}`x` `` stay",
    "$x_{fixed}`y`$": "$x_{fixed}`y`$",
    "```python\n{fixed}`1`\n```": "```python\n{fixed}`1`\n```",
    "(label)=\n% comment\nText": "Text",
    ":::{margin} Noted\nA {fixed}`1`.\n:::": "> **Noted.**\n>\n> A 1.",
    "```{tip}\nTry.\n```": "> **Tip.**\n>\n> Try.",
    "::::{note}\n:::{tip}\nInner.\n:::\n::::": "> **Note.**\n>\n> > **Tip.**\n> >\n> > Inner.",
    "```{math}\n:label: eq\nx = 1\n```": "$$\nx = 1\n$$",
    ":::{predict} p\n:kind: choice\n:choices: Up | Down\nWhere?\n:::":
        "> **Predict, then run.**\n>\n> Where?\n>\n> - Up\n> - Down",
    ":::{exercise} e\nCompute it.\n:::":
        "> **Exercise: A slope (2 minutes).**\n>\n> Compute it.\n>\n> - up\n> - down",
    ":::{fold-start} Why `x`?\n:kind: hint\n:::\n\nBecause.\n\n:::{fold-end}\n:::":
        "[hint] Why `x`?\n\nBecause.\n\n[end]",
    ":::{list-table} Sizes\n* - a\n  - b\n* - 1\n  - 2\n    more\n:::":
        "| a | b |\n| --- | --- |\n| 1 | 2 more |\n\n*Sizes*",
}  # fmt: skip


@pytest.mark.parametrize("source, wanted", CASES.items())
def test_plain(source, wanted):
    assert plain(source, Book()) == wanted


@pytest.mark.parametrize("source", ["{nosuch}`x`", ":::{nosuch}\n:::", ":::{note}\nnever closed"])
def test_what_it_does_not_know_is_an_error(source):
    with pytest.raises(Unknown):
        plain(source, Book())


def test_which_folds_hold_cells():
    start, end = ":::{fold-start} T\n:::", ":::{fold-end}\n:::"
    text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    before, after = [start, start, end, start], [end, end, start, end]
    cells = [text("\n".join(before)), code("1"), text("\n".join(after))]
    assert list(notebooks.folds_with_cells(cells)) == [True, False, True, False]


@pytest.mark.parametrize(
    "origin, wanted",
    {
        "https://github.com/o/r.git": "https://github.com/o/r",
        "https://github.com/o/r": "https://github.com/o/r",
        "https://user:secret@github.com/o/r.git": "https://github.com/o/r",
        "git@github.com:o/r.name.git": "https://github.com/o/r.name",
        "ssh://git@example.org:2222/o/r.git": "https://example.org/o/r",
        "/srv/git/r.git": None,
        "file:///srv/git/r.git": None,
        "": None,
    }.items(),
)
def test_repository_url(tmp_path, monkeypatch, origin, wanted):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    if origin:
        subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", origin], check=True)
    assert notebooks.repository_url(tmp_path) == wanted
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/mine")
    assert notebooks.repository_url(tmp_path) == "https://github.com/me/mine"


def test_launch_links():
    links = notebooks.launch_links("book/backprop", "https://github.com/o/r")
    assert [label for label, _, _ in links] == ["Notebook", "Colab", "Binder"]
    assert links[0][1] == "../notebooks/backprop.ipynb"
    assert links[1][1].endswith("/github/o/r/blob/notebooks/backprop.ipynb")
    assert links[2][1].endswith("/gh/o/r/main?urlpath=lab/tree/book/backprop.md")
    assert len(notebooks.launch_links("book/backprop", None)) == 1
    assert len(notebooks.launch_links("book/backprop", "https://example.org/o/r")) == 1
