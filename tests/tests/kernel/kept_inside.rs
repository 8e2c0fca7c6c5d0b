//! What no variable leads to: objects that the interpreter keeps in its state, and those of an extension module's own
//! memory.

use cowtrace_tests::{
    pythons::walkable,
    report::number,
    tracer::{Tracer, can_trace},
    workload::Service,
};

const SERVICE: &str = include_str!("kept_inside.py");

/// The reported pages may differ from the known number by this share: names of the 40,000 objects lie between them, and
/// the first of both that is written has the page: 0 to 5 of 470 to 1,900 pages.
const TOLERANCE: f64 = 0.02;

#[test]
fn what_the_interpreter_and_its_modules_keep_is_told() {
    if !can_trace("kept-inside") {
        return;
    }
    for python in walkable() {
        let mut service = Service::start(python.command().args(["-c", SERVICE]));
        let pages = service.answer();
        let tracer = Tracer::start(&["--pid", &service.pid().to_string(), "-i", "200ms"]);
        for order in ["handlers", "dialects"] {
            service.say(order);
            assert_eq!(service.answer()["done"], order);
        }
        let report = tracer.stop();
        service.end();
        let holders = report.0["holders"].as_array().expect("holders");
        for (order, root) in [("handlers", "the interpreter's own"), ("dialects", "_csv")] {
            let found = holders.iter().filter(|holder| {
                let path = holder["path"].as_str().expect("a path");
                path == root || path.starts_with(&format!("{root}."))
            });
            let told: u64 = found.map(|holder| number(holder, "copied_pages")).sum();
            let expected = number(&pages, order);
            println!("{python}: {root} has {told} of {expected}");
            assert!(
                expected > 300 && told.abs_diff(expected) as f64 <= TOLERANCE * expected as f64,
                "{python}: {root} has {told} of {expected}; {:#}; {}",
                report.0["holders"],
                report.top_writers()
            );
        }
    }
}
