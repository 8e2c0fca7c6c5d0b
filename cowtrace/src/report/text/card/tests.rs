//! Cards on which all or little is known.

use super::*;
use crate::{
    run::WriteKind,
    verdict::{Advice, MoreWorkers, Outlook},
};

fn advice(what: &str, helps: bool, mib: u64) -> Advice {
    Advice {
        what: what.into(),
        because: String::new(),
        helps,
        would_change: if helps { "" } else { ": the collector wrote" },
        saves_at_most_bytes: Some(mib << 20),
        command: None,
    }
}

fn variable(path: &str, share: f64, mib: u64) -> CardVariable {
    CardVariable {
        path: path.into(),
        what: Some("dict x900,000".into()),
        share,
        is_lower_bound: false,
        bytes: mib << 20,
    }
}

/// A card on which everything is known.
fn card() -> Card {
    Card {
        headline: "COPY-ON-WRITE, NOT A LEAK: 98 % of the 612 MiB".into(),
        is_verdict: true,
        copies: Some(CopiesOnCard {
            are_few: false,
            bytes: 600 << 20,
            in_all_bytes: 600 << 20,
            share_of_growth: Some(0.98),
            variables: vec![
                variable("main() local titles", 0.51, 312),
                variable("main() local sents", 0.35, 210),
                variable("app.cache", 0.12, 72),
            ],
            place: Some(("handlers.py:42 in Handler.post".into(), 0.98)),
            causes: vec![CardCause {
                is: CauseIs::Write(WriteKind::Refcount),
                share: 0.999,
                written: vec![("str".into(), 0.61), ("list".into(), 0.38)],
            }],
        }),
        copies_are_aside: false,
        outlook: Some(Outlook {
            unshared_bytes: 600 << 20,
            ceiling_bytes: 1085 << 20,
            by_reading_bytes: Some(1080 << 20),
            workers: 1,
            is_since_start: false,
            have_ended: false,
            rate: Some(3 << 20),
            flat_ns: None,
            remaining_bytes: 485 << 20,
            room: Some(Room {
                bytes: 600 << 20,
                is: RoomIs::Limit,
            }),
            more_workers: Some(MoreWorkers {
                each_bytes: 640 << 20,
                workers: 8,
                all_bytes: 5 << 30,
            }),
        }),
        beside: vec![],
        is_unbounded: false,
        lasts: None,
        next: None,
        new_beside: None,
        new_memory: None,
        lives: None,
        loaded_bytes: None,
        grew_in: None,
        grown: None,
        advice: vec![advice("arrays", true, 594), advice("gc.freeze()", false, 2)],
        killed: None,
        loss: None,
    }
}

