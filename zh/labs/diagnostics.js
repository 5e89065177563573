import { el, svg, button, field, select, slider, scroller, state, announcer, data as load, percent, rng, show, color } from "./base.js";

/* What happens inside a network while it trains: activations, gradients, updates and the loss of real
   runs, and a game with broken ones.  data, from zh.labs.diagnostics:
     Grid.pack: { levels, shapes: {"8x48": { depth, recorded, loss, size, ..., said, theory }}, ... }
     Game.pack: { cases: [{ f, broken, layer, why, said }], kinds, runs: { depth, ... }, ... }
   Fields are strings, a character for a share or a height, two for a size (see size_code there).
   State of the lab: f, norm, gain, lr, optimizer, depth, width, step; of the game: round, step. */

const WIDE = 360, HIGH = 300, TOP = 44, BOTTOM = 262, LEFT = 34, RIGHT = 256;

const LOST = "Not finite at this step.";

const STYLE = `
.zh-inside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: .5rem .8rem; margin: .5rem 0; }
.zh-inside svg { display: block; width: 100%; overflow: visible; }
.zh-lab .zh-findings { margin: .5rem 0; padding: .1rem .8rem; border-left: 4px solid var(--zh-line); min-height: 6rem; }
.zh-lab .zh-findings:empty { visibility: hidden; }
.zh-lab .zh-findings p { margin: .4rem 0; }
.zh-lab details { margin: .4rem 0; } .zh-lab summary { min-height: 44px; padding: .6rem 0; cursor: pointer; }
.cell .output:has(.zh-at) { overflow: visible !important; } /* else nothing sticks in it */
.zh-lab .zh-set { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .3rem .6rem; margin-bottom: .6rem; }
.zh-lab .zh-set .zh-field { display: grid; gap: .1rem; min-width: 0; }
.zh-lab .zh-set select { width: 100%; min-width: 0; }
.zh-lab .zh-guess { grid-template-columns: minmax(8.5rem, 1fr) 3fr; margin-top: .6rem; }
.zh-lab .zh-at { position: sticky; bottom: 0; z-index: 1; background: var(--zh-paper); border-top: 1px solid var(--zh-line); }
`;

/** A size for a reader: two digits. */
const brief = (x) => Number.isNaN(x) ? "–" : show(x, x !== 0 && Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6 ? 3 : 2);

/** What was packed of some runs: at(run, step) and loss(run), lists with an entry a layer. */
function reader(packed, common, runs) {
  const code = Object.fromEntries([...common.digits].map((c, i) => [c, i])), { depth } = packed;
  const last = common.digits.length ** 2 - 1;
  const share = (text, i) => code[text[i]] / (common.digits.length - 1);
  const two = (text, i) => code[text[2 * i]] * common.digits.length + code[text[2 * i + 1]];
  const size = (text, i) => {
    const c = two(text, i);
    return c === 0 ? 0 : c === last ? Infinity : 10 ** (common.smallest + (c - 1) / common.decade);
  };
  const list = (n, f) => Array.from({ length: n }, (_, i) => f(i));
  const heights = (text, from, bins) => list(depth, (row) => list(bins, (i) => code[text[(from + row) * bins + i]] / (common.heights - 1)));
  const nothing = list(depth + 1, () => NaN), none = list(depth, () => []); // of a step that a run did not live to see
  const broke = { seen: false, size: nothing, flat: nothing, stuck: nothing, slope: nothing, grad: nothing, update: nothing, bars: none, bell: none };
  const windows = packed.loss.length / 2 / runs;
  return {
    at(run, step) {
      const first = (step * runs + run) * (depth + 1), some = (read, text) => list(depth + 1, (row) => read(text, first + row));
      if (step >= code[packed.recorded[run]]) return broke;
      return { seen: true, size: some(size, packed.size), flat: some(share, packed.flat), stuck: some(share, packed.stuck),
        slope: some(size, packed.slope), grad: some(size, packed.grad), update: some(size, packed.update),
        bars: heights(packed.bars, (step * runs + run) * depth, common.bars), bell: heights(packed.bell, (step * runs + run) * depth, common.bell) };
    },
    loss: (run) => list(windows, (i) => two(packed.loss, run * windows + i)).map((c) => (c === last ? Infinity : c / 100)),
    theory: (which) => packed.theory && { size: list(depth, (row) => size(packed.theory.size, which * depth + row)),
      slope: list(depth, (row) => size(packed.theory.slope, which * depth + row)), bars: heights(packed.theory.bars, which * depth, common.bars) },
  };
}

