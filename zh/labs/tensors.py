"""The data of the tensor stepper, made from an executed run of `zh.backward`.

For each of the 26 tensors: the forward lines that use it (read from the source of
`backward.forward`, not retyped), which axes broadcast there, the reader's choices with what is
wrong about each wrong one (every choice is evaluated on the run and judged by `compare`), the
numbers of a corner, and the whole gradient as a small picture.
"""
from __future__ import annotations

import inspect
import random
import re
from types import SimpleNamespace

import torch

from zh import backward, page
from zh.backward import TENSORS, compare

ROWS, COLUMNS = 4, 6       # the corner whose numbers are shown

# For each tensor, the choices: text, or (text, the expression that it stands for); the first is
# right. Then a sentence on why.
STEPS: dict[str, tuple[list[str | tuple[str, str]], str]] = {
    "logprobs": ([
        ("-1/n at [i, Y[i]], 0 elsewhere", "onehot(Y) * (-1 / n)"),
        ("-1 at [i, Y[i]], 0 elsewhere", "-onehot(Y)"),
        ("1/n at [i, Y[i]], 0 elsewhere", "onehot(Y) / n"),
        ("-1/n everywhere", "torch.full_like(logprobs, -1 / n)"),
    ], "The loss is minus the mean of n picked entries. What was not picked has no influence."),
    "probs": ([
        "dlogprobs / probs",
        "dlogprobs * probs",
        "-dlogprobs / probs**2",
    ], "The slope of log is one over its input. An unlikely right answer gets the largest push."),
    "counts_sum_inv": ([
        "(dprobs * counts).sum(1, keepdim=True)",
        "dprobs * counts",
        "(dprobs * counts).sum(0, keepdim=True)",
        "(dprobs * counts).sum(1)",
    ], "One number served the whole row, so the row's gradients are added up."),
    "counts_sum": ([
        "-dcounts_sum_inv * counts_sum**-2",
        "-dcounts_sum_inv / counts_sum",
        "dcounts_sum_inv * counts_sum**-2",
    ], "The power rule with exponent -1."),
    "counts": ([
        "dprobs * counts_sum_inv + dcounts_sum",
        "dprobs * counts_sum_inv",
        "dprobs * counts_sum_inv - dcounts_sum",
        "dprobs * counts_sum + dcounts_sum",
    ], "Two uses, two terms. The second one is the gradient of the row's sum, given to each "
       "entry of the row."),
    "norm_logits": ([
        "dcounts * counts",
        "dcounts / counts",
        "dcounts * norm_logits",
        "dcounts",
    ], "The slope of exp is its output."),
    "logit_maxes": ([
        "-dnorm_logits.sum(1, keepdim=True)",
        "-dnorm_logits",
        "-dnorm_logits.sum(0, keepdim=True)",
        "-dnorm_logits.sum(1)",
    ], "Subtracted, so minus; one number served the whole row, so a sum. How large the numbers "
       "are, and why, is a question below the stepper."),
    "logits": ([
        ("dnorm_logits + dlogit_maxes * (one-hot of the row's largest)",
         "dnorm_logits + dlogit_maxes * onehot(logits.argmax(1))"),
        "dnorm_logits * logit_maxes",
        ("-dnorm_logits + dlogit_maxes * (one-hot of the row's largest)",
         "-dnorm_logits + dlogit_maxes * onehot(logits.argmax(1))"),
        "dnorm_logits.sum(1, keepdim=True)",
    ], "Two uses, two terms. The max passes its gradient to the entry that won. Together: "
       "softmax minus one-hot, over n."),
    "h": ([
        "dlogits @ W2.T",
        "dlogits @ W2",
        "W2 @ dlogits.T",
        "W2.T @ dlogits",
    ], "(32, 64) has to come from (32, 27) and (27, 64): one product fits."),
    "W2": ([
        "h.T @ dlogits",
        "dlogits.T @ h",
        "h @ dlogits",
        "h.T @ dlogits / n",
    ], "Each weight met all n examples, and the product adds them up."),
    "b2": ([
        "dlogits.sum(0)",
        "dlogits",
        "dlogits.sum(1)",
        "dlogits.mean(0)",
    ], "The bias was copied to every row, so the rows are added up."),
    "hpreact": ([
        "dh * (1 - h**2)",
        "dh * (1 - hpreact**2)",
        "dh * h",
        "dh * (1 - h)",
    ], "The slope of tanh from its output. It is never above one, so tanh can only shrink a "
       "gradient."),
    "bngain": ([
        "(dhpreact * bnraw).sum(0, keepdim=True)",
        "dhpreact * bnraw",
        "dhpreact.sum(0, keepdim=True)",
        "(dhpreact * bnraw).sum(0)",
    ], "A product gives the other factor, and a broadcast gives a sum."),
    "bnbias": ([
        "dhpreact.sum(0, keepdim=True)",
        "dhpreact",
        "dhpreact.sum(1, keepdim=True)",
        "dhpreact.mean(0, keepdim=True)",
    ], "A sum passes the gradient on unchanged, and a broadcast gives a sum."),
    "bnraw": ([
        "dhpreact * bngain",
        "dhpreact * bnraw",
        "dhpreact / bngain",
        "(dhpreact * bngain).sum(0, keepdim=True)",
    ], "The gain broadcasts in the backward pass too; bnraw did not, so nothing is summed."),
    "bnvar_inv": ([
        "(dbnraw * bndiff).sum(0, keepdim=True)",
        "dbnraw * bndiff",
        "(dbnraw * bndiff).sum(1, keepdim=True)",
        "(dbnraw * bnraw).sum(0, keepdim=True)",
    ], "One number scaled the whole column, so the column is added up."),
    "bnvar": ([
        "-0.5 * dbnvar_inv * (bnvar + eps)**-1.5",
        "0.5 * dbnvar_inv * (bnvar + eps)**-1.5",
        "-0.5 * dbnvar_inv * (bnvar + eps)**-0.5",
        "dbnvar_inv * (bnvar + eps)**-1.5",
    ], "The power rule with exponent -1/2."),
    "bndiff2": ([
        ("dbnvar / (n - 1), copied to every row", "(dbnvar / (n - 1)).expand(n, -1)"),
        ("dbnvar / n, copied to every row", "(dbnvar / n).expand(n, -1)"),
        ("dbnvar, copied to every row", "dbnvar.expand(n, -1)"),
        ("dbnvar / (n - 1), one row", "dbnvar / (n - 1)"),
    ], "A sum in the forward pass is a broadcast in the backward pass. The divisor is Bessel's."),
    "bndiff": ([
        "dbnraw * bnvar_inv + dbndiff2 * 2 * bndiff",
        "dbnraw * bnvar_inv",
        "dbndiff2 * 2 * bndiff",
        "dbnraw * bnvar_inv + dbndiff2 * 2",
    ], "Two uses, two terms: directly, and through the variance."),
    "bnmeani": ([
        "-dbndiff.sum(0, keepdim=True)",
        "dbndiff.sum(0, keepdim=True)",
        "-dbndiff",
        "-dbndiff.mean(0, keepdim=True)",
    ], "Subtracted, so minus; copied to every row, so a sum."),
    "hprebn": ([
        "dbndiff + dbnmeani / n",
        "dbndiff",
        "dbndiff + dbnmeani",
        "dbndiff - dbnmeani / n",
    ], "Two uses, two terms: directly, and through the mean of the column."),
    "embcat": ([
        "dhprebn @ W1.T",
        "dhprebn @ W1",
        "W1 @ dhprebn.T",
        "dhprebn * W1",
    ], "(32, 30) from (32, 64) and (64, 30): one product fits."),
    "W1": ([
        "embcat.T @ dhprebn",
        "dhprebn.T @ embcat",
        "embcat @ dhprebn",
        "embcat.T @ dhprebn / n",
    ], "(30, 64) from (30, 32) and (32, 64): one product fits."),
    "b1": ([
        "dhprebn.sum(0)",
        "dhprebn",
        "dhprebn.sum(0, keepdim=True)",
        "dhprebn.sum(1)",
    ], "The rule is the one of every bias. The numbers are rounding noise: batch normalisation "
       "subtracts the mean, and a bias is a part of the mean."),
    "emb": ([
        "dembcat.view(n, 3, 10)",
        "dembcat",
        "dembcat.view(n, 10, 3)",
        "dembcat.view(3, n, 10)",
    ], "A view moves no number, so its backward is the view back."),
    "C": ([
        ("row X[i, j] += demb[i, j], for all i and j",
         "torch.zeros_like(C).index_add(0, X.flatten(), demb.flatten(0, 1))"),
        ("row X[i, j] = demb[i, j], for all i and j",
         "torch.zeros_like(C).index_copy(0, X.flatten(), demb.flatten(0, 1))"),
        ("the sum of demb over i and j, in every row",
         "demb.sum((0, 1)).expand(len(C), -1)"),
    ], "A letter that stands in many contexts collects the gradients of all of them."),
}

