"""Tokenizers in the folders of Hugging Face: of a GPT-2, to read, and of a GPT of ours, to write.

    tokenizer = load_tokenizer("gpt2")        # tokenizer.json, or vocab.json and merges.txt
    save_tokenizer(tokenizer, "mine")         # transformers' AutoTokenizer reads it again

A tokenizer.json says in what steps a text becomes ids. Two forms of it are known here: byte pair
encoding on bytes, as GPT-2 has it, whatever the order of its ids; and one token a character.

Left out: normalisation, spaces put in front, templates around a text, other kinds of subwords.
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from zh.gpt.pretrained import write_all
from zh.tokenizers import PATTERNS, BPETokenizer, CharTokenizer, bytes_of, load

CHARACTER = r"[\s\S]"                    # the pattern that cuts a text into characters


class Renumbered:
    """A BPE tokenizer under other ids: `numbers[i]` is what its token i is called here.

    For vocabularies whose first ids are not those of bytes: those that put special tokens first.
    """

    def __init__(self, tokenizer: BPETokenizer, numbers: Sequence[int]):
        self.tokenizer, self.numbers = tokenizer, list(numbers)
        self._back = {number: i for i, number in enumerate(self.numbers)}
        if len(self._back) < len(self.numbers):
            raise ValueError("two tokens have the same id.")
        self.special = {name: self.numbers[i] for name, i in tokenizer.special.items()}

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return max(self.numbers) + 1

    def encode(self, text: str, allowed_special: str | Iterable[str] = ()) -> list[int]:
        """The ids of a text."""
        return [self.numbers[i] for i in self.tokenizer.encode(text, allowed_special)]

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of these ids. Raises IndexError for one that has no token."""
        ids = [int(i) for i in ids]
        for at, i in enumerate(ids):
            if i not in self._back:
                raise IndexError(f"ids[{at}] is {i}, and this tokenizer has no such token.")
        return self.tokenizer.decode([self._back[i] for i in ids], errors)


# ---------------------------------------------------------------------------
# Reading


def load_tokenizer(folder: str | os.PathLike) -> BPETokenizer | CharTokenizer | Renumbered:
    """The tokenizer beside a checkpoint.

    Raises FileNotFoundError where there is none, ValueError where it is one of another kind.
    """
    folder = Path(folder).expanduser()
    whole, vocab, merges = (folder / name for name in
                            ("tokenizer.json", "vocab.json", "merges.txt"))
    try:
        if whole.is_file():
            said = json.loads(whole.read_text("utf8"))
            return load(whole) if "kind" in said else of_json(said)
        if vocab.is_file() and merges.is_file():
            lines = merges.read_text("utf8").split("\n")
            pairs = [line for line in lines if line and not line.startswith("#version")]
            return of_tokens(json.loads(vocab.read_text("utf8")), pairs, "gpt2")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"the tokenizer in {folder} is none that zh reads: {reason}") from error
    raise FileNotFoundError(f"{folder} has no tokenizer: neither tokenizer.json nor vocab.json "
                            "with merges.txt. Copy those files of the same model there.")


def of_json(said: dict) -> BPETokenizer | CharTokenizer | Renumbered:
    """What a tokenizer.json of Hugging Face's library says."""
    model, cut = said["model"], said["pre_tokenizer"] or {}
    if said.get("normalizer"):
        raise ValueError(f"it changes the text first ({said['normalizer']['type']}).")
    if model["type"] == "WordLevel" and cut == split(CHARACTER):
        chars = sorted(model["vocab"], key=model["vocab"].get)
        if sorted(model["vocab"].values()) != list(range(len(chars))):
            raise ValueError("the ids of its characters do not run from 0 on.")
        return CharTokenizer(chars)
    steps = cut["pretokenizers"] if cut.get("type") == "Sequence" else [cut]
    if model["type"] != "BPE" or steps[-1].get("type") != "ByteLevel":
        raise ValueError(f"it is {model['type']} after {cut.get('type')}; known are BPE on bytes, "
                         "and one token a character.")
    if steps[-1].get("add_prefix_space"):
        raise ValueError("it puts a space in front of every text.")
    special = [token["content"] for token in said.get("added_tokens", ())]
    vocab = {**model["vocab"],
             **{token["content"]: token["id"] for token in said.get("added_tokens", ())}}
    return of_tokens(vocab, model["merges"], pattern_of(steps), special)


