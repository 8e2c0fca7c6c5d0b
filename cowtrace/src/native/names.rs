//! Collects the addresses to be named, asks for their names in one go, and looks up the answers.

use std::collections::{BTreeMap, HashMap};

use super::{
    answers::Answered,
    asking::{self, NameReader, Patience},
    code::{Located, ProgramCode},
    held::{HeldFiles, Holding},
    origins::with_origins,
    question::{
        CodePlace, ExportedBeside, HeldPerfMap, Name, PartSource, Problem, QuestionPart, UnwindRule,
    },
    stack::{self, Chain, NativeCall},
};
use crate::run::{ExportedNeighbour, PerfMapProblem, StackEnd, StrippedFile, UnnamedFunction};

/// Longest build id that is kept, hexadecimal digits.
const MAX_BUILD_ID: usize = 128;

/// An address in a program's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) program: u32,
    /// The process, if the program has code that a process generated.
    pub(crate) process: Option<u32>,
    pub(crate) at: u64,
    /// Whether it is a return address.
    pub(crate) is_return: bool,
}

/// A function with its module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFunction {
    /// Module and offset if it has no name.
    pub(crate) function: String,
    pub(crate) module: String,
    /// Innermost first.
    pub(crate) inlined: Vec<String>,
    /// Whether it may have a name that can no longer be found.
    pub(crate) is_gone: bool,
    /// Whether its file was read, so that no other name will be found.
    is_settled: bool,
    /// Where it lies, if it has no name; boxed, since most have one.
    unnamed: Option<Box<Unnamed>>,
    caller: UnwindRule,
}

/// A function that has no name in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unnamed {
    function: UnnamedFunction,
    build_id: Option<String>,
    /// The file's number among those that are held.
    file: Option<usize>,
}

/// The addresses to be named.
#[derive(Default)]
pub(crate) struct Naming {
    parts: Vec<QuestionPart>,
    by_source: HashMap<SourceKey, usize>,
    wanted: HashMap<Address, Wanted>,
}

#[derive(PartialEq, Eq, Hash)]
enum SourceKey {
    /// A held file, by its number.
    File(usize),
    /// Generated code, by program and process.
    Made(u32, u32),
}

struct Wanted {
    /// Its name if no better one is found.
    named: NamedFunction,
    /// The part that asks for it, and its position there.
    asked: Option<(usize, usize)>,
    /// The file that it is in, by its number among those that are held.
    file: Option<usize>,
}

impl Naming {
    /// Requests the name of an address, unless it is not in code. `makers` are the processes that
    /// may have generated the code.
    pub(crate) fn want(
        &mut self,
        address: Address,
        code: &ProgramCode,
        held: &HeldFiles,
        makers: &[u32],
    ) {
        if self.wanted.contains_key(&address) {
            return;
        }
        let Some(located) = code.locate(address.at) else {
            return;
        };
        let mapping = located.mapping();
        let offset = address.at - mapping.start + mapping.offset;
        let is_file = matches!(located, Located::InFile(..));
        let asked = match located {
            Located::InFile(_, Holding::Held(number)) => held.of(number).map(|file| {
                let source = || PartSource::File(file);
                self.ask_for(SourceKey::File(number), source, offset, address.is_return)
            }),
            Located::Made(_) => address.process.map(|process| {
                let key = SourceKey::Made(address.program, process);
                let maps = makers.iter().filter_map(|&pid| held.perf_map_of(pid));
                let source = || PartSource::PerfMaps(maps.collect::<Vec<HeldPerfMap>>());
                self.ask_for(key, source, address.at, address.is_return)
            }),
            Located::InFile(..) | Located::Special(_) => None,
        };
        let named = NamedFunction {
            is_gone: is_file,
            ..by_offset(code.module(mapping), offset)
        };
        let file = match located {
            Located::InFile(_, Holding::Held(number)) => Some(number),
            _ => None,
        };
        let wanted = Wanted { named, asked, file };
        self.wanted.insert(address, wanted);
    }

