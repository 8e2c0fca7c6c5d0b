//! From return addresses to calls: the chain of frame pointers, checked against each function's own
//! call frame information.
//!
//! A function built without a frame pointer either leaves the register alone, so that its caller is
//! missing from the chain, or uses it for something else, so that the chain is meaningless from
//! there on.

use cowtrace_common::native::{MAX_CALLS, NativeStack, WalkEnd};

use super::question::UnwindRule;
use crate::run::StackEnd;

/// A call that led to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NativeCall {
    /// The call before this return address.
    At(u64),
    /// One or more unknown calls.
    Hidden,
}

/// The stack as the kernel side found it.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// See [`NativeStack::link`].
    pub(crate) link: u64,
    pub(crate) returns: Vec<u64>,
    /// Why the stack ends.
    end: StackEnd,
}

impl From<&NativeStack> for Chain {
    fn from(found: &NativeStack) -> Self {
        let count = (found.count as usize).min(MAX_CALLS);
        Self {
            link: found.link,
            returns: found.returns[..count].to_vec(),
            end: match found.end {
                end if end == WalkEnd::Outermost as u32 => StackEnd::Outermost,
                end if end == WalkEnd::Limit as u32 => StackEnd::Limit,
                _ => StackEnd::Lost,
            },
        }
    }
}

impl Chain {
    /// Every address that may need a name.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = u64> + use<'_> {
        let link = Some(self.link).filter(|&link| link != 0);
        link.into_iter().chain(self.returns.iter().copied())
    }
}

/// The calls that led to an instruction, innermost first. `caller` says how to find the caller of
/// the function at an address; none if no code is there.
pub(super) fn calls_leading_to(
    instruction: UnwindRule,
    chain: &Chain,
    caller: impl Fn(u64) -> Option<UnwindRule>,
) -> (Vec<NativeCall>, StackEnd) {
    let mut calls = Vec::new();
    let mut returns = chain.returns.iter().copied();
    let mut link = Some(chain.link).filter(|&link| link != 0);
    let mut found_by = instruction;
    loop {
        let is_hidden = match found_by {
            UnwindRule::Outermost => return (calls, StackEnd::Outermost),
            UnwindRule::Lost => return (calls, StackEnd::Lost),
            UnwindRule::ByLink => link.is_none(),
            UnwindRule::Hidden => true,
            UnwindRule::ByFrame | UnwindRule::Unknown => false,
        };
        let next = match found_by {
            UnwindRule::ByLink if !is_hidden => link,
            _ => returns.next(),
        };
        // The link belongs to the innermost function.
        link = None;
        let Some(address) = next else {
            let end = if is_hidden { StackEnd::Lost } else { chain.end };
            return (calls, end);
        };
        let Some(caller) = caller(address) else {
            return (calls, StackEnd::Lost);
        };
        if is_hidden {
            // A hidden caller may use the register for something else, unless the functions around
            // it keep frame pointers.
            if !matches!(caller, UnwindRule::ByFrame | UnwindRule::Outermost) {
                return (calls, StackEnd::Lost);
            }
            calls.push(NativeCall::Hidden);
        }
        calls.push(NativeCall::At(address));
        found_by = caller;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const END: StackEnd = StackEnd::Outermost;

    fn chain(link: u64, returns: &[u64]) -> Chain {
        Chain {
            link,
            returns: returns.to_vec(),
            end: END,
        }
    }

    /// Functions at 0x1nn keep frames, those at 0x2nn are hidden, those at 0x3nn lose the frame
    /// pointer, those at 0x4nn are the outermost; there are none elsewhere.
    fn caller(address: u64) -> Option<UnwindRule> {
        match address >> 8 {
            1 => Some(UnwindRule::ByFrame),
            2 => Some(UnwindRule::Hidden),
            3 => Some(UnwindRule::Lost),
            4 => Some(UnwindRule::Outermost),
            _ => None,
        }
    }

    #[test]
    fn frames_are_followed_to_the_outermost() {
        let found = calls_leading_to(UnwindRule::ByFrame, &chain(0x111, &[0x101, 0x102]), caller);
        assert_eq!(
            found,
            (vec![NativeCall::At(0x101), NativeCall::At(0x102)], END)
        );
        let found = calls_leading_to(
            UnwindRule::ByFrame,
            &chain(0, &[0x101, 0x400, 0x102]),
            caller,
        );
        assert_eq!(
            found,
            (vec![NativeCall::At(0x101), NativeCall::At(0x400)], END)
        );
    }

    #[test]
    fn a_leaf_without_a_frame_has_its_caller_by_the_link() {
        let found = calls_leading_to(UnwindRule::ByLink, &chain(0x111, &[0x101]), caller);
        assert_eq!(
            found,
            (vec![NativeCall::At(0x111), NativeCall::At(0x101)], END)
        );
        // The word was not a return address.
        let found = calls_leading_to(UnwindRule::ByLink, &chain(0, &[0x101]), caller);
        assert_eq!(
            found,
            (vec![NativeCall::Hidden, NativeCall::At(0x101)], END)
        );
    }

    #[test]
    fn who_is_not_in_the_chain_is_told_as_hidden() {
        let found = calls_leading_to(UnwindRule::ByFrame, &chain(0, &[0x201, 0x101]), caller);
        let told = vec![
            NativeCall::At(0x201),
            NativeCall::Hidden,
            NativeCall::At(0x101),
        ];
        assert_eq!(found, (told, END));
        for returns in [&[][..], &[0x201, 0x101], &[0x301, 0x101]] {
            let found = calls_leading_to(UnwindRule::Hidden, &chain(0, returns), caller);
            assert_eq!(found, (Vec::new(), StackEnd::Lost));
        }
    }

    #[test]
    fn nothing_is_believed_after_a_frame_pointer_is_lost() {
        let found = calls_leading_to(UnwindRule::Lost, &chain(0x111, &[0x101]), caller);
        assert_eq!(found, (Vec::new(), StackEnd::Lost));
        let found = calls_leading_to(UnwindRule::ByFrame, &chain(0, &[0x301, 0x101]), caller);
        assert_eq!(found, (vec![NativeCall::At(0x301)], StackEnd::Lost));
        let found = calls_leading_to(
            UnwindRule::ByFrame,
            &chain(0, &[0x101, 0x900, 0x101]),
            caller,
        );
        assert_eq!(found, (vec![NativeCall::At(0x101)], StackEnd::Lost));
    }

    proptest! {
        #[test]
        fn calls_are_of_the_chain_in_its_order(
            returns in proptest::collection::vec(0x100u64..0x600, 0..64), link in 0u64..0x600,
        ) {
            for instruction in [UnwindRule::ByLink, UnwindRule::ByFrame, UnwindRule::Hidden, UnwindRule::Unknown] {
                let (calls, _) = calls_leading_to(instruction, &chain(link, &returns), caller);
                let mut rest = returns.iter();
                let first = usize::from(instruction == UnwindRule::ByLink && link != 0);
                for call in calls.iter().skip(first) {
                    if let NativeCall::At(address) = call {
                        prop_assert!(rest.any(|it| it == address));
                    }
                }
            }
        }
    }
}