/** The outline of bars over [low, high], standing on y. */
function outline(bars, low, high, y, tall) {
  const wide = (high - low) / bars.length, line = [`M${low.toFixed(1)} ${y}`];
  bars.forEach((v, i) => line.push(`V${(y - v * tall).toFixed(1)}H${(low + (i + 1) * wide).toFixed(1)}`));
  return line.join("") + `V${y}Z`;
}

/** The four pictures; returns draw(view). view: { f, step, at, theory, loss, steps, window, common }. */
function board(root, common) {
  const box = el("div", { class: "zh-inside" });
  root.append(box);
  const text = (x, y, words, more) => svg("text", { x, y, "font-size": 14, ...more }, words);
  const rule = (x, from = TOP, to = BOTTOM) => `M${x.toFixed(1)} ${from}V${to}`;
  function panel(name, title) {
    const ink = svg("path", { fill: "none", stroke: color.ink, "stroke-opacity": 0.35 }), marks = svg("g"), axis = svg("g");
    const node = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "data-panel": name }, text(0, 17, title, { "font-weight": 600 }), ink, marks, axis);
    box.append(node);
    return { ink, say: (words) => node.setAttribute("aria-label", `${title}. ${words}`), draw(path, parts, ends) {
      ink.setAttribute("d", path); marks.replaceChildren(...parts); axis.replaceChildren(...ends);
    } };
  }
  const acts = panel("activations", "Activations"), grads = panel("gradients", "Gradients of the activations");
  const moves = panel("updates", "Updates and gradients, over the weights"), losses = panel("loss", "Loss");
  const span = (list) => `from ${brief(Math.min(...list))} to ${brief(Math.max(...list))}`;
  const ends = (low, middle, high, words) => [text(LEFT, BOTTOM + 17, low, { "text-anchor": "middle" }), text((LEFT + RIGHT) / 2, BOTTOM + 17, middle, { "text-anchor": "middle" }),
    text(RIGHT, BOTTOM + 17, high, { "text-anchor": "middle" }), text(RIGHT + 8, TOP - 8, words, { "font-size": 13 })];

  /** One row a layer: its name, what is drawn, a number. */
  function rows(n, depth, label, draw) {
    const tall = (BOTTOM - TOP) / n, parts = [];
    for (let i = 0; i < n; i++) {
      const y = TOP + (i + 1) * tall;
      parts.push(text(LEFT - 8, y - 2, i < depth ? i + 1 : "out", { "text-anchor": "end" }), ...draw(i, y, Math.min(tall * 0.92, 60)), text(RIGHT + 8, y - 2, label(i)));
    }
    return parts;
  }
  function activations({ f, at, theory, depth }) {
    const tanh = f === "tanh", most = tanh ? 1 : (at.seen && Math.max(...at.size.slice(0, depth), ...(theory ? theory.size : [])) * common.high) || 1;
    const x = (v) => LEFT + (RIGHT - LEFT) * (tanh ? (v + 1) / 2 : v / most);
    const shape = (bars, size, y, tall) => outline(bars, x(tanh ? -1 : 0), x(tanh ? 1 : Math.min(most, common.high * size)), y, tall);
    acts.draw(rule(x(0)), rows(depth, depth, (i) => (at.seen ? `${brief(at.size[i])}, ${percent(at.flat[i])}` : "–"), (i, y, tall) => [
      at.seen && svg("path", { d: shape(at.bars[i], at.size[i], y, tall), fill: color.blue, "fill-opacity": 0.75, "data-layer": i + 1 }),
      theory && svg("path", { d: shape(theory.bars[i], theory.size[i], y, tall), fill: "none", stroke: color.orange, "stroke-width": 1.6, "data-theory": theory.size[i] })].filter(Boolean)),
    ends(tanh ? "−1" : "0", tanh ? "0" : brief(most / 2), tanh ? "1" : brief(most), tanh ? "size, flat" : "size, zero"));
    acts.say(!at.seen ? LOST : `Sizes by layer ${at.size.slice(0, depth).map(brief).join(", ")}; ${tanh ? "beyond 0.97" : "exactly zero"}: ${at.flat.slice(0, depth).map(percent).join(", ")}.`);
  }
  function gradients({ at, theory, depth }) {
    const told = theory && theory.slope[0] > 0, top = at.seen && Math.max(...at.slope.slice(0, depth), ...(told ? theory.slope : []));
    const most = (top || 1) * common.reach, middle = (LEFT + RIGHT) / 2, x = (v) => middle + (RIGHT - LEFT) / 2 * v / most;
    grads.draw(rule(middle), rows(depth, depth, (i) => brief(at.slope[i]), (i, y, tall) => [
      at.slope[i] > 0 && svg("path", { d: outline(at.bell[i], x(-common.reach * at.slope[i]), x(common.reach * at.slope[i]), y, tall), fill: color.blue, "fill-opacity": 0.75, "data-layer": i + 1 }),
      told && svg("path", { d: rule(x(-theory.slope[i]), y - tall, y) + rule(x(theory.slope[i]), y - tall, y), stroke: color.orange, "stroke-width": 2, "data-theory": theory.slope[i] })].filter(Boolean)),
    ends(top ? brief(-most) : "", "0", top ? brief(most) : "", "size"));
    grads.say(!at.seen ? LOST : `Sizes by layer ${at.slope.slice(0, depth).map(brief).join(", ")}.`);
  }
  function updates({ at, depth }) {
    const low = -7, high = 1, x = (v) => LEFT + (RIGHT - LEFT) * (Math.min(high, Math.max(low, v > 0 ? Math.log10(v) : low)) - low) / (high - low);
    moves.draw(rule(x(1e-3)), rows(depth + 1, depth, (i) => brief(at.update[i]), (i, y, tall) => [
      svg("path", { d: `M${LEFT} ${y - tall / 2}H${RIGHT}`, stroke: color.ink, "stroke-opacity": 0.12 }),
      at.seen && svg("circle", { cx: x(at.grad[i]).toFixed(1), cy: y - tall / 2, r: 5, fill: "none", stroke: color.orange, "stroke-width": 2 }),
      at.seen && svg("circle", { cx: x(at.update[i]).toFixed(1), cy: y - tall / 2, r: 4.5, fill: color.blue, "data-update": at.update[i] })].filter(Boolean)),
    ends("1e−7", "1e−3", "10", "update"));
    moves.say(!at.seen ? LOST : `Update over weight by layer, the output last: ${at.update.map(brief).join(", ")}; gradient over weight ${at.grad.map(brief).join(", ")}.`);
  }
  function loss({ loss: values, step }) {
    const finite = values.filter(Number.isFinite), end = common.steps.at(-1), right = WIDE - 14, left = LEFT + 6;
    const low = 2.4, high = Math.min(12, Math.max(3.6, ...finite)), x = (s) => left + (right - left) * s / end;
    const y = (v) => BOTTOM - (BOTTOM - TOP) * (Math.max(low, Math.min(high, v)) - low) / (high - low);
    const line = finite.map((v, i) => `${x((i + 0.5) * common.window).toFixed(1)} ${y(v).toFixed(1)}`).join("L"), equal = Math.log(27);
    const over = finite.some((v) => v > high), broke = finite.length < values.length;
    losses.draw(`M${left} ${TOP}V${BOTTOM}H${right}`, [
      svg("path", { d: rule(x(step), TOP - 8, BOTTOM + 4), stroke: color.orange, "stroke-width": 2, "data-step": step }),
      svg("path", { d: `M${left} ${y(equal)}H${right}`, stroke: color.ink, "stroke-opacity": 0.5, "stroke-dasharray": "3 4", fill: "none" }),
      text(right, y(equal) - 4, "all letters alike", { "text-anchor": "end", "font-size": 12 }),
      finite.length ? svg("path", { d: `M${line}`, fill: "none", stroke: color.blue, "stroke-width": 2.5, "stroke-linejoin": "round", "data-loss": finite.at(-1) }) : "",
      over || broke ? text(right, TOP + 12, broke ? (finite.length ? "not finite from here on" : "not finite after a few steps") : "beyond the top", { "text-anchor": "end", "font-size": 13 }) : ""],
    [low, high].map((v) => text(left - 5, y(v) + 5, brief(v), { "text-anchor": "end" })).concat(common.steps.filter((s) => s === 0 || s >= 10).map((s) => text(x(s), BOTTOM + 17, s, { "text-anchor": "middle" }))));
    losses.say(finite.length ? `${brief(finite[0])} at first, ${broke ? "not finite later" : brief(finite.at(-1)) + " at the end"}.` : "Not finite.");
  }
  return (view) => { activations(view); gradients(view); updates(view); loss(view); return span(view.at.size.slice(0, view.depth)); };
}

