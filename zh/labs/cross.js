import { el, svg, button, field, select, nameBox, letterBars, player, announcer, scroller, data as load, state, within, half, percent, show as number, color } from "./base.js";

/* A written date goes in, the model of the chapter writes the ISO date sign by sign, and the map says
   where in the source each head of cross-attention looks.  data, from zh.labs.cross.pack:
   { config: {source, target, heads, encoder, decoder, dim, pad, start, end}, signs, tries, weights }
   State: text, forced (signs that the reader wrote, "|" for the end), at (the place in the answer),
   view ("mean" or "layer.head"), width (of the beam). */

const END = "|", WRITTEN = END + "-0123456789", WIDTHS = [1, 2, 4, 8], CELL = 23, ROW = 25, LEFT = 46, TOP = 26;

const STYLE = `
.zh-cross-map svg { display: block; max-width: none; height: auto; }
.zh-cross-map [data-row] { cursor: pointer; }
.zh-lab .zh-cross-answer { font-size: 1.4rem; margin: .4rem 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.zh-cross-answer b { border-bottom: 3px solid var(--zh-orange); padding-bottom: 1px; }
.zh-cross-answer u { text-decoration-style: dotted; text-underline-offset: .3em; }
.zh-lab .zh-cross-beam td:first-of-type, .zh-lab .zh-cross-beam th { text-align: left; }
.zh-cross-beam td { white-space: nowrap; }
.zh-lab .zh-cross-note { margin: .2rem 0; font-size: .92rem; }
`;

/** zh.seq2seq.EncoderDecoder for one source: read(ids) gives the memory, write(ids, memory) the
    log-probabilities after every place and the weights of cross-attention, [layer][head][place]. */
function network({ config: c, weights }) {
  const W = Object.fromEntries(Object.entries(weights).map(([name, t]) => [name, half(t)]));
  const size = c.dim / c.heads, scale = 1 / Math.sqrt(size);
  const row = (name, i) => W[name].subarray(i * c.dim, (i + 1) * c.dim);
  const add = (rows, more) => rows.map((x, t) => x.map((v, i) => v + more[t][i]));
  const embed = (ids, places) => ids.map((id, t) => Float64Array.from(row("tokens.weight", id), (v, i) => v + row(places, t)[i]));
  const linear = (rows, name) => {
    const w = W[name + ".weight"], b = W[name + ".bias"], m = weights[name + ".weight"].shape[0], n = w.length / m;
    return rows.map((x) => {
      const y = b ? Float64Array.from(b) : new Float64Array(m);
      for (let o = 0; o < m; o++) for (let i = 0, at = o * n; i < n; i++) y[o] += w[at + i] * x[i];
      return y;
    });
  };
  const norm = (rows, name) => rows.map((x) => {
    const mean = x.reduce((a, b) => a + b) / c.dim, spread = Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / c.dim + 1e-5);
    return x.map((v, i) => (v - mean) / spread * W[name + ".weight"][i] + W[name + ".bias"][i]);
  });
  const soft = (scores) => {
    const top = Math.max(...scores), e = scores.map((v) => Math.exp(v - top)), sum = e.reduce((a, b) => a + b);
    return e.map((v) => v / sum);
  };
  /** q, k, v: rows of dim; causal: place t sees no later one. {out, weights: [head][place][place]} */
  function attend(q, k, v, causal) {
    const out = q.map(() => new Float64Array(c.dim)), heads = [];
    for (let h = 0, from = 0; h < c.heads; h++, from += size) {
      heads.push(q.map((x, t) => {
        const p = soft(k.slice(0, causal ? t + 1 : k.length).map((y) => {
          let sum = 0;
          for (let i = from; i < from + size; i++) sum += x[i] * y[i];
          return sum * scale;
        }));
        p.forEach((w, s) => { for (let i = from; i < from + size; i++) out[t][i] += w * v[s][i]; });
        return p;
      }));
    }
    return { out, weights: heads };
  }
  const cut = (rows, parts) => Array.from({ length: parts }, (_, part) => rows.map((x) => x.subarray(part * c.dim, (part + 1) * c.dim)));
  const self = (x, name, causal) => linear(attend(...cut(linear(x, name + ".qkv"), 3), causal).out, name + ".project");
  const gelu = (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
  const mlp = (x, name) => linear(linear(x, name + ".up").map((y) => y.map(gelu)), name + ".down");
  return {
    read(ids) {
      let x = embed(ids, "source_places.weight");
      for (let l = 0; l < c.encoder; l++) {
        const at = `encoder.${l}.`;
        x = add(x, self(norm(x, at + "ln1"), at + "attention", false));
        x = add(x, mlp(norm(x, at + "ln2"), at + "mlp"));
      }
      const memory = norm(x, "norm_memory"); // keys and values stay the same while the answer is written
      return Array.from({ length: c.decoder }, (_, l) => cut(linear(memory, `decoder.${l}.cross.key_value`), 2));
    },
    write(ids, memory) {
      let x = embed(ids, "target_places.weight");
      const maps = [];
      for (let l = 0; l < c.decoder; l++) {
        const at = `decoder.${l}.`;
        x = add(x, self(norm(x, at + "ln1"), at + "attention", true));
        const { out, weights: found } = attend(linear(norm(x, at + "ln2"), at + "cross.query"), ...memory[l], false);
        maps.push(found);
        x = add(x, linear(out, at + "cross.project"));
        x = add(x, mlp(norm(x, at + "ln3"), at + "mlp"));
      }
      const logP = linear(norm(x, "norm"), "head").map((z) => {
        const top = Math.max(...z), sum = Math.log(z.reduce((a, v) => a + Math.exp(v - top), 0)) + top;
        const p = z.map((v) => v - sum);
        p[c.pad] = p[c.start] = -Infinity; // never written
        return p;
      });
      return { logP, maps };
    },
  };
}

