//! Tests that involve several rooms.

mod redacted;
mod singular;
