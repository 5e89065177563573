import { el, svg, button, field, select, slider, state, nearest, announcer, color, rng, normal, show, still } from "./base.js";

/* Sixteen tanh units that start equal, or nearly, trained in the page on the task of the chapter: is
   the product of two numbers positive?  Plain gradient descent on all points.  No data.
   State: eps (how far apart the units begin), where (what is constant), dropout, norm, step. */

const N = 16, POINTS = 200, LR = 0.5, LAST = 4000, CHUNK = 100;
const STEPS = [0, 10, 30, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 4000];
const EPS = [0, 1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 1], DROPOUTS = [0, 0.1, 0.3, 0.5];
const WHERE = { both: "all weights the same", in: "the same in, random out", out: "random in, the same out", zero: "all weights zero", top: "random in, zero out" };

/** A run that can be asked for its next steps: {w1, w2, b, v, c, losses, step()}. */
function start({ eps, where, dropout, norm }) {
  const u = rng(5), dice = rng(11), noise = Float64Array.from({ length: 3 * N }, () => normal(dice));
  const xs = Array.from({ length: POINTS }, () => [2 * u() - 1, 2 * u() - 1]), ys = xs.map(([a, b]) => (a * b > 0 ? 1 : 0));
  const size = where === "zero" ? 0 : 0.5, free = where === "out" || where === "top";
  const weight = (k) => (free ? 0.5 * noise[k] : size + eps * noise[k]);
  const w1 = Array.from({ length: N }, (_, j) => weight(j)), w2 = Array.from({ length: N }, (_, j) => weight(N + j)), b = Array(N).fill(0);
  const v = Array.from({ length: N }, (_, j) => (where === "in" ? 0.3 * noise[2 * N + j] : where === "top" ? 0 : size));
  const drops = rng(23), losses = [], run = { w1, w2, b, v, c: 0, losses, places: [] };
  const h = new Float64Array(POINTS * N), z = new Float64Array(POINTS * N), keep = new Float64Array(POINTS * N).fill(1);

  run.keep = () => run.places.push([Float32Array.from(w1), Float32Array.from(w2), distinct(run)]);
  run.step = () => {
    const inverse = new Float64Array(N).fill(1);
    for (let i = 0; i < POINTS; i++) for (let j = 0; j < N; j++) z[i * N + j] = xs[i][0] * w1[j] + xs[i][1] * w2[j] + b[j];
    if (norm) for (let j = 0; j < N; j++) {
      let mean = 0, square = 0;
      for (let i = 0; i < POINTS; i++) mean += z[i * N + j] / POINTS;
      for (let i = 0; i < POINTS; i++) square += (z[i * N + j] - mean) ** 2 / POINTS;
      inverse[j] = 1 / Math.sqrt(square + 1e-5);
      for (let i = 0; i < POINTS; i++) z[i * N + j] = (z[i * N + j] - mean) * inverse[j];
    }
    let loss = 0, gc = 0;
    const gv = new Float64Array(N), gz = new Float64Array(POINTS * N);
    for (let i = 0; i < POINTS; i++) {
      let out = run.c;
      for (let j = 0; j < N; j++) {
        const k = i * N + j;
        if (dropout) keep[k] = drops() < dropout ? 0 : 1 / (1 - dropout);
        h[k] = Math.tanh(z[k]);
        out += h[k] * keep[k] * v[j];
      }
      loss += Math.max(out, 0) - out * ys[i] + Math.log1p(Math.exp(-Math.abs(out)));
      const d = (1 / (1 + Math.exp(-out)) - ys[i]) / POINTS;
      gc += d;
      for (let j = 0; j < N; j++) {
        const k = i * N + j;
        gv[j] += d * h[k] * keep[k];
        gz[k] = d * v[j] * keep[k] * (1 - h[k] * h[k]);
      }
    }
    losses.push(loss / POINTS);
    for (let j = 0; j < N; j++) {
      let g1 = 0, g2 = 0, gb = 0;
      if (norm) { // batch normalisation's own backward pass
        let mean = 0, along = 0;
        for (let i = 0; i < POINTS; i++) { mean += gz[i * N + j] / POINTS; along += gz[i * N + j] * z[i * N + j] / POINTS; }
        for (let i = 0; i < POINTS; i++) gz[i * N + j] = (gz[i * N + j] - mean - z[i * N + j] * along) * inverse[j];
      }
      for (let i = 0; i < POINTS; i++) { const g = gz[i * N + j]; g1 += g * xs[i][0]; g2 += g * xs[i][1]; gb += g; }
      w1[j] -= LR * g1; w2[j] -= LR * g2; b[j] -= LR * gb; v[j] -= LR * gv[j];
    }
    run.c -= LR * gc;
  };
  return run;
}

