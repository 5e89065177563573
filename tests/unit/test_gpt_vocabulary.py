"""Tokenizers of Hugging Face's folders: ids equal to theirs, both ways."""
import json
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zh import tokenizers as zh_tokenizers
from zh.gpt.vocabulary import Renumbered, load_tokenizer, save_tokenizer
from zh.tokenizers import BPETokenizer, CharTokenizer

os.environ.setdefault("HF_HUB_OFFLINE", "1")
TEXT = ("The cat sat on the mat; 12345 cats don't sit there!\n\tüber naïve 日本語 😀  and so on. "
        "Where the cat is, there's the mat.\n") * 4
TRICKY = ["", " ", "hello world", "  two", "tab\tand\nnewline\r\n", "don't 'S I'LL", "日本 😀🏽",
          "1234567", "ÀÉ\u0301", TEXT, "<|endoftext|>"]
texts = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
                  st.text("aehst 'lT\n1", max_size=30))


@pytest.fixture(scope="module")
def theirs():
    """A byte-level BPE of Hugging Face's library: `theirs(order)`, the special token first/last."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    def make(order="last", use_regex=True):
        found = Tokenizer(models.BPE())
        found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
        found.decoder = decoders.ByteLevel()
        found.train_from_iterator([TEXT], trainers.BpeTrainer(
            vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<|endoftext|>"] if order == "first" else [], show_progress=False))
        if order == "last":
            found.add_special_tokens(["<|endoftext|>"])
        return found

    return make


def as_gpt_2_does(found, folder):
    """vocab.json and merges.txt, the special token in the vocabulary, as GPT-2 was published."""
    found.model.save(str(folder))
    vocab = json.loads((folder / "vocab.json").read_text("utf8"))
    vocab["<|endoftext|>"] = found.token_to_id("<|endoftext|>")
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), "utf8")


def as_transformers_does(found, folder):
    """tokenizer.json, by transformers."""
    from transformers import GPT2TokenizerFast

    as_gpt_2_does(found, folder)
    GPT2TokenizerFast.from_pretrained(folder).save_pretrained(folder)
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()


def as_the_library_does(found, folder):
    found.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("write", [as_gpt_2_does, as_transformers_does, as_the_library_does])
def test_ids_are_those_of_hugging_face(theirs, tmp_path, write, order):
    found = theirs(order)
    write(found, tmp_path)
    ours = load_tokenizer(tmp_path)
    assert isinstance(ours, BPETokenizer) == (order == "last")
    assert ours.vocab_size == found.get_vocab_size()
    for text in TRICKY:
        ids = found.encode(text).ids
        assert ours.encode(text, "all") == ids
        assert ours.decode(ids) == text
    end = found.token_to_id("<|endoftext|>")
    assert ours.special == {"<|endoftext|>": end}
    assert end not in ours.encode("<|endoftext|>")            # what a stranger typed ends nothing


@pytest.mark.parametrize("order", ["first", "last"])
def test_ids_are_theirs_for_any_text(theirs, tmp_path, order):
    found = theirs(order)
    as_the_library_does(found, tmp_path)
    ours = load_tokenizer(tmp_path)

    @settings(max_examples=60)
    @given(texts)
    def same(text):
        assert ours.encode(text, "all") == found.encode(text).ids
        assert ours.decode(ours.encode(text)) == text

    same()


def test_no_cut_at_all(theirs, tmp_path):
    found = theirs("last", use_regex=False)
    as_the_library_does(found, tmp_path)
    ours = load_tokenizer(tmp_path)
    assert ours.pattern is None and ours.encode(TEXT) == found.encode(TEXT).ids


@pytest.mark.parametrize("make", [
    lambda: CharTokenizer.train(TEXT),
    lambda: BPETokenizer.train(TEXT, 320, pattern="gpt2", special_tokens=["<|endoftext|>"]),
    lambda: BPETokenizer.train(TEXT, 320, pattern="gpt4"),
    lambda: BPETokenizer.train(TEXT, 300, pattern=None, special_tokens=["<a>", "<b>"]),
    lambda: BPETokenizer.train(TEXT, 300, pattern=r"\p{L}+|\s")],
    ids=["char", "gpt2", "gpt4", "uncut", "own"])
def test_transformers_reads_what_was_written(tmp_path, make):
    from transformers import AutoTokenizer

    ours = make()
    save_tokenizer(ours, tmp_path)
    found = AutoTokenizer.from_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert type(again) is type(ours) and repr(again) == repr(ours)
    rng = random.Random(0)
    for _ in range(20):
        start = rng.randrange(len(TEXT))
        text = TEXT[start:start + rng.randrange(60)]
        ids = ours.encode(text)
        assert found.encode(text) == ids == again.encode(text)
        assert found.decode(ids) == text
    assert len(found) == ours.vocab_size
    if hasattr(ours, "special"):
        assert again.special == ours.special
        assert all(found.encode(name) == [i] for name, i in ours.special.items())


def test_zhs_own_file_is_read_too(tmp_path):
    CharTokenizer("abc").save(tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path).chars == ["a", "b", "c"]
    assert zh_tokenizers.load(tmp_path / "tokenizer.json").vocab_size == 3


@pytest.mark.parametrize("change, says", [
    (lambda t: t["model"].update(type="Unigram"), "Unigram"),
    (lambda t: t.update(normalizer={"type": "NFC"}), "changes the text first .NFC"),
    (lambda t: t["pre_tokenizer"].update(add_prefix_space=True), "space in front"),
    (lambda t: t.update(pre_tokenizer={"type": "Whitespace"}), "BPE after Whitespace"),
    (lambda t: t.update(pre_tokenizer=None), "BPE after None"),
    (lambda t: t.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Digits"}, t["pre_tokenizer"]]}), "Digits.*not known"),
    (lambda t: t["model"]["vocab"].pop("a"), "255 of the 256 bytes"),
    (lambda t: t["model"]["merges"].append(["zz", "q"]), "lacks 'zz'"),
    (lambda t: t["model"]["merges"].append(t["model"]["merges"][0]), "two merges make"),
    (lambda t: t.pop("model"), "lacks 'model'")])
def test_what_is_no_tokenizer_of_these_kinds_is_named(theirs, tmp_path, change, says):
    said = json.loads(theirs("last").to_str())
    change(said)
    (tmp_path / "tokenizer.json").write_text(json.dumps(said))
    with pytest.raises(ValueError, match=says):
        load_tokenizer(tmp_path)


def test_no_tokenizer(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither tokenizer.json nor vocab.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="none that zh reads"):
        load_tokenizer(tmp_path)


def test_renumbered_ids_that_cannot_be():
    own = BPETokenizer([])
    with pytest.raises(ValueError, match="same id"):
        Renumbered(own, [0] * 256)
    moved = Renumbered(own, range(5, 261))
    assert moved.encode("a") == [102] and moved.decode([102]) == "a" and moved.vocab_size == 261
    with pytest.raises(IndexError, match=r"ids\[0\] is 3"):
        moved.decode([3])


def test_a_tokenizer_without_a_form_there(tmp_path):
    with pytest.raises(TypeError, match="Renumbered"):
        save_tokenizer(Renumbered(BPETokenizer([]), range(1, 257)), tmp_path / "new")
