"""A battery: networks broken on purpose, and healthy ones, to see what `diagnose` makes of them.

    from zh import battery
    result = battery.run(seeds=[100, 101, 102])
    print(result)                       # one line a network: named, named first, false alarms

Each patient is a small network on a small task, trained for some tens of steps.  Its sizes, and
where and how badly it is broken, are drawn from the seed, so that another seed is another network
and not only other weights; the severities reach down to where a fault costs something and not
everything.  The limits of `zh.diagnostics.findings` were chosen on the seeds
TUNING; a table in print is to be made on others.

What is counted: a *hit* where one of the expected findings is there (and names the broken place,
where there is one); *first* where it is the first one; a *false alarm* is any finding on a healthy
network, and on a broken one a finding that is neither expected nor a consequence of it.

Two of the faults cannot be seen in what a Recorder records, shuffled labels above all: there a hit
is that nothing is found and that the report says what it cannot see.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from zh.diagnostics import Diagnosis, Recorder, diagnose
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh

TUNING = tuple(range(8))               # the seeds on which the limits were chosen
HELD_OUT = tuple(range(100, 104))      # those of the table in the book
STEPS, EVERY, BATCH = 30, 5, 32
INPUTS, CLASSES = 12, 4


# ---------------------------------------------------------------------------
# A patient, and how it is trained


@dataclass
class Run:
    """Everything one training needs; `broken` is the name of the layer that is broken, if one."""

    model: object
    draw: Callable                     # (generator) -> (x, y)
    loss: Callable = F.cross_entropy   # (prediction, y) -> scalar
    lr: float = 0.1
    optimizer: Callable | None = None  # parameters -> optimizer; None for SGD
    parameters: list | None = None     # those the optimizer gets; None for all
    steps: int = STEPS
    zero_grad: bool = True
    move: bool = True                  # call optimizer.step()
    validate: bool = False             # a forward pass without gradient now and then
    every: int = EVERY                 # steps between two records
    broken: str | None = None


@dataclass(frozen=True)
class Patient:
    """A network and what should be found in it: any of `expected`; () for nothing."""

    name: str
    make: Callable[[torch.Generator], Run]
    expected: tuple[str, ...] = ()
    blind: bool = False                # broken, and not visible in what is recorded


def train(run: Run, generator: torch.Generator) -> Recorder:
    """Train a patient while a Recorder watches; stops early once the loss is not finite."""
    parameters = run.parameters if run.parameters is not None else list(run.model.parameters())
    optimizer = (run.optimizer or (lambda p: torch.optim.SGD(p, run.lr)))(parameters)
    with Recorder(run.model, every=run.every) as recorder:
        for step in range(run.steps):
            x, y = run.draw(generator)
            loss = run.loss(run.model(x), y)
            if run.zero_grad:
                optimizer.zero_grad()
            loss.backward()
            if run.move:
                optimizer.step()
            if run.validate and step % 4 == 0:
                with torch.no_grad():
                    run.model(run.draw(generator)[0])
            recorder.step(loss)
            if recorder.nonfinite and recorder.nonfinite.sampled:
                break
    return recorder


def examine(patient: Patient, seed: int) -> tuple[Run, Recorder, Diagnosis]:
    """Make the patient of this seed, train it, and ask for a diagnosis."""
    with torch.random.fork_rng(devices=[]):            # nn's own initialisation knows no generator
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        run = patient.make(generator)
        recorder = train(run, generator)
    return run, recorder, diagnose(recorder)


# ---------------------------------------------------------------------------
# Parts: tasks, networks, dice


def pick(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def between(generator: torch.Generator, low: float, high: float) -> float:
    """A number from low to high, even on a log scale."""
    u = float(torch.rand((), generator=generator))
    return low * (high / low) ** u


def task(generator: torch.Generator, inputs: int = INPUTS, classes: int = CLASSES,
         batch: int = BATCH) -> Callable:
    """Classes of normal inputs: the largest of `classes` scores of a random small network."""
    first = torch.randn(inputs, 16, generator=generator) / inputs ** 0.5
    second = torch.randn(16, classes, generator=generator)

    def draw(g):
        x = torch.randn(batch, inputs, generator=g)                  # (batch, inputs)
        return x, (torch.tanh(2 * x @ first) @ second).argmax(1)     # (batch,)

    return draw


def regression(generator: torch.Generator, inputs: int = INPUTS, scale: float = 1.0) -> Callable:
    """A smooth function of the inputs with unit scale, times `scale`, plus noise."""
    first = torch.randn(inputs, 8, generator=generator) / inputs ** 0.5
    second = torch.randn(8, 1, generator=generator) / 8 ** 0.5

    def draw(g):
        x = torch.randn(BATCH, inputs, generator=g)
        y = torch.tanh(2 * x @ first) @ second * 1.5                 # (batch, 1)
        return x, scale * (y + 0.1 * torch.randn(y.shape, generator=g))

    return draw


def letters(generator: torch.Generator, block: int = 3, vocab: int = 12) -> Callable:
    """Contexts of letters whose last one decides the next, most of the time."""
    follow = torch.randint(vocab, (vocab,), generator=generator)

    def draw(g):
        x = torch.randint(vocab, (BATCH, block), generator=g)
        other = torch.randint(vocab, (BATCH,), generator=g)
        keep = torch.rand(BATCH, generator=g) < 0.8
        return x, torch.where(keep, follow[x[:, -1]], other)

    return draw


def images(generator: torch.Generator, scale: float = 1.0, offset: float = 0.0) -> Callable:
    """8 by 8 images with a bright square in one of four corners."""

    def draw(g):
        y = torch.randint(4, (BATCH,), generator=g)
        x = torch.randn(BATCH, 1, 8, 8, generator=g)
        for i, corner in enumerate(y.tolist()):
            r, c = 4 * (corner // 2), 4 * (corner % 2)
            x[i, 0, r:r + 4, c:c + 4] += 1.5
        return scale * x + offset, y

    return draw


KAIMING = {nn.Tanh: 5 / 3, nn.ReLU: 2 ** 0.5, nn.GELU: 2 ** 0.5, nn.Sigmoid: 1.0, nn.ELU: 1.3,
           nn.SiLU: 2 ** 0.5, nn.LeakyReLU: 2 ** 0.5, nn.Identity: 1.0}


def mlp(generator: torch.Generator, act=nn.Tanh, *, depth: int | None = None,
        width: int | None = None, norm=None, gain: float | None = None, last: float = 0.3,
        inputs: int = INPUTS, outputs: int = CLASSES) -> nn.Sequential:
    """`depth` hidden layers with weights of std gain / sqrt(fan_in), then the scores.

    norm: a class such as nn.BatchNorm1d, put before the activation. gain None: the right one.
    """
    depth = depth or pick(generator, 3, 5)
    width = width or pick(generator, 24, 48)
    gain = KAIMING[act] if gain is None else gain
    layers, fan_in = [], inputs
    for _ in range(depth):
        layers += [linear(generator, fan_in, width, gain), *([norm(width)] if norm else []), act()]
        fan_in = width
    return nn.Sequential(*layers, linear(generator, fan_in, outputs, last))


def linear(generator: torch.Generator, fan_in: int, fan_out: int, gain: float = 1.0) -> nn.Linear:
    """A Linear with normal weights of std gain / sqrt(fan_in) and no bias to begin with."""
    layer = nn.Linear(fan_in, fan_out)
    with torch.no_grad():
        layer.weight.copy_(gain / fan_in ** 0.5 * torch.randn(fan_out, fan_in, generator=generator))
        layer.bias.zero_()
    return layer


def hidden(model: nn.Sequential, kind=nn.Linear) -> list[int]:
    """Numbers of the layers of a kind, without the last Linear."""
    found = [i for i, layer in enumerate(model) if isinstance(layer, kind)]
    return found[:-1] if kind is nn.Linear else found


def one_of(generator: torch.Generator, numbers: list[int]) -> int:
    return numbers[pick(generator, 0, len(numbers) - 1)]


class Residual(nn.Module):
    """x + branch(norm(x)); `norm` may be nothing."""

    def __init__(self, branch: nn.Module, norm: nn.Module | None = None):
        super().__init__()
        self.norm, self.branch = norm or nn.Identity(), branch

    def forward(self, x):
        return x + self.branch(self.norm(x))


class Lambda(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Functional(nn.Module):
    """A network as many are written: the activations are functions, not modules."""

    def __init__(self, width: int, act=F.relu):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(INPUTS, width), nn.Linear(width, width)
        self.out, self.act = nn.Linear(width, CLASSES), act

    def forward(self, x):
        return self.out(self.act(self.fc2(self.act(self.fc1(x)))))


class Transformer(nn.Module):
    """Letters, positions, one or two pre-norm blocks, and the scores of the letter after the last.
    """

    def __init__(self, dim: int = 24, blocks: int = 2, vocab: int = 12, block: int = 6):
        super().__init__()
        self.token, self.position = nn.Embedding(vocab, dim), nn.Embedding(block, dim)
        made = dict(nhead=2, dim_feedforward=2 * dim, dropout=0.0, activation="gelu",
                    batch_first=True, norm_first=True)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(dim, **made) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, vocab)

    def forward(self, x):
        h = self.token(x) + self.position(torch.arange(x.shape[1]))     # (B, T, C)
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h[:, -1]))


class Recurrent(nn.Module):
    """A GRU that reads letters and scores the next."""

    def __init__(self, vocab: int = 12, dim: int = 24):
        super().__init__()
        self.token, self.rnn = nn.Embedding(vocab, dim), nn.GRU(dim, dim, batch_first=True)
        self.head = nn.Linear(dim, vocab)

    def forward(self, x):
        return self.head(self.rnn(self.token(x))[0][:, -1])


def convnet(channels: int = 12, norm: bool = True) -> nn.Sequential:
    """Two convolutions with batchnorm and ReLU, pooled to four scores."""
    def block(i, o):
        return [nn.Conv2d(i, o, 3, padding=1), *([nn.BatchNorm2d(o)] if norm else []), nn.ReLU()]

    return nn.Sequential(*block(1, channels), nn.MaxPool2d(2), *block(channels, channels),
                         nn.Flatten(), nn.Linear(16 * channels, 4))


# ---------------------------------------------------------------------------
# Broken


def dead_relu(g):
    model = mlp(g, nn.ReLU)
    i = one_of(g, hidden(model))
    nn.init.constant_(model[i].bias, -between(g, 4, 50))
    return Run(model, task(g), broken=str(i + 1))


def dying_relu(g):
    return Run(mlp(g, nn.ReLU), task(g), lr=between(g, 2, 10))


def shifted_input(g):
    draw, offset = task(g), between(g, 3, 20)
    return Run(mlp(g, nn.ReLU), lambda h: (lambda x, y: (x + offset, y))(*draw(h)), broken="input")


def saturated_by_bias(g):
    model = mlp(g, nn.Tanh)
    i = one_of(g, hidden(model))
    with torch.no_grad():
        sign = torch.randn(model[i].bias.shape, generator=g).sign()
        model[i].bias.copy_(between(g, 3, 50) * sign)
    return Run(model, task(g), broken=str(i + 1))


def saturated_by_weight(g):
    model = mlp(g, nn.Tanh)
    i = one_of(g, hidden(model))
    with torch.no_grad():
        model[i].weight *= between(g, 4, 100)
    return Run(model, task(g), broken=str(i + 1))


def no_fan_in(g):
    model = mlp(g, nn.Tanh, depth=3, width=pick(g, 64, 100))
    with torch.no_grad():
        for i in hidden(model):
            model[i].weight *= model[i].in_features ** 0.5
    return Run(model, task(g))


def zero_init(g):
    model = mlp(g, nn.Tanh)
    for p in model.parameters():
        nn.init.zeros_(p)
    return Run(model, task(g))


def constant_init(g):
    model = mlp(g, nn.Tanh)
    value = between(g, 0.02, 0.3)
    for p in model.parameters():
        if p.ndim > 1:
            nn.init.constant_(p, value)
    return Run(model, task(g))


def hot_logits(g):
    return Run(mlp(g, nn.Tanh, last=between(g, 3, 20)), task(g), lr=0.05)


def lr_too_high(g):
    return Run(mlp(g, nn.Tanh), task(g), lr=between(g, 2, 40))


def adam_too_high(g):
    return Run(mlp(g, nn.Tanh), task(g), optimizer=lambda p: torch.optim.Adam(p, between(g, .2, 2)))


def lr_too_low(g):
    return Run(mlp(g, nn.Tanh), task(g), lr=between(g, 1e-7, 1e-3))


def adam_too_low(g):
    return Run(mlp(g, nn.ReLU), task(g),
               optimizer=lambda p: torch.optim.Adam(p, between(g, 1e-9, 1e-5)))


def exploding_relu(g):
    return Run(mlp(g, nn.ReLU, depth=pick(g, 10, 14), gain=2 ** 0.5 * between(g, 1.3, 3)),
               task(g), lr=1e-8, steps=11)


def exploding_tanh(g):
    return Run(mlp(g, nn.Tanh, depth=pick(g, 12, 16), gain=between(g, 3, 8)), task(g), lr=1e-3,
               steps=11)


def vanishing_tanh(g):
    return Run(mlp(g, nn.Tanh, depth=pick(g, 6, 10), gain=between(g, 0.1, 0.5)), task(g), steps=11)


def vanishing_relu(g):
    return Run(mlp(g, nn.ReLU, depth=pick(g, 14, 20), gain=between(g, 0.4, 0.8)), task(g),
               steps=11)


def vanishing_sigmoid(g):
    return Run(mlp(g, nn.Sigmoid, depth=pick(g, 6, 9)), task(g), steps=11)


def half_glorot(g):
    """Variance 1 / (fan_in + fan_out), as one of the discussions has it, instead of 2."""
    return Run(mlp(g, nn.Tanh, depth=pick(g, 22, 26), gain=0.5 ** 0.5), task(g), steps=11)


def detached(g):
    model = mlp(g, nn.Tanh, depth=4)
    model.insert(one_of(g, [2, 4, 6]), Lambda(lambda x: x.detach()))
    return Run(model, task(g), broken="0")


def frozen(g):
    model = mlp(g, nn.Tanh)
    i = one_of(g, hidden(model))
    model[i].requires_grad_(False)
    return Run(model, task(g), broken=str(i))


def not_in_optimizer(g):
    model = mlp(g, nn.Tanh)
    i = one_of(g, hidden(model))
    mine = {id(p) for p in model[i].parameters()}
    others = [p for p in model.parameters() if id(p) not in mine]
    return Run(model, task(g), parameters=others, broken=str(i))


def never_called(g):
    model = mlp(g, nn.Tanh)
    model.forward = lambda x, layers=tuple(model): _row(layers, x)
    model.spare = nn.Linear(3, 3)
    return Run(model, task(g), broken="spare")


def _row(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def no_step(g):
    return Run(mlp(g, nn.ReLU), task(g), move=False)


def no_zero_grad(g):
    return Run(mlp(g, nn.ReLU), task(g), lr=0.02, zero_grad=False)


def negative(g):
    return Run(mlp(g, nn.Tanh), task(g), loss=lambda z, y: -F.cross_entropy(z, y), lr=0.05)


def uphill(g):
    return Run(mlp(g, nn.Tanh), task(g),
               optimizer=lambda p: torch.optim.SGD(p, 0.05, maximize=True))


def missing_norm(g):
    """A deep residual row without normalisation: each block adds as much as there is."""
    width = pick(g, 24, 40)
    blocks = [Residual(nn.Sequential(linear(g, width, width, 2 ** 0.5), nn.ReLU(),
                                     linear(g, width, width, between(g, 1.0, 1.6))))
              for _ in range(pick(g, 10, 14))]
    return Run(nn.Sequential(linear(g, INPUTS, width), *blocks, linear(g, width, CLASSES, 0.1)),
               task(g), lr=1e-4, steps=11)


def batchnorm_in_eval(g):
    model = mlp(g, nn.Tanh, norm=nn.BatchNorm1d)
    for i in hidden(model, nn.BatchNorm1d):
        model[i].eval()
    return Run(model, task(g), broken="1")


def model_in_eval(g):
    model = mlp(g, nn.Tanh, norm=nn.BatchNorm1d)
    return Run(model.eval(), task(g))


def validated_in_training_mode(g):
    return Run(mlp(g, nn.ReLU, norm=nn.BatchNorm1d), task(g), validate=True)


def nan_from_log(g):
    model = mlp(g, nn.ReLU)
    i = one_of(g, hidden(model, nn.ReLU))
    model.insert(i + 1, Lambda(torch.log))            # log(0) = -inf
    return Run(model, task(g), broken=str(i + 1))


def nan_from_sqrt(g):
    model = mlp(g, nn.ReLU)
    i = one_of(g, hidden(model, nn.ReLU))
    model.insert(i + 1, Lambda(torch.sqrt))           # finite, but its slope at 0 is not
    return Run(model, task(g), broken=str(i))


def nan_in_data(g):
    """Every step is recorded, so the place can be known."""
    run = nan_between_records(g)
    run.every, run.broken = 1, "input"
    return run


def nan_between_records(g):
    """The same between two records: that there are NaN shows in the loss, not where."""
    draw, bad = task(g), EVERY * pick(g, 1, 4) + pick(g, 1, EVERY - 1)
    drawn = []

    def spoiled(h):
        x, y = draw(h)
        drawn.append(len(x))
        if len(drawn) > bad:
            x[pick(h, 0, len(x) - 1), 0] = float("nan")
        return x, y

    return Run(mlp(g, nn.Tanh), spoiled)


def overflow(g):
    return Run(mlp(g, nn.ReLU, outputs=1), regression(g), loss=F.mse_loss, lr=between(g, 10, 100))


def constant_input(g):
    draw = task(g)
    return Run(mlp(g, nn.Tanh), lambda h: (lambda x, y: (x[:1].expand_as(x), y))(*draw(h)),
               broken="input")


def pixels(g):
    return Run(convnet(norm=False), images(g, scale=60, offset=128), lr=1e-3, broken="input")


def uneven_features(g):
    draw = task(g)
    scales = torch.ones(INPUTS)
    scales[pick(g, 0, INPUTS - 1)] = between(g, 50, 1e4)
    return Run(mlp(g, nn.Tanh), lambda h: (lambda x, y: (x * scales, y))(*draw(h)), broken="input")


def large_targets(g):
    scale = between(g, 8, 500)
    return Run(mlp(g, nn.ReLU, outputs=1), regression(g, scale=scale), loss=F.mse_loss,
               lr=1e-3 / scale)


def double_softmax(g):
    model = mlp(g, nn.ReLU)
    model.append(nn.Softmax(-1))
    return Run(model, task(g))


def relu_on_the_scores(g):
    model = mlp(g, nn.ReLU)
    model.append(nn.ReLU())
    return Run(model, task(g))


def dead_functional(g):
    model = Functional(pick(g, 24, 48))
    nn.init.constant_(model.fc2.bias, -between(g, 2, 50))
    return Run(model, task(g), broken="out (input)")


def dead_channels(g):
    model = convnet(norm=False)
    nn.init.constant_(model[3].bias, -between(g, 4, 60))
    return Run(model, images(g), broken="4")


def saturated_zh(g):
    """The lecture's first network: embeddings and a hidden layer without fan-in, in zh's layers."""
    model = Sequential(Embedding(12, 10, generator=g), Flatten(),
                       Linear(30, 100, gain=30 ** 0.5, generator=g), Tanh(),
                       Linear(100, 12, gain=0.1, generator=g))
    return Run(model, letters(g), broken="3")


def shuffled_labels(g):
    """Labels that have nothing to do with the inputs; a fixed set, so that it can be memorised."""
    x, y = task(g, batch=64)(g)
    y = y[torch.randperm(len(y), generator=g)]
    return Run(mlp(g, nn.Tanh, width=64), lambda h: (x, y), steps=80)


def leaked_labels(g):
    """The answer stands among the inputs: the loss is too good, and everything moves as it should.
    """
    draw = task(g)

    def leaky(h):
        x, y = draw(h)
        x[:, :CLASSES] = F.one_hot(y, CLASSES).float()
        return x, y

    return Run(mlp(g, nn.Tanh), leaky)


# ---------------------------------------------------------------------------
# Healthy


def tanh_mlp(g):
    return Run(mlp(g, nn.Tanh), task(g))


def lecture_mlp(g):
    """Six layers with gain 5/3 and a last layer a tenth as large: Karpathy's lecture 4."""
    return Run(mlp(g, nn.Tanh, depth=5, width=100, last=0.1), task(g))


