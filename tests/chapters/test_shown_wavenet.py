"""What the WaveNet chapter records is true."""

import pytest

from zh import recorded


@pytest.mark.parametrize("name", ["wrong_axis", "flat_or_tree", "long_counts"])
def test_what_was_recorded_says_how(name):
    result = recorded.load(name)
    assert result["script"] == f"benchmarks/{name}.py"
    assert result["command"].startswith(f"python benchmarks/{name}.py")


def test_runs_that_are_compared_are_as_many():
    axis = recorded.load("wrong_axis")
    assert {len(losses) for losses in axis["dev"].values()} == {len(axis["seeds"])}
    for row in recorded.load("long_counts")["rows"]:
        assert row["split"] == list(range(6)) and len(row["dev"]) == len(row["test"]) == 6
    ladder = recorded.load("ladder")
    assert [row["split"] for row in ladder["splits"]] == [[1, 2, 3, 4, 5]] * len(ladder["splits"])
