//! Wording of changes and their subjects, for people.

use super::{
    lines::WrittenLine,
    regions::{Class, Part},
    rows::{AlignedMapping, Subject},
    statistics::Change,
};
use crate::{
    run::{Mapping, WriteKind},
    words::{
        OTHER_MEMORY, OUTSIDE_HISTOGRAM, count, own_memory_name, plural, printable, shorten, size,
    },
};

/// Smaller fractions are written as `less than` this.
const LEAST: f64 = 0.0005;

/// Name of memory of unknown origin.
const UNKNOWN_USE: &str = "other memory of unknown use";

/// Longer names of functions and files are cut.
const MAX_NAME: usize = 40;

/// Units of [`size`] with their bytes.
const UNITS: [(&str, f64); 6] = [
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("PiB", 1_125_899_906_842_624.0),
];

/// Decimals to try where one does not show a difference.
const FINER: [usize; 2] = [2, 3];

/// Growth from this factor on is written as a multiple.
const TIMES: f64 = 1.0;

/// Bytes in the largest unit that fits; also fractions of a byte, which figures per unit of work
/// can be.
#[must_use]
pub(super) fn bytes_in_words(bytes: f64) -> String {
    match bytes {
        0.0 => "0 B".into(),
        b if b < 0.01 => "<0.01 B".into(),
        b if b < 10.0 && b.fract() != 0.0 => format!("{b:.2} B"),
        b => size(whole_bytes(b)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes of a run, which came from whole numbers"
)]
fn whole_bytes(bytes: f64) -> u64 {
    bytes.round() as u64
}

/// Two figures with as many digits as it takes to see that they differ; none if they are the same
/// or nearly so.
pub(super) fn told_apart(base: f64, new: f64) -> Option<(String, String)> {
    let pair = |told: &dyn Fn(f64) -> String| Some((told(base), told(new)));
    let is_apart = |pair: &(String, String)| pair.0 != pair.1;
    let in_short = pair(&bytes_in_words).filter(is_apart);
    let finer = || {
        let mut finer = FINER.into_iter();
        finer.find_map(|digits| pair(&|it| with_digits(it, base.max(new), digits)).filter(is_apart))
    };
    let whole = || pair(&|it| format!("{} B", count(whole_bytes(it)))).filter(is_apart);
    in_short.or_else(finer).or_else(whole)
}

/// In the unit of the larger figure.
fn with_digits(bytes: f64, larger: f64, digits: usize) -> String {
    let (unit, bytes_of) = UNITS
        .into_iter()
        .rfind(|(_, bytes)| larger >= *bytes)
        .unwrap_or(UNITS[0]);
    format!("{:.digits$} {unit}", bytes / bytes_of)
}

/// With its sign.
pub(super) fn signed_bytes(difference: f64) -> String {
    match difference {
        0.0 => "0 B".into(),
        d if d < 0.0 => format!("-{}", bytes_in_words(-d)),
        d => format!("+{}", bytes_in_words(d)),
    }
}

/// `44 % less`, `2.3 times as much`; `as much` only if nothing at all has changed.
#[must_use]
pub(super) fn growth_in_words(relative: f64) -> String {
    let word = if relative < 0.0 { "less" } else { "more" };
    match relative {
        0.0 => "as much".into(),
        r if r >= TIMES => format!("{} times as much", digits_of_ratio(r + 1.0)),
        r => format!("{} {word}", share(r.abs())),
    }
}

/// `26 to 28 % less`, `1 % less to 2 % more`.
pub(super) fn growth_between(from: f64, to: f64) -> String {
    let within = |least: f64, most: f64, word: &str| {
        let (one, other) = (number_in_words(least), number_in_words(most));
        let finer = |it: f64| format!("{:.1}", it * 100.0);
        let (finer_one, finer_other) = (finer(least), finer(most));
        if one != other {
            format!("{one} to {other} % {word}")
        } else if finer_one != finer_other {
            format!("{finer_one} to {finer_other} % {word}")
        } else if one.starts_with('<') {
            format!("{one} % {word}")
        } else {
            format!("{finer_one} % {word}")
        }
    };
    if from < 0.0 && to < 0.0 {
        return within(-to, -from, "less");
    }
    if from > 0.0 && to > 0.0 && to < TIMES {
        return within(from, to, "more");
    }
    if from == 0.0 && to == 0.0 {
        return "as much".into();
    }
    match (growth_in_words(from), growth_in_words(to)) {
        (from, to) if from == to => from,
        (from, to) => format!("{from} to {to}"),
    }
}

/// For a column: `-44 %`, `+3.1 %`, `x2.3`, `new`, `gone`.
pub(super) fn relative_change(change: &Change) -> String {
    let new = change.new.median;
    match change.relative() {
        None if new > 0.0 => "new".into(),
        None => String::new(),
        Some(_) if new == 0.0 => "gone".into(),
        Some(0.0) => "0 %".into(),
        Some(r) if r.abs() < LEAST => share(r.abs()),
        Some(r) if r >= TIMES => format!("x{}", digits_of_ratio(r + 1.0)),
        Some(r) if r < 0.0 => format!("-{}", share(-r)),
        Some(r) => format!("+{}", share(r)),
    }
}

/// A fraction above 0 in percent, with one more digit below 10.
fn share(fraction: f64) -> String {
    format!("{} %", number_in_words(fraction))
}

fn number_in_words(fraction: f64) -> String {
    match fraction * 100.0 {
        p if p < LEAST * 100.0 => "<0.1".into(),
        p if p < 9.95 => format!("{p:.1}"),
        // If anything remains, this must not round to 100 %.
        p if (99.95..100.0).contains(&p) => ">99.9".into(),
        p if (99.5..100.0).contains(&p) => format!("{p:.1}"),
        p => format!("{p:.0}"),
    }
}

fn digits_of_ratio(times: f64) -> String {
    if times < 9.95 {
        format!("{times:.1}")
    } else {
        format!("{times:.0}")
    }
}

/// A kind of write, in words.
pub(super) const fn kind_in_words(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Refcount => "reference counts",
        WriteKind::Gc => "gc headers",
        WriteKind::Other => "all other memory",
        WriteKind::Kernel => "by the kernel",
    }
}

