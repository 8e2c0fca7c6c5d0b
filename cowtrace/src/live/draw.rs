//! Draws the screen. It reads the state and nothing else.

mod front;
mod line;
mod table;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Rect, Size},
    style::Style,
};
use unicode_width::UnicodeWidthStr as _;

use self::{front::draw_front, line::Line, table::draw_table};
use super::{
    look::Look,
    rows::{About, Table},
    state::{Front, Phase, State},
};
use crate::{
    foreign::printable,
    run::{Region, Row, Run},
    terminal::wrap,
    verdict::copied_by_slice,
    words::{cut, percent, region_name, seconds, shorten, size},
};

/// The least that anything can be drawn on.
const LEAST: Size = Size {
    width: 60,
    height: 12,
};
/// From this height on there is room for more than one line of the answer, and for the name of a strip;
const ROOMY: u16 = 16;
/// and for three lines.
const LARGE: u16 = 24;
/// Keys, as far as there is room; the last one always.
const KEYS: [&str; 7] = [
    "q end",
    "1-5 tables",
    "s sort",
    "/ filter",
    "Enter details",
    "Space pause",
    "w report",
];
const LAST_KEY: &str = "? help";

/// What stands on which lines.
struct Lines {
    headline: u16,
    /// The answer, in lines.
    answer: Vec<String>,
    rows: u16,
    /// Lines of the strip.
    strip: u16,
}

impl Lines {
    /// Of a screen of this height; `None` where there is no room.
    fn of(state: &State, look: Look, size: Size) -> Option<Self> {
        if size.width < LEAST.width || size.height < LEAST.height {
            return None;
        }
        let most = match size.height {
            LARGE.. => 3,
            ROOMY.. => 2,
            _ => 1,
        };
        let answer = answer(state, look, size.width.into(), most);
        let strip = if size.height >= ROOMY { 2 } else { 1 };
        let height = u16::try_from(answer.len()).unwrap_or(0);
        // Header, answer, copies, ceiling, tables, titles, rows, strip, keys.
        let others = 1 + height + 4 + strip + 1;
        Some(Self {
            headline: 1,
            answer,
            rows: size.height - others,
            strip,
        })
    }

    /// The line of the copies over time, after which come ceiling, tables and titles.
    fn copies(&self) -> u16 {
        self.headline + u16::try_from(self.answer.len()).unwrap_or(0)
    }
}

/// How many rows of the table fit on a screen.
pub(super) fn table_rows(state: &State, look: Look, size: Size) -> usize {
    Lines::of(state, look, size).map_or(1, |lines| lines.rows.into())
}

/// Draws all of it.
pub(super) fn draw(state: &State, look: Look, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let line = |y: u16| Line {
        x: area.x,
        y: area.y + y,
        width: area.width,
    };
    let Some(lines) = Lines::of(state, look, area.as_size()) else {
        if area.area() > 0 {
            let text = "the window is too small: 60 columns and 12 lines are needed";
            line(0).draw(text, Style::new(), buffer);
        }
        return;
    };
    draw_header(state, look, line(0), buffer);
    for (y, text) in (lines.headline..).zip(&lines.answer) {
        line(y).draw(text, Look::strong(), buffer);
    }
    draw_copies(state, look, line(lines.copies()), buffer);
    draw_ceiling(state, look, line(lines.copies() + 1), buffer);
    draw_tables(state, line(lines.copies() + 2), buffer);
    let rows = Rect {
        x: area.x,
        y: area.y + lines.copies() + 4,
        width: area.width,
        height: lines.rows,
    };
    if state.front == Front::Table {
        draw_table(state, look, line(lines.copies() + 3), rows, buffer);
    } else {
        draw_front(state, look, rows, buffer);
    }
    draw_strip(state, look, &lines, line, buffer);
    draw_last_line(state, look, line(area.height - 1), buffer);
}

