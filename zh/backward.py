"""Backpropagation on tensors, written by hand.

Three things. First, the local rule of every operation that a small network uses: each function
`<operation>_backward` takes the gradient of the loss with respect to the operation's output and
gives the gradient with respect to its inputs. Second, the network that the chapter works through,
an embedding, a linear layer, batch normalisation, tanh, a linear layer and a cross-entropy, with a
`forward` that keeps all of its tensors, `unfused` that goes back through them one operation at a
time, and `fused` that does the same in a few lines. Third, `compare`, which says how far a gradient
is from a reference, and, where it is wrong, how.

Nothing here uses autograd: the tests do, as the oracle. What is left out: operations that the
network does not need, second derivatives, devices.

The names of the tensors and the four exercises are those of Karpathy's lecture on manual
backpropagation (2022); batch normalisation is Ioffe and Szegedy 2015.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import torch

# ---------------------------------------------------------------------------
# Broadcasting


def unbroadcast(grad: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Sum `grad` down to `shape`: the backward of broadcasting.

    Where the forward pass used one number many times, its gradient is the
    sum over those uses.

    >>> unbroadcast(torch.ones(4, 3), (1, 3))
    tensor([[4., 4., 4.]])
    """
    shape = tuple(shape)
    if torch.Size(shape) == grad.shape:
        return grad
    if not _broadcasts(shape, grad.shape):
        raise ValueError(
            f"A tensor of shape {shape} does not broadcast to "
            f"{tuple(grad.shape)}, so it cannot have a gradient of that shape. "
            "Check both shapes.")
    extra = grad.ndim - len(shape)         # axes put in front by broadcasting
    grad = grad.sum(tuple(range(extra))) if extra else grad
    axes = [i for i, size in enumerate(shape) if size != grad.shape[i]]
    return grad.sum(axes, keepdim=True) if axes else grad


def _broadcasts(shape: tuple[int, ...], to: torch.Size) -> bool:
    """Can a tensor of this shape be stretched to that one?"""
    tail = to[len(to) - len(shape):]
    return len(shape) <= len(to) and all(
        a in (1, b) for a, b in zip(shape, tail, strict=True))


# ---------------------------------------------------------------------------
# One function an operation. `dout` is the gradient of the loss with respect to the output.


def add_backward(dout, a, b):
    """out = a + b. Each input gets the gradient as it is."""
    return unbroadcast(dout, a.shape), unbroadcast(dout, b.shape)


def sub_backward(dout, a, b):
    """out = a - b. The subtracted one gets it with the sign turned."""
    return unbroadcast(dout, a.shape), unbroadcast(-dout, b.shape)


def mul_backward(dout, a, b):
    """out = a * b. Each input gets the gradient times the other input."""
    return unbroadcast(dout * b, a.shape), unbroadcast(dout * a, b.shape)


def matmul_backward(dout, a, b):
    """out = a @ b, (n, m) = (n, k) @ (k, m). The axes that meet are summed."""
    return dout @ b.T, a.T @ dout


def pow_backward(dout, a, k):
    """out = a ** k for a fixed number k."""
    return dout * k * a ** (k - 1)


def exp_backward(dout, out):
    """out = exp(a). The slope is the output itself."""
    return dout * out


def log_backward(dout, a):
    """out = log(a)."""
    return dout / a


def tanh_backward(dout, out):
    """out = tanh(a). The slope is 1 - out**2, so the output is enough."""
    return dout * (1 - out ** 2)


def sum_backward(dout, shape):
    """out = a.sum(..., keepdim=True). Every summand gets the sum's gradient."""
    return dout.expand(shape)


def max_backward(dout, a, dim):
    """out = a.max(dim, keepdim=True).values. One winner gets all of it."""
    winner = a.max(dim, keepdim=True).indices
    mask = torch.zeros_like(a).scatter_(dim, winner, 1.0)
    return dout * mask


def pick_backward(dout, shape, rows, columns):
    """out = a[rows, columns], no place picked twice. It goes back there."""
    da = torch.zeros(shape, dtype=dout.dtype)
    da[rows, columns] = dout
    return da


