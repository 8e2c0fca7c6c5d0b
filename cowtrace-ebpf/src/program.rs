//! What is known about the program that a process runs.

use crate::maps;

/// What the user side found out about a program. A child process inherits it.
#[derive(Clone, Copy, Default)]
pub struct KnownProgram {
    /// See [`cowtrace_common::process::ProcessSlot::interpreter`].
    pub interpreter: u32,
    /// See [`cowtrace_common::process::ProcessSlot::wants`].
    pub wants: u32,
    /// See [`cowtrace_common::process::ProcessSlot::image`].
    pub image: u32,
}

impl KnownProgram {
    /// The program of the process in a slot.
    #[inline(always)]
    pub fn of(slot: u32) -> Self {
        let Some(process) = maps::process_in_slot(slot) else {
            return Self::default();
        };
        // SAFETY: pointers into a live map value. Volatile, since the user side writes them.
        unsafe {
            Self {
                interpreter: (&raw const (*process).interpreter).read_volatile(),
                wants: (&raw const (*process).wants).read_volatile(),
                image: (&raw const (*process).image).read_volatile(),
            }
        }
    }
}
