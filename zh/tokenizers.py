"""Text to whole numbers and back: one number a character, or byte pair encoding.

    from zh import tokenizers
    bpe = tokenizers.BPETokenizer.train(text, 1000, special_tokens=["<|end|>"])
    ids = bpe.encode("any text: Füße, 😀")     # a list of ints
    bpe.decode(ids)                            # the same text, whatever it was
    bpe.save("bpe.json")                       # one JSON file
    tokenizers.load("bpe.json")                # whichever kind was saved
    tokenizers.CharTokenizer.train(text)       # one token a character

Byte pair encoding replaces the commonest pair of neighbours by a new token, over and over. It is
a method of compression (Gage 1994), used for the words of translation by Sennrich, Haddow and
Birch (2016) and on bytes by Radford and others (2019), whose pattern for cutting a text into
pieces is "gpt2" here; "gpt4" is the one that OpenAI published in tiktoken as cl100k_base.

`learn_textbook` counts all pairs anew for each merge, and is the definition. `learn` gives the
same merges and touches only what changed. Of pairs that are equally frequent the first is the
one whose left token, then whose right token, stands first in the vocabulary, where bytes stand
in the order of GPT-2's (printable ones first). So the merges are those of Hugging Face's
tokenizers for the same pieces.

Left out: normalisation of the text, other kinds of subwords (WordPiece, unigram), and training
from a stream that does not fit in memory.
"""
from __future__ import annotations

import codecs
import functools
import json
import math
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path

import torch

Pair = tuple[int, int]

# How a text is cut before pairs are counted: as published, by Radford et al. (2019) and in
# OpenAI's tiktoken. \p{L} is any letter, \p{N} any sign for a number, of any script.
PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}

# GPT-2's order of the 256 bytes: those that print as one character first.
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_GPT2_BYTES = _PRINTABLE + [b for b in range(256) if b not in _PRINTABLE]
_RANK = [_GPT2_BYTES.index(b) for b in range(256)]
# The characters that stand for bytes in files of GPT-2's kind: themselves, or U+0100 and after.
_CHAR = [chr(b) if b in _PRINTABLE else chr(256 + _RANK[b] - len(_PRINTABLE)) for b in range(256)]


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


# ---------------------------------------------------------------------------------------
# Byte pair encoding: learning merges, and applying them


def count_pairs(pieces: Iterable[Sequence[int]]) -> Counter[Pair]:
    """How often each pair of neighbours stands in the pieces."""
    counts: Counter[Pair] = Counter()
    for ids in pieces:
        counts.update(pairwise(ids))
    return counts


def merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """`ids` with `new` where `pair` stood, replaced from left to right."""
    out, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def tie(pair: Pair) -> Pair:
    """Where a pair stands among equally frequent ones: the smallest is
    merged first. Bytes rank as in GPT-2, printable ones in front."""
    a, b = pair
    return (_RANK[a] if a < 256 else a, _RANK[b] if b < 256 else b)


def learn_textbook(pieces: Iterable[bytes], merges: int,
                   min_count: int = 2) -> list[Pair]:
    """The first `merges` merges, by counting every pair anew each time.

    Merge i makes token 256 + i. Fewer come back where no pair stands
    `min_count` times any more. Ties: see `tie`.
    """
    rows, learned = [list(piece) for piece in pieces], []
    while len(learned) < merges:
        counts = count_pairs(rows)
        pair = min(counts, default=None,
                   key=lambda pair: (-counts[pair], tie(pair)))
        if pair is None or counts[pair] < min_count:
            break
        new = 256 + len(learned)
        rows = [merge(row, pair, new) for row in rows]
        learned.append(pair)
    return learned


def learn(pieces: Iterable[bytes], merges: int,
          min_count: int = 2) -> list[Pair]:
    """The merges of `learn_textbook`, found without counting anew.

    Equal pieces are kept once, with the number of times they occur. All of
    them stand in one row with a wall, -1, between them; `before` and
    `after` link the tokens that are left.
    """
    row, weight = [-1], [0]
    for piece, times in Counter(pieces).items():
        row += [*piece, -1]
        weight += [times] * len(piece) + [0]
    before, after = list(range(-1, len(row))), list(range(1, len(row) + 1))

    counts, places = Counter(), defaultdict(list)
    for i, pair in enumerate(pairwise(row)):
        if -1 not in pair:
            counts[pair] += weight[i]
            places[pair].append(i)
    heap = [(-n, tie(pair), pair) for pair, n in counts.items()]
    heapify(heap)

    learned: list[Pair] = []
    while heap and len(learned) < merges:
        n, _, pair = heappop(heap)
        if counts[pair] != -n:           # rarer since it was put there
            heappush(heap, (-counts[pair], tie(pair), pair))
            continue
        if -n < min_count:
            break
        new = 256 + len(learned)
        learned.append(pair)
        fresh = set()
        for i in places.pop(pair):
            j = after[i]
            if (row[i], row[j]) != pair:         # part of another token now
                continue
            h, k, times = before[i], after[j], weight[i]
            row[i], row[j] = new, -1
            after[i], before[k] = k, i
            for at, old, now in ((h, (row[h], pair[0]), (row[h], new)),
                                 (i, (pair[1], row[k]), (new, row[k]))):
                if -1 not in old:
                    counts[old] -= times
                    counts[now] += times
                    places[now].append(at)
                    fresh.add(now)
        del counts[pair]
        for now in fresh:
            heappush(heap, (-counts[now], tie(now), now))
    return learned


