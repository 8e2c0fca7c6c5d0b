//! A tiny kernel's types, made by hand, and whatever else may stand there.

#![expect(
    clippy::cast_possible_truncation,
    clippy::many_single_char_names,
    reason = "a tiny BTF by hand"
)]

use super::*;
use proptest::prelude::*;

/// What is looked up in the types of one of Debian's kernels, cut out by tests/btf/reduce.py.
pub(in super::super) fn of_kernel(version: &str) -> Btf {
    of_file(&format!("{version}-amd64.btf"))
}

/// The same for a kernel for arm64.
pub(in super::super) fn of_arm64() -> Btf {
    of_file("6.12-arm64.btf")
}

fn of_file(name: &str) -> Btf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/btf");
    Btf::from_file(&Path::new(folder).join(name)).unwrap()
}

/// `struct s { int a; union { int b; const struct { int c; int d; }; }; };`
/// `int f(struct s b, int a)`
fn sample() -> Vec<u8> {
    let strings = b"\0s\0int\0a\0b\0c\0d\0f\0";
    let (s, int, a, b, c, d, f) = (1u32, 3u32, 7u32, 9u32, 11u32, 13u32, 15u32);
    let words: Vec<u32> = vec![
        int,
        1 << 24,
        4,
        32, // 1: int
        0,
        (4 << 24) | 2,
        8,
        c,
        1,
        0,
        d,
        1,
        32, // 2: struct { c, d }
        0,
        (5 << 24) | 2,
        8,
        b,
        1,
        0,
        0,
        7,
        0, // 3: union { b, const struct 2 }
        s,
        (4 << 24) | 2,
        12,
        a,
        1,
        0,
        0,
        3,
        32, // 4: struct s
        0,
        (13 << 24) | 2,
        1,
        b,
        4,
        a,
        1, // 5: int (struct s b, int a)
        f,
        12 << 24,
        5, // 6: f
        0,
        10 << 24,
        2, // 7: const struct 2
    ];
    let types: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_ne_bytes());
    bytes.extend([1, 0]);
    for word in [
        24,
        0,
        types.len() as u32,
        types.len() as u32,
        strings.len() as u32,
    ] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(types);
    bytes.extend(strings);
    bytes
}

#[test]
fn members_of_anonymous_structures_are_found() {
    let btf = Btf::parse(sample()).unwrap();
    assert_eq!(btf.offset("s", "a").unwrap(), 0);
    assert_eq!(btf.offset("s", "b").unwrap(), 4);
    assert_eq!(btf.offset("s", "d").unwrap(), 8);
}

#[test]
fn an_absent_member_is_named_in_the_error() {
    let btf = Btf::parse(sample()).unwrap();
    let error = btf.offset("s", "zz").unwrap_err().to_string();
    assert!(error.contains("struct s has no member zz"), "{error}");
    assert!(btf.offset("no_such", "a").is_err());
    assert_eq!(btf.struct_bytes("s").unwrap(), 12);
    assert!(btf.struct_bytes("no_such").is_err());
}

#[test]
fn a_functions_parameters_are_told_in_order() {
    let btf = Btf::parse(sample()).unwrap();
    assert_eq!(btf.parameters("f").unwrap(), ["b", "a"]);
    assert_eq!(
        (btf.struct_id("s"), btf.function_id("f")),
        (Some(4), Some(6))
    );
    assert_eq!(btf.struct_id("f").or(btf.function_id("s")), None);
    assert_eq!(btf.parameters("s"), None);
    assert_eq!(btf.parameters("g"), None);
}

#[test]
fn the_first_name_that_there_is_is_taken() {
    let btf = Btf::parse(sample()).unwrap();
    assert_eq!(btf.first_offset("s", &["new", "d"]).unwrap(), ("d", 8));
    let error = btf.first_offset("s", &["x", "y"]).unwrap_err().to_string();
    assert!(error.contains("no member x or y"), "{error}");
}

proptest! {
    #[test]
    fn damaged_types_never_crash(at in 0usize..270, value: u8, cut in 0usize..270) {
        let mut bytes = sample();
        let length = bytes.len();
        bytes[at % length] = value;
        bytes.truncate(length - cut % length);
        if let Ok(btf) = Btf::parse(bytes) {
            let _ = btf.offset("s", "d");
            let _ = btf.parameters("f");
        }
    }
}
