//! A sample of the copied objects, as they were passed on: a process that has the same words there still
//! has that memory, wherever else it has written since.

use std::collections::BTreeMap;

use cowtrace_common::evidence::{Evidence, WORDS as TAKEN};

use crate::collect::processes::inheritance::Inheritance;

/// Objects kept of one inheritance. If three quarters of all objects are unchanged, then a sample of this size
/// finds 70 to 80 % unchanged, 95 % of the time.
const MOST_OBJECTS: usize = 256;
/// Fewer say nothing.
const LEAST_OBJECTS: usize = 32;
/// Words of an object that are kept, from that of its type on: strings have their first characters in
/// the last of them.
const WORDS: usize = 6;
/// Words of evidence lie so far behind the written one and each other, bytes.
const WORD: u64 = 8;

/// Sampled objects by inheritance.
#[derive(Debug, Default)]
pub(super) struct ObjectSamples {
    inheritances: BTreeMap<Inheritance, SampleSet>,
}

/// Objects of one inheritance: each copied object is here with the same probability.
#[derive(Debug, Default)]
struct SampleSet {
    kept: Vec<ObjectSample>,
    seen: u64,
    random: u64,
}

/// An object's own words, but for its reference count and what the collector has in front of it: the
/// collector puts objects into another order, and an object is the same whatever refers to it.
#[derive(Clone, Copy, Debug)]
struct ObjectSample {
    /// Address of the first.
    at: u64,
    words: [u64; WORDS],
    /// How many are known.
    known: usize,
}

impl ObjectSamples {
    /// Offers an object of a type, as it was before its page was copied, for the sample. `count` gives the
    /// number of words of such an object, `read` reads the memory of the process that wrote.
    pub(super) fn offer(
        &mut self,
        inheritance: Inheritance,
        evidence: &Evidence,
        type_address: u64,
        count: impl FnOnce() -> Option<usize>,
        read: impl FnOnce(u64, &mut [u8]) -> bool,
    ) {
        let objects = self.inheritances.entry(inheritance).or_default();
        if let Some(index) = objects.place()
            && let Some(object) =
                ObjectSample::of(evidence, type_address, count().unwrap_or(0), read)
        {
            match objects.kept.get_mut(index) {
                Some(place) => *place = object,
                None => objects.kept.push(object),
            }
        }
    }

    /// Which part of an inheritance's objects a process still has, whose memory `read` reads; none if too few
    /// are known.
    pub(super) fn kept_part(
        &self,
        inheritance: Inheritance,
        read: impl Fn(u64, &mut [u8]) -> bool,
    ) -> Option<f64> {
        let objects = &self.inheritances.get(&inheritance)?.kept;
        let same = objects.iter().filter(|object| object.is_in(&read)).count();
        (objects.len() >= LEAST_OBJECTS).then(|| same as f64 / objects.len() as f64)
    }
}

impl SampleSet {
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

impl ObjectSample {
    /// The words that the write's evidence has, and as many behind them as the object has, if it can
    /// be read and has not become another since; none if nothing but its type is known.
    fn of(
        evidence: &Evidence,
        type_address: u64,
        count: usize,
        read: impl FnOnce(u64, &mut [u8]) -> bool,
    ) -> Option<Self> {
        let taken = evidence.context.words;
        let first = taken.iter().position(|word| *word == type_address)?;
        let at = (evidence.core.address & !(WORD - 1)) + WORD * (first as u64 + 1);
        let count = count.clamp(1, WORDS);
        let mut object = Self {
            at,
            words: [0; WORDS],
            known: (TAKEN - first).min(count),
        };
        object.words[..object.known].copy_from_slice(&taken[first..first + object.known]);
        // With the word in front, which is its reference count: that of a write to it was not taken.
        let now = read_words(at - WORD, count + 1, read);
        if let Some(now) = now
            && now[1..=object.known] == object.words[..object.known]
            && (first == 0 || now[0] == taken[first - 1])
        {
            object.known = count;
            object.words[..count].copy_from_slice(&now[1..=count]);
        }
        (object.known > 1).then_some(object)
    }

    fn is_in(&self, read: impl FnOnce(u64, &mut [u8]) -> bool) -> bool {
        let now = read_words(self.at, self.known, read);
        now.is_some_and(|now| (0..self.known).all(|index| self.has_word(index, now[index])))
    }

