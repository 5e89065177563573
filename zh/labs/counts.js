import { el, svg, button, field, announcer, data as load, state, rng, show as number, color } from "./base.js";

/* The count table: pick a letter, see its row, draw from it. A bigram model by hand.
   data: { alphabet, counts: 27 rows of 27 }. State: name (so far), row (looked at; empty: that of the
   name's last letter), next (the column looked at), k (added to every count), temperature, shade ("counts" or "chances"), seed (of the ten names). */

const CELL = 20, LONGEST = 30, DRAWS = 10;
const STEPS = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000];

const STYLE = `
.zh-counts { display: grid; gap: .4rem 1.2rem; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 1500px) { .zh-counts { grid-template-columns: minmax(0, 6fr) minmax(0, 5fr); } }
.zh-counts-map svg { display: block; width: 100%; max-width: 480px; height: auto; cursor: pointer; touch-action: manipulation; }
.zh-counts-cell { min-height: 3.2em; margin: .3rem 0; }
.zh-counts-now { font-size: 1.5rem; margin: .2rem 0; min-height: 2rem; overflow-wrap: anywhere; }
.zh-counts-now span { border-bottom: 3px solid var(--zh-blue); padding: 0 .3em; margin-left: .1em; }
.zh-counts-bars { display: grid; grid-template-columns: repeat(auto-fill, minmax(44px, 1fr)); gap: .2rem; margin: .4rem 0 .6rem; }
.zh-lab .zh-counts-bars button { display: flex; flex-direction: column; align-items: center; justify-content: flex-end; height: 60px; padding: 0 0 .1rem; line-height: 1.25;
  background: linear-gradient(to top, color-mix(in srgb, var(--zh-blue) 38%, transparent) var(--p), transparent var(--p)), var(--zh-paper); border-color: var(--zh-line); }
.zh-lab .zh-counts-bars button[aria-current] { border: 3px solid var(--zh-orange); }
.zh-counts-bars small { font-size: .78rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.zh-counts-drawn { margin: .6rem 0 0; padding: 0; list-style: none; columns: 15rem; }
.zh-counts-drawn li { break-inside: avoid; padding: .1rem 0; }
.zh-counts-drawn small { color: var(--zh-muted); margin-left: .3rem; }
.zh-lab .zh-counts-slide { flex-wrap: nowrap; }
.zh-lab .zh-counts-slide input { width: 9rem; }
.zh-lab .zh-counts output { min-width: 4ch; font-variant-numeric: tabular-nums; }
`;

/** The logarithms of one row's probabilities: counts plus k, over their sum; then the temperature. */
function logs(row, k, temperature) {
  const more = row.map((n) => n + k), top = Math.max(...more);
  if (!top) return row.map(() => -Math.log(row.length)); // nothing counted: nothing known
  if (temperature === 0) return more.map((_, i) => i === more.indexOf(top) ? 0 : -Infinity);
  const l = more.map((x) => Math.log(x / top) / temperature), total = Math.log(l.reduce((a, x) => a + Math.exp(x), 0));
  return l.map((x) => x - total);
}
/** Their exponentials; what is too small for a float64 and not impossible stays above zero. */
const exps = (l) => l.map((x) => Math.exp(x) || (x === -Infinity ? 0 : Number.MIN_VALUE));

/** The index at which the running sum passes u: the sampler of zh.sampling. */
function draw(p, u) {
  let sum = 0, last = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i] > 0) last = i;
    if ((sum += p[i]) > u) return i;
  }
  return last;
}

const percent = (p) => p === 0 ? "0%" : p < 0.0005 ? "<0.1%" : (100 * p).toFixed(p < 0.0995 ? 1 : 0) + "%";
const large = (x) => x < 1e6 ? Number(x.toPrecision(2)).toLocaleString("en")
  : [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]].map(([k, word]) => x >= k && x < 1000 * k && `${Number((x / k).toPrecision(2))} ${word}`).find(Boolean) || x.toExponential(1);
