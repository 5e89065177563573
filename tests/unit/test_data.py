"""zh.data against counts made another way, properties (hypothesis), and downloads that fail."""

import hashlib
import http.server
import importlib.util
import math
import os
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import data, sampling
from zh.ngrams import NGram

ROOT = Path(__file__).parents[2]
word = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """No test sees the reader's own folders, nor leaves anything in them."""
    for name in ("ZH_DATA", "ZH_CORPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZH_CACHE", str(tmp_path / "cache"))


# ------------------------------------------------------------------ the bundled names


def test_bundled_names_are_distinct_sorted_letters():
    words = data.names()
    assert words == sorted(set(words)) and 16_000 < len(words) < 17_000
    assert set("".join(words)) == set(data.ALPHABET[1:])
    assert min(map(len, words)) >= 2


def test_the_list_is_what_the_script_makes():
    faker = pytest.importorskip("faker")
    spec = importlib.util.spec_from_file_location("make_names", ROOT / "tools/make_names.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    if faker.VERSION != script.FAKER:
        pytest.skip(f"the list is made from faker {script.FAKER}, and {faker.VERSION} is here")
    folder = ROOT / "zh" / "data"
    names, about = script.build()
    assert names.encode() == (folder / "names.txt").read_bytes()
    assert about.encode() == (folder / "names.md").read_bytes()
    assert (folder / "names.txt").stat().st_size < 300_000
    assert "MIT" in about and "Permission is hereby granted" in about


def test_every_name_has_a_locale_and_the_counts_agree():
    words = data.names()
    counted = Counter(locale for name in words for locale in data.locales_of(name))
    assert counted == data.locales()
    assert all(data.locales_of(name) for name in words)
    assert data.locales_of("notaname") == ()
    assert list(data.places()) == list(data.locales()) and data.places()["is_IS"] == "Iceland"
    for locale in ("is_IS", "tr_TR"):
        assert len(data.names(locale=locale)) == counted[locale]
    both = data.names(locale=["is_IS", "tr_TR"])
    assert set(both) == set(data.names(locale="is_IS")) | set(data.names(locale="tr_TR"))


def test_unknown_locale_and_locale_of_another_corpus():
    with pytest.raises(data.CorpusError, match="no bundled names for xx_XX.*is_IS"):
        data.names(locale="xx_XX")
    with pytest.raises(data.CorpusError, match="only the bundled names"):
        data.names(["emma"], locale="is_IS")


# ------------------------------------------------------------------ a list of the reader's own


def test_own_list_is_cleaned(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("\ufeffJosé\r\n\r\n  ZOË \nAnna\nanna\n\n", encoding="utf-8")
    assert data.names(file) == data.names(str(file)) == ["jose", "zoe", "anna"]
    assert data.names(["Anna", "", "anna"]) == ["anna"]
    assert data.names(["Anna", "anna"], distinct=False) == ["anna", "anna"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no names"),
        (["", "  "], "holds no names"),
        (["anna", "mary jane"], "line 2: 'mary jane'"),
        (["Łukasz"], "line 1: 'Łukasz'"),
        (["1", "2", "3", "4", "5"], "and 2 more"),
        ([3], "a name is a string, not 3"),
        ("", "the pasted text holds no names"),
        (" \n\t\n", "the pasted text holds no names"),
        ("anna\nmary jane\nbob", "the pasted text: .* line 2: 'mary jane'.*skip=True"),
        ("anna, bob\n", "line 1: 'anna, bob'"),
        ("anna, bob", "No such file"),  # no line break: a path, and there is none
        ("emma", "a single name goes in a list"),
        ("anna, bob, carl", r"one name a line: names\(text.split\(','\)\)"),
        (42, r"names\(42\): a source is .* or a list of names"),
        ("~nobody-of-that-name/words.txt", "home directory"),
        ("anna bob " * 200, "names.'anna bob .*too long"),
        ("anna\0", "source is 'bundled'"),
    ],
)
def test_own_list_that_cannot_be_used(lines, message):
    with pytest.raises(data.CorpusError, match=message):
        data.names(lines)


def test_a_file_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "words.txt").write_text("anna\nbob\n", encoding="utf-8")
    assert data.names("~/words.txt") == ["anna", "bob"]
    assert data.names("anna, bob, carl".split(",")) == ["anna", "bob", "carl"]


