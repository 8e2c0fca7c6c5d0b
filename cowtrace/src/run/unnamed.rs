//! Functions without a name: where they lie in their file, and the file.

use serde::{Deserialize, Serialize};

/// A function of a program or library that has no symbol for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnnamedFunction {
    /// What stands for its name: the file's name, and in hexadecimal the offset of the function's start in it. From
    /// outside.
    pub function: String,
    /// File name of the program or library. From outside.
    pub module: String,
    /// The exported function before it; none if there is none.
    #[serde(default)]
    pub before: Option<ExportedNeighbour>,
    /// The exported function after it.
    #[serde(default)]
    pub after: Option<ExportedNeighbour>,
    /// What it is part of, as its place says; none if it says nothing.
    #[serde(default)]
    pub part: Option<RuntimePart>,
}

/// An exported function beside one without a name. It is not that function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedNeighbour {
    /// Its name. From outside.
    pub function: String,
    /// How many functions farther the other one is: 1 if nothing is between them.
    pub functions_apart: u64,
}

/// A part of an interpreter: a source file of its own, whose functions stand together in the interpreter's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimePart {
    /// `gcmodule.c`, and from `CPython` 3.13 on `gc.c`.
    CpythonCollector,
    /// `obmalloc.c`.
    CpythonAllocator,
    /// `sv.c`.
    PerlValues,
    /// `zend_execute.c`.
    PhpInterpreter,
    /// `memory.c`.
    RCollector,
    /// `gc.c`.
    RubyCollector,
}

impl RuntimePart {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CpythonCollector,
        Self::CpythonAllocator,
        Self::PerlValues,
        Self::PhpInterpreter,
        Self::RCollector,
        Self::RubyCollector,
    ];

    /// As it stands in recordings and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpythonCollector => "cpython-collector",
            Self::CpythonAllocator => "cpython-allocator",
            Self::PerlValues => "perl-values",
            Self::PhpInterpreter => "php-interpreter",
            Self::RCollector => "r-collector",
            Self::RubyCollector => "ruby-collector",
        }
    }
}

/// A program or library in which functions have no name, and what tells where its debug symbols are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrippedFile {
    /// As in [`UnnamedFunction`].
    pub module: String,
    /// Its build id, in hexadecimal; none if it has none.
    #[serde(default)]
    pub build_id: Option<String>,
    /// The Debian package that it is from; none if it is from none, or that is not known. From outside.
    #[serde(default)]
    pub package: Option<String>,
    /// The distribution that the file lies in, as its `os-release` calls it (`debian`); none if it does not say.
    /// From outside.
    #[serde(default)]
    pub distribution: Option<String>,
    /// Whether that is another root than the one cowtrace runs in: a container's.
    #[serde(default)]
    pub is_in_container: bool,
}

impl UnnamedFunction {
    /// The exported function with the fewest others between, on either side.
    #[must_use]
    pub fn nearer(&self) -> Option<&ExportedNeighbour> {
        let both = self.before.iter().chain(&self.after);
        both.min_by_key(|it| it.functions_apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_one_may_be_on_either_side() {
        let at = |function: &str, functions_apart| {
            Some(ExportedNeighbour {
                function: function.into(),
                functions_apart,
            })
        };
        let mut unnamed = UnnamedFunction {
            function: "libx.so+0x100".into(),
            module: "libx.so".into(),
            before: at("before", 3),
            after: at("after", 1),
            part: None,
        };
        let nearer = |unnamed: &UnnamedFunction| unnamed.nearer().map(|it| it.function.clone());
        assert_eq!(nearer(&unnamed).as_deref(), Some("after"));
        unnamed.after = None;
        assert_eq!(nearer(&unnamed).as_deref(), Some("before"));
        unnamed.before = None;
        assert_eq!(nearer(&unnamed), None);
    }
}