def apply(ids: Sequence[int], ranks: dict[Pair, int]) -> list[int]:
    """Merge the pair that was learned first, again and again, until none
    is left. ranks: {pair: the token it makes}, a lower number learned
    earlier."""
    while len(ids) > 1:
        pair = min(pairwise(ids), key=lambda p: ranks.get(p, math.inf))
        if pair not in ranks:
            break
        ids = merge(ids, pair, ranks[pair])
    return list(ids)


def _apply_long(ids: Sequence[int], ranks: dict[Pair, int]) -> list[int]:
    """What `apply` gives, in n log n steps instead of n * n: for pieces that are no words."""
    ids, size = list(ids), len(ids)
    before, after = list(range(-1, size)), list(range(1, size + 1))
    heap = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapify(heap)
    while heap:
        new, i = heappop(heap)
        j = after[i]
        if j >= size or ranks.get((ids[i], ids[j])) != new:     # gone since it was put there
            continue
        h, k = before[i], after[j]
        ids[i], ids[j], after[i] = new, -1, k
        if k < size:
            before[k] = i
            if (pair := (new, ids[k])) in ranks:
                heappush(heap, (ranks[pair], i))
        if h >= 0 and (pair := (ids[h], new)) in ranks:
            heappush(heap, (ranks[pair], h))
    return [i for i in ids if i >= 0]


