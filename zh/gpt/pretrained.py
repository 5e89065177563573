"""GPT-2 checkpoints, in the folders that Hugging Face's `transformers` reads and writes.

    model = GPT.from_pretrained("gpt2")            # a folder: config.json, model.safetensors
    model.save_pretrained("mine")                  # transformers reads it again

A GPT-2 is a `GPT` under other names. Its linear layers keep their matrices the other way round,
(in, out) instead of (out, in): they are transposed on the way in and on the way out.

Left out: the old format of pickles (`pytorch_model.bin`), whose reading can run any code; tensors
in other types than floats; the variants of GPT-2 that were never published as checkpoints.
GPT-2: Radford et al. 2019. The format: safetensors, one file or several with an index.
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from zh.gpt.model import GPT, GPTConfig

WHOLE = {                                          # ours: theirs
    "tokens.weight": "wte.weight", "places.weight": "wpe.weight",
    "norm.weight": "ln_f.weight", "norm.bias": "ln_f.bias", "head.weight": "lm_head.weight"}
BLOCK = {
    "ln1": "ln_1", "attention.qkv": "attn.c_attn", "attention.project": "attn.c_proj",
    "ln2": "ln_2", "up": "mlp.c_fc", "down": "mlp.c_proj"}
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
MUST_BE = {                                        # in config.json; what transformers assumes
    "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False, "add_cross_attention": False}
TANH_GELU = ("gelu_new", "gelu_pytorch_tanh")      # two names for one function


def names(config: GPTConfig) -> dict[str, str]:
    """{our name: theirs, without the prefix `transformer.`} of all tensors of such a model."""
    found = dict(WHOLE)
    for number in range(config.layers):
        for ours, theirs in BLOCK.items():
            for part in ("weight", "bias"):
                found[f"blocks.{number}.{ours}.{part}"] = f"h.{number}.{theirs}.{part}"
    return found


def turned(name: str) -> bool:
    """Whether a tensor, under their name, stands there the other way round."""
    return ".c_" in name and name.endswith(".weight")


# ---------------------------------------------------------------------------
# Reading


def load(folder: str | os.PathLike, *, dropout: float | None = None) -> GPT:
    """The GPT-2 in a folder, in float32 and eval mode.

    dropout: for training it further; None for what its config says. Tensors in half precision
    become float32. A head of its own is kept, also where the config calls it tied, as transformers
    5 does. Raises FileNotFoundError where a file is missing, ValueError where the folder holds no
    GPT-2, or one that `GPT` cannot be.
    """
    folder = Path(folder).expanduser()
    config = read_config(folder, dropout)
    wanted = {theirs: ours for ours, theirs in names(config).items()}
    with torch.device("meta"):                     # shapes without memory: all of it is replaced
        model = GPT(config, generator=torch.Generator())
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    state, strange = {}, []
    for name, tensor in tensors(folder):
        name = name.removeprefix("transformer.")
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue                               # the causal mask, as older versions kept it
        if name not in wanted:
            strange.append(name)
            continue
        if tensor.dtype not in FLOATS:
            raise ValueError(f"{name} in {folder} is {str(tensor.dtype).removeprefix('torch.')}; "
                             "weights are floats. Quantised checkpoints are not read: save the "
                             "model without quantisation.")
        ours = wanted[name]
        tensor = tensor.t() if turned(name) and tensor.ndim == 2 else tensor
        if tuple(tensor.shape) != shapes[ours]:
            want = shapes[ours][::-1] if turned(name) else shapes[ours]
            have = tensor.shape[::-1] if turned(name) else tensor.shape
            raise ValueError(f"{name} in {folder} has the shape {tuple(have)}; its config.json "
                             f"asks for {tuple(want)}. Are both files of one model?")
        state[ours] = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if strange:
        raise ValueError(f"{folder} holds what a GPT-2 with a head for the next token does not "
                         f"have: {', '.join(strange[:4])}{', ...' if len(strange) > 4 else ''}. "
                         "Was it made for another task?")
    read, head = state.get("tokens.weight"), state.get("head.weight")
    if config.tie and read is not None:
        config.tie = head is None or torch.equal(head, read)
    if config.tie:
        state["head.weight"] = read
    missing = [theirs for theirs, ours in wanted.items() if state.get(ours) is None]
    if missing:
        raise ValueError(f"{folder} lacks {', '.join(missing[:4])}"
                         f"{', ...' if len(missing) > 4 else ''}: the checkpoint is not whole, or "
                         "of a smaller model than its config.json says.")
    model.load_state_dict(state, assign=True)
    if config.tie:
        model.head.weight = model.tokens.weight    # one parameter, not two that are equal
    return model.eval()


def read_config(folder: str | os.PathLike, dropout: float | None = None) -> GPTConfig:
    """What the config.json of a GPT-2 says, as a `GPTConfig`."""
    folder = Path(folder).expanduser()
    path = folder / "config.json"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder on this machine. A model is loaded from "
                                "the folder that transformers' save_pretrained(folder) wrote, or "
                                "into which its files were downloaded.")
    try:
        said = json.loads(path.read_text("utf8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder} has no config.json: it holds no checkpoint of "
                                "transformers.") from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}.") from error
    kind = said.get("model_type") if isinstance(said, dict) else None
    if kind != "gpt2":
        raise ValueError(f"{path} is of a model of the type {kind!r}, not 'gpt2': zh.gpt reads "
                         "GPT-2 and its descendants of the same form.")
    for name, value in MUST_BE.items():
        if said.get(name, value) != value:
            raise ValueError(f"{path} says {name}: {json.dumps(said[name])}; zh.gpt can only be "
                             f"a GPT-2 with {name}: {json.dumps(value)}.")
    bent = said.get("activation_function", "gelu_new")
    if bent not in TANH_GELU:
        raise ValueError(f"{path} says activation_function: {bent!r}; zh.gpt computes "
                         f"{' or '.join(map(repr, TANH_GELU))}, the GELU by a tanh, alone.")
    if dropout is None:
        shares = {name: said.get(name, 0.1) for name in ("resid_pdrop", "embd_pdrop", "attn_pdrop")}
        if len(set(shares.values())) > 1:
            raise ValueError(f"{path} drops different shares at different places ({shares}); "
                             "zh.gpt drops one share everywhere: load(folder, dropout=0.1).")
        dropout = shares["resid_pdrop"]
    try:
        return GPTConfig(
            vocab=said.get("vocab_size", 50257), block=said.get("n_positions", 1024),
            layers=said.get("n_layer", 12), heads=said.get("n_head", 12),
            dim=said.get("n_embd", 768), inner=said.get("n_inner"), dropout=dropout,
            tie=said.get("tie_word_embeddings", True), eps=said.get("layer_norm_epsilon", 1e-5),
            std=said.get("initializer_range", 0.02))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} describes no model that can be: {error}") from error


def tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and tensor, one after the other, of a checkpoint in one file or in several."""
    from safetensors import SafetensorError, safe_open

    for path in weight_files(folder):
        try:
            with safe_open(path, "pt") as file:
                for name in file.keys():
                    yield name, file.get_tensor(name)
        except FileNotFoundError:
            raise FileNotFoundError(f"{path.name} is missing in {folder}, and its index asks for "
                                    "it: the checkpoint was copied in part.") from None
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} cannot be read ({error}): it was cut off, or it is no file "
                             "of safetensors.") from error


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: one, or those that an index names."""
    one, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if one.is_file():
        return [one]
    if index.is_file():
        try:
            there = sorted(set(json.loads(index.read_text("utf8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{index} is no index of a checkpoint ({error!r}).") from error
        if not there or any(not isinstance(name, str) or Path(name).name != name
                            for name in there):
            raise ValueError(f"{index} names files that do not lie beside it: {there}.")
        return [folder / name for name in there]
    if any(folder.glob("pytorch_model*.bin")):
        raise FileNotFoundError(
            f"{folder} holds pytorch_model.bin, a pickle, and no model.safetensors. Turn it into "
            "one with transformers, if you trust where it comes from: AutoModelForCausalLM."
            "from_pretrained(folder).save_pretrained(folder).")
    raise FileNotFoundError(f"{folder} has no model.safetensors: the weights are missing.")


# ---------------------------------------------------------------------------
# Writing


def save(model: GPT, folder: str | os.PathLike) -> None:
    """Write a model as a GPT-2 that `transformers.AutoModelForCausalLM` loads.

    Biases that it does without are written as zeros, which compute the same. Each file is written
    beside its place and renamed, when both are whole: a full disk leaves what was there before.
    Raises ValueError for what a GPT-2 cannot be, OSError where the folder cannot be written.
    """
    from safetensors.torch import save as packed

    c, folder = model.config, Path(folder).expanduser()
    cannot = [what for what, odd in (
        ("its places are rotated (positions=\"rope\")", c.positions != "learned"),
        ("it has no residual connections", not c.residual),
        ("it has no layer normalisation", not c.norm)) if odd]
    if cannot:
        raise ValueError(f"this GPT is no GPT-2: {', '.join(cannot)}. transformers has no name "
                         "for it; keep it with torch.save(model.state_dict(), path).")
    state, have = {}, model.state_dict()
    for ours, theirs in names(c).items():
        if theirs == "lm_head.weight" and c.tie:
            continue
        tensor = have.get(ours)
        if tensor is None:
            tensor = torch.zeros(len(have[ours.removesuffix("bias") + "weight"]))
        tensor = tensor.t() if turned(theirs) else tensor
        full = theirs if theirs.startswith("lm_head") else f"transformer.{theirs}"
        state[full] = tensor.float().clone(memory_format=torch.contiguous_format)
    written = {"config.json": json.dumps(config_of(model), indent=2, sort_keys=True).encode(),
               "model.safetensors": packed(state, {"format": "pt"})}
    folder.mkdir(parents=True, exist_ok=True)
    write_all(folder, written)


def config_of(model: GPT) -> dict:
    """The config.json of a model."""
    c = model.config
    end = 50256 if c.vocab == 50257 else None      # <|endoftext|>, where the tokens are GPT-2's
    return {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "dtype": "float32",
        "vocab_size": c.vocab, "n_positions": c.block, "n_ctx": c.block, "n_layer": c.layers,
        "n_head": c.heads, "n_embd": c.dim, "n_inner": c.inner,
        "activation_function": TANH_GELU[0], "layer_norm_epsilon": c.eps,
        "initializer_range": c.std, "tie_word_embeddings": c.tie,
        "bos_token_id": end, "eos_token_id": end,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), c.dropout), **MUST_BE}


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    """Put files in a folder: all are written beside their places first, then renamed."""
    beside = {name: folder / f"{name}.tmp" for name in files}
    try:
        for name, content in files.items():
            with open(beside[name], "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name, path in beside.items():
            os.replace(path, folder / name)
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)
