"""The record of the bigram chapter is whole."""

from tests.conftest import ROOT
from zh import recorded


def test_what_the_recorded_leak_says_agrees_with_itself():
    """Counts, shares and sizes of zh/recorded/leaks.json belong to the same list and split."""
    found = recorded.load("leaks")
    line, distinct = found["splits"]["by line"], found["splits"]["by distinct name"]
    assert sum(line["sizes"]) == found["corpus"]["lines"] == 32033
    assert sum(distinct["sizes"]) == found["corpus"]["names"] == 29494
    assert found["dev_in_train"] == line["in_train"][0] / line["sizes"][1]
    assert distinct["in_train"] == [0, 0]
    edge = line["network_ahead"]
    assert edge["held out, counted"]["names"] == sum(line["in_train"])
    assert abs(edge["dev"]["ahead"] - (line["tables"]["four_letters_k_0.1"][1]
                                       - sum(run[1] for run in line["mlp"]) / 3)) < 1e-6
    # the chapter says: the table wins on what it counted, the network on what it did not
    assert edge["held out, counted"]["ahead"] < -10 * edge["held out, counted"]["error"]
    assert edge["dev"]["ahead"] < 0 < min(distinct["network_ahead"][part]["ahead"]
                                          for part in ("dev", "test"))
    assert edge["held out, unseen"]["ahead"] > 2 * edge["held out, unseen"]["error"]
    assert abs(found["lecture"]["bigram"] - 2.4540) < 5e-5  # the lecture's own number
    assert len(line["mlp"]) == len(distinct["mlp"]) == len(found["seeds"]) >= 3
    assert "200000" in found["command"] and (ROOT / found["script"]).is_file()
