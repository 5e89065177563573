"""The map on the first page: what it links is written, and what it calls coming is not."""

import re
from pathlib import Path

from tools import build

ROOT = Path(__file__).resolve().parents[2]
BACK_MATTER = {"claims", "references", "colophon", "discussions", "glossary", "practice",
               "crosswalk_gpt"}


def test_the_map_says_what_is_written():
    map_ = (ROOT / "book" / "intro.md").read_text("utf8").partition("{.zh-map}")[2]
    items = re.findall(r"^ +- (.*)$", map_, re.M)
    linked = [m[1] for item in items if (m := re.match(r"\[[^\]]+\]\((\w+)\.md\)", item))]
    coming = [item for item in items if "(coming)" in item.partition(":")[0]]
    assert len(linked) + len(coming) == len(items) == 18  # the plan of the book, and its lab
    names = [name.rpartition("/")[2] for name in build.pages(ROOT)]
    assert linked == [name for name in names
                      if name not in BACK_MATTER | {"intro"} and not name.startswith("api")]
