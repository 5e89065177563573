"""Layers on tensors, written by hand.

Each layer is a small object: it holds its own parameters, it is called like a function, it keeps
its last output in `.out` (the plots of the later chapters read it), and it knows whether it is
training. The gradients come from PyTorch's autograd, or from `zh.backward`, which has them by hand.

What is left out on purpose: devices, hooks, and every option that the book does not use. The parts
that look like `torch.nn` behave like `torch.nn`, and the tests hold them to it: `BatchNorm1d`
divides by the biased variance and keeps the unbiased one in its running estimate.

Ideas: embeddings and the tanh layer, Bengio et al. 2003; batch normalisation, Ioffe and Szegedy
2015; layer normalisation, Ba et al. 2016; its form without a mean, Zhang and Sennrich 2019; the
tree of `FlattenConsecutive`, van den Oord et al. 2016; the shape of the classes, Karpathy's lecture
notebooks (2022).
"""
from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from zh import activations
from zh.activations import Activation

# ---------------------------------------------------------------------------
# What every layer can do


class Layer:
    """Something with parameters that turns one tensor into another.

    A subclass writes `forward(x)` and names its parameters in `parameters()`.
    """

    training = True
    out: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layer on `x` and keep the result in `.out`."""
        self.out = self.forward(x)
        return self.out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's own arithmetic."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(x): write one.")

    def parameters(self) -> list[torch.Tensor]:
        """The tensors that training may change."""
        return []

    def named_parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        """(name, tensor) of every parameter: the attribute that holds it, or else its number."""
        names = {id(value): name for name, value in vars(self).items()}
        for number, parameter in enumerate(self.parameters()):
            yield names.get(id(parameter), str(number)), parameter

    def named_buffers(self) -> Iterator[tuple[str, torch.Tensor]]:
        """(name, tensor) of what the layer keeps besides its parameters: running statistics."""
        yield from ()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """{name: tensor}, parameters and buffers: all that a copy of the layer needs to know.

        The tensors are the layer's own, without gradients: training changes them.
        """
        state = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: tensor.detach() for name, tensor in state.items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Copy the values of `state` into this layer, in place.

        Names and shapes must be those of `state_dict()`; else KeyError or ValueError, and the
        layer is as it was.
        """
        own = self.state_dict()
        wrong = [f"{name} is missing" for name in own if name not in state]
        wrong += [f"{name} is not expected" for name in state if name not in own]
        if wrong:
            raise KeyError(f"these values belong to another model: {', '.join(wrong[:4])}"
                           f"{', ...' if len(wrong) > 4 else ''}. Build the model with the same "
                           "layers as the one that was saved.")
        for name, tensor in own.items():
            if not isinstance(state[name], torch.Tensor) or (
                    state[name].is_floating_point() != tensor.is_floating_point()):
                raise ValueError(
                    f"{name} is a tensor of {tensor.dtype} here, and the value to load is "
                    f"{getattr(state[name], 'dtype', type(state[name]).__name__)}.")
            if tensor.shape != state[name].shape:
                raise ValueError(
                    f"{name} has the shape {tuple(tensor.shape)} here and "
                    f"{tuple(state[name].shape)} in the values to load. Build the model with "
                    "the same sizes as the one that was saved.")
        for name, tensor in own.items():
            tensor.copy_(state[name])

    def train(self, mode: bool = True) -> Layer:
        """Switch to training (with `mode=False`, to evaluation); returns the layer."""
        self.training = mode
        return self

    def eval(self) -> Layer:
        """Switch to evaluation behaviour; returns the layer."""
        return self.train(False)


def _last(x: torch.Tensor, size: int, who: str) -> None:
    """Raise unless `x` is floating point and its last axis has `size` entries."""
    if not x.is_floating_point():
        raise TypeError(
            f"{who} got a tensor of {x.dtype}; it needs floating point. "
            "Indices go through an Embedding first.")
    if x.ndim == 0 or x.shape[-1] != size:
        raise ValueError(
            f"{who} got a tensor of shape {tuple(x.shape)}; its last axis must have {size} "
            "entries. Check the layer before, or flatten with .view(len(x), -1).")


