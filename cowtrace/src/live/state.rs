//! What the screen shows, and what a key changes in that. Knows no terminal.

use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    facts::Facts,
    rows::{About, LiveRow, Rows, Table},
};
use crate::run::{CopiedBefore, Run};

/// Lines that a page has until the screen is known.
const USUAL_PAGE: usize = 10;
/// Seconds between two moments that are shown, from which `+` and `-` choose.
const PACES: [u64; 5] = [1, 2, 5, 10, 30];

/// Where a trace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    #[default]
    Live,
    /// It has ended; what was copied is being looked up.
    Ending,
    /// The run is whole.
    Ended,
}

/// What a key asks for beside a change of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing is different.
    Nothing,
    /// To draw.
    Draw,
    /// To end.
    End,
    /// To write a report of what is shown.
    WriteReport,
    /// To stop, as `Ctrl-Z` does.
    Suspend,
}

/// How a table is sorted: by a column, the one after the last is the subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: usize,
    pub(super) is_inverted: bool,
}

/// What is in front of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Table,
    Details,
    /// What the traced command prints.
    Output,
    Help,
}

/// All of it.
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) table: Table,
    pub(super) front: Front,
    pub(super) filter: String,
    /// Whether letters go into the filter.
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) facts: Facts,
    pub(super) rows: Rows,
    /// The first row on the screen, and the selected one.
    pub(super) top: usize,
    pub(super) at: usize,
    /// How far what is in front of the table is scrolled, lines: down, or what a command prints up.
    pub(super) scrolled: usize,
    /// What was done, or could not be, until the next key.
    pub(super) message: Option<String>,
    /// The last lines that the traced command printed; `None` if none was started.
    pub(super) output: Option<Vec<String>>,
    sorts: [Sort; Table::ALL.len()],
    /// The newest moment, and the one that is shown: with what was copied since counting began anew.
    latest: Arc<Run>,
    shown: Arc<Run>,
    before: Option<CopiedBefore>,
    selected: Option<About>,
    page: usize,
    pace: usize,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Live,
            table: Table::Workers,
            front: Front::Table,
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            facts: Facts::default(),
            rows: Rows::default(),
            top: 0,
            at: 0,
            scrolled: 0,
            message: None,
            output: None,
            sorts: [Sort::default(); Table::ALL.len()],
            latest: Arc::default(),
            shown: Arc::default(),
            before: None,
            selected: None,
            page: USUAL_PAGE,
            pace: 0,
        }
    }

    /// The run that is shown.
    pub(super) fn run(&self) -> &Run {
        &self.shown
    }

    pub(super) const fn sort(&self) -> Sort {
        self.sorts[self.table.place()]
    }

    /// Seconds between two moments that are shown.
    pub(super) const fn pace(&self) -> u64 {
        PACES[self.pace]
    }

    /// Whether counting began anew.
    pub(super) const fn counts_from_now(&self) -> bool {
        self.before.is_some()
    }

    /// The selected row.
    pub(super) fn selected(&self) -> Option<&LiveRow> {
        self.rows.all.get(self.at)
    }

    /// Takes in a newer moment; returns whether anything on the screen changes.
    pub(super) fn take(&mut self, run: Arc<Run>, phase: Phase) -> bool {
        let changes = self.phase != phase || !self.is_paused;
        self.phase = phase;
        self.latest = run;
        // What a trace ends with has names that were not known before.
        if !self.is_paused || phase == Phase::Ended {
            self.show_latest();
        }
        changes
    }

    /// Takes in how many rows fit on the screen.
    pub(super) fn set_page(&mut self, rows: usize) {
        self.page = rows.max(1);
        self.scroll();
    }

    /// Takes in how far what is in front of the table can be scrolled.
    pub(super) fn set_most_scroll(&mut self, lines: usize) {
        self.scrolled = self.scrolled.min(lines);
    }

    fn show_latest(&mut self) {
        self.shown = match &self.before {
            None => Arc::clone(&self.latest),
            Some(before) => Arc::new(before.clone().since(&self.latest)),
        };
        self.facts = Facts::of(&self.latest);
        self.fill();
    }

    /// Makes the rows anew; what was selected stays it.
    fn fill(&mut self) {
        let mut rows = Rows::of(self.table, &self.shown);
        if !self.filter.is_empty() {
            rows.filter(&self.filter);
        }
        let Sort {
            column,
            is_inverted,
        } = self.sort();
        rows.sort(column, is_inverted);
        self.rows = rows;
        let place = self.selected.as_ref().and_then(|about| {
            let mut rows = self.rows.all.iter();
            rows.position(|row| row.about == *about)
        });
        self.at = place.unwrap_or(self.at);
        self.scroll();
    }

    /// Keeps the selected row on the screen.
    fn scroll(&mut self) {
        let last = self.rows.all.len().saturating_sub(1);
        self.at = self.at.min(last);
        let lowest = (self.at + 1).saturating_sub(self.page);
        self.top = self.top.clamp(lowest, self.at);
    }

    fn select(&mut self, at: usize) {
        self.at = at.min(self.rows.all.len().saturating_sub(1));
        self.selected = self.selected().map(|row| row.about.clone());
        self.scroll();
    }

    fn turn_to(&mut self, table: Table) {
        self.table = table;
        self.front = Front::Table;
        self.selected = None;
        (self.at, self.top) = (0, 0);
        self.fill();
    }

    /// Does what a key says.
    pub(super) fn on_key(&mut self, key: KeyEvent) -> Action {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                // Terminals send Ctrl-\ as they do Ctrl-4.
                KeyCode::Char('c' | '\\' | '4') => Action::End,
                KeyCode::Char('z') => Action::Suspend,
                KeyCode::Char('l') => Action::Draw,
                _ => Action::Nothing,
            };
        }
        if self.is_typing {
            return self.on_letter(key.code);
        }
        match key.code {
            KeyCode::Char('q') if self.front != Front::Help => return Action::End,
            KeyCode::Char('w') => return Action::WriteReport,
            _ => {}
        }
        let closes = match key.code {
            KeyCode::Esc => self.front != Front::Table,
            KeyCode::Char('q') => self.front == Front::Help,
            _ => false,
        };
        if closes {
            self.front = Front::Table;
            return Action::Draw;
        }
        if self.moves(key.code) || self.changes_table(key.code) || self.changes_screen(key.code) {
            Action::Draw
        } else {
            Action::Nothing
        }
    }

    /// A key while the filter is typed.
    fn on_letter(&mut self, key: KeyCode) -> Action {
        match key {
            KeyCode::Char(letter) if !letter.is_control() => self.filter.push(letter),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            _ => return Action::Nothing,
        }
        self.fill();
        Action::Draw
    }

    fn moves(&mut self, key: KeyCode) -> bool {
        if matches!(self.front, Front::Help | Front::Output) {
            return self.scrolls(key);
        }
        let last = self.rows.all.len().saturating_sub(1);
        let to = match key {
            KeyCode::Char('j') | KeyCode::Down => self.at + 1,
            KeyCode::Char('k') | KeyCode::Up => self.at.saturating_sub(1),
            KeyCode::PageDown => self.at + self.page,
            KeyCode::PageUp => self.at.saturating_sub(self.page),
            KeyCode::Char('g') | KeyCode::Home => 0,
            KeyCode::Char('G') | KeyCode::End => last,
            _ => return false,
        };
        self.select(to);
        true
    }

    /// A key that moves what is in front of the table; what a command prints begins at its end.
    fn scrolls(&mut self, key: KeyCode) -> bool {
        let at = self.scrolled;
        let begins_at_end = self.front == Front::Output;
        let (further, back, page) = (at + 1, at.saturating_sub(1), self.page);
        let (page_further, page_back) = (at + page, at.saturating_sub(page));
        let (first, last) = (0, usize::MAX / 2);
        let (down, up) = match key {
            KeyCode::Char('j') | KeyCode::Down => (further, back),
            KeyCode::Char('k') | KeyCode::Up => (back, further),
            KeyCode::PageDown => (page_further, page_back),
            KeyCode::PageUp => (page_back, page_further),
            KeyCode::Char('g') | KeyCode::Home => (first, last),
            KeyCode::Char('G') | KeyCode::End => (last, first),
            _ => return false,
        };
        self.scrolled = if begins_at_end { up } else { down };
        true
    }

    fn changes_table(&mut self, key: KeyCode) -> bool {
        let columns = self.rows.titles.len() + 1;
        let tables = Table::ALL.len();
        let place = self.table.place();
        match key {
            KeyCode::Char(number @ '1'..='5') => {
                self.turn_to(Table::ALL[number as usize - '1' as usize]);
                return true;
            }
            KeyCode::Tab => {
                self.turn_to(Table::ALL[(place + 1) % tables]);
                return true;
            }
            KeyCode::BackTab => {
                self.turn_to(Table::ALL[(place + tables - 1) % tables]);
                return true;
            }
            _ => {}
        }
        let sort = &mut self.sorts[place];
        match key {
            KeyCode::Char('s') => sort.column = (sort.column + 1) % columns,
            KeyCode::Char('S') => sort.column = (sort.column + columns - 1) % columns,
            KeyCode::Char('i') => sort.is_inverted = !sort.is_inverted,
            _ => return false,
        }
        self.fill();
        true
    }

    fn changes_screen(&mut self, key: KeyCode) -> bool {
        match key {
            KeyCode::Char(' ' | 'p') => {
                self.is_paused = !self.is_paused;
                if !self.is_paused {
                    self.show_latest();
                }
            }
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Esc => {
                self.filter.clear();
                self.fill();
            }
            KeyCode::Enter => self.toggle(Front::Details),
            KeyCode::Char('o') => self.toggle(Front::Output),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.toggle(Front::Help),
            KeyCode::Char('+') => self.pace = (self.pace + 1).min(PACES.len() - 1),
            KeyCode::Char('-') => self.pace = self.pace.saturating_sub(1),
            KeyCode::Char('r') => {
                self.before = match self.before {
                    None => Some(CopiedBefore::of(&self.latest)),
                    Some(_) => None,
                };
                self.show_latest();
            }
            _ => return false,
        }
        true
    }

    fn toggle(&mut self, front: Front) {
        self.scrolled = 0;
        self.front = if self.front == front {
            Front::Table
        } else {
            front
        };
    }
}