# Entries to work out by hand: for a tensor, the index, the numbers that are needed, what else.
NUMBERS: dict[str, tuple[str, list[str], str]] = {
    "logprobs": ("0, Y[0]", [], "Y[0] is {Y0} and n is {n}"),
    "probs": ("0, Y[0]", ["dlogprobs", "probs"], ""),
    "norm_logits": ("0, Y[0]", ["dcounts", "counts"], ""),
    "hpreact": ("0, 0", ["dh", "h"], ""),
    "bnraw": ("0, 0", ["dhpreact", "bngain"], ""),
    "bndiff2": ("0, 0", ["dbnvar"], "n is {n}"),
    "bndiff": ("0, 0", ["dbnraw", "bnvar_inv", "dbndiff2", "bndiff"], ""),
    "hprebn": ("0, 0", ["dbndiff", "dbnmeani"], "n is {n}"),
}

GROUPS = [("cross-entropy", 8), ("output layer", 4), ("batch normalisation", 9),
          ("hidden layer", 5)]


def forward_lines() -> dict[str, str]:
    """{tensor: its line}, from the source of `backward.forward`, without `t.` and the comment."""
    lines = {}
    for line in inspect.getsource(backward.forward).splitlines():
        found = re.match(r"\s+t\.(\w+) = (.*?)\s*(?:#.*)?$", line)
        if found:
            lines[found[1]] = f"{found[1]} = " + re.sub(r"\bt\.", "", found[2])
    return {name: line.replace("(n - bessel)", "(n - 1)") for name, line in lines.items()}


