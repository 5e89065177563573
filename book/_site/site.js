/* What a page of the book does (one classic script, deferred; also works from disk). The page reads without it.

   .zh-explore#NAME[data-spec='{"names","values","start"}']   zh.explore
       form.zh-controls with [data-axis] inputs, .zh-frame, p.zh-live, script.zh-payload {"frames", "order"}
   .zh-lab#NAME[data-lab]                                       zh.labs: labs/base.js, labs/<lab>.js, labs/labs.css
       script.zh-state {...}, script.zh-payload, .zh-lab-body
   .zh-exercise > form.zh-form[data-name][data-kind][data-spec] zh.exercises.render_exercise_form
   .zh-predict[data-name][data-kind] > form.zh-form             zh.exercises.render_predict
       covers the .cell_output of the next cell, of those right behind it, and the prose after them;
       the prediction stays in this browser (localStorage zh:predict:NAME)
   button[data-zh-forget], beside it [role=status]              forgets all that was kept; window.zhForget() too
   .zh-practice                                                 practice.js: what the browser has kept, in a list
       kept in localStorage: zh:predict:NAME the prediction, zh:exercise:NAME right | tried | done (by hand),
       zh:lab:NAME used
   script.zh-payload[data-key][data-src]                        data that a file sets at zhData[key]
   The address says the state: #NAME?key=value&key=value. */
