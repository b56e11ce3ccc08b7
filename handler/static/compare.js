// Two photographs compared: the request, the verdict and what supports it.
import { ask, h, percent, probabilityInWords, rateInWords } from "./common.js";
import { drawChip } from "./pictures.js";
import { drawScale, thresholdsOf } from "./scale.js";
import { answerAsJson, curlFor, failurePanel, timingsLine } from "./details.js";

const CHIP_PIXELS = 224;
const ORDINALS = ["first", "second"];

export class Comparison {
  /** `slots` are the two places, `result` where the answer goes, `getModel` gives GET v1/model. */
  constructor(slots, result, status, getModel) {
    Object.assign(this, { slots, result, status, getModel });
    this.threshold = null;
    this.running = null;
  }

  body() {
    const option = (id) => document.getElementById(id);
    const body = { images: this.slots.map(({ picture }) => picture.base64), face: option("face-rule").value };
    if (this.threshold !== null) body.threshold = this.threshold;
    if (option("flip").checked) body.flip = true;
    if (option("aligned").checked) body.aligned = true;
    return body;
  }

  /** Ask again when both pictures are there; an answer still under way is dropped. */
  async refresh() {
    this.running?.abort();
    this.result.classList.remove("waiting");
    if (!this.slots.every((slot) => slot.ready)) {
      this.result.replaceChildren();
      return;
    }
    this.running = new AbortController();
    this.result.classList.add("waiting");
    this.status.textContent = "Comparing";
    await this.attempt(this.running.signal);
  }

  async attempt(signal) {
    const body = this.body();
    const started = performance.now();
    try {
      const answer = await ask("v1/compare", body, signal);
      const waited = performance.now() - started;
      const model = await this.getModel();
      if (!signal.aborted) this.show(answer, model, waited, body);
    } catch (failure) {
      if (failure.name !== "AbortError") this.showFailure(failure);
    } finally {
      if (!signal.aborted) this.result.classList.remove("waiting");
    }
  }

  show(answer, model, roundTrip, body) {
    const chosen = matched(answer);
    this.slots.forEach((slot, index) => slot.showFaces(answer.images[index], [chosen[index]]));
    this.status.textContent = `${verdict(answer)}. ${sentence(answer)}`;
    this.result.replaceChildren(
      this.chips(answer, chosen, model),
      h("p.sure", {}, sentence(answer)),
      drawScale(answer, model),
      this.thresholdChoice(answer, model),
      timingsLine(answer.timings_ms, roundTrip, answer.model),
      this.qualities(answer, chosen),
      answerAsJson(answer),
      curlFor("compare", body),
    );
    // Only as far as needed, and not at all where it is in view already.
    this.result.firstElementChild.scrollIntoView({ block: "nearest" });
  }

  chips(answer, chosen, model) {
    const cut = this.slots.map((slot, index) => {
      const face = answer.images[index].faces[chosen[index]];
      const chip = h("canvas.chip", { role: "img", "aria-label": `Aligned face of the ${ORDINALS[index]} photograph` });
      if (face) drawChip(chip, slot.picture, face, model?.alignment, CHIP_PIXELS);
      return chip;
    });
    return h(
      `div.verdict${answer.same ? ".same" : ".differ"}`,
      {},
      cut[0],
      h("div", {}, h("h2", {}, verdict(answer)), h("p.distance", {}, "distance ", h("b", {}, answer.distance.toFixed(3)))),
      cut[1],
    );
  }

  /** A choice of how strict to be; each option is a threshold the model was measured at. */
  thresholdChoice(answer, model) {
    const options = thresholdsOf(model);
    if (options.length < 2) return "";
    const choice = h("fieldset.strictness", {}, h("legend", {}, "Of different people, accept wrongly at most"));
    choice.append(...options.map(({ rate, distance }) => h(
      "label",
      {},
      h("input", { type: "radio", name: "strictness", checked: distance === answer.threshold, onchange: () => this.choose(distance) }),
      h("span", {}, rate ? rateInWords(rate) : "default"),
    )));
    return choice;
  }

  async choose(distance) {
    this.threshold = distance;
    await this.refresh();
    // The controls are new: give the keyboard its place back.
    this.result.querySelector(".strictness input:checked")?.focus();
  }

  qualities(answer, chosen) {
    const rows = this.slots.map((slot, index) => {
      const face = answer.images[index].faces[chosen[index]];
      const { size, sharpness, brightness, yaw, pitch, roll } = face?.quality ?? {};
      const cells = [face?.score, size, sharpness, brightness, yaw, pitch, roll].map(figure);
      return h("tr", {}, h("th", { scope: "row" }, ORDINALS[index]), ...cells.map((text) => h("td", {}, text)));
    });
    const heads = ["Face", "score", "pixels", "sharpness", "brightness", "yaw°", "pitch°", "roll°"];
    return h(
      "details.more",
      {},
      h("summary", {}, "How good the faces are"),
      h("div.scroll", { tabindex: 0, role: "region", "aria-label": "Quality of the faces" }, h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, ...rows),
      )),
    );
  }

  showFailure(failure) {
    const index = failure.details.image;
    const known = Number.isInteger(index) && index < this.slots.length;
    const which = known ? `The ${ORDINALS[index]} photograph, image ${index}` : "";
    if (known) this.slots[index].say(`${failure.code}: ${this.slots[index].picture.name}`, true);
    this.status.textContent = `Error ${failure.code}. ${failure.message} ${which}`;
    this.result.replaceChildren(failurePanel(failure, which, () => this.refresh()));
  }
}

function figure(value) {
  if (value === undefined || value === null) return "–";
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

function verdict({ same }) {
  return same ? "Same person" : "Different people";
}

function sentence({ similarity }) {
  return `${probabilityInWords(similarity)}: ${percent(similarity)} probable that both show the same face.`;
}

/** Which face of each picture the top-level distance belongs to. */
function matched(answer) {
  const nearest = (answer.pairs ?? []).find(({ a, b }) => a.image === 0 || b.image === 0);
  if (!nearest) return [0, 0];
  const { a, b } = nearest;
  return a.image === 0 ? [a.face, b.face] : [b.face, a.face];
}
