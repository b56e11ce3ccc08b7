// One place for a photograph: drop, choose, camera or sample in; picture with its faces out.
import { h } from "./common.js";
import { takePhotograph } from "./camera.js";
import { drawFaces, drawPicture, nameTags, preparePicture } from "./pictures.js";

// Public-domain portraits. The altered copy is the same photograph, turned, darkened and
// recompressed: it shows how the page works, and says nothing about a model's accuracy.
export const SAMPLES = [
  { file: "eileen_collins.jpg", name: "Eileen Collins" },
  { file: "eileen_collins_second.jpg", name: "Eileen Collins, altered copy" },
  { file: "grace_hopper.jpg", name: "Grace Hopper" },
  { file: "two_people.jpg", name: "two people" },
  { file: "no_face.jpg", name: "no face" },
];

export class Slot {
  /** `title` is "First photograph"; `changed()` is called when the picture is another one. */
  constructor(title, changed, filesBeyond = () => {}) {
    this.title = title;
    this.changed = changed;
    this.filesBeyond = filesBeyond;
    this.picture = null;
    this.blamed = false;
    this.turn = 0;
    this.element = document.getElementById("slot-template").content.cloneNode(true).firstElementChild;
    this.find = (selector) => this.element.querySelector(selector);
    this.element.setAttribute("aria-label", title);
    this.find(".hint").textContent = title;
    this.find(".camera").setAttribute("aria-label", `Use the camera for the ${title.toLowerCase()}`);
    this.find(".remove").setAttribute("aria-label", `Remove the ${title.toLowerCase()}`);
    this.find(".samples").setAttribute("aria-label", `Samples for the ${title.toLowerCase()}`);
    this.find("input").setAttribute("aria-label", `Choose a file for the ${title.toLowerCase()}`);
    this.listen();
    this.offerSamples();
  }

  listen() {
    const input = this.find("input");
    input.addEventListener("change", () => {
      this.takeFiles(input.files);
      input.value = "";
    });
    this.find(".camera").addEventListener("click", () => this.useCamera());
    this.find(".remove").addEventListener("click", () => {
      this.clear();
      input.focus();
    });
    const frame = this.find(".frame");
    frame.addEventListener("dragover", (event) => {
      event.preventDefault();
      frame.classList.add("over");
    });
    frame.addEventListener("dragleave", () => frame.classList.remove("over"));
    frame.addEventListener("drop", (event) => {
      event.preventDefault();
      frame.classList.remove("over");
      this.takeFiles(event.dataTransfer.files);
    });
  }

  offerSamples() {
    this.find(".samples").append(...SAMPLES.map(({ file, name }) => h(
      "button.sample",
      { type: "button", title: `Sample: ${name}`, "aria-label": `Sample: ${name}`, onclick: () => this.useSample(file) },
      h("img", { alt: "", width: 40, height: 40, "data-file": file }),
    )));
  }

  async useSample(file) {
    const { name } = SAMPLES.find((sample) => sample.file === file);
    await this.attempt(async () => {
      const answer = await fetch(`static/samples/${file}`);
      if (!answer.ok) throw new Error("The sample could not be loaded.");
      return preparePicture(await answer.blob(), name);
    });
  }

  async useCamera() {
    await this.attempt(async () => {
      const file = await takePhotograph();
      return file && preparePicture(file);
    });
  }

  /** Take the first file; hand on the second, as of two photographs dropped together. */
  async takeFiles(files) {
    if (!files.length) return;
    await this.attempt(() => preparePicture(files[0]));
    if (files.length > 1) this.filesBeyond([...files].slice(1));
  }

  /** Show what `getPicture()` brings, unless another picture was asked for in the meantime. */
  async attempt(getPicture) {
    this.turn += 1;
    const { turn } = this;
    try {
      const picture = await getPicture();
      if (picture && turn === this.turn) this.show(picture);
      else picture?.bitmap?.close();
    } catch (failure) {
      if (turn === this.turn) this.say(failure.message, true);
    }
  }

  show(picture) {
    const held = this.find(".empty").contains(document.activeElement);
    this.hold(picture);
    this.find("canvas").setAttribute("aria-label", `${this.title}: ${picture.name}`);
    // What was used to choose the picture is hidden by it, and would take the keyboard with it.
    if (held && picture.bitmap) this.find(".remove").focus();
    this.say(sizeLine(picture));
    this.changed();
  }

  clear() {
    this.turn += 1;
    this.hold(null);
    this.find("canvas").removeAttribute("aria-label");
    this.say("");
    this.changed();
  }

  /** Have this picture, or null, in the frame, and nothing left of the one before. */
  hold(picture) {
    this.picture?.bitmap?.close();
    this.picture = picture;
    drawPicture(this.find("canvas"), picture);
    this.find(".overlay").replaceChildren();
    this.find("figure").hidden = !picture?.bitmap;
    this.find(".empty").hidden = Boolean(picture?.bitmap);
    this.find(".remove").hidden = !picture;
  }

  /** Boxes of the answer's `image` over the picture; the faces at `chosen` stand out. */
  showFaces(image, chosen) {
    const count = image.faces.length === 1 ? "one face" : `${image.faces.length} faces`;
    drawFaces(this.find(".overlay"), image.width, image.height, image.faces, chosen);
    this.find("canvas").setAttribute("aria-label", `${this.title}: ${this.picture.name}, ${count} found`);
  }

  /** A name on each face, over the boxes that are shown. */
  nameFaces(image, names) {
    this.find(".overlay").append(...nameTags(image.width, image.faces, names));
    this.find("canvas").setAttribute("aria-label", `${this.title}: ${this.picture.name}: ${names.join(", ")}`);
  }

  /** A line under the picture; as a warning it is also marked on the frame. */
  say(text, warning = false) {
    this.blamed = false;
    this.find(".caption").textContent = text;
    this.element.classList.toggle("warned", warning);
  }

  /** A warning that an answer gives; the next answer takes it back. */
  blame(text) {
    this.say(text, true);
    this.blamed = true;
  }

  pardon() {
    if (this.blamed) this.say(sizeLine(this.picture));
  }

  get ready() {
    return this.picture !== null;
  }
}

function sizeLine({ name, bitmap, width, height, bytes, reduced, uploaded }) {
  const kilobytes = `${Math.max(1, Math.round(bytes / 1000)).toLocaleString("en")} KB`;
  const size = bitmap ? `${width} × ${height}, ${kilobytes}` : kilobytes;
  const note = uploaded ? ", uploaded; gone after a day" : "";
  return `${name} · ${size}${reduced ? ", made smaller here" : note}`;
}

/** Load the samples' pictures one after another: each request may wake a function of its own. */
export async function loadThumbnails(root) {
  for (const { file } of SAMPLES) {
    const images = [...root.querySelectorAll(`img[data-file="${file}"]`)];
    images[0].src = `static/samples/${file}`;
    await images[0].decode().catch(() => images.forEach((image) => { image.hidden = true; }));
    images.slice(1).forEach((image) => { image.src = images[0].src; });
  }
}