/// What is traced, for how long, and whether something was lost.
fn draw_header(state: &State, look: Look, line: Line, buffer: &mut Buffer) {
    let facts = &state.facts;
    let (phase, is_alarm) = match state.phase {
        _ if state.is_paused => ("PAUSED", true),
        Phase::Live => ("LIVE", false),
        Phase::Ending => ("ENDING", false),
        Phase::Ended => ("ENDED", false),
    };
    let from = if state.counts_from_now() {
        "tables count from now on  "
    } else {
        ""
    };
    let times = format!("{from}{}  {}  ", seconds(facts.elapsed_ns), facts.backend);
    let lost = if facts.lost.is_empty() { "" } else { "  LOST" };
    let right = times.width() + phase.width() + lost.width();
    let room = usize::from(line.width).saturating_sub(right + 1);
    let target = look.plain(&shorten(&facts.target, room));
    line.draw(&target, Look::strong(), buffer);
    let mut x = line.width - u16::try_from(right).unwrap_or(line.width).min(line.width);
    for (text, style) in [
        (times.as_str(), Look::faint()),
        (
            phase,
            if is_alarm {
                look.alarm()
            } else {
                Look::strong()
            },
        ),
        (lost, look.alarm()),
    ] {
        let part = Line {
            x: line.x + x,
            width: line.width.saturating_sub(x),
            ..line
        };
        part.draw(text, style, buffer);
        x += u16::try_from(text.width()).unwrap_or(0);
    }
}

/// The answer in a sentence, with the first loss where there is room, in `most` lines at most.
fn answer(state: &State, look: Look, width: usize, most: usize) -> Vec<String> {
    let facts = &state.facts;
    // Lost details alone have the word in the first line.
    let lost = facts.lost.first().filter(|_| facts.totals_suffer);
    let text = match lost {
        Some(lost) if most > 1 => format!("{}. Lost: {lost}.", facts.headline),
        _ => facts.headline.clone(),
    };
    let mut lines = wrap(&look.plain(&text), width);
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(look.plain(&cut(&rest, width)));
    }
    lines
}

/// Copies over time, newest at the right.
fn draw_copies(state: &State, look: Look, line: Line, buffer: &mut Buffer) {
    let facts = &state.facts;
    let text = format!(
        "copied {:>9}  {:>11}  ",
        size(facts.copied),
        facts.rate_in_words()
    );
    line.draw(&text, Style::new(), buffer);
    let begin = u16::try_from(text.width()).unwrap_or(line.width);
    let room = usize::from(line.width.saturating_sub(begin));
    let first = facts.rates.len().saturating_sub(room);
    let shown = &facts.rates[first..];
    let most = shown.iter().copied().max().unwrap_or(0).max(1) as f64;
    let parts: Vec<f64> = shown.iter().map(|rate| *rate as f64 / most).collect();
    let strip = Line {
        x: line.x + begin,
        width: line.width.saturating_sub(begin),
        ..line
    };
    strip.draw(&look.strip(&parts), look.drawn(), buffer);
}

/// How far copies have come.
fn draw_ceiling(state: &State, look: Look, line: Line, buffer: &mut Buffer) {
    let Some((unshared, ceiling)) = state.facts.how_far.filter(|(_, all)| *all > 0) else {
        let text = if state.facts.copied == 0 {
            "how far: nothing was copied yet"
        } else {
            "how far: not known of the workers that live, or none does"
        };
        line.draw(text, Look::faint(), buffer);
        return;
    };
    let part = unshared as f64 / ceiling as f64;
    let text = format!(
        "unshared in this trace {} of {} inherited ({})  ",
        size(unshared),
        size(ceiling),
        percent(part)
    );
    line.draw(&text, Style::new(), buffer);
    let begin = u16::try_from(text.width()).unwrap_or(line.width);
    let bar = Line {
        x: line.x + begin,
        width: line.width.saturating_sub(begin),
        ..line
    };
    bar.draw(&look.bar(part, bar.width.into()), look.drawn(), buffer);
}

/// Which tables there are.
fn draw_tables(state: &State, line: Line, buffer: &mut Buffer) {
    let mut x = 0;
    for (number, table) in (1..).zip(Table::ALL) {
        let is_shown = table == state.table;
        let name = format!(" {number} {} ", table.title());
        let style = if is_shown {
            Look::chosen()
        } else {
            Look::faint()
        };
        let part = Line {
            x: line.x + x,
            width: line.width.saturating_sub(x),
            ..line
        };
        part.draw(&name, style, buffer);
        x += u16::try_from(name.width()).unwrap_or(0);
    }
}

