// The distance on its scale from 0 to 2, with the threshold and the false-accept rates on it.
import { h, percent, rateInWords, s } from "./common.js";

const LONGEST = 2;
const CURVE_STEPS = 80;
const LABEL_GAP = 14;
const LEADER_HEIGHT = 22;

/** The thresholds of GET v1/model as [{rate, distance}], strictest first. */
export function thresholdsOf(model) {
  const { default: usual, table = [] } = model?.thresholds ?? {};
  const marks = table.map(({ far, threshold }) => ({ rate: far, distance: threshold }));
  // The model's own threshold may be one that no round rate belongs to.
  if (usual !== undefined && !marks.some(({ distance }) => distance === usual)) {
    marks.push({ rate: null, distance: usual });
  }
  return marks.sort((one, other) => one.distance - other.distance);
}

/** The scale as an element; `answer` is a compare answer, `model` what GET v1/model said. */
export function drawScale(answer, model) {
  const { distance, threshold, similarity, same } = answer;
  const marks = thresholdsOf(model);
  const scale = h(
    "div.scale",
    { role: "img", "aria-label": describeScale(answer, marks) },
    h(
      "div.plot",
      {},
      curve(model?.calibration),
      h("div.accepted"),
      h("div.track"),
      h("div.limit"),
      model?.calibration ? h("p.legend", {}, "probability of one person") : null,
      h(`div.needle${same ? ".same" : ".differ"}`, {}, h("span", {}, distance.toFixed(2))),
    ),
    h(
      "div.marks",
      {},
      s("svg", { class: "leaders" }),
      h("p.legend", {}, "different people taken for one"),
      ...marks.map((mark) => markLabel(mark, threshold)),
    ),
    h("div.ends", {}, h("span", {}, "0 identical"), h("span", {}, "2 opposite")),
  );
  place(scale.querySelector(".needle"), distance);
  place(scale.querySelector(".limit"), threshold);
  scale.querySelector(".accepted").style.width = share(threshold);
  if (similarity !== null) scale.title = `Probability of one person: ${percent(similarity)}`;
  new ResizeObserver(() => separate(scale)).observe(scale);
  return scale;
}

function describeScale({ distance, threshold }, marks) {
  const rates = marks
    .filter(({ rate }) => rate)
    .map((mark) => `${mark.distance.toFixed(2)} for one false accept in ${Math.round(1 / mark.rate)}`);
  return `Distance ${distance.toFixed(2)} on a scale from 0 to 2; the threshold is ${threshold.toFixed(2)}. `
    + (rates.length ? `Thresholds: ${rates.join(", ")}.` : "");
}

function share(distance) {
  return `${(100 * Math.min(Math.max(distance, 0), LONGEST)) / LONGEST}%`;
}

function place(element, distance) {
  // Through the style object: the content security policy forbids style attributes in markup.
  element.style.left = share(distance);
}

function markLabel({ rate, distance }, threshold) {
  const words = rate ? rateInWords(rate) : "default";
  const chosen = distance === threshold;
  return h(
    chosen ? "div.mark.chosen" : "div.mark",
    { "data-distance": distance },
    h("b", {}, words),
    h("small", {}, distance.toFixed(2)),
    chosen ? h("small", {}, "threshold") : null,
  );
}

/** The calibrated probability over the distance, from the manifest's logistic. */
function curve(calibration) {
  const picture = s("svg", { class: "curve", viewBox: "0 0 100 100", preserveAspectRatio: "none" });
  if (!calibration) return picture;
  const points = Array.from({ length: CURVE_STEPS + 1 }, (_, step) => {
    const distance = (LONGEST * step) / CURVE_STEPS;
    const probability = 1 / (1 + Math.exp(calibration.slope * distance - calibration.intercept));
    return `${((100 * step) / CURVE_STEPS).toFixed(2)},${(100 - 100 * probability).toFixed(2)}`;
  });
  picture.append(
    s("path", { class: "under", d: `M0,100 L${points.join(" L")} L100,100 Z` }),
    s("path", { class: "edge", d: `M${points.join(" L")}` }),
  );
  return picture;
}

/** Push labels apart that would touch, and lead a line from each to its place on the scale. */
function separate(scale) {
  const { width } = scale.getBoundingClientRect();
  const labels = fitting([...scale.querySelectorAll(".mark")], width);
  const goals = labels.map((label) => (width * Number(label.dataset.distance)) / LONGEST);
  const widths = labels.map((label) => label.offsetWidth);
  const centres = spread(goals, widths, width);
  labels.forEach((label, index) => { label.style.left = `${centres[index] - widths[index] / 2}px`; });
  const leaders = scale.querySelector(".leaders");
  leaders.setAttribute("viewBox", `0 0 ${width} ${LEADER_HEIGHT}`);
  leaders.replaceChildren(...goals.map((goal, index) => s("path", {
    d: `M${goal},0 V5 L${centres[index]},${LEADER_HEIGHT - 3} V${LEADER_HEIGHT}`,
  })));
}

/** The labels for which there is room; on a phone those of the loosest rates are hidden. */
function fitting(labels, room) {
  labels.forEach((label) => { label.hidden = false; });
  const shown = [...labels];
  const needed = () => shown.reduce((sum, label) => sum + label.offsetWidth + LABEL_GAP, 0);
  while (shown.length > 1 && needed() > room) {
    const index = shown.findLastIndex((label) => !label.classList.contains("chosen"));
    shown[index].hidden = true;
    shown.splice(index, 1);
  }
  return shown;
}

/** Centres as near to `goals` (ascending) as labels of these widths allow within `room`. */
function spread(goals, widths, room) {
  const reach = (index) => (widths[index - 1] + widths[index]) / 2 + LABEL_GAP;
  const centres = goals.map((goal, index) => Math.max(goal, widths[index] / 2));
  for (let index = 1; index < centres.length; index += 1) {
    const overlap = centres[index - 1] + reach(index) - centres[index];
    // Both give way: the earlier half to the left, the later half to the right.
    if (overlap > 0) centres[index] += overlap / 2;
  }
  for (let index = centres.length - 1; index >= 0; index -= 1) {
    const limit = index === centres.length - 1 ? room - widths[index] / 2 : centres[index + 1] - reach(index + 1);
    centres[index] = Math.min(centres[index], limit);
  }
  for (let index = 0; index < centres.length; index += 1) {
    const limit = index === 0 ? widths[0] / 2 : centres[index - 1] + reach(index);
    centres[index] = Math.max(centres[index], limit);
  }
  return centres;
}