def test_pasted_text():
    pasted = "\ufeffJosé\r\nanna\r\n\r\n  ZOË\t\nAnna\nan\u00adna\nÅsa\n"
    assert data.names(pasted) == ["jose", "anna", "zoe", "asa"]
    assert data.names(pasted, distinct=False).count("anna") == 3
    assert data.names("emma\n") == ["emma"]


def test_lines_that_cannot_be_used_are_left_out_when_asked():
    lines = ["anna", "mary jane", "Łukasz", "o'brien", "bob", "42"]
    assert data.names(lines, skip=True) == ["anna", "bob"]
    with pytest.raises(data.CorpusError, match="2 lines that are not a-z were left out"):
        data.names(["1", "2"], skip=True)


@settings(max_examples=100)
@given(st.lists(st.text(max_size=8), max_size=8))
def test_whatever_is_pasted_gives_names_or_a_reason(lines):
    """Names that can be counted and sampled, or a CorpusError: never another error."""
    try:
        found = data.names("\n".join(lines) + "\n\n")
    except data.CorpusError:
        return
    assert found and len(set(found)) == len(found)
    X, Y = data.windows(found, 2)
    assert len(Y) == sum(len(name) + 1 for name in found) and X.max() < 27


def test_own_words_from_counting_to_sampling_and_splitting():
    two = data.names("Anna\nbob\n")
    model = NGram(3, k=0).fit(*data.windows(two, 2))
    drawn = sampling.names(model, 20, torch.Generator().manual_seed(1))
    assert set(drawn) == {"anna", "bob"}  # two letters of context say which of the two it is
    with pytest.raises(ValueError, match="2 distinct items are too few.*without the split"):
        data.split(two)
    assert sorted(map(len, data.split([*two, "cy"], parts=(0.34, 0.33, 0.33)))) == [1, 1, 1]


def test_own_file_that_cannot_be_read(tmp_path):
    with pytest.raises(data.CorpusError, match="'bundled', 'makemore' or the path"):
        data.names("makemoar")
    with pytest.raises(data.CorpusError, match="a source is a string or the path"):
        data.text(42)
    with pytest.raises(data.CorpusError, match="'tinyshakespeare'"):
        data.text(tmp_path / "missing.txt")
    latin = tmp_path / "latin.txt"
    latin.write_bytes("José".encode("latin-1"))
    with pytest.raises(data.CorpusError, match="save it as UTF-8"):
        data.names(latin)
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(data.CorpusError, match="is empty"):
        data.text(tmp_path / "empty.txt")


# ------------------------------------------------------------------ text


def test_bundled_text_is_plain_and_the_same_each_time():
    text = data.text()
    assert text == data.text() and len(text) > 300_000
    assert set(text) <= {"\n"} | {chr(c) for c in range(32, 127)}
    assert "import" in text and len(set(text)) > 80


# ------------------------------------------------------------------ splits


@settings(max_examples=60)
@given(st.lists(word, min_size=30, unique=True), st.integers(0, 5), st.randoms())
def test_no_item_in_two_parts(words, seed, random):
    parts = data.split(words, seed=seed)
    assert sorted(sum(parts, [])) == sorted(words)  # none lost, none twice
    shuffled = words + words[:7]
    random.shuffle(shuffled)
    assert data.split(shuffled, seed=seed) == parts  # neither order nor doubles matter
    for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
        assert abs(len(part) - share * len(words)) <= 1


def test_split_is_by_the_written_rule():
    words = ["ada", "bo", "cy", "di", "ed", "fay", "gus", "hal", "ida", "jo"]
    order = sorted(words, key=lambda w: hashlib.sha256(f"3:{w}".encode()).hexdigest())
    assert data.split(words, seed=3) == [order[:8], order[8:9], order[9:]]
    assert data.split(words, parts=(0.5, 0.5), seed=3) == [order[:5], order[5:]]
    assert data.split(words, seed=3) != data.split(words, seed=4)


