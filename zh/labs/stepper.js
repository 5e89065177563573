import { el, svg, button, field, state, keys, announcer, color, show, still, parseNumber, judgeNumber } from "./base.js";
/* A graph of scalars, one node at a time: forward with the numbers, then backward with the
   gradients. The reader types the expression; the arithmetic and the order are zh.autograd's. */

const PRESETS = [
  ["Chain rule: (a·b + c)·s", "a = 2; b = -3; c = 10; s = -2\ne = a*b\nd = e + c\nL = d*s"],
  ["The tanh neuron", "x1 = 2; x2 = 0; w1 = -3; w2 = 1; b = 6.881373587019543\nn = x1*w1 + x2*w2 + b\no = tanh(n)"],
  ["One value used twice: a + a", "a = 3\nb = a + a"],
  ["Two paths that meet again", "a = -2; b = 3\nd = a*b\ne = a + b\nf = d*e"],
  ["tanh taken apart", "x = 0.8813735870195432\ne = exp(2*x)\no = (e - 1)/(e + 1)"],
  ["Two logits, one loss", "u = 1; v = 3\nA = exp(u)\nB = exp(v)\nL = -log(A/(A + B))"],
  ["micrograd's README", "a = -4; b = 2\nc = a + b\nd = a*b + b**3\nc += c + 1\nc += 1 + c + (-a)\nd += d*2 + relu(b + a)\nd += 3*d + relu(b - a)\ne = c - d\nf = e**2\ng = f/2\ng += 10/f"],
];

// ---- the expression: text -> nodes {op, label, text, data, parents, slopes}

const UNARY = {
  relu: (x) => [x < 0 ? 0 : x, x > 0 ? 1 : 0],
  tanh: (x) => { const t = Math.tanh(x); return [t, 1 - t * t]; },
  sigmoid: (x) => { const e = Math.exp(-Math.abs(x)); return [x >= 0 ? 1 / (1 + e) : e / (1 + e), e / (1 + e) ** 2]; },
  exp: (x) => { const e = Math.exp(x); if (e === Infinity && x < Infinity) throw Error(`exp(${x}) overflows: numbers end at exp(709.78).`); return [e, e]; },
  log: (x) => { if (x <= 0) throw Error(`log(${x}): the logarithm exists for positive numbers only.`); return [Math.log(x), 1 / x]; },
};
const BINARY = {
  "+": (a, b) => [a + b, 1, 1],
  "-": (a, b) => [a - b, 1, -1],
  "*": (a, b) => [a * b, b, a],
  "/": (a, b) => { if (b === 0) throw Error(`${a} / ${b}: division by zero.`); return [a / b, 1 / b, -a / b / b]; },
};
const MOST = 120;

function power(x, n) {
  if (x < 0 && !Number.isInteger(n)) throw Error(`(${x}) ** ${n}: a negative base needs a whole exponent.`);
  const value = x ** n, slope = n ? n * x ** (n - 1) : 0;
  if (!Number.isFinite(value) || !Number.isFinite(slope)) throw Error(`(${x}) ** ${n}: the power or its slope is infinite.`);
  return [value, slope];
}

