import { data, el, svg, button, field, select, state, keys, announcer, scroller, guess, show, color } from "./base.js";

/* The tensor stepper: the 26 tensors of a network with batch normalisation, one backward step at a
   time. Guess the gradient's rule, then see the numbers of the executed run. */

// Where each tensor stands: column, row. A name with a mark repeats the end of the band above.
const PLACES = {
  C: [0, 0], emb: [1.17, 0], embcat: [2.34, 0], hprebn: [4.4, 0], W1: [3.1, 1], b1: [4.3, 1],
  "hprebn'": [0, 2.3], bndiff: [1.5, 2.3], bnraw: [4.75, 2.3], hpreact: [6.3, 2.3],
  bnmeani: [0.72, 3.3], bndiff2: [1.9, 3.3], bnvar: [3.07, 3.3], bnvar_inv: [4.24, 3.3], bngain: [5.41, 3.3], bnbias: [6.58, 3.3],
  "hpreact'": [0, 4.6], h: [1.5, 4.6], logits: [3.7, 4.6], W2: [2.4, 5.6], b2: [3.6, 5.6],
  "logits'": [0, 6.9], norm_logits: [1.5, 6.9], counts: [2.67, 6.9], probs: [4.4, 6.9], logprobs: [5.5, 6.9], loss: [6.6, 6.9],
  logit_maxes: [0.72, 7.9], counts_sum: [2.9, 7.9], counts_sum_inv: [4.1, 7.9],
};
const PARAMETERS = ["C", "W1", "b1", "bngain", "bnbias", "W2", "b2"];
const WIDE = 82, HIGH = 44, PITCH = 86, LINE = 60, BAND = 2.3;
const BANDS = ["hidden layer", "batch normalisation", "output layer", "cross-entropy"];

const bare = (name) => name.replace("'", "");
const size = (shape) => shape.length ? `(${shape.join(", ")}${shape.length === 1 ? "," : ""})` : "()";
const plural = (axis) => `${axis.length > 1 ? "axes" : "axis"} ${axis.join(" and ")}`;

