//! How things look on this terminal.
//!
//! Only the sixteen colours that a terminal's user has chosen, and no backgrounds: they fit light and dark terminals.
//! Without colour, attributes alone: no style then sets any colour, since what resets one would reset attributes too.

use ratatui::style::{Color, Modifier, Style};

/// What a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub color: bool,
    /// Whether it shows more than ASCII.
    pub utf8: bool,
}

impl Look {
    /// Of the terminal of this process, by the variables that say in which encoding texts are.
    #[must_use]
    pub fn of_terminal(color: bool) -> Self {
        let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let variable = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set);
        let encoding = variable.and_then(|name| std::env::var(name).ok());
        let encoding = encoding.unwrap_or_default().to_lowercase();
        Self {
            color,
            utf8: encoding.contains("utf-8") || encoding.contains("utf8"),
        }
    }

    fn colored(self, color: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.color { style.fg(color) } else { style }
    }

    /// The answer, and titles.
    pub(super) const fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What explains.
    pub(super) const fn faint() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What must be seen.
    pub(super) fn alarm(self) -> Style {
        self.colored(Color::Red, Modifier::BOLD)
    }

    /// Bars and strips.
    pub(super) fn drawn(self) -> Style {
        self.colored(Color::Cyan, Modifier::empty())
    }

    /// What is chosen.
    pub(super) const fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Characters for none, a little, … to full.
    const fn shades(self) -> &'static [char] {
        if self.utf8 {
            &['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            &['.', ':', '-', '=', '+', '*', '%', '#']
        }
    }

    /// Parts of a whole, each a character.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list of characters, from a part of 1"
    )]
    pub(super) fn strip(self, parts: &[f64]) -> String {
        let shades = self.shades();
        let last = shades.len() - 1;
        let shade = |part: &f64| {
            if *part <= 0.0 {
                return shades[0];
            }
            let place = (part.min(1.0) * last as f64).round() as usize;
            shades[place.clamp(1, last)]
        };
        parts.iter().map(shade).collect()
    }

    /// A bar of a part, `width` columns long.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of columns, from a part of 1"
    )]
    pub(super) fn bar(self, part: f64, width: usize) -> String {
        let full = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
        let (on, off) = if self.utf8 {
            ("█", "░")
        } else {
            ("#", ".")
        };
        format!("{}{}", on.repeat(full), off.repeat(width - full))
    }

    /// A text without characters that the terminal does not show.
    pub(super) fn plain(self, text: &str) -> String {
        if self.utf8 {
            return text.to_owned();
        }
        let known = |letter: char| match letter {
            '…' => "...".to_owned(),
            '·' => "-".to_owned(),
            '±' => "+-".to_owned(),
            letter if letter.is_ascii() => letter.to_string(),
            _ => "?".to_owned(),
        };
        text.chars().map(known).collect()
    }
}