    fn ask_for(
        &mut self,
        key: SourceKey,
        source: impl FnOnce() -> PartSource,
        at: u64,
        is_return: bool,
    ) -> (usize, usize) {
        let part = *self.by_source.entry(key).or_insert_with(|| {
            self.parts.push(QuestionPart {
                source: source(),
                places: Vec::new(),
            });
            self.parts.len() - 1
        });
        let places = &mut self.parts[part].places;
        places.push(CodePlace { at, is_return });
        (part, places.len() - 1)
    }

    /// Asks for all names at the end of a trace, and adds those that are known.
    pub(crate) fn ask(self, held: &HeldFiles, known: Names) -> Names {
        let (mut named, problems) = self.answers(Patience::AT_END);
        named.extend(known.named);
        // Messages about maps that could not be held do not mention the process's user.
        let unheld = held.problems().map(|(pid, problem)| (pid, (problem, 0)));
        let problems: BTreeMap<u32, _> = unheld.chain(problems).collect();
        let in_words = |(pid, (problem, owner)): (u32, (Problem, u32))| PerfMapProblem {
            pid,
            problem: problem.in_words(owner),
        };
        let (unnamed_functions, stripped_files) = without_names(&named, held);
        Names {
            named,
            unnamed_functions,
            stripped_files,
            perf_map_problems: problems.into_iter().map(in_words).collect(),
        }
    }

    /// Asks for the names, and why others are not known.
    pub(super) fn answers(self, patience: Patience) -> (NamesByAddress, ProblemsByProcess) {
        let Answered {
            mut names,
            problems,
            ..
        } = asking::ask_namer(NameReader::Apart, &self.parts, patience);
        let mut answer = |asked: Option<(usize, usize)>| {
            let (part, place) = asked?;
            names[part].as_mut()?.get_mut(place).map(std::mem::take)
        };
        let of_address = |(address, wanted): (Address, Wanted)| {
            let function = match answer(wanted.asked) {
                Some(name) => wanted.named.with(name, wanted.file),
                None => wanted.named,
            };
            (address, function)
        };
        let named = self.wanted.into_iter().map(of_address);
        (named.collect(), problems)
    }
}

impl NamedFunction {
    /// Renames it. `file` is the number of the held file that it is in.
    fn with(self, name: Name, file: Option<usize>) -> Self {
        let is_unnamed = name.function.is_none() && file.is_some();
        let start = name.begins.as_ref();
        let by_start = start.map(|start| format!("{}+{:#x}", self.module, start.at));
        let function = name.function.or(by_start).unwrap_or(self.function);
        let beside = |it: &ExportedBeside| ExportedNeighbour {
            function: it.function.clone(),
            functions_apart: it.apart,
        };
        let unnamed = is_unnamed.then(|| Unnamed {
            function: UnnamedFunction {
                function: function.clone(),
                module: self.module.clone(),
                before: start.and_then(|start| start.before.as_ref().map(beside)),
                after: start.and_then(|start| start.after.as_ref().map(beside)),
                part: start.and_then(|start| start.part),
            },
            build_id: name.build_id.filter(|id| is_build_id(id)),
            file,
        });
        Self {
            function,
            module: self.module,
            inlined: name.inlined,
            is_gone: false,
            is_settled: file.is_some(),
            unnamed: unnamed.map(Box::new),
            caller: name.caller,
        }
    }
}

/// The functions without names, and their files, in the order that [`WhoWrote`](crate::run::WhoWrote) has.
fn without_names(
    named: &NamesByAddress,
    held: &HeldFiles,
) -> (Vec<UnnamedFunction>, Vec<StrippedFile>) {
    let mut functions = BTreeMap::new();
    let mut modules: BTreeMap<&str, &Unnamed> = BTreeMap::new();
    for unnamed in named.values().filter_map(|it| it.unnamed.as_deref()) {
        let function = &unnamed.function;
        functions.entry(&function.function).or_insert(function);
        modules.entry(&function.module).or_insert(unnamed);
    }
    let files = modules.into_iter().map(|(module, unnamed)| {
        let file = StrippedFile {
            module: module.to_owned(),
            build_id: unnamed.build_id.clone(),
            ..StrippedFile::default()
        };
        (file, unnamed.file)
    });
    let files = with_origins(files.collect(), held);
    (functions.into_values().cloned().collect(), files)
}

