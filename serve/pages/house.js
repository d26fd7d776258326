/** The page: the form and the map side by side, the price, what-if, and files. */

import { ask, useKey } from "./api.js";
import * as batch from "./batch.js";
import * as form from "./form.js";
import * as link from "./link.js";
import * as map from "./map.js";
import * as result from "./result.js";
import * as whatif from "./whatif.js";

const get = (id) => document.getElementById(id);

function remember() {
  link.write(form.read(), map.state());
}

async function price() {
  const place = form.read();
  remember();
  try {
    map.compare(await result.show(place, get("result")));
    await whatif.start(place);
  } catch (refusal) {
    get("what-if").hidden = true;
    map.compare([]);
    result.refuse(refusal, get("result"));
    form.showErrors(refusal.errors ?? []);
  }
}

async function greet() {
  try {
    const model = await ask("/api/v1/model");
    const sample = model.synthetic ? ", trained on a synthetic sample" : "";
    get("model").textContent = `Model version ${model.model_version}${sample}.`;
    await map.load();
  } catch (refusal) {
    get("key").hidden = ![401, 403].includes(refusal.status);
    get("model").textContent = refusal.message;
  }
}

async function copy() {
  remember();
  try {
    await navigator.clipboard.writeText(location.href);
    get("copy").textContent = "Copied";
  } catch {
    get("copy").textContent = "The link is in the address bar";
  }
}

function submit(id, act) {
  get(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

async function main() {
  const given = link.read();
  await form.build(get("fields"));
  form.fill(given.values);
  whatif.offer();
  batch.listen();
  map.open(given.map);
  map.listen(() => form.read().households ?? 500, (values) => {
    form.fill(values);
    price();
  }, remember);
  map.show(form.read());
  submit("form", () => {
    map.show(form.read());
    price();
  });
  submit("key", () => {
    useKey(get("api-key").value);
    greet();
  });
  get("copy").addEventListener("click", copy);
  await greet();
  if (Object.keys(given.values).length) await price();
}

main();
