import { el, svg, button, field, slider, nameBox, announcer, scroller, data as load, state, within, ticks, rng, draw, half, letters, leftOut, percent, color } from "./base.js";

/* All models of names side by side, run in the page: the next letter after a prefix, the surprise of
   every letter of a name, names drawn from each.  data, from zh.labs.models.pack:
   { alphabet, block, counts: {order, base64}, tries: [prefix, ...], note,
     models: [{ name, loss, n, k, backoff }  or  { name, loss, block, layers: [[kind, ...]], weights }] }
   State: prefix, temperature, seed. */

const LONGEST = 20, DRAWS = 4, STEP = 13, HIGH = 34, HEATS = ticks(0, 2, 10);

const STYLE = `
.zh-models-strips { margin: .4rem 0; }
.zh-lab .zh-models-note { margin: .2rem 0; font-size: .92rem; }
.zh-models-strips p { margin: .35rem 0 0; font-size: .92rem; }
.zh-models-strips svg { display: block; width: 100%; max-width: 34rem; }
.zh-models-strips rect[data-best] { fill: var(--zh-orange); }
.zh-lab .zh-models-bits td, .zh-lab .zh-models-bits thead th { text-align: center; min-width: 2.6rem; }
.zh-lab .zh-models-bits th[scope=row], .zh-lab .zh-models-drawn th { text-align: left; white-space: nowrap; font-weight: 400; padding-left: 0; }
.zh-lab .zh-models-drawn td { text-align: left; }
.zh-lab .zh-models-bits .zh-least { font-weight: 700; }
.zh-lab h4 { font-size: 1rem; margin: 1rem 0 .2rem; }
.zh-lab details { margin: .4rem 0; } .zh-lab summary { min-height: 44px; padding: .6rem 0; cursor: pointer; }
`;

/** Counts of n letters in a row: pairs of (how much larger the code is than the last, count), each a
    number in groups of seven bits.  Gives levels[length]: context code -> counts of what follows. */
function unpackCounts({ order, base64 }, V) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const levels = Array.from({ length: order }, () => new Map());
  let at = 0, code = -1;
  const number = () => { let x = 0, scale = 1, b; do { b = bytes[at++]; x += (b & 127) * scale; scale *= 128; } while (b > 127); return x; };
  while (at < bytes.length) {
    code += number();
    const count = number(), letter = code % V, context = (code - letter) / V;
    for (let length = 0; length < order; length++) {
      const key = context % V ** length;
      if (!levels[length].has(key)) levels[length].set(key, new Float64Array(V));
      levels[length].get(key)[letter] += count;
    }
  }
  return levels;
}

/** zh.ngrams.NGram: letters seen so far -> V probabilities. */
function counting({ n, k, backoff }, levels, V) {
  return (seen) => {
    let p = new Float64Array(V).fill(1 / V);
    for (let length = backoff ? 0 : n - 1; length < n; length++) {
      const key = seen.slice(seen.length - length).reduce((code, letter) => code * V + letter, 0);
      const counts = levels[length].get(key);
      if (!counts) break;
      const total = counts.reduce((a, b) => a + b) + k * V;
      p = counts.map((c, i) => (c + k * V * p[i]) / total);
    }
    return p;
  };
}

/** rows (each fan_in) times w (fan_in, m), plus b. */
function linear(rows, w, b, m) {
  return rows.map((x) => {
    const y = b ? Float64Array.from(b) : new Float64Array(m);
    for (let i = 0; i < x.length; i++) for (let j = 0; j < m; j++) y[j] += x[i] * w[i * m + j];
    return y;
  });
}