def test_one_more_name_moves_few():
    words = data.names()
    before = [set(part) for part in data.split(words)]
    after = [set(part) for part in data.split([*words, "zzyzx"])]
    moved = sum(len(a & b) for i, a in enumerate(before) for j, b in enumerate(after) if i != j)
    assert moved <= 2


@pytest.mark.parametrize("parts", [(0.8, 0.1), (1.2, -0.2), (1.0, 0.0)])
def test_wrong_shares(parts):
    with pytest.raises(ValueError, match="sum to 1"):
        data.split(["a", "b", "c"], parts=parts)


def test_too_few_items():
    with pytest.raises(ValueError, match="too few"):
        data.split(["a", "b"])


# ------------------------------------------------------------------ windows and batches


def test_windows_of_the_docstring():
    X, Y = data.windows(["bo"], 3)
    assert X.tolist() == [[0, 0, 0], [0, 0, 2], [0, 2, 15]] and Y.tolist() == [2, 15, 0]
    assert X.dtype == Y.dtype == torch.int64


@settings(max_examples=60)
@given(st.lists(word, min_size=1, max_size=8), st.integers(1, 6))
def test_windows_are_slices_of_the_padded_name(words, block):
    X, Y = data.windows(words, block)
    rows = []
    for name in words:
        padded = "." * block + name + "."
        rows += [(padded[i : i + block], padded[i + block]) for i in range(len(name) + 1)]
    assert X.shape == (len(rows), block) and Y.shape == (len(rows),)
    assert [(data.decode(x), data.decode([y])) for x, y in zip(X, Y, strict=True)] == rows


@given(word)
def test_encode_then_decode(name):
    assert data.decode(data.encode(name)) == name


def test_windows_and_encode_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"'zoë' holds \['ë'\]"):
        data.encode("zoë")
    with pytest.raises(ValueError, match="1 letter or more"):
        data.windows(["bo"], 0)
    with pytest.raises(TypeError, match="not the string"):
        data.windows("bo", 3)
    with pytest.raises(ValueError, match="empty"):
        data.windows([], 3)


@given(st.integers(1, 40), st.integers(1, 50))
def test_batches_hold_every_row_once(n, size):
    X, Y = torch.arange(n).view(n, 1), torch.arange(n) * 10
    seen = list(data.batches(X, Y, size, torch.Generator().manual_seed(1)))
    assert sorted(torch.cat([x for x, _ in seen]).flatten().tolist()) == list(range(n))
    assert all((x.flatten() * 10 == y).all() for x, y in seen)
    assert len(seen) == math.ceil(n / size)


def test_batch_rows_belong_together_and_follow_the_generator():
    X, Y = torch.arange(9).view(9, 1), torch.arange(9) * 10
    x, y = data.batch(X, Y, 50, torch.Generator().manual_seed(1))
    again, _ = data.batch(X, Y, 50, torch.Generator().manual_seed(1))
    assert x.shape == (50, 1) and (x.flatten() * 10 == y).all() and (x == again).all()


# ------------------------------------------------------------------ moons


@pytest.mark.parametrize("n", [2, 7, 100])
def test_moons_without_noise_lie_on_their_half_circles(n):
    X, y = data.moons(n, 0.0, torch.Generator().manual_seed(1))
    assert X.shape == (n, 2) and X.dtype == torch.float64 and y.sum() == n // 2
    up, low = X[y == 0], X[y == 1] - torch.tensor([1.0, 0.5], dtype=torch.float64)
    for arc, sign in ((up, 1), (low, -1)):
        assert torch.allclose(arc.square().sum(1), torch.ones(len(arc), dtype=torch.float64))
        assert (sign * arc[:, 1] >= -1e-12).all()


