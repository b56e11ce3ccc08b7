// What stands under every answer: timings, the JSON, the same request as curl, or the error.
import { copyButton, h } from "./common.js";

const STAGES = ["read", "decode", "detect", "align", "embed"];

/** Where the time went, as a bar and in figures; `roundTrip` is what the browser waited. */
export function timingsLine(timings = {}, roundTrip = 0, model = null) {
  const known = STAGES.filter((stage) => timings[stage] !== undefined);
  const bar = h("div.bar-of-time", { "aria-hidden": "true" }, ...known.map((stage) => {
    const part = h(`i.${stage}`);
    part.style.flexGrow = String(Math.max(timings[stage], 0.2));
    return part;
  }));
  const items = [...known, "total"]
    .filter((name) => timings[name] !== undefined)
    .map((name) => h(`div.${name}`, {}, h("dt", {}, name), h("dd", {}, milliseconds(timings[name]))));
  items.push(h("div.trip", {}, h("dt", {}, "round trip"), h("dd", {}, milliseconds(roundTrip))));
  if (model) items.push(h("div.model", {}, h("dt", {}, "model"), h("dd", {}, model.id)));
  return h("section.timings", { "aria-label": "Timings and model" }, bar, h("dl", {}, ...items));
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms`;
}

/** The answer as the function gave it; long vectors and pictures are cut for reading only. */
export function answerAsJson(answer) {
  const whole = JSON.stringify(answer, null, 2);
  const shown = JSON.stringify(answer, (_, value) => {
    const isVector = Array.isArray(value) && value.length > 16 && typeof value[0] === "number";
    return isVector ? [...value.slice(0, 3), `… ${value.length - 3} more`] : value;
  }, 2);
  return disclosure("The answer as JSON", shown, copyButton("Copy", () => whole));
}

/** The request that was sent, as a command line that can be run next to the pictures. */
export function curlFor(operation, body) {
  const { images, ...options } = body;
  const address = new URL(`v1/${operation}`, document.baseURI).href;
  const fields = Object.entries(options).map(([name, value]) => ` \\\n  -F ${name}=${value}`);
  const pictures = images.map((_, index) => ` \\\n  -F images=@${["first", "second"][index]}.jpg`);
  const command = `curl ${address}${pictures.join("")}${fields.join("")}`;
  return disclosure("The same with curl", command, copyButton("Copy", () => command));
}

function disclosure(title, text, button) {
  return h(
    "details.more",
    {},
    h("summary", {}, title),
    h("div.code", {}, button, h("pre", { tabindex: 0, role: "region", "aria-label": title }, h("code", {}, text))),
  );
}

/** The API's own error: code, message, which picture, details, and a second try where it helps. */
export function failurePanel(failure, which, retry) {
  // Which picture it is stands in words above.
  const details = Object.entries(failure.details).filter(([name]) => !(which && name === "image"));
  const facts = details.map(([name, value]) => h(
    "div", {}, h("dt", {}, name), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value)),
  ));
  if (failure.requestId) facts.push(h("div", {}, h("dt", {}, "request"), h("dd", {}, failure.requestId)));
  return h(
    "section.failure",
    { "aria-label": "Error", tabindex: -1 },
    h("p.code-name", {}, h("code", {}, failure.code), failure.status ? h("span", {}, `HTTP ${failure.status}`) : null),
    h("h2", {}, failure.message),
    which ? h("p.which", {}, which) : null,
    facts.length ? h("dl", {}, ...facts) : null,
    failure.retryable ? h("button.primary", { type: "button", onclick: retry }, "Try again") : null,
  );
}
