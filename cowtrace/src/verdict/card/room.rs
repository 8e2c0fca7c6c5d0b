//! How much memory the service may still take.

use crate::run::{NearestLimit, Run};

/// Memory that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
    pub(crate) is: RoomIs,
}

/// What bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomIs {
    /// The smallest limit of the cgroups above the service.
    Limit,
    /// What the machine has available.
    Available,
}

impl RoomIs {
    /// As it stands in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Available => "available",
        }
    }
}

impl Room {
    /// What is left at the end of a run, of the limit or of the machine, whichever is less; `None` if neither was
    /// read.
    pub(crate) fn of(run: &Run) -> Option<Self> {
        let place = run.machine.place.as_ref()?;
        let limit = place.limit.as_ref().and_then(NearestLimit::room_bytes);
        let last = run.machine.readings.last();
        let available = last.and_then(|it| it.memory.available_bytes);
        let limit = limit.map(|bytes| Self {
            bytes,
            is: RoomIs::Limit,
        });
        let available = available.map(|bytes| Self {
            bytes,
            is: RoomIs::Available,
        });
        [limit, available]
            .into_iter()
            .flatten()
            .min_by_key(|room| room.bytes)
    }
}
