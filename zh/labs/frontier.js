import { el, svg, button, field, select, state, within, narrow, announcer, scroller, data as load, keys, color, show } from "./base.js";

/* Policies by their distance from a reference and by what they got for it: choose one, see what it
   writes and what it paid.  data, from zh.labs.frontier.pack: { points: [{ method, label, kl, bound, taste,
   proxy, asked, distinct, entropy, samples }] }, bound: the KL is no more than kl and was not measured.
   State: chosen (index), height (what is drawn upwards). */

const HEIGHTS = [["taste", "what the rater would give"], ["proxy", "what the reward model gives"], ["entropy", "entropy, nats an answer"], ["distinct", "share of different answers"], ["asked", "share that ends as asked"]];
const HUES = [color.ink, color.orange, color.green, color.blue, color.pink, color.olive], MARKS = ["square", "circle", "triangle", "diamond", "circle", "square"];

function mark(kind, x, y, r, props) {
  const path = { square: `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`, diamond: `M${x} ${y - 1.3 * r}l${1.3 * r} ${1.3 * r}l${-1.3 * r} ${1.3 * r}l${-1.3 * r} ${-1.3 * r}z`,
    triangle: `M${x} ${y - 1.2 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}z` }[kind];
  return path ? svg("path", { d: path, ...props }) : svg("circle", { cx: x, cy: y, r, ...props });
}