/// Where in the selected memory the copies are.
fn draw_strip(
    state: &State,
    look: Look,
    lines: &Lines,
    line: impl Fn(u16) -> Line,
    buffer: &mut Buffer,
) {
    let y = lines.copies() + 4 + lines.rows;
    let width = line(y).width.into();
    let run = state.run();
    let Some((name, region, process)) = region_of_selection(state) else {
        let text = "where: nothing was copied from a mapping yet";
        line(y + lines.strip - 1).draw(text, Look::faint(), buffer);
        return;
    };
    let is_wanted = |row: &&Row| process.is_none_or(|id| row.process_id == id);
    let rows = run.memory.rows.iter().filter(is_wanted);
    let copiers = if process.is_some() {
        1
    } else {
        region.inheritors
    };
    let parts = copied_by_slice(run, region, rows, copiers, width);
    if lines.strip > 1 {
        let whole = size(region.mapping.size_bytes());
        let subject = process
            .and_then(|id| run.process(id))
            .map_or_else(String::new, |it| format!("{} copied ", it.pid));
        let text = format!("where {subject}in {name} ({whole}, low to high addresses)");
        let text = look.plain(&shorten(&text, width));
        line(y).draw(&text, Look::faint(), buffer);
    }
    line(y + lines.strip - 1).draw(&look.strip(&parts), look.drawn(), buffer);
}

/// The region that is selected, or in which most of what is selected was copied; with the process, if only its
/// copies count.
fn region_of_selection(state: &State) -> Option<(String, &Region, Option<u32>)> {
    let run = state.run();
    let region = |id: u32| run.region(id);
    let (region, process) = match state.selected().map(|row| &row.about) {
        Some(About::Region(id)) => (region(*id), None),
        Some(About::Process(id)) => (
            most_copied_by(run, *id)
                .and_then(region)
                .or_else(|| most_copied(run)),
            most_copied_by(run, *id).map(|_| *id),
        ),
        Some(About::Name(_)) | None => (most_copied(run), None),
    };
    let region = region?;
    Some((region_name(run, region), region, process))
}

fn most_copied(run: &Run) -> Option<&Region> {
    let regions = run.memory.regions.iter();
    regions
        .filter(|region| region.copied_pages > 0)
        .max_by_key(|region| region.copied_pages)
}

/// The region that a process copied most of.
fn most_copied_by(run: &Run, process: u32) -> Option<u32> {
    let rows = &run.memory.rows;
    let first = rows.partition_point(|row| row.process_id < process);
    let mut sums: std::collections::BTreeMap<u32, u64> = std::collections::BTreeMap::new();
    for row in rows[first..]
        .iter()
        .take_while(|row| row.process_id == process)
    {
        if let Some(region) = row.region_id {
            *sums.entry(region).or_default() += row.copied.total();
        }
    }
    let most = sums.into_iter().max_by_key(|(_, pages)| *pages)?;
    (most.1 > 0).then_some(most.0)
}

/// A message, the filter while it is typed, or the keys.
fn draw_last_line(state: &State, look: Look, line: Line, buffer: &mut Buffer) {
    let width = line.width.into();
    if state.phase == Phase::Ended && !state.is_typing {
        let message = state.message.as_deref().unwrap_or_default();
        let text = format!("the trace has ended: q leaves  {message}");
        let text = look.plain(&cut(&printable(text.trim_end()), width));
        line.draw(&text, Look::strong(), buffer);
    } else if let Some(message) = &state.message {
        let text = look.plain(&shorten(&printable(message.trim_end()), width));
        line.draw(&text, Look::strong(), buffer);
    } else if state.is_typing || !state.filter.is_empty() {
        let cursor = if state.is_typing {
            "_"
        } else {
            "  (Esc clears)"
        };
        let text = format!("filter: {}{cursor}", printable(&state.filter));
        line.draw(&look.plain(&text), Look::strong(), buffer);
    } else {
        line.draw(&keys(width), Look::faint(), buffer);
    }
}

/// The keys that there is room for.
fn keys(width: usize) -> String {
    let mut text = String::new();
    for key in KEYS {
        if text.len() + key.len() + LAST_KEY.len() + 4 > width {
            break;
        }
        text.push_str(key);
        text.push_str("  ");
    }
    text + LAST_KEY
}
