import { half } from "./base.js";

/* A trained GPT of characters, computed in the page: zh.gpt.GPT from what zh.labs.playground packs. Not a
   lab: the labs that run one import it from here. */

function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < out.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

/** The numbers of a tensor: float32, or whole numbers of a few bits with a scale for each row. */
function numbers({ shape, f32, bits, int, scale }) {
  if (f32) return new Float32Array(bytes(f32).buffer);
  const raw = bytes(int), steps = half({ f16: scale }), [rows, columns] = shape, top = 2 ** (bits - 1) - 1;
  const out = new Float32Array(rows * columns);
  let held = 0, have = 0, at = 0, i = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      while (have < bits) { held = held << 8 | raw[at++]; have += 8; }
      have -= bits;
      out[i++] = ((held >> have) - top) * steps[r];
      held &= (1 << have) - 1;
    }
  }
  return out;
}

/** y = W x + b, W (y.length, x.length) row by row. */
function linear(W, b, x, y) {
  const n = x.length, even = n - n % 4;
  for (let r = 0, o = 0; r < y.length; r++) {
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, c = 0;
    for (; c < even; c += 4, o += 4) { s0 += W[o] * x[c]; s1 += W[o + 1] * x[c + 1]; s2 += W[o + 2] * x[c + 2]; s3 += W[o + 3] * x[c + 3]; }
    for (; c < n; c++, o++) s0 += W[o] * x[c];
    y[r] = s0 + s1 + s2 + s3 + (b ? b[r] : 0);
  }
}

/** zh.gpt.GPT, one token at a time: feed(id) reads a token, logits(place) and weights(layer, head, place) are
    what was found at a place; rewind(n) forgets all but n places. */
export function network({ config, tensors }) {
  const { block, dim, heads, layers, vocab, eps } = config, size = dim / heads, F = Float32Array;
  const W = Object.fromEntries(Object.entries(tensors).map(([name, packed]) => [name, numbers(packed)]));
  const parts = Array.from({ length: layers }, (_, l) => {
    const own = (name) => W[`blocks.${l}.${name}`], both = (name) => [own(name + ".weight"), own(name + ".bias")];
    return { ln1: both("ln1"), qkv: both("attention.qkv"), project: both("attention.project"), ln2: both("ln2"), up: both("up"), down: both("down"),
      K: new F(block * dim), V: new F(block * dim), seen: new F(heads * block * block) };
  });
  const head = W["head.weight"] || W["tokens.weight"], found = new F(block * vocab), last = [W["norm.weight"], W["norm.bias"]];
  const x = new F(dim), n = new F(dim), qkv = new F(3 * dim), mixed = new F(dim), out = new F(dim), wide = new F(config.inner || 4 * dim);
  const turn = config.positions === "rope" && Array.from({ length: size / 2 }, (_, i) => 10000 ** (-2 * i / size));
  let length = 0;
  function norm([gain, bias]) { // of x, into n
    if (!config.norm) { n.set(x); return; }
    let mean = 0, square = 0;
    for (const v of x) mean += v;
    mean /= dim;
    for (const v of x) square += (v - mean) ** 2;
    const by = 1 / Math.sqrt(square / dim + eps);
    for (let i = 0; i < dim; i++) n[i] = (x[i] - mean) * by * gain[i] + (bias ? bias[i] : 0);
  }
  function rotate(from) { // every head of qkv from `from` on, by its place
    for (let h = from; h < from + dim; h += size) {
      turn.forEach((speed, i) => {
        const cos = Math.cos(length * speed), sin = Math.sin(length * speed), a = qkv[h + 2 * i], b = qkv[h + 2 * i + 1];
        qkv[h + 2 * i] = a * cos - b * sin;
        qkv[h + 2 * i + 1] = a * sin + b * cos;
      });
    }
  }
  const add = () => { for (let i = 0; i < dim; i++) x[i] = (config.residual ? x[i] : 0) + out[i]; };
  function attend({ K, V, seen }) { // mixed = what each head gathers; the weights stay in seen
    K.set(qkv.subarray(dim, 2 * dim), length * dim);
    V.set(qkv.subarray(2 * dim), length * dim);
    mixed.fill(0);
    for (let h = 0; h < heads; h++) {
      const o = h * size, w = seen.subarray((h * block + length) * block, (h * block + length + 1) * block);
      let top = -Infinity, sum = 0;
      for (let j = 0; j <= length; j++) {
        let s = 0;
        for (let i = o, k = j * dim + o; i < o + size; i++, k++) s += qkv[i] * K[k];
        w[j] = s / Math.sqrt(size);
        if (w[j] > top) top = w[j];
      }
      for (let j = 0; j <= length; j++) sum += w[j] = Math.exp(w[j] - top);
      for (let j = 0; j <= length; j++) {
        w[j] /= sum;
        for (let i = o, k = j * dim + o; i < o + size; i++, k++) mixed[i] += w[j] * V[k];
      }
    }
  }
  const GELU = Math.sqrt(2 / Math.PI);
  function feed(id) {
    for (let i = 0; i < dim; i++) x[i] = W["tokens.weight"][id * dim + i] + (turn ? 0 : W["places.weight"][length * dim + i]);
    for (const part of parts) {
      norm(part.ln1);
      linear(...part.qkv, n, qkv);
      if (turn) { rotate(0); rotate(dim); }
      attend(part);
      linear(...part.project, mixed, out);
      add();
      norm(part.ln2);
      linear(...part.up, n, wide);
      for (let i = 0; i < wide.length; i++) { const v = wide[i]; wide[i] = 0.5 * v * (1 + Math.tanh(GELU * (v + 0.044715 * v * v * v))); }
      linear(...part.down, wide, out);
      add();
    }
    norm(last);
    linear(head, null, n, logits(length));
    length++;
  }
  const logits = (place) => found.subarray(place * vocab, (place + 1) * vocab);
  return { feed, logits, length: () => length, rewind(n) { length = Math.min(length, n); },
    weights: (layer, h, place) => parts[layer].seen.subarray((h * block + place) * block, (h * block + place) * block + place + 1) };
}

/** Where a model that reads `block` places begins to read a text of n tokens: zh.gpt.window. */
export function begin(n, block) {
  const hop = Math.max(1, block >> 1);
  return n <= block ? 0 : Math.ceil((n - block) / hop) * hop;
}

/** Logits as the probabilities that are drawn from: zh.sampling.probabilities; top_k 0 keeps all. */
export function probabilities(logits, { temperature = 1, top_k = 0, top_p = 1 } = {}) {
  let top = -Infinity, sum = 0;
  for (const v of logits) if (v > top) top = v;
  if (temperature === 0) { const first = logits.indexOf(top); return Float64Array.from(logits, (_, i) => +(i === first)); }
  const p = Float64Array.from(logits, (v) => Math.exp((v - top) / temperature));
  for (const v of p) sum += v;
  for (let i = 0; i < p.length; i++) p[i] /= sum;
  if (!(top_k > 0 && top_k < p.length) && top_p >= 1) return p;
  const order = [...p.keys()].sort((a, b) => p[b] - p[a]), cut = (keep) => {
    let total = 0;
    order.forEach((i, rank) => { if (!keep(i, rank)) p[i] = 0; total += p[i]; });
    for (const i of order) p[i] /= total;
  };
  if (top_k > 0) cut((_, rank) => rank < top_k);
  let before = 0;
  if (top_p < 1) cut((i) => { before += p[i]; return before - p[i] < top_p; });
  return p;
}
