//! The lists of the garbage collector (Modules/gcmodule.c, Python/gc.c): all objects that can be
//! part of a cycle, by generation. An object that is in a list but that the walk has not reached may
//! be held by nothing.
//!
//! The lists are circular, with a head in the state of the interpreter or of the runtime. So the
//! heads are found by following any object of a list; those of the other generations lie beside.

use super::{memory::Marks, objects::HeapObjects, roots::RootInterpreter, walk::Walk};

/// The collector's header before an object: next, previous; bytes. The lowest two bits of each are
/// flags.
const BEFORE: u64 = 16;
const FLAGS: u64 = 3;
/// An interpreter's state, and the runtime's, is smaller, bytes.
const STATE: u64 = 2 << 20;
/// The heads of all generations lie within this many bytes of each other.
const NEAR: u64 = 256;
/// Young, old, oldest.
const LEAST_HEADS: usize = 3;
/// Bytes of a generation (`gc_generation`): the head, then its threshold and count.
const GENERATION: u64 = 24;
/// How often the collector's state is looked for: the process changes it meanwhile.
const TRIES: usize = 4;
/// The generations lie at multiples of this, bytes: of 8, but in Debian's 3.13.5 of 4.
const ALIGNMENT: usize = 4;
/// From the first generation back to `enabled`, bytes: `debug` lies between, and up to 3.14 padding if the
/// generations are at a multiple of 8.
const ENABLED: u64 = 12;
const ENABLED_UNPADDED: u64 = 8;
/// The first version in which they are the first members.
const WITHOUT_PADDING: u32 = 0x030f;
/// Objects from which a head is looked for.
const MAX_STARTS: usize = 64;
/// Most objects on the way back to a head.
const MOST_BACK: usize = 1 << 20;
/// Most objects that the walk has not reached: 12 bytes each.
const MAX_UNREACHED: usize = 1 << 23;

/// Objects in the lists that the walk has not reached.
pub(super) struct ListedObjects {
    /// Addresses, in order.
    pub(super) unreached: Vec<u64>,
    /// Every object in a list.
    pub(super) seen: Marks,
    /// Whether a list could not be followed to its end.
    pub(super) is_partial: bool,
}

/// Why there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotListed {
    NotFound,
    TooMany,
    Limit,
}

/// How a list ended.
enum ListEnd {
    /// At its head.
    Head(u64),
    /// At an object that was seen before.
    Seen,
    /// At what is no object.
    Lost,
}

