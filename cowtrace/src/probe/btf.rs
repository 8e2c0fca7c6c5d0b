//! Offsets of members of kernel structures from BTF, the running kernel's type information.
//!
//! Format: Documentation/bpf/btf.rst. Reads only what offsets and parameters need: structures, unions,
//! functions and names. Every access is bounds-checked: a damaged file gives an error, not a wrong offset.

use std::{fs, io, path::Path};

use thiserror::Error;

use crate::foreign::printable_path;

const MAGIC: u16 = 0xeb9f;
const HEADER_BYTES: usize = 24;
const TYPE_BYTES: usize = 12;
const MEMBER_BYTES: usize = 12;
/// Most levels of anonymous structures; the kernel's have two or three.
const MAX_DEPTH: u32 = 8;
/// Longest name; the kernel's are no longer (`KSYM_NAME_LEN`).
const MAX_NAME_BYTES: usize = 512;

const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_FUNCTION: u32 = 12;
const KIND_PROTOTYPE: u32 = 13;
const PARAMETER_BYTES: usize = 8;

/// Why an offset is unknown.
#[derive(Debug, Error)]
pub enum BtfError {
    /// The kernel was built without `CONFIG_DEBUG_INFO_BTF`, or /sys is not mounted.
    #[error(
        "the kernel's type information {path} cannot be read ({error}): mount /sys, or take a kernel with CONFIG_DEBUG_INFO_BTF=y"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// The file is not BTF of this machine's byte order, or it is cut short.
    #[error("the kernel's type information is damaged: {0}")]
    Damaged(&'static str),
    /// This kernel does not have the structure.
    #[error("this kernel has no struct {0}")]
    NoStruct(String),
    /// This kernel's structure does not have the member.
    #[error("this kernel's struct {structure} has no member {member}")]
    NoMember {
        /// Name of the structure.
        structure: String,
        /// Name of the member.
        member: String,
    },
}

/// The kernel's types, by id.
pub struct Btf {
    bytes: Vec<u8>,
    /// Offset in `bytes` of each type's record; id 0 is void.
    types: Vec<u32>,
    strings: usize,
}

impl Btf {
    /// Reads the running kernel's types.
    pub fn of_running_kernel() -> Result<Self, BtfError> {
        Self::from_file(Path::new("/sys/kernel/btf/vmlinux"))
    }

    /// Reads the types in a file.
    pub fn from_file(path: &Path) -> Result<Self, BtfError> {
        let bytes = fs::read(path).map_err(|error| BtfError::Unreadable {
            path: printable_path(path),
            error,
        })?;
        Self::parse(bytes)
    }

