// One chart: the band from minimum to maximum, the mean, and the limits as lines.

import { clock, number, t, both } from "./words.js";

export const COLOURS = { red: "#ff5c5c", orange: "#ff9a3d", yellow: "#f2d04b", blue: "#58a6ff", normal: "#7d8a99" };
export const SHAPES = { red: "◆", orange: "▲", yellow: "■", blue: "●", normal: "○", none: "?" };
const INK = "#93a1b1", RULE = "#232c37", LINE = "#9fd0ee", BAND = "rgba(110,170,210,.28)";
const LEFT = 58, RIGHT = 78, TOP = 12, BOTTOM = 24;

function steps(low, high, about) {
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step / 1e6; v += step) found.push(v);
  return found;
}

function range(points, limits) {
  const values = [...points.flatMap((p) => [p.min, p.max]), ...limits.map((l) => l.value)];
  if (!values.length) return [0, 1];
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

export class Chart {
  #canvas; #data = null; #hover = null;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    canvas.addEventListener("pointermove", (e) => { this.#hover = e.offsetX; this.draw(); });
    canvas.addEventListener("pointerleave", () => { this.#hover = null; this.draw(); });
  }

  // data: {start, end (ms), points: [{time, min, max, mean}], limits, symbol, gap_ms, note}
  show(data) { this.#data = data; this.draw(); }

  draw() {
    const box = this.#canvas.parentElement.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    const width = Math.floor(box.width), height = Math.floor(box.height);
    if (width < 40 || height < 40) return;
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    if (!this.#data) return;
    const [low, high] = range(this.#data.points, this.#data.limits);
    const span = this.#data.end - this.#data.start;
    const x = (time) => LEFT + ((time - this.#data.start) / span) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - (value - low) / (high - low)) * (height - TOP - BOTTOM);
    this.#axes(pen, x, y, low, high, width, height);
    this.#limits(pen, y, width);
    this.#series(pen, x, y);
    if (this.#data.note) this.#centred(pen, this.#data.note, width, height);
    if (this.#hover !== null) this.#cross(pen, x, y, width, height);
  }

  #axes(pen, x, y, low, high, width, height) {
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const value of steps(low, high, 5)) {
      pen.strokeStyle = RULE;
      line(pen, LEFT, y(value), width - RIGHT, y(value));
      pen.fillStyle = INK;
      pen.fillText(number(value), LEFT - 8, y(value));
    }
    pen.textAlign = "center";
    const { start, end } = this.#data;
    const most = width < 520 ? 4 : 8;
    const every = [5, 10, 15, 30, 60, 120, 240, 360, 480].find((m) => (end - start) / 60000 / m <= most) * 60000;
    const offset = new Date(start).getTimezoneOffset() * 60000;
    for (let at = Math.ceil((start - offset) / every) * every + offset; at <= end; at += every) {
      pen.fillText(clock(at).slice(0, 5), x(at), height - BOTTOM / 2 + 2);
    }
  }

  #limits(pen, y, width) {
    let taken = [];
    pen.textAlign = "left";
    for (const limit of this.#data.limits) {
      pen.strokeStyle = pen.fillStyle = COLOURS[limit.grade];
      pen.setLineDash([6, 4]);
      line(pen, LEFT, y(limit.value), width - RIGHT, y(limit.value));
      pen.setLineDash([]);
      const place = y(limit.value);
      if (taken.some((other) => Math.abs(other - place) < 13)) continue;
      taken = [...taken, place];
      pen.fillText(`${SHAPES[limit.grade]} ${number(limit.value)}`, width - RIGHT + 6, place);
    }
  }

  // A gap in the readings stays a gap: nothing is drawn where nothing was measured.
  #series(pen, x, y) {
    const runs = [];
    let before = -Infinity;
    for (const point of this.#data.points) {
      if (point.time - before > this.#data.gap_ms) runs.push([]);
      runs.at(-1).push(point);
      before = point.time;
    }
    for (const run of runs) {
      pen.fillStyle = BAND;
      pen.beginPath();
      run.forEach((p) => pen.lineTo(x(p.time), y(p.max)));
      [...run].reverse().forEach((p) => pen.lineTo(x(p.time), y(p.min)));
      pen.fill();
      pen.strokeStyle = pen.fillStyle = LINE;
      pen.lineWidth = 1.6;
      pen.beginPath();
      run.forEach((p) => pen.lineTo(x(p.time), y(p.mean)));
      pen.stroke();
      if (run.length === 1) pen.fillRect(x(run[0].time) - 1.5, y(run[0].mean) - 1.5, 3, 3);
    }
  }

  #cross(pen, x, y, width, height) {
    const near = this.#data.points.reduce((best, p) => (
      !best || Math.abs(x(p.time) - this.#hover) < Math.abs(x(best.time) - this.#hover) ? p : best), null);
    if (!near || Math.abs(x(near.time) - this.#hover) > 30) return;
    pen.strokeStyle = INK;
    line(pen, x(near.time), TOP, x(near.time), height - BOTTOM);
    const spread = near.min === near.max ? "" : ` (${number(near.min)} – ${number(near.max)})`;
    const text = `${clock(near.time)}  ${number(near.mean)} ${both(this.#data.symbol)}${spread}`;
    const room = pen.measureText(text).width + 16;
    const left = Math.min(Math.max(x(near.time) - room / 2, LEFT), width - room - 4);
    pen.fillStyle = "#0b0f14";
    pen.fillRect(left, TOP, room, 22);
    pen.fillStyle = "#e6edf3";
    pen.textAlign = "left";
    pen.fillText(text, left + 8, TOP + 11);
  }

  #centred(pen, text, width, height) {
    pen.fillStyle = INK;
    pen.textAlign = "center";
    pen.fillText(text, (width + LEFT - RIGHT) / 2, height / 2);
  }
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

export function describe(data, name) {
  if (!data.points.length) return `${name}: ${t("noReadings")}`;
  const last = data.points.at(-1);
  return `${name}: ${number(last.mean)} ${both(data.symbol)} (${clock(last.time)})`;
}
