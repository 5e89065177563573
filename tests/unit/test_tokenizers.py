"""Tokenizers against Hugging Face's, against the textbook loop, and against nasty text."""

import json
import re
import unicodedata
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from py_mini_racer import MiniRacer
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from zh import data, labs, tokenizers
from zh.tokenizers import PATTERNS, BPETokenizer, CharTokenizer, learn, learn_textbook, merge

NASTY = [
    "",
    " ",
    "\n",
    "aaabdaaabac",
    "Füße, naïve; e\u0301",
    "😀 👩\u200d👩\u200d👧 🇮🇸",
    "שלום עולם \u202eabc",
    "नमस्ते 世界 こんにちは",
    "\ud800",
    "a\udfff\udfffb",
    "\udcff\ud83d",
    "\x00\x1c\x85\u2028",
    "\ufeffx",
    "it's 'S 'ſ IT'LL",
    "12345 ²Ⅷ٣",
    "  \t\r\n\r\n  x",
    "\U0010ffff",
    "�",
]
# What Python 3.11 and Hugging Face both know: later letters are in one table and not in the other
anything = st.text(st.characters(exclude_categories=["Cn", "Cs"]), max_size=60)
with_surrogates = st.text(st.characters(), max_size=40)  # all of them, surrogates too
few = st.text("ab' 1\né", max_size=60)


@pytest.fixture(scope="module")
def text():
    """Some English, German and Greek, numbers and odd spaces; and a page of the bundled text."""
    lines = [
        f"{n} cats sat on {n % 7} mats, and the cat's hat wasn't that flat.  Größe: {n * n}.\n"
        f"\tΗ γάτα κάθεται {n}; the 'rat' ate {n % 3}0,000 oats -- \"indeed\"!\r\n"
        for n in range(60)
    ]
    return "".join(lines) + data.text("bundled")[:15_000]


@pytest.fixture(scope="module")
def trained(text):
    special = ["<|end|>", "<|end|><|end|>", "[user]"]
    return {
        p: BPETokenizer.train(text, 400, pattern=p, special_tokens=special)
        for p in ("gpt2", "gpt4", None)
    }


