//! Where the data of programs and libraries ends in memory, according to their files.

use std::os::fd::AsRawFd as _;

use super::{
    asking::{self, NameReader, Patience},
    question::{CodePlace, HeldFile, PartSource, QuestionPart},
};
use crate::memory::HeldData;

/// The answers for [`memory::name_bss`](crate::memory::name_bss) about held files.
pub(crate) fn ask_data_ends(data: &[HeldData]) -> Vec<Option<u64>> {
    ask_data(NameReader::Apart, data)
}

fn ask_data(reader: NameReader, data: &[HeldData]) -> Vec<Option<u64>> {
    let part = |data: &HeldData| QuestionPart {
        source: PartSource::Data(HeldFile {
            descriptor: data.file.as_raw_fd(),
            inode: data.inode,
        }),
        places: vec![CodePlace {
            at: data.offset,
            is_return: false,
        }],
    };
    let parts: Vec<QuestionPart> = data.iter().map(part).collect();
    let answered = asking::ask_namer(reader, &parts, Patience::AT_END);
    let first = |numbers: Option<Vec<Option<u64>>>| numbers?.first().copied()?;
    answered.numbers.into_iter().map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::{self, hold_named},
        scratch::Scratch,
    };
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, symlink},
        path::Path,
    };

    /// The answer about this program's writable mapping, from the file with this name.
    fn end_in(path: &Path, inode: Option<u64>) -> Option<u64> {
        let text = memory::read_layout_text(Path::new("/proc"), std::process::id()).unwrap();
        let program = fs::read_link("/proc/self/exe").unwrap();
        let mappings = memory::read_mappings(&text).unwrap();
        let mut own = mappings.iter().filter(|it| Path::new(&it.name) == program);
        let data = own.rfind(|it| it.perms.starts_with("rw")).unwrap();
        let file = hold_named(Path::new("/proc"), None, path.to_str().unwrap()).unwrap();
        let held = [HeldData {
            file,
            inode,
            offset: data.offset,
        }];
        ask_data(NameReader::Here, &held)[0]
    }

    #[test]
    fn only_a_regular_file_that_is_the_one_says_where_data_ends() {
        let scratch = Scratch::new("data");
        let program = fs::read_link("/proc/self/exe").unwrap();
        let inode = fs::metadata(&program).unwrap().ino();
        let whole = end_in(&program, None);
        assert!(whole.is_some());
        assert_eq!(end_in(&program, Some(inode)), whole);
        assert_eq!(end_in(&program, Some(inode + 1)), None);
        let link = scratch.path("link");
        symlink(&program, &link).unwrap();
        assert_eq!(end_in(&link, Some(inode)), whole, "what it leads to is it");
        fs::remove_file(&link).unwrap();
        symlink("/etc/passwd", &link).unwrap();
        assert_eq!(end_in(&link, None), None);
        // Opening it would wait for a writer.
        let fifo = scratch.path("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert_eq!(end_in(&fifo, None), None);
        for other in ["/dev/zero", "/"] {
            assert_eq!(end_in(other.as_ref(), None), None);
        }
        let cut = scratch.path("cut");
        for length in [0, 20, 64, 100] {
            let bytes = fs::read(&program).unwrap();
            fs::write(&cut, &bytes[..length]).unwrap();
            assert_eq!(end_in(&cut, None), None, "{length}");
        }
    }
}
