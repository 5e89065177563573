/* What every lab shares: numbers that a reader types, replies to a guess, state, data, drawing.
   Nothing here touches the page when it loads. In the page the same file judges the exercises. */

// One table of replies, read by zh/exercises as JSON: page and notebook say the same.
export const REPLIES = {
  "right": "Right.",
  "empty": "Nothing to check yet: give an answer first.",
  "not a number": "That is not a number. Write it like -1.5, 3/2 or 1e-3, with a point.",
  "other": "Not right yet.",
  "other choice": "Not this one.",
  "no choice": "Choose one of the answers first.",
  "rules": [
    {"if": "zero", "say": "Not right: it is not zero."},
    {"if": "times", "k": -1, "say": "The size is right, the sign is wrong."},
    {"if": "times", "k": 2, "say": "Twice what it should be: a factor of two too much."},
    {"if": "times", "k": 0.5, "say": "Half of what it should be: a factor of two is missing."},
    {"if": "times", "k": -2, "say": "The sign is wrong, and a factor of two is too much."},
    {"if": "times", "k": -0.5, "say": "The sign is wrong, and a factor of two is missing."},
    {"if": "power", "k": -1, "say": "That is the reciprocal: one divided by the answer."},
    {"if": "power", "k": 2, "say": "That is the square of the answer."},
    {"if": "power", "k": 0.5, "say": "That is the square root of the answer."},
    {"if": "plus", "k": 1, "say": "One too much."},
    {"if": "plus", "k": -1, "say": "One too little."},
    {"if": "times", "k": 100, "say": "A hundred times too much: a percentage where a fraction is asked?"},
    {"if": "times", "k": 0.01, "say": "A hundred times too little: a fraction where a percentage is asked?"},
    {"if": "times", "k": 10, "say": "Ten times too much: look where the point stands."},
    {"if": "times", "k": 0.1, "say": "Ten times too little: look where the point stands."},
    {"if": "near", "k": 0.05, "say": "Close, but not close enough: keep more digits, or look for a small term left out."},
    {"if": "sign", "say": "The sign is wrong, and so is the size."},
    {"if": "above", "k": 10, "say": "More than ten times too large."},
    {"if": "below", "k": 0.1, "say": "More than ten times too small."}
  ]
};

/** The number in a text: "-1.5", "3/2", "1e-3", "12 %", "23,621"; NaN for anything else. */
export function parseNumber(text) {
  const one = String.raw`[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`;
  const typed = String(text).trim().replace(/[\u2212\u2013]/g, "-");
  const found = (/^[-+]?[1-9]\d{0,2}(,\d{3})+$/.test(typed) ? typed.replaceAll(",", "") : typed)
    .match(new RegExp(`^(${one})\\s*(?:/\\s*(${one})|(%))?$`));
  if (!found) return NaN;
  const value = Number(found[1]) / (found[2] ? Number(found[2]) : found[3] ? 100 : 1);
  return Number.isFinite(value) ? value : NaN;
}

const close = (x, target, s) => Math.abs(x - target) <=
  Math.max(target ? s.tolerance * Math.abs(target) : s.tolerance, s.absolute || 0);

const TESTS = {
  zero: (x, r, k, s) => close(x, 0, s) && r !== 0,
  times: (x, r, k, s) => r !== 0 && close(x, k * r, s),
  power: (x, r, k, s) => Math.abs(r) > 1e-150 && Math.abs(r) < 1e150 && (r > 0 || k !== 0.5) && close(x, r ** k, s),
  plus: (x, r, k, s) => close(x, r + k, s),
  near: (x, r, k) => Math.abs(x - r) <= k * Math.abs(r),
  sign: (x, r) => x * r < 0,
  above: (x, r, k) => r !== 0 && Math.abs(x) > k * Math.abs(r),
  below: (x, r, k) => Math.abs(x) < k * Math.abs(r),
};

/** The reply to a number, as {ok, text}. s: {right, tolerance, absolute, mistakes, because}. */
export function judgeNumber(s, x) {
  if (Number.isNaN(x)) return { ok: false, text: REPLIES["not a number"] };
  if (close(x, s.right, s)) return { ok: true, text: [REPLIES.right, s.because].filter(Boolean).join(" ") };
  const known = (s.mistakes || []).find(([value]) => close(x, value, s));
  const rule = known || REPLIES.rules.find((r) => TESTS[r.if](x, s.right, r.k, s));
  return { ok: false, text: known ? known[1] : rule ? rule.say : REPLIES.other };
}