function tokens(line) {
  const found = [], pattern = /\s*(?:(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|(\*\*|\+=|[-+*/()=.]))/y;
  let at = 0;
  while (at < line.length) {
    if (!line.slice(at).trim()) break;
    pattern.lastIndex = at;
    const m = pattern.exec(line);
    if (!m) {
      const bad = line.slice(at).trim()[0];
      throw Error(bad === "^" ? "For a power write **, as in a**2." : `“${bad}” means nothing here. Write names, numbers, + - * / **, and ${Object.keys(UNARY).join(", ")}.`);
    }
    found.push(m[1] ? { number: Number(m[1]), text: m[1] } : m[2] ? { name: m[2], text: m[2] } : { text: m[3] });
    at = pattern.lastIndex;
  }
  return found;
}

/** The program's result as a node. A plain number stays a number until it meets a node, as in Python. */
function build(program) {
  if (program.length > 2000) throw Error("That is too long to draw: 2000 characters at most.");
  const names = new Map();
  let count = 0, result = null, line = [], at = 0;
  const node = (op, data, parents, slopes, text) => {
    if (++count > MOST) throw Error(`That makes more than ${MOST} nodes: too many to draw.`);
    return { op, data, parents, slopes, text, label: "", born: count };
  };
  const lift = (v) => (typeof v === "number" ? node("", v, [], [], show(v)) : v);
  const called = (v) => (typeof v === "number" ? show(v) : v.label || v.text);
  const inner = (v) => (typeof v === "number" || v.label || !v.parents.length || /^\w+\(/.test(v.text) ? called(v) : `(${v.text})`);
  const binary = (op, a, b) => {
    if (typeof a === "number" && typeof b === "number") return BINARY[op](a, b)[0];
    const text = `${op === "*" || op === "/" ? inner(a) : called(a)} ${op} ${op === "+" ? called(b) : inner(b)}`;
    if (typeof a === "number" && (op === "+" || op === "*")) [a, b] = [b, a]; // Python: b.__radd__(a)
    a = lift(a); b = lift(b);
    const [data, ...slopes] = BINARY[op](a.data, b.data);
    return node(op, data, [a, b], slopes, text);
  };
  const unary = (f, a) => {
    if (typeof a === "number") return UNARY[f](a)[0];
    const [data, slope] = UNARY[f](a.data);
    return node(f, data, [a], [slope], `${f}(${called(a)})`);
  };
  const negative = (a) => (typeof a === "number" ? -a : node("neg", -a.data, [a], [-1], `-${inner(a)}`));
  const raised = (a, n) => {
    if (typeof n !== "number") throw Error("The exponent must be a plain number: only the base gets a gradient here. For a positive base write exp(n*log(x)).");
    if (typeof a === "number") return power(a, n)[0];
    const [data, slope] = power(a.data, n);
    return node(`**${show(n)}`, data, [a], [slope], `${inner(a)}**${show(n)}`);
  };
  const peek = () => line[at]?.text;
  const take = (text) => { if (peek() === text) { at++; return true; } return false; };
  const need = (text) => { if (!take(text)) throw Error(at < line.length ? `“${text}” is expected where “${peek()}” stands.` : `“${text}” is missing at the end of the line.`); };
  // The grammar of Python: a unary minus binds weaker than **, stronger than *.
  function sum() {
    let left = product();
    for (;;) {
      if (take("+")) left = binary("+", left, product());
      else if (take("-")) left = binary("-", left, product());
      else return left;
    }
  }
  function product() {
    let left = signed();
    for (;;) {
      if (take("*")) left = binary("*", left, signed());
      else if (take("/")) left = binary("/", left, signed());
      else return left;
    }
  }
  let depth = 0;
  function signed() {
    if (++depth > 200) throw Error("Too many brackets or signs inside one another.");
    const value = take("-") ? negative(signed()) : take("+") ? signed() : raise();
    depth--;
    return value;
  }
  function raise() {
    const base = atom();
    return take("**") ? raised(base, signed()) : base;
  }
  function atom() {
    let value = first();
    while (take(".")) { // Python's way: (a + b).tanh()
      const f = line[at++]?.name;
      if (!Object.hasOwn(UNARY, f ?? "")) throw Error(`After a point one of ${Object.keys(UNARY).join(", ")} is expected.`);
      need("("); need(")");
      value = unary(f, value);
    }
    return value;
  }
  function first() {
    const t = line[at++];
    if (!t) throw Error("The line ends where a name or a number is expected.");
    if (t.number !== undefined) return t.number;
    if (t.text === "(") { const value = sum(); need(")"); return value; }
    if (!t.name) throw Error(`A name or a number is expected where “${t.text}” stands.`);
    if (Object.hasOwn(UNARY, t.name)) { need("("); const value = sum(); need(")"); return unary(t.name, value); }
    if (peek() === "(") throw Error(`“${t.name}” is not a function here. There are ${Object.keys(UNARY).join(", ")}.`);
    if (!names.has(t.name)) throw Error(`“${t.name}” has no value yet: define it first, as in ${t.name} = 2.`);
    return names.get(t.name);
  }
  const lines = program.replace(/#.*/g, "").split(/[;\n]/).map((l) => l.trim()).filter(Boolean);
  if (!lines.length) throw Error("Nothing to draw yet: write an expression, as in a = 2; b = a*a.");
  lines.forEach((text, i) => {
    try {
      line = tokens(text); at = 0;
      let name = null, more = false;
      if (line[0]?.name && (line[1]?.text === "=" || line[1]?.text === "+=")) {
        name = line[0].name; more = line[1].text === "+="; at = 2;
        if (Object.hasOwn(UNARY, name)) throw Error(`“${name}” is a function: choose another name.`);
        if (more && !names.has(name)) throw Error(`“${name}” has no value yet, so nothing can be added to it.`);
      }
      let value = sum();
      if (at < line.length) throw Error(`“${peek()}” does not belong there.`);
      if (more) value = binary("+", names.get(name), value);
      value = lift(value);
      if (name && !value.label) {
        const old = names.get(name)?.label;
        value.label = old ? `${old}′` : name;
      }
      if (name) names.set(name, value);
      result = value;
    } catch (error) {
      throw Error(lines.length > 1 ? `In “${short(text, 40)}”: ${error.message}` : error.message);
    }
  });
  if (!result.label) result.label = "result";
  return result;
}

/** zh.autograd.topological: parents before children, the root last. */
function topological(root) {
  const order = [], seen = new Set(), stack = [root];
  while (stack.length) {
    const v = stack.pop();
    if (v === null) order.push(stack.pop());
    else if (!seen.has(v)) { seen.add(v); stack.push(v, null, ...v.parents); }
  }
  return order;
}

// ---- the picture: layers from left to right

const W = 104, H = 62, DX = 135, DY = 76;

function layout(order) {
  const layer = new Map(), uses = new Map(order.map((v) => [v, []]));
  for (const v of order) {
    layer.set(v, v.parents.length ? 1 + Math.max(...v.parents.map((p) => layer.get(p))) : 0);
    for (const p of v.parents) uses.get(p).push(v);
  }
  for (const v of order) if (!v.parents.length && uses.get(v).length) layer.set(v, Math.min(...uses.get(v).map((u) => layer.get(u))) - 1);
  const columns = [];
  for (const v of [...order].sort((a, b) => a.born - b.born)) (columns[layer.get(v)] ??= []).push(v);
  const y = new Map();
  columns.forEach((column) => column.forEach((v, i) => y.set(v, i)));
  const mean = (list) => list.reduce((s, v) => s + y.get(v), 0) / list.length;
  for (let sweep = 0; sweep < 8; sweep++) {
    const back = sweep % 2;
    for (const column of back ? [...columns].reverse() : columns) {
      const wish = new Map(column.map((v) => {
        const near = back ? uses.get(v) : v.parents;
        return [v, near.length ? mean(near) : y.get(v)];
      }));
      column.sort((a, b) => wish.get(a) - wish.get(b));
      let free = -Infinity;
      for (const v of column) { free = Math.max(wish.get(v), free + 1); y.set(v, free); }
      const shift = column.reduce((s, v) => s + wish.get(v) - y.get(v), 0) / column.length;
      for (const v of column) y.set(v, y.get(v) + shift);
    }
  }
  const top = Math.min(...y.values());
  const place = new Map(order.map((v) => [v, { x: 6 + layer.get(v) * DX, y: 6 + (y.get(v) - top) * DY }]));
  return { place, width: 12 + (columns.length - 1) * DX + W, height: 12 + Math.max(...[...place.values()].map((p) => p.y)) - 6 + H };
}

// ---- the run: everything up to one step

function run(order, ops, step, everywhere) {
  const done = new Set(order.filter((v) => !v.parents.length));
  const grad = new Map(order.map((v) => [v, 0]));
  const terms = new Map(order.map((v) => [v, []]));
  const root = order[order.length - 1], n = ops.length;
  const out = { done, grad, terms, phase: "start", active: null, edges: [], pass: 0 };
  for (let k = 1; k <= step; k++) {
    out.edges = [];
    if (k <= n) {
      out.phase = "forward"; out.active = ops[k - 1];
      done.add(out.active);
      continue;
    }
    out.pass = Math.floor((k - n - 1) / (n + 1)) + 1;
    const inside = (k - n - 1) % (n + 1);
    out.phase = inside ? "backward" : "seed";
    out.active = inside ? ops[n - inside] : root;
    if (!inside) {
      for (const v of order) if (v.parents.length && !everywhere) { grad.set(v, 0); terms.set(v, []); }
      grad.set(root, everywhere ? 1 : grad.get(root) + 1);
      terms.set(root, everywhere ? [1] : [...terms.get(root), 1]);
      continue;
    }
    out.active.parents.forEach((p, i) => {
      const slope = out.active.slopes[i], g = grad.get(out.active), before = grad.get(p);
      const added = slope * g;
      grad.set(p, before + added);
      terms.get(p).push(added);
      out.edges.push({ parent: p, slope, g, added, before, after: before + added });
    });
  }
  return out;
}

const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
const name = (v) => v.label || v.text;
const plus = (list) => list.map((x, i) => (i && x >= 0 ? ` + ${show(x)}` : i ? ` − ${show(-x)}` : show(x))).join("");

export default {
  render({ model, el: root }) {
    const s = state(model, { expr: PRESETS[0][1], step: 0, again: false, all: false });
    let program = null, order = [], ops = [], place = null, problem = "", lastCheck = "";

    const preset = el("select", { onchange: () => { if (preset.value !== "") load(PRESETS[preset.value][1]); } },
      ...PRESETS.map(([title], i) => el("option", { value: i }, title)), el("option", { value: "" }, "your own"));
    const text = el("textarea", {
      rows: 4, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": "The expression",
      style: "width:100%;font:inherit;font-family:var(--pst-font-family-monospace,monospace);font-size:.9em;color:inherit;background:var(--zh-paper);border:1px solid currentColor;border-radius:.25rem;padding:.5rem;resize:vertical",
    });
    const error = el("p", { role: "alert", class: "zh-live", style: "min-height:0" });
    const scroller = el("div", { class: "zh-scroll", tabindex: "0", role: "group", "aria-label": "The graph; arrow keys step", style: "margin:.5rem 0;padding:2px" });
    const back = button("◀ Back", () => go(s.get("step") - 1));
    const next = button("Step ▶", () => go(s.get("step") + 1));
    const first = button("Start", () => go(0));
    const forward = button("All forward", () => go(ops.length));
    const last = button("To the end", () => go(total()));
    const where = el("span", { style: "font-variant-numeric:tabular-nums" });
    const spoken = el("div"), detail = el("div", { class: "zh-scroll" });
    const guessing = el("div");
    const again = el("input", { type: "checkbox", onchange: () => set({ again: again.checked, step: Math.min(s.get("step"), steps(again.checked)) }) });
    const all = el("input", { type: "checkbox", onchange: () => set({ all: all.checked }) });
    const table = el("div", { class: "zh-scroll", tabindex: "0", role: "group", "aria-label": "All numbers" });
    root.append(
      el("div", { class: "zh-row" }, field("Graph", preset)),
      el("details", null, el("summary", { style: "min-height:44px;padding:.6rem 0;cursor:pointer" }, "Write your own expression"),
        text, el("div", { class: "zh-row" }, button("Draw it", () => load(text.value)),
          el("span", { style: "color:var(--zh-muted)" }, "Names, numbers, + - * / **, tanh, exp, log, relu, sigmoid; one statement a line."))),
      error, scroller,
      el("div", { class: "zh-row" }, first, back, next, forward, last, where),
      spoken, detail, guessing,
      el("details", null, el("summary", { style: "min-height:44px;padding:.6rem 0;cursor:pointer" }, "Call backward() twice"),
        el("div", { class: "zh-row" },
          el("label", { class: "zh-field" }, again, el("span", null, "go on with a second backward()")),
          el("label", { class: "zh-field" }, all, el("span", null, "as micrograd: inner nodes keep their gradients too")))),
      el("details", null, el("summary", { style: "min-height:44px;padding:.6rem 0;cursor:pointer" }, "All numbers in a table"), table),
    );
    const say = announcer(spoken);

    const steps = (twice) => ops.length + (twice ? 2 : 1) * (ops.length + 1);
    const total = () => steps(s.get("again"));
    const set = (changes) => s.set(changes);
    const off = (yes, ...buttons) => { // not `disabled`: the button in use would lose the focus
      for (const b of buttons) { b.setAttribute("aria-disabled", yes); b.style.opacity = yes ? 0.5 : 1; }
    };
    const go = (k) => { if (!problem) set({ step: Math.max(0, Math.min(total(), k)) }); };
    const load = (expr) => {
      try { build(expr); } catch (e) { error.textContent = "✗ " + e.message; return; } // the old graph stays
      program = null; // also the same text again: it clears the error
      set({ expr, step: 0 });
    };

    function parse(expr) {
      if (expr === program) return;
      program = expr;
      problem = "";
      try {
        const result = build(String(expr));
        order = topological(result);
        ops = order.filter((v) => v.parents.length);
        place = layout(order);
      } catch (e) {
        problem = e.message;
        order = []; ops = []; place = null;
      }
      text.value = expr;
      const known = PRESETS.findIndex(([, p]) => p === expr);
      preset.value = known < 0 ? "" : String(known);
    }

    function draw(r) {
      const { width, height } = place;
      const at = (v) => place.place.get(v);
      const picture = svg("svg", {
        width, height, viewBox: `0 0 ${width} ${height}`, role: "img", style: "max-width:none;display:block",
        "aria-label": `A graph of ${order.length} nodes; the table below has every number.`,
      });
      const touched = new Set(r.edges.map((e) => e.parent));
      for (const v of ops) [...v.parents].sort((p, q) => at(p).y - at(q).y).forEach((p, i, all) => {
        const a = at(p), b = at(v), twins = all.filter((q) => q === p).length > 1;
        const dy = (i - (all.length - 1) / 2) * (twins ? 22 : 14);
        const x1 = a.x + W, y1 = a.y + H / 2 + (twins ? dy : 0), x2 = b.x, y2 = b.y + H / 2 + dy, mid = Math.max(15, (x2 - x1) / 2);
        const live = r.active === v && (r.phase === "forward" || r.phase === "backward");
        picture.append(svg("path", {
          d: `M${x1} ${y1}C${x1 + mid} ${y1} ${x2 - mid} ${y2} ${x2} ${y2}`, fill: "none",
          stroke: live ? (r.phase === "forward" ? color.blue : color.orange) : color.ink, "stroke-width": live ? 3 : 1.2, "stroke-opacity": live ? 1 : 0.5,
        }));
      });
      order.forEach((v, i) => {
        const { x, y } = at(v), known = r.done.has(v), active = r.active === v;
        const ring = active ? (r.phase === "forward" ? color.blue : color.orange) : touched.has(v) ? color.orange : color.ink;
        const shown = r.phase === "backward" || r.phase === "seed" || r.grad.get(v) !== 0;
        const g = svg("g", { "data-node": i, "data-label": v.label, "data-op": v.op, "data-value": known ? v.data : "", "data-grad": r.grad.get(v) },
          svg("title", null, `${name(v)}${v.label && v.parents.length ? " = " + v.text : ""}`),
          svg("rect", { x, y, width: W, height: H, rx: 5, fill: color.paper, stroke: ring, "stroke-width": active ? 3 : touched.has(v) ? 2.5 : 1.2 }),
          svg("text", { x: x + 8, y: y + 17, "font-size": 13, "font-weight": 600 }, short(name(v), v.label && v.op ? 9 : 13)),
          v.label && v.op ? svg("text", { x: x + W - 8, y: y + 17, "font-size": 12, "text-anchor": "end", opacity: 0.8 }, short(v.op, 7)) : null,
          svg("text", { x: x + 8, y: y + 35, "font-size": 12 }, "data"),
          svg("text", { x: x + W - 8, y: y + 35, "font-size": 12, "text-anchor": "end" }, known ? show(v.data) : "…"),
          svg("text", { x: x + 8, y: y + 52, "font-size": 12, opacity: shown ? 1 : 0.6 }, "grad"),
          svg("text", { x: x + W - 8, y: y + 52, "font-size": 12, "text-anchor": "end", opacity: shown ? 1 : 0.6, "font-weight": touched.has(v) ? 700 : 400 }, show(r.grad.get(v))));
        picture.append(g);
      });
      scroller.replaceChildren(picture);
      const focus = r.active ?? order[0];
      const left = at(focus).x, seen = scroller.clientWidth;
      if (seen && width > seen) {
        const from = r.phase === "backward" ? Math.min(...focus.parents.map((p) => at(p).x)) : left;
        const want = Math.max(0, Math.min(from - 20, left + W + 20 - seen > from - 20 ? left + W + 20 - seen : from - 20));
        scroller.scrollTo({ left: r.phase === "start" ? 0 : want, behavior: still() ? "auto" : "smooth" });
      }
    }

    function explain(r) {
      detail.replaceChildren();
      for (const key of ["tabindex", "role", "aria-label"]) detail.removeAttribute(key);
      if (r.phase !== "backward") return;
      detail.setAttribute("tabindex", "0"); // a table wider than a phone can be scrolled by keyboard
      detail.setAttribute("role", "group");
      detail.setAttribute("aria-label", "What this step passes on");
      detail.append(el("table", { style: "margin:.5rem 0" },
        el("caption", { style: "text-align:left;caption-side:top;padding:.2rem 0" }, `${name(r.active)}${r.active.label ? " = " + r.active.text : ""} has the gradient ${show(r.grad.get(r.active))} and passes on:`),
        el("thead", null, el("tr", null, ...["to", "slope × gradient", "was", "+= gives"].map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", null, ...r.edges.map((e) => el("tr", null,
          el("th", { scope: "row" }, short(name(e.parent), 18)),
          el("td", null, `${show(e.slope)} × ${show(e.g)} = ${show(e.added)}`),
          el("td", null, show(e.before)),
          el("td", null, el("strong", null, show(e.after))))))));
    }

    function ask(r, k) {
      guessing.replaceChildren();
      const after = run(order, ops, k + 1, s.get("all"));
      if (k >= total() || after.phase !== "backward") return;
      const v = after.active;
      const seen = new Set(), rows = after.edges.filter((e) => !seen.has(e.parent) && seen.add(e.parent));
      guessing.append(el("p", { style: "margin:.6rem 0 .2rem" },
        `Guess first. The next step goes through ${name(v)}${v.label ? " = " + v.text : ""}, whose gradient is ${show(after.edges[0].g)}.`));
      for (const e of rows) {
        const same = after.edges.filter((o) => o.parent === e.parent);
        const right = same.reduce((sum, o) => sum + o.added, 0);
        const reply = el("span", { role: "status" });
        const input = el("input", { type: "text", inputmode: "text", autocomplete: "off", size: 8, "aria-label": `What is added to the gradient of ${name(e.parent)}` });
        const mistakes = [
          ...(same.length > 1 ? [[e.added, "That is one of the paths. This node uses it more than once: add what every use passes back."]] : []),
          [e.slope, "That is the slope alone. Multiply it by the gradient that arrived."],
          [e.g, "That is the gradient that arrived. Multiply it by the slope."],
          [e.parent.data, "That is the number in the node. A gradient is asked."],
          [e.slope + e.g, "Along a path slopes are multiplied, not added."],
        ];
        const given = v.parents.map((p) => `${short(name(p), 12)} = ${show(p.data)}`);
        const form = el("form", { class: "zh-row", onsubmit: (event) => {
          event.preventDefault();
          const x = parseNumber(input.value);
          const verdict = input.value.trim() ? judgeNumber({ right, tolerance: 0.005, absolute: right === 0 ? 5e-4 : 1e-9, mistakes }, x) : { ok: false, text: "Give a number first." };
          reply.className = verdict.ok ? "zh-ok" : "zh-no";
          reply.textContent = verdict.text;
        } },
        el("label", { class: "zh-field" }, el("span", null, `added to the gradient of ${short(name(e.parent), 18)}`), input),
        el("button", { type: "submit" }, "Check"), reply);
        form.title = [...new Set(given)].join(", ");
        guessing.append(form);
      }
    }

    function tabulate(r) {
      table.replaceChildren(el("table", null,
        el("thead", null, el("tr", null, ...["node", "from", "data", "grad", "because"].map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", null, ...order.map((v) => el("tr", null,
          el("th", { scope: "row" }, short(name(v), 24)),
          el("td", null, v.parents.length ? short(v.label ? v.text : v.op, 28) : "given"),
          el("td", null, r.done.has(v) ? show(v.data) : "…"),
          el("td", null, show(r.grad.get(v))),
          el("td", null, r.terms.get(v).length > 1 ? plus(r.terms.get(v)) : ""))))));
    }

    function story(r, k) {
      const n = ops.length;
      if (problem) return "";
      if (r.phase === "start") return n ? `${order.length} nodes. The leaves have their numbers; step forward.` : "One number, nothing computed from it: its gradient is 1.";
      if (r.phase === "forward") return `Forward ${k} of ${n}: ${name(r.active)} = ${r.active.label ? r.active.text + " = " : ""}${show(r.active.data)}.`;
      const second = r.pass > 1 ? "Second " : "";
      const pass = second ? `${second}backward` : "Backward";
      if (r.phase === "seed") return `${pass}: the gradient of ${name(r.active)} with respect to itself is 1.` + (r.pass > 1 ? (s.get("all") ? " The other nodes keep what they have." : " Inner nodes start at 0 again; leaves keep what they have.") : "");
      const inside = (k - n - 1) % (n + 1);
      const news = [...new Set(r.edges.map((e) => e.parent))].map((p) => {
        const mine = r.edges.filter((e) => e.parent === p), before = mine[0].before;
        const sum = plus([...(before ? [before] : []), ...mine.map((e) => e.added)]);
        return `${short(name(p), 18)} gets ${mine.length > 1 || before ? sum + " = " : ""}${show(r.grad.get(p))}`;
      });
      return `${pass} ${inside} of ${n}, through ${short(name(r.active), 18)}: ${news.join("; ")}.` + (k === total() ? " That was the last node." : "");
    }

    function update() {
      parse(s.get("expr"));
      error.textContent = problem ? "✗ " + problem : "";
      again.checked = Boolean(s.get("again"));
      all.checked = Boolean(s.get("all"));
      if (problem) {
        for (const part of [scroller, detail, guessing, table]) part.replaceChildren();
        off(true, first, back, next, forward, last);
        where.textContent = "";
        say("");
        return;
      }
      const k = Math.max(0, Math.min(total(), Math.round(Number(s.get("step")) || 0)));
      const r = run(order, ops, k, s.get("all"));
      draw(r); explain(r); ask(r, k); tabulate(r);
      off(k === 0, first, back);
      off(k === total(), next, last);
      off(k >= ops.length, forward);
      where.textContent = `${k} / ${total()}`;
      const told = story(r, k);
      if (told !== lastCheck) say(told);
      lastCheck = told;
    }

    const free = keys(root, {
      ArrowRight: () => go(s.get("step") + 1), ArrowLeft: () => go(s.get("step") - 1),
      Home: () => go(0), End: () => go(total()),
    });
    s.on(update);
    update();
    return () => { free(); s.off(); };
  },
};
