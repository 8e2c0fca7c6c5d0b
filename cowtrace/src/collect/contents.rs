//! What stood at some of the copied addresses, as it was passed on: a process that has the same there
//! still has that memory, however often and wherever else it has written since.

use std::collections::BTreeMap;

use cowtrace_common::evidence::{Evidence, HAS_WORDS, WORDS as TAKEN};

use super::heaps::Heap;

/// Objects of a heap that are kept: of so many that are three quarters the same, 95 % of the time 70 to
/// 80 % are.
const MOST_OBJECTS: usize = 256;
/// Fewer say nothing.
const LEAST_OBJECTS: usize = 32;
/// Words of an object that are kept: strings have their first characters in the last of them.
const WORDS: usize = 6;
/// Words begin so far behind the written one, bytes.
const AFTER: u64 = 8;
const PAGE: u64 = 4096;

/// Contents by whose memory it is.
#[derive(Debug, Default)]
pub(super) struct Contents {
    heaps: BTreeMap<Heap, Objects>,
}

/// Objects of one heap, each as likely to be here as any other that was copied.
#[derive(Debug, Default)]
struct Objects {
    kept: Vec<Object>,
    seen: u64,
    random: u64,
}

/// The words behind one that was written.
#[derive(Clone, Copy, Debug)]
struct Object {
    address: u64,
    words: [u64; WORDS],
    /// How many of the words are known.
    known: usize,
}

impl Contents {
    /// Keeps an object that was copied before it was first written, or does not. `read` reads the
    /// memory of the process that wrote.
    pub(super) fn offer(
        &mut self,
        heap: Heap,
        evidence: &Evidence,
        read: impl FnOnce(u64, &mut [u8]) -> bool,
    ) {
        if evidence.core.flags & HAS_WORDS == 0 {
            return;
        }
        let objects = self.heaps.entry(heap).or_default();
        if let Some(index) = objects.place()
            && let Some(object) = Object::of(evidence, read)
        {
            match objects.kept.get_mut(index) {
                Some(place) => *place = object,
                None => objects.kept.push(object),
            }
        }
    }

    /// Which part of a heap's objects a process still has, whose memory `read` reads; none if too few
    /// are known.
    pub(super) fn kept_part(
        &self,
        heap: Heap,
        read: impl Fn(u64, &mut [u8]) -> bool,
    ) -> Option<f64> {
        let objects = &self.heaps.get(&heap)?.kept;
        let same = objects.iter().filter(|object| object.is_in(&read)).count();
        (objects.len() >= LEAST_OBJECTS).then(|| same as f64 / objects.len() as f64)
    }
}

impl Objects {
    /// Where the next object goes; none if it is not kept.
    fn place(&mut self) -> Option<usize> {
        self.seen += 1;
        if self.kept.len() < MOST_OBJECTS {
            return Some(self.kept.len());
        }
        // Weyl's sequence, mixed (splitmix64): good enough for a fair choice.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let index = usize::try_from((mixed ^ (mixed >> 31)) % self.seen).ok()?;
        (index < MOST_OBJECTS).then_some(index)
    }
}

impl Object {
    /// The words that the write's evidence has, and those behind them as far as they can be read; none
    /// if the object has become another since.
    fn of(evidence: &Evidence, read: impl FnOnce(u64, &mut [u8]) -> bool) -> Option<Self> {
        let address = evidence.core.address & !(AFTER - 1);
        let mut object = Self {
            address,
            words: [0; WORDS],
            known: TAKEN,
        };
        object.words[..TAKEN].copy_from_slice(&evidence.context.words);
        let readable = object.in_page();
        if let Some(now) = words(address, readable, read) {
            if !object.is_like(&now, TAKEN.min(readable)) {
                return None;
            }
            if readable > TAKEN {
                object.words[TAKEN..readable].copy_from_slice(&now[TAKEN..readable]);
                object.known = readable;
            }
        }
        Some(object)
    }

    /// How many of the words lie in the page that was written: the next may not be there.
    fn in_page(&self) -> usize {
        let left = PAGE - (self.address + AFTER) % PAGE;
        usize::try_from(left / 8).map_or(WORDS, |left| left.min(WORDS))
    }

    fn is_in(&self, read: impl FnOnce(u64, &mut [u8]) -> bool) -> bool {
        let count = self.known;
        words(self.address, count, read).is_some_and(|now| self.is_like(&now, count))
    }

