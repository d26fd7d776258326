/** The address holds the form and the map, so that it can be sent to somebody. */

const MAP = ["layer", "zoom", "centre"];

/** Return what the address says: values of the form by name, and what the map shows. */
export function read() {
  const given = new URLSearchParams(location.search);
  const map = Object.fromEntries(MAP.filter((name) => given.has(name)).map((name) => [name, given.get(name)]));
  const values = Object.fromEntries([...given].filter(([name]) => !MAP.includes(name)));
  return { values, map };
}

/** Put them into the address; nothing is loaded. */
export function write(values, map) {
  const shown = new URLSearchParams({ ...values, ...map });
  history.replaceState(null, "", `?${shown}`);
}
