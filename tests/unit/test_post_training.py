"""Run: python -m pytest tests/unit/test_post_training.py

Every objective of `zh.post_training` against an oracle: enumeration on the toy, torch's own losses,
plain Python, a brute force.
"""
import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from zh.gpt import GPT, GPTConfig
from zh.post_training import (
    dpo,
    exact,
    flattery,
    policy,
    recipes,
    requests,
    reward,
    sums,
    taste,
    transfer,
)
from zh.post_training.exact import Toy

REWARDS = torch.tensor([1.0, 2.0, 0.0, 1.5]).double()


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def gpt(seed=0):
    model = GPT(GPTConfig(**{**recipes.SIZES, "dim": 16, "inner": 32}), generator=gen(seed))
    return model.eval()


def toy(seed=0):
    return Toy(torch.randn(6, generator=gen(seed)))


# ---------------------------------------------------------------------------
# Requests and answers


def test_a_row_is_a_request_an_answer_and_filling():
    ids = requests.rows(["ada", "martin"])
    assert ids.shape == (2, 14) and requests.answers(ids) == ["ada", "martin"]
    assert ids[0, :7].tolist() == [1, 27, 1, 4, 1, 0, 0]
    assert requests.counts(ids)[0].tolist() == [False, *[True] * 4, *[False] * 8]
    assert requests.counts(ids).sum(1).tolist() == [4, 7]


def test_what_cannot_be_a_row():
    with pytest.raises(ValueError, match="has 12 letters"):
        requests.rows(["abcdefghijkl"])
    with pytest.raises(ValueError, match="has 0 letters"):
        requests.rows([""], "a")
    with pytest.raises(ValueError, match="2 names and 1 letters"):
        requests.rows(["a", "b"], "a")


def test_log_p_is_that_of_a_loop():
    model, names = gpt(), ["ada", "bo", "elizabethan"]
    ids = requests.rows(names)
    with torch.no_grad():
        found = requests.log_p(model, ids)
        for row, name in enumerate(names):
            whole = ids[row, : 2 + len(name) + 1]
            logits = model(whole[None, :-1])[0, 1:]
            each = -F.cross_entropy(logits, whole[2:], reduction="none")
            assert torch.allclose(found[row, 1 : 1 + len(each)], each, atol=1e-5)
            assert found[row].count_nonzero() == len(each)


def test_the_masked_loss_is_torchs_with_its_ignored_targets():
    model, ids = gpt(), requests.rows(["ada", "martin", "z"])
    targets = ids[:, 1:].masked_fill(~requests.counts(ids), -1)
    with torch.no_grad():
        expected = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), targets.flatten(),
                                   ignore_index=-1)
        assert torch.allclose(recipes.masked_loss(model, ids), expected)


def test_obeys_is_what_python_says():
    model = gpt(3)
    asked = torch.arange(1, 27).repeat(20)
    ids = requests.write(model, asked, gen(1))
    for row, answer, said in zip(ids.tolist(), requests.answers(ids), requests.obeys(ids),
                                 strict=True):
        ended = 0 in row[2:]
        assert said.item() == (ended and answer.endswith(requests.CHARACTERS[row[0]]))
    assert requests.obeys(requests.rows(["ada", "bo"], "ab")).tolist() == [1, 0]
    nothing = torch.tensor([[1, 27, *[0] * 12]])
    assert requests.obeys(nothing).item() == 0


def test_without_chance_it_writes_what_generate_writes():
    model, asked = gpt(2), torch.arange(1, 27)
    drawn = requests.write(model, asked, gen(), temperature=1e-4)
    greedy = model.generate(requests.requests(asked), requests.LONGEST - 1, gen(), temperature=0,
                            stop=0)
    assert torch.equal(drawn[:, : greedy.shape[1]], greedy)


def test_the_first_letter_is_drawn_with_its_probability():
    model = gpt(4)
    asked = torch.full((4000,), 5)
    drawn = requests.write(model, asked, gen(7))[:, 2]
    with torch.no_grad():
        p = model(requests.requests(asked[:1]))[0, -1].softmax(-1)
    found = drawn.bincount(minlength=requests.VOCAB) / 4000
    assert ((found - p).abs() < 5 * (p * (1 - p) / 4000).sqrt() + 1e-4).all()


# ---------------------------------------------------------------------------
# Policy gradient and KL