# ---------------------------------------------------------------------------
# The layers


class Linear(Layer):
    """`x @ weight + bias`: (..., fan_in) -> (..., fan_out).

    `weight` is (fan_in, fan_out), drawn from a normal distribution and divided by the square root
    of `fan_in`, so that inputs of unit variance give outputs of about unit variance, times `gain`;
    `bias` starts at zero. (`torch.nn.Linear` stores its weight transposed and starts from a
    uniform.)
    """

    def __init__(self, fan_in: int, fan_out: int, *, generator: torch.Generator, bias: bool = True,
                 gain: float = 1.0, dtype: torch.dtype = torch.float32):
        self.weight = torch.randn(fan_in, fan_out, generator=generator, dtype=dtype)
        self.weight = (self.weight / fan_in ** 0.5 * gain).requires_grad_()
        self.bias = torch.zeros(fan_out, dtype=dtype, requires_grad=True) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _last(x, len(self.weight), repr(self))
        out = x @ self.weight                     # (..., fan_in) @ (fan_in, fan_out)
        return out if self.bias is None else out + self.bias

    def parameters(self) -> list[torch.Tensor]:
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def __repr__(self) -> str:
        fan_in, fan_out = self.weight.shape
        return f"Linear({fan_in}, {fan_out}{', bias=False' if self.bias is None else ''})"


class Embedding(Layer):
    """A table of vectors, one row a symbol: integers (...) -> vectors (..., dim).

    Picking row `i` is the same as multiplying a one-hot vector by the table, without the zeros.
    """

    def __init__(self, num: int, dim: int, *, generator: torch.Generator,
                 dtype: torch.dtype = torch.float32):
        self.weight = torch.randn(num, dim, generator=generator, dtype=dtype).requires_grad_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_floating_point() or x.dtype == torch.bool:
            raise TypeError(f"{self!r} got a tensor of {x.dtype}; it needs integers (row numbers).")
        if x.numel() and (int(x.min()) < 0 or int(x.max()) >= len(self.weight)):
            raise IndexError(
                f"{self!r} got row numbers from {int(x.min())} to {int(x.max())}; "
                f"its rows are 0 to {len(self.weight) - 1}. Check the vocabulary.")
        return self.weight[x.long()]              # (...) -> (..., dim); bytes would be a mask

    def parameters(self) -> list[torch.Tensor]:
        return [self.weight]

    def __repr__(self) -> str:
        return f"Embedding({self.weight.shape[0]}, {self.weight.shape[1]})"