def test_moons_noise_has_the_size_asked_for():
    clean, y = data.moons(20_000, 0.0, torch.Generator().manual_seed(1))
    noisy, _ = data.moons(20_000, 0.1, torch.Generator().manual_seed(1))
    again, same = data.moons(20_000, 0.1, torch.Generator().manual_seed(1))
    assert (noisy == again).all()
    # the squared distance from the arc's centre is 1 + 2 noise on average over both axes
    centre = torch.tensor([[0.0, 0.0], [1.0, 0.5]], dtype=torch.float64)[same]
    assert (noisy - centre).square().sum(1).mean().item() == pytest.approx(1 + 2 * 0.01, abs=5e-3)


# ------------------------------------------------------------------ the lectures' corpora


BODY = b"ada\nbo\nbo\n"


class Server:
    """A server on this machine that answers as told: whole, cut short, other bytes, 404."""

    def __init__(self):
        self.how, self.asked = "whole", 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                if outer.how == "missing":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(BODY)))
                self.end_headers()
                body = {"whole": BODY, "cut": BODY[:4], "wrong": BODY[::-1]}[outer.how]
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/names.txt"
        threading.Thread(target=self.http.serve_forever, args=[0.01], daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # pooch waits between attempts
    served = Server()
    entry = (served.url, "names.txt", hashlib.sha256(BODY).hexdigest())
    monkeypatch.setitem(data.CORPORA, "makemore", entry)
    yield served
    served.http.shutdown()
    served.http.server_close()


def test_fetched_once_then_from_the_cache(server, tmp_path):
    assert data.names("makemore") == ["ada", "bo"]
    assert data.names("makemore", distinct=False) == ["ada", "bo", "bo"]
    assert server.asked == 1
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["names.txt"]


@pytest.mark.parametrize(
    ("how", "message"),
    [("cut", "nothing was kept"), ("wrong", "SHA-256 is not"), ("missing", "could not be fetched")],
)
def test_a_failed_download_keeps_nothing_and_the_next_one_works(server, tmp_path, how, message):
    server.how = how
    with pytest.raises(data.CorpusError, match=message) as failed:
        data.names("makemore")
    assert "ZH_DATA" in str(failed.value) and server.url in str(failed.value)
    assert not list((tmp_path / "cache").glob("*"))
    server.how = "whole"
    assert data.names("makemore") == ["ada", "bo"]


def test_no_network(server, monkeypatch):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(data.CorpusError, match="Connect and try again, or .*ZH_DATA"):
        data.names("makemore")


def test_without_pooch(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(data.CorpusError, match="pip install pooch, or take the file"):
        data.names("makemore")


def test_a_damaged_cache_is_replaced(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "names.txt").write_bytes(BODY[:5])
    (tmp_path / "cache" / "tmpold").write_bytes(b"half")
    os.utime(tmp_path / "cache" / "tmpold", (0, 0))
    assert data.names("makemore") == ["ada", "bo"]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["names.txt"]


def test_zh_data_is_looked_in_first_and_its_sum_is_checked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ZH_DATA", str(tmp_path))
    assert data.names("makemore") == ["ada", "bo"] and server.asked == 1  # not there: fetched
    (tmp_path / "names.txt").write_bytes(BODY)
    assert data.fetch("makemore") == tmp_path / "names.txt" and server.asked == 1
    (tmp_path / "names.txt").write_bytes(BODY + b"eve\n")
    with pytest.raises(data.CorpusError, match="is not the makemore corpus"):
        data.names("makemore")
    monkeypatch.setenv("ZH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(data.CorpusError, match="there is no such folder"):
        data.names("makemore")


def test_zh_corpus_chooses_the_default(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ZH_CORPUS", "lectures")
    assert data.names() == ["ada", "bo"]
    assert len(data.names("bundled")) > 16_000
    monkeypatch.setenv("ZH_CORPUS", "lecture")
    with pytest.raises(data.CorpusError, match='"bundled" or "lectures"'):
        data.names()


def test_pinned_addresses_name_a_commit():
    for url, file, sha256 in data.CORPORA.values():
        assert url.startswith("https://") and len(url.split("/")[5]) == 40 and len(sha256) == 64
        assert file.endswith(".txt")