/** The reply to what a reader typed or chose (the index of a choice). */
export function judge(s, given) {
  if (s.kind === "choice") {
    if (given === null || given === "") return { ok: false, text: REPLIES["no choice"] };
    if (+given === s.right) return { ok: true, text: [REPLIES.right, s.because].filter(Boolean).join(" ") };
    return { ok: false, text: (s.why || [])[given] || REPLIES["other choice"] };
  }
  if (!String(given).trim()) return { ok: false, text: REPLIES.empty };
  return judgeNumber(s, parseNumber(given));
}

/** The reply to a guess in a lab, whose right value the lab knows. */
export const guess = (text, right, tolerance = 0.001, absolute = 1e-9) =>
  judge({ right, tolerance, absolute }, text);

/** What zh.exercises hid from a casual look at the page's source. */
export function unhide(hidden, key) {
  const mixed = atob(hidden);
  let text = "";
  for (let i = 0; i < mixed.length; i++) text += String.fromCharCode(mixed.charCodeAt(i) ^ key.charCodeAt(i % key.length));
  return JSON.parse(text);
}

/** Data that came with the lab (null if none): loaded on demand in the page, a trait in a kernel. */
export async function data(model) {
  const value = model.get("data");
  return typeof value === "function" ? await value() : value ?? null;
}

/** Small state, in the page's address or in the widget's traits. defaults: {key: value}; types stay.
    s.get(key), s.all(), s.set({key: value, ...}); s.on(fn) calls fn(s.all()) after any change, also
    when the reader goes back or edits the address; s.off() at the end. */
export function state(model, defaults) {
  const keys = Object.keys(defaults), listeners = [];
  let quiet = false, due = false;
  for (const key of keys) if ((model.get(key) ?? null) === null) model.set(key, defaults[key]);
  const all = () => Object.fromEntries(keys.map((key) => [key, model.get(key)]));
  const tell = () => { due = false; for (const f of listeners) f(all()); };
  const changed = () => { if (!quiet && !due) { due = true; queueMicrotask(tell); } };
  for (const key of keys) model.on("change:" + key, changed);
  return {
    all,
    get: (key) => model.get(key),
    set(changes) {
      quiet = true;
      for (const [key, value] of Object.entries(changes)) model.set(key, value);
      quiet = false;
      model.save_changes();
      tell();
    },
    on: (fn) => { listeners.push(fn); },
    off() { for (const key of keys) model.off("change:" + key, changed); listeners.length = 0; },
  };
}

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key.replace(/^on/, ""), value);
    else if (key === "value" || key === "checked") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}
/** An HTML element: el("p", {class: "note", onclick: fn}, "text", child). Text is never HTML. */
export const el = (tag, props, ...children) => fill(document.createElement(tag), props, children);
/** The same for SVG; ink by default: svg("circle", {r: 3, fill: color.blue}). */
export const svg = (tag, props, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
export const button = (label, onclick, props) => el("button", { type: "button", onclick, ...props }, label);
/** A labelled control: field("step", el("input", {...})). */
export const field = (label, control) => el("label", { class: "zh-field" }, el("span", null, label), control);
/** A select of values or [value, text] pairs; onchange gets the value as it was given, no text. */
export function select(options, onchange, props) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, String(option)]));
  const node = el("select", { onchange: () => onchange(pairs[node.selectedIndex][0]), ...props },
    pairs.map(([value, text]) => el("option", { value }, text)));
  return node;
}
/** A range over the entries of a list: {box, input, show(value, text, spoken)}; box is the labelled
    range with the text beside it, `called` its name where the label is not enough. */
export function slider(label, list, onchange, called = label) {
  const out = el("output"), input = el("input", { type: "range", "aria-label": called, min: 0, max: list.length - 1, step: 1,
    oninput: () => onchange(list[input.value]) });
  return { input, box: field(label, el("span", { class: "zh-pair" }, input, out)),
    show(value, text = String(value), spoken = text) {
      input.value = list.indexOf(nearest(list, value));
      input.setAttribute("aria-valuetext", spoken);
      out.textContent = text;
    } };
}