/// Its cause, to follow the kind in a sentence.
pub(super) const fn explained(kind: WriteKind) -> &'static str {
    match kind {
        WriteKind::Refcount => "reference counts, which reading an object is enough to write",
        WriteKind::Gc => "gc headers, which the garbage collector writes",
        WriteKind::Other => "other memory, which the program or its interpreter writes",
        WriteKind::Kernel => "memory that system calls write",
    }
}

/// The subject of a row, escaped for a terminal.
pub(super) fn subject_in_words(subject: &Subject) -> String {
    match subject {
        Subject::Kind(it) => kind_in_words(*it).into(),
        // To distinguish it from the kind of the same name, which is the total.
        Subject::Written(it) if it.name == OTHER_MEMORY => UNKNOWN_USE.into(),
        Subject::Written(it) => printable(&it.name),
        Subject::Function(it) => printable(it),
        Subject::Line(it) => line_in_words(it),
        Subject::Mapping(it) => mapping_in_words(it),
        Subject::Part(it) => part_in_words(it),
        Subject::Unmatched(number) => format!(
            "{} without a counterpart in every run",
            plural(*number as u64, "mapping")
        ),
        Subject::Others(number) => format!("{} more", count(*number as u64)),
    }
}

fn line_in_words(line: &WrittenLine) -> String {
    let cut = |text: &str| shorten(&printable(text), MAX_NAME);
    let at = |file: &str, line: Option<u32>| match line {
        Some(line) => format!("{}:{line}", cut(file)),
        None => cut(file),
    };
    let place = &line.place;
    let function = cut(&place.function);
    if let Some((base, new)) = line.moved {
        let told = |line: Option<u32>| line.map_or("?".into(), |line| line.to_string());
        let (file, base, new) = (cut(&place.file), told(base), told(new));
        return format!("{file}:{base}→{new} in {function}");
    }
    let text = format!("{} in {function}", at(&place.file, place.line));
    match &place.caller {
        Some((file, line)) => format!("{text}, from {}", at(file, *line)),
        None => text,
    }
}

