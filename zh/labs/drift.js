import { el, svg, button, slider, state, nearest, within, narrow, announcer, color, rng, normal, show } from "./base.js";

/* How large the output of a deep linear net is, over many random nets.  A layer of independent normal
   weights multiplies the mean square by a chi-square of `width` over the width, whatever comes in: so
   a net of any width is a product of `depth` such numbers, exactly.  No data.
   State: width, depth, gain (the spread of a weight times the root of the width), seed. */

const NETS = 400, BINS = 36, WIDTHS = [1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 256, 512], DEPTHS = [1, 2, 5, 10, 20, 50, 100];
const GAINS = [0.5, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.5, 2];

/** A chi-square of n (Marsaglia and Tsang 2000, twice a gamma of n / 2); of 1 and 2 directly. */
function chiSquare(n, u) {
  if (n === 1) return normal(u) ** 2;
  if (n === 2) return -2 * Math.log(1 - u());
  const d = n / 2 - 1 / 3, c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(u), v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - u()) < 0.5 * x * x + d * (1 - v + Math.log(v))) return 2 * d * v;
  }
}

/** ln of a chi-square over its n, on average: digamma(n / 2) - ln(n / 2). */
function meanLog(n) {
  let x = n / 2, sum = 0;
  for (; x < 8; x++) sum -= 1 / x;
  return sum + Math.log(x) - 1 / (2 * x) - 1 / (12 * x ** 2) + 1 / (120 * x ** 4) - 1 / (252 * x ** 6) - Math.log(n / 2);
}

export default {
  render({ model, el: root }) {
    const s = state(model, { width: 4, depth: 50, gain: 1, seed: 1 });
    const now = () => ({ width: nearest(WIDTHS, s.get("width"), 1), depth: nearest(DEPTHS, s.get("depth"), 1),
      gain: nearest(GAINS, s.get("gain"), 1), seed: within(Math.round(s.get("seed")), 1, Infinity) });
    const width = slider("width", WIDTHS, (v) => s.set({ width: v })), depth = slider("depth", DEPTHS, (v) => s.set({ depth: v }));
    const gain = slider("spread of a weight × √width", GAINS, (v) => s.set({ gain: v }));
    const picture = svg("svg", { viewBox: "0 0 600 250", role: "img", style: "display:block;width:100%" });
    root.append(el("div", { class: "zh-row" }, width.box, depth.box),
      el("div", { class: "zh-row" }, gain.box, button("Other nets", () => s.set({ seed: now().seed + 1 }))), picture);
    const say = announcer(root);

    function draw() {
      const t = now(), u = rng(t.seed * 1009 + t.width), logs = [];
      width.show(t.width); depth.show(t.depth); gain.show(t.gain);
      for (let k = 0; k < NETS; k++) {
        let sum = t.depth * Math.log10(t.gain);
        for (let l = 0; l < t.depth; l++) sum += Math.log10(chiSquare(t.width, u) / t.width) / 2;
        logs.push(sum);
      }
      const typical = t.depth * (meanLog(t.width) / (2 * Math.LN10) + Math.log10(t.gain)), mean = t.depth * Math.log10(t.gain);
      const small = narrow(root), size = small ? 25 : 16;
      const high = small ? 290 : 250, bottom = high - 2.6 * size, top = 2.2 * size;
      const all = [...logs, typical, mean], far = Math.max(...all) - Math.min(...all);
      const low = Math.min(...all) - Math.max(0.05, 0.04 * far), end = Math.max(...all) + Math.max(0.05, 0.04 * far);
      const x = (v) => 20 + 560 * (v - low) / (end - low), counts = Array(BINS).fill(0);
      for (const v of logs) counts[Math.min(BINS - 1, Math.floor(BINS * (v - low) / (end - low)))]++;
      const y = (n) => bottom - (bottom - top) * n / Math.max(...counts);
      const gap = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((g) => (end - low) / g <= (small ? 5 : 8)) ?? 50, ticks = [];
      for (let k = Math.ceil(low / gap); k * gap <= end; k++) ticks.push(
        svg("line", { x1: x(k * gap), x2: x(k * gap), y1: bottom, y2: bottom + 6, stroke: color.ink }),
        svg("text", { x: x(k * gap), y: bottom + 6 + size, "text-anchor": "middle", "font-size": size }, show(k * gap, 3)));
      picture.setAttribute("viewBox", `0 0 600 ${high}`);
      const label = (v, text, row, hue) => [svg("line", { x1: x(v), x2: x(v), y1: top - 4, y2: bottom, stroke: hue, "stroke-width": 3 }),
        svg("text", { x: Math.min(590, Math.max(10, x(v))), y: size * row, "text-anchor": x(v) > 300 ? "end" : "start", "font-size": size }, text)];
      picture.replaceChildren(
        ...counts.map((n, k) => svg("rect", { x: 20 + 560 * k / BINS + 1, width: 560 / BINS - 2, y: y(n), height: bottom - y(n), fill: color.blue, "fill-opacity": 0.75, "data-count": n })),
        ...ticks, ...label(typical, `typical ${show(typical, 3)}`, 0.95, color.orange), ...label(mean, `mean square ${show(mean, 3)}`, 1.95, color.green),
        svg("line", { x1: 20, x2: 580, y1: bottom, y2: bottom, stroke: color.ink }),
        svg("text", { x: 580, y: high - 4, "text-anchor": "end", "font-size": size }, "log10 of the size at the top"));
      const measured = logs.reduce((a, b) => a + b, 0) / NETS, above = logs.filter((v) => v >= mean).length;
      const words = `${NETS} nets of width ${t.width}, ${t.depth} ${t.depth === 1 ? "layer" : "layers"}: log10 of the size is ${show(measured, 3)} on average (theory ${show(typical, 3)}). `
        + `The mean square over all nets belongs to ${show(mean, 3)}; ${above} of the ${NETS} nets reach it.`;
      picture.setAttribute("aria-label", "Histogram. " + words);
      say(words);
    }
    draw();
    s.on(draw);
    return () => { s.off(); root.replaceChildren(); };
  },
};