def namespace(t: SimpleNamespace, g: SimpleNamespace) -> dict[str, object]:
    """The names that the choices use: the tensors, `d<tensor>` for gradients, n, eps, onehot."""
    def onehot(index: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(index, t.logits.shape[1]).to(t.logits.dtype)

    names = {name: value.detach() for name, value in vars(t).items()
             if isinstance(value, torch.Tensor)}
    names |= {f"d{name}": value for name, value in vars(g).items()}
    return names | {"n": t.n, "eps": t.eps, "onehot": onehot, "torch": torch}


def expression(choice: str | tuple[str, str]) -> tuple[str, str]:
    """What a choice says, and the expression that it stands for."""
    return (choice, choice) if isinstance(choice, str) else choice


def stepper(t: SimpleNamespace, g: SimpleNamespace, reference: SimpleNamespace) -> dict:
    """The lab's data: the run `t`, the hand-written gradients `g`, and autograd's to compare with.

    `t` must come from `forward(..., bessel=True)`: the forward lines that are shown say n - 1.
    """
    if not t.bessel:
        raise ValueError("the stepper shows Bessel's n - 1: run forward(..., bessel=True)")
    lines, names = forward_lines(), namespace(t, g)
    steps = [_step(name, lines, names, t, g, reference) for name in TENSORS]
    return {"n": t.n, "loss": _round(t.loss), "groups": GROUPS, "steps": steps}


def sheet(t: SimpleNamespace) -> page.Html:
    """All the rules as a table: the tensor, its shape, where it is used, its gradient."""
    lines, rows, text = forward_lines(), [], []
    for name in TENSORS:
        rule = f"d{name} = {expression(STEPS[name][0][0])[0]}"
        uses = [line for line in lines.values() if _reads(line, name)]
        code = "<br>".join(f"<code>{page.escape(line)}</code>" for line in (*uses, rule))
        rows.append(f'<tr><th scope="row">{name}<br>{tuple(getattr(t, name).shape)}</th>'
                    f'<td style="white-space:nowrap;font-size:.9em">{code}</td></tr>')
        text.append(f"{'; '.join(uses)}  ->  {rule}")
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("tensor", "forward, then backward"))
    return page.Html(
        '<div class="zh-table" tabindex="0" role="group" aria-label="All 26 rules"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>",
        "\n".join(text))