fn lines(card: &Card, width: usize) -> Vec<String> {
    let style = Style {
        width,
        color: false,
    };
    let mut out = Vec::new();
    write_card(
        card,
        Extent::Short(Some("cowtrace report")),
        style,
        &mut out,
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_command_that_shows_more_is_not_broken() {
    for width in 40..=120 {
        let told = lines(&card(), width);
        for command in [
            "cowtrace report --full",
            "cowtrace report -f html > run.html",
        ] {
            let is_whole = told.iter().any(|line| line.contains(command));
            assert!(is_whole, "{command} at {width} columns: {told:#?}");
        }
        assert!(told.iter().all(|line| line.width() <= width), "{told:#?}");
    }
}

#[test]
fn what_does_not_fit_has_a_line() {
    let mut card = card();
    let outlook = card.outlook.as_mut().unwrap();
    outlook.remaining_bytes = 700 << 20;
    outlook.rate = None;
    card.copies.as_mut().unwrap().variables.truncate(1);
    card.advice.clear();
    let told = lines(&card, 80);
    let first = told.iter().position(|line| line.starts_with("how far"));
    let told: Vec<&str> = told[first.unwrap()..]
        .iter()
        .take(3)
        .map(|it| it.trim())
        .collect();
    let expected = [
        "how far  600 MiB of at most 1.1 GiB in 1 worker",
        "the rest exceeds the limit of its cgroup by 100 MiB",
        "sizing   one more worker: at most 640 MiB; 8 (one a processor) and master: 5 GiB",
    ];
    assert_eq!(told, expected);
}

#[test]
fn workers_that_have_ended_copy_nothing_now() {
    let mut card = card();
    card.outlook.as_mut().unwrap().have_ended = true;
    let told = lines(&card, 80).join("\n");
    assert!(
        told.contains("1 worker; 3 MiB/s at the end; fits"),
        "{told}"
    );
    assert!(!told.contains("now"), "{told}");
}

#[test]
fn each_line_answers_a_question() {
    let told = lines(&card(), 80);
    let expected = [
        "COPY-ON-WRITE, NOT A LEAK: 98 % of the 612 MiB",
        "",
        "what     main() local titles  dict x900,000                      51 %  312 MiB",
        "         main() local sents   dict x900,000                      35 %  210 MiB",
        "where    handlers.py:42 in Handler.post                          98 %",
        "why      reference counts, which reading an object writes       >99 %",
        "         str 61 %, list 38 %",
        "how far  600 MiB of at most 1.1 GiB in 1 worker; now 3 MiB/s; fits",
        "helps    arrays                                              at most 594 MiB",
        "         gc.freeze() would not help: the collector wrote       at most 2 MiB",
        "check    change it, trace again, cowtrace diff",
        "More: cowtrace report --full · cowtrace report -f html > run.html",
    ];
    let blanks = |lines: &[String]| -> Vec<String> {
        let words = lines.iter().map(|line| line.split_whitespace());
        words.map(|it| it.collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(blanks(&told), blanks(&expected.map(str::to_owned)));
    let ends = |line: &str| line.ends_with("MiB") && !line.starts_with("COPY");
    assert!(
        told.iter()
            .filter(|line| ends(line))
            .all(|line| line.width() == 80),
        "{told:#?}"
    );
    for width in 40..100 {
        let told = lines(&card(), width);
        assert!(told.iter().all(|line| line.width() <= width), "{told:#?}");
        assert!(width < 80 || told.len() <= MOST_LINES, "{told:#?}");
    }
}

#[test]
fn what_is_not_known_has_no_line() {
    let mut card = card();
    card.advice.clear();
    card.outlook = None;
    if let Some(copies) = &mut card.copies {
        copies.variables.clear();
        copies.causes.clear();
        copies.place = None;
    }
    assert_eq!(lines(&card, 80).len(), 2);
    card.loss = Some(LossOnCard {
        causes: 1,
        totals_suffer: false,
    });
    let lost = "lost     details of some copies, no totals: 1 cause, at the end";
    assert_eq!(lines(&card, 80)[2], lost);
}

#[test]
fn few_copies_have_no_lines_of_their_own() {
    let mut card = card();
    card.copies.as_mut().unwrap().are_few = true;
    assert_eq!(lines(&card, 80).len(), 2);
    card.copies_are_aside = true;
    assert_eq!(lines(&card, 80).len(), 4);
}

#[test]
fn copies_are_an_aside_of_new_memory() {
    let mut card = card();
    (card.copies_are_aside, card.is_unbounded) = (true, true);
    let told = lines(&card, 80);
    assert_eq!(told[2], "how far  no bound is known for new memory");
    let also = "also     600 MiB copied on write: 98 % of your processes' growth";
    assert_eq!(told[3], also);
    card.grew_in = Some(("app.py:41 in handler".into(), 0.6));
    let grown = lines(&card, 80).remove(2);
    let words: Vec<&str> = grown.split_whitespace().collect();
    let expected = "where new memory grew in app.py:41 in handler about 60 %";
    assert_eq!(words.join(" "), expected);
    card.grew_in = None;
    assert!(told.iter().all(|line| !line.starts_with("what")));
    if let Some(copies) = &mut card.copies {
        copies.share_of_growth = Some(0.02);
    }
    let told = lines(&card, 80);
    assert_eq!(told.len(), 5, "{told:#?}");
}
