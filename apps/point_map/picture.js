// The map as a PNG: the picture as it is on the screen, its label above and its legend below.

const PAD = 12, LINE = 20;

/** Offer the map to be saved. */
function savePicture(map) {
  do draw(map);
  while (map.slice < slicesOf(map)); // the picture is whole, even where it just moved
  const {size, parts, theme, points} = map, {ratio} = size;
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  const entries = legendPlaces(context, map);
  const foot = entries.length ? entries.at(-1).y + LINE : 0, top = PAD + LINE;
  canvas.width = size.width * ratio;
  canvas.height = (top + size.height + foot + PAD) * ratio;
  context.fillStyle = theme.back;
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const each of [parts.heat, parts.canvas, parts.over]) context.drawImage(each, 0, top * ratio);
  context.scale(ratio, ratio);
  context.textBaseline = "middle";
  context.fillStyle = theme.front;
  context.font = `600 14px ${theme.font}`;
  context.fillText(points.head.label, PAD, PAD + LINE / 2 - 4, size.width - 2 * PAD);
  context.translate(0, top + size.height + PAD / 2);
  for (const entry of entries) drawEntry(context, entry, theme);
  canvas.toBlob((blob) => offer(blob, "map.png"), "image/png");
}

/** Return where each shown group's entry goes: from left to right, line by line. */
function legendPlaces(context, map) {
  const {head} = map.points, entries = [];
  context.font = `13px ${map.theme.font}`;
  let x = PAD, y = 0;
  head.names.forEach((name, code) => {
    if (map.hidden[code] || !map.sizes[code]) return;
    const short = name.length > 40 ? `${name.slice(0, 37)}...` : name;
    const width = 20 + context.measureText(short).width + 16;
    if (x > PAD && x + width > map.size.width) [x, y] = [PAD, y + LINE];
    entries.push({x, y, name: short, colour: head.colours[code], shape: head.shapes[code]});
    x += width;
  });
  return entries;
}

function drawEntry(context, {x, y, name, colour, shape}, theme) {
  context.save();
  context.translate(x, y + LINE / 2 - 6);
  context.fillStyle = colour;
  context.fill(new Path2D(OUTLINES[shape]));
  context.restore();
  context.font = `13px ${theme.font}`;
  context.fillStyle = theme.front;
  context.fillText(name, x + 19, y + LINE / 2);
}

function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
