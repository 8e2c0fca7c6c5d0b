//! The cgroups of units and of containers.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    error::TargetError,
    wanted::{ContainerPrefix, UnitName, is_whole_id},
};
use crate::memory::CgroupFolders;

/// Where systemctl is; nothing in a folder of PATH is started, which under sudo may be the caller's.
const SYSTEMCTL: [&str; 3] = [
    "/usr/bin/systemctl",
    "/bin/systemctl",
    "/run/current-system/sw/bin/systemctl",
];
/// systemctl answers in some milliseconds, or waits for a service manager that does not.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes of its answer.
const MOST_ANSWER: u64 = 16 << 10;
/// What runtimes put before a container's id in the name of its scope.
const BEFORE_ID: [&str; 4] = ["docker-", "cri-containerd-", "crio-", "libpod-"];
/// Containers that a message names.
const MOST_NAMED: usize = 5;

/// Where a unit's processes are, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UnitPlace {
    /// In this cgroup, which is there.
    Folder(PathBuf),
    /// The unit is known, but has no cgroup now.
    NotRunning,
}

/// Finds a unit's cgroup: asks systemctl, or else looks for a folder of its name.
pub(super) fn find_unit(
    folders: &CgroupFolders,
    unit: &UnitName,
) -> Result<UnitPlace, TargetError> {
    let answer = SYSTEMCTL
        .iter()
        .find(|program| Path::new(program).is_file())
        .and_then(|program| ask_systemctl(program, unit));
    match answer.as_deref().map(unit_of_answer) {
        Some(UnitAnswer::In(path)) if let Some(folder) = folders.find(Path::new(&path)) => {
            Ok(UnitPlace::Folder(folder))
        }
        Some(UnitAnswer::In(_) | UnitAnswer::NotRunning) => Ok(UnitPlace::NotRunning),
        // Units of users' own service managers are not known to the machine's.
        Some(UnitAnswer::NotThere) | None => find_unit_folder(folders, unit)
            .map(UnitPlace::Folder)
            .ok_or_else(|| TargetError::NoUnit {
                unit: unit.to_string(),
                is_asked: answer.is_some(),
            }),
    }
}

/// Looks for a folder of a unit's name.
pub(super) fn find_unit_folder(folders: &CgroupFolders, unit: &UnitName) -> Option<PathBuf> {
    let (found, _) = folders.named(|name| name == unit.as_str());
    found.into_iter().next()
}

/// What systemctl says of a unit.
#[derive(Debug, PartialEq, Eq)]
enum UnitAnswer {
    In(String),
    NotRunning,
    NotThere,
}

/// By the lines `LoadState=…` and `ControlGroup=…`.
fn unit_of_answer(answer: &str) -> UnitAnswer {
    let value = |name: &str| {
        let mut lines = answer.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value.trim())
    };
    match (value("LoadState"), value("ControlGroup")) {
        ("not-found" | "", _) => UnitAnswer::NotThere,
        (_, "" | "/") => UnitAnswer::NotRunning,
        (_, path) => UnitAnswer::In(path.to_owned()),
    }
}

