/** The form, made from the contract as the API's description tells it. */

import { ask, element } from "./api.js";

const fields = new Map();

/** The words of a name: total_rooms is "Total rooms". */
export function title(name) {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** The part of a schema that is not null: an optional value is written as "this or null". */
function present(schema) {
  return (schema.anyOf ?? []).find((choice) => choice.type !== "null") ?? schema;
}

function rule(field) {
  if (field.choices) return "";
  const optional = field.required ? "" : ", may be left empty";
  return `${field.minimum.toLocaleString("en-US")} to ${field.maximum.toLocaleString("en-US")} ${field.unit}${optional}`;
}

/** Return the contract's fields: name, bounds, unit, choices, example. */
async function contract() {
  const api = await ask("/docs/openapi.json");
  const { properties, required } = api.components.schemas.BlockGroup;
  return Object.entries(properties).map(([name, schema]) => {
    const found = present(schema);
    return {
      name,
      description: found.description ?? schema.description ?? "",
      choices: found.enum,
      minimum: found.minimum,
      maximum: found.maximum,
      unit: found["x-unit"] ?? "",
      required: required.includes(name),
      example: (found.examples ?? schema.examples ?? [""])[0],
    };
  });
}

function control(field) {
  const properties = { id: field.name, name: field.name };
  if (!field.choices) {
    const { minimum: min, maximum: max, example: value, required } = field;
    return element("input", {
      ...properties, type: "number", step: "any", inputMode: "decimal", min, max, value, required,
    });
  }
  const choices = field.choices.map((choice) => element("option", { value: choice }, choice));
  const made = element("select", properties, ...choices);
  made.value = field.example;
  return made;
}

/** Build the form into `container`, filled with the contract's examples. */
export async function build(container) {
  for (const field of await contract()) {
    const input = control(field);
    const help = element("small", { id: `${field.name}-help` }, rule(field));
    input.setAttribute("aria-describedby", help.id);
    const label = element("label", { htmlFor: field.name, title: field.description }, title(field.name));
    container.append(element("div", {}, label, input, help));
    fields.set(field.name, { ...field, input, help });
    input.addEventListener("input", () => mark(field.name, ""));
  }
}

function mark(name, fault) {
  const field = fields.get(name);
  field.input.setAttribute("aria-invalid", String(fault !== ""));
  field.help.textContent = fault || rule(field);
}

/** Show what each field breaks; the first of them gets the focus. */
export function showErrors(errors) {
  const wrong = errors.map((error) => [error.path.split(".").pop(), error.rule]);
  for (const [name, fault] of wrong) if (fields.has(name)) mark(name, fault);
  fields.get(wrong[0]?.[0])?.input.focus();
}

/** The block group that the form describes, as the API takes it. */
export function read() {
  const place = {};
  for (const { name, input, choices } of fields.values()) {
    if (input.value !== "") place[name] = choices ? input.value : Number(input.value);
  }
  return place;
}

/** Put values into fields by name; names that are no field's are passed over. */
export function fill(values) {
  for (const [name, value] of Object.entries(values).filter(([known]) => fields.has(known))) {
    fields.get(name).input.value = value;
    mark(name, "");
  }
}

/** The fields that are numbers, in the form's order. */
export function numbers() {
  return [...fields.values()].filter((field) => !field.choices);
}

/** The names of those that may be left empty. */
export function optional() {
  return [...fields.values()].filter((field) => !field.required).map((field) => field.name);
}

/** The names of all fields, in the form's order. */
export function names() {
  return [...fields.keys()];
}