def embedding_backward(dout, shape, index):
    """out = table[index]. A row used several times gets the sum."""
    dtable = torch.zeros(shape, dtype=dout.dtype)
    rows = dout.reshape(-1, shape[-1])
    return dtable.index_add_(0, index.reshape(-1), rows)


# ---------------------------------------------------------------------------
# The network, with every tensor kept

PARAMETERS = ("C", "W1", "b1", "bngain", "bnbias", "W2", "b2")

TENSORS = ("logprobs", "probs", "counts_sum_inv", "counts_sum", "counts", "norm_logits",
           "logit_maxes", "logits", "h", "W2", "b2", "hpreact", "bngain", "bnbias", "bnraw",
           "bnvar_inv", "bnvar", "bndiff2", "bndiff", "bnmeani", "hprebn", "embcat", "W1", "b1",
           "emb", "C")                                   # in the order of the backward pass


def init(vocab: int, context: int, *, embedding: int = 10, hidden: int = 64,
         generator: torch.Generator, dtype: torch.dtype = torch.float32) -> SimpleNamespace:
    """Fresh parameters: C, W1, b1, bngain, bnbias, W2, b2.

    Biases and gains are a little off 0 and 1 on purpose. A bias that is exactly zero hides
    mistakes: a wrong gradient times zero looks right.
    """
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    fan_in = embedding * context
    return SimpleNamespace(
        C=normal(vocab, embedding),
        W1=normal(fan_in, hidden) * (5 / 3) / math.sqrt(fan_in),
        b1=normal(hidden) * 0.1,
        bngain=1 + normal(1, hidden) * 0.1,
        bnbias=normal(1, hidden) * 0.1,
        W2=normal(hidden, vocab) * 0.1,
        b2=normal(vocab) * 0.1)


def forward(p, X, Y, *, bessel: bool = True, eps: float = 1e-5):
    """The whole network in small steps, every tensor kept.

    Parameters p, contexts X (n, T), targets Y (n,). `bessel` divides the
    variance by n - 1 (as the lecture does) or by n (as torch.nn does).
    """
    t = SimpleNamespace(**vars(p), X=X, Y=Y, n=len(X), bessel=bessel, eps=eps)
    if t.n <= bessel:
        raise ValueError(
            f"A batch of {t.n} has no spread to divide by. Give two examples "
            "or more (or one and bessel=False, where all of bnraw is zero).")
    # the hidden layer
    t.emb = t.C[X]                                                # (n, T, E)
    t.embcat = t.emb.view(t.n, -1)                                # (n, T*E)
    t.hprebn = t.embcat @ t.W1 + t.b1                             # (n, H)
    # batch normalisation
    t.bnmeani = t.hprebn.sum(0, keepdim=True) / t.n               # (1, H)
    t.bndiff = t.hprebn - t.bnmeani                               # (n, H)
    t.bndiff2 = t.bndiff ** 2                                     # (n, H)
    t.bnvar = t.bndiff2.sum(0, keepdim=True) / (t.n - bessel)     # (1, H)
    t.bnvar_inv = (t.bnvar + eps) ** -0.5                         # (1, H)
    t.bnraw = t.bndiff * t.bnvar_inv                              # (n, H)
    t.hpreact = t.bngain * t.bnraw + t.bnbias                     # (n, H)
    # the output layer
    t.h = torch.tanh(t.hpreact)                                   # (n, H)
    t.logits = t.h @ t.W2 + t.b2                                  # (n, V)
    # cross-entropy
    t.logit_maxes = t.logits.max(1, keepdim=True).values          # (n, 1)
    t.norm_logits = t.logits - t.logit_maxes                      # (n, V)
    t.counts = t.norm_logits.exp()                                # (n, V)
    t.counts_sum = t.counts.sum(1, keepdim=True)                  # (n, 1)
    t.counts_sum_inv = t.counts_sum ** -1                         # (n, 1)
    t.probs = t.counts * t.counts_sum_inv                         # (n, V)
    t.logprobs = t.probs.log()                                    # (n, V)
    t.loss = -t.logprobs[torch.arange(t.n), Y].mean()             # ()
    return t


# ---------------------------------------------------------------------------
# Backwards, one operation at a time


