//<![CDATA[
"use strict";
// Tables: a click on a head sorts by its column, another turns the order round; empty cells stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const missing = value => value === "" || value === "–";
    const rows = [...table.tBodies[0].rows];
    const numeric = rows.every(row => missing(key(row)) || !Number.isNaN(Number(key(row))));
    const ascending = head.getAttribute("aria-sort") === "descending" || (!numeric && !head.hasAttribute("aria-sort"));
    const sign = ascending ? 1 : -1;
    rows.sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      return sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
    });
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    table.tBodies[0].append(...rows);
  }));
}
// Charts: pointing at an entry of the legend fades the other series of the section.
for (const entry of document.querySelectorAll(".legend li")) {
  const section = entry.closest("section");
  const light = on => {
    section.classList.toggle("dim", on);
    for (const series of section.querySelectorAll(`[data-series="${entry.dataset.series}"].series`))
      series.classList.toggle("lit", on);
  };
  entry.addEventListener("pointerenter", () => light(true));
  entry.addEventListener("pointerleave", () => light(false));
}
// Paper shows everything.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach(part => { part.open = true; });
});
addEventListener("afterprint", () => opened.forEach(part => { part.open = false; }));
//]]>
