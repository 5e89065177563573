import { el, svg, field, select, slider, state, nearest, narrow, announcer, color, data, show } from "./base.js";

/* A deep tanh network before training, layer by layer: the spread of the outputs, of their gradients,
   and one step over the weight.  data: {gains, sizes, norms, rows: {"gain|size|norm" (indices):
   [[spread, gradient, ratio], ...]}}.  State: gain, size (of the batch), norm. */

const PANELS = [
  { title: "spread of tanh", low: 0, high: 1, marks: [0, 0.5, 1] },
  { title: "its gradient", low: -6, high: -1, marks: [-6, -5, -4, -3, -2, -1], log: true },
  { title: "update : weight", low: -6, high: 1, marks: [-6, -5, -4, -3, -2, -1, 0, 1], log: true, line: -3 },
];
const few = (v) => (v >= 0.01 ? show(v, 2) : v.toExponential(0));

export default {
  async render({ model, el: root }) {
    const d = await data(model), s = state(model, { gain: 5 / 3, size: 32, norm: "batch" });
    const now = () => ({ gain: nearest(d.gains, s.get("gain"), d.gains[0]), size: nearest(d.sizes, s.get("size"), d.sizes[0]),
      norm: d.norms.includes(s.get("norm")) ? s.get("norm") : "batch" });
    const gain = slider("gain of the weights", d.gains, (v) => s.set({ gain: v })), size = slider("batch size", d.sizes, (v) => s.set({ size: v }));
    const norm = select(d.norms, (v) => s.set({ norm: v }));
    const picture = svg("svg", { viewBox: "0 0 600 220", role: "img", style: "display:block;width:100%" });
    root.append(el("div", { class: "zh-row" }, gain.box, size.box, field("normalisation", norm)), picture);
    const say = announcer(root);

    function draw() {
      const t = now(), small = narrow(root), letters = small ? 25 : 16;
      const rows = d.rows[[d.gains.indexOf(t.gain), d.sizes.indexOf(t.size), d.norms.indexOf(t.norm)].join("|")];
      gain.show(t.gain, show(t.gain, 3)); size.show(t.size); norm.value = t.norm;
      const wide = small ? 560 : 190, high = 150, left = small ? 90 : 46, tall = high + 4 * letters;
      picture.setAttribute("viewBox", `0 0 600 ${small ? 3 * tall : tall}`);
      picture.replaceChildren(...PANELS.flatMap((p, k) => {
        const x0 = small ? 0 : 203 * k, y0 = small ? tall * k : 0, top = y0 + 1.7 * letters, bottom = top + high;
        const x = (layer) => x0 + left + (wide - left) * (layer - 0.5) / rows.length;
        const y = (v) => bottom - high * (Math.min(p.high, Math.max(p.low, p.log ? Math.log10(v) : v)) - p.low) / (p.high - p.low);
        const place = (m) => bottom - high * (m - p.low) / (p.high - p.low);
        const text = (at, up, words, more) => svg("text", { x: at, y: up, "font-size": letters, ...more }, words);
        const marks = p.log ? p.marks.filter((m) => (p.high - m) % 2 === 0) : p.marks;
        return [text(x0 + left, y0 + letters, p.title),
          ...marks.flatMap((m) => [text(x0 + left - 6, place(m) + 5, p.log ? `1e${m}`.replace("1e0", "1").replace("1e1", "10") : show(m), { "text-anchor": "end" }),
            svg("line", { x1: x0 + left, x2: x0 + wide, y1: place(m), y2: place(m), stroke: color.ink, "stroke-opacity": 0.15 })]),
          p.line && svg("line", { x1: x0 + left, x2: x0 + wide, y1: place(p.line), y2: place(p.line), stroke: color.orange, "stroke-width": 2, "stroke-dasharray": "6 4" }),
          svg("polyline", { points: rows.map((row, i) => `${x(i + 1)},${y(row[k])}`).join(" "), fill: "none", stroke: color.blue, "stroke-width": 2.5 }),
          ...rows.map((row, i) => svg("circle", { cx: x(i + 1), cy: y(row[k]), r: 4.5, fill: color.blue, "data-value": row[k] })),
          ...rows.map((_, i) => text(x(i + 1), bottom + 1.3 * letters, String(i + 1), { "text-anchor": "middle" }))].filter(Boolean);
      }));
      const ends = PANELS.map((_, k) => `${few(rows[0][k])} to ${few(rows[rows.length - 1][k])}`);
      const words = `First to last layer, before training: spread of tanh ${ends[0]}, spread of its gradient ${ends[1]}, update over weight ${ends[2]}.`;
      picture.setAttribute("aria-label", `Three panels over ${rows.length} layers. ${words}`);
      say(words);
    }
    s.on(draw);
    draw();
    return () => { s.off(); root.replaceChildren(); };
  },
};
