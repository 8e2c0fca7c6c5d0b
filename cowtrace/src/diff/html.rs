//! A comparison as one HTML page of tables, without scripts and without external resources.

use std::{
    fmt,
    io::{self, Write},
};

use super::{
    columns::{CHANCE, ChangeColumn, FIGURES},
    comparison::Comparison,
    measure::Measured,
    rows::{ChangeRow, Subject},
    statistics::{Change, Finding},
    unit::one_unit,
    words::{bytes_in_words, subject_in_words},
};
use crate::words::{count, percent, printable, seconds};

/// Most rows in a table; JSON has more.
const MOST_ROWS: usize = 20;

/// Smaller changes are not coloured.
const TOLD: f64 = 0.01;

const STYLE: &str = include_str!("style.css");

/// Writes a comparison as HTML.
pub fn comparison_as_html(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <title>cowtrace: a comparison</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{}</h1>\n<p>{}</p>\n",
        Escaped(&comparison.summary()),
        Escaped(&comparison.confidence())
    )?;
    write_warnings_as_html(comparison, out)?;
    let tables = [
        ("Kind of write", &comparison.kinds),
        ("What was written", &comparison.written),
        ("Python line that wrote", &comparison.lines),
        ("Function that wrote", &comparison.functions),
        ("Mapping of the master", &comparison.mappings),
        ("Other memory", &comparison.others),
    ];
    write_total(comparison, out)?;
    for (title, rows) in tables {
        write_change_table(title, rows, out)?;
    }
    write_change_table(
        "Mappings that could not be matched",
        comparison.unmatched.as_slice(),
        out,
    )?;
    write_spreads(comparison, out)?;
    write_runs(comparison, out)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn write_warnings_as_html(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    if comparison.warnings.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section class=\"care\"><h2>Compare with care, the runs differ in</h2>\n<ul>"
    )?;
    for warning in &comparison.warnings {
        writeln!(out, "<li>{}</li>", Escaped(&warning.text))?;
    }
    writeln!(out, "</ul></section>")
}

/// Opens a table of changes.
fn open_table(caption: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "<table class=\"changes\">\n<caption>{caption}</caption>\n<tr>"
    )?;
    // The bars have no title, nor has the column that names the row.
    let titles = FIGURES.iter().map(|column| column.title);
    for title in titles.chain(["", CHANCE.title, ""]) {
        write!(out, "<th scope=\"col\">{title}</th>")?;
    }
    writeln!(out, "</tr>")
}

fn write_total(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let totals = &comparison.totals;
    let counted = [
        (Some(&totals.total), "copied in all".to_owned()),
        (totals.per_worker.as_ref(), "per worker".to_owned()),
        (
            totals.per_unit.as_ref(),
            format!(
                "per {}",
                one_unit(comparison.options.per.as_deref().unwrap_or("work"))
            ),
        ),
    ];
    open_table("Copied", out)?;
    for (change, name) in counted {
        if let Some(change) = change {
            write_figures(
                change,
                change.base.median.max(change.new.median),
                &name,
                out,
            )?;
        }
    }
    writeln!(out, "</table>")
}

fn write_change_table(title: &str, rows: &[ChangeRow], out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let most = rows
        .iter()
        .map(|row| row.changes.main())
        .fold(0.0, |most: f64, it| {
            most.max(it.base.median).max(it.new.median)
        });
    let told = match rows.len() {
        number if number > MOST_ROWS => format!(", {MOST_ROWS} of {}", count(number as u64)),
        _ => String::new(),
    };
    open_table(&format!("{title}{told}"), out)?;
    for row in rows.iter().take(MOST_ROWS) {
        write_figures(
            row.changes.main(),
            most,
            &subject_in_words(&row.subject),
            out,
        )?;
    }
    writeln!(out, "</table>")
}

