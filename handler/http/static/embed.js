// One photograph embedded: every face's vector as a strip of colours, to copy and to keep.
import { copyButton, download, h } from "./common.js";
import { Question, choice } from "./question.js";
import { answerAsJson, curlFor, timingsLine } from "./details.js";

const ROW_LENGTH = 64;

// By the canvas that shows it, and for no longer than there is one: a vector is biometric data.
const vectors = new WeakMap();

// Colours come from the style sheet, which has others for the dark.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.querySelectorAll(".strip canvas").forEach(paint);
});

export class Embedding extends Question {
  operation = "embed";
  doing = "Embedding";

  options() {
    return { face: "all" };
  }

  show(answer, model, roundTrip, body) {
    const [image] = answer.images;
    const view = h("div.vector");
    this.result.replaceChildren(
      this.faceChoice(image, (index) => this.showFace(view, answer, model, index)),
      view,
      timingsLine(answer.timings_ms, roundTrip, answer.model),
      answerAsJson(answer),
      curlFor("embed", body),
    );
    this.showFace(view, answer, model, 0);
    const faces = image.faces.length === 1 ? "One face" : `${image.faces.length} faces`;
    this.status.textContent = `${faces}, each a vector of ${answer.model.dimension} numbers.`;
  }

  faceChoice(image, choose) {
    if (image.faces.length < 2) return "";
    return choice("Face", "face", image.faces.map((_, index) => ({
      text: String(index + 1),
      checked: index === 0,
      choose: () => choose(index),
    })));
  }

  showFace(view, answer, model, index) {
    const [image] = answer.images;
    const face = image.faces[index];
    const [slot] = this.slots;
    const chip = this.chip(slot, face, model, `Aligned face ${index + 1}`);
    slot.showFaces(image, [index]);
    view.replaceChildren(
      h("div.strip-row", {}, chip, strip(face.embedding)),
      facts(face.embedding),
      keepers(face.embedding, answer.model.contract),
    );
  }

  blame(failure) {
    // A timeout, say, is about no picture and marks none.
    this.slots[failure.details.image]?.blame(`${failure.code}: ${failure.message}`);
    return "";
  }
}

/** The vector as coloured cells; a slider reads them one by one, by pointer or arrow keys. */
function strip(vector) {
  const canvas = h("canvas", { width: ROW_LENGTH, height: Math.ceil(vector.length / ROW_LENGTH) });
  vectors.set(canvas, vector);
  paint(canvas);
  const readout = h("output", {}, "Blue is above zero, orange below. Point at a cell, or use the arrow keys.");
  const slider = h("div.strip", {
    tabindex: 0, role: "slider", "aria-label": "Component of the vector",
    "aria-valuemin": 0, "aria-valuemax": vector.length - 1,
  }, canvas, h("i.cursor"));
  let at = 0;
  const read = (index) => {
    at = Math.min(Math.max(index, 0), vector.length - 1);
    const words = `component ${at}: ${vector[at].toFixed(4)}`;
    readout.textContent = words;
    slider.setAttribute("aria-valuenow", at);
    slider.setAttribute("aria-valuetext", words);
    moveCursor(slider, canvas, at);
  };
  slider.setAttribute("aria-valuenow", 0);
  slider.setAttribute("aria-valuetext", `component 0: ${vector[0].toFixed(4)}`);
  // A tap goes down without moving.
  for (const kind of ["pointerdown", "pointermove"]) {
    slider.addEventListener(kind, (event) => read(cellUnder(event, canvas)));
  }
  slider.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: ROW_LENGTH, ArrowUp: -ROW_LENGTH };
    const goal = { Home: 0, End: vector.length - 1 }[event.key] ?? (steps[event.key] && at + steps[event.key]);
    if (goal === undefined) return;
    event.preventDefault();
    read(goal);
  });
  return h("div.strip-box", {}, slider, readout);
}

function cellUnder(event, canvas) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const column = Math.min(ROW_LENGTH - 1, Math.floor((ROW_LENGTH * (event.clientX - left)) / width));
  const row = Math.min(canvas.height - 1, Math.floor((canvas.height * (event.clientY - top)) / height));
  return row * ROW_LENGTH + column;
}

function moveCursor(slider, canvas, index) {
  const cursor = slider.querySelector(".cursor");
  cursor.style.visibility = "visible";
  cursor.style.left = `${(100 * (index % ROW_LENGTH)) / ROW_LENGTH}%`;
  cursor.style.top = `${(100 * Math.floor(index / ROW_LENGTH)) / canvas.height}%`;
  cursor.style.width = `${100 / ROW_LENGTH}%`;
  cursor.style.height = `${100 / canvas.height}%`;
}

function paint(canvas) {
  const vector = vectors.get(canvas);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const context = canvas.getContext("2d");
  const largest = Math.max(...vector.map(Math.abs));
  context.fillStyle = colour("--strip-zero");
  context.fillRect(0, 0, canvas.width, canvas.height);
  vector.forEach((value, index) => {
    // The root lifts the many small numbers out of the ground without moving zero or the largest.
    context.globalAlpha = Math.sqrt(Math.abs(value) / largest);
    context.fillStyle = colour(value < 0 ? "--strip-minus" : "--strip-plus");
    context.fillRect(index % ROW_LENGTH, Math.floor(index / ROW_LENGTH), 1, 1);
  });
}

function facts(vector) {
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  const rows = [
    ["numbers", vector.length],
    ["length", norm.toFixed(3)],
    ["smallest", Math.min(...vector).toFixed(3)],
    ["largest", Math.max(...vector).toFixed(3)],
  ];
  return h("dl.facts", {}, ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
}

function keepers(vector, contract) {
  const json = () => JSON.stringify(vector);
  const keep = (name, content, type) => () => download(name, content(), type);
  return h(
    "div.actions",
    {},
    copyButton("Copy the vector", json),
    h("button", { type: "button", onclick: keep(`${contract}.json`, json, "application/json") }, "Download JSON"),
    h("button", { type: "button", onclick: keep(`${contract}.npy`, () => npy(vector), "application/octet-stream") }, "Download NPY"),
  );
}

/** NumPy's file format 1.0: magic, version, header of a multiple of 64 bytes, float32. */
function npy(vector) {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${vector.length},), }`;
  const header = `${dictionary.padEnd(Math.ceil((dictionary.length + 11) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + header.length + 4 * vector.length);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0]);
  const view = new DataView(bytes.buffer);
  view.setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 10);
  vector.forEach((value, index) => view.setFloat32(10 + header.length + 4 * index, value, true));
  return bytes;
}
