//! PHP: what its collector of cycles copies, and what spares that.

use super::{advice_item::Advice, writers::is_of_runtime};
use crate::run::Writer;

/// How the functions of the collector are called (`zend_gc.c`). Where symbols are missing, all of it is under the one
/// that is exported, `zend_gc_collect_cycles`.
const COLLECTOR: [&str; 2] = ["zend_gc_", "gc_"];

/// Measured with 100,000 arrays and 100,000 objects (PHP 8.2): 9,760 to 11,660 pages, without the collector 6,470 and
/// 5,140.
const WRITES: &str = "PHP looks for cycles after every 10,000 values that may be part of one. It counts references down \
                      and up again in all that they lead to, also in what the master loaded. zend.enable_gc=0 \
                      in php.ini turns it off as well. Taking a value still counts a reference then. Cycles are freed \
                      only when a worker ends: have workers replaced, and watch how much new memory they take.";

/// Whether PHP's collector of cycles wrote.
pub(super) fn is_collector(writer: &Writer) -> bool {
    let function = writer.function.as_deref().unwrap_or_default();
    let is_of_collector = COLLECTOR.iter().any(|it| function.starts_with(it));
    is_of_collector && is_phps(writer)
}

/// Advice against the collector's copies. `saves_at_most_bytes` is what it copied.
pub(super) fn advice_on_collector(saves_at_most_bytes: u64) -> Advice {
    let what = "gc_disable() before the fork, if few cycles are made";
    Advice::helping(what, WRITES, saves_at_most_bytes)
}

/// `php`, `php8.2`, `php-fpm8.2`, `libphp8.2.so`.
fn is_phps(writer: &Writer) -> bool {
    is_of_runtime(writer, "php")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Store;

    fn writer(module: &str, function: &str) -> Writer {
        Writer::native(module, function, Some(Store::Decrement))
    }

    #[test]
    fn the_collector_is_known_by_its_functions() {
        for module in ["php", "php8.2", "php-fpm8.2", "libphp8.2.so"] {
            for function in ["zend_gc_collect_cycles", "gc_mark_grey", "gc_possible_root"] {
                assert!(is_collector(&writer(module, function)), "{module}");
            }
            assert!(!is_collector(&writer(module, "execute_ex")));
        }
        assert!(!is_collector(&writer("libphpish.so", "gc_mark")));
        assert!(!is_collector(&writer("libruby.so", "gc_mark")));
    }
}
