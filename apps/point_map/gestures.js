// Pointer, wheel and keys. A press that moves pans or draws a lasso; one that does not is a click.

const SLIP = 4; // pixels that a click may move
const REACH = 8; // pixels from a point at which it is meant
const SPARSE = 3; // pixels between vertices of a lasso
const MOST_VERTICES = 1000;
const TWICE = 220; // milliseconds in which a second click makes a double click

function listen(map) {
  const {stage} = map.parts;
  const on = (name, act, options) => stage.addEventListener(name, (event) => act(map, event), options);
  on("pointerdown", pressed);
  on("pointermove", moved);
  on("pointerup", released);
  on("pointercancel", abandoned);
  on("pointerleave", (own) => hover(own, -1));
  on("wheel", turned, {passive: false});
  on("dblclick", (own) => {
    clearTimeout(own.clicking);
    resetView(own);
  });
  on("keydown", typed);
}

function placeIn(map, event) {
  const box = map.parts.stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function pressed(map, event) {
  if (event.button !== 0) return;
  map.parts.stage.setPointerCapture(event.pointerId);
  map.pressed.set(event.pointerId, placeIn(map, event));
  const [from] = map.pressed.values();
  map.gesture = {from, last: from, kind: map.lassoing || event.shiftKey ? "lasso" : "pan", dragged: false};
  if (map.pressed.size > 1) map.gesture = {kind: "pinch", dragged: true};
}

function moved(map, event) {
  const place = placeIn(map, event), gesture = map.gesture;
  if (!map.pressed.has(event.pointerId)) return hover(map, rowAt(map, place));
  if (gesture?.kind === "pinch") return pinched(map, event.pointerId, place);
  map.pressed.set(event.pointerId, place);
  if (!gesture || (!gesture.dragged && apart(place, gesture.from) < SLIP)) return;
  if (!gesture.dragged) begun(map, gesture);
  if (gesture.kind === "pan") {
    changeView(map, panned(map.view, place[0] - gesture.last[0], place[1] - gesture.last[1]));
    gesture.last = place;
  } else if (apart(place, gesture.last) >= SPARSE) {
    map.polygon.push(toData(map.view, map.size, ...place));
    gesture.last = place;
    scheduleFrame(map);
  }
}

function apart([x1, y1], [x2, y2]) {
  return Math.hypot(x1 - x2, y1 - y2);
}

function begun(map, gesture) {
  gesture.dragged = true;
  hover(map, -1);
  if (gesture.kind === "lasso") map.polygon = [toData(map.view, map.size, ...gesture.from)];
}

/** Zoom by two fingers: what lay between them stays between them. */
function pinched(map, finger, place) {
  const before = [...map.pressed.values()];
  map.pressed.set(finger, place);
  if (before.length !== 2) return;
  const after = [...map.pressed.values()];
  const span = ([a, b]) => Math.max(1, apart(a, b));
  const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const [old, now] = [middle(before), middle(after)];
  const slid = panned(map.view, now[0] - old[0], now[1] - old[1]);
  changeView(map, zoomed(slid, map.fitted, map.size, ...now, span(after) / span(before)));
}

function released(map, event) {
  if (!map.pressed.delete(event.pointerId)) return;
  const gesture = map.gesture;
  if (map.pressed.size || !gesture) return;
  map.gesture = null;
  if (!gesture.dragged) clicked(map, rowAt(map, placeIn(map, event)));
  else if (gesture.kind === "lasso") closed(map);
}

function abandoned(map, event) {
  map.pressed.delete(event.pointerId);
  if (map.gesture?.kind === "lasso") map.polygon = null;
  map.gesture = null;
  scheduleFrame(map);
}

/** Tell a click on a point, unless it turns out to be the first of two, which mean something else. */
function clicked(map, row) {
  clearTimeout(map.clicking);
  if (row >= 0) map.clicking = setTimeout(() => tell(map, {kind: "click", row}), TWICE);
}

/** Tell a lasso, with no more vertices than are of use. */
function closed(map) {
  const step = Math.ceil(map.polygon.length / MOST_VERTICES);
  map.polygon = map.polygon.filter((_, k) => k % step === 0);
  if (map.polygon.length < 3) map.polygon = null;
  else tell(map, {kind: "lasso", polygon: map.polygon, hidden: hiddenCodes(map)});
  scheduleFrame(map);
}

function turned(map, event) {
  event.preventDefault();
  const pixels = event.deltaMode === 1 ? 30 * event.deltaY : event.deltaY;
  const factor = Math.exp(-Math.max(-300, Math.min(300, pixels)) / 400);
  changeView(map, zoomed(map.view, map.fitted, map.size, ...placeIn(map, event), factor));
}

function typed(map, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const far = 60, acts = {
    "+": () => zoomMiddle(map, 1.4),
    "=": () => zoomMiddle(map, 1.4),
    "-": () => zoomMiddle(map, 1 / 1.4),
    "0": () => resetView(map),
    ArrowLeft: () => changeView(map, panned(map.view, far, 0)),
    ArrowRight: () => changeView(map, panned(map.view, -far, 0)),
    ArrowUp: () => changeView(map, panned(map.view, 0, far)),
    ArrowDown: () => changeView(map, panned(map.view, 0, -far)),
    Escape: () => clear(map),
  };
  if (!Object.hasOwn(acts, event.key)) return;
  event.preventDefault();
  acts[event.key]();
}

function rowAt(map, [left, top]) {
  const [x, y] = toData(map.view, map.size, left, top);
  return nearestRow(map.points, map.index, map.hidden, x, y, REACH / map.view.scale);
}

function hiddenCodes(map) {
  return map.points.head.names.map((_, code) => code).filter((code) => map.hidden[code]);
}