def unfused(t: SimpleNamespace) -> SimpleNamespace:
    """The gradients of all 26 tensors, one rule at a time."""
    g = SimpleNamespace()
    loss_to_logits(t, g)
    logits_to_hpreact(t, g)
    hpreact_to_hprebn(t, g)
    hprebn_to_C(t, g)
    return g


def loss_to_logits(t, g):
    """Back through the cross-entropy: 8 tensors."""
    rows = torch.arange(t.n)
    each = torch.full((t.n,), -1 / t.n, dtype=t.logprobs.dtype)
    g.logprobs = pick_backward(each, t.logprobs.shape, rows, t.Y)
    g.probs = log_backward(g.logprobs, t.probs)
    g.counts, g.counts_sum_inv = mul_backward(
        g.probs, t.counts, t.counts_sum_inv)
    g.counts_sum = pow_backward(g.counts_sum_inv, t.counts_sum, -1)
    g.counts = g.counts + sum_backward(g.counts_sum, t.counts.shape)
    g.norm_logits = exp_backward(g.counts, t.counts)
    g.logits, g.logit_maxes = sub_backward(
        g.norm_logits, t.logits, t.logit_maxes)
    g.logits = g.logits + max_backward(g.logit_maxes, t.logits, 1)


def logits_to_hpreact(t, g):
    """Back through the output layer and tanh: 4 tensors."""
    g.h, g.W2 = matmul_backward(g.logits, t.h, t.W2)
    g.b2 = unbroadcast(g.logits, t.b2.shape)
    g.hpreact = tanh_backward(g.h, t.h)


def hpreact_to_hprebn(t, g):
    """Back through batch normalisation: 9 tensors."""
    scaled, g.bnbias = add_backward(g.hpreact, t.bnraw, t.bnbias)
    g.bngain, g.bnraw = mul_backward(scaled, t.bngain, t.bnraw)
    g.bndiff, g.bnvar_inv = mul_backward(g.bnraw, t.bndiff, t.bnvar_inv)
    g.bnvar = pow_backward(g.bnvar_inv, t.bnvar + t.eps, -0.5)
    g.bndiff2 = sum_backward(g.bnvar / (t.n - t.bessel), t.bndiff2.shape)
    g.bndiff = g.bndiff + pow_backward(g.bndiff2, t.bndiff, 2)
    g.hprebn, g.bnmeani = sub_backward(g.bndiff, t.hprebn, t.bnmeani)
    g.hprebn = g.hprebn + sum_backward(g.bnmeani / t.n, t.hprebn.shape)


def hprebn_to_C(t, g):
    """Back through the hidden layer and the embedding: 5 tensors."""
    g.embcat, g.W1 = matmul_backward(g.hprebn, t.embcat, t.W1)
    g.b1 = unbroadcast(g.hprebn, t.b1.shape)
    g.emb = g.embcat.view(t.emb.shape)
    g.C = embedding_backward(g.emb, t.C.shape, t.X)


# ---------------------------------------------------------------------------
# Backwards, fused


def cross_entropy_backward(logits, Y):
    """loss = mean of -log softmax(logits)[Y]. Gradient of the logits."""
    dlogits = torch.softmax(logits, 1)
    dlogits[torch.arange(len(Y)), Y] -= 1
    return dlogits / len(Y)


def batchnorm_backward(dout, xhat, gain, inv_std, bessel):
    """out = gain * xhat + bias, xhat = (x - mean) * inv_std. Gradient of x.

    `bessel`: was the variance divided by n - 1 (True) or by n (False)?
    """
    n = len(dout)                                                 # (n, H)
    spread = xhat * (dout * xhat).sum(0) / (n - bessel)
    return gain * inv_std * (dout - dout.mean(0) - spread)


