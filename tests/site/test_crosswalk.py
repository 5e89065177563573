"""The crosswalk: its data, the names it gives, and what the pages show of it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml
from sphinx.errors import ExtensionError

import crosswalk
from tests.conftest import PAGES, ROOT
from tests.site.test_pages import soup

LECTURES = crosswalk.load()
ROWS = [(lecture["lecture"], row) for lecture in LECTURES for row in lecture["rows"]]
STANDING = {page.removeprefix("book/") for page in PAGES}


def test_lectures_are_told_in_their_order():
    for lecture in LECTURES:
        times = [row["seconds"] for row in lecture["rows"] if "at" in row and row["kind"] == "item"]
        assert times == sorted(times), lecture["lecture"]
    assert len({lecture["lecture"] for lecture in LECTURES}) == len(LECTURES) == 10


def names() -> list[tuple[str, bool]]:
    """Every name of `zh` in the data, and whether a chapter that is written needs it."""
    found: dict[str, bool] = {}
    for _, row in ROWS:
        written = any(t.partition("#")[0] in STANDING for t in row["book"])
        found |= {name: found.get(name, False) or written for name in row["zh"]}
    return sorted(found.items())


@pytest.mark.parametrize(("name", "written"), names(), ids=[n for n, _ in names()])
def test_a_name_can_be_imported(name, written):
    """What only chapters need that are not written may lack its module, but not more."""
    module, at = name.split(".")[:2], 2
    assert name.startswith("zh."), name
    path = ROOT.joinpath(*module)
    if not written and not path.with_suffix(".py").is_file() and not path.is_dir():
        return
    found = importlib.import_module(".".join(module))
    for part in name.split(".")[at:]:
        found = getattr(found, part)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"book": []}, "one of item"),
        ({"item": "a", "exercise": "b", "book": []}, "one of item"),
        ({"item": "a"}, "no place in the book"),
        ({"item": "a", "book": [], "note": "c"}, "nothing else"),
        ({"item": "a", "book": [], "at": "12.30"}, "12.30"),
    ],
)
def test_a_row_that_is_not_well_formed_says_which(tmp_path, row, words):
    file = tmp_path / "crosswalk.yml"
    lecture = {"lecture": "One", "title": "One", "video": "x", "rows": [row]}
    file.write_text(yaml.safe_dump([lecture]))
    with pytest.raises(ExtensionError, match="crosswalk.yml, One, row 1") as error:
        crosswalk.load(file)
    assert words in str(error.value)


def test_numbers_that_were_measured():
    assert crosswalk.measured("{measured:bigram} in all") == "2.4540 in all"
    with pytest.raises(ExtensionError, match="there is bigram"):
        crosswalk.measured("{measured:trigram}")


def test_the_pages_show_every_row(site):
    pages = [soup(site / "book" / f"{name}.html").find("article")
             for name in ("crosswalk", "crosswalk_gpt")]  # fmt: skip
    assert sum(len(page.select("ul.zh-crosswalk > li")) for page in pages) == len(ROWS)
    assert sum(len(page.select("section section")) for page in pages) == len(LECTURES)
    times = [a for page in pages for a in page.select("ul.zh-crosswalk a")
             if "youtube.com" in a["href"]]  # fmt: skip
    assert len(times) == sum("at" in row for _, row in ROWS)
    hours = next(a for a in times if a.get_text() == "1:09:02")
    assert hours["href"].endswith("v=VMj-3S1tku0&t=4142s")


def test_a_chapter_ends_with_its_rows(site, chapter):
    name = chapter.removeprefix("book/")
    ident = f"crosswalk-{name.replace('_', '-')}"
    wanted = sum(len(lecture["rows"]) for lecture in crosswalk.of_chapter(name))
    folds = soup(site / f"{chapter}.html").select(f"details:has(> #{ident})")
    assert len(folds) == (wanted > 0)
    if wanted:
        assert len(folds[0].select("ul.zh-crosswalk > li")) == wanted
        after = [tag for tag in folds[0].find_all_next(["p", "h2", "h3"])
                 if tag.find_parent("article") and not tag.find_parent("details")]  # fmt: skip
        assert not after, "something stands after it"


def test_every_written_chapter_of_the_lectures_has_rows():
    lessons = {"backprop", "tensor_backprop", "bigrams", "mlp", "wavenet", "activations",
               "initialization", "batchnorm", "dynamics"}  # fmt: skip
    assert lessons <= crosswalk.chapters()
    assert Path(crosswalk.FILE).name == "crosswalk.yml"