def relu_mlp(g):
    return Run(mlp(g, nn.ReLU), task(g))


def gelu_mlp(g):
    return Run(mlp(g, nn.GELU), task(g))


def default_mlp(g):
    """PyTorch's own initialisation, activations as functions."""
    return Run(Functional(pick(g, 24, 64)), task(g), lr=0.3)


def batchnorm_mlp(g):
    return Run(mlp(g, nn.Tanh, norm=nn.BatchNorm1d), task(g))


def layernorm_mlp(g):
    return Run(mlp(g, nn.ReLU, norm=nn.LayerNorm), task(g))


def residual_net(g):
    width = pick(g, 24, 40)
    blocks = [Residual(nn.Sequential(linear(g, width, width, 2 ** 0.5), nn.GELU(),
                                     linear(g, width, width, 0.3)), nn.LayerNorm(width))
              for _ in range(pick(g, 4, 8))]
    return Run(nn.Sequential(linear(g, INPUTS, width), *blocks, nn.LayerNorm(width),
                             linear(g, width, CLASSES, 0.3)), task(g))


def transformer(g):
    return Run(Transformer(blocks=pick(g, 1, 2)), letters(g, block=6),
               optimizer=lambda p: torch.optim.AdamW(p, 3e-3))


def recurrent(g):
    return Run(Recurrent(), letters(g, block=5), optimizer=lambda p: torch.optim.Adam(p, 1e-2))


