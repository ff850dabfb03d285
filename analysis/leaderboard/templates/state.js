// -- the numbers ----------------------------------------------------------------------------------------------
const $ = id => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const rows = data.rows.map((cells, id) =>
  Object.assign({ id }, ...data.names.map((name, at) => ({ [name]: cells[at] }))),
);
const known = value => value !== "not stated";
for (const row of rows) row.network = [row.backbone, row.pretraining].filter(known).join(", ") || "not stated";
const SCORES = { old: "old", new: "new", all: "all", hiou: "hIoU", avg: "average" };
const COLUMNS = {
  method: "method",
  year: "year",
  ...SCORES,
  memory: "memory",
  backbone: "network",
  pretraining: "pre-training",
  evaluation: "evaluation",
  convention: "convention",
  evidence: "read as",
  source: "source",
  command: "script",
};
const NARROW = ["method", "old", "new", "all"];
const WIDE = [...NARROW, "year", "hiou", "avg", "memory", "source", "command"];
const FILTERS = ["dataset", "task", "setting", "backbone", "evaluation", "convention"];
const APART = { convention: "convention", evaluation: "evaluation", network: "network", memory: "memory" };
const missing = value => value === null || value === undefined || value === "" || value === 0;
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  made.append(...children);
  return made;
};

// -- what is asked for, which the address of the page remembers -----------------------------------------------------
const first = rows.find(row => row.own) ?? { dataset: "voc", task: "15-1", setting: "overlap" };
const usual = () => ({
  ...Object.fromEntries(FILTERS.map(name => [name, ""])),
  dataset: first.dataset,
  task: first.task,
  setting: first.setting,
  search: "",
  joint: true,
  free: false,
  own: false,
  apart: ["convention", "evaluation", "network"],
  sort: "all",
  ascending: false,
  columns: matchMedia("(max-width: 700px)").matches ? NARROW : WIDE,
  pair: [],
});
let state = usual();

function address() {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(usual())) {
    const now = state[name];
    if (String(now) !== String(value)) parts.set(name, now);
  }
  return `#${parts}`;
}

function remembered() {
  const found = usual();
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    if (!(name in found)) continue;
    const kind = found[name];
    found[name] =
      typeof kind === "boolean" ? text === "true" : Array.isArray(kind) ? text.split(",").filter(Boolean) : text;
  }
  found.pair = found.pair.map(Number).filter(id => rows[id]);
  found.columns = found.columns.filter(name => name in COLUMNS);
  found.apart = found.apart.filter(name => name in APART);
  if (!(found.sort in COLUMNS)) found.sort = "all";
  return found;
}
