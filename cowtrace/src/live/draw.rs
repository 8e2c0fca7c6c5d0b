//! Draws the screen. It reads the state and nothing else.

mod foot;
mod front;
mod line;
mod strip;
mod table;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Rect, Size},
    style::Style,
};
use unicode_width::UnicodeWidthStr as _;

use self::{foot::Foot, front::Texts, line::Line, strip::draw_strip, table::draw_table};
use super::{
    look::Look,
    rows::Table,
    state::{Front, Phase, State},
};
use crate::{
    terminal::wrap,
    words::{cut, percent, seconds, shorten, size},
};

/// The least that anything can be drawn on.
const LEAST: Size = Size {
    width: 60,
    height: 12,
};
const TOO_SMALL: &str = "the window is too small: 60 columns and 12 lines are needed";
/// From this height on there is room for the name of a strip;
const ROOMY: u16 = 16;
/// and for three lines of the answer, or of a message, instead of two.
const LARGE: u16 = 24;
/// What stands on which lines.
struct Lines {
    headline: u16,
    /// The answer, in lines.
    answer: Vec<String>,
    rows: u16,
    /// Lines of the strip.
    strip: u16,
    foot: Foot,
}

impl Lines {
    /// Of a screen of this height; `None` where there is no room.
    fn of(state: &State, look: Look, size: Size) -> Option<Self> {
        if size.width < LEAST.width || size.height < LEAST.height {
            return None;
        }
        let most = if size.height >= LARGE { 3 } else { 2 };
        let answer = answer(state, look, size.width.into(), most);
        let strip = if size.height >= ROOMY { 2 } else { 1 };
        let height = u16::try_from(answer.len()).unwrap_or(0);
        let foot = Foot::of(state, look, size.width.into(), most);
        // Header, answer, copies, ceiling, tables, titles, rows, strip, foot.
        let others = 1 + height + 4 + strip + foot.height();
        Some(Self {
            headline: 1,
            answer,
            rows: size.height - others,
            strip,
            foot,
        })
    }

    /// The line of the copies over time, after which come ceiling, tables and titles.
    fn copies(&self) -> u16 {
        self.headline + u16::try_from(self.answer.len()).unwrap_or(0)
    }

    /// The table with its titles.
    fn table(&self, area: Rect) -> Rect {
        Rect {
            y: area.y + self.copies() + 3,
            height: self.rows + 1,
            ..area
        }
    }

    /// All but the header and the foot.
    fn front(&self, area: Rect) -> Rect {
        Rect {
            y: area.y + self.headline,
            height: area.height - self.headline - self.foot.height(),
            ..area
        }
    }
}

/// Fits what is shown to a screen: which rows, and which lines of what stands in front of them.
pub(super) fn fit(state: &mut State, look: Look, size: Size) {
    state.set_page(table_rows(state, look, size));
    state.set_most_scroll(most_scroll(state, look, size));
}

/// How many rows of the table fit on a screen.
fn table_rows(state: &State, look: Look, size: Size) -> usize {
    Lines::of(state, look, size).map_or(1, |lines| lines.rows.into())
}

/// How far what stands in front of the table can be scrolled.
fn most_scroll(state: &State, look: Look, size: Size) -> usize {
    let Some(lines) = Lines::of(state, look, size) else {
        return 0;
    };
    let area = Rect::from(size);
    Texts::of(state, lines.table(area), lines.front(area)).most_scroll()
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
        let text = (area.width > 0).then(|| wrap(TOO_SMALL, area.width.into()));
        for (y, text) in (0..area.height).zip(text.iter().flatten()) {
            line(y).draw(text, Style::new(), buffer);
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
    let strip = area.height - lines.foot.height() - lines.strip;
    let strip: Vec<Line> = (strip..strip + lines.strip).map(line).collect();
    draw_strip(state, look, &strip, buffer);
    let table = lines.table(area);
    if state.front == Front::Table {
        draw_table(state, look, table, buffer);
    } else {
        Texts::of(state, table, lines.front(area)).draw(state, look, buffer);
    }
    let foot = area.height - lines.foot.height();
    lines.foot.draw(line(foot), buffer);
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
        Some(lost) => format!("{}. Lost: {lost}.", facts.headline),
        None => facts.headline.clone(),
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
