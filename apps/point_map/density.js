// How many points lie where: a histogram of the picture's cells, smoothed, as a heat map of one hue.

const CELL = 4; // CSS pixels
// From hardly any to the most; one hue whose lightness alone tells the number, so colour vision does not matter.
const RAMPS = {
  light: ["#e3eef8", "#a9cbe6", "#5b9fd0", "#1f6cae", "#08306b"],
  dark: ["#12263d", "#1c4a7a", "#3480bd", "#86bce6", "#eef6ff"],
};

/** Return {counts, across, down, most} of the visible points that no filter leaves out. */
function countCells({points, view, size, hidden}, step) {
  const across = Math.ceil(size.width / CELL), down = Math.ceil(size.height / CELL);
  const counts = new Float32Array(across * down), {x, y, group, flags} = points;
  const scale = view.scale / CELL;
  const left = view.x - size.width / 2 / view.scale, top = view.y + size.height / 2 / view.scale;
  for (let row = 0; row < points.count; row += step) {
    const column = Math.floor((x[row] - left) * scale), line = Math.floor((top - y[row]) * scale);
    if (column < 0 || line < 0 || column >= across || line >= down) continue;
    if (hidden[group[row]] || flags[row] & FLAG.dimmed) continue;
    counts[line * across + column] += step;
  }
  let most = 0;
  for (const each of counts) if (each > most) most = each;
  return {counts, across, down, most};
}

/** Return the counts with each cell spread over its neighbours by the weights 1 2 1 along both axes. */
function smoothed(counts, across, down) {
  const between = new Float32Array(counts.length), spread = new Float32Array(counts.length);
  for (let k = 0; k < counts.length; k++) {
    const column = k % across;
    between[k] = (2 * counts[k] + (column ? counts[k - 1] : 0) + (column < across - 1 ? counts[k + 1] : 0)) / 4;
  }
  for (let k = 0; k < counts.length; k++) {
    spread[k] = (2 * between[k] + (between[k - across] || 0) + (between[k + across] || 0)) / 4;
  }
  return spread;
}

/** Draw the density by the logarithm of the count; return the largest count of a cell. */
function drawDensity(canvas, map, step) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const {counts, across, down, most} = countCells(map, step);
  if (!most) return 0;
  const shown = smoothed(counts, across, down), ramp = rampOf(map.theme.dark);
  let highest = 0;
  for (const each of shown) if (each > highest) highest = each;
  const picture = new ImageData(across, down), whole = Math.log1p(highest);
  for (let k = 0; k < shown.length; k++) {
    if (shown[k] <= 0) continue;
    const level = Math.round((255 * Math.log1p(shown[k])) / whole);
    picture.data.set(ramp.subarray(3 * level, 3 * level + 3), 4 * k);
    picture.data[4 * k + 3] = Math.min(255, 512 * shown[k]);
  }
  const small = document.createElement("canvas");
  small.width = across;
  small.height = down;
  small.getContext("2d").putImageData(picture, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, across * CELL * map.size.ratio, down * CELL * map.size.ratio);
  return most;
}

/** Return 256 colours between the ramp's. */
function rampOf(dark) {
  const stops = RAMPS[dark ? "dark" : "light"].map(rgbOf), ramp = new Uint8Array(3 * 256);
  for (let level = 0; level < 256; level++) {
    const place = (level / 255) * (stops.length - 1), below = Math.min(stops.length - 2, Math.floor(place));
    for (let k = 0; k < 3; k++) {
      ramp[3 * level + k] = 255 * (stops[below][k] + (place - below) * (stops[below + 1][k] - stops[below][k]));
    }
  }
  return ramp;
}