def regressor(g):
    return Run(mlp(g, nn.Tanh, outputs=1), regression(g), loss=F.mse_loss, lr=0.03)


def big_batch(g):
    return Run(mlp(g, nn.ReLU), task(g, batch=512), lr=0.2)


def sgd_momentum(g):
    return Run(mlp(g, nn.ReLU), task(g), optimizer=lambda p: torch.optim.SGD(p, 0.03, momentum=0.9))


def adam(g):
    return Run(mlp(g, nn.ReLU), task(g), optimizer=lambda p: torch.optim.Adam(p, 3e-3))


def adamw(g):
    return Run(mlp(g, nn.GELU), task(g),
               optimizer=lambda p: torch.optim.AdamW(p, 3e-3, weight_decay=0.1))


def conv(g):
    return Run(convnet(pick(g, 8, 16)), images(g))


def conv_plain(g):
    return Run(convnet(pick(g, 8, 16), norm=False), images(g),
               optimizer=lambda p: torch.optim.Adam(p, 3e-3))


def zh_names(g):
    """The lectures' network for names, in zh's own layers."""
    model = Sequential(Embedding(12, 10, generator=g), Flatten(),
                       Linear(30, 100, gain=5 / 3, bias=False, generator=g), BatchNorm1d(100),
                       Tanh(), Linear(100, 12, gain=0.1, generator=g))
    return Run(model, letters(g))