def hugging_face(text, size, pattern, min_count=2):
    """Hugging Face's tokenizer, trained on the same text."""
    cut = {
        "gpt2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
        None: [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
    }
    cut["gpt4"] = [pre_tokenizers.Split(Regex(PATTERNS["gpt4"]), "isolated"), *cut[None]]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(cut[pattern])
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        [text],
        trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=min_count,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    return made


def same_as(ours, theirs, text):
    """Equal merges, and equal tokens of a text."""
    merges = json.loads(theirs.to_str())["model"]["merges"]
    found = [(ours.vocab[a], ours.vocab[b]) for a, b in ours.merges]
    assert found == [tuple(map(tokenizers.bytes_of, pair)) for pair in merges]
    tokens = [tokenizers.bytes_of(token) for token in theirs.encode(text).tokens]
    assert [ours.vocab[i] for i in ours.encode(text)] == tokens


class TestChars:
    def test_round_trip(self):
        chars = CharTokenizer.train("hello, wörld\ud800")
        assert chars.chars == sorted(set("hello, wörld\ud800")) and chars.vocab_size == 11
        ids = chars.encode("wölle\ud800")
        assert ids == [chars.chars.index(c) for c in "wölle\ud800"]
        assert chars.decode(ids) == chars.decode(torch.tensor(ids)) == "wölle\ud800"
        assert chars.encode("") == [] and chars.decode([]) == ""

    def test_an_unknown_character_is_named_with_its_place(self):
        with pytest.raises(
            ValueError, match=r"'x' \(U\+0078\) at position 2 .* vocabulary of 4\. .*BPE"
        ):
            CharTokenizer("helo").encode("hexe")

    @pytest.mark.parametrize(
        "chars, match",
        [
            ("", "no characters"),
            ("abca", r"'a' \(U\+0061\) stands twice"),
            (["a", "bc"], "'bc' is no single"),
            ([1], "1 is no single"),
        ],
    )
    def test_no_vocabulary(self, chars, match):
        with pytest.raises(ValueError, match=match):
            CharTokenizer(chars)

    def test_what_is_no_text(self):
        with pytest.raises(TypeError, match=r"this is a bytes\. Decode"):
            CharTokenizer("ab").encode(b"ab")
        with pytest.raises(ValueError, match="not empty"):
            CharTokenizer.train("")


@pytest.fixture(params=["char", "bpe"])
def some(request):
    return CharTokenizer("abc") if request.param == "char" else BPETokenizer([(97, 98)])


@pytest.mark.parametrize(
    "ids, error, match",
    [
        ([0, -1], IndexError, r"ids\[1\] is -1.*another tokenizer"),
        ([999], IndexError, r"ids\[0\] is 999"),
        ([1.0], TypeError, "an id is an int"),
        ([True], TypeError, "an id is an int"),
        (3, TypeError, "a list of ints"),
        ("a", TypeError, "a list of ints"),
        (torch.zeros(1, 2, dtype=torch.int64), ValueError, r"\(1, 2\); one row"),
        (torch.tensor([0.5]), TypeError, "an id is an int"),
    ],
)
def test_ids_that_are_none(some, ids, error, match):
    with pytest.raises(error, match=match):
        some.decode(ids)


class TestMerges:
    def test_the_example_of_wikipedia(self):
        """Byte-pair encoding of aaabdaaabac: Z=aa, Y=ab, X=ZY give XdXac."""
        assert learn([b"aaabdaaabac"], 10) == [(97, 97), (97, 98), (256, 257)]
        made = BPETokenizer.train("aaabdaaabac", 259, pattern=None)
        assert made.encode("aaabdaaabac") == [258, 100, 258, 97, 99]
        assert (
            BPETokenizer.train("aaabdaaabac", 500, pattern=None).vocab_size == 259
        )  # no pair twice

    def test_a_run_is_merged_from_the_left(self):
        assert merge([1, 1, 1, 2, 1, 1], (1, 1), 9) == [9, 1, 2, 9]
        assert merge([], (1, 1), 9) == [] and merge([1], (1, 1), 9) == [1]

    @settings(max_examples=150)
    @given(
        st.lists(st.text("ab c", max_size=30).map(str.encode), max_size=6),
        st.integers(0, 20),
        st.integers(1, 3),
    )
    def test_incremental_is_textbook(self, pieces, merges, least):
        assert learn(pieces, merges, least) == learn_textbook(pieces, merges, least)

    @given(st.binary(max_size=80))
    def test_incremental_is_textbook_on_any_bytes(self, data):
        assert learn([data, data[::2]], 30) == learn_textbook([data, data[::2]], 30)

    @pytest.mark.parametrize("pattern", ["gpt2", "gpt4", None])
    def test_merges_and_tokens_are_those_of_hugging_face(self, text, pattern):
        ours = BPETokenizer.train(text, 500, pattern=pattern)
        assert ours.vocab_size == 500
        unseen = "The bat's mat: 1234567, Größenwahn!\n\n  γάτες 😀 \tit'LL"
        same_as(ours, hugging_face(text, 500, pattern), unseen)

    @settings(max_examples=60)
    @given(st.one_of(few, anything), st.sampled_from(["gpt2", "gpt4", None]), st.integers(1, 3))
    def test_ties_are_those_of_hugging_face(self, found, pattern, least):
        """Short texts are full of ties, also between bytes that print and bytes that do not."""
        text = found + "\n" + found[::-1] + "é\x00é\x00 ~\x7f~\x7f"
        ours = BPETokenizer.train(text, 330, pattern=pattern, min_count=least)
        same_as(ours, hugging_face(text, 330, pattern, least), text)

    @given(st.one_of(few, with_surrogates))
    def test_no_two_tokens_are_the_same_bytes(self, text):
        vocab = BPETokenizer.train(text + " ", 300, pattern=None).vocab
        assert len(set(vocab)) == len(vocab)

    @given(st.text("ab c", max_size=60))
    def test_encoding_leaves_what_training_left(self, text):
        made = BPETokenizer.train(text + ".", 300)
        rows = [list(piece.encode()) for piece in made.split(text + ".")]
        for new, pair in enumerate(made.merges, 256):
            rows = [merge(row, pair, new) for row in rows]
        assert made.encode(text + ".") == [i for row in rows for i in row]

    def test_fewer_merges_are_the_first_ones(self, text):
        more, less = (BPETokenizer.train(text, size) for size in (420, 300))
        assert less.merges == more.merges[: len(less.merges)] and len(less.merges) == 44


class TestSplit:
    def test_classes_are_those_of_unicode(self):
        for letter in "LN":
            found = re.findall(f"[{tokenizers._class(letter)}]", "".join(map(chr, range(0x30000))))
            assert found == [
                c for c in map(chr, range(0x30000)) if unicodedata.category(c)[0] == letter
            ]
        found = re.findall(f"[{tokenizers._class('s')}]", "".join(map(chr, range(0x20000))))
        white = [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029]
        assert [ord(c) for c in found] == [
            *white,
            0x202F,
            0x205F,
            0x3000,
        ]  # White_Space in PropList.txt

    @settings(max_examples=300)
    @given(st.one_of(anything, st.text("st've LL1²Ⅷ'ſ\r\n\t_.-\x1c\x85\u3000\u0301ا", max_size=20)))
    def test_pieces_are_those_of_oniguruma(self, text):
        """Hugging Face's engine reads the patterns as they were published."""
        for name, pattern in PATTERNS.items():
            theirs = pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text)
            assert BPETokenizer([], pattern=name).split(text) == [piece for piece, _ in theirs]

    @given(
        with_surrogates,
        st.sampled_from(["gpt2", "gpt4", None, r"\p{N}", r"[a-z]*", r"[^\p{L}\]]+\S"]),
    )
    def test_nothing_is_lost(self, text, pattern):
        pieces = BPETokenizer([], pattern=pattern).split(text)
        assert "".join(pieces) == text and "" not in pieces

    def test_a_pattern_of_your_own(self):
        digits = BPETokenizer.train("1212 1212", 300, pattern=r"\p{N}")
        assert digits.split("a12b") == ["a", "1", "2", "b"] and digits.merges == []

    @pytest.mark.parametrize(
        "pattern, error, match",
        [
            ("(", ValueError, "neither one of gpt2, gpt4 nor"),
            ("(a)", ValueError, "capture"),
            (3, TypeError, "pattern is 3"),
        ],
    )
    def test_no_pattern(self, pattern, error, match):
        with pytest.raises(error, match=match):
            BPETokenizer([], pattern=pattern)


