import { el, svg, field, select, slider, announcer, state, nearest, ticks, narrow, color, show } from "./base.js";

/* An activation function, its derivative, and what normal inputs of a chosen size and place meet.
   No data.  State: f, std, mean, flat (the slope below which an input counts as saturated). */

/** Abramowitz and Stegun 7.1.26: off by less than 2e-7. */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
  return x < 0 ? -y : y;
}
const cdf = (x) => 0.5 * (1 + erf(x / Math.SQRT2));
const pdf = (x) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
const sig = (x) => 1 / (1 + Math.exp(-x));
const ALPHA = 1.6732632423543772, SCALE = 1.0507009873554805;
// name: [function, derivative]; at a kink the value from the left
const FUNCTIONS = {
  sigmoid: [sig, (x) => sig(x) * sig(-x)],
  tanh: [Math.tanh, (x) => 1 - Math.tanh(x) ** 2],
  softplus: [(x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), sig],
  relu: [(x) => Math.max(0, x), (x) => (x > 0 ? 1 : 0)],
  leaky_relu: [(x) => (x > 0 ? x : 0.01 * x), (x) => (x > 0 ? 1 : 0.01)],
  elu: [(x) => (x > 0 ? x : Math.expm1(x)), (x) => (x > 0 ? 1 : Math.exp(x))],
  selu: [(x) => SCALE * (x > 0 ? x : ALPHA * Math.expm1(x)), (x) => SCALE * (x > 0 ? 1 : ALPHA * Math.exp(x))],
  gelu: [(x) => x * cdf(x), (x) => cdf(x) + x * pdf(x)],
  silu: [(x) => x * sig(x), (x) => sig(x) + x * sig(x) * sig(-x)],
};
const STDS = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.3, 1.6, 2, 2.5, 3, 4, 5, 7, 10], FLATS = [0.01, 0.05, 0.1, 0.25], MEANS = ticks(-4, 4, 2);
const REACH = 6, WIDE = 600, TOP = 290, HIGH = 400, LOW = -1.5, UP = 2.5;

/** Averages over x ~ N(mean, std^2), by the midpoint rule on ten standard deviations either way. */
function averages(f, slope, std, mean, flat) {
  const n = 4000, out = { first: 0, second: 0, slope2: 0, share: 0 };
  for (let i = 0; i < n; i++) {
    const z = -10 + (20 * (i + 0.5)) / n, w = (pdf(z) * 20) / n, x = mean + std * z, y = f(x), d = slope(x);
    out.first += w * y; out.second += w * y * y; out.slope2 += w * d * d;
    if (Math.abs(d) < flat) out.share += w;
  }
  return out;
}

const STYLE = `
.zh-act-picture { display: block; width: 100%; }
`;