@pytest.mark.parametrize("seed", range(4))
def test_the_policy_gradient_is_the_exact_one(seed):
    """The mean of the estimate, by enumeration, with any constant as baseline."""
    made = toy(seed)
    log_p = made.log_p()
    exactly = made.gradient((log_p.exp() * REWARDS).sum())
    for baseline in (0.0, 3.0):
        mean = sum(log_p[i].exp().detach() * made.gradient(
            -policy.policy_loss(log_p[i].view(1, 1), REWARDS[i : i + 1] - baseline))
            for i in range(4))
        assert torch.allclose(mean, exactly)


def test_the_gradient_is_that_of_finite_differences():
    made = toy(5)
    exactly = made.gradient((made.log_p().exp() * REWARDS).sum())
    for i in range(6):
        ends = []
        for by in (1e-5, -1e-5):
            moved = Toy(made.scores.detach() + by * torch.eye(6)[i])
            ends.append((moved.log_p().exp() * REWARDS).sum().item())
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(exactly[i].item(), abs=1e-6)


def test_a_toy_is_a_distribution_and_has_six_scores():
    assert toy(3).log_p().exp().sum().item() == pytest.approx(1)
    with pytest.raises(ValueError, match="6 scores"):
        Toy(torch.zeros(5))


def test_kinds_of_advantage():
    rewards = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]])
    assert torch.equal(policy.advantages(rewards, "none"), rewards)
    assert policy.advantages(rewards, "mean").mean().abs() < 1e-6
    assert policy.advantages(rewards).tolist() == [[-1, 0, 1], [-2, -2, 4]]
    scaled = policy.advantages(rewards, "scaled")
    assert torch.allclose(scaled.std(1), torch.ones(2), atol=1e-3)
    assert policy.advantages(torch.ones(1, 4), "scaled").abs().max() == 0
    with pytest.raises(ValueError, match="none, mean, group, scaled"):
        policy.advantages(rewards, "best")


@pytest.mark.parametrize("seed", range(3))
def test_which_estimate_of_the_kl_has_its_mean_and_which_its_gradient(seed):
    made, reference = toy(seed), toy(seed + 10).log_p().detach()
    log_p = made.log_p()
    p = log_p.exp().detach()
    kl, other = exact.kl(log_p, reference), exact.kl(reference, log_p)
    k1, k2, k3 = policy.kl_estimates(log_p, reference)
    means = [(p * k).sum() for k in (k1, k2, k3)]
    assert torch.allclose(means[0], kl) and torch.allclose(means[2], kl)
    assert not torch.allclose(means[1], kl, rtol=1e-3)
    assert (k3 >= 0).all() and (k2 >= 0).all()
    g1, g2, g3 = (made.gradient(mean) for mean in means)
    assert g1.abs().max() < 1e-12
    assert torch.allclose(g2, made.gradient(kl))
    assert torch.allclose(g3, made.gradient(other))
    assert not torch.allclose(g3, made.gradient(kl), rtol=1e-2)


def test_a_penalty_in_the_reward_has_the_gradient_of_the_kl():
    made, reference, beta = toy(1), toy(2).log_p().detach(), 0.7
    log_p = made.log_p()
    paid = policy.penalised(REWARDS, log_p.detach()[:, None], reference[:, None], beta)
    mean = sum(log_p[i].exp().detach() * paid[i] * made.gradient(log_p[i]) for i in range(4))
    assert torch.allclose(mean, made.gradient(exact.objective(log_p, reference, REWARDS, beta)))


