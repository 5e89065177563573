"""Run: python -m pytest tests/unit/test_wavenet.py

The tree against torch.nn: a twin with the same weights, and the same numbers from convolutions.
"""
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zh.layers import BatchNorm1d, Linear
from zh.wavenet import FuseDilated, WaveNet, convolution

F64 = torch.float64


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def doubled(model: WaveNet) -> WaveNet:
    """The same model in float64, so that a comparison is about arithmetic and not rounding."""
    for layer in model:
        for name, tensor in list(vars(layer).items()):
            if isinstance(tensor, torch.Tensor):
                setattr(layer, name, tensor.detach().double().requires_grad_(tensor.requires_grad))
    return model


def lively(seed: int = 0, **sizes) -> WaveNet:
    """A small WaveNet in float64 whose gains, biases and running statistics are not at rest."""
    model = doubled(WaveNet(**{"block": 8, "dim": 3, "hidden": 5} | sizes, generator=gen(seed)))
    g = gen(seed + 1)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, BatchNorm1d):
                for tensor in (layer.gain, layer.bias, layer.running_mean):
                    tensor += 0.3 * torch.randn(tensor.shape, generator=g, dtype=F64)
                layer.running_var *= 0.5 + torch.rand(layer.running_var.shape, generator=g)
    return model


