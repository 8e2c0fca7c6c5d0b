//! The question to the process that reads foreign files, and its answer.

use serde::{Deserialize, Serialize};

use crate::run::RuntimePart;

/// Longest name of a package or distribution, bytes.
const MAX_PACKAGE_NAME: usize = 64;

/// The whole question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question<'a> {
    /// The process that holds the files.
    pub(super) holder: u32,
    pub(super) parts: std::borrow::Cow<'a, [QuestionPart]>,
}

/// A part of the question, about one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct QuestionPart {
    pub(super) source: PartSource,
    pub(super) places: Vec<CodePlace>,
}

/// Where names come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum PartSource {
    /// A program or library; code in it is to be named.
    File(HeldFile),
    /// Perf maps of processes, the nearest first.
    PerfMaps(Vec<HeldPerfMap>),
    /// A program or library whose data is mapped at the given offsets: where does it end in memory?
    Data(HeldFile),
    /// A program or library, without offsets: where does it have symbols of these names?
    Symbols(HeldFile, Vec<String>),
    /// A root folder, by the holder's descriptor, without offsets: which packages are the files at these paths from?
    Packages(i32, Vec<String>),
}

impl PartSource {
    /// How many numbers answer a part with this many places; none if names answer it.
    pub(super) const fn numbers(&self, places: usize) -> Option<usize> {
        match self {
            Self::File(_) | Self::PerfMaps(_) | Self::Packages(..) => None,
            Self::Data(_) => Some(places),
            Self::Symbols(_, names) => Some(names.len()),
        }
    }
}

/// A file, by the holder's descriptor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct HeldFile {
    pub(super) descriptor: i32,
    /// The inode it must have, since a file found by name may be another.
    pub(super) inode: Option<u64>,
}

/// As in [`HeldFile`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct HeldPerfMap {
    /// The process it belongs to.
    pub(super) pid: u32,
    pub(super) descriptor: i32,
    /// The user it must belong to, unless to root.
    pub(super) owner: u32,
}

/// A place in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct CodePlace {
    /// In a file the offset, otherwise the address in the process.
    pub(super) at: u64,
    /// Whether it is a return address: the call itself is before it.
    pub(super) is_return: bool,
}

/// A line of the answer. Parts are identified by their numbers in the question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AnswerLine {
    /// The files of this part are being opened; none if all are open.
    Opening(Option<usize>),
    /// The file of these parts is being read from now on.
    Begun(Vec<usize>),
    /// The answers for a part's places, in their order.
    Names(usize, Vec<Name>),
    /// The numbers for a part that asks for data or symbols, in its order.
    Numbers(usize, Vec<Option<u64>>),
    /// Where the files of a part are from, in its order.
    Origins(usize, Origins),
    /// Why the perf map at this position of a part is not used, or only in part.
    Problem(usize, usize, Problem),
    /// The end of the answer.
    All,
}

/// Problems of a perf map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Problem {
    /// The file, or its folder, is a symbolic link.
    Link,
    /// It is not a regular file.
    NotRegular,
    /// It belongs to this user, who is neither the process's user nor root.
    Owner(u32),
    /// It belongs to root, and not everybody may read it.
    Closed,
    /// The system cannot open or read it: the error number.
    System(i32),
    /// It names no code.
    NoCode,
    /// It is so large that only its end is read.
    EndOnly,
    /// Reading it, or another one of the same part, crashed or took too long.
    Stalled,
}

/// Where files are from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origins {
    /// The distribution's identifier.
    pub(super) distribution: Option<String>,
    /// By path, in the order in which they were given.
    pub(super) packages: Vec<Option<String>>,
}

impl Origins {
    /// The same, without what cannot be a name.
    pub(super) fn checked(self) -> Self {
        let valid = |name: &String| is_package_name(name);
        let packages = self.packages.into_iter();
        Self {
            distribution: self.distribution.filter(valid),
            packages: packages.map(|it| it.filter(valid)).collect(),
        }
    }
}

/// Names of packages and distributions: lower-case letters, digits, and a few signs, none of which a shell expands.
pub(super) fn is_package_name(name: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-._".contains(&byte);
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    begins && name.len() <= MAX_PACKAGE_NAME && name.bytes().all(fits)
}

/// What is known about a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) function: Option<String>,
    /// Where a function without a name begins.
    pub(super) begins: Option<UnnamedStart>,
    /// The build id of the file in which a function has no name, in hexadecimal.
    pub(super) build_id: Option<String>,
    /// Functions inlined there, innermost first.
    pub(super) inlined: Vec<String>,
    pub(super) caller: UnwindRule,
}

/// The start of a function without a name, and the exported functions around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnnamedStart {
    /// An offset in its file.
    pub(super) at: u64,
    pub(super) before: Option<ExportedBeside>,
    pub(super) after: Option<ExportedBeside>,
    /// What both are part of.
    pub(super) part: Option<RuntimePart>,
}

/// An exported function beside one without a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExportedBeside {
    pub(super) function: String,
    /// How many functions farther it is.
    pub(super) apart: u64,
}

/// How to find the caller of the function at this place (DWARF's call frame information).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum UnwindRule {
    /// Unknown: the function is assumed to keep frame pointers.
    #[default]
    Unknown,
    /// By the frame pointer.
    ByFrame,
    /// The function has no frame; the link that the kernel side found is its return address.
    ByLink,
    /// The function has no frame, but leaves its caller's frame pointer alone.
    Hidden,
    /// The register does not hold a frame pointer.
    Lost,
    /// The function has no caller.
    Outermost,
}
