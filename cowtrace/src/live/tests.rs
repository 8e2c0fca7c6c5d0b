//! The screen, drawn into memory.

use std::{fmt::Write as _, sync::Arc};

use proptest::prelude::*;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    layout::Size,
    style::{Color, Modifier},
};

use super::{
    draw::{draw, fit},
    look::Look,
    rows::About,
    state::{Action, Front, Phase, State},
};
use crate::run::{
    CommandLine, HeldBefore, Kind, Mapping, Process, PythonFrame, Region, Role, Row, Run, Sample,
    Sources, Stack, StackEnd, WriteKind, Writer, arbitrary,
};

mod fronts;
mod strips;
mod variables;

const PAGE: u64 = 4_096;
const START: u64 = 0x10_0000;
const LOOK: Look = Look {
    color: true,
    utf8: true,
};

fn anon(pages: u64) -> Sources {
    Sources {
        anon: pages,
        ..Sources::default()
    }
}

fn process(id: u32, role: Role, pages: u64) -> Process {
    let is_worker = role == Role::Worker;
    Process {
        id,
        pid: 4_241 + id,
        parent_id: is_worker.then_some(1),
        comm: "gunicorn".into(),
        role,
        target: None,
        started_ns: u64::from(is_worker) * 1_000,
        exited_ns: None,
        exit: None,
        copied: anon(pages),
        reused_faults: 0,
        inherited_pages: is_worker.then_some(25_600),
    }
}

fn writer(kind: WriteKind, type_name: &str, stack: Option<u32>, pages: u64) -> Writer {
    Writer {
        kind,
        type_name: Some(type_name.into()),
        function: None,
        module: None,
        inlined: Vec::new(),
        system_call: None,
        region_id: Some(0),
        python_stack: stack,
        native_stack: None,
        store: None,
        copied_pages: pages,
    }
}

/// A master with workers that copied these pages, in ten seconds.
fn run(workers: &[u64]) -> Run {
    let mut run = Run::default();
    run.head.host.page_bytes = PAGE;
    run.head.backend = "tracepoint".into();
    run.head.duration_ns = 10_000_000_000;
    run.memory.range_bytes = 16 * PAGE;
    run.memory.processes.push(process(1, Role::Master, 0));
    for (id, pages) in (2..).zip(workers) {
        let worker = process(id, Role::Worker, *pages);
        run.memory.processes.push(worker);
        run.memory.rows.push(Row {
            process_id: id,
            region_id: Some(0),
            start: Some(START + u64::from(id % 4) * 64 * PAGE),
            mapping: None,
            copied: anon(*pages),
            reused_faults: 0,
        });
    }
    let copied: u64 = workers.iter().sum();
    run.memory.regions.push(Region {
        id: 0,
        process_id: 1,
        mapping: Mapping {
            start: START,
            end: START + 25_600 * PAGE,
            name: "[heap]".into(),
            kind: Kind::Heap,
            perms: "rw-p".into(),
            offset: 0,
            resident_pages: 25_600,
            anonymous_pages: 25_600,
            huge_page_bytes: 0,
            mergeable: false,
        },
        inheritors: workers.len() as u64,
        inherited_pages: 25_600 * workers.len() as u64,
        copied_pages: copied,
        unshared_pages: copied,
    });
    for second in 0..=10u64 {
        let pages = copied * second * second / 100;
        run.memory.timeline.samples.push(Sample {
            at_ns: second * 1_000_000_000,
            copied_pages: pages,
            by_process: [(2, pages)].into(),
            held_by_process: run
                .memory
                .processes
                .iter()
                .map(|it| (it.id, 25_700))
                .collect(),
            ..Sample::default()
        });
    }
    run.growth.held_before = run
        .memory
        .processes
        .iter()
        .map(|it| HeldBefore {
            process_id: it.id,
            pages: 25_600,
        })
        .collect();
    run.memory.command_lines.push(CommandLine {
        process_id: 1,
        text: "gunicorn: master [shop]".into(),
    });
    run.who_wrote.python_frames.push(PythonFrame {
        function: "Catalog.find".into(),
        file: "/srv/shop/catalog.py".into(),
        line: Some(42),
    });
    run.who_wrote.python_stacks.push(Stack {
        frames: vec![0],
        end: StackEnd::Outermost,
    });
    run.who_wrote.writers = vec![
        writer(WriteKind::Refcount, "str", Some(0), copied * 3 / 4),
        writer(WriteKind::Gc, "dict", None, copied / 4),
    ];
    run
}