impl Walk<'_> {
    /// Follows the lists of all generations, of every interpreter.
    pub(super) fn listed(&mut self, runtime: u64) -> Result<ListedObjects, NotListed> {
        self.objects.memory.forget();
        let interpreters = self.objects.interpreters(runtime).unwrap_or_default();
        let states = interpreters.iter().map(|it| it.state).chain([runtime]);
        let states: Vec<_> = states.map(|at| at..at.saturating_add(STATE)).collect();
        let is_state = |at: u64| states.iter().any(|state| state.contains(&at));
        let mut listed = ListedObjects {
            unreached: Vec::new(),
            seen: Marks::new(self.objects.memory.regions.chunks()),
            is_partial: false,
        };
        let mut others = interpreters.into_iter();
        let main = others.next().ok_or(NotListed::NotFound)?;
        self.follow_lists(main, &is_state, &mut listed)?;
        for other in others {
            match self.follow_lists(other, &is_state, &mut listed) {
                // It may have ended.
                Err(NotListed::NotFound) => listed.is_partial = true,
                found => found?,
            }
        }
        listed.unreached.sort_unstable();
        listed.unreached.dedup();
        Ok(listed)
    }

    /// Follows the lists of an interpreter; in 3.8 all interpreters have the same.
    fn follow_lists(
        &mut self,
        interpreter: RootInterpreter,
        is_state: &impl Fn(u64) -> bool,
        listed: &mut ListedObjects,
    ) -> Result<(), NotListed> {
        let near = self.find_head(interpreter, is_state, listed)?;
        let heads = self.heads_near(near);
        if heads.len() < LEAST_HEADS {
            return Err(NotListed::NotFound);
        }
        for head in heads {
            let first = self.objects.link(head).unwrap_or(head);
            if first != head && matches!(self.follow(first, is_state, listed)?, ListEnd::Lost) {
                listed.is_partial = true;
            }
        }
        Ok(())
    }

    /// The head of some list of an interpreter.
    fn find_head(
        &mut self,
        interpreter: RootInterpreter,
        is_state: &impl Fn(u64) -> bool,
        listed: &mut ListedObjects,
    ) -> Result<u64, NotListed> {
        for start in self.objects.oldest_of(interpreter, MAX_STARTS) {
            let header = start.wrapping_sub(BEFORE);
            if self.objects.link(header).is_none_or(|next| next == 0) {
                continue;
            }
            // Modules are old, so the way back is short. New objects are at the end, of which some come all the time.
            if let Some(head) = self.head_before(header, is_state) {
                return Ok(head);
            }
            if let ListEnd::Head(head) = self.follow(header, is_state, listed)? {
                return Ok(head);
            }
        }
        Err(NotListed::NotFound)
    }

    /// The head of an object's list, on the way back; none if that is far, or broken as during a collection.
    fn head_before(&mut self, first: u64, is_state: &impl Fn(u64) -> bool) -> Option<u64> {
        let mut at = first;
        for _ in 0..MOST_BACK {
            if self.deadline.step(self.objects.memory.bytes_read) {
                return None;
            }
            let previous = self.objects.link(at.checked_add(8)?)?;
            if self.objects.link(previous)? != at {
                return None;
            }
            if self.objects.at(previous.checked_add(BEFORE)?).is_none() {
                return is_state(previous).then_some(previous);
            }
            at = previous;
        }
        None
    }

    /// Follows a list from an object's header on.
    fn follow(
        &mut self,
        first: u64,
        is_state: &impl Fn(u64) -> bool,
        listed: &mut ListedObjects,
    ) -> Result<ListEnd, NotListed> {
        let mut at = first;
        loop {
            if self.deadline.step(self.objects.memory.bytes_read) {
                return Err(NotListed::Limit);
            }
            let Some(address) = at.checked_add(BEFORE) else {
                return Ok(ListEnd::Lost);
            };
            match self.objects.at(address) {
                Some(object) => {
                    if !listed.seen.set(object.place) {
                        return Ok(ListEnd::Seen);
                    }
                    if !self.marks.has(object.place) {
                        listed.unreached.push(address);
                    }
                }
                None if is_state(at) => return Ok(ListEnd::Head(at)),
                None => return Ok(ListEnd::Lost),
            }
            if listed.unreached.len() > MAX_UNREACHED {
                return Err(NotListed::TooMany);
            }
            match self.objects.link(at) {
                Some(next) if next != 0 => at = next,
                _ => return Ok(ListEnd::Lost),
            }
        }
    }

    /// The heads of lists near one of them: each is the previous one of its next one. The end of the youngest list
    /// changes all the time.
    fn heads_near(&mut self, near: u64) -> Vec<u64> {
        let candidates = (near.saturating_sub(NEAR)..=near.saturating_add(NEAR)).step_by(8);
        candidates
            .filter(|at| self.objects.begins_list(*at))
            .collect()
    }

    /// The reference count of an object; none if it is gone.
    pub(super) fn references_of(&mut self, address: u64) -> Option<u32> {
        let object = self.objects.at(address)?;
        let count = self.objects.memory.half_word(object.address)?;
        Some(count)
    }
}

impl HeapObjects<'_> {
    /// Whether the collector runs by itself; none if its state is not found.
    pub(super) fn collects(&mut self, runtime: u64) -> Option<bool> {
        if self.offsets.header.collector == 0 {
            return None;
        }
        (0..TRIES).find_map(|_| {
            // The lists have changed since they were read.
            self.memory.forget();
            self.collects_now(runtime)
        })
    }

    fn collects_now(&mut self, runtime: u64) -> Option<bool> {
        let main = *self.interpreters(runtime)?.first()?;
        let states = [main.state, runtime].into_iter();
        let mut candidates =
            states.flat_map(|at| (at..at.saturating_add(STATE)).step_by(ALIGNMENT));
        let first = candidates.find(|at| self.are_generations(*at))?;
        let is_padded = first.is_multiple_of(8) && self.offsets.version < WITHOUT_PADDING;
        let back = if is_padded { ENABLED } else { ENABLED_UNPADDED };
        match self.memory.half_word(first.checked_sub(back)?)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Whether the lists of all generations begin here. New objects are added to the end of the youngest all the
    /// time, so only its beginning is as it was.
    fn are_generations(&mut self, at: u64) -> bool {
        let mut older = 1..LEAST_HEADS as u64;
        self.begins_list(at) && older.all(|head| self.is_head(at.saturating_add(head * GENERATION)))
    }

    /// Whether the first object of a list has this head before it.
    fn begins_list(&mut self, at: u64) -> bool {
        let next = self.link(at).filter(|next| *next != 0);
        next.is_some_and(|next| self.link(next.saturating_add(8)) == Some(at))
    }

    fn is_head(&mut self, at: u64) -> bool {
        let Some(next) = self.link(at).filter(|next| *next != 0) else {
            return false;
        };
        let previous = self.link(at.saturating_add(8)).unwrap_or(0);
        (next == at) == (previous == at)
            && self.link(next.saturating_add(8)) == Some(at)
            && self.link(previous) == Some(at)
    }

    /// An address in a header, without flags.
    fn link(&mut self, at: u64) -> Option<u64> {
        let word = if at.is_multiple_of(8) {
            self.memory.word(at)?
        } else {
            let (low, high) = (
                self.memory.half_word(at)?,
                self.memory.half_word(at.checked_add(4)?)?,
            );
            u64::from(low) | u64::from(high) << 32
        };
        Some(word & !FLAGS)
    }
}
