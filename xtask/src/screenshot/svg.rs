//! A screen as a picture. Blocks are drawn as rectangles, so that bars look alike in every font.

use std::fmt::Write as _;

use super::ansi::{Cell, Style};

/// Size of a character, and space around all of them.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 16.0;
/// From the top of a line to the foot of its letters.
const BASELINE: f64 = 13.5;

const BACKGROUND: &str = "#1b1f24";
const TEXT: &str = "#d0d7de";
const BRIGHT: &str = "#ffffff";
const DIM: &str = "#8b949e";
/// The sixteen colours of a terminal.
const COLORS: [&str; 16] = [
    "#484f58", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#d0d7de",
    "#6e7681", "#ffa198", "#aff5b4", "#f8e3a1", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff",
];

/// The picture of a screen of so many columns. `title` says what it shows.
pub(super) fn picture(lines: &[Vec<Cell>], columns: u16, title: &str) -> String {
    let (width, height) = (
        f64::from(columns) * WIDTH + 2.0 * MARGIN,
        lines.len() as f64 * HEIGHT + 2.0 * MARGIN,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n\
         <title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"14\">\n",
        escaped(title)
    );
    for (line, y) in lines.iter().zip(0u32..) {
        draw_line(line, MARGIN + f64::from(y) * HEIGHT, &mut svg);
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn draw_line(line: &[Cell], top: f64, svg: &mut String) {
    let mut column = 0;
    // What looks alike is drawn at once.
    for part in line.chunk_by(|one, next| look_of(*one) == look_of(*next)) {
        let left = MARGIN + column as f64 * WIDTH;
        let width = part.len() as f64 * WIDTH;
        column += part.len();
        let Some(first) = part.first() else { continue };
        let (ink, paper) = colors(first.style);
        if let Some(paper) = paper {
            rectangle((left, top, width, HEIGHT), paper, 1.0, svg);
        }
        match block(first.letter) {
            Some((share, opacity)) => {
                let height = HEIGHT * share;
                let place = (left, top + HEIGHT - height, width, height);
                rectangle(place, ink, opacity, svg);
            }
            None => draw_text(part, (left, top), ink, svg),
        }
    }
}

/// Cells that can be drawn together: those of a style, and blocks only with their like.
fn look_of(cell: Cell) -> (Style, Option<char>) {
    let block = block(cell.letter).map(|_| cell.letter);
    (cell.style, block)
}

/// Words, each at its place: what is between them is as wide as in a terminal only then.
fn draw_text(cells: &[Cell], (left, top): (f64, f64), ink: &str, svg: &mut String) {
    let mut column = 0;
    for word in cells.chunk_by(|one, next| (one.letter == ' ') == (next.letter == ' ')) {
        let x = left + column as f64 * WIDTH;
        column += word.len();
        let Some(first) = word.first().filter(|it| it.letter != ' ') else {
            continue;
        };
        let weight = if first.style.is_bold {
            " font-weight=\"600\""
        } else {
            ""
        };
        let text: String = word.iter().map(|cell| cell.letter).collect();
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" fill=\"{ink}\"{weight}>{}</text>",
            top + BASELINE,
            word.len() as f64 * WIDTH,
            escaped(&text)
        );
    }
}

fn rectangle(
    (x, y, width, height): (f64, f64, f64, f64),
    fill: &str,
    opacity: f64,
    svg: &mut String,
) {
    let opacity = if opacity < 1.0 {
        format!(" opacity=\"{opacity}\"")
    } else {
        String::new()
    };
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.2}\" width=\"{width:.1}\" height=\"{height:.2}\" fill=\"{fill}\"{opacity}/>"
    );
}

/// How much of its place a block fills from below, and how densely.
fn block(letter: char) -> Option<(f64, f64)> {
    match letter {
        '▁'..='█' => Some((f64::from(u32::from(letter) - u32::from('▁') + 1) / 8.0, 1.0)),
        '░' => Some((1.0, 0.25)),
        _ => None,
    }
}

/// The colour of letters, and the one behind them if that is not the usual one.
fn colors(style: Style) -> (&'static str, Option<&'static str>) {
    let usual = if style.is_dim {
        DIM
    } else if style.is_bold {
        BRIGHT
    } else {
        TEXT
    };
    let named = style.color.and_then(|color| COLORS.get(usize::from(color)));
    let ink = named.copied().unwrap_or(usual);
    if style.is_reversed {
        (BACKGROUND, Some(ink))
    } else {
        (ink, None)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screenshot::ansi::lines_of_screen;

    #[test]
    fn letters_are_text_and_blocks_are_rectangles() {
        let lines = lines_of_screen("  a<b \x1b[36m▄▄█\x1b[0m\n\x1b[7mchosen\x1b[0m");
        let svg = picture(&lines, 10, "a & b");
        for part in [
            "<title>a &amp; b</title>",
            "textLength=\"25.2\" fill=\"#d0d7de\">a&lt;b</text>",
            // Two halves at once, and a whole.
            "width=\"16.8\" height=\"9.00\" fill=\"#56d4dd\"/>",
            "width=\"8.4\" height=\"18.00\" fill=\"#56d4dd\"/>",
            "width=\"50.4\" height=\"18.00\" fill=\"#d0d7de\"/>",
            "fill=\"#1b1f24\">chosen</text>",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }
}
