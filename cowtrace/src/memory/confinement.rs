//! The security module whose rules this program works under, if any.

use std::{fmt, path::Path};

use super::fields::read_bounded;

/// A rule set that may refuse what capabilities would allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// An `AppArmor` profile, by its name.
    AppArmor(String),
    /// `SELinux`, with this program's context.
    SeLinux(String),
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppArmor(profile) => write!(f, "the AppArmor profile {profile}"),
            Self::SeLinux(context) => write!(f, "SELinux (as {context})"),
        }
    }
}

/// Longer names are cut, bytes.
const MOST_LABEL: u64 = 256;
/// The file system of `SELinux`, where `enforce` has 0 if rules are only logged.
const SELINUX: &str = "/sys/fs/selinux";

/// The security module that confines this program; `None` if nothing does, or if it only logs.
#[must_use]
pub fn confinement(root: &Path) -> Option<Confinement> {
    let label = read_bounded(&root.join("self/attr/current"), MOST_LABEL).ok()?;
    let selinux = Path::new(SELINUX);
    let enforce = read_bounded(&selinux.join("enforce"), 1).ok();
    let is_selinux = selinux.join("policyvers").exists();
    of_label(&label, is_selinux, enforce.as_deref() != Some(b"0"))
}

/// Of `AppArmor` it is `unconfined` or `NAME (MODE)`; of `SELinux` a context, which ends with a zero byte.
fn of_label(label: &[u8], is_selinux: bool, is_enforced: bool) -> Option<Confinement> {
    let label = String::from_utf8_lossy(label);
    let label = label.trim_end_matches(['\0', '\n']);
    if is_selinux {
        let confined = is_enforced && !label.is_empty();
        return confined.then(|| Confinement::SeLinux(harmless(label)));
    }
    let (profile, mode) = label.rsplit_once(" (")?;
    let is_enforced = matches!(mode, "enforce)" | "kill)" | "prompt)");
    is_enforced.then(|| Confinement::AppArmor(harmless(profile)))
}

/// Names of profiles may hold anything.
fn harmless(name: &str) -> String {
    let is_harmless = |letter: char| letter.is_ascii_graphic() || letter == ' ';
    name.chars()
        .map(|letter| if is_harmless(letter) { letter } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(label: &str) -> Option<String> {
        of_label(label.as_bytes(), false, true).map(|it| it.to_string())
    }

    #[test]
    fn a_profile_confines_where_it_is_enforced() {
        assert_eq!(
            of("docker-default (enforce)\n").as_deref(),
            Some("the AppArmor profile docker-default")
        );
        assert_eq!(
            of("/usr/bin/a (b) (kill)\n").as_deref(),
            Some("the AppArmor profile /usr/bin/a (b)")
        );
        assert_eq!(of("docker-default (complain)\n"), None);
        assert_eq!(of("unconfined\n"), None);
        assert_eq!(
            of("a\x1b[1mb (enforce)\n").as_deref(),
            Some("the AppArmor profile a?[1mb")
        );
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_context_confines_where_selinux_is_enforcing() {
        let label = b"system_u:system_r:container_t:s0:c1,c2\0";
        assert_eq!(
            of_label(label, true, true)
                .map(|it| it.to_string())
                .as_deref(),
            Some("SELinux (as system_u:system_r:container_t:s0:c1,c2)")
        );
        assert_eq!(of_label(label, true, false), None);
        assert_eq!(of_label(b"", true, true), None);
    }
}
