"use strict";
// Everything from users and machines gets into the document as text, by `put`; there is no other way in.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const put = (tag, look, ...children) => {
    const element = document.createElement(tag);
    if (look) element.className = look;
    for (const child of children) element.append(child);
    return element;
  };
  const FIRST = 200;
  const state = { open: new Set(), accepted: new Set(), current: -1, room: FIRST, side: window.innerWidth > 1000, theme: "" };
  const remember = (name, value) => { try { localStorage.setItem("stead-" + name, value); } catch { /* a file may have no storage */ } };
  const recall = (name) => { try { return localStorage.getItem("stead-" + name); } catch { return null; } };

  const nodes = (count) => (count === 1 ? "1 node" : count + " nodes");
  const size = (ranges) => ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const has = (ranges, index) => ranges.some(([first, last]) => first <= index && index <= last);
  const textOf = (change) => {
    // What the search looks at: everything that can be seen of a change.
    if (change.text === undefined) {
      const parts = [change.id, change.word, change.source, change.extent, change.states.join(" "), ...change.because, ...change.notes];
      if (change.error) parts.push(change.error);
      for (const line of change.lines) parts.push(line.join(" "));
      for (const attribute of change.attributes) {
        parts.push(attribute.name, attribute.before || "", attribute.after || "");
        for (const hunk of attribute.hunks || []) for (const line of hunk.lines) parts.push(line[1].join(""));
      }
      change.text = parts.join("\n").toLowerCase();
    }
    return change.text;
  };
  const pattern = (words) => {
    const escaped = words.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(words.includes("*") ? "^" + escaped.join(".*") + "$" : escaped[0], "i");
  };

  let shown = [];
  const filter = () => {
    const words = at("search").value.trim().toLowerCase();
    const node = at("node").value.trim();
    const type = at("type").value;
    const action = at("action").value;
    let wanted = null;
    if (node) {
      const fits = pattern(node);
      wanted = [];
      data.nodes.forEach((name, index) => { if (fits.test(name)) wanted.push(index); });
    }
    shown = [];
    data.changes.forEach((change, index) => {
      if (type && change.type !== type) return;
      if (action && change.word !== action) return;
      if (wanted && !wanted.some((number) => has(change.nodes, number))) return;
      if (words && !textOf(change).includes(words)) return;
      shown.push(index);
    });
    state.room = FIRST;
    state.current = -1;
    draw();
  };

  const numbered = (hunk) => {
    // Gives each line its number before and after.
    let before = hunk.old, after = hunk.new;
    return hunk.lines.map(([sign, pieces, newline]) => ({
      sign, pieces, newline,
      before: sign === "+" ? "" : before++,
      after: sign === "-" ? "" : after++,
    }));
  };
  const content = (cell, line) => {
    line.pieces.forEach((piece, index) => cell.append(index % 2 ? put("mark", "", piece) : piece));
    if (!line.newline) cell.append(put("span", "dim", " (no newline at the end)"));
    return cell;
  };
  const look = (line) => ({ "+": "added", "-": "removed" })[line.sign] || "";
  const inline = (table, hunk) => {
    for (const line of numbered(hunk)) {
      const row = put("tr", look(line), put("td", "no", String(line.before)), put("td", "no", String(line.after)), put("td", "sign", line.sign));
      row.append(content(put("td", "text"), line));
      table.append(row);
    }
  };
  const beside = (table, hunk) => {
    const lines = numbered(hunk);
    const half = (row, line, number) => {
      row.append(put("td", "no", line ? String(number) : ""), line ? content(put("td", "text " + look(line)), line) : put("td", "text"));
    };
    for (let i = 0; i < lines.length;) {
      if (lines[i].sign === " ") {
        const row = put("tr");
        half(row, lines[i], lines[i].before);
        half(row, lines[i], lines[i].after);
        table.append(row);
        i++;
        continue;
      }
      const removed = [], added = [];
      while (i < lines.length && lines[i].sign === "-") removed.push(lines[i++]);
      while (i < lines.length && lines[i].sign === "+") added.push(lines[i++]);
      for (let k = 0; k < Math.max(removed.length, added.length); k++) {
        const row = put("tr");
        half(row, removed[k], removed[k] && removed[k].before);
        half(row, added[k], added[k] && added[k].after);
        table.append(row);
      }
    }
  };
  const diff = (attribute) => {
    const oneSided = attribute.hunks.every((hunk) => hunk.lines.every((line) => line[0] === attribute.hunks[0].lines[0][0]));
    const side = state.side && !oneSided;
    const table = put("table", side ? "side" : "");
    for (const hunk of attribute.hunks) {
      const head = put("td", "", hunk.header);
      head.colSpan = 4;
      table.append(put("tr", "hunk", head));
      (side ? beside : inline)(table, hunk);
    }
    return put("div", "diff", table);
  };
  const attribute = (found, change) => {
    const box = put("div", "attribute", put("span", "name mono", found.name));
    if (found.note) box.append(put("span", "dim", " (" + found.note + ")"));
    if (found.hunks) {
      box.append(diff(found));
    } else if (found.before !== undefined) {
      const value = put("span", "value mono", ": ");
      const coming = found.before === "(absent)" && change.action !== "update";
      if (!coming) value.append(put("span", "was", found.before), " → ");
      value.append(put("span", "now", found.after));
      box.append(value);
    }
    return box;
  };
  const body = (change) => {
    const box = put("div", "body");
    box.append(put("p", "dim", "on " + change.names));
    if (size(change.nodes) > 1 && size(change.nodes) <= 2000) {
      const all = put("details", "", put("summary", "dim", "each node by name"));
      all.addEventListener("toggle", () => {
        if (all.childElementCount > 1) return;
        const names = [];
        for (const [first, last] of change.nodes) for (let i = first; i <= last; i++) names.push(data.nodes[i]);
        all.append(put("p", "mono", names.join(" ")));
      });
      box.append(all);
    }
    if (change.states.length) box.append(put("p", "dim", "in state " + change.states.join(" > ")));
    for (const [place, sign, text] of change.lines) {
      const line = put("span", "mono " + (sign === "+" ? "added" : "removed"), sign + " " + text.trim());
      box.append(put("p", "dim", "by " + place + " ", line));
    }
    for (const cause of change.because) box.append(put("p", "", "because " + cause));
    for (const note of change.notes) box.append(put("p", "dim", note));
    if (change.error) box.append(put("p", "error", change.error));
    for (const found of change.attributes) box.append(attribute(found, change));
    return box;
  };
  const article = (index, place) => {
    const change = data.changes[index];
    const count = size(change.nodes);
    const button = put("button", "",
      put("span", "sign a-" + (change.error ? "error" : change.action), change.sign),
      put("span", "many", nodes(count)),
      put("span", "word a-" + (change.error ? "error" : change.action), change.word),
      put("span", "id mono", change.id));
    button.type = "button";
    if (change.extent && change.action !== "create") button.append(put("span", "dim", change.extent));
    if (change.outlier) button.append(put("span", "flag", "differs"));
    button.append(put("span", "source mono", change.source));
    button.setAttribute("aria-expanded", String(state.open.has(index)));
    button.addEventListener("click", () => { state.current = place; toggle(index); });
    const head = put("div", "head");
    if (data.accept && change.action !== "none" && !change.error) {
      const box = put("input");
      box.type = "checkbox";
      box.checked = state.accepted.has(index);
      box.setAttribute("aria-label", "accept " + change.id);
      box.addEventListener("change", () => accept(index, box.checked));
      head.append(box);
    }
    head.append(button);
    const element = put("article", place === state.current ? "current" : "", head);
    element.dataset.index = String(index);
    if (state.open.has(index)) element.append(body(change));
    return element;
  };
  const draw = () => {
    const list = at("list");
    list.textContent = "";
    data.failures.forEach((failure) => {
      const names = [];
      for (const [first, last] of failure.nodes) for (let i = first; i <= last && names.length < 20; i++) names.push(data.nodes[i]);
      const count = size(failure.nodes);
      const more = count > names.length ? " and " + (count - names.length) + " more" : "";
      list.append(put("article", "", put("div", "body",
        put("p", "error", nodes(count) + " without a plan: error[" + failure.code + "]: " + failure.message),
        put("p", "dim", "on " + names.join(", ") + more))));
    });
    shown.slice(0, state.room).forEach((index, place) => list.append(article(index, place)));
    if (shown.length > state.room) {
      const more = put("button", "", "Show " + (shown.length - state.room) + " more");
      more.type = "button";
      more.addEventListener("click", () => { state.room += 1000; draw(); });
      list.append(more);
    }
    if (!shown.length && !data.failures.length) list.append(put("p", "none", data.changes.length ? "No change fits." : "Nothing would change."));
    at("count").textContent = shown.length === data.changes.length ? data.changes.length + " changes" : shown.length + " of " + data.changes.length + " changes";
    tally();
  };
  const redraw = (index) => {
    const old = at("list").querySelector('article[data-index="' + index + '"]');
    const place = shown.indexOf(index);
    if (old && place >= 0) old.replaceWith(article(index, place));
  };
  const toggle = (index) => {
    state.open.has(index) ? state.open.delete(index) : state.open.add(index);
    mark();
    redraw(index);
  };
  const mark = () => {
    at("list").querySelectorAll("article.current").forEach((element) => element.classList.remove("current"));
    const index = shown[state.current];
    if (index === undefined) return;
    const element = at("list").querySelector('article[data-index="' + index + '"]');
    if (element) {
      element.classList.add("current");
      element.scrollIntoView({ block: "nearest" });
      element.querySelector(".head button").focus({ preventScroll: true });
    }
  };
  const move = (step) => {
    const last = Math.min(shown.length, state.room) - 1;
    if (last < 0) return;
    state.current = Math.max(0, Math.min(last, state.current + step));
    mark();
  };
  const can = (index) => data.accept && data.changes[index].action !== "none" && !data.changes[index].error;
  const accept = (index, is) => {
    if (!can(index)) return;
    is ? state.accepted.add(index) : state.accepted.delete(index);
    tally();
  };
  const tally = () => {
    if (!data.accept) return;
    at("accept").hidden = false;
    const all = data.changes.filter((_, index) => can(index)).length;
    at("accepted").textContent = state.accepted.size + " of " + all + " changes accepted";
    at("export").disabled = state.accepted.size === 0;
  };
  const acceptance = () => {
    const lines = ["# What may be applied of this plan, for `stead apply --accept`: nodes, then the resource.", "plan " + data.hash];
    [...state.accepted].sort((a, b) => a - b).forEach((index) => {
      const change = data.changes[index];
      lines.push(change.patterns + " " + change.id);
    });
    return lines.join("\n") + "\n";
  };
  const exportAccepted = () => {
    const text = acceptance();
    at("exported-text").value = text;
    const link = at("download");
    if (link.href) URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    at("exported").showModal();
  };
  const dark = () => (state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const setTheme = (theme) => {
    state.theme = theme;
    if (theme) document.documentElement.dataset.theme = theme;
    at("theme").textContent = dark() ? "Light" : "Dark";
  };
  const setSide = (side) => {
    state.side = side;
    at("layout").textContent = side ? "Inline" : "Side by side";
    draw();
  };

  const choices = (select, values) => {
    const any = put("option", "", "any");
    any.value = "";
    select.append(any);
    [...new Set(values)].sort().forEach((value) => {
      const option = put("option", "", value);
      option.value = value;
      select.append(option);
    });
    select.addEventListener("change", filter);
  };
  at("title").textContent = data.title;
  data.summary.forEach((line) => at("summary").append(put("div", "", line)));
  choices(at("type"), data.changes.map((change) => change.type));
  choices(at("action"), data.changes.map((change) => change.word));
  data.nodes.slice(0, 500).forEach((name) => {
    const option = put("option");
    option.value = name;
    at("nodes").append(option);
  });
  at("search").addEventListener("input", filter);
  at("node").addEventListener("input", filter);
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("theme").addEventListener("click", () => { const next = dark() ? "light" : "dark"; setTheme(next); remember("theme", next); });
  at("layout").addEventListener("click", () => { setSide(!state.side); remember("side", String(state.side)); });
  at("help-open").addEventListener("click", () => at("help").showModal());
  at("accept-all").addEventListener("click", () => { shown.forEach((index) => accept(index, true)); draw(); });
  at("accept-none").addEventListener("click", () => { state.accepted.clear(); draw(); });
  at("export").addEventListener("click", exportAccepted);
  document.querySelectorAll("dialog .close").forEach((button) => button.addEventListener("click", () => button.closest("dialog").close()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(state.theme));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const writes = event.target.matches("input[type=search], select, textarea");
    if (event.key === "Escape" && writes) { event.target.blur(); return; }
    if (writes) return;
    const index = shown[state.current];
    const act = {
      j: () => move(1), k: () => move(-1), "/": () => at("search").focus(), s: () => at("layout").click(), t: () => at("theme").click(),
      "?": () => at("help").showModal(),
      a: () => { if (index !== undefined) { accept(index, !state.accepted.has(index)); redraw(index); } },
      e: () => {
        const visible = shown.slice(0, state.room);
        const all = visible.every((number) => state.open.has(number));
        visible.forEach((number) => (all ? state.open.delete(number) : state.open.add(number)));
        draw();
      },
    }[event.key];
    if (event.key === "Enter" && index !== undefined && !event.target.matches("button, a, input")) { toggle(index); event.preventDefault(); }
    if (act) { act(); event.preventDefault(); }
  });
  setTheme(recall("theme") === "dark" || recall("theme") === "light" ? recall("theme") : "");
  const side = recall("side");
  if (data.changes.length <= 3) data.changes.forEach((_, index) => state.open.add(index));
  shown = data.changes.map((_, index) => index);
  setSide(side === null ? state.side : side === "true");
})();
