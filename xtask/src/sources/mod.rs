//! The source files of a crate as shipped: code compiled only for tests is left out.

mod tokens;

use std::{collections::BTreeMap, fs, io, path::Path};

pub(crate) use tokens::{bracketed, of as tokens_of};

/// The path of a module from the crate's root, whose path is empty.
pub(crate) type Module = Vec<String>;

/// The tokens of each file, by its module. `root` is the crate's first file, `main.rs` or `lib.rs`;
/// the others are found by their `mod` lines.
pub(crate) fn of_crate(folder: &Path, root: &str) -> io::Result<BTreeMap<Module, Vec<String>>> {
    let first = tokens_of(&fs::read_to_string(folder.join(root))?);
    let mut open = vec![Module::new()];
    let mut files = BTreeMap::from([(Module::new(), first)]);
    while let Some(module) = open.pop() {
        for child in children(&files[&module]) {
            let child = [module.as_slice(), &[child]].concat();
            files.insert(child.clone(), tokens_of(&text_of(folder, &child)?));
            open.push(child);
        }
    }
    Ok(files)
}

/// The text of a module with a file of its own.
fn text_of(folder: &Path, module: &[String]) -> io::Result<String> {
    let path = folder.join(module.join("/"));
    let file = path.with_extension("rs");
    if file.is_file() {
        fs::read_to_string(file)
    } else {
        fs::read_to_string(path.join("mod.rs"))
    }
}

/// A file's modules that have files of their own.
fn children(tokens: &[String]) -> Vec<String> {
    let lines = tokens.windows(3);
    lines
        .filter(|line| line[0] == "mod" && line[2] == ";")
        .map(|line| line[1].clone())
        .collect()
}
