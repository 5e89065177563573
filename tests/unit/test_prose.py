"""The check for numbers typed by hand finds what it should, and nothing else."""

import pytest

from tests.prose import cells, prose, typed_numbers, words

BAD = {
    "The loss is 2.31 after training.": "2.31",
    "It fell by 12 % in one epoch.": "12 %",
    "It fell by 3.5 percent.": "3.5 percent",
    "About 40% of the units are dead.": "40%",
    "The list has 16,500 names.": "16,500",
    "The slope is -0.5 there.": "-0.5",
    "The error is 1e-9.": "1e-9",
    "The cell takes 3 seconds.": "3 seconds",
    "It needs 250 MB of memory.": "250 MB",
    "> a quote with 0.25 in it": "0.25",
    "- a list with **0.25** in it": "0.25",
    "The value (0.25) in brackets.": "0.25",
    ":::{fold-start} Why 0.25?\n:name: why\n:::": "0.25",
    ":::{predict} x\n:kind: number\nIs it 0.25?\n:::": "0.25",
    "```{margin} Noted\nIt was 0.25.\n```": "0.25",
    "A [link with 0.25](#there).": "0.25",
}
GOOD = [
    "The loss is {glue:text}`loss:.2f` after training.",
    "Across pages: {glue:text}`backprop.md::loss:.2f`.",
    "The step {fixed}`0.001` is a setting.",
    "In code `x = 0.5` and ``y = 0.25``.",
    "In math $x = 0.5$ and $$y = 0.25$$ and $a\n= 0.5$.",
    "$$\ny = 0.25\n$$",
    "```python\nx = 0.5\n```",
    "````\nx = 0.5\n```\ny = 0.5\n````",
    "```{code-cell} ipython3\nx = 0.5\n```",
    ":::{math}\nx = 0.5\n:::",
    "Three lines, 4 layers, 27 letters, the year 2003, `1e9`.",
    "A [link](https://example.org/1.5/x) and <https://example.org/2.5>.",
    "See {cite}`one2003` and {numref}`fig-1.5`.",
    "1. first\n2. second",
    "% a comment with 0.5",
    "A 27-by-27 table, shape (32, 3, 10), layers 1-3.",
    ":::{predict} x\n:kind: choice\n:choices: 0.1 | 0.2\nWhich?\n:::",
    "<span data-x=\"0.5\">text</span>",
]


@pytest.mark.parametrize("text, number", BAD.items())
def test_finds_a_typed_number(text, number):
    found = typed_numbers(f"---\na: 1.5\n---\n\n# Title\n\n{text}\n")
    assert [n for _, n in found] == [number]


@pytest.mark.parametrize("text", GOOD)
def test_leaves_code_formulas_and_roles_alone(text):
    assert typed_numbers(f"---\na: 1.5\n---\n\n# Title\n\n{text}\n") == []


CHAPTER = '''\
---
version: 0.13
---

# Title

Some words.

```{code-cell} ipython3
---
mystnb:
  image: {alt: "not prose"}
  figure: {caption: "What to see: 0.75, or {glue:text}`x:.2f`.", name: fig-x}
---
draw(0.5)
```

More 0.5 words.
'''


def test_captions_are_prose_and_lines_keep_their_number():
    assert typed_numbers(CHAPTER) == [(13, "0.75"), (18, "0.5")]
    assert prose(CHAPTER).count("\n") == CHAPTER.count("\n")


def test_cells_without_their_options():
    assert cells(CHAPTER) == [(9, "draw(0.5)")]
    assert cells("```{code-cell}\n:tags: [hide-input]\nx\ny\n```\n") == [(1, "x\ny")]


def test_words():
    assert words("# Two words\n\n`code` $m$ three\n") == 3
