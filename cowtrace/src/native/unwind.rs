//! How to find the caller of the function at an address: from its call frame information
//! (`.eh_frame`), which stripped programs have too.

use gimli::{
    AArch64, BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, LittleEndian,
    ParsedEhFrameHdr, Register, RegisterRule, UnwindContext, UnwindSection as _, UnwindTableRow,
    X86_64,
};
use object::{Architecture, Object, ObjectSection as _};

use super::question::UnwindRule;

/// Larger sections are not read, bytes.
const MAX_BYTES: u64 = 256 << 20;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The call frame information of a file.
pub(super) struct Unwind<'a> {
    frame: EhFrame<Bytes<'a>>,
    table: ParsedEhFrameHdr<Bytes<'a>>,
    bases: BaseAddresses,
    registers: Registers,
}

/// Registers by their DWARF numbers.
struct Registers {
    stack: Register,
    frame: Register,
    return_address: Register,
    /// Whether the return address is in a register until the function saves it.
    has_link: bool,
}

impl<'a> Unwind<'a> {
    /// That of a file; none if it has none, or the architecture is unknown.
    pub(super) fn of(file: &impl Object<'a>) -> Option<Self> {
        let section = |name: &str| {
            let section = file.section_by_name(name)?;
            if section.size() > MAX_BYTES {
                return None;
            }
            Some((section.address(), section.data().ok()?))
        };
        let (frame_at, frame) = section(".eh_frame")?;
        let (table_at, table) = section(".eh_frame_hdr")?;
        let bases = BaseAddresses::default()
            .set_eh_frame(frame_at)
            .set_eh_frame_hdr(table_at);
        let table = EhFrameHdr::new(table, LittleEndian).parse(&bases, 8).ok()?;
        Some(Self {
            frame: EhFrame::new(frame, LittleEndian),
            table,
            bases,
            registers: Registers::of(file.architecture())?,
        })
    }

    /// The rule at an address in the file; for a return address, at the call before it.
    pub(super) fn caller(&self, address: u64) -> UnwindRule {
        self.found_caller(address).unwrap_or_default()
    }

    fn found_caller(&self, address: u64) -> Option<UnwindRule> {
        let cie = EhFrame::cie_from_offset;
        let table = self.table.table()?;
        let entry = table
            .fde_for_address(&self.frame, &self.bases, address, cie)
            .ok()?;
        // A signal frame: the interrupted function is not in the chain.
        if entry.is_signal_trampoline() {
            return Some(UnwindRule::Hidden);
        }
        let mut context = UnwindContext::new();
        let row = entry
            .unwind_info_for_address(&self.frame, &self.bases, &mut context, address)
            .ok()?;
        Some(self.registers.caller(row))
    }
}

impl Registers {
    fn of(architecture: Architecture) -> Option<Self> {
        match architecture {
            Architecture::X86_64 => Some(Self {
                stack: X86_64::RSP,
                frame: X86_64::RBP,
                return_address: X86_64::RA,
                has_link: false,
            }),
            Architecture::Aarch64 => Some(Self {
                stack: AArch64::SP,
                frame: AArch64::X29,
                return_address: AArch64::X30,
                has_link: true,
            }),
            _ => None,
        }
    }

    fn caller(&self, row: &UnwindTableRow<usize>) -> UnwindRule {
        let saved_at = |register| match row.register(register) {
            Some(RegisterRule::Offset(offset)) => Some(offset),
            _ => None,
        };
        if row.register(self.return_address) == Some(RegisterRule::Undefined) {
            return UnwindRule::Outermost;
        }
        let return_at = saved_at(self.return_address);
        let keeps_frame = saved_at(self.frame).is_none();
        match row.cfa() {
            CfaRule::RegisterAndOffset { register, .. } if *register == self.frame => {
                UnwindRule::ByFrame
            }
            CfaRule::RegisterAndOffset { register, offset } if *register == self.stack => {
                if self.has_link {
                    // arm64: a frame record is addressed from the stack pointer, too.
                    return match (return_at, keeps_frame) {
                        (Some(_), false) => UnwindRule::ByFrame,
                        (None, true) => UnwindRule::ByLink,
                        (Some(_), true) => UnwindRule::Hidden,
                        (None, false) => UnwindRule::Lost,
                    };
                }
                match (keeps_frame, return_at.map(|at| offset + at)) {
                    (true, Some(0)) => UnwindRule::ByLink,
                    (true, _) => UnwindRule::Hidden,
                    (false, _) => UnwindRule::Lost,
                }
            }
            // The stack was realigned: the frame is set up beside it.
            CfaRule::Expression(_) => UnwindRule::ByFrame,
            CfaRule::RegisterAndOffset { .. } => UnwindRule::Unknown,
        }
    }
}
