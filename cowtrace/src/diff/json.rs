//! JSON by the schema `cowtrace.diff/1`: additions are allowed, renames and removals are not.
//! docs/json.md describes it for its users.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{
    comparison::Comparison,
    lines::Line,
    measure::Measured,
    regions::{Class, Part},
    rows::{Changes, Mapping, Row, Subject},
    shape,
    statistics::{Change, Finding, Spread},
    words::subject,
};

const SCHEMA: &str = "cowtrace.diff/1";

/// Writes a comparison as JSON.
pub fn json(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let options = &comparison.options;
    let warnings: Vec<Value> = comparison
        .warnings
        .iter()
        .map(|warning| json!({"about": warning.about, "text": warning.text}))
        .collect();
    let report = json!({
        "schema": SCHEMA,
        "tool": {"version": env!("CARGO_PKG_VERSION")},
        "per": options.per,
        "base": {"runs": side(&comparison.base)},
        "new": {"runs": side(&comparison.new)},
        "warnings": warnings,
        "verdict": {
            "summary": comparison.summary(),
            "confidence": comparison.confidence(),
            "finding": finding(comparison.totals.main().finding),
            "fail_above": options.fail_above,
            "fails": comparison.fails(),
            "unlike": comparison.unlike,
        },
        "totals": changes(&comparison.totals),
        "kinds": rows(&comparison.kinds),
        "written": rows(&comparison.written),
        "functions": rows(&comparison.functions),
        "lines": rows(&comparison.lines),
        "mappings": rows(&comparison.mappings),
        "unmatched": comparison.unmatched.as_ref().map(row),
        "others": rows(&comparison.others),
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

fn side(runs: &[Measured]) -> Vec<Value> {
    let run = |run: &Measured| {
        json!({
            "name": run.name,
            "id": run.id,
            "started_at": run.started_at,
            "duration_ns": run.duration_ns,
            "backend": run.backend,
            "kernel": run.kernel,
            "page_bytes": run.page_bytes,
            "range_bytes": run.range_bytes,
            "labels": run.labels,
            "workers": run.workers,
            "copied_bytes": number(run.copied),
            "ceiling_bytes": number(run.ceiling),
        })
    };
    runs.iter().map(run).collect()
}

fn rows(rows: &[Row]) -> Vec<Value> {
    rows.iter().map(row).collect()
}

fn row(row: &Row) -> Value {
    let mut fields = about(&row.subject);
    fields.insert("name".into(), subject(&row.subject).into());
    if let Value::Object(changes) = changes(&row.changes) {
        fields.extend(changes);
    }
    Value::Object(fields)
}

/// What a row is about, in fields of its own.
fn about(subject: &Subject) -> Map<String, Value> {
    let fields = match subject {
        Subject::Kind(kind) => json!({"kind": kind}),
        Subject::Written(it) => json!({"kind": it.kind, "type": it.type_name}),
        Subject::Function(_) => json!({}),
        Subject::Line(it) => line(it),
        Subject::Mapping(it) => mapping(it),
        Subject::Part(it) => part(it),
        Subject::Unmatched(number) => json!({"mappings": number}),
        Subject::Others(number) => json!({"others": number}),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn line(line: &Line) -> Value {
    let place = &line.place;
    json!({
        "function": place.function,
        "file": place.file,
        "line": place.line,
        "called_from": place.caller.as_ref().map(|(file, line)| json!({"file": file, "line": line})),
        "moved": line.moved.map(|(base, new)| json!({"base": base, "new": new})),
    })
}

fn class(class: &Class) -> Value {
    json!({"mapping": class.name, "kind": class.kind, "master": class.master})
}

fn mapping(mapping: &Mapping) -> Value {
    let spread = |spread: &shape::Spread| {
        json!({
            "touched_base": spread.touched_base,
            "touched_new": spread.touched_new,
            "moved": spread.moved,
            "moved_within": spread.moved_within,
        })
    };
    let mut fields = class(&mapping.class);
    fields["position"] = mapping.position.into();
    fields["of"] = mapping.of.into();
    fields["size_base"] = json!(mapping.size_base.map(number));
    fields["size_new"] = json!(mapping.size_new.map(number));
    fields["unshared_base"] = json!(mapping.unshared_base);
    fields["unshared_new"] = json!(mapping.unshared_new);
    fields["spread"] = json!(mapping.spread.as_ref().map(spread));
    fields
}

fn part(part: &Part) -> Value {
    match part {
        Part::OfWorkers(it) => class(it),
        Part::Own(mapping) => json!({"mapping": mapping, "kind": "own"}),
        Part::OutsideHistogram => json!({"mapping": null, "kind": "outside_histogram"}),
    }
}

fn changes(changes: &Changes) -> Value {
    json!({
        "total": change(&changes.total),
        "per_worker": changes.per_worker.as_ref().map(change),
        "per_unit": changes.per_unit.as_ref().map(change),
    })
}

fn change(change: &Change) -> Value {
    let spread = |spread: &Spread| {
        json!({
            "median": number(spread.median),
            "least": number(spread.least),
            "most": number(spread.most),
        })
    };
    let interval = change.evidence.as_ref().map(|evidence| {
        let interval = &evidence.interval;
        json!({
            "level": interval.level,
            "difference": [number(interval.difference.0), number(interval.difference.1)],
            "relative": interval.relative,
        })
    });
    let odds = change.evidence.as_ref().map(|evidence| {
        let odds = evidence.chance;
        json!({"less": odds.less, "more": odds.more, "either": odds.either()})
    });
    json!({
        "base": spread(&change.base),
        "new": spread(&change.new),
        "difference": number(change.difference()),
        "relative": change.relative(),
        "finding": finding(change.finding),
        "chance": odds,
        "interval": interval,
    })
}

/// A whole number as one: bytes are, unless they were divided.
fn number(value: f64) -> Value {
    /// Whole numbers up to this are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number in range")]
        let whole = value as i64;
        whole.into()
    } else {
        value.into()
    }
}

const fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::NoiseUnknown => "noise_unknown",
        Finding::NoneSeen => "none_seen",
        Finding::ApartButFew => "apart_but_few",
        Finding::Seen => "seen",
    }
}
