"""The embedding map: its distances are PyTorch's, and every control works."""

import pytest
import torch
from playwright.sync_api import expect

from zh import data, training
from zh.mlp import MLP

PAGE, LAB, DRAWN = "book/mlp", "embedding", "select[name='Letter']"
STEPS = (0, 50, 100, 200, 400, 700, 1000, 2000, 4000)


@pytest.fixture(scope="module")
def tables():
    """The chapter's two runs again: the table at each recorded step."""
    X, Y = data.windows(data.split(data.names())[0], block=3)
    found = []
    for scale in (0.1, 1.0):
        g = torch.Generator().manual_seed(1)
        net = MLP(generator=g)
        with torch.no_grad():
            net[0].weight *= scale
        run = [net[0].weight.detach().clone()]

        def note(step, net, history, run=run):
            if step + 1 in STEPS:
                run.append(net[0].weight.detach().clone())

        training.train(net, lambda g: data.batch(X, Y, 32, g), 4000, progress=False,
                       lr=training.cosine(0.3, 4000), generator=g, callbacks=[note])
        found.append([C.double() for C in run])
    return found


def shown(node):
    """{letter: (distance in all ten, distance on the map, its place)} of the table."""
    rows = node.locator("tbody tr").evaluate_all(
        "rows => rows.map(r => [r.dataset.row, ...[...r.cells].slice(1).map(c => c.textContent)])")
    number = [float(text.replace("−", "-")) for row in rows for text in row[1:3]]
    return {row[0]: (number[2 * i], number[2 * i + 1], int(row[3].split()[0]))
            for i, row in enumerate(rows)}


def principal(C):
    return C @ torch.linalg.svd(C - C.mean(0), full_matrices=False).Vh[:2].T


def ranks(values):
    return values.argsort().argsort().double()


@pytest.mark.parametrize("view", ["principal", "0-1", "7-3"])
@pytest.mark.parametrize("run", [0, 1])
def test_distances_are_pytorchs(lab, tables, run, view):
    _, node = lab(f"run={run}&view={view}")
    for step, letter in [(0, "e"), (4, "."), (8, "e"), (8, "q")]:
        node.get_by_label("Step of the training").evaluate(
            "(s, k) => { s.value = k; s.dispatchEvent(new Event('input'));"
            " s.dispatchEvent(new Event('change')); }", step)
        node.locator("select[name='Letter']").select_option(letter)
        expect(node.locator(".zh-step")).to_contain_text(f"After {STEPS[step]} steps")
        C = tables[run][step].round(decimals=3)
        flat = principal(C) if view == "principal" else C[:, [int(k) for k in view.split("-")]]
        me = data.ALPHABET.index(letter)
        full, drawn = torch.cdist(C, C)[me], torch.cdist(flat, flat)[me]
        nearest = [data.ALPHABET[i] for i in full.argsort() if i != me][:5]
        places = [i.item() for i in drawn.argsort() if i != me]
        found = shown(node)
        for other in nearest[:4]:                   # the fifth may tie with the sixth
            i = data.ALPHABET.index(other)
            assert other in found
            assert found[other][0] == pytest.approx(full[i].item(), rel=2e-3, abs=2e-3)
            assert found[other][1] == pytest.approx(drawn[i].item(), rel=2e-3, abs=4e-3)
            assert abs(found[other][2] - 1 - places.index(i)) <= 1
        i, j = torch.triu_indices(26, 26, 1)
        a, b = (ranks(torch.cdist(P[1:], P[1:])[i, j]) for P in (C, flat))
        right = torch.corrcoef(torch.stack([a, b]))[0, 1].item()
        told = node.locator(".zh-fit").inner_text().rstrip(".").rpartition(" ")[2]
        assert float(told.replace("−", "-")) == pytest.approx(right, abs=5e-3)


