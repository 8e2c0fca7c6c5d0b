//! What the tests of the whole program share: a workload or a service under the test's control,
//! cowtrace beside it, and the kernel's own page tables as the truth.

pub mod pagemap;
pub mod report;
pub mod tracer;
pub mod workload;
