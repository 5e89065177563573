"""What goes into a page: JSON that may stand in a script, names that may stand in an address."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zh import page

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(JSON)
def test_json_survives_and_cannot_end_its_script(value):
    text = page.to_json(value)
    assert json.loads(text) == value
    assert "</" not in text and "<!--" not in text


def test_a_script_inside_the_data_stays_data():
    nasty = "</script><script>alert(1)</script><!-- <script>"
    text = page.payload(nasty)
    assert text.startswith('<script type="application/json" class="zh-payload">')
    assert text.count("</script>") == 1 and text.endswith("</script>")


def test_arrays_tensors_and_their_numbers_are_lists_and_numbers():
    data = {"a": np.arange(3), "t": torch.ones(2), "n": np.float32(0.5), "i": torch.tensor(3)}
    assert json.loads(page.to_json(data)) == {"a": [0, 1, 2], "t": [1, 1], "n": 0.5, "i": 3}


def test_what_json_has_not_is_said():
    with pytest.raises(ValueError, match="NaN and infinities by None"):
        page.to_json([1.0, float("nan")])
    with pytest.raises(TypeError, match="set cannot be written"):
        page.to_json({1, 2})


@pytest.mark.parametrize("name", ["step-size", "a", "x2", "a-1-b"])
def test_names_that_are_addresses(name):
    assert page.check_name(name, "it") == name


@pytest.mark.parametrize("name", ["", "Step", "a b", "-a", "a-", "a--b", "2a", "ä", None, "a/b"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="it .* cannot be used as an address"):
        page.check_name(name, "it")


def test_html_shows_itself():
    shown = page.Html("<b>x</b>", "x")
    assert shown._repr_mimebundle_() == {"text/html": "<b>x</b>", "text/plain": "x"}
    assert repr(shown) == "x"
