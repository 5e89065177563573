"""Run: python -m pytest tests/unit/test_lab_cross_data.py

What `zh.labs.cross` packs for a page is the model itself.
"""
import json

import pytest
import torch

from zh import dates, packing, page
from zh.labs import cross
from zh.seq2seq import EncoderDecoder, Seq2SeqConfig


def small(**sizes) -> EncoderDecoder:
    generator = torch.Generator().manual_seed(0)
    model = EncoderDecoder(Seq2SeqConfig(dates.VOCAB, **{"dim": 8} | sizes), generator=generator)
    packing.round_to_half(model.state_dict().values())
    return model.eval()


@pytest.mark.parametrize("sizes", [{}, {"encoder": 2, "decoder": 3, "heads": 4}])
def test_a_page_gives_back_the_model(sizes):
    model = small(**sizes)
    packed = json.loads(page.to_json(cross.pack(model, tries=["14 March 1999"])))
    assert packed["tries"] == ["14 March 1999"] and packed["signs"] == dates.SIGNS
    again = cross.unpack(packed)
    assert again.config == model.config and not again.training
    source, told = dates.sources(["3/14/1999"]), dates.targets(["1999-03-14"])[:, :-1]
    with torch.no_grad():
        assert torch.equal(again(source, told), model(source, told))


@pytest.mark.parametrize("make, says", [
    (lambda: cross.pack(EncoderDecoder(Seq2SeqConfig(dates.VOCAB, dim=8),
                                       generator=torch.Generator())), "round_to_half"),
    (lambda: cross.pack(small(source=8), tries=["14 March 1999"]), "13 signs; the model reads 8"),
    (lambda: cross.pack(small(), tries=["14 Märch"]), "the sign 'ä'"),
    (lambda: cross.pack(small(pad=2, end=0)), "PAD, START and END"),
    (lambda: cross.pack(EncoderDecoder(Seq2SeqConfig(40, dim=8), generator=torch.Generator())),
     "the 39 tokens of zh.dates"),
])
def test_what_the_lab_cannot_show_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