class TestBPE:
    @settings(max_examples=200)
    @given(text=st.one_of(with_surrogates, st.sampled_from(NASTY)))
    def test_every_text_comes_back(self, trained, text):
        for made in trained.values():
            assert (
                made.decode(made.encode(text)) == made.decode(made.encode(text), "strict") == text
            )
            assert made.decode(made.encode(text, "all")) == text

    @given(data=st.binary(max_size=30))
    def test_malformed_bytes_are_replaced_or_refused(self, trained, data):
        made = trained["gpt4"]
        assert made.decode_bytes(list(data)) == data
        surrogates = re.search(b"\xed[\xa0-\xbf][\x80-\xbf]", data)
        if not surrogates:
            assert made.decode(list(data)) == data.decode("utf-8", "replace")
        try:
            valid = data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            with pytest.raises(ValueError, match="no whole text: byte .*Decode more ids"):
                made.decode(list(data), errors="strict")
        else:
            assert made.decode(list(data), errors="strict") == made.decode(list(data)) == valid

    def test_a_surrogate_beside_broken_bytes(self):
        made = BPETokenizer([])
        assert made.decode(b"a\xff\xed\xa0\x80\xed\xa0b\xc3") == "a\ufffd\ud800\ufffd\ufffdb\ufffd"

    @given(with_surrogates)
    def test_long_pieces_are_merged_as_short_ones(self, text):
        made = BPETokenizer.train("abab" + text * 2, 300, pattern=None)
        ids = list(tokenizers._bytes(text + "ab" * 3 + text))
        assert tokenizers._apply_long(ids, made.ranks) == tokenizers.apply(ids, made.ranks)

    def test_a_long_piece_does_not_take_for_ever(self):
        made = BPETokenizer.train("ab" * 50 + "b" * 50, 300, pattern=None)
        text = "ab" * 40_000 + "b"
        assert made.decode(made.encode(text)) == text  # n * n steps would be hours

    def test_equal_pieces_are_counted_as_often_as_they_stand(self):
        assert learn([b"ab"] * 3 + [b"cd"] * 4, 1) == [(99, 100)]

    def test_repr_and_sizes(self, trained):
        made = trained["gpt4"]
        assert repr(made) == (
            "BPETokenizer(400 tokens: 256 bytes, 141 merges, 3 special; pattern 'gpt4')"
        )
        assert made.vocab[256 : 399 - 2] == [made.vocab[a] + made.vocab[b] for a, b in made.merges]

    @pytest.mark.parametrize(
        "size, special, match",
        [
            (255, [], "256 bytes and 0 special tokens need 256"),
            (256, ["x"], "need 257"),
            (300, ["x", "x"], "none twice"),
            (300, [""], "none empty"),
        ],
    )
    def test_no_room(self, size, special, match):
        with pytest.raises(ValueError, match=match):
            BPETokenizer.train("some text", size, special_tokens=special)

    def test_nothing_to_train_on(self):
        with pytest.raises(ValueError, match="text is empty"):
            BPETokenizer.train("", 300)
        with pytest.raises(TypeError, match="give a list"):
            BPETokenizer.train("some text", 300, special_tokens="<|end|>")
        assert BPETokenizer.train("some text", 256).encode("é") == [0xC3, 0xA9]

    @pytest.mark.parametrize("merges", [[(97, 256)], [(97, 98), (97, 98)], [(-1, 5)]])
    def test_merges_that_cannot_be(self, merges):
        with pytest.raises(ValueError, match="makes the token"):
            BPETokenizer(merges)

    def test_byte_ids_that_cannot_be(self):
        with pytest.raises(ValueError, match="byte_ids"):
            BPETokenizer([], byte_ids=[0] * 256)


