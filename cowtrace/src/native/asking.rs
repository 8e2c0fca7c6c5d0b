//! Has a separate process read foreign files. What it does not answer stays unknown.

use std::{
    borrow::Cow,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{self, Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use super::{
    answer,
    answers::{Answered, Answers, told_in},
    question::{AnswerLine, Question, QuestionPart},
};
use crate::itself::{NAMER, start_again};

/// Time limits.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For all answers together.
    whole: Duration,
    /// For the answers about one file.
    silence: Duration,
}

impl Patience {
    /// At the end: the report waits.
    pub(super) const AT_END: Self = Self {
        whole: Duration::from_secs(20),
        silence: Duration::from_secs(10),
    };
    /// While the trace runs on: nobody waits, unless it ends.
    pub(super) const MEANWHILE: Self = Self {
        whole: Duration::from_secs(10),
        silence: Duration::from_secs(5),
    };
    /// During the trace: counts stay in the kernel meanwhile, but evidence may be lost. An answer
    /// took 75 to 145 ms on a fully loaded machine.
    pub(super) const DURING_TRACE: Self = Self {
        whole: Duration::from_secs(5),
        silence: Duration::from_secs(5),
    };
}

/// Which process reads foreign files.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum NameReader {
    /// A separate one, which runs this program again.
    #[default]
    Apart,
    /// This one, for programs other than cowtrace, which cannot be started like that.
    Here,
}

/// Asks for answers to these parts.
pub(super) fn ask_namer(
    reader: NameReader,
    parts: &[QuestionPart],
    patience: Patience,
) -> Answered {
    let program = || start_again(NAMER);
    match reader {
        NameReader::Apart => ask_by(program, parts, patience),
        NameReader::Here => ask_here(parts),
    }
}

fn ask_here(parts: &[QuestionPart]) -> Answered {
    let mut answers = Answers::new(parts);
    let mut output = Vec::new();
    let answered = encode_question(parts)
        .map_err(io::Error::from)
        .and_then(|question| {
            // This process keeps its rights: it has more to do.
            let once_open = || Ok(());
            answer::answer_question(process::id(), question.as_slice(), &mut output, once_open)
        });
    if let Err(error) = answered {
        log::warn!("cannot read programs and libraries: {error}");
    }
    told_in(output.as_slice()).for_each(|told| answers.take(told));
    answers.into_answered()
}

fn encode_question(parts: &[QuestionPart]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Question {
        holder: process::id(),
        parts: Cow::Borrowed(parts),
    })
}

fn ask_by(program: impl Fn() -> Command, parts: &[QuestionPart], patience: Patience) -> Answered {
    let deadline = Instant::now() + patience.whole;
    let mut answers = Answers::new(parts);
    while !answers.rest.is_empty() && Instant::now() < deadline {
        let mut process = match Namer::start(&mut program(), &answers.asked()) {
            Ok(process) => process,
            Err(error) => {
                log::warn!("cannot start a process to look up names: {error}");
                break;
            }
        };
        let is_all = process.told(deadline, patience.silence, |told| answers.take(told));
        if is_all || !answers.leave_begun() {
            break;
        }
        log::warn!("names of a program or library are missing: reading it crashes or stalls");
    }
    answers.into_answered()
}

/// The naming process.
struct Namer {
    child: Child,
    lines: Receiver<AnswerLine>,
}

