//! Rows of a label, a text and figures at the right edge.

use unicode_width::UnicodeWidthStr as _;

use crate::terminal::wrap;

/// Columns of a label, with the space behind it.
const LABEL: usize = 9;
/// Between columns.
const GAP: usize = 2;
/// Wider rows are hard to follow from the text to its figure.
const WIDEST: usize = 80;
/// In narrower rows there is no room for a second figure.
const NARROW: usize = 60;
/// A text that would get fewer columns is above its figure.
const LEAST_TEXT: usize = 20;

/// The text of a row in so many columns, in one line or more.
type Text<'a> = Box<dyn Fn(usize) -> Vec<String> + 'a>;

/// A row.
pub(super) struct LabelledRow<'a> {
    /// Shown once if the rows below have the same.
    label: &'static str,
    text: Text<'a>,
    figures: RowFigures,
    /// The higher, the sooner it is left out for lack of lines; with 0 never.
    rank: u8,
}

/// What is at the right edge.
pub(super) enum RowFigures {
    Nothing,
    Share(String),
    ShareAndSize(String, String),
    Words(String),
}

impl<'a> LabelledRow<'a> {
    pub(super) fn new(
        label: &'static str,
        rank: u8,
        figures: RowFigures,
        text: impl Fn(usize) -> Vec<String> + 'a,
    ) -> Self {
        Self {
            label,
            text: Box::new(text),
            figures,
            rank,
        }
    }
}

impl LabelledRow<'_> {
    /// The same row, to be left out sooner.
    pub(super) fn less_important(mut self, by: u8) -> Self {
        self.rank = self.rank.saturating_add(by);
        self
    }

    /// Its label.
    pub(super) const fn label(&self) -> &'static str {
        self.label
    }

    /// Its text, wrapped at `room` columns, without padding between words.
    pub(super) fn text_in(&self, room: usize) -> Vec<String> {
        let lines = (self.text)(room).into_iter();
        lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Its figures, one after the other.
    pub(super) fn figures_in_words(&self) -> String {
        match &self.figures {
            RowFigures::Nothing => String::new(),
            RowFigures::Share(one) | RowFigures::Words(one) => one.clone(),
            RowFigures::ShareAndSize(share, size) => format!("{share}, {size}"),
        }
    }
}

/// The lines of rows, as many as fit; rows that may be left out go first.
pub(super) fn lines_of_rows(
    mut rows: Vec<LabelledRow<'_>>,
    width: usize,
    most: usize,
) -> Vec<String> {
    loop {
        let columns = FigureColumns::of(&rows, width);
        let mut lines = Vec::new();
        let mut above = "";
        for row in &rows {
            let label = if row.label == above { "" } else { row.label };
            above = row.label;
            lines.extend(columns.lines_of_row(row, label));
        }
        let droppable = rows.iter().enumerate().filter(|(_, row)| row.rank > 0);
        let next = droppable.max_by_key(|(at, row)| (row.rank, *at));
        match next.map(|(at, _)| at) {
            Some(at) if lines.len() > most => drop(rows.remove(at)),
            _ => return lines,
        }
    }
}

/// Where figures stand.
struct FigureColumns {
    width: usize,
    share: usize,
    size: usize,
}

