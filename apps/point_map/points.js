// The points as columns, and the nearest of them to a place. The layout of the bytes is that of encoding.py.

const FLAG = {selected: 1, query: 2, right: 4, winner: 8, dimmed: 16};
const MARKED = FLAG.query | FLAG.right | FLAG.winner;
const MOST_SIDE = 512; // cells along a side of the index

/** Return {head, count, x, y, group, flags} of the bytes that Python sent. */
function parsePoints(sent) {
  const bytes = sent.slice(); // a buffer of its own: only there do columns of floats begin at a multiple of four
  const start = new DataView(bytes.buffer);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "PMAP" || start.getUint32(4, true) !== 1) {
    throw new Error("The points are of another version; load the page anew.");
  }
  const count = start.getUint32(8, true), headLength = start.getUint32(12, true), first = 16 + headLength;
  return {
    head: JSON.parse(new TextDecoder().decode(bytes.subarray(16, first))),
    count,
    x: new Float32Array(bytes.buffer, first, count),
    y: new Float32Array(bytes.buffer, first + 4 * count, count),
    group: new Uint8Array(bytes.buffer, first + 8 * count, count),
    flags: new Uint8Array(bytes.buffer, first + 9 * count, count),
  };
}

/** Return the smallest box around the points; one of some width also around a single point. */
function boundsOf({x, y, count}) {
  let left = Infinity, right = -Infinity, bottom = Infinity, top = -Infinity;
  for (let row = 0; row < count; row++) {
    if (x[row] < left) left = x[row];
    if (x[row] > right) right = x[row];
    if (y[row] < bottom) bottom = y[row];
    if (y[row] > top) top = y[row];
  }
  if (!count) return {left: -1, right: 1, bottom: -1, top: 1};
  const least = Math.max(right - left, top - bottom) > 0 ? 0 : 1;
  return {left: left - least, right: right + least, bottom: bottom - least, top: top + least};
}

/** Return a uniform grid over the points: the rows of cell c are rows[starts[c]] to rows[starts[c + 1]]. */
function buildIndex(points, bounds) {
  const side = Math.max(1, Math.min(MOST_SIDE, Math.round(Math.sqrt(points.count / 4))));
  const width = Math.max(bounds.right - bounds.left, bounds.top - bounds.bottom) / side;
  const index = {side, width, left: bounds.left, bottom: bounds.bottom, starts: new Uint32Array(side * side + 1)};
  const cell = new Uint32Array(points.count);
  for (let row = 0; row < points.count; row++) {
    cell[row] = cellAlong(index, points.y[row] - index.bottom) * side + cellAlong(index, points.x[row] - index.left);
    index.starts[cell[row] + 1]++;
  }
  for (let c = 0; c < side * side; c++) index.starts[c + 1] += index.starts[c];
  const next = index.starts.slice();
  index.rows = new Uint32Array(points.count);
  for (let row = 0; row < points.count; row++) index.rows[next[cell[row]]++] = row;
  return index;
}

function cellAlong(index, distance) {
  return Math.max(0, Math.min(index.side - 1, Math.floor(distance / index.width)));
}

/** Return the row nearest to a place, at most `reach` away (all in the points' units), or -1; of equals the topmost. */
function nearestRow(points, index, hidden, x, y, reach) {
  let found = -1, least = reach * reach;
  const [c0, c1] = [x - reach, x + reach].map((each) => cellAlong(index, each - index.left));
  const [r0, r1] = [y - reach, y + reach].map((each) => cellAlong(index, each - index.bottom));
  for (let r = r0; r <= r1; r++) {
    // The cells of a row of the grid lie one behind the other.
    for (let k = index.starts[r * index.side + c0]; k < index.starts[r * index.side + c1 + 1]; k++) {
      const row = index.rows[k];
      const far = (points.x[row] - x) ** 2 + (points.y[row] - y) ** 2;
      if ((far < least || (far === least && row > found)) && !hidden[points.group[row]]) {
        found = row;
        least = far;
      }
    }
  }
  return found;
}

/** Return {selected, dimmed: how many; any: the flags that some point has}. */
function countFlags({flags, count}) {
  const found = {selected: 0, dimmed: 0, any: 0};
  for (let row = 0; row < count; row++) {
    if (flags[row] & FLAG.selected) found.selected++;
    if (flags[row] & FLAG.dimmed) found.dimmed++;
    found.any |= flags[row];
  }
  return found;
}

/** Return the rows with any of some flags. */
function rowsWith({flags, count}, wanted) {
  let size = 0;
  for (let row = 0; row < count; row++) if (flags[row] & wanted) size++;
  const rows = new Uint32Array(size);
  for (let row = 0, k = 0; row < count; row++) if (flags[row] & wanted) rows[k++] = row;
  return rows;
}

/** Return how many points each group has. */
function groupSizes({group, count, head}) {
  const sizes = new Array(head.names.length).fill(0);
  for (let row = 0; row < count; row++) sizes[group[row]]++;
  return sizes;
}
