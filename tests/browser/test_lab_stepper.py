"""The graph stepper: its numbers are zh.autograd's, and it can be used in every way it offers."""

import math
import random
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from zh.autograd import Value, topological

PAGE, LAB, DRAWN = "book/backprop", "stepper", "select"
FUNCTIONS = ("tanh", "exp", "log", "relu", "sigmoid")
NEURON = "x1 = 2; x2 = 0; w1 = -3; w2 = 1; b = 6.881373587019543; o = tanh(x1*w1 + x2*w2 + b)"


@pytest.fixture
def lab(lab):
    """`lab(expr, step, width=390)` opens the page with that state and gives page and lab."""

    def opened(expr=None, step=0, more="", **options):
        return lab("" if expr is None else f"expr={quote(expr)}&step={step}{more}", **options)

    return opened


def in_python(program):
    """The result of a program of the lab, as a Value; `a = 2` makes a leaf."""
    names = {f: (lambda v, f=f: getattr(v, f)()) for f in FUNCTIONS}
    for line in re.split(r"[;\n]", program):
        name, more, text = re.fullmatch(r"\s*(\w+)\s*(\+?)=\s*(.+?)\s*", line).groups()
        value = eval(text, {"__builtins__": {}}, names)
        value = names[name] + value if more else value
        names[name] = value if isinstance(value, Value) else Value(value)
    return names[name]


def shown(node):
    """[(data, grad), ...] of the boxes of the graph, in the order of topological()."""
    read = "gs => gs.map(g => [+g.dataset.node, +g.dataset.value, +g.dataset.grad])"
    rows = node.locator("g[data-node]").evaluate_all(read)
    return [row[1:] for row in sorted(rows)]


def same(node, program):
    result = in_python(program)
    result.backward()
    expected = [(v.data, v.grad) for v in topological(result)]
    found = shown(node)
    assert len(found) == len(expected), program
    for (data, grad), (x, g) in zip(found, expected, strict=True):
        assert math.isclose(data, x, rel_tol=1e-9, abs_tol=1e-12), program
        assert math.isclose(grad, g, rel_tol=1e-9, abs_tol=1e-12), program


def random_program(rng):
    """A few statements in which any earlier name may be used again."""
    names = [f"v{i}" for i in range(rng.randint(1, 3))]
    lines = [f"{name} = {rng.choice([-2, -0.5, 0.3, 1, 2.5])}" for name in names]
    forms = ["{a} + {b}", "{a} - {b}", "{a}*{b}", "{a}/({b}*{b} + 1)", "tanh({a})", "-{a}",
             "relu({a} - {b})", "sigmoid({a})", "exp(tanh({a}))", "log({a}**2 + 0.5)",
             "2*{a} - 1", "1 - {a}", "3/({a}**2 + 1)", "({a} + {b})**3", "-{a}**2",
             "({a}*{a} + 1)**-0.5", "({a} - {b}).tanh()*2"]  # fmt: skip
    for i in range(rng.randint(1, 5)):
        if i and rng.random() < 0.2:
            lines.append(f"{names[-1]} += {rng.choice(names)}")
            continue
        form = rng.choice(forms)
        lines.append(f"r{i} = {form.format(a=rng.choice(names), b=rng.choice(names))}")
        names.append(f"r{i}")
    return "; ".join(lines)


def test_presets_equal_zh(lab):
    page, node = lab()
    options = node.locator("select option").all()
    assert len(options) > 6
    for option in options[:-1]:
        node.locator("select").select_option(option.get_attribute("value"))
        node.get_by_role("button", name="To the end").click()
        same(node, node.locator("textarea").input_value())


def test_random_expressions_equal_zh(lab):
    page, node = lab()
    rng = random.Random(3)
    for _ in range(25):
        program = random_program(rng)
        page.evaluate("h => { location.hash = h; }", f"lab-stepper?expr={quote(program)}&step=999")
        expect(node.locator("textarea")).to_have_value(program)
        same(node, program)


