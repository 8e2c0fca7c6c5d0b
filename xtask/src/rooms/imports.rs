//! Which file of a crate uses which other, by its `use` lines and by the paths in its code.
//!
//! A re-export in a folder's `mod.rs` counts for the file that defines the item: whoever imports it
//! from the folder uses that file, and the re-export itself does not count as a use.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use crate::sources::{self, Module, bracketed};

/// For each file of a crate, the files that it uses, by the names that [`name`] gives.
pub(super) type Uses = BTreeMap<String, BTreeSet<String>>;

/// Reads a crate. `root` is its first file, `main.rs` or `lib.rs`.
pub(super) fn of_crate(folder: &Path, root: &str) -> io::Result<Uses> {
    Ok(of_files(&sources::of_crate(folder, root)?))
}

/// A path in a file: the file's module, the path's parts, and the name that a `use` gives it there.
#[derive(Clone, Debug)]
struct Reference {
    module: Module,
    path: Vec<String>,
    name: Option<String>,
    is_public: bool,
}

fn of_files(files: &BTreeMap<Module, Vec<String>>) -> Uses {
    let known: BTreeSet<&Module> = files.keys().collect();
    let references: BTreeMap<&Module, Vec<Reference>> = files
        .iter()
        .map(|(file, tokens)| (file, Reader::new(tokens, file, &known).read()))
        .collect();
    let resolver = Resolver { known, references };
    let mut uses = Uses::new();
    for (file, own) in &resolver.references {
        let targets = uses.entry(name(file)).or_default();
        for reference in own {
            let is_export = reference.is_public && !is_used(reference, &files[*file]);
            let target = resolver.file_of(reference, 0);
            if let Some(target) = target.filter(|target| !is_export && target != *file) {
                targets.insert(name(&target));
            }
        }
    }
    uses
}

/// The name of a file: `kernel/cast`, `kernel` for its `mod.rs`, `main` for the root.
fn name(module: &[String]) -> String {
    if module.is_empty() {
        return "main".into();
    }
    module.join("/")
}

/// Whether a re-exported name also occurs elsewhere in the file.
fn is_used(reference: &Reference, tokens: &[String]) -> bool {
    let Some(name) = &reference.name else {
        return true;
    };
    tokens.iter().filter(|token| *token == name).count() > 1
}

/// Reads the references of a file.
struct Reader<'a> {
    tokens: &'a [String],
    known: &'a BTreeSet<&'a Module>,
    module: Module,
    /// The ends of the modules within the file, innermost last.
    ends: Vec<usize>,
    found: Vec<Reference>,
}

impl<'a> Reader<'a> {
    fn new(tokens: &'a [String], file: &Module, known: &'a BTreeSet<&'a Module>) -> Self {
        Self {
            tokens,
            known,
            module: file.clone(),
            ends: Vec::new(),
            found: Vec::new(),
        }
    }

    fn read(mut self) -> Vec<Reference> {
        let mut at = 0;
        while at < self.tokens.len() {
            while self.ends.last().is_some_and(|end| at >= *end) {
                self.ends.pop();
                self.module.pop();
            }
            at += self.step(at);
        }
        self.found
    }

    fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", String::as_str)
    }

    /// Reads what is at this position; returns its length.
    fn step(&mut self, at: usize) -> usize {
        match (self.token(at), self.token(at + 2)) {
            // `impl Trait + use<>` is not one.
            ("use", _) if self.token(at + 1) != "<" => self.use_line(at),
            ("mod", "{") => {
                self.module.push(self.token(at + 1).to_owned());
                self.ends.push(at + 2 + bracketed(&self.tokens[at + 2..]));
                3
            }
            _ => self.path_in_code(at),
        }
    }

    fn use_line(&mut self, at: usize) -> usize {
        let is_public = at > 0 && matches!(self.token(at - 1), "pub" | ")");
        let from = self.found.len();
        let length = 1 + self.tree(at + 1, &[]);
        for reference in &mut self.found[from..] {
            reference.is_public = is_public;
        }
        length
    }

    /// Reads a path with all its branches; returns its length.
    fn tree(&mut self, at: usize, before: &[String]) -> usize {
        let mut path = before.to_vec();
        let mut here = at;
        loop {
            match self.token(here) {
                "::" => here += 1,
                "{" => {
                    let end = here + bracketed(&self.tokens[here..]);
                    here += 1;
                    while here < end - 1 {
                        here += self.tree(here, &path);
                        here += usize::from(self.token(here) == ",");
                    }
                    return end - at;
                }
                "as" => {
                    self.add(&path, Some(self.token(here + 1).to_owned()));
                    return here + 2 - at;
                }
                "," | "}" | ";" | "" => {
                    let name = path.last().filter(|name| *name != "*").cloned();
                    self.add(&path, name);
                    return here - at;
                }
                word => {
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    here += 1;
                }
            }
        }
    }

    /// Reads a path outside `use`; returns its length.
    fn path_in_code(&mut self, at: usize) -> usize {
        let is_inside = at > 0 && matches!(self.token(at - 1), "::" | ".");
        if is_inside || self.token(at + 1) != "::" {
            return 1;
        }
        let mut path = vec![self.token(at).to_owned()];
        let mut here = at + 1;
        while self.token(here) == "::"
            && self
                .token(here + 1)
                .starts_with(|c: char| c.is_alphabetic() || c == '_')
        {
            path.push(self.token(here + 1).to_owned());
            here += 2;
        }
        self.add(&path, None);
        here - at
    }

    /// Keeps a path if it leads to a module of this crate.
    fn add(&mut self, path: &[String], name: Option<String>) {
        let Some(first) = path.first() else { return };
        let child = [self.module.as_slice(), std::slice::from_ref(first)].concat();
        let is_own = matches!(first.as_str(), "crate" | "self" | "super");
        if is_own || self.known.contains(&child) {
            self.found.push(Reference {
                module: self.module.clone(),
                path: path.to_vec(),
                name,
                is_public: false,
            });
        }
    }
}

