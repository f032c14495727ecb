"use strict";
// The page is whole without this. The script adds search, sorting, keys and copying, and
// unpacks the tests that were too many to be written out. Text only ever goes in as text.
(() => {
  const PAGE = 500;
  const OUTCOMES = ["failed", "inconclusive", "skipped", "passed"];
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const query = one("#query");
  const table = one("table.tests");
  const body = table && table.tBodies[0];
  const more = one("#more");
  const fixed = all(".findable").filter((item) => !body || !body.contains(item));
  let rows = body ? [...body.rows].map(readRow) : [];
  let sort = "";
  let limit = PAGE;

  function readRow(element, order) {
    const [outcome, test, suite, rules] = [...element.cells].map((cell) => cell.textContent);
    return {
      element, order, suite, outcome: outcome.trim(), test: test.trim(),
      rules: Number(rules.replace(/\s/g, "")), time: Number(element.dataset.time),
      words: haystack(element),
    };
  }

  function packedRow([outcome, test, suite, rules, time, note, rerun, tokens], order) {
    const words = [outcome, test, suite, note, tokens].join(" ").toLowerCase();
    return { outcome, test, suite, rules, time, note, rerun, order, words };
  }

  function elementOf(row) {
    if (row.element) return row.element;
    const element = one("#row").content.firstElementChild.cloneNode(true);
    const [outcome, test, suite, rules, time] = element.cells;
    one(".pill", outcome).textContent = row.outcome;
    one(".pill", outcome).classList.add(row.outcome);
    one("code", test).textContent = row.test;
    one(".small", test).textContent = row.note;
    suite.textContent = row.suite;
    rules.textContent = row.rules;
    time.textContent = `${row.time.toFixed(1)} s`;
    element.dataset.rerun = row.rerun;
    row.element = element;
    return element;
  }

  function haystack(item) {
    return `${item.textContent} ${item.dataset.tokens || ""}`.toLowerCase();
  }

  function termsOf(text) {
    return (text.toLowerCase().match(/-?"[^"]*"|\S+/g) || [])
      .map((term) => {
        const wanted = !(term.startsWith("-") && term.length > 1);
        return { wanted, word: (wanted ? term : term.slice(1)).replaceAll('"', "") };
      })
      .filter((term) => term.word);
  }

  function matches(words, terms) {
    return terms.every(({ wanted, word }) => words.includes(word) === wanted);
  }

  function sorted(list) {
    const key = sort.replace("-", "");
    if (!key) return list;
    const value = key === "outcome" ? (row) => OUTCOMES.indexOf(row.outcome) : (row) => row[key];
    const sign = sort.startsWith("-") ? -1 : 1;
    return [...list].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return (x < y ? -1 : x > y ? 1 : a.order - b.order) * (x === y ? 1 : sign);
    });
  }

  function show() {
    const terms = termsOf(query.value);
    for (const item of fixed) item.hidden = !matches(item.words ??= haystack(item), terms);
    for (const group of all("#findings .rule, .reasons, .remarks")) {
      const items = all(".findable", group);
      group.hidden = items.length > 0 && items.every((item) => item.hidden);
    }
    one(".nothing").hidden = fixed.length === 0 || fixed.some((item) => !item.hidden);
    if (!body) return;
    const found = sorted(rows.filter((row) => matches(row.words, terms)));
    body.replaceChildren(...found.slice(0, limit).map(elementOf));
    one("#no-tests").hidden = found.length > 0;
    more.hidden = found.length <= limit;
    more.textContent = `Show ${Math.min(PAGE, found.length - limit)} more of ${found.length} tests`;
    one("#found").textContent = terms.length ? `${found.length} of ${rows.length} tests` : "";
    for (const head of all("th[data-sort]", table)) {
      const is = head.dataset.sort === sort.replace("-", "");
      head.ariaSort = is ? (sort.startsWith("-") ? "descending" : "ascending") : "none";
    }
  }

  // The search and the order live in the address, so that a copied link shows the same.
  function readAddress() {
    if (location.hash && !/^#(q|sort)=/.test(location.hash)) return;
    const state = new URLSearchParams(location.hash.slice(1));
    query.value = state.get("q") || "";
    const asked = state.get("sort") || "";
    sort = all("th[data-sort]").some((head) => head.dataset.sort === asked.replace("-", "")) ? asked : "";
    limit = PAGE;
    show();
  }

  function writeAddress() {
    const state = new URLSearchParams();
    if (query.value) state.set("q", query.value);
    if (sort) state.set("sort", sort);
    history.replaceState(null, "", `#${state}`);
    limit = PAGE;
    show();
  }

  function sortBy(key) {
    sort = sort === key ? `-${key}` : sort === `-${key}` ? "" : key;
    writeAddress();
  }

  async function copy(text, done) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    done();
  }

  function copyFrom(button) {
    copy(one("code", button.parentElement).textContent, () => {
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1200);
    });
  }

  function move(step) {
    const items = all(".findable").filter((item) => item.getClientRects().length > 0);
    const at = items.indexOf(document.activeElement.closest(".findable"));
    const next = items[at < 0 ? (step > 0 ? 0 : items.length - 1) : at + step];
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    }
  }

  function copyRerun() {
    const item = document.activeElement.closest(".findable");
    if (!item) return;
    const text = item.dataset.rerun || (one(".copyable code", item) || {}).textContent;
    if (text) copy(text, () => { one("#found").textContent = "command copied"; });
  }

  const keys = {
    "/": () => { query.focus(); query.select(); },
    "?": () => one("#help").showModal(),
    j: () => move(1),
    k: () => move(-1),
    c: copyRerun,
  };

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || one("#help").open) return;
    const isTyping = event.target === query;
    if (event.key === "Escape" && isTyping) {
      query.value = "";
      writeAddress();
      query.blur();
    } else if (!isTyping && Object.hasOwn(keys, event.key)) {
      event.preventDefault();
      keys[event.key]();
    }
  }

  // An anchor in the address would push the search out of it.
  function jump(event) {
    const link = event.target.closest(".toolbar a");
    if (!link || !/^#(q|sort)=/.test(location.hash)) return;
    event.preventDefault();
    one(link.hash).scrollIntoView();
  }

  async function unpack() {
    const island = one("#island");
    if (!island || !window.DecompressionStream) return;
    const packed = Uint8Array.from(atob(island.textContent.trim()), (char) => char.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    rows = (await new Response(stream).json()).map(packedRow);
    one(".scriptless").hidden = true;
  }

  function makeSortable(head) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(head.dataset.sort));
    head.replaceChildren(button);
  }

  async function start() {
    await unpack();
    for (const item of all(".toolbar form, .chips, .copy")) item.hidden = false;
    all("th[data-sort]").forEach(makeSortable);
    query.addEventListener("input", writeAddress);
    one(".toolbar form").addEventListener("submit", (event) => event.preventDefault());
    one("#keys").addEventListener("click", () => one("#help").showModal());
    if (more) more.addEventListener("click", () => { limit += PAGE; show(); });
    document.addEventListener("click", (event) => {
      const button = event.target.closest(".copy");
      if (button) copyFrom(button);
      jump(event);
    });
    document.addEventListener("keydown", pressed);
    window.addEventListener("hashchange", readAddress);
    readAddress();
    show();
    document.documentElement.dataset.ready = "yes";
  }

  start();
})();
