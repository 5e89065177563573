import { el, svg, button, field, select, announcer, scroller, player, data as load, state, nearest, within, percent, color } from "./base.js";

/* What every head of a GPT looks at, from the first step of its training to the last.
   data, from zh.labs.forming.Watch.pack:
   { prompts, layers, heads, steps, losses, held, without, weights: [a text for each prompt] }
   A weight w is one character, number round(63 sqrt(w)) of DIGITS; the lower triangles row by row, for every
   moment, layer and head.  State: step, text, layer, head, place (from 1; 0: the last character). */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const START = { step: 1e9, text: 0, layer: 1, head: 1, place: 0 };
const CELL = 14, WIDE = 380, HIGH = 190, LEFT = 34, RIGHT = 372, TOP = 26, BOTTOM = 160, PAUSE = 350, PREFERS = 0.1, EVEN = 0.8;
const NAMES = { " ": "space", "\n": "new line" }, SIGNS = { " ": "·", "\n": "↵" };
const called = (c) => NAMES[c] ?? c, sign = (c) => SIGNS[c] ?? c;

const STYLE = `
.zh-form-two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: .8rem 1.2rem; align-items: start; }
.zh-form-heads { display: grid; gap: .3rem; }
.zh-lab .zh-form-heads button { padding: .2rem; border-color: var(--zh-line); line-height: 1.1; text-align: left; overflow: hidden; }
.zh-lab .zh-form-heads button[aria-pressed=true] { background: var(--zh-paper); color: inherit; box-shadow: inset 0 0 0 3px var(--zh-orange); }
.zh-form-heads canvas { display: block; width: 100%; aspect-ratio: 1; image-rendering: pixelated; }
.zh-form-heads small { font-size: .75rem; white-space: nowrap; }
.zh-lab .zh-form-matrix { display: block; width: 100%; max-width: 27rem; cursor: pointer; }
.zh-lab .zh-form-loss { display: block; width: 100%; max-width: 32rem; }
.zh-form-text { font: 1rem/1.8 ui-monospace, monospace; margin: .3rem 0; cursor: pointer; overflow-wrap: anywhere; }
.zh-form-text i { font-style: normal; padding: .1rem .05rem; }
.zh-form-text i[data-at] { outline: 2px solid var(--zh-orange); outline-offset: -1px; }
.zh-lab .zh-form-note { margin: .2rem 0; font-size: .92rem; }
.zh-lab .zh-form-title { margin: .6rem 0 .2rem; }
.zh-lab details { margin: .4rem 0; } .zh-lab summary { min-height: 44px; padding: .6rem 0; cursor: pointer; }
`;

/** The places that a kind of head looks at: (text, row, place) -> is it one? As zh.labs.forming.shares. */
const KINDS = [
  ["itself", "itself", (t, i, j) => j === i],
  ["previous", "the previous character", (t, i, j) => j === i - 1],
  ["first", "the first character", (t, i, j) => j === 0],
  ["same", "the same character earlier", (t, i, j) => j < i && t[j] === t[i]],
  ["after", "what followed the same character", (t, i, j) => j > 0 && j < i && t[j - 1] === t[i]],
  ["spaces", "earlier spaces and line ends", (t, i, j) => j < i && /\s/.test(t[j])],
];

/** Of a head's rows, the first one aside: the mean share of each kind, what it would be if all places
    counted alike, and the part of the places in sight over which it spreads (exp of its entropy). */
function shares(text, rows) {
  const n = rows.length - 1, t = [...text], mean = (f) => rows.slice(1).reduce((sum, w, k) => sum + f(w, k + 1), 0) / n;
  return { share: KINDS.map(([, , is]) => mean((w, i) => w.reduce((sum, x, j) => sum + (is(t, i, j) ? x : 0), 0))),
    even: KINDS.map(([, , is]) => mean((w, i) => w.filter((_, j) => is(t, i, j)).length / (i + 1))),
    spread: mean((w, i) => Math.exp(-w.reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0)) / (i + 1)) };
}

/** What a head prefers, in a word: the kind that has most beyond its even share, if that is a tenth at least. */
function word({ share, even, spread }) {
  const gain = share.map((v, k) => v - even[k]), best = gain.indexOf(Math.max(...gain));
  return gain[best] >= PREFERS ? KINDS[best][0] : spread > EVEN ? "even" : "mixed";
}

