//! What the kernel does not show to cowtrace is called unknown, and is not 0.

use cowtrace_tests::{
    tracer::{Tracer, can_trace, program},
    workload::Workload,
};

use serde_json::Value;

use super::{
    privileges::{NAMED, as_nobody},
    sudo::Ground,
};

#[test]
fn what_another_users_workers_inherited_is_unknown_without_the_right_to_see_it() {
    if !can_trace("pages of another user") {
        return;
    }
    let ground = Ground::new("uncounted");
    let cowtrace = ground.path("cowtrace");
    std::fs::copy(program("cowtrace"), &cowtrace).expect("a copy of the program");
    let with_more = [NAMED.as_slice(), &["dac_read_search"]].concat();
    for (capabilities, is_known) in [(NAMED.to_vec(), false), (with_more, true)] {
        // It is root's.
        let mut workload = Workload::prepare("child-writes");
        let pid = workload.pid().to_string();
        let mut tracer = as_nobody(&capabilities, &cowtrace);
        let tracer = Tracer::by_command(
            &mut tracer,
            &["--no-keep", "--range", "4KiB", "--pid", &pid],
        );
        let written = workload.writers();
        let report = tracer.stop();
        let counts = report.counts_in(workload.start, workload.end);
        for writer in written {
            assert_eq!(counts[&writer.pid].copied, writer.changed, "{writer:?}");
        }
        workload.end();
        let workers = report.0["processes"].as_array().expect("processes");
        let workers = workers.iter().filter(|it| it["role"] == "worker");
        let regions = report.0["regions"].as_array().expect("regions");
        let figures = workers
            .map(|it| &it["inherited_pages"])
            .chain(regions.iter().map(|it| &it["resident_pages"]))
            .chain(regions.iter().map(|it| &it["inherited_pages"]))
            .chain([&report.0["verdict"]["ceiling_bytes"]]);
        for figure in figures {
            assert_eq!(figure.is_u64(), is_known, "{}", report.0);
        }
        let mut inherited = regions.iter().map(|it| &it["unshared_fraction"]);
        assert_eq!(inherited.any(Value::is_f64), is_known);
    }
}
