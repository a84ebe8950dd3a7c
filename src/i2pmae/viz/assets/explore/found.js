// What is alike: a button with a picture for each shape, all turned together with the chosen one.
class Found {
  constructor(list, taken) {
    this.list = list;
    this.taken = taken;
    this.hits = [];
    list.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const at = [...list.querySelectorAll("button")].indexOf(document.activeElement);
      if (!step || at < 0) return;
      event.preventDefault();
      list.querySelectorAll("button")[at + step]?.focus();
    });
  }

  // `hits` are { number, similarity, place?, regions? }; `range` the similarities at the ends of the colours of a part.
  show(hits, range) {
    this.range = range;
    this.hits = hits.map(hit => {
      const item = document.createElement("li"), button = document.createElement("button");
      const canvas = document.createElement("canvas"), name = document.createElement("span");
      const about = document.createElement("small");
      button.type = "button";
      name.textContent = nameOf(hit.number).split("/").pop(); // the end of a path tells files apart
      about.textContent = [labelOf(hit.number), hit.similarity.toFixed(3)].filter(Boolean).join(" · ");
      button.title = nameOf(hit.number);
      button.append(canvas, name, about);
      button.addEventListener("click", () => this.taken(hit.number));
      item.append(button);
      return { ...hit, canvas, item, cloud: null };
    });
    this.list.replaceChildren(...this.hits.map(hit => hit.item));
    for (const hit of this.hits) this.fill(hit, shapeOf(hit.number), true);
  }

  async fill(hit, coming, plain) {
    try {
      const shape = await coming;
      hit.shape ??= shape;
      if (plain && hit.looked) return;
      hit.cloud = !plain ? { places: shape.places ?? (await shapeOf(hit.number)).places, colours: shape.colours }
        : hit.regions ? heated(shape, hit.regions, ...this.range) : shape;
      redraw();
    } catch (error) {
      if (plain) return notice(error.message);
      hit.looked = false; // that picture is not kept of this one
      this.fill(hit, shapeOf(hit.number), true);
    }
  }

  // In other colours, those of the chosen shape's picture; in plain ones for "shape" and those of a part for "part".
  recolour(kind) {
    for (const hit of this.hits) {
      hit.looked = kind !== "shape" && kind !== "part";
      this.fill(hit, hit.looked ? lookOf(hit.number, kind) : shapeOf(hit.number), !hit.looked);
    }
  }

  draw(painter, unit, colour) {
    for (const hit of this.hits) {
      if (!hit.cloud || !visible(hit.canvas)) continue;
      const pen = painter.draw(hit.canvas, hit.cloud, unit);
      if (hit.place) ring(pen, hit.place, unit, colour, painter.dots, 7);
    }
  }
}

function visible(canvas) {
  const box = canvas.getBoundingClientRect();
  return box.bottom > -100 && box.top < innerHeight + 100;
}
