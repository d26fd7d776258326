/** The page: the form and the map side by side, the price, what-if, and files. */

import { ask, useKey } from "/assets/api.js";
import * as batch from "/assets/batch.js";
import * as form from "/assets/form.js";
import * as map from "/assets/map.js";
import * as result from "/assets/result.js";
import * as whatif from "/assets/whatif.js";

const get = (id) => document.getElementById(id);

async function price() {
  const place = form.read();
  try {
    await result.show(place, get("result"));
    await whatif.start(place);
  } catch (refusal) {
    get("what-if").hidden = true;
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

async function main() {
  await form.build(get("fields"));
  whatif.offer();
  batch.listen();
  map.listen(() => form.read().households ?? 500, (values) => {
    form.fill(values);
    price();
  });
  map.show(form.read());
  get("form").addEventListener("submit", (event) => {
    event.preventDefault();
    map.show(form.read());
    price();
  });
  get("key").addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(get("api-key").value);
    greet();
  });
  await greet();
}

main();
