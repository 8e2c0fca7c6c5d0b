//! Types on both sides of the kernel boundary, one file a topic.
//!
//! Every type is `#[repr(C)]` or a plain integer without padding, and its size and offsets are asserted
//! at compile time. The kernel side writes these bytes; the user side maps or receives them and trusts
//! only the layout.
#![no_std]
#![expect(
    clippy::inline_always,
    reason = "the kernel side is one program without calls: a function not inlined costs a call a fault"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "fields are cut out of packed words on purpose"
)]

pub mod cast;
pub mod direct_map;
pub mod event;
pub mod evidence;
pub mod loss;
pub mod native;
pub mod object;
pub mod process;
pub mod python;
pub mod range;
pub mod store;
pub mod thread;
