//! Real services, traced while they work: what their users are told against what the services do.

mod http;
mod native;
mod python;
mod recycled;
mod server;