/** The same as a table. */
function table(root) {
  const body = el("tbody"), head = ["layer", "size", "flat or zero", "stuck units", "gradient", "gradient / weight", "update / weight"];
  root.append(el("details", null, el("summary", null, "The same as numbers"), scroller("The numbers of this step by layer",
    el("table", null, el("thead", null, el("tr", null, head.map((h) => el("th", { scope: "col" }, h)))), body))));
  return ({ at, depth }) => body.replaceChildren(...at.size.map((size, i) => el("tr", null, el("th", { scope: "row" }, i < depth ? i + 1 : "out"),
    [brief(size), i < depth && at.seen ? percent(at.flat[i]) : "", i < depth && at.seen ? percent(at.stuck[i]) : "", brief(at.slope[i]), brief(at.grad[i]), brief(at.update[i])].map((v) => el("td", null, v)))));
}

/** What zh.diagnostics found, as paragraphs. */
const findings = (said) => (said.length ? said.map(([what, where, evidence, first, follows]) => el("p", null, el("strong", null, what),
  `${where ? ` In ${where}` : ""}${where ? "." : ""} ${evidence[0].toUpperCase()}${evidence.slice(1)}. ${follows ? `Probably because of: ${follows.replace("_", " ")}.` : `Try: ${first}.`}`))
  : [el("p", null, el("strong", null, "Nothing wrong in what was recorded."))]);