def softmax_regression(g):
    """One layer, starting at zero: as it should, for there is nothing to tell apart."""
    model = nn.Sequential(nn.Linear(INPUTS, CLASSES))
    nn.init.zeros_(model[0].weight)
    return Run(model, task(g), lr=0.5)


def zero_last_layer(g):
    """A last layer of zeros is sound: its gradient is not zero."""
    return Run(mlp(g, nn.Tanh, last=0.0), task(g), lr=0.2)


def dropout_net(g):
    model = mlp(g, nn.ReLU, width=64)
    for i in reversed(hidden(model, nn.ReLU)):
        model.insert(i + 1, nn.Dropout(0.2))
    return Run(model, task(g))


def memorised(g):
    """A small fixed set, learnt by heart: updates get small because the loss did."""
    x, y = task(g, batch=32)(g)
    return Run(mlp(g, nn.Tanh), lambda h: (x, y), steps=100, lr=0.3)


def autoencoder(g):
    """Binary inputs through a narrow middle and back, with a sigmoid's cross-entropy."""
    pattern = (torch.rand(16, 20, generator=g) < 0.4).float()

    def draw(h):
        x = pattern[torch.randint(16, (BATCH,), generator=h)]
        return x, x

    model = nn.Sequential(linear(g, 20, 32, 1.4), nn.ReLU(), linear(g, 32, 6), nn.Tanh(),
                          linear(g, 6, 32, 1.4), nn.ReLU(), linear(g, 32, 20))
    return Run(model, draw, loss=F.binary_cross_entropy_with_logits,
               optimizer=lambda p: torch.optim.Adam(p, 5e-3))


