import { el, svg, button, field, select, slider, state, nearest, within, announcer, color, rng, show } from "./base.js";

/* A signal and a gradient through a deep net at its first step: real nets, drawn in the page, and what
   mean-field theory says of wide ones (zh/meanfield.py).  No data.
   State: f, c (the variance of a weight is c / width), width, depth, kind, seed. */

const TWO = Math.sqrt(2 * Math.PI);
const sigmoid = (z) => 1 / (1 + Math.exp(-z));
const F = { // [value, slope]
  linear: [(z) => z, () => 1],
  tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2],
  relu: [(z) => (z > 0 ? z : 0), (z) => (z > 0 ? 1 : 0)],
  sigmoid: [sigmoid, (z) => sigmoid(z) * (1 - sigmoid(z))],
  silu: [(z) => z * sigmoid(z), (z) => sigmoid(z) * (1 + z * (1 - sigmoid(z)))],
};
const C = [["0.1", 0.1], ["0.25", 0.25], ["0.5, the wrong numerator", 0.5], ["0.9", 0.9], ["1, LeCun and Xavier", 1], ["1.5", 1.5], ["2, Kaiming", 2],
  ["25/9, tanh with gain 5/3", 25 / 9], ["4", 4], ["9", 9], ["16", 16], ["25, gain 5", 25]];
const WIDTHS = [1, 2, 4, 8, 16, 32, 64, 128], DEPTHS = [2, 5, 10, 20, 50, 100], BATCH = 8;
const PRESETS = [
  ["What the chat said", { f: "tanh", c: 0.5, width: 128, depth: 50, kind: "normal" }],
  ["ReLU with Kaiming", { f: "relu", c: 2, width: 128, depth: 50, kind: "normal" }],
  ["tanh with 5/3", { f: "tanh", c: 25 / 9, width: 128, depth: 50, kind: "normal" }],
  ["Width 1", { f: "linear", c: 1, width: 1, depth: 50, kind: "normal" }],
  ["Orthogonal, 100 layers", { f: "tanh", c: 1, width: 8, depth: 100, kind: "orthogonal" }],
];

/** E f(sqrt(q) z)^2 for a standard normal z, by the trapezium rule on [-8, 8], kink at a node. */
function moment(f, q) {
  const std = Math.sqrt(q), h = 0.02;
  let sum = 0;
  for (let i = -400; i <= 400; i++) { const z = i * h, v = f(std * z); sum += v * v * Math.exp(-z * z / 2); }
  return sum * h / TWO;
}

/** What theory says: root mean square after each layer, and of the gradient, relative to the top. */
function predict(f, c, depth) {
  const forward = [1], factors = [];
  let q = c; // the input has mean square 1
  for (let l = 0; l < depth; l++) {
    const m = moment(F[f][0], q);
    forward.push(Math.sqrt(m));
    let chi = c * moment(F[f][1], q);
    if (f === "relu") chi = c / 2; // its slope jumps at 0: half of it
    factors.push(Math.sqrt(chi));
    q = c * m;
  }
  const backward = [1];
  for (const factor of factors.reverse()) backward.unshift(backward[0] * factor);
  return { forward, backward, chi: factors[0] ** 2 };
}

/** A generator of standard normals (Box and Muller). */
function normals(seed) {
  const u = rng(seed);
  let kept = null;
  return () => {
    if (kept !== null) { const v = kept; kept = null; return v; }
    const r = Math.sqrt(-2 * Math.log(1 - u())), a = 2 * Math.PI * u();
    kept = r * Math.sin(a);
    return r * Math.cos(a);
  };
}

function matrix(n, std, orthogonal, normal) {
  const w = new Float64Array(n * n);
  for (let i = 0; i < n * n; i++) w[i] = normal();
  if (!orthogonal) { for (let i = 0; i < n * n; i++) w[i] *= std; return w; }
  const scale = std * Math.sqrt(n); // rows made orthonormal one after the other (Gram and Schmidt)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      let dot = 0;
      for (let k = 0; k < n; k++) dot += w[i * n + k] * w[j * n + k];
      for (let k = 0; k < n; k++) w[i * n + k] -= dot * w[j * n + k];
    }
    let size = 0;
    for (let k = 0; k < n; k++) size += w[i * n + k] ** 2;
    size = Math.sqrt(size);
    for (let k = 0; k < n; k++) w[i * n + k] /= size;
  }
  for (let i = 0; i < n * n; i++) w[i] *= scale;
  return w;
}

