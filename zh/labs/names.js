import { el, button, field, announcer, data as load, state, rng } from "./base.js";

/* The names sampler: a small trained network that says which letter comes next, in the page.
   data: { block, alphabet, places: [[code, words, count], ...], words (front-coded list),
           weights: {letters (27, d), places (P, e), w1 (block*d + e, h), b1, w2 (h, 27), b2} }
   The first place is the list of all names. State: start, place, temperature, seed. */

const LONGEST = 20, DRAWS = 10;

const STYLE = `
.zh-names-now { font-size: 1.5rem; margin: .6rem 0 .2rem; min-height: 2rem; overflow-wrap: anywhere; }
.zh-names-now span { border-bottom: 3px solid var(--zh-blue); padding: 0 .3em; margin-left: .1em; }
.zh-names-next { display: grid; grid-template-columns: repeat(auto-fill, minmax(44px, 1fr)); gap: .2rem; margin: .4rem 0 .6rem; }
.zh-lab .zh-names-next button { display: flex; flex-direction: column; align-items: center; justify-content: flex-end; height: 64px; padding: 0 0 .1rem; line-height: 1.25;
  background: linear-gradient(to top, color-mix(in srgb, var(--zh-blue) 38%, transparent) var(--p), transparent var(--p)), var(--zh-paper); border-color: var(--zh-line); }
.zh-names-next small { font-size: .78rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.zh-names-drawn { margin: .6rem 0 0; padding: 0; list-style: none; columns: 15rem; }
.zh-names-drawn li { break-inside: avoid; padding: .1rem 0; }
.zh-names-drawn small { color: var(--zh-muted); margin-left: .3rem; }
.zh-lab .zh-names-heat { flex-wrap: nowrap; }
.zh-lab .zh-names-heat input { width: 10rem; }
.zh-lab output { min-width: 3ch; font-variant-numeric: tabular-nums; }
`;

/** Float16, as base64, to numbers. */
function half(packed) {
  const bytes = Uint8Array.from(atob(packed.f16), (c) => c.charCodeAt(0));
  const words = new DataView(bytes.buffer), out = new Float64Array(bytes.length / 2);
  for (let i = 0; i < out.length; i++) {
    const b = words.getUint16(2 * i, true), e = (b >> 10) & 31, m = b & 1023;
    out[i] = (b >> 15 ? -1 : 1) * (e ? 2 ** (e - 15) * (1 + m / 1024) : 2 ** -14 * (m / 1024));
  }
  return out;
}

/** x (n) times w (n, m), plus b (m). */
function linear(x, w, b) {
  const m = b.length, y = Float64Array.from(b);
  for (let i = 0; i < x.length; i++) for (let j = 0; j < m; j++) y[j] += x[i] * w[i * m + j];
  return y;
}

/** Logits to probabilities, as zh.sampling.probabilities: temperature 0 takes the first of the largest. */
function soft(logits, temperature) {
  const top = Math.max(...logits);
  if (temperature === 0) return logits.map((_, i) => +(i === logits.indexOf(top)));
  const e = logits.map((x) => Math.exp((x - top) / temperature)), sum = e.reduce((a, b) => a + b);
  return e.map((x) => x / sum);
}

/** The model: next(prefix, place, temperature) gives 27 probabilities. */
function network(packed) {
  const W = Object.fromEntries(Object.entries(packed.weights).map(([name, t]) => [name, half(t)]));
  const width = packed.weights.letters.shape[1], kind = packed.weights.places.shape[1];
  return (prefix, place, temperature) => {
    const letters = [...prefix].map((c) => packed.alphabet.indexOf(c));
    const seen = [...Array(packed.block).fill(0), ...letters].slice(-packed.block);
    const x = [...seen.flatMap((i) => [...W.letters.slice(i * width, (i + 1) * width)]),
      ...W.places.slice(place * kind, (place + 1) * kind)];
    return soft([...linear(linear(x, W.w1, W.b1).map(Math.tanh), W.w2, W.b2)], temperature);
  };
}

/** The index at which the running sum passes u: the sampler of zh.sampling. */
function draw(p, u) {
  let sum = 0, last = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i] > 0) last = i;
    if ((sum += p[i]) > u) return i;
  }
  return last;
}

function unpackWords(text) {
  const words = new Set();
  let before = "";
  for (const [, shared, rest] of text.matchAll(/(\d)([a-z]*)/g)) words.add(before = before.slice(0, +shared) + rest);
  return words;
}

const percent = (p) => p === 0 ? "0 %" : (100 * p).toFixed(p < 0.0995 ? 1 : 0) + " %";
const large = (x) => x < 1e6 ? Number(x.toPrecision(2)).toLocaleString("en") : x < 1e15
  ? [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]].map(([k, word]) => x >= k && `${Number((x / k).toPrecision(2))} ${word}`).find(Boolean)
  : x.toExponential(1);
const odds = (p) => p > 0.5 ? percent(p) : p === 0 ? "never" : `1 in ${large(1 / p)}`;
const clean = (text) => text.normalize("NFKD").toLowerCase().replace(/[^a-z]/g, "").slice(0, LONGEST);

