//! The report as an HTML page: one file with its style, script and data inside, which loads nothing
//! from any network.
//!
//! All figures are computed here; the page's script lays them out. Every foreign string is escaped
//! as in text, and inserted as text, never as markup.

mod by_process;
mod flame;
mod map;
mod memory;
mod tables;
mod timeline;

use std::io::{self, Write};

use serde::Serialize;

use super::text::rows_without_layout;
use crate::{
    run::Run,
    verdict::{
        Card, advice, earlier_workers, facts, growth_of_tree, losses, problem_of_perf_map, summary,
        unshared_share, verdict_in_words,
    },
    words::{last_of_pid, plural, printable, program_of, seconds},
};

const HEAD: &str = concat!(
    include_str!("head.html"),
    "<style>\n",
    include_str!("style.css"),
    "</style>\n",
    include_str!("body.html"),
);

const TAIL: &str = concat!(
    "<script>\n\"use strict\";\n(() => {\n",
    include_str!("words.js"),
    include_str!("table.js"),
    include_str!("timeline.js"),
    include_str!("memory.js"),
    include_str!("balance.js"),
    include_str!("cells.js"),
    include_str!("map.js"),
    include_str!("flame.js"),
    include_str!("main.js"),
    "})();\n</script>\n</body>\n</html>\n",
);

/// Most rows of perf maps with a problem: the collector reads no more of them.
const MOST_PERF_MAPS: usize = 64;

