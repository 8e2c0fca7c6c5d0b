//! The pages of the documentation: every relative link and anchor leads somewhere, every page of docs/ can be reached
//! from its contents, and each page that a file of the repository names is there. Links to the network are not tried.

mod markdown;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use markdown::Page;

use crate::workspace;

/// The page that leads to all others of docs/.
const CONTENTS: &str = "docs/README.md";
/// Folders without pages of their own: a copy of the README is put into the third.
const NOT_OURS: [&str; 5] = [".git", "target", "packaging", "regressions", "snapshots"];
/// Files that may name a page in a comment or a message.
const NAMING: [&str; 7] = ["rs", "yml", "yaml", "toml", "service", "json", "html"];

/// The pages by their paths from the top folder.
type Pages = BTreeMap<PathBuf, Page>;

/// All files below a folder, by their paths from the top folder.
fn files_below(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                files_below(root, &path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files_below(&workspace::root(), Path::new(""), &mut found);
    found.sort();
    found
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(workspace::root().join(path)).unwrap()
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| endings.contains(&ending))
}

fn pages(files: &[PathBuf]) -> Pages {
    let pages = files.iter().filter(|path| has_ending(path, &["md"]));
    pages
        .map(|path| (path.clone(), Page::read(&text_of(path))))
        .collect()
}

/// Where a link of a page leads: a path from the top folder, and an anchor. None: to the network.
fn destination(page: &Path, target: &str) -> Option<(PathBuf, Option<String>)> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (target, None),
    };
    if file.is_empty() {
        return Some((page.to_owned(), anchor));
    }
    let folder = page.parent().unwrap_or(Path::new(""));
    Some((without_dots(&folder.join(file)), anchor))
}

/// The path without `.` and `..`; one that leads out of the repository keeps a `..`.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// What is wrong with a link, if anything.
fn fault_of(pages: &Pages, root: &Path, page: &Path, target: &str) -> Option<String> {
    let (path, anchor) = destination(page, target)?;
    if path.is_absolute() || path.starts_with("..") || !root.join(&path).exists() {
        return Some(format!("there is no {}", path.display()));
    }
    let anchor = anchor?;
    let has_it = pages
        .get(&path)
        .is_some_and(|page| page.anchors.contains(&anchor));
    (!has_it).then(|| format!("{} has no heading #{anchor}", path.display()))
}

/// All links that lead nowhere, one a line.
fn dead_links(pages: &Pages, root: &Path) -> Vec<String> {
    let links = pages
        .iter()
        .flat_map(|(path, page)| page.links.iter().map(move |link| (path, link)));
    links
        .filter_map(|(path, link)| {
            let fault = fault_of(pages, root, path, &link.target)?;
            Some(format!("{}:{}: {fault}", path.display(), link.line))
        })
        .collect()
}

/// The pages that links lead to from one page, directly or over others.
fn reached_from(pages: &Pages, first: &Path) -> BTreeSet<PathBuf> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![first.to_owned()];
    while let Some(path) = waiting.pop() {
        let Some(page) = pages.get(&path) else {
            continue;
        };
        if reached.insert(path.clone()) {
            let links = page.links.iter();
            waiting.extend(links.filter_map(|link| Some(destination(&path, &link.target)?.0)));
        }
    }
    reached
}

/// The pages that a text names, as `docs/name.md`.
fn named_pages(text: &str) -> Vec<&str> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let starts = text.match_indices("docs/").map(|(at, _)| at);
    let words = starts.map(|at| {
        let rest = &text[at..];
        let end = rest.find(|c| !is_of_path(c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    });
    words
        .filter(|word| has_ending(Path::new(word), &["md"]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages_of(texts: &[(&str, &str)]) -> Pages {
        let pages = texts.iter();
        pages
            .map(|(path, text)| (PathBuf::from(path), Page::read(text)))
            .collect()
    }

    #[test]
    fn every_link_leads_somewhere() {
        let pages = pages(&files());
        let links: usize = pages.values().map(|page| page.links.len()).sum();
        assert!(links > 100, "only {links} links were found");
        let dead = dead_links(&pages, &workspace::root());
        assert!(dead.is_empty(), "{}", dead.join("\n"));
    }

    #[test]
    fn every_page_of_the_book_is_reached_from_its_contents() {
        let pages = pages(&files());
        let reached = reached_from(&pages, Path::new(CONTENTS));
        let book = pages.keys().filter(|path| path.starts_with("docs"));
        let lost: Vec<_> = book.filter(|path| !reached.contains(*path)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn every_page_that_another_file_names_is_there() {
        let files = files();
        let mut named = 0;
        let mut missing = Vec::new();
        for file in files.iter().filter(|path| has_ending(path, &NAMING)) {
            // The examples of this test are in it.
            if file.ends_with("pages.rs") {
                continue;
            }
            for page in named_pages(&text_of(file)) {
                named += 1;
                if !files.contains(&PathBuf::from(page)) {
                    missing.push(format!("{}: {page}", file.display()));
                }
            }
        }
        assert!(named > 10, "only {named} names were found");
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let pages = pages_of(&[
            (
                "README.md",
                "[a](docs/a.md) [b](docs/none.md) [c](docs/a.md#no) [d](#top)\n# Top",
            ),
            (
                "docs/a.md",
                "# A\n[back](../README.md#top) [out](../../etc/passwd) [net](https://example.org/#x)",
            ),
        ]);
        // Of these two, the first is in the repository.
        let root = workspace::root();
        let dead = dead_links(&pages, &root);
        let expected = [
            "README.md:1: there is no docs/a.md",
            "README.md:1: there is no docs/none.md",
            "README.md:1: there is no docs/a.md",
            "docs/a.md:2: there is no ../etc/passwd",
        ];
        assert_eq!(dead, expected);
        let headings = fault_of(&pages, &root, Path::new("README.md"), "#no");
        assert_eq!(headings.unwrap(), "README.md has no heading #no");
    }

    #[test]
    fn pages_behind_pages_are_reached() {
        let pages = pages_of(&[
            ("docs/README.md", "[a](a.md)"),
            ("docs/a.md", "[b](more/b.md#x)"),
            ("docs/more/b.md", "[a](../a.md)"),
            ("docs/lost.md", "[a](a.md)"),
        ]);
        let reached = reached_from(&pages, Path::new(CONTENTS));
        assert_eq!(reached.len(), 3);
        assert!(!reached.contains(Path::new("docs/lost.md")));
    }

    #[test]
    fn pages_are_found_in_comments() {
        let text = "// see docs/a-b/c.md, docs/d.md.\n// docs/picture.svg (docs/e.md#part)";
        assert_eq!(
            named_pages(text),
            ["docs/a-b/c.md", "docs/d.md", "docs/e.md"]
        );
    }
}
