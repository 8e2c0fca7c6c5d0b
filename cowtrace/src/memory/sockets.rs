//! Sockets of a process's network namespace, and memory of the machine's: /proc/PID/net/sockstat
//! (net/ipv4/proc.c). Buffers of sockets are in no counter of meminfo.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use super::fields::{number_of, read_bounded};
use crate::run::SocketMemory;

/// sockstat has some 150 bytes.
const SOCKSTAT: u64 = 4 << 10;

/// Reads the sockets of a process's network namespace; none if the process is gone, or the kernel has no
/// network.
#[must_use]
pub fn read_sockets(root: &Path, pid: u32, page_bytes: u64) -> Option<SocketMemory> {
    let text = read_bounded(&root.join(format!("{pid}/net/sockstat")), SOCKSTAT).ok()?;
    Some(sockets_of(&text, page_bytes))
}

/// The number of a process's network namespace: processes with the same number have the same sockets,
/// which count once. None without the rights to look at the process.
#[must_use]
pub fn network_namespace(root: &Path, pid: u32) -> Option<u64> {
    let file = fs::metadata(root.join(format!("{pid}/ns/net"))).ok()?;
    Some(file.ino())
}

pub(super) fn sockets_of(text: &[u8], page_bytes: u64) -> SocketMemory {
    let value = |protocol: &str, name: &str| named_value(text, protocol, name).unwrap_or(0);
    SocketMemory {
        tcp_in_use: value("TCP:", "inuse"),
        time_wait: value("TCP:", "tw"),
        tcp_orphaned: value("TCP:", "orphan"),
        tcp_allocated: value("TCP:", "alloc"),
        tcp_bytes: value("TCP:", "mem").saturating_mul(page_bytes),
        udp_bytes: value("UDP:", "mem").saturating_mul(page_bytes),
        fragments_bytes: value("FRAG:", "memory"),
    }
}

/// Of a protocol's line, which has names and numbers in turn.
fn named_value(text: &[u8], protocol: &str, name: &str) -> Option<u64> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(protocol.as_bytes()))?;
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|it| !it.is_empty());
    words.find(|word| *word == name.as_bytes())?;
    number_of(words.next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{
        net::{TcpListener, TcpStream},
        time::{Duration, Instant},
    };

    const TEXT: &str = "sockets: used 21\nTCP: inuse 1 orphan 2 tw 3000 alloc 4 mem 5
UDP: inuse 6 mem 7\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 8\n";

    #[test]
    fn sockets_have_their_units() {
        let root = std::env::temp_dir().join(format!("cowtrace-sockets-{}", std::process::id()));
        fs::create_dir_all(root.join("9/net")).unwrap();
        assert_eq!(read_sockets(&root, 9, 4096), None);
        assert_eq!(network_namespace(&root, 9), None);
        fs::write(root.join("9/net/sockstat"), TEXT).unwrap();
        let sockets = read_sockets(&root, 9, 4096).unwrap();
        fs::remove_dir_all(root).unwrap();
        let expected = SocketMemory {
            tcp_in_use: 1,
            time_wait: 3000,
            tcp_orphaned: 2,
            tcp_allocated: 4,
            tcp_bytes: 5 * 4096,
            udp_bytes: 7 * 4096,
            fragments_bytes: 8,
        };
        assert_eq!(sockets, expected);
        assert_eq!(sockets.time_wait_bytes(), 768_000);
    }

    /// Others' connections come and go meanwhile: 50 more are enough to be sure that ours are counted.
    #[test]
    fn connections_that_wait_are_counted() {
        let (root, own) = (Path::new("/proc"), std::process::id());
        let waiting = || read_sockets(root, own, 4096).unwrap().time_wait;
        let before = waiting();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (far, _) = listener.accept().unwrap();
            // Who closes first waits.
            drop(near);
            drop(far);
        }
        let begun = Instant::now();
        while waiting() < before + 50 && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(waiting() >= before + 50, "{} before, {}", before, waiting());
        assert!(network_namespace(root, own).is_some());
    }

    proptest! {
        #[test]
        fn hostile_text_is_no_crash(text in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..150) {
            let mut whole = TEXT.as_bytes().to_vec();
            let at = at % whole.len();
            whole.splice(at..at, text.iter().copied());
            let _ = sockets_of(&whole, u64::MAX);
            let _ = sockets_of(&text, 4096).time_wait_bytes();
        }
    }
}
