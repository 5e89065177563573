"""The exercises of the chapter on batch normalisation. References are torch.nn and autograd."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from zh.exercises import Exercise
from zh.exercises._inputs import normal

# ---------------------------------------------------------------- numbers


def memory(momentum: float, target: float, above: float) -> int:
    """Batches until a running mean that starts at 0 is above `above`; each batch has `target`."""
    return math.floor(math.log(1 - above / target) / math.log(1 - momentum)) + 1


def jitter(z: float) -> float:
    """The jitter of an example at z, times the root of the batch size."""
    return math.sqrt(1 + z * z / 2)


# ---------------------------------------------------------------- folding


def _fold(weight, bias, gain, shift, mean, var, eps):
    """The reference: what PyTorch's batch normalisation makes of the identity and of zero."""
    def both(x):
        return F.batch_norm(x @ weight + bias, mean, var, gain, shift, eps=eps)

    zero = both(torch.zeros(1, len(weight), dtype=weight.dtype))
    return torch.cat([both(torch.eye(len(weight), dtype=weight.dtype)) - zero, zero])


def _folded(weight, bias, gain, shift, mean, var, eps, *, scale=None, old=True, inside=True,
            mean_scaled=True, bias_scaled=True, shifted=True):
    """The arithmetic, with the slips as switches."""
    if scale is None:
        scale = gain / torch.sqrt(var + eps)
    bias = bias if old else 0 * bias
    new = (shift if shifted else 0) + (bias * scale if bias_scaled else bias)
    new = new - (mean * scale if mean_scaled else mean)
    return torch.cat([weight * scale if inside else weight, new[None]])


def _fold_std(weight, bias, gain, shift, mean, var, eps):
    return _folded(weight, bias, gain, shift, mean, var, eps, scale=gain / (var + eps))


def _fold_forgets_bias(*given):
    return _folded(*given, old=False)


def _fold_mean_unscaled(*given):
    return _folded(*given, mean_scaled=False)


def _fold_bias_unscaled(*given):
    return _folded(*given, bias_scaled=False)


def _fold_no_shift(*given):
    return _folded(*given, shifted=False)


def _fold_weight_kept(*given):
    return _folded(*given, inside=False)


def _fold_no_gain(weight, bias, gain, shift, mean, var, eps):
    return _folded(weight, bias, gain, shift, mean, var, eps, scale=1 / torch.sqrt(var + eps))


def _fold_inputs():
    for seed, (fan_in, units) in enumerate([(3, 4), (6, 2)]):
        yield (normal(fan_in, units, seed=seed), normal(units, seed=seed + 10),
               normal(units, seed=seed + 20) + 2, normal(units, seed=seed + 30),
               normal(units, seed=seed + 40), normal(units, seed=seed + 50).square() + 0.5, 1e-3)


# ---------------------------------------------------------------- RMS normalisation, backwards


def _rms(dout, x, gain, eps):
    x, gain = x.clone().requires_grad_(), gain.clone().requires_grad_()
    out = F.rms_norm(x, (x.shape[-1],), gain, eps)
    return torch.autograd.grad(out, (x, gain), dout)


def _rms_by_hand(dout, x, gain, eps, *, along=True, inside=True, mean=False, axis=-1, times=1):
    s = (x.square().mean(-1, keepdim=True) + eps) ** -0.5
    xhat, d = x * s, dout * gain if inside else dout
    part = times * xhat * (d * xhat).mean(axis, keepdim=True)
    dx = s * (d - part * along - d.mean(-1, keepdim=True) * mean)
    return dx if inside else dx * gain, (dout * xhat).sum(0)


def _rms_direct(*given):
    return _rms_by_hand(*given, along=False)


def _rms_gain_late(*given):
    return _rms_by_hand(*given, inside=False)


def _rms_centred(*given):
    return _rms_by_hand(*given, mean=True)


