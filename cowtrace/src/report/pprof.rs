//! Stacks that wrote, as a profile for pprof: a gzipped `perftools.profiles.Profile` as described
//! in proto/profile.proto of github.com/google/pprof.

use std::{
    collections::HashMap,
    io::{self, Write},
    time::SystemTime,
};

use flate2::{Compression, write::GzEncoder};
use prost::Message as _;

use crate::{
    run::Run,
    verdict::{losses, summary},
    words::{Call, NamedStack, printable, region_name, stacks},
};

mod proto;

/// Writes the profile: pages and bytes by stack, with what was written as labels.
pub fn run_as_pprof(run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let mut builder = Builder::default();
    builder.string("");
    for stack in stacks(run) {
        let sample = builder.sample(run, &stack);
        builder.profile.sample.push(sample);
    }
    builder.describe(run);
    let mut file = GzEncoder::new(out, Compression::default());
    file.write_all(&builder.finish().encode_to_vec())?;
    file.finish()?;
    Ok(())
}

/// A profile being built; its parts refer to each other by number.
#[derive(Default)]
struct Builder {
    profile: proto::Profile,
    strings: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    locations: HashMap<(u64, u64, i64), u64>,
    mappings: HashMap<i64, u64>,
}

impl Builder {
    fn sample(&mut self, run: &Run, stack: &NamedStack<'_>) -> proto::ProtoSample {
        let calls = stack.calls.iter().rev();
        let mut sample = proto::ProtoSample {
            location_id: calls.map(|call| self.location(call)).collect(),
            value: vec![
                signed_count(stack.pages),
                signed_count(run.bytes(stack.pages)),
            ],
            label: Vec::new(),
        };
        let Some(writer) = stack.writer else {
            return sample;
        };
        let region = writer.region_id.and_then(|id| run.region(id));
        let labels = [
            ("kind", Some(writer.kind.name().to_owned())),
            ("type", writer.type_name.as_deref().map(printable)),
            ("mapping", region.map(|region| region_name(run, region))),
            ("module", writer.module.as_deref().map(printable)),
            ("system_call", run.system_call_of(writer).map(Into::into)),
        ];
        for (key, value) in labels {
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            sample.label.push(proto::Label {
                key: self.string(key),
                str: self.string(&value),
            });
        }
        sample
    }

    fn location(&mut self, call: &Call<'_>) -> u64 {
        let (name, file, line, mapping) = match call {
            Call::Python(frame) => (
                printable(&frame.function),
                printable(&frame.file),
                frame.line.map_or(0, i64::from),
                0,
            ),
            Call::Native { name, module } => {
                let file = module.map(printable).unwrap_or_default();
                let mapping = self.mapping(&file);
                (name.clone(), file, 0, mapping)
            }
        };
        let function = self.function(&name, &file);
        let next = self.locations.len() as u64 + 1;
        let id = *self
            .locations
            .entry((mapping, function, line))
            .or_insert(next);
        if id == next {
            self.profile.location.push(proto::Location {
                id,
                mapping_id: mapping,
                line: vec![proto::ProtoLine {
                    function_id: function,
                    line,
                }],
            });
        }
        id
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, filename) = (self.string(name), self.string(file));
        let next = self.functions.len() as u64 + 1;
        let id = *self.functions.entry((name, filename)).or_insert(next);
        if id == next {
            self.profile
                .function
                .push(proto::ProtoFunction { id, name, filename });
        }
        id
    }

    /// The mapping for a module; 0, meaning none, if the module is unknown.
    fn mapping(&mut self, module: &str) -> u64 {
        if module.is_empty() {
            return 0;
        }
        let filename = self.string(module);
        let next = self.mappings.len() as u64 + 1;
        let id = *self.mappings.entry(filename).or_insert(next);
        if id == next {
            self.profile.mapping.push(proto::ProtoMapping {
                id,
                filename,
                has_functions: true,
            });
        }
        id
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&known) = self.strings.get(text) {
            return known;
        }
        let index = signed_count(self.profile.string_table.len() as u64);
        self.profile.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }

    /// What the values mean, when and for how long the trace ran, and what was lost.
    fn describe(&mut self, run: &Run) {
        let copies = self.value_type("copies", "count");
        let space = self.value_type("space", "bytes");
        self.profile.sample_type = vec![copies, space];
        self.profile.period_type = Some(copies);
        self.profile.period = 1;
        self.profile.default_sample_type = space.r#type;
        self.profile.duration_nanos = signed_count(run.head.duration_ns);
        self.profile.time_nanos = started_ns(&run.head.started_at);
        let mut told = vec![format!("{}.", summary(run))];
        told.extend(losses(run).into_iter().map(|loss| format!("Lost: {loss}.")));
        for comment in told {
            let comment = self.string(&comment);
            self.profile.comment.push(comment);
        }
    }

    fn value_type(&mut self, name: &str, unit: &str) -> proto::ValueType {
        proto::ValueType {
            r#type: self.string(name),
            unit: self.string(unit),
        }
    }

    fn finish(self) -> proto::Profile {
        self.profile
    }
}

/// Nanoseconds since the epoch; 0, meaning unknown, if the text is not a time.
fn started_ns(text: &str) -> i64 {
    let started = humantime::parse_rfc3339(text).ok();
    let since = started.and_then(|it| it.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
}

fn signed_count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
