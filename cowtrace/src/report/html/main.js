// Builds the page.

const redrawers = [];
const data = JSON.parse(document.getElementById("data").textContent);
const section = (id) => document.getElementById(id);

function drawHead() {
  document.title = data.title;
  section("title").textContent = data.title;
  const [first, ...others] = data.answer;
  section("answer").append(
    make("p", { class: "first" }, unbroken(first)), make("p", {}, unbroken(others.join(" "))));
  section("card").append(...data.card.flatMap(({ label, text, figures }, index) => [
    make("dt", {}, index > 0 && data.card[index - 1].label === label ? "" : label),
    make("dd", {}, make("span", {}, unbroken(text)), make("b", {}, unbroken(figures)))]));
  const { totals } = data;
  const facts = [
    ["Copied in all", size(totals.copied_bytes), plural(totals.copied_pages, "page")],
    ...totals.held_bytes === null ? [] : [["Copies held at the end", size(totals.held_bytes), "by processes that lived"], ["New memory at the end", size(totals.new_bytes), "likewise"]],
    [totals.all_live ? "No longer shared" : "Copied in the trace", totals.unshared_share === null ? "–" : percent(totals.unshared_share), totals.ceiling_bytes === null ? "what the workers inherited is not known" : `of ${size(totals.ceiling_bytes)} that all workers inherited`],
    [totals.workers === 1 ? "Worker" : "Workers", count(totals.workers), "seen"],
    ["Re-used", count(totals.reused_faults), totals.reused_faults === 1 ? "write fault that copied nothing" : "write faults that copied nothing"],
  ];
  section("totals").append(...facts.map(([name, value, more]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, make("b", {}, value), make("span", {}, more)))));
}

/** Links to the sections, without the losses, which the top of the page mentions already. */
function drawContents() {
  for (const head of document.querySelectorAll("h2")) {
    const lost = head.parentElement.id === "lost" && data.lost.length > 0;
    const text = lost ? `${head.textContent} (${data.lost.length})` : head.textContent;
    section("contents").append(make("a", { href: `#${head.parentElement.id}`, class: lost ? "warning" : "" }, text));
  }
}

function drawEnd() {
  const list = section("measured").querySelector("dl");
  list.before(make("p", {}, unbroken(data.facts.join(" "))));
  for (const [name, value] of data.measured) {
    list.append(make("dt", {}, name), make("dd", {}, value));
  }
  if (data.lost.length === 0) section("lost").append(make("p", {}, "Nothing."));
  else section("lost").append(make("ul", {}, ...data.lost.map((loss) => make("li", {}, loss))));
}

/** The sections that exist only if something was copied. */
function drawCopies() {
  drawTable(section("writers"), data.writers, "Who wrote");
  section("writers").append(...data.advice.map((advice) => make("p", { class: "advice" }, advice)));
  drawFlame(section("flame"), data.flame, data.page_bytes);
  drawTimeline(section("timeline"), data.timeline, data.page_bytes, COPIED);
  drawTable(section("mappings"), data.mappings, "Where the copies come from");
  drawMaps(section("maps"), data.maps, data.page_bytes);
  if (data.holders) drawTable(section("holders"), data.holders, "Held by which variables");
  else section("holders").remove();
}

/** The objects on new memory, and the variables that hold them. */
function drawGrown() {
  if (!data.grown) return section("grown").remove();
  const [types, variables] = data.grown;
  if (types.rows.length > 0) drawTable(section("grown"), types, "What grows, by type");
  else note(section("grown"), `No Python objects live on the new memory. ${types.note}`);
  if (variables.rows.length > 0) drawTable(section("grown"), variables, "What grows, by variable");
}

/** The sections that older recordings have no figures for. */
function drawMemory() {
  if (data.memory) drawMemoryOverTime(section("memory"), data.memory, data.memory_by_process, data.page_bytes);
  else section("memory").remove();
  if (data.balances) drawBalances(section("balances"), data.balances, data.page_bytes);
  else section("balances").remove();
}

drawHead();
drawMemory();
drawGrown();
if (data.totals.copied_pages > 0) drawCopies();
else for (const id of ["timeline", "maps", "mappings", "flame", "writers", "holders"]) section(id).remove();
if (data.growers) drawTable(section("growers"), data.growers, "What grew the heap");
else section("growers").remove();
drawContents();
drawTable(section("processes"), data.processes, "Processes");
drawEnd();

// Canvases do not follow the colour scheme by themselves.
const redraw = () => redrawers.forEach((draw) => draw());
for (const media of ["(prefers-color-scheme: dark)", "print"]) {
  window.matchMedia(media).addEventListener("change", redraw);
}
window.addEventListener("beforeprint", redraw);
