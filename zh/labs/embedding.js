import { el, svg, field, select, button, data, state, within, narrow, keys, announcer, scroller, color, show } from "./base.js";
/* The table of letter vectors as a map, at steps of training runs that the chapter made.
   data: {letters: ".abc...", runs: [{name, steps: [0, 50, ...], tables: [[[...] a letter] a step],
   axes: [[[first, second] a dimension] a step]}, ...]}; axes are the principal directions. */

const NEAR = 5; // neighbours named and marked

const distance = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0));

/** Ranks 0, 1, ... of the values. */
function ranks(values) {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]), rank = [];
  order.forEach((at, i) => { rank[at] = i; });
  return rank;
}

/** Rank correlation of two lists without ties. */
function spearman(a, b) {
  const n = a.length, x = ranks(a), y = ranks(b);
  const d = x.reduce((sum, v, i) => sum + (v - y[i]) ** 2, 0);
  return 1 - (6 * d) / (n * (n * n - 1));
}

export default {
  async render({ model, el: root }) {
    const s = state(model, { letter: "e", view: "principal", run: 0, step: 0 });
    const d = await data(model);
    const dims = d.runs[0].tables[0][0].length, letters = [...d.letters];
    const clamp = (x, top) => Math.round(within(x, 0, top));
    const run = () => clamp(s.get("run"), d.runs.length - 1);
    const last = () => d.runs[run()].steps.length - 1;
    const step = () => clamp(s.get("step"), last());
    const chosen = () => Math.max(0, letters.indexOf(String(s.get("letter"))));
    const pair = () => {
      const found = /^(\d+)-(\d+)$/.exec(String(s.get("view")));
      const two = found && [Number(found[1]), Number(found[2])];
      return two && two[0] !== two[1] && Math.max(...two) < dims ? two : null;
    };

    const choose = (label, options, onchange) => {
      const node = select(options, onchange, { name: label });
      return [node, field(label, node)];
    };
    const called = (letter) => (letter === "." ? ". (the mark)" : letter);
    const [runs, runField] = choose("Run", d.runs.map((r, i) => [i, r.name]), (v) => s.set({ run: v }));
    const [who, whoField] = choose("Letter", letters.map((l) => [l, called(l)]), (v) => s.set({ letter: v }));
    const numbers = Array.from({ length: dims }, (_, i) => i);
    const [kind, kindField] = choose("Map shows", [["principal", "principal directions"], ["pair", "two dimensions"]],
      (v) => s.set({ view: v === "pair" ? "0-1" : "principal" }));
    const [across, acrossField] = choose("across", numbers, (v) => turn(0, v));
    const [up, upField] = choose("up", numbers, (v) => turn(1, v));
    function turn(side, to) {
      const two = pair() || [0, 1];
      if (two[1 - side] === to) two[1 - side] = two[side]; // the other one takes its place
      two[side] = to;
      s.set({ view: two.join("-") });
    }

    const slider = el("input", { type: "range", min: 0, step: 1, "aria-label": "Step of the training",
      oninput: () => draw(Number(slider.value)), onchange: () => s.set({ step: Number(slider.value) }) });
    const back = button("Earlier", () => move(-1)), on = button("Later", () => move(1));
    const move = (by) => s.set({ step: clamp(step() + by, last()) });
    const at = el("p", { class: "zh-numbers zh-step" });
    const map = svg("svg", { viewBox: "0 0 600 460", role: "img", style: "display:block;width:100%;touch-action:manipulation;cursor:pointer" });
    const table = el("table", { class: "zh-neighbours" });
    const fit = el("p", { class: "zh-fit", style: "margin:.5rem 0 0" });
    root.append(
      el("div", { class: "zh-row" }, runField, whoField, kindField, acrossField, upField),
      el("div", { class: "zh-row" }, slider, back, on), at,
      el("div", { style: "border:1px solid var(--zh-line)" }, map),
      scroller("Nearest letters", table), fit);
    const say = announcer(root);
    let places = []; // of the letters, as shares of the map
    map.addEventListener("click", (event) => { // a finger need not hit: the nearest letter within reach
      const box = map.getBoundingClientRect();
      const far = places.map(([x, y]) => Math.hypot(box.left + x * box.width - event.clientX, box.top + y * box.height - event.clientY));
      const i = far.indexOf(Math.min(...far));
      if (far[i] < 32) s.set({ letter: letters[i] });
    });

    /** Everything about one step: distances from the chosen letter, places on the map. */
    function measure(now) {
      const r = d.runs[run()], rows = r.tables[now], axes = r.axes[now], two = pair(), me = chosen();
      const points = rows.map((row) => (two ? two.map((k) => row[k])
        : [0, 1].map((k) => row.reduce((sum, v, i) => sum + v * axes[i][k], 0))));
      const others = letters.map((_, i) => i).filter((i) => i !== me);
      const full = (i) => distance(rows[me], rows[i]), flat = (i) => distance(points[me], points[i]);
      const near = [...others].sort((a, b) => full(a) - full(b)), shown = [...others].sort((a, b) => flat(a) - flat(b));
      const all = [], drawn = [];
      for (let i = 1; i < letters.length; i++) for (let j = i + 1; j < letters.length; j++) {
        all.push(distance(rows[i], rows[j]));
        drawn.push(distance(points[i], points[j]));
      }
      return { points, near, shown, full, flat, agree: spearman(all, drawn), me };
    }

    function draw(now) {
      const r = d.runs[run()], m = measure(now), small = narrow(root);
      const wide = 600, high = small ? 560 : 460, pad = 34, size = small ? 28 : 19;
      const low = [0, 1].map((k) => Math.min(...m.points.map((p) => p[k])));
      const top = [0, 1].map((k) => Math.max(...m.points.map((p) => p[k])));
      const scale = Math.min((wide - 2 * pad) / (top[0] - low[0] || 1), (high - 2 * pad) / (top[1] - low[1] || 1)); // one for both
      const x = (v) => wide / 2 + (v - (low[0] + top[0]) / 2) * scale, y = (v) => high / 2 - (v - (low[1] + top[1]) / 2) * scale;
      const near = m.near.slice(0, NEAR), here = m.points[m.me];
      places = m.points.map((p) => [x(p[0]) / wide, y(p[1]) / high]);
      map.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      map.replaceChildren(
        ...near.map((i) => svg("line", { x1: x(here[0]), y1: y(here[1]), x2: x(m.points[i][0]), y2: y(m.points[i][1]), stroke: color.orange, "stroke-width": 2, "data-near": letters[i] })),
        ...[...m.near].reverse().concat(m.me).map((i) => { // the nearest on top, the chosen one above all
          const letter = letters[i], [cx, cy] = [x(m.points[i][0]), y(m.points[i][1])], mine = i === m.me, close = near.includes(i);
          return svg("g", { "data-letter": letter },
            svg("circle", { cx, cy, r: small ? 20 : 15, fill: color.paper, "fill-opacity": 0.6,
              stroke: mine ? color.blue : close ? color.orange : "none", "stroke-width": mine ? 4 : 2 }),
            svg("text", { x: cx, y: cy + size / 3, "text-anchor": "middle", "font-size": size,
              "font-weight": "aeiou".includes(letter) ? 700 : 400, "text-decoration": "aeiou".includes(letter) ? "underline" : null }, letter));
        }));
      const name = letters[m.me], words = near.map((i) => letters[i]).join(", ");
      map.setAttribute("aria-label", `Map of ${letters.length} letters after ${r.steps[now]} steps. Lines join ${name} to its nearest letters in all ${dims} dimensions: ${words}. Vowels are underlined.`);
      at.textContent = `After ${r.steps[now]} steps. Vowels are bold and underlined; lines go to the ${NEAR} letters nearest to ${name} in all ${dims} dimensions.`;
      slider.max = last(); slider.value = now; slider.setAttribute("aria-valuetext", `after ${r.steps[now]} steps`);
      table.replaceChildren(
        el("thead", null, el("tr", null, ...["nearest to " + name, `in all ${dims}`, "on the map", "its place on the map"].map((t) => el("th", { scope: "col" }, t)))),
        el("tbody", null, ...near.map((i, k) => el("tr", { "data-row": letters[i] }, el("th", { scope: "row" }, `${k + 1}. ${called(letters[i])}`),
          el("td", null, show(m.full(i), 4)), el("td", null, show(m.flat(i), 4)), el("td", null, `${m.shown.indexOf(i) + 1} of ${m.shown.length}`)))));
      fit.textContent = `Rank correlation of all distances between the 26 letters, map and ${dims} dimensions: ${show(m.agree, 3)}.`;
      return m;
    }

    let first = true;
    function update() {
      const two = pair();
      runs.value = String(run());
      who.value = letters[chosen()];
      kind.value = two ? "pair" : "principal";
      acrossField.hidden = upField.hidden = !two;
      acrossField.style.display = upField.style.display = two ? "" : "none";
      if (two) { across.value = String(two[0]); up.value = String(two[1]); }
      const m = draw(step());
      back.setAttribute("aria-disabled", String(step() === 0));
      on.setAttribute("aria-disabled", String(step() === last()));
      if (!first) say(`${d.runs[run()].name}, after ${d.runs[run()].steps[step()]} steps. Nearest to ${called(letters[m.me])}: ${m.near.slice(0, NEAR).map((i) => called(letters[i])).join(", ")}. `
        + `The map of ${two ? `dimensions ${two.join(" and ")}` : "the principal directions"} has a rank correlation of ${show(m.agree, 3)}.`);
      first = false;
    }

    const free = keys(root, { ArrowRight: () => move(1), ArrowLeft: () => move(-1), Home: () => move(-1e9), End: () => move(1e9) });
    s.on(update);
    update();
    return () => { free(); s.off(); };
  },
};