def fused(t: SimpleNamespace) -> SimpleNamespace:
    """The same gradients for the 13 tensors that remain between whole layers."""
    g = SimpleNamespace()
    g.logits = cross_entropy_backward(t.logits, t.Y)
    g.h, g.W2 = matmul_backward(g.logits, t.h, t.W2)
    g.b2 = g.logits.sum(0)
    g.hpreact = tanh_backward(g.h, t.h)
    g.bngain = (g.hpreact * t.bnraw).sum(0, keepdim=True)
    g.bnbias = g.hpreact.sum(0, keepdim=True)
    g.hprebn = batchnorm_backward(
        g.hpreact, t.bnraw, t.bngain, t.bnvar_inv, t.bessel)
    g.embcat, g.W1 = matmul_backward(g.hprebn, t.embcat, t.W1)
    g.b1 = g.hprebn.sum(0)
    g.emb = g.embcat.view(t.emb.shape)
    g.C = embedding_backward(g.emb, t.C.shape, t.X)
    return g


def descend(p, g, lr):
    """One step of gradient descent on the parameters, in place."""
    for name in PARAMETERS:
        getattr(p, name).sub_(getattr(g, name), alpha=lr)


# ---------------------------------------------------------------------------
# Many networks at once


def stack(networks: list[SimpleNamespace]) -> SimpleNamespace:
    """Parameters side by side: C (R, V, E), W1 (R, T*E, H), b1 (R, 1, H), and so on."""
    return SimpleNamespace(**{
        name: torch.stack([torch.atleast_2d(getattr(p, name)) for p in networks])
        for name in PARAMETERS})


def unstack(p: SimpleNamespace) -> list[SimpleNamespace]:
    """The networks of `stack` one by one; vectors stay rows, (1, H)."""
    rows = zip(*(getattr(p, name) for name in PARAMETERS), strict=True)
    return [SimpleNamespace(**dict(zip(PARAMETERS, row, strict=True))) for row in rows]


def side_by_side(p, X, Y, *, bessel=1, mean=1, spread=1, overwrite=False,
                 eps=1e-5):
    """`fused` for R networks at once, from `stack`; X (R, n, T), Y (R, n).

    One number for all, or R of them: bessel, is it n - 1; mean and spread,
    what the two indirect paths of batch normalisation weigh (0 leaves one
    out); overwrite, is dC[X] written, not added up. Gradients as p.
    """
    def each(x):
        return torch.as_tensor(x).view(-1, 1, 1)

    n, net = X.shape[1], torch.arange(len(X))
    divisor, place = n - each(bessel), (net[:, None, None], X)
    # forward, (R, n, ...)
    emb = p.C[place]
    embcat = emb.flatten(2)
    diff = embcat @ p.W1 + p.b1
    diff = diff - diff.mean(1, keepdim=True)
    inv_std = ((diff * diff).sum(1, keepdim=True) / divisor + eps) ** -0.5
    raw = diff * inv_std
    h = torch.tanh(p.bngain * raw + p.bnbias)
    # backward
    g = SimpleNamespace()
    d = torch.softmax(h @ p.W2 + p.b2, 2)
    d[net[:, None], torch.arange(n), Y] -= 1
    d = d / n
    g.W2, g.b2 = h.mT @ d, d.sum(1, keepdim=True)
    d = d @ p.W2.mT * (1 - h * h)
    g.bngain, g.bnbias = (d * raw).sum(1, keepdim=True), d.sum(1, keepdim=True)
    shift = each(mean) * g.bnbias / n                             # (R, 1, H)
    stretch = each(spread) * g.bngain / divisor                   # (R, 1, H)
    d = p.bngain * inv_std * (d - shift - raw * stretch)
    g.W1, g.b1 = embcat.mT @ d, d.sum(1, keepdim=True)
    demb = (d @ p.W1.mT).view(emb.shape)
    zeros = torch.zeros_like(p.C)
    g.C = zeros.index_put(place, demb, accumulate=True)
    if torch.as_tensor(overwrite).any():
        written = zeros.index_put(place, demb)
        g.C = torch.where(each(overwrite), written, g.C)
    return g


