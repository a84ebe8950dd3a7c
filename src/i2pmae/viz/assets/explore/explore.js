// The page itself: what is chosen, what is like it, and which part of it is looked for.
const $ = id => document.getElementById(id);
const TOP = 12; // shapes that are shown as alike
const painter = new Painter(), pace = new Pace(redraw);
const state = { about: null, map: null, number: -1, shape: null, cloud: null, kind: "shape", picks: [], part: null };
const dropped = new Map(); // number to name
const trail = []; // shapes that were chosen before
let unit = 1, drawing = false, turnNumber = 0;

const nameOf = number => dropped.get(number) ?? state.about.ids[number];
const labelOf = number => state.about.labels && number < state.about.ids.length
  ? state.about.classes[state.about.labels[number]] : "";
const found = new Found($("alike"), number => choose(number));

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    painter.dots = pace.dots();
    const accent = getComputedStyle(document.body).getPropertyValue("--pick").trim();
    if (state.cloud) {
      const pen = painter.draw($("shape"), state.cloud, unit);
      for (const pick of state.picks) ring(pen, pick, unit, accent, painter.dots);
    }
    found.draw(painter, unit, accent);
  });
}

// What answers come back for is what was asked last: an answer that was overtaken is dropped.
async function latest(work) {
  const mine = ++turnNumber;
  document.body.setAttribute("aria-busy", "true");
  try {
    const result = await work;
    return mine === turnNumber ? result : null;
  } catch (error) {
    if (mine === turnNumber) notice(error.message);
    return null;
  } finally {
    if (mine === turnNumber) document.body.removeAttribute("aria-busy");
  }
}

async function choose(number, back = false) {
  if (!back && state.number >= 0 && state.number !== number) trail.push(state.number);
  const both = await latest(Promise.all([shapeOf(number), source.like(number, TOP)]));
  if (!both) return;
  const [shape, alike] = both;
  notice("");
  Object.assign(state, { number, shape, cloud: shape, picks: [], part: null });
  state.map.chosen = number;
  $("chosen").textContent = nameOf(number);
  $("label").textContent = labelOf(number);
  $("label").hidden = !labelOf(number);
  $("shape").setAttribute("aria-label", `${nameOf(number)}. Arrow keys turn it, plus and minus zoom, P picks the point in the middle.`);
  if (number < state.about.ids.length) history.replaceState(null, "", `#${number}`);
  showFound(alike, "Most alike");
  if (state.kind === "part") state.kind = "shape";
  look(state.kind);
}

function showFound(alike, heading) {
  $("heading").textContent = heading;
  $("clear").hidden = !state.part;
  const all = alike.regions ? [...alike.regions.flat(), ...alike.own].sort((p, q) => p - q) : [];
  state.range = [all[Math.floor(all.length * 0.3)], all[all.length - 1]];
  found.show(alike.rows.map((number, k) => ({
    number, similarity: alike.similarity[k], place: alike.places?.[k], regions: alike.regions?.[k],
  })), state.range);
  state.map.alike = alike.rows;
  state.map.redraw(false);
}

// Shows the chosen shape, and what is alike, in other colours.
async function look(kind) {
  const { number, shape } = state;
  state.kind = kind;
  for (const button of $("looks").children) {
    button.setAttribute("aria-pressed", button.dataset.kind === kind);
    if (button.dataset.kind === "part") button.hidden = !state.part;
  }
  $("legend").hidden = true;
  $("hint").textContent = hint();
  if (!shape) return;
  if (kind === "part") state.cloud = heated(shape, state.part.own, ...state.range);
  else if (kind === "shape") state.cloud = shape;
  else {
    const picture = await lookOf(number, kind).catch(error => { notice(error.message); return null; });
    if (state.number !== number || state.kind !== kind) return;
    if (!picture) return look(state.part ? "part" : "shape");
    state.cloud = { places: picture.places ?? shape.places, colours: picture.colours };
    showLegend(picture.legend ?? []);
  }
  found.recolour(kind);
  redraw();
}

function hint() {
  if (state.number < 0) return "";
  const colours = state.kind === "part" ? " Bright is alike, dark is not." : "";
  if (state.part) return `Click more points to widen the part, or a ring to take a point back.${colours}`;
  const pick = state.about.parts ? "Click a point: which shapes have a part like it? "
    : "This index has no regions, so that parts can't be searched: make it with --regions 32. ";
  return `${pick}Drag to turn them all.`;
}

