// -- controls -------------------------------------------------------------------------------------------------------
const ANY = { dataset: "all", task: "all", setting: "all", backbone: "all", evaluation: "all", convention: "all" };

function options() {
  for (const name of FILTERS) {
    const others = FILTERS.filter(
      other => other !== name && ["dataset", "task"].includes(other) && FILTERS.indexOf(other) < FILTERS.indexOf(name),
    );
    const fitting = rows.filter(row => others.every(other => !state[other] || row[other] === state[other]));
    const values = [...new Set(fitting.map(row => row[name]))];
    if (state[name] && !values.includes(state[name])) state[name] = "";
    const label = value => (name === "dataset" ? (data.datasets[value] ?? value) : value);
    $(name).replaceChildren(
      element("option", { value: "" }, ANY[name]),
      ...values.map(value => element("option", { value }, label(value))),
    );
    $(name).value = state[name];
  }
}

function controls() {
  options();
  $("search").value = state.search;
  for (const name of ["joint", "free", "own"]) if ($(name)) $(name).checked = state[name];
  for (const box of document.querySelectorAll("[data-apart]")) box.checked = state.apart.includes(box.dataset.apart);
  for (const box of document.querySelectorAll("[data-column]"))
    box.checked = state.columns.includes(box.dataset.column);
}

function draw() {
  controls();
  const found = shown(),
    made = groups(found);
  board(made);
  pair();
  years(made);
  $("warning").textContent = mixed(made);
  $("none").hidden = found.length > 0;
  $("count").textContent =
    `${found.length} of ${rows.length} rows in ${made.length} group${made.length === 1 ? "" : "s"} of like rows, ranked within each by ${COLUMNS[state.sort in SCORES ? state.sort : "all"]}`;
  history.replaceState(null, "", address());
}

function start() {
  state = remembered();
  for (const [name, words] of Object.entries(COLUMNS)) {
    if (name === "method") continue;
    const box = element("input", { type: "checkbox", "data-column": name });
    box.addEventListener("change", () => {
      state.columns = Object.keys(COLUMNS).filter(one => (one === name ? box.checked : state.columns.includes(one)));
      draw();
    });
    $("columns").append(element("label", {}, box, ` ${words}`));
  }
  for (const name of FILTERS)
    $(name).addEventListener("change", () => {
      state[name] = $(name).value;
      draw();
    });
  for (const name of ["joint", "free", "own"])
    $(name)?.addEventListener("change", () => {
      state[name] = $(name).checked;
      draw();
    });
  for (const box of document.querySelectorAll("[data-apart]")) {
    box.addEventListener("change", () => {
      state.apart = Object.keys(APART).filter(name => document.querySelector(`[data-apart="${name}"]`).checked);
      draw();
    });
  }
  $("search").addEventListener("input", () => {
    state.search = $("search").value;
    draw();
  });
  $("filters").addEventListener("submit", event => event.preventDefault());
  $("filters").addEventListener("reset", event => {
    event.preventDefault();
    state = usual();
    draw();
  });
  $("again").addEventListener("click", () => {
    state = { ...usual(), dataset: "", task: "", setting: "" };
    draw();
  });
  for (const button of document.querySelectorAll("[data-get]"))
    button.addEventListener("click", () => tell(button.dataset.get));
  addEventListener("keydown", event => {
    if (event.key === "/" && !["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName)) {
      event.preventDefault();
      $("search").focus();
    }
  });
  addEventListener("hashchange", () => {
    state = remembered();
    draw();
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      draw();
    }
  });
  draw();
}
