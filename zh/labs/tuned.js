import { el, button, field, nameBox, slider, state, within, announcer, scroller, data as load, ticks, rng, draw as pick, letters as az, percent } from "./base.js";
import { network, probabilities } from "./network.js";

/* Several GPTs that answer one request, side by side; the page says whether an answer ends as asked and
   what the rater of zh.post_training.taste would give.  data, from zh.labs.tuned.pack:
   { given, longest, taste: {asked, turns, off, again}, models: [{ name, config, characters, tensors }] }
   State: letter, temperature, seed, kilobytes (what the data weighs). */

const SHOWN = 6, DRAWN = 40, SLICE = 12; // answers shown and drawn of each model; ms a frame

/** Where an answer stands with the program and with the rater. */
function judge(letter, answer, ended, weigh) {
  const vowel = [...answer].map((c) => "aeiouy".includes(c)), turns = vowel.filter((v, i) => i && v !== vowel[i - 1]).length;
  const asked = +(ended && answer.length > 0 && answer.endsWith(letter));
  const points = weigh.asked * asked + weigh.turns * turns / Math.max(1, answer.length - 1) - weigh.off * Math.abs(answer.length - 6) - weigh.again * (answer.length - new Set(answer).size);
  return { asked, points };
}

/** One answer of a network to a request. */
function answer(net, packed, letter, random, { given, longest }, temperature) {
  const chars = packed.characters;
  net.rewind(0);
  net.feed(chars.indexOf(letter));
  net.feed(chars.indexOf(">"));
  let text = "";
  for (let i = 0; i < longest; i++) {
    const id = pick(probabilities(net.logits(net.length() - 1), { temperature }), random());
    if (chars[id] === ".") return { text, ended: true };
    text += chars[id];
    if (i + 1 < longest) net.feed(id);
  }
  return { text, ended: false };
}

export default {
  judge, answer, network,
  render({ model, el: root }) {
    const s = state(model, { letter: "m", temperature: 1, seed: 1, kilobytes: 0 });
    let packed = null, nets = [], frame = 0;
    const letter = () => az(s.get("letter"), 1) || "m", heat = () => within(s.get("temperature"), 0, 2, 1), seed = () => Math.floor(within(s.get("seed"), 0, 1e6, 1));
    const size = Math.round(within(s.get("kilobytes"), 0, 1e5, 0));
    const box = nameBox(() => { const typed = az(box.value); if (typed) s.set({ letter: typed.slice(-1) }); }, { maxlength: 4, size: 3 });
    const warmth = slider("temperature", ticks(0, 2, 10), (temperature) => s.set({ temperature }));
    const go = button("", () => (packed ? s.set({ seed: seed() + 1 }) : fetchModels()));
    const table = el("table", { style: "font-size:.95rem" }), place = scroller("Answers of every model", table);
    root.append(el("div", { class: "zh-row" }, field("a name that ends in", box), warmth.box, go), place);
    const say = announcer(root);

    async function fetchModels() {
      go.disabled = true;
      say("Loading the models.");
      try { packed = await load(model); } catch { packed = null; }
      go.disabled = false;
      if (!packed) { say("The models did not load. Press the button to try again."); return; }
      nets = packed.models.map((one) => ({ one, net: network(one) }));
      run();
    }
    function show() {
      if (box.value !== letter()) box.value = letter();
      warmth.show(heat(), heat().toFixed(1), heat() === 0 ? "0, always the likeliest" : undefined);
      go.textContent = packed ? "Answer again" : `Load the models${size ? `, ${size} kB,` : ""} and answer`;
    }
    function run() {
      cancelAnimationFrame(frame);
      show();
      if (!packed) return;
      const found = nets.map(() => []), dice = nets.map((_, i) => rng(1000 * seed() + i)), asked = letter();
      let at = 0;
      const step = () => {
        const from = performance.now();
        while (at < nets.length * DRAWN && performance.now() - from < SLICE) {
          const k = at % nets.length, { one, net } = nets[k], said = answer(net, one, asked, dice[k], packed, heat());
          found[k].push({ ...said, ...judge(asked, said.text, said.ended, packed.taste) });
          at++;
        }
        if (at < nets.length * DRAWN) { frame = requestAnimationFrame(step); return; }
        finish(found, asked);
      };
      step();
    }
    function finish(found, asked) {
      const mean = (list, key) => list.reduce((a, b) => a + b[key], 0) / list.length, kinds = found.map((list) => new Set(list.map((a) => a.text)).size / list.length);
      const head = (name) => el("th", { scope: "col" }, name);
      table.replaceChildren(el("thead", null, el("tr", null, head("model"), head(`ends in ${asked}`), head("rater"), head("different"), el("th", { scope: "col", style: "text-align:left" }, `the first ${SHOWN} answers`))),
        el("tbody", null, nets.map(({ one }, k) => el("tr", { "data-model": one.name, "data-asked": mean(found[k], "asked"), "data-points": mean(found[k], "points") }, el("th", { scope: "row", style: "text-align:left;font-weight:600;min-width:9rem" }, one.name),
          el("td", { style: "white-space:nowrap" }, percent(mean(found[k], "asked"))), el("td", null, mean(found[k], "points").toFixed(1).replace("-", "−")), el("td", null, percent(kinds[k])),
          el("td", { style: "text-align:left;white-space:nowrap" }, found[k].slice(0, SHOWN).map((a) => el("span", { class: a.asked ? "zh-ok" : "zh-no", style: "margin-right:.8rem" }, (a.text || "(nothing)") + (a.ended ? "" : "…"))))))));
      root.dataset.drawn = DRAWN;
      say(`${DRAWN} answers of each to ${asked}. Ends in ${asked}: ${nets.map(({ one }, k) => `${one.name} ${percent(mean(found[k], "asked"))}`).join(", ")}.`);
    }
    show();
    s.on(run);
    return () => { cancelAnimationFrame(frame); s.off(); root.replaceChildren(); };
  },
};
