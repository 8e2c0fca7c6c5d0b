//! Asks which packages files without symbols are from.

use std::collections::BTreeMap;

use super::{
    asking::{NameReader, Patience, ask_namer},
    held::{HeldFiles, HeldPath},
    question::{PartSource, QuestionPart},
};
use crate::run::StrippedFile;

/// Most files that are looked for in packages.
const MAX_FILES: usize = 64;

/// The same files, with what their roots say of them. Each comes with its number among those that are held.
pub(super) fn with_origins(
    found: Vec<(StrippedFile, Option<usize>)>,
    held: &HeldFiles,
) -> Vec<StrippedFile> {
    let (mut files, numbers): (Vec<StrippedFile>, Vec<Option<usize>>) = found.into_iter().unzip();
    let paths = numbers.into_iter().enumerate();
    let paths = paths.filter_map(|(file, number)| Some((file, held.path_of(number?)?)));
    let mut by_root: BTreeMap<usize, Vec<(usize, HeldPath<'_>)>> = BTreeMap::new();
    for (file, path) in paths.take(MAX_FILES) {
        by_root.entry(path.root).or_default().push((file, path));
    }
    let part = |of_root: &Vec<(usize, HeldPath<'_>)>| {
        let root = of_root.first()?.1.descriptor;
        let paths = of_root.iter().map(|(_, path)| path.path.to_owned());
        Some(QuestionPart {
            source: PartSource::Packages(root, paths.collect()),
            places: Vec::new(),
        })
    };
    let parts: Vec<QuestionPart> = by_root.values().filter_map(part).collect();
    if parts.is_empty() {
        return files;
    }
    let answered = ask_namer(NameReader::Apart, &parts, Patience::AT_END);
    for (of_root, origins) in by_root.values().zip(answered.origins) {
        let Some(origins) = origins else { continue };
        for ((file, path), package) in of_root.iter().zip(origins.packages) {
            if let Some(file) = files.get_mut(*file) {
                file.package = package;
                file.distribution.clone_from(&origins.distribution);
                file.is_in_container = !path.is_own;
            }
        }
    }
    files
}