impl FigureColumns {
    fn of(rows: &[LabelledRow<'_>], width: usize) -> Self {
        let (mut share, mut size) = (0, 0);
        for row in rows {
            if let RowFigures::Share(of_row) | RowFigures::ShareAndSize(of_row, _) = &row.figures {
                share = share.max(of_row.width());
            }
            if let RowFigures::ShareAndSize(_, of_row) = &row.figures {
                size = size.max(of_row.width());
            }
        }
        Self {
            width: width.min(WIDEST),
            share,
            size: if width < NARROW { 0 } else { size },
        }
    }

    /// The figures of a row, with the columns that they take.
    fn figures_of_row(&self, row: &LabelledRow<'_>) -> String {
        let (share, size) = (self.share, self.size);
        let gap = if size > 0 {
            " ".repeat(GAP)
        } else {
            String::new()
        };
        match &row.figures {
            RowFigures::Nothing => String::new(),
            RowFigures::Words(words) => words.clone(),
            RowFigures::Share(of_row) => format!("{of_row:>share$}{gap}{:size$}", ""),
            RowFigures::ShareAndSize(of_row, _) if size == 0 => format!("{of_row:>share$}"),
            RowFigures::ShareAndSize(of_row, bytes) => {
                format!("{of_row:>share$}{gap}{bytes:>size$}")
            }
        }
    }

    fn lines_of_row(&self, row: &LabelledRow<'_>, label: &str) -> Vec<String> {
        let all = self.width.saturating_sub(LABEL);
        let mut figures = self.figures_of_row(row);
        let taken = match figures.width() {
            0 => 0,
            figures => figures + GAP,
        };
        let mut room = all.saturating_sub(taken);
        let mut below = None;
        if taken > 0 && room < LEAST_TEXT {
            room = all;
            below = Some(std::mem::take(&mut figures));
        }
        let texts = (row.text)(room).into_iter().chain(below.map(|figures| {
            let before = all.saturating_sub(figures.width());
            format!("{:before$}{figures}", "")
        }));
        let mut lines = Vec::new();
        for (index, text) in texts.enumerate() {
            let (label, figures) = if index == 0 {
                (label, figures.as_str())
            } else {
                ("", "")
            };
            let fill = (all - figures.width().min(all)).saturating_sub(text.width());
            let fill = if figures.is_empty() { 0 } else { fill };
            let line = format!("{label:LABEL$}{text}{:fill$}{figures}", "");
            lines.push(line.trim_end().to_owned());
        }
        lines
    }
}

/// A row of a sentence.
pub(super) fn text_row<'a>(
    label: &'static str,
    rank: u8,
    figures: RowFigures,
    text: String,
) -> LabelledRow<'a> {
    LabelledRow::new(label, rank, figures, move |room| wrap(&text, room))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<LabelledRow<'static>> {
        let row = |label, rank, figures, text: &'static str| {
            LabelledRow::new(label, rank, figures, move |room| wrap(text, room))
        };
        let share = |share: &str| RowFigures::Share(share.into());
        let both = |share: &str, size: &str| RowFigures::ShareAndSize(share.into(), size.into());
        vec![
            row("what", 0, both("72 %", "610 MiB"), "titles"),
            row("what", 2, both("9 %", "1.5 MiB"), "comments"),
            row("where", 0, share(">99 %"), "service.py:41 in Handler.get"),
            row(
                "helps",
                1,
                RowFigures::Words("at most 610 MiB".into()),
                "arrays",
            ),
            row("check", 1, RowFigures::Nothing, "change it, trace again"),
        ]
    }

    #[test]
    fn figures_stand_below_each_other() {
        let lines = lines_of_rows(rows(), 60, 12);
        let end_of_share = |line: &String| line.find('%');
        let ends: Vec<_> = lines.iter().filter_map(end_of_share).collect();
        assert_eq!(ends, [50, 50, 50], "{lines:#?}");
        assert!(
            lines[..2].iter().all(|line| line.width() == 60),
            "{lines:#?}"
        );
        assert!(lines[3].starts_with("helps    arrays ") && lines[3].ends_with(" at most 610 MiB"));
        assert_eq!(lines[3].width(), 60);
        assert_eq!(lines[4], "check    change it, trace again");
        for width in 30..100 {
            let lines = lines_of_rows(rows(), width, 12);
            assert!(lines.iter().all(|line| line.width() <= width), "{lines:#?}");
        }
    }

    #[test]
    fn what_matters_least_is_left_out_first() {
        let left = |most| {
            let lines = lines_of_rows(rows(), 80, most);
            let first = |line: String| line.split_whitespace().next().map(str::to_owned);
            lines.into_iter().filter_map(first).collect::<Vec<_>>()
        };
        assert_eq!(left(4), ["what", "where", "helps", "check"]);
        assert_eq!(left(3), ["what", "where", "helps"]);
        assert_eq!(left(0), ["what", "where"]);
    }
}
