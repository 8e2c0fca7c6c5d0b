//! A mapping of an address space, as the kernel's /proc files describe it.

use serde::{Deserialize, Serialize};

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The heap that `brk` grows.
    Heap,
    /// Anonymous memory.
    Anon,
    /// A privately mapped file.
    File,
    /// The main thread's stack.
    Stack,
    /// Shared memory or a shared file: never copied.
    Shared,
    /// The kernel's own: vdso, vvar, vsyscall.
    Special,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Heap,
        Self::Anon,
        Self::File,
        Self::Stack,
        Self::Shared,
        Self::Special,
    ];

    /// As it stands in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Anon => "anon",
            Self::File => "file",
            Self::Stack => "stack",
            Self::Shared => "shared",
            Self::Special => "special",
        }
    }

    /// Whether its pages are anonymous from the start.
    #[must_use]
    pub const fn is_anonymous(self) -> bool {
        matches!(self, Self::Heap | Self::Anon | Self::Stack)
    }
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// Path, or the kernel's name in brackets. From outside: may hold any character.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Permissions as in /proc/PID/maps, such as `rw-p`.
    pub perms: String,
    /// Offset in the file, bytes; 0 for anonymous memory.
    pub offset: u64,
    /// Present pages; 0 if they were not counted, as those are not that cannot be copied.
    pub resident_pages: u64,
    /// Of these, pages that belong to no file.
    pub anonymous_pages: u64,
    /// Size of its pages of hugetlbfs, bytes; 0 if it has none.
    #[serde(default)]
    pub huge_page_bytes: u64,
    /// Whether KSM may have merged its pages. The kernel says of the process alone whether it may have.
    pub mergeable: bool,
}

impl Mapping {
    /// The name of anonymous memory to which nobody gave one.
    pub const UNNAMED: &str = "[anon]";
    /// The names of memory that an allocator's own data shows to be its own.
    pub const JEMALLOC: &str = "[jemalloc]";
    /// The heap of PHP.
    pub const ZEND_HEAP: &str = "[zend heap]";

    /// Bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether fork shares its pages copy-on-write and a write can come: private and writable.
    #[must_use]
    pub fn is_copy_on_write(&self) -> bool {
        self.perms.contains('w') && self.perms.contains('p')
    }

    /// Whether an address is inside.
    #[must_use]
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// Whether it is what another is, pages aside.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let place = |mapping: &Self| (mapping.start, mapping.end, mapping.offset, mapping.kind);
        place(self) == place(other) && self.perms == other.perms && self.name == other.name
    }

    /// Whether a later mapping at the same address is another one. This is known of files
    /// only: one piece of anonymous memory looks like another.
    #[must_use]
    pub fn is_replaced_by(&self, later: &Self) -> bool {
        let file = |mapping: &Self| matches!(mapping.kind, Kind::File | Kind::Shared);
        let name = |mapping: &Self| mapping.name.trim_end_matches(" (deleted)").to_owned();
        let base = |mapping: &Self| mapping.offset.wrapping_sub(mapping.start);
        match (file(self), file(later)) {
            (false, false) => false,
            (true, true) => name(self) != name(later) || base(self) != base(later),
            _ => true,
        }
    }
}
