// Tables: a click on a column's name sorts them, words filter them.

const FIRST_ROWS = 15;

function drawTable(section, table, caption) {
  if (table.rows.length === 0) {
    note(section, `Nothing is known. ${table.note}`);
    return;
  }
  const sorted = new SortedTable(table, caption);
  if (table.rows.length > FIRST_ROWS) section.append(sorted.controls());
  section.append(sorted.element());
  note(section, table.note);
}

class SortedTable {
  constructor(table, caption) {
    Object.assign(this, { table, caption });
    Object.assign(this, { column: 0, isFalling: true, words: [], showsAll: false });
    this.heads = table.columns.map((column, index) => sortHead(column, () => this.sort(index)));
    this.body = make("tbody");
    this.more = make("button", { type: "button" });
    this.shown = make("span", { class: "hint", role: "status" });
    this.fill();
  }

  element() {
    const head = make("thead", {}, make("tr", {}, ...this.heads));
    const caption = make("caption", { class: "unseen" }, this.caption);
    return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": this.caption },
      make("table", {}, caption, head, this.body));
  }

  controls() {
    const filter = make("input", { type: "search", placeholder: "Filter", "aria-label": `Filter: ${this.caption}` });
    filter.addEventListener("input", () => {
      this.words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      this.fill();
    });
    this.more.addEventListener("click", () => {
      this.showsAll = !this.showsAll;
      this.fill();
    });
    return make("div", { class: "controls" }, filter, this.more, this.shown);
  }

  /** Sorts by a column: words ascending, numbers descending; each further click reverses the order. */
  sort(index) {
    const rises = ["word", "text"].includes(this.table.columns[index].holds);
    this.isFalling = this.column === index ? !this.isFalling : !rises;
    this.column = index;
    this.fill();
  }

  fill() {
    const { column, isFalling, table } = this;
    this.heads.forEach((head, index) => {
      const order = isFalling ? "descending" : "ascending";
      head.setAttribute("aria-sort", index === column ? order : "none");
    });
    const rows = table.rows.filter((row) => matches(row, this.words));
    rows.sort((one, two) => compare(one[column], two[column], isFalling));
    const told = this.showsAll ? rows : rows.slice(0, FIRST_ROWS);
    this.body.replaceChildren(...told.map((row) => tableRow(table.columns, row)));
    this.more.hidden = rows.length <= FIRST_ROWS;
    this.more.textContent = this.showsAll ? `Show the first ${FIRST_ROWS}` : `Show all ${count(rows.length)}`;
    this.shown.textContent = `${count(told.length)} of ${plural(table.rows.length, "row")}`;
  }
}

function sortHead(column, sort) {
  const button = make("button", { type: "button" }, column.name);
  button.addEventListener("click", sort);
  return make("th", { scope: "col", class: column.holds }, button);
}

function matches(row, words) {
  const text = row.join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Missing values come last in either order. */
function compare(one, two, falling) {
  if (one === null || two === null) return (one === null) - (two === null);
  const order = typeof one === "string" ? one.localeCompare(two) : one - two;
  return falling ? -order : order;
}

function tableRow(columns, row) {
  return make("tr", {}, ...columns.map(({ holds }, index) => {
    const value = row[index];
    const cell = make("td", { class: holds }, value === null ? "" : WORDS[holds](value));
    if (holds === "share" && value !== null) {
      cell.append(make("span", { class: "bar", "aria-hidden": "true" }));
      cell.lastChild.style.setProperty("--share", value);
    }
    return cell;
  }));
}
