//! What a report shows: arguments of every command that makes one.

use std::path::Path;

use clap::Args;

use super::choices::{Format, format_of_name};

/// What a report shows, and how.
#[derive(Clone, Copy, Debug, Args)]
pub struct Shown {
    /// Format of the report; by default text
    #[arg(id = "format", short, long, value_enum, value_name = "FORMAT")]
    pub given_format: Option<Format>,

    /// All of the text report, not only its first lines and the top of each table
    #[arg(long)]
    pub full: bool,

    /// Leave the histogram out of -f json: with many workers it is most of it
    #[arg(long)]
    pub no_histogram: bool,
}

impl Shown {
    /// Format of the report.
    #[must_use]
    pub fn format(&self) -> Format {
        self.given_format.unwrap_or(Format::Text)
    }

    /// In the format that the name of the report's file ends in, if none is given.
    #[must_use]
    pub(super) fn in_file(self, output: Option<&Path>) -> Self {
        let given_format = self.given_format.or_else(|| format_of_name(output?));
        Self {
            given_format,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_the_format_unless_one_is_given() {
        let shown = |given_format, name: &str| {
            let shown = Shown {
                given_format,
                full: false,
                no_histogram: false,
            };
            shown.in_file(Some(Path::new(name))).format()
        };
        for (name, format) in [
            ("run.html", Format::Html),
            ("a.b/run.htm", Format::Html),
            ("run.json", Format::Json),
            ("run.csv", Format::Csv),
            ("run.folded", Format::Folded),
            ("run.pb.gz", Format::Pprof),
            ("run.json.gz", Format::Text),
            ("run.txt", Format::Text),
            ("html", Format::Text),
            ("x.html/run", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(shown(None, name), format, "{name}");
            assert_eq!(shown(Some(Format::Csv), name), Format::Csv);
        }
    }
}
