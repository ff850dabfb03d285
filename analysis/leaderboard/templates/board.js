// -- which rows, in which groups, in which order --------------------------------------------------------------------
function shown() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(
    row =>
      FILTERS.every(name => !state[name] || row[name] === state[name]) &&
      (state.joint || !row.joint) &&
      (!state.free || row.memory === "0") &&
      (!state.own || row.own) &&
      words.every(word =>
        `${row.method} ${row.source} ${row.note} ${row.network} ${row.evidence}`.toLowerCase().includes(word),
      ),
  );
}

function compare(one, other) {
  const [a, b] = [one[state.sort], other[state.sort]];
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  return (
    (state.ascending ? 1 : -1) *
    (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }))
  );
}

function groups(found) {
  const made = new Map();
  for (const row of found) {
    const place = ["dataset", "task", "setting"].map(name => row[name]);
    const kind = state.apart.map(name => row[name]);
    const key = JSON.stringify([place, kind]);
    if (!made.has(key))
      made.set(key, { place, kind: Object.fromEntries(state.apart.map((name, at) => [name, kind[at]])), rows: [] });
    made.get(key).rows.push(row);
  }
  const numbers = {}; // of marks in the picture of a task
  for (const group of made.values()) {
    group.points = group.rows.filter(row => row.all !== null && !row.joint && (row.year || row.own));
  }
  const order = found.map(row => JSON.stringify([row.dataset, row.task, row.setting]));
  const sorted = [...made.values()]
    .map(group => ranked(group))
    .sort(
      (one, other) =>
        order.indexOf(JSON.stringify(one.place)) - order.indexOf(JSON.stringify(other.place)) ||
        other.rows.some(row => row.own) - one.rows.some(row => row.own) ||
        other.rows.length - one.rows.length,
    );
  for (const group of sorted)
    if (group.points.length) group.number = numbers[group.place] = (numbers[group.place] ?? -1) + 1;
  return sorted;
}

function ranked(group) {
  group.rows.sort(compare);
  const rivals = group.rows.filter(row => !row.joint);
  group.best = {};
  for (const name of Object.keys(SCORES)) {
    const values = rivals.map(row => row[name]).filter(value => value !== null);
    if (values.length > 1) group.best[name] = Math.max(...values);
  }
  const by = state.sort in SCORES ? state.sort : "all";
  group.ranks = new Map(
    rivals.filter(row => row[by] !== null).map(row => [row.id, 1 + rivals.filter(rival => rival[by] > row[by]).length]),
  );
  return group;
}

function title(group) {
  const [dataset, task, setting] = group.place;
  const words = {
    convention: value => `convention ${value}`,
    evaluation: value => (known(value) ? `${value} evaluation` : `evaluation ${value}`),
    network: value => (known(value) ? value : `network ${value}`),
    memory: value => (value === "0" ? "no memory" : `memory: ${value}`),
  };
  return [
    `${data.datasets[dataset] ?? dataset} ${task} ${setting}`,
    ...Object.entries(group.kind).map(([name, value]) => words[name](value)),
  ];
}

function mixed(made) {
  const parts = [];
  for (const name of ["convention", "evaluation", "network"]) {
    if (state.apart.includes(name)) continue;
    const found = new Set(
      made.flatMap(group =>
        new Set(group.rows.map(row => row[name])).size > 1 ? group.rows.map(row => row[name]) : [],
      ),
    );
    if (!found.size) continue;
    const told = { convention: data.conventions, evaluation: data.evaluations }[name];
    parts.push(
      `${name}s (${[...found].map(value => (told ? `${value}: ${told[value] ?? value}` : value)).join("; ")})`,
    );
  }
  return parts.length
    ? `Ranks below mix ${parts.join(", and ")}. These are different quantities: a difference between them is not one of methods.`
    : "";
}

// -- the table ------------------------------------------------------------------------------------------------------
const digits = value => value.toFixed(Number.isInteger(value * 10) ? 1 : 2);
const RIGHT = [...Object.keys(SCORES), "year", "memory"]; // columns of numbers

// A value in plain text, for every place that writes one.
function plain(row, name) {
  const value = row[name];
  if (name in SCORES) {
    if (value === null) return "–";
    return row.std[name] === undefined ? digits(value) : `${value.toFixed(1)} ± ${row.std[name].toFixed(1)}`;
  }
  if (name === "method" && row.joint) return "joint training";
  if (name === "dataset") return data.datasets[value] ?? value;
  return missing(value) ? (name === "memory" ? "0" : "–") : String(value);
}

const isBest = (row, name, group) =>
  name in SCORES && row[name] !== null && row[name] === group.best[name] && !row.joint;

function cell(row, name, group) {
  const text = plain(row, name);
  const attributes = { class: RIGHT.includes(name) ? null : "words" };
  if (name === "evidence") attributes.title = data.evidence[text];
  if (name === "command") return element("td", attributes, element("code", {}, text.replace("bash scripts/", "")));
  if (name === "hiou" && row.hiou_computed)
    return element("td", { class: "computed", title: "computed from old and new" }, text);
  return element("td", attributes, isBest(row, name, group) ? element("strong", {}, text) : text);
}

function line(row, group) {
  const box = element("input", { type: "checkbox", "aria-label": `compare ${row.method}` });
  box.checked = state.pair.includes(row.id);
  box.addEventListener("change", () => {
    state.pair = box.checked ? [...state.pair, row.id].slice(-2) : state.pair.filter(id => id !== row.id);
    draw();
  });
  const head = element(
    "th",
    { scope: "row" },
    box,
    element("span", { class: "rank" }, String(group.ranks.get(row.id) ?? "")),
    plain(row, "method"),
  );
  if (row.own) head.append(element("span", { class: "yours" }, "yours"));
  if (row.note) head.append(element("small", {}, row.note));
  const others = state.columns
    .filter(name => name !== "method")
    .sort((a, b) => Object.keys(COLUMNS).indexOf(a) - Object.keys(COLUMNS).indexOf(b));
  return element(
    "tr",
    { class: [row.joint && "joint", row.own && "own"].filter(Boolean).join(" ") || null },
    head,
    ...others.map(name => cell(row, name, group)),
  );
}

function heads() {
  const names = Object.keys(COLUMNS).filter(name => name === "method" || state.columns.includes(name));
  return element(
    "tr",
    {},
    ...names.map(name => {
      const button = element("button", { type: "button", "data-sort": name }, COLUMNS[name]);
      button.addEventListener("click", () => {
        const words = !(name in SCORES) && name !== "year";
        state.ascending = state.sort === name ? !state.ascending : words;
        state.sort = name;
        draw();
        document.querySelector(`[data-sort="${name}"]`).focus();
      });
      const sorted = state.sort === name && (state.ascending ? "ascending" : "descending");
      return element(
        "th",
        {
          scope: "col",
          "aria-sort": sorted || null,
          class: RIGHT.includes(name) ? null : "words",
        },
        button,
      );
    }),
  );
}

function board(made) {
  const table = $("board"),
    width = state.columns.filter(name => name !== "method").length + 1;
  table.tHead.replaceChildren(heads());
  for (const body of [...table.tBodies]) body.remove();
  for (const group of made) {
    const [place, ...kind] = title(group);
    const swatch = group.number === undefined ? "" : picture(16, group.number);
    const told = element(
      "th",
      { colspan: width, scope: "rowgroup" },
      element("div", {}, swatch, element("b", {}, place), ...kind.map(text => element("span", {}, text))),
    );
    table.append(
      element("tbody", {}, element("tr", { class: "group" }, told), ...group.rows.map(row => line(row, group))),
    );
  }
}