# ---------------------------------------------------------------------------
# The battery

BROKEN = (
    Patient("dead ReLU layer, by its bias", dead_relu, ("dead",)),
    Patient("dead ReLU layer, a function", dead_functional, ("dead",)),
    Patient("dead channels of a convolution", dead_channels, ("dead",)),
    Patient("ReLU killed by the learning rate", dying_relu, ("too_fast", "dead")),
    Patient("inputs far from zero", shifted_input, ("unscaled_input",)),
    Patient("tanh saturated by its bias", saturated_by_bias, ("saturated",)),
    Patient("tanh saturated by its weights", saturated_by_weight, ("saturated",)),
    Patient("no fan-in scaling", no_fan_in, ("saturated",)),
    Patient("no fan-in scaling, zh's layers", saturated_zh, ("saturated",)),
    Patient("zero initialisation", zero_init, ("zero_init",)),
    Patient("constant initialisation", constant_init, ("copies",)),
    Patient("hot logits", hot_logits, ("hot_scores",)),
    Patient("learning rate too high, SGD", lr_too_high, ("too_fast",)),
    Patient("learning rate too high, Adam", adam_too_high, ("too_fast",)),
    Patient("learning rate too low, SGD", lr_too_low, ("too_slow",)),
    Patient("learning rate too low, Adam", adam_too_low, ("too_slow",)),
    Patient("exploding, ReLU", exploding_relu, ("exploding",)),
    Patient("exploding gradient, tanh", exploding_tanh, ("exploding", "saturated")),
    Patient("vanishing, tanh", vanishing_tanh, ("vanishing",)),
    Patient("vanishing, ReLU", vanishing_relu, ("vanishing",)),
    Patient("vanishing, sigmoid", vanishing_sigmoid, ("vanishing",)),
    Patient("half of Glorot's variance", half_glorot, ("vanishing",)),
    Patient("detached layers", detached, ("detached",)),
    Patient("frozen layer", frozen, ("frozen",)),
    Patient("layer missing in the optimizer", not_in_optimizer, ("not_updated",)),
    Patient("layer never called", never_called, ("unused",)),
    Patient("no optimizer.step()", no_step, ("not_updated",)),
    Patient("no zero_grad()", no_zero_grad, ("stale_gradient",)),
    Patient("sign of the loss", negative, ("negative_loss",)),
    Patient("sign of the update", uphill, ("uphill",)),
    Patient("residual row without normalisation", missing_norm, ("exploding",)),
    Patient("batchnorm left in eval", batchnorm_in_eval, ("batchnorm_eval",)),
    Patient("model left in eval", model_in_eval, ("eval_mode",)),
    Patient("validation in training mode", validated_in_training_mode,
            ("validation_in_training_mode",)),
    Patient("log of zero", nan_from_log, ("nonfinite",)),
    Patient("slope of sqrt at zero", nan_from_sqrt, ("nonfinite",)),
    Patient("NaN in the data", nan_in_data, ("nonfinite",)),
    Patient("NaN in the data, unrecorded step", nan_between_records, ("nonfinite",)),
    Patient("overflow by the learning rate", overflow, ("too_fast",)),
    Patient("constant input", constant_input, ("constant_input",)),
    Patient("raw pixels", pixels, ("unscaled_input",)),
    Patient("features of uneven scale", uneven_features, ("unscaled_input",)),
    Patient("targets in raw units", large_targets, ("unscaled_target",)),
    Patient("softmax twice", double_softmax, ("squashed_scores",)),
    Patient("ReLU on the scores", relu_on_the_scores, ("squashed_scores",)),
    Patient("shuffled labels", shuffled_labels, blind=True),
    Patient("answers leaked into the inputs", leaked_labels, blind=True),
)