/** A slider over the recorded steps. */
const stepper = (common, s) => slider("training step", common.steps, (step) => s.set({ step }));
const stepOf = (common, s) => (common.steps.includes(Number(s.get("step"))) ? Number(s.get("step")) : 0);

// ---------------------------------------------------------------------------
// The lab

const SHOWN = { f: { tanh: "tanh", relu: "ReLU" }, norm: { none: "none", batch: "batchnorm", layer: "layernorm" } };
const START = { f: "tanh", norm: "none", gain: "own", lr: 0.1, optimizer: "SGD", depth: 8, width: 48, step: 0 };
const PRESETS = [
  ["Good net", { step: 100 }], ["What the chat said", { gain: "0.71" }], ["Gain 3", { f: "relu", gain: "3" }],
  ["Gain 3, layernorm", { f: "relu", gain: "3", norm: "layer" }], ["Too hot", { f: "relu", lr: 1, step: 3 }], ["Too cold", { lr: 0.001, step: 100 }],
  ["Adam at 0.1", { optimizer: "Adam", step: 30 }],
];

function explorer(root, model, data) {
  const s = state(model, START), { levels } = data;
  const word = (v) => (typeof v === "number" ? String(Number(v.toPrecision(2))) : v);
  const keys = ["f", "norm", "gain", "lr", "optimizer"]; // the order of the runs; the last changes fastest
  const options = Object.fromEntries([...keys, "depth", "width"].map((key) => [key, levels[key].map(word)]));
  const now = () => Object.fromEntries(Object.keys(options).map((key) => [key, options[key].includes(String(s.get(key))) ? String(s.get(key)) : String(START[key])]));
  const index = (t, some) => some.reduce((sum, key) => sum * options[key].length + options[key].indexOf(t[key]), 0);
  const own = (t) => (t.f === "tanh" ? "5/3" : "√2"), labels = { f: "activation", norm: "normalisation", gain: "gain", lr: "learning rate", optimizer: "optimiser", depth: "hidden layers", width: "width" };
  const pickers = Object.fromEntries(["f", "gain", "norm", "depth", "width", "lr", "optimizer"].map((key) => [key,
    select(options[key].map((v) => [v, key === "gain" && v === "own" ? "its own" : key === "gain" && v === "0.71" ? "0.71, the chat's" : SHOWN[key]?.[v] ?? v]), (v) => s.set({ [key]: typeof START[key] === "number" ? Number(v) : v }), { "aria-label": labels[key] })]));
  const steps = stepper(data, s), said = el("div", { class: "zh-findings" });
  const readers = Object.fromEntries(Object.entries(data.shapes).map(([shape, packed]) => [shape, reader(packed, data, packed.recorded.length)]));
  root.append(el("div", { class: "zh-set" }, Object.entries(pickers).map(([key, node]) => field(labels[key], node))),
    el("div", { class: "zh-row", role: "group", "aria-label": "Settings worth a look" }, PRESETS.map(([text, set]) => button(text, () => s.set({ ...START, ...set }))), root.closest("[data-lab]") && button("Copy the address", copy, { title: "of this setting, to share it" })));
  const draw = board(root, data);
  root.append(el("div", { class: "zh-row zh-at" }, steps.box));
  const say = announcer(root);
  root.append(el("p", null, el("strong", null, "What zh.diagnostics says of this run")), said);
  const numbers = table(root);
  let shown = "";

  async function copy() {
    try { await navigator.clipboard.writeText(location.href); say("Copied: whoever opens it sees this setting."); }
    catch { say("The address of the page holds this setting: copy it from the address bar."); }
  }
  function update() {
    const t = now(), step = stepOf(data, s), shape = `${t.depth}x${t.width}`, run = index(t, keys), read = readers[shape], depth = Number(t.depth);
    for (const [key, node] of Object.entries(pickers)) node.value = t[key];
    steps.show(step, String(step), `step ${step}`);
    const at = read.at(run, data.steps.indexOf(step));
    const view = { f: t.f, depth, step, at, loss: read.loss(run), theory: step === 0 ? read.theory(index(t, ["f", "norm", "gain"])) : null };
    const sizes = draw(view);
    numbers(view);
    const key = shape + run, list = data.shapes[shape].said[run];
    if (key !== shown) { shown = key; said.replaceChildren(...findings(list)); }
    const moved = at.update.slice(0, depth);
    say(at.seen ? `${SHOWN[t.f] ?? SHOWN.f[t.f]}, gain ${t.gain === "own" ? own(t) : t.gain}, step ${step}: activations ${sizes}, `
      + `gradients from ${brief(at.slope[0])} in the first to ${brief(at.slope[depth - 1])} in the last hidden layer, updates ${brief(Math.min(...moved))} to ${brief(Math.max(...moved))} of the weights. `
      + `zh.diagnostics finds ${["nothing", "one thing"][list.length] ?? list.length + " things"} wrong.` : `Step ${step}: the numbers of this run are not finite any more.`);
  }
  update();
  s.on(update);
  return s;
}