/** One net: {forward, backward}, root mean squares at each place from the input to the top. */
function measure({ f, c, width: n, depth, kind }, seed) {
  const normal = normals(seed), [act, slope] = F[f], weights = [], zs = [], forward = [], backward = [];
  const rms = (x) => { let s = 0; for (const v of x) s += v * v; return Math.sqrt(s / x.length); };
  let h = Float64Array.from({ length: BATCH * n }, normal);
  const size = rms(h); // of so few numbers: made 1, so that the start is theory's
  for (let i = 0; i < h.length; i++) h[i] /= size;
  forward.push(1);
  for (let l = 0; l < depth; l++) {
    const w = matrix(n, Math.sqrt(c / n), kind === "orthogonal", normal), z = new Float64Array(BATCH * n);
    for (let b = 0; b < BATCH; b++) for (let i = 0; i < n; i++) {
      const v = h[b * n + i];
      if (v !== 0) for (let j = 0; j < n; j++) z[b * n + j] += v * w[i * n + j];
    }
    weights.push(w); zs.push(z);
    h = z.map(act);
    forward.push(rms(h));
  }
  let g = Float64Array.from({ length: BATCH * n }, normal);
  const top = rms(g);
  backward[depth] = 1;
  for (let l = depth - 1; l >= 0; l--) {
    const w = weights[l], z = zs[l], back = new Float64Array(BATCH * n);
    for (let b = 0; b < BATCH; b++) {
      for (let j = 0; j < n; j++) g[b * n + j] *= slope(z[b * n + j]);
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0; j < n; j++) sum += g[b * n + j] * w[i * n + j];
        back[b * n + i] = sum;
      }
    }
    g = back;
    backward[l] = rms(g) / top;
  }
  return { forward, backward };
}

const STYLE = `
.zh-signal { display: flex; flex-wrap: wrap; gap: .5rem; }
.zh-signal svg { flex: 1 1 17rem; min-width: 0; width: 100%; }
`;

