"""Code that a chapter shows as the package's own is just that, and none of it is retyped."""

import inspect
import re

import pytest
from bs4 import BeautifulSoup

from tests.conftest import ROOT
from tests.prose import cells
from zh import (
    attention,
    autograd,
    data,
    gpt_ladder,
    measuring,
    neurons,
    scaling,
    seq2seq,
    sizes,
    tokenizers,
    wavenet,
)
from zh import backward as bw
from zh.accumulation import accumulate
from zh.gpt import GPT, Block
from zh.gpt.processes import Group
from zh.layers import BatchNorm1d, FlattenConsecutive, LayerNorm, RMSNorm, Sequential
from zh.mlp import MLP
from zh.ngrams import NGram
from zh.post_training import dpo, exact, policy, recipes, requests, reward, taste

TAUGHT = {
    "backprop": [autograd.Value.__init__, autograd.Value.__add__, autograd.Value.__mul__,
                 autograd.Value.backward, autograd.Value.__rsub__, autograd.topological,
                 neurons.Neuron.__call__, neurons.weighted_sum],
    "tensor_backprop": [bw.forward, bw.unbroadcast, bw.mul_backward, bw.matmul_backward,
                        bw.exp_backward, bw.log_backward, bw.tanh_backward, bw.pow_backward,
                        bw.max_backward, bw.pick_backward, bw.embedding_backward,
                        bw.loss_to_logits, bw.logits_to_hpreact, bw.hpreact_to_hprebn,
                        bw.hprebn_to_C, bw.cross_entropy_backward, bw.batchnorm_backward,
                        bw.side_by_side],
    "bigrams": [NGram.fit, NGram.probabilities],
    "mlp": [data.windows, MLP.__init__, MLP._passes],
    "wavenet": [FlattenConsecutive, wavenet.WaveNet.__init__, Sequential.forward,
                Sequential.named_parameters, Sequential.train, wavenet.FuseDilated.forward,
                wavenet.convolution],
    "attention": [attention.average_loop, attention.average_matmul, attention.average_softmax,
                  attention.attention, attention.Head, attention.rotate, attention.HeadList,
                  attention.MultiHead.forward, attention.MultiHead.mix, attention.split_heads,
                  attention.merge_heads, attention.OneLayer.__init__, attention.OneLayer.forward,
                  attention.share_on, attention.CrossAttention.forward],
    "gpt": [gpt_ladder.distinct, Block, GPT.__init__, GPT.forward, GPT.loss,
            attention.Cache.add, GPT.stream],
    "batchnorm": [BatchNorm1d.forward, BatchNorm1d._batch_statistics, LayerNorm.forward,
                  RMSNorm.forward],
    "encoder_decoder": [seq2seq.EncoderBlock, seq2seq.DecoderBlock, seq2seq.EncoderDecoder.read,
                        seq2seq.EncoderDecoder.write, seq2seq.EncoderDecoder.loss,
                        seq2seq.shifted, seq2seq.greedy, seq2seq.next_log_p, seq2seq.beam,
                        seq2seq.effects, seq2seq.DecoderOnly.join, seq2seq.DecoderOnly.loss,
                        seq2seq.OneVector],
    "scaling": [sizes.parameters, sizes.operations, sizes.activations, measuring.saved, accumulate,
                Group.share, Group.draw, Group.loss, scaling.fit],
    "tokenization": [tokenizers.count_pairs, tokenizers.merge, tokenizers.learn_textbook,
                     tokenizers.tie, tokenizers.apply, tokenizers.learn],
    "post_training": [requests.counts, requests.log_p, recipes.masked_loss, policy.policy_loss,
                      policy.advantages, exact.Toy.log_p, exact.tilted, policy.improve,
                      taste.taste, reward.prefer, reward.bradley_terry_loss, dpo.dpo_loss],
}  # fmt: skip


def blocks(site, page):
    soup = BeautifulSoup((site / f"{page}.html").read_text("utf8"), "html.parser")
    return {pre.get_text().strip() for pre in soup.select("article pre")}


def dedented(thing):
    return inspect.cleandoc("\n" + inspect.getsource(thing)).strip()


def test_backprop_shows_the_whole_module(site):
    assert inspect.getsource(autograd).strip() in blocks(site, "book/backprop")


@pytest.mark.parametrize("name", TAUGHT)
def test_a_chapter_shows_what_it_teaches_from_its_source(site, name):
    shown = blocks(site, f"book/{name}")
    for thing in TAUGHT[name]:
        source = dedented(thing)
        assert any(source in block for block in shown), thing.__qualname__


@pytest.mark.parametrize("name", [name for name in TAUGHT if name not in ("backprop", "bigrams")])
def test_what_it_shows_fits_the_column(name):
    """About 80 characters fit beside the table of contents; a phone scrolls."""
    for thing in TAUGHT[name]:
        wide = [line for line in dedented(thing).splitlines() if len(line) > 80]
        assert not wide, (thing.__qualname__, wide)


def test_backprop_retypes_nothing():
    """One first sketch of the class stands on the page, before the real one is imported."""
    code = [c for _, c in cells((ROOT / "book" / "backprop.md").read_text("utf8"))]
    assert sum(len(re.findall(r"^class Value\b", c, re.M)) for c in code) == 1
    first = next(i for i, c in enumerate(code) if re.search(r"^class Value\b", c, re.M))
    real = next(i for i, c in enumerate(code) if "from zh.autograd import Value" in c)
    assert first < real
    for name in ("topological", "graph", "gradcheck", "weighted_sum"):
        assert not any(re.search(rf"^def {name}\b", c, re.M) for c in code)