HEALTHY = tuple(Patient(name, make) for name, make in (
    ("tanh", tanh_mlp), ("tanh, six layers, lecture 4", lecture_mlp), ("ReLU", relu_mlp),
    ("GELU", gelu_mlp), ("PyTorch's defaults", default_mlp), ("batchnorm", batchnorm_mlp),
    ("layernorm", layernorm_mlp), ("residual, pre-norm", residual_net),
    ("transformer blocks, AdamW", transformer), ("GRU, Adam", recurrent),
    ("regression", regressor), ("batch of 512", big_batch), ("SGD with momentum", sgd_momentum),
    ("Adam", adam), ("AdamW", adamw), ("convolutions, batchnorm", conv),
    ("convolutions, Adam", conv_plain), ("names, zh's layers", zh_names),
    ("softmax regression from zero", softmax_regression), ("last layer of zeros", zero_last_layer),
    ("dropout", dropout_net), ("a small set, memorised", memorised),
    ("autoencoder", autoencoder)))


# ---------------------------------------------------------------------------
# The table


@dataclass
class Row:
    """One patient over the seeds: how often its finding was there, first, and other ones too."""

    patient: Patient
    seeds: int = 0
    hits: int = 0
    first: int = 0
    alarms: dict[str, int] = field(default_factory=dict)     # code -> in how many seeds
    missed: list[int] = field(default_factory=list)          # the seeds of the misses


