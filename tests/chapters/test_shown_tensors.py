"""The chapter on tensors shows the package's code from its source, all of what it teaches."""

import inspect

from bs4 import BeautifulSoup

from zh import backward as bw

TAUGHT = [
    bw.forward, bw.unbroadcast, bw.mul_backward, bw.matmul_backward, bw.exp_backward,
    bw.log_backward, bw.tanh_backward, bw.pow_backward, bw.max_backward, bw.pick_backward,
    bw.embedding_backward, bw.loss_to_logits, bw.logits_to_hpreact, bw.hpreact_to_hprebn,
    bw.hprebn_to_C, bw.cross_entropy_backward, bw.batchnorm_backward, bw.side_by_side,
]  # fmt: skip


def test_tensor_backprop_shows_its_functions(site):
    html = (site / "book" / "tensor_backprop.html").read_text("utf8")
    blocks = [pre.get_text() for pre in BeautifulSoup(html, "html.parser").select("article pre")]
    for function in TAUGHT:
        source = inspect.getsource(function).strip()
        assert any(source in block for block in blocks), function.__name__


def test_what_it_shows_fits_the_column():
    """About 80 characters fit beside the table of contents; a phone scrolls."""
    for function in TAUGHT:
        wide = [line for line in inspect.getsource(function).splitlines() if len(line) > 80]
        assert not wide, function.__name__
