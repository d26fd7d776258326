/** A map of California drawn from training rows: price by colour, a cross for the chosen place. */

import { ask, dollars, element } from "/assets/api.js";

const WEST = -124.6, EAST = -114, SOUTH = 32.4, NORTH = 42.1;
const MARGIN = 8;
const STEP = 0.1; // degrees that an arrow key moves the cross
const NEAREST = 12;
const LOW = 75_000, HIGH = 450_000; // dollars at the ends of the colours
const SHRINK = Math.cos((37 * Math.PI) / 180); // a degree of longitude, in degrees of latitude

const canvas = document.getElementById("map");
const status = document.getElementById("map-place");
let places = null;
let cross = { longitude: -122.23, latitude: 37.88 };

/** From blue over grey to orange: told apart by colour-blind people, in light and dark. */
function colour(price) {
  const share = Math.min(1, Math.max(0, (Math.log(price) - Math.log(LOW)) / Math.log(HIGH / LOW)));
  const [from, to, part] = share < 0.5
    ? [[33, 102, 172], [140, 140, 140], share * 2]
    : [[140, 140, 140], [230, 110, 10], share * 2 - 1];
  return `rgb(${from.map((start, index) => Math.round(start + part * (to[index] - start))).join(" ")})`;
}

function scale() {
  const width = canvas.clientWidth - 2 * MARGIN, height = canvas.clientHeight - 2 * MARGIN;
  const size = Math.min(width / ((EAST - WEST) * SHRINK), height / (NORTH - SOUTH));
  return { x: (longitude) => MARGIN + (longitude - WEST) * SHRINK * size,
    y: (latitude) => MARGIN + (NORTH - latitude) * size, size };
}

function prepare() {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

function draw() {
  const context = prepare();
  const { x, y } = scale();
  if (places) {
    for (let row = 0; row < places.price.length; row += 1) {
      context.fillStyle = colour(places.price[row]);
      context.fillRect(x(places.longitude[row]) - 1.5, y(places.latitude[row]) - 1.5, 3, 3);
    }
  }
  const centre = [x(cross.longitude), y(cross.latitude)];
  context.strokeStyle = getComputedStyle(canvas).color;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(...centre, 7, 0, 2 * Math.PI);
  for (const [east, south] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(centre[0] + 4 * east, centre[1] + 4 * south);
    context.lineTo(centre[0] + 13 * east, centre[1] + 13 * south);
  }
  context.stroke();
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Values typical of the rows nearest to the cross; the households stay as they are. */
function typical(households) {
  const away = places.price.map((_, row) => [
    Math.hypot((places.longitude[row] - cross.longitude) * SHRINK, places.latitude[row] - cross.latitude), row,
  ]);
  const rows = away.sort((a, b) => a[0] - b[0]).slice(0, NEAREST).map(([, row]) => row);
  const of = (name) => median(rows.map((row) => places[name][row]));
  const rooms = Math.max(1, Math.round(of("rooms_per_household") * households));
  return {
    price: of("price"),
    values: {
      median_income: of("median_income"),
      housing_median_age: of("housing_median_age"),
      total_rooms: rooms,
      total_bedrooms: Math.max(1, Math.round(rooms / 5)),
      population: Math.max(1, Math.round(of("persons_per_household") * households)),
    },
  };
}

function move(longitude, latitude) {
  cross = {
    longitude: Number(Math.min(EAST, Math.max(WEST, longitude)).toFixed(3)),
    latitude: Number(Math.min(NORTH, Math.max(SOUTH, latitude)).toFixed(3)),
  };
  status.textContent = `${cross.latitude}° north, ${-cross.longitude}° west`;
  draw();
}

function choose(households, chosen) {
  if (!places) return chosen(cross);
  const found = typical(households());
  status.textContent += `: houses nearby at about ${dollars.format(found.price)}. Ocean proximity is yours to choose.`;
  return chosen({ ...cross, ...found.values });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** Let a person choose: `chosen` gets the place and the values typical of it. */
export function listen(households, chosen) {
  canvas.addEventListener("click", (event) => {
    const { size } = scale();
    move(WEST + (event.offsetX - MARGIN) / size / SHRINK, NORTH - (event.offsetY - MARGIN) / size);
    choose(households, chosen);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter") return choose(households, chosen);
    const [east, north] = ARROWS[event.key] ?? [];
    if (east === undefined) return undefined;
    event.preventDefault();
    return move(cross.longitude + STEP * east, cross.latitude + STEP * north);
  });
  new ResizeObserver(draw).observe(canvas);
}

/** Show the place of the form. */
export function show({ longitude, latitude }) {
  if (Number.isFinite(longitude) && Number.isFinite(latitude)) move(longitude, latitude);
}

/** Fetch the training rows and draw them. */
export async function load() {
  places = await ask("/places");
  document.getElementById("map-legend").replaceChildren(
    `Blue ${dollars.format(LOW)} or less`, element("span", { className: "scale" }),
    `orange ${dollars.format(HIGH)} or more.`);
  draw();
}
