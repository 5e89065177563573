"""Count models: the next letter from how often each letter followed these letters before.

    from zh import data
    from zh.ngrams import NGram
    X, Y = data.windows(train, block=3)
    model = NGram(4, k=0.1).fit(X, Y)            # 3 letters of context, and the letter after them
    model(X)                                     # log-probabilities, (N, 27) float64
    model.nll(*data.windows(dev, block=3))       # mean negative log-likelihood, in nats

An n-gram is n letters: n - 1 of context and one that follows.  `n = 1` ignores the context, `n = 2`
is the bigram model of the chapter, and any n works: what is stored are the contexts that occur, not
the 27**(n - 1) that could.

Two ways to give probability to what was never counted.  Both add `k * vocab` imagined letters to
the count of every context; they differ in how these are spread:

    add-k      evenly over the alphabet                     (Lidstone 1920; add-one: Laplace)
    back-off   as the model with one letter less of context would have it, and so on down to the
               letters alone, which are mixed with the uniform distribution
               (the predictive distribution of MacKay and Peto 1995, with one strength for all).
               Strictly this is interpolation: the shorter context is mixed in everywhere.  In
               Katz's back-off (1987) it answers only where the count is zero

Left out: discounting (Good-Turing, Kneser-Ney; Chen and Goodman 1996 compare them).
"""

from __future__ import annotations

import torch

from zh.layers import Layer


class NGram(Layer):
    """Counts of n letters in a row, as a model: contexts (B, n - 1 or more) -> (B, vocab).

    n: letters in a row, 1 or more.  k: imagined observations of each letter in every context, 0 or
        more; it may be changed after `fit`.  backoff: see the module.  vocab: size of the alphabet.

    `model(X)` gives log-probabilities, which are logits too: their softmax is the distribution.
    Only the last n - 1 columns of X are read.  With k = 0 a letter that never followed has
    -inf; a context that never occurred has -inf for every letter (add-k) or the distribution of
    the shorter context (back-off).  `.block` is n - 1, the letters of context that it needs.
    """

    def __init__(self, n: int, k: float = 0.1, *, backoff: bool = False, vocab: int = 27):
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"n is {n!r}; an n-gram has 1 letter or more (2: pairs of letters)")
        self.n, self.k, self.backoff, self.vocab = n, k, backoff, vocab
        self.block = n - 1
        self.levels: list[tuple[torch.Tensor, torch.Tensor]] = []

    @property
    def k(self) -> float:
        """Imagined observations of each letter in every context: a number, 0 or more."""
        return self._k

    @k.setter
    def k(self, k: float) -> None:
        if isinstance(k, bool) or not 0 <= k < float("inf"):
            raise ValueError(f"k is {k!r}; it is what is added to each count, 0 or more")
        self._k = k

    def fit(self, X: torch.Tensor, Y: torch.Tensor) -> NGram:
        """Count: contexts X (N, n - 1 or more), the letter after each Y (N,).

        A level has the contexts of one length: their codes, in order, and
        their counts. The code of a context is its first letter and the row
        that the rest of it has one level below, so that no context is too
        long for an int64. Returns the model itself.
        """
        self._check(X, Y)
        X, Y = X.long(), Y.long()               # codes outgrow smaller integers
        self.levels = []
        below, row = 1, torch.zeros(len(X), dtype=torch.int64)
        for length in range(self.n):
            code = X[:, -length] * below + row if length else row    # (N,)
            codes, row = code.unique(return_inverse=True)      # (C,), (N,)
            below = len(codes)
            cells = below * self.vocab
            counts = torch.bincount(row * self.vocab + Y, minlength=cells)
            self.levels.append((codes, counts.view(below, -1)))  # (C, vocab)
        return self

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.probabilities(X).log()

    def probabilities(self, X: torch.Tensor) -> torch.Tensor:
        """The distribution after each context: (B, vocab) float64."""
        self._check(X, fitted=True)
        extra = self.k * self.vocab                 # imagined letters, in all
        p = torch.ones(len(X), self.vocab, dtype=torch.float64) / self.vocab
        for length, (table, row, seen) in enumerate(self._rows(X)):
            if self.backoff or length == self.block:
                counts = table[row].double()        # (B, vocab)
                total = counts.sum(1, keepdim=True)
                mixed = (counts + extra * p) / (total + extra)
                p = mixed.where(seen, p)
        if not (self.backoff or self.k):
            p = p.where(seen, 0.0)                  # nothing to fall back on
        return p

    def nll(self, X: torch.Tensor, Y: torch.Tensor) -> float:
        """Mean negative log-likelihood of Y after X, in nats, summed in float64; may be inf."""
        return self.loss(X, Y).item()

    def loss(self, X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        """`nll` as a tensor with one float64 entry."""
        self._check(X, Y, fitted=True)
        return -self.probabilities(X).gather(1, Y.long()[:, None]).log().mean()

    @property
    def contexts(self) -> int:
        """How many different contexts of n - 1 letters were counted."""
        return len(self.levels[-1][0]) if self.levels else 0

    def _rows(self, X):
        """By length of context: the counts, each context's row in them, whether it occurred."""
        X = X.long()                            # codes outgrow smaller integers
        below, row = 1, torch.zeros(len(X), dtype=torch.int64)       # (B,)
        seen = torch.ones(len(X), 1, dtype=torch.bool)
        for length, (codes, counts) in enumerate(self.levels):
            code = X[:, -length] * below + row if length else row
            row = torch.searchsorted(codes, code).clamp(max=len(codes) - 1)
            seen = seen & (codes[row] == code)[:, None]
            below = len(codes)
            yield counts, row, seen

    def _check(self, X, Y=None, fitted=False):
        if fitted and not self.levels:
            raise RuntimeError("this model has counted nothing yet: call fit(X, Y) first")
        if X.is_floating_point() or X.dtype == torch.bool or X.ndim != 2:
            raise TypeError(f"X is a table of letters, integers (rows, letters of context); not "
                            f"{X.dtype} of shape {tuple(X.shape)}")
        if X.shape[1] < self.block:
            raise ValueError(f"{self!r} reads the last {self.block} letters of a context, and X "
                             f"has {X.shape[1]}: data.windows(names, block={self.block})")
        used = X[:, X.shape[1] - self.block:]
        if used.numel() and (used.min() < 0 or used.max() >= self.vocab):
            raise ValueError(f"X holds letters 0 to {self.vocab - 1}, here {int(used.min())} "
                             f"to {int(used.max())}")
        if Y is None:
            return
        if Y.shape != X.shape[:1] or Y.is_floating_point() or Y.dtype == torch.bool:
            raise ValueError(f"Y holds one letter for each row of X: {len(X)} integers, not "
                             f"{Y.dtype} of shape {tuple(Y.shape)}")
        if len(Y) == 0 or Y.min() < 0 or Y.max() >= self.vocab:
            raise ValueError(f"Y holds letters 0 to {self.vocab - 1}, at least one of them")

    def __repr__(self) -> str:
        return f"NGram({self.n}, k={self.k:g}{', backoff=True' if self.backoff else ''})"