/// Resolves paths to files.
struct Resolver<'a> {
    known: BTreeSet<&'a Module>,
    references: BTreeMap<&'a Module, Vec<Reference>>,
}

impl Resolver<'_> {
    /// The file that defines what a path names; re-exports may lead to further re-exports.
    fn file_of(&self, reference: &Reference, depth: u32) -> Option<Module> {
        const MOST: u32 = 8;
        let mut way = Vec::new();
        for (place, part) in reference.path.iter().enumerate() {
            match part.as_str() {
                "crate" => way.clear(),
                "self" => way.clone_from(&reference.module),
                "super" => {
                    if place == 0 {
                        way.clone_from(&reference.module);
                    }
                    way.pop();
                }
                part => {
                    if place == 0 {
                        way.clone_from(&reference.module);
                    }
                    way.push(part.to_owned());
                }
            }
        }
        let file = (0..=way.len())
            .rev()
            .map(|length| way[..length].to_vec())
            .find(|module| self.known.contains(module))?;
        let next = way.get(file.len());
        let others = self.references.get(&file)?;
        let export = next.and_then(|next| {
            let is_it = |other: &&Reference| other.name.as_ref() == Some(next);
            others
                .iter()
                .filter(|other| other.module == file)
                .find(is_it)
        });
        match export {
            Some(export) if depth < MOST => self.file_of(export, depth + 1).or(Some(file)),
            _ => Some(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(files: &[(&str, &str)]) -> Uses {
        let module = |name: &str| match name {
            "main" => Vec::new(),
            name => name.split('/').map(str::to_owned).collect(),
        };
        of_files(
            &files
                .iter()
                .map(|(name, text)| (module(name), sources::tokens_of(text)))
                .collect(),
        )
    }

    fn of<'a>(uses: &'a Uses, file: &str) -> Vec<&'a str> {
        uses[file].iter().map(String::as_str).collect()
    }

    #[test]
    fn every_way_to_write_a_path_is_read() {
        let found = uses(&[
            ("main", "mod a; mod b; mod c; fn f() { b::g() }"),
            (
                "a",
                "use crate::{b::{self, B}, c::{d::D as E, other}}; use std::fmt;",
            ),
            (
                "b",
                "fn g() -> impl Sized + use<> { super::c::d::make(crate::VALUE) }",
            ),
            ("c", "mod d; mod e;"),
            ("c/d", "use super::e::E;"),
            (
                "c/e",
                "mod inner { use super::Own; use crate::a; } const N: u8 = self::inner::N;",
            ),
        ]);
        assert_eq!(of(&found, "main"), ["b"]);
        assert_eq!(of(&found, "a"), ["b", "c", "c/d"]);
        assert_eq!(of(&found, "b"), ["c/d", "main"]);
        assert_eq!(of(&found, "c/d"), ["c/e"]);
        assert_eq!(of(&found, "c/e"), ["a"]);
    }

    #[test]
    fn what_a_folder_exports_counts_for_the_file_that_has_it() {
        let found = uses(&[
            ("a", "use crate::c::{D, E, F};"),
            (
                "c",
                "mod d; mod e; pub use d::D; pub(crate) use e::E; fn f(_: E) {} struct F;",
            ),
            ("c/d", "use super::E; pub struct D;"),
            ("c/e", "pub struct E;"),
        ]);
        assert_eq!(of(&found, "a"), ["c", "c/d", "c/e"]);
        assert_eq!(of(&found, "c"), ["c/e"]);
        assert_eq!(of(&found, "c/d"), ["c/e"]);
    }
}