// ---------------------------------------------------------------------------
// The game

function game(root, model, data) {
  const s = state(model, { round: 1, step: 0 }), { kinds, cases, runs } = data, read = reader(runs, data, cases.length);
  const random = rng(20), order = cases.map((_, i) => i); // every network once before one comes again
  for (let i = order.length - 1; i > 0; i--) { const j = Math.floor(random() * (i + 1)); [order[i], order[j]] = [order[j], order[i]]; }
  const round = () => Math.max(1, Math.round(Number(s.get("round"))) || 1), which = () => order[(round() - 1) % order.length];
  const score = { right: 0, played: 0, streak: 0, best: 0 }, tally = el("output", { class: "zh-numbers" }), steps = stepper(data, s);
  const layer = select([["", "which layer?"], ...[...Array(runs.depth).keys()].map((i) => [String(i + 1), `layer ${i + 1}`])], () => {}, { "aria-label": "layer" });
  const kind = select([["", "what is wrong?"], ...Object.entries(kinds), ["none", "nothing: it is sound"]], () => { layer.disabled = kind.value === "none"; }, { "aria-label": "break" });
  const answer = button("This is it", judge), next = button("Another network", () => s.set({ round: round() + 1, step: 0 }));
  const told = el("div", { class: "zh-findings" }), title = el("p");
  let done = null; // the round that was answered
  root.append(title);
  const draw = board(root, data);
  root.append(el("div", { class: "zh-row zh-at" }, steps.box), el("div", { class: "zh-set zh-guess" }, field("layer", layer), field("break", kind)),
    el("div", { class: "zh-row" }, answer, next, tally));
  const say = announcer(root), line = root.lastElementChild, numbers = (root.append(told), table(root));

  function judge() {
    if (done === round()) return;
    const it = cases[which()], guess = { broken: kind.value === "none" ? "" : kind.value, layer: kind.value === "none" ? 0 : Number(layer.value) };
    if (!kind.value || (kind.value !== "none" && !layer.value)) { say("Choose a layer and what is wrong with it, or that it is sound."); return; }
    const place = guess.layer === it.layer, right = place && guess.broken === it.broken;
    done = round();
    score.played++; score.right += right; score.streak = right ? score.streak + 1 : 0; score.best = Math.max(score.best, score.streak);
    const truth = it.broken ? `Layer ${it.layer}: ${kinds[it.broken]}.` : "This network is sound.";
    const verdict = right ? `Right. ${truth}` : `${place && it.broken && guess.broken ? "The layer is right, the break is not." : guess.broken === it.broken && it.broken ? "The break is right, the layer is not." : "No."} ${truth}`;
    told.replaceChildren(el("p", null, !it.broken ? "zh.diagnostics said:" : it.named ? "zh.diagnostics named it:" : "zh.diagnostics did not name it. What it said:"), ...findings(it.said));
    tally.textContent = words();
    answer.disabled = true;
    line.className = "zh-live " + (right ? "zh-ok" : "zh-no");
    say(`${verdict} ${it.why}`);
    next.focus();
  }
  const words = () => (score.played ? `${score.right} of ${score.played} right, ${score.streak} in a row, ${score.best} at best.` : "");
  let last = 0;
  function update() {
    const run = which(), step = stepOf(data, s), it = cases[run];
    if (round() !== last) {
      last = round(); done = null; answer.disabled = false; layer.value = kind.value = ""; layer.disabled = false; told.replaceChildren(); line.className = "zh-live";
      say(`This is network ${last}. Look at its steps, then choose.`);
    }
    title.textContent = `Network ${last}: ${SHOWN.f[it.f]}, ${runs.depth} hidden layers.`;
    steps.show(step, String(step), `step ${step}`);
    const view = { f: it.f, depth: runs.depth, step, at: read.at(run, data.steps.indexOf(step)), loss: read.loss(run), theory: null };
    draw(view);
    numbers(view);
  }
  update();
  s.on(update);
  return s;
}

export default {
  async render({ model, el: root }) {
    const data = await load(model);
    root.append(el("style", null, STYLE));
    const s = "cases" in data ? game(root, model, data) : explorer(root, model, data);
    return () => { s.off(); root.replaceChildren(); };
  },
};
