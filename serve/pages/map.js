/** The map of California: coast and counties, block groups by colour, a cross for the chosen place. */

import { ask, dollars, element } from "./api.js";
import { Dots } from "./dots.js";
import { LAYERS, colour, errors, file, ofFile, places, share } from "./layers.js";

const { L } = window;
const STATE = [[32.5, -124.5], [42.05, -114.1]]; // south west and north east, as the contract has them
const AROUND = [[28, -131], [46, -108]];
const STEP = 40; // pixels that an arrow key moves the cross
const NEAREST = 12;
const LARGE = 7; // zoom from which smaller cities are named
const SHRINK = Math.cos((37 * Math.PI) / 180); // a degree of longitude, in degrees of latitude
const CITIES = [
  ["San Francisco", 37.775, -122.419, 0], ["Los Angeles", 34.052, -118.244, 0], ["San Diego", 32.716, -117.161, 0],
  ["Sacramento", 38.582, -121.494, 0], ["Fresno", 36.738, -119.787, 0], ["Eureka", 40.802, -124.164, 0],
  ["Redding", 40.587, -122.392, 0], ["Bakersfield", 35.373, -119.019, 0], ["San Jose", 37.338, -121.886, 1],
  ["Oakland", 37.804, -122.271, 1], ["Stockton", 37.958, -121.291, 1], ["Monterey", 36.6, -121.895, 1],
  ["Santa Barbara", 34.421, -119.698, 1], ["Long Beach", 33.77, -118.194, 1], ["Riverside", 33.953, -117.396, 1],
  ["Palm Springs", 33.83, -116.545, 1], ["Santa Rosa", 38.44, -122.714, 1], ["San Luis Obispo", 35.283, -120.66, 1],
];

const container = document.getElementById("map");
const status = document.getElementById("map-place");
const legend = document.getElementById("map-legend");
const map = L.map(container, {
  keyboard: false, attributionControl: false, zoomSnap: 0.5, minZoom: 5, maxZoom: 14, preferCanvas: true,
  zoomControl: false, maxBounds: AROUND,
});
const shown = new Dots().addTo(map);
const alike = L.layerGroup().addTo(map);
const small = L.layerGroup();
let cross = null;
let layer = "price";
let moved = () => {};
let compared = [];
let onScreen = null;

function mark(className, latitude, longitude, ...children) {
  const icon = L.divIcon({ className, html: element("span", {}, ...children), iconSize: [0, 0] });
  return L.marker([latitude, longitude], { icon, interactive: false, keyboard: false });
}

async function draw() {
  const chosen = LAYERS[layer];
  const points = await chosen.load().catch(() => []);
  if (chosen !== LAYERS[layer]) return; // another was chosen since
  shown.clear((value) => share(chosen, value), colour);
  shown.add(points);
  explain(chosen, points.length);
}

function explain(chosen, count) {
  const ends = [`Blue ${chosen.format(chosen.low)} or less`, element("span", { className: "scale" }),
    `orange ${chosen.format(chosen.high)} or more.`];
  legend.replaceChildren(...(count ? ends : [chosen.none]));
}

