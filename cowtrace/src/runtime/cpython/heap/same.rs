//! Offsets that are the same in all versions (Include/cpython and Include/internal of 3.8 to 3.15),
//! in bytes, for builds with a global interpreter lock.

/// `ob_type`.
pub(super) const TYPE: u64 = 8;
/// `ob_size` of objects with a variable size.
pub(super) const SIZE: u64 = 16;
/// Members of types.
pub(super) const NAME: u64 = 24;
pub(super) const BASIC_SIZE: u64 = 32;
pub(super) const ITEM_SIZE: u64 = 40;
pub(super) const FLAGS: u64 = 168;
pub(super) const WEAK_LIST: u64 = 208;
pub(super) const MEMBERS: u64 = 240;
pub(super) const BASE: u64 = 256;
pub(super) const TYPE_DICT: u64 = 264;
pub(super) const DICT_OFFSET: u64 = 288;
pub(super) const BASES: u64 = 336;
pub(super) const MRO: u64 = 344;
/// Members of lists, dicts and sets.
pub(super) const LIST_ITEMS: u64 = 24;
pub(super) const LIST_ALLOCATED: u64 = 32;
pub(super) const DICT_USED: u64 = 16;
pub(super) const DICT_KEYS: u64 = 32;
pub(super) const DICT_VALUES: u64 = 40;
pub(super) const SET_USED: u64 = 24;
pub(super) const SET_MASK: u64 = 32;
pub(super) const SET_TABLE: u64 = 40;
/// Members of deques (Modules/_collectionsmodule.c): first block, position in it.
pub(super) const DEQUE_LEFT: u64 = 24;
pub(super) const DEQUE_LEFT_INDEX: u64 = 40;
/// Members of cells, methods, modules, frames.
pub(super) const CELL: u64 = 16;
pub(super) const METHOD_FUNCTION: u64 = 16;
pub(super) const METHOD_SELF: u64 = 24;
pub(super) const MODULE_DICT: u64 = 16;
pub(super) const FRAME_OBJECT: u64 = 24;
/// Digits of an int.
pub(super) const DIGITS: u64 = 24;
/// Member definitions (`PyMemberDef`): name, type, offset; and the distance between them.
pub(super) const MEMBER_TYPE: usize = 1;
pub(super) const MEMBER_OFFSET: usize = 2;
pub(super) const MEMBER_WORDS: usize = 5;
