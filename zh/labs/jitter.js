import { el, svg, button, slider, state, nearest, within, narrow, announcer, color, rng, normal, show, ticks } from "./base.js";

/* One example at z in a batch with others from a normal distribution: what batch normalisation makes
   of it, over many draws of the others.  No data.  State: size (of the batch), z, draws. */

const SIZES = [2, 4, 8, 16, 32, 64, 128, 256, 512], PLACES = ticks(-3, 3, 2), MOST = 1000, REACH = 4, BINS = 64;

/** The batches: [normalised values, the last batch]; the example stands first in each. */
function drawn(size, z, draws) {
  const u = rng(7919 * size + 31 * Math.round(2 * z) + 1), values = [];
  let batch = [];
  for (let k = 0; k < draws; k++) {
    batch = [z];
    let sum = z;
    for (let i = 1; i < size; i++) sum += batch[i] = normal(u);
    const mean = sum / size, spread = Math.sqrt(batch.reduce((a, v) => a + (v - mean) ** 2, 0) / size + 1e-5);
    values.push((z - mean) / spread);
  }
  return [values, batch];
}
/** The spread of the normalised value in large batches. */
const formula = (size, z) => Math.sqrt((1 + z * z / 2) / size);

export default {
  drawn, formula, // for the tests
  render({ model, el: root }) {
    const s = state(model, { size: 32, z: 1.5, draws: 200 });
    const now = () => ({ size: nearest(SIZES, s.get("size"), 32), z: nearest(PLACES, s.get("z"), 1.5), draws: within(Math.round(s.get("draws")), 1, MOST) });
    const size = slider("batch size", SIZES, (v) => s.set({ size: v })), place = slider("the example's value z", PLACES, (v) => s.set({ z: v }));
    const more = (n) => s.set({ draws: Math.min(MOST, now().draws + n) });
    const one = button("Draw the others again", () => more(1)), many = button("100 times", () => more(100));
    const picture = svg("svg", { viewBox: "0 0 600 330", role: "img", style: "display:block;width:100%" });
    root.append(el("div", { class: "zh-row" }, size.box, place.box),
      el("div", { class: "zh-row" }, one, many, button("From one draw", () => s.set({ draws: 1 }))), picture);
    const say = announcer(root);

    function draw() {
      const t = now(), [values, batch] = drawn(t.size, t.z, t.draws), last = values[values.length - 1];
      size.show(t.size); place.show(t.z, show(t.z));
      one.disabled = many.disabled = t.draws >= MOST;
      const mean = values.reduce((a, b) => a + b, 0) / t.draws;
      const spread = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / t.draws);
      const middle = batch.reduce((a, b) => a + b, 0) / t.size, wide = Math.sqrt(batch.reduce((a, b) => a + (b - middle) ** 2, 0) / t.size);
      const letters = narrow(root) ? 25 : 16, bottom = 322 - 1.3 * letters, top = 140 + letters;
      const x = (v) => 300 + (v / REACH) * 285, counts = Array(BINS).fill(0);
      for (const v of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor(BINS * (v + REACH) / (2 * REACH))))]++;
      const y = (n) => bottom - (bottom - top) * n / Math.max(...counts);
      const line = (v, from, to, hue, more) => svg("line", { x1: x(v), x2: x(v), y1: from, y2: to, stroke: hue, "stroke-width": 3, ...more });
      const text = (at, up, words, more) => svg("text", { x: at, y: up, "font-size": letters, ...more }, words);
      const scatter = rng(t.size); // heights of the dots, the same for every draw
      picture.replaceChildren(
        text(4, letters, "the batch, its mean and its spread"),
        ...batch.slice(1).map((v) => svg("circle", { cx: x(Math.max(-REACH, Math.min(REACH, v))), cy: 52 + letters + 30 * (scatter() - 0.5), r: t.size > 64 ? 2.5 : 5, fill: color.ink, "fill-opacity": 0.4 })),
        line(middle, 32 + letters, 74 + letters, color.blue), svg("line", { x1: x(middle - wide), x2: x(middle + wide), y1: 78 + letters, y2: 78 + letters, stroke: color.blue, "stroke-width": 3 }),
        svg("circle", { cx: x(t.z), cy: 52 + letters, r: 8, fill: color.orange }),
        text(4, top - 12, `the example, normalised, in ${t.draws} ${t.draws === 1 ? "draw" : "draws"}`),
        ...counts.map((n, k) => n && svg("rect", { x: x(-REACH + 2 * REACH * k / BINS), width: 570 / BINS - 1, y: y(n), height: bottom - y(n), fill: color.blue, "fill-opacity": 0.75 })).filter(Boolean),
        line(last, top, bottom, color.orange), line(t.z, top, bottom, color.ink, { "stroke-dasharray": "6 5", "stroke-width": 2 }),
        svg("line", { x1: 15, x2: 585, y1: bottom, y2: bottom, stroke: color.ink }),
        ...[-4, -2, 0, 2, 4].map((v) => text(x(v), bottom + 1.15 * letters, show(v), { "text-anchor": "middle" })));
      const words = `In this batch of ${t.size} the example becomes ${last.toFixed(2)}. Over ${t.draws} ${t.draws === 1 ? "draw" : "draws"}: mean ${mean.toFixed(2)}, spread ${spread.toFixed(3)}; `
        + `the formula for large batches says ${formula(t.size, t.z).toFixed(3)}. No value in a batch of ${t.size} can pass ${Math.sqrt(t.size - 1).toFixed(1)}.`;
      picture.setAttribute("aria-label", `Above: a batch of ${t.size} as dots, the example at ${show(t.z)} in orange, mean ${middle.toFixed(2)} and spread ${wide.toFixed(2)} in blue. `
        + "Below: a histogram of what normalisation makes of the example; dashed, its value with the statistics of all data. " + words);
      say(words);
    }
    draw();
    s.on(draw);
    return () => { s.off(); root.replaceChildren(); };
  },
};
