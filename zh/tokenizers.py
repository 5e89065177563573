"""Text to whole numbers and back: one number a character, or byte pair encoding.

    from zh import tokenizers
    chars = tokenizers.CharTokenizer.train(text)
    chars.encode("hi")                     # a list of ints; chars.decode gives "hi" back
    chars.save("chars.json")               # one JSON file
    tokenizers.load("chars.json")          # whichever kind was saved
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import torch


class CharTokenizer:
    """One token for each character (code point) that it knows, in the order given.

    chars: the characters, each once. `train(text)` takes those of a text, sorted.
    Raises ValueError where there is none, where one stands twice, or where an entry is no single
    character.
    """

    def __init__(self, chars: Iterable[str]):
        self.chars = list(chars)
        if not self.chars:
            raise ValueError("there are no characters: give a string of them, or train on a text "
                             "that is not empty.")
        for c in self.chars:
            if not isinstance(c, str) or len(c) != 1:
                raise ValueError(f"{c!r} is no single character.")
        self._id = {c: i for i, c in enumerate(self.chars)}
        if len(self._id) < len(self.chars):
            twice = next(c for i, c in enumerate(self.chars) if self._id[c] != i)
            raise ValueError(f"the character {_named(twice)} stands twice in the list.")

    @classmethod
    def train(cls, text: str) -> CharTokenizer:
        """The distinct characters of a text, sorted by code point."""
        return cls(sorted(set(_text(text))))

    @property
    def vocab_size(self) -> int:
        """How many tokens there are: ids run from 0 to vocab_size - 1."""
        return len(self.chars)

    def encode(self, text: str) -> list[int]:
        """The ids of a text's characters. Raises ValueError for a character that has none."""
        try:
            return [self._id[c] for c in _text(text)]
        except KeyError:
            at = next(i for i, c in enumerate(text) if c not in self._id)
            raise ValueError(
                f"the character {_named(text[at])} at position {at} is not in this tokenizer's "
                f"vocabulary of {self.vocab_size}. Leave it out of the text, train a tokenizer "
                "on a text that has it, or use BPETokenizer, which knows every text."
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids, a list or a tensor (T,). Raises IndexError for an id it lacks."""
        return "".join(self.chars[i] for i in _ids(ids, self.vocab_size))

    def save(self, path: str | os.PathLike) -> None:
        """Write one JSON file, whole or not at all."""
        _write(path, {"kind": "char", "chars": self.chars})

    @classmethod
    def load(cls, path: str | os.PathLike) -> CharTokenizer:
        """The tokenizer that `save` wrote. Raises ValueError for any other file."""
        return _load(path, cls)

    @classmethod
    def _from(cls, saved: dict) -> CharTokenizer:
        return cls(saved["chars"])

    def __repr__(self) -> str:
        return f"CharTokenizer({self.vocab_size} characters)"


def load(path: str | os.PathLike) -> CharTokenizer:
    """The tokenizer that a file holds, of whichever kind. Raises ValueError where it holds none."""
    return _load(path, None)


_KINDS = {"char": CharTokenizer}


def _load(path: str | os.PathLike, wanted: type | None):
    """Read what `save` wrote, and say what is wrong where it did not."""
    remedy = "Give the file that a tokenizer's save(path) wrote."
    try:
        saved = json.loads(Path(path).read_bytes())
        kind = _KINDS[saved["kind"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no tokenizer ({type(error).__name__}). {remedy}") from error
    if wanted and kind is not wanted:
        raise ValueError(f"{path} holds a {kind.__name__}, not a {wanted.__name__}. "
                         "zh.tokenizers.load(path) reads either.")
    try:
        return kind._from(saved)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is a damaged {kind.__name__}: {error}. {remedy}") from error


def _write(path: str | os.PathLike, saved: dict) -> None:
    """JSON beside the file, then renamed: there is never half a file."""
    path = Path(path)
    beside = path.with_name(path.name + ".tmp")
    try:
        beside.write_text(json.dumps(saved), encoding="ascii")
        os.replace(beside, path)
    except OSError:
        if beside.is_file() and not beside.is_symlink():
            beside.unlink()
        raise


def _text(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a text is a str; this is a {type(text).__name__}."
                        + (" Decode bytes first: data.decode('utf-8')."
                           if isinstance(text, bytes | bytearray) else ""))
    return text


def _ids(ids: Iterable[int], vocab_size: int) -> list[int]:
    """Ids as a list of ints between 0 and vocab_size - 1, or an error that says which is not."""
    if isinstance(ids, torch.Tensor):
        if ids.ndim != 1:
            raise ValueError(f"ids have the shape {tuple(ids.shape)}; one row (T,) is decoded at a "
                             "time: for row in ids: decode(row).")
        ids = ids.tolist()
    elif isinstance(ids, int | str):
        raise TypeError(f"ids are a list of ints or a tensor (T,); this is {ids!r}.")
    out = list(ids)
    for at, i in enumerate(out):
        if isinstance(i, bool) or not hasattr(i, "__index__"):
            raise TypeError(f"ids[{at}] is {i!r}: an id is an int.")
        if not 0 <= i < vocab_size:
            raise IndexError(f"ids[{at}] is {i}, and this tokenizer has the ids 0 to "
                             f"{vocab_size - 1}. Was the text encoded by another tokenizer?")
    return out


def _named(c: str) -> str:
    """A character for a message: itself in quotes and its code point."""
    return f"{c!r} (U+{ord(c):04X})"
