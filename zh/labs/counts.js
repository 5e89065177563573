import { el, svg, button, field, select, slider, nameBox, letterBars, announcer, data as load, state, within, ticks, rng, draw, letters, leftOut, odds, percent, show as number, color } from "./base.js";

/* The count table: pick a letter, see its row, draw from it. A bigram model by hand.
   data: { alphabet, counts: 27 rows of 27 }. State: name (so far), row (looked at; empty: that of the
   name's last letter), next (the column looked at), k (added to every count), temperature, shade ("counts" or "chances"), seed (of the ten names). */

const CELL = 20, LONGEST = 30, DRAWS = 10;
const STEPS = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000], HEATS = ticks(0, 2, 10);

const STYLE = `
.zh-counts { display: grid; gap: .4rem 1.2rem; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 1500px) { .zh-counts { grid-template-columns: minmax(0, 6fr) minmax(0, 5fr); } }
.zh-counts-map svg { display: block; width: 100%; max-width: 480px; height: auto; cursor: pointer; touch-action: manipulation; }
.zh-counts-cell { min-height: 3.2em; margin: .3rem 0; }
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

export default {
  async render({ model, el: root }) {
    const { alphabet, counts } = await load(model), many = alphabet.length;
    const s = state(model, { name: "", row: "", next: "", k: 0, temperature: 1, shade: "counts", seed: 0 });
    const name = () => letters(s.get("name"), LONGEST), heat = () => within(s.get("temperature"), 0, 2, 1);
    const k = () => within(s.get("k"), 0, 1e6), at = (letter) => Math.max(0, alphabet.indexOf(letter));
    const end = () => at(name().slice(-1) || "."), row = () => s.get("row") ? at(String(s.get("row"))[0]) : end();
    const start = () => row() === end() ? name() : row() ? alphabet[row()] : ""; // what a drawn letter is added to
    const column = () => s.get("next") ? at(String(s.get("next"))[0]) : -1;
    const called = (i) => i ? alphabet[i] : "the mark";
    const totals = counts.map((line) => line.reduce((a, b) => a + b)), most = Math.max(...counts.flat());
    let said = "", last = 0;
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
    const box = nameBox(() => { said = leftOut(box.value, LONGEST); s.set({ name: letters(box.value, LONGEST), row: "", next: "" }); }, { maxlength: 60, size: 10 });
    const smooth = slider("add to each count", STEPS, (k) => s.set({ k })), warmth = slider("temperature", HEATS, (temperature) => s.set({ temperature }));
    const shade = select([["counts", "the counts"], ["chances", "the chances, as drawn from"]], (value) => s.set({ shade: value }));
    const bars = letterBars(alphabet, "The row as bars: the next letter and its probability", add);
    const cell = el("p", { class: "zh-counts-cell" }), now = el("p", { class: "zh-now" }), whole = el("p");
    const drawn = el("ul", { class: "zh-drawn" });
    root.append(el("style", null, STYLE), el("div", { class: "zh-counts" },
      el("div", null, field("Shade by", shade), holder, cell),
      el("div", null,
        el("div", { class: "zh-row" }, field("The name so far", box), smooth.box, warmth.box),
        now, bars.node,
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

    function show() {
      const L = rows(), P = L.map(exps), i = row(), j = column(), p = P[i], word = name(), chosen = s.get("shade") === "chances";
      if (letters(box.value, LONGEST) !== word) box.value = word;
      smooth.show(k(), number(k(), 3));
      warmth.show(heat(), number(heat(), 3));
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
      bars.show(p, j);
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

    show();
    s.on(show);
    return () => s.off();
  },
};
