//! Functions of stripped files: their start, from the table for unwinding that stripping leaves in
//! place (Linux Standard Base, `.eh_frame_hdr`), and the exported functions before and after them, which
//! are often from the same source file.

use std::collections::{BTreeMap, BTreeSet};

use object::{Object, ObjectSection as _, ObjectSymbol as _, SymbolKind};

use super::{
    parts::parts_of,
    question::{ExportedBeside, UnnamedStart},
};
use crate::run::RuntimePart;

/// Most functions of a file that are looked up, 8 bytes each; the largest browsers have half as
/// many.
const MAX_FUNCTIONS: usize = 1 << 20;
/// Longer names are not used.
const MAX_NAME: usize = 256;
/// A table of pairs of 4 bytes, relative to the header: all linkers write this kind.
const ENCODINGS: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
const HEADER_BYTES: usize = 12;
const MAX_TABLE_BYTES: u64 = (HEADER_BYTES + 8 * MAX_FUNCTIONS) as u64;

/// Functions of a file.
#[derive(Default)]
pub(super) struct Functions {
    /// Addresses, ascending.
    starts: Vec<u64>,
    /// Exported ones by address, ascending; none if they say nothing of their neighbours.
    exported: Vec<ExportedFunction>,
}

/// A function that a file exports.
struct ExportedFunction {
    at: u64,
    name: String,
    part: Option<RuntimePart>,
}

impl Functions {
    /// Those of a file; none if the file does not list them.
    pub(super) fn of<'a>(file: &impl Object<'a>) -> Option<Self> {
        let table = file.section_by_name(".eh_frame_hdr")?;
        if table.size() > MAX_TABLE_BYTES {
            return None;
        }
        let starts = function_starts(table.data().ok()?, table.address())?;
        let symbols = file.dynamic_symbols();
        let functions =
            symbols.filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
        let exported = functions
            .take(MAX_FUNCTIONS)
            .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?)))
            .filter(|(_, name)| !name.is_empty() && name.len() <= MAX_NAME);
        Some(Self::new(starts, exported))
    }

    /// Begins at these addresses, in order, and exports these functions.
    pub(super) fn new<'a>(
        starts: Vec<u64>,
        exported: impl Iterator<Item = (u64, &'a str)>,
    ) -> Self {
        // Of several names of a function, the first in the alphabet.
        let mut by_address: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for (at, name) in exported {
            by_address.entry(at).or_default().insert(name);
        }
        let Some(parts) = parts_of(by_address.values()) else {
            return Self {
                starts,
                exported: Vec::new(),
            };
        };
        let exported = by_address.into_iter().zip(parts);
        let function = |((at, names), part): ((u64, BTreeSet<&str>), _)| ExportedFunction {
            at,
            name: names.first().copied().unwrap_or_default().to_owned(),
            part,
        };
        Self {
            starts,
            exported: exported.map(function).collect(),
        }
    }

    /// The start of the function at an address, and the exported functions around it.
    pub(super) fn around(&self, address: u64) -> Option<UnnamedStart> {
        let starts_to = |address: u64| self.starts.partition_point(|&start| start <= address);
        let place = starts_to(address);
        let at = *self.starts.get(place.checked_sub(1)?)?;
        // The table may join several functions of assembly.
        let after = self.exported.partition_point(|it| it.at <= address);
        let before = after
            .checked_sub(1)
            .and_then(|index| self.exported.get(index));
        let after = self.exported.get(after);
        let beside = |it: &ExportedFunction| ExportedBeside {
            function: it.name.clone(),
            apart: starts_to(it.at).abs_diff(place) as u64,
        };
        let part = before.and_then(|it| it.part);
        Some(UnnamedStart {
            at,
            before: before.map(beside),
            after: after.map(beside),
            part: part.filter(|_| after.is_some_and(|it| it.part == part)),
        })
    }
}

/// The start addresses of functions, ascending; none if the table is of another kind or damaged.
fn function_starts(header: &[u8], header_address: u64) -> Option<Vec<u64>> {
    let word = |at: usize| -> Option<[u8; 4]> { header.get(at..at + 4)?.try_into().ok() };
    if header.get(..4)? != ENCODINGS {
        return None;
    }
    let count = usize::try_from(u32::from_ne_bytes(word(8)?)).ok()?;
    let pairs = header.get(HEADER_BYTES..)?.chunks_exact(8);
    if count > MAX_FUNCTIONS || count > pairs.len() {
        return None;
    }
    let starts = pairs.take(count).map(|pair| {
        let distance = i32::from_ne_bytes(pair[..4].try_into().unwrap_or_default());
        header_address.wrapping_add_signed(distance.into())
    });
    let starts: Vec<u64> = starts.collect();
    starts.is_sorted().then_some(starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::ReadCache;
    use proptest::prelude::*;

    fn header(distances: &[i32]) -> Vec<u8> {
        let mut bytes = ENCODINGS.to_vec();
        bytes.extend([0; 4]);
        bytes.extend(u32::try_from(distances.len()).unwrap().to_ne_bytes());
        for distance in distances {
            bytes.extend(distance.to_ne_bytes());
            bytes.extend([0; 4]);
        }
        bytes
    }

    fn functions() -> Functions {
        let starts = function_starts(&header(&[-0x5000, -0x4000, -0x3000]), 0x9000).unwrap();
        let exported = [(0x5000, "last"), (0x5000, "alias"), (0x6000, "next")];
        Functions::new(starts, exported.into_iter())
    }

    #[test]
    fn a_function_goes_by_its_beginning_and_the_exported_ones_around_it() {
        let mut functions = functions();
        assert_eq!(functions.starts, [0x4000, 0x5000, 0x6000]);
        functions.starts.extend([0x6100, 0x6200]);
        let beside = |name: &str, apart| {
            Some(ExportedBeside {
                function: name.into(),
                apart,
            })
        };
        let found = |at, before, after| {
            Some(UnnamedStart {
                at,
                before,
                after,
                part: None,
            })
        };
        let (alias, next) = (beside("alias", 1), beside("next", 2));
        assert_eq!(functions.around(0x4010), found(0x4000, None, alias));
        assert_eq!(functions.around(0x62ff), found(0x6200, next, None));
        let (alias, next) = (beside("alias", 0), beside("next", 1));
        assert_eq!(functions.around(0x5fff), found(0x5000, alias, next));
        assert_eq!(functions.around(0x3fff), None, "before the first");
    }

    #[test]
    fn the_c_librarys_own_table_is_read() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let library = maps.lines().find(|line| line.contains("/libc.so.6"));
        // A statically linked test program has none.
        let Some(path) = library.and_then(|line| line.split_whitespace().last()) else {
            return;
        };
        let cache = ReadCache::new(std::fs::File::open(path).unwrap());
        let file = object::File::parse(&cache).unwrap();
        let functions = Functions::of(&file).unwrap();
        assert!(functions.starts.len() > 1000 && functions.exported.len() > 1000);
        // Each exported function begins where the table has the start of a function.
        let begin = |it: &&ExportedFunction| functions.starts.binary_search(&it.at).is_ok();
        let known = functions.exported.iter().filter(begin).count();
        assert!(known * 10 > functions.exported.len() * 9, "{known}");
    }

    proptest! {
        #[test]
        fn garbage_is_no_crash(bytes: Vec<u8>, address: u64, count: u32) {
            let _ = function_starts(&bytes, address);
            let mut counted = header(&[1, 2]);
            counted[8..12].copy_from_slice(&count.to_ne_bytes());
            let _ = function_starts(&counted, address);
        }
    }
}
