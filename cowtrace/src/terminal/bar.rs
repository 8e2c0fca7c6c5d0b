//! A bar: a share of a whole, drawn.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in a line of characters, computed from a fraction"
)]

/// A bar of `width` characters, in eighths.
pub(crate) fn bar(fraction: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (fraction.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut bar: String = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_in_eighths() {
        assert_eq!(
            (bar(0.0, 4), bar(0.5, 4), bar(1.0, 2)),
            (String::new(), "██".into(), "██".into())
        );
        assert_eq!(bar(0.125, 2), "▎");
    }
}