/** How many units are further than 0.001 from every unit before them, in and out. */
function distinct({ w1, w2, b, v }) {
  let count = 0;
  for (let i = 0; i < N; i++) {
    let other = true;
    for (let j = 0; j < i && other; j++) other = Math.hypot(w1[i] - w1[j], w2[i] - w2[j], b[i] - b[j], v[i] - v[j]) > 1e-3;
    count += other ? 1 : 0;
  }
  return count;
}

const STYLE = `
.zh-units { display: flex; flex-wrap: wrap; gap: .5rem; }
.zh-units svg { flex: 1 1 17rem; min-width: 0; width: 100%; }
`;

export default {
  render({ model, el: root }) {
    const s = state(model, { eps: 1e-4, where: "both", dropout: 0, norm: false, step: 0 });
    let run = null, made = "", timer = 0, playing = 0, said = "";

    const now = () => ({ eps: nearest(EPS, s.get("eps"), 0), where: WHERE[s.get("where")] ? s.get("where") : "both",
      dropout: nearest(DROPOUTS, s.get("dropout"), 0), norm: s.get("norm") === true, step: nearest(STEPS, s.get("step"), 0) });
    const change = (what) => { pause(); s.set(what); };

    const eps = slider("difference", EPS, (v) => change({ eps: v })), step = slider("training step", STEPS, (v) => change({ step: v }));
    const where = select(Object.entries(WHERE), (v) => change({ where: v })), drop = select(DROPOUTS.map((p) => [p, p ? String(p) : "none"]), (v) => change({ dropout: v }));
    const norm = el("input", { type: "checkbox", onchange: () => change({ norm: norm.checked }) });
    const play = button("Play", () => (playing ? pause() : go()));
    const picture = el("div", { class: "zh-units" });
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("start", where), eps.box),
      el("div", { class: "zh-row" }, field("dropout", drop), field("batch normalisation", norm)),
      el("div", { class: "zh-row" }, step.box, play), picture);
    const say = announcer(root);

    function pause() { clearTimeout(playing); playing = 0; play.textContent = still() ? "Next moment" : "Play"; }
    function on() { const at = STEPS.indexOf(now().step); s.set({ step: STEPS[(at + 1) % STEPS.length] }); }
    function go() {
      if (still()) { on(); return; }
      play.textContent = "Pause";
      const tick = () => {
        if (!root.isConnected || document.hidden) { pause(); return; }
        if (run.places.length > STEPS.indexOf(now().step) + 1 || now().step === LAST) on();
        if (now().step === LAST) { pause(); return; }
        playing = setTimeout(tick, 600);
      };
      playing = setTimeout(tick, 0);
    }

    /** A few steps at a time, so that the page stays alive. */
    function work(most = CHUNK) {
      timer = 0;
      const all = run;
      for (let k = 0; k < most && all.losses.length <= LAST; k++) {
        if (STEPS.includes(all.losses.length)) all.keep();
        all.step();
      }
      draw();
      if (all.losses.length <= LAST) timer = setTimeout(work, 0);
    }

    function draw() {
      const t = now(), at = STEPS.indexOf(t.step), place = run.places[at];
      where.value = t.where; drop.value = String(t.dropout); norm.checked = t.norm;
      const free = t.where === "out" || t.where === "top";
      eps.input.disabled = free;
      eps.show(t.eps, free ? "random" : t.eps >= 0.01 || !t.eps ? String(t.eps) : t.eps.toExponential(0).replace("-", "−"));
      step.show(t.step, String(t.step), `step ${t.step}`);
      if (!place) { say(`Training: step ${run.losses.length}.`); return; }
      const [a, b, count] = place, all = run.places.flatMap((p) => [...p[0], ...p[1]]);
      const wide = 1.08 * Math.max(0.6, ...all.map(Math.abs)), x = (v) => 20 + 300 * (v + wide) / (2 * wide), y = (v) => 240 - 200 * (v + wide) / (2 * wide);
      const dots = svg("svg", { viewBox: "0 0 340 264", role: "img", "aria-label": `The 16 units at step ${t.step}, by their two incoming weights: ${count} distinct.` },
        svg("text", { x: 8, y: 18, "font-size": 16, "font-weight": 600 }, `Step ${t.step}: ${count} of ${N} distinct`),
        svg("line", { x1: 20, x2: 320, y1: y(0), y2: y(0), stroke: color.ink, "stroke-opacity": 0.3 }), svg("line", { x1: x(0), x2: x(0), y1: 40, y2: 240, stroke: color.ink, "stroke-opacity": 0.3 }),
        svg("text", { x: 320, y: 258, "text-anchor": "end", "font-size": 15 }, `first weight, to ${show(wide, 2)}`),
        Array.from(a, (v, j) => svg("circle", { cx: x(v).toFixed(1), cy: y(b[j]).toFixed(1), r: 6, fill: color.blue, "fill-opacity": 0.55, "data-unit": j })));
      const losses = run.losses, high = Math.max(0.75, ...losses.slice(0, LAST)), lx = (k) => 44 + 280 * Math.log10(k + 1) / Math.log10(LAST + 1), ly = (l) => 226 - 186 * l / high;
      const path = losses.slice(0, LAST + 1).filter((_, k) => k < 100 || k % 10 === 0).map((l, k) => `${lx(k < 100 ? k : 100 + (k - 100) * 10).toFixed(1)} ${ly(l).toFixed(1)}`);
      const curve = svg("svg", { viewBox: "0 0 340 264", role: "img", "aria-label": `The loss over the steps, on a logarithmic axis; ${show(losses[t.step] ?? losses.at(-1), 3)} at step ${t.step}.` },
        svg("text", { x: 8, y: 18, "font-size": 16, "font-weight": 600 }, "The loss"),
        [0, 0.25, 0.5, 1].filter((l) => l < high).flatMap((l) => [svg("line", { x1: 44, x2: 324, y1: ly(l), y2: ly(l), stroke: color.ink, "stroke-opacity": 0.15 }), svg("text", { x: 38, y: ly(l) + 5, "text-anchor": "end", "font-size": 15 }, String(l))]),
        [1, 10, 100, 1000].map((k) => svg("text", { x: lx(k - 1), y: 246, "text-anchor": "middle", "font-size": 15 }, String(k))),
        svg("path", { d: "M" + path.join("L"), fill: "none", stroke: color.blue, "stroke-width": 2.5 }),
        svg("line", { x1: lx(t.step), x2: lx(t.step), y1: 36, y2: 226, stroke: color.orange, "stroke-width": 2 }));
      picture.replaceChildren(dots, curve);
      const left = losses.findIndex((l) => l < 0.6), done = losses.length > LAST;
      const words = `Step ${t.step}: loss ${show(losses[t.step] ?? losses.at(-1), 3)}, ${count} of ${N} units are distinct. `
        + (left >= 0 ? `The loss is below 0.6 from step ${left} on.` : done ? `In ${LAST} steps the loss never came below 0.6.` : "");
      if (words !== said) { said = words; say(words); }
    }

    function update() {
      const { step: _, ...t } = now(), asked = JSON.stringify(t);
      if (asked !== made) { clearTimeout(timer); made = asked; run = start(t); work(40); } else draw();
    }
    pause();
    update();
    s.on(update);
    return () => { clearTimeout(timer); pause(); s.off(); root.replaceChildren(); };
  },
};