@pytest.mark.parametrize("beta", [0.1, 0.5, 3.0])
def test_nothing_beats_the_tilted_reference(beta):
    reference = toy(6).log_p().detach()
    best = exact.tilted(reference, REWARDS, beta)
    top = exact.objective(best, reference, REWARDS, beta)
    assert top.item() == pytest.approx(
        beta * (reference + REWARDS / beta).logsumexp(0).item())      # the closed form of its value
    for seed in range(50):
        near = (best + 0.3 * torch.randn(4, generator=gen(seed))).log_softmax(0)
        assert exact.objective(near, reference, REWARDS, beta) <= top + 1e-12
    with pytest.raises(ValueError, match="one answer"):
        exact.tilted(reference, REWARDS, 0.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_best_of_n_draws_is_no_further_than_the_bound(n):
    reference = toy(7).log_p().detach()
    found = torch.zeros(4).double()
    for drawn in itertools.product(range(4), repeat=n):
        p = reference[list(drawn)].sum().exp()
        found[max(drawn, key=lambda i: REWARDS[i])] += p
    kl = exact.kl(found.log(), reference)
    assert -1e-12 <= kl <= math.log(n) - (n - 1) / n + 1e-12


def test_improve_raises_the_reward_and_leaves_the_reference():
    model = gpt(1)
    before = copy.deepcopy(model.state_dict())
    moved = copy.deepcopy(model)

    def paid(ids):
        return (ids[:, 2] == 5).float()                   # begins with e

    course = policy.improve(moved, model, paid, steps=25, beta=0.0, generator=gen(2), lr=1e-2,
                            requests=8, group=12)
    assert len(course.rewards) == len(course.kls) == 25
    assert sum(course.rewards[-5:]) > sum(course.rewards[:5]) + 1
    assert course.kls[0] == pytest.approx(0, abs=1e-4) and course.kls[-1] > 0.3
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_improve_refuses_what_is_no_penalty_and_no_reward():
    model = gpt()
    with pytest.raises(ValueError, match="beta is -1"):
        policy.improve(model, model, requests.obeys, steps=1, beta=-1, generator=gen())
    with pytest.raises(ValueError, match="step 0: a reward is nan"):
        policy.improve(copy.deepcopy(model), model, lambda ids: torch.full((len(ids),), math.nan),
                       steps=1, beta=0, generator=gen())


def test_improve_takes_requests_of_any_length():
    model = gpt(1)
    asked = sums.asked([(3, 5), (9, 4)])
    seen = []
    policy.improve(copy.deepcopy(model), model, sums.adds_up, steps=2, beta=0.1, generator=gen(2),
                   requests=4, group=4, asked=asked, watch=lambda step, _, ids: seen.append(ids))
    for ids in seen:
        assert len(ids) == 16 and requests.counts(ids)[:, -1].any(), "no more than is used"
        assert all((row[:4] == asked).all(1).any() for row in ids)


# ---------------------------------------------------------------------------
# Sums


def test_a_sum_is_right_where_python_says_so():
    wanted = sums.rows(sums.PAIRS)
    assert requests.answers(wanted) == [str(a + b) for a, b in sums.PAIRS]
    assert sums.adds_up(wanted).all()
    ids = requests.write(gpt(3), sums.asked(sums.PAIRS), gen(1))
    some = torch.rand(100, 1, generator=gen(2)) < 0.5
    ids[:, 4:7] = torch.where(some, wanted[:, 4:], ids[:, 4:7])
    texts = ["".join(requests.CHARACTERS[i] for i in row) for row in ids.tolist()]
    for text, said in zip(texts, sums.adds_up(ids).tolist(), strict=True):
        request, answer = text.split(">", 1)
        assert said == (answer.split(".")[0] == str(eval(request))), text
    assert 0 < sums.adds_up(ids).sum() < 100


def test_the_parts_share_no_sum():
    parts = sums.split([30, 15, 10], gen())
    assert sorted(pair for part in parts for pair in part) == sums.PAIRS
    kinds = [{frozenset(pair) for pair in part} for part in parts]
    assert [len(kind) for kind in kinds] == [30, 15, 10]
    with pytest.raises(ValueError, match="54 sums together; there are 55"):
        sums.split([54], gen())


def test_the_share_right_is_that_of_many_draws():
    pairs = sums.PAIRS[::7]
    model = recipes.finetune(gpt(5), sums.rows(pairs), gen(1), steps=30)
    exactly = sums.share_right(model, pairs)
    ids = requests.write(model, sums.asked(pairs).repeat(400, 1), gen(2))
    assert 0.02 < exactly < 0.98
    assert sums.adds_up(ids).mean().item() == pytest.approx(exactly, abs=0.03)


# ---------------------------------------------------------------------------
# Comparisons


def test_bradley_terry_is_logistic_regression():
    a, b = torch.randn(50, generator=gen(1)), torch.randn(50, generator=gen(2))
    better = torch.rand(50, generator=gen(3)) < 0.5
    expected = F.binary_cross_entropy_with_logits(a - b, better.float())
    assert torch.allclose(reward.bradley_terry_loss(a, b, better), expected)
    assert torch.allclose(reward.bradley_terry_loss(a + 9, b + 9, better), expected, atol=1e-5)


def test_a_rater_prefers_with_the_sigmoid_of_the_difference():
    n = 20_000
    won = reward.prefer(torch.full((n,), 1.7), torch.full((n,), 0.2), gen(4))
    assert won.float().mean().item() == pytest.approx(1 / (1 + math.exp(-1.5)), abs=0.015)


def test_a_reward_model_reads_the_answer_and_not_the_filling():
    model = gpt(2)
    rated = reward.RewardModel(model)
    ids = requests.rows(["ada", "martin"])
    assert torch.equal(rated(ids), torch.zeros(2))
    nn.init.normal_(rated.score.weight, generator=gen(1))
    first = rated(ids)
    filled = ids.clone()
    filled[0, 8:] = 3                                      # behind the end of ada
    assert torch.equal(rated(filled)[0], first[0]) and first[0] != first[1]
    stream = rated.body(ids[:1, :5])[0, -1]                # where its last letter is read
    assert torch.allclose(first[0], rated.score(stream)[0], atol=1e-6)
    assert model.head.weight is model.tokens.weight, "the policy keeps its head"


def test_a_reward_model_learns_what_won():
    first, second = requests.rows(["ada", "martin"] * 8), requests.rows(["bo", "tom"] * 8, "an" * 8)
    better = torch.tensor([True, False] * 8)
    judge = reward.fit(gpt(1), first, second, better, generator=gen(), steps=20, batch=8)
    with torch.no_grad():
        assert reward.accuracy(judge(first), judge(second), better) == 1


def test_dpo_begins_at_log_two_and_rises_with_what_the_winner_gains():
    zero = torch.zeros(3)
    assert dpo.dpo_loss(zero, zero, zero, zero, 0.3).item() == pytest.approx(math.log(2))
    assert dpo.dpo_loss(zero + 1, zero, zero, zero, 0.3) < math.log(2)
    assert dpo.dpo_loss(zero, zero, zero + 1, zero, 0.3) > math.log(2)


@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_dpo_has_its_minimum_at_the_tilted_reference(beta):
    """Expected over all pairs, with the probabilities of the rater."""
    reference = toy(8).log_p().detach()
    best = exact.tilted(reference, REWARDS, beta)

    def expected(log_p):
        return sum((reference[i] + reference[j]).exp() * torch.sigmoid(REWARDS[i] - REWARDS[j])
                   * dpo.dpo_loss(log_p[i], log_p[j], reference[i], reference[j], beta)
                   for i in range(4) for j in range(4))

    at = best.clone().requires_grad_()
    gradient, = torch.autograd.grad(expected(at.log_softmax(0)), at)
    assert gradient.abs().max() < 1e-9
    for seed in range(10):
        near = (best + 0.2 * torch.randn(4, generator=gen(seed))).log_softmax(0)
        assert expected(near) > expected(best)


def test_dpo_makes_the_winner_likelier():
    model = gpt(3)
    winners, losers = requests.rows(["ada"] * 8), requests.rows(["bea"] * 8, "a" * 8)
    tuned = dpo.prefer_directly(model, winners, losers, steps=15, beta=0.5, generator=gen(),
                                lr=3e-3)
    with torch.no_grad():
        gap = [(requests.log_p(m, winners) - requests.log_p(m, losers)).sum(1).mean().item()
               for m in (model, tuned)]
    assert gap[1] > gap[0] + 1
    with pytest.raises(ValueError, match="one loser for each winner"):
        dpo.prefer_directly(model, winners, losers[:3], steps=1, beta=1, generator=gen())
    with pytest.raises(ValueError, match="above 0"):
        dpo.prefer_directly(model, winners, losers, steps=1, beta=0, generator=gen())


def test_taste_is_what_python_says():
    names = ["ada", "martin", "bo", "z", "aaaaaa", "xyxyxyxyxyx"]
    ids = requests.rows(names, "ambzqx")
    for name, letter, points in zip(names, "ambzqx", taste.taste(ids).tolist(), strict=True):
        vowel = [c in "aeiouy" for c in name]
        turns = sum(a != b for a, b in zip(vowel, vowel[1:], strict=False))
        expected = (taste.ASKED * (name[-1] == letter) + taste.TURNS * turns / max(1, len(name) - 1)
                    - taste.OFF * abs(len(name) - 6)
                    - taste.AGAIN * (len(name) - len(set(name))))
        assert points == pytest.approx(expected, abs=1e-5), name


# ---------------------------------------------------------------------------
# Transfer and flattery


def test_adam_by_hand_is_torchs():
    nets = transfer.Nets(2, gen(1))
    x, y = nets.examples(None, 40)
    ours = [w.clone() for w in nets.weights]
    theirs = [w.clone().requires_grad_() for w in nets.weights]
    transfer.adam(ours, lambda: (x, y), 5, [0.01, 0.01, 0.02, 0.02, 0.03, 0.03])
    groups = [{"params": theirs[i : i + 2], "lr": 0.01 * (i // 2 + 1)} for i in (0, 2, 4)]
    optimizer = torch.optim.Adam(groups)
    for _ in range(5):
        loss = F.cross_entropy(transfer.scores(theirs, x).flatten(0, 1), y.flatten(),
                               reduction="sum") / 40
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_the_shifts_are_what_they_say():
    nets = transfer.Nets(2, gen(2))
    assert torch.allclose(nets.turned @ nets.turned.mT, torch.eye(20).expand(2, 20, 20), atol=1e-5)
    x, y = nets.examples("input", 50)
    back = x @ nets.turned.mT                                  # the input as it was
    found = torch.tanh(1.5 * (back @ nets.features)) @ nets.classes
    assert (found.argmax(2) == y).float().mean() > 0.99
    with pytest.raises(ValueError, match="head, input"):
        nets.finetune("both", [1])


def test_a_frozen_layer_stays_and_the_nets_keep_theirs():
    nets = transfer.Nets(2, gen(3))
    nets.pretrain(30)
    before = [w.clone() for w in nets.weights]
    accuracy = nets.finetune("input", [0, 1], examples=40, steps=20, tests=50)
    assert accuracy.shape == (2, 2) and (accuracy >= 0).all() and (accuracy <= 1).all()
    assert all(torch.equal(a, b) for a, b in zip(before, nets.weights, strict=True))


def test_the_gradients_of_a_deep_net_go_the_two_ways():
    outs, weights = transfer.layer_gradients(0.3)
    assert outs[0] < 0.05 * outs[-1] and 0.5 < weights[0] / weights[-1] < 2


def test_the_fitted_rater_is_where_the_likelihood_has_no_slope():
    weights = flattery.fitted(1.0, gen(4), pairs=3000)
    assert torch.allclose(weights, torch.tensor([1.0, 1.0, 0.0]).double(), atol=0.2)
    dice = gen(4)
    first, second = (torch.randn(3000, 3, generator=dice, dtype=torch.float64) for _ in range(2))
    weigh = torch.tensor([1.0, 1.0, 0.0]).double()
    better = reward.prefer(first @ weigh, second @ weigh, dice)
    w = weights.clone().requires_grad_()
    slope, = torch.autograd.grad(reward.bradley_terry_loss(first @ w, second @ w, better), w)
    assert slope.abs().max() < 1e-8


def test_the_best_of_many_has_what_was_rewarded():
    weights = torch.tensor([1.0, 0.0, 0.0]).double()
    truth, agreement = flattery.best_reply(weights, 16, gen(), times=2000)
    assert truth == pytest.approx(1.766, abs=0.06) and abs(agreement) < 0.1   # of 16 normal draws


def test_bayes():
    assert flattery.posterior(0.3, 0.95, 0.95) == pytest.approx(0.3)
    assert flattery.posterior(0.5, 1.0, 0.0) == 1
    with pytest.raises(ValueError, match="yes_if_wrong is 2"):
        flattery.posterior(0.3, 0.5, 2)
    with pytest.raises(ValueError, match="nobody says yes"):
        flattery.posterior(0.3, 0, 0)


def test_the_recipes_train():
    base = recipes.pretrain(["anna", "bella", "carla"] * 20, gen(), steps=5)
    assert base.config.vocab == requests.VOCAB and not base.training
    ids = requests.rows(["anna", "bella", "carla"])
    tuned = recipes.finetune(base, ids, gen(), steps=25)
    with torch.no_grad():
        assert recipes.masked_loss(tuned, ids) < recipes.masked_loss(base, ids)
