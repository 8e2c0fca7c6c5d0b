//! Faults, mappings and pages.

use aya_ebpf::Global;
use cowtrace_common::process::Source;

use super::{
    reading::{read_member, read_word},
    task::Mm,
};

/// Offset of `real_address` in `struct vm_fault`, bytes; of `address` before Linux 5.17.
#[unsafe(no_mangle)]
static VMF_REAL_ADDRESS: Global<u32> = Global::new(0);
/// Offset of `vma` in `struct vm_fault`, bytes.
#[unsafe(no_mangle)]
static VMF_VMA: Global<u32> = Global::new(0);
/// Offset of `flags` in `struct vm_fault`, bytes.
#[unsafe(no_mangle)]
static VMF_FLAGS: Global<u32> = Global::new(0);
/// Offset of `address` in `struct vm_fault`, bytes.
#[unsafe(no_mangle)]
static VMF_ADDRESS: Global<u32> = Global::new(0);
/// Offset of `page` in `struct vm_fault`, bytes.
#[unsafe(no_mangle)]
static VMF_PAGE: Global<u32> = Global::new(0);
/// Offset of `cow_page` in `struct vm_fault`, bytes.
#[unsafe(no_mangle)]
static VMF_COW_PAGE: Global<u32> = Global::new(0);
/// Offset of `vm_mm` in `struct vm_area_struct`, bytes.
#[unsafe(no_mangle)]
static VMA_MM: Global<u32> = Global::new(0);
/// Offset of `vm_flags` in `struct vm_area_struct`, bytes.
#[unsafe(no_mangle)]
static VMA_FLAGS: Global<u32> = Global::new(0);
/// Offset of `mapping` in `struct page`, bytes.
#[unsafe(no_mangle)]
static PAGE_MAPPING: Global<u32> = Global::new(0);
/// Offset in `struct page` of the word that leads from a tail page to its head page, bytes.
#[unsafe(no_mangle)]
static PAGE_HEAD: Global<u32> = Global::new(0);
/// 1 if that word is a mask for the page's address (`compound_info`, Linux 7.3), 0 if it is the head
/// page's address (`compound_head`).
#[unsafe(no_mangle)]
static PAGE_HEAD_IS_MASK: Global<u32> = Global::new(0);
/// Size of `struct page`, bytes.
#[unsafe(no_mangle)]
static PAGE_STRUCT_BYTES: Global<u32> = Global::new(0);
/// Offset from a head page of the number of pages in its folio, bytes.
#[unsafe(no_mangle)]
static FOLIO_PAGES: Global<u32> = Global::new(0);

/// The write is for another process: `FAULT_FLAG_REMOTE`, the same since Linux 4.6.
pub const FAULT_REMOTE: u32 = 0x80;
/// The write comes from user mode: `FAULT_FLAG_USER`.
pub const FAULT_USER: u32 = 0x40;
/// Mappings of page frames that may have no `struct page`: `VM_PFNMAP`, `VM_MIXEDMAP`.
const VM_NO_PAGES: u64 = 0x400 | 0x1000_0000;
/// The two low bits of `page.mapping`, which are the kind of mapping: `PAGE_MAPPING_FLAGS`.
const MAPPING_KIND: u64 = 0b11;
const MAPPING_ANON: u64 = 0b01;
const MAPPING_KSM: u64 = 0b11;
/// Most pages that a folio can have (1 GiB of 4 KiB pages).
const MOST_FOLIO_PAGES: u32 = 1 << 18;

/// A fault under way (`struct vm_fault`), by its kernel address.
#[derive(Clone, Copy)]
pub struct VmFault(pub u64);

impl VmFault {
    /// The mapping.
    #[inline(always)]
    pub fn vma(self) -> Result<Vma, i32> {
        read_member(self.0, VMF_VMA.load()).map(Vma)
    }

    /// Address of the page that the fault writes to.
    #[inline(always)]
    pub fn address(self) -> Result<u64, i32> {
        read_member(self.0, VMF_ADDRESS.load())
    }

    /// The exact address that the fault writes to.
    #[inline(always)]
    pub fn exact_address(self) -> Result<u64, i32> {
        read_member(self.0, VMF_REAL_ADDRESS.load())
    }

