//! Evidence of who wrote, decoded from the ring buffer's bytes.

use std::mem::offset_of;

use bytes::Buf as _;
use cowtrace_common::evidence::{BATCH, Batch, Context, Core, Cores, Evidence, WORDS};

/// Passes the records of a batch to `take`; none if the batch has the wrong length.
pub(super) fn decode_batch(bytes: &[u8], take: impl FnMut(Evidence)) {
    if bytes.len() != size_of::<Batch>() && bytes.len() != size_of::<Cores>() {
        return;
    }
    let count = (&bytes[offset_of!(Batch, cores.count)..]).get_u32_ne() as usize;
    let with_context = (&bytes[offset_of!(Batch, cores.with_context)..]).get_u32_ne();
    let cores = bytes[offset_of!(Batch, cores.records)..].chunks_exact(size_of::<Core>());
    let contexts = bytes.get(offset_of!(Batch, contexts)..).unwrap_or_default();
    let context_of = |place: usize| {
        let at = place * size_of::<Context>();
        let has_one = with_context & (1 << place) != 0;
        let bytes = contexts.get(at..at + size_of::<Context>());
        bytes
            .filter(|_| has_one)
            .map(decode_context)
            .unwrap_or_default()
    };
    let record = |(place, bytes)| Evidence {
        core: decode_core(bytes),
        context: context_of(place),
    };
    cores
        .take(count.min(BATCH))
        .enumerate()
        .map(record)
        .for_each(take);
}

/// Reads a record from bytes of its size, in the order of the fields.
fn decode_core(mut bytes: &[u8]) -> Core {
    Core {
        address: bytes.get_u64_ne(),
        instruction: bytes.get_u64_ne(),
        slot_and_passed_over: bytes.get_u32_ne(),
        flags: bytes.get_u32_ne(),
    }
}

/// Like [`core`].
fn decode_context(mut bytes: &[u8]) -> Context {
    Context {
        words: std::array::from_fn::<_, WORDS, _>(|_| bytes.get_u64_ne()),
        python_stack: bytes.get_u64_ne(),
        native_stack: bytes.get_u64_ne(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Vec<u8> {
        // count, with_context; cores; contexts
        let mut words = vec![2 | (0b10 << 32)];
        words.extend((0..BATCH as u64).flat_map(|record| [record, 100 + record, 5 | (7 << 32)]));
        words.extend((0..BATCH as u64 * 5).map(|word| 1_000 + word));
        words
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes())
            .collect()
    }

    fn decoded(bytes: &[u8]) -> Vec<Evidence> {
        let mut records = Vec::new();
        decode_batch(bytes, |record| records.push(record));
        records
    }

    #[test]
    fn a_record_has_its_own_context_or_none() {
        let records = decoded(&batch());
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].context, Context::default());
        assert_eq!((records[1].core.address, records[1].core.slot()), (1, 5));
        assert_eq!(records[1].context.words, [1_005, 1_006, 1_007]);
        assert_eq!(records[1].context.native_stack, 1_009);
    }

    #[test]
    fn a_batch_without_contexts_is_short_and_one_of_another_length_is_none() {
        let batch = batch();
        let short = decoded(&batch[..size_of::<Cores>()]);
        assert_eq!(short.len(), 2);
        assert_eq!(short[1].context, Context::default());
        assert_eq!(decoded(&batch[..batch.len() - 8]), []);
    }
}
