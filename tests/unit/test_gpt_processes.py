"""Run: python -m pytest tests/unit/test_gpt_processes.py

What the processes of a run share, without starting any; with them: tests/runs/test_gpt_torchrun.py.
"""
import signal
import time

import pytest
import torch
import torch.distributed as dist

from zh import attention
from zh.attention import Cache
from zh.checkpoints import TrainingError
from zh.gpt import GPT, GPTConfig, draw_blocks, processes, runs
from zh.gpt import __main__ as command
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
    group, own, before = Group(), draw(), torch.get_rng_state()
    same, right = (d(torch.Generator().manual_seed(1)) for d in (group.draw(own, 6, 0.5), own))
    assert all(map(torch.equal, same, right)) and torch.equal(torch.get_rng_state(), before)
    assert group.first and group.loss(None) is None
    assert group.any(True, False) == [True, False] and group.in_turn(lambda: 3) == 3
    assert processes.join().size == 1


@pytest.mark.parametrize("config", [{}, {"positions": "rope"}, {"dropout": 0.1}])
def test_all_of_a_step_meets_on_the_device_of_the_model(config, monkeypatch):
    """On PyTorch's "meta", which has shapes and no values, and will not mix devices either.

    What looks at values is left out there: the checks of ids and masks.
    """
    monkeypatch.setattr(attention, "check_mask", lambda *_: None)
    model = GPT(GPTConfig(11, 8, 2, 2, 16, **config), generator=torch.Generator()).to("meta")
    model.check = lambda *_: None
    x, y = Group(device="meta").draw(draw_blocks(torch.arange(11), 8, 4), 4)(torch.Generator())
    model.loss(x, y).backward()
    caches = [Cache(8) for _ in model.blocks]
    found = [x, y, *(p.grad for p in model.parameters()),
             *(model(x[:, a:b], caches) for a, b in ((0, 5), (5, 7), (7, 8)))]
    assert {tensor.device.type for tensor in found} == {"meta"}


@pytest.mark.parametrize("there, number, words", [
    (0, "0", "card 0.*sees none. Take --device cpu, or a PyTorch built for CUDA"),
    (1, "1", "card 1.*sees 1. Take --device cpu, or as many processes")])
def test_a_card_that_is_not_there(there, number, words, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.setenv("LOCAL_RANK", number)
    with pytest.raises(TrainingError, match=words):
        processes.join("cuda")
    asked = ["train", "--text", "bundled", "--device", "cuda", "--out", str(tmp_path / "run")]
    assert command.main(asked) == 1 and "--device cpu" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_each_process_has_a_card_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for number in (0, 1):
        monkeypatch.setenv("LOCAL_RANK", str(number))
        assert processes.place("cuda") == torch.device("cuda", number)
    assert processes.place("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device, backend", [("cuda", "nccl"), ("cpu", "gloo")])
@pytest.mark.parametrize("number", [0, 1])
def test_each_process_asks_for_its_own_card_and_for_nccl(device, backend, number, monkeypatch):
    """What torchrun's variables make of `join`, with PyTorch's calls written down and not made.

    Two machines of two cards: the number on the machine is not the rank.
    """
    asked = []
    for name, value in (("RANK", 2 + number), ("LOCAL_RANK", number), ("WORLD_SIZE", 4)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda card: asked.append(card))
    monkeypatch.setattr(dist, "init_process_group", lambda *a, **k: asked.append((a, k)))
    monkeypatch.setattr(dist, "get_rank", lambda: 2 + number)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    group = processes.join(device)
    mine = torch.device("cuda", number) if device == "cuda" else torch.device("cpu")
    # the card is taken before the group is asked for: NCCL takes the card that is set
    assert asked == [mine] * (device == "cuda") + [((backend,), {})]
    assert (group.rank, group.size, group.device) == (2 + number, 4, mine)


def test_the_command_computes_on_the_card_of_its_process(monkeypatch, tmp_path):
    """`zh.gpt train --device cuda` joins with what was asked, and hands the group to the run."""
    seen = []
    group = Group(device=torch.device("cuda", 1))
    monkeypatch.setattr(processes, "join", lambda device: seen.append(device) or group)

    def run(*_, **settings):
        seen.append(settings["group"])
        raise TrainingError("far enough")

    monkeypatch.setattr(command, "Run", run)
    command.main(["train", "--text", "bundled", "--device", "cuda", "--out", str(tmp_path / "run")])
    assert seen == ["cuda", group]


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
