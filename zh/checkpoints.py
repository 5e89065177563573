"""Checkpoints of a training run: all that the rest of it depends on, in one safetensors file.

`zh.training.train(..., checkpoint=path)` writes and reads them: the model, the optimizer's state,
both generators, the losses and learning rates so far, and a checksum over all of it. A file is
written beside the old one and renamed, so there is always a whole one.
"""
from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch

_ANEW = "Give another path, or delete the file to start anew."


class TrainingError(RuntimeError):
    """A run that cannot go on.  `.step`: where it stopped.  `.parameter`: which one, or None."""

    def __init__(self, message: str, step: int | None = None, parameter: str | None = None):
        super().__init__(message)
        self.step, self.parameter = step, parameter


def save(path, step, history, model, generator, optimizer):
    """Write all that the rest of the run depends on; whole or not at all."""
    from safetensors.torch import save as packed

    tensors = {
        "losses": torch.tensor(history.losses, dtype=torch.float64),
        "lrs": torch.tensor(history.lrs, dtype=torch.float64),
        "generator": generator.get_state(),
        "default_generator": torch.get_rng_state(),   # dropout of torch.nn draws from it
    }
    tensors |= {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    about = {"step": step, "seed": generator.initial_seed(), "optimizer": _name(optimizer),
             "lrs": [float(group["lr"]) for group in optimizer.param_groups] if optimizer else [],
             "numbers": {}}
    for index, state in (optimizer.state_dict()["state"] if optimizer else {}).items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
            else:
                about["numbers"][f"optimizer.{index}.{key}"] = value
    tensors = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
               for name, tensor in tensors.items()}
    about["sum"] = _sum(tensors)
    path = Path(path)
    beside = path.with_name(path.name + ".tmp")
    try:
        with open(beside, "wb") as file:
            file.write(packed(tensors, {"training": json.dumps(about)}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        if beside.is_file() and not beside.is_symlink():
            beside.unlink()
        kept = f"the one before is kept in {path}" if path.exists() else "there is none before it"
        raise TrainingError(
            f"step {step}: the checkpoint could not be written ({error.strerror or error}); "
            f"{kept}. Make room, or choose another folder, and start the same run again.",
            step) from error


def resume(path, steps, rate, history, model, generator, optimizer):
    """Take up the run that a checkpoint holds, if there is one; returns the step to go on with."""
    path = Path(path)
    if not path.parent.is_dir():
        raise TrainingError(f"the checkpoint {path} cannot be written: its folder is not there. "
                            "Make the folder first.")
    if not path.exists():
        return 0
    about, tensors = _read(path)
    _check_same_run(path, about, tensors, steps, rate, generator, optimizer)
    try:
        model.load_state_dict({name.removeprefix("model."): tensor
                               for name, tensor in tensors.items() if name.startswith("model.")})
    except (KeyError, ValueError, RuntimeError) as error:
        raise TrainingError(f"the checkpoint {path} holds another model: {_text(error)} "
                            f"{_ANEW}") from error
    if optimizer is not None:
        state: dict[int, dict] = {}
        for name, value in [*tensors.items(), *about["numbers"].items()]:
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        for group, lr in zip(optimizer.param_groups, about["lrs"], strict=False):
            group["lr"] = lr
    generator.set_state(tensors["generator"])
    torch.set_rng_state(tensors["default_generator"])
    history.losses.extend(tensors["losses"].tolist())
    history.lrs.extend(tensors["lrs"].tolist())
    return about["step"]


def _read(path):
    """What a checkpoint says and its tensors, or a TrainingError if it is not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["training"])
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        whole = about["sum"] == _sum(tensors)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{path} is no checkpoint that can be read ({_text(error)}): the file "
                            f"was cut off, or something else wrote it. {_ANEW}") from error
    if not whole:
        raise TrainingError(f"{path} has changed since it was written: its sum is not the one "
                            f"it was saved with. {_ANEW}")
    return about, tensors


def _check_same_run(path, about, tensors, steps, rate, generator, optimizer):
    """Raise TrainingError where the checkpoint was made by another run than this one."""
    wrong = []
    if about["step"] > steps:
        wrong.append(f"it is at step {about['step']}, and this run ends at {steps}")
    if about["seed"] != generator.initial_seed():
        wrong.append(f"its generator was seeded with {about['seed']}, and this one with "
                     f"{generator.initial_seed()}")
    if about["optimizer"] != _name(optimizer):
        wrong.append(f"its optimizer is {about['optimizer']}, and this one {_name(optimizer)}")
    else:
        for step, lr in enumerate(tensors["lrs"].tolist()):
            if lr != rate(step):
                wrong.append(f"its learning rate at step {step} is {lr}, and this one "
                             f"{rate(step)}")
                break
    if wrong:
        raise TrainingError(f"the checkpoint {path} is of another run: {'; '.join(wrong)}. {_ANEW}")


def _name(optimizer):
    return type(optimizer).__name__ if optimizer is not None else "none"


def _text(error):
    """The message of an error (str of a KeyError has quotes around it)."""
    return error.args[0] if error.args and isinstance(error.args[0], str) else str(error)


def _sum(tensors):
    """A checksum of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