# ---------------------------------------------------------------------------
# Is it right, and if not, how is it wrong?


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: the largest difference, a verdict, and how a wrong one is wrong."""

    name: str
    maxdiff: float      # largest absolute difference; nan where the shapes differ
    verdict: str        # "exact", "close" or "wrong"
    how: str = ""       # for a wrong one: what kind of wrong; or that both are zero
    relative: float = 0.0  # norm of the difference over norm of the reference; nan as above

    def __bool__(self) -> bool:
        return self.verdict != "wrong"

    def __str__(self) -> str:
        if math.isnan(self.maxdiff):
            return f"{self.name:<15} {self.verdict:<6} {self.how}"
        line = f"{self.name:<15} {self.verdict:<6} max difference {self.maxdiff:.1e}"
        return line + (f"  {self.how}" if self.how else "")


def compare(name: str, mine: torch.Tensor, reference: torch.Tensor, *,
            show: bool = True) -> Comparison:
    """Compare a gradient with a reference, print one line, and return what was found.

    exact: equal to the last bit. close: within rounding, which is as good: two orders of the same
    sum round differently. wrong: anything else, with the kind of error where it has a known one
    (shape, sign, a factor, transposed, zero). The tolerance follows the precision of the numbers:
    for float32 about 1e-7, plus 1e-5 of the largest entry. The first part is for gradients that
    should be zero: two tensors below it are called close, and both zero, whatever they hold. To
    compare gradients that are meant to be that small, multiply both by something large.
    """
    mine, reference = torch.as_tensor(mine).detach(), torch.as_tensor(reference).detach()
    if mine.shape != reference.shape:
        found = Comparison(name, math.nan, "wrong", _wrong_shape(mine, reference), math.nan)
    else:
        off = mine - reference
        same = torch.equal(mine, reference)            # off would be nan where both are infinite
        maxdiff = 0.0 if same else off.abs().max().item()
        relative = (off.double().norm() / reference.double().norm()).item() if maxdiff else 0.0
        if maxdiff == 0:
            found = Comparison(name, maxdiff, "exact")
        elif maxdiff <= _tolerance(mine, reference):
            both = max(mine.abs().max(), reference.abs().max()) <= _eps(mine, reference)
            how = "both zero, up to rounding" if both else ""
            found = Comparison(name, maxdiff, "close", how, relative)
        else:
            found = Comparison(name, maxdiff, "wrong", _how_wrong(mine, reference), relative)
    if show:
        print(found)
    return found


def _eps(mine: torch.Tensor, reference: torch.Tensor) -> float:
    """The rounding of the less precise of the two: 1.2e-7 for float32."""
    floats = [x.dtype for x in (mine, reference) if x.is_floating_point()]
    return max((torch.finfo(d).eps for d in floats), default=torch.finfo(torch.float32).eps)


def _tolerance(mine: torch.Tensor, reference: torch.Tensor) -> float:
    return _eps(mine, reference) * (1 + 100 * reference.abs().max().item())


def _wrong_shape(mine: torch.Tensor, reference: torch.Tensor) -> str:
    got, want = tuple(mine.shape), tuple(reference.shape)
    how = f"shape is {got}, should be {want}"
    if got == want[::-1]:
        return how + ": transposed"
    if mine.squeeze().shape == reference.squeeze().shape:
        return how + ": an axis of size 1 too many or too few (keepdim)"
    if _broadcasts(want, mine.shape):
        return how + ": broadcast in forward, so sum in backward"
    return how


def _how_wrong(mine: torch.Tensor, reference: torch.Tensor) -> str:
    if not torch.isfinite(reference).all():
        return "the reference is not finite: look at the forward pass first"
    if not torch.isfinite(mine).all():
        return "not finite: a division by zero, or an overflow"
    near = _tolerance(mine, reference)

    def same(a: torch.Tensor, b: torch.Tensor) -> bool:
        return bool((a - b).abs().max() <= near)

    if reference.abs().max() <= near:
        return "should be zero, up to rounding"
    if mine.abs().max() <= near:
        return "zero, up to rounding"
    if same(mine, -reference):
        return "wrong sign"
    if mine.ndim == 2 and mine.shape[0] == mine.shape[1] and same(mine.T, reference):
        return "transposed"
    factor = ((mine * reference).sum() / (reference * reference).sum()).item()
    if factor and same(mine / factor, reference):
        inverse = 1 / factor
        small = abs(factor) < 1 and abs(inverse - round(inverse)) < 1e-4 * abs(inverse)
        return f"off by a factor of {f'1/{round(inverse)}' if small else f'{factor:.3g}'}"
    off = int(((mine - reference).abs() > near).sum())
    return f"{off} of {mine.numel()} entries are off"