export default {
  render({ model, el: root }) {
    const s = state(model, { f: "tanh", c: 25 / 9, width: 128, depth: 50, kind: "normal", seed: 1 });
    let due = 0;

    const now = () => ({ f: F[s.get("f")] ? s.get("f") : "tanh", c: nearest(C.map((p) => p[1]), s.get("c"), 1),
      width: nearest(WIDTHS, s.get("width"), 128), depth: nearest(DEPTHS, s.get("depth"), 50),
      kind: s.get("kind") === "orthogonal" ? "orthogonal" : "normal", seed: within(Math.round(s.get("seed")), 1, Infinity) });

    const act = select(Object.keys(F), (f) => s.set({ f })), rule = select(C.map(([text, c]) => [c, text]), (c) => s.set({ c }));
    const kind = select([["normal", "independent"], ["orthogonal", "orthogonal"]], (value) => s.set({ kind: value }));
    const width = slider("width", WIDTHS, (v) => s.set({ width: v })), depth = slider("depth", DEPTHS, (v) => s.set({ depth: v }));
    const picture = el("div", { class: "zh-signal" });
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("activation", act), field("variance of a weight × width", rule), field("weights", kind)),
      el("div", { class: "zh-row" }, width.box, depth.box),
      el("div", { class: "zh-row", role: "group", "aria-label": "Settings worth a look" },
        PRESETS.map(([text, set]) => button(text, () => s.set(set))), button("Other weights", () => s.set({ seed: now().seed + 1 }))),
      picture);
    const say = announcer(root);

    function panel(title, nets, line, what) {
      const left = 62, right = 330, top = 34, bottom = 226;
      const clip = (v) => Math.min(300, Math.max(-300, Math.log10(v)));
      const all = [...nets.flat(), ...line].filter((v) => v > 0 && Number.isFinite(v)).map(clip);
      const low = Math.floor(Math.min(0, ...all) - 0.05), high = Math.max(low + 1, Math.ceil(Math.max(0, ...all) + 0.05));
      const x = (l) => left + ((right - left) * l) / (line.length - 1), y = (v) => bottom - ((bottom - top) * (clip(v) - low)) / (high - low);
      const gap = Math.max(1, Math.ceil((high - low) / 5)), parts = [];
      for (let p = Math.ceil(low / gap) * gap; p <= high; p += gap) parts.push(
        svg("line", { x1: left, x2: right, y1: y(10 ** p), y2: y(10 ** p), stroke: color.ink, "stroke-opacity": p ? 0.15 : 0.6 }),
        svg("text", { x: left - 6, y: y(10 ** p) + 5, "text-anchor": "end", "font-size": 15 }, p > -4 && p < 4 ? show(10 ** p) : `1e${show(p)}`));
      const every = Math.max(1, Math.round((line.length - 1) / 25));
      nets.forEach((values) => values.forEach((v, l) => {
        if (l % every === 0 && v > 0 && Number.isFinite(v)) parts.push(svg("circle", { cx: x(l).toFixed(1), cy: y(v).toFixed(1), r: 3.2, fill: color.blue, "fill-opacity": 0.75 }));
      }));
      const drawn = line.map((v, l) => [x(l), v]).filter(([, v]) => v > 0 && Number.isFinite(v));
      parts.push(svg("path", { d: "M" + drawn.map(([a, v]) => `${a.toFixed(1)} ${y(v).toFixed(1)}`).join("L"), fill: "none", stroke: color.orange, "stroke-width": 2.5, "data-theory": what }),
        svg("text", { x: 8, y: 18, "font-size": 16, "font-weight": 600 }, title),
        svg("text", { x: left, y: bottom + 22, "font-size": 15 }, "input"), svg("text", { x: right, y: bottom + 22, "text-anchor": "end", "font-size": 15 }, `layer ${line.length - 1}`));
      return svg("svg", { viewBox: "0 0 340 254", role: "img", "aria-label": `${title}, by layer. Blue points: real nets. Orange line: theory, from ${show(line[0], 2)} at the input to ${show(line.at(-1), 2)} at the top.` }, parts);
    }

    function draw() {
      due = 0;
      const t = now(), nets = t.width > 64 || t.kind === "orthogonal" && t.width > 32 ? 1 : 3, found = [];
      for (let k = 0; k < nets; k++) found.push(measure(t, t.seed * 7919 + k));
      const theory = predict(t.f, t.c, t.depth);
      act.value = t.f; kind.value = t.kind; rule.value = String(t.c);
      width.show(t.width); depth.show(t.depth, String(t.depth), `${t.depth} layers`);
      picture.replaceChildren(panel("Activations (root mean square)", found.map((n) => n.forward), theory.forward, "forward"),
        panel("Gradient, relative to the top", found.map((n) => n.backward), theory.backward, "backward"));
      const few = (list) => list.map((v) => show(v, 2)).join(", ");
      const phase = Math.abs(theory.chi - 1) < 0.02 ? "as it is" : theory.chi < 1 ? "smaller" : "larger";
      say(`After ${t.depth} layers the activations have size ${few(found.map((n) => n.forward.at(-1)))}; theory: ${show(theory.forward.at(-1), 2)}. `
        + `The gradient arrives at the input ${few(found.map((n) => n.backward[0]))} times its size at the top; theory: ${show(theory.backward[0], 2)}. `
        + `Far from the input a layer multiplies it by ${show(Math.sqrt(theory.chi), 3)}: ${phase}.`
        + (t.kind === "orthogonal" ? " The line is theory for independent weights." : ""));
    }
    const later = () => { if (!due) due = setTimeout(draw, 0); };
    draw();
    s.on(later);
    return () => { clearTimeout(due); s.off(); root.replaceChildren(); };
  },
};