def test_a_plain_python_line_works_too(lab):
    _, node = lab("a = 1.5; b = (a*a + 1).tanh(); c = b + -a**2", 99)
    same(node, "a = 1.5; b = tanh(a*a + 1); c = b + -a**2")


@pytest.mark.parametrize(
    "program, words",
    [
        ("", "Nothing to draw yet"),
        ("a + 1", "“a” has no value yet"),
        ("a = 2; b = a +", "ends where a name or a number is expected"),
        ("a = 2; b = (a", "“)” is missing"),
        ("a = 2; b = a b", "“b” does not belong there"),
        ("a = 2; b = a^2", "write **"),
        ("a = 2; b = sin(a)", "“sin” is not a function here"),
        ("a = -1; b = log(a)", "log(-1)"),
        ("a = 0; b = 1/a", "division by zero"),
        ("a = 0; b = a**-1", "infinite"),
        ("a = -8; b = a**0.5", "(-8) ** 0.5: a negative base needs a whole exponent"),
        ("a = 2; b = q + " + "a + " * 20 + "a", "…”: “q” has no value yet"),
        ("a = 800; b = exp(a)", "exp(800) overflows"),
        ("a = 2; b = 2**a", "exponent must be a plain number"),
        ("a += 1", "nothing can be added"),
        ("tanh = 2", "is a function"),
        ("a = 2; b = a" + " + a" * 150, "too many to draw"),
        ("a = 2; b = " + "(" * 250 + "a" + ")" * 250, "Too many brackets"),
        ("a = 2; <img src=x onerror=alert(1)>", "“<” means nothing here"),
        ("__proto__ = 3; constructor", "“constructor” has no value yet"),
    ],
)
def test_what_cannot_be_drawn_says_why(lab, program, words):
    page, node = lab()
    page.on("dialog", lambda d: pytest.fail("a script of the reader's text ran"))
    node.get_by_text("Write your own expression").click()
    node.locator("textarea").fill(program)
    node.get_by_role("button", name="Draw it").click()
    expect(node.get_by_role("alert")).to_contain_text(words)
    assert node.locator("img").count() == 0
    assert node.locator("g[data-node]").count() == 7  # the last good graph stays


def test_after_a_bad_expression_the_graph_still_works(lab):
    _, node = lab()
    boxes, alert = node.locator("g[data-node]"), node.get_by_role("alert")
    node.get_by_text("Write your own expression").click()
    box, draw = node.locator("textarea"), node.get_by_role("button", name="Draw it")
    good = box.input_value()
    box.fill("a = ?")
    draw.click()
    expect(alert).to_contain_text("means nothing here")
    node.get_by_role("button", name="Step ▶").click()  # the graph that stayed can be stepped
    expect(node.get_by_text("Forward 1 of 3")).to_be_visible()
    box.fill("a = ?")
    draw.click()
    node.get_by_text("Call backward() twice").click()
    node.get_by_label("go on with a second backward()").check()  # and switched
    assert boxes.count() == 7
    box.fill("a = ?")
    draw.click()
    box.fill(good)  # the same text again, drawn again
    draw.click()
    expect(alert).to_have_text("")
    assert boxes.count() == 7


def test_a_comment_may_hold_a_semicolon(lab):
    _, node = lab("a = 2 # two; not three\nb = a*a", 99)
    same(node, "a = 2; b = a*a")


def test_a_small_gradient_is_not_guessed_by_zero(lab):
    _, node = lab("a = 1; b = 0.0001*a", 2)
    box = node.get_by_label("What is added to the gradient of a")
    reply = node.get_by_role("status").first
    for text, words in [("0", "not zero"), ("0.0003", ""), ("0.0001", "Right.")]:
        box.fill(text)
        box.press("Enter")
        expect(reply).to_contain_text(words)
        expect(reply).to_have_class("zh-ok" if words == "Right." else "zh-no")


