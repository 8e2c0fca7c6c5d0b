//! `--version`, and with -v what a bug report needs.

use cowtrace_tests::command::cowtrace;

#[test]
fn the_version_is_one_line_and_with_v_tells_two_builds_apart() {
    let short = String::from_utf8(cowtrace(&["--version"]).stdout).expect("text");
    assert_eq!(short, format!("cowtrace {}\n", env!("CARGO_PKG_VERSION")));
    let long = String::from_utf8(cowtrace(&["--version", "-v"]).stdout).expect("text");
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines[0], short.trim_end());
    let value = |at: usize, what: &str| {
        let rest = lines[at].strip_prefix(what).expect(what);
        rest.trim_start()
    };
    assert!(!value(1, "commit:").is_empty(), "{long}");
    assert!(
        value(2, "target:").starts_with(std::env::consts::ARCH),
        "{long}"
    );
    assert!(value(3, "build:").contains("release") || cfg!(debug_assertions));
    assert!(value(4, "C library:").starts_with("linked "), "{long}");
    let (bytes, crc) = value(5, "kernel side:")
        .split_once(" bytes, CRC-32 ")
        .expect("a size and a checksum");
    assert!(bytes.parse::<usize>().expect("a number") > 10_000, "{long}");
    assert!(
        crc.len() == 8 && u32::from_str_radix(crc, 16).is_ok(),
        "{long}"
    );
    assert!(value(6, "features:").starts_with("all"), "{long}");
    assert!(value(7, "recordings:").starts_with("version "), "{long}");
    for what in ["report", "diff", "heap", "list"] {
        assert!(
            value(8, "JSON:").contains(&format!("cowtrace.{what}/")),
            "{long}"
        );
    }
    assert_eq!(lines.len(), 9);
}
