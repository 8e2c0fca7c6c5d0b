//! All tests of the whole program, in one program: each would link the whole library anew.

mod cli;
mod cli_diff;
mod doctor;
mod flame_graphs;
mod golden_reports;
mod heap;
mod html_report;
mod kernel;
mod recordings;