    /// Whether a word is the same. Behind a short string, which has less of its own than its type says,
    /// the last one is the reference count of what comes next.
    fn has_word(&self, index: usize, now: u64) -> bool {
        let then = self.words[index];
        let are_counts = then >> 32 == 0 && now >> 32 == 0;
        then == now || (index == WORDS - 1 && are_counts)
    }
}

/// Words from an address on.
fn read_words(
    at: u64,
    count: usize,
    read: impl FnOnce(u64, &mut [u8]) -> bool,
) -> Option<[u64; WORDS + 1]> {
    let mut bytes = [0; (WORDS + 1) * 8];
    if !read(at, bytes.get_mut(..count * 8)?) {
        return None;
    }
    let mut words = [0; WORDS + 1];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cowtrace_common::evidence::{Context, Core};

    const INHERITANCE: Inheritance = Inheritance {
        process: 1,
        generation: 0,
    };
    const STR: u64 = 0x7f00_0000_1000;
    const COUNT: u64 = 3;
    const PREVIOUS: u64 = 0x7f00_0000_2000;

    /// Memory with a string at 16 bytes behind each multiple of 128, whose text says what it is, and
    /// the collector's header in front of it.
    fn strings(text: &'static str) -> impl Fn(u64, &mut [u8]) -> bool {
        counted(text, COUNT)
    }

    fn counted(text: &'static str, count: u64) -> impl Fn(u64, &mut [u8]) -> bool {
        move |at, to| {
            for (at, to) in (at..).step_by(8).zip(to.chunks_exact_mut(8)) {
                let word = match at % 128 {
                    0 | 8 => PREVIOUS + count,
                    16 => count,
                    24 => STR,
                    32 => 12,
                    40 => u64::MAX,
                    _ => u64::from_ne_bytes(text.as_bytes()[..8].try_into().unwrap()),
                };
                to.copy_from_slice(&word.to_ne_bytes());
            }
            true
        }
    }

    /// The first write to the object at an address: to its reference count, or the first word of the
    /// collector's.
    fn write(at: u64, is_collectors: bool) -> Evidence {
        let (address, words) = if is_collectors {
            (at - 16, [PREVIOUS + COUNT, COUNT, STR])
        } else {
            (at, [STR, 12, u64::MAX])
        };
        Evidence {
            core: Core {
                address,
                ..Core::default()
            },
            context: Context {
                words,
                ..Context::default()
            },
        }
    }

    fn kept(writes: u64, is_collectors: bool) -> ObjectSamples {
        let mut samples = ObjectSamples::default();
        for index in 0..writes {
            let evidence = write(index * 4096 + 144, is_collectors);
            let count = || Some(9);
            samples.offer(INHERITANCE, &evidence, STR, count, strings("title 12"));
        }
        samples
    }

    #[test]
    fn strings_of_another_text_are_others_whoever_wrote() {
        for is_collectors in [false, true] {
            let samples = kept(10_000, is_collectors);
            assert_eq!(samples.inheritances[&INHERITANCE].kept.len(), MOST_OBJECTS);
            let part = |read: &dyn Fn(u64, &mut [u8]) -> bool| samples.kept_part(INHERITANCE, read);
            assert_eq!(part(&strings("title 12")), Some(1.0));
            assert_eq!(part(&counted("title 12", 99)), Some(1.0), "of other use");
            assert_eq!(part(&strings("word 123")), Some(0.0));
            assert_eq!(part(&|_, _| false), Some(0.0), "gone");
        }
    }

    #[test]
    fn what_was_replaced_counts_by_its_part() {
        let samples = kept(100_000, false);
        let half = |at: u64, to: &mut [u8]| {
            let text = if at < 50_000 * 4096 {
                "title 12"
            } else {
                "word 123"
            };
            strings(text)(at, to)
        };
        let part = samples.kept_part(INHERITANCE, half).unwrap();
        // Four standard deviations of 256 objects.
        assert!((part - 0.5).abs() < 0.125, "{part}");
    }

    #[test]
    fn few_objects_say_nothing() {
        let all = LEAST_OBJECTS as u64;
        let few = kept(all - 1, false).kept_part(INHERITANCE, strings("title 12"));
        let enough = kept(all, false).kept_part(INHERITANCE, strings("title 12"));
        assert_eq!((few, enough), (None, Some(1.0)));
    }

    #[test]
    fn an_object_that_was_given_up_before_it_was_read_is_known_by_its_evidence_alone() {
        let is_kept = |is_collectors, now: &dyn Fn(u64, &mut [u8]) -> bool| {
            let evidence = write(1 << 20 | 16, is_collectors);
            ObjectSample::of(&evidence, STR, 9, now).map(|object| object.known)
        };
        assert_eq!(is_kept(false, &strings("title 12")), Some(WORDS));
        assert_eq!(is_kept(true, &strings("title 12")), Some(WORDS));
        let other = |at: u64, to: &mut [u8]| strings("title 12")(at + 8, to);
        assert_eq!(is_kept(false, &other), Some(TAKEN));
        assert_eq!(is_kept(false, &|_, _| false), Some(TAKEN));
        // Nothing but its type is known.
        assert_eq!(is_kept(true, &counted("title 12", 0)), None);
        assert_eq!(is_kept(true, &|_, _| false), None);
    }

    #[test]
    fn what_comes_behind_a_short_string_may_be_used_otherwise() {
        let short = |count| {
            move |at: u64, to: &mut [u8]| {
                for (at, to) in (at..).step_by(8).zip(to.chunks_exact_mut(8)) {
                    let is_next = at % 128 == 64;
                    if is_next {
                        to.copy_from_slice(&u64::to_ne_bytes(count));
                    } else {
                        strings("title 12")(at, to);
                    }
                }
                true
            }
        };
        let evidence = write(1 << 20 | 16, false);
        let object = ObjectSample::of(&evidence, STR, 9, short(1)).unwrap();
        assert!(object.is_in(short(2)) && !object.is_in(short(1 << 40)));
    }

    #[test]
    fn no_more_than_the_object_is_read() {
        let evidence = write(1 << 20 | 16, false);
        let read = |at: u64, to: &mut [u8]| {
            assert_eq!((at, to.len()), (1 << 20 | 16, 3 * 8));
            strings("title 12")(at, to)
        };
        let object = ObjectSample::of(&evidence, STR, 2, read).unwrap();
        assert_eq!((object.at, object.known), ((1 << 20 | 16) + 8, 2));
    }
}
