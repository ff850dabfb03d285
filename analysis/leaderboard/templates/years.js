// -- mIoU over the years: one picture per task; lines join the best so far of rows that are ranked together ---------
const SVG = "http://www.w3.org/2000/svg";
const MARKS = [
  "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
  "M-3.6,-3.6h7.2v7.2h-7.2z",
  "M0,-5L5,0L0,5L-5,0z",
  "M0,-4.8L4.6,3.6H-4.6z",
  "M0,4.8L4.6,-3.6H-4.6z",
  "M-1.5,-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
  "M-4.2,-2.6L-2.6,-4.2L0,-1.6L2.6,-4.2L4.2,-2.6L1.6,0L4.2,2.6L2.6,4.2L0,1.6L-2.6,4.2L-4.2,2.6L-1.6,0z",
];
const STAR = "M0,-7L2.1,-2.2L7,-2.2L3,1L4.4,6L0,3L-4.4,6L-3,1L-7,-2.2L-2.1,-2.2z";
const PANELS = 4;

function shape(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function mark(number, x, y, words, own) {
  const look = `mark c${number % 7}${own ? " own" : ""}${number % 14 > 6 ? " hollow" : ""}`;
  const made = shape("path", {
    d: own ? STAR : MARKS[number % 7],
    transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
    class: look,
  });
  if (words) made.append(shape("title", {}, words));
  return made;
}

function picture(size, number) {
  const made = shape("svg", {
    viewBox: "-8 -8 16 16",
    width: size,
    height: size,
    class: "swatch",
    "aria-hidden": "true",
  });
  made.append(mark(number, 0, 0));
  return made;
}

function names(places, width) {
  const taken = [],
    made = [];
  for (const { x, y, text } of places) {
    const size = 6.4 * text.length;
    const spots = [
      [x, y - 8, "middle"],
      [x, y + 16, "middle"],
      [x - 8, y + 4, "end"],
      [x + 8, y + 4, "start"],
    ];
    for (const [at, foot, anchor] of spots) {
      const left = anchor === "middle" ? at - size / 2 : anchor === "end" ? at - size : at;
      const free =
        left > 34 &&
        left + size < width &&
        !taken.some(([a, b, c]) => left < b && a < left + size && Math.abs(foot - c) < 13);
      if (!free) continue;
      taken.push([left, left + size, foot]);
      made.push(shape("text", { x: at.toFixed(1), y: foot.toFixed(1), "text-anchor": anchor, class: "tag" }, text));
      break;
    }
  }
  return made;
}

// Where years and values lie in a picture of `width` and `height`: from the points of all groups.
function scales(dated, width, height) {
  const years = dated.flatMap(group => group.points.map(row => row.year)).filter(Boolean);
  const values = dated.flatMap(group => [...group.points, ...(group.level ? [group.level] : [])].map(row => row.all));
  const [early, late] = [Math.min(...years), Math.max(...years)];
  const own = dated.some(group => group.points.some(row => row.own));
  const span = late - early + 0.8 + (own ? 1 : 0);
  const top = Math.max(...values) + 5;
  const low = Math.floor(Math.max(0, Math.min(...values) - 4) / 10) * 10;
  const floor = height - 26;
  const x = row => 40 + (((row.own ? late + 1 : row.year) - early + 0.4) / span) * (width - 52);
  const y = value => floor - ((value - low) / (top - low)) * (floor - 10);
  return { early, late, own, top, low, x, y, every: (width - 52) / span < 34 ? 2 : 1 };
}

function axes({ early, late, own, top, low, x, y, every }, width, height) {
  const made = [];
  for (let value = low; value <= top; value += top - low > 50 ? 20 : 10) {
    made.push(shape("path", { class: "grid", d: `M36,${y(value)}H${width - 6}` }));
    made.push(shape("text", { x: 31, y: y(value) + 4, "text-anchor": "end" }, value));
  }
  const foot = { y: height - 8, "text-anchor": "middle" };
  for (let year = early; year <= late; year += every) made.push(shape("text", { x: x({ year }), ...foot }, year));
  if (own) made.push(shape("text", { x: x({ own }), ...foot }, "yours"));
  return made;
}

// Level of joint training, line of the records, and points of one group; and what has its name beside it.
function series(group, { x, y }, shift, width) {
  const spot = row => [x(row) + shift, y(row.all)];
  const made = [];
  const named = [];
  const colour = `c${group.number % 7}`;
  if (group.level) {
    const level = shape("path", { class: `level ${colour}`, d: `M36,${y(group.level.all)}H${width - 6}` });
    level.append(shape("title", {}, `joint training: ${digits(group.level.all)}`));
    made.push(level);
    named.push({ x: width - 8, y: y(group.level.all), text: "joint", own: false, all: -1 });
  }
  const records = [];
  const published = group.points.filter(row => !row.own).sort((a, b) => a.year - b.year || b.all - a.all);
  for (const row of published) if (!records.length || row.all > records.at(-1).all) records.push(row);
  const corners = records.map(row => spot(row).map(value => value.toFixed(1)));
  if (records.length > 1) made.push(shape("path", { class: `line ${colour}`, d: `M${corners.join("L")}` }));
  for (const row of group.points) {
    const words = `${row.method}${row.year ? `, ${row.year}` : ""}: ${digits(row.all)}; ${row.source}`;
    made.push(mark(group.number, ...spot(row), words, row.own));
  }
  for (const row of [...records, ...group.points.filter(row => row.own)]) {
    named.push({ x: spot(row)[0], y: spot(row)[1], text: row.method, own: row.own, all: row.all });
  }
  return [made, named];
}

function panel(made, width) {
  const dated = made.filter(group => group.points.length);
  if (!dated.some(group => group.points.some(row => row.year))) return null;
  for (const group of dated) group.level = group.rows.find(row => row.joint && row.all !== null);
  const height = Math.max(220, Math.min(320, width * 0.5));
  const [dataset, task, setting] = made[0].place;
  const words = `mIoU of all classes over the years, ${data.datasets[dataset] ?? dataset} ${task} ${setting}`;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": words });
  const scale = scales(dated, width, height);
  svg.append(...axes(scale, width, height));
  const gap = Math.min(7, 40 / dated.length); // rows of one year stand side by side
  const drawn = dated.map((group, at) => series(group, scale, (at - (dated.length - 1) / 2) * gap, width));
  const named = drawn.flatMap(([, found]) => found).sort((a, b) => b.own - a.own || b.all - a.all);
  svg.append(...drawn.flatMap(([shapes]) => shapes), ...names(named, width));
  return element("figure", {}, element("figcaption", {}, words), svg);
}

function years(made) {
  const place = $("years"),
    width = Math.min(Math.floor(place.clientWidth) || 700, 1148);
  const tasks = [...new Set(made.map(group => String(group.place)))];
  const drawn = tasks
    .map(task =>
      panel(
        made.filter(group => String(group.place) === task),
        width,
      ),
    )
    .filter(Boolean);
  place.replaceChildren(...drawn.slice(0, PANELS));
  if (drawn.length)
    place.append(
      element(
        "p",
        { class: "quiet" },
        "Marks are those of the groups below. Lines join the best so far of rows that are ranked together, and no others; dotted: joint training.",
      ),
    );
  if (drawn.length > PANELS)
    place.append(
      element("p", { class: "quiet" }, `${drawn.length - PANELS} more tasks are not drawn: choose one above.`),
    );
}
