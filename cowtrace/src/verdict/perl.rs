//! Perl: what its copies are for, and what spares them.

use super::{advice_item::Advice, writers::is_of_runtime};
use crate::run::{Store, Writer};

/// Functions that keep the other form of a value, number or text, in the value (`sv.c`).
const CONVERSIONS: [&str; 6] = [
    "Perl_sv_upgrade",
    "Perl_sv_2iv_flags",
    "Perl_sv_2nv_flags",
    "Perl_sv_2pv_flags",
    "Perl_sv_2uv_flags",
    "S_sv_2iuv_common",
];

/// Measured with 100,000 hashes: by a variable, by a loop or by a copy of a text 10,300 to 18,400 pages, in place 7.
const COUNTS: &str = "Perl counts references. `my $x = $all{$id}` counts in what it takes, and so does each round of \
                      `for my $x (@all)`. `$all{$id}{name}` or `$all[$i]`, used in place, writes nothing.";
/// Measured likewise: 13,400 pages, and 6 where numbers were stored as numbers.
const NUMBERS: &str = "A text that is used as a number keeps the number in itself, and a number that is used as a text \
                       keeps the text: convert what was read in the master, as in `$age + 0`, before it forks.";

/// Whether Perl counted a reference to a value.
pub(super) fn counts_references(writer: &Writer) -> bool {
    let is_counter = matches!(writer.store, Some(Store::Increment | Store::Decrement));
    is_counter && is_perls(writer)
}

/// Whether Perl gave a value another form.
pub(super) fn converts(writer: &Writer) -> bool {
    let function = writer.function.as_deref();
    let is_conversion = function.is_some_and(|it| CONVERSIONS.contains(&it));
    is_conversion && is_perls(writer) && !counts_references(writer)
}

/// Advice against the counting. `saves_at_most_bytes` is what was copied by it.
pub(super) fn advice_on_counts(saves_at_most_bytes: u64) -> Advice {
    let what = "inherited values used in place, by no variable";
    Advice::helping(what, COUNTS, saves_at_most_bytes)
}

/// Advice against the conversions, likewise.
pub(super) fn advice_on_conversions(saves_at_most_bytes: u64) -> Advice {
    let what = "numbers stored as numbers, before the fork";
    Advice::helping(what, NUMBERS, saves_at_most_bytes)
}

/// `perl`, `perl5.36.0`, `libperl.so.5.36.0`.
fn is_perls(writer: &Writer) -> bool {
    is_of_runtime(writer, "perl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_and_converting_are_told_apart() {
        let counts = Some(Store::Increment);
        for module in ["perl", "perl5.36.0", "libperl.so.5.36.0"] {
            let taken = Writer::native(module, "Perl_sv_setsv_flags", counts);
            assert!(counts_references(&taken) && !converts(&taken));
            let upgraded = Writer::native(module, "Perl_sv_upgrade", Some(Store::Bits));
            assert!(converts(&upgraded) && !counts_references(&upgraded));
            let counted = Writer::native(module, "Perl_sv_upgrade", counts);
            assert!(counts_references(&counted) && !converts(&counted));
            let unknown = Writer::native(module, "Perl_pp_iter", None);
            assert!(!counts_references(&unknown) && !converts(&unknown));
        }
        for module in ["perlite", "libperlish.so", "php", ""] {
            assert!(
                !counts_references(&Writer::native(module, "f", counts)),
                "{module}"
            );
        }
    }
}