/** A chance in words, from its logarithm: the product of many can be below what a float64 holds. */
const odds = (l) => l === -Infinity ? "never" : l > -Math.LN2 ? percent(Math.exp(l)) : `1 in ${l > -690 ? large(Math.exp(-l)) : `1e+${Math.round(-l / Math.LN10)}`}`;
const clean = (text) => text.normalize("NFKD").toLowerCase().replace(/[^a-z]/g, "").slice(0, LONGEST);
const within = (x, low, high, other) => Number.isFinite(x) ? Math.min(high, Math.max(low, x)) : other;

export default {
  async render({ model, el: root }) {
    const { alphabet, counts } = await load(model), many = alphabet.length;
    const s = state(model, { name: "", row: "", next: "", k: 0, temperature: 1, shade: "counts", seed: 0 });
    const name = () => clean(String(s.get("name"))), heat = () => within(Number(s.get("temperature")), 0, 2, 1);
    const k = () => within(Number(s.get("k")), 0, 1e6, 0), at = (letter) => Math.max(0, alphabet.indexOf(letter));
    const end = () => at(name().slice(-1) || "."), row = () => s.get("row") ? at(String(s.get("row"))[0]) : end();
    const start = () => row() === end() ? name() : row() ? alphabet[row()] : ""; // what a drawn letter is added to
    const column = () => s.get("next") ? at(String(s.get("next"))[0]) : -1;
    const called = (i) => i ? alphabet[i] : "the mark";
    const totals = counts.map((line) => line.reduce((a, b) => a + b)), most = Math.max(...counts.flat());
    let focus = 0, said = "", last = 0;
    const rows = () => counts.map((line) => logs(line, k(), heat()));

    // ---- the map
    const cells = counts.map((line, i) => line.map((_, j) => svg("rect", { x: (j + 1) * CELL, y: (i + 1) * CELL, width: CELL - 1, height: CELL - 1, fill: color.blue })));
    const letter = (c, x, y) => svg("text", { x, y, "text-anchor": "middle", "font-size": 16, "aria-hidden": "true" }, c);
    const empty = counts.map((line, i) => line.map((n, j) => n ? null : svg("circle", { cx: (j + 1.475) * CELL, cy: (i + 1.475) * CELL, r: 1.7, fill: color.orange }))).flat();
    const band = svg("rect", { x: 1, width: (many + 1) * CELL - 2, height: CELL, fill: "none", stroke: color.orange, "stroke-width": 2.5 });
    const spot = svg("rect", { width: CELL, height: CELL, fill: "none", stroke: color.orange, "stroke-width": 2.5 });
    const wide = (many + 1) * CELL + 2;
    const map = svg("svg", { viewBox: `0 0 ${wide} ${wide}`, width: wide, height: wide, onclick: pick, "aria-hidden": "true" },
      [...alphabet].map((c, i) => [letter(c, CELL / 2, (i + 1.75) * CELL), letter(c, (i + 1.5) * CELL, 0.75 * CELL)]).flat(), cells.flat(), empty, band, spot);
    const holder = el("div", { class: "zh-counts-map", tabindex: 0, role: "application", onkeydown: key,
      "aria-label": "The table, one row for each letter that comes first, one column for each that follows. Arrow keys move from cell to cell, a letter key goes to its row, Escape back to the name." }, map);

    function look(i, j) { s.set({ row: i === end() ? "" : alphabet[i], next: j < 0 ? "" : alphabet[j] }); }
    function pick(event) {
      const box = map.getBoundingClientRect(), to = (x) => Math.min(many, Math.max(0, Math.floor(x * wide / box.width / CELL))) - 1;
      const i = to(event.clientY - box.top), j = to(event.clientX - box.left);
      look(i < 0 ? row() : i, i < 0 ? j : j < 0 ? -1 : j);
    }
    function key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const i = row(), j = column(), to = { ArrowDown: [i + 1, j], ArrowUp: [i - 1, j], ArrowRight: [i, j + 1], ArrowLeft: [i, Math.max(0, j - 1)], Home: [i, 0], End: [i, many - 1], Escape: [end(), -1] }[event.key]
        || (event.key.length === 1 && alphabet.includes(event.key.toLowerCase()) ? [at(event.key.toLowerCase()), j] : null);
      if (!to) return;
      event.preventDefault();
      event.stopPropagation();
      if (to[0] >= 0 && to[0] < many && to[1] < many) look(...to);
    }

    // ---- the controls
    const box = el("input", { type: "text", maxlength: 60, size: 10, autocomplete: "off", autocapitalize: "none", spellcheck: "false",
      oninput: () => {
        if (box.value.normalize("NFKD").replace(/\p{M}/gu, "").length > clean(box.value).length) said = `Letters a to z, at most ${LONGEST}. `;
        s.set({ name: clean(box.value), row: "", next: "" });
      } });
    const slide = (label, input, out) => el("label", { class: "zh-field zh-counts-slide" }, el("span", null, label), input, out);
    const smooth = el("input", { type: "range", min: 0, max: STEPS.length - 1, step: 1, oninput: () => s.set({ k: STEPS[+smooth.value] }) });
    const warm = el("input", { type: "range", min: 0, max: 2, step: 0.1, oninput: () => s.set({ temperature: +warm.value }) });
    const smoothed = el("output", null), warmed = el("output", null);
    const shade = el("select", { onchange: () => s.set({ shade: shade.value }) },
      el("option", { value: "counts" }, "the counts"), el("option", { value: "chances" }, "the chances, as drawn from"));
    const bars = [...alphabet].map((c, i) => el("button", { type: "button", onclick: () => add(i), onfocus: () => { focus = i; tabs(); } },
      el("span", null, i ? c : "end"), " ", el("small", null)));
    const grid = el("div", { class: "zh-counts-bars", role: "group", "aria-label": "The row as bars: the next letter and its probability", onkeydown: move }, bars);
    const cell = el("p", { class: "zh-counts-cell" }), now = el("p", { class: "zh-counts-now" }), whole = el("p");
    const drawn = el("ul", { class: "zh-counts-drawn" });
    root.append(el("style", null, STYLE), el("div", { class: "zh-counts" },
      el("div", null, field("Shade by", shade), holder, cell),
      el("div", null,
        el("div", { class: "zh-row" }, field("The name so far", box), slide("add to each count", smooth, smoothed), slide("temperature", warm, warmed)),
        now, grid,
        el("div", { class: "zh-row" },
          button("Draw one letter", () => add(draw(exps(logs(counts[row()], k(), heat())), Math.random()))),
          button("Draw ten names", () => s.set({ seed: Number(s.get("seed")) + 1 || 1 })),
          button("Start again", () => { said = "Cleared. "; s.set({ name: "", row: "", next: "", seed: 0 }); })),
        whole, drawn)));
    const say = announcer(root);

    function add(i) {
      const before = start();
      if (i && before.length < LONGEST) return s.set({ name: before + alphabet[i], row: "", next: "" });
      said = i ? `A name has at most ${LONGEST} letters here. ` : before ? `${before} ends here. Its chance was ${odds(chance(before))}. ` : "An empty name: start again. ";
      s.set(i ? {} : { name: "", row: "", next: "" });
    }
    const steps = (word) => [...word, "."].map((c, i) => [at(i ? word[i - 1] : "."), at(c)]);
    const chance = (word, l = rows()) => steps(word).reduce((sum, [i, j]) => sum + l[i][j], 0); // its logarithm

    function tabs() { bars.forEach((bar, i) => bar.setAttribute("tabindex", i === focus ? 0 : -1)); }
    function move(event) {
      const line = bars.filter((c) => c.offsetTop === bars[0].offsetTop).length;
      const to = event.key === "Home" ? 0 : event.key === "End" ? many - 1 : focus + { ArrowRight: 1, ArrowLeft: -1, ArrowDown: line, ArrowUp: -line }[event.key];
      if (!bars[to]) return;
      event.preventDefault();
      bars[to].focus();
    }

    function show() {
      const L = rows(), P = L.map(exps), i = row(), j = column(), p = P[i], top = Math.max(...p), word = name(), chosen = s.get("shade") === "chances";
      if (clean(box.value) !== word) box.value = word;
      const far = STEPS.map((x) => Math.abs(Math.log(x + 1e-3) - Math.log(k() + 1e-3)));
      smooth.value = far.indexOf(Math.min(...far));
      smooth.setAttribute("aria-valuetext", `${k()}`);
      smoothed.textContent = number(k(), 3);
      warm.value = heat();
      warmed.textContent = number(heat(), 3);
      shade.value = chosen ? "chances" : "counts";
      cells.forEach((line, a) => line.forEach((rect, b) => rect.setAttribute("fill-opacity",
        (chosen ? Math.sqrt(P[a][b]) : Math.sqrt(counts[a][b] / most)).toFixed(3))));
      band.setAttribute("y", (i + 1) * CELL - 0.5);
      spot.setAttribute("visibility", j < 0 ? "hidden" : "visible");
      spot.setAttribute("x", (j + 1) * CELL - 0.5);
      spot.setAttribute("y", (i + 1) * CELL - 0.5);
      const one = j < 0 ? "" : `${j ? alphabet[j] : "The end"} followed ${called(i)} ${counts[i][j].toLocaleString("en")} times of ${totals[i].toLocaleString("en")}; its chance here is ${percent(p[j])}. `;
      cell.textContent = one || `${i ? alphabet[i] : "The mark"} stands first in ${totals[i].toLocaleString("en")} pairs. Choose a cell to read it; a dot is a pair that never occurred.`;
      now.replaceChildren(start() || "Start of a name", el("span", null, "?"));
      bars.forEach((bar, b) => {
        bar.lastElementChild.textContent = percent(p[b]);
        bar.style.setProperty("--p", 100 * p[b] / top + "%");
        bar.dataset.p = p[b];
        if (b === j) bar.setAttribute("aria-current", "true"); else bar.removeAttribute("aria-current");
      });
      const sum = chance(word, L), blocked = steps(word).find(([a, b]) => L[a][b] === -Infinity);
      whole.textContent = !word ? "" : `If ${word} ends here, its chance is ${odds(sum)}`
        + (blocked ? `: ${blocked[1] ? alphabet[blocked[1]] : "the end"} after ${called(blocked[0])} has none.`
          : `, and its mean −ln p is ${number(-sum / (word.length + 1), 4)} a letter.`);
      const names = Number(s.get("seed")) > 0 ? ten(rng(Number(s.get("seed"))), P) : [];
      drawn.replaceChildren(...names.map(([n, cut]) => el("li", null, cut ? n + "…" : n || "(an empty name)", " ",
        el("small", null, cut ? "not ended" : odds(chance(n, L))))));
      const best = p.map((x, b) => [x, b]).sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([x]) => x > 0).map(([x, b]) => `${b ? alphabet[b] : "the end"} ${percent(x)}`);
      const fresh = names.length && last !== s.get("seed");
      last = s.get("seed");
      say(said + one + (fresh ? "Ten names drawn. " : "") + `After ${called(i)}: ${best.join(", ")}.`);
      said = "";
    }

    function ten(random, P) {
      return Array.from({ length: DRAWS }, () => {
        for (let word = start(), i = row(); ; word += alphabet[i]) {
          i = draw(P[i], random());
          if (!i || word.length >= LONGEST) return [word, i > 0]; // true: cut, and not ended
        }
      });
    }

    tabs();
    show();
    s.on(show);
    return () => s.off();
  },
};
