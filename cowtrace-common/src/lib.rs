//! Types on both sides of the kernel boundary, one file a topic.
//!
//! Everything here is `#[repr(C)]` or a plain integer, has no padding, and has its size and
//! offsets asserted at compile time: the kernel side writes these bytes, the user side maps or
//! receives them and trusts nothing but the layout.
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
pub mod process;
pub mod python;
pub mod range;
pub mod thread;