@dataclass
class Table:
    """The outcome of the battery."""

    rows: list[Row]
    seconds: float = 0.0

    def part(self, kind: str) -> list[Row]:
        """The rows of "broken", "blind" or "healthy" patients."""
        def of(patient):
            return "blind" if patient.blind else "broken" if patient.expected else "healthy"

        return [row for row in self.rows if of(row.patient) == kind]

    @property
    def hits(self) -> int:
        """Broken networks, over all seeds, whose fault was named."""
        return sum(row.hits for row in self.part("broken"))

    @property
    def first(self) -> int:
        """Those where it was named first."""
        return sum(row.first for row in self.part("broken"))

    @property
    def broken(self) -> int:
        return sum(row.seeds for row in self.part("broken"))

    @property
    def healthy(self) -> int:
        return sum(row.seeds for row in self.part("healthy"))

    @property
    def false_alarms(self) -> int:
        """Healthy networks, over all seeds, in which anything was found."""
        return sum(row.seeds - row.hits for row in self.part("healthy"))

    def __str__(self) -> str:
        lines = [f"{'network':38} {'found':>7} {'first':>7}  also found"]
        for kind in ("broken", "blind", "healthy"):
            lines.append(f"-- {kind}")
            for row in self.part(kind):
                also = ", ".join(f"{code} {n}" for code, n in sorted(row.alarms.items()))
                lines.append(f"{row.patient.name:38} {row.hits:>3}/{row.seeds:<3} "
                             f"{row.first:>3}/{row.seeds:<3}  {also}")
        lines.append(f"{self.hits} of {self.broken} broken networks named, {self.first} first; "
                     f"{self.false_alarms} false alarms on {self.healthy} healthy ones; "
                     f"{self.seconds:.0f} s")
        return "\n".join(lines)


