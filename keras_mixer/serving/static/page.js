"use strict";

// One picture, one model, one answer. Whatever is asked anew ends what was asked before.

const $ = (id) => document.getElementById(id);
const SMALL = 64; // Pixels: below, each is shown as a square.
const RED = [214, 69, 27];
const BLUE = [47, 111, 183];
const SILENT = "The server does not answer. Start it again, then load this page again.";

let models = [];
let picture = null; // A Blob.
let explained = null; // What the server said of it.
let asking = new AbortController();

listen();
const loaded = load();

function listen() {
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    take($("file").files[0]);
    $("file").value = ""; // So that the same one may be chosen again.
  });
  for (const button of document.querySelectorAll("[data-example]")) {
    button.addEventListener("click", async () => {
      const answer = await fetch(button.dataset.example).catch(() => null);
      if (answer === null) return fail("The server does not answer. Start it again.");
      take(await answer.blob());
    });
  }
  $("model").addEventListener("change", () => {
    aboutModel();
    if (picture) ask();
  });
  $("overlay").addEventListener("change", drawMap);
  acceptDrops();
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
}

async function load() {
  try {
    models = await (await fetch("models")).json();
  } catch {
    return fail(SILENT);
  }
  models.forEach((model, number) => $("model").add(new Option(model.name, number)));
  aboutModel();
}

function acceptDrops() {
  // On the whole page, or a picture dropped beside the field would replace it.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) $("drop").classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (file) take(file);
    else fail("What was dropped is no file. Save the picture, then drop the file.");
  });
}

function aboutModel() {
  const model = models[$("model").value];
  const [height, width] = model.image_size;
  $("about").textContent = `${model.classes} classes; it sees ${width} × ${height} pixels.`;
}

function take(blob) {
  if (!blob) return;
  picture = blob;
  URL.revokeObjectURL($("preview").src);
  $("preview").src = URL.createObjectURL(blob);
  $("preview").onload = () => {
    $("preview").classList.toggle("small", $("preview").naturalWidth <= SMALL);
    $("preview").hidden = false;
    $("hint").hidden = true;
  };
  hidePreview();
  ask();
}

function hidePreview() {
  $("preview").hidden = true;
  $("hint").hidden = false;
}

async function ask() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  clear();
  say("Looking …");
  await loaded;
  if (!models.length) return fail(SILENT);
  const number = $("model").value;
  try {
    const { predictions } = await post(`models/${number}/classify?top=5`, signal);
    showClasses(predictions[0]);
    const found = await post(`models/${number}/explain`, signal);
    const seen = new Image();
    seen.src = found.image;
    await seen.decode();
    if (signal.aborted) return;
    explained = { ...found, seen };
    showWhy();
  } catch (error) {
    if (!signal.aborted) fail(error.message);
  }
}

async function post(address, signal) {
  const most = models[$("model").value].max_bytes;
  if (picture.size > most) {
    // As the server says it; but browsers do not read an answer before they have sent it all.
    throw new Error(
      `The body is longer than the ${most} bytes allowed. Shrink the pictures, or send fewer at once.`,
    );
  }
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: picture,
      signal,
    });
  } catch (error) {
    throw new Error("The server does not answer. Start it again, then choose the picture again.");
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail);
  return content;
}

// What is shown.

function say(text) {
  $("status").textContent = text;
}

function clear() {
  $("error").textContent = "";
  $("classes").replaceChildren();
  $("why").hidden = true;
  explained = null;
}

function fail(text) {
  $("error").textContent = text;
  say("");
  if (!$("classes").children.length) hidePreview();
}

function showClasses(classes) {
  const items = classes.map(({ label, probability }) => {
    const bar = make("i");
    bar.style.width = `${100 * probability}%`;
    const around = make("span", "bar");
    around.setAttribute("aria-hidden", "true");
    around.append(bar);
    const item = make("li");
    item.append(make("span", "name", label), make("span", "percent", percent(probability)), around);
    return item;
  });
  $("classes").replaceChildren(...items);
  const [first] = classes;
  say(`Most probably ${first.label}, ${percent(first.probability)}. Finding out what that rests on …`);
}

