// The flame graph: callers above callees, width by pages. A click shows one call in full width;
// words in the search field highlight calls.

const CALL_HEIGHT = 21;
const LEAST_WIDTH = 1.5;
const SORTS = ["all", "python", "native", "written", "small"];

function drawFlame(section, data, pageBytes) {
  if (data.nodes.length < 2) {
    note(section, "No writer is known.");
    return;
  }
  const graph = new FlameGraph(tree(data), pageBytes);
  section.append(make("div", { class: "controls" }, graph.search, graph.reset, graph.found), callLegend(), graph.element, graph.readout);
  note(section, data.note);
}

function callLegend() {
  const sorts = [["python", "Python"], ["native", "native"], ["written", "what was written"]];
  return make("ul", { class: "legend" }, ...sorts.map(([sort, name]) =>
    make("li", {}, make("span", { class: `swatch call-${sort}`, "aria-hidden": "true" }), name)));
}

class FlameGraph {
  constructor(nodes, pageBytes) {
    [this.all] = nodes;
    this.pageBytes = pageBytes;
    // The call in full width, and the call with the keyboard focus.
    this.focus = this.all;
    this.at = this.all;
    this.words = "";
    this.search = make("input", { type: "search", placeholder: "Search calls", "aria-label": "Search calls" });
    this.reset = make("button", { type: "button" }, "Show all");
    this.found = make("span", { class: "hint", role: "status" });
    this.readout = make("p", { class: "readout", role: "status" });
    this.element = make("div", {
      class: "flame", role: "tree",
      "aria-label": "Calls that led to copies. Arrows move, Enter shows a call in full width, Escape shows all.",
    });
    this.listen();
    onWidth(this.element, () => this.draw());
  }

  listen() {
    this.element.addEventListener("keydown", (event) => this.press(event));
    this.reset.addEventListener("click", () => this.show(this.all));
    this.search.addEventListener("input", () => {
      this.words = this.search.value.trim().toLowerCase();
      this.draw();
    });
  }

  text(node) {
    return `${node.name}: ${size(node.pages * this.pageBytes)}, ${plural(node.pages, "page")}, ${percent(node.pages / this.all.pages)}`;
  }

  matches(node) {
    return this.words !== "" && node.name.toLowerCase().includes(this.words);
  }

  draw() {
    const placed = place(this.focus, this.element.clientWidth);
    const deepest = Math.max(...placed.map(({ node }) => node.depth));
    this.element.style.height = `${(deepest + 1) * CALL_HEIGHT}px`;
    if (!placed.some(({ node }) => node === this.at)) this.at = this.focus;
    this.element.replaceChildren(...placed.map((box) => this.box(box)));
    this.reset.hidden = this.focus === this.all;
    const pages = matched(this.all, (node) => this.matches(node));
    this.found.textContent = this.words === "" ? ""
      : `${size(pages * this.pageBytes)} (${percent(pages / this.all.pages)}) by calls that match`;
  }

  box({ node, x, width }) {
    const above = node.depth < this.focus.depth ? " above" : "";
    const match = this.matches(node) ? " match" : "";
    const box = make("div", {
      class: `call call-${node.sort}${above}${match}`, title: this.text(node),
      role: "treeitem", "aria-level": node.depth + 1, "aria-label": this.text(node),
      tabindex: node === this.at ? "0" : "-1",
    }, width > 24 ? node.name : "");
    Object.assign(box.style, { left: `${x}px`, width: `${Math.max(1, width - 1)}px`, top: `${node.depth * CALL_HEIGHT}px` });
    box.addEventListener("click", () => this.show(node));
    for (const event of ["pointerenter", "focus"]) {
      box.addEventListener(event, () => { this.readout.textContent = this.text(node); });
    }
    node.box = box;
    return box;
  }

  /** Shows a call in full width. */
  show(node) {
    this.focus = node;
    this.go(node);
  }

  /** Moves the keyboard focus to a call. */
  go(node) {
    this.at = node;
    this.draw();
    node.box.focus({ preventScroll: true });
  }

  press(event) {
    const { at } = this;
    const isShown = (node) => node.box && node.box.isConnected;
    const siblings = at.caller ? at.caller.calls.filter(isShown) : [at];
    const index = siblings.indexOf(at);
    const next = { ArrowUp: at.caller, ArrowDown: at.calls.find(isShown), ArrowLeft: siblings[index - 1], ArrowRight: siblings[index + 1] };
    if (event.key === "Enter" || event.key === " ") this.show(at);
    else if (event.key === "Escape") this.show(this.all);
    else if (!(event.key in next)) return;
    else if (next[event.key]) this.go(next[event.key]);
    event.preventDefault();
  }
}

/** Callers come before their callees. */
function tree(data) {
  const path = [];
  return data.nodes.map(([depth, name, pages, sort]) => {
    const caller = depth > 0 ? path[depth - 1] : null;
    const node = { depth, name: data.names[name], pages, sort: SORTS[sort], caller, calls: [] };
    if (caller) caller.calls.push(node);
    path[depth] = node;
    return node;
  });
}

/** Positions of the calls that are wide enough to be seen: callers and callees of the focused call. */
function place(focus, width) {
  const placed = [];
  for (let node = focus.caller; node; node = node.caller) placed.unshift({ node, x: 0, width });
  const add = (node, x, scale) => {
    const own = node.pages * scale;
    if (own < LEAST_WIDTH) return;
    placed.push({ node, x, width: own });
    let at = x;
    for (const called of node.calls) {
      add(called, at, scale);
      at += called.pages * scale;
    }
  };
  add(focus, 0, width / focus.pages);
  return placed;
}

/** Pages of matching calls; the callees of a match are included in it. */
function matched(node, matches) {
  if (matches(node)) return node.pages;
  return node.calls.reduce((sum, called) => sum + matched(called, matches), 0);
}
