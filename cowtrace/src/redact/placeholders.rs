//! What stands for names: a word and a number each, equal for what is equal.

use std::collections::HashMap;

/// What has a placeholder of its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PlaceholderKind {
    /// Part of a path, of a variable's path, or of code's name. One kind, so that a module and its file are seen to
    /// belong together.
    Name,
    /// A command line, without the program.
    Command,
    /// Key of a label.
    Label,
    /// Value of a label.
    Value,
    /// A message about this machine.
    Message,
}

impl PlaceholderKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Command => "command",
            Self::Label => "label",
            Self::Value => "value",
            Self::Message => "message",
        }
    }
}

/// The placeholders of a run, numbered from 1 on in the order in which they are first needed.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    numbers: HashMap<(PlaceholderKind, String), usize>,
    given: HashMap<PlaceholderKind, usize>,
}

impl Placeholders {
    /// What stands for a text. Nothing stands for nothing.
    pub(super) fn instead_of(&mut self, text: &str, kind: PlaceholderKind) -> String {
        if text.is_empty() {
            return String::new();
        }
        let given = &mut self.given;
        let number = self.numbers.entry((kind, text.to_owned()));
        let number = number.or_insert_with(|| {
            let last = given.entry(kind).or_default();
            *last += 1;
            *last
        });
        format!("{}-{number}", kind.word())
    }

    /// What stands for a name.
    pub(super) fn name(&mut self, name: &str) -> String {
        self.instead_of(name, PlaceholderKind::Name)
    }
}

/// These have no text: what can be copied bit by bit owns none.
pub(super) fn are_figures<'a, T: Copy + 'a>(_: impl IntoIterator<Item = &'a T>) {}

/// Replaces a text by what a rule makes of it.
pub(super) fn replace_text(
    text: &mut String,
    rule: fn(&str, &mut Placeholders) -> String,
    names: &mut Placeholders,
) {
    *text = rule(text, names);
}

/// Replaces a text, if there is one.
pub(super) fn replace_optional_text(
    text: &mut Option<String>,
    rule: fn(&str, &mut Placeholders) -> String,
    names: &mut Placeholders,
) {
    if let Some(text) = text {
        replace_text(text, rule, names);
    }
}
