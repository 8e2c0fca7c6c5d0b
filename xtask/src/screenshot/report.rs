//! The pictures of a recorded run: the first lines of its report, and the top of its page in a browser.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{ansi, svg, written};
use crate::packages::Need;

/// What takes the picture of the page, and what makes it smaller.
pub(super) const NEEDS: [Need; 2] = [
    Need {
        program: "chromium",
        packages: &["chromium"],
        why: "a picture of the page for browsers is taken in one",
    },
    Need {
        program: "optipng",
        packages: &["optipng"],
        why: "it makes that picture smaller",
    },
];

const CARD: &str = "card.svg";
const PAGE: &str = "page.png";
/// Columns of a report that goes to no terminal, and one.
const COLUMNS: u16 = 81;
/// What was typed, as it stands above the lines.
const TYPED: &str = "\x1b[2m$ cowtrace report\x1b[0m";
/// Begins the line below the first ones, which says how to see more.
const MORE: &str = "More: ";
/// Width and height of the window.
const WINDOW: &str = "--window-size=1200,1100";
/// Pictures are read over the network, and kept in every version of the repository.
const MOST_BYTES: u64 = 150_000;

/// Takes both pictures of a recording, with a folder for what is needed meanwhile.
pub(super) fn take_pictures(cowtrace: &Path, recording: &Path, folder: &Path) -> Result<()> {
    let report = reported(cowtrace, recording, &["--color", "always"])?;
    let shown = format!("{TYPED}\n{}", first_lines(&report)?);
    let lines = ansi::lines_of_screen(&shown);
    let title = "The first lines of the report on a gunicorn service";
    fs::write(written(CARD), svg::picture(&lines, COLUMNS, title))?;
    let page = folder.join("page.html");
    fs::write(&page, reported(cowtrace, recording, &["-f", "html"])?)?;
    take_picture_of_page(&page, folder)
}

/// What cowtrace prints of a recording.
fn reported(cowtrace: &Path, recording: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(cowtrace)
        .arg("report")
        .arg(recording)
        .args(arguments)
        .output()
        .context("cannot start cowtrace")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The lines above the tables.
fn first_lines(report: &str) -> Result<&str> {
    let end = report.find(MORE).context("a report without first lines")?;
    Ok(report[..end].trim_end())
}

fn take_picture_of_page(page: &Path, folder: &Path) -> Result<()> {
    let picture = written(PAGE);
    let mut browser = Command::new("chromium");
    browser
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--no-first-run", "--hide-scrollbars", WINDOW])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("browser").display()
        ))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()));
    succeed(&mut browser)?;
    succeed(
        Command::new("optipng")
            .args(["-quiet", "-o2"])
            .arg(&picture),
    )?;
    let bytes = fs::metadata(&picture)?.len();
    ensure!(
        bytes <= MOST_BYTES,
        "{} has {bytes} bytes: more than {MOST_BYTES}",
        picture.display()
    );
    Ok(())
}

/// Runs a program that says much without a need.
fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let status = command.stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_end_above_the_hint() {
        let report = "A LEAK\n\nwhat     x\n\nMore: cowtrace report\n\nWHO WROTE\n";
        assert_eq!(first_lines(report).unwrap(), "A LEAK\n\nwhat     x");
        assert!(first_lines("nothing").is_err());
    }
}
