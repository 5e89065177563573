"""`python -m zh.gpt`, in this process: what it makes of texts, folders and settings, and that a run
that was stopped, or killed, or met a full disk ends as one that nobody touched.

Real signals and real processes: tests/runs/test_gpt_process.py.
"""
import dataclasses
import io
import json
import os
import re
import resource
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import data, tokenizers
from zh.checkpoints import TrainingError
from zh.gpt import GPT, evaluate
from zh.gpt.__main__ import main
from zh.gpt.runs import Run, Settings, begin, load, read_text, write
from zh.gpt.show import Show, clock
from zh.gpt.vocabulary import load_tokenizer, save_tokenizer

TEXT = "the cat sat on the mat, and the dog sat on the cat.\n" * 12
SMALL = dict(block=8, layers=1, heads=2, dim=8, batch=4, steps=12, every=4, lr=1e-2)
ARGUMENTS = [*(word for name, value in SMALL.items() for word in (f"--{name}", str(value))),
             "--sample", "9"]


@pytest.fixture
def text(tmp_path):
    """A file with a text."""
    path = tmp_path / "mine.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """`command("train", ...)` -> exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stopped:              # argparse
            code = stopped.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file()}


def small(**changes):
    return Settings(text="mine.txt", **{**SMALL, **changes})


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The files of a run that nobody touched, with dropout: (settings, files)."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    asked = small(dropout=0.2)
    assert Run(folder, asked, TEXT).train().why == "done"
    return asked, files(folder)


# ---------------------------------------------------------------------------
# Stopping, and going on


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=3))
def test_a_run_that_was_stopped_or_killed_ends_in_the_same_bits(tmp_path_factory, unbroken, stops):
    asked, expected = unbroken
    folder = tmp_path_factory.mktemp("broken") / "run"

    class Killed(BaseException):
        pass

    class Killer(Show):
        def step(self, done, history):
            if done == at:
                raise Killed                       # nothing is saved any more

    for at, killed in stops:
        made = Run(folder, asked, TEXT)
        if killed:
            with nullcontext() if complete(folder, at) else pytest.raises(Killed):
                made.train(show=Killer(bar=False, out=io.StringIO()))
        else:
            calls = iter(range(10**6))
            made.train(stop=lambda n=at, c=calls: next(c) >= n - 1)
    outcome = Run(folder, asked, TEXT).train()
    assert outcome.why == "done" and outcome.step == 12
    assert files(folder) == expected


def complete(folder, at):
    """Whether a run in this folder does not come by step `at` any more."""
    from safetensors import safe_open

    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return False
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["training"])["step"] >= at


def test_what_is_shown_changes_nothing(tmp_path, unbroken):
    asked, expected = unbroken
    Run(tmp_path / "run", asked, TEXT).train(show=Show(sample=30, bar=True, out=io.StringIO(),
                                                        err=io.StringIO()))
    assert files(tmp_path / "run") == expected


def test_the_minutes_end_a_call_and_the_next_goes_on(tmp_path, unbroken):
    asked, expected = unbroken
    outcome = Run(tmp_path / "run", asked, TEXT).train(minutes=1e-9)
    assert outcome.why == "time" and outcome.step == 1 and outcome.best is None
    assert Run(tmp_path / "run", asked, TEXT).train().why == "done"
    assert files(tmp_path / "run") == expected