/** What a forward line does to the axes of a tensor, and what the backward pass makes of it. */
function axes(step, use) {
  const from = `${step.name} ${size(step.shape)}`, to = `${use.out} ${size(use.shape)}`;
  if (use.axes === "stretched") {
    return [`${from} is stretched along ${plural(use.axis)} to meet ${to}.`, `stretch ${plural(use.axis)}`, `sum over ${plural(use.axis)}`];
  }
  if (use.axes === "reduced" && use.out === "loss") {
    return [`n of the entries of ${from} are picked and averaged: one number.`, "pick and average", "put back in its place"];
  }
  if (use.axes === "reduced" && /max\(/.test(use.line)) {
    return [`${from} is reduced over ${plural(use.axis)} to ${to}: one entry a row wins.`, "keep the largest", "to the winner alone"];
  }
  if (use.axes === "reduced") {
    return [`${from} is summed over ${plural(use.axis)} to ${to}.`, `sum over ${plural(use.axis)}`, `copy along ${plural(use.axis)}`];
  }
  if (use.axes === "product") return [`A matrix product: ${from} on the way to ${to}. The shapes decide.`];
  if (use.axes === "looked up") {
    return [`Rows of ${from} are copied into ${to}; a letter that stands there often is copied often.`, "look up rows", "add up by row"];
  }
  if (use.axes === "moved") return [`The numbers of ${from} move to ${to}; none is changed.`];
  return [`Same shape, ${size(use.shape)}: entry by entry.`];
}

/** Two boxes, and the arrows of the forward and the backward pass between them. */
function sketch(step, use, there, back) {
  const box = (x, name, shape) => svg("g", null,
    svg("rect", { x, y: 26, width: 104, height: 40, rx: 4, fill: "none", stroke: "currentColor" }),
    svg("text", { x: x + 52, y: 43, "text-anchor": "middle", "font-size": 12 }, name),
    svg("text", { x: x + 52, y: 59, "text-anchor": "middle", "font-size": 12 }, size(shape)));
  const arrow = (y, from, to, stroke) => svg("g", { stroke, fill: "none", "stroke-width": 2 },
    svg("path", { d: `M${from} ${y}H${to}M${to + Math.sign(from - to) * 7} ${y - 5}L${to} ${y}l${Math.sign(from - to) * 7} 5` }));
  return svg("svg", { viewBox: "0 0 360 92", width: 360, height: 92, role: "img",
    "aria-label": `Forward from ${step.name} to ${use.out}: ${there}. Backward: ${back}.` },
  box(1, step.name, step.shape), box(255, use.out, use.shape),
  arrow(38, 112, 248, color.blue), arrow(56, 248, 112, color.orange),
  svg("text", { x: 180, y: 26, "text-anchor": "middle", "font-size": 12 }, there),
  svg("text", { x: 180, y: 78, "text-anchor": "middle", "font-size": 12 }, back));
}

/** The graph; returns the element and a function that shows where the reader is. */
function graph(steps, loss, go) {
  const index = Object.fromEntries(steps.map((s, i) => [s.name, i]));
  const uses = Object.fromEntries(steps.map((s) => [s.name, s.uses.map((u) => u.out)]));
  const at = (name) => [6 + PLACES[name][0] * PITCH, 22 + PLACES[name][1] * LINE];
  const band = (name) => Math.floor(PLACES[name][1] / BAND + 0.01);
  const head = ([x, y], [fx, fy]) => {
    const far = Math.hypot(x - fx, y - fy) || 1, c = (x - fx) / far, d = (y - fy) / far;
    return svg("path", { fill: "currentColor", stroke: "none",
      d: `M${x} ${y}L${x - 8 * c - 4 * d} ${y - 8 * d + 4 * c}L${x - 8 * c + 4 * d} ${y - 8 * d - 4 * c}Z` });
  };
  const edges = [], nodes = {};
  for (const s of steps) {
    for (const out of uses[s.name]) {
      const from = s.name + "'" in PLACES && band(s.name) !== band(out) ? s.name + "'" : s.name;
      const [x1, y1] = at(from), [x2, y2] = at(out), middle = HIGH / 2;
      const level = Math.abs(y1 - y2) < 2, down = y2 > y1;
      const lean = (x) => WIDE * (x > WIDE / 2 ? 0.75 : x < -WIDE / 2 ? 0.25 : 0.5);
      const start = level ? [x1 + WIDE, y1 + middle] : [x1 + lean(x2 - x1), y1 + (down ? HIGH : 0)];
      const end = level ? [x2, y2 + middle] : [x2 + lean(x1 - x2), y2 + (down ? 0 : HIGH)];
      const there = head(end, start), back = head(start, end);
      const line = svg("path", { d: `M${start}L${end}`, fill: "none", stroke: "currentColor" });
      edges.push({ name: s.name, line, there, back, all: svg("g", null, line, there, back) });
    }
  }
  const draw = (name) => {
    const [x, y] = at(name), real = bare(name), step = steps[index[real]], ghost = name !== real;
    const box = svg("rect", { x, y, width: WIDE, height: HIGH, rx: PARAMETERS.includes(real) ? 20 : 4,
      stroke: "currentColor", "stroke-dasharray": ghost ? "4 3" : null });
    const g = svg("g", step ? { role: "button", tabindex: -1, style: "cursor:pointer", onclick: () => go(real) } : null,
      box, svg("text", { x: x + WIDE / 2, y: y + 18, "text-anchor": "middle", "font-size": real.length > 12 ? 9.8 : 12 }, real),
      svg("text", { x: x + WIDE / 2, y: y + 34, "text-anchor": "middle", "font-size": 11 }, step ? size(step.shape) : show(loss)));
    if (step) g.setAttribute("aria-label", `${real} ${size(step.shape)}`);
    (nodes[real] ??= []).push([g, box]);
    return g;
  };
  const boxes = Object.keys(PLACES).map(draw);
  const wide = 6 + 6.6 * PITCH + WIDE + 6, high = 22 + 7.9 * LINE + HIGH + 6;
  const picture = svg("svg", { viewBox: `0 0 ${wide} ${high}`, width: wide, height: high, style: "min-width:640px;display:block",
    role: "group", "aria-label": "The network as a graph, forward from left to right, one band after the other" },
  BANDS.map((name, i) => svg("text", { x: 6, y: 14 + i * BAND * LINE, "font-size": 12, "font-weight": 600 }, name)),
  edges.map((edge) => edge.all), boxes);
  const box = scroller("Graph of the 26 tensors", picture);
  return [box, (name) => {
    const now = index[name];
    for (const s of steps) {
      const i = index[s.name];
      for (const [g, rect] of nodes[s.name]) {
        rect.setAttribute("fill", i < now ? "color-mix(in srgb, var(--zh-green) 28%, var(--zh-paper))" : color.paper);
        rect.setAttribute("stroke", i === now ? color.orange : "currentColor");
        rect.setAttribute("stroke-width", i === now ? 3 : 1);
        if (i === now) g.setAttribute("aria-current", "step"); else g.removeAttribute("aria-current");
      }
    }
    for (const [, rect] of nodes.loss) rect.setAttribute("fill", "color-mix(in srgb, var(--zh-green) 28%, var(--zh-paper))");
    for (const { name: from, line, there, back, all } of edges) {
      const active = from === name;
      line.setAttribute("stroke-width", active ? 3 : 1);
      there.setAttribute("display", active ? "none" : "inline");
      back.setAttribute("display", active ? "inline" : "none");
      all.setAttribute("style", active ? `color:${color.orange}` : "opacity:.6");
    }
    const [x] = at(name), seen = picture.getBoundingClientRect().width / wide || 1;
    box.scrollLeft = Math.max(0, (x + WIDE / 2) * seen - box.clientWidth / 2);
  }];
}

/** A corner of a matrix, shaded by size. */
function corner(title, rows, shape) {
  const top = Math.max(...rows.flat().map(Math.abs), 1e-30);
  const shade = (v) => `background:color-mix(in srgb, ${v < 0 ? color.orange : color.blue} ${Math.round(40 * Math.sqrt(Math.abs(v) / top))}%, transparent)`;
  return scroller(`Numbers of ${title}`, el("table", { style: "font-size:.85em;margin:.3rem 0 .6rem;width:auto" },
      el("caption", { style: "text-align:left;caption-side:top;white-space:nowrap;color:inherit;padding:0" }, `${title} ${size(shape)}, the first entries`),
      el("tbody", null, rows.map((row) => el("tr", null, row.map((v) => el("td", { style: shade(v) }, show(v, 3))))))));
}

/** A whole gradient as a picture: one letter an entry, A-Z above zero, a-z below. */
function picture(root, name, [rows, columns, text], largest) {
  const cell = Math.max(3, Math.min(14, Math.floor(330 / columns), Math.floor(260 / rows)));
  const canvas = el("canvas", { width: columns * cell, height: rows * cell, role: "img",
    style: "max-width:100%;border:1px solid var(--zh-line)",
    "aria-label": `Picture of d${name}: ${rows} by ${columns} entries, the largest ${show(largest, 3)} in size.` });
  const paint = canvas.getContext("2d"), css = getComputedStyle(root);
  const hue = { up: css.getPropertyValue("--zh-blue"), down: css.getPropertyValue("--zh-orange") };
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i), up = c >= 65 && c <= 90;
    if (c === 48) continue;
    paint.fillStyle = up ? hue.up : hue.down;
    paint.globalAlpha = (c - (up ? 64 : 96)) / 26;
    paint.fillRect((i % columns) * cell, Math.floor(i / columns) * cell, cell, cell);
  }
  return el("div", { style: "margin:.5rem 0" }, canvas,
    el("p", { style: "font-size:.85em;margin:.2rem 0" },
      `All of d${name}: blue above zero, orange below, stronger for larger (by the square root). The largest is ${show(largest, 3)} in size.`));
}

