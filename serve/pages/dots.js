/** Many dots on Leaflet's map in one canvas: a hundred thousand are drawn in a blink, and each has its words. */

const { L } = window;
const REACH = 4; // pixels around a dot that count as on it
const SHADES = 48; // dots of one colour are drawn together

/** Fractions of the world's square, as the map projects it (Mercator): 0 to 1 from the north-west. */
function squared(longitude, latitude) {
  const sine = Math.sin((latitude * Math.PI) / 180);
  return [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

export const Dots = L.Layer.extend({
  initialize() {
    this.tip = L.tooltip({ offset: [8, 0], direction: "right" });
    this.clear();
  },

  /** Show no dots; those that come are coloured by `palette` of the share, 0 to 1, of their value. */
  clear(share, palette) {
    this.points = [];
    this.places = []; // x and y of each, one after the other
    Object.assign(this, { share, palette });
    if (this._map) this.paint();
  },

  /** Show more points: {longitude, latitude, value, text}. */
  add(points) {
    const first = this.points.length;
    for (const point of points) {
      this.points.push(point);
      this.places.push(...squared(point.longitude, point.latitude));
    }
    if (this._map) this.paintFrom(first);
  },

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "dots leaflet-zoom-hide", map.getPanes().overlayPane);
    map.on("moveend zoomend resize", this.paint, this).on("mousemove", this.point, this).on("mouseout", this.hide, this);
    this.paint();
  },

  radius() {
    return Math.max(2, Math.min(8, this._map.getZoom() - 4));
  },

  /** Where a point is on the canvas. */
  at(index) {
    const world = 256 * 2 ** this._map.getZoom();
    const { x, y } = this._map.getPixelBounds().min;
    return [this.places[2 * index] * world - x, this.places[2 * index + 1] * world - y];
  },

  paint() {
    const { x: width, y: height } = this._map.getSize(), ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    L.DomUtil.setPosition(this.canvas, this._map.containerPointToLayerPoint([0, 0]));
    this.canvas.getContext("2d").scale(ratio, ratio);
    this.paintFrom(0);
  },

  paintFrom(first) {
    const { x: width, y: height } = this._map.getSize(), radius = this.radius();
    const context = this.canvas.getContext("2d");
    context.globalAlpha = 0.85;
    const shades = Array.from({ length: SHADES + 1 }, () => []);
    for (let index = first; index < this.points.length; index += 1) shades[Math.round(this.share(this.points[index].value) * SHADES)].push(index);
    shades.forEach((dots, shade) => {
      if (!dots.length) return;
      context.fillStyle = this.palette(shade / SHADES);
      context.beginPath();
      for (const index of dots) {
        const [x, y] = this.at(index);
        if (x < -radius || y < -radius || x > width + radius || y > height + radius) continue;
        context.moveTo(x + radius, y);
        context.arc(x, y, radius, 0, 2 * Math.PI);
      }
      context.fill();
    });
  },

  /** Show the words of the dot under the pointer. */
  point({ containerPoint }) {
    let nearest = null, least = (this.radius() + REACH) ** 2;
    for (let index = 0; index < this.points.length; index += 1) {
      const [x, y] = this.at(index);
      const away = (x - containerPoint.x) ** 2 + (y - containerPoint.y) ** 2;
      if (away <= least) [nearest, least] = [this.points[index], away];
    }
    if (!nearest) return this.hide();
    return this.tip.setLatLng([nearest.latitude, nearest.longitude]).setContent(nearest.text()).openOn(this._map);
  },

  hide() {
    this.tip.remove();
  },
});