def _rms_batch_axis(*given):
    return _rms_by_hand(*given, axis=0)


def _rms_sum(dout, x, gain, eps):
    """The slip: a sum for the mean."""
    return _rms_by_hand(dout, x, gain, eps, times=x.shape[-1])


def _rms_gain_kept(dout, x, gain, eps):
    s = (x.square().mean(-1, keepdim=True) + eps) ** -0.5
    return _rms_by_hand(dout, x, gain, eps)[0], dout * x * s


def _rms_inputs():
    for seed, (n, C) in enumerate([(4, 3), (5, 7)]):
        yield (normal(n, C, seed=seed), 2 * normal(n, C, seed=seed + 5) + 1,
               normal(C, seed=seed + 9), 1e-3)


# ---------------------------------------------------------------- ghost batches


def _ghost(x, k, eps):
    return torch.cat([F.batch_norm(part, None, None, training=True, eps=eps)
                      for part in x.split(k)])


def _ghost_strided(x, k, eps):
    """The slip: k ghosts of B / k, every k-th example."""
    parts = x.reshape(-1, k, x.shape[1])
    mean, var = parts.mean(0), parts.var(0, unbiased=False)
    return ((parts - mean) / torch.sqrt(var + eps)).reshape(x.shape)


def _ghost_one(x, k, eps):
    """The slip: one batch."""
    return F.batch_norm(x, None, None, training=True, eps=eps)


def _ghost_bessel(x, k, eps):
    parts = x.reshape(-1, k, x.shape[1])
    mean, var = parts.mean(1, keepdim=True), parts.var(1, keepdim=True)
    return ((parts - mean) / torch.sqrt(var + eps)).reshape(x.shape)


