// Memory over time: of all processes, or of one of those that grew most.

const ALL_PROCESSES = "all processes, each page once";

function drawMemoryOverTime(section, all, byProcess, pageBytes) {
  const place = make("div");
  if (byProcess) {
    for (const band of all.bands) band.color = byProcess.parts.indexOf(band.name);
    section.append(processChoice(byProcess, (chosen) => show(chosen)));
  }
  const show = (chosen) => {
    place.replaceChildren();
    const chart = chosen === null ? all : memoryOfProcess(byProcess, chosen);
    drawTimeline(place, chart, pageBytes, chosen === null ? IN_MEMORY : IN_PROCESS);
  };
  section.append(place);
  show(null);
}

/** A list of the processes; calls back with the place of the chosen one, or null for all. */
function processChoice(byProcess, choose) {
  const option = (value, text) => make("option", { value }, text);
  const list = make("select", {}, option("", ALL_PROCESSES),
    ...byProcess.processes.map((process, place) => option(String(place), process.name)));
  list.addEventListener("change", () => choose(list.value === "" ? null : Number(list.value)));
  return make("label", { class: "choice" }, "Memory of ", list);
}

/** The chart of one process. */
function memoryOfProcess({ at_ns, parts, processes, note }, place) {
  const { bands, given_back } = processes[place];
  const isUsed = (pages) => pages.some((number) => number > 0);
  const band = (name, color) => ({ name, color, pages: bands[color] });
  return {
    at_ns,
    bands: parts.map(band).filter(({ pages }) => isUsed(pages)),
    line: isUsed(given_back) ? { name: "given back so far", pages: given_back } : null,
    has_others: false,
    note,
  };
}
