// Where the page gets shapes from: the server that it came from, or what is kept in the page itself. Both answer alike.
const kept = document.getElementById("kept");

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is i2pmae explore still running? Start it again: nothing here is lost.");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.detail ?? `The server refused (${answer.status}).`);
  return content;
}

class Served {
  takesFiles = true;
  about() { return ask("api/set"); }
  shape(number) { return ask(`api/shape/${number}`); }
  look(number, kind) { return ask(`api/look/${number}/${kind}`); }
  like(number, top) { return ask(`api/like/${number}?top=${top}`); }
  part(number, places, top) {
    return ask(`api/part/${number}?top=${top}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ places }),
    });
  }
  drop(file) {
    return ask(`api/drop?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
  }
}

class Kept {
  takesFiles = false;
  constructor(all) {
    this.all = all;
    this.places = new Int16Array(bytes(all.places).buffer);
    this.alike = new Int32Array(bytes(all.alike).buffer);
    this.similarity = new Uint16Array(bytes(all.similarity).buffer);
    this.features = all.features && bytes(all.features);
    if (all.regions) {
      this.regions = new Int8Array(bytes(all.regions).buffer);
      this.centres = new Int16Array(bytes(all.centres).buffer);
      this.squares = all.scales.map(scale => scale * scale);
    }
  }

  async about() { return this.all.about; }

  async shape(number) {
    const { points, count } = this.all, of = (values, size) => values.slice(number * size, (number + 1) * size);
    const places = of(this.places, 3 * points), colours = new Uint8Array(4 * points);
    let [low, high] = [Infinity, -Infinity];
    for (let k = 1; k < places.length; k += 3) { low = Math.min(low, places[k]); high = Math.max(high, places[k]); }
    for (let k = 0; k < points; k++) {
      const t = high > low ? (places[3 * k + 1] - low) / (high - low) : 0.5;
      colours.set([64 + 76 * t, 97 + 87 * t, 153 + 77 * t], 4 * k); // as the server colours by height
    }
    return { places, colours, centres: this.centres ? of(this.centres, 3 * count) : null };
  }

  async look(number, kind) {
    if (kind === "features") {
      const { points } = this.all, colours = new Uint8Array(4 * points);
      for (let k = 0; k < points; k++) {
        const at = 3 * (number * points + k);
        colours.set(this.features.subarray(at, at + 3), 4 * k);
      }
      return { name: "Features", colours, legend: [] };
    }
    const found = this.all.looks[number]?.[kind];
    if (!found) throw new Error("This file keeps that picture of some shapes only: i2pmae explore, without --output, has it of all.");
    return found;
  }

  async like(number, top) {
    const all = this.all.found, rows = [], similarity = [];
    for (let k = number * all; k < number * all + Math.min(top, all); k++) {
      rows.push(this.alike[k]);
      similarity.push(this.similarity[k] / 32767 - 1);
    }
    return { rows, similarity };
  }

  // The part is the mean of those regions of the shape that are nearest to its places.
  async part(number, places, top) {
    const { count, width } = this.all, unit = this.all.about.span / 32767, wanted = new Float64Array(width);
    for (const place of places) {
      let best = 0, least = Infinity;
      for (let r = 0; r < count; r++) {
        const at = 3 * (number * count + r);
        const far = Math.hypot(...place.map((value, axis) => this.centres[at + axis] * unit - value));
        if (far < least) [best, least] = [r, far];
      }
      for (let c = 0; c < width; c++) wanted[c] += this.regions[(number * count + best) * width + c] * this.squares[c];
    }
    let length = 0;
    for (let c = 0; c < width; c++) length += wanted[c] * wanted[c] / this.squares[c];
    for (let c = 0; c < width; c++) wanted[c] /= Math.sqrt(length) || 1;
    const similar = new Float32Array(this.regions.length / width);
    for (let r = 0; r < similar.length; r++) {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += this.regions[r * width + c] * wanted[c];
      similar[r] = Math.min(1, sum);
    }
    const best = [];
    for (let row = 0; row < similar.length / count; row++) {
      if (row === number) continue;
      let at = row * count;
      for (let r = at; r < (row + 1) * count; r++) if (similar[r] > similar[at]) at = r;
      best.push([row, at]);
    }
    best.sort((p, q) => similar[q[1]] - similar[p[1]] || p[0] - q[0]);
    const shown = best.slice(0, top), own = row => [...similar.subarray(row * count, (row + 1) * count)];
    return {
      rows: shown.map(([row]) => row), similarity: shown.map(([, at]) => similar[at]),
      places: shown.map(([, at]) => [0, 1, 2].map(axis => this.centres[3 * at + axis] * unit)),
      regions: shown.map(([row]) => own(row)), own: own(number),
    };
  }
}

const source = kept ? new Kept(JSON.parse(kept.textContent)) : new Served();
const waitingFor = new Map();
const MOST_KEPT = 400; // shapes and pictures that the page remembers

// A shape or a picture of it, unpacked, asked for once.
function remembered(key, get) {
  if (!waitingFor.has(key)) {
    waitingFor.set(key, get().then(unpacked));
    waitingFor.get(key).catch(() => waitingFor.delete(key));
    if (waitingFor.size > MOST_KEPT) waitingFor.delete(waitingFor.keys().next().value);
  }
  return waitingFor.get(key);
}

const shapeOf = number => remembered(`${number}`, () => source.shape(number));
const lookOf = (number, kind) => remembered(`${number} ${kind}`, () => source.look(number, kind));

function unpacked(found) {
  const whole = value => typeof value === "string" ? new Int16Array(bytes(value).buffer) : value;
  return {
    ...found, places: whole(found.places), centres: whole(found.centres),
    colours: typeof found.colours === "string" ? bytes(found.colours) : found.colours,
  };
}