class Strided(nn.Module):
    """The same tree from torch's own parts: (B, T) -> (B, vocab), kernel = stride = fuse."""

    def __init__(self, model: WaveNet, dilated: bool = False):
        super().__init__()
        vocab, dim = model[0].weight.shape
        self.embed = nn.Embedding(vocab, dim, dtype=F64)
        parts, reach = [], 1
        for linear in model[2:-1:4]:
            fan_in, hidden = linear.weight.shape
            how = {"dilation": reach} if dilated else {"stride": model.fuse}
            conv = nn.Conv1d(fan_in // model.fuse, hidden, model.fuse, bias=False, dtype=F64, **how)
            parts += [conv, nn.BatchNorm1d(hidden, dtype=F64), nn.Tanh()]
            reach *= model.fuse
        self.body = nn.Sequential(*parts)
        self.head = nn.Conv1d(hidden, vocab, 1, dtype=F64)
        with torch.no_grad():
            self.embed.weight.copy_(model[0].weight)
            for i, (linear, norm) in enumerate(zip(model[2:-1:4], model[3::4], strict=True)):
                conv, twin = self.body[3 * i], self.body[3 * i + 1]
                fuse, fan_in = conv.kernel_size[0], conv.in_channels
                conv.weight.copy_(linear.weight.view(fuse, fan_in, -1).permute(2, 1, 0))
                twin.weight.copy_(norm.gain)
                twin.bias.copy_(norm.bias)
                twin.running_mean.copy_(norm.running_mean)
                twin.running_var.copy_(norm.running_var)
            self.head.weight.copy_(model[-1].weight.T[..., None])
            self.head.bias.copy_(model[-1].bias)

    def forward(self, x):
        return self.head(self.body(self.embed(x).transpose(1, 2))).transpose(1, 2)


class Tree(nn.Module):
    """The same tree with nn.Linear on views: no convolution anywhere."""

    def __init__(self, model: WaveNet):
        super().__init__()
        self.fuse = model.fuse
        self.embed = nn.Embedding(*model[0].weight.shape, dtype=F64)
        self.linears = nn.ModuleList(
            nn.Linear(*layer.weight.shape, bias=layer.bias is not None, dtype=F64)
            for layer in model if isinstance(layer, Linear))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(len(layer.gain), dtype=F64)
            for layer in model if isinstance(layer, BatchNorm1d))
        with torch.no_grad():
            self.embed.weight.copy_(model[0].weight)
            mine = [layer for layer in model if isinstance(layer, Linear)]
            for layer, twin in zip(mine, self.linears, strict=True):
                twin.weight.copy_(layer.weight.T)
                if layer.bias is not None:
                    twin.bias.copy_(layer.bias)
            mine = [layer for layer in model if isinstance(layer, BatchNorm1d)]
            for layer, twin in zip(mine, self.norms, strict=True):
                twin.weight.copy_(layer.gain)
                twin.bias.copy_(layer.bias)
                twin.running_mean.copy_(layer.running_mean)
                twin.running_var.copy_(layer.running_var)

    def forward(self, x):
        x = self.embed(x)
        for linear, norm in zip(self.linears, self.norms, strict=False):
            x = linear(x.reshape(len(x), x.shape[1] // self.fuse, -1))
            x = norm(x.transpose(1, 2)).transpose(1, 2).tanh()
        return self.linears[-1](x.squeeze(1))


def letters(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 27, (rows, length), generator=gen(seed))


@pytest.mark.parametrize("sizes", [{}, {"block": 4}, {"block": 2}, {"block": 9, "fuse": 3},
                                   {"block": 4, "fuse": 4}, {"block": 16, "dim": 2}])
@pytest.mark.parametrize("training", [True, False])
def test_wavenet_is_its_torch_twin(sizes, training):
    """Logits, gradients of every parameter, running statistics."""
    model = lively(**sizes).train(training)
    twin = Tree(model).train(training)
    X, Y = letters(6, model.block), letters(1, 6, seed=3)[0]
    loss = nn.functional.cross_entropy
    mine, theirs = model(X), twin(X)
    assert mine.shape == (6, 27)
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)
    grads = torch.autograd.grad(loss(mine, Y), model.parameters())
    loss(theirs, Y).backward()
    got = dict(zip((name for name, _ in model.named_parameters()), grads, strict=True))
    norms, linears = iter(twin.norms), iter(twin.linears)
    torch.testing.assert_close(got["0.weight"], twin.embed.weight.grad, rtol=1e-8, atol=1e-10)
    for number, layer in enumerate(model):
        if isinstance(layer, Linear):
            other = next(linears)
            torch.testing.assert_close(got[f"{number}.weight"], other.weight.grad.T,
                                       rtol=1e-8, atol=1e-10)
        elif isinstance(layer, BatchNorm1d):
            other = next(norms)
            torch.testing.assert_close(got[f"{number}.gain"], other.weight.grad,
                                       rtol=1e-8, atol=1e-10)
            torch.testing.assert_close(layer.running_mean, other.running_mean)
            torch.testing.assert_close(layer.running_var, other.running_var)


@pytest.mark.parametrize("sizes", [{}, {"block": 9, "fuse": 3}, {"block": 4, "fuse": 4}])
def test_one_window_is_a_strided_convolution(sizes):
    model = lively(**sizes)
    X = letters(6, model.block)
    twin = Strided(model)                       # training mode: batch statistics agree as well
    torch.testing.assert_close(model(X), twin(X).squeeze(1), rtol=1e-9, atol=1e-10)
    model.eval(), twin.eval()
    torch.testing.assert_close(model(X), twin(X).squeeze(1), rtol=1e-9, atol=1e-10)


@settings(max_examples=20)
@given(st.integers(0, 12), st.sampled_from([(8, 2), (4, 2), (9, 3), (4, 4)]), st.integers(0, 99))
def test_a_whole_row_is_a_dilated_causal_convolution(extra, shape, seed):
    """Every window of a long row: window by window, zh's convolution, torch's nn.Conv1d."""
    block, fuse = shape
    model = lively(seed, block=block, fuse=fuse).eval()
    row = letters(3, block + extra, seed)
    windows = row.unfold(1, block, 1)           # (3, extra + 1, block)
    slow = torch.stack([model(windows[:, i]) for i in range(extra + 1)], 1)
    fast = convolution(model)(row)
    assert fast.shape == (3, extra + 1, 27)
    torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(Strided(model, dilated=True).eval()(row), slow,
                               rtol=1e-9, atol=1e-10)


def test_the_convolution_looks_at_no_later_letter():
    model = lively().eval()
    row = letters(1, 20)
    before = convolution(model)(row)
    row[0, 12] = (row[0, 12] + 1) % 27
    after = convolution(model)(row)
    changed = (before != after).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == list(range(5, 13))  # windows that hold place 12


def test_convolution_shares_the_layers():
    model = WaveNet(8, 3, 5, generator=gen())
    twin = convolution(model.eval())
    assert twin.parameters()[0] is model.parameters()[0] and not twin.training


def test_a_model_that_is_training_is_not_run_along_a_row():
    model = WaveNet(generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        convolution(model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_parameters_of_the_lecture():
    """22,397 and 76,579: counted in the reference from the sixth lecture's own code."""
    count = lambda model: sum(p.numel() for p in model.parameters())  # noqa: E731
    assert count(WaveNet(8, 10, 68, generator=gen())) == 22_397
    assert count(WaveNet(8, 24, 128, generator=gen())) == 76_579


def test_first_loss_is_about_uniform():
    model = WaveNet(generator=gen())
    loss = nn.functional.cross_entropy(model(letters(200, 8)), letters(1, 200, 1)[0])
    assert loss.item() == pytest.approx(torch.tensor(27.0).log().item(), abs=0.05)


def test_the_generator_decides_alone():
    torch.manual_seed(0)
    a = WaveNet(generator=gen(4)).state_dict()
    torch.manual_seed(1)
    b = WaveNet(generator=gen(4)).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("sizes, words", [
    ({"block": 6}, "block is 6 and fuse 2.*2, 4, 8"),
    ({"block": 8, "fuse": 3}, "block is 8 and fuse 3.*3, 9, 27"),
    ({"block": 1}, "power of fuse"),
    ({"block": 0}, "power of fuse"),
    ({"fuse": 1}, "fuse is 1; a level joins 2"),
])
def test_impossible_trees(sizes, words):
    with pytest.raises(ValueError, match=words):
        WaveNet(**sizes, generator=gen())


@pytest.mark.parametrize("shape", [(4, 16), (4, 4), (8,), (4, 8, 1)])
def test_wrong_context(shape):
    with pytest.raises(ValueError, match=r"contexts of 8 letters.*block=8"):
        WaveNet(generator=gen())(torch.zeros(shape, dtype=torch.long))


@pytest.mark.parametrize("call, words", [
    (lambda: FuseDilated(2, 4)(torch.zeros(1, 4, 3)), r"\(1, 4, 3\); it needs 5 places"),
    (lambda: FuseDilated(2, 4)(torch.zeros(4, 3)), "batch, length, features"),
    (lambda: FuseDilated(0, 4), "n is 0"),
    (lambda: FuseDilated(2, 0), "dilation 0"),
])
def test_fuse_dilated_says_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("change, error, says", [
    (dict(hidden=0), ValueError, "hidden is 0"), (dict(dim=-1), ValueError, "dim is -1"),
    (dict(vocab=0), ValueError, "vocab is 0"),
    (dict(generator=None), TypeError, "generator is None; pass"),
    (dict(generator=1), TypeError, "generator is 1; pass")])
def test_a_network_of_nothing_or_from_nobodys_dice_is_refused(change, error, says):
    with pytest.raises(error, match=says):
        WaveNet(**{"generator": torch.Generator(), **change})
