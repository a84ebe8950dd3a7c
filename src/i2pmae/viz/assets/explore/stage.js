// Draws clouds on canvases, all from one pose, by WebGL where the browser has it and by the processor where not.
const pose = { ...HOME };
const pens = new WeakMap(); // canvas to its pen

// What draws on a canvas; `byPixels` where pixels are written and not drawn. The canvas then goes to the screen by
// itself, and the page around it is not painted again: without a graphics processor that takes most of a frame.
function penOf(canvas, byPixels) {
  if (!pens.has(canvas)) {
    const sheet = canvas.transferControlToOffscreen?.() ?? canvas;
    pens.set(canvas, sheet.getContext("2d", { willReadFrequently: byPixels }));
  }
  return pens.get(canvas);
}

// How many dots a pixel of the page gets: while something moves whose frames come slowly one, and all once it rests.
class Pace {
  constructor(again) {
    this.again = again; // draws once more, with all dots
    this.last = -Infinity;
    this.frame = 0; // milliseconds, of late
    this.slow = false;
  }

  // For a frame that is drawn now.
  dots() {
    const most = Math.min(devicePixelRatio, 2), now = performance.now(), since = now - this.last;
    this.last = now;
    if (since > RESTS) [this.frame, this.slow] = [16, false];
    else this.frame += 0.3 * (since - this.frame);
    this.slow ||= this.frame > SLOW;
    clearTimeout(this.waiting);
    if (!this.slow || most <= 1) return most;
    this.waiting = setTimeout(() => { this.last = -Infinity; this.again(); }, RESTS);
    return 1;
  }
}
const SLOW = 30, RESTS = 300; // milliseconds

const VERTEX = `
attribute vec4 paint;
uniform vec4 turn; // cosine and sine of the turn, then of the tilt
uniform float unit, zoom, radius, half_side;
varying vec3 colour;
void main() {
  vec3 p = position * unit;
  float back = turn.y * p.x + turn.x * p.z;
  float towards = turn.w * p.y + turn.z * back;
  float near = 5.0 / (5.0 - towards), scale = 0.9 * zoom * near;
  colour = paint.rgb * min(1.06, 0.55 + 0.45 * near);
  gl_Position = vec4(scale * (turn.x * p.x - turn.y * p.z), scale * (turn.z * p.y - turn.w * back), -towards / 4.0, 1.0);
  gl_PointSize = max(2.4, 2.0 * radius * (paint.a > 0.0 ? 0.6 : 1.0) * 0.9 * zoom * near * half_side);
}`;
const FRAGMENT = `
varying vec3 colour;
void main() {
  vec2 p = vec2(gl_PointCoord.x * 2.0 - 1.0, 1.0 - gl_PointCoord.y * 2.0);
  float rest = 1.0 - dot(p, p);
  if (rest < 0.0) discard;
  float light = 0.58 + 0.46 * max(0.0, dot(vec3(p, sqrt(rest)), vec3(-0.42, 0.66, 0.62)));
  gl_FragColor = vec4(colour * light, 1.0);
}`;

// One WebGL context draws for all canvases, which take its picture over: a browser gives a page only a few.
class Painter {
  constructor() {
    this.renderer = null;
    this.dots = Math.min(devicePixelRatio, 2);
    this.there = true; // whether the browser has WebGL at all
    try {
      const canvas = document.createElement("canvas");
      const options = { antialias: true, alpha: true, preserveDrawingBuffer: true };
      const context = canvas.getContext("webgl2", options);
      this.there = Boolean(context);
      if (!context || bySoftware(context)) return;
      this.renderer = new THREE.WebGLRenderer({ canvas, context });
      this.renderer.outputColorSpace = "srgb-linear"; // colours are shown as they are
      this.renderer.setClearColor(0, 0);
      canvas.addEventListener("webglcontextlost", event => { event.preventDefault(); this.lost(); });
    } catch {
      [this.renderer, this.there] = [null, false];
      return;
    }
    this.uniforms = { turn: { value: [1, 0, 1, 0] } };
    for (const name of ["unit", "zoom", "radius", "half_side"]) this.uniforms[name] = { value: 1 };
    const material = new THREE.ShaderMaterial({
      uniforms: this.uniforms, vertexShader: VERTEX, fragmentShader: FRAGMENT,
    });
    this.points = new THREE.Points(new THREE.BufferGeometry(), material);
    this.points.frustumCulled = false;
    this.scene = new THREE.Scene();
    this.scene.add(this.points);
    this.camera = new THREE.Camera();
    this.geometries = new Map();
  }

  lost() {
    this.renderer = null;
    notice("The browser gave up its WebGL context: shapes are now drawn by the processor, which is slower.");
    redraw();
  }

