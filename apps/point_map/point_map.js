// The map of points: its state, its frames, and the entrance that Streamlit calls at each change of its data.

const MOST_AT_ONCE = 200_000; // more points are drawn in slices
const WHILE_MOVING = 100_000; // points of a slice
const WIDEST_STEP = 63; // WebGL reads columns at most 255 bytes apart
const NO_GL =
  "This browser has no WebGL2, or it is turned off (hardware acceleration). The density is drawn, not the points.";

const LOST = "The graphics memory was lost. The map is drawn again as soon as the browser gives it back.";

const maps = new Map(); // the maps on the page, by key
const ports = new Map(); // what asks Python for cards, by key
const remembered = new Map(); // what a reader chose on a map, by key: it outlives the map's elements

export default function (component) {
  return component.name === "point_map_card" ? takeCard(component) : takePoints(component);
}

function takeCard(component) {
  const {key} = component.data, map = maps.get(key);
  ports.set(key, component);
  if (map) keepCard(map, component.data);
  return () => {
    if (ports.get(key) === component) ports.delete(key);
  };
}

function takePoints(component) {
  const host = component.parentElement.querySelector(".point-map"), points = parsePoints(component.data);
  const map = (host.pointMap ??= createMap(host, points.head.key)), turn = ++map.turn;
  map.send = component.setTriggerValue;
  setPoints(map, points);
  // Streamlit also cleans up after calls that a newer one has overtaken; the map is the newest one's.
  return () => {
    if (map.turn === turn) removeMap(map);
  };
}

function createMap(host, key) {
  const map = {
    key, host, turn: 0, points: null, view: null, fitted: null, size: {width: 0, height: 0, ratio: 1},
    hidden: new Uint8Array(MOST_CODES), focus: -1, density: false, lassoing: false, most: 0, flagged: null,
    hovered: -1, cards: new Map(), polygon: null, pressed: new Map(), gesture: null,
    frame: 0, stale: false, slice: 0,
    chosen: remembered.get(key) ?? {digest: null, view: null, hidden: new Set(), density: false},
  };
  remembered.set(key, map.chosen);
  map.density = map.chosen.density;
  map.parts = buildParts(map);
  startGl(map);
  listen(map);
  map.watch = new ResizeObserver(() => map.points && layOut(map));
  map.watch.observe(host);
  maps.set(key, map);
  return map;
}

function buildParts(map) {
  const {bar, buttons} = buildTools((name) => useTool(map, name));
  const label = "Map. Keys: plus and minus zoom, arrows pan, 0 shows all, Escape clears";
  const stage = element("div", "stage", {tabindex: 0, role: "group", "aria-label": label});
  const parts = {
    bar, buttons, stage,
    heat: element("canvas", "layer", {"aria-hidden": "true"}),
    canvas: element("canvas", "layer", {role: "img"}),
    over: element("canvas", "layer", {"aria-hidden": "true"}),
    card: element("div", "card", {role: "status"}),
    message: element("div", "message", {role: "alert"}),
    legend: element("div", "legend", {role: "group", "aria-label": "Legend: groups can be hidden"}),
    note: element("div", "note"),
  };
  parts.card.hidden = parts.message.hidden = true;
  stage.append(parts.heat, parts.canvas, parts.over, parts.card);
  map.host.replaceChildren(bar, parts.message, stage, parts.legend, parts.note);
  return parts;
}

/** Begin to draw by WebGL, anew after the graphics memory was lost, or say that it cannot be had. */
function startGl(map) {
  const {canvas} = map.parts;
  map.drawer = createGl(canvas);
  if (!map.drawer) return withoutGl(map);
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault();
    map.drawer = null;
    say(map, LOST);
  });
  canvas.addEventListener("webglcontextrestored", () => {
    map.drawer = createGl(canvas);
    if (map.drawer && map.points) uploadPoints(map.drawer, map.points, false);
    say(map, map.drawer ? "" : NO_GL);
    schedule(map);
  });
}

function withoutGl(map) {
  say(map, NO_GL);
  map.density = true;
  map.parts.buttons.density.disabled = true;
}

function say(map, words) {
  map.parts.message.textContent = words;
  map.parts.message.hidden = !words;
}

function removeMap(map) {
  map.watch.disconnect();
  for (const timer of [map.resting, map.clicking]) clearTimeout(timer);
  cancelAnimationFrame(map.frame);
  map.removed = true;
  map.drawer?.gl.getExtension("WEBGL_lose_context")?.loseContext(); // else a browser waits for its collector
  if (maps.get(map.key) === map) maps.delete(map.key);
  delete map.host.pointMap;
}

/** Take new points; where their places are the same, the view stays. */
function setPoints(map, points) {
  const same = map.points?.head.digest === points.head.digest;
  map.points = points;
  map.theme = themeOf(map.host);
  map.sizes = groupSizes(points);
  map.flagged = countFlags(points);
  points.head.names.forEach((name, code) => (map.hidden[code] = map.chosen.hidden.has(name) ? 1 : 0));
  if (!same) {
    map.bounds = boundsOf(points);
    map.index = buildIndex(points, map.bounds);
    if (map.chosen.digest !== points.head.digest) map.chosen.view = null;
    map.view = map.chosen.view;
    map.cards.clear();
    map.hovered = -1;
  }
  if (!map.flagged.selected && !map.gesture) map.polygon = null;
  if (map.drawer) uploadPoints(map.drawer, points, same);
  layOut(map);
  showCard(map);
  refresh(map);
}

