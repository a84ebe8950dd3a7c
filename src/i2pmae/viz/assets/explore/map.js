// The map: a mark for each shape, drawn on a plain canvas, so that it is there without WebGL as well.
const SLOTS = 8; // classes in colour at a time: more hues than these are not told apart

class ShapeMap {
  // `hovered(number, x, y)` is told of the mark under the pointer (-1: none), `taken(number)` of the one that is chosen.
  constructor(canvas, about, { hovered, taken }) {
    this.canvas = canvas;
    this.pen = penOf(canvas, true);
    this.pace = new Pace(() => this.redraw());
    this.dots = Math.min(devicePixelRatio, 2);
    this.marks = null;
    const places = new Int16Array(bytes(about.map).buffer);
    this.count = about.ids.length;
    this.x = Array.from({ length: this.count }, (_, k) => places[2 * k] / 32767);
    this.y = Array.from({ length: this.count }, (_, k) => places[2 * k + 1] / 32767);
    this.labels = about.labels;
    this.slots = new Map(); // class to slot
    this.view = { x: 0, y: 0, zoom: 1 };
    this.under = this.chosen = -1;
    this.alike = [];
    this.matches = null; // rows that a search for a name found
    this.told = { hovered, taken };
    this.waiting = false;
    this.stale = true;
    gestures(canvas, {
      moved: (right, below, zoom, at) => this.move(right, below, zoom, at),
      tapped: event => {
        const near = this.nearest(...this.inside(event), event.pointerType === "mouse" ? 14 : 26);
        if (near >= 0) taken(near);
      },
      reset: () => this.show(),
      keys: key => this.key(key),
    });
    canvas.addEventListener("pointermove", event => {
      if (event.pointerType === "mouse" && !event.buttons) this.hover(this.nearest(...this.inside(event), 14));
    });
    canvas.addEventListener("pointerleave", () => this.hover(-1));
    canvas.addEventListener("blur", () => this.hover(-1));
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  inside(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  add(number, place) {
    this.x[number] = place[0];
    this.y[number] = place[1];
    this.redraw();
  }

  // Pixels that 1 on the map takes, and where a shape is on the canvas.
  get scale() { return 0.46 * Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * this.view.zoom; }
  get stretch() { // the map fills a wide canvas
    return Math.min(1.7, Math.max(1, this.canvas.clientWidth / Math.max(1, this.canvas.clientHeight)));
  }
  at(number) {
    const s = this.scale;
    return [this.canvas.clientWidth / 2 + s * this.stretch * (this.x[number] - this.view.x),
      this.canvas.clientHeight / 2 - s * (this.y[number] - this.view.y)];
  }

  move(right, below, zoom, [px, py]) {
    const s = this.scale, wide = s * this.stretch;
    this.view.x -= right / wide;
    this.view.y += below / s;
    const [ox, oy] = [px - this.canvas.clientWidth / 2, py - this.canvas.clientHeight / 2];
    const next = Math.max(0.7, Math.min(60, this.view.zoom * zoom)), grown = next / this.view.zoom;
    this.view.x += ox / wide * (1 - 1 / grown);
    this.view.y -= oy / s * (1 - 1 / grown);
    this.view.zoom = next;
    this.view.x = Math.max(-1.2, Math.min(1.2, this.view.x));
    this.view.y = Math.max(-1.2, Math.min(1.2, this.view.y));
    this.redraw();
  }

  zoom(factor) {
    if (factor) this.move(0, 0, factor, [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]);
    else this.show();
  }

  show() {
    Object.assign(this.view, { x: 0, y: 0, zoom: 1 });
    this.redraw();
  }

  nearest(px, py, reach) {
    let best = -1, least = reach * reach;
    const s = this.scale, wide = s * this.stretch;
    const [left, top] = [this.canvas.clientWidth / 2 - wide * this.view.x, this.canvas.clientHeight / 2 + s * this.view.y];
    for (let k = 0; k < this.x.length; k++) {
      if (this.x[k] === undefined) continue;
      const far = (left + wide * this.x[k] - px) ** 2 + (top - s * this.y[k] - py) ** 2;
      if (far < least) [best, least] = [k, far];
    }
    return best;
  }

  hover(number) {
    if (number === this.under) return;
    this.under = number;
    this.canvas.style.cursor = number < 0 ? "" : "pointer";
    this.redraw(false);
    this.told.hovered(number, ...(number < 0 ? [0, 0] : this.at(number)));
  }

  // Arrow keys go to the next mark in that direction: near, and rather straight ahead than aside.
  key(key) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (key === "Enter" && this.under >= 0) this.told.taken(this.under);
    else if (direction) {
      const from = this.under >= 0 ? this.under : this.chosen;
      const [fx, fy] = from >= 0 ? this.at(from) : [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
      let best = -1, least = Infinity;
      for (let k = 0; k < this.x.length; k++) {
        if (k === from || this.x[k] === undefined) continue;
        const [px, py] = this.at(k);
        const ahead = (px - fx) * direction[0] + (py - fy) * direction[1];
        const aside = Math.abs((px - fx) * direction[1]) + Math.abs((py - fy) * direction[0]);
        if (ahead <= 0.5) continue;
        const cost = ahead + 2.5 * aside;
        if (cost < least) [best, least] = [k, cost];
      }
      if (best < 0) return true;
      const [px, py] = this.at(best), { clientWidth: w, clientHeight: h } = this.canvas;
      if (px < 8 || py < 8 || px > w - 8 || py > h - 8) [this.view.x, this.view.y] = [this.x[best], this.y[best]];
      this.hover(best);
    } else return false;
    return true;
  }

  // Draws again: all marks, or only the rings, where nothing but these changed.
  redraw(marks = true) {
    this.stale ||= marks;
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  draw() {
    if (this.stale) this.dots = this.pace.dots();
    const { canvas, pen, dots } = this, sheet = pen.canvas;
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    const theme = getComputedStyle(document.body), colour = name => theme.getPropertyValue(name).trim();
    const size = Math.min(9, (this.count > 4000 ? 2.2 : this.count > 800 ? 3.2 : 4.5) * Math.sqrt(this.view.zoom));
    if (sheet.width !== Math.round(w * dots) || sheet.height !== Math.round(h * dots)) {
      [sheet.width, sheet.height] = [Math.round(w * dots), Math.round(h * dots)];
      this.marks = null;
    }
    if (!sheet.width || !sheet.height) return;
    if (this.stale || !this.marks) this.drawMarks(w, h, dots, size, colour);
    this.stale = false;
    pen.putImageData(this.marks, 0, 0);
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    for (let k = this.count; k < this.x.length; k++) if (this.x[k] !== undefined) this.mark(k, colour("--ink"), size + 2, 0);
    const rank = Math.max(1, this.alike.length);
    this.alike.forEach((number, k) => this.mark(number, colour("--ink"), size + 2, 2.4 - 1.3 * k / rank));
    if (this.chosen >= 0) this.mark(this.chosen, colour("--accent"), size + 5, 3.5);
    if (this.under >= 0) this.mark(this.under, colour("--ink"), size + 4, 2);
  }

  // All marks, written pixel by pixel: the same few milliseconds with a graphics processor and without.
  drawMarks(w, h, dots, size, colour) {
    const { width, height } = this.pen.canvas;
    this.marks ??= this.pen.createImageData(width, height);
    const pixels = this.marks.data.fill(0), radius = size * dots, reach = Math.ceil(radius);
    const at = [], shares = [];
    for (let i = -reach; i <= reach; i++) for (let j = -reach; j <= reach; j++) {
      const share = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(i, j)));
      if (share) { at.push(4 * (i * width + j)); shares.push(share); }
    }
    const inks = [-1, ...Array(SLOTS).keys()].map(group => parsed(colour(group < 0 ? "--bar" : `--slot-${group}`)));
    const s = this.scale, wide = s * this.stretch;
    const [left, top] = [w / 2 - wide * this.view.x, h / 2 + s * this.view.y];
    const of = this.labels ? k => this.slots.get(this.labels[k]) ?? -1 : () => 0;
    const there = this.matches && new Set(this.matches);
    for (const inColour of [false, true]) { // those in colour lie on top
      for (let k = 0; k < this.count; k++) {
        const group = there && !there.has(k) ? -1 : of(k);
        if (group >= 0 !== inColour) continue;
        const j0 = Math.round((left + wide * this.x[k]) * dots), i0 = Math.round((top - s * this.y[k]) * dots);
        if (i0 < reach || j0 < reach || i0 >= height - reach || j0 >= width - reach) continue;
        const [red, green, blue] = inks[group + 1], strength = inColour ? 0.92 : 0.75;
        const middle = 4 * (i0 * width + j0);
        for (let n = 0; n < at.length; n++) {
          const p = middle + at[n], over = shares[n] * strength, rest = pixels[p + 3] / 255 * (1 - over);
          const all = over + rest;
          pixels[p] = (red * over + pixels[p] * rest) / all;
          pixels[p + 1] = (green * over + pixels[p + 1] * rest) / all;
          pixels[p + 2] = (blue * over + pixels[p + 2] * rest) / all;
          pixels[p + 3] = 255 * all;
        }
      }
    }
  }

  // A ring around a mark; a square instead where the width is 0, for what was dropped.
  mark(number, colour, size, width) {
    const [px, py] = this.at(number), { pen } = this;
    pen.beginPath();
    if (width) pen.arc(px, py, size, 0, 7);
    else pen.rect(px - size, py - size, 2 * size, 2 * size);
    pen.lineWidth = width || 1;
    pen.strokeStyle = pen.fillStyle = colour;
    if (width) pen.stroke();
    else pen.fill();
  }
}

// The parts of a colour such as #2f66c8, which is how the styles write theirs.
function parsed(colour) {
  return [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
}

// The classes as buttons: up to SLOTS of them are in colour, the largest at first.
function classButtons(list, about, map) {
  if (!about.labels) return;
  const sizes = about.classes.map(() => 0);
  for (const label of about.labels) sizes[label]++;
  const largest = [...sizes.keys()].sort((p, q) => sizes[q] - sizes[p] || p - q).slice(0, SLOTS);
  const free = Array.from({ length: SLOTS }, (_, slot) => slot);
  const buttons = about.classes.map((name, label) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("i"), `${name} · ${sizes[label]}`);
    button.addEventListener("click", () => {
      if (map.slots.has(label)) { free.unshift(map.slots.get(label)); map.slots.delete(label); } else take(label);
      mark();
    });
    item.append(button);
    list.append(item);
    return button;
  });
  function take(label) {
    if (!free.length) { // the class that was put in colour first gives its slot
      const [oldest, slot] = map.slots.entries().next().value;
      map.slots.delete(oldest);
      free.push(slot);
    }
    map.slots.set(label, free.shift());
  }
  function mark() {
    buttons.forEach((button, label) => {
      const slot = map.slots.get(label);
      button.setAttribute("aria-pressed", slot !== undefined);
      button.firstChild.style.background = slot === undefined ? "" : `var(--slot-${slot})`;
    });
    map.redraw();
  }
  largest.sort((p, q) => p - q).forEach(take);
  mark();
}
