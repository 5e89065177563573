import { el, svg, button, field, select, slider, nameBox, announcer, scroller, data as load, state, within, keys, half, percent, show as number, color } from "./base.js";

/* One trained layer of attention, run in the page: what every place of the reader's sentence looks at,
   with a mask that can be edited, and what that does to the next character.
   data, from zh.labs.attention.pack: { vocabulary, block, heads, tries, loss, weights }.
   State: text, head, place (that looks), key (that is looked at), mask, scale, hidden ("3.5": places
   hidden from all), toggled ("4-1.5-2": single cells, place-key, that differ from the mask). */

const LIKELIEST = 6, WINDOW = 4;
const MASKS = [["causal", "causal: itself and before"], ["full", "everything, as an encoder"],
  ["window", `itself and ${WINDOW - 1} before`], ["before", "before, not itself"], ["itself", "itself alone"]];
const SCALES = [["root", "1 / √d, as trained"], ["one", "1: not scaled"], ["size", "1 / d"]];

const STYLE = `
.zh-attention-maps { display: flex; flex-wrap: wrap; gap: .6rem; margin: .3rem 0; touch-action: manipulation; }
.zh-attention-maps figure { margin: 0; flex: 1 1 8.5rem; max-width: 13rem; cursor: pointer; }
.zh-lab .zh-attention-maps figcaption { font-size: .92rem; color: inherit; opacity: 1; }
.zh-attention-maps [data-chosen=true] figcaption { font-weight: 700; }
.zh-attention-maps svg { display: block; width: 100%; }
.zh-lab .zh-attention-tiles span { font-family: monospace; }
.zh-lab .zh-attention-tiles button[aria-checked=false] { border-style: dashed; color: var(--zh-muted); }
.zh-lab .zh-attention-next td, .zh-lab .zh-attention-next th, .zh-lab .zh-attention-adds th { white-space: nowrap; }
.zh-lab .zh-attention-next td:first-of-type { width: 45%; min-width: 7rem; text-align: left;
  background: linear-gradient(to right, color-mix(in srgb, var(--zh-blue) 38%, transparent) var(--p), transparent var(--p)); }
.zh-lab tr[data-came=true] th { text-decoration: underline 3px var(--zh-orange); }
.zh-lab h4 { font-size: 1rem; margin: 1rem 0 .2rem; }
.zh-lab .zh-attention-note { margin: .2rem 0; font-size: .92rem; }
.zh-lab details { margin: .4rem 0; } .zh-lab summary { min-height: 44px; padding: .6rem 0; cursor: pointer; }
`;

const visible = (c) => ({ " ": "␣", "\n": "⏎" }[c] ?? c);
const quoted = (c) => `“${visible(c)}”`;
const dot = (a, b) => { let sum = 0; for (let i = 0; i < a.length; i++) sum += a[i] * b[i]; return sum; };
const sum = (list) => list.reduce((a, b) => a + b, 0);

/** A softmax; where every score is -Infinity there is nothing to share out, and all weights are 0. */
function softmax(scores) {
  const top = Math.max(...scores);
  if (top === -Infinity) return scores.map(() => 0);
  const e = scores.map((x) => Math.exp(x - top)), all = sum(e);
  return e.map((x) => x / all);
}

/** zh.attention.OneLayer from its packed weights: run(ids, may, scale), where may(t, s) says whether
    place t may look at place s. */