def judge(patient: Patient, run: Run, diagnosis: Diagnosis) -> tuple[bool, bool, list[str]]:
    """(hit, named first, other findings that are not consequences) of one examination.

    For a patient with nothing to find, broken or not, a hit is silence.
    """
    if not patient.expected:
        return not diagnosis.findings, not diagnosis.findings, diagnosis.codes
    right = [f for f in diagnosis if f.code in patient.expected
             and (run.broken is None or run.broken in f.where)]
    first = bool(diagnosis.findings) and diagnosis.findings[0] in right
    also = [f.code for f in diagnosis if f.code not in patient.expected and f.follows is None]
    return bool(right), first, also


def run(seeds: Iterable[int] = HELD_OUT, patients: Iterable[Patient] = BROKEN + HEALTHY) -> Table:
    """Examine every patient with every seed."""
    start, rows = time.perf_counter(), []
    for patient in patients:
        row = Row(patient)
        for seed in seeds:
            made, _, diagnosis = examine(patient, seed)
            hit, first, also = judge(patient, made, diagnosis)
            row.seeds += 1
            row.hits += hit
            row.first += first
            row.missed += [] if hit else [seed]
            for code in set(also):
                row.alarms[code] = row.alarms.get(code, 0) + 1
        rows.append(row)
    return Table(rows, time.perf_counter() - start)
