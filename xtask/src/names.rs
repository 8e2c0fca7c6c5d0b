//! Whether names can be found by searching: counts type names that stand for several types, and
//! free functions with a shared name or one of a single word, in all shipped crates.

use std::{collections::BTreeMap, path::Path};

use crate::sources::{self, bracketed};

/// Places of definition, by name.
type Definitions = BTreeMap<String, Vec<String>>;

/// The definitions of the shipped crates.
#[derive(Debug, Default)]
struct Names {
    /// Structs, enums, unions, traits and type aliases.
    types: Definitions,
    /// Functions outside of `impl` and `trait`.
    functions: Definitions,
}

impl Names {
    /// Adds the definitions of a file.
    fn read(&mut self, file: &str, tokens: &[String]) {
        let mut at = 0;
        while at < tokens.len() {
            let name = tokens.get(at + 1).cloned().unwrap_or_default();
            match tokens[at].as_str() {
                "struct" | "enum" | "union" | "type" => add(&mut self.types, name, file),
                "trait" => {
                    add(&mut self.types, name, file);
                    at += to_body(&tokens[at..]);
                }
                "fn" => {
                    add(&mut self.functions, name, file);
                    at += to_body(&tokens[at..]);
                }
                // What a macro generates from its input does not count as a definition here.
                "impl" | "macro_rules" => at += to_body(&tokens[at..]),
                _ => {}
            }
            at += 1;
        }
    }

    /// Type names that stand for several types.
    fn doubled_types(&self) -> Vec<(&String, &Vec<String>)> {
        self.types.iter().filter(|(_, at)| at.len() > 1).collect()
    }

    /// Functions that share their name with another.
    fn sharing_functions(&self) -> Vec<(&String, &Vec<String>)> {
        let mut sharing: Vec<_> = self
            .functions
            .iter()
            .filter(|(_, at)| at.len() > 1)
            .collect();
        sharing.sort_by_key(|(_, at)| std::cmp::Reverse(at.len()));
        sharing
    }

    /// Functions whose name is a single word.
    fn one_word_functions(&self) -> Vec<(&String, &Vec<String>)> {
        let is_word = |name: &str| !name.trim_start_matches('_').contains('_');
        self.functions
            .iter()
            .filter(|(name, _)| is_word(name))
            .collect()
    }
}

fn add(definitions: &mut Definitions, name: String, file: &str) {
    // `type` and `union` may be something else, as in `r#type`.
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        definitions.entry(name).or_default().push(file.to_owned());
    }
}

/// Length from an item's first token to its last brace, or to its semicolon.
fn to_body(tokens: &[String]) -> usize {
    let mut at = 1;
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at,
            "{" => return at + bracketed(&tokens[at..]) - 1,
            "(" | "[" => at += bracketed(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

fn of_shipped_crates() -> Names {
    let mut names = Names::default();
    for (folder, root) in [
        ("cowtrace/src", "lib.rs"),
        ("cowtrace-common/src", "lib.rs"),
        ("cowtrace-ebpf/src", "main.rs"),
    ] {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder);
        for (module, tokens) in sources::of_crate(&sources, root).unwrap() {
            names.read(&format!("{folder}/{}", module.join("/")), &tokens);
        }
    }
    names
}

/// Number of places.
fn number(of: &[(&String, &Vec<String>)]) -> usize {
    of.iter().map(|(_, at)| at.len()).sum()
}

/// Fails if the share in percent is not below its limit, and lists the names.
fn check(what: &str, found: &[(&String, &Vec<String>)], share: f64, limit: f64) {
    let lines: Vec<String> = found
        .iter()
        .map(|(name, at)| format!("{name}: {}", at.join(", ")))
        .collect();
    assert!(
        share < limit,
        "{share:.1} % {what}, {limit} % are allowed:\n{}",
        lines.join("\n")
    );
}

#[test]
fn a_type_name_stands_for_one_type() {
    let names = of_shipped_crates();
    let doubled = names.doubled_types();
    let share = 100.0 * doubled.len() as f64 / names.types.len() as f64;
    check(
        "of the type names stand for several types",
        &doubled,
        share,
        3.0,
    );
}

#[test]
fn a_free_functions_name_says_what_it_does_without_its_path() {
    let names = of_shipped_crates();
    let all: usize = names.functions.values().map(Vec::len).sum();
    let percent = |found: &[_]| 100.0 * number(found) as f64 / all as f64;
    let sharing = names.sharing_functions();
    check(
        "of the free functions share their names",
        &sharing,
        percent(&sharing),
        15.0,
    );
    let short = names.one_word_functions();
    check(
        "of the free functions are called by one word",
        &short,
        percent(&short),
        25.0,
    );
}

mod tests {
    use super::*;

    #[test]
    fn free_functions_and_types_are_found_wherever_they_stand() {
        let mut names = Names::default();
        let source = "
            struct A<T>(T); pub enum B { C } type D = u8; pub(crate) trait E { fn f(&self) {} type G; }
            impl<T> A<T> where T: Copy { fn h([u8; { 3 }]: [u8; 3]) { fn i() {} } }
            fn j() { fn k() {} } const fn l_m() -> u8 { 1 }
            mod inner { pub fn j(f: fn(u8)) {} }
        ";
        names.read("x", &sources::tokens_of(source));
        let types: Vec<&String> = names.types.keys().collect();
        assert_eq!(types, ["A", "B", "D", "E"]);
        let functions: Vec<(&str, usize)> = names
            .functions
            .iter()
            .map(|(name, at)| (name.as_str(), at.len()))
            .collect();
        assert_eq!(functions, [("j", 2), ("l_m", 1)]);
        assert_eq!(number(&names.sharing_functions()), 2);
        assert_eq!(number(&names.one_word_functions()), 2);
        assert_eq!(names.doubled_types(), []);
    }
}
