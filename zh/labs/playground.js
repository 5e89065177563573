import { el, svg, button, field, slider, announcer, scroller, data as load, state, within, ticks, rng, draw as pick, percent, color, still } from "./base.js";
import { network, begin, probabilities } from "./network.js";

/* A trained GPT of characters, run in the page: it reads a prompt and writes on; what it expects next,
   where each head looks, how surprised it was.  data, from zh.labs.playground.pack:
   { config, characters, tensors: {name: {shape, f32} or {shape, bits, int, scale}} }
   State: prompt, temperature, top_k (0: all), top_p (1: all), seed. kilobytes: what the data weighs. */

const LONGEST = 400, MOST = 5000, WRITE = 300, SHOWN = 12, SLICE = 12, REST = 200, BITS = 8; // SLICE, REST in ms
const START = { prompt: "The ", temperature: 0.8, top_k: 0, top_p: 1, seed: 1, kilobytes: 0 };
const KEEP = [1, 2, 3, 5, 10, 20, 50, 0], SHARES = ticks(0, 1, 20).slice(1);

const STYLE = `
.zh-play-prompt { display: block; width: 100%; min-height: 44px; height: 4.2rem; padding: .4rem .6rem; font: 1rem/1.4 ui-monospace, monospace; color: inherit;
  background: var(--zh-paper); border: 1px solid currentColor; border-radius: .25rem; resize: vertical; }
.zh-lab .zh-play-tall { display: block; margin-bottom: .4rem; }
.zh-play-text { font: 1rem/1.7 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--zh-line); border-radius: .25rem; padding: .5rem .6rem;
  margin: .5rem 0; min-height: 4rem; max-height: 20rem; overflow-y: auto; cursor: pointer; }
.zh-play-text i { font-style: normal; border-bottom: 3px solid transparent; padding-bottom: 1px; }
.zh-play-text i[data-given] { font-weight: 700; }
.zh-play-text i[data-at] { outline: 2px solid var(--zh-orange); outline-offset: -1px; }
.zh-play-text .zh-play-old { color: var(--zh-muted); }
.zh-lab .zh-play-note { margin: .2rem 0; font-size: .92rem; }
.zh-lab .zh-play-title { margin: 1rem 0 .2rem; }
.zh-lab .zh-play-bars button { padding-left: 6px; background: linear-gradient(to top, var(--zh-ink) var(--q), transparent var(--q)) left / 5px 100% no-repeat,
  linear-gradient(to top, color-mix(in srgb, var(--zh-blue) 38%, transparent) var(--p), transparent var(--p)), var(--zh-paper); }
.zh-play-heads { display: grid; gap: .2rem; max-width: 34rem; }
.zh-lab .zh-play-heads button { padding: .1rem .25rem; height: 52px; border-color: var(--zh-line); line-height: 1; }
.zh-play-heads small { display: block; font-size: .75rem; text-align: left; }
.zh-play-heads svg { display: block; width: 100%; height: 28px; }
.zh-lab details { margin: .4rem 0; } .zh-lab summary { min-height: 44px; padding: .6rem 0; cursor: pointer; }
.zh-play-sides { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.zh-play-sides th { font-weight: 400; }
`;

/** A text that a network reads and that grows: as zh.gpt reads it, all of it or the window's part. */
function reader(packed) {
  const net = network(packed), { block } = packed.config;
  let ids = [], bits = [], start = 0; // bits: how surprising each character was when it was read first
  const surprise = (i) => { bits[i] ??= -Math.log2(probabilities(net.logits(i - 1 - start))[ids[i]]); };
  const move = (same) => { // of the new text so many characters are as they were
    const here = begin(ids.length, block);
    net.rewind(here === start ? Math.max(0, same - start) : 0);
    start = here;
  };
  return {
    net, start: () => start, ids: () => ids, bits: () => bits, pending: () => ids.length - start - net.length(),
    /** Read another text; what it has in common with this one is not read again. */
    set(text) {
      let same = 0;
      while (same < text.length && text[same] === ids[same]) same++;
      ids = [...text]; bits.length = same;
      move(same);
    },
    /** One more character, when all is read. */
    add(id) { ids.push(id); surprise(ids.length - 1); move(ids.length - 1); },
    step() {
      net.feed(ids[start + net.length()]);
      if (net.length() + start < ids.length) surprise(net.length() + start);
    },
    logits: (i) => net.logits(i - start),
  };
}