    /// Reads types from memory.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        if bytes.get(..2) != Some(&MAGIC.to_ne_bytes()[..]) {
            return Err(BtfError::Damaged("wrong magic number"));
        }
        let header = word_at(&bytes, 4)? as usize;
        if header < HEADER_BYTES {
            return Err(BtfError::Damaged("short header"));
        }
        let section = |at: usize| -> Result<(usize, usize), BtfError> {
            let start = header.saturating_add(word_at(&bytes, at)? as usize);
            let end = start.saturating_add(word_at(&bytes, at + 4)? as usize);
            if end > bytes.len() {
                return Err(BtfError::Damaged("section past the end"));
            }
            Ok((start, end))
        };
        let (mut at, types_end) = section(8)?;
        let (strings, _) = section(16)?;
        let mut types = vec![0];
        while at < types_end {
            types.push(u32::try_from(at).map_err(|_| BtfError::Damaged("too large"))?);
            at += record_bytes(word_at(&bytes, at + 4)?)?;
        }
        Ok(Self {
            bytes,
            types,
            strings,
        })
    }

    /// Offset, in bytes, of a member of a structure, including members of anonymous structures and unions
    /// inside it.
    pub fn offset(&self, structure: &str, member: &str) -> Result<u32, BtfError> {
        Ok(self.member(structure, member)?.0)
    }

    /// Offset, in bytes, of a member of a structure whose type is a member of another.
    pub fn inner_offset(
        &self,
        structure: &str,
        member: &str,
        inner: &str,
    ) -> Result<u32, BtfError> {
        let (offset, type_id) = self.member(structure, member)?;
        let within = self.find_member(type_id, inner, 0);
        let (within, _) = within.ok_or_else(|| BtfError::NoMember {
            structure: structure.to_owned(),
            member: format!("{member}.{inner}"),
        })?;
        Ok(offset + within)
    }

    /// Offset and type of a member of a structure.
    fn member(&self, structure: &str, member: &str) -> Result<(u32, usize), BtfError> {
        let ids = 1..self.types.len();
        ids.filter(|&id| self.is_struct_named(id, structure))
            .find_map(|id| self.find_member(id, member, 0))
            .ok_or_else(|| BtfError::NoMember {
                structure: structure.to_owned(),
                member: member.to_owned(),
            })
    }

    /// The first of these members that the structure has, and its offset in bytes.
    pub fn first_offset(
        &self,
        structure: &str,
        members: &[&'static str],
    ) -> Result<(&'static str, u32), BtfError> {
        members
            .iter()
            .find_map(|member| Some((*member, self.offset(structure, member).ok()?)))
            .ok_or_else(|| BtfError::NoMember {
                structure: structure.to_owned(),
                member: members.join(" or "),
            })
    }

    /// Size of a structure, bytes.
    pub fn struct_bytes(&self, structure: &str) -> Result<u32, BtfError> {
        (1..self.types.len())
            .filter(|&id| self.is_struct_named(id, structure))
            .find_map(|id| word_at(&self.bytes, self.record(id)?.2 + 8).ok())
            .ok_or_else(|| BtfError::NoStruct(structure.to_owned()))
    }

    /// Id of a structure.
    #[must_use]
    pub fn struct_id(&self, structure: &str) -> Option<u32> {
        let found = (1..self.types.len()).find(|&id| self.is_struct_named(id, structure))?;
        u32::try_from(found).ok()
    }

    /// Id of a function.
    #[must_use]
    pub fn function_id(&self, function: &str) -> Option<u32> {
        let found = (1..self.types.len()).find(|&id| {
            self.record(id).is_some_and(|(name_at, info, _)| {
                kind_of_type(info) == KIND_FUNCTION && self.name_is(name_at, function)
            })
        })?;
        u32::try_from(found).ok()
    }

    /// Names of a function's parameters, in order; `None` if no hook can find the function, because it was
    /// inlined, renamed or not built.
    #[must_use]
    pub fn parameters(&self, function: &str) -> Option<Vec<String>> {
        let (_, _, at) = self.record(self.function_id(function)? as usize)?;
        let prototype = word_at(&self.bytes, at + 8).ok()?;
        let (_, info, at) = self.record(prototype as usize)?;
        if kind_of_type(info) != KIND_PROTOTYPE {
            return None;
        }
        (0..members(info) as usize)
            .map(|index| {
                self.name(word_at(
                    &self.bytes,
                    at + TYPE_BYTES + index * PARAMETER_BYTES,
                ))
            })
            .collect()
    }

    fn is_struct_named(&self, id: usize, name: &str) -> bool {
        let Some((name_at, info, _)) = self.record(id) else {
            return false;
        };
        kind_of_type(info) == KIND_STRUCT && self.name_is(name_at, name)
    }

    fn find_member(&self, id: usize, name: &str, depth: u32) -> Option<(u32, usize)> {
        let (_, info, at) = self.record(id)?;
        if depth <= MAX_DEPTH && matches!(kind_of_type(info), KIND_VOLATILE | KIND_CONST) {
            // `vm_fault` has a `const` anonymous structure.
            return self.find_member(word_at(&self.bytes, at + 8).ok()? as usize, name, depth + 1);
        }
        if depth > MAX_DEPTH || !matches!(kind_of_type(info), KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let bit_fields = info >> 31 == 1;
        (0..members(info) as usize).find_map(|index| {
            let member = at + TYPE_BYTES + index * MEMBER_BYTES;
            let name_at = word_at(&self.bytes, member).ok()?;
            let type_id = word_at(&self.bytes, member + 4).ok()? as usize;
            let raw = word_at(&self.bytes, member + 8).ok()?;
            let bits = if bit_fields { raw & 0x00ff_ffff } else { raw };
            if self.name_is(name_at, name) {
                return Some((bits / 8, type_id));
            }
            if name_at != 0 && !self.name_is(name_at, "") {
                return None;
            }
            let (within, type_id) = self.find_member(type_id, name, depth + 1)?;
            Some((bits / 8 + within, type_id))
        })
    }

    /// Offset of the name, info word, and offset of the record of a type.
    fn record(&self, id: usize) -> Option<(u32, u32, usize)> {
        let at = *self.types.get(id)? as usize;
        if id == 0 {
            return None;
        }
        Some((
            word_at(&self.bytes, at).ok()?,
            word_at(&self.bytes, at + 4).ok()?,
            at,
        ))
    }

    fn name(&self, name_at: Result<u32, BtfError>) -> Option<String> {
        let start = self.strings.saturating_add(name_at.ok()? as usize);
        let rest = self.bytes.get(start..)?;
        let end = rest
            .iter()
            .take(MAX_NAME_BYTES)
            .position(|&byte| byte == 0)?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn name_is(&self, name_at: u32, name: &str) -> bool {
        let start = self.strings.saturating_add(name_at as usize);
        let wanted = self.bytes.get(start..start.saturating_add(name.len()));
        let end = self.bytes.get(start.saturating_add(name.len()));
        wanted == Some(name.as_bytes()) && end == Some(&0)
    }
}

const fn kind_of_type(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

const fn members(info: u32) -> u32 {
    info & 0xffff
}

/// Length of a type's record, bytes.
fn record_bytes(info: u32) -> Result<usize, BtfError> {
    let count = members(info) as usize;
    let extra = match kind_of_type(info) {
        // integer, variable, declaration tag
        1 | 14 | 17 => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => count * 12,
        // enumeration, function prototype
        6 | 13 => count * 8,
        // pointer, forward, typedef, volatile, const, restrict, function, float, type tag
        2 | 7..=12 | 16 | 18 => 0,
        _ => return Err(BtfError::Damaged("unknown kind of type")),
    };
    Ok(TYPE_BYTES + extra)
}

fn word_at(bytes: &[u8], at: usize) -> Result<u32, BtfError> {
    let end = at.checked_add(4).ok_or(BtfError::Damaged("cut short"))?;
    let bytes = bytes.get(at..end).ok_or(BtfError::Damaged("cut short"))?;
    let bytes = bytes
        .try_into()
        .map_err(|_| BtfError::Damaged("cut short"))?;
    Ok(u32::from_ne_bytes(bytes))
}

#[cfg(test)]
pub(super) mod tests;
