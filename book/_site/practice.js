/* The list of exercises, labs and predictions with what this browser has kept of them (see site.js).
   Loaded by site.js on the page that has the list:

   .zh-progress > .zh-tally, .zh-only-left, .zh-save, .zh-open input[type=file], [data-zh-forget], [role=status]
   .zh-practice > section[data-chapter] with h2 and li[data-key][data-by-hand] */
(function () {
  "use strict";
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
  const make = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text || "" });
  const panel = document.querySelector(".zh-progress"), list = document.querySelector(".zh-practice");
  const say = (text) => { panel.querySelector("[role=status]").textContent = text; };
  const KEY = /^zh:(exercise|predict|lab):[a-z0-9][a-z0-9-]{0,80}$/, LONGEST = 1000;
  let store;
  try { store = localStorage; store.setItem("zh:try", "1"); store.removeItem("zh:try"); } catch { store = null; }
  panel.hidden = false;
  if (!store) {
    panel.textContent = "";
    panel.append(make("p", "", "This browser keeps nothing for this page, so there is no progress to show. The list works without it."));
    return;
  }

  // ---------- one line: what is said about it, and whether it is done
  const WORDS = { right: "right", done: "done", tried: "tried", used: "used" };
  function state(item) {
    const value = store.getItem(item.dataset.key), what = item.dataset.key.split(":")[1];
    if (value === null) return { done: false, text: "" };
    if (what === "predict") return { done: true, text: "you predicted: " + value };
    return { done: value !== "tried", text: WORDS[value] || "" };
  }
  for (const item of all("li[data-key]", list)) {
    if ("byHand" in item.dataset) {
      const label = make("label", "zh-choice"), box = make("input");
      box.type = "checkbox";
      box.setAttribute("aria-label", "Done: " + item.querySelector("a").textContent);
      box.addEventListener("change", () => {
        try { box.checked ? store.setItem(item.dataset.key, "done") : store.removeItem(item.dataset.key); }
        catch { say("The browser did not keep that."); }
        refresh();
      });
      label.append(box, make("span", "", "done"));
      item.append(" ", label);
    }
    item.append(make("span", "zh-state"));
  }
  const kinds = [["exercise", "exercises"], ["lab", "labs"], ["predict", "predictions"]];
  function tally(items) {
    return kinds.map(([kind, words]) => {
      const mine = items.filter((i) => i.dataset.key.startsWith(`zh:${kind}:`));
      return mine.length ? `${mine.filter((i) => i.classList.contains("zh-is-done")).length} of ${mine.length} ${words}` : "";
    }).filter(Boolean).join(", ");
  }
  function refresh() {
    for (const item of all("li[data-key]", list)) {
      const { done, text } = state(item), shown = item.querySelector(".zh-state"), box = item.querySelector("input");
      item.classList.toggle("zh-is-done", done);
      shown.textContent = text && !(box && done) ? ` ${done ? "✓ " : ""}${text}` : "";
      if (box) box.checked = done;
    }
    for (const section of all("section", list)) {
      const line = section.querySelector(".zh-tally") || section.querySelector("h2").insertAdjacentElement("afterend", make("p", "zh-tally"));
      line.textContent = tally(all("li[data-key]", section));
    }
    panel.querySelector(".zh-tally").textContent = "In all: " + tally(all("li[data-key]", list)) + ".";
    left();
  }
  function left() { // hide what is done, and a heading under which nothing is left
    const only = panel.querySelector(".zh-only-left").checked;
    for (const item of all("li[data-key]", list)) item.hidden = only && item.classList.contains("zh-is-done");
    for (const group of all("ul", list)) {
      const empty = !group.querySelector("li:not([hidden])"), head = group.closest("details") || group.previousElementSibling;
      group.hidden = head.hidden = empty;
    }
    for (const section of all("section", list)) section.hidden = !section.querySelector("li:not([hidden])");
  }
  panel.querySelector(".zh-only-left").addEventListener("change", left);

  // ---------- take it to another browser
  const mine = () => Object.keys(store).filter((key) => KEY.test(key)).sort();
  panel.querySelector(".zh-save").addEventListener("click", () => {
    const kept = Object.fromEntries(mine().map((key) => [key, store.getItem(key)]));
    const blob = new Blob([JSON.stringify({ progress: "zh", kept }, null, 1)], { type: "application/json" });
    const link = Object.assign(make("a"), { href: URL.createObjectURL(blob), download: "progress.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say(`Saved ${mine().length} entries.`);
  });
  panel.querySelector("input[type=file]").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    let read;
    try { read = JSON.parse(await file.text()); } catch { read = null; }
    event.target.value = "";
    const kept = read && read.progress === "zh" && typeof read.kept === "object" && read.kept;
    if (!kept) return say("That file is not a saved progress of this book. Choose one that this page has saved.");
    const good = Object.entries(kept).filter(([k, v]) => KEY.test(k) && typeof v === "string" && v.length <= LONGEST);
    try {
      for (const [key, value] of good) if (value !== "tried" || store.getItem(key) === null) store.setItem(key, value);
    } catch { return say("The browser has no room for it."); }
    refresh();
    say(`Took over ${good.length} entries.`);
  });

  for (const event of ["zh-kept", "storage", "pageshow"]) addEventListener(event, refresh);
  refresh();
})();