/** What an address says, made sound. The entry nearest to x; `other` where x is no number. */
export function nearest(list, x, other) {
  const v = parseFloat(x);
  return Number.isFinite(v) ? list.reduce((a, b) => (Math.abs(b - v) < Math.abs(a - v) ? b : a)) : other;
}
/** low, ..., high: so many to the unit. */
export const ticks = (low, high, per) => Array.from({ length: (high - low) * per + 1 }, (_, k) => (low * per + k) / per);
/** x between low and high; `other` where x is no number. */
export function within(x, low, high, other = low) {
  const v = parseFloat(x);
  return Number.isFinite(v) ? Math.min(high, Math.max(low, v)) : other;
}

/** Colours that read in both themes (variables of labs.css). */
export const color = Object.fromEntries(["ink", "paper", "muted", "blue", "orange", "green", "pink", "olive"]
  .map((name) => [name, name === "ink" ? "currentColor" : `var(--zh-${name})`]));

/** A polite live region at the end of root; call the result with what happened. */
export function announcer(root) {
  const line = el("p", { class: "zh-live", "aria-live": "polite" });
  root.append(line);
  return (text) => { line.textContent = text; };
}

/** Keys on a node: keys(node, {ArrowRight: next}); not while the reader types or moves a control. */
export function keys(node, actions) {
  const f = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(event); }
  };
  node.addEventListener("keydown", f);
  return () => node.removeEventListener("keydown", f);
}

/** The moments of a run, 0 to last(): a slider, one back, one on, Play, and keys on root. at() is the
    moment on the screen; look(k) draws another, keep(k) draws it and writes it into the state.
    {row, show(k, spoken), stop(), playing(), off()}; unit: the steps from one moment to the next. */
export function player(root, { at, last, look, keep, unit = 1, words = "One step", pause = 130, ready = () => true }) {
  const FAR = 10;
  let timer = 0;
  const input = el("input", { type: "range", min: 0, step: 1, "aria-label": "Step of the training",
    oninput: () => { stop(); look(+input.value); }, onchange: () => keep(+input.value) });
  const play = button("Play", () => (timer ? rest() : start()));
  const row = el("div", { class: "zh-row" }, input, button(`−${unit}`, () => move(-1), { "aria-label": words + " back" }),
    button(`+${unit}`, () => move(1), { "aria-label": words + " on" }), play);
  function stop() { clearInterval(timer); timer = 0; play.textContent = still() ? `+${FAR * unit}` : "Play"; }
  function rest() { stop(); keep(at()); }
  function move(by) { stop(); keep(Math.max(0, Math.min(last(), at() + by))); }
  function start() {
    if (still()) { move(FAR); return; } // no movement: ten at once
    if (at() >= last()) look(0);
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (document.hidden || !root.isConnected || at() >= last()) rest();
      else if (ready()) look(at() + 1);
    }, pause);
  }
  const free = keys(root, { ArrowRight: () => move(1), ArrowLeft: () => move(-1), PageUp: () => move(FAR), PageDown: () => move(-FAR),
    Home: () => move(-Infinity), End: () => move(Infinity) });
  stop();
  return { row, stop, playing: () => timer > 0, off() { stop(); free(); },
    show(k, spoken) { input.max = last(); input.value = k; input.setAttribute("aria-valuetext", spoken); } };
}

/** Numbers in [0, 1), the same for the same seed (mulberry32, Tommy Ettinger 2017). */
export function rng(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6D2B79F5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A standard normal number out of two of rng's (Box and Muller 1958). */
export const normal = (u) => Math.sqrt(-2 * Math.log(1 - u())) * Math.cos(2 * Math.PI * u());

/** The index at which the running sum of p passes u: the sampler of zh.sampling. */
export function draw(p, u) {
  let sum = 0, last = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i] > 0) last = i;
    if ((sum += p[i]) > u) return i;
  }
  return last;
}

/** What zh.packing packs as {f16: base64}: half precision to numbers. */
export function half(packed) {
  const bytes = Uint8Array.from(atob(packed.f16), (c) => c.charCodeAt(0));
  const words = new DataView(bytes.buffer), out = new Float64Array(bytes.length / 2);
  for (let i = 0; i < out.length; i++) {
    const b = words.getUint16(2 * i, true), e = (b >> 10) & 31, m = b & 1023;
    out[i] = (b >> 15 ? -1 : 1) * (e ? 2 ** (e - 15) * (1 + m / 1024) : 2 ** -14 * (m / 1024));
  }
  return out;
}

