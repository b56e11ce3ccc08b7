// The page: three tabs, their photographs, and the model they ask.
import { ask, h } from "./common.js";
import { Comparison } from "./compare.js";
import { Embedding } from "./embed.js";
import { People, Search } from "./search.js";
import { Slot, loadThumbnails } from "./slot.js";

const byId = (id) => document.getElementById(id);
const status = byId("status");

let model = null;
let people = null;

/** What GET v1/model says, or null; asked again until it has answered once. */
async function getModel() {
  if (model) return model;
  try {
    model = await ask("v1/model");
    introduceModel();
  } catch (failure) {
    // Two may ask at the same time, of whom the other has had its answer.
    if (!model) byId("startup").replaceChildren(h("p.notice", {}, h("code", {}, failure.code), ` ${failure.message}`));
  }
  return model;
}

function introduceModel() {
  const { id, sha256, dimension, embedding } = model;
  const size = dimension ?? embedding?.dimension;
  byId("model-line").replaceChildren("Model ", h("b", {}, id), ` · ${size} numbers · SHA-256 `, h("code", {}, (sha256 ?? "").slice(0, 12)));
  byId("startup").replaceChildren();
}

function makeComparison() {
  const slots = [];
  const comparison = new Comparison(slots, byId("compare-result"), status, getModel);
  const refresh = () => comparison.refresh();
  const [first, second] = ["First photograph", "Second photograph"].map((title, index) => new Slot(
    title, refresh, (files) => slots[1 - index].takeFiles(files.slice(0, 1)),
  ));
  slots.push(first, second);
  byId("pair").append(first.element, second.element);
  for (const id of ["face-rule", "flip", "aligned"]) byId(id).addEventListener("change", refresh);
  const example = (...files) => async () => {
    // Empty first, so that one request is made and not two.
    slots.forEach((slot) => slot.clear());
    for (const [index, file] of files.entries()) await slots[index].useSample(file);
  };
  byId("example-same").addEventListener("click", example("eileen_collins.jpg", "eileen_collins_second.jpg"));
  byId("example-different").addEventListener("click", example("eileen_collins.jpg", "grace_hopper.jpg"));
  return slots;
}

function makeEmbedding() {
  const slot = new Slot("Photograph", () => embedding.refresh());
  const embedding = new Embedding([slot], byId("embed-result"), status, getModel);
  byId("single").append(slot.element);
  return [slot];
}

function makeSearch() {
  const slot = new Slot("Photograph to search", () => search.refresh());
  const search = new Search([slot], byId("search-result"), status, getModel);
  byId("group").append(slot.element);
  const parts = { form: byId("enrol"), list: byId("persons"), gallery: byId("gallery"), problem: byId("enrol-problem") };
  people = new People(parts, status, () => search.refresh());
  return [slot];
}

function select(tab, tabs) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab.id === "tab-search") people.open();
}

function makeTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => {
      select(tab, tabs);
      history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
    });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      next.click();
      next.focus();
    });
  });
  select(tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash) ?? tabs[0], tabs);
}

/** Pasted pictures go to the first empty place of the tab in view. */
function takePastes(slotsOf) {
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const slots = slotsOf[Object.keys(slotsOf).find((view) => !byId(view).hidden)];
    if (files.length) (slots.find((slot) => !slot.ready) ?? slots.at(-1)).takeFiles(files);
  });
}

// A drop beside a frame must not make the browser leave the page for the picture.
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
takePastes({ compare: makeComparison(), embed: makeEmbedding(), search: makeSearch() });
makeTabs();
await getModel();
await loadThumbnails(document);
