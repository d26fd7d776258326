/** What if one value were another: its whole curve in one request, and a slider along it. */

import { ask, dollars, element } from "./api.js";
import { numbers, title } from "./form.js";

const POINTS = 41;
const SPREAD = 4; // the curve reaches from a quarter to four times the value

const vary = document.getElementById("vary");
const slider = document.getElementById("slider");
const canvas = document.getElementById("curve");
let place = null;
let curve = [];
let asked = 0;

function range(field, value) {
  if (["longitude", "latitude"].includes(field.name)) return [value - 0.5, value + 0.5];
  if (field.name === "housing_median_age") return [1, 52];
  return [value / SPREAD, value * SPREAD];
}

function values(field) {
  const [low, high] = range(field, place[field.name] ?? field.example)
    .map((end) => Math.min(field.maximum, Math.max(field.minimum, end)));
  return Array.from({ length: POINTS }, (_, index) => low + ((high - low) * index) / (POINTS - 1));
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  if (!curve.length) return;
  const low = Math.min(...curve.map((point) => point.lower)), high = Math.max(...curve.map((point) => point.upper));
  const x = (index) => 4 + ((width - 8) * index) / (POINTS - 1);
  const y = (price) => height - 4 - ((height - 8) * (price - low)) / (high - low || 1);
  const accent = getComputedStyle(canvas).color;
  context.beginPath();
  curve.forEach((point, index) => context.lineTo(x(index), y(point.upper)));
  [...curve].reverse().forEach((point, index) => context.lineTo(x(POINTS - 1 - index), y(point.lower)));
  context.globalAlpha = 0.2;
  context.fillStyle = accent;
  context.fill();
  context.globalAlpha = 1;
  context.beginPath();
  curve.forEach((point, index) => context.lineTo(x(index), y(point.price)));
  context.strokeStyle = accent;
  context.lineWidth = 2;
  context.stroke();
  const index = Number(slider.value);
  context.fillStyle = getComputedStyle(document.body).color;
  context.beginPath();
  context.arc(x(index), y(curve[index].price), 5, 0, 2 * Math.PI);
  context.fill();
}

function tell() {
  const point = curve[Number(slider.value)];
  if (!point) return;
  const text = `${point.value.toLocaleString("en-US", { maximumFractionDigits: 2 })}: ${dollars.format(point.price)}`;
  document.getElementById("slider-price").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  draw();
}

async function compute() {
  const field = numbers().find((item) => item.name === vary.value);
  const chosen = values(field);
  const mine = (asked += 1);
  const answer = await ask("/api/v1/predict", {
    instances: chosen.map((value) => ({ ...place, [field.name]: value })),
  });
  if (mine !== asked) return; // a later question has been asked since
  curve = answer.predictions.map((found, index) => ({
    value: chosen[index], price: found.predicted_price,
    lower: found.prediction_interval.lower, upper: found.prediction_interval.upper,
  }));
  const current = place[field.name] ?? field.example;
  const nearest = chosen.map((value) => Math.abs(value - current));
  slider.value = nearest.indexOf(Math.min(...nearest));
  tell();
}

/** Offer the fields that are numbers. */
export function offer() {
  vary.append(...numbers().map(({ name }) => element("option", { value: name }, title(name))));
  vary.value = "median_income";
  vary.addEventListener("change", compute);
  slider.addEventListener("input", tell);
  new ResizeObserver(draw).observe(canvas);
}

/** Start from a block group that has a price. */
export async function start(from) {
  place = from;
  document.getElementById("what-if").hidden = false;
  await compute();
}
