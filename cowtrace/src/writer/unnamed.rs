//! Functions of stripped files: where they begin, by the table for unwinding that stripping leaves
//! (Linux Standard Base, `.eh_frame_hdr`), and the exported function before them, which tends to be
//! of the same source file.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use object::{
    Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _, ReadCache, SymbolKind,
};

/// Functions of a file that are looked up, 8 bytes each; the largest browsers have half as many.
const MAX_FUNCTIONS: usize = 1 << 20;
/// Farther away an exported function says nothing.
const NEAR: u64 = 16 << 10;
/// Longer names are not told.
const MAX_NAME: usize = 256;
/// A table of pairs of 4 bytes, relative to the header: what all linkers write.
const ENCODINGS: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
const HEADER_BYTES: usize = 12;
const MAX_TABLE_BYTES: u64 = (HEADER_BYTES + 8 * MAX_FUNCTIONS) as u64;

/// Larger files are not read.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The functions of the files that were asked about, by device and number.
#[derive(Default)]
pub(super) struct Unnamed {
    files: HashMap<(u64, u64), Option<Functions>>,
}

impl Unnamed {
    /// Where the function at an offset in a file begins, by offset, and the exported function near
    /// it; none if the file does not tell.
    pub(super) fn around(&mut self, path: &Path, offset: u64) -> Option<(u64, Option<String>)> {
        let file = fs::metadata(path).ok()?;
        if !file.is_file() || file.len() > MAX_FILE_BYTES {
            return None;
        }
        let functions = self
            .files
            .entry((file.dev(), file.ino()))
            .or_insert_with(|| Functions::read(path));
        let (begin, near) = functions.as_ref()?.around(offset)?;
        Some((begin, near.map(str::to_owned)))
    }
}

/// Functions of a file.
#[derive(Default)]
struct Functions {
    segments: Vec<Segment>,
    /// Addresses, ascending.
    starts: Vec<u64>,
    /// Exported ones by address, ascending.
    exported: Vec<(u64, String)>,
}

/// What of the file is loaded where, before it is moved.
struct Segment {
    offset: u64,
    bytes: u64,
    address: u64,
}

impl Functions {
    fn read(path: &Path) -> Option<Self> {
        let cache = ReadCache::new(File::open(path).ok()?);
        let file = object::File::parse(&cache).ok()?;
        let table = file.section_by_name(".eh_frame_hdr")?;
        if table.size() > MAX_TABLE_BYTES {
            return None;
        }
        let starts = starts(table.data().ok()?, table.address())?;
        let segments = file.segments().map(|segment| {
            let (offset, bytes) = segment.file_range();
            Segment {
                offset,
                bytes,
                address: segment.address(),
            }
        });
        let symbols = file.dynamic_symbols();
        let functions =
            symbols.filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
        let mut exported: Vec<(u64, String)> = functions
            .take(MAX_FUNCTIONS)
            .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_owned())))
            .filter(|(_, name)| !name.is_empty() && name.len() <= MAX_NAME)
            .collect();
        exported.sort_unstable();
        Some(Self {
            segments: segments.collect(),
            starts,
            exported,
        })
    }

    fn around(&self, offset: u64) -> Option<(u64, Option<&str>)> {
        let segment = self
            .segments
            .iter()
            .find(|segment| segment.offset <= offset && offset - segment.offset < segment.bytes)?;
        let address = (offset - segment.offset).checked_add(segment.address)?;
        let after = self.starts.partition_point(|&start| start <= address);
        let start = *self.starts.get(after.checked_sub(1)?)?;
        // Not of this segment: code that has no entry.
        let begins = start
            .checked_sub(segment.address)?
            .checked_add(segment.offset)?;
        let after = self.exported.partition_point(|(at, _)| *at <= start);
        let near = after
            .checked_sub(1)
            .and_then(|index| self.exported.get(index))
            .filter(|(at, _)| start - at <= NEAR)
            .map(|(_, name)| name.as_str());
        Some((begins, near))
    }
}

/// The addresses at which functions begin, ascending; none if the table is of another kind or
/// damaged.
fn starts(header: &[u8], header_address: u64) -> Option<Vec<u64>> {
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
        Functions {
            segments: vec![Segment {
                offset: 0x1000,
                bytes: 0x8000,
                address: 0x3000,
            }],
            starts: starts(&header(&[-0x5000, -0x4000, -0x3000]), 0x9000).unwrap(),
            exported: vec![(0x4800, "rb_gc_enable".to_owned())],
        }
    }

    #[test]
    fn a_function_goes_by_its_beginning_and_the_exported_one_before_it() {
        let functions = functions();
        assert_eq!(functions.starts, [0x4000, 0x5000, 0x6000]);
        let near = Some("rb_gc_enable");
        assert_eq!(functions.around(0x3010), Some((0x3000, near)));
        assert_eq!(functions.around(0x2fff), Some((0x2000, None)));
        assert_eq!(functions.around(0x1fff), None, "before the first");
        assert_eq!(functions.around(0x9001), None, "not loaded");
    }

    #[test]
    fn an_exported_function_far_away_is_not_near() {
        let mut functions = functions();
        functions.starts.push(0x4800 + NEAR + 1);
        assert_eq!(functions.around(0x6801 + 0x20), Some((0x6801, None)));
    }

    #[test]
    fn the_c_librarys_own_table_is_read() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let library = maps.lines().find(|line| line.contains("/libc.so.6"));
        // A test that is linked statically has none.
        let Some(path) = library.and_then(|line| line.split_whitespace().last()) else {
            return;
        };
        let functions = Functions::read(Path::new(path)).unwrap();
        assert!(functions.starts.len() > 1000 && functions.exported.len() > 1000);
        // Exported functions begin where the table says that functions begin.
        let begin = |(at, _): &&(u64, String)| functions.starts.binary_search(at).is_ok();
        let known = functions.exported.iter().filter(begin).count();
        assert!(known * 10 > functions.exported.len() * 9, "{known}");
    }

    proptest! {
        #[test]
        fn garbage_is_no_crash(bytes: Vec<u8>, address: u64, count: u32) {
            let _ = starts(&bytes, address);
            let mut counted = header(&[1, 2]);
            counted[8..12].copy_from_slice(&count.to_ne_bytes());
            let _ = starts(&counted, address);
        }
    }
}
