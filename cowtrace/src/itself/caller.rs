//! Who called cowtrace, and how it works with that user's rights only.
//!
//! A trace needs root; the files it leaves do not. Otherwise anybody who may run this program by
//! sudo could make root create, replace or read any file. So root never opens a file whose path the
//! user gives; nothing is opened as root and handed over afterwards.
//!
//! - Commands that need no privileges (`report`, `diff`, …) give them up for good before they look
//!   at a path: [`become_caller`].
//! - A trace keeps its privileges, because it reads other users' processes until its end. All its
//!   work on the user's files happens in threads that have the user's identity and no capability:
//!   [`take_rights_in_thread`] for the thread that writes the recording, [`with_rights`] for the
//!   rest. Linux keeps identities per thread. Opening a file early and passing it on would not do,
//!   because `SQLite` creates its journals by name at any time. The effective user is set, not only
//!   the file-system user, so that no capability overrides the kernel's checks.
//! - `NewFile` refuses to create anything in a thread that is still root on behalf of another user.
//! - The command that is started (`-- COMMAND`) runs entirely as the user: [`become_caller`], with
//!   [`environment`].

use std::{env, ffi::CString, io, path::PathBuf, sync::OnceLock, thread};

use nix::unistd::{
    Gid, Uid, User, getgrouplist, getgroups, getresuid, setgroups, setresgid, setresuid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use thiserror::Error;

/// Folders of a user's own programs, below the home folder.
const OWN_PROGRAMS: [&str; 2] = [".local/bin", "bin"];
/// Folders of programs on every system.
const PROGRAMS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Why the caller's rights were not taken. The command then does nothing.
#[derive(Debug, Error)]
pub enum CallerError {
    /// A variable of sudo has a value that sudo does not set.
    #[error(
        "{name} is {value:?}, which is not the number of a user or group; run cowtrace with sudo, or unset it"
    )]
    NotFromSudo {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// sudo sets both variables, but one is missing.
    #[error(
        "{set} is set, but {missing} is not, so the caller's group is unknown; \
         run cowtrace with sudo, or unset {set}"
    )]
    HalfFromSudo {
        /// The variable that is set.
        set: &'static str,
        /// The one that is missing.
        missing: &'static str,
    },
    /// The system does not say who the user is.
    #[error("cannot look up the calling user: {0}")]
    Unknown(io::Error),
    /// The system refused.
    #[error("cannot take the rights of the calling user: {0}")]
    Refused(io::Error),
}

/// The user who called, if that is not the user of this process.
#[derive(Clone, Debug)]
struct Caller {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    account: Option<User>,
}

/// The user whose rights count, found once.
fn find_caller() -> Result<Option<&'static Caller>, CallerError> {
    static CALLER: OnceLock<Option<Caller>> = OnceLock::new();
    if let Some(known) = CALLER.get() {
        return Ok(known.as_ref());
    }
    let found = look_up_caller()?;
    Ok(CALLER.get_or_init(|| found).as_ref())
}

fn look_up_caller() -> Result<Option<Caller>, CallerError> {
    let ids = getresuid().map_err(unknown_ids)?;
    if !ids.effective.is_root() {
        return Ok(None);
    }
    // If the program's file is setuid root, anybody controls the environment.
    if !ids.real.is_root() {
        let groups = getgroups().map_err(unknown_ids)?;
        return describe_caller(ids.real, nix::unistd::getgid(), Some(groups)).map(Some);
    }
    let Some(uid) = number_from_sudo("SUDO_UID")? else {
        return Ok(None);
    };
    let gid = number_from_sudo("SUDO_GID")?.ok_or(CallerError::HalfFromSudo {
        set: "SUDO_UID",
        missing: "SUDO_GID",
    })?;
    if uid == 0 {
        return Ok(None);
    }
    describe_caller(Uid::from_raw(uid), Gid::from_raw(gid), None).map(Some)
}

/// A user's or group's number as sudo writes it.
fn number_from_sudo(name: &'static str) -> Result<Option<u32>, CallerError> {
    let Some(value) = env::var_os(name) else {
        return Ok(None);
    };
    let text = value.to_str();
    match text.and_then(|text| text.parse().ok()) {
        // The kernel takes the last number as "leave unchanged".
        Some(number) if number != u32::MAX => Ok(Some(number)),
        _ => Err(CallerError::NotFromSudo {
            name,
            value: value.to_string_lossy().into_owned(),
        }),
    }
}

fn describe_caller(uid: Uid, gid: Gid, groups: Option<Vec<Gid>>) -> Result<Caller, CallerError> {
    let account = User::from_uid(uid).map_err(unknown_ids)?;
    let groups = match (groups, &account) {
        (Some(groups), _) => groups,
        (None, Some(user)) => {
            let name = CString::new(user.name.clone());
            let name = name.map_err(|error| CallerError::Unknown(error.into()))?;
            getgrouplist(&name, gid).map_err(unknown_ids)?
        }
        (None, None) => vec![gid],
    };
    Ok(Caller {
        uid,
        gid,
        groups,
        account,
    })
}

fn unknown_ids(error: nix::Error) -> CallerError {
    CallerError::Unknown(error.into())
}

/// The home folder of the user who called; none if nobody knows it.
///
/// sudo leaves root's in the environment, or the caller's, as it is set up: of another user's only the account
/// tells.
pub fn caller_home() -> Result<Option<PathBuf>, CallerError> {
    if let Some(caller) = find_caller()? {
        return Ok(caller.account.as_ref().map(|account| account.dir.clone()));
    }
    let named = env::var_os("HOME").filter(|home| !home.is_empty());
    if let Some(home) = named {
        return Ok(Some(home.into()));
    }
    let account = User::from_uid(Uid::effective()).map_err(unknown_ids)?;
    Ok(account.map(|account| account.dir))
}

