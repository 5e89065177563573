"""The exercises of the chapter on tokenization. References are zh.tokenizers' own functions."""

from __future__ import annotations

import codecs
import itertools
import math
import random

from zh import tokenizers
from zh.exercises import Exercise

TEXT = "Zürich, 4 °C 🏔"  # 14 characters
LOSS, PER_TOKEN = 3.2, 4.1  # nats a token, bytes a token

# ---------------------------------------------------------------- merge


def _merge_once(ids, pair, new):
    """The slip: only the first occurrence."""
    for i, found in enumerate(itertools.pairwise(ids)):
        if found == pair:
            return [*ids[:i], new, *ids[i + 2 :]]
    return list(ids)


def _merge_kept(ids, pair, new):
    """The slip: the right half of the pair stays."""
    out = []
    for i, token in enumerate(ids):
        out.append(new if tuple(ids[i : i + 2]) == pair else token)
    return out


def _merge_no_last(ids, pair, new):
    """The slip: the loop ends before the last token."""
    out, i = [], 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def _merge_from_right(ids, pair, new):
    back = tokenizers.merge(list(ids)[::-1], pair[::-1], new)
    return back[::-1]


def _merge_inputs():
    dice = random.Random(0)
    for length in (11, 8, 1, 0, 30):
        yield [dice.choice([97, 98, 99]) for _ in range(length)], (97, 98), 256
    yield [97, 97, 97, 98, 97, 97], (97, 97), 256
    yield [97, 98], (97, 98), 300


# ---------------------------------------------------------------- encode


def _encode(data, merges):
    ranks = {pair: 256 + i for i, pair in enumerate(merges)}
    return tokenizers.apply(list(data), ranks)


def _encode_first_found(data, merges):
    """The slip: the first pair from the left that any merge has."""
    ids, ranks = list(data), {pair: 256 + i for i, pair in enumerate(merges)}
    while True:
        for i, pair in enumerate(itertools.pairwise(ids)):
            if pair in ranks:
                ids[i : i + 2] = [ranks[pair]]
                break
        else:
            return ids


def _encode_last(data, merges):
    """The slip: the highest rank first."""
    ids, ranks = list(data), {pair: 256 + i for i, pair in enumerate(merges)}
    while found := [pair for pair in itertools.pairwise(ids) if pair in ranks]:
        pair = max(found, key=ranks.get)
        ids = tokenizers.merge(ids, pair, ranks[pair])
    return ids


def _encode_commonest(data, merges):
    """The slip: the pair that is commonest in this text, as in training."""
    ids, ranks = list(data), {pair: 256 + i for i, pair in enumerate(merges)}
    while found := [pair for pair in itertools.pairwise(ids) if pair in ranks]:
        pair = min(set(found), key=lambda p: (-found.count(p), ranks[p]))
        ids = tokenizers.merge(ids, pair, ranks[pair])
    return ids


def _encode_longest(data, merges):
    """The slip: from the left, the longest token that fits."""
    vocab = {token: i for i, token in enumerate(tokenizers.BPETokenizer(merges).vocab)}
    out, rest = [], bytes(data)
    while rest:
        size = max(n for n in range(1, len(rest) + 1) if rest[:n] in vocab)
        out.append(vocab[rest[:size]])
        rest = rest[size:]
    return out


def _encode_inputs():
    merges = [(98, 99), (97, 98), (97, 256), (257, 256), (97, 97), (99, 97)]
    # bc, ab, abc, abbc, aa, ca
    for text in ("abc", "bca", "abab", "abbc", "ababc", "aabc", "aaabbcab", "x", ""):
        yield text.encode(), merges
    yield b"abcabc", []


# ---------------------------------------------------------------- a stream of text


def _stream(tokens):
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return [decoder.decode(token) for token in tokens]


def _stream_each(tokens):
    """The slip: each token by itself."""
    return [token.decode("utf-8", "replace") for token in tokens]


def _stream_ignored(tokens):
    """The slip: what is no character yet is thrown away."""
    return [token.decode("utf-8", "ignore") for token in tokens]


def _stream_late(tokens):
    """The slip: nothing until all that is kept is whole, so a part delays the letters before it."""
    out, kept = [], b""
    for token in tokens:
        kept += token
        try:
            out.append(kept.decode("utf-8"))
            kept = b""
        except UnicodeDecodeError:
            out.append("")
    return out


def _stream_inputs():
    yield ([b"na", "ï".encode()[:1], "ï".encode()[1:] + b"ve"],)
    face = "😀".encode()
    yield ([b"a" + face[:2], face[2:3], face[3:] + b"!"],)
    yield ([face[i : i + 1] for i in range(4)],)
    yield ([b"plain", b" text"],)
    yield ([],)


# ---------------------------------------------------------------- merges from a list of tokens


def _vocab(size=330):
    """The bytes of the tokens of a small tokenizer, by id."""
    text = "the cat that sat on the mat ate the other rat there; " * 4
    text += "ananas banana bandana, hahaha hahahaha ----- ------- ------\n" * 3
    return tokenizers.BPETokenizer.train(text, size).vocab


def _recover(vocab):
    ids = {token: i for i, token in enumerate(vocab)}
    merges, ranks = [], {}
    for new in range(256, len(vocab)):
        a, b = tokenizers.apply(list(vocab[new]), ranks)
        ranks[a, b] = ids[vocab[new]]
        merges.append((a, b))
    return merges


def _recover_by(choose):
    """The slip: any way to cut a token into two that stand before it in the list."""

    def slip(vocab):
        ids, merges = {token: i for i, token in enumerate(vocab)}, []
        for new in range(256, len(vocab)):
            token = vocab[new]
            cuts = [(ids[token[:k]], ids[token[k:]]) for k in range(1, len(token))
                    if ids.get(token[:k], new) < new and ids.get(token[k:], new) < new]  # fmt: skip
            merges.append(choose(cuts))
        return merges

    return slip