def pattern_of(steps: list[dict]) -> str | None:
    """The pattern by which these steps, the last of them to bytes, cut a text."""
    *before, last = steps
    if last.get("use_regex", True):
        pattern = "gpt2"
    else:
        pattern = before.pop()["pattern"]["Regex"] if before else None
        pattern = next((name for name, own in PATTERNS.items() if own == pattern), pattern)
    if before or steps != cutting(pattern, last):
        raise ValueError(f"it cuts a text by {[step.get('type') for step in steps]} in a way that "
                         "is not known here.")
    return pattern


def of_tokens(vocab: dict[str, int], merges: Iterable[str | Sequence[str]], pattern: str | None,
              special: Iterable[str] | None = None) -> BPETokenizer | Renumbered:
    """A tokenizer from the tokens as GPT-2's files write them, and the pairs that make them.

    special: None for all tokens that are neither bytes nor made by a merge.
    """
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]
    number = {token: bytes_of(token)[0] for token in vocab if is_byte(token)}
    if len(number) != 256:
        raise ValueError(f"{len(number)} of the 256 bytes have a token.")
    numbers = [vocab[token] for token in sorted(number, key=number.get)]
    own = []
    for left, right in pairs:
        if left + right in number:
            raise ValueError(f"two merges make the token {left + right!r}.")
        own.append((number[left], number[right]))
        number[left + right] = len(numbers)
        numbers.append(vocab[left + right])
    if special is None:
        special = sorted(vocab.keys() - number.keys(), key=vocab.get)
    names = [name for name in special if name not in number]
    numbers += [vocab[name] for name in names]
    if sorted(numbers[:256]) + numbers[256:] == list(range(len(numbers))):    # as in GPT-2
        return BPETokenizer([(numbers[a], numbers[b]) for a, b in own], pattern=pattern,
                            special_tokens=names, byte_ids=numbers[:256])
    return Renumbered(BPETokenizer(own, pattern=pattern, special_tokens=names), numbers)


def is_byte(token: str) -> bool:
    """Whether a token, as GPT-2's files write it, is one byte."""
    try:
        return len(token) == 1 and len(bytes_of(token)) == 1
    except ValueError:                        # a character that stands for no byte
        return False


# ---------------------------------------------------------------------------
# Writing


def save_tokenizer(tokenizer: BPETokenizer | CharTokenizer, folder: str | os.PathLike) -> None:
    """Write a tokenizer for `transformers.AutoTokenizer`; whole or not at all."""
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
              "model_max_length": int(1e30)}
    if "<|endoftext|>" in getattr(tokenizer, "special", ()):
        config["eos_token"] = config["bos_token"] = "<|endoftext|>"
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    write_all(folder, {"tokenizer.json": json.dumps(json_of(tokenizer)).encode(),
                       "tokenizer_config.json": json.dumps(config, indent=2).encode()})


def json_of(tokenizer: BPETokenizer | CharTokenizer) -> dict:
    """What tokenizer.json says of a tokenizer."""
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
             "normalizer": None, "post_processor": None}
    if isinstance(tokenizer, CharTokenizer):
        vocab = {c: i for i, c in enumerate(tokenizer.chars)}
        return {**whole, "pre_tokenizer": split(CHARACTER), "decoder": {"type": "Fuse"},
                "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unknown>"}}
    if not isinstance(tokenizer, BPETokenizer):
        raise TypeError(f"a {type(tokenizer).__name__} has no form of Hugging Face's here: "
                        "give a CharTokenizer or a BPETokenizer.")
    char = {bytes_of(chr(c))[0]: chr(c) for c in range(33, 324) if is_byte(chr(c))}
    words = ["".join(char[b] for b in token) for token in tokenizer.vocab]
    for name, i in tokenizer.special.items():
        words[i] = name
    added = [{"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for name, i in tokenizer.special.items()]
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    steps = cutting(tokenizer.pattern, bytewise)
    return {**whole, "added_tokens": added, "decoder": {**bytewise, "use_regex": True},
            "pre_tokenizer": steps[0] if len(steps) == 1 else
            {"type": "Sequence", "pretokenizers": steps},
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": {word: i for i, word in enumerate(words)},
                      "merges": [[words[a], words[b]] for a, b in tokenizer.merges]}}


def cutting(pattern: str | None, bytewise: dict) -> list[dict]:
    """The steps that cut a text by a pattern and turn the pieces into bytes."""
    if pattern == "gpt2":
        return [{**bytewise, "use_regex": True}]
    first = [] if pattern is None else [split(PATTERNS.get(pattern, pattern))]
    return [*first, {**bytewise, "use_regex": False}]


def split(pattern: str) -> dict:
    """The step that makes a piece of each match, and of what lies between."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
            "invert": False}
