/** Lines over time with their bands, drawn by uPlot; each says in words what it shows. */

import { element } from "./api.js";
import { quiet } from "./tables.js";

const charts = new Map();

/** A colour of the theme: `light-dark()` is worked out by the browser on a real element. */
function colour(name, container) {
  container.style.color = `var(${name})`;
  const found = getComputedStyle(container).color;
  container.style.color = "";
  return found;
}

function axis(ink, line) {
  return { stroke: ink, grid: { stroke: line, width: 0.5 }, ticks: { show: false }, font: "11px system-ui", size: 38 };
}

/**
 * Draw `lines` over `times` (seconds since 1970) in the container.
 * A line has a name, a colour's name, values, and may have `low` and `high` for its band.
 */
export function draw(container, times, lines, unit) {
  charts.get(container)?.destroy();
  charts.delete(container);
  if (!times.length) return container.replaceChildren(quiet("Nothing yet."));
  container.replaceChildren();
  const data = [times], series = [{}], bands = [];
  for (const { name, tone, values, low, high, dash } of lines) {
    const stroke = colour(tone, container);
    data.push(values);
    series.push({ label: name, stroke, width: 2, dash, points: { show: times.length < 40, size: 5 } });
    if (!low) continue;
    data.push(high, low);
    const edge = { stroke: "transparent", points: { show: false } };
    series.push(edge, edge);
    bands.push({ series: [series.length - 2, series.length - 1], fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.18)") });
  }
  const ink = colour("--text", container), line = colour("--line", container);
  const last = (values) => values.findLast((value) => value !== null && value !== undefined);
  const words = lines.map(({ name, values }) => `${name} ${last(values) === undefined ? "none" : `${Number(last(values).toPrecision(3))} ${unit}`}`);
  const names = words.map((said, at) => {
    const made = element("span", {}, said);
    made.style.color = `var(${lines[at].tone})`;
    return made;
  });
  container.append(element("p", { className: "lines", ariaHidden: "true" }, ...names));
  const height = Math.max(100, container.parentElement.clientHeight - 62);
  const options = {
    width: container.clientWidth, height, series, bands, legend: { show: false }, cursor: { show: false },
    axes: [{ ...axis(ink, line), size: 42 }, axis(ink, line)], scales: { x: { range: () => [Math.min(times[0], times.at(-1) - 3600), times.at(-1)] }, y: { range: (_, low, high) => [Math.min(0, low), (high || 1) * 1.1] } },
  };
  charts.set(container, new window.uPlot(options, data, container));
  container.setAttribute("role", "img");
  container.setAttribute("aria-label", `The last: ${words.join(", ")}`);
  container.title = words.join(", ");
  return undefined;
}

/** A small line of one feature's values, up to `top`, with a dashed limit. */
export function small(values, limit, top) {
  const made = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const x = (index) => (values.length > 1 ? (100 * index) / (values.length - 1) : 50);
  const y = (value) => 20 - (19 * Math.min(value, top)) / top;
  const picture = made("svg", { viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(made("line", { x1: 0, x2: 100, y1: y(limit), y2: y(limit) }),
    made("polyline", { points: values.map((value, index) => `${x(index)},${y(value)}`).join(" ") }));
  return picture;
}
