//! What a user can give to trace, checked as far as it can be without looking at the machine.

use std::{collections::HashSet, fmt, path::PathBuf, str::FromStr};

use regex_lite::Regex;

use crate::run::TracedTarget;

/// Most that can be given for one trace.
pub const MOST_TARGETS: usize = 64;
/// Hex digits of a container's id.
const WHOLE_ID: usize = 64;
/// Fewer digits of it say too little.
const LEAST_DIGITS: usize = 4;
/// A container's name by default has as many digits of its id as container tools show.
const SHOWN_DIGITS: usize = 12;
/// Longest name of a unit (systemd.unit(5)).
const MOST_UNIT: usize = 255;
/// What the names of units end in (systemd.unit(5)).
const UNIT_SUFFIXES: [&str; 11] = [
    "service",
    "scope",
    "slice",
    "socket",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "device",
];

/// Something to trace.
#[derive(Clone, Debug)]
pub struct Target {
    /// The user's name for it.
    pub name: Option<String>,
    /// What it is.
    pub wanted: Wanted,
}

/// What can be traced.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A running process with its descendants.
    Pid(u32),
    /// Those whose command lines match, with their descendants.
    Match(Pattern),
    /// Those in a cgroup.
    Cgroup(PathBuf),
    /// Those of a systemd unit.
    Unit(UnitName),
    /// Those of a container.
    Container(ContainerPrefix),
}

impl Wanted {
    /// What it is, in words: `unit web.service`.
    #[must_use]
    pub fn describe(&self) -> String {
        let kind = match self {
            Self::Pid(_) => "pid",
            Self::Match(_) => "match",
            Self::Cgroup(_) => "cgroup",
            Self::Unit(_) => "unit",
            Self::Container(_) => "container",
        };
        format!("{kind} {}", self.as_given())
    }

    /// As the user gave it.
    fn as_given(&self) -> String {
        match self {
            Self::Pid(pid) => pid.to_string(),
            Self::Match(pattern) => pattern.to_string(),
            Self::Cgroup(path) => path.to_string_lossy().into_owned(),
            Self::Unit(unit) => unit.to_string(),
            Self::Container(id) => id.to_string(),
        }
    }

    /// A name for it where the user gave none.
    fn short_name(&self) -> String {
        let given = self.as_given();
        match self {
            Self::Cgroup(path) => path
                .file_name()
                .map_or(given, |name| name.to_string_lossy().into_owned()),
            Self::Unit(_) => given.strip_suffix(".service").unwrap_or(&given).to_owned(),
            Self::Container(_) => given.chars().take(SHOWN_DIGITS).collect(),
            Self::Pid(_) | Self::Match(_) => given,
        }
    }
}

/// The targets as a run has them: those without a name get one that no other has.
#[must_use]
pub fn named_targets(targets: &[Target]) -> Vec<TracedTarget> {
    let mut taken: HashSet<String> = targets.iter().filter_map(|it| it.name.clone()).collect();
    let named = targets.iter().map(|target| TracedTarget {
        name: target.name.clone().unwrap_or_else(|| {
            let short = target.wanted.short_name();
            let numbered = (2..).map(|number| format!("{short}-{number}"));
            let mut names = std::iter::once(short.clone()).chain(numbered);
            names
                .find(|name| taken.insert(name.clone()))
                .unwrap_or(short)
        }),
        what: target.wanted.describe(),
    });
    named.collect()
}

/// A regular expression for command lines, their arguments joined by spaces.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether a command line matches.
    #[must_use]
    pub fn matches(&self, command_line: &str) -> bool {
        self.0.is_match(command_line)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it matches every process; name a part of the command line".into());
        }
        Regex::new(text)
            .map(Self)
            .map_err(|error| format!("no regular expression: {error}"))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The name of a systemd unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName(String);