(function () {
  "use strict";
  const HERE = document.currentScript.src;
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
  const make = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text || "" });

  // ---------- loading
  const loads = {};
  function load(url, tag) {
    return loads[url] ??= new Promise((done, failed) => {
      const node = document.createElement(tag);
      if (tag === "link") { node.rel = "stylesheet"; node.href = url; } else node.src = url;
      node.onload = done;
      node.onerror = () => { delete loads[url]; node.remove(); failed(new Error("could not load " + url)); };
      document.head.append(node);
    });
  }
  const script = (name) => load(new URL(name, HERE).href, "script");
  const base = () => script("labs/base.js").then(() => window.zhLabs.base);
  async function payload(root) {
    const node = root.querySelector("script.zh-payload"), { key, src } = node.dataset;
    if (!src) return JSON.parse(node.textContent);
    if (!(window.zhData || {})[key]) await load(new URL(src, document.baseURI).href, "script");
    return window.zhData[key];
  }

  // ---------- the address
  const figures = {}; // id -> what takes the state out of the address
  let written, timer;
  function address() {
    const [id, query] = location.hash.slice(1).split("?");
    try { return { id: decodeURIComponent(id), values: query === undefined ? null : Object.fromEntries(new URLSearchParams(query)) }; }
    catch { return { id: "", values: null }; }
  }
  function flush() {
    clearTimeout(timer);
    if (written) try { history.replaceState(history.state, "", written); } catch { /* too often, or refused */ }
    written = null;
  }
  function write(id, pairs) { // not at every step: browsers limit it
    written = "#" + id + "?" + new URLSearchParams(pairs);
    clearTimeout(timer);
    timer = setTimeout(flush, 200);
  }
  function uncover(node) { // open the folds and predictions that hide it
    let moved = false;
    for (let d = node.closest("details:not([open])"); d; d = node.closest("details:not([open])")) d.open = moved = true;
    for (const p of predictions) if (p.covers(node)) { p.reveal(); moved = true; }
    return moved;
  }
  function arrive() {
    written = null;
    const { id, values } = address(), target = id && document.getElementById(id);
    if (!target) return;
    const moved = uncover(target) || values !== null;
    if (values && figures[id]) figures[id](values);
    if (moved) target.scrollIntoView();
  }

  // ---------- a page that the search led to: show the first place that has a word searched for
  const SOUGHT = "zh:sought";
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#search-results a")) return;
    try { sessionStorage.setItem(SOUGHT, new URLSearchParams(location.search).get("q") || ""); } catch { /* not kept */ }
  });
  function sought() {
    let query = "";
    try { query = sessionStorage.getItem(SOUGHT) || ""; if (query) sessionStorage.removeItem(SOUGHT); } catch { /* none */ }
    const words = query.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
    if (!words.length) return;
    const stems = words.map((word) => word.slice(0, Math.max(4, word.length - 3))); // the index is of stems
    const article = document.querySelector("article");
    for (const wanted of article ? [words, stems] : []) {
      const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
      for (let node; (node = texts.nextNode());) {
        const text = node.data.toLowerCase(), word = wanted.find((w) => text.includes(w));
        if (!word || node.parentElement.closest("script, style, svg, [aria-hidden]")) continue;
        uncover(node.parentElement);
        const found = node.splitText(text.indexOf(word)), mark = make("mark");
        found.splitText(word.length);
        found.replaceWith(mark);
        mark.append(found);
        mark.scrollIntoView({ block: "center" });
        return;
      }
    }
  }

  // ---------- explore
  function explore(root) {
    const spec = JSON.parse(root.dataset.spec), box = root.querySelector(".zh-frame"), live = root.querySelector(".zh-live");
    const controls = spec.names.map((name) => all(`[data-axis="${name}"]`, root)), form = root.querySelector("form");
    const at = [...spec.start];
    let data, frames, said = alt(), speak;
    function alt() { const node = box.querySelector("[aria-label]"); return node ? node.getAttribute("aria-label") : ""; }
    const fetchFrames = () => data ??= payload(root).then((d) => { frames = d; }, () => {
      data = null;
      live.textContent = "The other frames did not load. Move the control again to retry.";
    });
    function show() {
      controls.forEach((nodes, i) => {
        const text = spec.values[i][at[i]], node = nodes[0];
        if (node.type === "radio") nodes[at[i]].checked = true;
        else node.value = at[i];
        if (node.type === "range") { node.setAttribute("aria-valuetext", text); node.nextElementSibling.value = text; }
      });
      if (!frames) return fetchFrames().then(() => frames && show());
      box.style.minHeight ||= box.offsetHeight + "px";
      box.innerHTML = frames.frames[frames.order[at.reduce((k, v, i) => k * spec.values[i].length + v, 0)]];
      clearTimeout(speak);
      speak = setTimeout(() => { if (alt() !== said) live.textContent = said = alt(); }, 400);
    }
    form.addEventListener("input", () => {
      controls.forEach((nodes, i) => { at[i] = +(nodes.find((n) => n.checked) || nodes[0]).value; });
      show();
      write(root.id, spec.names.map((name, i) => [name, spec.values[i][at[i]]]));
    });
    for (const event of ["pointerenter", "focusin", "touchstart"]) form.addEventListener(event, fetchFrames, { passive: true });
    figures[root.id] = (values) => {
      spec.names.forEach((name, i) => {
        const found = spec.values[i].findIndex((v) => v === values[name] || (values[name] && +v === +values[name]));
        at[i] = found < 0 ? spec.start[i] : found;
      });
      show();
    };
    root.classList.add("zh-ready");
  }

  // ---------- labs
  function lab(root) {
    const values = JSON.parse(root.querySelector(".zh-state").textContent), first = {}, heard = {};
    let given = {}, started;
    const text = (v) => typeof v === "string" ? v : JSON.stringify(v);
    function value(key) { // as the address has it, if it has it and of the type that the lab uses
      const like = first[key], said = given[key];
      if (said === undefined || typeof like === "string") return said ?? like;
      try { const v = JSON.parse(said); return typeof v === typeof like && Array.isArray(v) === Array.isArray(like) ? v : like; }
      catch { return like; }
    }
    const model = {
      get: (key) => key === "data" ? root.querySelector("script.zh-payload") && (() => payload(root)) : values[key],
      set(key, v) {
        if (!(key in first)) { first[key] = v; v = value(key); }
        if (text(v) === text(values[key])) return;
        values[key] = v;
        for (const f of [...(heard["change:" + key] || [])]) f();
      },
      save_changes() {
        keep("lab:" + root.id, "used");
        write(root.id, Object.keys(values).filter((k) => text(values[k]) !== text(first[k])).map((k) => [k, text(values[k])]));
      },
      on(event, f) { (heard[event] ??= []).push(f); },
      off(event, f) { heard[event] = (heard[event] || []).filter((g) => g !== f); },
      send() {},
    };
    Object.assign(first, values);
    const start = () => started ??= (async () => {
      const body = root.querySelector(".zh-lab-body"), name = root.dataset.lab;
      try {
        await Promise.all([load(new URL("labs/labs.css", HERE).href, "link"), base().then(() => script(`labs/${name}.js`))]);
        body.textContent = "";
        await window.zhLabs[name].render({ model, el: body });
        root.classList.add("zh-ready");
      } catch (error) {
        console.error(error);
        body.append(make("p", "zh-failed", "This lab did not start: " + error.message));
        started = null;
      }
    })();
    figures[root.id] = (said) => {
      given = said;
      for (const key of Object.keys(first)) model.set(key, value(key));
      start();
    };
    const seen = new IntersectionObserver((entries) => {
      if (entries.some((e) => e.isIntersecting)) { seen.disconnect(); start(); }
    }, { rootMargin: "500px" });
    seen.observe(root);
  }

  // ---------- forms
  function reply(form, text, ok) {
    const line = form.querySelector(".zh-reply");
    line.className = "zh-reply" + (ok === undefined ? "" : ok ? " zh-ok" : " zh-no");
    line.textContent = text;
  }
  function entered(form) {
    if (form.dataset.kind !== "choice") return form.querySelector("input").value.trim();
    const chosen = form.querySelector("input:checked");
    return chosen ? chosen.value : "";
  }
  const kept = (key) => { try { return localStorage.getItem("zh:" + key); } catch { return null; } };
  const keep = (key, v) => { try { localStorage.setItem("zh:" + key, v); } catch { /* not kept */ } };
  function solved(root) { // says so beside the exercise
    const label = root.querySelector(".zh-label");
    if (/right|done/.test(kept("exercise:" + root.dataset.name)) && !label.querySelector(".zh-solved"))
      label.append(make("span", "zh-solved", " · solved"));
  }
  async function exercise(form) {
    const { judge, unhide } = await base(), { name, spec } = form.dataset, key = "exercise:" + name;
    const answer = entered(form), said = judge(unhide(spec, name), answer);
    reply(form, said.text, said.ok);
    if (said.ok || answer && !kept(key)) keep(key, said.ok ? "right" : "tried");
    solved(form.closest(".zh-exercise"));
  }
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches(".zh-form, .zh-controls")) return;
    event.preventDefault();
    if (form.dataset.spec) exercise(form).catch(() => reply(form, "The page could not load what checks answers. Try again."));
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.closest(".zh-form")) base().catch(() => {});
  });

  // ---------- predictions
  const memory = {}, PREFIX = "zh:predict:";
  const store = {
    get(key) { try { return localStorage.getItem(PREFIX + key) ?? memory[key]; } catch { return memory[key]; } },
    set(key, v) { memory[key] = v; try { localStorage.setItem(PREFIX + key, v); } catch { /* this page only */ } },
    drop(key) { delete memory[key]; try { localStorage.removeItem(PREFIX + key); } catch { /* nothing kept */ } },
  };
  const predictions = [], covers = new Map(); // output -> what is covered with it, and the predictions that still cover it
  const PROSE = "p, ul, ol, dl, blockquote, div.math";
  function predict(root) {
    const form = root.querySelector("form"), name = root.dataset.name, kind = root.dataset.kind;
    const output = all(".cell .cell_output").find((o) => root.compareDocumentPosition(o) & Node.DOCUMENT_POSITION_FOLLOWING);
    if (!output) { root.classList.add("zh-ready"); return; }
    const note = make("p", "zh-cover", "The result stays covered until you commit to a prediction, or ask for it without one.");
    const said = make("p", "zh-said"), again = make("button", "zh-again", "Ask me again");
    again.type = "button";
    if (!covers.has(output)) { // the result, those of cells that stand right behind it, and the text after them that reads it
      const groups = [[output]], others = [];
      let silent = false, read = false; // a cell without a result; the text has begun
      for (let n = output.closest(".cell").nextElementSibling; n; n = n.nextElementSibling) {
        if (n.matches(PROSE)) {
          if (silent) groups.push([n]); else groups.at(-1).push(n);
          [silent, read] = [false, true];
        } else if (n.matches(".cell") && !read && !n.querySelector(".zh-lab, .zh-explore")) {
          const next = n.querySelector(":scope > .cell_output");
          if (next) groups.push([next]);
          silent = !next;
        } else break;
      }
      for (const group of groups.slice(1)) {
        const too = make("p", "zh-cover", "Covered as well.");
        group[0].before(too);
        too.hidden = true;
        others.push({ too, group });
      }
      covers.set(output, { nodes: groups.flat(), first: groups[0], others, names: new Set() });
    }
    const { nodes, first, others, names } = covers.get(output);
    let height = "", margin = "";
    output.before(note, said);
    said.hidden = true;
    function show(text) {
      names.delete(name);
      if (!names.size) {
        for (const n of nodes) n.removeAttribute("hidden");
        for (const { too } of others) too.hidden = true;
      }
      note.hidden = form.hidden = true;
      said.hidden = !text;
      said.textContent = text ? "You predicted: " + text : "";
      if (text) said.append(" ", again);
    }
    const tall = (group) => group.at(-1).getBoundingClientRect().bottom - group[0].getBoundingClientRect().top + "px";
    function measure() {
      height = tall(first);
      margin = getComputedStyle(output).margin;
      for (const other of others) other.height = tall(other.group);
    }
    function cover() { // the note takes the place of the result: nothing moves
      note.style.minHeight = height;
      note.style.margin = margin;
      for (const other of others) {
        Object.assign(other.too.style, { minHeight: other.height, margin });
        other.too.hidden = false;
      }
      for (const n of nodes) n.setAttribute("hidden", "until-found");
      names.add(name);
      note.hidden = form.hidden = false;
      said.hidden = true;
    }
    function leave() { // the reader goes on with the result
      const next = names.size ? root : output;
      next.setAttribute("tabindex", "-1");
      next.focus();
    }
    async function commit() {
      let text = entered(form);
      if (!text) return reply(form, "Say what you expect first.");
      if (kind === "number") {
        const { parseNumber, REPLIES } = await base().catch(() => ({ parseNumber: Number }));
        if (Number.isNaN(parseNumber(text))) return reply(form, (REPLIES || {})["not a number"] || "That is not a number.");
      }
      if (kind === "choice") text = form.querySelector("input:checked + span").textContent;
      reply(form, "");
      store.set(name, text);
      show(text);
      leave();
    }
    form.addEventListener("submit", commit);
    form.querySelector(".zh-decline").addEventListener("click", () => { show(""); leave(); });
    again.addEventListener("click", () => { me.forget(); form.querySelector("input").focus(); });
    for (const n of nodes) n.addEventListener("beforematch", () => show(""));
    const me = {
      measure,
      start() { const before = store.get(name); before ? show(before) : cover(); root.classList.add("zh-ready"); },
      covers: (node) => names.has(name) && nodes.some((n) => n.contains(node)),
      reveal: () => show(""),
      forget() { store.drop(name); form.reset(); reply(form, ""); if (!names.size) measure(); cover(); },
    };
    predictions.push(me);
  }
  window.zhForget = () => {
    for (const p of predictions) p.forget();
    try { for (const key of Object.keys(localStorage)) if (key.startsWith("zh:")) localStorage.removeItem(key); } catch { /* nothing kept */ }
    for (const node of all(".zh-solved")) node.remove();
    dispatchEvent(new Event("zh-kept"));
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zh-forget]"), line = button && button.parentElement.querySelector("[role=status]");
    if (button) window.zhForget();
    if (line) line.textContent = "Forgotten.";
  });

  // ---------- paper
  let undo = [];
  addEventListener("beforeprint", () => {
    for (const d of all("details:not([open])")) { d.open = true; undo.push(() => { d.open = false; }); }
    for (const n of all("[hidden=until-found]")) { n.removeAttribute("hidden"); undo.push(() => n.setAttribute("hidden", "until-found")); }
  });
  addEventListener("afterprint", () => { for (const f of undo) f(); undo = []; });

  all(".zh-explore").forEach(explore);
  all(".zh-lab").forEach(lab);
  all(".zh-predict").forEach(predict);
  all(".zh-exercise").forEach(solved);
  if (document.querySelector(".zh-practice")) load(new URL("practice.css", HERE).href, "link").finally(() => script("practice.js"));
  for (const p of predictions) p.measure(); // all, then cover: one layout of the page, not one each
  for (const p of predictions) p.start();
  addEventListener("hashchange", arrive);
  addEventListener("pagehide", flush);
  arrive();
  sought();
})();
