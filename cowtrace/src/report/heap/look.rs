//! Reads what `-f json` wrote of a process's objects, for a comparison. Anybody may have written the file.

use serde::Deserialize;

use super::json::HEAP_SCHEMA;
use crate::run::{HeapLook, HeapSum};

#[derive(Deserialize)]
struct LookIn {
    schema: String,
    process: ProcessIn,
    at_ns: Option<u64>,
    objects: u64,
    bytes: u64,
    is_partial: bool,
    types: Vec<TypeIn>,
    variables: Vec<VariableIn>,
}

#[derive(Deserialize)]
struct ProcessIn {
    pid: u32,
    started_ticks: Option<u64>,
}

#[derive(Deserialize)]
struct TypeIn {
    #[serde(rename = "type")]
    type_name: String,
    objects: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct VariableIn {
    path: String,
    #[serde(rename = "type")]
    type_name: Option<String>,
    entries: Option<u64>,
    objects: u64,
    bytes: u64,
}

/// An earlier look, from the JSON of `cowtrace heap`; or what is wrong with it.
pub fn look_of_json(json: &[u8]) -> Result<HeapLook, String> {
    let found: LookIn = serde_json::from_slice(json)
        .map_err(|error| format!("it is not what `cowtrace heap -f json` writes ({error})"))?;
    if found.schema != HEAP_SCHEMA {
        return Err(format!("it does not have the schema {HEAP_SCHEMA}"));
    }
    let (Some(started_ticks), Some(at_ns)) = (found.process.started_ticks, found.at_ns) else {
        return Err("an older cowtrace wrote it, without the start time of the process".into());
    };
    let sum = |objects, bytes| HeapSum { objects, bytes };
    let types = found.types.into_iter();
    let variables = found.variables.into_iter();
    Ok(HeapLook {
        pid: found.process.pid,
        started_ticks,
        at_ns,
        all: sum(found.objects, found.bytes),
        types: types
            .map(|it| (it.type_name, sum(it.objects, it.bytes)))
            .collect(),
        variables: variables
            .map(|it| (it.path, it.type_name, it.entries, sum(it.objects, it.bytes)))
            .collect(),
        is_partial: found.is_partial,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_look_is_refused() {
        let refused = |json: &str| look_of_json(json.as_bytes()).unwrap_err();
        assert!(refused("{").contains("is not what"));
        assert!(refused("[]").contains("is not what"));
        let whole = r#"{"schema": "cowtrace.heap/1", "process": {"pid": 1, "started_ticks": 2},
            "at_ns": 3, "objects": 4, "bytes": 5, "is_partial": false, "types": [], "variables": []}"#;
        let look = look_of_json(whole.as_bytes()).unwrap();
        assert_eq!((look.pid, look.started_ticks, look.at_ns), (1, 2, 3));
        assert!(refused(&whole.replace("heap/1", "report/1")).contains("schema"));
        assert!(refused(&whole.replace(", \"started_ticks\": 2", "")).contains("older"));
        assert!(
            refused(&whole.replace("\"objects\": 4", "\"objects\": -4")).contains("is not what")
        );
    }
}
