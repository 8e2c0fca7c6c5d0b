//! Tests of what several rooms tell.

mod singular;
