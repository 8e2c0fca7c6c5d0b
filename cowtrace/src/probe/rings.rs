//! Rings of evidence, one for each processor: their number and size, and reading them.

use aya::{
    Ebpf,
    maps::{ArrayOfMaps, Map, MapData, MapError, RingBuf},
    util,
};
use aya_obj::generated::bpf_map_type;
use cowtrace_common::{
    evidence::{Cores, Evidence},
    object::map,
};

use super::{error::ProbeError, evidence};

/// Room for what a processor records between two readings: it copies a page in 2 µs at best, so it fills 1.6
/// MiB in 50 ms.
const MOST_BYTES: usize = 2 << 20;
/// A ring of less would be full before the next reading even at a tenth of that.
const LEAST_BYTES: usize = 256 << 10;
/// Most bytes of all rings together. Where that is too little for a smallest ring each, they take more.
const MOST_BYTES_IN_ALL: usize = 64 << 20;
/// A single processor's ring: its writer and this program take turns.
const ONLY_BYTES: usize = 4 << 20;
/// Batches that are read of one ring before the next one's turn.
const TURN: usize = 256;

/// Name of each ring for tools that list maps.
const RING: &str = "evidence_ring";

/// The machine's processors.
#[derive(Clone, Debug)]
pub(super) struct Processors {
    /// Numbers of those that run.
    online: Vec<u32>,
    /// Numbers are below this one.
    pub(super) count: u32,
}

impl Processors {
    pub(super) fn of_machine() -> Result<Self, ProbeError> {
        let unknown = |(path, error)| ProbeError::Processors { path, error };
        let online = util::online_cpus().map_err(unknown)?;
        let possible = util::nr_cpus().map_err(unknown)?;
        let past_last = online.iter().max().map_or(1, |last| last + 1);
        let count = u32::try_from(possible).unwrap_or(u32::MAX).max(past_last);
        Ok(Self { online, count })
    }

    /// Size of each ring, a power of two as the kernel requires.
    pub(super) fn ring_bytes(&self) -> u32 {
        let bytes = match self.online.len() {
            0 | 1 => ONLY_BYTES,
            count => (MOST_BYTES_IN_ALL / count).clamp(LEAST_BYTES, MOST_BYTES),
        };
        1 << bytes.ilog2()
    }

    /// Which ring each processor has. Those that do not run yet share the others' rings.
    fn rings(&self) -> Vec<usize> {
        let own = |processor| self.online.iter().position(|&it| it == processor);
        let count = self.online.len().max(1);
        (0..self.count)
            .map(|processor| own(processor).unwrap_or(processor as usize % count))
            .collect()
    }
}

/// The rings of a loaded kernel side.
pub(super) struct Rings {
    each: Vec<RingBuf<MapData>>,
    /// Where the kernel side finds them. Programs are loaded later too, so it stays open.
    _by_processor: ArrayOfMaps<MapData, RingBuf<MapData>>,
    /// More batches than a ring has room for.
    most_batches: usize,
}

impl Rings {
    /// Creates the rings and hands them to the kernel side.
    pub(super) fn create(
        ebpf: &mut Ebpf,
        processors: &Processors,
        bytes: u32,
    ) -> Result<Self, ProbeError> {
        let refused = ProbeError::map(map::EVIDENCE);
        let outer = ebpf
            .take_map(map::EVIDENCE)
            .ok_or(ProbeError::NoMap(map::EVIDENCE))?;
        let mut outer: ArrayOfMaps<MapData, RingBuf<MapData>> =
            ArrayOfMaps::try_from(outer).map_err(&refused)?;
        let rings = (0..processors.online.len().max(1))
            .map(|_| create_ring(bytes))
            .collect::<Result<Vec<_>, _>>()
            .map_err(&refused)?;
        for (processor, ring) in (0..).zip(processors.rings()) {
            outer.set(processor, &rings[ring], 0).map_err(&refused)?;
        }
        Ok(Self {
            each: rings,
            _by_processor: outer,
            most_batches: bytes as usize / size_of::<Cores>(),
        })
    }

    /// Passes the evidence that waits in all rings to `take`, of each thread and processor the oldest first. The
    /// rings take turns, and each gives no more than it had room for when reading began: so a processor that
    /// writes all the time delays no other.
    pub(super) fn read(&mut self, mut take: impl FnMut(Evidence)) {
        let mut waiting: Vec<&mut RingBuf<MapData>> = self.each.iter_mut().collect();
        for _ in 0..=self.most_batches / TURN {
            waiting.retain_mut(|ring| {
                (0..TURN).all(|_| match ring.next() {
                    Some(batch) => {
                        evidence::decode_batch(&batch, &mut take);
                        true
                    }
                    None => false,
                })
            });
        }
    }
}

fn create_ring(bytes: u32) -> Result<RingBuf<MapData>, MapError> {
    let kind = bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32;
    let ring = aya_obj::Map::new_from_params(kind, 0, 0, bytes, 0);
    RingBuf::try_from(Map::RingBuf(MapData::create(ring, RING, None)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(online: impl IntoIterator<Item = u32>, count: u32) -> Processors {
        let online = online.into_iter().collect();
        Processors { online, count }
    }

    #[test]
    fn rings_are_bounded_together_and_never_tiny() {
        let bytes = |count| u64::from(machine(0..count, count).ring_bytes());
        assert_eq!(bytes(1), 4 << 20);
        assert_eq!(bytes(2), 2 << 20);
        assert_eq!(bytes(16), 2 << 20);
        for count in 2..=256 {
            let each = bytes(count);
            assert!(each.is_power_of_two() && u64::from(count) * each <= 64 << 20);
        }
        assert_eq!(bytes(1_000), 256 << 10);
    }

    #[test]
    fn processors_have_rings_of_their_own_and_those_that_may_come_share_them() {
        assert_eq!(machine(0..4, 4).rings(), [0, 1, 2, 3]);
        assert_eq!(machine([1, 3], 6).rings(), [0, 0, 0, 1, 0, 1]);
    }
}