_recover_first = _recover_by(lambda cuts: cuts[0])
_recover_last = _recover_by(lambda cuts: cuts[-1])


EXERCISES = [
    Exercise(
        "bytes-of-a-text",
        "How many bytes",
        minutes=3,
        kind="number",
        answer=lambda: len(TEXT.encode()),
        tolerance=1e-9,
        mistakes=[
            (lambda: len(TEXT), "That is the number of characters. Three of them take more than "
                                "one byte each."),
            (lambda: len(TEXT.encode("utf-16-le")), "That is UTF-16: two or four bytes each."),
            (lambda: 4 * len(TEXT), "That is UTF-32: four bytes each. UTF-8 takes one to four."),
            (lambda: len(TEXT.encode()) - 2, "The mountain is beyond U+FFFF: four bytes, not two."),
            (lambda: len(TEXT.encode()) - 1, "One short: ü and ° take two bytes each, the mountain "
                                             "four."),
        ],
        because="ü and ° take two bytes each, the mountain four, the other eleven one.",
    ),
    Exercise(
        "which-pair",
        "The first merge",
        minutes=5,
        kind="choice",
        choices=["l and o", "o and w", "w and e", "w and the space"],
        answer="l and o",
        why={
            "o and w": "It stands there as often as l and o. Then the rule for ties decides.",
            "w and e": "Count it: lower, lowest, and no third.",
            "w and the space": "Nothing is merged across the border of two pieces, and it stands "
                               "there once.",
        },
        because="lo and ow stand there three times each, and l comes before o in the order of "
                "bytes.",
    ),
    Exercise(
        "tokens-by-hand",
        "Encode by hand",
        minutes=5,
        kind="number",
        answer=lambda: len(_encode(b"ababc", [(98, 99), (97, 98), (97, 256)])),
        tolerance=1e-9,
        mistakes=[
            (lambda: 5, "That is the number of bytes. Merges fit."),
            (lambda: 3, "One more merge fits: which pair is left, and which merge has it?"),
            (lambda: 1, "No merge joins two of these tokens to all of it."),
        ],
        because="bc goes first and takes the b that the last ab needed; then ab; then a and bc.",
    ),
    Exercise(
        "bits-per-byte",
        "From nats a token to bits a byte",
        minutes=3,
        kind="number",
        answer=lambda: LOSS / math.log(2) / PER_TOKEN,
        tolerance=5e-3,
        mistakes=[
            (lambda: LOSS / math.log(2), "That is bits a token. A token is 4.1 bytes."),
            (lambda: LOSS / PER_TOKEN, "That is nats a byte: divide by ln 2 as well."),
            (lambda: LOSS * math.log(2) / PER_TOKEN, "A nat is 1/ln 2 bits, more than one: divide "
                                                     "by ln 2."),
            (lambda: LOSS / math.log(2) * PER_TOKEN, "More bytes a token make it fewer bits a "
                                                     "byte: divide by them."),
        ],
        because="3.2 nats are 4.6 bits, spread over 4.1 bytes.",
    ),
    Exercise(
        "merge-a-pair",
        "merge",
        minutes=10,
        kind="function",
        answer=tokenizers.merge,
        inputs=lambda: list(_merge_inputs()),
        mistakes=[
            (_merge_once, "Only the first occurrence is replaced."),
            (_merge_kept, "The right half of the pair is still there: after a merge, go on two "
                          "places."),
            (_merge_no_last, "The last token is lost where it is in no pair."),
            (_merge_from_right, "In a run such as a a a the pair on the left is merged, not the "
                                "one on the right."),
        ],
        because="Runs, borders, one token and none at all included.",
    ),
    Exercise(
        "encode-by-rank",
        "encode",
        minutes=20,
        kind="function",
        answer=_encode,
        inputs=lambda: list(_encode_inputs()),
        mistakes=[
            (_encode_first_found, "That merges the first pair from the left that has a merge. The "
                                  "merge that was learned first goes first, wherever it stands."),
            (_encode_last, "That takes the merge that was learned last. Turn it round."),
            (_encode_commonest, "How often a pair stands in this text does not matter: training "
                                "decided on the order."),
            (_encode_longest, "That takes the longest token that fits, from the left. The order "
                              "of the merges decides."),
        ],
        because="The same tokens that training would have left.",
    ),
    Exercise(
        "text-in-a-stream",
        "Text while it is generated",
        minutes=30,
        kind="function",
        answer=_stream,
        inputs=lambda: list(_stream_inputs()),
        mistakes=[
            (_stream_each, "Each token is decoded by itself: parts of a character come out as "
                           "U+FFFD."),
            (_stream_ignored, "Parts of a character are thrown away; keep them until the rest "
                              "comes."),
            (_stream_late, "Letters wait for a character behind them that is not whole. Give out "
                           "what is whole, keep the rest."),
        ],
        because="Every character comes out whole, as soon as its last byte is there.",
    ),
    Exercise(
        "merges-from-tokens",
        "The merges behind a list of tokens",
        minutes=60,
        kind="function",
        answer=_recover,
        inputs=lambda: [(_vocab(),), (_vocab(300),)],
        mistakes=[
            (_recover_first, "You took a cut into two tokens that exist, the first one. Often "
                             "there are several: the right one is what the earlier merges leave."),
            (_recover_last, "You took a cut into two tokens that exist, the last one. Often there "
                            "are several: the right one is what the earlier merges leave."),
        ],
        because="Encoded with the merges before it, each token is the two that it was made of.",
    ),
]
