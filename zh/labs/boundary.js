import { el, svg, field, select, data, state, within, narrow, player, announcer, color, show } from "./base.js";
/* Two classes of points and the line a small network draws between them, at every step of runs that
   the chapter made. data: {points: [[x, y], ...], labels: [1, -1, ...], sizes: [2, 16, 16, 1],
   runs: [{name, loss: [...], right: [...], weights: [[...], ...]}, ...]}; weights as parameters(). */

const GX = 84, GY = 56; // the grid on which the score is computed

/** The scores of a ReLU network with a linear last layer at all points of the grid. */
function scores(weights, sizes, points) {
  return points.map((point) => {
    let x = point, at = 0;
    for (let layer = 1; layer < sizes.length; layer++) {
      const out = [];
      for (let j = 0; j < sizes[layer]; j++) {
        let sum = 0;
        for (let i = 0; i < x.length; i++) sum += weights[at++] * x[i];
        sum += weights[at++];
        out.push(layer < sizes.length - 1 && sum < 0 ? 0 : sum);
      }
      x = out;
    }
    return x[0];
  });
}

/** Where the score is 0: line segments [x1, y1, x2, y2] in cells of the grid (marching squares). */
function contour(score) {
  const lines = [];
  for (let j = 0; j < GY - 1; j++) for (let i = 0; i < GX - 1; i++) {
    const corner = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cut = [];
    for (let k = 0; k < 4; k++) {
      const [a, b] = [corner[k], corner[(k + 1) % 4]];
      const u = score[a[1] * GX + a[0]], v = score[b[1] * GX + b[0]];
      if (u > 0 !== v > 0) { const t = u / (u - v); cut.push(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])); }
    }
    for (let k = 0; k + 3 < cut.length; k += 4) lines.push(cut.slice(k, k + 4));
  }
  return lines;
}