/// Whether this thread has more rights to the user's files than the user.
#[must_use]
pub fn is_beyond_caller() -> bool {
    Uid::effective().is_root() && !matches!(find_caller(), Ok(None))
}

/// Makes this process the caller's for good: user, groups, and no capability in any set that is
/// inherited. If root itself called, nothing changes.
///
/// The bounding set and `no_new_privs` are left alone. Neither gives any rights by itself, and
/// changing them would prevent a service from running setuid-root helpers.
pub fn become_caller() -> Result<(), CallerError> {
    let refused = |error: nix::Error| CallerError::Refused(error.into());
    if let Some(caller) = find_caller()? {
        setgroups(&caller.groups).map_err(refused)?;
        setresgid(caller.gid, caller.gid, caller.gid).map_err(refused)?;
        setresuid(caller.uid, caller.uid, caller.uid).map_err(refused)?;
    } else if Uid::effective().is_root() {
        return Ok(());
    }
    shed_capabilities().map_err(CallerError::Refused)
}

/// Like [`become_caller`], but only for this thread. The process keeps its user, and only root can
/// signal or trace it.
pub fn take_rights_in_thread() -> Result<(), CallerError> {
    let take = |caller: &Caller| -> rustix::io::Result<()> {
        let group = |gid: &Gid| rustix::thread::Gid::from_raw(gid.as_raw());
        let groups: Vec<_> = caller.groups.iter().map(group).collect();
        set_thread_groups(&groups)?;
        set_thread_res_gid(None, group(&caller.gid), None)?;
        // Last, because this takes away the right to do the above.
        let user = rustix::thread::Uid::from_raw(caller.uid.as_raw());
        set_thread_res_uid(None, user, None)
    };
    match find_caller()? {
        Some(caller) => take(caller).map_err(|error| CallerError::Refused(error.into()))?,
        None if Uid::effective().is_root() => return Ok(()),
        None => {}
    }
    shed_capabilities().map_err(CallerError::Refused)
}

/// Runs a function with the caller's rights, in a thread that ends afterwards.
pub fn with_rights<T, E>(act: impl FnOnce() -> Result<T, E> + Send) -> Result<T, E>
where
    T: Send,
    E: From<CallerError> + Send,
{
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("caller".into())
            .spawn_scoped(scope, || {
                take_rights_in_thread()?;
                act()
            });
        let thread = thread.map_err(CallerError::Refused)?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Drops every capability of this thread, in all sets that are inherited.
pub(super) fn shed_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    // Kernels before 4.3 have none.
    let _ = clear_ambient_capability_set();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}

/// Environment variables of the caller's command that replace those set by sudo; empty unless
/// another user called.
///
/// sudo's own variables (`SUDO_USER`, …) stay, because they are true. Its `PATH`, which the
/// administrator chose for root, stays too, extended by the usual places of a user's commands: the
/// user's own folders before it, and after it those system folders that it lacks.
pub fn caller_environment() -> Result<Vec<(&'static str, String)>, CallerError> {
    let Some(caller) = find_caller()? else {
        return Ok(Vec::new());
    };
    let path = env::var("PATH").unwrap_or_default();
    Ok(environment_of(caller, &path))
}

fn environment_of(caller: &Caller, path: &str) -> Vec<(&'static str, String)> {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let account = caller.account.as_ref();
    let name = account.map_or_else(|| caller.uid.to_string(), |it| it.name.clone());
    let home = account.map_or_else(|| "/".into(), |it| text(&it.dir));
    let shell = account.map(|it| text(&it.shell));
    let shell = shell.filter(|it| !it.is_empty());
    vec![
        ("PATH", path_of(&home, path)),
        ("HOME", home),
        ("SHELL", shell.unwrap_or_else(|| "/bin/sh".into())),
        ("USER", name.clone()),
        ("LOGNAME", name),
    ]
}

/// Folders that do not exist (yet or any more) stay in: that is normal for a `PATH`.
fn path_of(home: &str, path: &str) -> String {
    let home = home.trim_end_matches('/');
    let own = OWN_PROGRAMS
        .iter()
        .filter(|_| !home.is_empty())
        .map(|folder| format!("{home}/{folder}"));
    let given = path.split(':').filter(|it| !it.is_empty());
    let given = given.map(str::to_owned);
    let mut folders: Vec<String> = Vec::new();
    for folder in own.chain(given).chain(PROGRAMS.map(str::to_owned)) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_users_own_folders_first_and_no_folder_twice() {
        assert_eq!(
            path_of("/home/ada/", "/usr/sbin:/usr/bin::/sbin:/bin"),
            "/home/ada/.local/bin:/home/ada/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
        );
        assert_eq!(path_of("/", ""), "/usr/local/bin:/usr/bin:/bin");
    }

    #[test]
    fn a_user_without_an_account_has_an_environment() {
        let caller = Caller {
            uid: Uid::from_raw(4242),
            gid: Gid::from_raw(4242),
            groups: Vec::new(),
            account: None,
        };
        let told = environment_of(&caller, "/bin");
        let value = |name: &str| told.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
        assert_eq!(value("HOME"), Some("/"));
        assert_eq!(value("USER"), Some("4242"));
        assert_eq!(value("LOGNAME"), Some("4242"));
        assert_eq!(value("SHELL"), Some("/bin/sh"));
    }
}
