//! The metrics, in both text forms of Prometheus. Names and units are its conventions.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder},
    metrics::{MetricType, exemplar::Exemplar},
    registry::{Registry, Unit},
};

use super::figures::{Figures, Own, TargetFigures};
use crate::{run::WriteKind, verdict::VerdictKind};

/// Sources of copies, in the order of [`crate::run::Sources::each`].
const SOURCES: [&str; 6] = ["anon", "file", "zero", "ksm", "hugetlb", "unknown"];

/// Text forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextForm {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus 0.0.4.
    Prometheus,
}

impl TextForm {
    /// The one that a client takes, by its `Accept` header: the newer one where it names that.
    pub(super) fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The `Content-Type` header.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics as text.
pub(super) fn metrics_as_text(figures: &Figures, form: TextForm) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(figures.clone())));
    let mut text = String::new();
    match form {
        TextForm::OpenMetrics => prometheus_client::encoding::text::encode(&mut text, &registry)?,
        TextForm::Prometheus => {
            prometheus_client::encoding::prometheus_text::encode(&mut text, &registry)?;
        }
    }
    Ok(text)
}

/// The figures as metrics: they have no state of their own, so that nothing of a process that has exited stays.
#[derive(Debug)]
struct Metrics(Figures);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(&mut encoder);
        let Self(figures) = self;
        out.counts(&figures.targets)?;
        out.memory(&figures.targets)?;
        out.verdicts(&figures.targets)?;
        out.trace(figures)?;
        out.own(&figures.own)
    }
}

type Label<'a> = (&'static str, &'a str);

/// Where metrics are written.
struct Out<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Out<'_, '_> {
    fn counts(&mut self, targets: &[TargetFigures]) -> fmt::Result {
        let copied = targets
            .iter()
            .flat_map(|it| with_labels(it, "source", &SOURCES, &it.copied));
        self.counters(
            (
                "cowtrace_copied",
                "Memory copied on write",
                Some(Unit::Bytes),
            ),
            copied,
        )?;
        let kinds = WriteKind::ALL.map(WriteKind::name);
        let written = targets
            .iter()
            .flat_map(|it| with_labels(it, "kind", &kinds, &it.written));
        self.counters(
            (
                "cowtrace_written",
                "Memory copied on write by what was written, as far as that is known",
                Some(Unit::Bytes),
            ),
            written,
        )?;
        let each = |of: fn(&TargetFigures) -> u64| {
            targets
                .iter()
                .map(move |it| ([("target", it.name.as_str())], of(it)))
        };
        let reused = "Write faults that copied nothing";
        self.counters(
            ("cowtrace_reused_faults", reused, None),
            each(|it| it.reused_faults),
        )?;
        let forks = "Workers forked since the trace began";
        self.counters(("cowtrace_forks", forks, None), each(|it| it.forks))?;
        let exits = "Workers that have exited since the trace began";
        self.counters(("cowtrace_exits", exits, None), each(|it| it.exits))
    }

    fn memory(&mut self, targets: &[TargetFigures]) -> fmt::Result {
        let each = |of: fn(&TargetFigures) -> u64| {
            targets
                .iter()
                .map(move |it| ([("target", it.name.as_str())], of(it)))
        };
        let inherited = "What the living workers inherited: the ceiling of copy-on-write";
        self.gauges(
            ("cowtrace_inherited", inherited, Some(Unit::Bytes)),
            each(|it| it.inherited),
        )?;
        let unshared = "What the living workers no longer share of it, since the trace began";
        self.gauges(
            ("cowtrace_unshared", unshared, Some(Unit::Bytes)),
            each(|it| it.unshared),
        )?;
        self.gauges(
            ("cowtrace_workers", "Living workers", None),
            each(|it| it.workers),
        )?;
        let held = targets.iter().filter_map(|it| Some((it, it.held?)));
        let held = held.flat_map(|(it, held)| {
            let parts = [held.shared, held.unshared, held.new];
            with_labels(it, "part", &["shared", "unshared", "new"], &parts)
        });
        let about = "Anonymous memory of the living workers beside that of the process they were \
                    forked from, as last read";
        self.gauges(("cowtrace_held", about, Some(Unit::Bytes)), held)?;
        let spread = targets
            .iter()
            .filter_map(|it| Some((it, it.worker_unshared?)));
        let spread = spread
            .flat_map(|(it, spread)| with_labels(it, "stat", &["min", "median", "max"], &spread));
        let about = "What a living worker no longer shares, since the trace began";
        self.gauges(
            ("cowtrace_worker_unshared", about, Some(Unit::Bytes)),
            spread,
        )?;
        let slots = targets.iter().flat_map(|target| {
            let slots = target.by_slot.iter();
            slots.map(move |(slot, bytes)| {
                let labels = [("target", target.name.as_str()), ("worker", slot.as_str())];
                (labels, *bytes)
            })
        });
        // There are none without `--metrics-workers`.
        let mut slots = slots.peekable();
        if slots.peek().is_none() {
            return Ok(());
        }
        let about = "What the living worker in a slot no longer shares, since the trace began";
        self.gauges(("cowtrace_slot_unshared", about, Some(Unit::Bytes)), slots)
    }

