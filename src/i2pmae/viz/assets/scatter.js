// Brings the scatters to life: names of marks, the same cloud ringed in all of them, a choice of classes.
for (const set of document.querySelectorAll(".scatter-set")) choose(set);

function choose(set) {
  const forms = set.dataset.forms.split("|"), slots = Number(set.dataset.slots);
  const buttons = [...set.querySelectorAll(".classes button")];
  const tip = set.querySelector(".tip");
  const charts = [...set.querySelectorAll(".scatter svg")].map(prepare);
  let shown = buttons.filter(b => b.dataset.slot !== undefined).map(b => b.dataset.class);
  let order = shown.map((_, slot) => slot); // colours, the one that has been in use longest first
  let started = false;

  for (const button of buttons) {
    button.disabled = false;
    button.addEventListener("click", () => toggle(button.dataset.class));
  }
  set.querySelector(".hint").hidden = false;
  const more = set.querySelector(".buttons");
  if (buttons.length > slots) add(`Next ${slots} classes`, next);
  add("None", () => recolour([]));

  function add(name, action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", action);
    more.append(button);
    more.hidden = false;
  }

  // Takes the names out of the marks, lest the browser show them a second time, and finds the marks' places.
  function prepare(svg) {
    const marks = [...svg.querySelectorAll(".mark")].map(path => {
      const title = path.querySelector("title"), name = title.textContent;
      title.remove();
      const [x, y] = path.getAttribute("transform").match(/-?[\d.]+/g).map(Number);
      return { path, name, x, y, row: path.dataset.row, group: path.dataset.class };
    });
    const halo = document.createElementNS(svg.namespaceURI, "circle");
    halo.setAttribute("r", 9);
    halo.classList.add("halo");
    svg.append(halo);
    const chart = { svg, marks, halo };
    svg.tabIndex = 0;
    svg.addEventListener("pointermove", event => under(chart, event));
    svg.addEventListener("pointerdown", event => under(chart, event));
    svg.addEventListener("pointerleave", event => { if (event.pointerType === "mouse") point(null); });
    svg.addEventListener("blur", () => point(null));
    svg.addEventListener("keydown", event => step(chart, event));
    return chart;
  }

  // The mark nearest to the pointer, those in colour first.
  function under(chart, event) {
    const box = chart.svg.getBoundingClientRect(), unit = chart.svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * unit, y = (event.clientY - box.top) * unit;
    const reach = Math.max(12, 14 * unit);
    let best = null, least = reach;
    for (const mark of chart.marks) {
      const away = Math.hypot(mark.x - x, mark.y - y) + (shown.includes(mark.group) ? 0 : reach / 2);
      if (away < least) [best, least] = [mark, away];
    }
    point(best, chart);
  }

  function step(chart, event) {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") point(null);
    if (!way) return;
    event.preventDefault();
    const marks = chart.marks.filter(mark => !shown.length || shown.includes(mark.group));
    if (!marks.length) return;
    const at = marks.findIndex(mark => mark.row === chart.row);
    point(marks[(at < 0 && way < 0 ? marks.length - 1 : at + way + marks.length) % marks.length], chart);
  }

  function point(mark, chart) {
    for (const other of charts) {
      const same = mark && other.marks.find(candidate => candidate.row === mark.row);
      other.row = same ? same.row : undefined;
      other.halo.classList.toggle("on", Boolean(same));
      if (same) other.halo.setAttribute("transform", `translate(${same.x} ${same.y})`);
    }
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.name;
    const box = chart.svg.getBoundingClientRect(), home = set.getBoundingClientRect();
    const unit = box.width / chart.svg.viewBox.baseVal.width;
    const x = box.left - home.left + mark.x * unit, y = box.top - home.top + mark.y * unit;
    tip.style.left = `${Math.max(0, Math.min(x + 12, home.width - tip.offsetWidth))}px`;
    tip.style.top = `${y > tip.offsetHeight + 14 ? y - tip.offsetHeight - 10 : y + 14}px`;
  }

  function toggle(group) {
    if (shown.includes(group)) {
      recolour(shown.map(other => (other === group ? null : other)));
      return;
    }
    const slot = [...Array(slots).keys()].find(free => !shown[free]) ?? order[0];
    order = [...order.filter(other => other !== slot), slot];
    recolour(Object.assign([...shown], { [slot]: group }));
  }

  function next() {
    const last = Math.max(-1, ...shown.map(group => buttons.findIndex(b => b.dataset.class === group)));
    const first = last + 1 < buttons.length && started ? last + 1 : 0;
    started = true;
    order = [...Array(slots).keys()];
    recolour(buttons.slice(first, first + slots).map(b => b.dataset.class));
  }

  function recolour(groups) {
    shown = groups;
    for (const chart of charts) {
      for (const mark of chart.marks) paint(mark.path, shown.indexOf(mark.group));
      for (const mark of chart.marks) if (shown.includes(mark.group)) chart.svg.append(mark.path);
      chart.svg.append(chart.halo);
    }
    for (const button of buttons) {
      const slot = shown.indexOf(button.dataset.class);
      paint(button, slot, button.querySelector("path"));
      button.setAttribute("aria-pressed", slot >= 0);
    }
  }

  function paint(element, slot, path = element) {
    if (slot < 0) delete element.dataset.slot;
    else element.dataset.slot = slot;
    path.setAttribute("d", forms[Math.max(slot, 0) % forms.length]);
  }
}
