import { el, button, field, select, slider, announcer, scroller, state, keys, nearest, within, data as load } from "./base.js";

/* A live tokenizer: a text's code points, bytes, the merges one by one, its tokens; two settings beside
   each other; and a small tokenizer trained in the page on what the reader pastes.
   data: { merges: {gpt4: [[a, b], ...], gpt2: ..., none: ...} }, learned from the book's text
   State: text, from ("book" or "own"), pattern, size (of the vocabulary), step (merges applied to the text),
   other and size2 (the setting beside it, other "" for none), corpus (a short one of the reader's).
   The same numbers as zh.tokenizers: split, encode and train are tested against it. */

const LONGEST = 1500, CORPUS = 50000, OWN = 512, SIZES = [256, 257, 258, 260, 264, 272, 288, 320, 384, 448, 512, 640, 768, 1024, 1280];
const NAMES = { gpt4: "GPT-4's pattern", gpt2: "GPT-2's pattern", none: "no split" };

/* The patterns of zh.tokenizers as JavaScript has them: \s there is white space by Unicode's table, and
   letters of both cases are written out (ſ is an s to a pattern that ignores case). */
const PATTERNS = {
  gpt2: /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu,
  gpt4: /'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu,
};

/** The pieces of a text; joined they are the text. */
const split = (text, pattern) => (PATTERNS[pattern] ? text.match(PATTERNS[pattern]) || [] : text ? [text] : []);

/** UTF-8, and three bytes for a lone surrogate, which UTF-8 has not. */
function bytesOf(text) {
  const out = [];
  for (const c of text) {
    const p = c.codePointAt(0);
    if (p < 0x80) out.push(p);
    else if (p < 0x800) out.push(0xc0 | p >> 6, 0x80 | p & 63);
    else if (p < 0x10000) out.push(0xe0 | p >> 12, 0x80 | p >> 6 & 63, 0x80 | p & 63);
    else out.push(0xf0 | p >> 18, 0x80 | p >> 12 & 63, 0x80 | p >> 6 & 63, 0x80 | p & 63);
  }
  return out;
}

const code = (a, b) => a * 65536 + b;
const ranksOf = (merges) => new Map(merges.map(([a, b], i) => [code(a, b), 256 + i]));

/** ids with `made` where the pair a, b stood, from left to right. */
function merged(ids, a, b, made) {
  const out = [];
  for (let i = 0; i < ids.length; i++) out.push(ids[i] === a && ids[i + 1] === b ? (i++, made) : ids[i]);
  return out;
}

/** What the merges do to a text, the one that was learned first going first, until none is left or
    `most` were applied: {pieces: [[id, ...], ...], steps: [[a, b, made, times], ...]}. */
function trace(text, pattern, ranks, most = Infinity) {
  let pieces = split(text, pattern).map(bytesOf);
  const steps = [];
  while (steps.length < most) {
    let made = Infinity, pair = null, times = 0;
    for (const ids of pieces) for (let i = 0; i + 1 < ids.length; i++) {
      const found = ranks.get(code(ids[i], ids[i + 1]));
      if (found < made) { made = found; pair = [ids[i], ids[i + 1]]; }
    }
    if (!pair) break;
    pieces = pieces.map((ids) => {
      const out = merged(ids, ...pair, made);
      times += ids.length - out.length;
      return out;
    });
    steps.push([...pair, made, times]);
  }
  return { pieces, steps };
}

/** The ids of a text. */
const encode = (text, pattern, merges) => trace(text, pattern, ranksOf(merges)).pieces.flat();

/* Where a byte stands in GPT-2's order: those that print as one character first. Of pairs that are
   equally frequent the first in this order is merged, as in zh.tokenizers. */
