//! How far copies have come and may go, on the card.

use super::super::rows::{LabelledRow, RowFigures, text_row};
use crate::{
    verdict::{Card, Outlook, Room, RoomIs},
    words::{plural, seconds, size},
};

/// Reading that can copy more than this share of the ceiling needs no line of its own.
const MUCH_BY_READING: f64 = 0.95;

/// Where it stands, whether the rest fits, what reading alone reaches, and how large more workers are.
pub(super) fn rows_of_outlook<'a>(outlook: &Outlook, card: &Card) -> Vec<LabelledRow<'a>> {
    let label = if card.copies_are_aside {
        "also"
    } else {
        "how far"
    };
    let over = outlook.room.and_then(|room| excess(outlook, room));
    let fits = outlook.room.is_some() && over.is_none();
    let mut rows = vec![text_row(
        label,
        0,
        RowFigures::Nothing,
        where_it_stands(outlook, fits),
    )];
    rows.extend(over.map(|text| text_row(label, 0, RowFigures::Nothing, text)));
    let by_reading = outlook.by_reading_bytes.filter(|bytes| {
        let most = outlook.ceiling_bytes as f64 * MUCH_BY_READING;
        !card.copies_are_aside && (*bytes as f64) < most
    });
    rows.extend(by_reading.map(|bytes| {
        let text = format!("reading alone can copy at most {}", size(bytes));
        text_row(label, 7, RowFigures::Nothing, text)
    }));
    rows.extend(outlook.more_workers.map(|more| {
        let text = format!(
            "one more worker: at most {}; {} ({}) and master: {}",
            size(more.each_bytes),
            more.workers,
            if more.workers == 2 * outlook.workers as u64 {
                "twice as many"
            } else {
                "one a processor"
            },
            size(more.all_bytes)
        );
        text_row("sizing", 7, RowFigures::Nothing, text)
    }));
    rows
}

/// `115 MiB of at most 409 MiB in 3 workers; now 1.0 MiB/s; fits`.
fn where_it_stands(outlook: &Outlook, fits: bool) -> String {
    let since = if outlook.is_since_start {
        " (in this trace)"
    } else {
        ""
    };
    let now = match (outlook.flat_ns, outlook.rate) {
        (Some(flat_ns), _) => format!("; flat for {}", seconds(flat_ns)),
        (None, Some(rate)) if rate > 0 => format!("; {}", rate_in_words(outlook, rate)),
        (None, _) => String::new(),
    };
    format!(
        "{}{since} of at most {} in {}{now}{}",
        size(outlook.unshared_bytes),
        size(outlook.ceiling_bytes),
        plural(outlook.workers as u64, "worker"),
        if fits { "; fits" } else { "" }
    )
}

/// Of workers that have ended, nothing is copied now.
fn rate_in_words(outlook: &Outlook, rate: u64) -> String {
    let rate = size(rate);
    if outlook.have_ended {
        format!("{rate}/s at the end")
    } else {
        format!("now {rate}/s")
    }
}

/// By how much what may still be copied exceeds what there is for it; `None` if it fits.
fn excess(outlook: &Outlook, room: Room) -> Option<String> {
    let over = outlook.remaining_bytes.checked_sub(room.bytes);
    let over = over.filter(|over| *over > 0)?;
    let what = match room.is {
        RoomIs::Limit => "the limit of its cgroup",
        RoomIs::Available => "what the machine has available",
    };
    Some(format!("the rest exceeds {what} by {}", size(over)))
}