class disk_of:
    """Within it no file grows beyond so many bytes, as if the disk were full."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


@pytest.mark.parametrize("what", ["best/model.safetensors", "checkpoint.safetensors"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_full_disk_ends_the_call_with_a_message_and_loses_nothing(
        tmp_path, unbroken, command, text, what, begun):
    asked, expected = unbroken
    folder, before = tmp_path / "run", expected
    if begun:
        stop = iter([False] * 3 + [True])
        Run(folder, asked, TEXT).train(stop=lambda: next(stop))
        before = files(folder)
    with disk_of(len(before[what]) - 1):
        code, out, err = command("train", "--text", text, "--out", folder, *ARGUMENTS,
                                 "--dropout", 0.2)
    assert code == 1 and "could not be written" in err and "Make room" in err, err
    assert "Traceback" not in err and not list(folder.rglob("*.tmp"))
    if begun:
        assert files(folder)["checkpoint.safetensors"] == before["checkpoint.safetensors"]
    code, out, err = command("train", "--text", text, "--out", folder, *ARGUMENTS,
                             "--dropout", 0.2)
    assert code == 0 and ("goes on from step 4" in out) == begun
    now = files(folder)
    assert {n: b for n, b in now.items() if n != "run.json"} == \
        {n: b for n, b in expected.items() if n != "run.json"}


def test_a_folder_that_cannot_be_made(command, text, tmp_path):
    with disk_of(10):
        code, _, err = command("train", "--text", text, "--out", tmp_path / "run", *ARGUMENTS)
    assert code == 1 and "tokenizer.json could not be written" in err
    (tmp_path / "file").write_text("")
    code, _, err = command("train", "--text", text, "--out", tmp_path / "file", *ARGUMENTS)
    assert code == 1 and "is a file; a run needs a folder" in err
    code, _, err = command("train", "--text", text, "--out", tmp_path / "file" / "in", *ARGUMENTS)
    assert code == 1 and err.startswith("error: "), err


# ---------------------------------------------------------------------------
# Texts


@pytest.mark.parametrize("content, says", [
    (b"", "is empty"), (b" \n ", "is empty"), (bytes(range(256)) * 9, "not UTF-8 text"),
    (b"text\0text" * 90, "holds bytes of the value 0"), ("é".encode("utf-16") * 90, "not UTF-8"),
    (b"abc", "too short.*a context of 8 needs 9 of each"),
    (b"abcdefgh " * 9, "too short: of its 81 characters 73 tokens are learned from "
     "and 8 held back.*block of 7 at most")])
def test_texts_that_nothing_can_be_learned_from(command, tmp_path, content, says):
    (tmp_path / "odd.txt").write_bytes(content)
    code, out, err = command("train", "--text", "odd.txt", "--out", "run", *ARGUMENTS)
    assert code == 1 and re.search(says, err), err
    assert not (tmp_path / "run").exists() and "Traceback" not in err


def test_texts_that_are_not_there(command, tmp_path):
    code, _, err = command("train", "--text", "nowhere.txt", *ARGUMENTS)
    assert code == 1 and "No such file" in err and "'bundled'" in err
    code, _, err = command("train", "--text", tmp_path, *ARGUMENTS)
    assert code == 1 and "Is a directory" in err
    assert command("train")[0] == 2


def test_a_text_just_long_enough(tmp_path):
    made = Run(tmp_path / "run", small(), "ab" * 45)
    assert len(made.held) == 9
    assert made.train().why == "done"


def test_corpora_have_names():
    assert read_text("bundled") == data.text("bundled")
    names = read_text("names").split("\n")
    assert sorted(names[:-1]) == sorted(data.names()) and names[-1] == ""
    share = sum(name < "m" for name in names[:2000]) / 2000
    assert 0.4 < share < 0.7                       # in no order of the alphabet


def test_any_script_and_any_line_ends(command, tmp_path):
    (tmp_path / "odd.txt").write_bytes(("Füße 日本語 😀\r\n" * 60).encode("utf-8-sig"))
    for tokenizer in ("char", "bpe"):
        code, out, err = command("train", "--text", "odd.txt", "--out", tokenizer, *ARGUMENTS,
                                 "--tokenizer", tokenizer, "--vocab", 270)
        assert code == 0, err
        code, out, err = command("sample", tokenizer, "--prompt", "日", "--tokens", 20, "--seed", 1)
        assert code == 0 and out.startswith("日") and "\r" not in out


# ---------------------------------------------------------------------------
# Folders


def test_the_same_command_again_is_complete(command, text, tmp_path):
    first = command("train", "--text", text, *ARGUMENTS)
    assert first[0] == 0 and "step 12 of 12" in first[1] and "held back" in first[1]
    before = files(tmp_path / "mine-gpt")
    code, out, _ = command("train", "--text", text, *ARGUMENTS)
    assert code == 0 and "done: 12 steps" in out and "goes on" not in out
    assert files(tmp_path / "mine-gpt") == before


def test_a_moved_text_is_the_same_run_another_text_is_not(command, text, tmp_path):
    assert command("train", "--text", text, "--out", "run", *ARGUMENTS)[0] == 0
    before = files(tmp_path / "run")
    text.rename(tmp_path / "moved.txt")
    assert command("train", "--text", "moved.txt", "--out", "run", *ARGUMENTS)[0] == 0
    (tmp_path / "moved.txt").write_text(TEXT + "more")
    code, _, err = command("train", "--text", "moved.txt", "--out", "run", *ARGUMENTS)
    assert code == 1 and "another text (624 characters, now 628)" in err
    assert files(tmp_path / "run") == before


def test_other_settings_are_another_run(command, text):
    assert command("train", "--text", text, "--out", "run", *ARGUMENTS)[0] == 0
    code, _, err = command("train", "--text", text, "--out", "run", *ARGUMENTS, "--steps", 20,
                           "--lr", 0.5)
    assert code == 1 and "another run: steps 12, now 20; lr 0.01, now 0.5" in err


def test_a_folder_of_something_else_is_left_alone(command, text, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("")
    code, _, err = command("train", "--text", text, "--out", "photos", *ARGUMENTS)
    assert code == 1 and "holds me.jpg and no run.json" in err
    (tmp_path / "photos" / "run.json").write_text("[]")
    code, _, err = command("train", "--text", text, "--out", "photos", *ARGUMENTS)
    assert code == 1 and "cannot be read" in err
    assert len(files(tmp_path / "photos")) == 2


def test_a_damaged_checkpoint_is_named(command, text, tmp_path):
    command("train", "--text", text, "--out", "run", *ARGUMENTS)
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    code, _, err = command("train", "--text", text, "--out", "run", *ARGUMENTS)
    assert code == 1 and "no checkpoint that can be read" in err
    (tmp_path / "run" / "losses.csv").write_text("step\n1\n")
    path.unlink()
    code, _, err = command("train", "--text", text, "--out", "run", *ARGUMENTS)
    assert code == 1 and "losses.csv has changed" in err


def test_the_best_weights_are_those_of_the_least_loss(tmp_path, unbroken):
    """On a text whose end is another one, the held-back loss goes up again."""
    odd = "ab" * 400 + "ba ab" * 20
    made = Run(tmp_path / "run", small(steps=60, every=5, lr=0.1, held=0.11), odd)
    outcome = made.train()
    assert outcome.best[0] < 60, "the last weights are the best: this test says nothing"
    best, _ = load(tmp_path / "run")
    last, _ = load(tmp_path / "run", last=True)
    assert evaluate(best, made.held, 8) == pytest.approx(outcome.best[1], rel=1e-6)
    assert evaluate(last, made.held, 8) == pytest.approx(made.losses[-1][2], rel=1e-6)


def test_what_a_run_leaves_is_a_gpt_2_of_hugging_face(tmp_path):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for kind in ("char", "bpe"):
        Run(tmp_path / kind, small(tokenizer=kind, vocab=270), TEXT).train()
        best = tmp_path / kind / "best"
        theirs, words = (auto.from_pretrained(best) for auto in
                         (AutoModelForCausalLM, AutoTokenizer))
        model, tokenizer = load(tmp_path / kind)
        ids = torch.tensor([tokenizer.encode("the dog")])[:, :8]
        assert words("the dog")["input_ids"] == tokenizer.encode("the dog")
        with torch.no_grad():
            torch.testing.assert_close(theirs.eval()(ids).logits, model(ids), atol=1e-5, rtol=1e-5)
        assert load_tokenizer(best).encode("the dog") == tokenizer.encode("the dog")


@pytest.mark.parametrize("wrong, says", [
    (["--steps", "0"], "steps is 0"), (["--dim", "7"], "multiple"), (["--held", "1"], "held is 1"),
    (["--lr", "nan"], "lr is nan"), (["--minutes", "0"], "--minutes is 0"), (["--lr", "x"], "--lr"),
    (["--sample", "-1"], "--sample is -1"), (["--threads", "0"], "--threads is 0"),
    (["--tokenizer", "words"], "--tokenizer"), (["--dropout", "1"], "dropout is 1"),
    (["--batch", "2.5"], "--batch"), (["--seed", "-1"], "seed is -1")])
def test_settings_that_cannot_be_are_a_wrong_command(command, text, tmp_path, wrong, says):
    code, _, err = command("train", "--text", text, "--out", "run", *ARGUMENTS, *wrong)
    assert code == 2 and says in err
    assert not (tmp_path / "run").exists()


def test_settings_are_checked_in_code_too():
    with pytest.raises(ValueError, match="tokenizer is 'words'"):
        small(tokenizer="words")


def test_a_rate_that_breaks_the_run_is_named(command, text):
    code, _, err = command("train", "--text", text, "--out", "run", *ARGUMENTS, "--lr", 1e30,
                           "--clip", 1e30)
    assert code == 1 and err.startswith("error: step") and "Traceback" not in err


# ---------------------------------------------------------------------------
# Writing


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run that has learned its text by heart."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    Run(folder, small(steps=150, every=50, dim=16, batch=8), TEXT).train()
    return folder


def test_it_writes_what_it_has_learned(command, trained):
    code, out, _ = command("sample", trained, "--prompt", "the c", "--tokens", 20,
                           "--temperature", 0)
    assert code == 0 and out.startswith("the cat") and len(out) == len("the c") + 20 + 1


def test_streaming_writes_the_same(command, trained):
    how = ("sample", trained, "--prompt", "the", "--tokens", 60, "--seed", 3, "--count", 2)
    assert command(*how)[1] == command(*how, "--stream")[1]
    assert command(*how)[1] == command(*how)[1]
    assert command(*how)[1] != command(*how, "--seed", 4)[1]
    assert command(*how[:-4])[1] != command(*how[:-4])[1]     # no seed: another text each time


def test_a_new_start_and_a_stop(command, trained):
    code, out, _ = command("sample", trained, "--seed", 1, "--stop", "\n", "--tokens", 300)
    assert code == 0 and out.count("\n") == 1 and len(out) > 5
    code, _, err = command("sample", trained, "--stop", "at")
    assert code == 1 and "is 2 tokens; it must be one" in err


def test_a_prompt_longer_than_the_context(command, trained):
    code, out, _ = command("sample", trained, "--prompt", TEXT, "--tokens", 9, "--seed", 1)
    assert code == 0 and out.startswith(TEXT) and len(out) == len(TEXT) + 10


@pytest.mark.parametrize("wrong, code, says", [
    (["--prompt", "the É"], 1, "the prompt: the character 'É' (U+00C9) at position 4"),
    (["--temperature", "-1"], 2, "temperature is 0"), (["--top-k", "0"], 2, "top_k"),
    (["--top-p", "2"], 2, "top_p"), (["--tokens", "0"], 2, "--tokens is 0"),
    (["--count", "0"], 2, "--count is 0")])
def test_what_cannot_be_written_is_named(command, trained, wrong, code, says):
    got, out, err = command("sample", trained, *wrong)
    assert got == code and says in err and out == ""


def test_the_last_weights_or_none(command, trained, tmp_path):
    assert command("sample", trained, "--last", "--tokens", 5)[0] == 0
    Run(tmp_path / "new", small(), TEXT)
    code, _, err = command("sample", "new")
    assert code == 1 and "without a checkpoint yet" in err
    code, _, err = command("sample", "nowhere")
    assert code == 1 and "no folder" in err
    code, _, err = command("sample", trained / "best", "--last")
    assert code == 1 and "no folder of a run" in err


def test_a_gpt_2_is_talked_to_in_text(command, tmp_path):
    """A folder as GPT-2's: weights, vocab.json and merges.txt; its own mark ends a text."""
    bpe = tokenizers.BPETokenizer.train(TEXT, 300, pattern="gpt2",
                                        special_tokens=["<|endoftext|>"])
    config = dataclasses.replace(small().config(bpe.vocab_size), tie=False)
    model = GPT(config, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():                          # after anything: the mark
        model.norm.weight.zero_()
        model.norm.bias.fill_(100)
        model.head.weight.zero_()[bpe.special["<|endoftext|>"]] = 1
    model.save_pretrained(tmp_path / "gpt2")
    save_tokenizer(bpe, tmp_path / "gpt2")
    code, out, err = command("sample", "gpt2", "--prompt", "the cat <|endoftext|>", "--stream")
    assert code == 0 and out == "the cat <|endoftext|>\n", err
    assert begin(bpe).tolist() == [[bpe.special["<|endoftext|>"]]]


@settings(max_examples=30)
@given(st.text("aé日😀", min_size=1, max_size=12), st.integers(1, 30))
def test_pieces_are_whole_characters_and_all_of_them(text, count):
    """A model that recites the bytes of a text, a token each."""
    bpe = tokenizers.BPETokenizer([])
    ids = bpe.encode(text)

    class Reciter:
        def stream(self, start, generator):
            for i in ids * 30:
                yield torch.tensor([i])

    pieces = list(write(Reciter(), bpe, torch.tensor([[0]]), count, torch.Generator()))
    assert "".join(pieces) == bpe.decode((ids * 30)[:count])
    assert all("\ufffd" not in piece for piece in pieces[:-1])


def test_a_bar_only_on_a_terminal(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for err, there in ((io.StringIO(), False), (Terminal(), True)):
        out = io.StringIO()
        show = Show(10, out=out, err=err)
        Run(tmp_path / str(there), small(), TEXT).train(show=show)
        show.close()
        assert ("tokens" in err.getvalue()) == there
        assert out.getvalue().count("held back") == 3 and "\r" not in out.getvalue()
        if there:
            assert "train" in err.getvalue() and "held back" in err.getvalue()


def test_nobody_reads_any_more(tmp_path):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    show = Show(out=Gone(), err=io.StringIO())
    outcome = Run(tmp_path / "run", small(), TEXT).train(stop=lambda: bool(show.broken), show=show)
    assert outcome.why == "stopped" and outcome.step == 4
    assert Run(tmp_path / "run", small(), TEXT).train().why == "done"


@pytest.mark.parametrize("seconds, shown", [(0, "0:00"), (61.4, "1:01"), (7322, "2:02:02")])
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_the_begun_run_is_refused_as_an_error_of_training(tmp_path):
    Run(tmp_path / "run", small(), TEXT)
    with pytest.raises(TrainingError, match="another run: seed 1, now 2"):
        Run(tmp_path / "run", small(seed=2), TEXT)
