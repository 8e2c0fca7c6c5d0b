//! Shared by the fuzz targets: the decoders themselves are in cowtrace, as `cowtrace::fuzzing`.
//! Here libFuzzer gives them inputs, and their memory is measured.

use cowtrace::fuzzing::Target;
use peak_alloc::PeakAlloc;

#[doc(hidden)]
pub use libfuzzer_sys::fuzz_target;

/// Counts Rust's allocations; SQLite's own memory is bounded by `-rss_limit_mb`.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Target {
    cowtrace::fuzzing::target(name).unwrap_or_else(|| panic!("there is no target {name}"))
}

/// Runs an input, with a limit on its memory.
pub fn run(target: &Target, input: &[u8]) {
    let most = (target.memory)(input.len());
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    (target.run)(input);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= most, "{taken} bytes of memory, of {most}");
}

/// A program that fuzzes a target.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        static TARGET: std::sync::LazyLock<cowtrace::fuzzing::Target> =
            std::sync::LazyLock::new(|| $crate::target($name));

        $crate::fuzz_target!(|input: &[u8]| $crate::run(&TARGET, input));
    };
}