/// Its answer; none if it cannot tell.
fn ask_systemctl(program: &str, unit: &UnitName) -> Option<String> {
    let mut child = Command::new(program)
        .args([
            "show",
            "--property=LoadState,ControlGroup",
            "--",
            unit.as_str(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let mut answer = String::new();
    let output = child.stdout.take()?;
    output.take(MOST_ANSWER).read_to_string(&mut answer).ok()?;
    status?.success().then_some(answer)
}

/// Finds the cgroup of the only container whose id begins so, and its whole id.
pub(super) fn find_container(
    folders: &CgroupFolders,
    prefix: &ContainerPrefix,
) -> Result<(String, PathBuf), TargetError> {
    let is_it = |name: &str| container_id(name).is_some_and(|id| prefix.fits(id));
    let (found, is_cut) = folders.named(is_it);
    let mut by_id: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in found {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if let Some(id) = container_id(&name).map(str::to_owned) {
            // The highest comes first.
            by_id.entry(id).or_insert(folder);
        }
    }
    if by_id.len() > 1 {
        let mut ids: Vec<String> = by_id.into_keys().take(MOST_NAMED + 1).collect();
        if ids.len() > MOST_NAMED {
            ids[MOST_NAMED] = "…".into();
        }
        return Err(TargetError::SeveralContainers {
            prefix: prefix.to_string(),
            ids: ids.join(", "),
        });
    }
    by_id.pop_first().ok_or(TargetError::NoContainer {
        prefix: prefix.to_string(),
        is_cut,
    })
}

/// The id of the container whose cgroup has this name.
#[must_use]
pub fn container_id(name: &str) -> Option<&str> {
    if is_whole_id(name) {
        return Some(name);
    }
    let scope = name.strip_suffix(".scope")?;
    let mut ids = BEFORE_ID
        .iter()
        .filter_map(|before| scope.strip_prefix(before));
    ids.find(|id| is_whole_id(id))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scratch::Scratch;

    const LAYOUTS: [(&str, &str); 2] = [("new", ""), ("old", "systemd/")];

    /// The cgroups of a machine with services and containers, in version 2 or 1.
    fn recorded_tree(top: &Path, hierarchy: &str) -> CgroupFolders {
        let id = |digit: char| digit.to_string().repeat(64);
        let all = [
            "system.slice/web.service/worker-1".into(),
            "user.slice/user-1000.slice/user@1000.service/app.slice/editor.service".into(),
            format!("system.slice/docker-{}.scope", id('a')),
            format!("system.slice/docker-ab{}.scope", "0".repeat(62)),
            format!(
                "kubepods.slice/kubepods-podx.slice/cri-containerd-{}.scope",
                id('b')
            ),
            format!("kubepods.slice/kubepods-pody.slice/crio-{}.scope", id('c')),
            format!(
                "kubepods.slice/kubepods-pody.slice/crio-conmon-{}.scope",
                id('c')
            ),
            format!("machine.slice/libpod-{}.scope/container", id('d')),
            format!("docker/{}", id('e')),
        ];
        for path in all {
            let mut folder = top.join(hierarchy);
            for part in path.split('/') {
                folder.push(part);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join("cgroup.procs"), "").unwrap();
            }
        }
        fs::write(top.join(hierarchy).join("cgroup.procs"), "").unwrap();
        CgroupFolders::below(top)
    }

    #[test]
    fn units_are_found_by_the_names_of_folders() {
        for (name, hierarchy) in LAYOUTS {
            let scratch = Scratch::new(name);
            let folders = recorded_tree(scratch.folder(), hierarchy);
            let find = |unit: &str| find_unit_folder(&folders, &unit.parse().unwrap());
            let top = scratch.folder().join(hierarchy);
            assert_eq!(find("web"), Some(top.join("system.slice/web.service")));
            assert!(
                find("editor")
                    .unwrap()
                    .ends_with("app.slice/editor.service")
            );
            assert_eq!(find("none"), None);
        }
    }

    #[test]
    fn containers_are_found_by_the_first_digits_of_their_ids() {
        for (name, hierarchy) in LAYOUTS {
            let scratch = Scratch::new(name);
            let folders = recorded_tree(scratch.folder(), hierarchy);
            let find = |prefix: &str| find_container(&folders, &prefix.parse().unwrap());
            for (prefix, end) in [
                ("aaaa", "system.slice/docker-aaaa"),
                ("bbbbb", "cri-containerd-bbbb"),
                ("cccc", "crio-cccc"),
                ("dddd", "machine.slice/libpod-dddd"),
                ("eeeeeeeeeeee", "docker/eeee"),
            ] {
                let (id, folder) = find(prefix).unwrap();
                assert_eq!(id, prefix[..1].repeat(64));
                assert!(folder.to_string_lossy().contains(end), "{folder:?}");
            }
            let none = find("ffff").unwrap_err().to_string();
            assert!(
                none.contains("no container") && none.contains("ffff"),
                "{none}"
            );
            // Two begin with ab: one of 62 zeros, and another that is made now.
            let other = format!("docker-ab00{}.scope", "1".repeat(60));
            let other = scratch
                .folder()
                .join(hierarchy)
                .join("system.slice")
                .join(other);
            assert!(find("ab00").is_ok());
            fs::create_dir(other).unwrap();
            let several = find("ab00").unwrap_err().to_string();
            assert!(
                several.contains("ab0000") && several.contains("ab0011"),
                "{several}"
            );
        }
    }

    #[test]
    fn what_systemctl_says_is_understood() {
        let answer = |text| unit_of_answer(text);
        assert_eq!(
            answer("LoadState=loaded\nControlGroup=/system.slice/web.service\n"),
            UnitAnswer::In("/system.slice/web.service".into())
        );
        assert_eq!(
            answer("ControlGroup=\nLoadState=loaded\n"),
            UnitAnswer::NotRunning
        );
        assert_eq!(
            answer("LoadState=not-found\nControlGroup=\n"),
            UnitAnswer::NotThere
        );
        assert_eq!(answer("anything else"), UnitAnswer::NotThere);
    }
}
