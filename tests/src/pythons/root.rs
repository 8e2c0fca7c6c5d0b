// How to run a Python that was unpacked from a distribution's packages without being installed.
// Included by the tests, which run it, and by xtask, which tries what it has unpacked.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The loader that programs name, the folder that it is in, and the folder of the libraries.
pub(crate) const LOADER: [&str; 3] = if cfg!(target_arch = "aarch64") {
    ["ld-linux-aarch64.so.1", "lib", "lib/aarch64-linux-gnu"]
} else {
    ["ld-linux-x86-64.so.2", "lib64", "lib/x86_64-linux-gnu"]
};

/// The words that start the Python in such a folder, the interpreter last; `None` if there is none.
/// It is started with its own loader and libraries, because the machine's C library may be too old
/// for it.
pub(crate) fn words(root: &Path) -> Option<Vec<OsString>> {
    let program = interpreter(&root.join("usr/bin"))?;
    // Since Debian 13 packages have everything below usr; before that, the C library did not.
    let tops = [root.join("usr"), root.to_path_buf()];
    let [loader, folder, libraries] = LOADER;
    let loader = tops
        .iter()
        .map(|top| top.join(folder).join(loader))
        .find(|path| path.is_file())?;
    let libraries: Vec<_> = tops.iter().map(|top| top.join(libraries)).collect();
    let libraries = std::env::join_paths(libraries).ok()?;
    Some(vec![
        loader.into(),
        "--library-path".into(),
        libraries,
        program.into(),
    ])
}

/// The file whose name has the version: packages have no `python3`.
fn interpreter(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?;
    files.flatten().map(|file| file.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let minor = name.strip_prefix("python3.");
        minor.is_some_and(|minor| minor.parse::<u32>().is_ok())
    })
}
