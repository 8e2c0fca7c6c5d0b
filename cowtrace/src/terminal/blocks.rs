//! Building blocks of text: section titles, paragraphs and list items.

use std::io::{self, Write};

use super::{style::Style, wrap::wrap};

/// Writes the title of a section, with an empty line before it.
pub(crate) fn section(title: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    heading(title, style, out)
}

/// Writes bold lines.
pub(crate) fn heading(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, style.width)
        .iter()
        .try_for_each(|line| writeln!(out, "{}", bold(line, style)))
}

/// Writes a paragraph without indentation.
pub(crate) fn paragraph(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, style.width)
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
}

/// Writes an indented paragraph of a section.
pub(crate) fn indented(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, style.width - 2)
        .iter()
        .try_for_each(|line| writeln!(out, "  {line}"))
}

/// Writes a list item, whose first line is not indented.
pub(crate) fn item(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    for (index, line) in wrap(text, style.width - 4).iter().enumerate() {
        let indent = if index == 0 { "  " } else { "    " };
        writeln!(out, "{indent}{line}")?;
    }
    Ok(())
}

fn bold(text: &str, style: Style) -> String {
    if style.color {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
