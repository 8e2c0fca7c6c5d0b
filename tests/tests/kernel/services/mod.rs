//! Real services, traced while they work: the reports compared with what the services do.

mod frames;
mod http;
mod leaks;
mod moved;
mod native;
mod python;
mod recycled;
mod server;
mod uwsgi;
mod verdicts;