export default {
  render({ model, el: root }) {
    let stopped = false, off = () => {};
    const s = state(model, { at: "logprobs", shown: false });
    const body = el("div");
    root.append(body);
    const say = announcer(root);
    data(model).then((all) => {
      if (stopped || !all) return;
      const { steps } = all, names = steps.map((step) => step.name);
      const go = (name) => s.set({ at: name, shown: false });
      const move = (by) => { const i = here() + by; if (i >= 0 && i < names.length) go(names[i]); };
      const here = () => Math.max(0, names.indexOf(s.get("at")));
      const [network, mark] = graph(steps, all.loss, go);
      const pick = select(names.map((name, i) => [name, `${i + 1}. d${name}`]), go);
      const before = button("Previous", () => move(-1)), after = button("Next", () => move(1));
      const end = (node, is) => { // not `disabled`: that would take the focus away
        if (is) node.setAttribute("aria-disabled", "true"); else node.removeAttribute("aria-disabled");
        node.style.opacity = is ? 0.5 : "";
      };
      const panel = el("div");
      body.append(network, el("div", { class: "zh-row" }, before, after, field("Gradient", pick)), panel);

      const open = () => { s.set({ shown: true }); panel.querySelector(".zh-rule").focus({ preventScroll: true }); };
      const shown = () => {
        const step = steps[here()];
        return [
          el("p", { class: "zh-rule", tabindex: -1 }, el("strong", null, "Rule: "), el("code", null, `d${step.name} = ${step.choices[step.right]}`)),
          el("p", null, step.why),
          el("p", { class: "zh-compare" }, `Against autograd: ${step.verdict}, max difference ${show(step.maxdiff, 2)}.`),
          picture(root, step.name, step.picture, step.largest),
          corner(`d${step.name}`, step.grad, step.shape),
          corner(step.name, step.value, step.shape),
        ];
      };

      const question = (step) => {
        const reply = el("p", { role: "status", style: "min-height:1.6em;margin:.4rem 0" });
        const answer = (ok, text) => { reply.className = ok ? "zh-ok" : "zh-no"; reply.textContent = text; };
        const id = `zh-${model.get("title")}-${step.name}`;
        const radios = step.choices.map((text, i) => el("label", { style: "display:flex;gap:.5rem;align-items:center;min-height:44px" },
          el("input", { type: "radio", name: id, value: i, style: "flex:none" }), el("code", null, text)));
        const check = () => {
          const chosen = radios.findIndex((label) => label.firstChild.checked);
          if (chosen < 0) answer(false, "Choose one of the rules first.");
          else if (chosen === step.right) { open(); say(`Right: d${step.name} = ${step.choices[chosen]}.`); }
          else answer(false, `Not this one. Tried on the run: ${step.how[chosen]}.`);
        };
        const parts = [el("fieldset", { style: "border:0;padding:0;margin:.5rem 0;min-width:0" },
          el("legend", { style: "font-size:1em;font-weight:600;padding:0;margin:0;float:none;width:auto" }, "Your guess: ", el("code", null, `d${step.name}`), " is"), radios),
        el("div", { class: "zh-row" }, button("Check", check), button("Show it", open)), reply];
        if (step.number) {
          const { at, right, given, text } = step.number, where = `[${at.join(", ")}]`;
          const box = el("input", { type: "text", inputmode: "text", autocomplete: "off", size: 12, "aria-label": `d${step.name}${where}` });
          const told = el("p", { role: "status", style: "min-height:1.6em;margin:.4rem 0" });
          const judge = () => { const r = guess(box.value, right, 0.01); told.className = r.ok ? "zh-ok" : "zh-no"; told.textContent = r.text; };
          parts.push(el("form", { onsubmit: (e) => { e.preventDefault(); judge(); } },
            el("p", { style: "margin:.4rem 0" }, `Or one number, by hand: ${[...given.map(([x, v]) => `${x} is ${show(v, 5)} there`), text].filter(Boolean).join(", ")}.`),
            el("div", { class: "zh-row" }, el("code", null, `d${step.name}${where} =`), box, el("button", { type: "submit" }, "Check the number")), told));
        }
        return parts;
      };

      const update = () => {
        const i = here(), step = steps[i];
        let n = i, group = 0;
        while (n >= all.groups[group][1]) n -= all.groups[group++][1];
        pick.value = step.name;
        end(before, i === 0);
        end(after, i === names.length - 1);
        mark(step.name);
        panel.replaceChildren(
          el("p", { class: "zh-where", style: "margin:.8rem 0 .3rem" }, el("strong", null, `d${step.name}`),
            `: step ${i + 1} of ${names.length}, ${all.groups[group][0]}. Shape ${size(step.shape)}, as ${step.name} has.`),
          ...step.uses.map((use) => {
            const [words, there, back] = axes(step, use);
            return el("div", null,
              el("p", { style: "margin:.3rem 0" }, "Forward: ", el("code", null, use.line), el("br"), words),
              there ? el("div", { class: "zh-scroll" }, sketch(step, use, there, back)) : null);
          }),
          step.uses.length > 1 ? el("p", { style: "margin:.3rem 0" }, "Two uses: two gradients arrive, and they add up.") : "",
          ...(s.get("shown") ? shown() : question(step)));
      };
      let last = "";
      s.on(({ at, shown: open }) => {
        update();
        const now = `${at}${open}`;
        if (now !== last && !(open && last === `${at}false`)) say(`Step ${here() + 1} of ${names.length}: d${names[here()]}.`);
        last = now;
      });
      off = keys(root, { ArrowRight: () => move(1), ArrowLeft: () => move(-1) });
      last = `${s.get("at")}${s.get("shown")}`;
      update();
    });
    return () => { stopped = true; off(); s.off(); root.replaceChildren(); };
  },
};