def test_a_letter_on_the_map_keyboard_and_address(lab):
    page, node = lab("step=8")
    node.locator("g[data-letter=q]").click()
    expect(node.locator("select[name='Letter']")).to_have_value("q")
    said = node.locator("[aria-live]").last
    expect(said).to_contain_text("start near zero, after 4000 steps. Nearest to q:")
    expect(said).to_contain_text("principal directions has a rank correlation of 0.")
    node.get_by_role("button", name="Earlier").focus()
    page.keyboard.press("ArrowLeft")
    expect(node.locator(".zh-step")).to_contain_text("After 2000 steps")
    page.keyboard.press("Enter")
    expect(node.locator(".zh-step")).to_contain_text("After 1000 steps")
    page.keyboard.press("Home")
    expect(node.get_by_role("button", name="Earlier")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("End")
    expect(node.locator(".zh-step")).to_contain_text("After 4000 steps")
    node.locator("select[name='Map shows']").select_option("pair")
    node.locator("select[name='up']").select_option("0")   # the other one takes its place
    expect(node.locator("select[name='across']")).to_have_value("1")
    page.wait_for_function("location.hash.includes('view=1-0')")
    node.locator("select[name='Run']").select_option("1")
    page.wait_for_function("location.hash.includes('run=1')")
    page.reload()
    expect(node.locator("select[name='Run']")).to_have_value("1")
    expect(node.locator("select[name='Letter']")).to_have_value("q")
    expect(node.locator("select[name='across']")).to_have_value("1")


def test_letters_stand_where_the_numbers_put_them(lab, tables):
    """One scale for both directions: distances on the screen are those of the table."""
    _, node = lab("run=0&step=8&view=2-5")
    spots = node.locator("g[data-letter]").evaluate_all(
        "all => all.map(g => [g.dataset.letter, +g.firstChild.getAttribute('cx'),"
        " +g.firstChild.getAttribute('cy')])")
    order = [data.ALPHABET.index(letter) for letter, *_ in spots]
    places = torch.tensor([spot[1:] for spot in spots], dtype=torch.float64)
    flat = tables[0][8][order][:, [2, 5]]
    ratio = torch.cdist(places, places) / torch.cdist(flat, flat).clamp(min=1e-9)
    far = torch.cdist(flat, flat) > 0.2
    assert ratio[far].max() / ratio[far].min() < 1.03
    assert sorted(order) == list(range(27))


@pytest.mark.parametrize("state", ["letter=nonsense&view=9-99&run=7&step=-3", "view=4-4"])
def test_an_address_that_names_nothing_is_met(lab, state):
    _, node = lab(state)
    expect(node.locator("tbody tr")).to_have_count(5)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab("view=0-1", width=360, height=740, dark=dark, has_touch=True)
    fits(page, node)
    node.get_by_role("button", name="Earlier").tap()
    expect(node.locator(".zh-step")).to_contain_text("After 2000 steps")


def test_from_disk(lab):
    _, node = lab("letter=a", disk=True)
    expect(node.locator(".zh-step")).to_contain_text("nearest to a")


def test_what_was_changed_is_said(lab):
    _, node = lab("step=8")
    said = node.locator("[aria-live]").last
    node.locator("select[name='Map shows']").select_option("pair")
    expect(said).to_contain_text("The map of dimensions 0 and 1 has a rank correlation")
    node.locator("select[name='across']").select_option("7")
    expect(said).to_contain_text("dimensions 7 and 1")
    node.locator("select[name='Run']").select_option("1")
    expect(said).to_contain_text("usual start, after 4000 steps")
    node.locator("select[name='Letter']").select_option(".")
    expect(said).to_contain_text("Nearest to . (the mark)")


def test_a_finger_beside_a_letter_takes_the_nearest(lab):
    """A little beside the letter that lies farthest right, at the width of a phone."""
    page, node = lab("step=8", width=360)
    node.locator("svg").scroll_into_view_if_needed()
    where = node.locator("g[data-letter]").evaluate_all(
        "gs => gs.map(g => { const b = g.querySelector('circle').getBoundingClientRect();"
        " return [g.dataset.letter, b.x + b.width / 2, b.y + b.height / 2]; })")
    letter, x, y = max(where, key=lambda w: w[1])
    page.mouse.click(x + 12, y)
    expect(node.locator("select[name='Letter']")).to_have_value(letter)
