/** Back to the release before, by who has an operator's key: what changes is said before. */

import { askAs } from "./api.js";

const get = (id) => document.getElementById(id);

/** Say what a roll back would do now. */
export function preview({ channels }) {
  const { champion, previous } = channels.channels;
  get("back-preview").textContent = champion && previous
    ? `Version ${champion.version} leaves, and version ${previous.version} answers within seconds. A canary ends.`
    : "There is no release before this one to go back to.";
}

/** Let an operator do it. */
export function listen(done) {
  get("back-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const found = await askAs(get("back-key").value, "/api/v1/rollback", { why: get("back-why").value });
      get("back-answer").textContent = `Version ${found.model_version} is the champion again.`;
      done();
    } catch (refusal) {
      get("back-answer").textContent = refusal.status === 404 ? "This service has no operator keys: use housing rollback." : refusal.message;
    } finally {
      get("back-key").value = "";
    }
  });
}