export default {
  async render({ model, el: root }) {
    const packed = await load(model), next = network(packed), known = unpackWords(packed.words);
    const s = state(model, { start: "", place: packed.places[0][0], temperature: 0.8, seed: 0 });
    const place = () => Math.max(0, packed.places.findIndex(([code]) => code === s.get("place")));
    const heat = () => Math.min(2, Math.max(0, Number(s.get("temperature")) || 0));
    const start = () => clean(String(s.get("start")));
    let focus = 0, said = "";

    const box = el("input", { type: "text", maxlength: 40, size: 10, autocomplete: "off", autocapitalize: "none", spellcheck: "false",
      oninput: () => {
        const kept = clean(box.value), dropped = box.value.normalize("NFKD").replace(/\p{M}/gu, "").length > kept.length;
        if (dropped) said = `Letters a to z, at most ${LONGEST}. `;
        s.set({ start: kept });
      } });
    const where = el("select", { onchange: () => s.set({ place: where.value }) },
      packed.places.map(([code, words, count]) => el("option", { value: code }, `${words} (${count.toLocaleString("en")})`)));
    const slider = el("input", { type: "range", min: 0, max: 2, step: 0.1, oninput: () => s.set({ temperature: +slider.value }) });
    const heatShown = el("output", null);
    const cells = [...packed.alphabet].map((letter, i) => el("button", { type: "button", onclick: () => add(i), onfocus: () => { focus = i; tabs(); } },
      el("span", null, i ? letter : "end"), " ", el("small", null)));
    const grid = el("div", { class: "zh-names-next", role: "group", "aria-label": "The next letter and its probability", onkeydown: move }, cells);
    const now = el("p", { class: "zh-names-now" });
    const drawn = el("ul", { class: "zh-names-drawn" });
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("Start with", box), field("as in", where),
        el("label", { class: "zh-field zh-names-heat" }, el("span", null, "temperature"), slider, heatShown)),
      now, grid,
      el("div", { class: "zh-row" },
        button("Draw one letter", () => add(draw(bars(), Math.random()))),
        button("Draw ten names", () => s.set({ seed: Number(s.get("seed")) + 1 })),
        button("Start again", () => { said = "Cleared. "; s.set({ start: "", seed: 0 }); })));
    const say = announcer(root);
    root.append(drawn);

    const bars = () => next(start(), place(), heat());

    function add(i) {
      const name = start();
      if (i && name.length < LONGEST) return s.set({ start: name + packed.alphabet[i] });
      said = name ? `${spelled(name)} ends here: ${known.has(name) ? "it is in the list" : "it is not in the list"}; `
        + `the chance that the model spells it is ${odds(chance(name))}. ` : "An empty name: start again. ";
      s.set({ start: "" });
    }
    const spelled = (name) => name[0].toUpperCase() + name.slice(1);

    /** The probability of a whole name at this temperature, its end included. */
    function chance(name) {
      let p = 1;
      for (let i = 0; i <= name.length; i++) p *= next(name.slice(0, i), place(), heat())[i < name.length ? packed.alphabet.indexOf(name[i]) : 0];
      return p;
    }

    function tabs() { cells.forEach((cell, i) => cell.setAttribute("tabindex", i === focus ? 0 : -1)); }
    function move(event) {
      const row = cells.filter((c) => c.offsetTop === cells[0].offsetTop).length;
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[event.key];
      const to = event.key === "Home" ? 0 : event.key === "End" ? cells.length - 1 : focus + step;
      if (!cells[to]) return;
      event.preventDefault();
      cells[to].focus();
    }

    function show() {
      const p = bars(), name = start(), top = Math.max(...p);
      if (clean(box.value) !== name) box.value = name;
      where.value = packed.places[place()][0];
      slider.value = heat();
      heatShown.textContent = heat().toFixed(1);
      now.replaceChildren(name || "Start of a name", el("span", null, "?"));
      cells.forEach((cell, i) => {
        cell.lastElementChild.textContent = percent(p[i]);
        cell.style.setProperty("--p", 100 * p[i] / top + "%");
        cell.dataset.p = p[i];
      });
      const best = p.map((x, i) => [x, i]).sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([x]) => x > 0)
        .map(([x, i]) => `${i ? packed.alphabet[i] : "the end"} ${percent(x)}`);
      const names = s.get("seed") > 0 ? many(rng(Number(s.get("seed")))) : [];
      drawn.replaceChildren(...names.map((n) => el("li", null, n ? spelled(n) : "(an empty name)", " ",
        el("small", null, `${known.has(n) ? "in the list" : "new"}, ${odds(chance(n))}`))));
      const fresh = names.filter((n) => !known.has(n)).length;
      say(said + (names.length ? `Ten names drawn, ${fresh} of them new. ` : "") + `Next letter: ${best.join(", ")}.`);
      said = "";
    }

    function many(random) {
      return Array.from({ length: DRAWS }, () => {
        let name = start(), i = 1;
        while (i && name.length < LONGEST) {
          i = draw(next(name, place(), heat()), random());
          if (i) name += packed.alphabet[i];
        }
        return name;
      });
    }

    tabs();
    show();
    s.on(show);
    return () => s.off();
  },
};
