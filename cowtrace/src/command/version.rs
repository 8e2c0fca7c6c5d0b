//! `cowtrace --version -v`: what this program was built from, for bug reports.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

use crate::{diff, probe, recording, report, streams};

/// The commit, by the build script.
const COMMIT: &str = env!("COWTRACE_BUILT_COMMIT");
/// Architecture, system and C library that it was built for.
const TARGET: &str = env!("COWTRACE_BUILT_TARGET");

/// Prints it.
pub fn print_build() -> Result<()> {
    streams::standard_output()
        .and_then(|mut out| {
            write_build(&mut out)?;
            out.flush()
        })
        .context("cannot write to standard output")
}

fn write_build(out: &mut impl io::Write) -> io::Result<()> {
    let object = probe::embedded_object();
    let schemas = [
        report::REPORT_SCHEMA,
        diff::DIFF_SCHEMA,
        report::HEAP_SCHEMA,
        report::LIST_SCHEMA,
    ];
    writeln!(out, "cowtrace {}", env!("CARGO_PKG_VERSION"))?;
    for (what, value) in [
        ("commit", COMMIT.to_owned()),
        ("target", TARGET.to_owned()),
        ("build", kind_of_build().to_owned()),
        ("C library", kind_of_linking().to_owned()),
        (
            "kernel side",
            format!("{} bytes, CRC-32 {:08x}", object.bytes, object.crc32),
        ),
        ("features", "all: none can be left out".to_owned()),
        ("recordings", format!("version {}", recording::VERSION)),
        ("JSON", schemas.join(", ")),
    ] {
        writeln!(out, "{:<13}{value}", format!("{what}:"))?;
    }
    Ok(())
}

const fn kind_of_linking() -> &'static str {
    if cfg!(target_feature = "crt-static") {
        "linked statically"
    } else {
        "linked dynamically"
    }
}

/// How it was built: what is handed out ends at a panic without unwinding, see Cargo.toml.
const fn kind_of_build() -> &'static str {
    if cfg!(debug_assertions) {
        "debug"
    } else if cfg!(panic = "abort") {
        "release, to be handed out"
    } else {
        "release"
    }
}
