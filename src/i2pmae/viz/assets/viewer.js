// Turns every still picture of a cloud into a canvas that can be turned, zoomed and recoloured.
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

  const pose = { ...HOME };
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
    requestAnimationFrame(() => {
      waiting = false;
      drawBalls(image, scene, data.span / 32767, data.radius, pose);
      pen.putImageData(image, 0, 0);
    });
  }

  turnable(canvas, pose, redraw);
}
