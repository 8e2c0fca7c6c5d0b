//! What a terminal shows, from text with the escape sequences that set colours and attributes (ECMA-48, SGR).

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// One of the sixteen colours; none for the usual one.
    pub(super) color: Option<u8>,
    pub(super) is_bold: bool,
    pub(super) is_dim: bool,
    pub(super) is_reversed: bool,
}

/// A character on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) letter: char,
    pub(super) style: Style,
}

/// The lines of a screen. Other sequences than those for looks are left out.
pub(super) fn lines_of_screen(text: &str) -> Vec<Vec<Cell>> {
    let mut style = Style::default();
    text.lines().map(|line| cells(line, &mut style)).collect()
}

fn cells(line: &str, style: &mut Style) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            let style = *style;
            cells.push(Cell { letter, style });
            continue;
        }
        let rest = letters.as_str().strip_prefix('[').unwrap_or_default();
        let end = rest.find(|letter: char| letter.is_ascii_alphabetic());
        let Some(end) = end else { break };
        if rest[end..].starts_with('m') {
            style.take(&rest[..end]);
        }
        letters = rest[end + 1..].chars();
    }
    cells
}

impl Style {
    /// Takes in parameters, as `1;36`.
    fn take(&mut self, parameters: &str) {
        // One of 256 colours, of which the first are the sixteen.
        let parameters = parameters.replace("38;5;", "38:");
        for parameter in parameters.split(';') {
            if let Some(color) = parameter.strip_prefix("38:") {
                self.color = color.parse().ok();
                continue;
            }
            match parameter.parse::<u8>().unwrap_or(0) {
                0 => *self = Self::default(),
                1 => self.is_bold = true,
                2 => self.is_dim = true,
                7 => self.is_reversed = true,
                22 => (self.is_bold, self.is_dim) = (false, false),
                27 => self.is_reversed = false,
                color @ 30..=37 => self.color = Some(color - 30),
                color @ 90..=97 => self.color = Some(color - 90 + 8),
                39 => self.color = None,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_last_until_they_are_changed() {
        let lines = lines_of_screen("a\x1b[1;38;5;6mb\nc\x1b[39md\x1b[0m\x1b[2Ke\x1b[7mf");
        let shown: Vec<(char, Option<u8>, bool)> = lines
            .iter()
            .flatten()
            .map(|cell| (cell.letter, cell.style.color, cell.style.is_bold))
            .collect();
        let expected = [
            ('a', None, false),
            ('b', Some(6), true),
            ('c', Some(6), true),
            ('d', None, true),
            ('e', None, false),
            ('f', None, false),
        ];
        assert_eq!(shown, expected);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].last().unwrap().style.is_reversed);
        assert!(lines_of_screen("\x1b[").concat().is_empty());
    }
}
