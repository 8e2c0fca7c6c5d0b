//! JSON in the schema `cowtrace.diff/1`: fields may be added, but not renamed or removed.
//! docs/json.md describes it for users.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{
    comparison::Comparison,
    lines::WrittenLine,
    measure::Measured,
    regions::{Class, Part},
    rows::{AlignedMapping, ChangeRow, Changes, Subject},
    shape,
    statistics::{Change, Finding, Spread},
    words::subject_in_words,
};

/// The schema of a comparison in JSON.
pub const DIFF_SCHEMA: &str = "cowtrace.diff/1";

/// Writes a comparison as JSON.
pub fn comparison_as_json(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let options = &comparison.options;
    let warnings: Vec<Value> = comparison
        .warnings
        .iter()
        .map(|warning| json!({"about": warning.about, "text": warning.text}))
        .collect();
    let report = json!({
        "schema": DIFF_SCHEMA,
        "tool": {"version": env!("CARGO_PKG_VERSION")},
        "per": options.per,
        "base": {"runs": side_as_json(&comparison.base)},
        "new": {"runs": side_as_json(&comparison.new)},
        "warnings": warnings,
        "verdict": {
            "summary": comparison.summary(),
            "confidence": comparison.confidence(),
            "finding": finding_as_json(comparison.totals.main().finding),
            "fail_above": options.fail_above,
            "fails": comparison.fails(),
            "unlike": comparison.unlike,
        },
        "totals": changes_as_json(&comparison.totals),
        "kinds": rows_as_json(&comparison.kinds),
        "written": rows_as_json(&comparison.written),
        "functions": rows_as_json(&comparison.functions),
        "lines": rows_as_json(&comparison.lines),
        "mappings": rows_as_json(&comparison.mappings),
        "unmatched": comparison.unmatched.as_ref().map(row_as_json),
        "others": rows_as_json(&comparison.others),
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

fn side_as_json(runs: &[Measured]) -> Vec<Value> {
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
            "copied_bytes": number_as_json(run.copied),
            "ceiling_bytes": run.ceiling.map(number_as_json),
        })
    };
    runs.iter().map(run).collect()
}

fn rows_as_json(rows: &[ChangeRow]) -> Vec<Value> {
    rows.iter().map(row_as_json).collect()
}

fn row_as_json(row: &ChangeRow) -> Value {
    let mut fields = subject_as_json(&row.subject);
    fields.insert("name".into(), subject_in_words(&row.subject).into());
    if let Value::Object(changes) = changes_as_json(&row.changes) {
        fields.extend(changes);
    }
    Value::Object(fields)
}

/// The row's subject as separate fields.
fn subject_as_json(subject: &Subject) -> Map<String, Value> {
    let fields = match subject {
        Subject::Kind(kind) => json!({"kind": kind}),
        Subject::Written(it) => json!({"kind": it.kind, "type": it.type_name}),
        Subject::Function(_) => json!({}),
        Subject::Line(it) => line_as_json(it),
        Subject::Mapping(it) => mapping_as_json(it),
        Subject::Part(it) => part_as_json(it),
        Subject::Unmatched(number) => json!({"mappings": number}),
        Subject::Others(number) => json!({"others": number}),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn line_as_json(line: &WrittenLine) -> Value {
    let place = &line.place;
    json!({
        "function": place.function,
        "file": place.file,
        "line": place.line,
        "called_from": place.caller.as_ref().map(|(file, line)| json!({"file": file, "line": line})),
        "moved": line.moved.map(|(base, new)| json!({"base": base, "new": new})),
    })
}

fn class_as_json(class: &Class) -> Value {
    json!({"mapping": class.name, "kind": class.kind, "master": class.master})
}

fn mapping_as_json(mapping: &AlignedMapping) -> Value {
    let spread = |spread: &shape::ShapeSpread| {
        json!({
            "touched_base": spread.touched_base,
            "touched_new": spread.touched_new,
            "moved": spread.moved,
            "moved_within": spread.moved_within,
        })
    };
    let mut fields = class_as_json(&mapping.class);
    fields["position"] = mapping.position.into();
    fields["of"] = mapping.of.into();
    fields["size_base"] = json!(mapping.size_base.map(number_as_json));
    fields["size_new"] = json!(mapping.size_new.map(number_as_json));
    fields["unshared_base"] = json!(mapping.unshared_base);
    fields["unshared_new"] = json!(mapping.unshared_new);
    fields["spread"] = json!(mapping.spread.as_ref().map(spread));
    fields
}

fn part_as_json(part: &Part) -> Value {
    match part {
        Part::OfWorkers(it) => class_as_json(it),
        Part::Own(mapping) => json!({"mapping": mapping, "kind": "own"}),
        Part::OutsideHistogram => json!({"mapping": null, "kind": "outside_histogram"}),
    }
}

fn changes_as_json(changes: &Changes) -> Value {
    json!({
        "total": change_as_json(&changes.total),
        "per_worker": changes.per_worker.as_ref().map(change_as_json),
        "per_unit": changes.per_unit.as_ref().map(change_as_json),
    })
}

fn change_as_json(change: &Change) -> Value {
    let spread = |spread: &Spread| {
        json!({
            "median": number_as_json(spread.median),
            "least": number_as_json(spread.least),
            "most": number_as_json(spread.most),
        })
    };
    let interval = change.evidence.as_ref().map(|evidence| {
        let interval = &evidence.interval;
        json!({
            "level": interval.level,
            "difference": [number_as_json(interval.difference.0), number_as_json(interval.difference.1)],
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
        "difference": number_as_json(change.difference()),
        "relative": change.relative(),
        "finding": finding_as_json(change.finding),
        "chance": odds,
        "interval": interval,
    })
}

/// Writes whole numbers as integers: bytes are whole unless they were divided.
fn number_as_json(value: f64) -> Value {
    /// Integers up to this are exact as floating point.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number in range")]
        let whole = value as i64;
        whole.into()
    } else {
        value.into()
    }
}

const fn finding_as_json(finding: Finding) -> &'static str {
    match finding {
        Finding::NoiseUnknown => "noise_unknown",
        Finding::NoneSeen => "none_seen",
        Finding::ApartButFew => "apart_but_few",
        Finding::Seen => "seen",
    }
}