/// A mapping's name, its number if there are several, and its master if that is not the first.
fn mapping_in_words(mapping: &AlignedMapping) -> String {
    let mut text = class_in_words(&mapping.class);
    if mapping.is_partly_unnamed {
        text = format!("{text} (in some runs {})", Mapping::UNNAMED);
    }
    if mapping.of > 1 {
        text = format!("{text} {}/{}", mapping.position, mapping.of);
    }
    let size = |size: f64| match mapping.of {
        1 => String::new(),
        _ => format!(", {}", bytes_in_words(size)),
    };
    match (mapping.size_base, mapping.size_new) {
        (Some(base), None) => format!("{text}{}, only in BASE", size(base)),
        (None, Some(new)) => format!("{text}{}, only in NEW", size(new)),
        (Some(base), Some(new)) if bytes_in_words(base) != bytes_in_words(new) => {
            format!(
                "{text}, {}, then {}",
                bytes_in_words(base),
                bytes_in_words(new)
            )
        }
        (Some(base), _) => format!("{text}{}", size(base)),
        (None, None) => text,
    }
}

fn class_in_words(class: &Class) -> String {
    let name = if class.name.is_empty() {
        class.kind.to_owned()
    } else {
        printable(&class.name)
    };
    match class.master {
        Some(0) => name,
        Some(number) => format!("{name} of master {}", number + 1),
        None => format!("{name} of workers that forked"),
    }
}

fn part_in_words(part: &Part) -> String {
    match part {
        Part::OfWorkers(it) => class_in_words(it),
        Part::Own(mapping) => own_memory_name(mapping.as_deref()),
        Part::OutsideHistogram => OUTSIDE_HISTOGRAM.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_as_people_say_it() {
        let told = [
            -1.0, -0.9999, -0.997, -0.44, -0.0312, -0.0001, 0.0, 0.07, 0.996, 1.0, 22.0,
        ];
        assert_eq!(
            told.map(growth_in_words),
            [
                "100 % less",
                ">99.9 % less",
                "99.7 % less",
                "44 % less",
                "3.1 % less",
                "<0.1 % less",
                "as much",
                "7.0 % more",
                "99.6 % more",
                "2.0 times as much",
                "23 times as much"
            ]
        );
    }

    #[test]
    fn intervals_have_as_many_digits_as_they_need() {
        let told = [
            (-0.28, -0.26),
            (-0.2724, -0.2713),
            (-0.01, 0.02),
            (0.03, 0.05),
            (0.5, 1.5),
        ];
        assert_eq!(
            told.map(|(from, to)| growth_between(from, to)),
            [
                "26 to 28 % less",
                "27.1 to 27.2 % less",
                "1.0 % less to 2.0 % more",
                "3.0 to 5.0 % more",
                "50 % more to 2.5 times as much"
            ]
        );
        assert_eq!(growth_between(-0.27201, -0.27199), "27.2 % less");
        assert_eq!(growth_between(0.0, 0.0), "as much");
    }

    #[test]
    fn figures_that_differ_read_as_if_they_did() {
        const MIB: f64 = 1_048_576.0;
        let told = |base: f64, new: f64| {
            let (base, new) = told_apart(base, new).unwrap();
            format!("{new} instead of {base}")
        };
        assert_eq!(told(2.0 * MIB, MIB), "1 MiB instead of 2 MiB");
        assert_eq!(told(6.3 * MIB, 6.34 * MIB), "6.34 MiB instead of 6.30 MiB");
        assert_eq!(
            told(6.3 * MIB, 6.302 * MIB),
            "6.302 MiB instead of 6.300 MiB"
        );
        let gib = 100.0 * 1024.0 * MIB;
        assert_eq!(
            told(gib, gib + 4096.0),
            "107,374,186,496 B instead of 107,374,182,400 B"
        );
        assert_eq!(told(512.3, 512.4), "512.40 B instead of 512.30 B");
        assert_eq!(told_apart(MIB, MIB), None);
        assert_eq!(told_apart(0.0, 0.0), None);
        assert_eq!(told_apart(512.000_01, 512.0), None);
    }

    #[test]
    fn an_interval_whose_ends_read_alike_is_one_figure() {
        assert_eq!(growth_between(1.31, 1.34), "2.3 times as much");
        assert_eq!(growth_between(-0.0002, -0.0001), "<0.1 % less");
        assert_eq!(growth_between(0.0001, 0.0002), "<0.1 % more");
    }

    #[test]
    fn bytes_may_be_fractions() {
        let told = [0.0, 0.001, 0.25, 3.0, 65_536.4].map(bytes_in_words);
        assert_eq!(told, ["0 B", "<0.01 B", "0.25 B", "3 B", "64 KiB"]);
    }
}