function showWhy() {
  const { label, probability, drops, window: covered, blocks, note } = explained;
  say(`Most probably ${label}, ${percent(probability)}.`);
  const most = Math.max(...drops.flat());
  const row = drops.findIndex((line) => line.includes(most));
  const column = drops[row].indexOf(most);
  const text =
    most > 0
      ? `Without the reddest square, row ${row + 1} of ${drops.length} and column ${column + 1} of ` +
        `${drops[0].length}, “${label}” falls from ${percent(probability)} to ` +
        `${percent(probability - most)}.`
      : `No square lowers the probability of “${label}” when it is covered.`;
  $("map-text").textContent = `${text} Each square of ${covered[1]} × ${covered[0]} pixels was covered with grey in turn.`;
  $("map").setAttribute("aria-label", `The picture as the model sees it, with a map. ${text}`);
  $("why").hidden = false;
  drawMap();
  showUnits(blocks, note);
}

function drawMap() {
  if (!explained) return;
  const { seen, image_size: [height, width], drops, window: covered, stride } = explained;
  const canvas = $("map");
  const scale = Math.max(1, Math.floor(512 / Math.max(width, height)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  canvas.classList.toggle("small", width <= SMALL);
  const pen = canvas.getContext("2d", { alpha: false });
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false;
  pen.globalAlpha = $("overlay").checked ? 0.5 : 1; // Colours would not be seen on black.
  pen.drawImage(seen, 0, 0, canvas.width, canvas.height);
  pen.globalAlpha = 1;
  if (!$("overlay").checked) return;
  const most = Math.max(...drops.flat().map(Math.abs)) || 1;
  drops.forEach((line, row) =>
    line.forEach((drop, column) => {
      pen.fillStyle = `rgba(${drop > 0 ? RED : BLUE}, ${(0.75 * Math.abs(drop)) / most})`;
      // A window is drawn as a tile of one stride about its own centre.
      pen.fillRect(
        (column * stride[1] + (covered[1] - stride[1]) / 2) * scale,
        (row * stride[0] + (covered[0] - stride[0]) / 2) * scale,
        stride[1] * scale,
        stride[0] * scale,
      );
    }),
  );
}

function showUnits(blocks, note) {
  const parts = [make("h2", "", "Token-mixing units that fired most")];
  parts.push(
    make(
      "p",
      "quiet",
      note ??
        "Each is a pattern over the picture, red for positive weights and blue for negative ones. " +
          "The number is its activation, averaged over the channels.",
    ),
  );
  for (const { block, units } of blocks) {
    const list = make("ul");
    for (const { unit, activity, weights } of units) {
      const canvas = drawUnit(weights);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Unit ${unit} of block ${block}`);
      const item = make("li");
      item.append(canvas, make("span", "", activity.toFixed(2)));
      list.append(item);
    }
    parts.push(make("h3", "", `Block ${block}`), list);
  }
  $("units").replaceChildren(...parts);
}

function drawUnit(weights) {
  const canvas = make("canvas");
  canvas.height = weights.length;
  canvas.width = weights[0].length;
  const pen = canvas.getContext("2d");
  const most = Math.max(...weights.flat().map(Math.abs)) || 1;
  weights.forEach((line, row) =>
    line.forEach((weight, column) => {
      const share = Math.abs(weight) / most;
      const color = (weight > 0 ? RED : BLUE).map((part) => Math.round(255 + share * (part - 255)));
      pen.fillStyle = `rgb(${color})`;
      pen.fillRect(column, row, 1, 1);
    }),
  );
  return canvas;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.textContent = text; // Never HTML: names of classes come from files.
  return element;
}
