"use strict";
(() => {
  const root = document.documentElement;
  const remember = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
    } catch { /* a page opened from a file may have no storage */ }
    return null;
  };

  // Light or dark: the system's choice until the reader makes one.
  const dark = () => {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const kept = remember("aubench-theme");
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    remember("aubench-theme", root.dataset.theme);
  });

  document.getElementById("intervals").addEventListener("change", (event) => {
    document.body.classList.toggle("intervals", event.target.checked);
  });

  // Sorting: body rows move, mean rows stay below; what has no number comes last either way.
  const key = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : null;
  };
  const compare = (a, b, column, sign) => {
    const x = key(a, column);
    const y = key(b, column);
    if (x !== null && y !== null) return sign * (x - y);
    if (x !== null || y !== null) return x === null ? 1 : -1;
    const left = a.cells[column].textContent;
    return sign * left.localeCompare(b.cells[column].textContent, "en", { numeric: true });
  };
  for (const table of document.querySelectorAll("main table")) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const numbers = [...body.rows].some((row) => key(row, column) !== null);
        const before = head.getAttribute("aria-sort");
        const first = numbers && column > 0 ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = before === first ? other : first;
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const moving = [...body.rows].filter((row) => row.className === "body");
        const staying = [...body.rows].filter((row) => row.className !== "body");
        moving.sort((a, b) => compare(a, b, column, sign));
        body.append(...moving, ...staying);
      });
    });
  }

  // Filters: words in a row, and methods in rows and columns.
  for (const input of document.querySelectorAll("input.filter")) {
    const rows = input.closest(".block").querySelectorAll("tbody tr");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.classList.toggle("filtered", !words.every((word) => text.includes(word)));
        show(row);
      }
    });
  }
  const left = new Set();
  const show = (node) => {
    node.hidden = node.classList.contains("filtered") || left.has(node.dataset.method);
  };
  const span = (table) => { // headings over columns stretch over those that are shown
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    for (const group of table.tHead.querySelectorAll(".groups td")) {
      group.dataset.span ??= group.colSpan;
      const shown = heads.splice(0, Number(group.dataset.span)).filter((one) => !one.hidden);
      group.hidden = !shown.length;
      group.colSpan = Math.max(shown.length, 1);
    }
  };
  for (const box of document.querySelectorAll(".chips input")) {
    box.addEventListener("change", () => {
      if (box.checked) left.delete(box.value); else left.add(box.value);
      document.querySelectorAll("[data-method]").forEach(show);
      document.querySelectorAll("main table").forEach(span);
    });
  }

  // Print everything, also what is folded away.
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
  });
})();
