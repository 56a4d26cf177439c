// What surrounds the picture: tools above it; below it the legend, which covers nothing, and a line of notes.

const OUTLINES = [
  "M6 .7a5.3 5.3 0 1 1 0 10.6a5.3 5.3 0 1 1 0-10.6Z", // circle
  "M6 .2L11.8 6L6 11.8L.2 6Z", // diamond
  "M4 .3H8V4H11.7V8H8V11.7H4V8H.3V4H4Z", // plus
  "M1.4 1.4H10.6V10.6H1.4Z", // square
  "M6 3.2L9.2 0L12 2.8L8.8 6L12 9.2L9.2 12L6 8.8L2.8 12L0 9.2L3.2 6L0 2.8L2.8 0Z", // cross
  "M6 .5L11.6 10.5H.4Z", // triangle up
  "M6 11.5L11.6 1.5H.4Z", // triangle down
  "M6 .5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11ZM6 3.6a2.4 2.4 0 1 0 0 4.8a2.4 2.4 0 1 0 0-4.8Z", // ring
];
const SVG = "http://www.w3.org/2000/svg";

/** Return a new element with a class, attributes and a text, which is never read as HTML. */
function element(name, className, attributes = {}, text = "") {
  const made = document.createElement(name);
  made.className = className;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function drawing(attributes, shapes) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({"aria-hidden": "true", ...attributes})) svg.setAttribute(key, value);
  for (const [name, own] of shapes) {
    const shape = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(own)) shape.setAttribute(key, value);
    svg.append(shape);
  }
  return svg;
}

function symbol(colour, shape, hollow = false) {
  const look = hollow ? {fill: "none", stroke: colour, "stroke-width": 2} : {fill: colour};
  const box = hollow ? "-1 -1 14 14" : "0 0 12 12";
  return drawing({viewBox: box, width: 13, height: 13}, [["path", {d: OUTLINES[shape], ...look}]]);
}

/** Return the tools: {bar, buttons by name}. */
function buildTools(act) {
  const bar = element("div", "tools", {role: "toolbar", "aria-label": "Tools of the map"});
  const names = [
    ["lasso", "Lasso", "Lasso: draw around points to select them (or drag with Shift)", true],
    ["nearer", "+", "Zoom in", false],
    ["farther", "-", "Zoom out", false],
    ["reset", "Reset", "Show all points", false],
    ["density", "Density", "Density: how many points lie where, instead of the points", true],
    ["clear", "Clear", "Clear the selection", false],
    ["save", "PNG", "Save the picture as PNG", false],
  ];
  const buttons = {};
  for (const [name, text, label, toggles] of names) {
    const attributes = {type: "button", "aria-label": label, title: label, ...(toggles && {"aria-pressed": "false"})};
    buttons[name] = element("button", `tool ${name}`, attributes, text);
    buttons[name].addEventListener("click", () => act(name));
    bar.append(buttons[name]);
  }
  return {bar, buttons};
}

/** Fill the legend: groups that can be hidden, then the marks and lines that are there. */
function fillLegend(legend, map, toggle, point) {
  const {head} = map.points;
  const focused = legend.getRootNode().activeElement?.dataset?.code; // a keyboard's place is kept
  legend.replaceChildren();
  head.names.forEach((name, code) => {
    const shown = !map.hidden[code];
    const label = `${name}, ${map.sizes[code].toLocaleString("en")} points: ${shown ? "shown" : "hidden"}`;
    const entry = element("button", "entry", {type: "button", "aria-pressed": shown, "aria-label": label, title: name});
    entry.dataset.code = code;
    entry.append(symbol(head.colours[code], head.shapes[code]), element("span", "name", {}, name));
    entry.append(element("span", "size", {}, map.sizes[code].toLocaleString("en")));
    entry.addEventListener("click", () => toggle(code));
    entry.addEventListener("pointerenter", () => point(code));
    entry.addEventListener("pointerleave", () => point(-1));
    legend.append(entry);
    if (focused === String(code)) entry.focus();
  });
  for (const {flag, name, colour, shape} of head.marks) {
    if (map.flagged.any & flag) legend.append(keyEntry(symbol(colour ?? map.theme.front, shape, true), name));
  }
  for (const kind of new Set(head.lines.map((line) => line[2]))) {
    const {colour, dash} = head.styles[kind];
    const line = {x1: 0, y1: 4, x2: 26, y2: 4, stroke: colour, "stroke-width": 2, "stroke-dasharray": dash.join(" ")};
    legend.append(keyEntry(drawing({width: 26, height: 8}, [["line", line]]), `to ${kind}`));
  }
}

function keyEntry(picture, name) {
  const entry = element("span", "entry key");
  entry.append(picture, element("span", "name", {}, name));
  return entry;
}

/** Return what the map shows, in words. */
function described(map) {
  const {head, count} = map.points;
  const groups = head.names.map((name, code) => `${name} ${map.sizes[code].toLocaleString("en")}`).join(", ");
  const selected = map.flagged.selected ? `; ${map.flagged.selected.toLocaleString("en")} selected` : "";
  return `${head.label}: ${count.toLocaleString("en")} points (${groups})${selected}`;
}

/** Return the notes below the picture. */
function noted(map) {
  const {head, count} = map.points, {selected, dimmed} = map.flagged, told = [];
  told.push(count === 1 ? "1 point." : `${count.toLocaleString("en")} points.`);
  if (head.leftOut) told.push(`${head.leftOut.toLocaleString("en")} more are not finite and have no place.`);
  if (dimmed) told.push(`${dimmed.toLocaleString("en")} are left out by the filters, and faint.`);
  if (selected) told.push(`${selected.toLocaleString("en")} selected.`);
  if (slicesOf(map) > 1) told.push(`While it moves, every ${ordinal(slicesOf(map))} is drawn.`);
  if (map.density && map.most) {
    told.push(`Density: at most ${map.most.toLocaleString("en")} points in ${CELL} x ${CELL} pixels, logarithmic.`);
  }
  return told.join(" ");
}

function ordinal(number) {
  const last = number % 100 > 10 && number % 100 < 14 ? 0 : number % 10;
  return `${number}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}