  geometry(cloud) {
    let found = this.geometries.get(cloud);
    if (!found) {
      found = new THREE.BufferGeometry();
      found.setAttribute("position", new THREE.BufferAttribute(new Float32Array(cloud.places), 3));
      found.setAttribute("paint", new THREE.BufferAttribute(cloud.colours, 4, true));
      this.geometries.set(cloud, found);
      if (this.geometries.size > 120) {
        const [oldest, geometry] = this.geometries.entries().next().value;
        geometry.dispose();
        this.geometries.delete(oldest);
      }
    }
    return found;
  }

  // The pen of a canvas, which is empty.
  clear(canvas) {
    const pen = penOf(canvas, !this.renderer);
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    return pen;
  }

  draw(canvas, cloud, unit, seenFrom = pose) {
    const side = Math.max(32, Math.round(canvas.clientWidth * this.dots));
    const pen = this.clear(canvas), radius = ballRadius(cloud.places.length / 3);
    if (pen.canvas.width !== side) pen.canvas.width = pen.canvas.height = side;
    if (!this.renderer) {
      const image = pen.createImageData(side, side);
      drawBalls(image, cloud, unit, radius, seenFrom);
      pen.putImageData(image, 0, 0);
      return pen;
    }
    const [a, e] = [seenFrom.turn * Math.PI / 180, seenFrom.tilt * Math.PI / 180];
    const values = { turn: [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)], unit, zoom: seenFrom.zoom, radius,
      half_side: side / 2 };
    for (const [name, value] of Object.entries(values)) this.uniforms[name].value = value;
    this.points.geometry = this.geometry(cloud);
    this.renderer.setSize(side, side, false);
    this.renderer.render(this.scene, this.camera);
    pen.drawImage(this.renderer.domElement, 0, 0);
    return pen;
  }
}

// Whether there is no graphics processor behind WebGL: then it is slower than drawing the balls here.
function bySoftware(context) {
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const name = names ? context.getParameter(names.UNMASKED_RENDERER_WEBGL) : "";
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

function ballRadius(count) {
  return Math.min(0.04, Math.max(0.009, 1.05 / Math.sqrt(Math.max(count, 1))));
}

// A ring around a place of a cloud, on a canvas of so many dots a pixel.
function ring(pen, place, unit, colour, dots, size = 9) {
  const { column, row } = seen(place.map(value => value / unit), unit, pose, pen.canvas.width);
  for (const [width, style] of [[4.5, "#0008"], [2.5, colour]]) {
    pen.lineWidth = width * dots;
    pen.strokeStyle = style;
    pen.beginPath();
    pen.arc(column[0], row[0], size * dots, 0, 7);
    pen.stroke();
  }
}

// Which point of a cloud is at a place of a canvas, the one in front of those that are close; -1 for none.
function pointAt(canvas, cloud, unit, x, y) {
  const side = canvas.clientWidth, { column, row, near, scale } = seen(cloud.places, unit, pose, side);
  const reach = Math.max(7, 1.5 * ballRadius(cloud.places.length / 3) * scale);
  let best = -1;
  for (let k = 0; k < near.length; k++) {
    if (Math.hypot(column[k] - x, row[k] - y) > reach) continue;
    if (best < 0 || near[k] > near[best] + 1e-4) best = k;
  }
  return best;
}

// A cloud in the colours of how similar its regions are to a part: of each point, that of the three nearest regions.
function heated(shape, similar, low, high) {
  const { places, centres } = shape, count = places.length / 3, colours = new Uint8Array(4 * count);
  for (let k = 0; k < count; k++) {
    const nearest = [];
    for (let r = 0; r < similar.length; r++) {
      let far = 0;
      for (let axis = 0; axis < 3; axis++) far += (places[3 * k + axis] - centres[3 * r + axis]) ** 2;
      if (nearest.length < 3 || far < nearest[2][0]) {
        nearest.push([far, r]);
        nearest.sort((p, q) => p[0] - q[0]);
        nearest.length = Math.min(nearest.length, 3);
      }
    }
    let sum = 0, weights = 0;
    for (const [far, r] of nearest) { const w = 1 / (far + 1e4); sum += w * similar[r]; weights += w; }
    colours.set(heat((sum / weights - low) / (high - low || 1)), 4 * k);
  }
  return { places, colours };
}

const STOPS = [[58, 66, 92], [98, 92, 140], [176, 86, 128], [240, 122, 66], [255, 208, 84]];
function heat(value) {
  const t = Math.max(0, Math.min(0.9999, value)) * (STOPS.length - 1), k = Math.floor(t);
  return STOPS[k].map((low, axis) => low + (STOPS[k + 1][axis] - low) * (t - k));
}