/// Everything the page shows.
#[derive(Serialize)]
struct PageData {
    title: String,
    /// Sentences, the most important first.
    answer: Vec<String>,
    /// What follows the first sentence, a row a question.
    card: Vec<PageCardRow>,
    totals: PageTotals,
    /// None in a recording of a version that looked at copies alone.
    memory: Option<timeline::PageTimeline>,
    /// None if there is but one process, and likewise.
    memory_by_process: Option<by_process::MemoryByProcess>,
    /// None if none was read.
    balances: Option<memory::Balances>,
    page_bytes: u64,
    range_bytes: u64,
    timeline: timeline::PageTimeline,
    mappings: tables::Table,
    maps: map::Maps,
    writers: tables::Table,
    /// None if variables were not looked up.
    holders: Option<tables::Table>,
    /// None if no first touch is known.
    growers: Option<tables::Table>,
    /// Advice, one item per paragraph.
    advice: Vec<String>,
    flame: flame::Flame,
    /// Types and variables of what lives on new memory; none if no process was read.
    grown: Option<[tables::Table; 2]>,
    processes: tables::Table,
    /// Sentences.
    facts: Vec<String>,
    /// Name and value.
    measured: Vec<(&'static str, String)>,
    lost: Vec<String>,
}

/// A row of the card.
#[derive(Serialize)]
struct PageCardRow {
    label: &'static str,
    text: String,
    figures: String,
}

#[derive(Serialize)]
struct PageTotals {
    copied_pages: u64,
    copied_bytes: u64,
    reused_faults: u64,
    /// None if it is not known.
    ceiling_bytes: Option<u64>,
    unshared_share: Option<f64>,
    /// Of processes that lived at the end; none in recordings of versions that did not look, as new memory.
    held_bytes: Option<u64>,
    new_bytes: Option<u64>,
    /// Whether all workers were forked in the trace and live.
    all_live: bool,
    workers: usize,
}

/// Writes a run as a page.
pub fn run_as_html(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    out.write_all(b"<script type=\"application/json\" id=\"data\">")?;
    out.write_all(inert_json(&serde_json::to_string(&page_data(run))?).as_bytes())?;
    out.write_all(b"</script>\n")?;
    out.write_all(TAIL.as_bytes())
}

fn page_data(run: &Run) -> PageData {
    let copied = run.copied().total();
    let growth = growth_of_tree(run);
    let verdict = growth.map(|growth| verdict_in_words(run, &growth));
    let workers = run.workforce().workers;
    let mut answer: Vec<String> = verdict.into_iter().collect();
    answer.push(format!("{}.", summary(run)));
    PageData {
        title: title_of_page(run),
        answer,
        card: card_of_page(run),
        memory: memory::memory_of_tree(run),
        memory_by_process: by_process::memory_by_process(run),
        balances: memory::balances_of_run(run),
        totals: PageTotals {
            copied_pages: copied,
            copied_bytes: run.bytes(copied),
            reused_faults: run.reused_faults(),
            ceiling_bytes: run.ceiling_bytes(),
            unshared_share: unshared_share(run),
            held_bytes: growth.map(|growth| growth.held_bytes),
            new_bytes: growth.map(|growth| growth.new_bytes),
            all_live: earlier_workers(run) == 0
                && workers.iter().all(|it| it.forked.exited_ns.is_none()),
            workers: workers.len(),
        },
        page_bytes: run.head.host.page_bytes,
        range_bytes: run.memory.range_bytes,
        timeline: timeline::timeline_of_run(run),
        mappings: tables::mappings_table(run),
        maps: map::maps_of_run(run),
        writers: tables::writers_table(run),
        holders: tables::holders_table(run),
        growers: tables::growers_table(run),
        advice: advice(run),
        flame: flame::flame_of_run(run),
        grown: tables::grown_tables(run),
        processes: tables::processes_table(run),
        facts: facts(run),
        measured: how_measured(run),
        lost: losses(run),
    }
}

fn card_of_page(run: &Run) -> Vec<PageCardRow> {
    let rows = rows_without_layout(&Card::of(run)).into_iter();
    rows.map(|row| PageCardRow {
        label: row.label,
        text: row.text,
        figures: row.figures,
    })
    .collect()
}

fn title_of_page(run: &Run) -> String {
    let master = run
        .memory
        .processes
        .iter()
        .find(|process| process.parent_id.is_none());
    match master {
        Some(master) => format!("cowtrace: {} ({})", program_of(run, master), master.pid),
        None => "cowtrace".into(),
    }
}

fn how_measured(run: &Run) -> Vec<(&'static str, String)> {
    let targets: Vec<String> = if run.head.traced_targets.is_empty() {
        run.head.targets.iter().map(u32::to_string).collect()
    } else {
        let named = run.head.traced_targets.iter();
        let named = named.map(|it| printable(&format!("{} ({})", it.name, it.what)));
        named.collect()
    };
    let mut facts = vec![
        ("Started", printable(&run.head.started_at)),
        ("Took", seconds(run.head.duration_ns)),
        ("Targets", targets.join(", ")),
        ("Backend", printable(&run.head.backend)),
    ];
    for (backend, reason) in &run.head.rejected {
        let reason = format!("{}: {}", printable(backend), printable(reason));
        facts.push(("Could not be used", reason));
    }
    for problem in run.who_wrote.perf_map_problems.iter().take(MOST_PERF_MAPS) {
        let owner = last_of_pid(run, problem.pid);
        facts.push((
            "Perf map",
            format!("That of {owner} {}", problem_of_perf_map(problem)),
        ));
    }
    for unseen in &run.head.unseen {
        facts.push(("Not seen", printable(unseen)));
    }
    for (key, value) in &run.head.labels {
        facts.push((
            "Label",
            format!("{} = {}", printable(key), printable(value)),
        ));
    }
    let host = &run.head.host;
    let machine = format!(
        "Linux {}, {}",
        printable(&host.kernel),
        printable(&host.arch)
    );
    facts.push((
        "Machine",
        format!("{machine}, {}", plural(host.cpus as u64, "CPU")),
    ));
    facts.push(("Page", plural(host.page_bytes, "byte")));
    facts.push(("Run", printable(&run.head.id)));
    facts.push((
        "Program",
        format!("cowtrace {}", printable(&run.head.tool_version)),
    ));
    facts
}

/// JSON that is safe inside a script element: nothing in its strings looks like markup.
fn inert_json(json: &str) -> String {
    json.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_string_ends_the_script_element() {
        let hostile = "</script><!--<script>&lt;";
        let json = inert_json(&serde_json::to_string(hostile).expect("json"));
        assert!(!json.contains(['<', '>', '&']), "{json}");
        let back: String = serde_json::from_str(&json).expect("json still");
        assert_eq!(back, hostile);
    }
}
