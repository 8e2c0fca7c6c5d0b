//! Which builds have offsets.

use super::*;

#[test]
fn a_build_that_is_not_known_is_refused() {
    let layout = Layout::of_version(0x030c_00f0).unwrap();
    let header = |version, is_free_threaded| {
        let found = Offsets::of_table(version, is_free_threaded, &layout);
        found.map(|found| found.header)
    };
    assert_eq!(header(0x030d, false), Some(Header::WITH_LOCK));
    assert_eq!(header(0x030d, true), Some(Header::FREE_THREADED));
    assert_eq!(header(0x030e, false), Some(Header::WITH_LOCK));
    assert_eq!(header(0x030e, true), None);
    assert_eq!(header(0x030f, false), Some(Header::WITH_LOCK));
    assert_eq!(header(0x030f, true), None);
    assert_eq!(header(0x0310, false), None);
}