class BPETokenizer:
    """Byte pair encoding: 256 bytes, then one token a merge, then the special tokens.

    merges: pairs of ids; merge i makes the id 256 + i. pattern: how a text is cut into pieces
    first, across which nothing is merged: "gpt4", "gpt2", None for no cut, or a regular
    expression of your own, which may say \\p{L} and \\p{N}; what it leaves out between two pieces
    is a piece too. special_tokens: texts that stand for themselves, in the order of their ids.
    byte_ids: the id of each byte, where it is not the byte itself (GPT-2's are not).

    `vocab[id]` is the bytes of a token, `special` {text: id}. Every text has an encoding, and
    `decode(encode(text)) == text` for every str, lone surrogates included.
    """

    def __init__(self, merges: Iterable[Sequence[int]], *, pattern: str | None = "gpt4",
                 special_tokens: Iterable[str] = (), byte_ids: Sequence[int] | None = None):
        self.pattern, self._regex = pattern, _compile(pattern)
        self.byte_ids = list(range(256)) if byte_ids is None else list(byte_ids)
        if sorted(self.byte_ids) != list(range(256)):
            raise ValueError("byte_ids must hold each number from 0 to 255 once.")
        self.vocab = [b""] * 256
        for byte, i in enumerate(self.byte_ids):
            self.vocab[i] = bytes([byte])
        self.merges: list[Pair] = []
        self._ranks: dict[Pair, int] = {}
        for a, b in merges:
            new = len(self.vocab)
            if not (0 <= a < new and 0 <= b < new) or (a, b) in self._ranks:
                raise ValueError(f"merge {len(self.merges)}, {(a, b)}, makes the token {new}: its "
                                 f"two parts must be ids below {new}, and no earlier merge's.")
            self.merges.append((a, b))
            self._ranks[a, b] = new
            self.vocab.append(self.vocab[a] + self.vocab[b])
        self.special: dict[str, int] = {}
        for text in _names_of(special_tokens):
            self.special[text] = len(self.vocab)
            self.vocab.append(_bytes(text))

    @classmethod
    def train(cls, text: str, vocab_size: int, *, pattern: str | None = "gpt4",
              special_tokens: Iterable[str] = (), min_count: int = 2) -> BPETokenizer:
        """Learn merges from a text until there are `vocab_size` tokens, special ones included.

        Fewer where no pair stands `min_count` times any more: `.vocab_size` is how many there
        are. Where the text of a special token stands in `text`, it is left out, and nothing is
        merged across it. Raises ValueError for an empty text, or a size with no room for the
        bytes and the special tokens.
        """
        special_tokens = _names_of(special_tokens)
        merges = vocab_size - 256 - len(special_tokens)
        if merges < 0:
            raise ValueError(f"vocab_size is {vocab_size}; the 256 bytes and "
                             f"{len(special_tokens)} special tokens need "
                             f"{256 + len(special_tokens)} or more.")
        if not _text(text):
            raise ValueError("the text is empty: there are no pairs to learn from.")
        parts = _outside(special_tokens).split(text) if special_tokens else [text]
        regex = _compile(pattern)
        pieces = (_bytes(piece) for part in parts for piece in _cut(regex, part))
        return cls(learn(pieces, merges, min_count), pattern=pattern,
                   special_tokens=special_tokens)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are: ids run from 0 to vocab_size - 1."""
        return len(self.vocab)

    def split(self, text: str) -> list[str]:
        """The pieces that the pattern cuts a text into; joined they are the text."""
        return _cut(self._regex, _text(text))

    def encode(self, text: str, allowed_special: str | Iterable[str] = ()) -> list[int]:
        """The ids of a text.

        The text of a special token is ordinary text, spelled in ordinary tokens, unless it is
        allowed: "all", or a collection of special tokens. So what a stranger typed cannot end
        your document. Raises ValueError for an allowed one that this tokenizer has not.
        """
        if isinstance(allowed_special, str):
            allowed = list(self.special) if allowed_special == "all" else [allowed_special]
        else:
            allowed = list(allowed_special)
        if unknown := [name for name in allowed if name not in self.special]:
            raise ValueError(f"{unknown[0]!r} is no special token of this tokenizer; it has "
                             f"{', '.join(map(repr, self.special)) or 'none'}.")
        parts = re.split(f"({_outside(allowed).pattern})", _text(text)) if allowed else [text]
        ids: list[int] = []
        known: dict[str, list[int]] = {}        # each distinct piece is merged once
        for n, part in enumerate(parts):
            if n % 2:                           # what the split was at
                ids.append(self.special[part])
                continue
            for piece in _cut(self._regex, part):
                if piece not in known:
                    known[piece] = self._encode_piece(piece)
                ids += known[piece]
        return ids

    def _encode_piece(self, piece: str) -> list[int]:
        ids = [self.byte_ids[byte] for byte in _bytes(piece)]
        return (apply if len(ids) <= 64 else _apply_long)(ids, self._ranks)

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of these ids, a list or a tensor (T,).

        A token may be part of a character, so not every row of ids is a text. Bytes that are
        none come out as U+FFFD, or as a ValueError with errors="strict". Raises IndexError for
        an id that this tokenizer has not.
        """
        if errors not in ("replace", "strict"):
            raise ValueError(f"errors is {errors!r}; it is 'replace' or 'strict'.")
        found = self.decode_bytes(ids)
        try:
            return found.decode("utf-8", _LENIENT if errors == "replace" else "surrogatepass")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"these ids are no whole text: byte {error.start} of {len(found)}, "
                f"0x{found[error.start]:02x}, begins or ends in the middle of a character. "
                "Decode more ids at once, or with errors='replace'.") from error

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of these ids, whether they are a text or not."""
        return b"".join([self.vocab[i] for i in _ids(ids, self.vocab_size)])

    def save(self, path: str | os.PathLike) -> None:
        """Write one JSON file, whole or not at all."""
        _write(path, {"kind": "bpe", "pattern": self.pattern, "merges": self.merges,
                      "special_tokens": list(self.special), "byte_ids": self.byte_ids})

    @classmethod
    def load(cls, path: str | os.PathLike) -> BPETokenizer:
        """The tokenizer that `save` wrote. Raises ValueError for any other file."""
        return _load(path, cls)

    @classmethod
    def _from(cls, saved: dict) -> BPETokenizer:
        return cls(saved["merges"], pattern=saved["pattern"],
                   special_tokens=saved["special_tokens"], byte_ids=saved["byte_ids"])

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike) -> BPETokenizer:
        """GPT-2's tokenizer, or one laid out like it, from the vocab.json and merges.txt in a
        folder. Its ids are the ids of those files. Raises ValueError where they are laid out
        otherwise.
        """
        folder = Path(folder)
        ids = json.loads((folder / "vocab.json").read_text("utf-8"))
        lines = (folder / "merges.txt").read_text("utf-8").split("\n")
        pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        try:
            byte_ids = [ids[_CHAR[b]] for b in range(256)]
            merges = [(ids[left], ids[right]) for left, right in pairs]
            made = [ids[left + right] for left, right in pairs]
            special = sorted((i, name) for name, i in ids.items() if i >= 256 + len(merges))
            found = made + [i for i, _ in special]
            if sorted(byte_ids) + found != list(range(len(ids))):
                raise ValueError("the ids are not bytes, then merges, then special tokens")
            return cls(merges, pattern="gpt2", special_tokens=[name for _, name in special],
                       byte_ids=byte_ids)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{folder} holds no tokenizer laid out like GPT-2's: "
                             f"{error}.") from error

    def __repr__(self) -> str:
        special = f", {len(self.special)} special" if self.special else ""
        return (f"BPETokenizer({self.vocab_size} tokens: 256 bytes, {len(self.merges)} merges"
                f"{special}; pattern {self.pattern!r})")


def load(path: str | os.PathLike) -> CharTokenizer:
    """The tokenizer that a file holds, of whichever kind. Raises ValueError where it holds none."""
    return _load(path, None)


_KINDS = {"char": CharTokenizer, "bpe": BPETokenizer}


# ---------------------------------------------------------------------------------------
# Cutting, bytes, files


@functools.cache
def _class(letter: str) -> str:
    """The inside of a character class for Unicode's letters (L), numbers (N) or white space (s).

    The standard library's `re` has none of the three: its \\w and \\d are other sets, and its \\s
    holds four control characters more.
    """
    test = {"L": str.isalpha,
            "N": lambda c: c.isalnum() and not c.isalpha(),
            "s": lambda c: c.isspace() and not "\x1c" <= c <= "\x1f"}[letter]
    inside = bytes(map(test, map(chr, range(sys.maxunicode + 1))))      # a 1 for each that is in
    return "".join(f"\\U{run.start():08x}-\\U{run.end() - 1:08x}"
                   for run in re.finditer(b"\1+", inside))


@functools.cache
def _compile(pattern: str | None) -> re.Pattern | None:
    """A pattern as a regular expression of the standard library."""
    if pattern is None:
        return None
    if not isinstance(pattern, str):
        raise TypeError(f"the pattern is {pattern!r}; it is one of {', '.join(PATTERNS)}, None, or "
                        "a regular expression.")

    def spelled(found: re.Match) -> str:
        part = found[0]
        if part.startswith("["):
            return re.sub(r"\\p\{([LN])\}|\\(s)", lambda m: _class(m[1] or m[2]), part)
        if part.startswith("\\p"):
            return f"[{_class(part[3])}]"
        return f"[{'^' if part == chr(92) + 'S' else ''}{_class('s')}]"

    text = PATTERNS.get(pattern, pattern)
    try:
        regex = re.compile(re.sub(r"\[(?:\\.|[^\]\\])*\]|\\p\{[LN]\}|\\[sS]", spelled, text))
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is neither one of {', '.join(PATTERNS)} nor a "
                         f"regular expression: {error}.") from error
    if regex.groups:
        raise ValueError(f"the pattern {pattern!r} has groups that capture; write (?:...) instead "
                         "of (...).")
    return regex


def _cut(regex: re.Pattern | None, text: str) -> list[str]:
    """The pieces of a text, none of them empty; joined they are the text."""
    if regex is None:
        return [text] if text else []
    pieces = regex.findall(text)
    if sum(map(len, pieces)) == len(text):
        return [piece for piece in pieces if piece]
    pieces, end = [], 0
    for found in regex.finditer(text):           # what no match covers is a piece too
        pieces += [text[end:found.start()], found[0]]
        end = found.end()
    return [piece for piece in [*pieces, text[end:]] if piece]


def _outside(names: list[str]) -> re.Pattern:
    """What finds these texts, the longest first."""
    return re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))


def _names_of(special_tokens: Iterable[str]) -> list[str]:
    if isinstance(special_tokens, str):
        raise TypeError(f"special_tokens is the text {special_tokens!r}; give a list of texts.")
    names = list(special_tokens)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"special_tokens are {names!r}; they must be texts, none empty, none "
                         "twice.")
    return names


def _bytes(text: str) -> bytes:
    """UTF-8, and three bytes for a lone surrogate, which UTF-8 has not."""
    return text.encode("utf-8", "surrogatepass")


def bytes_of(token: str) -> bytes:
    """The bytes of a token as files of GPT-2's kind write it: "Ġthe" is b" the"."""
    return bytes(_CHAR.index(c) for c in token)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """What stands for bytes that are no UTF-8: a surrogate if they are its three, else U+FFFD."""
    try:
        three = error.object[error.start:error.start + 3]
        return three.decode("utf-8", "surrogatepass"), error.start + 3
    except UnicodeDecodeError:
        return "\ufffd", error.end


_LENIENT = "zh.tokenizers.replace"
codecs.register_error(_LENIENT, _replace)


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