export default {
  async render({ model, el: root }) {
    const { points } = await load(model), methods = [...new Set(points.map((p) => p.method))];
    const s = state(model, { chosen: 0, height: "taste" });
    const chosen = () => Math.round(within(s.get("chosen"), 0, points.length - 1)), height = () => (HEIGHTS.find(([k]) => k === s.get("height")) || HEIGHTS[0]);
    const called = (p) => `${p.method}, ${p.label}`, distance = (p) => (p.bound ? "at most " : "") + p.kl.toFixed(2);
    const inLegend = (m) => m + (points.some((p) => p.method === m && p.bound) ? " (at the most that its KL can be)" : "");
    // along the distance, as the arrow keys go
    const order = [...points.keys()].sort((a, b) => points[a].kl - points[b].kl), rank = () => order.indexOf(chosen());
    const move = (by) => s.set({ chosen: order[Math.max(0, Math.min(order.length - 1, rank() + by))] });
    const pick = select(points.map((p, i) => [i, called(p)]), (i) => s.set({ chosen: i })), up = select(HEIGHTS, (k) => s.set({ height: k }));
    const picture = svg("svg", { viewBox: "0 0 600 360", role: "img", style: "display:block;width:100%;cursor:pointer", onclick: nearestTo });
    let places = []; // [index, x, y] of what is drawn, in units of the picture
    function nearestTo(event) {
      const box = picture.getBoundingClientRect(), px = 600 * (event.clientX - box.x) / box.width, py = 360 * (event.clientY - box.y) / box.height;
      const far = ([, x, y]) => Math.hypot(x - px, y - py), best = places.reduce((a, b) => (far(b) < far(a) ? b : a));
      if (far(best) < 40) s.set({ chosen: best[0] });
    }
    const numbers = el("tbody"), list = el("ul", { class: "zh-drawn" }), heading = el("p", { style: "margin:.8rem 0 .2rem" }, el("strong"));
    root.append(el("div", { class: "zh-row" }, field("policy", pick), button("Nearer", () => move(-1), { "aria-label": "The next policy nearer to the start" }), button("Further", () => move(1), { "aria-label": "The next policy further from the start" }), field("upwards", up)), picture,
      scroller("Numbers of the policy that is chosen", el("table", null, numbers)), heading, list);
    const say = announcer(root), free = keys(root, { ArrowRight: () => move(1), ArrowLeft: () => move(-1) });

    function draw() {
      const at = chosen(), [key, words] = height(), p = points[at], letters = narrow(root) ? 24 : 15;
      pick.selectedIndex = at; up.selectedIndex = HEIGHTS.findIndex(([k]) => k === key);
      const shown = points.filter((q) => q[key] !== null), ys = shown.map((q) => q[key]), far = Math.max(...points.map((q) => q.kl)) * 1.05 || 1;
      const low = Math.min(...ys), high = Math.max(...ys), pad = (high - low || 1) * 0.12, bottom = 352 - 2.6 * letters, top = 14 + letters * 1.4, left = 12 + 2.6 * letters;
      const x = (v) => left + (580 - left) * v / far, y = (v) => bottom - (bottom - top) * (v - low + pad) / (high - low + 2 * pad);
      const text = (a, b, t, more) => svg("text", { x: a, y: b, "font-size": letters, ...more }, t);
      const nice = (span) => { const e = 10 ** Math.floor(Math.log10(span / 4)); return [1, 2, 5, 10].map((k) => k * e).find((k) => span / k <= 5); };
      const marks = (a, b) => { const by = nice(b - a), out = []; for (let v = Math.ceil(a / by) * by; v <= b + 1e-9; v += by) out.push(Math.round(v / by) * by); return out; };
      picture.replaceChildren(
        text(4, letters, words), ...marks(low - pad, high + pad).map((v) => svg("g", null, svg("line", { x1: left, x2: 580, y1: y(v), y2: y(v), stroke: color.ink, "stroke-opacity": 0.12 }), text(left - 6, y(v) + letters / 3, show(v, 3), { "text-anchor": "end" }))),
        svg("line", { x1: left, x2: 580, y1: bottom, y2: bottom, stroke: color.ink }), ...marks(0, far).map((v) => text(x(v), bottom + 1.15 * letters, show(v, 3), { "text-anchor": "middle" })),
        text(580, bottom + 2.4 * letters, "KL from the finetuned model, nats an answer", { "text-anchor": "end" }),
        ...methods.map((m, k) => svg("polyline", { points: order.map((i) => points[i]).filter((q) => q.method === m && q[key] !== null).map((q) => `${x(q.kl)},${y(q[key])}`).join(" "), fill: "none", stroke: HUES[k % 6], "stroke-width": 1.5, "stroke-opacity": 0.6 })),
        ...shown.map((q) => { const k = methods.indexOf(q.method) % 6, i = points.indexOf(q);
          return svg("g", { "data-i": i, "data-x": q.kl, "data-y": q[key] }, svg("circle", { cx: x(q.kl), cy: y(q[key]), r: 20, fill: "transparent" }),
            i === at && svg("circle", { cx: x(q.kl), cy: y(q[key]), r: 14, fill: "none", stroke: color.orange, "stroke-width": 3 }), mark(MARKS[k], x(q.kl), y(q[key]), 6, { fill: HUES[k] })); }));
      places = shown.map((q) => [points.indexOf(q), x(q.kl), y(q[key])]);
      const row = (name, value) => el("tr", null, el("th", { scope: "row" }, name), el("td", { style: "white-space:nowrap" }, value)), percent = (v) => `${Math.round(100 * v)} %`;
      numbers.replaceChildren(row("KL, nats an answer", distance(p)), row("what the rater would give", show(p.taste, 3)), row("what the reward model gives", show(p.proxy, 3)), row("ends as asked", percent(p.asked)),
        row("entropy, nats an answer", p.entropy === null ? "not measured" : p.entropy.toFixed(1)), row("different answers", percent(p.distinct)));
      heading.firstChild.textContent = `Answers of ${called(p)}`;
      list.replaceChildren(...p.samples.map((t) => el("li", null, t)));
      const legend = methods.map((m, k) => `${inLegend(m)}: ${MARKS[k % 6]}`).join(", ");
      picture.setAttribute("aria-label", `${words} over the KL, ${points.length} policies. ${legend}. Chosen: ${called(p)}, KL ${distance(p)}.`);
      say(`${called(p)}: KL ${distance(p)}, the rater would give ${show(p.taste, 3)}, the reward model gives ${show(p.proxy, 3)}.`);
    }
    const key = el("p", { style: "margin:.2rem 0;font-size:.92rem" }, methods.map((m, k) => el("span", { style: "display:inline-block;margin-right:.9rem" }, svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", style: "vertical-align:-2px;margin-right:.2rem" }, mark(MARKS[k % 6], 8, 8, 5, { fill: HUES[k % 6] })), el("span", null, inLegend(m)))));
    picture.after(key);
    draw();
    s.on(draw);
    return () => { free(); s.off(); root.replaceChildren(); };
  },
};
