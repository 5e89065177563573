import { el, svg, button, field, select, slider, state, nearest, announcer, scroller, color, show } from "./base.js";

/* How large a GPT is: parameters, operations and memory from its sizes, by the formulas of zh/sizes.py.
   No data.  State: layers, heads, dim, block, vocab, batch, dtype, optimizer. */

const STATES = { adamw: 2, momentum: 1, sgd: 0 }, BYTES = { float32: 4, bf16: 2 };

/** zh.sizes.count: the same keys, the same numbers. */
function count({ layers, dim, heads, block, vocab, batch, dtype, optimizer }) {
  const d = dim, b = BYTES[dtype], tokens = batch * block;
  const parameters = { tokens: vocab * d, places: block * d, attention: layers * (4 * d * d + 4 * d), mlp: layers * (8 * d * d + 5 * d),
    norms: (2 * layers + 1) * 2 * d, head: 0 };
  parameters.all = Object.values(parameters).reduce((x, y) => x + y, 0);
  const operations = { matrices: 24 * layers * d * d, attention: 4 * layers * block * d, head: 2 * vocab * d };
  operations.forward = operations.matrices + operations.attention + operations.head;
  operations.training = 3 * operations.forward;
  const layer = 8 * d + b * 14 * d + 4 * (4 + heads), end = 4 * d + b * d + 8 + 4 * vocab;
  const copies = dtype === "bf16" ? b * (12 * layers * d * d + vocab * d) : 0;
  const memory = { parameters: 4 * parameters.all, gradients: 4 * parameters.all,
    optimizer: 4 * STATES[optimizer] * parameters.all + (optimizer === "adamw" ? 4 * (4 + 12 * layers) : 0),
    activations: tokens * (layers * layer + end + 16) + copies + 4 };
  memory.all = Object.values(memory).reduce((x, y) => x + y, 0);
  return { parameters, operations, memory, step: tokens * operations.training, cache: 2 * layers * block * d * b,
    rules: { "6N": 6 * parameters.all, "6N without tables": 6 * (parameters.all - parameters.tokens - parameters.places) } };
}

const LAYERS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 48, 64, 96], SIZE = [8, 16, 24, 32, 48, 64, 80, 96, 128], HEADS = [1, 2, 3, 4, 6, 8, 12, 16, 20, 25, 32, 64, 96];
const BLOCKS = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192], VOCABS = [65, 96, 256, 1024, 8192, 50257, 100277], BATCHES = [1, 2, 4, 6, 8, 12, 16, 32, 64, 128, 256, 512];
const PRESETS = [
  ["this book's", { layers: 4, heads: 4, size: 16, block: 64, vocab: 96, batch: 6 }],
  ["GPT-2", { layers: 12, heads: 12, size: 64, block: 1024, vocab: 50257, batch: 8 }],
  ["medium", { layers: 24, heads: 16, size: 64, block: 1024, vocab: 50257, batch: 8 }],
  ["large", { layers: 36, heads: 20, size: 64, block: 1024, vocab: 50257, batch: 8 }],
  ["xl", { layers: 48, heads: 25, size: 64, block: 1024, vocab: 50257, batch: 8 }],
  ["GPT-3's sizes", { layers: 96, heads: 96, size: 128, block: 2048, vocab: 50257, batch: 1 }],
];
const PARTS = { tokens: "table of tokens", places: "table of places", attention: "attention", mlp: "MLP", norms: "normalisations" };
const KEPT = { parameters: "parameters", gradients: "gradients", optimizer: "optimizer", activations: "activations" };
const HUES = { tokens: color.blue, places: color.green, attention: color.orange, mlp: color.pink, norms: color.olive,
  parameters: color.blue, gradients: color.green, optimizer: color.orange, activations: color.pink };

const whole = (n) => n.toLocaleString("en");
/** A number of operations or bytes with its unit: "1.23 billion", "498 MB". */
const few = (n, units) => { let k = 0; while (n >= 999.5 && k < units.length - 1) { n /= 1000; k++; } return `${show(n, 3)}${units[k]}`; };
const bytes = (n) => few(n, [" bytes", " kB", " MB", " GB", " TB", " PB"]);
const work = (n) => few(n, ["", " thousand", " million", " billion", " trillion", " × 10¹⁵", " × 10¹⁸", " × 10²¹"]);

const STYLE = `
.zh-sizes { display: flex; flex-wrap: wrap; gap: 0 1.2rem; }
.zh-sizes > div { flex: 1 1 17rem; min-width: 0; }
.zh-lab .zh-sizes-title { margin: .6rem 0 .2rem; font-weight: 600; }
.zh-lab .zh-sizes table { width: 100%; }
.zh-sizes th { font-weight: 400; text-align: left !important; }
.zh-sizes tr:last-child { font-weight: 600; } .zh-sizes tr:last-child th { font-weight: 600; }
.zh-sizes td { white-space: nowrap; } .zh-lab .zh-sizes :is(th, td) { padding-inline: .25rem; }
.zh-sizes i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
.zh-sizes svg { display: block; width: 100%; height: 22px; }
`;

