"""Recorded results: written whole or not at all, with where they come from."""
import json
import socket
from pathlib import Path
from types import ModuleType

import pytest

from zh import recorded


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`save` and `load` in a folder of their own."""
    monkeypatch.setattr(recorded, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(recorded.resources, "files", lambda name: tmp_path)
    return tmp_path


def test_what_was_saved_is_loaded(folder):
    result = {**recorded.provenance("benchmarks/x.py", 1.25), "rows": [1, 2]}
    recorded.save("x", result)
    assert recorded.load("x") == result
    assert [file.name for file in folder.iterdir()] == ["x.json"]
    with pytest.raises(FileNotFoundError, match="no recorded result 'y'; there is x"):
        recorded.load("y")


def test_a_result_says_where_it_comes_from(folder):
    with pytest.raises(ValueError, match="does not say script, command"):
        recorded.save("x", {"rows": []})
    with pytest.raises(ValueError, match="Out of range float"):
        recorded.save("x", {**recorded.provenance("benchmarks/x.py"), "loss": float("nan")})
    assert not (folder / "x.json").exists()


def test_provenance_names_no_machine_and_no_place_on_it():
    said = json.dumps(recorded.provenance("benchmarks/x.py", 3.14159))
    assert socket.gethostname() not in said and str(Path(__file__).parents[2]) not in said
    assert json.loads(said)["seconds"] == 3.1


def test_the_digest_of_code_sees_code_and_not_comments(monkeypatch):
    def digest(source):
        monkeypatch.setattr("inspect.getsource", lambda module: source)
        return recorded.code(ModuleType("m"))

    plain = digest("def f(x):\n    return x + 1\n")
    assert plain == digest('"""About."""\n\ndef f(x):\n    """More."""\n    return x + 1  # so\n')
    assert plain != digest("def f(x):\n    return x + 2\n")


@pytest.mark.parametrize("file", sorted(Path(recorded.__file__).parent.glob("*.json")),
                         ids=lambda file: file.stem)
def test_every_recorded_result_says_how_it_was_made(file):
    result = json.loads(file.read_text("utf8"))
    assert set(recorded.PROVENANCE) <= result.keys()
    script = Path(recorded.__file__).parents[2] / result["script"]
    assert script.is_file(), f"{file.name} names a script that is not there: {result['script']}"
    assert result["script"] in result["command"]


def test_the_lectures_losses_are_within_their_tolerance():
    for row in recorded.load("lectures")["rows"]:
        assert abs(row["measured"] - row["lecture"]) <= row["tolerance"], row["name"]
        assert row["why"] and row["seconds"] > 0
