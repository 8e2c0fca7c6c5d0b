// The cells of a map: their addresses, their content, and how they are painted.

const ROW_HEIGHT = 22;
// Colour steps from no copies to all pages copied.
const SHADES = 20;

/** The addresses of a region's cells, as integers of any size. */
class Geometry {
  constructor(region) {
    this.start = BigInt(`0x${region.start}`);
    this.bytes = Number(BigInt(`0x${region.end}`) - this.start);
    this.cellBytes = region.cell_bytes;
    this.offset = region.offset;
  }

  /** Bytes from the start of the region to the start of a cell. */
  at(cell) {
    return Math.max(0, Math.min(this.bytes, cell * this.cellBytes - this.offset));
  }

  span(from, to) {
    return this.at(to) - this.at(from);
  }

  address(cell) {
    return `0x${(this.start + BigInt(this.at(cell))).toString(16)}`;
  }
}

/** Stretches, as first cell, end, and pages per cell. */
function decoded(stretches) {
  const starts = [];
  const ends = [];
  const pages = [];
  let cell = 0;
  for (let index = 0; index < stretches.length; index += 3) {
    starts.push(cell + stretches[index]);
    cell += stretches[index] + stretches[index + 1];
    ends.push(cell);
    pages.push(stretches[index + 2]);
  }
  return { starts, ends, pages };
}

function firstEndingAfter(row, cell) {
  let [low, high] = [0, row.ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row.ends[middle] > cell) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Pages copied in cells; parts of a cell count in proportion. */
function pagesIn(row, from, to) {
  let pages = 0;
  for (let index = firstEndingAfter(row, from); index < row.starts.length && row.starts[index] < to; index += 1) {
    pages += (Math.min(to, row.ends[index]) - Math.max(from, row.starts[index])) * row.pages[index];
  }
  return pages;
}

function paint({ canvas, rows, view, geometry, drag, pageBytes }) {
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${rows.length * ROW_HEIGHT}px`;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(rows.length * ROW_HEIGHT * ratio);
  const context = canvas.getContext("2d");
  const colors = palette();
  const cells = (view.to - view.from) / canvas.width;
  const toX = (cell) => (cell - view.from) / cells;
  const height = Math.round((ROW_HEIGHT - 3) * ratio);
  const top = (row) => Math.round(row * ROW_HEIGHT * ratio);
  const share = (row, from, to) => (pagesIn(row, from, to) * pageBytes) / Math.max(1, geometry.span(from, to));
  rows.forEach((row, index) => {
    context.fillStyle = colors.empty;
    context.fillRect(0, top(index), canvas.width, height);
    for (let x = 0; x < canvas.width; x += 1) {
      const copied = share(row, view.from + x * cells, view.from + (x + 1) * cells);
      if (copied === 0) continue;
      context.fillStyle = colors.shades[Math.max(1, Math.round(Math.min(1, copied) * SHADES))];
      context.fillRect(x, top(index), 1, height);
    }
  });
  if (drag) {
    const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    context.fillStyle = colors.selection;
    context.fillRect(toX(from), 0, toX(to) - toX(from), canvas.height);
  }
  if (canvas.matches(":focus, :hover")) {
    context.strokeStyle = colors.cursor;
    context.lineWidth = ratio;
    context.strokeRect(toX(view.cursor), top(view.row) + ratio, Math.max(4 * ratio, 1 / cells), height - ratio);
  }
}

/** The colour of a share, for CSS. */
function shade(share) {
  return `color-mix(in oklab, var(--shade-high) ${share * 100}%, var(--shade-low))`;
}

/** The stylesheet's colours, for a canvas. */
function palette() {
  const probe = document.body.appendChild(make("i", { hidden: "" }));
  const color = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const shades = Array.from({ length: SHADES + 1 }, (_, step) => color(shade(step / SHADES)));
  const found = { shades, empty: color("var(--empty)"), cursor: color("var(--focus)"), selection: color("var(--selection)") };
  probe.remove();
  return found;
}
