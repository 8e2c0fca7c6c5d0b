#![no_main]

cowtrace_fuzz::target!("perf_map");