function move(longitude, latitude) {
  const [[south, west], [north, east]] = STATE;
  const place = [Math.min(north, Math.max(south, latitude)), Math.min(east, Math.max(west, longitude))];
  cross.setLatLng(place.map((degrees) => Number(degrees.toFixed(3))));
  const { lat, lng } = cross.getLatLng();
  status.textContent = `${lat}° north, ${-lng}° west`;
  map.panInside([lat, lng], { padding: [40, 40], animate: false });
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

function nearest({ longitude, latitude }, place, count) {
  const away = longitude.map((_, row) => [
    Math.hypot((longitude[row] - place.lng) * SHRINK, latitude[row] - place.lat), row,
  ]);
  return away.sort((a, b) => a[0] - b[0]).slice(0, count).map(([, row]) => row);
}

/** Values typical of the rows nearest to the cross; the households stay as they are. */
async function typical(households) {
  const place = cross.getLatLng();
  const [found, holdout] = await Promise.all([places(), errors()]);
  const near = nearest(found, place, NEAREST);
  const of = (name) => median(near.map((row) => found[name][row]));
  const rooms = Math.max(1, Math.round(of("rooms_per_household") * households));
  const isKnown = holdout.longitude.length > 0;
  const proximity = isKnown ? { ocean_proximity: holdout.ocean_proximity[nearest(holdout, place, 1)[0]] } : {};
  status.textContent += `: houses nearby at about ${dollars.format(of("price"))}.`
    + (isKnown ? "" : " Ocean proximity is yours to choose.");
  return {
    longitude: place.lng, latitude: place.lat,
    median_income: of("median_income"),
    housing_median_age: of("housing_median_age"),
    total_rooms: rooms,
    total_bedrooms: Math.max(1, Math.round(rooms / 5)),
    population: Math.max(1, Math.round(of("persons_per_household") * households)),
    ...proximity,
  };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function press(event, choose) {
  if (event.key === "Enter") return choose();
  if (["+", "="].includes(event.key)) return map.setZoomAround(cross.getLatLng(), map.getZoom() + 1);
  if (event.key === "-") return map.setZoomAround(cross.getLatLng(), map.getZoom() - 1);
  const [east, south] = ARROWS[event.key] ?? [];
  if (east === undefined) return undefined;
  event.preventDefault();
  const { lat, lng } = map.unproject(map.project(cross.getLatLng()).add([STEP * east, STEP * south]));
  return move(lng, lat);
}

/** On paper the map is smaller: it shows what it showed, and is as it was afterwards. */
function print({ matches: isPaper }) {
  if (isPaper) onScreen = { bounds: map.getBounds(), centre: map.getCenter(), zoom: map.getZoom() };
  map.invalidateSize({ animate: false });
  if (isPaper) map.fitBounds(onScreen.bounds, { animate: false });
  else if (onScreen) map.setView(onScreen.centre, onScreen.zoom, { animate: false });
}

/** Show no rows of a person's file yet. */
export function clearFile() {
  file.length = 0;
  if (layer === "file") draw();
}

/** Show more rows of the file, in the layer of it. */
export function addFile(columns) {
  const more = ofFile(columns), isFirst = !file.length;
  document.getElementById("choose-file").hidden = false;
  file.push(...more);
  if (layer === "file") {
    shown.add(more);
    explain(LAYERS.file, file.length);
  } else if (isFirst && more.length) document.getElementById("layer-file").click();
}

function offer(change) {
  const choices = Object.entries(LAYERS).map(([name, { title }]) => {
    const input = element("input", { type: "radio", name: "layer", value: name, id: `layer-${name}`, checked: name === layer });
    input.addEventListener("change", () => {
      layer = name;
      draw();
      change();
    });
    return element("label", { id: `choose-${name}`, hidden: name === "file" }, input, ` ${title}`);
  });
  document.getElementById("layers").append(...choices);
}

/** Let a person choose: `chosen` gets the place and the values typical of it; `changed`, any move. */
export function listen(households, chosen, changed) {
  const choose = async () => chosen(await typical(households()).catch(() => {
    const { lat, lng } = cross.getLatLng();
    return { longitude: lng, latitude: lat };
  }));
  map.on("click", ({ latlng }) => {
    move(latlng.lng, latlng.lat);
    choose();
  });
  container.addEventListener("keydown", (event) => press(event, choose));
  map.on("zoomend", () => {
    if (map.getZoom() >= LARGE) small.addTo(map);
    else small.remove();
    compare();
  });
  offer(changed);
  moved = changed;
}

/** Show the place of the form. */
export function show({ longitude, latitude }) {
  if (Number.isFinite(longitude) && Number.isFinite(latitude)) move(longitude, latitude);
}

/** Show the block groups that a price leans on, with their prices where they do not cover each other. */
export function compare(comparables = compared) {
  compared = comparables;
  alike.clearLayers();
  for (const { longitude, latitude, price } of comparables) {
    L.circleMarker([latitude, longitude], { radius: 7, weight: 3, fill: false, color: getComputedStyle(container).color })
      .bindTooltip(dollars.format(price), { permanent: map.getZoom() >= 9 }).addTo(alike);
  }
}

/** What the address says of the map. */
export function state() {
  const { lat, lng } = map.getCenter();
  return { layer, zoom: map.getZoom(), centre: `${lat.toFixed(3)},${lng.toFixed(3)}` };
}

/** Show what the address said, or all of California. */
export function open({ layer: wanted, zoom, centre }) {
  if (wanted in LAYERS && wanted !== "file") layer = wanted;
  const [latitude, longitude] = (centre ?? "").split(",").map(Number);
  if (Number.isFinite(latitude) && Number.isFinite(longitude)) map.setView([latitude, longitude], Number(zoom) || 6);
  else map.fitBounds(STATE, { animate: false });
  L.control.zoom({ position: "topright" }).addTo(map);
  cross = mark("cross", 37.88, -122.23).addTo(map);
  for (const [name, latitude, longitude, minor] of CITIES) {
    mark("city", latitude, longitude, name).addTo(minor ? small : map);
  }
  if (map.getZoom() >= LARGE) small.addTo(map);
}

/** Fetch the boundaries and the training rows and draw them. */
export async function load() {
  const counties = await ask("/assets/vendor/california.json");
  const pane = "counties"; // beneath the dots
  map.createPane(pane).classList.add("beneath");
  L.geoJSON(counties, { interactive: false, pane, renderer: L.svg({ pane }), style: { className: "county", weight: 1 } }).addTo(map);
  await places();
  await draw();
  map.on("moveend", () => matchMedia("print").matches || moved());
  matchMedia("print").addEventListener("change", print);
}
