"""The model of Bengio et al. on letters: embeddings, one hidden layer, scores for the next letter.

`MLP` is a row of layers from `zh.layers` and runs like any of them; autograd gives its gradients.
A step on a network this small is mostly bookkeeping: the graph, its nodes, many short operations.
So the model can also do both passes itself. `gradients` is the forward pass and, with the rules of
`zh.backward`, the backward pass, in thirty lines without autograd; `loss` is the same as one node
of a graph. `benchmarks/mlp_step.py` measures what that saves. Where a layer was changed, or a
subclass computes something else, both leave the work to autograd.

Left out: the direct connections of the paper (an exercise of the chapter writes them), dropout,
and more than one hidden layer (put another in `layers`, or make a `Sequential`).

Bengio, Ducharme, Vincent and Jauvin 2003; on letters, and in these sizes, Karpathy's lecture
(2022). Batch normalisation: Ioffe and Szegedy 2015.
"""
from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from zh import backward as bw
from zh.layers import BatchNorm1d, Embedding, Flatten, Linear, Sequential, Tanh

ROWS = {(Embedding, Flatten, Linear, Tanh, Linear),
        (Embedding, Flatten, Linear, BatchNorm1d, Tanh, Linear)}
NUMPY = {torch.float32, torch.float64}
OPTIONAL = torch.Tensor, type(None)
NOT_LETTERS = {torch.bool, torch.float16, torch.bfloat16, torch.float32, torch.float64}


class MLP(Sequential):
    """Contexts of `block` letters to scores for the next: integers (B, block) -> (B, vocab).

    dim is the length of a letter's vector, hidden the number of tanh units. The weights of the
    hidden layer start 5/3 times as large as a Linear's, because tanh shrinks what it gets; those
    of the last layer start `last` times a Linear's: with small scores all letters are about
    equally likely, and the first loss is close to ln(vocab).
    batchnorm=True puts a BatchNorm1d before the tanh, and leaves out the bias before that.
    """

    def __init__(self, block: int = 3, dim: int = 10, hidden: int = 200, *,
                 vocab: int = 27, batchnorm: bool = False, last: float = 0.1,
                 generator: torch.Generator,
                 dtype: torch.dtype = torch.float32):
        for name, size in dict(block=block, dim=dim, hidden=hidden,
                               vocab=vocab).items():
            if type(size) is not int or size < 1:
                raise ValueError(f"{name} is {size!r}; it must be a whole "
                                 "number, 1 or more.")
        if not 0 <= last < math.inf:
            raise ValueError(f"last is {last}; it must be finite, 0 or more.")
        made = dict(generator=generator, dtype=dtype)
        table = Embedding(vocab, dim, **made)
        first = Linear(block * dim, hidden, bias=not batchnorm, gain=5 / 3,
                       **made)
        norm = [BatchNorm1d(hidden, dtype=dtype)] if batchnorm else []
        second = Linear(hidden, vocab, gain=last, **made)
        super().__init__(table, Flatten(), first, *norm, Tanh(), second)
        self.block = block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x)
        return super().forward(x)

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of contexts x (B, block) and their next letters y (B,): a scalar.

        Equal to `F.cross_entropy(self(x), y)`, with all of the backward pass in one node of the
        graph. It does not fill in the layers' `.out`.
        """
        if torch.is_grad_enabled() and self.by_hand():
            return _Loss.apply(self, x, y, *self.parameters())
        self._check(x, y)
        return F.cross_entropy(self(x), y.long())

    def gradients(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, list]:
        """The loss, and its gradients in the order of `parameters()`, without autograd.

        The same as `self.loss(x, y)` and a `backward()`, except that `.grad` stays as it was.
        A model that is not `by_hand()` gets its gradients from autograd, None where a parameter
        does not require one.
        """
        self._check(x, y)
        if not self.by_hand():
            return self._by_autograd(x, y)
        try:
            return self._passes(x, y)
        except IndexError as error:
            raise IndexError(
                f"Letters are the integers 0 to {len(self[0].weight) - 1}; the contexts run from "
                f"{x.min()} to {x.max()} and the answers from {y.min()} to {y.max()}.") from error

    def by_hand(self) -> bool:
        """Whether the arithmetic of `_passes` is that of this model.

        It is for the layers that `__init__` makes: the same kinds in the same order, no tensor
        twice, on the CPU in float32 or float64, and no `forward` or `parameters` of its own.
        """
        layers = self.layers
        if tuple(map(type, layers)) not in ROWS or not _inherits(type(self)):
            return False
        for layer in (self, *layers):
            if "forward" in layer.__dict__:
                return False
        a, b, c = layers[0].weight, layers[2].weight, layers[-1].weight
        return (a.dtype in NUMPY and a.is_cpu and a is not b and b is not c and c is not a
                and (layers[2].bias is None) == (len(layers) == 6)
                and layers[-1].bias is not None)

    def _by_autograd(self, x, y):
        parameters = self.parameters()
        moved = [p for p in parameters if p.requires_grad]
        with torch.enable_grad():
            loss = F.cross_entropy(self(x), y.long())
        found = dict(zip(map(id, moved), torch.autograd.grad(
            loss, moved, allow_unused=True), strict=True))
        return loss.detach(), [found.get(id(p)) for p in parameters]

    def _passes(self, x, y):
        """Both passes, in NumPy: its calls cost less than torch's."""
        table, _, first, *norm, _, second = self.layers
        C, W1, W2, b2 = map(_array, (table.weight, first.weight,
                                     second.weight, second.bias))
        x, y, n = x.numpy(), y.numpy(), len(x)
        ones = np.ones(n, C.dtype)                  # ones @ d: a fast d.sum(0)
        if x.min() < 0 or y.min() < 0:              # would count from the end
            raise IndexError("a negative letter")
        # forward
        embcat = C.take(x, 0).reshape(n, -1)                    # (n, T*E)
        pre = embcat @ W1                                       # (n, H)
        if norm:
            pre, back = _batchnorm(norm[0], pre)
        else:
            pre += _array(first.bias)
        h = np.tanh(pre, out=pre)                               # (n, H)
        logits = h @ W2                                         # (n, V)
        logits += b2
        logits -= logits.max(1, keepdims=True)
        d = np.exp(logits)                                      # (n, V)
        total, right = d.sum(1, keepdims=True), (np.arange(n), y)
        loss = (np.log(total).sum() - logits[right].sum()) / n
        # backward: softmax minus one-hot, over n; then layer by layer
        d /= n * total
        d[right] -= 1 / n
        dsecond = [h.T @ d, ones @ d]
        d = d @ W2.T                                            # (n, H)
        h *= h
        d *= np.subtract(1, h, out=h)                           # 1 - tanh(pre)**2
        d, dmiddle = back(d) if norm else (d, [ones @ d])
        demb = (d @ W1.T).reshape(-1, C.shape[1])               # (n*T, E)
        onehot = _eye(len(C), C.dtype).take(x.reshape(-1), 0)  # (n*T, V)
        grads = [onehot.T @ demb, embcat.T @ d, *dmiddle, *dsecond]
        return torch.from_numpy(np.asarray(loss)), [torch.from_numpy(g)
                                                    for g in grads]

    def _check(self, x: torch.Tensor, y: torch.Tensor | None = None) -> None:
        """Raise where contexts x, or answers y, are not what the model reads."""
        if not isinstance(x, torch.Tensor) or not isinstance(y, OPTIONAL):
            raise TypeError(f"Letters came as {type(x).__name__} and {type(y).__name__}; contexts "
                            "and answers must be tensors of integers: torch.tensor(...) makes one.")
        if x.ndim != 2 or x.shape[1] != self.block:
            raise ValueError(
                f"The model reads contexts of {self.block} letters, a tensor (B, {self.block}); "
                f"it got the shape {tuple(x.shape)}. data.windows(names, block={self.block}) "
                "makes them.")
        if not len(x):
            raise ValueError("The batch is empty: the contexts have the shape "
                             f"{tuple(x.shape)}. Give the model one, or more.")
        if y is None:
            return
        if y.shape != x.shape[:1]:
            raise ValueError(
                f"{len(x)} contexts need {len(x)} answers, a tensor of shape ({len(x)},), and the "
                f"answers have the shape {tuple(y.shape)}.")
        if x.dtype in NOT_LETTERS or y.dtype in NOT_LETTERS:
            raise TypeError(f"Letters are integers; contexts are {x.dtype}, answers {y.dtype}.")


