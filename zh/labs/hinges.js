import { el, svg, button, field, select, announcer, state, within, player, data, color, rng, normal, show } from "./base.js";

/* The hinges of a first ReLU layer over its examples, while the network trains, in the reader's
   browser: 2 - 64 - 64 - 2 on two moons, as zh.dying trains it.
   data: {points: [[x, y], ...], labels: [0, 1, ...]}.
   State: lr, offset, size (of the minibatch), norm, leak, start (which draw), step. */

const U = 64, STEPS = 400, EVERY = 5;
const CHOICES = {
  lr: [0.03, 0.1, 0.3, 1, 3, 10], offset: [0, 1, 3, 10], size: [8, 32, 128],
  norm: ["none", "batch", "layer"], leak: [0, 0.01, 0.1],
};

/** Weights of the three layers, He's, from one seed; then minibatches from the same dice. */
function dice(seed) {
  const next = rng(seed + 1);
  const draw = (a, b) => Float64Array.from({ length: a * b }, () => normal(next) * Math.sqrt(2 / a));
  return { weights: [draw(2, U), draw(U, U), draw(U, 2)], pick: (n) => Math.floor(next() * n) };
}

/** A network in training: step() takes one step, look() says what is dead among all examples. */
function network(given, points, labels) {
  const { weights: W, pick } = dice(given.start), N = points.length;
  const B = [new Float64Array(U), new Float64Array(U), new Float64Array(2)];
  const x = Float64Array.from(points.flat(), (v) => v + given.offset);
  const slope = (z) => (z > 0 ? 1 : given.leak);
  let sound = true, taken = 0, dead = null;
  const killed = [0, 0], revived = [0, 0];

  /** (n, a) @ (a, b) */
  function product(left, right, n, a, b) {
    const out = new Float64Array(n * b);
    for (let i = 0; i < n; i++) for (let k = 0; k < a; k++) {
      const l = left[i * a + k];
      if (l !== 0) for (let j = 0; j < b; j++) out[i * b + j] += l * right[k * b + j];
    }
    return out;
  }
  /** What is normalised together: each unit over the batch, or each example over the units. */
  function each(n, f) {
    if (given.norm === "batch") for (let j = 0; j < U; j++) f(j, U, n);
    if (given.norm === "layer") for (let i = 0; i < n; i++) f(i * U, 1, U);
  }
  /** In place: mean 0 and variance 1; what it was divided by, and the means. */
  function normalise(z, n) {
    const inverse = [], means = [];
    each(n, (at, stride, count) => {
      let mean = 0, square = 0;
      for (let k = 0; k < count; k++) mean += z[at + k * stride] / count;
      for (let k = 0; k < count; k++) square += (z[at + k * stride] - mean) ** 2 / count;
      const one = 1 / Math.sqrt(square + 1e-5);
      for (let k = 0; k < count; k++) z[at + k * stride] = (z[at + k * stride] - mean) * one;
      inverse.push(one); means.push(mean);
    });
    return { inverse, means };
  }
  function normaliseBack(d, normal, inverse, n) {
    let g = 0;
    each(n, (at, stride, count) => {
      let mean = 0, along = 0;
      for (let k = 0; k < count; k++) { const i = at + k * stride; mean += d[i] / count; along += d[i] * normal[i] / count; }
      for (let k = 0; k < count; k++) { const i = at + k * stride; d[i] = inverse[g] * (d[i] - mean - normal[i] * along); }
      g++;
    });
  }
  function forward(x, n) {
    const layers = [];
    let h = x, a = 2;
    for (let l = 0; l < 2; l++) {
      const normal = product(h, W[l], n, a, U), { inverse, means } = normalise(normal, n);
      const z = normal.map((v, i) => v + B[l][i % U]);
      layers.push({ x: h, a, normal, inverse, means, z });
      h = z.map((v) => v * slope(v)); a = U;
    }
    const scores = product(h, W[2], n, U, 2).map((v, i) => v + B[2][i % 2]);
    return { layers, h, scores };
  }
  /** Mean cross-entropy, its gradient by the scores, and how many are right. */
  function judge(scores, y, n) {
    const d = new Float64Array(2 * n);
    let loss = 0, right = 0;
    for (let i = 0; i < n; i++) {
      const [s, t] = [scores[2 * i], scores[2 * i + 1]], top = Math.max(s, t);
      const p = [Math.exp(s - top), Math.exp(t - top)], sum = p[0] + p[1];
      loss -= (scores[2 * i + y[i]] - top - Math.log(sum)) / n;
      right += (t > s ? 1 : 0) === y[i];
      for (let c = 0; c < 2; c++) d[2 * i + c] = (p[c] / sum - (c === y[i])) / n;
    }
    return { loss, d, right };
  }
  function gradients(d, pass, n) {
    const G = [null, null, product2(pass.h, d, n, U, 2)], H = [null, null, sums(d, n, 2)];
    let dh = back(d, W[2], n, U, 2);
    for (let l = 1; l >= 0; l--) {
      const { x, a, z, normal, inverse } = pass.layers[l], dz = dh.map((v, i) => v * slope(z[i]));
      H[l] = sums(dz, n, U);
      normaliseBack(dz, normal, inverse, n);
      G[l] = product2(x, dz, n, a, U);
      if (l) dh = back(dz, W[l], n, a, U);
    }
    return { G, H };
  }
  /** (n, a).T @ (n, b), column sums, and (n, b) @ (a, b).T */
  function product2(left, right, n, a, b) {
    const out = new Float64Array(a * b);
    for (let i = 0; i < n; i++) for (let k = 0; k < a; k++) {
      const l = left[i * a + k];
      if (l !== 0) for (let j = 0; j < b; j++) out[k * b + j] += l * right[i * b + j];
    }
    return out;
  }
  function sums(d, n, b) {
    const out = new Float64Array(b);
    for (let i = 0; i < n * b; i++) out[i % b] += d[i];
    return out;
  }
  function back(d, w, n, a, b) {
    const out = new Float64Array(n * a);
    for (let i = 0; i < n; i++) for (let k = 0; k < a; k++) {
      let sum = 0;
      for (let j = 0; j < b; j++) sum += d[i * b + j] * w[k * b + j];
      out[i * a + k] = sum;
    }
    return out;
  }

  function step() {
    taken++;
    if (!sound) return;
    const n = given.size, xb = new Float64Array(2 * n), y = [];
    for (let i = 0; i < n; i++) { const r = pick(N); xb[2 * i] = x[2 * r]; xb[2 * i + 1] = x[2 * r + 1]; y.push(labels[r]); }
    const pass = forward(xb, n), { loss, d } = judge(pass.scores, y, n), { G, H } = gradients(d, pass, n);
    let square = 0;
    for (const g of [...G, ...H]) for (const v of g) square += v * v;
    if (!Number.isFinite(loss) || !Number.isFinite(square)) { sound = false; return; }
    G.forEach((g, l) => g.forEach((v, i) => { W[l][i] -= given.lr * v; }));
    H.forEach((h, l) => h.forEach((v, i) => { B[l][i] -= given.lr * v; }));
  }
  function look() {
    const pass = forward(x, N), { loss, right } = judge(pass.scores, labels, N);
    const now = pass.layers.map(({ z }) => {
      const silent = new Uint8Array(U).fill(1);
      z.forEach((v, i) => { if (v > 0) silent[i % U] = 0; });
      return silent;
    });
    now.forEach((silent, l) => silent.forEach((v, j) => {
      if (dead && v > dead[l][j]) killed[l]++;
      if (dead && v < dead[l][j]) revived[l]++;
    }));
    dead = now;
    const { inverse, means } = pass.layers[0];
    return { step: taken, loss, right, sound, silent: now[0], dead: now.map((s) => s.reduce((a, b) => a + b, 0)),
      killed: [...killed], revived: [...revived], weight: W[0].slice(), bias: B[0].slice(), inverse, means };
  }
  return { step, look };
}