const printable = (b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
const ORDER = [...Array(256).keys()].sort((a, b) => printable(b) - printable(a) || a - b);
const RANK = ORDER.reduce((rank, b, i) => { rank[b] = i; return rank; }, []);
const rank = (id) => (id < 256 ? RANK[id] : id);

/** Learn merges as the textbook does, equal pieces kept once: [[a, b, times], ...]. */
function train(text, pattern, most, least = 2) {
  const known = new Map(), learned = [];
  for (const piece of split(text, pattern)) known.set(piece, (known.get(piece) || 0) + 1);
  let rows = [...known].map(([piece, times]) => [bytesOf(piece), times]);
  while (learned.length < most) {
    const counts = new Map();
    for (const [ids, times] of rows) for (let i = 0; i + 1 < ids.length; i++) {
      const pair = code(ids[i], ids[i + 1]);
      counts.set(pair, (counts.get(pair) || 0) + times);
    }
    let best = null, n = least - 1;
    for (const [pair, times] of counts) {
      if (times < n || times < least) continue;
      const a = Math.floor(pair / 65536), b = pair % 65536;
      if (times > n || rank(a) < rank(best[0]) || (a === best[0] && rank(b) < rank(best[1]))) { best = [a, b]; n = times; }
    }
    if (!best) break;
    const made = 256 + learned.length;
    rows = rows.map(([ids, times]) => [merged(ids, ...best, made), times]).filter(([ids]) => ids.length > 1);
    learned.push([...best, n]);
  }
  return learned;
}

/** The bytes of every token. */
function vocabulary(merges) {
  const vocab = [...Array(256).keys()].map((b) => [b]);
  for (const [a, b] of merges) vocab.push([...vocab[a], ...vocab[b]]);
  return vocab;
}

const hex = (bytes) => bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");
const point = (c) => "U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
const SIGNS = { " ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥" };
/** Text with what cannot be seen made visible. */
const visible = (text) => [...text].map((c) => SIGNS[c] || (/[\p{C}\p{Z}]/u.test(c) ? `⟨${point(c)}⟩` : c)).join("").replace(/^\p{M}/u, "◌$&");
/** The bytes of a token: the text they are, or the bytes themselves where they are part of a character. */
function shown(bytes) {
  try { return visible(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))); } catch { return `‹${hex(bytes)}›`; }
}
const plain = (x) => x.toLocaleString("en");
const many = (n, one, more = one + "s") => `${plain(n)} ${n === 1 ? one : more}`;

const STYLE = `
.zh-lab textarea { width: 100%; min-height: 5.5rem; padding: .4rem .6rem; font: inherit; color: inherit; background: var(--zh-paper);
  border: 1px solid currentColor; border-radius: .25rem; resize: vertical; }
.zh-lab .zh-tokens { display: flex; flex-wrap: wrap; gap: 3px; margin: .4rem 0 .6rem; padding: 0; list-style: none; max-height: 19rem; overflow-y: auto; }
.zh-lab .zh-tokens li { display: flex; flex-direction: column; align-items: center; margin: 0; padding: .05rem .25rem; border-radius: .2rem; line-height: 1.35;
  background: color-mix(in srgb, var(--c) 24%, var(--zh-paper)); border-bottom: 3px solid var(--c); unicode-bidi: isolate; }
.zh-lab .zh-tokens li[data-new] { outline: 2px solid var(--zh-ink); outline-offset: -1px; }
.zh-lab .zh-tokens li[data-gap] { margin-left: 9px; }
.zh-lab .zh-tokens span { white-space: pre-wrap; overflow-wrap: anywhere; }
.zh-lab .zh-tokens small { font-size: .72rem; font-variant-numeric: tabular-nums; }
.zh-lab .zh-tall { max-height: 16rem; overflow-y: auto; }
.zh-lab summary { min-height: 44px; display: flex; align-items: center; cursor: pointer; font-weight: 600; }
.zh-lab summary::before { content: "▸"; width: 1.2em; }
.zh-lab details[open] > summary::before { content: "▾"; }
.zh-lab .zh-head { margin: .7rem 0 0; font-weight: 600; }
.zh-lab input[type=range].zh-steps { width: min(24rem, 100%); }
`;
const COLORS = ["blue", "orange", "green", "pink", "olive"].map((name) => `var(--zh-${name})`);