def test_a_bad_address_says_why(lab):
    _, node = lab("a = 2; b = q")
    expect(node.get_by_role("alert")).to_contain_text("“q” has no value yet")


def test_stepping_by_button_and_by_keyboard(lab):
    page, node = lab(NEURON)
    values = "gs => gs.filter(g => g.dataset.value !== '').length"
    assert node.locator("g[data-node]").evaluate_all(values) == 5  # the leaves
    step = node.get_by_role("button", name="Step ▶")
    step.click()
    expect(node.get_by_text("Forward 1 of 5")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(node.get_by_text("Forward 2 of 5")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(node.get_by_text("Forward 1 of 5")).to_be_visible()
    page.keyboard.press("End")
    expect(node.get_by_text("Backward 5 of 5")).to_be_visible()
    expect(node.get_by_text("That was the last node.")).to_be_visible()
    page.keyboard.press("ArrowRight")  # nothing further, and the keys still work
    page.keyboard.press("Home")
    expect(node.get_by_text("step forward")).to_be_visible()


def test_the_state_is_in_the_address(lab):
    page, node = lab(NEURON)
    for _ in range(7):
        node.get_by_role("button", name="Step ▶").click()
    page.wait_for_function("location.hash.includes('step=7')")
    before = shown(node)
    page.reload()
    expect(node.get_by_text("7 / 11")).to_be_visible()
    assert shown(node) == before


def test_guess_before_the_gradient_shows(lab):
    _, node = lab(NEURON, step=6)  # next: through tanh, slope 0.5
    box = node.get_by_label("What is added to the gradient of")
    reply = node.get_by_role("status")

    def say(text):
        box.fill(text)
        box.press("Enter")
        return reply

    expect(say("")).to_contain_text("Give a number")
    expect(say("half")).to_contain_text("not a number")
    expect(say("1")).to_contain_text("gradient that arrived")
    expect(say("-0.5")).to_contain_text("sign is wrong")
    expect(say("1/2")).to_have_text("Right.")


def test_shares_of_one_value_add_up(lab):
    page, node = lab("a = 3; b = a + a", step=2)
    box = node.get_by_label("What is added to the gradient of a")
    box.fill("1")
    box.press("Enter")
    expect(node.get_by_role("status")).to_contain_text("more than once")
    box.fill("2")
    box.press("Enter")
    expect(node.get_by_role("status")).to_have_text("Right.")
    node.get_by_role("button", name="Step ▶").click()
    expect(node.get_by_text("a gets 1 + 1 = 2")).to_be_visible()
    rows = node.locator("table").first.locator("tbody tr")
    assert [r.split() for r in rows.all_inner_texts()] == [
        ["a", "1", "×", "1", "=", "1", "0", "1"],
        ["a", "1", "×", "1", "=", "1", "1", "2"],
    ]
    node.get_by_text("All numbers in a table").click()
    expect(node.get_by_role("cell", name="1 + 1", exact=True)).to_be_visible()


def test_backward_twice_both_ways(lab):
    deep = "x = 2.5; w = -3; o = (x*w + 1 + 2)*0.5"
    _, node = lab(deep, 99, "&again=true&all=false")
    assert shown(node)[topological_index(deep, 2.5)][1] == -3.0  # twice -1.5
    _, node = lab(deep, 99, "&again=true&all=true")
    assert shown(node)[topological_index(deep, 2.5)][1] == -7.5  # as in micrograd


def topological_index(program, data):
    return [v.data for v in topological(in_python(program))].index(data)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(lab, fits, dark):
    page, node = lab(NEURON, 9, width=360, dark=dark)
    fits(page, node)
    scroller = node.get_by_role("group", name="The graph; arrow keys step")
    assert scroller.evaluate("s => s.scrollWidth > s.clientWidth")
    page.wait_for_function("s => s.scrollLeft > 0", arg=scroller.element_handle())


def test_works_from_disk(lab):
    _, node = lab(NEURON, 11, disk=True)
    same(node, NEURON)
