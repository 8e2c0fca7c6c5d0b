//! Takes DWARF out of the eBPF object: three quarters of it, of which only BTF is made. BTF stays.

/// Sections that nobody reads: DWARF, and what a linker would need for BTF.
const UNREAD: [&[u8]; 3] = [b".debug_", b".rel.debug_", b".rel.BTF"];

/// Bytes of the file's header and of a section's (elf(5)).
const FILE_HEADER: usize = 64;
const SECTION_HEADER: usize = 64;
/// Types of sections that have nothing in the file (`SHT_NULL`, `SHT_NOBITS`).
const EMPTY: usize = 0;
const NO_BITS: usize = 8;

/// Where fields are in the file's header: the table of sections, how many there are, and that of their names.
const TABLE: usize = 0x28;
const SECTIONS: usize = 0x3c;
const NAMES: usize = 0x3e;
/// Where fields are in a section's header.
const NAME: usize = 0x00;
const TYPE: usize = 0x04;
const OFFSET: usize = 0x18;
const SIZE: usize = 0x20;

/// The object without these sections. Their headers stay, empty, so that no number of a section changes.
pub(crate) fn strip_debug(object: &[u8]) -> Result<Vec<u8>, String> {
    stripped(object).ok_or_else(|| "the eBPF object is no 64-bit little-endian ELF file".into())
}

fn stripped(object: &[u8]) -> Option<Vec<u8>> {
    object.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    let table = number(object, TABLE, 8)?;
    let count = number(object, SECTIONS, 2)?;
    let header = |at: usize| {
        let start = table.checked_add(at.checked_mul(SECTION_HEADER)?)?;
        object.get(start..start.checked_add(SECTION_HEADER)?)
    };
    let names = content(object, header(number(object, NAMES, 2)?)?)?;
    let mut written = object.get(..FILE_HEADER)?.to_vec();
    let mut headers = Vec::new();
    for at in 0..count {
        let mut header = header(at)?.to_vec();
        let is_empty = number(&header, TYPE, 4)? == EMPTY;
        if is_empty || is_unread(names.get(number(&header, NAME, 4)?..)?) {
            headers.extend([0; SECTION_HEADER]);
            continue;
        }
        let content = content(object, &header)?;
        align(&mut written);
        set_number(&mut header, OFFSET, written.len());
        written.extend(content);
        headers.extend(header);
    }
    align(&mut written);
    let table = written.len();
    set_number(&mut written, TABLE, table);
    written.extend(headers);
    Some(written)
}

/// Whether a section is left out, by its name and what follows.
fn is_unread(name: &[u8]) -> bool {
    UNREAD.iter().any(|beginning| name.starts_with(beginning))
}

/// What a section has in the file.
fn content<'a>(object: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    let kind = number(header, TYPE, 4)?;
    if matches!(kind, EMPTY | NO_BITS) {
        return Some(&[]);
    }
    let start = number(header, OFFSET, 8)?;
    object.get(start..start.checked_add(number(header, SIZE, 8)?)?)
}

/// A little-endian number of some bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let mut all = [0; 8];
    all.get_mut(..length)?
        .copy_from_slice(bytes.get(at..at.checked_add(length)?)?);
    usize::try_from(u64::from_le_bytes(all)).ok()
}

/// Writes a number of eight bytes into a header.
fn set_number(bytes: &mut [u8], at: usize, number: usize) {
    bytes[at..at + 8].copy_from_slice(&(number as u64).to_le_bytes());
}

/// Sections of an object are aligned to eight bytes at most.
fn align(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object with these sections, the last of which has the names. Each: name, type, content.
    fn object(sections: &[(&str, usize, &[u8])]) -> Vec<u8> {
        let mut names = vec![0];
        let mut headers = vec![0; SECTION_HEADER];
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(FILE_HEADER, 0);
        let mut add = |file: &mut Vec<u8>, name: usize, kind: usize, content: &[u8]| {
            let mut header = vec![0; SECTION_HEADER];
            // Both have four bytes.
            set_number(&mut header, NAME, name | kind << 32);
            set_number(&mut header, OFFSET, file.len());
            set_number(&mut header, SIZE, content.len());
            if kind != NO_BITS {
                file.extend(content);
            }
            headers.extend(header);
        };
        for (name, kind, content) in sections {
            add(&mut file, names.len(), *kind, content);
            names.extend([name.as_bytes(), b"\0"].concat());
        }
        let name = names.len();
        names.extend(b".strtab\0");
        add(&mut file, name, 3, &names);
        let table = file.len();
        set_number(&mut file, TABLE, table);
        let count = u16::try_from(sections.len()).unwrap() + 2;
        file[SECTIONS..SECTIONS + 2].copy_from_slice(&count.to_le_bytes());
        file[NAMES..NAMES + 2].copy_from_slice(&(count - 1).to_le_bytes());
        file.extend(headers);
        file
    }

    /// Name and content of each section but the first and that of names; those that were left out have neither.
    fn sections(object: &[u8]) -> Vec<(String, Vec<u8>)> {
        let table = number(object, TABLE, 8).unwrap();
        let count = number(object, SECTIONS, 2).unwrap();
        let header = |at: usize| &object[table + at * SECTION_HEADER..][..SECTION_HEADER];
        let names = content(object, header(number(object, NAMES, 2).unwrap())).unwrap();
        let read = |at| {
            let name = &names[number(header(at), NAME, 4).unwrap()..];
            let name = name.split(|byte| *byte == 0).next().unwrap();
            let content = content(object, header(at)).unwrap();
            (String::from_utf8(name.to_vec()).unwrap(), content.to_vec())
        };
        (1..count - 1).map(read).collect()
    }

    #[test]
    fn debug_information_goes_and_every_other_section_keeps_its_number_and_content() {
        let whole = object(&[
            ("fentry", 1, b"code"),
            (".debug_info", 1, &[7; 999]),
            (".rel.debug_info", 9, &[8; 99]),
            (".BTF", 1, b"types"),
            (".rel.BTF.ext", 9, &[9; 99]),
            (".bss", NO_BITS, &[0; 4096]),
            (".maps", 1, b"maps"),
        ]);
        let stripped = strip_debug(&whole).unwrap();
        assert!(stripped.len() + 999 + 2 * 99 - 64 < whole.len());
        let found = sections(&stripped);
        let expected = [
            ("fentry", &b"code"[..]),
            ("", b""),
            ("", b""),
            (".BTF", b"types"),
            ("", b""),
            (".bss", b""),
            (".maps", b"maps"),
        ];
        let expected = expected.map(|(name, content)| (name.to_owned(), content.to_vec()));
        assert_eq!(found, expected);
        assert_eq!(strip_debug(&stripped).unwrap(), stripped, "nothing is left");
    }

    #[test]
    fn what_is_no_object_or_cut_off_is_refused() {
        assert!(strip_debug(b"").is_err() && strip_debug(b"\x7fELF\x01\x01").is_err());
        let whole = object(&[("fentry", 1, b"code")]);
        for length in 0..whole.len() {
            assert!(strip_debug(&whole[..length]).is_err(), "{length}");
        }
    }
}
