//! Where a program or a library has its symbols.

use object::{Object, ObjectSegment as _, ObjectSymbol as _};

/// Addresses of symbols with these names, relative to where the file's beginning is mapped:
/// exported symbols, otherwise others.
pub(crate) fn offsets_in<'a>(file: &impl Object<'a>, names: &[String]) -> Vec<Option<u64>> {
    let mut offsets = vec![None; names.len()];
    let mut segments = file.segments();
    let Some(first) = segments.find(|segment| segment.file_range().0 == 0) else {
        return offsets;
    };
    for symbol in file.dynamic_symbols().chain(file.symbols()) {
        if !symbol.is_definition() {
            continue;
        }
        let Ok(name) = symbol.name() else { continue };
        let wanted = names.iter().position(|wanted| wanted == name);
        if let Some(offset) = wanted.and_then(|wanted| offsets.get_mut(wanted))
            && offset.is_none()
        {
            *offset = symbol.address().checked_sub(first.address());
            if !offsets.contains(&None) {
                break;
            }
        }
    }
    offsets
}