export default {
  count,
  render({ model, el: root }) {
    const s = state(model, { layers: 12, heads: 12, size: 64, block: 1024, vocab: 50257, batch: 8, dtype: "float32", optimizer: "adamw" });
    const now = () => {
      const t = { layers: nearest(LAYERS, s.get("layers"), 12), heads: nearest(HEADS, s.get("heads"), 12), size: nearest(SIZE, s.get("size"), 64),
        block: nearest(BLOCKS, s.get("block"), 1024), vocab: nearest(VOCABS, s.get("vocab"), 50257), batch: nearest(BATCHES, s.get("batch"), 8),
        dtype: s.get("dtype") in BYTES ? s.get("dtype") : "float32", optimizer: s.get("optimizer") in STATES ? s.get("optimizer") : "adamw" };
      return { ...t, dim: t.heads * t.size };
    };
    const one = (label, key, list) => slider(label, list, (value) => s.set({ [key]: value }));
    const sliders = { layers: one("layers", "layers", LAYERS), heads: one("heads", "heads", HEADS), size: one("numbers a head", "size", SIZE),
      block: one("context", "block", BLOCKS), vocab: one("vocabulary", "vocab", VOCABS), batch: one("texts a step", "batch", BATCHES) };
    const dtype = select([["float32", "float32"], ["bf16", "bf16 autocast"]], (value) => s.set({ dtype: value }), { name: "dtype" });
    const move = select([["adamw", "AdamW"], ["momentum", "SGD with momentum"], ["sgd", "SGD"]], (value) => s.set({ optimizer: value }), { name: "optimizer" });
    const out = el("div", { class: "zh-sizes" }), width = el("p", { class: "zh-numbers" });
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row", role: "group", "aria-label": "Known models" }, PRESETS.map(([text, set]) => button(text, () => s.set(set)))),
      el("div", { class: "zh-row" }, Object.values(sliders).map((one) => one.box)),
      el("div", { class: "zh-row" }, field("products in", dtype), field("optimizer", move)), width, out);
    const say = announcer(root);

    /** A bar of shares, and a table of the same. */
    function part(title, rows, total, write, name) {
      let x = 0;
      const bar = svg("svg", { viewBox: "0 0 1000 22", preserveAspectRatio: "none", "aria-hidden": "true" }, rows.filter(([, , n, hue]) => n && hue).map(([key, , n, hue]) => {
        const w = 1000 * n / total, rect = svg("rect", { x, y: 0, width: w, height: 22, fill: hue, "data-part": key });
        x += w;
        return rect;
      }));
      return el("div", { "data-table": name }, el("p", { class: "zh-sizes-title" }, title), bar.firstChild && bar, scroller(title, el("table", null, el("tbody", null, rows.map(([key, text, n, hue]) =>
        el("tr", { "data-key": key, "data-value": n }, el("th", { scope: "row" }, hue && el("i", { style: `background:${hue}` }), text),
          el("td", null, write(n)), el("td", null, hue ? `${show(100 * n / total, 2)} %` : "")))))));
    }

    function draw() {
      const t = now(), c = count(t);
      for (const [key, one] of Object.entries(sliders)) one.show(t[key], whole(t[key]));
      dtype.value = t.dtype; move.value = t.optimizer;
      width.textContent = `Width: ${t.heads} heads of ${t.size} = ${whole(t.dim)} numbers a token. A step: ${t.batch} × ${whole(t.block)} = ${whole(t.batch * t.block)} tokens.`;
      const p = Object.entries(PARTS).map(([key, text]) => [key, text, c.parameters[key], HUES[key]]);
      const o = [["matrices", "matrices", c.operations.matrices, color.pink], ["attention", "attention", c.operations.attention, color.orange], ["head", "scores of all tokens", c.operations.head, color.blue]];
      const m = Object.entries(KEPT).map(([key, text]) => [key, text, c.memory[key], HUES[key]]);
      out.replaceChildren(
        part("Parameters", [...p, ["all", "all", c.parameters.all]], c.parameters.all, whole, "parameters"),
        part("Memory of a training step", [...m, ["all", "all", c.memory.all]], c.memory.all, bytes, "memory"),
        part("Operations a token, forward", [...o, ["forward", "all", c.operations.forward]], c.operations.forward, work, "operations"),
        part("And what follows", [["training", "training, a token", c.operations.training], ["6N", "rule of thumb: 6 N", c.rules["6N"]],
          ["6N without tables", "6 N of the layers alone", c.rules["6N without tables"]], ["cache", "cache of one text, bytes", c.cache],
          ["step", "a training step", c.step]], 1, work, "rest"));
      out.querySelector("[data-key=cache] td").textContent = bytes(c.cache);
      const share = c.rules["6N"] / c.operations.training;
      say(`${whole(c.parameters.all)} parameters. A training step: ${work(c.step)} operations and ${bytes(c.memory.all)}. 6 N is ${show(share, 3)} of the exact count. The cache of one text: ${bytes(c.cache)}.`);
    }
    draw();
    s.on(draw);
    return () => { s.off(); root.replaceChildren(); };
  },
};