def _step(name, lines, names, t, g, reference) -> dict:
    choices, why = STEPS[name]
    true = getattr(reference, name)
    mine, value = getattr(g, name), getattr(t, name).detach()
    judged = [(text, _judge(name, code, names, true))
              for text, code in map(expression, choices)]
    assert judged[0][1] == "" and all(how for _, how in judged[1:]), (name, judged)
    right = judged[0][0]
    random.Random(name).shuffle(judged)
    found = compare(name, mine, true, show=False)
    step = {
        "name": name, "shape": list(value.shape), "line": lines.get(name, ""), "why": why,
        "uses": [_use(name, out, line, t) for out, line in lines.items() if _reads(line, name)],
        "choices": [text for text, _ in judged], "how": [how for _, how in judged],
        "right": [text for text, _ in judged].index(right),
        "value": _corner(value), "grad": _corner(mine), "picture": picture(mine),
        "verdict": found.verdict, "maxdiff": _round(found.maxdiff),
        "largest": _round(mine.abs().max()),
    }
    if name in NUMBERS:
        where, given, text = NUMBERS[name]
        at = tuple(int(i) for i in eval(f"[{where}]", {"Y": t.Y}))
        step["number"] = {
            "at": list(at), "right": _round(mine[at], 7),
            "text": text.format(Y0=int(t.Y[0]), n=t.n),
            "given": [[x, _round(names[x][tuple(min(i, s - 1) for i, s in
                                               zip(at, names[x].shape, strict=True))], 7)]
                      for x in given],
        }
    return step


def _judge(name: str, code: str, names: dict, true: torch.Tensor) -> str:
    """Empty if the expression gives the right gradient, else what is wrong with it."""
    try:
        found = compare(name, eval(code, {}, names), true, show=False)
    except RuntimeError:
        return "the shapes do not fit: PyTorch refuses"
    return "" if found else found.how


def _reads(line: str, name: str) -> bool:
    return bool(re.search(rf"\b{name}\b", line.split("=", 1)[1]))


def _use(name: str, out: str, line: str, t: SimpleNamespace) -> dict:
    """One forward line that uses a tensor, and what it does to the axes."""
    mine = tuple(getattr(t, name).shape)
    its = tuple(getattr(t, out).shape)
    use = {"out": out, "line": line, "shape": list(its), "axes": "same", "axis": []}
    if re.search(r"\.(sum|max)\(|\.mean\(", line):
        axis = re.search(r"\.(?:sum|max)\((\d)", line)
        return use | {"axes": "reduced", "axis": [int(axis[1])] if axis else list(range(len(mine)))}
    operands = line.split("=", 1)[1].split("+")
    if any("@" in part and re.search(rf"\b{name}\b", part) for part in operands):
        return use | {"axes": "product"}
    if "[X]" in line:
        return use | {"axes": "looked up"}
    if "view" in line:
        return use | {"axes": "moved"}
    padded = (1,) * (len(its) - len(mine)) + mine
    stretched = [i for i, (a, b) in enumerate(zip(padded, its, strict=True)) if a != b]
    return use | ({"axes": "stretched", "axis": stretched} if stretched else {})


# ---------------------------------------------------------------------------
# Numbers, compactly


def _round(x, digits: int = 3) -> float:
    return float(f"{float(torch.as_tensor(x).detach()):.{digits}g}")


def _matrix(x: torch.Tensor) -> torch.Tensor:
    """Any tensor as a matrix: a vector is one row, further axes lie end to end."""
    return x.reshape(1, -1) if x.ndim < 2 else x.reshape(len(x), -1)


def _corner(x: torch.Tensor) -> list[list[float]]:
    return [[_round(v) for v in row] for row in _matrix(x)[:ROWS, :COLUMNS].tolist()]


LEVELS = "zyxwvutsrqponmlkjihgfedcba0ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # -26 .. 0 .. 26


def picture(x: torch.Tensor) -> list:
    """A tensor as [rows, columns, text]: one letter an entry, A-Z above zero and a-z below.

    The letter is the square root of the entry's size, so that small ones show too.
    """
    x = _matrix(x)
    top = x.abs().max().clamp(min=1e-30)
    level = (26 * (x.abs() / top).sqrt()).round().long() * x.sign().long()
    return [*x.shape, "".join(LEVELS[26 + v] for v in level.flatten().tolist())]
