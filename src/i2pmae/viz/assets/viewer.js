// Turns every still picture of a cloud into a canvas that can be turned, zoomed and recoloured.
"use strict";
for (const viewer of document.querySelectorAll("figure.viewer")) start(viewer);

function start(viewer) {
  const data = JSON.parse(viewer.querySelector("script").textContent);
  const stage = viewer.querySelector(".stage");
  const still = stage.querySelector("img");
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  if (!pen) return; // the still picture stays
  const side = canvas.width = canvas.height = 760;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", still.alt + " Arrow keys turn it, plus and minus zoom.");
  still.replaceWith(canvas);

  const home = { turn: 35, tilt: 22, zoom: 1 };
  const pose = { ...home };
  let scene = null;
  let waiting = false;
  const image = pen.createImageData(side, side);

  const buttons = viewer.querySelector(".buttons");
  for (const packed of data.scenes) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = packed.name;
    button.addEventListener("click", () => show(packed, button));
    buttons.append(button);
  }
  buttons.hidden = data.scenes.length < 2;
  viewer.querySelector(".hint").hidden = false;
  const best = data.scenes.findIndex(s => s.name === "Features");
  buttons.children[Math.max(best, 0)].click();

  function bytes(text) {
    return Uint8Array.from(atob(text), c => c.charCodeAt(0));
  }

  function show(packed, button) {
    const places = packed.places ?? data.scenes[0].places; // most scenes recolour the same points
    packed.unpacked ??= { places: new Int16Array(bytes(places).buffer), colours: bytes(packed.colours) };
    scene = packed.unpacked;
    for (const other of buttons.children) other.setAttribute("aria-pressed", other === button);
    redraw();
  }

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
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

  function draw() {
    const { places, colours } = scene, count = places.length / 3;
    const a = pose.turn * Math.PI / 180, e = pose.tilt * Math.PI / 180;
    const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
    const unit = data.span / 32767, half = side / 2, scale = 0.9 * half * pose.zoom;
    const column = new Float32Array(count), row = new Float32Array(count), depth = new Float32Array(count);
    for (let k = 0; k < count; k++) {
      const x = places[3 * k] * unit, y = places[3 * k + 1] * unit, z = places[3 * k + 2] * unit;
      const back = sa * x + ca * z, near = 5 / (5 - (se * y + ce * back));
      column[k] = half + scale * near * (ca * x - sa * z);
      row[k] = half - scale * near * (ce * y - se * back);
      depth[k] = near;
    }
    const order = Uint32Array.from(depth.keys()).sort((p, q) => depth[p] - depth[q]);
    const stamps = [1, 0.6].map(part => ball(Math.max(1.2, data.radius * part * scale)));
    const pixels = image.data.fill(0);
    for (const k of order) {
      const { di, dj, light } = stamps[colours[4 * k + 3]];
      const i0 = Math.round(row[k]), j0 = Math.round(column[k]);
      const fog = Math.min(1.06, 0.55 + 0.45 * depth[k]); // farther is darker
      const [r, g, b] = [colours[4 * k] * fog, colours[4 * k + 1] * fog, colours[4 * k + 2] * fog];
      for (let s = 0; s < di.length; s++) {
        const i = i0 + di[s], j = j0 + dj[s];
        if (i < 0 || j < 0 || i >= side || j >= side) continue;
        const p = 4 * (i * side + j);
        pixels[p] = r * light[s]; pixels[p + 1] = g * light[s]; pixels[p + 2] = b * light[s]; pixels[p + 3] = 255;
      }
    }
    pen.putImageData(image, 0, 0);
  }

  function turn(right, up, zoom = 1) {
    pose.turn -= right;
    pose.tilt = Math.max(-89, Math.min(89, pose.tilt + up));
    pose.zoom = Math.max(0.4, Math.min(6, pose.zoom * zoom));
    redraw();
  }

  let last = null;
  canvas.addEventListener("pointerdown", event => {
    last = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
  });
  canvas.addEventListener("pointermove", event => {
    if (!last || !(event.buttons & 1)) return;
    turn((event.clientX - last[0]) * 0.5, (event.clientY - last[1]) * 0.5);
    last = [event.clientX, event.clientY];
  });
  canvas.addEventListener("wheel", event => {
    if (document.activeElement !== canvas) return; // a wheel over a viewer that was not chosen scrolls the page
    event.preventDefault();
    turn(0, 0, Math.exp(-event.deltaY * 0.0015));
  }, { passive: false });
  canvas.addEventListener("dblclick", () => { Object.assign(pose, home); redraw(); });
  const keys = { ArrowLeft: [-6, 0], ArrowRight: [6, 0], ArrowUp: [0, -6], ArrowDown: [0, 6],
    "+": [0, 0, 1.15], "=": [0, 0, 1.15], "-": [0, 0, 1 / 1.15] };
  canvas.addEventListener("keydown", event => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    turn(...keys[event.key]);
  });
}
