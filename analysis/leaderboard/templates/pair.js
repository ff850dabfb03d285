// -- two rows side by side ------------------------------------------------------------------------------------------
const TOLD = { convention: data.conventions, evaluation: data.evaluations }; // values that need an explanation

// What keeps a difference of two rows from being one of methods, in words.
function unlike(one, other) {
  const told = (row, name) => [plain(row, name), TOLD[name]?.[row[name]]].filter(Boolean).join(": ");
  return ["dataset", "task", "setting", "convention", "evaluation", "network", "memory"]
    .filter(name => one[name] !== other[name])
    .map(name => `${name} (${told(one, name)} against ${told(other, name)})`);
}

function difference(one, other, name) {
  if (!(name in SCORES) || one[name] === null || other[name] === null) return "";
  const off = one[name] - other[name];
  return `${off < 0 ? "−" : "+"}${Math.abs(off).toFixed(2)}`;
}

function pairTable(one, other) {
  const head = [one, other].map(row => element("th", { scope: "col" }, plain(row, "method")));
  const names = { dataset: "data", task: "task", setting: "setting", ...COLUMNS, note: "note" };
  const body = Object.entries(names).map(([name, words]) => {
    const [first, second] = [plain(one, name), plain(other, name)];
    const cells = [first, second, difference(one, other, name)].map(text => element("td", {}, text));
    return element("tr", { class: first !== second && "unlike" }, element("th", { scope: "row" }, words), ...cells);
  });
  const top = element("tr", {}, element("td"), ...head, element("th", { scope: "col" }, "difference"));
  return element("table", { class: "pair" }, element("thead", {}, top), element("tbody", {}, ...body));
}

function pair() {
  const [one, other] = state.pair.map(id => rows[id]);
  $("compare").replaceChildren();
  if (!one) return;
  if (!other) {
    const words = `Tick another row to compare it with ${plain(one, "method")}.`;
    $("compare").append(element("p", { class: "quiet" }, words));
    return;
  }
  const found = unlike(one, other);
  const verdict = found.length
    ? `Not alike in ${found.join(", ")}: the difference is not one of methods alone.`
    : "Alike in data, convention, evaluation, network and memory: the difference is one of methods, and of seeds.";
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => {
    state.pair = [];
    draw();
  });
  $("compare").append(
    element("h3", {}, `${plain(one, "method")} and ${plain(other, "method")} `, close),
    element("p", { class: found.length ? "warn" : "quiet" }, verdict),
    element("div", { class: "scroll" }, pairTable(one, other)),
  );
}