impl UnitName {
    /// As systemd writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || ":_.\\@-".contains(letter);
        let is_name =
            !text.is_empty() && text.chars().all(is_letter) && !text.starts_with(['-', '.']);
        if !is_name || text.len() > MOST_UNIT {
            return Err("give the name of a unit, such as web.service or web@1; `systemctl list-units` lists them".into());
        }
        let suffix = text.rsplit_once('.').map(|(_, suffix)| suffix);
        Ok(Self(match suffix {
            Some(suffix) if UNIT_SUFFIXES.contains(&suffix) => text.to_owned(),
            _ => format!("{text}.service"),
        }))
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first digits of a container's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPrefix(String);

impl ContainerPrefix {
    /// Whether a container's id begins with them.
    #[must_use]
    pub fn fits(&self, id: &str) -> bool {
        id.starts_with(&self.0)
    }
}

impl FromStr for ContainerPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // As Kubernetes writes it: containerd://3f2a….
        let digits = text.rsplit_once("://").map_or(text, |(_, digits)| digits);
        let digits = digits.to_ascii_lowercase();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(LEAST_DIGITS..=WHOLE_ID).contains(&digits.len()) {
            return Err(format!(
                "give the first digits of a container's id, {LEAST_DIGITS} to {WHOLE_ID}, as `docker ps` or `crictl ps` show it"
            ));
        }
        Ok(Self(digits))
    }
}

impl fmt::Display for ContainerPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is a container's whole id.
pub(super) fn is_whole_id(text: &str) -> bool {
    text.len() == WHOLE_ID
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: Option<&str>, wanted: Wanted) -> Target {
        Target {
            name: name.map(Into::into),
            wanted,
        }
    }

    #[test]
    fn a_unit_without_a_suffix_is_a_service() {
        for (given, unit) in [
            ("web", "web.service"),
            ("web.service", "web.service"),
            ("user.slice", "user.slice"),
            ("shop.example", "shop.example.service"),
            ("web@1", "web@1.service"),
            ("a\\x2db", "a\\x2db.service"),
        ] {
            assert_eq!(given.parse::<UnitName>().unwrap().as_str(), unit);
        }
        for bad in [
            "",
            "-p",
            "--all",
            "web service",
            "a/b",
            "..",
            "web*",
            "\x1b[2J",
            "ü",
        ] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_container_is_some_digits_of_its_id() {
        for (given, digits) in [("3F2a", "3f2a"), ("containerd://3f2a91", "3f2a91")] {
            let prefix: ContainerPrefix = given.parse().unwrap();
            assert_eq!(prefix.to_string(), digits);
            assert!(prefix.fits("3f2a91") && !prefix.fits("4f2a91"));
        }
        for bad in ["", "3f2", "web", "3f2g", &"a".repeat(65), "docker://"] {
            assert!(bad.parse::<ContainerPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_two_targets_have_one_name() {
        let unit = |name: &str| Wanted::Unit(name.parse().unwrap());
        let id = "3f2a9100".repeat(8);
        let all = named_targets(&[
            target(None, unit("web")),
            target(None, Wanted::Cgroup("/a/web".into())),
            target(Some("web-2"), Wanted::Pid(7)),
            target(None, Wanted::Pid(7)),
            target(None, Wanted::Match("gunicorn.*shop".parse().unwrap())),
            target(None, Wanted::Container(id.parse().unwrap())),
        ]);
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "web",
                "web-3",
                "web-2",
                "7",
                "gunicorn.*shop",
                "3f2a91003f2a"
            ]
        );
        assert_eq!(all[0].what, "unit web.service");
        assert_eq!(all[1].what, "cgroup /a/web");
    }

    #[test]
    fn a_pattern_is_a_regular_expression() {
        let pattern: Pattern = "^python3? .*app".parse().unwrap();
        assert!(pattern.matches("python -m app") && !pattern.matches("/bin/python -m app"));
        for bad in ["", "(", "a{99999999}"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
