import { el, svg, field, select, slider, announcer, state, nearest, ticks, data, color, show } from "./base.js";

/* Where the dead units of a network would fire, around the ring that it was trained on.
   data: {kicks: [...], gaps: [...], units: 200, nets: [{kick, gap, w: [[x, y, bias], ...]}, ...]},
   w of the dead units alone.  State: kick, gap, radius. */

const CELLS = 96, REACH = 4.4, SIZE = 440, TURN = 2 * Math.PI, RADII = ticks(0.5, 4, 10);

/** Share of these units that fire on average at this radius, between two parts of a turn. */
function share(w, radius, from, to) {
  if (!w.length) return 0;
  const n = 240;
  let count = 0;
  for (let k = 0; k < n; k++) {
    const a = TURN * (from + ((k + 0.5) / n) * (to - from)), x = radius * Math.cos(a), y = radius * Math.sin(a);
    for (const [u, v, b] of w) count += u * x + v * y + b > 0;
  }
  return count / n / w.length;
}

const STYLE = `
.zh-sentinels-map { position: relative; width: min(100%, ${SIZE}px); aspect-ratio: 1; border: 1px solid var(--zh-line); overflow: hidden; margin-top: .5rem; }
.zh-sentinels-map canvas, .zh-sentinels-map svg { position: absolute; inset: 0; width: 100%; height: 100%; }
`;

export default {
  share, // for the tests
  async render({ model, el: root }) {
    const s = state(model, { kick: 4, gap: 0.25, radius: 1.6 });
    const d = await data(model);
    const now = () => ({ kick: nearest(d.kicks, s.get("kick"), 4), gap: nearest(d.gaps, s.get("gap"), 0.25), radius: nearest(RADII, s.get("radius"), 1) });
    const kick = select(d.kicks.map((v) => [v, v ? String(v) : "0 (no kick)"]), (v) => s.set({ kick: v }));
    const gap = select(d.gaps.map((v) => [v, `${show(360 * v)}°`]), (v) => s.set({ gap: v }));
    const radius = slider("radius asked about", RADII, (v) => s.set({ radius: v }));
    const canvas = el("canvas", { width: CELLS, height: CELLS, "aria-hidden": "true" });
    const over = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img" });
    const numbers = el("p", { class: "zh-numbers" });
    root.append(el("style", null, STYLE), el("div", { class: "zh-row" }, field("size of the twelve first steps", kick), field("hidden sector", gap)),
      el("div", { class: "zh-row" }, radius.box),
      el("div", { class: "zh-sentinels-map" }, canvas, over), numbers);
    const say = announcer(root);
    const at = (r, turn) => [SIZE / 2 + (r * Math.cos(TURN * turn) * SIZE) / (2 * REACH), SIZE / 2 - (r * Math.sin(TURN * turn) * SIZE) / (2 * REACH)];
    const arc = (r, from, to, start) => {
      let path = "";
      for (let k = 0; k <= 60; k++) path += `${k || !start ? "L" : "M"}${at(r, from + (k / 60) * (to - from)).map((v) => v.toFixed(1)).join(" ")}`;
      return path;
    };
    let painted = "";

    function paint(net) {
      const context = canvas.getContext("2d"), image = context.createImageData(CELLS, CELLS);
      for (let j = 0; j < CELLS; j++) for (let i = 0; i < CELLS; i++) {
        const x = REACH * ((2 * (i + 0.5)) / CELLS - 1), y = REACH * (1 - (2 * (j + 0.5)) / CELLS);
        let count = 0;
        for (const [u, v, b] of net.w) count += u * x + v * y + b > 0;
        const part = net.w.length ? count / net.w.length : 0;
        image.data.set([213, 94, 0, Math.min(235, 420 * part)], 4 * (j * CELLS + i));
      }
      context.putImageData(image, 0, 0);
    }
    function draw(first) {
      const { kick: k, gap: g, radius: r } = now(), net = d.nets.find((n) => n.kick === k && n.gap === g);
      kick.value = String(k); gap.value = String(g); radius.show(r, show(r));
      if (painted !== `${k} ${g}`) { painted = `${k} ${g}`; paint(net); }
      const seen = share(net.w, r, 0, 1 - g), hidden = share(net.w, r, 1 - g, 1);
      const words = `${net.w.length} of ${d.units} units are dead. At radius ${show(r)} on average one of them fires at ${(100 * seen).toFixed(1)} % of the places in the directions of the data, `
        + `and at ${(100 * hidden).toFixed(1)} % in the hidden ones.`;
      over.setAttribute("aria-label", `A map: the darker the orange, the more dead units would fire there. ${words}`);
      over.replaceChildren(
        svg("path", { d: `${arc(1.3, 0, 1 - g, true)}${arc(0.7, 1 - g, 0, false)}Z`, fill: color.ink, "fill-opacity": 0.5 }),
        svg("path", { d: `${arc(1.3, 1 - g, 1, true)}${arc(0.7, 1, 1 - g, false)}Z`, fill: "none", stroke: color.ink, "stroke-dasharray": "5 4", "stroke-width": 1.5 }),
        svg("path", { d: arc(r, 0, 1, true), fill: "none", stroke: color.blue, "stroke-width": 2.5, "stroke-dasharray": "3 5" }));
      numbers.textContent = words;
      if (!first) say(words);
    }
    s.on(() => draw(false));
    draw(true);
    return () => s.off();
  },
};
