//! Numbers, sizes, times and shares for people, and the nouns that follow a number.

/// Bytes in the largest binary unit that leaves about three digits.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 99.95 && value.fract() != 0.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A change in bytes, with its sign.
#[must_use]
pub(crate) fn change_in_size(bytes: i64) -> String {
    let sign = match bytes {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", size(bytes.unsigned_abs()))
}

/// A time in nanoseconds: seconds, minutes and seconds, or from an hour and a half on hours and minutes.
#[must_use]
pub fn seconds(ns: u64) -> String {
    let tenths = (ns + 50_000_000) / 100_000_000;
    let whole = tenths / 10;
    match whole {
        0..100 => format!("{whole}.{} s", tenths % 10),
        100..5_400 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

/// A time of which no more is known, in nanoseconds: two digits or so.
#[must_use]
pub(crate) fn about_seconds(ns: u64) -> String {
    let whole = ns.saturating_add(500_000_000) / 1_000_000_000;
    match whole {
        0..100 => format!("{} s", whole.max(1)),
        100..600 => format!("{} min {} s", whole / 60, whole % 60 / 10 * 10),
        600..5_400 => format!("{} min", (whole + 30) / 60),
        5_400..172_800 => format!("{} h", (whole + 1_800) / 3_600),
        _ => format!("{} days", (whole + 43_200) / 86_400),
    }
}

/// A fraction in percent; rounded to 0 or 100 only if it is exactly that.
#[must_use]
pub(crate) fn percent(fraction: f64) -> String {
    match fraction {
        0.0 => "0 %".into(),
        f if f < 0.005 => "<1 %".into(),
        f if (0.995..1.0).contains(&f) => ">99 %".into(),
        f => format!("{:.0} %", f * 100.0),
    }
}

/// A fraction of which no more is known, in percent.
#[must_use]
pub(crate) fn about_percent(fraction: f64) -> String {
    let percent = percent(fraction);
    match percent.split_at(percent.len().min(1)) {
        (">", rest) => format!("more than {rest}"),
        ("<", rest) => format!("less than {rest}"),
        _ => format!("about {percent}"),
    }
}

/// A number with separators between thousands.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut spaced = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            spaced.push(',');
        }
        spaced.push(digit);
    }
    spaced
}

/// `1 worker`, `2,000 processes`: a number of things; the last word gets its regular plural.
#[must_use]
pub(crate) fn plural(number: u64, noun: &str) -> String {
    format!("{} {}", count(number), noun_of(number, noun))
}

/// The noun that follows a number.
#[must_use]
pub(crate) fn noun_of(number: u64, noun: &str) -> String {
    let before_y = noun.strip_suffix('y');
    match before_y.filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if number == 1 => noun.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None if noun.ends_with('s') => format!("{noun}es"),
        None => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        let told = ["worker", "process", "copy", "more entry"].map(|noun| plural(1, noun));
        assert_eq!(told, ["1 worker", "1 process", "1 copy", "1 more entry"]);
        let told = ["worker", "process", "copy", "key"].map(|noun| plural(2_000, noun));
        assert_eq!(
            told,
            [
                "2,000 workers",
                "2,000 processes",
                "2,000 copies",
                "2,000 keys"
            ]
        );
        assert_eq!(plural(0, "page"), "0 pages");
    }

    #[test]
    fn sizes_keep_about_three_digits() {
        let told: Vec<_> = [
            0,
            1023,
            1024,
            1536,
            102_400,
            1_048_575,
            1 << 20,
            5_368_709_120,
        ]
        .map(size)
        .into();
        assert_eq!(
            told,
            [
                "0 B", "1023 B", "1 KiB", "1.5 KiB", "100 KiB", "1.0 MiB", "1 MiB", "5 GiB"
            ]
        );
    }

    #[test]
    fn percents_never_round_to_nothing_or_all() {
        let told: Vec<_> = [0.0, 0.001, 0.5, 0.999, 1.0].map(percent).into();
        assert_eq!(told, ["0 %", "<1 %", "50 %", ">99 %", "100 %"]);
        let told = [0.001, 0.6, 0.999].map(about_percent);
        assert_eq!(told, ["less than 1 %", "about 60 %", "more than 99 %"]);
    }

    #[test]
    fn times_that_are_estimated_have_two_digits() {
        let told = [0, 45, 185, 1_856, 9_000, 86_400, 259_200];
        let told = told.map(|seconds: u64| about_seconds(seconds * 1_000_000_000));
        let expected = [
            "1 s",
            "45 s",
            "3 min 0 s",
            "31 min",
            "3 h",
            "24 h",
            "3 days",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn times_are_read_at_a_glance() {
        let told: Vec<_> = [
            0,
            1_260_000_000,
            99_960_000_000,
            3_725_000_000_000,
            6_300_000_000_000,
            7_300_000_000_000,
        ]
        .map(seconds)
        .into();
        assert_eq!(
            told,
            [
                "0.0 s",
                "1.3 s",
                "1 min 40 s",
                "62 min 5 s",
                "1 h 45 min",
                "2 h 1 min"
            ]
        );
    }
}
