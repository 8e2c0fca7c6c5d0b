// Bytes over time: stacked bands, and a line beside them. Pointer or arrow keys read a value.

const CHART = { height: 240, left: 64, right: 12, top: 10, bottom: 26 };

/** Half the width of the widest label on the time axis. */
const TICK_ROOM = 24;

/** What a chart shows: whether all counts begin at 0, and what the sum of its bands is. */
const COPIED = { fromZero: true, sum: "copied", label: "Copied bytes over time by process, stacked." };
const IN_MEMORY = { fromZero: false, sum: "in memory", label: "Anonymous memory of all processes over time, stacked." };

const IN_PROCESS = { fromZero: false, sum: "in memory", label: "Anonymous memory of a process over time, stacked." };

function drawTimeline(section, data, pageBytes, what) {
  if (data.bands.length === 0 || data.at_ns.length === 0) {
    note(section, "No sample was taken.");
    return;
  }
  const chart = new TimeChart(data, pageBytes, what);
  section.append(bandLegend(data), chart.element, chart.readout);
  note(section, data.note);
}

function bandLegend(data) {
  const bands = data.bands.map((band, index) =>
    make("li", { class: `band-${bandColor(index, data)}` }, make("span", { class: "swatch", "aria-hidden": "true" }), band.name));
  const line = data.line ? [make("li", {}, make("span", { class: "swatch line", "aria-hidden": "true" }), data.line.name)] : [];
  return make("ul", { class: "legend" }, ...bands, ...line);
}

class TimeChart {
  constructor(data, pageBytes, what) {
    this.data = data;
    this.what = what;
    const first = what.fromZero ? [0] : [];
    this.times = [...first, ...data.at_ns];
    this.tops = stacked(data.bands.map((band) => [...first, ...band.pages]), pageBytes);
    this.line = data.line && data.line.pages.map((pages) => pages * pageBytes);
    this.cursor = this.times.length - 1;
    this.element = makeSvg("svg", {
      class: "chart", tabindex: "0", role: "application",
      "aria-label": `${what.label} Left and right arrows read the points.`,
    });
    this.mark = makeSvg("line", { class: "cursor", y1: CHART.top, y2: CHART.height - CHART.bottom });
    this.readout = make("p", { class: "readout", role: "status" });
    this.listen();
    onWidth(this.element, (width) => this.draw(width));
  }

  listen() {
    this.element.addEventListener("pointermove", (event) => {
      const x = event.clientX - this.element.getBoundingClientRect().left;
      this.read(nearest(this.times, this.scale.time(x)));
    });
    this.element.addEventListener("keydown", (event) => {
      const targets = { ArrowLeft: this.cursor - 1, ArrowRight: this.cursor + 1, Home: 0, End: this.times.length - 1 };
      if (!(event.key in targets)) return;
      event.preventDefault();
      this.read(targets[event.key]);
    });
  }

  draw(width) {
    const { times, tops, data } = this;
    this.scale = scales(width, times[times.length - 1], this.most());
    this.element.setAttribute("viewBox", `0 0 ${width} ${CHART.height}`);
    const areas = tops.map((top, index) => makeSvg("path", {
      class: `area band-${bandColor(index, data)}`,
      d: area(times, top, tops[index - 1], this.scale),
    }));
    const line = this.line ? [makeSvg("path", { class: "line", d: path(times, this.line, this.scale) })] : [];
    this.element.replaceChildren(...axes(this.scale, width), ...areas, ...line, this.mark);
    this.read(this.cursor);
  }

  /** The top of the scale: the line may leave the chart where it would flatten the bands. */
  most() {
    const stack = Math.max(...this.tops[this.tops.length - 1]);
    return Math.max(stack, Math.min(stack * 2, ...(this.line ? [Math.max(...this.line)] : [0])));
  }

  /** Describes what was copied up to a point in time. */
  read(index) {
    const { times, tops, data } = this;
    this.cursor = Math.max(0, Math.min(times.length - 1, index));
    const at = this.scale.x(times[this.cursor]);
    this.mark.setAttribute("x1", at);
    this.mark.setAttribute("x2", at);
    const top = (band) => (band < 0 ? 0 : tops[band][this.cursor]);
    const parts = data.bands.map((band, index) => `${band.name}: ${size(top(index) - top(index - 1))}`);
    if (this.line) parts.push(`${data.line.name}: ${size(this.line[this.cursor])}`);
    this.readout.textContent = `After ${seconds(times[this.cursor])}: ${size(top(tops.length - 1))} ${this.what.sum}. ${parts.join(" · ")}`;
  }
}

/** All other processes together are grey. */
function bandColor(index, data) {
  return data.has_others && index === data.bands.length - 1 ? "others" : data.bands[index].color ?? index;
}

function stacked(bands, pageBytes) {
  const tops = [];
  for (const pages of bands) {
    const below = tops[tops.length - 1];
    tops.push(pages.map((number, index) => number * pageBytes + (below ? below[index] : 0)));
  }
  return tops;
}

function scales(width, lastTime, most) {
  const inner = width - CHART.left - CHART.right;
  const floor = CHART.height - CHART.bottom;
  const top = most || 1;
  const span = lastTime || 1;
  return {
    x: (ns) => CHART.left + (ns / span) * inner,
    y: (bytes) => floor - (bytes / top) * (floor - CHART.top),
    time: (x) => ((x - CHART.left) / inner) * span,
    span,
    top,
  };
}

function area(times, top, bottom, scale) {
  const point = (values) => (ns, index) => `${scale.x(ns).toFixed(1)},${scale.y(values ? values[index] : 0).toFixed(1)}`;
  const there = times.map(point(top));
  const back = times.map(point(bottom)).reverse();
  return `M${there.join("L")}L${back.join("L")}Z`;
}

function path(times, values, scale) {
  return `M${times.map((ns, index) => `${scale.x(ns).toFixed(1)},${Math.max(0, scale.y(values[index])).toFixed(1)}`).join("L")}`;
}

function axes(scale, width) {
  const parts = [];
  for (const bytes of ticks(scale.top, 4, 2)) {
    const y = scale.y(bytes);
    parts.push(makeSvg("line", { class: "grid", x1: CHART.left, x2: width - CHART.right, y1: y, y2: y }));
    parts.push(makeSvg("text", { x: CHART.left - 8, y: y + 4, "text-anchor": "end" }, size(bytes)));
  }
  for (const time of ticks(scale.span / 1e9, width > 600 ? 8 : 4, 10)) {
    const label = `${Number(time.toPrecision(3))} s`;
    const x = scale.x(time * 1e9);
    // Centred on its tick, except at the edges, where it would be cut off.
    const anchor = time === 0 ? "start" : width - x < TICK_ROOM ? "end" : "middle";
    parts.push(makeSvg("text", { x: anchor === "end" ? Math.min(x + CHART.right, width) : x, y: CHART.height - 8, "text-anchor": anchor }, label));
  }
  return parts;
}

/** Round numbers from 0 to a maximum: in base 2 for bytes, in base 10 for time. */
function ticks(most, wanted, base) {
  let step = base ** Math.floor(Math.log(most / wanted) / Math.log(base));
  const factors = base === 10 ? [1, 2, 5, 10] : [1, 2];
  step *= factors.find((factor) => most / (step * factor) <= wanted) || 1;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
}

function nearest(sorted, value) {
  let best = 0;
  sorted.forEach((at, index) => {
    if (Math.abs(at - value) < Math.abs(sorted[best] - value)) best = index;
  });
  return best;
}
