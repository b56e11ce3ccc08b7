// What the page and the API reference share: building elements, calling the function, words.

/** An element: h("p.note", {title: "x"}, "text", child). No markup is ever parsed from text. */
export function h(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The same for SVG: s("circle", {cx: 1}). */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** An answer of the function that is not a result; carries the API's own error object. */
export class ApiFailure extends Error {
  constructor(status, answer) {
    const error = answer?.error ?? {};
    super(error.message ?? answer?.message ?? "The function gave no readable answer.");
    this.status = status;
    this.code = error.code ?? (status ? `HTTP ${status}` : "NoAnswer");
    this.details = error.details ?? {};
    // What a gateway answers in the function's place (429, 502, 504) is worth a second try.
    this.retryable = error.retryable ?? (status === 0 || status === 429 || status >= 502);
    this.requestId = answer?.request_id ?? null;
  }
}

/** JSON from the function; `path` is relative, so that a stage prefix is kept. */
export async function ask(path, body = null, signal = null, method = body === null ? "GET" : "POST") {
  const options = body === null ? { method, signal } : {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new ApiFailure(0, { message: "The function could not be reached." });
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok || answer === null) throw new ApiFailure(response.status, answer);
  return answer;
}

/** A button that copies what `text()` gives, and says that it did. */
export function copyButton(label, text) {
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      said = "The browser refused";
    }
    button.textContent = said;
    setTimeout(() => { button.textContent = label; }, 1600);
  });
  button.setAttribute("aria-live", "polite");
  return button;
}

/** A false-accept rate as people say it: 0.001 is "1 in 1,000". */
export function rateInWords(rate) {
  return `1 in ${Math.round(1 / rate).toLocaleString("en")}`;
}

/** A probability as a figure that never rounds to a certainty. */
export function percent(probability) {
  const figure = probability * 100;
  if (figure > 99.9) return "over 99.9 %";
  if (figure < 0.1) return "under 0.1 %";
  return `${figure.toFixed(1)} %`;
}

/** A probability as a sentence's beginning. */
export function probabilityInWords(probability) {
  if (probability >= 0.99) return "Almost certainly one person";
  if (probability >= 0.9) return "Very likely one person";
  if (probability >= 0.66) return "Probably one person";
  if (probability > 0.34) return "It could be either";
  if (probability > 0.1) return "Probably two people";
  if (probability > 0.01) return "Very likely two people";
  return "Almost certainly two people";
}

/** A file for the reader to keep. */
export function download(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