function showLegend(legend) {
  $("legend").hidden = !legend.length;
  $("legend").replaceChildren(...legend.map(([name, colour]) => {
    const item = document.createElement("li"), dot = document.createElement("i");
    dot.style.background = `rgb(${colour.join(" ")})`;
    item.append(dot, name);
    return item;
  }));
}

async function pick(point) {
  if (point < 0 || !state.about.parts || !state.shape) return;
  const places = state.cloud.places;
  const place = [0, 1, 2].map(axis => places[3 * point + axis] * unit);
  const far = other => Math.hypot(...place.map((value, axis) => value - other[axis]));
  const near = state.picks.findIndex(other => far(other) < 0.04);
  const picks = near >= 0 ? state.picks.filter((_, k) => k !== near) : [...state.picks, place].slice(-16);
  if (!picks.length) return letGo();
  const before = state.picks;
  state.picks = picks;
  redraw();
  const number = state.number, alike = await latest(source.part(number, picks, TOP));
  if (!alike || state.number !== number) {
    if (state.number === number && state.picks === picks) { state.picks = before; redraw(); }
    return;
  }
  notice("");
  state.part = alike;
  showFound(alike, "Parts like this one");
  look("part");
}

async function letGo() {
  if (!state.part && !state.picks.length) return;
  Object.assign(state, { picks: [], part: null });
  const alike = await latest(source.like(state.number, TOP));
  if (!alike) return;
  showFound(alike, "Most alike");
  look("shape");
}

// The shape in the middle of the canvas, for those who pick by key.
function pickMiddle() {
  const canvas = $("shape"), half = canvas.clientWidth / 2;
  if (!state.cloud) return;
  const { column, row, near } = seen(state.cloud.places, unit, pose, canvas.clientWidth);
  let best = -1, least = Infinity;
  for (let k = 0; k < near.length; k++) {
    const cost = Math.hypot(column[k] - half, row[k] - half) - 60 * near[k];
    if (cost < least) [best, least] = [k, cost];
  }
  pick(best);
}

async function takeFile(file) {
  if (!source.takesFiles) {
    return notice("This page is a file and has no encoder: i2pmae explore, without --output, takes files that are dropped.");
  }
  notice(`Embedding ${file.name}…`);
  const made = await latest(source.drop(file));
  if (!made) return;
  dropped.set(made.number, made.name);
  state.map.add(made.number, made.place);
  choose(made.number);
}

const tip = { number: -1, cloud: null, pose: { ...HOME } };
async function hovered(number, x, y) {
  tip.number = number;
  const box = $("tip");
  if (number < 0) { box.hidden = true; return; }
  const [name, label] = [nameOf(number), labelOf(number)];
  box.querySelector("figcaption").textContent = label ? `${name} · ${label}` : name;
  box.hidden = false;
  const { clientWidth: w, clientHeight: h } = $("map");
  box.style.left = `${Math.max(4, Math.min(w - box.offsetWidth - 4, x + 14))}px`;
  box.style.top = `${y + box.offsetHeight + 18 > h ? Math.max(4, y - box.offsetHeight - 14) : y + 14}px`;
  const canvas = box.querySelector("canvas");
  painter.clear(canvas);
  await new Promise(done => setTimeout(done, 40)); // whoever sweeps over the map asks for no shape on the way
  if (tip.number !== number) return;
  const shape = await shapeOf(number).catch(() => null);
  if (shape && tip.number === number) painter.draw(canvas, shape, unit, tip.pose);
}

function findNames(text) {
  const wanted = text.trim().toLowerCase(), { ids } = state.about;
  const rows = wanted ? [...ids.keys()].filter(k => ids[k].toLowerCase().includes(wanted)) : null;
  state.map.matches = rows;
  state.map.redraw();
  const list = $("names");
  list.hidden = !rows;
  $("name").setAttribute("aria-expanded", Boolean(rows));
  const items = (rows ?? []).slice(0, 8).map(number => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = nameOf(number);
    button.addEventListener("click", () => { closeNames(); choose(number); });
    item.setAttribute("role", "option");
    item.append(button);
    return item;
  });
  const rest = document.createElement("li");
  rest.className = "muted";
  rest.textContent = rows?.length ? `${rows.length} found` : "None is called so.";
  list.replaceChildren(...items, rest);
}