/** Fit the canvases to the width that is there; a view that was chosen keeps its middle. */
function layOut(map) {
  const width = Math.max(1, Math.floor(map.host.clientWidth)), ratio = devicePixelRatio || 1;
  const height = Math.min(map.points.head.height, Math.max(300, Math.round(1.1 * width)));
  const {parts, size: old} = map;
  if (old.width !== width || old.height !== height || old.ratio !== ratio) {
    map.size = {width, height, ratio};
    parts.stage.style.height = `${height}px`;
    for (const canvas of [parts.heat, parts.canvas, parts.over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
  }
  const fitted = fit(map.bounds, map.size), {chosen} = map;
  if (chosen.view) map.view = {...chosen.view, scale: chosen.nearer * fitted.scale};
  else map.view = fitted;
  map.fitted = fitted;
  schedule(map);
}

/** Show the words and buttons as things are now. */
function refresh(map) {
  const {parts} = map;
  parts.canvas.setAttribute("aria-label", described(map));
  parts.buttons.clear.hidden = !map.flagged.selected && !map.polygon;
  parts.buttons.lasso.setAttribute("aria-pressed", map.lassoing);
  parts.buttons.density.setAttribute("aria-pressed", map.density);
  parts.stage.classList.toggle("lassoing", map.lassoing);
  parts.note.textContent = noted(map);
  fillLegend(parts.legend, map, (code) => toggleGroup(map, code), (code) => focusGroup(map, code));
}

/** Draw everything anew, from the next frame on. */
function schedule(map) {
  map.stale = true;
  scheduleFrame(map);
}

/** Draw what lies above the points in the next frame, and go on with the points where they are not all there. */
function scheduleFrame(map) {
  if (!map.frame && !map.removed) map.frame = requestAnimationFrame(() => draw(map));
}

/** Draw a frame. Many points come in slices, one a frame: what moves shows the first, what rests soon shows all. */
function draw(map) {
  cancelAnimationFrame(map.frame);
  map.frame = 0;
  if (map.stale) map.slice = 0;
  map.stale = false;
  if (map.slice < slicesOf(map)) drawSlice(map);
  drawOverlay(map.parts.over, map);
  if (map.slice < slicesOf(map)) scheduleFrame(map);
}

function drawSlice(map) {
  const slices = slicesOf(map), {heat, note} = map.parts, {slice, most} = map;
  map.slice = map.density && slice > 0 ? slices : slice + 1; // a density is whole at the second
  if (map.drawer) drawPoints(map.drawer, map, slices, slice);
  if (map.density) map.most = drawDensity(heat, map, slice ? 1 : slices);
  else if (!slice) heat.getContext("2d").clearRect(0, 0, heat.width, heat.height);
  if (map.slice === slices && map.most !== most) note.textContent = noted(map);
}

/** Return in how many slices the points are drawn; each is even, since the rows may be in any order. */
function slicesOf({points}) {
  return points.count <= MOST_AT_ONCE ? 1 : Math.min(WIDEST_STEP, Math.ceil(points.count / WHILE_MOVING));
}

function changeView(map, view) {
  map.view = view;
  Object.assign(map.chosen, {digest: map.points.head.digest, view, nearer: view.scale / map.fitted.scale});
  hover(map, -1);
  schedule(map);
}

function resetView(map) {
  changeView(map, map.fitted);
  map.chosen.view = null; // so that it goes on fitting when the width changes
}

function zoomMiddle(map, factor) {
  changeView(map, zoomed(map.view, map.fitted, map.size, map.size.width / 2, map.size.height / 2, factor));
}

/** Tell Python what was done, and of which points. */
function tell(map, event) {
  map.send("event", {...event, of: map.points.head.digest});
  refresh(map);
}

/** Leave a lasso that is being drawn; else give up the selection. */
function clear(map) {
  const unfinished = map.gesture?.kind === "lasso";
  map.gesture = null;
  map.polygon = null;
  if (map.flagged.selected && !unfinished) tell(map, {kind: "clear"});
  refresh(map);
  scheduleFrame(map);
}

function toggleGroup(map, code) {
  const name = map.points.head.names[code], {hidden} = map.chosen;
  if (!hidden.delete(name)) hidden.add(name);
  map.hidden[code] = hidden.has(name) ? 1 : 0;
  hover(map, -1);
  refresh(map);
  schedule(map);
}

function toggleDensity(map) {
  map.density = map.chosen.density = !map.density;
  schedule(map);
}

function focusGroup(map, code) {
  map.focus = code;
  schedule(map);
}

function useTool(map, name) {
  const acts = {
    lasso: () => (map.lassoing = !map.lassoing),
    nearer: () => zoomMiddle(map, 1.4),
    farther: () => zoomMiddle(map, 1 / 1.4),
    reset: () => resetView(map),
    density: () => toggleDensity(map),
    clear: () => clear(map),
    save: () => savePicture(map),
  };
  acts[name]();
  refresh(map);
}