class BatchNorm1d(Layer):
    """Give each of `dim` features zero mean and unit variance over the batch, then scale and shift.

    Input (B, dim) or (B, T, dim): the statistics are taken over every axis but the last.
    (`torch.nn.BatchNorm1d` wants three-dimensional input as (B, dim, T) instead.)

    In training it divides by the spread of the batch and moves its running estimates a step of
    `momentum` towards that batch; in evaluation it uses the running estimates and the batch
    does not matter. As in `torch.nn`, training divides by the biased variance (sum over n) while
    the running estimate takes the unbiased one (sum over n - 1). `bessel=True` uses the unbiased
    variance in both places, as Karpathy's lecture does. Ioffe and Szegedy 2015.
    """

    def __init__(self, dim: int, *, eps: float = 1e-5, momentum: float = 0.1, bessel: bool = False,
                 dtype: torch.dtype = torch.float32):
        if dim < 1:
            raise ValueError(f"dim is {dim}; batch normalisation has 1 feature or more.")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum is {momentum}; it must lie between 0 and 1.")
        self.eps, self.momentum, self.bessel = eps, momentum, bessel
        self.gain = torch.ones(dim, dtype=dtype, requires_grad=True)
        self.bias = torch.zeros(dim, dtype=dtype, requires_grad=True)
        self.running_mean = torch.zeros(dim, dtype=dtype)
        self.running_var = torch.ones(dim, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _last(x, len(self.gain), repr(self))
        if x.ndim not in (2, 3):
            raise ValueError(
                f"{self!r} got a tensor of shape {tuple(x.shape)}; it takes "
                "(batch, features) or (batch, time, features).")
        if self.training:
            mean, var = self._batch_statistics(x)
        else:
            mean, var = self.running_mean, self.running_var
        normal = (x - mean) / torch.sqrt(var + self.eps)
        return self.gain * normal + self.bias

    def _batch_statistics(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Mean and variance of the batch, (dim,); the running ones move on."""
        axes = tuple(range(x.ndim - 1))           # (0,) or (0, 1)
        n = x.numel() // x.shape[-1]
        if n < 2:
            raise ValueError(
                f"{self!r} is training on {n} value a feature, and one value has "
                "no spread. Use a batch of two or more, or call .eval() first to "
                "use the running statistics.")
        mean = x.mean(axes)
        var = x.var(axes, unbiased=self.bessel)
        with torch.no_grad():
            self.running_mean += self.momentum * (mean - self.running_mean)
            unbiased = var if self.bessel else var * n / (n - 1)
            self.running_var += self.momentum * (unbiased - self.running_var)
        return mean, var

    def parameters(self) -> list[torch.Tensor]:
        return [self.gain, self.bias]

    def named_buffers(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield "running_mean", self.running_mean
        yield "running_var", self.running_var

    def __repr__(self) -> str:
        return f"BatchNorm1d({len(self.gain)}{', bessel=True' if self.bessel else ''})"


def fold(linear: Linear, norm: BatchNorm1d) -> Linear:
    """One `Linear` that computes what `linear` and then `norm` compute in evaluation.

    There the statistics are constants, so that normalising is one more multiplication and one more
    addition a unit, and weights and bias can take them in. The layers that are passed stay as they
    are; the new one has a bias, whether or not `linear` had one.

    Raises:
        TypeError: they are no Linear and no BatchNorm1d, in this order.
        ValueError: the sizes do not fit, or `norm` is in training, where what it divides by is
            the batch's and no constant.
    """
    if not isinstance(linear, Linear) or not isinstance(norm, BatchNorm1d):
        raise TypeError(f"fold got {linear!r} and {norm!r}; it takes a Linear and the BatchNorm1d "
                        "that follows it.")
    if linear.weight.shape[1] != len(norm.gain):
        raise ValueError(f"{linear!r} has {linear.weight.shape[1]} outputs and {norm!r} has "
                         f"{len(norm.gain)} features: they are not neighbours in one network.")
    if norm.training:
        raise ValueError(f"{norm!r} is in training and normalises with its batch; weights cannot. "
                         "Call .eval() first, if the running statistics are good.")
    folded = copy.copy(linear)
    folded.out = None
    with torch.no_grad():
        scale = norm.gain / torch.sqrt(norm.running_var + norm.eps)  # (dim,)
        bias = 0 if linear.bias is None else linear.bias
        folded.weight = (linear.weight * scale).requires_grad_()     # columns
        shift = norm.bias + (bias - norm.running_mean) * scale
        folded.bias = shift.requires_grad_()
    return folded


class LayerNorm(Layer):
    """Give each example zero mean and unit variance over its `dim` features, then scale and shift.

    Input (..., dim): the statistics are taken over the last axis, of one example (and one place)
    at a time, so the batch does not matter and training and evaluation are the same. Equal to
    `torch.nn.LayerNorm(dim)`, whose `weight` is here called `gain`. Ba, Kiros and Hinton 2016.
    """

    def __init__(self, dim: int, *, eps: float = 1e-5, dtype: torch.dtype = torch.float32):
        if dim < 1:
            raise ValueError(f"dim is {dim}; layer normalisation has 1 feature or more.")
        self.eps = eps
        self.gain = torch.ones(dim, dtype=dtype, requires_grad=True)
        self.bias = torch.zeros(dim, dtype=dtype, requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _last(x, len(self.gain), repr(self))
        mean = x.mean(-1, keepdim=True)           # (..., 1)
        var = x.var(-1, unbiased=False, keepdim=True)
        return self.gain * (x - mean) / torch.sqrt(var + self.eps) + self.bias

    def parameters(self) -> list[torch.Tensor]:
        return [self.gain, self.bias]

    def __repr__(self) -> str:
        return f"LayerNorm({len(self.gain)})"


class RMSNorm(Layer):
    """Divide each example by the root mean square of its `dim` features, then scale.

    Input (..., dim), over the last axis. Layer normalisation without the mean and without the
    bias. Equal to `torch.nn.RMSNorm(dim)`, whose `weight` is here called `gain`; as there, `eps`
    is the smallest step of the input's type where none is given. Zhang and Sennrich 2019.
    """

    def __init__(self, dim: int, *, eps: float | None = None, dtype: torch.dtype = torch.float32):
        if dim < 1:
            raise ValueError(f"dim is {dim}; RMS normalisation has 1 feature or more.")
        self.eps = eps
        self.gain = torch.ones(dim, dtype=dtype, requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _last(x, len(self.gain), repr(self))
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        square = x.square().mean(-1, keepdim=True)          # (..., 1)
        return self.gain * x / torch.sqrt(square + eps)

    def parameters(self) -> list[torch.Tensor]:
        return [self.gain]

    def __repr__(self) -> str:
        return f"RMSNorm({len(self.gain)})"


class Tanh(Layer):
    """tanh of every entry: any shape in, the same shape out."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x)

    def __repr__(self) -> str:
        return "Tanh()"


class Activate(Layer):
    """An activation function of `zh.activations` as a layer: any shape in, the same shape out.

    `Activate("relu")`, `Activate(activations.leaky_relu_with(0.2))`; it has no parameters.
    """

    def __init__(self, name: str | Activation):
        self.function = activations.get(name)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)

    def __repr__(self) -> str:
        return f"Activate({self.function.name!r})"


class Flatten(Layer):
    """Lay the rows of each example end to end: (B, T, C) -> (B, T * C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(len(x), -1)

    def __repr__(self) -> str:
        return "Flatten()"


class FlattenConsecutive(Layer):
    """Lay each `n` neighbours end to end: (B, T, C) -> (B, T // n, C * n).

    When one group is left the axis of groups goes: T == n gives (B, C * n).
    """

    def __init__(self, n: int):
        if n < 1:
            raise ValueError(f"n is {n}; a group has 1 neighbour or more.")
        self.n = n

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim != 3:
            raise ValueError(
                f"{self!r} got a tensor of shape {tuple(x.shape)}; it takes "
                "(batch, time, features).")
        B, T, C = x.shape
        if T == 0 or T % self.n:
            raise ValueError(
                f"{self!r} got a tensor of shape {tuple(x.shape)}; its "
                f"middle axis must be a multiple of {self.n}. Change the "
                "context or the group.")
        x = x.reshape(B, T // self.n, C * self.n)
        return x.squeeze(1) if T == self.n else x

    def __repr__(self) -> str:
        return f"FlattenConsecutive({self.n})"


class Sequential(Layer):
    """Layers one after the other; `parameters()`, `train()` and `eval()` reach all of them.

    A layer that stands in two places is one layer: its parameters are listed once.
    """

    def __init__(self, *layers: Layer):
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential got {layer!r}, which is no Layer. "
                                "Pass layers: Sequential(Linear(...), Tanh()).")
        self.layers = list(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[torch.Tensor]:
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> Iterator[tuple[str, torch.Tensor]]:
        seen = set()
        for number, layer in enumerate(self.layers):
            for name, parameter in layer.named_parameters():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield f"{number}.{name}", parameter

    def named_buffers(self) -> Iterator[tuple[str, torch.Tensor]]:
        for number, layer in enumerate(self.layers):
            for name, buffer in layer.named_buffers():
                yield f"{number}.{name}", buffer

    def train(self, mode: bool = True) -> Sequential:
        for layer in self.layers:
            layer.train(mode)
        return super().train(mode)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return "Sequential(\n" + "".join(f"  {layer!r},\n" for layer in self.layers) + ")"
