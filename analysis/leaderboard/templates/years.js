// -- mIoU over the years: one picture per task; lines join the best so far of rows that are ranked together ---------
const SVG = "http://www.w3.org/2000/svg";
const MARKS = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-5L5,0L0,5L-5,0z", "M0,-4.8L4.6,3.6H-4.6z", "M0,4.8L4.6,-3.6H-4.6z",
  "M-1.5,-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z", "M-4.2,-2.6L-2.6,-4.2L0,-1.6L2.6,-4.2L4.2,-2.6L1.6,0L4.2,2.6L2.6,4.2L0,1.6L-2.6,4.2L-4.2,2.6L-1.6,0z"];
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
  const made = shape("path", { d: own ? STAR : MARKS[number % 7], transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`, class: look });
  if (words) made.append(shape("title", {}, words));
  return made;
}

function picture(size, number) {
  const made = shape("svg", { viewBox: "-8 -8 16 16", width: size, height: size, class: "swatch", "aria-hidden": "true" });
  made.append(mark(number, 0, 0));
  return made;
}

function names(places, width) {
  const taken = [], made = [];
  for (const { x, y, text } of places) {
    const size = 6.4 * text.length;
    const spots = [[x, y - 8, "middle"], [x, y + 16, "middle"], [x - 8, y + 4, "end"], [x + 8, y + 4, "start"]];
    for (const [at, foot, anchor] of spots) {
      const left = anchor === "middle" ? at - size / 2 : anchor === "end" ? at - size : at;
      const free = left > 34 && left + size < width && !taken.some(([a, b, c]) => left < b && a < left + size && Math.abs(foot - c) < 13);
      if (!free) continue;
      taken.push([left, left + size, foot]);
      made.push(shape("text", { x: at.toFixed(1), y: foot.toFixed(1), "text-anchor": anchor, class: "tag" }, text));
      break;
    }
  }
  return made;
}

function panel(made, width) {
  const height = Math.max(220, Math.min(320, width * 0.5)), floor = height - 26;
  const dated = made.filter(group => group.points.length).map(group => ({ ...group, level: group.rows.find(row => row.joint && row.all !== null) }));
  const years = dated.flatMap(group => group.points.map(row => row.year)).filter(Boolean);
  if (!years.length) return null;
  const [early, late] = [Math.min(...years), Math.max(...years)], mine = dated.some(group => group.points.some(row => row.own));
  const span = late - early + 0.8 + (mine ? 1 : 0);
  const values = dated.flatMap(group => [...group.points.map(row => row.all), ...(group.level ? [group.level.all] : [])]);
  const top = Math.ceil((Math.max(...values) + 2) / 10) * 10, low = Math.floor(Math.max(0, Math.min(...values) - 4) / 10) * 10;
  const at = row => 40 + ((row.own ? late + 1 : row.year) - early + 0.4) / span * (width - 52);
  const high = value => floor - (value - low) / (top - low) * (floor - 10);
  const place = made[0].place, words = `${data.datasets[place[0]] ?? place[0]} ${place[1]} ${place[2]}`;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "chart", role: "img", "aria-label": `mIoU of all classes over the years, ${words}` });
  const step = (top - low) / 10 > 5 ? 20 : 10;
  for (let value = low; value <= top; value += step) {
    svg.append(shape("path", { class: "grid", d: `M36,${high(value)}H${width - 6}` }), shape("text", { x: 31, y: high(value) + 4, "text-anchor": "end" }, value));
  }
  const every = (width - 52) / span < 34 ? 2 : 1;
  for (let year = early; year <= late; year += every) svg.append(shape("text", { x: at({ year }), y: height - 8, "text-anchor": "middle" }, year));
  if (mine) svg.append(shape("text", { x: at({ own: true }), y: height - 8, "text-anchor": "middle" }, "yours"));
  const records = [];
  dated.forEach((group, number) => {
    const shift = (number - (dated.length - 1) / 2) * Math.min(7, 40 / dated.length);
    const spot = row => [at(row) + shift, high(row.all)];
    if (group.level) {
      const level = shape("path", { class: `level c${number % 7}`, d: `M36,${high(group.level.all)}H${width - 6}` });
      level.append(shape("title", {}, `joint training: ${digits(group.level.all)}`));
      svg.append(level);
      records.push({ x: width - 8, y: high(group.level.all), text: "joint", all: -1 });
    }
    const best = [];
    for (const row of group.points.filter(row => !row.own).sort((a, b) => a.year - b.year || b.all - a.all)) if (!best.length || row.all > best.at(-1).all) best.push(row);
    if (best.length > 1) svg.append(shape("path", { class: `line c${number % 7}`, d: `M${best.map(row => spot(row).map(value => value.toFixed(1)).join(",")).join("L")}` }));
    for (const row of group.points) svg.append(mark(number, ...spot(row), `${row.method}${row.year ? `, ${row.year}` : ""}: ${digits(row.all)}; ${row.source}`, row.own));
    for (const row of [...best].reverse().concat(group.points.filter(row => row.own))) records.push({ x: spot(row)[0], y: spot(row)[1], text: row.method, own: row.own, all: row.all });
  });
  svg.append(...names(records.sort((a, b) => Boolean(b.own) - Boolean(a.own) || b.all - a.all), width));
  return element("figure", {}, element("figcaption", {}, `mIoU of all classes over the years, ${words}`), svg);
}

function years(made) {
  const place = $("years"), width = Math.min(Math.floor(place.clientWidth) || 700, 1148);
  const tasks = [...new Set(made.map(group => String(group.place)))];
  const drawn = tasks.map(task => panel(made.filter(group => String(group.place) === task), width)).filter(Boolean);
  place.replaceChildren(...drawn.slice(0, PANELS));
  if (drawn.length) place.append(element("p", { class: "quiet" }, "Marks are those of the groups below. Lines join the best so far of rows that are ranked together, and no others; dotted: joint training."));
  if (drawn.length > PANELS) place.append(element("p", { class: "quiet" }, `${drawn.length - PANELS} more tasks are not drawn: choose one above.`));
}
