// The points, drawn by WebGL2: all, the selected once more above them, outlines around the marked.

const MOST_CODES = 25; // 24 groups and "other"
const SIZES = [[3e3, 9], [3e4, 6], [2e5, 3.5], [6e5, 2], [Infinity, 1.4]]; // fewer points than, CSS pixels
const PASS = {all: 0, selected: 1, marks: 2};

const VERTEX_SHADER = `#version 300 es
uniform vec4 view;            // centre x, y; clip units a unit of x, of y
uniform float size;           // of a point, in device pixels
uniform int stage;            // 0 all, 1 selected, 2 marks
uniform bool fade;            // somebody is selected, so the others step back
uniform int focus;            // the group whose legend is pointed at, or -1
uniform float strength;       // opacity where nothing else is said
uniform vec3 grey;
uniform vec3 colours[${MOST_CODES}];
uniform int shapes[${MOST_CODES}];
uniform bool hidden[${MOST_CODES}];
uniform vec3 markColours[3];
uniform int markShapes[3];
in float x; in float y; in float group; in float flags;
flat out vec4 colour; flat out int shape; flat out float across;
void main() {
  int code = int(group + .5), flag = int(flags + .5);
  gl_Position = vec4((x - view.x) * view.z, (y - view.y) * view.w, 0., 1.);
  shape = shapes[code];
  across = size;
  bool back = (flag & ${FLAG.dimmed}) != 0 || (focus >= 0 && focus != code) || (fade && (flag & ${FLAG.selected}) == 0);
  colour = back ? vec4(mix(colours[code], grey, .6), .22 * strength) : vec4(colours[code], strength);
  if (fade && !back) colour.a = 1.;
  if (stage == 2) {
    int mark = (flag & ${FLAG.right}) != 0 ? 1 : (flag & ${FLAG.winner}) != 0 ? 2 : 0;
    colour = vec4(markColours[mark], 1.);
    shape = markShapes[mark] + 16;
  }
  gl_PointSize = across;
  if (hidden[code] && stage != 2) gl_Position = vec4(2., 2., 2., 1.);
}`;

// Shapes by their distance from the edge, negative inside, in a square from -1 to 1.
const FRAGMENT_SHADER = `#version 300 es
precision highp float;
flat in vec4 colour; flat in int shape; flat in float across;
out vec4 painted;
float bar(vec2 p) { return max(max(p.x, p.y) - .95, min(p.x, p.y) - .34); }
float triangle(vec2 p) { return max(p.y - .75, (abs(p.x) * 1.8 - p.y - .95) / 2.06); }
float edge(vec2 p, int s) {
  vec2 a = abs(p);
  if (s == 1) return (a.x + a.y - .98) * .7071;
  if (s == 2) return bar(a);
  if (s == 3) return max(a.x, a.y) - .76;
  if (s == 4) return bar(abs(vec2(p.x + p.y, p.x - p.y)) * .7071);
  if (s == 5) return triangle(p);
  if (s == 6) return triangle(vec2(p.x, -p.y));
  if (s == 7) return abs(length(p) - .66) - .26;
  return length(p) - .88;
}
void main() {
  float pixel = 2. / across, d;
  vec2 p = gl_PointCoord * 2. - 1.;
  if (shape >= 16) d = abs(edge(p, shape - 16) + 2. * pixel) - 1.6 * pixel;
  else d = across < 4. ? length(p) - 1. : edge(p, shape);
  float covered = across < 2. ? 1. : clamp(.5 - d / pixel, 0., 1.);
  if (covered <= 0.) discard;
  painted = vec4(colour.rgb, 1.) * colour.a * covered;
}`;

/** Return what draws on a canvas, or null where the browser has no WebGL2. */
function createGl(canvas) {
  const gl = canvas.getContext("webgl2", {antialias: false, alpha: true, premultipliedAlpha: true,
    preserveDrawingBuffer: true}); // many points are drawn over several frames
  if (!gl || gl.isContextLost()) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX_SHADER], [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniform = {};
  for (let k = 0; k < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); k++) {
    const name = gl.getActiveUniform(program, k).name.replace("[0]", "");
    uniform[name] = gl.getUniformLocation(program, name);
  }
  const largest = gl.getParameter(gl.ALIASED_POINT_SIZE_RANGE)[1];
  return {gl, program, uniform, largest, columns: {}, rows: {}};
}