export default {
  async render({ model, el: root }) {
    const packed = await load(model), { config: c, signs } = packed, net = network(packed);
    const s = state(model, { text: packed.tries[0] || "14 March 1999", forced: "", at: 0, view: "mean", width: 4 });
    const FIRST = Math.max(c.pad, c.start, c.end) + 1;
    const code = (sign) => (sign === END ? c.end : FIRST + signs.indexOf(sign)); // of the answer
    const sign = (id) => (id === c.end ? END : signs[id - FIRST] ?? "?");
    const word = (w) => (w === END ? "the end" : w), seen = (w) => (w === " " ? "␣" : w);
    const known = (w) => w.length === 1 && signs.includes(w.toLowerCase()) && w.toLowerCase().length === 1;
    const views = [["mean", "mean of all heads"], ...Array.from({ length: c.decoder * c.heads }, (_, i) => {
      const layer = Math.floor(i / c.heads), head = i % c.heads;
      return [`${layer + 1}.${head + 1}`, c.decoder > 1 ? `layer ${layer + 1}, head ${head + 1}` : `head ${head + 1}`];
    })];
    let said = "", at = 0, memory = null, source = "", run = null;

    /** What a reader typed, as the model can read it; what was left out goes into `said`. */
    function readable(text, tell) {
      const all = [...String(text)], fits = all.filter(known), strange = [...new Set(all.filter((w) => !known(w)))];
      if (tell && strange.length) said += `Left out, since no date that the model learned from has it: ${strange.slice(0, 5).join(" ")}. `;
      if (tell && fits.length > c.source) said += `Only the first ${c.source} signs are read. `;
      return fits.slice(0, c.source).join("");
    }
    const ids = (answer) => [c.start, ...[...answer].map(code)];
    const next = (answer) => net.write(ids(answer), memory).logP.at(-1);
    const ended = (answer) => answer.endsWith(END) || answer.length >= c.target;

    /** `start` and the likeliest sign after it, again and again. */
    function greedy(start) {
      let answer = start;
      while (!ended(answer)) { const p = next(answer); answer += sign(p.indexOf(Math.max(...p))); }
      return answer;
    }

    /** zh.seq2seq.beam: [[answer, log-probability], ...], the likeliest first. */
    function beam(width) {
      let kept = [["", 0]];
      while (kept.some(([answer]) => !ended(answer))) {
        kept = kept.flatMap(([answer, score]) => (ended(answer) ? [[answer, score]]
          : Array.from(next(answer), (p, id) => [id, score + p]).filter(([, p]) => p > -Infinity)
            .sort((a, b) => b[1] - a[1]).slice(0, width).map(([id, p]) => [answer + sign(id), p])));
        kept = kept.sort((a, b) => b[1] - a[1]).slice(0, width);
      }
      return kept;
    }

    const forced = () => { // up to its end, and no longer than an answer can be
      const kept = [...String(s.get("forced"))].filter((w) => WRITTEN.includes(w)).join("").slice(0, c.target);
      return kept.includes(END) ? kept.slice(0, kept.indexOf(END) + 1) : kept;
    };
    const view = () => (views.find(([key]) => key === String(s.get("view"))) || views[0])[0];
    const width = () => WIDTHS.find((w) => w === Number(s.get("width"))) || 4;

    const box = nameBox(() => s.set({ text: readable(box.value, true), forced: "" }), { maxlength: 60, size: 24 });
    const answerLine = el("p", { class: "zh-cross-answer" }), chance = el("p", { class: "zh-cross-note" });
    const bars = letterBars(WRITTEN, "The next sign and its probability: press one to write it instead", (i) => choose(WRITTEN[i]));
    const others = el("p", { class: "zh-cross-note" });
    const looks = select(views, (key) => s.set({ view: key })), wide = select(WIDTHS, (w) => s.set({ width: w }));
    const map = scroller("Where the answer looks in the source"), found = el("tbody");
    map.classList.add("zh-cross-map");
    const letGo = button("Let the model write", () => s.set({ forced: "" }));
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("A written date", box)),
      el("div", { class: "zh-row" }, packed.tries.map((text) => button(text, () => s.set({ text, forced: "" }), { "aria-label": `Try ${text}` }))),
      answerLine, chance);
    let rows = { answer: END, logP: [], maps: [] };
    const steps = player(root, { at: () => at, last: () => rows.answer.length - 1, look: (k) => { at = k; draw(); }, keep: (k) => s.set({ at: k }),
      words: "One sign", pause: 700 });
    steps.row.querySelector("input").setAttribute("aria-label", "Place in the answer");
    root.append(steps.row, bars.node, el("div", { class: "zh-row" }, others, letGo));
    const say = announcer(root);
    root.append(el("div", { class: "zh-row" }, field("weights of", looks)), map,
      el("div", { class: "zh-row" }, field("width of the beam", wide)),
      scroller("Answers that a beam finds", el("table", { class: "zh-cross-beam" },
        el("thead", null, el("tr", null, ["answer", "log-probability", "probability"].map((h) => el("th", { scope: "col" }, h)))), found)));

    function choose(w) {
      const start = rows.answer.slice(0, at) + w;
      s.set({ forced: start, at: w === END ? at : Math.min(at + 1, c.target - 1) });
    }

    /** The weights of one row of the answer under the chosen view. */
    function weights(t) {
      const key = view(), all = rows.maps.flat();
      if (key !== "mean") { const [l, h] = key.split(".").map(Number); return rows.maps[l - 1][h - 1][t]; }
      return all[0][t].map((_, i) => all.reduce((sum, head) => sum + head[t][i], 0) / all.length);
    }

    function drawMap() {
      const wideAll = LEFT + source.length * CELL + 4, high = TOP + rows.answer.length * ROW + 4;
      const marks = [...source].map((w, i) => svg("text", { x: LEFT + (i + 0.5) * CELL, y: 17, "text-anchor": "middle", "font-size": 15 }, seen(w)));
      const lines = [...rows.answer].map((w, t) => {
        const mine = t < forced().length, y = TOP + t * ROW;
        return svg("g", { "data-row": t, onclick: () => s.set({ at: t }) },
          svg("rect", { x: 0, y, width: wideAll, height: ROW, fill: "transparent" }),
          svg("text", { x: LEFT - 10, y: y + 17, "text-anchor": "end", "font-size": 15, "font-weight": t === at ? 700 : 400,
            "text-decoration": mine ? "underline" : null }, w === END ? "end" : w),
          weights(t).map((p, i) => svg("rect", { x: LEFT + i * CELL + 1, y: y + 1, width: CELL - 2, height: ROW - 2, fill: color.blue, "fill-opacity": p.toFixed(4),
            stroke: "currentColor", "stroke-opacity": 0.12, "data-weight": p })),
          t === at && svg("rect", { x: LEFT - 1, y, width: source.length * CELL + 2, height: ROW, fill: "none", stroke: color.orange, "stroke-width": 2.5 }));
      });
      const left = map.scrollLeft;
      map.replaceChildren(svg("svg", { viewBox: `0 0 ${wideAll} ${high}`, width: wideAll, height: high, role: "img",
        "aria-label": `${rows.answer.length} rows, one for each sign of the answer; ${source.length} columns, one for each sign of ${source}. ${looking()}` }, marks, lines));
      map.scrollLeft = left;
    }

    function looking() {
      const p = [...weights(at)], order = p.map((_, i) => i).sort((a, b) => p[b] - p[a]).slice(0, 2);
      const name = views.find(([key]) => key === view())[1];
      return `To write it, ${name === "mean of all heads" ? `the ${name}` : name} looks at ${
        order.map((i) => `“${seen(source[i])}” (sign ${i + 1}, ${percent(p[i])})`).join(" and ")}.`;
    }

    /** What does not change while the reader moves along the answer. */
    function work() {
      memory = net.read([...source.toLowerCase()].map((w) => FIRST + signs.indexOf(w)));
      const answer = greedy(forced());
      rows = { answer, ...net.write(ids(answer.slice(0, -1)), memory) };
      const score = [...answer].reduce((sum, w, t) => sum + rows.logP[t][code(w)], 0);
      chance.textContent = (forced() ? "With what you wrote in it (underlined), its" : "Its") + ` log-probability is ${number(score, 3)}: ${percent(Math.exp(score))}.`;
      chance.dataset.score = score;
      const rest = beam(width());
      found.replaceChildren(...rest.map(([text, p]) => el("tr", { "data-answer": text, "data-score": p },
        el("td", null, text.endsWith(END) ? text.slice(0, -1) || "(nothing)" : text + "…"), el("td", null, number(p, 3)), el("td", null, percent(Math.exp(p))))));
    }

    function draw() {
      at = Math.round(within(at, 0, rows.answer.length - 1));
      const p = Array.from(rows.logP[at], Math.exp), w = rows.answer[at], before = rows.answer.slice(0, at);
      const mine = forced().length, part = (from, to) => rows.answer.slice(from, to).replace(END, "■");
      answerLine.replaceChildren(el("u", null, part(0, Math.min(at, mine))), part(Math.min(at, mine), at), el("b", null, part(at, at + 1)),
        at + 1 < mine ? el("u", null, part(at + 1, mine)) : "", part(Math.max(at + 1, mine)));
      answerLine.setAttribute("aria-label", `The answer: ${rows.answer.replace(END, ", end")}`);
      const likely = [...WRITTEN].map((x) => p[code(x)]);
      bars.show(likely, WRITTEN.indexOf(w));
      others.textContent = `Any other sign: ${percent(Math.max(0, 1 - likely.reduce((a, b) => a + b)))}.`;
      letGo.disabled = !mine;
      const best = likely.map((_, i) => i).sort((a, b) => likely[b] - likely[a]).slice(0, 2);
      drawMap();
      const text = `Place ${at + 1} of ${rows.answer.length}${before ? `, after “${before}”` : ""}: ${best.map((i) => `${word(WRITTEN[i])} (${percent(likely[i])})`).join(", then ")}.`
        + (at < mine ? ` You wrote ${word(w)}.` : "");
      steps.show(at, `place ${at + 1}, ${word(w)}`);
      if (!steps.playing()) say(said + text + " " + looking());
      said = "";
    }

    function show() {
      const text = readable(s.get("text"), false);
      if (readable(box.value, false) !== text) box.value = text;
      looks.value = view();
      wide.value = width();
      if (!text.trim()) {
        steps.stop();
        run = null;
        [answerLine, chance, others, map, found].forEach((node) => node.replaceChildren());
        say(said + "Type a date to begin.");
        said = "";
        return;
      }
      const key = JSON.stringify([text, forced(), width()]);
      if (key !== run) { source = text; run = key; work(); }
      at = Math.round(within(s.get("at"), 0, rows.answer.length - 1));
      draw();
    }

    show();
    s.on(show);
    return () => { s.off(); steps.off(); root.replaceChildren(); };
  },
};