def _ghost_count(x, k, eps):
    """The slip: k ghosts and not ghosts of k."""
    return _ghost(x, len(x) // k, eps)


def _ghost_inputs():
    for seed, (n, C, k) in enumerate([(12, 3, 4), (10, 2, 5), (6, 4, 2)]):
        yield (2 * normal(n, C, seed=seed) + 1, k, 1e-5)


EXERCISES = [
    Exercise(
        "normalise-four",
        "One of four",
        minutes=4,
        kind="number",
        answer=lambda: 1 + 2 * math.sqrt(3),
        mistakes=[
            (math.sqrt(3), "That is normalised. The gain and the bias are still to come."),
            (lambda: 2 * (math.sqrt(3) + 1), "The bias is added after the gain, not before."),
            (lambda: 2 * math.sqrt(3), "The bias is missing."),
            (lambda: 1 + math.sqrt(3), "The gain is missing."),
            (lambda: 1 + 2 * 6 / 4, "That divides by the spread with n - 1. In training the layer "
                                    "divides by n."),
            (lambda: 1 + 2 * 6 / 12, "That divides by the variance. Divide by its root."),
        ],
        because="The normalised value is the root of 3, the most that a batch of four allows.",
    ),
    Exercise(
        "running-memory",
        "How long it remembers",
        minutes=5,
        kind="number",
        answer=lambda: memory(0.1, 5, 4.9),
        mistakes=[
            (37, "Nearly: after 37 batches it is still a little below."),
            (39, "One too many: it was above already."),
            (10, "One over the momentum is how far back it looks; after so many batches a third "
                 "of the start is left."),
            (lambda: memory(0.9, 5, 4.9), "That is a momentum of 0.9. Here the old estimate "
                                          "keeps nine tenths."),
        ],
        because="A fiftieth of the start is left when 0.9 to the power k falls below 0.02.",
    ),
    Exercise(
        "same-step",
        "The same step",
        minutes=3,
        kind="number",
        answer=lambda: 9,
        mistakes=[
            (3, "The step has to be three times as large. But the gradient is no longer what it "
                "was: it is a third."),
            (1 / 3, "The gradient is a third, yes. So which way must the rate go? And the step "
                    "itself has to grow with the weights."),
            (1, "The outputs stay. The gradient of the weights does not, and the weights are "
                "larger."),
            (1 / 9, "The other way round: larger weights need larger steps."),
        ],
        because="Relative to the weights, a step is 1/a² of what it was.",
    ),
    Exercise(
        "how-many-means",
        "How many means",
        minutes=2,
        kind="number",
        answer=lambda: 256,
        mistakes=[
            (64, "That is batch normalisation: one mean a feature."),
            (32, "One for each example and for each place: a place is normalised by itself."),
            (8, "One for each example and for each place, not for each place alone."),
            (1, "That would be one mean for everything."),
            (512, "That is one a place and feature, over the examples: the wrong-axis batch "
                  "normalisation of the WaveNet chapter."),
            (2048, "That is one an example and feature, over the places."),
        ],
        because="32 times 8, each over 64 numbers.",
    ),
    Exercise(
        "jitter-of-outlier",
        "The outlier's jitter",
        minutes=4,
        kind="number",
        answer=lambda: jitter(2.0),
        mistakes=[
            (3.0, "That is the ratio of the variances. Jitter is a spread."),
            (2.0, "The mean's part is there for both; only the other part grows with z."),
            (lambda: math.sqrt(5), "The spread of the batch varies by 1/2B in variance, not by "
                                   "1/B."),
            (lambda: math.sqrt(2), "z enters squared: moving the spread by a little moves the "
                                   "output by z times that."),
        ],
        because="One part from the mean, two from the spread.",
    ),
    Exercise(
        "fold-layers",
        "Fold it",
        minutes=12,
        kind="function",
        answer=_fold,
        inputs=lambda: list(_fold_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_fold_std, "You divided by the variance. Divide by its root."),
            (_fold_forgets_bias, "The bias of the linear layer is lost. It is there when the mean "
                                 "is subtracted."),
            (_fold_mean_unscaled, "The mean is subtracted before the division, so it is scaled "
                                  "too."),
            (_fold_bias_unscaled, "The old bias comes before the division, so it is scaled too."),
            (_fold_no_shift, "The shift of the normalisation is missing from the bias."),
            (_fold_weight_kept, "The weights have to be scaled as well, a factor for each column."),
            (_fold_no_gain, "The gain is missing."),
        ],
        because="Equal to torch's batch_norm in evaluation.",
    ),
    Exercise(
        "rms-backward",
        "RMS normalisation, backwards",
        minutes=25,
        kind="function",
        answer=_rms,
        inputs=lambda: list(_rms_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_rms_direct, "That is the direct path alone. The root mean square depends on x too."),
            (_rms_gain_late, "The gain differs along the axis that is summed over, so it cannot be "
                             "taken out of the sum: begin with dout * gain."),
            (_rms_centred, "There is no mean in this layer, and so no path through one."),
            (_rms_batch_axis, "The sum of the second term runs over the features, the axis that "
                              "was normalised."),
            (_rms_sum, "The root of the mean square has a 1/C in it: a mean, not a sum, in the "
                       "second term."),
            (_rms_gain_kept, "The gain is shared by the examples: its gradient is a sum over "
                             "them."),
        ],
        because="Equal to autograd through torch's rms_norm.",
    ),
    Exercise(
        "ghost-batches",
        "Ghost batches",
        minutes=15,
        kind="function",
        answer=_ghost,
        inputs=lambda: list(_ghost_inputs()),
        tolerance=1e-6,
        mistakes=[
            (_ghost_strided, "Your ghosts are every k-th example. Neighbours are asked: which axis "
                             "do you average over?"),
            (_ghost_one, "That is one batch of all of them."),
            (_ghost_bessel, "That divides by n - 1; n is asked, as in training."),
            (_ghost_count, "Those are k ghosts. Ghosts of k examples are asked."),
        ],
        because="Equal to torch's batch_norm on each part.",
    ),
]