/** A row of zh.layers, in eval mode: letters seen so far -> V probabilities. */
function network({ block, layers, weights }) {
  const W = Object.fromEntries(Object.entries(weights).map(([name, t]) => [name, half(t)]));
  const wide = (name) => weights[name].shape[1];
  const join = (rows, n) => Array.from({ length: rows.length / n }, (_, g) => rows.slice(g * n, g * n + n).flatMap((r) => [...r]));
  const run = {
    Embedding: (rows, at) => rows.map((i) => W[at + ".weight"].slice(i * wide(at + ".weight"), (i + 1) * wide(at + ".weight"))),
    Flatten: (rows) => join(rows, rows.length),
    FlattenConsecutive: (rows, at, n) => join(rows, n),
    Linear: (rows, at) => linear(rows, W[at + ".weight"], W[at + ".bias"], wide(at + ".weight")),
    BatchNorm1d: (rows, at, eps) => rows.map((x) => x.map((v, j) =>
      W[at + ".gain"][j] * (v - W[at + ".running_mean"][j]) / Math.sqrt(W[at + ".running_var"][j] + eps) + W[at + ".bias"][j])),
    Tanh: (rows) => rows.map((x) => x.map(Math.tanh)),
  };
  return (seen) => {
    let x = seen.slice(-block);
    layers.forEach(([kind, option], at) => { x = run[kind](x, at, option); });
    const top = Math.max(...x[0]), e = x[0].map((z) => Math.exp(z - top)), sum = e.reduce((a, b) => a + b);
    return e.map((v) => v / sum);
  };
}

/** Probabilities at another temperature, as zh.sampling: 0 takes the first of the largest. */
function heated(p, temperature) {
  const top = Math.max(...p);
  if (temperature === 0) return [...p].map((_, i) => +(i === p.indexOf(top)));
  const e = [...p].map((x) => Math.exp(Math.log(x / top) / temperature)), sum = e.reduce((a, b) => a + b);
  return e.map((x) => x / sum);
}

