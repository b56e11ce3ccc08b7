// Who is this: people enrolled in a collection, and their names on the faces of a photograph.
import { ApiFailure, ask, h, percent, rateInWords } from "./common.js";
import { answerAsJson, curlFor, timingsLine } from "./details.js";
import { preparePicture } from "./pictures.js";
import { Question } from "./question.js";

const COLLECTION = "v1/collections/page";
const PAGE = 200;
const pathOf = (person) => `${COLLECTION}/persons/${encodeURIComponent(person)}`;

/** Send; the page's collection is made by the first request that finds none. */
async function askCollection(path, body = null, signal = null, method = undefined) {
  try {
    return await ask(path, body, signal, method);
  } catch (failure) {
    if (failure.code !== "CollectionNotFound") throw failure;
    await ask(COLLECTION, null, signal, "PUT");
    return ask(path, body, signal, method);
  }
}

/** The people of the collection: enrol by name and pictures, list, delete. */
export class People {
  /** `parts` are the form, the list and the line of the gallery; `changed()` follows each change. */
  constructor(parts, status, changed) {
    Object.assign(this, parts, { status, changed });
    this.opened = false;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.attempt(() => this.enrol());
    });
  }

  /** The first look at the tab; a page that is not asked who somebody is asks nothing. */
  open() {
    if (this.opened) return;
    this.opened = true;
    this.attempt(() => this.refresh());
  }

  async attempt(work) {
    this.form.setAttribute("aria-busy", "true");
    this.problem.replaceChildren();
    try {
      await work();
    } catch (failure) {
      const told = failure instanceof ApiFailure ? `${failure.code}: ${failure.message}` : failure.message;
      this.problem.replaceChildren(h("p.notice", { role: "alert" }, told));
    } finally {
      this.form.removeAttribute("aria-busy");
    }
  }

  async enrol() {
    const [name, files] = [this.form.elements.person, this.form.elements.pictures];
    const person = name.value.trim();
    let added = 0;
    const refused = [];
    // One request for each picture: together they may be more than a request can hold.
    for (const file of files.files) {
      const picture = await preparePicture(file);
      picture.bitmap?.close();
      try {
        const answer = await askCollection(`${COLLECTION}/faces`, { person, images: [picture.image] });
        added += answer.images[0].faces.filter((face) => face.added).length;
      } catch (failure) {
        if (failure.status !== 422 && failure.status !== 415) throw failure;
        refused.push(`${file.name}: ${failure.message}`);
      }
    }
    await this.refresh();
    this.changed();
    if (refused.length) {
      this.problem.replaceChildren(h("p.notice", { role: "alert" }, refused.join(" ")));
    } else {
      this.form.reset();
    }
    this.status.textContent = `${person}: ${added} ${added === 1 ? "face" : "faces"} enrolled.`;
  }

  async refresh() {
    const { gallery } = await askCollection(COLLECTION);
    const { persons } = await ask(`${COLLECTION}/persons?limit=${PAGE}`);
    const more = gallery.persons > persons.length ? `, of whom ${persons.length} are listed` : "";
    this.gallery.textContent = `${count(gallery.persons, "person", "people")}, ${count(gallery.faces, "face", "faces")}${more}.`;
    this.list.replaceChildren(...persons.sort((a, b) => a.localeCompare(b)).map((person) => this.row(person)));
  }

  row(person) {
    const remove = () => this.attempt(() => this.remove(person));
    return h("li", {}, h("span", {}, person), h(
      "button", { type: "button", "aria-label": `Delete ${person}`, onclick: remove }, "Delete",
    ));
  }

  async remove(person) {
    const { faces } = await ask(pathOf(person), null, null, "DELETE");
    await this.refresh();
    this.changed();
    this.form.elements.person.focus();
    this.status.textContent = `${person} and ${count(faces.length, "face", "faces")} deleted.`;
  }
}

/** One photograph searched: a name or "unknown" on every face. */
export class Search extends Question {
  operation = "collections/page/search";
  doing = "Searching";

  options() {
    return { face: "all" };
  }

  send(body, signal) {
    return askCollection(`v1/${this.operation}`, body, signal);
  }

  show(answer, _model, roundTrip, body) {
    const [image] = answer.images;
    const [slot] = this.slots;
    const known = image.faces.flatMap((face, index) => (face.unknown ? [] : [index]));
    slot.showFaces(image, known);
    slot.nameFaces(image, image.faces.map(nameOf));
    this.result.replaceChildren(
      h("ol.found", { tabindex: -1 }, ...image.faces.map((face, index) => described(face, index))),
      h("p.gallery-line", {}, decision(answer)),
      timingsLine(answer.timings_ms, roundTrip, answer.model),
      answerAsJson(answer),
      curlFor(this.operation, body),
    );
    this.status.textContent = image.faces.map(nameOf).join(", ");
  }

  blame(failure) {
    this.slots[failure.details.image]?.blame(`${failure.code}: ${failure.message}`);
    return "";
  }
}

function nameOf(face) {
  return face.unknown ? "unknown" : face.matches[0].person ?? "a face from a bucket";
}

function described(face, index) {
  if (face.unknown) return h("li.stranger", {}, h("b", {}, "unknown"), ` Face ${index + 1}: nobody enrolled is near enough.`);
  const [best, ...others] = face.matches;
  const sure = best.similarity === null ? "" : `, ${percent(best.similarity)} sure for this pair`;
  const also = others.length ? ` Also near: ${others.map(({ person }) => person).join(", ")}.` : "";
  return h("li", {}, h("b", {}, nameOf(face)), ` Face ${index + 1}: distance ${best.distance.toFixed(2)}${sure}.${also}`);
}

function decision({ gallery, threshold, far, far_wanted: wanted, max_fpir: fpir }) {
  const who = `${count(gallery.persons, "person", "people")} enrolled`;
  const rate = fpir ? `, so that a stranger is named ${rateInWords(fpir)} times` : "";
  const limit = wanted ? ` The model was measured down to ${rateInWords(far)} only: a stranger may be named more often.` : "";
  return `${who}: a match is at most ${threshold.toFixed(2)} away${rate}.${limit}`;
}

function count(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