    /// `FAULT_FLAG_…` bits.
    #[inline(always)]
    pub fn flags(self) -> Result<u32, i32> {
        read_member(self.0, VMF_FLAGS.load())
    }

    /// Like [`VmFault::flags`], by a plain load.
    ///
    /// # Safety
    /// Only in a program that got this address from the kernel as a typed argument: elsewhere the
    /// verifier refuses the load.
    #[inline(always)]
    pub unsafe fn flags_unread(self) -> u32 {
        let flags = (self.0 + u64::from(VMF_FLAGS.load())) as *const u32;
        // SAFETY: the caller's promise; the kernel loads 0 from a bad address.
        unsafe { flags.read_volatile() }
    }

    /// Whether the kernel allocated a page for a private copy before the last step of the fault
    /// (`do_cow_fault`).
    #[inline(always)]
    pub fn has_cow_page(self) -> bool {
        read_member::<u64>(self.0, VMF_COW_PAGE.load()).is_ok_and(|page| page != 0)
    }

    /// What the old page is, when the new one replaces it.
    #[inline(always)]
    pub fn source(self) -> Source {
        let Ok(page) = read_member::<u64>(self.0, VMF_PAGE.load()) else {
            return Source::Unknown;
        };
        if page == 0 {
            return self.source_without_page();
        }
        match KernelPage(page).mapping() {
            Ok(mapping) if mapping & MAPPING_KIND == MAPPING_ANON => Source::Anon,
            Ok(mapping) if mapping & MAPPING_KIND == MAPPING_KSM => Source::Ksm,
            Ok(mapping) if mapping & MAPPING_KIND == 0 => Source::File,
            _ => Source::Unknown,
        }
    }

    /// The fault has no old page if it is the zero page or a device's memory.
    #[inline(always)]
    fn source_without_page(self) -> Source {
        match self.vma().and_then(Vma::flags) {
            Ok(flags) if flags & VM_NO_PAGES == 0 => Source::Zero,
            _ => Source::Unknown,
        }
    }
}

/// A mapping (`struct vm_area_struct`), by its kernel address.
#[derive(Clone, Copy)]
pub struct Vma(pub u64);

impl Vma {
    /// The address space that it belongs to.
    #[inline(always)]
    pub fn mm(self) -> Result<Mm, i32> {
        read_word(self.0, VMA_MM.load()).map(Mm)
    }

    #[inline(always)]
    fn flags(self) -> Result<u64, i32> {
        read_member(self.0, VMA_FLAGS.load())
    }
}

/// A page (`struct page`, or the folio that begins with it), by its kernel address.
#[derive(Clone, Copy)]
pub struct KernelPage(pub u64);

impl KernelPage {
    /// Pages of a folio, by its head page.
    #[inline(always)]
    pub fn folio_pages(self) -> u32 {
        let pages: u32 = read_member(self.0, FOLIO_PAGES.load()).unwrap_or(0);
        if pages == 0 || pages > MOST_FOLIO_PAGES {
            return 1;
        }
        pages
    }

    /// Pages that are mapped together with this one, a head page or a single one.
    #[inline(always)]
    pub fn pages(self) -> u32 {
        let second = Self(self.0 + u64::from(PAGE_STRUCT_BYTES.load()));
        match read_word(second.0, PAGE_HEAD.load()) {
            Ok(word) if word & 1 != 0 && second.head(word) == self.0 => self.folio_pages(),
            _ => 1,
        }
    }

    /// Kernel address of the head page, by the word that leads there.
    #[inline(always)]
    fn head(self, word: u64) -> u64 {
        if PAGE_HEAD_IS_MASK.load() == 0 {
            word - 1
        } else {
            self.0 & word
        }
    }

    /// `page.mapping` of the head page: a tail page's has no meaning.
    #[inline(always)]
    fn mapping(self) -> Result<u64, i32> {
        let word: u64 = read_member(self.0, PAGE_HEAD.load())?;
        let head = if word & 1 == 0 {
            self.0
        } else {
            self.head(word)
        };
        read_member(head, PAGE_MAPPING.load())
    }
}
