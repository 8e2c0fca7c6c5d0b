// What each process still shares, as stacked bars on one scale. The first few are shown, the others on demand.

const FEW_BARS = 8;

function drawBalances(section, data, pageBytes) {
  const bytes = (bar) => bar.pages.reduce((sum, pages) => sum + pages, 0) * pageBytes;
  const most = Math.max(1, ...data.bars.map(bytes));
  const used = (part) => data.bars.some((bar) => bar.pages[part] > 0);
  const legend = data.parts.map((name, part) => used(part) &&
    make("li", { class: `band-${part}` }, make("span", { class: "swatch", "aria-hidden": "true" }), name));
  const rows = data.bars.map((bar) => barRow(bar, data.parts, pageBytes, most));
  const list = make("ol", { class: "balances" }, ...rows);
  section.append(make("ul", { class: "legend" }, ...legend.filter(Boolean)), list);
  foldRows(section, rows, FEW_BARS, "process");
  note(section, data.note);
}

function barRow(bar, names, pageBytes, most) {
  const bytes = bar.pages.map((pages) => pages * pageBytes);
  const told = names.map((name, part) => bytes[part] > 0 && `${size(bytes[part])} ${name}`).filter(Boolean).join(" · ");
  const parts = bytes.map((part, index) => {
    const piece = make("span", { class: `band-${index}` });
    piece.style.width = `${(part / most) * 100}%`;
    return piece;
  });
  return make("li", {}, make("b", {}, bar.name), make("div", { class: "balance", "aria-hidden": "true" }, ...parts),
    make("span", { class: "hint" }, bar.note ? `${told} (${bar.note})` : told));
}

/** Hides all but the first few rows behind a button. */
function foldRows(section, rows, few, noun) {
  if (rows.length <= few + 1) return;
  const hidden = rows.slice(few);
  const show = (is) => hidden.forEach((row) => { row.hidden = !is; });
  const button = make("button", { type: "button", "aria-expanded": "false", class: "fold" });
  const label = (is) => { button.textContent = is ? "Fewer" : `All ${plural(rows.length, noun)}`; };
  button.addEventListener("click", () => {
    const is = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(is));
    show(is);
    label(is);
  });
  show(false);
  label(false);
  section.append(button);
}
