"""What the unit tests share: exercises are checked as in a notebook, and slips are named."""

import pytest


@pytest.fixture(autouse=True)
def in_a_notebook(monkeypatch):
    """A wrong answer is a reply here; in a build of the site it would end the test."""
    monkeypatch.delenv("ZH_STATIC_BUILD", raising=False)


@pytest.fixture
def slip():
    """`slip("name", answer, "words")`: the answer is refused, and the reply says these words."""
    from zh.exercises import check

    def named(name: str, answer: object, words: str | None = None) -> None:
        reply = check(name, answer)
        assert not reply and (words or "").lower() in reply.text.lower(), reply.text

    return named