class TestSpecial:
    def test_ids_follow_the_merges(self, trained):
        made = trained["gpt4"]
        assert made.special == {"<|end|>": 397, "<|end|><|end|>": 398, "[user]": 399}
        assert made.decode([397, 104, 105]) == "<|end|>hi"

    def test_text_is_text_unless_it_is_allowed(self, trained):
        made, text = trained["gpt4"], "a<|end|>b[user]"
        assert max(made.encode(text)) < 397
        assert made.encode(text, "all") == [97, 397, 98, 399]
        assert made.encode(text, {"[user]"}) == [*made.encode("a<|end|>b"), 399]
        assert made.encode(text, "<|end|>") == [97, 397, *made.encode("b[user]")]
        with pytest.raises(ValueError, match=r"'<\|no\|>' is no special token.*\[user\]"):
            made.encode(text, ["<|no|>"])

    def test_the_longest_wins(self, trained):
        assert trained["gpt2"].encode("<|end|><|end|><|end|>", "all") == [398, 397]

    def test_nothing_is_learned_from_them_nor_across_them(self):
        with_it = BPETokenizer.train(
            "ab<|x|>ab<|x|>ab", 300, pattern=None, special_tokens=["<|x|>"]
        )
        assert with_it.vocab[256:] == [b"ab", b"<|x|>"]


