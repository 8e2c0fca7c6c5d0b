//! The kernel side's table of native stacks.

use aya::{
    Ebpf, Pod,
    maps::{HashMap, MapData},
};
use cowtrace_common::{native::NativeStack, object::map};

use super::error::ProbeError;

/// Native stacks by number.
pub struct Natives {
    stacks: HashMap<MapData, u64, RawNativeStack>,
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct RawNativeStack(NativeStack);

// SAFETY: plain numbers without padding; any bytes are valid.
unsafe impl Pod for RawNativeStack {}

impl Natives {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let stacks = ebpf
            .take_map(map::NATIVE_STACKS)
            .ok_or(ProbeError::NoMap(map::NATIVE_STACKS))?;
        Ok(Self {
            stacks: HashMap::try_from(stacks).map_err(ProbeError::map(map::NATIVE_STACKS))?,
        })
    }

    /// A stack by its number.
    #[must_use]
    pub fn stack(&self, number: u64) -> Option<NativeStack> {
        Some(self.stacks.get(&number, 0).ok()?.0)
    }
}
