//! Real services, traced while they work: the reports compared with what the services do.

mod frames;
mod http;
mod leaks;
mod loky;
mod moved;
mod native;
mod python;
mod queues;
mod recycled;
mod server;
mod supervised;
mod told;
mod uwsgi;
mod verdicts;