fn is_build_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_BUILD_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn by_offset(module: String, offset: u64) -> NamedFunction {
    NamedFunction {
        function: format!("{module}+{offset:#x}"),
        module,
        inlined: Vec::new(),
        is_gone: false,
        is_settled: false,
        unnamed: None,
        caller: UnwindRule::Unknown,
    }
}

/// Names by address.
pub(super) type NamesByAddress = HashMap<Address, NamedFunction>;
/// What is wrong with perf maps, by process, with the user that it runs as.
type ProblemsByProcess = BTreeMap<u32, (Problem, u32)>;

/// Names by address, and what is known of those that are missing.
#[derive(Default)]
pub(crate) struct Names {
    named: NamesByAddress,
    /// The functions that have no name, in order.
    pub(crate) unnamed_functions: Vec<UnnamedFunction>,
    /// Their files, in order.
    pub(crate) stripped_files: Vec<StrippedFile>,
    /// Why other addresses have no names: one reason per process.
    pub(crate) perf_map_problems: Vec<PerfMapProblem>,
}

impl Names {
    /// Adds names.
    pub(crate) fn add(&mut self, named: NamesByAddress) {
        self.named.extend(named);
    }

    /// The number of names.
    pub(crate) fn len(&self) -> usize {
        self.named.len()
    }

    /// The same without those for which a better name may be found.
    pub(crate) fn settled(mut self) -> Self {
        self.named.retain(|_, function| function.is_settled);
        self
    }

    /// The function at an address; none if no code is known there.
    pub(crate) fn of(&self, address: Address) -> Option<&NamedFunction> {
        self.named.get(&address)
    }

    /// The functions that called the one at an address, innermost first, with none for unknown
    /// calls; and why the list ends.
    pub(crate) fn callers(
        &self,
        address: Address,
        chain: &Chain,
    ) -> (Vec<Option<&NamedFunction>>, StackEnd) {
        let Some(innermost) = self.of(address) else {
            return (Vec::new(), StackEnd::Lost);
        };
        let returning = |at: u64| Address {
            at,
            is_return: true,
            ..address
        };
        let caller = |at: u64| Some(self.of(returning(at))?.caller);
        let (calls, end) = stack::calls_leading_to(innermost.caller, chain, caller);
        let named = |call: NativeCall| match call {
            NativeCall::At(at) => self.of(returning(at)),
            NativeCall::Hidden => None,
        };
        (calls.into_iter().map(named).collect(), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_own_function_is_known_by_module_and_offset() {
        let (root, pid) = (Path::new("/proc"), std::process::id());
        let mut code = ProgramCode::read(root, &[pid], || false);
        let mut held = HeldFiles::default();
        let at = by_offset as fn(String, u64) -> NamedFunction as usize as u64;
        assert!(!code.hold(at, root, &[pid], &mut held));
        let mut naming = Naming::default();
        let address = |at| Address {
            program: 1,
            process: None,
            at,
            is_return: false,
        };
        naming.want(address(at), &code, &held, &[]);
        naming.want(address(at), &code, &held, &[]);
        naming.want(address(0x10), &code, &held, &[]);
        assert_eq!((naming.wanted.len(), naming.parts.len()), (1, 1));
        let named = &naming.wanted[&address(at)];
        assert!(named.named.function.starts_with("cowtrace-"));
        // Named in this process, with the same result as in the naming process.
        let mut lines = Vec::new();
        let question = super::super::question::Question {
            holder: pid,
            parts: naming.parts.as_slice().into(),
        };
        let question = serde_json::to_vec(&question).unwrap();
        super::super::answer_question(pid, question.as_slice(), &mut lines, || Ok(())).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert!(
            lines.contains("by_offset") && lines.ends_with("\"All\"\n"),
            "{lines}"
        );
    }
}