export default {
  split, encode, train,
  async render({ model, el: root }) {
    const book = await load(model);
    const s = state(model, { text: "", from: "book", pattern: "gpt4", size: 768, step: 9999, other: "", size2: 256, corpus: "" });
    let own = null; // {corpus, pattern, merges}: what was trained here
    let note = "";

    const now = () => {
      const pattern = NAMES[s.get("pattern")] ? s.get("pattern") : "gpt4", text = String(s.get("text")).slice(0, LONGEST);
      const corpus = String(s.get("corpus"));
      const from = s.get("from") === "own" && (corpus || own) ? "own" : "book";
      if (from === "own" && (!own || own.pattern !== pattern || (corpus && own.corpus !== corpus))) learn(corpus || own.corpus, pattern);
      const size = nearest(SIZES, s.get("size"), 768), size2 = nearest(SIZES, s.get("size2"), 256);
      const other = NAMES[s.get("other")] ? s.get("other") : "";
      const full = from === "own" ? own.merges : book.merges[pattern], merges = full.slice(0, size - 256);
      return { text, pattern, from, size, merges, other, size2, others: other ? book.merges[other].slice(0, size2 - 256) : [] };
    };

    function learn(corpus, pattern) {
      own = { corpus, pattern, merges: train(corpus, pattern, OWN) };
    }

    const box = el("textarea", { "aria-label": "Your text", maxlength: LONGEST, spellcheck: "false", autocomplete: "off", autocapitalize: "none",
      oninput: () => s.set({ text: box.value, step: 9999 }) });
    const patterns = select(Object.entries(NAMES), (pattern) => s.set({ pattern, step: 9999 }));
    const sizes = slider("vocabulary", SIZES, (size) => s.set({ size, step: 9999 }), "Size of the vocabulary");
    const froms = select([["book", "the book's text"], ["own", "your own text"]], (from) => {
      if (from === "own" && !own && !s.get("corpus")) { fold.open = true; note = "Train one on your own text first: it is below. "; from = "book"; }
      s.set({ from, step: 9999 });
    });
    const counts = el("p", { class: "zh-numbers" }), chips = el("ol", { class: "zh-tokens", tabindex: 0, "aria-label": "The tokens" });
    const steps = el("input", { type: "range", class: "zh-steps", min: 0, step: 1, "aria-label": "Merges applied to the text", oninput: () => go(+steps.value) });
    const back = button("−1", () => go(at() - 1), { "aria-label": "One merge back" }), on = button("+1", () => go(at() + 1), { "aria-label": "One merge on" });
    const stepRow = el("div", { class: "zh-row", role: "group", "aria-label": "The merges, one by one" }, steps, back, on, button("None", () => go(0)), button("All", () => go(9999)));
    const others = select([["", "nothing"], ...Object.entries(NAMES)], (other) => s.set({ other }));
    const sizes2 = slider("vocabulary", SIZES, (size2) => s.set({ size2 }), "Size of the other vocabulary");
    const otherCounts = el("p", { class: "zh-numbers" }), otherChips = el("ol", { class: "zh-tokens", tabindex: 0, "aria-label": "The tokens of the other setting" });
    const characters = el("table"), learned = el("table");
    const corpusBox = el("textarea", { "aria-label": "Text to train on", maxlength: CORPUS, spellcheck: "false", autocapitalize: "none" });
    const fold = el("details", null, el("summary", null, "Train a tokenizer on a text of your own"),
      el("p", null, `Paste up to ${plain(CORPUS)} characters. Pairs are counted in this page and nothing is sent anywhere. The pattern chosen above cuts the text first.`),
      corpusBox, el("div", { class: "zh-row" }, button("Train", () => {
        const corpus = corpusBox.value.slice(0, CORPUS);
        if (!corpus) { say("There is nothing to train on yet: paste a text first."); return; }
        learn(corpus, now().pattern);
        note = own.merges.length ? `Learned ${many(own.merges.length, "merge")} from ${many([...corpus].length, "character")}. `
          : "No pair stands twice in this text: there is nothing to merge. ";
        s.set({ from: "own", corpus: corpus.length <= LONGEST ? corpus : "", step: 9999 });
      })));
    root.append(el("style", null, STYLE), box,
      el("div", { class: "zh-row" }, field("cut by", patterns), field("merges learned from", froms), sizes.box), counts, chips, stepRow);
    const say = announcer(root);
    root.append(el("div", { class: "zh-row" }, field("compare with", others), sizes2.box), otherCounts, otherChips,
      el("details", null, el("summary", null, "Its characters and their bytes"), el("div", { class: "zh-tall" }, scroller("The characters", characters))),
      el("details", null, el("summary", null, "The merges that were learned"), el("div", { class: "zh-tall" }, scroller("The merges", learned))), fold);

    let total = 0;
    const at = () => Math.min(total, Math.round(within(s.get("step"), 0, 9999)));
    const go = (k) => s.set({ step: k >= total ? 9999 : Math.max(0, k) });

    function draw(list, pieces, vocab, made = -1) {
      let k = 0;
      list.replaceChildren(...pieces.flatMap((ids, piece) => ids.map((id, i) => el("li", { "data-id": id, "data-new": id === made, "data-gap": piece > 0 && i === 0,
        style: `--c: ${COLORS[k++ % COLORS.length]}` }, el("span", { dir: "auto" }, shown(vocab[id])), el("small", null, String(id))))));
    }

    function table(node, heads, rows) {
      node.replaceChildren(el("thead", null, el("tr", null, heads.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", null, rows.map((r) => el("tr", null, r.map((v, i) => el(i ? "td" : "th", i ? { dir: "auto" } : { scope: "row", dir: "auto" }, String(v)))))));
    }

    function show() {
      const t = now(), vocab = vocabulary(t.merges), ranks = ranksOf(t.merges), whole = trace(t.text, t.pattern, ranks);
      total = whole.steps.length;
      const k = at(), part = k < total ? trace(t.text, t.pattern, ranks, k).pieces : whole.pieces;
      if (box.value !== t.text) box.value = t.text;
      if (!corpusBox.value && s.get("corpus")) corpusBox.value = String(s.get("corpus")).slice(0, CORPUS);
      patterns.value = t.pattern;
      froms.value = t.from;
      others.value = t.other;
      sizes.show(t.size, plain(256 + t.merges.length), many(256 + t.merges.length, "token"));
      sizes2.show(t.size2, plain(256 + t.others.length), many(256 + t.others.length, "token"));
      steps.max = total;
      steps.value = k;
      back.disabled = k === 0;
      on.disabled = k === total;
      const points = [...t.text], bytes = bytesOf(t.text), tokens = part.reduce((n, ids) => n + ids.length, 0), step = whole.steps[k - 1];
      const per = (n) => (n ? `, ${(bytes.length / n).toFixed(2)} bytes each` : "");
      counts.textContent = `${many(points.length, "character")}, ${many(bytes.length, "byte")}, ${many(part.length, "piece")}, ${many(tokens, "token")}${per(tokens)}`;
      draw(chips, part, vocab, step ? step[2] : -1);
      const spoken = step ? `Merge ${k} of ${total}: “${shown(vocab[step[0]])}” and “${shown(vocab[step[1]])}” make “${shown(vocab[step[2]])}”, token ${step[2]}, ${many(step[3], "time")}. `
        : total ? `No merge applied yet, of ${total}: every byte is a token. ` : t.text ? "No merge fits this text: every byte is a token. " : "The text is empty: no tokens. ";
      steps.setAttribute("aria-valuetext", spoken);
      const elsewhere = trace(t.text, t.other, ranksOf(t.others)).pieces, n = elsewhere.flat().length;
      otherCounts.hidden = otherChips.hidden = sizes2.box.hidden = !t.other;
      otherCounts.textContent = t.other ? `${NAMES[t.other]}, the book's text: ${many(n, "token")}${per(n)}` : "";
      draw(otherChips, t.other ? elsewhere : [], vocabulary(t.others));
      table(characters, ["character", "code point", "bytes"], points.slice(0, 300).map((c) => [visible(c), point(c), hex(bytesOf(c))]));
      table(learned, ["token", "left", "right", "makes", ...(t.from === "own" ? ["times"] : [])], t.merges.slice(0, 300).map(([a, b, times], i) =>
        [256 + i, shown(vocab[a]), shown(vocab[b]), shown(vocab[256 + i]), ...(t.from === "own" ? [times] : [])]));
      say(note + spoken + (t.other ? `${many(tokens, "token")} here, ${n} with the other setting.` : `${many(tokens, "token")}.`));
      note = "";
    }

    const off = keys(stepRow, { ArrowLeft: () => go(at() - 1), ArrowRight: () => go(at() + 1), Home: () => go(0), End: () => go(9999) });
    show();
    s.on(show);
    return () => { off(); s.off(); root.replaceChildren(); };
  },
};
