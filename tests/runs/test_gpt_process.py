"""`python -m zh.gpt` as a process: real signals, a killed run, a pipe that nobody reads."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = "the cat sat on the mat, and the dog sat on the cat.\n" * 40
ARGUMENTS = ["--block", "16", "--layers", "2", "--heads", "2", "--dim", "32", "--batch", "8",
             "--steps", "240", "--every", "60", "--lr", "1e-2", "--dropout", "0.1",
             "--threads", "1", "--sample", "20"]


def start(folder, *more, **how):
    """A process that trains in a folder, and whose output can be read."""
    (folder / "mine.txt").write_text(TEXT)
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "zh.gpt", "train", "--text", "mine.txt", "--out", "run",
         *ARGUMENTS, *more], cwd=folder, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how})


def train(folder):
    """Train to the end: the output."""
    process = start(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def lines(process, until):
    """Read its lines until one has these words."""
    read = []
    for line in process.stdout:
        read.append(line)
        if until in line:
            return read
    pytest.fail(f"{until!r} never came: {''.join(read)}{process.stderr.read()}")


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The files of a run that nobody touched, and what it said."""
    folder = tmp_path_factory.mktemp("unbroken")
    return train(folder), files(folder / "run")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_stops_and_the_same_command_goes_on(tmp_path, unbroken, number, code):
    said, expected = unbroken
    process = start(tmp_path)
    lines(process, "step 60 of 240")
    process.send_signal(number)
    out, err = process.communicate(timeout=100)
    assert process.returncode == code, err
    assert "stopping after this step" in err and "Traceback" not in err
    assert "is saved in run. The same command goes on from there." in out
    step = int(out.split("stopped: step ")[1].split(" of")[0])
    assert step < 240, "the signal came too late: this test says nothing"
    assert f"goes on from step {step:,}" in train(tmp_path)
    assert files(tmp_path / "run") == expected


def test_a_second_one_stops_at_once_and_loses_what_is_since_the_last_checkpoint(
        tmp_path, unbroken):
    process = start(tmp_path, "--batch", "3000")   # a step takes seconds: it cannot end before
    lines(process, "to learn from")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "no checkpoint yet" in err and "Traceback" not in err


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path, unbroken):
    said, expected = unbroken
    process = start(tmp_path)
    lines(process, "step 120 of 240")
    process.kill()
    process.communicate(timeout=100)
    assert "goes on from step" in train(tmp_path)
    assert files(tmp_path / "run") == expected


def test_a_pipe_that_nobody_reads_stops_the_run_with_all_saved(tmp_path, unbroken):
    process = start(tmp_path)
    lines(process, "step 60 of 240")
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=100) == 141 and "Traceback" not in err, err
    train(tmp_path)
    assert files(tmp_path / "run") == unbroken[1]


def test_a_disk_that_is_full(tmp_path):
    """Standard output on /dev/full: no place for a line; the run is saved, says so and ends."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        process = start(tmp_path, stdout=full)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 1 and "No space left" in err and "Traceback" not in err
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_help_says_what_there_is():
    done = subprocess.run([sys.executable, "-m", "zh.gpt", "train", "--help"], text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and "--text" in done.stdout and "default: 2000" in done.stdout