fn state(run: Run) -> State {
    let mut state = State::new();
    state.take(Arc::new(run), Phase::Live);
    state
}

fn screen(state: &mut State, look: Look, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let size = Size { width, height };
    fit(state, look, size);
    terminal.draw(|frame| draw(state, look, frame)).unwrap();
    terminal.backend().clone()
}

/// The screen's characters, line by line.
fn text(state: &mut State, look: Look, width: u16, height: u16) -> String {
    let backend = screen(state, look, width, height);
    let buffer = backend.buffer();
    let mut text = String::new();
    for y in 0..height {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text
}

fn press(state: &mut State, keys: &str) -> Action {
    let mut last = Action::Nothing;
    for letter in keys.chars() {
        let code = match letter {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\x1b' => KeyCode::Esc,
            letter => KeyCode::Char(letter),
        };
        last = state.on_key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    last
}

#[test]
fn the_usual_window_has_the_answer_the_workers_and_where_they_copied() {
    let mut state = state(run(&[5_000, 12_000, 800]));
    insta::assert_snapshot!(text(&mut state, LOOK, 80, 24));
}

#[test]
fn the_least_window_has_all_of_it_in_twelve_lines() {
    let mut state = state(run(&[5_000, 12_000, 800]));
    insta::assert_snapshot!(text(&mut state, LOOK, 60, 12));
}

#[test]
fn a_large_window_has_room_for_all_columns() {
    let mut state = state(run(&[5_000, 12_000, 800]));
    press(&mut state, "2");
    insta::assert_snapshot!(text(&mut state, LOOK, 200, 50));
}

#[test]
fn lines_and_help_without_more_than_ascii() {
    let ascii = Look {
        utf8: false,
        ..LOOK
    };
    let mut state = state(run(&[5_000, 12_000, 800]));
    press(&mut state, "4");
    let lines = text(&mut state, ascii, 80, 24);
    assert!(lines.is_ascii(), "{lines}");
    press(&mut state, "?");
    let help = text(&mut state, ascii, 80, 24);
    insta::assert_snapshot!(format!("{lines}\n{help}"));
}

#[test]
fn without_colour_no_style_sets_one_and_what_is_chosen_stays_reversed() {
    let plain = Look {
        color: false,
        ..LOOK
    };
    let mut with_loss = run(&[5_000]);
    with_loss.loss.pending_dropped = 3;
    let mut state = state(with_loss);
    let backend = screen(&mut state, plain, 80, 24);
    let cells = backend.buffer().content();
    assert!(
        cells
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    assert!(
        cells
            .iter()
            .any(|cell| cell.modifier.contains(Modifier::REVERSED))
    );
    assert!(text(&mut state, plain, 80, 24).contains("LIVE  LOST"));
    // With colour, there is never a background: the user's own stays.
    let backend = screen(&mut state, LOOK, 80, 24);
    let cells = backend.buffer().content();
    assert!(cells.iter().all(|cell| cell.bg == Color::Reset));
    assert!(cells.iter().any(|cell| cell.fg == Color::Red));
}

#[test]
fn names_from_outside_cannot_break_the_screen() {
    let mut hostile = run(&[5_000]);
    hostile.memory.processes[1].comm = "\x1b[2J\nevil\u{202e}".into();
    let mut state = state(hostile);
    let shown = text(&mut state, LOOK, 80, 24);
    assert!(
        !shown.contains('\x1b') && !shown.contains('\u{202e}'),
        "{shown}"
    );
}

#[test]
fn the_largest_come_first_and_every_column_can_be_sorted_by() {
    let mut state = state(run(&[5_000, 12_000, 800]));
    let first = |state: &State| state.rows.all[0].about.clone();
    assert_eq!(first(&state), About::Process(3));
    press(&mut state, "i");
    assert_eq!(first(&state), About::Process(1));
    let columns = state.rows.titles.len() + 1;
    press(&mut state, &"s".repeat(columns));
    assert_eq!(first(&state), About::Process(1), "all columns and back");
    press(&mut state, "S");
    assert_eq!(state.sort().column, columns - 1);
}

#[test]
fn what_is_selected_stays_selected_when_figures_change() {
    let mut state = state(run(&[5_000, 12_000, 800]));
    press(&mut state, "j");
    assert_eq!(state.selected().unwrap().about, About::Process(2));
    state.take(Arc::new(run(&[50_000, 12_000, 800])), Phase::Live);
    assert_eq!(state.at, 0);
    assert_eq!(state.selected().unwrap().about, About::Process(2));
    press(&mut state, "\n");
    assert_eq!(state.front, Front::Details);
    assert!(text(&mut state, LOOK, 80, 24).contains("pid         4243"));
    press(&mut state, "\x1b");
    assert_eq!(state.front, Front::Table);
}

#[test]
fn a_filter_leaves_what_contains_it_and_escape_brings_all_back() {
    let mut state = state(run(&[5_000, 12_000, 800]));
    press(&mut state, "/4244\n");
    assert_eq!(state.rows.all.len(), 1);
    // No key any more, but a letter of the filter.
    press(&mut state, "/q");
    assert!(state.rows.all.is_empty());
    assert!(text(&mut state, LOOK, 80, 24).contains("no row contains that"));
    press(&mut state, "\x1b");
    assert_eq!(state.rows.all.len(), 4);
}

#[test]
fn a_pause_keeps_the_figures_and_counting_anew_takes_off_the_old_ones() {
    let mut state = state(run(&[5_000]));
    press(&mut state, " ");
    assert!(!state.take(Arc::new(run(&[6_000])), Phase::Live));
    assert_eq!(state.run().copied().total(), 5_000);
    press(&mut state, " ");
    assert_eq!(state.run().copied().total(), 6_000);
    press(&mut state, "r");
    assert_eq!(state.run().copied().total(), 0);
    state.take(Arc::new(run(&[6_500])), Phase::Live);
    assert_eq!(state.run().copied().total(), 500);
    assert!(text(&mut state, LOOK, 80, 24).contains("tables count from now on"));
    press(&mut state, "r");
    assert_eq!(state.run().copied().total(), 6_500);
}

/// Of ten thousand workers a frame has those on the screen: it takes as long as with some.
#[test]
fn only_rows_on_the_screen_are_put_into_words() {
    let workers: Vec<u64> = (1..=10_000).collect();
    let mut state = state(run(&workers));
    press(&mut state, "G");
    let shown = text(&mut state, LOOK, 80, 24);
    assert!(shown.contains("10001 of 10001"), "{shown}");
    press(&mut state, "g");
    assert!(text(&mut state, LOOK, 80, 24).contains("1 of 10001"));
}

fn keys() -> impl Strategy<Value = Vec<KeyEvent>> {
    let letters = "12345jkgGsSi/?wqprx \t+-oh".chars().collect::<Vec<_>>();
    let codes = prop_oneof![
        proptest::sample::select(letters).prop_map(KeyCode::Char),
        proptest::sample::select(vec![
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::PageDown,
            KeyCode::PageUp,
            KeyCode::End,
            KeyCode::Backspace,
        ]),
    ];
    let key = codes.prop_map(|code| KeyEvent::new(code, KeyModifiers::NONE));
    proptest::collection::vec(key, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_run_no_key_and_no_window_makes_it_panic(
        runs in proptest::collection::vec(arbitrary::run(), 1..3),
        keys in keys(),
        width in 0u16..220,
        height in 0u16..60,
        color: bool,
        utf8: bool,
    ) {
        let mut state = State::new();
        for run in runs {
            state.take(Arc::new(run), Phase::Live);
            for key in &keys {
                state.on_key(*key);
                screen(&mut state, Look { color, utf8 }, width, height);
            }
        }
    }
}