    fn verdicts(&mut self, targets: &[TargetFigures]) -> fmt::Result {
        let all = targets.iter().flat_map(|target| {
            VerdictKind::ALL.iter().map(move |kind| {
                let labels = [("target", target.name.as_str()), ("verdict", kind.name())];
                (labels, u64::from(target.verdict == Some(*kind)))
            })
        });
        let help = "1 for what the memory grew by since the trace began, 0 for all other verdicts";
        self.gauges(("cowtrace_verdict", help, None), all)
    }

    fn trace(&mut self, figures: &Figures) -> fmt::Result {
        let lost = figures.lost.iter();
        let lost = lost.map(|(reason, count)| ([("reason", *reason)], *count));
        let help = "What could not be recorded in full detail, by cause";
        self.counters(("cowtrace_lost", help, None), lost)?;
        let took = "How long the last look at the counters took";
        let taken = "When the counters were last looked at";
        let started = "When the trace began";
        for (name, help, value) in [
            (
                "cowtrace_snapshot_duration",
                took,
                figures.took.as_secs_f64(),
            ),
            (
                "cowtrace_snapshot_timestamp",
                taken,
                since_epoch(figures.taken_at),
            ),
            (
                "cowtrace_start_time",
                started,
                since_epoch(figures.started_at),
            ),
        ] {
            self.gauge((name, help, Some(Unit::Seconds)), &value)?;
        }
        let labels = [
            ("version", figures.version.as_str()),
            ("backend", figures.backend.as_str()),
        ];
        let help = "Version of cowtrace, and how it sees page faults";
        let mut metric =
            self.0
                .encode_descriptor("cowtrace_build", help, None, MetricType::Info)?;
        metric.encode_info(&labels)
    }

    fn own(&mut self, own: &Own) -> fmt::Result {
        let cpu = "CPU time of cowtrace itself";
        let mut metric = self.0.encode_descriptor(
            "process_cpu",
            cpu,
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        counter(&mut metric, &own.cpu.as_secs_f64())?;
        let resident = "Memory of cowtrace itself";
        if let Some(bytes) = own.resident_bytes {
            self.gauge(
                ("process_resident_memory", resident, Some(Unit::Bytes)),
                &bytes,
            )?;
        }
        let started = "When cowtrace started";
        self.gauge(
            ("process_start_time", started, Some(Unit::Seconds)),
            &since_epoch(own.started_at),
        )
    }

    fn counters<'l, const N: usize>(
        &mut self,
        (name, help, unit): (&str, &str, Option<Unit>),
        values: impl Iterator<Item = ([Label<'l>; N], u64)>,
    ) -> fmt::Result {
        let mut metric =
            self.0
                .encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        for (labels, value) in values {
            counter(&mut metric.encode_family(&labels)?, &value)?;
        }
        Ok(())
    }

    fn gauges<'l, const N: usize>(
        &mut self,
        (name, help, unit): (&str, &str, Option<Unit>),
        values: impl Iterator<Item = ([Label<'l>; N], u64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (labels, value) in values {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn gauge(
        &mut self,
        (name, help, unit): (&str, &str, Option<Unit>),
        value: &impl EncodeGaugeValue,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        metric.encode_gauge(value)
    }
}

fn counter(metric: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    let none: Option<&Exemplar<[Label<'_>; 0], u64>> = None;
    metric.encode_counter(value, none)
}

/// The values of a target under its name, each with a further label.
fn with_labels<'a, const N: usize>(
    target: &'a TargetFigures,
    label: &'static str,
    names: &[&'static str; N],
    values: &[u64; N],
) -> Vec<([Label<'a>; 2], u64)> {
    let values = names.iter().zip(values);
    values
        .map(|(name, value)| ([("target", target.name.as_str()), (label, *name)], *value))
        .collect()
}

/// Seconds since the epoch.
fn since_epoch(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