export default {
  FUNCTIONS, averages, // for the tests
  render({ model, el: root }) {
    const s = state(model, { f: "tanh", std: 1, mean: 0, flat: 0.05 });
    const now = () => ({ f: FUNCTIONS[s.get("f")] ? s.get("f") : "tanh", std: nearest(STDS, s.get("std"), 1), mean: nearest(MEANS, s.get("mean"), 0), flat: nearest(FLATS, s.get("flat"), 0.05) });
    const choose = select(Object.keys(FUNCTIONS), (f) => s.set({ f })), level = select(FLATS, (flat) => s.set({ flat }));
    const size = slider("standard deviation of the input", STDS, (std) => s.set({ std })), place = slider("mean of the input", MEANS, (mean) => s.set({ mean }));
    const numbers = el("p", { class: "zh-numbers" });
    const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "zh-act-picture", role: "img" });
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("function", choose), field("flat means a slope below", level)),
      el("div", { class: "zh-row" }, size.box, place.box), picture, numbers);
    const say = announcer(root);
    const px = (x) => ((x + REACH) / (2 * REACH)) * WIDE, py = (y) => TOP - ((y - LOW) / (UP - LOW)) * TOP;
    const path = (f, jumps, y = py) => {
      let d = "", up = false, last = 0;
      for (let i = 0; i <= 240; i++) {
        const x = -REACH + (i / 240) * 2 * REACH, v = f(x), out = y(v) < -2000 || (jumps && i && Math.abs(v - last) > 0.5);
        d += `${up && !out ? "L" : "M"}${px(x).toFixed(1)} ${Math.max(-50, Math.min(HIGH + 50, y(v))).toFixed(1)}`;
        up = true; last = v;
      }
      return d;
    };

    function draw(first) {
      const { f, std, mean, flat } = now(), [g, slope] = FUNCTIONS[f], a = averages(g, slope, std, mean, flat);
      choose.value = f; level.value = String(flat);
      size.show(std, show(std)); place.show(mean, show(mean));
      const grey = [];
      for (let i = 0, from = null; i <= 480; i++) {
        const x = -REACH + (i / 480) * 2 * REACH, is = Math.abs(slope(x)) < flat && i < 480;
        if (is && from === null) from = x;
        if (!is && from !== null) { grey.push(svg("rect", { x: px(from), width: px(x) - px(from), y: 0, height: HIGH - 24, fill: color.ink, "fill-opacity": 0.1 })); from = null; }
      }
      const density = (x) => pdf((x - mean) / std) / std, most = Math.max(0.42, density(mean));
      const dy = (v) => HIGH - 24 - (v / most) * (HIGH - 30 - TOP);
      const axis = (y) => svg("line", { x1: 0, x2: WIDE, y1: y, y2: y, stroke: color.ink, "stroke-opacity": 0.35 });
      const letters = narrow(root) ? 25 : 16; // legible on a phone
      const text = (x, y, words, more) => svg("text", { x, y, "font-size": letters, ...more }, words);
      picture.replaceChildren(...grey, axis(py(0)), axis(dy(0)),
        svg("line", { x1: px(0), x2: px(0), y1: 0, y2: HIGH - 24, stroke: color.ink, "stroke-opacity": 0.35 }),
        ...[-1, 1, 2].map((v) => text(4, py(v) + 5, show(v))), ...[-4, -2, 2, 4].map((v) => text(px(v), HIGH - 6, show(v), { "text-anchor": "middle" })),
        svg("path", { d: path(slope, true), fill: "none", stroke: color.orange, "stroke-width": 2.5, "stroke-dasharray": "8 5" }),
        svg("path", { d: path(g), fill: "none", stroke: color.blue, "stroke-width": 3 }),
        svg("path", { d: `${path(density, false, dy)}L${WIDE} ${dy(0)}L0 ${dy(0)}Z`, fill: color.blue, "fill-opacity": 0.3, stroke: color.blue, "stroke-width": 1.2 }),
        svg("line", { x1: 62, x2: 92, y1: 16, y2: 16, stroke: color.blue, "stroke-width": 3 }), text(100, 21, f),
        svg("line", { x1: 62, x2: 92, y1: 47, y2: 47, stroke: color.orange, "stroke-width": 2.5, "stroke-dasharray": "8 5" }), text(100, 53, "its slope"),
        text(32, HIGH - 30, "inputs"));
      const words = `${(100 * a.share).toFixed(1)} % of the inputs meet a slope below ${flat}. `
        + `The output has mean ${show(Math.abs(a.first) < 1e-9 ? 0 : a.first, 3)} and mean square ${show(a.second, 3)}; the mean square of the slope is ${show(a.slope2, 3)}.`;
      picture.setAttribute("aria-label", `${f} and its slope over inputs from ${-REACH} to ${REACH}, and the density of inputs of mean ${mean} and standard deviation ${std}. ${words}`);
      numbers.textContent = words;
      if (!first) say(`${f}, standard deviation ${show(std)}, mean ${show(mean)}: ${(100 * a.share).toFixed(1)} % flat.`);
    }
    s.on(() => draw(false));
    draw(true);
    return () => s.off();
  },
};
