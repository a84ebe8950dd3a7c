// What all pages that show clouds share: how points are seen, drawn without WebGL, and turned by hand.
"use strict";
const HOME = { turn: 35, tilt: 22, zoom: 1 };

function bytes(text) {
  return Uint8Array.from(atob(text), c => c.charCodeAt(0));
}

// Where the points of a cloud are seen in a square of `side` pixels: columns, rows and how near (1 in the middle).
// `places` are whole numbers, `unit` what 1 of them is in radii of the cloud.
function seen(places, unit, pose, side) {
  const count = places.length / 3, half = side / 2, scale = 0.9 * half * pose.zoom;
  const a = pose.turn * Math.PI / 180, e = pose.tilt * Math.PI / 180;
  const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
  const column = new Float32Array(count), row = new Float32Array(count), near = new Float32Array(count);
  for (let k = 0; k < count; k++) {
    const x = places[3 * k] * unit, y = places[3 * k + 1] * unit, z = places[3 * k + 2] * unit;
    const back = sa * x + ca * z;
    near[k] = 5 / (5 - (se * y + ce * back));
    column[k] = half + scale * near[k] * (ca * x - sa * z);
    row[k] = half - scale * near[k] * (ce * y - se * back);
  }
  return { column, row, near, scale };
}

// Pixels of a ball of the given radius: offsets, and light as a factor (the light comes from above left).
function ball(radius) {
  const di = [], dj = [], light = [], reach = Math.ceil(radius);
  for (let i = -reach; i <= reach; i++) for (let j = -reach; j <= reach; j++) {
    const x = j / radius, y = -i / radius, rest = 1 - x * x - y * y;
    if (rest < 0) continue;
    di.push(i); dj.push(j);
    light.push(0.58 + 0.46 * Math.max(0, -0.42 * x + 0.66 * y + 0.62 * Math.sqrt(rest)));
  }
  return { di, dj, light };
}

// Draws a cloud into an image that is a square. Of the four bytes of a colour, the last makes a ball smaller.
function drawBalls(image, { places, colours }, unit, radius, pose) {
  const side = image.width, { column, row, near, scale } = seen(places, unit, pose, side);
  const order = Uint32Array.from(near.keys()).sort((p, q) => near[p] - near[q]);
  const stamps = [1, 0.6].map(part => ball(Math.max(1.2, radius * part * scale)));
  const pixels = image.data.fill(0);
  for (const k of order) {
    const { di, dj, light } = stamps[colours[4 * k + 3]];
    const i0 = Math.round(row[k]), j0 = Math.round(column[k]);
    const fog = Math.min(1.06, 0.55 + 0.45 * near[k]); // farther is darker
    const [r, g, b] = [colours[4 * k] * fog, colours[4 * k + 1] * fog, colours[4 * k + 2] * fog];
    for (let s = 0; s < di.length; s++) {
      const i = i0 + di[s], j = j0 + dj[s];
      if (i < 0 || j < 0 || i >= side || j >= side) continue;
      const p = 4 * (i * side + j);
      pixels[p] = r * light[s]; pixels[p + 1] = g * light[s]; pixels[p + 2] = b * light[s]; pixels[p + 3] = 255;
    }
  }
}

// Lets a hand, a wheel or keys move what a canvas shows. `moved(right, down, zoom, at)` is told of each step, in pixels
// of the page, `at` being where the fingers or the wheel are; `tapped(event)` of a press that moved nothing.
function gestures(canvas, { moved, tapped, reset, keys }) {
  const down = new Map();
  let far = 0;
  const middle = () => {
    const all = [...down.values()];
    return [all.reduce((s, p) => s + p[0], 0) / all.length, all.reduce((s, p) => s + p[1], 0) / all.length];
  };
  const spread = () => {
    const [p, q] = [...down.values()];
    return q ? Math.hypot(p[0] - q[0], p[1] - q[1]) : 0;
  };
  const inside = ([x, y]) => {
    const box = canvas.getBoundingClientRect();
    return [x - box.left, y - box.top];
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.pointerType === "mouse" && event.button) return;
    if (!down.size) far = 0;
    down.set(event.pointerId, [event.clientX, event.clientY]);
    try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone by now */ }
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", event => {
    if (!down.has(event.pointerId)) return;
    const before = middle(), wide = spread();
    down.set(event.pointerId, [event.clientX, event.clientY]);
    const after = middle(), now = spread();
    const [right, below] = [after[0] - before[0], after[1] - before[1]];
    far += Math.hypot(right, below) + Math.abs(now - wide);
    if (far > 3) moved(right, below, wide && now ? now / wide : 1, inside(after));
  });
  const lifted = event => {
    if (!down.delete(event.pointerId)) return;
    if (event.type === "pointerup" && !down.size && far <= 3) tapped?.(event);
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("wheel", event => {
    if (document.activeElement !== canvas) return; // a wheel over what was not chosen scrolls the page
    event.preventDefault();
    moved(0, 0, Math.exp(-event.deltaY * 0.0015), inside([event.clientX, event.clientY]));
  }, { passive: false });
  canvas.addEventListener("dblclick", reset);
  canvas.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const centre = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    const zoom = { "+": 1.15, "=": 1.15, "-": 1 / 1.15 }[event.key];
    if (zoom) moved(0, 0, zoom, centre);
    else if (event.key === "0") reset();
    else if (!keys?.(event.key)) return;
    event.preventDefault();
  });
}

// Turns what a canvas shows of a cloud by its pose, which may be shared by several, and has it drawn again.
function turnable(canvas, pose, redraw, tapped, others) {
  const turn = (right, up, zoom = 1) => {
    pose.turn -= right;
    pose.tilt = Math.max(-89, Math.min(89, pose.tilt + up));
    pose.zoom = Math.max(0.4, Math.min(6, pose.zoom * zoom));
    redraw();
  };
  const arrows = { ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, -6], ArrowDown: [0, 6] };
  gestures(canvas, {
    moved: (right, below, zoom) => turn(right * 0.5, below * 0.5, zoom),
    tapped,
    reset: () => { Object.assign(pose, HOME); redraw(); },
    keys: key => key in arrows ? (turn(...arrows[key]), true) : others?.(key),
  });
}
