//! Fuzzes the files that name code, and the answers of the process that reads them.

use object::{Object as _, ObjectSymbol as _};

use super::{
    answers::{Answers, told_in},
    file::Segments,
    perf_map,
    question::{CodePlace, HeldFile, HeldPerfMap, PartSource, Problem, QuestionPart},
    unnamed::Functions,
    unwind::Unwind,
};
use crate::fuzzing::{Target, Values};

/// A program or a library.
pub(crate) const ELF: Target = Target {
    name: "elf",
    run: elf,
    seeds: programs,
    max_bytes: 32 << 10,
    memory: |bytes| 64 * bytes + (1 << 20),
};

/// A perf map, which describes code that a process generated.
pub(crate) const PERF_MAP: Target = Target {
    name: "perf_map",
    run: perf_map,
    seeds: || vec![PERF_MAP_SEED.to_vec()],
    max_bytes: 4 << 10,
    memory: |bytes| 64 * bytes + (1 << 16),
};

/// Answers of the naming process.
pub(crate) const ANSWERS: Target = Target {
    name: "answers",
    run: answers,
    seeds: || vec![ANSWERS_SEED.to_vec()],
    max_bytes: 4 << 10,
    memory: |bytes| 64 * bytes + (1 << 16),
};

const PERF_MAP_SEED: &[u8] = b"\x20\x10\0\0\0\0\0\0\x05\x20\0\0\0\0\0\0\
    1000 20 LazyCompile:old /app.js:1\n2000 10 stub\n1000 10 *new app.js:7\n";