/** The letters a to z of a text, at most so many, marks taken off: "Zoë" is "zoe". */
export const letters = (text, most = Infinity) =>
  String(text).normalize("NFKD").toLowerCase().replace(/[^a-z]/g, "").slice(0, most);
/** What letters() leaves out of a text that a reader typed, in words. */
export const leftOut = (text, most) =>
  (text.normalize("NFKD").replace(/\p{M}/gu, "").length > letters(text).length ? "Letters a to z only. " : "")
  + (letters(text).length > most ? `At most ${most} letters. ` : "");
/** A box for a name. */
export const nameBox = (oninput, props) => el("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", oninput, ...props });

/** A probability as a percentage: "12 %", "3.4 %", "<0.1 %", ">99 %": 0 and 100 are certainty. */
export const percent = (p) => (p === 0 ? "0" : p < 0.0005 ? "<0.1" : p >= 0.995 && p < 1 - 1e-9 ? ">99" : (100 * p).toFixed(p < 0.0995 ? 1 : 0)) + " %";
const large = (x) => x < 1e6 ? Number(x.toPrecision(2)).toLocaleString("en")
  : [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]].map(([k, word]) => x >= k && x < 1000 * k && `${Number((x / k).toPrecision(2))} ${word}`).find(Boolean) || x.toExponential(1);
/** A chance in words, from its logarithm: the product of many can be below what a float64 holds. */
export const odds = (l) => l === -Infinity ? "never" : l > -Math.LN2 ? percent(Math.exp(l))
  : `1 in ${l > -690 ? large(Math.exp(-l)) : `1e+${Math.round(-l / Math.LN10)}`}`;

/** What letter comes next: a button for each with its chance as a bar, one tab stop, arrow keys in it;
    the first is the end. {node, show(p, marked)}; choose(i) is called when one is pressed. */
export function letterBars(alphabet, label, choose) {
  let focus = 0;
  const bars = [...alphabet].map((letter, i) => button([el("span", null, i ? letter : "end"), " ", el("small")], () => choose(i),
    { onfocus: () => { focus = i; tabs(); } }));
  const tabs = () => bars.forEach((bar, i) => bar.setAttribute("tabindex", i === focus ? 0 : -1));
  const move = (event) => {
    const row = bars.filter((bar) => bar.offsetTop === bars[0].offsetTop).length;
    const to = { ArrowRight: focus + 1, ArrowLeft: focus - 1, ArrowDown: focus + row, ArrowUp: focus - row, Home: 0, End: bars.length - 1 }[event.key];
    if (!bars[to]) return;
    event.preventDefault();
    bars[to].focus();
  };
  tabs();
  return { node: el("div", { class: "zh-letters", role: "group", "aria-label": label, onkeydown: move }, bars),
    show(p, marked = -1) {
      const top = Math.max(...p);
      bars.forEach((bar, i) => {
        bar.lastElementChild.textContent = percent(p[i]);
        bar.style.setProperty("--p", 100 * p[i] / top + "%");
        bar.dataset.p = p[i];
        if (i === marked) bar.setAttribute("aria-current", "true"); else bar.removeAttribute("aria-current");
      });
    } };
}

/** A wide table in a box that scrolls by itself; the arrow keys scroll it, and go no further. */
export const scroller = (label, ...children) => el("div", { class: "zh-scroll", tabindex: 0, role: "region", "aria-label": label,
  onkeydown: (event) => { if (/^Arrow/.test(event.key)) event.stopPropagation(); } }, children);

/** A number for the reader: at most `digits` significant digits, a real minus sign. */
export function show(x, digits = 4) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "not a number" : x > 0 ? "∞" : "−∞";
  const small = x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6);
  const text = small ? x.toExponential(Math.max(0, digits - 2)) : String(Number(x.toPrecision(digits)));
  return text.replace(/-/g, "−");
}

/** Is there little room, as on a phone? A picture then needs larger letters and marks. */
export const narrow = (root) => root.clientWidth > 0 && root.clientWidth < 480;
/** Does the reader ask for no movement? */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
