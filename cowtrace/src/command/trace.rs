//! The main job: trace a tree of processes, then print the report.

use std::{
    collections::BTreeMap,
    fs,
    path::{self, Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail};

use super::{
    begin::expect_some,
    ends::{End, Ends},
    exits::{CommandFailed, Exits},
    follow::TraceUnderWay,
    keep::{KeptAs, begin_keeping},
    list::no_target,
    living,
    log::start_log,
    progress::{LineOfSlowStep, progress_bar, tracing_message},
    range::range_bytes,
    ready::ReadySignal,
    record::{self, Recording},
    report::{check_printable, check_shown, extent_of_report, print_report, reporting_command},
    rights::keep_needed_rights,
    screen::{CommandOutput, Screen, check_screen},
    session::{Session, TraceTarget, Until},
    targets::choose_target,
    watching::Watching,
};
use crate::{
    cli::{Holders, Overhead, TraceArgs, TraceOptions},
    collect::{CollectSettings, Collector, RunIdentity, SnapshotFor},
    export::Exporter,
    foreign::printable_path,
    limits::OpenFiles,
    probe::{Kernel, Probe, Sampling, Settings, Walks},
    report::card_so_far,
    run::{Run, TracedTarget},
    stop::Stop,
    streams::{self, say_to_user},
    targets::Command,
    terminal::{Style, wrap},
};

const NOTHING_SEEN: &str = "no target had a process: there was nothing to trace";

/// While memory is read at the end.
const READING: &str =
    "looking for the variables that hold what was copied; another Ctrl-C ends this";

/// What is known before memory is read, and that it is read.
fn shown_while_reading(run: &Run) -> String {
    let style = Style::of_terminal(true, false);
    let reading = wrap(READING, style.width).join("\n");
    // First, so that it is there where the card fills the screen.
    format!("{reading}\n\n{}", card_so_far(run, style))
}

/// Traces, then reports.
pub fn run_trace(arguments: &TraceArgs) -> Result<()> {
    let options = &arguments.options;
    start_log(options.verbose);
    if arguments.targets.given.is_empty() && arguments.start.is_empty() {
        return Err(no_target().into());
    }
    let (mut target, names) = choose_target(arguments)?;
    let until = Until {
        duration: arguments.duration,
        workers: None,
    };
    let observed = trace_until_end(&mut target, names, until, options)?;
    observed.print(options)?;
    observed.recorded?;
    if arguments.ignore_command_status {
        return Ok(());
    }
    Ok(observed.command?)
}

/// What a trace saw.
pub(super) struct Observed {
    pub(super) run: Run,
    /// Whether it was recorded, if it was to be.
    pub(super) recorded: Result<()>,
    /// Where it was kept, if nobody said where it was to be recorded.
    kept: Option<KeptAs>,
    /// Whether the command, if it was one, did not fail by itself.
    pub(super) command: Result<(), CommandFailed>,
}

impl Observed {
    /// Prints the report; not where nobody reads it, and a recording has it. Then says where the run is kept.
    pub(super) fn print(&self, options: &TraceOptions) -> Result<()> {
        if options.output.is_some() && streams::check_output().is_err() {
            return Ok(());
        }
        let again = match (&options.output, &self.kept) {
            (Some(path), _) => self.recorded.is_ok().then(|| reporting_command(path)),
            (None, kept) => kept.as_ref().map(KeptAs::reporting_command),
        };
        let extent = extent_of_report(options.shown.full, again.as_deref());
        let printed = print_report(&self.run, options.shown, extent, options.color);
        if let Some(kept) = &self.kept {
            kept.say();
        }
        printed
    }
}

/// Traces until it is time to end, a signal comes or the masters are gone.
pub(super) fn trace_until_end(
    target: &mut TraceTarget<'_>,
    targets: Vec<TracedTarget>,
    until: Until,
    options: &TraceOptions,
) -> Result<Observed> {
    check_printable(options.shown.format())?;
    check_shown(options.shown)?;
    if options.output.is_none() {
        streams::check_output().context(
            "the report would be lost: standard output cannot be written (use -o FILE, or redirect it to a file)",
        )?;
    }
    if options.live {
        check_screen()?;
    }
    record::check_recording_options(options)?;
    let ready = options.ready_file.as_deref();
    if let (Some(ready), Some(output)) = (ready, options.output.as_deref())
        && path::absolute(ready)? == path::absolute(output)?
    {
        bail!("-o and --ready-file name the same file: name two");
    }
    let ready = ready.map(ReadySignal::prepare).transpose()?;
    let exporter = options.listen.map(Exporter::bind).transpose()?;
    let open_files = OpenFiles::raise();
    OpenFiles::check()?;
    let kernel = Kernel::running().context("/proc cannot be read; is it mounted?")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let session = Session {
        kernel,
        options,
        until,
        open_files,
        targets,
    };
    // Whoever still attaches ends with the program.
    runtime.block_on(session.run(target, ready, exporter))
}

/// A trace that something has ended.
struct Traced {
    collector: Collector,
    identity: RunIdentity,
    exits: Exits,
    recording: Option<Recording>,
    screen: Option<Screen>,
    /// Process id of the command that was started.
    started: Option<u32>,
}

impl Session<'_> {
    async fn run(
        self,
        target: &mut TraceTarget<'_>,
        ready: Option<ReadySignal>,
        exporter: Option<Exporter>,
    ) -> Result<Observed> {
        // Before attaching, so that no signal ends the program without a report.
        let mut ends = Ends::listen(self.options.live)?;
        // Before a command is started: it is not, where it cannot be traced.
        let attaching = LineOfSlowStep::begin(target.attaching());
        let probe = self.attach(self.settings(target), &mut ends).await?;
        // Of a command, whose output may follow, the line ends here.
        let attaching = matches!(target, TraceTarget::Running(_)).then_some(attaching);
        let backend = probe.backend;
        let mut collector = self.collector(probe, ends.stop());
        // Before anything of the traced processes is read, and any thread is started for that.
        keep_needed_rights(target)?;
        let mut identity = self.identity()?;
        let nothing_yet = collector
            .snapshot(identity.clone(), SnapshotFor::Recording)
            .run;
        let exits = Exits::begin();
        let mut command = None;
        let is_command = !matches!(target, TraceTarget::Running(_));
        let output = (self.options.live && is_command).then(CommandOutput::create);
        let output = output.transpose()?;
        let begin = self.begin(
            target,
            &mut collector,
            &mut identity,
            &mut command,
            output.as_ref(),
        );
        let interrupted = tokio::select! {
            biased;
            end = ends.next() => Some(end),
            is_set_up = begin => {
                is_set_up?;
                None
            }
        };
        drop(attaching);
        if interrupted.is_some() {
            expect_some(target, &collector)?;
        }
        let started = command.as_ref().map(Command::pid);
        let exits = exits.with_command(command);
        // Not before: there may be an older one, which a command that cannot start leaves as it is.
        let mut recording = self.record(target, &identity, &nothing_yet)?;
        let screen = interrupted.is_none() && self.options.live;
        let screen = screen.then(|| Screen::begin(self.options.color, output));
        let screen = screen.transpose()?;
        let mut watching = Watching::begin(
            exporter,
            self.options.metrics_workers,
            screen.as_ref().map(Screen::viewer),
        )?;
        // Its file is there until the trace ends.
        let _ready = ready.and_then(ReadySignal::tell);
        let progress = progress_bar(screen.is_some());
        log::info!("the {backend} backend sees the page faults");
        // A command may have ended by now.
        let living = collector.processes().living();
        let waits = target.watch().is_some_and(|it| it.waits());
        if progress.is_hidden() && screen.is_none() && (living > 0 || waits) {
            say_to_user(format_args!("cowtrace: {}", tracing_message(living)));
        }
        let under_way = TraceUnderWay {
            collector: &mut collector,
            recording: recording.as_mut(),
            watching: watching.as_mut(),
            identity: &mut identity,
            watch: target.watch(),
        };
        let cause = match interrupted {
            Some(end) => {
                say_to_user(format_args!(
                    "cowtrace: interrupted while attaching: the report covers only the processes reached by then"
                ));
                end
            }
            None => self.follow(under_way, &mut ends, &progress).await?,
        };
        progress.finish_and_clear();
        if let Some(watching) = watching {
            watching.finish();
        }
        let traced = Traced {
            collector,
            identity,
            exits,
            recording,
            screen,
            started,
        };
        self.conclude(traced, cause, &mut ends).await
    }

    /// Ends a trace: what it saw is read, recorded, and shown as long as there is a screen.
    async fn conclude(self, traced: Traced, cause: End, ends: &mut Ends) -> Result<Observed> {
        let Traced {
            collector,
            identity,
            exits,
            recording,
            screen,
            started,
        } = traced;
        let screen = screen.and_then(|screen| screen.show_ending(cause));
        log::info!("ends: {cause:?}");
        if cause == End::MastersGone && self.until.duration.is_some() {
            say_to_user(format_args!(
                "cowtrace: ended early: every target has exited"
            ));
        }
        let was_interrupted = cause == End::MastersGone && ends.has_come().await;
        let mut reading = None;
        let mut show = |run: &Run| {
            reading = Some(LineOfSlowStep::begin_with_lines(shown_while_reading(run)));
        };
        let is_shown = screen.is_none() && !progress_bar(false).is_hidden();
        let meanwhile = is_shown.then_some(&mut show as &mut dyn FnMut(&Run));
        let mut run = collector.finish(identity, Ends::another()?, meanwhile);
        drop(reading);
        if run.memory.processes.is_empty() {
            say_to_user(format_args!("cowtrace: {NOTHING_SEEN}"));
        }
        let command = exits.note(&mut run, cause, was_interrupted);
        say_who_lives_on(&run, cause, started);
        let recorded = recording.map(|recording| recording.finish(&run));
        let (recorded, kept) = match (recorded, &self.options.output) {
            (None, _) => (Ok(()), None),
            (Some(recorded), Some(_)) => (recorded.map(|path| say_recorded(&path)), None),
            (Some(recorded), None) => (Ok(()), KeptAs::settle(recorded)),
        };
        if let Some(screen) = screen {
            screen.stay(&run, ends).await;
        }
        Ok(Observed {
            run,
            recorded,
            kept,
            command,
        })
    }

    /// What the kernel side is to do.
    fn settings(&self, target: &TraceTarget<'_>) -> Settings {
        Settings {
            range_bytes: range_bytes(self.options.range, target, self.kernel.page_bytes),
            writers: (!self.options.evidence.no_writers).then_some(Walks {
                python: !self.options.evidence.no_frames,
                native: self.options.evidence.stacks,
            }),
            sampling: match self.options.evidence.overhead {
                Overhead::Low => Sampling::SPARSE,
                Overhead::Normal => Sampling::ADAPTIVE,
                Overhead::Full => Sampling::ALL,
            },
            stores: !self.options.evidence.no_stores,
            ring_bytes: self.options.evidence.ring_bytes,
            slots: self.options.evidence.slots,
            touches: !self.options.evidence.no_touches,
            // A line for each copy.
            diagnostics: self.options.verbose >= 3,
        }
    }

    fn collector(&self, probe: Probe, stop: Stop) -> Collector {
        Collector::new(
            probe,
            self.kernel.clone(),
            PathBuf::from("/proc"),
            CollectSettings {
                interval: self.options.interval,
                writers: !self.options.evidence.no_writers,
                holders: self.options.holders == Holders::Auto,
                spare_files: OpenFiles::spare(),
            },
            stop,
        )
    }

    /// Begins the recording: where the user wants one, or else where runs are kept.
    fn record(
        &self,
        target: &TraceTarget<'_>,
        identity: &RunIdentity,
        run: &Run,
    ) -> Result<Option<Recording>> {
        match &self.options.output {
            Some(path) => Recording::begin(path, self.options.force, run).map(Some),
            None if self.options.no_keep => Ok(None),
            None => Ok(begin_keeping(target, identity, run)),
        }
    }

    fn identity(&self) -> Result<RunIdentity> {
        let id =
            fs::read_to_string("/proc/sys/kernel/random/uuid").context("cannot name the run")?;
        Ok(RunIdentity {
            id: id.trim().to_owned(),
            started_at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            traced_targets: self.targets.clone(),
            labels: self
                .options
                .labels
                .iter()
                .cloned()
                .collect::<BTreeMap<_, _>>(),
            ..RunIdentity::default()
        })
    }
}

fn say_recorded(path: &Path) {
    say_to_user(format_args!(
        "cowtrace: recorded in {}",
        printable_path(path)
    ));
}

/// Says who of the traced processes, or of what the command started, still lives.
fn say_who_lives_on(run: &Run, cause: End, command: Option<u32>) {
    let left = match (cause, command) {
        (End::MastersGone, _) => living::after_masters(run),
        (_, Some(command)) => living::after_command(run, command),
        _ => None,
    };
    if let Some(left) = left {
        say_to_user(format_args!("cowtrace: {left}"));
    }
}