    /// Whether so many words are the same. Small numbers may differ but for those beside a type, which
    /// are an object's size and value: the others are reference counts.
    fn is_like(&self, now: &[u64; WORDS], count: usize) -> bool {
        let is_same = |index: usize| {
            let (then, now) = (self.words[index], now[index]);
            let is_count = (index == 0 || index >= TAKEN) && then >> 32 == 0 && now >> 32 == 0;
            then == now || is_count
        };
        (0..count).all(is_same)
    }
}

/// The words behind an address.
fn words(
    address: u64,
    count: usize,
    read: impl FnOnce(u64, &mut [u8]) -> bool,
) -> Option<[u64; WORDS]> {
    let mut bytes = [0; WORDS * 8];
    let wanted = bytes.get_mut(..count * 8)?;
    if !read(address.checked_add(AFTER)?, wanted) {
        return None;
    }
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cowtrace_common::evidence::{Context, Core};

    const HEAP: Heap = Heap {
        process: 1,
        generation: 0,
    };
    const STR: u64 = 0x7f00_0000_1000;

    /// Memory with a string of 64 bytes at each multiple of 64, whose text says what it is.
    fn strings(text: &'static str) -> impl Fn(u64, &mut [u8]) -> bool {
        move |at, to| {
            for (at, to) in (at..).step_by(8).zip(to.chunks_exact_mut(8)) {
                let word = match at % 64 {
                    0 => 1,
                    8 => STR,
                    16 => 12,
                    24 => u64::MAX,
                    32 => 0xe4,
                    _ => u64::from_ne_bytes(text.as_bytes()[..8].try_into().unwrap()),
                };
                to.copy_from_slice(&word.to_ne_bytes());
            }
            true
        }
    }

    fn write(address: u64) -> Evidence {
        Evidence {
            core: Core {
                address,
                flags: HAS_WORDS,
                ..Core::default()
            },
            context: Context {
                words: [STR, 12, u64::MAX],
                ..Context::default()
            },
        }
    }

    fn kept(writes: u64) -> Contents {
        let mut contents = Contents::default();
        for index in 0..writes {
            contents.offer(HEAP, &write(index * 4096 + 64), strings("title 12"));
        }
        contents
    }

    #[test]
    fn strings_of_another_text_are_others() {
        let contents = kept(10_000);
        assert_eq!(contents.heaps[&HEAP].kept.len(), MOST_OBJECTS);
        assert_eq!(
            contents.kept_part(HEAP, strings("title 12")),
            Some(1.0),
            "the same"
        );
        assert_eq!(contents.kept_part(HEAP, strings("word 123")), Some(0.0));
        assert_eq!(contents.kept_part(HEAP, |_, _| false), Some(0.0), "gone");
    }

    #[test]
    fn what_was_replaced_counts_by_its_part() {
        let contents = kept(100_000);
        let half = |at: u64, to: &mut [u8]| {
            let text = if at < 50_000 * 4096 {
                "title 12"
            } else {
                "word 123"
            };
            strings(text)(at, to)
        };
        let part = contents.kept_part(HEAP, half).unwrap();
        // Four standard deviations of 256 objects.
        assert!((part - 0.5).abs() < 0.125, "{part}");
    }

    #[test]
    fn few_objects_say_nothing_and_neither_do_those_that_were_others_when_they_were_read() {
        let all = LEAST_OBJECTS as u64;
        assert_eq!(kept(all - 1).kept_part(HEAP, strings("title 12")), None);
        let mut contents = kept(all - 1);
        let other = |at: u64, to: &mut [u8]| strings("title 12")(at + 8, to);
        contents.offer(HEAP, &write(1 << 40), other);
        assert_eq!(contents.kept_part(HEAP, strings("title 12")), None);
        // One that cannot be read is known by what the evidence has.
        contents.offer(HEAP, &write(1 << 40), |_, _| false);
        assert_eq!(
            contents.kept_part(HEAP, strings("title 12")),
            Some(1.0),
            "enough"
        );
    }

    #[test]
    fn words_past_the_page_are_not_asked_for() {
        let mut contents = Contents::default();
        for index in 1..=LEAST_OBJECTS as u64 {
            contents.offer(HEAP, &write(index * 4096 - 64), |at, to| {
                assert_eq!((at % 4096, to.len()), (4096 - 56, 48));
                strings("title 12")(at, to)
            });
            contents.offer(HEAP, &write(index * 4096 - 16), |at, to| {
                assert_eq!((at % 4096, to.len()), (4096 - 8, 8));
                to.copy_from_slice(&STR.to_ne_bytes());
                true
            });
        }
        assert_eq!(contents.heaps[&HEAP].kept.len(), 2 * LEAST_OBJECTS);
    }
}
