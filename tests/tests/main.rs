//! All tests of the whole program in one binary: several would each link the whole library.

mod cli;
mod cli_diff;
mod doctor;
mod flame_graphs;
mod golden_reports;
mod heap;
mod html_report;
mod kernel;
mod recordings;
mod reports;