/** packed -> rows(text, moment, layer, head): the weights, a list for each character that reads. */
function weights({ prompts, layers, heads, weights: all }) {
  const value = {};
  [...DIGITS].forEach((c, i) => { value[c] = (i / 63) ** 2; });
  return (text, moment, layer, head) => {
    const n = [...prompts[text]].length, rows = [];
    let at = ((moment * layers + layer) * heads + head) * n * (n + 1) / 2;
    for (let i = 0; i < n; i++) {
      const row = [...all[text].slice(at, at += i + 1)].map((c) => value[c]), sum = row.reduce((a, b) => a + b);
      rows.push(row.map((v) => v / sum));
    }
    return rows;
  };
}

function lab(root, model, data) {
  const s = state(model, START), { prompts, layers, heads, steps, losses, held, without } = data, rows = weights(data), end = steps.at(-1);
  const whole = (key, low, high) => Math.round(within(s.get(key), low, high, low));
  const now = () => {
    const text = whole("text", 0, prompts.length - 1), n = [...prompts[text]].length;
    return { moment: steps.indexOf(nearest(steps, s.get("step"), end)), text, layer: whole("layer", 1, layers) - 1, head: whole("head", 1, heads) - 1, n, place: (whole("place", 0, n) || n) - 1 };
  };
  let shown = null; // the moment on the screen while it plays
  const step = el("output"), texts = select(prompts.map((p, i) => [i, p.replaceAll("\n", "↵")]), (text) => s.set({ text, place: 0 }), { "aria-label": "text" });
  const moments = player(root, { at: () => shown ?? now().moment, last: () => steps.length - 1, words: "One moment", pause: PAUSE,
    look: (k) => { shown = k; draw(false); }, keep: (k) => { shown = null; s.set({ step: steps[k] }); } });
  const ink = getComputedStyle(root).getPropertyValue("--zh-blue").match(/[\da-f]{2}/gi)?.map((v) => parseInt(v, 16)) ?? [47, 127, 214];

  // heads: a small picture of each
  let focus = 0;
  const box = el("div", { class: "zh-form-heads", role: "group", "aria-label": "Heads by layer", style: `grid-template-columns:repeat(${heads},minmax(44px,1fr))` });
  const tiles = Array.from({ length: layers * heads }, (_, k) => {
    const canvas = el("canvas"), label = el("span"), node = button([canvas, el("small", null, `${Math.floor(k / heads) + 1}.${k % heads + 1}`, el("br"), label)], () => s.set({ layer: Math.floor(k / heads) + 1, head: k % heads + 1 }), { onfocus: () => { focus = k; tabs(); } });
    box.append(node);
    return { node, canvas, label };
  });
  const tabs = () => tiles.forEach(({ node }, k) => node.setAttribute("tabindex", k === focus ? 0 : -1));
  box.addEventListener("keydown", (event) => {
    const to = { ArrowRight: focus + 1, ArrowLeft: focus - 1, ArrowDown: focus + heads, ArrowUp: focus - heads, Home: 0, End: tiles.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // the arrows scrub the training elsewhere in the lab
    tiles[to]?.node.focus();
  });

  // the matrix of one head, the text, the losses
  const title = el("strong"), picture = svg("svg", { class: "zh-form-matrix", role: "img", onclick: (event) => {
    const { top, height } = picture.getBoundingClientRect(), i = Math.floor((event.clientY - top) / height * (now().n + 1.5) - 1.5);
    if (i >= 0) s.set({ place: Math.min(now().n, i + 1) });
  } });
  const line = el("p", { class: "zh-form-text", onclick: (event) => { const i = event.target.dataset?.i; if (i) s.set({ place: Number(i) + 1 }); } });
  const spot = el("input", { type: "range", min: 1, step: 1, "aria-label": "Character that looks", oninput: () => s.set({ place: Number(spot.value) }) });
  const told = el("output"), looks = el("p", { class: "zh-form-note" }), does = el("p"), chart = svg("svg", { class: "zh-form-loss", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
  const body = el("tbody"), columns = ["head", ...KINDS.map(([name]) => name), "spread", ...(without.length ? ["without it"] : [])];
  const numbers = el("details", { ontoggle: () => draw(false) }, el("summary", null, "The same as numbers"), scroller("What every head does at this moment",
    el("table", null, el("thead", null, el("tr", null, columns.map((name) => el("th", { scope: "col" }, name)))), body)));
  moments.row.append(step);
  root.append(el("style", null, STYLE), field("text", texts), moments.row, does);
  const say = announcer(root);
  root.append(el("div", { class: "zh-form-two" }, el("div", null, el("p", { class: "zh-form-title" }, el("strong", null, "Every head, layer.head")), box, el("p", { class: "zh-form-note" }, "The word: where a head puts a tenth of its weight or more beyond what would be there if all it sees counted alike.")), el("div", null, el("p", { class: "zh-form-title" }, title), picture, el("p", { class: "zh-form-note" }, "A row is a character that looks, a column one that it looks at; shade: the root of the weight."))),
    field("place", el("span", { class: "zh-pair" }, spot, told)), line, looks, el("p", { class: "zh-form-title" }, el("strong", null, "Loss")), chart, numbers);
  let cells = [], made = -1, outline;

  function matrix(text) { // the cells, made anew for another text
    const chars = [...prompts[text]], n = chars.length, side = (n + 1.5) * CELL;
    picture.setAttribute("viewBox", `0 0 ${side} ${side}`);
    const letter = (x, y, c) => svg("text", { x, y, "text-anchor": "middle", "font-size": 12, "aria-hidden": "true" }, sign(c));
    cells = chars.map((_, i) => chars.slice(0, i + 1).map((_, j) => svg("rect", { x: (j + 1.5) * CELL, y: (i + 1.5) * CELL, width: CELL, height: CELL, fill: color.blue })));
    outline = svg("rect", { x: 1.5 * CELL, height: CELL, fill: "none", stroke: color.orange, "stroke-width": 2 });
    picture.replaceChildren(...chars.map((c, i) => letter((i + 2) * CELL, CELL, c)), ...chars.map((c, i) => letter(CELL * 0.6, (i + 2.3) * CELL, c)),
      svg("path", { d: `M${1.5 * CELL} ${1.5 * CELL}V${side}H${side}Z`, fill: "none", stroke: color.ink, "stroke-opacity": 0.3 }), ...cells.flat(), outline);
    line.replaceChildren(...chars.map((c, i) => el("i", { "data-i": i }, sign(c))));
    spot.max = n;
    made = text;
  }

  function tile({ node, canvas, label }, k, t, read, found) {
    canvas.width = canvas.height = t.n;
    const context = canvas.getContext("2d"), image = context.createImageData(t.n, t.n);
    read.forEach((row, i) => row.forEach((w, j) => image.data.set([...ink, Math.round(255 * Math.sqrt(w))], 4 * (i * t.n + j))));
    context.putImageData(image, 0, 0);
    label.textContent = word(found);
    node.setAttribute("aria-pressed", k === t.layer * heads + t.head);
  }

  function curve(t, k) {
    const lost = without.map((row, i) => held[i] + row[k]), values = [...losses, ...held, ...lost].filter((v) => v !== null);
    const low = Math.min(...values), high = Math.max(...values), x = (i) => LEFT + (RIGHT - LEFT) * i / (steps.length - 1), y = (v) => BOTTOM - (BOTTOM - TOP) * (v - low) / (high - low || 1);
    const path = (list, more) => list.length && svg("path", { d: list.map((v, i) => (v === null ? "" : `${i && list[i - 1] !== null ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`)).join(""), fill: "none", "stroke-width": 2, ...more });
    const text = (x, y, words, more) => svg("text", { x, y, "font-size": 13, ...more }, words);
    chart.replaceChildren(...[svg("path", { d: `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}`, fill: "none", stroke: color.ink, "stroke-opacity": 0.4 }),
      svg("path", { d: `M${x(t.moment)} ${TOP - 6}V${BOTTOM + 4}`, stroke: color.ink, "stroke-width": 2, "data-step": steps[t.moment] }),
      path(losses, { stroke: color.muted, "stroke-dasharray": "4 3" }), path(lost, { stroke: color.orange, "data-line": "without" }), path(held, { stroke: color.blue, "data-line": "held" }),
      ...[["training", { stroke: color.muted, "stroke-dasharray": "4 3" }, true, 84], ["unseen text", { stroke: color.blue }, held.length, 106], ["without this head", { stroke: color.orange }, without.length, 140]].filter(([, , there]) => there)
        .flatMap(([words, more, , wide], i, all) => { // a piece of the line, and its name
          const x = LEFT + all.slice(0, i).reduce((sum, [, , , w]) => sum + w, 0);
          return [svg("path", { d: `M${x} ${TOP - 16}h16`, fill: "none", "stroke-width": 2, ...more }), text(x + 20, TOP - 12, words)];
        }),
      ...[low, high].map((v) => text(LEFT - 4, y(v) + 4, v.toFixed(1), { "text-anchor": "end" })),
      ...steps.map((v, i) => ((i % 4 === 0 && i < steps.length - 2) || i === steps.length - 1 ? text(x(i), BOTTOM + 20, v, { "text-anchor": i === 0 ? "start" : i === steps.length - 1 ? "end" : "middle" }) : ""))].filter(Boolean));
    chart.setAttribute("aria-label", `Loss by step, after ${steps[t.moment]}: ${[losses[t.moment] !== null && `training ${losses[t.moment].toFixed(2)}`, held.length && `unseen text ${held[t.moment].toFixed(2)}`,
      lost.length && `without this head ${lost[t.moment].toFixed(2)}`].filter(Boolean).join(", ")}.`);
    return lost[t.moment];
  }

  function draw(spoken = true) {
    const t = now(), chars = [...prompts[t.text]], k = t.layer * heads + t.head;
    if (shown !== null) t.moment = shown;
    if (made !== t.text) matrix(t.text);
    const all = tiles.map((_, i) => rows(t.text, t.moment, Math.floor(i / heads), i % heads)), found = all.map((r) => shares(prompts[t.text], r));
    tiles.forEach((each, i) => tile(each, i, t, all[i], found[i]));
    const row = all[k][t.place], most = Math.max(...row), name = `Layer ${t.layer + 1}, head ${t.head + 1}`;
    cells.forEach((list, i) => list.forEach((cell, j) => { cell.setAttribute("fill-opacity", Math.sqrt(all[k][i][j]).toFixed(3)); }));
    outline.setAttribute("y", (t.place + 1.5) * CELL);
    outline.setAttribute("width", (t.place + 1) * CELL);
    [...line.children].forEach((mark, i) => {
      mark.style.background = i < row.length ? `color-mix(in srgb, ${color.blue} ${Math.round(50 * row[i] / most)}%, transparent)` : "";
      mark.toggleAttribute("data-at", i === t.place);
      if (i < row.length) mark.dataset.w = row[i]; else delete mark.dataset.w;
    });
    texts.value = t.text;
    spot.value = t.place + 1;
    spot.setAttribute("aria-valuetext", `${t.place + 1}, ${called(chars[t.place])}`);
    told.textContent = `${t.place + 1} of ${t.n}: ${sign(chars[t.place])}`;
    step.textContent = `after ${steps[t.moment]} of ${end} steps`;
    moments.show(t.moment, `after ${steps[t.moment]} steps`);
    title.textContent = `${name}, after ${steps[t.moment]} steps`;
    const { share, even, spread } = found[k], order = [...share.keys()].sort((a, b) => share[b] - even[b] - share[a] + even[a]);
    const part = (i) => `${percent(share[i])} on ${KINDS[i][1]} (${percent(even[i])} if all counted alike)`, lost = curve(t, k), more = without.length && without[t.moment][k];
    const summary = `${name}: ${part(order[0])}, ${part(order[1])}; it spreads over ${percent(spread)} of what it sees.`;
    const missing = without.length ? ` Without it the loss on unseen text is ${lost.toFixed(3)} instead of ${held[t.moment].toFixed(3)}, ${more < 0 ? "−" : "+"}${Math.abs(more).toFixed(3)}.` : "";
    does.textContent = summary + missing;
    picture.setAttribute("aria-label", `Weights of ${name.toLowerCase()}, ${t.n} characters. ${summary}`);
    const best = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3);
    looks.textContent = `From ${called(chars[t.place])}, place ${t.place + 1}, it looks most at ${best.map((j) => `${called(chars[j])} (place ${j + 1}, ${percent(row[j])})`).join(", ")}.`;
    if (numbers.open) body.replaceChildren(...found.map((f, i) => el("tr", null, el("th", { scope: "row" }, `${Math.floor(i / heads) + 1}.${i % heads + 1}`),
      f.share.map((v) => el("td", null, percent(v))), el("td", null, percent(f.spread)), without.length ? el("td", null, without[t.moment][i].toFixed(3).replace("-", "−")) : "")));
    const words = found.map(word), count = [...new Set(words)].map((w) => `${words.filter((v) => v === w).length} ${w}`);
    if (spoken) say(`After ${steps[t.moment]} steps, of ${tiles.length} heads: ${count.join(", ")}.`);
  }

  tabs();
  draw();
  s.on(() => { if (!moments.playing()) shown = null; draw(!moments.playing()); });
  return () => { moments.off(); s.off(); root.replaceChildren(); };
}

export default {
  weights, shares, word,
  async render({ model, el: root }) { return lab(root, model, await load(model)); },
};
