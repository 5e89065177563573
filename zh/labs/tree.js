import { el, svg, button, field, select, nameBox, announcer, scroller, state, within, keys, letters as kept, leftOut, color } from "./base.js";

/* The tree of a WaveNet over a name: which letters reach which node, what each level costs, and what
   is shared when the window moves on.  No data.
   State: word, block (letters of context), fuse, dim, hidden, level, place (of the chosen node). */

const LONGEST = 14, STEP = 30, RISE = 62, R = 8;
const BLOCKS = { 2: [2, 4, 8, 16], 3: [3, 9], 4: [4, 16], 8: [8] };
const plain = (x) => x.toLocaleString("en");
const many = (n, one, more = one + "s") => `${plain(n)} ${n === 1 ? one : more}`;

const STYLE = `
.zh-tree-picture { touch-action: pan-x; }
.zh-tree-picture:focus-visible { outline-offset: -3px; }
.zh-tree-picture svg { display: block; max-width: none; height: auto; }
.zh-tree-picture [data-level] { cursor: pointer; }
.zh-lab .zh-tree-levels { margin: .3rem 0; }
.zh-lab .zh-tree-levels td, .zh-lab .zh-tree-levels th { white-space: nowrap; }
`;

export default {
  render({ model, el: root }) {
    const s = state(model, { word: "alexandra", block: 8, fuse: 2, dim: 10, hidden: 68, level: 3, place: 99 });

    let said = "";

    /** Everything that the state says, made consistent. */
    function now() {
      const name = kept(s.get("word"), LONGEST), fuse = BLOCKS[s.get("fuse")] ? +s.get("fuse") : 2;
      const block = BLOCKS[fuse].includes(+s.get("block")) ? +s.get("block") : BLOCKS[fuse].at(-1);
      const depth = Math.round(Math.log(block) / Math.log(fuse));
      const letters = [...".".repeat(block), ...name], level = Math.round(within(s.get("level"), 0, depth));
      const first = fuse ** level - 1, place = Math.round(within(s.get("place"), first, letters.length - 1));
      return { name, fuse, block, depth, letters, level, place, dim: +s.get("dim") || 10, hidden: +s.get("hidden") || 68 };
    }

    const choose = (key, values) => select(values, (v) => s.set({ [key]: v, ...(key === "fuse" ? { level: 9, place: 99 } : {}) }));
    const box = nameBox(() => { said = leftOut(box.value, LONGEST); s.set({ word: kept(box.value, LONGEST), level: 9, place: 99 }); }, { size: 12, maxlength: 30 });
    const fuses = choose("fuse", Object.keys(BLOCKS).map(Number)), dims = choose("dim", [4, 10, 24]), wide = choose("hidden", [32, 68, 128, 200]);
    const blocks = el("select", { onchange: () => s.set({ block: +blocks.value, level: 9, place: 99 }) }); // filled by show()
    const picture = el("div", { class: "zh-scroll zh-tree-picture", tabindex: 0, role: "group" });
    const table = el("table", { class: "zh-tree-levels" }), sums = el("p", { class: "zh-tree-sums" });
    root.append(el("style", null, STYLE),
      el("div", { class: "zh-row" }, field("name", box), field("letters of context", blocks), field("fuse", fuses)),
      el("div", { class: "zh-row" }, field("length of a letter's vector", dims), field("hidden units", wide)),
      picture,
      el("div", { class: "zh-row", role: "group", "aria-label": "Choose a node" },
        button("◀", () => move(0, -1), { "aria-label": "one place to the left" }), button("▶", () => move(0, 1), { "aria-label": "one place to the right" }),
        button("▲", () => move(1, 0), { "aria-label": "one level up" }), button("▼", () => move(-1, 0), { "aria-label": "one level down" })));
    const say = announcer(root);
    root.append(scroller("The levels", table), sums);

    function move(up, right) {
      const t = now();
      s.set({ level: Math.min(t.depth, Math.max(0, t.level + up)), place: t.place + right });
    }

    /** The nodes that (level, place) is made of, itself included, as "level place". */
    function below(level, place, fuse, found = new Set()) {
      found.add(`${level} ${place}`);
      for (let k = 0; level > 0 && k < fuse; k++) below(level - 1, place - k * fuse ** (level - 1), fuse, found);
      return found;
    }

    function draw(t) {
      const L = t.letters.length, wideAll = L * STEP + 8, high = t.depth * RISE + 58, lit = below(t.level, t.place, t.fuse);
      const x = (place) => 4 + (place + 0.5) * STEP, y = (level) => high - 36 - level * RISE;
      const edges = [], nodes = [];
      for (let level = 0; level <= t.depth; level++) {
        for (let place = t.fuse ** level - 1; place < L; place++) {
          const on = lit.has(`${level} ${place}`), chosen = level === t.level && place === t.place;
          for (let k = 0; level > 0 && k < t.fuse; k++) {
            const from = place - k * t.fuse ** (level - 1);
            edges.push([on, svg("path", { d: `M${x(from)} ${y(level - 1)}L${x(place)} ${y(level)}`, fill: "none",
              stroke: on ? color.orange : "currentColor", "stroke-width": on ? 2.5 : 1, "stroke-opacity": on ? 1 : 0.16 })]);
          }
          const g = svg("g", { "data-level": level, "data-place": place, "data-lit": String(on), onclick: () => s.set({ level, place }) },
            svg("rect", { x: x(place) - STEP / 2, y: y(level) - 18, width: STEP, height: 36, fill: "transparent" }),
            svg("circle", { cx: x(place), cy: y(level), r: R, stroke: on ? color.orange : "currentColor", "stroke-width": chosen ? 4 : on ? 2 : 1,
              "stroke-opacity": on ? 1 : 0.45, fill: chosen ? color.orange : on && level === 0 ? color.blue : color.paper }));
          if (level === 0) g.append(svg("text", { x: x(place), y: y(0) + 27, "text-anchor": "middle", "font-size": 15, "font-weight": on ? 700 : 400 }, t.letters[place]));
          nodes.push(g);
        }
      }
      edges.sort((a, b) => a[0] - b[0]);
      picture.replaceChildren(svg("svg", { viewBox: `0 0 ${wideAll} ${high}`, width: wideAll, height: high, role: "img",
        "aria-label": `Nodes in ${many(t.depth + 1, "row")} above ${many(L, "letter")}; ${lit.size} of them are lit, from the chosen node down.` },
      edges.map((e) => e[1]), nodes));
      const seen = x(t.place) - picture.clientWidth / 2 + STEP;
      if (picture.scrollWidth > picture.clientWidth) picture.scrollLeft = Math.max(0, seen);
      return lit;
    }

    function show() {
      const t = now(), { name, fuse, block, depth, letters, level, place, dim, hidden } = t;
      if (kept(box.value, LONGEST) !== name) box.value = name;
      blocks.replaceChildren(...BLOCKS[fuse].map((v) => el("option", { value: v }, String(v))));
      [[fuses, fuse], [blocks, block], [dims, dim], [wide, hidden]].forEach(([node, v]) => { node.value = v; });
      const lit = draw(t), reach = fuse ** level;
      picture.setAttribute("aria-label", "The tree; arrow keys choose a node");
      const read = letters.slice(place - reach + 1, place + 1).join("");
      const other = (back) => (place - back < reach - 1 ? null : [...below(level, place - back, fuse)].filter((n) => lit.has(n) && +n.split(" ")[0] > 0).length);
      const inner = [...lit].filter((n) => +n.split(" ")[0] > 0).length;
      const shared = [1, fuse].map((back) => [back, other(back)]).filter(([, n]) => level > 0 && n !== null)
        .map(([back, n]) => `the tree ${many(back, "place")} earlier shares ${n}`).join(", ");
      const where = place < block ? `mark ${place + 1} of ${block}` : `letter ${place - block + 1} of the name`;
      const text = level === 0 ? `${where[0].toUpperCase()}${where.slice(1)}: ${read}, as a vector of ${dim} numbers.`
        : `Level ${level}, at ${where}: it reads ${many(reach, "letter")}, “${read}”, through ${many(inner, "node")}`
          + (shared ? `; of these ${shared}.` : ".");

      const rows = [];
      let total = 27 * dim, whole = 0, one = 0;
      for (let l = 1; l <= depth; l++) {
        const from = fuse * (l > 1 ? hidden : dim), weights = from * hidden + 2 * hidden, groups = block / fuse ** l;
        total += weights;
        one += groups;
        whole += letters.length - fuse ** l + 1;
        rows.push([l, fuse ** (l - 1), groups > 1 ? `(B, ${groups}, ${from})` : `(B, ${from})`, groups > 1 ? `(B, ${groups}, ${hidden})` : `(B, ${hidden})`, plain(weights), fuse ** l]);
      }
      total += hidden * 27 + 27;
      const flat = block * dim * hidden + 2 * hidden + 27 * dim + 27 * hidden + 27;
      table.replaceChildren(
        el("thead", null, el("tr", null, ["level", "apart", "fused", "after the layer", "parameters", "reads"].map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", null, rows.map((r) => el("tr", null, r.map((v, i) => (i ? el("td", null, String(v)) : el("th", { scope: "row" }, String(v))))))));
      const windows = name.length + 1;
      sums.textContent = `With the table of letters and the last layer ${plain(total)} parameters; one flat layer of ${hidden} units over ${many(block, "letter")}: ${plain(flat)}. `
        + `Nodes for ${name ? `“${name}”` : "the empty name"}: ${many(windows, "window")} of ${one} each is ${plain(windows * one)}; each node once is ${plain(whole)}.`;
      say(said + text);
      said = "";
    }

    const off = keys(picture, { ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1), ArrowUp: () => move(1, 0), ArrowDown: () => move(-1, 0) });
    show();
    s.on(show);
    return () => { off(); s.off(); root.replaceChildren(); };
  },
};