/// A row: its figures, and two bars in proportion to the largest figure.
fn write_figures(change: &Change, most: f64, name: &str, out: &mut dyn Write) -> io::Result<()> {
    let part = |value: f64| {
        if most > 0.0 {
            value / most * 100.0
        } else {
            0.0
        }
    };
    let is_told =
        change.relative().is_none_or(|it| it.abs() >= TOLD) && change.finding != Finding::NoneSeen;
    let direction = match change.difference() {
        d if is_told && d < 0.0 => "less",
        d if is_told && d > 0.0 => "more",
        _ => "same",
    };
    write!(out, "<tr class=\"{direction}\">")?;
    for column in &FIGURES {
        write_cell(column, change, out)?;
    }
    write!(
        out,
        "<td class=\"bars\"><i style=\"width:{:.1}%\"></i><b style=\"width:{:.1}%\"></b></td>",
        part(change.base.median),
        part(change.new.median),
    )?;
    write_cell(&CHANCE, change, out)?;
    writeln!(out, "<th scope=\"row\">{}</th></tr>", Escaped(name))
}

fn write_cell(column: &ChangeColumn, change: &Change, out: &mut dyn Write) -> io::Result<()> {
    let figure = (column.figure)(change);
    let figure = Escaped(&figure);
    match column.class {
        "" => write!(out, "<td>{figure}</td>"),
        class => write!(out, "<td class=\"{class}\">{figure}</td>"),
    }
}

/// How the copies are spread over the mappings that both sides have.
fn write_spreads(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let told = |value: Option<f64>| value.map(percent).unwrap_or_default();
    let rows = comparison
        .mappings
        .iter()
        .take(MOST_ROWS)
        .filter_map(|row| {
            let Subject::Mapping(mapping) = &row.subject else {
                return None;
            };
            Some((row, mapping, mapping.spread.as_ref()?))
        });
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writeln!(
        out,
        "<table>\n<caption>Spread of the copies over a mapping</caption>\n\
         <tr><th scope=\"colgroup\" colspan=\"2\">ranges with copies</th>\
         <th scope=\"colgroup\" colspan=\"2\">no longer shared</th>\
         <th scope=\"colgroup\" colspan=\"2\">copies elsewhere</th><th></th></tr>\n\
         <tr><th scope=\"col\">BASE</th><th scope=\"col\">NEW</th>\
         <th scope=\"col\">BASE</th><th scope=\"col\">NEW</th>\
         <th scope=\"col\">than in BASE</th><th scope=\"col\">within a side</th>\
         <th scope=\"col\"></th></tr>"
    )?;
    for (row, mapping, spread) in rows {
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <th scope=\"row\">{}</th></tr>",
            Escaped(&told(spread.touched_base)),
            Escaped(&told(spread.touched_new)),
            Escaped(&told(mapping.unshared_base)),
            Escaped(&told(mapping.unshared_new)),
            Escaped(&told(spread.moved)),
            Escaped(&told(spread.moved_within)),
            Escaped(&subject_in_words(&row.subject))
        )?;
    }
    writeln!(out, "</table>")
}

fn write_runs(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<table>\n<caption>Runs</caption>\n<tr><th scope=\"col\">copied</th>\
         <th scope=\"col\">workers</th><th scope=\"col\">duration</th>\
         <th scope=\"col\">started</th><th scope=\"col\">backend</th>\
         <th scope=\"col\">side</th><th scope=\"col\"></th></tr>"
    )?;
    let sides = [("BASE", &comparison.base), ("NEW", &comparison.new)];
    for (side, run) in sides
        .into_iter()
        .flat_map(|(side, runs)| runs.iter().map(move |run: &Measured| (side, run)))
    {
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{side}</td>\
             <th scope=\"row\">{}</th></tr>",
            bytes_in_words(run.copied),
            run.workers,
            seconds(run.duration_ns),
            Escaped(&printable(&run.started_at)),
            Escaped(&printable(&run.backend)),
            Escaped(&printable(&run.name))
        )?;
    }
    writeln!(out, "</table>")
}

/// Escapes text for elements and quoted attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                letter => fmt::Write::write_char(out, letter)?,
            }
        }
        Ok(())
    }
}
