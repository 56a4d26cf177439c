// What lies above the points: lines between them, the lasso, and a ring around the hovered one.

function drawOverlay(canvas, map) {
  const context = canvas.getContext("2d"), {size, theme} = map;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.scale(size.ratio, size.ratio);
  drawLines(context, map);
  drawLabels(context, map);
  if (map.polygon) drawPolygon(context, map, map.polygon);
  if (map.hovered >= 0) {
    const [left, top] = placeOf(map, map.hovered);
    context.beginPath();
    context.arc(left, top, pointSize(map) / 2 + 4, 0, 2 * Math.PI);
    context.strokeStyle = theme.front;
    context.lineWidth = 2;
    context.stroke();
  }
}

function placeOf({points, view, size}, row) {
  return toScreen(view, size, points.x[row], points.y[row]);
}

function drawLines(context, map) {
  const {lines, styles} = map.points.head;
  for (const [from, to, kind] of lines) {
    context.beginPath();
    context.moveTo(...placeOf(map, from));
    context.lineTo(...placeOf(map, to));
    context.setLineDash(styles[kind].dash);
    context.strokeStyle = styles[kind].colour;
    context.lineWidth = kind === "neighbour" ? 1.2 : 2;
    context.stroke();
  }
  context.setLineDash([]);
}

/** Draw the words that stand on the map, each with a rim of the background so that points do not hide it. */
function drawLabels(context, {points, view, size, theme}) {
  context.font = "600 12px sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  for (const [x, y, text] of points.head.labels) {
    const [left, top] = toScreen(view, size, x, y);
    context.strokeStyle = theme.back;
    context.strokeText(text, left, top);
    context.fillStyle = theme.front;
    context.fillText(text, left, top);
  }
}

/** Draw the lasso; its vertices are kept in the points' units, so it moves with them. */
function drawPolygon(context, {view, size, theme}, polygon) {
  context.beginPath();
  polygon.forEach(([x, y], k) => context[k ? "lineTo" : "moveTo"](...toScreen(view, size, x, y)));
  context.closePath();
  context.globalAlpha = 0.08;
  context.fillStyle = theme.front;
  context.fill("evenodd");
  context.globalAlpha = 1;
  context.strokeStyle = theme.front;
  context.lineWidth = 1.5;
  context.setLineDash([5, 3]);
  context.stroke();
  context.setLineDash([]);
}