function closeNames() {
  $("name").value = "";
  findNames("");
}

function listen() {
  turnable($("shape"), pose, redraw, event => {
    const box = $("shape").getBoundingClientRect();
    if (state.cloud) pick(pointAt($("shape"), state.cloud, unit, event.clientX - box.left, event.clientY - box.top));
  }, key => key.toLowerCase() === "p" ? (pickMiddle(), true) : false);
  $("clear").addEventListener("click", letGo);
  $("help").addEventListener("click", () => {
    $("keys").hidden = !$("keys").hidden;
    $("help").setAttribute("aria-expanded", !$("keys").hidden);
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => state.map.zoom(Number(button.dataset.zoom)));
  }
  $("name").addEventListener("input", () => findNames($("name").value));
  $("name").addEventListener("keydown", event => {
    const buttons = [...$("names").querySelectorAll("button")];
    if (event.key === "Enter" && buttons.length) buttons[0].click();
    else if (event.key === "ArrowDown") buttons[0]?.focus();
    else if (event.key === "Escape") { closeNames(); $("map").focus(); } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  $("names").addEventListener("keydown", event => {
    const buttons = [...$("names").querySelectorAll("button")], at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { (buttons[at + step] ?? $("name")).focus(); event.preventDefault(); }
    if (event.key === "Escape") { closeNames(); $("map").focus(); event.stopPropagation(); }
  });
  document.addEventListener("keydown", event => {
    if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === "/") $("name").focus();
    else if (key === "escape") { $("keys").hidden = true; state.map.hover(-1); letGo(); }
    else if (key === "n" && found.hits.length) choose(found.hits[0].number);
    else if ((key === "b" || key === "backspace") && trail.length) choose(trail.pop(), true);
    else return;
    event.preventDefault();
  });
  $("open").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { const [file] = $("file").files; if (file) takeFile(file); $("file").value = ""; });
  let within = 0;
  const carries = event => [...(event.dataTransfer?.types ?? [])].includes("Files");
  document.addEventListener("dragenter", event => { if (carries(event)) { within++; $("drop").hidden = false; event.preventDefault(); } });
  document.addEventListener("dragleave", event => { if (carries(event) && --within <= 0) { within = 0; $("drop").hidden = true; } });
  document.addEventListener("dragover", event => { if (carries(event)) event.preventDefault(); });
  document.addEventListener("drop", event => {
    if (!carries(event)) return;
    event.preventDefault();
    within = 0;
    $("drop").hidden = true;
    const files = [...event.dataTransfer.files];
    if (files.length > 1) notice(`One file at a time: ${files[0].name} is taken.`);
    if (files.length) takeFile(files[0]);
  });
  addEventListener("resize", redraw);
  addEventListener("scroll", redraw, { passive: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { state.map.redraw(); redraw(); });
}

// The shape that the address names, after #; -1 where it names none.
function named() {
  const asked = Number(location.hash.slice(1));
  return location.hash.length > 1 && Number.isInteger(asked) && asked >= 0 && asked < state.about.ids.length ? asked : -1;
}

async function begin() {
  try {
    state.about = await source.about();
  } catch (error) {
    $("facts").textContent = "";
    return notice(error.message);
  }
  const { about } = state;
  unit = about.span / 32767;
  $("facts").textContent = [`${about.ids.length} shapes`, about.encoder, about.left].filter(Boolean).join(" · ");
  $("mapped").textContent = `Each mark is a shape; near ones are alike (${about.method} of their embeddings; the axes have no unit).`;
  state.map = new ShapeMap($("map"), about, { hovered, taken: choose });
  classButtons($("classes"), about, state.map);
  for (const [kind, name] of Object.entries({ shape: "Shape", part: "Part", ...about.kinds })) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.kind = kind;
    button.textContent = name;
    button.hidden = kind === "part";
    button.addEventListener("click", () => look(kind));
    $("looks").append(button);
  }
  listen();
  if (!painter.there) notice("This browser has no WebGL: shapes are drawn by the processor, which is slower; all else is as it is.");
  addEventListener("hashchange", () => { if (named() >= 0) choose(named()); });
  const said = $("notice").textContent;
  await choose(Math.max(0, named()));
  if (said && $("notice").hidden) notice(said);
}

begin();