class TestFiles:
    def test_what_was_saved_is_loaded(self, trained, tmp_path):
        for kind, made in [
            ("char", CharTokenizer("ab\n\ud800ü")),
            *trained.items(),
            ("bytes", BPETokenizer([(3, 4)], byte_ids=[*range(255, -1, -1)])),
        ]:
            made.save(tmp_path / "x.json")
            for again in (
                tokenizers.load(tmp_path / "x.json"),
                type(made).load(str(tmp_path / "x.json")),
            ):
                assert type(again) is type(made) and vars(again) == vars(made), kind
        assert [file.name for file in tmp_path.iterdir()] == ["x.json"]

    def test_a_failed_save_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "x.json"
        CharTokenizer("ab").save(path)

        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(tokenizers.os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            CharTokenizer("abc").save(path)
        assert tokenizers.load(path).chars == ["a", "b"]
        assert [file.name for file in tmp_path.iterdir()] == ["x.json"]

    @pytest.mark.parametrize(
        "content, match",
        [
            ("", "holds no tokenizer"),
            ("[1]", "holds no tokenizer"),
            ('{"kind": "word"}', "holds no tokenizer"),
            ('{"kind": ["char"]}', "holds no tokenizer"),
            ('{"kind": "char"}', "damaged CharTokenizer: 'chars'"),
            ('{"kind": "bpe", "merges": [[1]], "pattern": null}', "damaged BPETokenizer"),
            ("\xff", "holds no tokenizer"),
        ],
    )
    def test_files_that_hold_none(self, tmp_path, content, match):
        (tmp_path / "x").write_bytes(content.encode("latin1"))
        with pytest.raises(ValueError, match=match):
            tokenizers.load(tmp_path / "x")

    def test_the_other_kind(self, tmp_path):
        CharTokenizer("ab").save(tmp_path / "x")
        with pytest.raises(ValueError, match="holds a CharTokenizer, not a BPETokenizer"):
            BPETokenizer.load(tmp_path / "x")
        with pytest.raises(FileNotFoundError):
            tokenizers.load(tmp_path / "y")


class TestGPT2Files:
    @pytest.fixture(scope="class")
    def folder(self, text, tmp_path_factory):
        """A tokenizer in GPT-2's files and ids, made by Hugging Face."""
        folder = tmp_path_factory.mktemp("gpt2")
        theirs = hugging_face(text, 400, "gpt2")
        theirs.model.save(str(folder))
        vocab = json.loads((folder / "vocab.json").read_text("utf-8"))
        (folder / "vocab.json").write_text(json.dumps({**vocab, "<|endoftext|>": 400}))
        return folder

    @settings(max_examples=60)
    @given(text=anything)
    def test_ids_are_those_of_hugging_face(self, folder, text):
        theirs = Tokenizer(
            models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
        )
        theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        ours = BPETokenizer.from_pretrained(folder)
        ids = ours.encode(text)
        assert ids == theirs.encode(text).ids and ours.decode(ids) == text
        assert ours.special == {"<|endoftext|>": 400} and ours.encode("!") == [0]

    def test_files_laid_out_otherwise(self, folder, tmp_path):
        for name in ("vocab.json", "merges.txt"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        vocab = json.loads((tmp_path / "vocab.json").read_text("utf-8"))
        (tmp_path / "vocab.json").write_text(json.dumps({t: i + 1 for t, i in vocab.items()}))
        with pytest.raises(ValueError, match="no tokenizer laid out like GPT-2's: the ids"):
            BPETokenizer.from_pretrained(tmp_path)
        (tmp_path / "vocab.json").write_text("{}")
        with pytest.raises(ValueError, match="laid out like GPT-2's"):
            BPETokenizer.from_pretrained(tmp_path)


def test_the_textbook_counts_what_overlaps():
    assert tokenizers.count_pairs([[1, 1, 1], [1, 2]]) == Counter({(1, 1): 2, (1, 2): 1})


class TestPage:
    """The lab's JavaScript, without a browser; tests/browser has it in one."""

    @pytest.fixture(scope="class")
    def run(self):
        engine = MiniRacer()
        engine.eval(f"var window = globalThis; {labs.classic('base')}{labs.classic('tokenizer')}")

        def call(name, *arguments):
            given = ",".join(map(json.dumps, arguments))
            return json.loads(engine.eval(f"JSON.stringify(zhLabs.tokenizer.{name}({given}))"))

        yield call
        engine.close()

    @settings(max_examples=100)
    @given(text=st.one_of(with_surrogates, st.sampled_from(NASTY), few))
    def test_tokens_are_those_of_python(self, run, trained, text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # no halves
        text = "".join(c for c in text if unicodedata.category(c) != "Cn")
        for name, made in trained.items():
            assert run("split", text, name or "none") == made.split(text)
            assert run("encode", text, name or "none", made.merges) == made.encode(text)

    def test_halves_of_characters(self, run, trained):
        for text in ("\ud800", "a\udfff\udfffb", "\udcff \ud83d x"):
            for name, made in trained.items():
                assert run("encode", text, name or "none", made.merges) == made.encode(text)

    @settings(max_examples=60)
    @given(text=st.one_of(few, anything), pattern=st.sampled_from(["gpt2", "gpt4", None]))
    def test_training_is_that_of_python(self, run, text, pattern):
        text = text + "é\x00é\x00 ~\x7f~\x7f" + text
        learned = run("train", text, pattern or "none", 40)
        pieces = [piece.encode() for piece in BPETokenizer([], pattern=pattern).split(text)]
        assert [tuple(row[:2]) for row in learned] == learn(pieces, 40)
        rows = [list(piece) for piece in pieces]
        for new, (a, b, times) in enumerate(learned, 256):
            assert tokenizers.count_pairs(rows)[a, b] == times
            rows = [merge(row, (a, b), new) for row in rows]