impl Namer {
    /// Starts it and asks.
    fn start(command: &mut Command, parts: &[QuestionPart]) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is meant for the report, which waits for this process.
            .process_group(0)
            .spawn()?;
        let (send, lines) = mpsc::channel();
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let question = encode_question(parts)?;
        // In separate threads: the process may never read, or never write.
        thread::spawn(move || input.map(|mut input| input.write_all(&question)));
        thread::spawn(move || {
            let Some(output) = output else { return };
            for told in told_in(output) {
                if send.send(told).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Passes its answers on; true if they were complete.
    fn told(
        &mut self,
        deadline: Instant,
        silence: Duration,
        mut take: impl FnMut(AnswerLine),
    ) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(silence)) {
                Ok(AnswerLine::All) => return true,
                Ok(told) => take(told),
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Namer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::question::{CodePlace, HeldFile, PartSource};

    const SHORT: Patience = Patience {
        whole: Duration::from_secs(10),
        silence: Duration::from_millis(200),
    };

    fn parts(number: u64) -> Vec<QuestionPart> {
        let part = |at| QuestionPart {
            source: PartSource::File(HeldFile {
                descriptor: -1,
                inode: None,
            }),
            places: vec![CodePlace {
                at,
                is_return: false,
            }],
        };
        (0..number).map(part).collect()
    }

    /// The names that a shell script gives in place of the naming process.
    fn functions(script: &str, number: u64) -> Vec<Option<String>> {
        let program = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            shell
        };
        let names = ask_by(program, &parts(number), SHORT);
        names
            .names
            .into_iter()
            .map(|names| names?.remove(0).function)
            .collect()
    }

    const NAME: &str = r#"{"function":"f","inlined":[],"caller":"Unknown"}"#;

    #[test]
    fn what_is_answered_before_a_crash_or_a_stall_counts() {
        for end in ["kill -9 $$", "sleep 60"] {
            let script = format!(
                "echo '{{\"Begun\":[0]}}'; echo '{{\"Names\":[0,[{NAME}]]}}'
                 echo '{{\"Begun\":[1]}}'; {end}"
            );
            // The next process answers the third part, as its first one.
            let names = functions(&script, 3);
            assert_eq!(names, [Some("f".into()), None, Some("f".into())]);
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_left_out_alone() {
        let script = format!(
            "case $(cat) in
                 *'\"at\":1'*) echo '{{\"Opening\":0}}'; echo '{{\"Opening\":1}}'; sleep 60;;
             esac
             echo '{{\"Opening\":0}}'; echo '{{\"Opening\":null}}'
             echo '{{\"Begun\":[0]}}'; echo '{{\"Names\":[0,[{NAME}]]}}'; echo '\"All\"'"
        );
        // Only the first part is asked of the next process.
        assert_eq!(functions(&script, 2), [Some("f".into()), None]);
    }

    #[test]
    fn an_answer_that_is_none_ends_the_asking() {
        for script in [
            "exit 1",
            "echo garbage",
            "echo '{\"Names\":[7,[]]}'",
            "echo '{\"Names\":[0,[]]}'; echo '\"All\"'",
        ] {
            assert_eq!(functions(script, 2), [None, None], "{script}");
        }
    }

    #[test]
    fn numbers_are_as_many_as_were_asked_for() {
        let held = HeldFile {
            descriptor: -1,
            inode: None,
        };
        let part = QuestionPart {
            source: PartSource::Symbols(held, vec!["a".into(), "b".into()]),
            places: Vec::new(),
        };
        let numbers = |script: &str| {
            let program = || {
                let mut shell = Command::new("sh");
                shell.args(["-c", script]);
                shell
            };
            ask_by(program, std::slice::from_ref(&part), SHORT).numbers
        };
        let found = numbers("echo '{\"Numbers\":[0,[7,null]]}'; echo '\"All\"'");
        assert_eq!(found, [Some(vec![Some(7), None])]);
        for script in [
            "echo '{\"Numbers\":[0,[7]]}'; echo '\"All\"'",
            "echo '{\"Begun\":[0]}'; kill -9 $$",
            "echo '{\"Begun\":[0]}'; sleep 60",
        ] {
            assert_eq!(numbers(script), [None], "{script}");
        }
    }

    #[test]
    fn nobody_to_ask_is_no_failure() {
        let names = ask_by(|| Command::new("/nonexistent"), &parts(1), SHORT);
        assert!(names.names[0].is_none());
    }
}
