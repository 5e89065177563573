import { el, button, field, select, slider, nameBox, letterBars, announcer, data as load, state, within, ticks, rng, draw, half, letters, leftOut, odds, percent } from "./base.js";

/* The names sampler: a small trained network that says which letter comes next, in the page.
   data: { block, alphabet, places: [[code, words, count], ...], words (front-coded list),
           weights: {letters (27, d), places (P, e), w1 (block*d + e, h), b1, w2 (h, 27), b2} }
   The first place is the list of all names. State: start, place, temperature, seed. */

const LONGEST = 20, DRAWS = 10, HEATS = ticks(0, 2, 10);

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

function unpackWords(text) {
  const words = new Set();
  let before = "";
  for (const [, shared, rest] of text.matchAll(/(\d)([a-z]*)/g)) words.add(before = before.slice(0, +shared) + rest);
  return words;
}

export default {
  async render({ model, el: root }) {
    const packed = await load(model), next = network(packed), known = unpackWords(packed.words);
    const s = state(model, { start: "", place: packed.places[0][0], temperature: 0.8, seed: 0 });
    const place = () => Math.max(0, packed.places.findIndex(([code]) => code === s.get("place")));
    const heat = () => within(s.get("temperature"), 0, 2);
    const start = () => letters(s.get("start"), LONGEST);
    let said = "";

    const box = nameBox(() => { said = leftOut(box.value, LONGEST); s.set({ start: letters(box.value, LONGEST) }); }, { maxlength: 40, size: 10 });
    const where = select(packed.places.map(([code, words, count]) => [code, `${words} (${count.toLocaleString("en")})`]), (code) => s.set({ place: code }));
    const warmth = slider("temperature", HEATS, (temperature) => s.set({ temperature }));
    const bars = letterBars(packed.alphabet, "The next letter and its probability", add);
    const now = el("p", { class: "zh-now" });
    const drawn = el("ul", { class: "zh-drawn" });
    root.append(
      el("div", { class: "zh-row" }, field("Start with", box), field("as in", where), warmth.box),
      now, bars.node,
      el("div", { class: "zh-row" },
        button("Draw one letter", () => add(draw(chances(), Math.random()))),
        button("Draw ten names", () => s.set({ seed: Number(s.get("seed")) + 1 })),
        button("Start again", () => { said = "Cleared. "; s.set({ start: "", seed: 0 }); })));
    const say = announcer(root);
    root.append(drawn);

    const chances = () => next(start(), place(), heat());

    function add(i) {
      const name = start();
      if (i && name.length < LONGEST) return s.set({ start: name + packed.alphabet[i] });
      said = name ? `${spelled(name)} ends here: ${known.has(name) ? "it is in the list" : "it is not in the list"}; `
        + `the chance that the model spells it is ${odds(chance(name))}. ` : "An empty name: start again. ";
      s.set({ start: "" });
    }
    const spelled = (name) => name[0].toUpperCase() + name.slice(1);

    /** The logarithm of the probability of a whole name at this temperature, its end included. */
    function chance(name) {
      let sum = 0;
      for (let i = 0; i <= name.length; i++) sum += Math.log(next(name.slice(0, i), place(), heat())[i < name.length ? packed.alphabet.indexOf(name[i]) : 0]);
      return sum;
    }

    function show() {
      const p = chances(), name = start();
      if (letters(box.value, LONGEST) !== name) box.value = name;
      where.value = packed.places[place()][0];
      warmth.show(heat(), heat().toFixed(1));
      now.replaceChildren(name || "Start of a name", el("span", null, "?"));
      bars.show(p);
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

    show();
    s.on(show);
    return () => s.off();
  },
};
