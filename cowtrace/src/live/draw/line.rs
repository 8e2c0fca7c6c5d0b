//! A line of the screen.

use ratatui::{buffer::Buffer, style::Style};

/// Where a line is drawn, and how wide.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) x: u16,
    pub(super) y: u16,
    pub(super) width: u16,
}

impl Line {
    /// Draws a text there, cut to its width.
    pub(super) fn draw(self, text: &str, style: Style, buffer: &mut Buffer) {
        buffer.set_stringn(self.x, self.y, text, self.width.into(), style);
    }
}