function oneLayer({ weights, heads }) {
  const tensor = (name) => {              // as rows; a vector is one row
    const flat = half(weights[name]), { shape } = weights[name], wide = shape.at(-1);
    return Array.from({ length: flat.length / wide }, (_, i) => flat.slice(i * wide, (i + 1) * wide));
  };
  const W = Object.fromEntries(Object.keys(weights).map((name) => [name, tensor(name)]));
  const linear = (x, name) => W[name + ".weight"].map((row, i) => dot(row, x) + W[name + ".bias"][0][i]); // torch keeps (out, in)
  const dim = W["tokens.weight"][0].length, size = dim / heads;

  function run(ids, may, scale) {
    const x = ids.map((id, t) => W["tokens.weight"][id].map((v, i) => v + W["places.weight"][t][i]));   // (T, dim)
    const qkv = x.map((row) => linear(row, "attention.qkv"));                                            // (T, 3 dim)
    const part = (which, h) => qkv.map((row) => row.slice(which * dim + h * size, which * dim + (h + 1) * size));
    const values = [], looks = [], mixed = ids.map(() => []);
    for (let h = 0; h < heads; h++) {
      const q = part(0, h), k = part(1, h), v = part(2, h);                                             // (T, size) each
      const w = q.map((query, t) => softmax(k.map((key, s) => (may(t, s) ? dot(query, key) * scale : -Infinity))));
      w.forEach((row, t) => { for (let i = 0; i < size; i++) mixed[t].push(sum(row.map((weight, s) => weight * v[s][i]))); });
      values.push(v);
      looks.push(w);                                                                                     // (T, T), rows sum to 1
    }
    const logits = mixed.map((row) => linear(linear(row, "attention.project"), "scores"));               // (T, vocabulary)
    return { looks, values, logits, p: logits.map(softmax) };
  }

  /** What the value of place s adds to the score of character c through head h, for each unit of weight. */
  function push({ values }, h, s, c) {
    const row = W["scores.weight"][c];
    return sum([...values[h][s]].map((v, j) => v * sum([...row].map((r, i) => r * W["attention.project.weight"][i][h * size + j]))));
  }
  return { run, push, size };
}

