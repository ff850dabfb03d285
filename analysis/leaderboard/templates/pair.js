// -- two rows side by side ------------------------------------------------------------------------------------------
function pair() {
  const place = $("compare"), [one, other] = state.pair.map(id => rows[id]);
  place.replaceChildren();
  if (!one) return;
  if (!other) {
    place.append(element("p", { class: "quiet" }, `Tick another row to compare it with ${one.method}.`));
    return;
  }
  const unlike = [];
  for (const [name, told] of [["dataset", data.datasets], ["task"], ["setting"], ["convention", data.conventions], ["evaluation", data.evaluations], ["network"], ["memory"]]) {
    if (one[name] === other[name]) continue;
    unlike.push(`${name} (${[one, other].map(row => name === "dataset" ? told[row[name]] ?? row[name] : told?.[row[name]] ? `${row[name]}: ${told[row[name]]}` : row[name]).join(" against ")})`);
  }
  const body = Object.entries({ dataset: "data", task: "task", setting: "setting", ...COLUMNS, note: "note" }).map(([name, words]) => {
    const values = [one, other].map(row => name in SCORES ? (row[name] === null ? "–" : digits(row[name])) : missing(row[name]) ? (name === "memory" ? "0" : "–") : data.datasets[row[name]] ?? String(row[name]));
    const both = name in SCORES && one[name] !== null && other[name] !== null;
    const off = both ? one[name] - other[name] : null;
    return element("tr", { class: values[0] === values[1] ? null : "unlike" }, element("th", { scope: "row" }, words), ...values.map(text => element("td", {}, text)),
      element("td", {}, off === null ? "" : `${off < 0 ? "−" : "+"}${Math.abs(off).toFixed(2)}`));
  });
  const verdict = unlike.length ? `Not alike in ${unlike.join(", ")}: the difference is not one of methods alone.`
    : "Alike in data, convention, evaluation, network and memory: the difference is one of methods, and of seeds.";
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => { state.pair = []; draw(); });
  place.append(element("h3", {}, `${one.method} and ${other.method} `, close), element("p", { class: unlike.length ? "warn" : "quiet" }, verdict),
    element("div", { class: "scroll" }, element("table", { class: "pair" },
      element("thead", {}, element("tr", {}, element("td"), ...[one, other].map(row => element("th", { scope: "col" }, row.method)), element("th", { scope: "col" }, "difference"))), element("tbody", {}, ...body))));
}
