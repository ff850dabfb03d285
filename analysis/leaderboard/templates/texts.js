// -- what is shown, as text -----------------------------------------------------------------------------------------
const listed = () => groups(shown());
const quoted = value => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

function csv() {
  const names = data.names.filter(name => name !== "std");
  const deviations = Object.keys(SCORES).filter(name => rows.some(row => row.std[name] !== undefined));
  const cells = row => [...names.map(name => row[name]), ...deviations.map(name => row.std[name])];
  const lines = listed().flatMap(group => group.rows.map(cells));
  const all = [[...names, ...deviations.map(name => `${name}_std`)], ...lines];
  return all.map(line => `${line.map(value => quoted(String(value ?? ""))).join(",")}\n`).join("");
}

const SIGNS = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "–": "--",
  "±": "$\\pm$",
};
const escaped = text => String(text).replace(/[\\~^–±&%$#_{}]/g, sign => SIGNS[sign] ?? `\\${sign}`);

function tex() {
  const names = Object.keys(COLUMNS).filter(name => name === "method" || state.columns.includes(name));
  const kind = names.map(name => (RIGHT.includes(name) ? "r" : "l")).join("");
  const out = [
    "% needs \\usepackage{booktabs}",
    "\\begin{table}",
    "\\centering",
    "\\caption{mIoU in \\% after the last step, as published; only rows of one group are ranked.}",
    `\\begin{tabular}{${kind}}`,
    "\\toprule",
    names.map(name => escaped(COLUMNS[name])).join(" & ") + " \\\\",
  ];
  for (const group of listed()) {
    out.push("\\midrule", `\\multicolumn{${names.length}}{l}{\\emph{${escaped(title(group).join(", "))}}} \\\\`);
    for (const row of group.rows) {
      const cells = names.map(name => {
        const text = escaped(plain(row, name));
        return isBest(row, name, group) ? `\\textbf{${text}}` : text;
      });
      out.push(`${cells.join(" & ")} \\\\`);
    }
  }
  return [...out, "\\bottomrule", "\\end{tabular}", "\\end{table}", ""].join("\n");
}

function bib() {
  const { project, keys, entries } = data.references;
  const topics = shown().flatMap(row => [`method ${row.method}`, `dataset ${row.dataset}`, `backbone ${row.backbone}`]);
  const used = new Set(topics.flatMap(topic => keys[topic] ?? []));
  const chosen = Object.keys(entries).filter(key => used.has(key));
  return `${[project, ...chosen.map(key => entries[key])].join("\n\n")}\n`;
}

const url = () => location.href.split("#")[0] + address() + "\n";
const TEXTS = {
  csv: ["These rows as CSV", csv, "leaderboard.csv"],
  tex: ["These rows as LaTeX", tex, "leaderboard.tex"],
  bib: ["This page and the papers of these rows as BibTeX", bib, "leaderboard.bib"],
  url: ["A link to what is shown", url, "link.txt"],
};

function tell(kind) {
  const [what, write, file] = TEXTS[kind];
  const text = write();
  $("what").textContent = what;
  $("body").textContent = text;
  $("copy").onclick = async () => {
    getSelection().selectAllChildren($("body"));
    await navigator.clipboard?.writeText(text).catch(() => document.execCommand("copy"));
    $("copy").textContent = "Copied";
  };
  $("save").onclick = () => {
    const link = element("a", { href: URL.createObjectURL(new Blob([text])), download: file });
    link.click();
    URL.revokeObjectURL(link.href);
  };
  $("copy").textContent = "Copy";
  $("text").showModal();
}
