//! Names of kept recordings: when the trace began, the process that it traced, and that one's program.

use std::fmt;

/// Letters of a program's name in a file's name, at most.
const MOST_PROGRAM: usize = 32;
/// What all names end in.
const ENDING: &str = ".cow";
/// Letters of a moment as in `2026-11-27T11-30-12.345Z`.
const MOMENT: usize = 24;

/// The name of a kept recording, such as `2026-11-27T11-30-12.345Z-4242-gunicorn.cow`. It has no letters but
/// those of ASCII that mean nothing to a shell or a terminal. The older comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptName(String);

impl KeptName {
    /// The name for a run that began at this time, RFC 3339 with milliseconds; none if it is no such time.
    #[must_use]
    pub fn new(started_at: &str, pid: u32, program: &str) -> Option<Self> {
        let moment = started_at.replace(':', "-");
        let program = plain_program(program);
        Self::parse(&format!("{moment}-{pid}-{program}{ENDING}"))
    }

    /// A name that was found; none if it was not made here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = Self(text.to_owned());
        let (moment, rest) = text.split_at_checked(MOMENT)?;
        let (pid, program) = rest
            .strip_prefix('-')?
            .strip_suffix(ENDING)?
            .split_once('-')?;
        let is_moment = humantime::parse_rfc3339(&with_colons(moment)).is_ok();
        let is_pid = pid.parse::<u32>().is_ok_and(|it| it.to_string() == pid);
        let is_program = !program.is_empty() && plain_program(program) == program;
        (is_moment && is_pid && is_program).then_some(name)
    }

    /// As a file's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The program, as far as a name holds it.
    #[must_use]
    pub fn program(&self) -> &str {
        self.parts().1
    }

    /// The process's number, and the program.
    fn parts(&self) -> (&str, &str) {
        let rest = self.0.get(MOMENT + 1..).unwrap_or_default();
        let rest = rest.strip_suffix(ENDING).unwrap_or(rest);
        rest.split_once('-').unwrap_or_default()
    }
}

/// What was traced and when, in words.
impl fmt::Display for KeptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pid, program) = self.parts();
        let moment = with_colons(self.0.get(..MOMENT).unwrap_or_default());
        let (day, time) = moment.split_once('T').unwrap_or_default();
        let seconds = time.split('.').next().unwrap_or_default();
        write!(f, "{program} ({pid}), {day} {seconds} UTC")
    }
}

/// A moment in a name as RFC 3339 writes it; whatever it is not, that is not either.
fn with_colons(moment: &str) -> String {
    let letters = moment.chars().enumerate();
    letters
        .map(|(place, letter)| match (place, letter) {
            (13 | 16, '-') => ':',
            // Not in a name.
            (_, ':' | ' ') => '?',
            (_, letter) => letter,
        })
        .collect()
}

/// A program's name made of letters, digits and dots, with a hyphen for whatever else it has.
fn plain_program(name: &str) -> String {
    let mut plain = String::new();
    for letter in name.chars() {
        if plain.len() == MOST_PROGRAM {
            break;
        }
        match letter {
            '0'..='9' | 'a'..='z' | 'A'..='Z' | '.' | '_' | '+' => plain.push(letter),
            _ if plain.ends_with('-') => {}
            _ => plain.push('-'),
        }
    }
    let plain = plain.trim_matches('-');
    if plain.is_empty() {
        "process".into()
    } else {
        plain.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-27T11:30:12.345Z";

    fn named(program: &str) -> String {
        KeptName::new(AT, 42, program).unwrap().0
    }

    #[test]
    fn a_name_says_when_which_process_and_which_program() {
        let name = KeptName::new(AT, 4242, "gunicorn").unwrap();
        assert_eq!(name.as_str(), "2026-11-27T11-30-12.345Z-4242-gunicorn.cow");
        assert_eq!(name.program(), "gunicorn");
        assert_eq!(name.to_string(), "gunicorn (4242), 2026-11-27 11:30:12 UTC");
        assert_eq!(KeptName::parse(name.as_str()), Some(name));
        assert!(KeptName::new("today", 1, "a").is_none());
    }

    #[test]
    fn whatever_a_program_is_called_its_name_is_plain() {
        for (program, plain) in [
            ("gunicorn: master [app]", "gunicorn-master-app"),
            ("../../etc/passwd", "..-..-etc-passwd"),
            ("a\n\x1b[2J;$(b)`", "a-2J-b"),
            ("-rf", "rf"),
            ("名前", "process"),
            ("", "process"),
            ("python3.11", "python3.11"),
        ] {
            assert_eq!(
                named(program),
                format!("2026-11-27T11-30-12.345Z-42-{plain}.cow")
            );
        }
        let long = named(&format!(
            "{}-{}",
            "x".repeat(MOST_PROGRAM - 1),
            "y".repeat(5000)
        ));
        assert_eq!(
            KeptName::parse(&long).unwrap().program().len(),
            MOST_PROGRAM - 1
        );
    }

    #[test]
    fn the_older_comes_first() {
        let at = |time: &str, pid| KeptName::new(time, pid, "a").unwrap();
        let before = at("2026-11-27T11:30:12.344Z", 9);
        assert!(before < at(AT, 10) && before < at("2027-01-01T00:00:00.000Z", 1));
    }

    #[test]
    fn no_other_name_is_taken_for_one() {
        for other in [
            "",
            ".",
            "run.cow",
            "2026-11-27T11-30-12.345Z-42-a.cow-journal",
            "2026-11-27T11-30-12.345Z-42-a.cow.cow\n",
            "2026-11-27T11-30-12.345Z-42-.cow",
            "2026-11-27T11-30-12.345Z-42-a/b.cow",
            "2026-11-27T11-30-12.345Z-42-a\x1b[2J.cow",
            "2026-11-27T11-30-12.345Z-042-a.cow",
            "2026-11-27T11-30-12.345Z-+42-a.cow",
            "2026-11-27T11-30-12.345Z-99999999999-a.cow",
            "2026-13-27T11-30-12.345Z-42-a.cow",
            "2026-11-27T11:30:12.345Z-42-a.cow",
            "2026-11-27 11-30-12.345Z-42-a.cow",
            "2026-11-27T11-30-12.345é-42-a.cow",
            " 2026-11-27T11-30-12.34Z-42-a.cow",
        ] {
            assert_eq!(KeptName::parse(other), None, "{other:?}");
        }
    }
}
