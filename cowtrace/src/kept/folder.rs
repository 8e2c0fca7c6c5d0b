//! Where runs are kept: `cowtrace` in the user's state folder (XDG Base Directory Specification).

use std::{
    env,
    fs::{self, DirBuilder, Metadata},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use super::error::KeptError;
use crate::itself::caller;

/// Below the state folder.
const OWN: &str = "cowtrace";
/// The state folder below the home folder, unless `XDG_STATE_HOME` names another.
const STATE: &str = ".local/state";
/// Who else may write into a folder: its group, and anybody.
const OTHERS_WRITE: u32 = 0o022;

/// Folders that may hold kept runs. The first is the one that runs are kept in.
///
/// sudo drops `XDG_STATE_HOME`, so whoever sets it has runs in both.
pub(super) fn kept_folders() -> Result<Vec<PathBuf>, KeptError> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    folders_of(state, caller::caller_home()?)
}

fn folders_of(state: Option<PathBuf>, home: Option<PathBuf>) -> Result<Vec<PathBuf>, KeptError> {
    // The specification has relative ones ignored.
    let state = state.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    let mut folders = Vec::new();
    for folder in [state, home.map(|home| home.join(STATE))] {
        let own = folder.map(|folder| folder.join(OWN));
        folders.extend(own.filter(|own| folders.first() != Some(own)));
    }
    if folders.is_empty() {
        return Err(KeptError::NoHome);
    }
    Ok(folders)
}

/// The folder that runs are kept in, made where it is not there.
pub(super) fn open_own_folder() -> Result<PathBuf, KeptError> {
    let folder = kept_folders()?.into_iter().next();
    let folder = folder.ok_or(KeptError::NoHome)?;
    make_folder(&folder)?;
    Ok(folder)
}

fn make_folder(folder: &Path) -> Result<(), KeptError> {
    if !is_usable(folder)? {
        // Those above it as well, as the specification says.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| system_failure(folder, error))?;
        if !is_usable(folder)? {
            let gone = io::ErrorKind::NotFound.into();
            return Err(system_failure(folder, gone));
        }
    }
    Ok(())
}

/// Whether it is there; an error if it is not a folder that only this user writes into.
pub(super) fn is_usable(folder: &Path) -> Result<bool, KeptError> {
    let there = match fs::symlink_metadata(folder) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(system_failure(folder, error)),
    };
    match fault_of_folder(&there) {
        None => Ok(true),
        Some(what) => Err(KeptError::Unusable {
            path: folder.to_owned(),
            what,
        }),
    }
}

fn fault_of_folder(there: &Metadata) -> Option<&'static str> {
    if there.file_type().is_symlink() {
        Some("is a symbolic link, not a folder")
    } else if !there.is_dir() {
        Some("is not a folder")
    } else if there.uid() != Uid::effective().as_raw() {
        Some("is another user's folder")
    } else if there.mode() & OTHERS_WRITE != 0 {
        Some("is a folder that other users may write into; take that right away with chmod go-w")
    } else {
        None
    }
}

pub(super) fn system_failure(folder: &Path, error: io::Error) -> KeptError {
    KeptError::System {
        path: folder.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::scratch::Scratch;

    fn folders(state: Option<&str>, home: Option<&str>) -> Vec<String> {
        let found = folders_of(state.map(Into::into), home.map(Into::into));
        let text = |path: PathBuf| path.display().to_string();
        found.unwrap_or_default().into_iter().map(text).collect()
    }

    #[test]
    fn the_state_folder_is_the_one_named_or_the_homes() {
        let home = "/home/ada/.local/state/cowtrace";
        assert_eq!(folders(None, Some("/home/ada")), [home]);
        assert_eq!(
            folders(Some("/s"), Some("/home/ada")),
            ["/s/cowtrace", home]
        );
        assert_eq!(folders(Some("/s"), None), ["/s/cowtrace"]);
        assert_eq!(folders(Some(""), Some("/home/ada")), [home]);
        assert_eq!(folders(Some("relative"), Some("/home/ada")), [home]);
        assert_eq!(
            folders(Some("/home/ada/.local/state"), Some("/home/ada")),
            [home]
        );
        assert!(folders(None, None).is_empty() && folders(None, Some("")).is_empty());
    }

    #[test]
    fn a_folder_is_made_for_its_user_alone() {
        let scratch = Scratch::new("made");
        let folder = scratch.path("a").join("b");
        make_folder(&folder).unwrap();
        for made in [&folder, &scratch.path("a")] {
            assert_eq!(fs::metadata(made).unwrap().mode() & 0o777, 0o700);
        }
        make_folder(&folder).unwrap();
        for (mode, is_good) in [
            (0o755, true),
            (0o770, false),
            (0o707, false),
            (0o1777, false),
        ] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(make_folder(&folder).is_ok(), is_good, "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_folder_of_its_own_is_not_used() {
        let scratch = Scratch::new("unusable");
        fs::create_dir(scratch.path("real")).unwrap();
        symlink(scratch.path("real"), scratch.path("link")).unwrap();
        symlink(scratch.path("nowhere"), scratch.path("dangling")).unwrap();
        fs::write(scratch.path("file"), "").unwrap();
        for (name, says) in [
            ("link", "symbolic link"),
            ("dangling", "symbolic link"),
            ("file", "is not a folder"),
            ("file/below", "Not a directory"),
        ] {
            let refused = make_folder(&scratch.path(name)).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
        assert_eq!(scratch.names(), ["dangling", "file", "link", "real"]);
    }
}
