// The API reference: openapi.json, made readable.
import { ask, copyButton, h } from "./common.js";

const METHODS = ["get", "put", "post", "delete", "patch"];

const wide = matchMedia("(min-width: 46.01rem)");

let api = {};

/** What a `$ref` of this document points to; anything else is itself. */
function resolve(node) {
  if (!node?.$ref) return node ?? {};
  const steps = node.$ref.replace(/^#\//, "").split("/");
  return steps.reduce((found, step) => found?.[step.replace(/~1/g, "/").replace(/~0/g, "~")], api) ?? {};
}

const nameOf = (reference) => reference.split("/").at(-1);
const anchor = (...parts) => parts.join("-").replace(/[^\w-]+/g, "-").replace(/^-|-$/g, "");

/** A description as paragraphs, with `code` in its place; markdown is not parsed further. */
function prose(text) {
  return (text ?? "").split(/\n\s*\n/).filter(Boolean).map((paragraph) => h("p", {}, ...inline(paragraph)));
}

function inline(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** A schema's type in a few words, with links to the models it names. */
function typeOf(schema) {
  if (!schema) return ["anything"];
  if (schema.$ref) return [h("a", { href: `#${anchor("model", nameOf(schema.$ref))}` }, nameOf(schema.$ref))];
  if (schema.enum) return schema.enum.flatMap((value, index) => [index ? " | " : "", h("code", {}, JSON.stringify(value))]);
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices) return choices.flatMap((choice, index) => [index ? " or " : "", ...typeOf(choice)]);
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items ?? schema.prefixItems?.[0])];
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return ["map to ", ...typeOf(schema.additionalProperties)];
  }
  return [[schema.type ?? "anything"].flat().join(" or ")];
}

const LIMITS = [
  ["minimum", "at least"], ["maximum", "at most"], ["minLength", "at least, characters:"],
  ["maxLength", "at most, characters:"], ["minItems", "at least, items:"], ["maxItems", "at most, items:"],
];

function limitsOf(schema) {
  const known = LIMITS.filter(([name]) => schema[name] !== undefined).map(([name, words]) => `${words} ${schema[name]}`);
  if (schema.default !== undefined && schema.default !== null) known.push(`default ${JSON.stringify(schema.default)}`);
  return known.join(", ");
}

function fieldsTable(schema, caption) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const limits = limitsOf(field);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, name), required.has(name) ? h("p", {}, "required") : null),
      h("td", {}, ...typeOf(field), limits ? h("p", {}, limits) : null),
      h("td", {}, ...prose(field.description ?? resolve(field).description)),
    );
  });
  return table(caption, ["Field", "Type", "Meaning"], rows);
}

function table(caption, heads, rows) {
  return h("div.scroll", { tabindex: 0, role: "region", "aria-label": caption }, h(
    "table",
    {},
    h("caption.visually-hidden", {}, caption),
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, ...rows),
  ));
}

function operation(path, method, details) {
  const title = details.summary ?? details.operationId ?? path;
  const body = resolve(details.requestBody);
  return h(
    "article",
    { id: anchor(method, path), "aria-label": `${method.toUpperCase()} ${path}` },
    h("h2", {}, h(`span.method.${method}`, {}, method.toUpperCase()), h("code", {}, path)),
    h("p", {}, h("b", {}, title)),
    ...prose(details.description),
    ...parameters(details.parameters ?? [], `${method.toUpperCase()} ${path}`),
    ...requestBody(body, `${method.toUpperCase()} ${path}`),
    h("h3", {}, "Answers"),
    answers(details.responses ?? {}, `Answers of ${method} ${path}`),
    h("h3", {}, "Try it"),
    code(curl(path, method, body), `Command for ${method} ${path}`),
  );
}

function parameters(list, operation) {
  if (!list.length) return [];
  const rows = list.map(resolve).map((parameter) => h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, parameter.name), h("p", {}, parameter.in)),
    h("td", {}, ...typeOf(parameter.schema)),
    h("td", {}, ...prose(parameter.description ?? parameter.schema?.description)),
  ));
  return [h("h3", {}, "Parameters"), table(`Parameters of ${operation}`, ["Name", "Type", "Meaning"], rows)];
}

function requestBody(body, path) {
  const kinds = Object.entries(body.content ?? {});
  if (!kinds.length) return [];
  const rows = kinds.map(([kind, { schema }]) => h(
    "tr", {}, h("th", { scope: "row" }, h("code", {}, kind)), h("td", {}, ...(kind.startsWith("image/") ? ["the bytes of one picture"] : typeOf(schema))),
  ));
  return [h("h3", {}, "Body"), table(`Body of ${path}`, ["Content type", "Form"], rows)];
}

function answers(responses, caption) {
  const rows = Object.entries(responses).map(([status, given]) => {
    const response = resolve(given);
    const kinds = Object.entries(response.content ?? {});
    const forms = kinds.flatMap(([kind, { schema }], index) => [
      index ? h("br") : "", ...(schema ? typeOf(schema) : [h("code", {}, kind)]),
    ]);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, status)),
      h("td", {}, ...forms),
      h("td", {}, ...prose(response.description)),
    );
  });
  return table(caption, ["Status", "Form", "Meaning"], rows);
}

