// A map of a region: addresses from left to right, one row per process, shaded by the share copied.

const LEAST_CELLS = 8;
/** Maps, and rows of each map, that are shown at first. A button shows all. */
const FEW_MAPS = 3;
const FEW_ROWS = 6;

function drawMaps(section, data, pageBytes) {
  if (data.regions.length === 0) note(section, "No mapping is large enough to draw.");
  const figures = data.regions.map((region) => new RegionMap(region, pageBytes).figure);
  section.append(...figures);
  foldRows(section, figures, FEW_MAPS, "mapping");
  if (data.regions.length > 0) section.append(shades());
  note(section, data.note);
}

function shades() {
  const steps = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = share === 0 ? "var(--empty)" : shade(share);
    return make("li", {}, swatch, share === 0 ? "nothing copied" : percent(share));
  });
  return make("ul", { class: "legend" }, ...steps);
}

class RegionMap {
  constructor(region, pageBytes) {
    this.region = region;
    this.pageBytes = pageBytes;
    this.all = region.rows.map((row) => ({ ...row, ...decoded(row.stretches) }));
    this.rows = this.all.length > FEW_ROWS + 1 ? this.all.slice(0, FEW_ROWS) : this.all;
    this.geometry = new Geometry(region);
    // First and last cell shown, and the cell under the cursor.
    this.view = { from: 0, to: region.cells, cursor: 0, row: 0 };
    this.drag = null;
    this.canvas = make("canvas", {
      tabindex: "0", role: "application", class: "map",
      "aria-label": `Map of ${region.name}: ${plural(this.all.length, "process")}. Arrows move, plus and minus zoom, 0 shows all.`,
    });
    this.readout = make("p", { class: "readout", role: "status" });
    this.shown = make("span", { class: "hint" });
    this.frame = make("div", { class: "map-frame" }, this.labels(), this.canvas);
    this.figure = make("figure", {}, this.caption(), make("div", { class: "controls" }, ...this.buttons(), this.shown),
      this.frame, this.readout);
    if (this.rows !== this.all) this.figure.append(this.unfolding());
    note(this.figure, region.note);
    this.listen();
    onWidth(this.canvas, () => this.draw());
    redrawers.push(() => this.draw());
  }

  caption() {
    const { name, inheritors, copied_pages: pages } = this.region;
    const inherited = plural(inheritors, "process");
    return make("figcaption", {}, make("b", {}, name),
      `, ${size(this.geometry.bytes)}, inherited by ${inherited}: ${size(pages * this.pageBytes)} copied`);
  }

  buttons() {
    const kinds = [["+", "Zoom in", 0.5], ["−", "Zoom out", 2], ["All", "Show all", Infinity]];
    return kinds.map(([text, label, factor]) => {
      const button = make("button", { type: "button", "aria-label": `${label}: ${this.region.name}`, title: label }, text);
      button.addEventListener("click", () => this.zoom(factor));
      return button;
    });
  }

  /** A button that shows the rows of all processes. */
  unfolding() {
    const button = make("button", { type: "button", class: "fold" }, `All ${plural(this.all.length, "process")}`);
    button.addEventListener("click", () => {
      this.rows = this.all;
      this.frame.firstChild.replaceWith(this.labels());
      button.remove();
      this.draw();
    });
    return button;
  }

  labels() {
    const label = (row) => make("li", { title: row.name },
      make("span", {}, row.name), make("b", {}, size(row.copied_pages * this.pageBytes)));
    return make("ol", { class: "map-rows", "aria-hidden": "true" }, ...this.rows.map(label));
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(event.offsetX);
      if (this.drag) this.drag.to = cell;
      this.read(cell, Math.floor(event.offsetY / ROW_HEIGHT));
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" || event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.drag = { from: this.cellAt(event.offsetX), to: this.cellAt(event.offsetX) };
    });
    canvas.addEventListener("pointerup", () => this.drop());
    canvas.addEventListener("dblclick", () => this.zoom(Infinity));
    canvas.addEventListener("keydown", (event) => {
      const action = this.keys()[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey || !action) return;
      event.preventDefault();
      action();
    });
  }

  keys() {
    const { view } = this;
    const step = Math.max(1, Math.round((view.to - view.from) / 100));
    return {
      ArrowLeft: () => this.move(-step),
      ArrowRight: () => this.move(step),
      ArrowUp: () => this.read(view.cursor, view.row - 1),
      ArrowDown: () => this.read(view.cursor, view.row + 1),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      0: () => this.zoom(Infinity),
    };
  }

  cellAt(x) {
    const { from, to } = this.view;
    return from + (x / this.canvas.clientWidth) * (to - from);
  }

  draw() {
    const { view, geometry } = this;
    paint(this);
    this.shown.textContent = `${size(geometry.span(view.from, view.to))} from ${geometry.address(view.from)} to ${geometry.address(view.to)}`;
  }

  /** Describes a pixel: all cells in it. */
  read(cell, row) {
    const { view, rows, geometry, pageBytes } = this;
    const width = Math.max(1, Math.ceil((view.to - view.from) / this.canvas.clientWidth));
    view.cursor = Math.max(view.from, Math.min(view.to - width, Math.floor(cell)));
    view.row = Math.max(0, Math.min(rows.length - 1, row));
    const end = view.cursor + width;
    const pages = pagesIn(rows[view.row], view.cursor, end);
    const all = geometry.span(view.cursor, end) / pageBytes;
    this.readout.textContent = `${rows[view.row].name}, ${geometry.address(view.cursor)} to ${geometry.address(end)}: ` +
      `${count(pages)} of ${plural(all, "page")} copied (${percent(Math.min(1, pages / all))}), ${size(pages * pageBytes)}`;
    this.draw();
  }

  show(from, to) {
    const { view, region } = this;
    const width = Math.min(region.cells, Math.max(LEAST_CELLS, Math.round(to - from)));
    view.from = Math.max(0, Math.min(region.cells - width, Math.round(from)));
    view.to = view.from + width;
    view.cursor = Math.max(view.from, Math.min(view.to - 1, view.cursor));
    this.draw();
  }

  /** Zooms around the cursor, or around the middle if the cursor is at an edge. */
  zoom(factor) {
    const { view, region } = this;
    const width = (view.to - view.from) * factor;
    const isInside = view.cursor > view.from && view.cursor < view.to - 1;
    const middle = isInside ? view.cursor : (view.from + view.to) / 2;
    if (width >= region.cells) this.show(0, region.cells);
    else this.show(middle - width / 2, middle + width / 2);
  }

  /** Moves the cursor, and scrolls if it leaves the visible part. */
  move(step) {
    const { view } = this;
    const cell = Math.max(0, Math.min(this.region.cells - 1, view.cursor + step));
    const width = view.to - view.from;
    if (cell < view.from) this.show(cell, cell + width);
    if (cell >= view.to) this.show(cell + 1 - width, cell + 1);
    this.read(cell, view.row);
  }

  /** Ends a drag; a drag of a few pixels counts as a click. */
  drop() {
    const { drag, view } = this;
    this.drag = null;
    const share = drag ? Math.abs(drag.to - drag.from) / (view.to - view.from) : 0;
    if (share * this.canvas.clientWidth > 6) this.show(Math.min(drag.from, drag.to), Math.max(drag.from, drag.to));
    else this.draw();
  }
}