export default {
  async render({ model, el: root }) {
    const packed = await load(model), vocabulary = [...packed.vocabulary], { block, heads } = packed;
    const code = new Map(vocabulary.map((c, i) => [c, i]));
    const net = oneLayer(packed), SCALE = { root: net.size ** -0.5, one: 1, size: 1 / net.size };
    const s = state(model, { text: packed.tries[0] ?? "the", head: 1, place: 99, key: 99, mask: "causal", scale: "root", hidden: "", toggled: "" });
    const known = (text) => [...String(text).replace(/\r\n?/g, "\n")].filter((c) => code.has(c)).slice(0, block).join("");
    let said = "", T = 0;

    /** Everything that the state says, made sound, and what follows from it. */
    function now() {
      const text = known(s.get("text")), chars = [...text], ids = chars.map((c) => code.get(c)), last = Math.max(0, ids.length - 1);
      const place = Math.round(within(s.get("place"), 0, last, last)), key = Math.round(within(s.get("key"), 0, last, place));
      const head = Math.round(within(s.get("head"), 1, heads, 1)) - 1;
      const mask = MASKS.some(([name]) => name === s.get("mask")) ? s.get("mask") : "causal";
      const scale = Object.hasOwn(SCALE, s.get("scale")) ? s.get("scale") : "root";
      const hidden = new Set(String(s.get("hidden")).split(".").filter((v) => /^\d{1,2}$/.test(v) && +v <= last).map(Number));
      const toggled = new Set(String(s.get("toggled")).split(".").filter((v) => /^\d{1,2}-\d{1,2}$/.test(v) && v.split("-").every((n) => +n <= last)));
      const preset = { causal: (t, k) => k <= t, full: () => true, window: (t, k) => k <= t && k > t - WINDOW,
        before: (t, k) => k < t, itself: (t, k) => k === t }[mask];
      const may = (t, k) => (preset(t, k) && !hidden.has(k)) !== toggled.has(`${t}-${k}`);
      return { text, chars, ids, place, key, head, mask, scale, hidden, toggled, may, changed: mask !== "causal" || scale !== "root" || hidden.size + toggled.size > 0 };
    }

    const box = nameBox(() => {
      const typed = [...box.value], left = [...new Set(typed.filter((c) => !code.has(c)))];
      said = (left.length ? `Left out, since the model never met it: ${left.slice(0, 5).join(" ")}. ` : "")
        + (typed.length - typed.filter((c) => !code.has(c)).length > block ? `The model reads ${block} characters; the rest is cut. ` : "");
      s.set({ text: known(box.value), place: 99, key: 99 });
    }, { size: 28, maxlength: 200, style: "max-width:100%" });
    const masks = select(MASKS, (mask) => s.set({ mask })), scales = select(SCALES, (scale) => s.set({ scale }));
    const undo = button("As trained", () => s.set({ mask: "causal", scale: "root", hidden: "", toggled: "" }));
    const which = Array.from({ length: heads }, (_, h) => button(`Head ${h + 1}`, () => s.set({ head: h + 1 })));
    const step = (by) => s.set({ place: Math.max(0, Math.min(T - 1, now().place + by)) });
    const walk = slider("place that looks", Array.from({ length: block }, (_, i) => i), (place) => s.set({ place }));
    const hide = button("", () => {         // from all: single cells of this column do not differ any more
      const { key, hidden, toggled } = now();
      s.set({ hidden: (hidden.has(key) ? [...hidden].filter((k) => k !== key) : [...hidden, key]).join("."),
        toggled: [...toggled].filter((cell) => !cell.endsWith(`-${key}`)).join(".") });
    });
    const tiles = el("div", { class: "zh-letters zh-attention-tiles", role: "group" });
    const maps = el("div", { class: "zh-attention-maps", tabindex: 0, role: "group",
      "aria-label": "Weights of every head; up and down choose the place that looks, left and right the place that is looked at, Enter allows or forbids" });
    const next = el("table", { class: "zh-attention-next" }), adds = el("table", { class: "zh-attention-adds" }), all = el("tbody"), losses = el("p", { class: "zh-numbers" });
    const nextTitle = el("h4"), addsTitle = el("h4"), mixNote = el("p", { class: "zh-attention-note" });
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("Your sentence", box)),
      el("div", { class: "zh-row" }, packed.tries.map((text) => button(text, () => { said = ""; s.set({ text }); }, { "aria-label": `Try: ${text}` }))),
      el("div", { class: "zh-row" }, field("a place may see", masks), field("scores times", scales), undo),
      el("div", { class: "zh-row", role: "group", "aria-label": "Head" }, which),
      el("div", { class: "zh-row" }, walk.box, button("◀", () => step(-1), { "aria-label": "one place to the left" }), button("▶", () => step(1), { "aria-label": "one place to the right" })),
      tiles, el("div", { class: "zh-row" }, hide));
    const say = announcer(root);
    if (packed.loss) root.append(el("p", { class: "zh-attention-note" }, `The model was trained for seconds when this page was built. Its loss on text it never saw: ${packed.loss.toFixed(2)} nats a character.`));
    root.append(maps, el("p", { class: "zh-attention-note" }, "A row for each place that looks, a column for each that is looked at; the bluer, the more. Grey: not allowed."),
      nextTitle, next, losses, addsTitle, scroller("What each head adds", adds), mixNote,
      el("details", null, el("summary", null, "Every character as a number"), scroller("Probability of every character", el("table", null,
        el("thead", null, el("tr", null, ["next", "now", "as trained"].map((h) => el("th", { scope: "col" }, h)))), all))));

    function toggle(place, key) {
      const { toggled } = now(), cell = `${place}-${key}`;
      s.set({ key, toggled: [...(toggled.has(cell) ? [...toggled].filter((c) => c !== cell) : [...toggled, cell])].join(".") });
    }

    /** One tile a character: how much the chosen place looks at it; pressing it edits the mask. */
    function showTiles({ chars, place, key, head, may }, looks) {
      if (tiles.childElementCount !== chars.length) {
        tiles.replaceChildren(...chars.map((_, k) => button([el("span"), " ", el("small")], () => toggle(now().place, k), { role: "switch" })));
      }
      tiles.setAttribute("aria-label", `Where place ${place + 1} may look; press to allow or forbid`);
      [...tiles.children].forEach((tile, k) => {
        const w = looks[head][place][k], ok = may(place, k);
        tile.firstElementChild.textContent = visible(chars[k]);
        tile.lastElementChild.textContent = ok ? percent(w) : "no";
        tile.style.setProperty("--p", 100 * w + "%");
        tile.setAttribute("aria-checked", ok);
        tile.setAttribute("aria-label", `place ${k + 1}, ${quoted(chars[k])}: ${ok ? percent(w) : "not allowed"}`);
        tile.setAttribute("tabindex", k === key ? 0 : -1);
        tile.dataset.weight = w;
        if (k === place) tile.setAttribute("aria-current", "true"); else tile.removeAttribute("aria-current");
      });
    }
    const move = (event) => {
      const list = [...tiles.children], at = list.indexOf(event.target.closest("button")), row = list.filter((b) => b.offsetTop === list[0].offsetTop).length;
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + row, ArrowUp: at - row, Home: 0, End: list.length - 1 }[event.key];
      if (!list[to]) return;
      event.preventDefault();
      s.set({ key: to });
      list[to].focus();
    };
    tiles.addEventListener("keydown", move);

    function map(h, { chars, place, key, head, may }, w) {
      const n = chars.length, cells = [];
      let grey = "";
      for (let t = 0; t < n; t++) for (let k = 0; k < n; k++) {
        if (!may(t, k)) grey += `M${k} ${t}h1v1h-1z`;
        else if (w[t][k] > 0.01) cells.push(svg("rect", { x: k, y: t, width: 1, height: 1, fill: color.blue, "fill-opacity": Number(Math.sqrt(w[t][k]).toFixed(2)) }));
      }
      const picture = svg("svg", { viewBox: `-0.3 -0.3 ${n + 0.6} ${n + 0.6}`, role: "img", "aria-label": `Weights of head ${h + 1}` },
        svg("path", { d: grey, fill: color.muted, "fill-opacity": 0.22 }), cells,
        svg("rect", { x: 0, y: 0, width: n, height: n, fill: "none", stroke: "currentColor", "stroke-opacity": 0.4, "vector-effect": "non-scaling-stroke" }),
        svg("rect", { x: 0, y: place, width: n, height: 1, fill: "none", stroke: color.orange, "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }),
        svg("rect", { x: key, y: place, width: 1, height: 1, fill: "none", stroke: color.orange, "stroke-width": 3, "vector-effect": "non-scaling-stroke", "data-cursor": `${place}-${key}` }));
      picture.addEventListener("click", (event) => {
        const to = picture.getBoundingClientRect(), cell = (at, from, size) => Math.max(0, Math.min(n - 1, Math.floor((at - from) / size * (n + 0.6) - 0.3)));
        s.set({ head: h + 1, place: cell(event.clientY, to.top, to.height), key: cell(event.clientX, to.left, to.width) });
      });
      return el("figure", { "data-chosen": String(h === head) }, picture, el("figcaption", null, `Head ${h + 1}`));
    }

    function show() {
      const v = now(), { chars, ids, place, key, head, may } = v;
      T = ids.length;
      if (known(box.value) !== v.text) box.value = v.text;
      [[masks, v.mask], [scales, v.scale]].forEach(([node, value]) => { node.value = value; });
      const empty = T === 0;
      [tiles, maps, next, adds].forEach((node) => { node.hidden = empty; });
      [hide, ...which].forEach((node) => { node.disabled = empty; });
      undo.disabled = !v.changed;
      which.forEach((node, h) => node.setAttribute("aria-pressed", h === head));
      walk.input.max = Math.max(0, T - 1);
      if (empty) {
        [nextTitle, losses, addsTitle, mixNote].forEach((node) => { node.textContent = ""; });
        all.replaceChildren();
        walk.show(0, "");
        hide.textContent = "Hide a place from all";
        say(said + "Type a sentence of one character at least.");
        said = "";
        return;
      }
      const out = net.run(ids, may, SCALE[v.scale]), trained = v.changed ? net.run(ids, (t, k) => k <= t, SCALE.root) : out;
      const p = out.p[place], before = trained.p[place], came = place + 1 < T ? ids[place + 1] : -1;
      walk.show(place, `${place + 1}: ${visible(chars[place])}`, `place ${place + 1}, ${quoted(chars[place])}`);
      showTiles(v, out.looks);
      hide.textContent = `${v.hidden.has(key) ? "Show" : "Hide"} place ${key + 1}, ${quoted(chars[key])}, ${v.hidden.has(key) ? "to" : "from"} all`;
      maps.replaceChildren(...out.looks.map((w, h) => map(h, v, w)));

      const order = [...p.keys()].sort((a, b) => p[b] - p[a]), rows = order.slice(0, LIKELIEST);
      if (came >= 0 && !rows.includes(came)) rows.push(came);
      nextTitle.textContent = `What comes after ${quoted(chars[place])} at place ${place + 1}`;
      next.replaceChildren(el("thead", null, el("tr", null, ["next", "now", "as trained"].map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", null, rows.map((c) => el("tr", { "data-came": String(c === came) }, el("th", { scope: "row" }, visible(vocabulary[c]) + (c === came ? " (came)" : "")),
          el("td", { style: `--p:${100 * p[c]}%` }, percent(p[c])), el("td", null, percent(before[c]))))));
      all.replaceChildren(...vocabulary.map((c, i) => el("tr", null, el("th", { scope: "row" }, visible(c)), el("td", { "data-p": p[i] }, percent(p[i])), el("td", null, percent(before[i])))));

      const loss = (run, t) => -Math.log(run.p[t][ids[t + 1]]), mean = (run) => sum(ids.slice(1).map((_, t) => loss(run, t))) / (T - 1);
      const here = came < 0 ? "" : `Loss here: ${loss(out, place).toFixed(2)} nats; as trained ${loss(trained, place).toFixed(2)}. `;
      losses.textContent = here + (T > 1 ? `Mean over the ${T - 1} place${T > 2 ? "s" : ""} with a next character: ${mean(out).toFixed(3)}; as trained ${mean(trained).toFixed(3)}.` : "");
      Object.assign(losses.dataset, { mean: T > 1 ? mean(out) : "", here: came < 0 ? "" : loss(out, place) });

      const c = came < 0 ? order[0] : came, blind = !ids.some((_, k) => may(place, k));
      const parts = out.looks.map((w, h) => ids.map((_, k) => w[place][k] * net.push(out, h, k, c)));
      const signed = (x) => (x >= 0 ? "+" : "") + number(x, 3), biases = out.logits[place][c] - sum(parts.map(sum));
      addsTitle.textContent = `What each head adds to the score of ${quoted(vocabulary[c])}`;
      adds.replaceChildren(el("thead", null, el("tr", null, ["part", "adds", "most of it from"].map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", null, parts.map((list, h) => {
          const k = list.reduce((best, x, i) => (Math.abs(x) > Math.abs(list[best]) ? i : best), 0);
          return el("tr", null, el("th", { scope: "row" }, `head ${h + 1}`), el("td", { "data-adds": sum(list) }, signed(sum(list))),
            el("td", null, list[k] === 0 ? "nothing" : `${quoted(chars[k])} at ${k + 1}: ${signed(list[k])}`));
        }), el("tr", null, el("th", { scope: "row" }, "biases"), el("td", null, signed(biases)), el("td")),
        el("tr", null, el("th", { scope: "row" }, "score"), el("td", { "data-score": out.logits[place][c] }, signed(out.logits[place][c])), el("td"))));
      mixNote.textContent = "A weight times what its value is worth to this character. The parts add up to the score, because everything after the weights is linear.";

      const row = out.looks[head][place], top = row.indexOf(Math.max(...row));
      const looks = blind ? `Place ${place + 1}, ${quoted(chars[place])}, may look at nothing: there is nothing to share out, so it gathers nothing and the biases alone answer. `
        : `Place ${place + 1}, ${quoted(chars[place])}, looks with head ${head + 1} most at place ${top + 1}, ${quoted(chars[top])}: ${percent(row[top])}. `;
      const blinds = ids.filter((_, t) => t !== place && !ids.some((_, k) => may(t, k))).length;
      say(said + looks + `Place ${key + 1} is ${may(place, key) ? "allowed" : "not allowed"}. Likeliest next: ${quoted(vocabulary[order[0]])}, ${percent(p[order[0]])}. ` + here
        + (blinds ? `${blinds === 1 ? "One other place" : `${blinds} other places`} may look at nothing.` : ""));
      said = "";
    }

    const go = (down, right) => { const v = now(), to = (x) => Math.max(0, Math.min(T - 1, x)); s.set({ place: to(v.place + down), key: to(v.key + right) }); };
    const flip = () => { const v = now(); toggle(v.place, v.key); };
    const off = keys(maps, { ArrowUp: () => go(-1, 0), ArrowDown: () => go(1, 0), ArrowLeft: () => go(0, -1), ArrowRight: () => go(0, 1), Enter: flip, " ": flip });
    show();
    s.on(show);
    return () => { off(); s.off(); root.replaceChildren(); };
  },
};
