//! Lets the kernel side read kernel memory by plain loads if the kernel allows it (`bpf_rdonly_cast`,
//! Linux 6.2). Programs call this kernel function by its id, which aya's loader does not support: so the
//! ids are patched into the object here.

use cowtrace_common::{cast::CAST_CALL, object::global};

use super::{btf::Btf, offsets::Globals};

/// Code of a call in BPF (`BPF_JMP | BPF_CALL`).
const CALL: u8 = 0x85;
/// Source register of a call of a kernel function (`BPF_PSEUDO_KFUNC_CALL`).
const OF_KERNEL: u8 = 2 << 4;
/// Bytes of an instruction; programs in the object are aligned to this.
const INSTRUCTION_BYTES: usize = 8;

/// The running kernel's ids of what a cast needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cast {
    function: u32,
    registers: u32,
}

impl Cast {
    /// Looks them up; `None` if the kernel does not have the function.
    pub(super) fn find(btf: &Btf) -> Option<Self> {
        Some(Self {
            function: btf.function_id("bpf_rdonly_cast")?,
            registers: btf.struct_id("pt_regs")?,
        })
    }

    /// The globals to set.
    pub(super) fn globals(self) -> Globals {
        vec![(global::REGISTERS_TYPE, self.registers)]
    }

    /// The object with the function's id in each call of it.
    pub(super) fn patch(self, object: &[u8]) -> Vec<u8> {
        let mut patched = object.to_vec();
        let wanted = call_instruction(0, CAST_CALL);
        for place in patched.chunks_exact_mut(INSTRUCTION_BYTES) {
            if *place == wanted {
                place.copy_from_slice(&call_instruction(OF_KERNEL, self.function));
            }
        }
        patched
    }
}

/// A call instruction: code, registers, offset, immediate (`struct bpf_insn`).
fn call_instruction(registers: u8, number: u32) -> [u8; INSTRUCTION_BYTES] {
    let [a, b, c, d] = number.to_ne_bytes();
    [CALL, registers, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::load::OBJECT;

    #[test]
    fn every_call_in_the_object_is_patched() {
        let calls = |object: &[u8], registers, number| {
            let places = object.chunks_exact(INSTRUCTION_BYTES);
            places
                .filter(|place| **place == call_instruction(registers, number))
                .count()
        };
        let before = calls(OBJECT, 0, CAST_CALL);
        assert!(before > 0);
        let cast = Cast {
            function: 0x1234_5678,
            registers: 1,
        };
        let patched = cast.patch(OBJECT);
        assert_eq!(calls(&patched, OF_KERNEL, 0x1234_5678), before);
        assert_eq!(calls(&patched, 0, CAST_CALL), 0);
        assert_eq!(patched.len(), OBJECT.len());
    }
}
