#![no_main]

cowtrace_fuzz::target!("bss");
