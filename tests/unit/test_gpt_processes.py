"""Run: python -m pytest tests/unit/test_gpt_processes.py

What the processes of a run share, without starting any; with them: tests/runs/test_gpt_torchrun.py.
"""
import signal
import time

import pytest
import torch

from zh.checkpoints import TrainingError
from zh.gpt import __main__ as command
from zh.gpt import draw_blocks, processes, runs
from zh.gpt.processes import Group


def draw():
    return draw_blocks(torch.arange(100), block=4, batch=6)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_the_shares_are_the_minibatch_in_its_order(size):
    whole = draw()(torch.Generator().manual_seed(1))
    shares = [Group(rank, size).draw(draw(), 6)(torch.Generator().manual_seed(1))
              for rank in range(size)]
    for i in (0, 1):
        assert torch.equal(torch.cat([share[i] for share in shares]), whole[i])


def test_all_generators_stay_the_same_and_dropout_does_not():
    states, zeros = [], []
    before = torch.get_rng_state()
    for rank in range(2):
        g = torch.Generator().manual_seed(1)
        Group(rank, 2).draw(draw(), 6, dropout=0.1)(g)
        states.append(g.get_state())
        zeros.append(torch.rand(8))
    torch.set_rng_state(before)
    assert torch.equal(*states) and not torch.equal(*zeros)


@pytest.mark.parametrize("batch, size, near", [(7, 2, "6 or 8"), (1, 2, "2"), (10, 4, "8 or 12")])
def test_a_batch_that_cannot_be_shared(batch, size, near):
    with pytest.raises(ValueError, match=f"multiple of {size}, such as {near}"):
        Group(0, size).share(batch)
    with pytest.raises(ValueError, match="equal share"):
        runs.Run("nowhere", runs.Settings(text="bundled", batch=batch), text="abc" * 500,
                 group=Group(0, size))


def test_alone_nothing_is_changed():
    group, own = Group(), draw()
    assert group.first and group.draw(own, 6, dropout=0.5) is own and group.loss(None) is None
    assert group.any(True, False) == [True, False] and group.in_turn(lambda: 3) == 3
    assert processes.join().size == 1


def test_processes_that_do_not_come(monkeypatch):
    """Variables of torchrun without torchrun's address: told, not a traceback."""
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(TrainingError, match="torchrun --standalone --nproc-per-node 2"):
        processes.join()


def test_only_the_first_process_speaks(monkeypatch, capsys):
    for rank, heard in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(SystemExit):
            command.main(["train", "--text", "bundled", "--batch", "0"])
        assert ("batch" in capsys.readouterr().err) is heard


def test_an_echo_of_a_signal_is_not_a_second_one():
    with command.signals(echo=0.5) as came:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGINT]
        time.sleep(0.6)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