// ---------------------------------------------------------------------------
// The page

const NAMES = { " ": "space", "\n": "new line" }, SIGNS = { " ": "␣", "\n": "↵" };
const called = (c) => NAMES[c] ?? c, sign = (c) => SIGNS[c] ?? c;

/** Buttons with one tab stop; the arrow keys go from one to the next, `columns()` in a row. */
function roving(node, buttons, columns) {
  let focus = 0;
  const tabs = () => buttons.forEach((b, i) => b.setAttribute("tabindex", i === focus ? 0 : -1));
  buttons.forEach((b, i) => b.addEventListener("focus", () => { focus = i; tabs(); }));
  node.addEventListener("keydown", (event) => {
    const to = { ArrowRight: focus + 1, ArrowLeft: focus - 1, ArrowDown: focus + columns(), ArrowUp: focus - columns(), Home: 0, End: buttons.length - 1 }[event.key];
    if (!buttons[to] || buttons[to].hidden) return;
    event.preventDefault();
    buttons[to].focus();
  });
  tabs();
}

function lab(root, model) {
  const s = state(model, START);
  let packed, letters, text, given = 1, left = 0, place = null, frame = 0, random, chosen = [0, 0];
  let begun = 0, written = 0, busy = 0, arrived = 0, said = "", drawnAt = 0, oldest = null;
  const settings = () => ({ temperature: within(s.get("temperature"), 0, 2, START.temperature),
    top_k: Math.round(within(s.get("top_k"), 0, packed ? packed.config.vocab : 1e4, 0)), top_p: within(s.get("top_p"), 0.01, 1, 1) });
  const seed = () => Math.floor(within(s.get("seed"), 0, 2 ** 32 - 1, START.seed)), typed = () => String(s.get("prompt")).replaceAll("\r", "").slice(0, LONGEST);

  // controls
  const box = el("textarea", { class: "zh-play-prompt", maxlength: LONGEST, spellcheck: "false", autocapitalize: "none", autocomplete: "off", oninput: () => s.set({ prompt: box.value }) });
  const heat = slider("temperature", ticks(0, 2, 10), (temperature) => s.set({ temperature }));
  const keep = slider("top k", KEEP, (top_k) => s.set({ top_k })), share = slider("top p", SHARES, (top_p) => s.set({ top_p }));
  const dice = el("input", { type: "number", min: 0, max: 2 ** 32 - 1, step: 1, style: "width:7rem", onchange: () => s.set({ seed: seed() === Number(dice.value) ? seed() : Math.floor(within(dice.value, 0, 2 ** 32 - 1, 0)) }) });
  const size = Math.round(within(s.get("kilobytes"), 0, 1e5, 0));
  const go = button("", () => (!packed ? fetchModel() : left ? stop() : write(WRITE)));
  const one = button("One character", () => write(1)), back = button("Back to the prompt", () => { last = {}; changed(); }), again = button("Another try", () => { s.set({ seed: seed() + 1 }); write(WRITE); });
  const clear = button("Clear", () => { s.set({ prompt: "" }); box.focus(); });
  const more = el("div"), note = el("p", { class: "zh-play-note" });
  root.append(el("style", null, STYLE), el("label", { class: "zh-play-tall" }, el("span", null, "Prompt"), box),
    el("div", { class: "zh-row" }, heat.box, keep.box, share.box, field("seed", dice)), el("div", { class: "zh-row" }, go, one, back, again, clear), note);
  const say = announcer(root);
  root.append(more);

  // what is seen of the text
  const lines = el("div", { class: "zh-play-text", role: "group", "aria-label": "The text", tabindex: 0, onclick: (event) => { const i = event.target.dataset?.i; if (i) look(Number(i)); },
    onkeydown: (event) => { const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]; if (by) { event.preventDefault(); look(at() + by); } } });
  const old = el("span", { class: "zh-play-old" }), now = el("span"), legend = el("p", { class: "zh-play-note" }), told = el("output");
  lines.append(old, now);
  const spot = el("input", { type: "range", step: 1, "aria-label": "Character that reads", oninput: () => look(Number(spot.value)) });
  const bars = Array.from({ length: SHOWN }, (_, rank) => button([el("span"), " ", el("small")], () => choose(rank)));
  const barBox = el("div", { class: "zh-letters zh-play-bars", role: "group", "aria-label": "Choose the next character" }, bars), nextTitle = el("strong");
  const barNote = el("p", { class: "zh-play-note" }, "Blue, and the number: what is drawn from, at this temperature, top k and top p. The edge at the left: what the model itself says.");
  roving(barBox, bars, () => bars.filter((b) => b.offsetTop === bars[0].offsetTop).length);
  const headBox = el("div", { class: "zh-play-heads", role: "group", "aria-label": "Heads by layer" }), headTitle = el("strong", null, "Where the heads look: layer.head, each to its own scale"), looks = el("p", { class: "zh-play-note" });
  const nextRows = el("tbody"), textRows = el("tbody"), weightName = el("th", { scope: "col" });
  const head = (...names) => el("thead", null, el("tr", null, names.map((name) => (name.nodeType ? name : el("th", { scope: "col" }, name)))));
  const table = el("details", { ontoggle: () => tables() }, el("summary", null, "The same as numbers"),
    scroller("Numbers of the next character and of the text", el("div", { class: "zh-play-sides" }, el("table", null, head("next", "model", "drawn from"), nextRows),
      el("table", null, head("place", "read", "bits", weightName), textRows))));
  let heads = [], ranks = [];

  const end = () => text.start() + text.net.length() - 1; // the last character that was read
  const at = () => (place === null ? end() : Math.max(text.start(), Math.min(place, end())));
  const c = (id) => letters[id], plain = (ids) => ids.map(c).join(""), quote = (word) => `“${word}”`;

  async function fetchModel() {
    if (!go.disabled) {
      go.disabled = true;
      say("Loading the model.");
      try { packed = await load(model); } catch { packed = null; }
      go.disabled = false;
      if (!packed) { say("The model did not load. Press the button to try again."); return; }
      arrived = drawnAt = performance.now();
      letters = [...packed.characters];
      text = reader(packed);
      const { layers, heads: wide } = packed.config;
      headBox.style.gridTemplateColumns = `repeat(${wide}, minmax(44px, 1fr))`;
      heads = Array.from({ length: layers * wide }, (_, k) => button([el("small", null, `${Math.floor(k / wide) + 1}.${k % wide + 1}`), svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { fill: "currentColor" }))],
        () => { chosen = [Math.floor(k / wide), k % wide]; draw(); }));
      headBox.append(...heads);
      roving(headBox, heads, () => wide);
      more.append(lines, field("place", el("span", { class: "zh-pair" }, spot, told)), legend, el("p", { class: "zh-play-title" }, nextTitle), barNote, barBox, el("p", { class: "zh-play-title" }, headTitle), headBox, looks, table);
      changed();
      write(WRITE);
    }
  }

  // reading and writing, a slice of time a frame
  function run() {
    cancelAnimationFrame(frame);
    frame = 0;
    const from = performance.now();
    do {
      if (text.pending()) text.step();
      else if (left) {
        const ids = text.ids();
        text.add(pick(probabilities(text.logits(ids.length - 1), settings()), random()));
        written++;
        if (--left && text.ids().length >= MOST) { left = 0; said = "That is long enough: Clear, or another try, begins again. "; }
      } else break;
    } while (performance.now() - from < SLICE);
    const to = performance.now(), rest = !left && !text.pending();
    busy += to - from;
    lines.setAttribute("aria-busy", !rest);
    if ((rest || !still()) && !(arrived && !written)) draw(rest || to - drawnAt > REST); // the first character comes first
    if (written && arrived) { root.dataset.first = performance.now() - arrived; arrived = 0; }
    if (!rest) { frame = requestAnimationFrame(() => (root.isConnected ? run() : stop())); return; }
    buttons();
    const p = probabilities(text.logits(text.ids().length - 1), settings()), best = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, 3).filter((i) => p[i] > 0);
    const next = `Next: ${best.map((i) => `${called(c(i))} ${percent(p[i])}`).join(", ")}.`;
    if (written) {
      const rate = 1000 * written / (to - begun);
      Object.assign(root.dataset, { rate, busy: 1000 * written / busy });
      say(`${said}${written === 1 ? `Wrote ${called(c(text.ids().at(-1)))}.` : `Wrote ${written} characters, ${Math.round(rate)} a second: ${quote(plain(text.ids().slice(-Math.min(60, written))).replaceAll("\n", " ↵ "))}.`} ${next}`);
    } else say(said + next);
    written = busy = 0;
    said = "";
  }
  function write(count) {
    if (!packed) return;
    if (text.ids().length >= MOST) { say("That is long enough: Clear, or another try, begins again."); return; }
    place = null;
    begun = performance.now();
    written = busy = 0;
    left = count;
    buttons();
    run();
  }
  function stop() { left = 0; run(); }
  function buttons() {
    go.textContent = !packed ? `Load the model${size ? `, ${size} kB,` : ""} and write` : left > 1 ? "Stop" : text.ids().length > given ? "Write on" : "Write";
    for (const b of [one, back, again, clear]) b.hidden = !packed;
  }
  function look(i) { place = i >= end() ? null : Math.max(text.start(), i); if (left) stop(); else draw(); tellPlace(); }
  function tellPlace() { const i = at(); say(`Place ${i + 1}, ${called(c(text.ids()[i]))}. ${looks.textContent}`); }
  function choose(rank) {
    const id = ranks[rank], i = at(), before = text.ids().slice(0, i + 1), cutShort = i + 1 < text.ids().length;
    left = 0;
    said = `${cutShort ? "The text goes on from there with" : "Chosen:"} ${called(c(id))}. `;
    place = null;
    text.set([...before, id]);
    if (before.length < given) { // what is given is cut too
      given = before.length;
      last = { ...last, prompt: plain(before) };
      s.set({ prompt: last.prompt });
    } else run();
  }

  /** The prompt, the seed or a setting is another one: by hand, by the address. */
  let last = {};
  function changed() {
    const t = { prompt: typed(), seed: seed() };
    if (box.value.replaceAll("\r", "") !== t.prompt) box.value = t.prompt;
    const { temperature, top_k, top_p } = settings();
    heat.show(temperature, String(Number(temperature.toFixed(2))), temperature === 0 ? "0, always the likeliest" : undefined);
    keep.show(top_k, top_k ? String(top_k) : "all");
    share.show(top_p, top_p < 1 ? String(Number(top_p.toFixed(2))) : "all");
    if (Number(dice.value) !== t.seed || dice.value === "") dice.value = t.seed;
    buttons();
    if (!packed) return;
    if (t.prompt !== last.prompt || t.seed !== last.seed) {
      last = t;
      random = rng(t.seed);
      left = 0; place = null; written = 0;
      const all = [...t.prompt], ids = all.map((x) => letters.indexOf(x)), odd = [...new Set(all.filter((_, i) => ids[i] < 0))];
      const known = ids.filter((i) => i >= 0), first = Math.max(0, letters.indexOf("\n"));
      note.textContent = (odd.length ? `Left out, because the model does not know ${odd.length > 1 ? "them" : "it"}: ${odd.slice(0, 8).map(quote).join(", ")}${odd.length > 8 ? " and more" : ""}. ` : "")
        + (known.length ? "" : `Nothing to read: the text begins with ${letters[first] === "\n" ? "a new line" : quote(letters[first])}. `);
      said = note.textContent;
      text.set(known.length ? known : [first]);
      given = text.ids().length;
    }
    run();
  }

  // drawing
  function draw(all = true) {
    const ids = text.ids(), start = text.start(), bits = text.bits(), i = at(), known = i >= start;
    if (all) drawnAt = performance.now();
    const w = known ? text.net.weights(...chosen, i - start) : [], most = Math.max(...w, 1e-9);
    if (oldest !== start || !start) { oldest = start; old.textContent = plain(ids.slice(0, start)).replaceAll(" ", "·\u200b").replaceAll("\n", "↵\n"); }
    now.replaceChildren(...ids.slice(start).flatMap((id, k) => {
      const j = start + k, letter = c(id), mark = el("i", { "data-i": j, "data-given": j < given, "data-at": j === i && !left },
        letter === " " ? "·" : letter === "\n" ? "↵" : letter);
      if (k < w.length && !left) { mark.style.background = `color-mix(in srgb, ${color.blue} ${Math.round(50 * w[k] / most)}%, transparent)`; mark.dataset.w = w[k]; }
      if (bits[j] > 0) { mark.style.borderColor = `color-mix(in srgb, ${color.orange} ${Math.round(Math.min(100, 100 * bits[j] / BITS))}%, transparent)`; mark.dataset.bits = bits[j]; }
      return letter === "\n" ? [mark, "\n"] : letter === " " ? [mark, el("wbr")] : [mark];
    }));
    if (place === null) lines.scrollTop = lines.scrollHeight;
    if (!all || !known) return;
    spot.min = start; spot.max = end(); spot.value = i;
    spot.setAttribute("aria-valuetext", `${i + 1}, ${called(c(ids[i]))}`);
    told.textContent = `${i + 1} of ${ids.length}: ${sign(c(ids[i]))}`;
    const counted = ids.map((_, j) => bits[j]).filter((b) => b >= 0), mean = counted.reduce((a, b) => a + b, 0) / counted.length;
    legend.textContent = `Bold: given. Blue: where head ${chosen[0] + 1}.${chosen[1] + 1} looks from the outlined character. Orange lines: surprise, ${BITS} bits and more at full strength`
      + (counted.length ? `; ${mean.toFixed(2)} bits a character on average. ` : ". ")
      + (start ? `The model reads ${packed.config.block} characters at most; of these ${ids.length} it reads the last ${ids.length - start}.` : "");
    const own = probabilities(text.logits(i)), p = probabilities(text.logits(i), settings());
    ranks = [...own.keys()].sort((a, b) => own[b] - own[a]).slice(0, SHOWN);
    const top = Math.max(...p, ...own);
    nextTitle.textContent = i === end() ? "What comes next: choose it yourself" : `What it expected after place ${i + 1}: choose, and the text goes on from there`;
    bars.forEach((bar, rank) => {
      const id = ranks[rank];
      bar.hidden = id === undefined;
      if (bar.hidden) return;
      bar.firstElementChild.textContent = sign(c(id));
      bar.lastElementChild.textContent = percent(p[id]);
      bar.setAttribute("aria-label", `${called(c(id))} ${percent(p[id])}, the model's own ${percent(own[id])}`);
      bar.style.setProperty("--p", 100 * p[id] / top + "%");
      bar.style.setProperty("--q", 100 * own[id] / top + "%");
      Object.assign(bar.dataset, { id, p: p[id], own: own[id] });
      if (ids[i + 1] === id) bar.setAttribute("aria-current", "true"); else bar.removeAttribute("aria-current");
    });
    heads.forEach((node, k) => {
      const mine = [Math.floor(k / packed.config.heads), k % packed.config.heads], v = text.net.weights(...mine, i - start), high = Math.max(...v), wide = 100 / v.length;
      node.querySelector("path").setAttribute("d", Array.from(v, (x, j) => `M${(j * wide).toFixed(2)} 1v${(-x / high).toFixed(3)}h${(0.85 * wide).toFixed(2)}V1Z`).join(""));
      const on = mine[0] === chosen[0] && mine[1] === chosen[1], place = v.indexOf(high);
      node.setAttribute("aria-pressed", on);
      node.setAttribute("aria-label", `Layer ${mine[0] + 1}, head ${mine[1] + 1}: most on ${called(c(ids[start + place]))}, ${percent(high)}`);
    });
    const first = [...w.keys()].sort((a, b) => w[b] - w[a]).slice(0, 3);
    looks.textContent = `Layer ${chosen[0] + 1}, head ${chosen[1] + 1} looks most at ${first.map((j) => `${called(c(ids[start + j]))} (${j === i - start ? "itself" : j === i - start - 1 ? "one back" : `${i - start - j} back`}, ${percent(w[j])})`).join(", ")}.`;
    tables();
  }
  function tables() {
    if (!table.open || left) return;
    const ids = text.ids(), start = text.start(), i = at(), w = text.net.weights(...chosen, i - start), own = probabilities(text.logits(i)), p = probabilities(text.logits(i), settings());
    nextRows.replaceChildren(...ranks.map((id) => el("tr", null, el("th", { scope: "row" }, called(c(id))), el("td", null, percent(own[id])), el("td", null, percent(p[id])))));
    weightName.textContent = `weight ${chosen[0] + 1}.${chosen[1] + 1}`;
    textRows.replaceChildren(...ids.slice(start).map((id, k) => el("tr", null, el("th", { scope: "row" }, start + k + 1), el("td", null, called(c(id))),
      el("td", null, text.bits()[start + k] >= 0 ? text.bits()[start + k].toFixed(2) : ""), el("td", null, k < w.length ? percent(w[k]) : ""))));
  }

  changed();
  s.on(changed);
  return () => { left = 0; cancelAnimationFrame(frame); s.off(); root.replaceChildren(); };
}

export default {
  reader, probabilities,
  render({ model, el: root }) { return lab(root, model); },
};
