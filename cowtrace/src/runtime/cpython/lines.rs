//! From a position in the bytecode to a line of the source: the location table of a code object,
//! 3.11 and later (Objects/locations.md in CPython's sources).

/// Kinds of entries.
const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;
const NO_LOCATION: u8 = 15;

/// Line of the instruction at an offset in bytes; none if the table has none for it or is damaged.
pub(super) fn line_at(table: &[u8], first_line: u32, offset: u64) -> Option<u32> {
    let mut line = i64::from(first_line);
    let mut end = 0u64;
    let mut bytes = table.iter().copied();
    while let Some(head) = bytes.next() {
        if head & 0x80 == 0 {
            return None;
        }
        let kind = (head >> 3) & 0xf;
        // In code units of 2 bytes.
        end += (u64::from(head & 7) + 1) * 2;
        match kind {
            0..=9 => drop(bytes.next()?),
            10..=12 => {
                line += i64::from(kind - 10);
                bytes.next()?;
                bytes.next()?;
            }
            NO_COLUMNS => line = line.checked_add(read_signed(&mut bytes)?)?,
            LONG => {
                line = line.checked_add(read_signed(&mut bytes)?)?;
                for _ in 0..3 {
                    read_unsigned(&mut bytes)?;
                }
            }
            _ => {}
        }
        if offset < end {
            let line = u32::try_from(line).ok()?;
            return (kind != NO_LOCATION && line > 0).then_some(line);
        }
    }
    None
}

/// Six bits per byte, lowest first; the seventh bit means that more follow.
fn read_unsigned(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..36).step_by(6) {
        let byte = bytes.next()?;
        value |= u64::from(byte & 0x3f) << shift;
        if byte & 0x40 == 0 {
            return Some(value);
        }
    }
    None
}

/// The sign is in the lowest bit.
fn read_signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let value = read_unsigned(bytes)?;
    let size = i64::try_from(value >> 1).ok()?;
    Some(if value & 1 == 0 { size } else { -size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An entry of this kind for some code units, and the bytes after it.
    fn entry(kind: u8, units: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80 | (kind << 3) | (units - 1)];
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn each_kind_of_entry_moves_the_line() {
        let table = [
            entry(15, 1, &[]),              // bytes 0-1: no location
            entry(0, 2, &[0x12]),           // 2-5: the first line
            entry(11, 1, &[1, 2]),          // 6-7: one line on
            entry(13, 1, &[0x54, 1]),       // 8-9: 84 >> 1 = 42 lines on
            entry(14, 8, &[0x03, 0, 1, 2]), // 10-25: one line back
        ]
        .concat();
        let lines: Vec<_> = [0, 2, 5, 6, 8, 10, 25, 26]
            .map(|offset| line_at(&table, 100, offset))
            .into();
        let expected = [
            None,
            Some(100),
            Some(100),
            Some(101),
            Some(143),
            Some(142),
            Some(142),
            None,
        ];
        assert_eq!(lines, expected);
    }

    proptest! {
        #[test]
        fn garbage_is_no_crash(table: Vec<u8>, first: u32, offset in 0u64..4096) {
            let _ = line_at(&table, first, offset);
        }
    }
}
