// A question to the function about the photographs in some slots, and the way of its answer.
import { ask, h } from "./common.js";
import { failurePanel } from "./details.js";
import { drawChip } from "./pictures.js";

const CHIP_PIXELS = 224;
// Where the keyboard goes on in a new result, the first of these that it has; else at its start.
const PLACES = ".choice input:checked, .strip, .failure button, summary";

/**
 * Asked whenever every slot has a photograph; an answer still under way is dropped then.
 *
 * Whoever extends it says what to ask and shows what comes: `operation`, `doing` (as a screen
 * reader hears it), `options()` (fields beside the pictures), `blame(failure)` (marks the slot it
 * is about and names it in words, or gives "") and `show(answer, model, roundTrip, body)`.
 */
export class Question {
  /** `slots` are the places, `result` where the answer goes, `getModel` gives GET v1/model. */
  constructor(slots, result, status, getModel) {
    Object.assign(this, { slots, result, status, getModel });
    this.running = null;
  }

  async refresh() {
    this.running?.abort();
    this.result.classList.remove("waiting");
    if (!this.slots.every((slot) => slot.ready)) {
      this.result.replaceChildren();
      return;
    }
    this.running = new AbortController();
    this.result.classList.add("waiting");
    this.status.textContent = this.doing;
    await this.attempt(this.running.signal);
  }

  async attempt(signal) {
    const body = { images: this.slots.map(({ picture }) => picture.image), ...this.options() };
    const started = performance.now();
    try {
      const answer = await this.send(body, signal);
      const waited = performance.now() - started;
      const model = await this.getModel();
      if (!signal.aborted) this.replace(() => this.show(answer, model, waited, body));
    } catch (failure) {
      // A dropped answer fails in more ways than by AbortError: its body may be cut off.
      if (!signal.aborted) this.replace(() => this.showFailure(failure));
    } finally {
      if (!signal.aborted) this.result.classList.remove("waiting");
    }
  }

  send(body, signal) {
    return ask(`v1/${this.operation}`, body, signal);
  }

  /** Show what came, without what the last answer left: marks on pictures, and a focus in it. */
  replace(show) {
    const held = this.result.contains(document.activeElement);
    this.slots.forEach((slot) => slot.pardon());
    show();
    if (held) (this.result.querySelector(PLACES) ?? this.result.firstElementChild)?.focus();
  }

  showFailure(failure) {
    const which = this.blame(failure);
    this.status.textContent = `Error ${failure.code}. ${failure.message} ${which}`.trim();
    this.result.replaceChildren(failurePanel(failure, which, () => this.refresh()));
  }

  /** The face of a slot's photograph as the model is shown it; empty where there is none. */
  chip(slot, face, model, label) {
    const canvas = h("canvas.chip", { role: "img", "aria-label": label });
    if (face && slot.picture.bitmap) drawChip(canvas, slot.picture, face, model?.alignment, CHIP_PIXELS);
    return canvas;
  }
}

/** One of several, as buttons of which one is pressed; `options` are {text, checked, choose}. */
export function choice(legend, name, options) {
  return h("fieldset.choice", {}, h("legend", {}, legend), ...options.map(({ text, checked, choose }) => h(
    "label",
    {},
    h("input", { type: "radio", name, checked, onchange: choose }),
    h("span", {}, text),
  )));
}
