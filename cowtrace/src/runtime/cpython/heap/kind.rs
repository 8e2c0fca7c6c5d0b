//! How to follow an object, by its type.

/// Flag of types whose objects are types (Include/object.h).
pub(super) const METATYPE: u64 = 1 << 31;
/// Flags of types that show the kind of their objects.
pub(super) const BY_FLAG: [(u64, ObjectKind); 7] = [
    (1 << 24, ObjectKind::Number),
    (1 << 25, ObjectKind::List),
    (1 << 26, ObjectKind::Tuple),
    (1 << 27, ObjectKind::Bytes),
    (1 << 28, ObjectKind::Text),
    (1 << 29, ObjectKind::Dict),
    (METATYPE, ObjectKind::Type),
];

/// How to follow an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Text,
    Bytes,
    /// Numbers, and other objects without references.
    Number,
    List,
    Tuple,
    Dict,
    Set,
    Deque,
    Function,
    Code,
    Cell,
    Method,
    Module,
    Type,
    Frame,
    Generator,
    /// Arrays of `NumPy`.
    Array,
    /// Mapped files and memory.
    Mapping,
    /// What a `DataFrame` of pandas keeps its columns in.
    Blocks,
    /// Weak references, which hold nothing.
    Weak,
    /// Instances of classes, and objects without a known layout: their members, then every word.
    Other,
}

impl ObjectKind {
    pub(super) fn of_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"float" | b"complex" | b"NoneType" | b"ellipsis" | b"NotImplementedType" => {
                Self::Number
            }
            // Since 3.15: not derived from dict, but with the same members.
            b"frozendict" => Self::Dict,
            b"set" | b"frozenset" => Self::Set,
            b"collections.deque" => Self::Deque,
            b"function" => Self::Function,
            b"code" => Self::Code,
            b"cell" => Self::Cell,
            b"method" => Self::Method,
            b"module" => Self::Module,
            b"frame" => Self::Frame,
            b"numpy.ndarray" => Self::Array,
            b"mmap.mmap" => Self::Mapping,
            // Of a longer name, as much as is read.
            b"pandas._libs.internals.BlockMana" => Self::Blocks,
            b"generator" | b"coroutine" | b"async_generator" => Self::Generator,
            _ if name.starts_with(b"weak") => Self::Weak,
            _ => return None,
        })
    }

    /// Whether programs keep their data in such objects.
    pub(super) const fn is_data(self) -> bool {
        matches!(
            self,
            Self::List
                | Self::Tuple
                | Self::Dict
                | Self::Set
                | Self::Deque
                | Self::Array
                | Self::Other
        )
    }

    /// Whether it has no references.
    pub(super) const fn is_leaf(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Number | Self::Weak)
    }
}