/** A command to copy; pictures are named by file and never written out. */
function curl(path, method, body) {
  // curl takes braces for a list; a word in capitals says as well that it is to be replaced.
  const plain = path.replace(/^\//, "").replace(/\{(\w+)\}/g, (_, name) => name.toUpperCase());
  const address = new URL(plain, document.baseURI).href;
  if (method === "get") return `curl ${address}`;
  if (!body.content) return `curl -X ${method.toUpperCase()} ${address}`;
  const kinds = body.content ?? {};
  const image = Object.keys(kinds).find((kind) => kind.startsWith("image/"));
  if (kinds["multipart/form-data"]) {
    const files = path.endsWith("compare") ? ["first.jpg", "second.jpg"] : ["photograph.jpg"];
    const person = kinds["multipart/form-data"].schema?.properties?.person ? ["  -F person=NAME"] : [];
    return [`curl ${address}`, ...files.map((file) => `  -F images=@${file}`), ...person].join(" \\\n");
  }
  if (image) return `curl ${address} \\\n  -H 'content-type: image/jpeg' \\\n  --data-binary @photograph.jpg`;
  return `curl ${address} \\\n  -H 'content-type: application/json' \\\n  -d @request.json`;
}

function code(text, label) {
  return h("div.code", {}, copyButton("Copy", () => text), h("pre", { tabindex: 0, role: "region", "aria-label": label }, h("code", {}, text)));
}

function model(name, schema) {
  const alone = schema.properties ? null : h("p", {}, ...typeOf(schema));
  return h(
    "article",
    { id: anchor("model", name), "aria-label": name },
    h("h2", {}, h("code", {}, name)),
    ...prose(schema.description),
    alone ?? fieldsTable(schema, `Fields of ${name}`),
  );
}

/**
 * Every error code with its status. Refusals describe themselves as a list of codes, such as
 * "InvalidImage, FaceNotFound"; `x-error-codes` may add what each means.
 */
function errorCodes() {
  const refusals = Object.values(api.paths ?? {}).flatMap(Object.values)
    .flatMap((details) => Object.entries(details.responses ?? {}))
    .filter(([status]) => Number(status) >= 400);
  const found = new Map();
  for (const [status, given] of refusals) {
    for (const name of (resolve(given).description ?? "").match(/\b[A-Z][a-z]+[A-Z]?\w*\b/g) ?? []) found.set(name, status);
  }
  const known = new Set(resolve(api.components?.schemas?.ErrorBody)?.properties?.code?.enum ?? found.keys());
  return [...found].filter(([name]) => known.has(name)).sort((one, other) => one[1] - other[1]);
}

function errors() {
  const codes = errorCodes();
  if (!codes.length) return null;
  const meanings = api["x-error-codes"] ?? {};
  const explained = codes.some(([name]) => meanings[name]);
  const rows = codes.map(([name, status]) => h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, name)),
    h("td", {}, h("code", {}, status)),
    explained ? h("td", {}, ...prose(meanings[name])) : null,
  ));
  const heads = ["Code", "Status", ...(explained ? ["Meaning"] : [])];
  return h("article", { id: "errors" }, h("h2", {}, "Errors"), table("Errors", heads, rows));
}

function contents(operations, models, hasErrors) {
  const link = (to, ...label) => h("a", { href: `#${to}` }, ...label);
  return [
    h("h2", {}, "Operations"),
    ...operations.map(({ path, method }) => link(anchor(method, path), `${method.toUpperCase()} ${path}`)),
    ...(hasErrors ? [h("h2", {}, "Errors"), link("errors", "All codes")] : []),
    h("h2", {}, "Models"),
    ...models.map(([name]) => link(anchor("model", name), name)),
  ];
}

/** Beside the text there is room, and no summary to press; above the text they stay folded. */
function foldContents() {
  document.getElementById("contents-box").open = wide.matches;
}

function render() {
  const operations = Object.entries(api.paths ?? {}).flatMap(([path, item]) => METHODS
    .filter((method) => item[method])
    .map((method) => ({ path, method, details: item[method] })));
  const models = Object.entries(api.components?.schemas ?? {});
  const errorTable = errors();
  foldContents();
  document.getElementById("contents").replaceChildren(...contents(operations, models, errorTable !== null));
  document.getElementById("reference").replaceChildren(
    h("div.lede", {}, h("h1", {}, api.info?.title ?? "API"), ...prose(api.info?.description), h("p", {}, `Version ${api.info?.version ?? "?"}`)),
    ...operations.map(({ path, method, details }) => operation(path, method, details)),
    errorTable ?? "",
    ...models.map(([name, schema]) => model(name, schema)),
  );
  // The browser looked for the fragment before there was anything to find. No id needs decoding.
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

wide.addEventListener("change", foldContents);
try {
  api = await ask("openapi.json");
  render();
} catch (failure) {
  document.getElementById("reference").replaceChildren(
    h("p.notice", { role: "alert" }, h("code", {}, failure.code ?? "Unreadable"), ` ${failure.message}`),
  );
}