export default {
  async render({ model, el: root }) {
    const packed = await load(model), { alphabet } = packed, V = alphabet.length;
    const levels = unpackCounts(packed.counts, V);
    const models = packed.models.map((m) => ({ ...m, next: "n" in m ? counting(m, levels, V) : network(m) }));
    const s = state(model, { prefix: "mar", temperature: 1, seed: 0 });
    const prefix = () => letters(s.get("prefix"), LONGEST);
    const heat = () => within(s.get("temperature"), 0, 2);
    const seen = (text) => [...Array(packed.block).fill(0), ...[...text].map((c) => alphabet.indexOf(c))];
    const word = (i) => (i ? alphabet[i] : "the end");
    let said = "";

    const box = nameBox(() => { said = leftOut(box.value, LONGEST); s.set({ prefix: letters(box.value, LONGEST) }); }, { maxlength: 40, size: 14 });
    const strips = el("div", { class: "zh-models-strips" });
    const numbers = el("tbody"), bits = el("table", { class: "zh-models-bits" }), drawn = el("table", { class: "zh-models-drawn" });
    const warmth = slider("temperature", HEATS, (temperature) => s.set({ temperature }));
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("A name, or the start of one", box),
        packed.tries.map((text) => button(text, () => s.set({ prefix: text }), { "aria-label": `Try ${text}` }))));
    const say = announcer(root);
    if (packed.note) root.append(el("p", { class: "zh-models-note" }, packed.note));
    root.append(el("p", null, el("strong", null, "What comes next")), strips,
      el("details", null, el("summary", null, "The same as numbers"),
        scroller("Probability of every next letter under every model", el("table", null,
          el("thead", null, el("tr", null, el("th", { scope: "col" }, "next"), models.map((m) => el("th", { scope: "col" }, m.name)))), numbers))),
      el("p", null, el("strong", null, "How surprised each model is, in bits")),
      el("p", { class: "zh-models-note" }, "A column for each letter, the last for the end. A wide table scrolls sideways."), scroller("Surprise of each letter under every model", bits),
      el("p", null, el("strong", null, "Names drawn from each")),
      el("div", { class: "zh-row" }, warmth.box,
        button("Draw names", () => s.set({ seed: Number(s.get("seed")) + 1 })),
        button("Clear", () => { said = "Cleared. "; s.set({ prefix: "", seed: 0 }); })),
      scroller("Names drawn from every model", drawn));

    function strip(m, p, top) {
      const order = [...p.keys()].sort((a, b) => p[b] - p[a]), best = order.slice(0, 3).map((i) => `${word(i)} ${percent(p[i])}`).join(", ");
      return el("div", null, el("p", null, el("strong", null, m.name), `${m.loss ? ` (${m.loss.toFixed(3)})` : ""}: ${best}`),
        svg("svg", { viewBox: `0 0 ${V * STEP} ${HIGH + 16}`, role: "img", "data-model": m.name, "aria-label": `${m.name}, the likeliest: ${best}` },
          [...p].map((x, i) => svg("rect", { x: i * STEP + 1.5, width: STEP - 3, y: HIGH - HIGH * x / top, height: HIGH * x / top,
            fill: color.blue, "data-p": x, "data-best": i === order[0] })),
          svg("path", { d: `M0 ${HIGH + 0.5}H${V * STEP}`, stroke: "currentColor", "stroke-opacity": 0.5 }),
          [...alphabet].map((c, i) => svg("text", { x: (i + 0.5) * STEP, y: HIGH + 11, "text-anchor": "middle", "font-size": 11, "aria-hidden": "true" }, c))));
    }

    function surprises(text) {
      const codes = [...[...text].map((c) => alphabet.indexOf(c)), 0];
      const rows = models.map((m) => codes.map((letter, i) => -Math.log2(m.next(seen(text.slice(0, i)))[letter])));
      const totals = rows.map((row) => row.reduce((a, b) => a + b)), least = totals.indexOf(Math.min(...totals));
      const cell = (x) => el("td", { "data-bits": x, style: `background:color-mix(in srgb, ${color.orange} ${Math.round(Math.min(60, 6 * x))}%, transparent)` }, x.toFixed(1));
      bits.replaceChildren(
        el("thead", null, el("tr", null, el("td"), el("th", { scope: "col" }, "all"), codes.map((i) => el("th", { scope: "col" }, i ? alphabet[i] : "end")))),
        el("tbody", null, rows.map((row, i) => el("tr", { class: i === least ? "zh-least" : null }, el("th", { scope: "row" }, models[i].name),
          el("td", { "data-total": totals[i] }, totals[i].toFixed(1)), row.map(cell)))));
      const starts = rows.map((row, i) => totals[i] - row.at(-1)), first = starts.indexOf(Math.min(...starts));
      return text ? `As a beginning, ${text} costs ${models[first].name} the fewest bits, ${starts[first].toFixed(1)}. `
        + `As a whole name, with its end, it takes ${models[least].name} the fewest bits, ${totals[least].toFixed(1)}; ${models[0].name} takes ${totals[0].toFixed(1)}. ` : "";
    }

    function names(m, random) {
      return Array.from({ length: DRAWS }, () => {
        let name = prefix(), i = 1;
        while (i && name.length < LONGEST) {
          i = draw(heated(m.next(seen(name)), heat()), random());
          if (i) name += alphabet[i];
        }
        return name || "(ended at once)";
      });
    }

    function show() {
      const text = prefix(), all = models.map((m) => m.next(seen(text))), top = Math.max(...all.map((p) => Math.max(...p)));
      if (letters(box.value, LONGEST) !== text) box.value = text;
      warmth.show(heat(), heat().toFixed(1));
      strips.replaceChildren(...models.map((m, i) => strip(m, all[i], top)));
      numbers.replaceChildren(...[...alphabet].map((c, i) => el("tr", null, el("th", { scope: "row" }, i ? c : "end"), all.map((p) => el("td", null, percent(p[i]))))));
      const seed = Number(s.get("seed")), words = surprises(text);
      drawn.replaceChildren(el("tbody", null, seed > 0 ? models.map((m, i) => el("tr", null, el("th", { scope: "row" }, m.name),
        names(m, rng(1000 * seed + i)).map((name) => el("td", null, name)))) : []));
      const likeliest = all.map((p) => word(p.indexOf(Math.max(...p))));
      const camps = [...new Set(likeliest)].map((w) => `${w} (${models.filter((_, i) => likeliest[i] === w).map((m) => m.name).join(", ")})`);
      say(said + words + `The likeliest next: ${camps.length === 1 ? `${likeliest[0]}, for all of them` : camps.join("; ")}.`
        + (seed > 0 ? ` ${DRAWS} names drawn from each.` : ""));
      said = "";
    }

    show();
    s.on(show);
    return () => { s.off(); root.replaceChildren(); };
  },
};
