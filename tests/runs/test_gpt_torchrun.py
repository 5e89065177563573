"""`python -m zh.gpt train` under torchrun: two processes, one run; a killed one ends it."""
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = "the cat sat on the mat, and the dog sat on the cat.\n" * 40
STEPS, EVERY = 120, 30
ARGUMENTS = ["--text", "mine.txt", "--out", "run", "--block", "16", "--layers", "2", "--heads", "2",
             "--dim", "32", "--batch", "8", "--steps", str(STEPS), "--every", str(EVERY),
             "--lr", "1e-2", "--threads", "1", "--sample", "0"]
TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
pytestmark = pytest.mark.xdist_group("torchrun")       # one after the other: four processes at once


def start(folder, *more, processes=TWO):
    """The command in a folder, as a process whose output can be read."""
    (folder / "mine.txt").write_text(TEXT)
    return subprocess.Popen(
        [sys.executable, "-u", *processes, "-m", "zh.gpt", "train", *ARGUMENTS, *more], cwd=folder,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


def losses(folder):
    """[(step, train, held back)] of a run."""
    with open(folder / "run" / "losses.csv") as file:
        return [tuple(map(float, row)) for row in list(csv.reader(file))[1:]]


def close(a, b):
    """Are two runs the same, up to the order of additions?"""
    return [x[0] for x in a] == [x[0] for x in b] and all(
        x == pytest.approx(y, rel=1e-4) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The losses of one process with the whole minibatch."""
    folder = tmp_path_factory.mktemp("one")
    process = start(folder, processes=[])
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return losses(folder)


def test_two_processes_learn_as_one_with_the_same_minibatch(tmp_path, one):
    process = start(tmp_path)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert close(losses(tmp_path), one)
    # one of them speaks, and one of them writes
    assert "2 processes, 4 pieces of text a step each" in out
    assert out.count("step 30 of 120") == out.count("done: 120 steps") == 1
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "best", "checkpoint.safetensors", "losses.csv", "run.json", "tokenizer.json"]


def children(pid):
    """The processes that a process started (Linux)."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("this system does not list the children of a process")
    return [int(child) for child in listed.read_text().split()]


@pytest.mark.parametrize("victim", ["0", "1"])
def test_a_killed_worker_ends_the_run_with_a_message_and_it_goes_on(tmp_path, one, victim):
    process = start(tmp_path, "--minutes", "5")
    for line in process.stdout:
        if "step 60 of 120" in line:
            break
    workers = {}
    for pid in children(process.pid):
        said = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        workers |= {row.partition(b"=")[2].decode(): pid for row in said if row[:5] == b"RANK="}
    os.kill(workers[victim], signal.SIGKILL)
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - began < 45
    assert "another process of this run has ended" in err
    assert "the same command goes on from there" in err
    before = losses(tmp_path)
    assert len(before) < STEPS // EVERY, "killed too late: this test says nothing"
    if victim == "0":                              # the way on is the same for both
        return
    process = start(tmp_path)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "goes on from step" in out
    assert close(losses(tmp_path), one)


def test_a_batch_that_cannot_be_shared_is_said_once(tmp_path):
    process = start(tmp_path, "--batch", "7")
    _, err = process.communicate(timeout=100)
    assert process.returncode != 0
    assert err.count("it must be a multiple of 2, such as 6 or 8") == 1
    assert not (tmp_path / "run").exists()
