// Two photographs compared: the request, the verdict and what supports it.
import { h, percent, probabilityInWords, rateInWords } from "./common.js";
import { Question, choice } from "./question.js";
import { drawScale, thresholdsOf } from "./scale.js";
import { answerAsJson, curlFor, timingsLine } from "./details.js";

const ORDINALS = ["first", "second"];

export class Comparison extends Question {
  operation = "compare";
  doing = "Comparing";
  threshold = null;

  options() {
    const field = (id) => document.getElementById(id);
    const options = { face: field("face-rule").value };
    if (this.threshold !== null) options.threshold = this.threshold;
    if (field("flip").checked) options.flip = true;
    if (field("aligned").checked) options.aligned = true;
    return options;
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
    const cut = this.slots.map((slot, index) => this.chip(
      slot, answer.images[index].faces[chosen[index]], model, `Aligned face of the ${ORDINALS[index]} photograph`,
    ));
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
    const thresholds = thresholdsOf(model);
    if (thresholds.length < 2) return "";
    return choice("Of different people, accept wrongly at most", "strictness", thresholds.map(({ rate, distance }) => ({
      text: rate ? rateInWords(rate) : "default",
      checked: distance === answer.threshold,
      choose: () => this.choose(distance),
    })));
  }

  choose(distance) {
    this.threshold = distance;
    this.refresh();
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

  blame(failure) {
    const index = failure.details.image;
    const slot = this.slots[index];
    if (!slot) return "";
    slot.blame(`${failure.code}: ${slot.picture.name}`);
    return `The ${ORDINALS[index]} photograph, image ${index}`;
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
  if (similarity === null) return "This model was not calibrated: the distance has no probability.";
  return `${probabilityInWords(similarity)}: ${percent(similarity)} probable that both show the same face.`;
}

/** Which face of each picture the top-level distance belongs to. */
function matched(answer) {
  const nearest = (answer.pairs ?? []).find(({ a, b }) => a.image === 0 || b.image === 0);
  if (!nearest) return [0, 0];
  const { a, b } = nearest;
  return a.image === 0 ? [a.face, b.face] : [b.face, a.face];
}
