//! Sockets and what the kernel keeps for them.

use serde::{Deserialize, Serialize};

/// What the kernel takes for a connection in `TIME_WAIT`, bytes (`tw_sock_TCP` in slabinfo).
const TIME_WAIT_BYTES: u64 = 256;

/// Sockets and their memory at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketMemory {
    /// TCP sockets over IPv4 in use in the namespace.
    pub tcp_in_use: u64,
    /// TCP connections of the namespace that are closed and wait for stray packets (`TIME_WAIT`).
    pub time_wait: u64,
    /// TCP sockets of the machine that no process has open any more.
    pub tcp_orphaned: u64,
    /// TCP sockets of the machine that have memory.
    pub tcp_allocated: u64,
    /// Buffers of all TCP sockets of the machine, bytes; in steps of some pages.
    pub tcp_bytes: u64,
    /// Buffers of all UDP sockets of the machine, bytes.
    pub udp_bytes: u64,
    /// Packets of the namespace that wait for their other parts, bytes.
    pub fragments_bytes: u64,
}

impl SocketMemory {
    /// What the kernel keeps for connections in `TIME_WAIT`, bytes: a part of `Slab`.
    #[must_use]
    pub fn time_wait_bytes(&self) -> u64 {
        self.time_wait.saturating_mul(TIME_WAIT_BYTES)
    }
}
