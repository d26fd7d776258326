"use strict";

const ROOT = new URL("../..", document.currentScript.src);
const METHODS = ["get", "post", "put", "patch", "delete"];

/** Make an element with properties and children; text stays text. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function resolve(api, schema) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.slice(2).split("/").reduce((node, part) => node[part], api);
}

/** The part of a schema that is not null: an optional value is written as "this or null". */
function present(api, schema) {
  const choices = schema.anyOf ?? schema.oneOf;
  return choices ? resolve(api, choices.find((choice) => choice.type !== "null")) : schema;
}

function typeName(api, schema) {
  const found = present(api, resolve(api, schema));
  if (found.enum) return found.enum.join(" | ");
  if (found.type === "array") return `list of ${typeName(api, found.items)}`;
  return schema.$ref ? found.title : found.type ?? "any";
}

function bounds(found) {
  const low = found.minimum ?? found.minItems;
  const high = found.maximum ?? found.maxItems;
  const range = low === undefined ? "" : `${low} to ${high}`;
  return [range, found["x-unit"]].filter(Boolean).join(" ");
}

function example(api, schema) {
  const found = present(api, resolve(api, schema));
  if (found.examples) return found.examples[0];
  if (found.type === "array") return [example(api, found.items)];
  if (found.type !== "object") return null;
  const fields = Object.entries(found.properties ?? {});
  return Object.fromEntries(fields.map(([name, field]) => [name, example(api, field)]));
}

/** One table per object that a schema reaches, itself first. */
function schemaTables(api, schema, seen = new Set()) {
  const found = present(api, resolve(api, schema));
  if (found.type === "array") return schemaTables(api, found.items, seen);
  if (!found.properties || seen.has(found.title)) return [];
  seen.add(found.title);
  const fields = Object.entries(found.properties);
  const rows = fields.map(([name, field]) => {
    const value = present(api, resolve(api, field));
    const need = found.required?.includes(name) ? "" : "optional";
    const cells = [typeName(api, field), bounds(value), need, value.description ?? ""];
    return element("tr", {}, element("th", { scope: "row" }, element("code", {}, name)),
      ...cells.map((text) => element("td", {}, text)));
  });
  const caption = element("caption", {}, `${found.title}: ${found.description ?? ""}`);
  const inner = fields.flatMap(([, field]) => schemaTables(api, field, seen));
  return [element("table", {}, caption, element("tbody", {}, ...rows)), ...inner];
}

async function send(method, path, body, output) {
  output.textContent = "Waiting.";
  const headers = body === null ? {} : { "Content-Type": "application/json" };
  const key = document.getElementById("api-key").value;
  if (key) headers["X-API-Key"] = key;
  const started = performance.now();
  try {
    const answer = await fetch(new URL(path.slice(1), ROOT), { method: method.toUpperCase(), headers, body });
    const text = await answer.text();
    const isJson = answer.headers.get("Content-Type")?.includes("json");
    const shown = isJson ? JSON.stringify(JSON.parse(text), null, 2) : text;
    const time = Math.round(performance.now() - started);
    output.textContent = `${answer.status} ${answer.statusText} (${time} ms)\n${shown}`;
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function tryOut(api, method, path, schema) {
  const output = element("pre", { ariaLive: "polite", hidden: true });
  const input = schema && element("textarea", {
    rows: 14, ariaLabel: "Request body", spellcheck: false,
    value: JSON.stringify(example(api, schema), null, 2),
  });
  const button = element("button", { type: "button" }, "Send");
  button.addEventListener("click", () => {
    output.hidden = false;
    send(method, path, input ? input.value : null, output);
  });
  return [...(input ? [input] : []), element("p", {}, button), output];
}

function operationPanel(api, method, path, operation) {
  const body = resolve(api, operation.requestBody)?.content?.["application/json"]?.schema;
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  const answer = Object.values(good?.[1].content ?? {})[0]?.schema;
  const summary = element("summary", {}, element("strong", {}, method.toUpperCase()), " ",
    element("code", {}, path), " ", element("span", {}, operation.summary ?? ""));
  const statuses = Object.entries(operation.responses)
    .map(([status, response]) => `${status} ${response.description}`).join("; ");
  return element("details", {}, summary,
    element("p", {}, operation.description ?? ""),
    ...(body ? schemaTables(api, body) : []),
    ...tryOut(api, method, path, body),
    element("p", { className: "quiet" }, `Answers: ${statuses}`),
    ...(answer ? schemaTables(api, answer) : []));
}

function render(api) {
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("description").textContent = api.info.description ?? "";
  document.getElementById("key").hidden = !api.components.securitySchemes;
  const panels = (api.tags ?? []).map((tag) => {
    const heading = element("h2", {}, tag.name);
    const about = element("p", {}, tag.description ?? "");
    const operations = Object.entries(api.paths).flatMap(([path, item]) => METHODS
      .filter((method) => item[method]?.tags?.includes(tag.name))
      .map((method) => operationPanel(api, method, path, item[method])));
    return element("section", {}, heading, about, ...operations);
  });
  document.getElementById("operations").replaceChildren(...panels);
}

fetch(new URL("docs/openapi.json", ROOT))
  .then((answer) => answer.json())
  .then(render)
  .catch((error) => {
    document.getElementById("operations").textContent = `No description: ${error.message}`;
  });