@functools.cache
def _inherits(kind: type) -> bool:
    """Whether a class of models leaves alone what `_passes` stands for."""
    return all(getattr(kind, name) is getattr(MLP, name)
               for name in ("forward", "__call__", "parameters", "named_parameters"))


class _Loss(torch.autograd.Function):
    """`MLP.gradients` as a node of autograd's graph."""

    @staticmethod
    def forward(ctx, model, x, y, *parameters):
        loss, ctx.gradients = model.gradients(x, y)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, dloss):
        return None, None, None, *torch._foreach_mul(ctx.gradients, dloss)


@functools.cache
def _eye(n: int, dtype: np.dtype) -> np.ndarray:
    """The rows that one-hot vectors are, made once; only read."""
    return np.eye(n, dtype=dtype)


def _array(tensor: torch.Tensor) -> np.ndarray:
    """The numbers of a parameter as an array; the same memory."""
    return tensor.data.numpy()


def _batchnorm(layer: BatchNorm1d, x: np.ndarray):
    """The layer's output for x (n, H), and a function that goes back through it.

    That function takes the gradient of the output and gives the gradient of x, and a list with
    those of the gain and the bias.
    """
    mean, var = layer.running_mean, layer.running_var
    if layer.training:
        mean, var = layer._batch_statistics(torch.from_numpy(x))
    mean, var, gain, bias = map(_array, (mean, var, layer.gain, layer.bias))
    inv_std = (var + layer.eps) ** -0.5                           # (H,)
    xhat = (x - mean) * inv_std                                   # (n, H)

    def back(d):
        if layer.training:
            dx = bw.batchnorm_backward(d, xhat, gain, inv_std, layer.bessel)
        else:
            dx = d * gain * inv_std
        return dx, [(d * xhat).sum(0), d.sum(0)]

    return gain * xhat + bias, back