const ANSWERS_SEED: &[u8] = br#"{"Begun":[0]}
{"Names":[0,[{"function":"f","begins":{"at":4096,"before":{"function":"near","apart":2},"after":null,"part":"ruby-collector"},"inlined":["g"],"caller":"ByFrame"}]]}
{"Problem":[3,1,{"Owner":7}]}
{"Begun":[4,5]}
{"Numbers":[4,[8192,null]]}
{"Numbers":[5,[64]]}
{"Origins":[6,{"distribution":"debian","packages":["libruby3.1",null]}]}
{"Begun":[1,2,3]}
{"Names":[1,[{"function":null,"begins":null,"inlined":[],"caller":"Unknown"},
"All"
"#;

/// Everything done with a file except by blazesym, which is another project and runs in another
/// process.
fn elf(input: &[u8]) {
    let Ok(file) = object::File::parse(input) else {
        return;
    };
    let segments = Segments::of(&file);
    let functions = Functions::of(&file);
    let unwind = Unwind::of(&file);
    let symbols = file.dynamic_symbols().map(|symbol| symbol.address());
    let addresses = symbols.take(8).chain([0, file.entry(), 0x1000, u64::MAX]);
    for address in addresses {
        let _ = segments
            .offset(address)
            .map(|offset| segments.address(offset));
        if let Some(start) = functions.as_ref().and_then(|it| it.around(address)) {
            let mut beside = start.before.iter().chain(&start.after);
            assert!(start.at <= address && beside.all(|it| !it.function.is_empty()));
            if let Some(unwind) = &unwind {
                let _ = unwind.caller(start.at);
            }
        }
        if let Some(unwind) = &unwind {
            let _ = unwind.caller(address);
        }
    }
}

/// Two addresses, then the file. The last line that contains an address names it.
fn perf_map(input: &[u8]) {
    let mut values = Values(input);
    let addresses = [values.word(), values.word()];
    let names = perf_map::names_in(values.0, &addresses);
    assert_eq!(names.len(), 2);
    for (address, name) in addresses.into_iter().zip(names) {
        let lines = values.0.split(|byte| *byte == b'\n');
        let mut found = lines.filter_map(perf_map::parse_function);
        let last = found
            .rfind(|(start, end, _)| (*start..*end).contains(&address))
            .map(|(.., name)| String::from_utf8_lossy(name).into_owned());
        assert_eq!(name, last);
    }
}

/// Parts with one, two and no places, one about two perf maps, two that ask for numbers, and one for packages; asked
/// again after the first answers.
fn answers(input: &[u8]) {
    let held = HeldFile {
        descriptor: -1,
        inode: None,
    };
    let file = || PartSource::File(held);
    let maps = [1, 2].map(|pid| HeldPerfMap {
        pid,
        descriptor: -1,
        owner: 0,
    });
    let sources = [
        (file(), 1),
        (file(), 2),
        (file(), 0),
        (PartSource::PerfMaps(maps.to_vec()), 1),
        (PartSource::Data(held), 2),
        (PartSource::Symbols(held, vec!["f".into()]), 0),
        (PartSource::Packages(-1, vec!["/f".into(), "/g".into()]), 0),
    ];
    let parts = sources.map(|(source, places)| QuestionPart {
        source,
        places: vec![
            CodePlace {
                at: 0,
                is_return: false,
            };
            places
        ],
    });
    let mut answers = Answers::new(&parts);
    for half in input.split(|byte| *byte == 0).take(2) {
        told_in(half).for_each(|told| answers.take(told));
        answers.leave_begun();
        assert_eq!(answers.names.len(), parts.len());
        assert!(answers.problems.keys().all(|pid| [1, 2].contains(pid)));
        let words = |(problem, owner): &(Problem, u32)| problem.in_words(*owner);
        assert!(answers.problems.values().all(|it| words(it).len() < 200));
        for (part, names) in parts.iter().zip(&answers.names) {
            let count = names.as_ref().map(Vec::len);
            assert!(count.is_none_or(|count| count == part.places.len()));
        }
        for origins in answers.origins.iter().flatten() {
            let names = origins.packages.iter().flatten();
            assert!(origins.packages.len() == 2 && names.clone().all(|it| !it.contains(' ')));
        }
        for (part, numbers) in parts.iter().zip(&answers.numbers) {
            let count = numbers.as_ref().map(Vec::len);
            let wanted = part.source.numbers(part.places.len());
            assert!(count.is_none() || count == wanted);
        }
    }
}

/// The vDSO, and a library that looks like an interpreter.
pub(crate) fn programs() -> Vec<Vec<u8>> {
    let mut seeds = vec![b"\x7fELF\x02\x01\x01".to_vec()];
    seeds.extend(vdso());
    seeds.extend(library());
    seeds.retain(|seed| seed.len() <= ELF.max_bytes);
    seeds
}

fn vdso() -> Option<Vec<u8>> {
    let text = crate::memory::read_layout_text("/proc".as_ref(), std::process::id()).ok()?;
    let mappings = crate::memory::read_mappings(&text).ok()?;
    let vdso = mappings.iter().find(|mapping| mapping.name == "[vdso]")?;
    let mut bytes = vec![0; usize::try_from(vdso.end - vdso.start).ok()?];
    crate::memory::read_target(std::process::id(), vdso.start, &mut bytes).then_some(bytes)
}

/// Compiled by the C compiler that builds everything here.
fn library() -> Option<Vec<u8>> {
    const SOURCE: &[u8] = b"long PyType_Type[2], _PyRuntime = 1, Py_Version = 2;\
        int PyConfig_InitPythonConfig(int a) { return a + _PyRuntime; }\
        int caller(int a) { volatile int b[9] = {a}; return PyConfig_InitPythonConfig(b[a]) + 1; }";
    let folder = crate::scratch::Scratch::new("library");
    let (source, library) = (folder.path("python.c"), folder.path("libpython.so"));
    std::fs::write(&source, SOURCE).ok()?;
    let mut compiler = std::process::Command::new("cc");
    compiler.args([
        "-O1",
        "-fPIC",
        "-shared",
        "-nostdlib",
        "-s",
        "-Wl,-z,noseparate-code",
    ]);
    let status = compiler
        .arg("-o")
        .arg(&library)
        .arg(&source)
        .status()
        .ok()?;
    status.success().then(|| std::fs::read(&library).ok())?
}