/** Pre-activations of all units of the first layer at one place, as the look had them. */
function units(look, norm, x, y) {
  const z = new Float64Array(U), w = look.weight;
  let mean = 0, square = 0;
  for (let j = 0; j < U; j++) z[j] = x * w[j] + y * w[U + j];
  if (norm === "batch") for (let j = 0; j < U; j++) z[j] = (z[j] - look.means[j]) * look.inverse[j];
  if (norm === "layer") {
    for (const v of z) mean += v / U;
    for (const v of z) square += (v - mean) ** 2 / U;
    for (let j = 0; j < U; j++) z[j] = (z[j] - mean) / Math.sqrt(square + 1e-5);
  }
  for (let j = 0; j < U; j++) z[j] += look.bias[j];
  return z;
}

const STYLE = `
.zh-hinges-picture svg { display: block; width: 100%; }
.zh-hinges-key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .3rem 0; }
.zh-hinges-key svg { vertical-align: middle; }
`;
const LAST = STEPS / EVERY, GX = 45, GY = 33, WIDE = 600, HIGH = 440;

export default {
  /** For the tests: the looks of a whole run, and the draws it was made of. */
  run(given, points, labels, steps = STEPS) {
    const net = network(given, points, labels), looks = [net.look()];
    for (let k = 1; k <= steps; k++) { net.step(); if (k % EVERY === 0) looks.push(net.look()); }
    return looks;
  },
  dice,

  async render({ model, el: root }) {
    const s = state(model, { lr: 3, offset: 0, size: 32, norm: "none", leak: 0, start: 0, step: STEPS });
    const d = await data(model);
    let looks = [], net = null, made = "", frame = 0, here = 0, told = "";

    /** What the state says, made sound. */
    function now() {
      const out = {};
      for (const [key, values] of Object.entries(CHOICES)) out[key] = values.find((v) => String(v) === String(s.get(key))) ?? values[key === "lr" ? 4 : key === "size" ? 1 : 0];
      out.start = Math.round(Math.abs(within(s.get("start"), -1e9, 1e9, 0))) % 1000;
      return out;
    }
    const asked = () => Math.round(within(s.get("step"), 0, STEPS) / EVERY);

    const inputs = {};
    const choose = (key, words) => {
      inputs[key] = select(CHOICES[key], (value) => { run.stop(); s.set({ [key]: value }); });
      return field(words, inputs[key]);
    };
    const run = player(root, { at: () => here, last: () => LAST, look: (k) => { here = k; draw(); }, keep: (k) => s.set({ step: k * EVERY }),
      unit: EVERY, words: "Five steps", pause: 90, ready: () => here + 1 < looks.length });
    const numbers = el("p", { class: "zh-numbers" });
    const picture = el("div", { class: "zh-hinges-picture" }), kind = el("span");
    const line = (look) => svg("svg", { width: 30, height: 12, "aria-hidden": "true" }, svg("line", { x1: 1, x2: 29, y1: 6, y2: 6, ...look }));
    const alive = { stroke: color.blue, "stroke-width": 2, "stroke-opacity": 0.7 }, gone = { stroke: color.orange, "stroke-width": 2.5, "stroke-dasharray": "7 4" };
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, choose("lr", "learning rate"), choose("offset", "offset of the inputs"), choose("size", "batch size")),
      el("div", { class: "zh-row" }, choose("norm", "normalisation"), choose("leak", "slope below 0"),
        button("Another start", () => { run.stop(); s.set({ start: now().start + 1 }); })),
      run.row, numbers, picture,
      el("p", { class: "zh-hinges-key" }, el("span", null, line(alive), " alive: some example is on its firing side"),
        el("span", null, line(gone), kind)));
    const say = announcer(root);

    /** Train a little in each frame, until the run is whole. */
    function work() {
      frame = 0;
      const until = performance.now() + 14;
      while (looks.length <= LAST && performance.now() < until) {
        for (let k = 0; k < EVERY; k++) net.step();
        looks.push(net.look());
      }
      const shown = Math.min(asked(), looks.length - 1);
      if (!run.playing() && shown !== here) { here = shown; draw(); }
      if (looks.length <= LAST) frame = requestAnimationFrame(work);
      else finished();
    }
    function finished() {
      if (!run.playing() && told !== numbers.textContent) say(told = numbers.textContent);
    }

    function draw() {
      const given = now(), look = looks[here];
      run.show(here, `step ${look.step}`);
      const [a, b] = look.dead, what = given.leak ? "silent" : "dead";
      kind.textContent = ` ${what}: no example is${given.leak ? "; the leak still gives it a gradient" : ""}`;
      numbers.textContent = `Step ${look.step}: ${a} of ${U} ${what} in the first layer, ${b} in the second. ${given.leak ? "Gone silent" : "Killed"} so far ${look.killed.join(" and ")}, `
        + `come back ${look.revived.join(" and ")}. Right: ${look.right} of ${d.points.length}, loss ${show(look.loss, 3)}`
        + (look.sound ? "." : "; the run has diverged and stands still.");
      const xs = d.points.map((p) => p[0] + given.offset), ys = d.points.map((p) => p[1] + given.offset);
      const [x0, x1, y0, y1] = [Math.min(...xs) - 1, Math.max(...xs) + 1, Math.min(...ys) - 1, Math.max(...ys) + 1];
      const px = (x) => ((x - x0) / (x1 - x0)) * WIDE, py = (y) => HIGH - ((y - y0) / (y1 - y0)) * HIGH;
      const rows = [];
      for (let j = 0; j < GY; j++) {
        rows.push([]);
        for (let i = 0; i < GX; i++) rows[j].push(units(look, given.norm, x0 + (i / (GX - 1)) * (x1 - x0), y0 + (j / (GY - 1)) * (y1 - y0)));
      }
      const paths = ["", ""];
      for (let unit = 0; unit < U; unit++) paths[look.silent[unit]] += hinge(rows, unit, given.norm !== "layer", (i, j) => [(i / (GX - 1)) * WIDE, HIGH - (j / (GY - 1)) * HIGH]);
      const marks = d.points.map((p, i) => (d.labels[i]
        ? svg("path", { d: `M${px(xs[i]).toFixed(1)} ${(py(ys[i]) - 6).toFixed(1)}l5.5 10h-11z` })
        : svg("circle", { cx: px(xs[i]).toFixed(1), cy: py(ys[i]).toFixed(1), r: 5 })));
      picture.replaceChildren(svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img",
        "aria-label": `Two moons of examples, and the lines where a unit of the first layer begins to fire. ${numbers.textContent}` },
      svg("path", { d: paths[0], fill: "none", ...alive, "stroke-opacity": 0.45, "stroke-width": 1.5, "data-alive": "" }),
      svg("path", { d: paths[1], fill: "none", ...gone, "stroke-width": 2, "data-dead": "" }),
      svg("g", { fill: "currentColor", "fill-opacity": 0.55 }, marks),
      svg("rect", { x: 0.5, y: 0.5, width: WIDE - 1, height: HIGH - 1, fill: "none", stroke: color.ink, "stroke-opacity": 0.3 })));
    }

    /** Where one unit is 0, over the grid: one line if it is straight, else short pieces. */
    function hinge(rows, unit, straight, place) {
      const cuts = [];
      const cut = (i, j, k, l) => {
        const u = rows[j][i][unit], v = rows[l][k][unit];
        if (u > 0 === v > 0) return;
        const t = u / (u - v);
        cuts.push(place(i + t * (k - i), j + t * (l - j)));
      };
      if (straight) {
        const far = [GX - 1, GY - 1];
        for (const [i, j, k, l] of [[0, 0, far[0], 0], [far[0], 0, ...far], [0, far[1], ...far], [0, 0, 0, far[1]]]) cut(i, j, k, l);
      } else {
        for (let j = 0; j < GY - 1; j++) for (let i = 0; i < GX - 1; i++) {
          const before = cuts.length;
          cut(i, j, i + 1, j); cut(i + 1, j, i + 1, j + 1); cut(i, j + 1, i + 1, j + 1); cut(i, j, i, j + 1);
          if ((cuts.length - before) % 2) cuts.pop();
        }
      }
      let out = "";
      for (let k = 0; k + 1 < cuts.length; k += 2) out += `M${cuts[k].map((v) => v.toFixed(1)).join(" ")}L${cuts[k + 1].map((v) => v.toFixed(1)).join(" ")}`;
      return out;
    }

    function update() {
      const given = now(), wanted = JSON.stringify(given);
      for (const key of Object.keys(CHOICES)) inputs[key].value = String(given[key]);
      if (wanted !== made) {
        made = wanted;
        net = network(given, d.points, d.labels);
        looks = [net.look()];
        cancelAnimationFrame(frame);
        here = -1; // nothing of this run is drawn yet
        work();
        return;
      }
      here = Math.min(asked(), looks.length - 1);
      draw();
      if (!frame) finished();
    }

    s.on(update);
    update();
    return () => { run.off(); cancelAnimationFrame(frame); s.off(); };
  },
};
