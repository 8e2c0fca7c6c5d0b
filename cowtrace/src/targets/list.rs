//! The prefork trees of this machine, each with the options that trace it.

use std::{io, path::Path, process};

use super::{UnitName, container_id};
use crate::{
    memory::{ancestry_of, cgroup_paths_of, read_prefork_trees},
    run::PreforkTrees,
};

/// As many digits of a container's id as container tools show.
const SHOWN_DIGITS: usize = 12;

/// Lists the trees. What started this program is left out, as sudo is.
pub fn list_prefork_trees(root: &Path) -> io::Result<PreforkTrees> {
    let own = ancestry_of(root, process::id());
    let mut found = read_prefork_trees(root, &own)?;
    for tree in &mut found.trees {
        let cgroups = cgroup_paths_of(root, tree.pid);
        let by_cgroup = cgroups.iter().find_map(|path| option_for_cgroup(path));
        tree.trace_options = by_cgroup.unwrap_or_else(|| format!("--pid {}", tree.pid));
    }
    Ok(found)
}

/// The option that traces what is in a cgroup, if it is a container's or a service's.
fn option_for_cgroup(path: &str) -> Option<String> {
    let mut names = path.rsplit('/');
    let own = names.clone().next()?;
    if let Some(id) = names.find_map(container_id) {
        let digits: String = id.chars().take(SHOWN_DIGITS).collect();
        return Some(format!("--container {digits}"));
    }
    // A user's service manager has everything of that user below it.
    let is_service = own.ends_with(".service") && !own.starts_with("user@");
    let unit: UnitName = own.parse().ok().filter(|_| is_service)?;
    // Names of units have no quotes.
    let is_plain = !unit.as_str().contains('\\');
    Some(if is_plain {
        format!("--unit {unit}")
    } else {
        format!("--unit '{unit}'")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_containers_are_traced_as_such() {
        let id = "3f2a9100c4d5e6f7".repeat(4);
        for (path, option) in [
            ("/system.slice/web.service", Some("--unit web.service")),
            (
                "/system.slice/system-a\\x2db.slice/a\\x2db@1.service",
                Some("--unit 'a\\x2db@1.service'"),
            ),
            ("/user.slice/user-1000.slice/user@1000.service", None),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope",
                None,
            ),
            ("/user.slice/user-1000.slice/session-2.scope", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(option_for_cgroup(path).as_deref(), option, "{path}");
        }
        for path in [
            format!("/system.slice/docker-{id}.scope"),
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/kubepods/burstable/pod1/{id}"),
        ] {
            assert_eq!(
                option_for_cgroup(&path).as_deref(),
                Some("--container 3f2a9100c4d5")
            );
        }
    }
}