/** Send the columns to the graphics memory; x and y only where they are new. */
function uploadPoints(drawer, points, samePlaces) {
  const {gl} = drawer;
  for (const name of samePlaces ? ["group", "flags"] : ["x", "y", "group", "flags"]) {
    drawer.columns[name] ??= gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, drawer.columns[name]);
    gl.bufferData(gl.ARRAY_BUFFER, points[name], gl.STATIC_DRAW);
  }
  for (const [name, wanted] of [["selected", FLAG.selected], ["marks", MARKED]]) {
    const rows = rowsWith(points, wanted);
    drawer.rows[name] ??= {buffer: gl.createBuffer()};
    drawer.rows[name].count = rows.length;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, drawer.rows[name].buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, rows, gl.STATIC_DRAW);
  }
}

/** Bind the columns so that every `step`-th point is read, from row `first` on. */
function bindColumns({gl, program, columns}, step, first) {
  for (const name of ["x", "y", "group", "flags"]) {
    const place = gl.getAttribLocation(program, name), width = name === "x" || name === "y" ? 4 : 1;
    gl.bindBuffer(gl.ARRAY_BUFFER, columns[name]);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 1, width > 1 ? gl.FLOAT : gl.UNSIGNED_BYTE, false, width * step, width * first);
  }
}

/** Tell the shader colours, shapes, and which groups are hidden. */
function setLook({gl, uniform}, {head}, theme, hidden, focus) {
  const colours = new Float32Array(3 * MOST_CODES), shapes = new Int32Array(MOST_CODES);
  head.colours.forEach((each, code) => colours.set(rgbOf(each), 3 * code));
  shapes.set(head.shapes);
  gl.uniform3fv(uniform.colours, colours);
  gl.uniform1iv(uniform.shapes, shapes);
  gl.uniform1iv(uniform.hidden, Int32Array.from(hidden));
  gl.uniform3fv(uniform.grey, theme.grey);
  gl.uniform3fv(uniform.markColours, head.marks.flatMap((each) => (each.colour ? rgbOf(each.colour) : theme.text)));
  gl.uniform1iv(uniform.markShapes, Int32Array.from(head.marks, (each) => each.shape));
  gl.uniform1i(uniform.focus, focus);
}

/**
 * Draw one of `step` slices of the points, which is every `step`-th from row `slice` on; the first clears the picture.
 * Above them, with the first and the last, the selected (many enough show anyhow), and the marked with every one.
 * Where a density stands for the points, the selected and the marked alone.
 */
function drawPoints(drawer, map, step, slice) {
  const {gl, uniform} = drawer, {points, view, size} = map, left = points.count - slice;
  if (slice === 0) beginPicture(drawer, map);
  if (left <= 0) return;
  const across = pointSize(map) * size.ratio, {selected} = drawer.rows;
  gl.uniform4f(uniform.view, view.x, view.y, (2 * view.scale) / size.width, (2 * view.scale) / size.height);
  if (!map.density) {
    bindColumns(drawer, step, slice);
    setStage(drawer, PASS.all, across);
    gl.drawArrays(gl.POINTS, 0, Math.ceil(left / step));
  }
  bindColumns(drawer, 1, 0);
  if ((slice === 0 || slice === step - 1) && (map.density || selected.count <= WHILE_MOVING)) {
    drawRows(drawer, "selected", PASS.selected, Math.max(across, 3 * size.ratio) + 2 * size.ratio);
  }
  drawRows(drawer, "marks", PASS.marks, Math.max(16, pointSize(map) + 10) * size.ratio);
}

function beginPicture(drawer, map) {
  const {gl, uniform} = drawer;
  gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  setLook(drawer, map.points, map.theme, map.hidden, map.focus);
  gl.uniform1i(uniform.fade, drawer.rows.selected.count > 0 ? 1 : 0);
  gl.uniform1f(uniform.strength, strengthOf(map.points.count));
}

function drawRows(drawer, name, stage, across) {
  const {gl} = drawer, {buffer, count} = drawer.rows[name];
  if (!count) return;
  setStage(drawer, stage, across);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
  gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 0);
}

function setStage({gl, uniform, largest}, stage, across) {
  gl.uniform1i(uniform.stage, stage);
  gl.uniform1f(uniform.size, Math.min(across, largest));
}

/** Return the width of a point in CSS pixels: smaller the more there are, larger the nearer one looks. */
function pointSize({points, view, fitted}) {
  const [, base] = SIZES.find(([most]) => points.count < most);
  return Math.min(12, base * Math.max(1, Math.min(4, (view.scale / fitted.scale) ** 0.4)));
}

function strengthOf(count) {
  return count < 3e4 ? 0.85 : count < 2e5 ? 0.7 : 0.5;
}
