//! What text is put together from: titles of sections, paragraphs and items of lists.

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

/// Writes a paragraph from the first column on.
pub(crate) fn paragraph(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, style.width)
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
}

/// Writes a paragraph of a section, which is indented.
pub(crate) fn indented(text: &str, style: Style, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, style.width - 2)
        .iter()
        .try_for_each(|line| writeln!(out, "  {line}"))
}

/// Writes an item of a list, whose first line stands out.
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
