"""A claim's verdict is computed; a text that says another stops the build."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zh.claims import VERDICTS, Claim, ClaimChanged, Evidence, claim


def rows(*held):
    return [(f"condition {i}", i / 7, h) for i, h in enumerate(held)]


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.sampled_from(VERDICTS))
def test_the_verdict_is_what_the_measurements_say(held, says):
    expected = VERDICTS[0] if all(held) else VERDICTS[1] if any(held) else VERDICTS[2]
    if says == expected:
        assert claim("a", "It is so.", rows(*held), says=says).verdict == expected
    else:
        with pytest.raises(ClaimChanged) as caught:
            claim("a", "It is so.", rows(*held), says=says)
        told = str(caught.value)
        assert "It is so." in told and "condition 0" in told
        assert f"the text says it {says!r}" in told and f"say {expected!r}" in told


@pytest.mark.parametrize("true", [True, np.bool_(True), torch.tensor(True), np.float64(2) > 1])
def test_booleans_of_every_library_count(true):
    assert claim("a", "It is so.", [("here", 1, true)], says="holds").evidence[0].held is True


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"evidence": []}, ValueError, "no evidence"),
        ({"evidence": [("a", 1)]}, TypeError, "evidence 0: .condition, measured value, held"),
        ({"evidence": ["abc"]}, TypeError, "evidence 0"),
        ({"evidence": [("a", 1, 1)]}, TypeError, "must be one True or False .* not 1"),
        ({"evidence": [("a", 1, "yes")]}, TypeError, "must be one True or False"),
        ({"evidence": [("a", 1, torch.tensor([True, True]))]}, TypeError, "one True or False"),
        ({"evidence": [("a", 1, torch.tensor(1.0))]}, TypeError, "one True or False"),
        ({"evidence": [("a", 1, True), (" a", 2, True)]}, ValueError, "stands there twice"),
        ({"evidence": [("", 1, True)]}, ValueError, "condition in words"),
        ({"says": "true"}, ValueError, "none of: holds"),
        ({"statement": " "}, ValueError, "needs a statement"),
        ({"slug": "A b"}, ValueError, "the slug of a claim"),
    ],
)
def test_a_claim_that_says_nothing_is_refused(change, error, words):
    good = {"slug": "a", "statement": "It is so.", "evidence": rows(True), "says": "holds"}
    with pytest.raises(error, match=words):
        claim(**{**good, **change})


def test_it_shows_itself_with_its_evidence_and_not_by_colour_alone():
    shown = claim("a-b", "x < y.", rows(True, False), says="holds with a condition")
    data, metadata = shown._repr_mimebundle_()
    body = data["text/html"]
    assert 'id="claim-a-b"' in body and "x &lt; y." in body
    assert "holds with a condition" in body and "✓ yes" in body and "✗ no" in body
    assert body.count("<tr>") == 3 and body.count('scope="row"') == 2
    assert "✗ condition 1: 0.1429" in data["text/plain"]
    listed = metadata["zh_claim"]
    assert listed["verdict"] == "holds with a condition" and listed["held"] == 1
    assert json.loads(json.dumps(listed)) == listed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (-1.0, "−1"),
        (2024, "2024"),
        (1234567, "1\u202f234\u202f567"),
        (np.float32(0.5), "0.5"),
        (torch.tensor(3), "3"),
        (torch.tensor([0.5]), "0.5"),
        ((1, 2.5), "1, 2.5"),
        ("0.5 against 0.7", "0.5 against 0.7"),
        (True, "yes"),
    ],
)
def test_measured_values_are_shown_short(value, text):
    body = Claim("a", "It.", (Evidence("here", value, True),)).html()
    assert re.search(r"<td>(.*?)</td>", body)[1] == text
