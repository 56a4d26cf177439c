// Where on the screen a point lies: {x, y} the middle of the picture, scale pixels a unit; the same along both axes.

const NEAREST = 1e4, FARTHEST = 0.25; // as multiples of the whole map's scale; beyond, 32 bits show steps

function toScreen(view, size, x, y) {
  return [size.width / 2 + (x - view.x) * view.scale, size.height / 2 - (y - view.y) * view.scale];
}

function toData(view, size, left, top) {
  return [view.x + (left - size.width / 2) / view.scale, view.y - (top - size.height / 2) / view.scale];
}

/** Return the view that shows all points with a small margin. */
function fit(bounds, size) {
  const width = bounds.right - bounds.left || 1e-9, height = bounds.top - bounds.bottom || 1e-9;
  return {
    x: (bounds.left + bounds.right) / 2,
    y: (bounds.bottom + bounds.top) / 2,
    scale: 0.92 * Math.min(size.width / width, size.height / height),
  };
}

/** Return a view `factor` times nearer in which the place under the pointer stays where it is. */
function zoomed(view, fitted, size, left, top, factor) {
  const scale = Math.max(FARTHEST * fitted.scale, Math.min(NEAREST * fitted.scale, view.scale * factor));
  const [x, y] = toData(view, size, left, top);
  return {x: x - (left - size.width / 2) / scale, y: y + (top - size.height / 2) / scale, scale};
}

function panned(view, right, down) {
  return {...view, x: view.x - right / view.scale, y: view.y + down / view.scale};
}

/** Return a colour of CSS as three numbers from 0 to 1. */
function rgbOf(colour) {
  const context = (rgbOf.context ??= document.createElement("canvas").getContext("2d", {willReadFrequently: true}));
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)].map((each) => each / 255);
}

/** Return the colours of the page, as Streamlit tells them to its components, else as the system prefers. */
function themeOf(element) {
  const style = getComputedStyle(element), dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const read = (name, light, black) => style.getPropertyValue(name).trim() || (dark ? black : light);
  const back = read("--st-background-color", "#ffffff", "#0e1117");
  const front = read("--st-text-color", "#31333f", "#fafafa");
  const [background, text] = [rgbOf(back), rgbOf(front)];
  return {
    back, front, background, text,
    grey: [0.5, 0.5, 0.5],
    dark: background[0] + background[1] + background[2] < 1.5,
    font: read("--st-font", "sans-serif", "sans-serif"),
  };
}