export default {
  async render({ model, el: root }) {
    const s = state(model, { run: 0, step: 0 });
    const d = await data(model);
    const xs = d.points.map((p) => p[0]), ys = d.points.map((p) => p[1]);
    const [x0, x1] = [Math.min(...xs) - 0.3, Math.max(...xs) + 0.3];
    const [y0, y1] = [Math.min(...ys) - 0.3, Math.max(...ys) + 0.3];
    const WIDE = 600, HIGH = Math.round((WIDE * (y1 - y0)) / (x1 - x0));
    const px = (x) => ((x - x0) / (x1 - x0)) * WIDE, py = (y) => HIGH - ((y - y0) / (y1 - y0)) * HIGH;
    const grid = [];
    for (let j = 0; j < GY; j++) for (let i = 0; i < GX; i++) grid.push([x0 + (i / (GX - 1)) * (x1 - x0), y1 - (j / (GY - 1)) * (y1 - y0)]);
    let here = 0, drawn = "";

    const steps = (index) => d.runs[index].loss.length - 1;
    const current = () => Math.round(within(s.get("run"), 0, d.runs.length - 1));
    const canvas = el("canvas", { width: GX, height: GY, "aria-hidden": "true", style: "position:absolute;inset:0;width:100%;height:100%" });
    const over = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", style: "position:relative;display:block;width:100%" });
    const map = el("div", { style: "position:relative;overflow:hidden;border:1px solid var(--zh-line);margin:.5rem 0" }, canvas, over);
    const chart = svg("svg", { viewBox: "0 0 600 150", role: "img", style: "display:block;width:100%" });
    const run = player(root, { at: () => here, last: () => steps(current()), look: (k) => { here = k; draw(); }, keep: (step) => s.set({ step }) });
    const choose = select(d.runs.map((r, i) => [i, r.name]), (i) => { run.stop(); s.set({ run: i, step: Math.min(here, steps(i)) }); });
    const numbers = el("p", { class: "zh-numbers" });
    root.append(
      el("div", { class: "zh-row" }, field("Run", choose)), map, run.row, numbers, chart);
    const say = announcer(root);

    function draw() {
      const index = current(), r = d.runs[index];
      here = Math.min(here, steps(index));
      const words = `Step ${here} of ${steps(index)}: loss ${show(r.loss[here], 3)}, ${r.right[here]} of ${d.points.length} points on the right side`;
      run.show(here, `step ${here}`);
      numbers.textContent = words + ".";
      const score = scores(r.weights[here], d.sizes, grid), context = canvas.getContext("2d"), image = context.createImageData(GX, GY);
      score.forEach((z, i) => {
        const sure = Math.tanh(Math.abs(z));
        image.data.set(z > 0 ? [47, 127, 214, 20 + 110 * sure] : [213, 94, 0, 20 + 110 * sure], 4 * i);
      });
      context.putImageData(image, 0, 0);
      const given = scores(r.weights[here], d.sizes, d.points);
      const cx = WIDE / (GX - 1), cy = HIGH / (GY - 1);
      over.setAttribute("aria-label", `${words}. ${index ? r.name + "." : ""} Blue circles are one class, orange squares the other; a hollow mark is on the wrong side of the black line.`);
      over.replaceChildren(
        svg("path", { d: contour(score).map(([a, b, c, e]) => `M${(a * cx).toFixed(1)} ${(b * cy).toFixed(1)}L${(c * cx).toFixed(1)} ${(e * cy).toFixed(1)}`).join(""), stroke: color.ink, "stroke-width": 2.5, fill: "none", "stroke-linecap": "round", "data-contour": "" }),
        ...d.points.map((p, i) => {
          const blue = d.labels[i] > 0, wrong = given[i] > 0 !== blue;
          const look = { fill: wrong ? color.paper : blue ? color.blue : color.orange, stroke: wrong ? (blue ? color.blue : color.orange) : color.paper, "stroke-width": wrong ? 3.5 : 1.2, "data-wrong": String(wrong) };
          const r = narrow(root) ? 8.5 : 6.5;
          return blue ? svg("circle", { cx: px(p[0]), cy: py(p[1]), r, ...look })
            : svg("rect", { x: px(p[0]) - 0.9 * r, y: py(p[1]) - 0.9 * r, width: 1.8 * r, height: 1.8 * r, ...look });
        }));
      curve(r, index);
      drawn = words;
    }

    /** The loss over the steps, on a logarithmic axis, with a mark at the step shown. */
    function curve(r, index) {
      const size = narrow(root) ? 26 : 17, left = 3.5 * size, right = 590, top = 12, bottom = 118;
      chart.setAttribute("viewBox", `0 0 600 ${bottom + 1.6 * size}`);
      const logs = r.loss.map((l) => Math.log10(Math.max(l, 1e-9)));
      const low = Math.floor(Math.min(...logs)), high = Math.max(low + 1, Math.ceil(Math.max(...logs)));
      const x = (k) => left + ((right - left) * k) / steps(index);
      const y = (l) => bottom - ((bottom - top) * (l - low)) / (high - low);
      const ticks = [];
      for (let p = low; p <= high; p++) ticks.push(
        svg("line", { x1: left, x2: right, y1: y(p), y2: y(p), stroke: color.ink, "stroke-opacity": 0.15 }),
        svg("text", { x: left - 8, y: y(p) + 6, "text-anchor": "end", "font-size": size }, show(10 ** p)));
      chart.setAttribute("aria-label", `The loss on a logarithmic axis: from ${show(r.loss[0], 3)} at the start to ${show(r.loss.at(-1), 3)} after ${steps(index)} steps.`);
      chart.replaceChildren(...ticks,
        svg("path", { d: "M" + logs.map((l, k) => `${x(k).toFixed(1)} ${y(l).toFixed(1)}`).join("L"), fill: "none", stroke: color.blue, "stroke-width": 2.5 }),
        svg("line", { x1: x(here), x2: x(here), y1: top, y2: bottom, stroke: color.orange, "stroke-width": 2 }),
        svg("circle", { cx: x(here), cy: y(logs[here]), r: 6, fill: color.orange }),
        svg("text", { x: left, y: bottom + 1.3 * size, "font-size": size }, "loss over the steps"),
        svg("text", { x: right, y: bottom + 1.3 * size, "text-anchor": "end", "font-size": size }, String(steps(index))));
    }

    function update() {
      const index = current();
      choose.value = String(index);
      here = Math.round(within(s.get("step"), 0, steps(index)));
      const before = drawn;
      draw();
      if (before) say(drawn + ".");
    }

    s.on(update);
    update();
    return () => { run.off(); s.off(); };
  },
};
