//! Tests that involve several rooms.

mod singular;
