use super::*;
use crate::run::Allocator;

const HELD: KnownPlace = KnownPlace {
    is_held: true,
    variable: Some(0),
    type_name: Some(0),
    mask: 0,
};
const FREE: KnownPlace = KnownPlace {
    is_held: false,
    variable: None,
    type_name: None,
    mask: 0,
};
const SMALL: KnownPlace = KnownPlace {
    variable: Some(1),
    ..HELD
};

/// `data`, with `data.small` in it.
fn survey(lies: &[(u64, KnownPlace)]) -> Survey {
    let places = vec![HELD, FREE, SMALL];
    let kind = |place| places.iter().position(|it| *it == place).unwrap();
    let known = |path: &str, parent| KnownVariable {
        named: NamedVariable::called(path),
        parent,
    };
    Survey {
        addresses: lies.iter().map(|(at, _)| *at).collect(),
        kinds: lies.iter().map(|(_, it)| kind(*it) as u16).collect(),
        variables: vec![known("data", None), known("data.small", Some(0))],
        types: vec!["str".into()],
        places,
        free: FreeRanges::default(),
    }
}

#[test]
fn what_is_copied_later_goes_by_what_lies_nearest_in_its_page() {
    let mostly_held = [(0x1100, HELD), (0x1200, FREE), (0x1300, SMALL)];
    let mostly_free = [(0x2100, HELD), (0x2200, FREE), (0x2300, FREE)];
    let survey = survey(&[mostly_held, mostly_free].concat());
    let at = |address| survey.at(address);
    assert_eq!(at(0x1100), Some((HELD, true)));
    assert_eq!(at(0x1200), Some((FREE, true)));
    // After an object, where the allocator left some bytes free.
    assert_eq!(at(0x11f8), Some((HELD, false)));
    assert_eq!(at(0x1fff), Some((SMALL, false)));
    assert_eq!(at(0x2201), Some((FREE, false)));
    assert_eq!(at(0x2000), Some((HELD, false)));
    assert_eq!(at(0x3100), None);
    assert_eq!(at(0), None);
}

#[test]
fn pages_are_added_up_and_those_that_are_not_known_left_out() {
    let survey = survey(&[(0x1100, HELD), (0x2100, FREE), (0x3100, SMALL)]);
    let credit = survey.credit(
        &[0x1100, 0x1108, 0x2100, 0x3100, 0x9000],
        &[500, 400, 99, 4, 7],
    );
    assert_eq!((credit.asked_pages, credit.held_pages), (1003, 904));
    assert_eq!(credit.by_page, 400);
    // Less than half a percent.
    let told: Vec<_> = credit
        .variables
        .iter()
        .map(|it| (it.path.as_str(), it.copied_pages))
        .collect();
    assert_eq!(told, [("data", 904)]);
    // A neighbour may have another type.
    assert_eq!(credit.variables[0].types, [("str".into(), 504)]);
    let credit = survey.credit(&[0x1100, 0x3100], &[500, 400]);
    let told: Vec<_> = credit
        .variables
        .iter()
        .map(|it| (it.path.as_str(), it.copied_pages))
        .collect();
    assert_eq!(told, [("data", 500), ("data.small", 400)]);
}

#[test]
fn what_is_copied_later_in_free_memory_is_known_by_its_range() {
    let lies = [
        (0x1100, HELD),
        (0x1200, FREE),
        (0x1a00, FREE),
        (0x2100, FREE),
    ];
    let mut survey = survey(&lies);
    let ranges = [0x1180..0x1a80, 0x2000..0x3000];
    survey.free = FreeRanges::of(Allocator::Pymalloc, &ranges);
    // What variables hold at the address itself stays theirs.
    survey.free.add(Allocator::Malloc, 0x1000..0x1110);
    let credit = survey.credit(&[0x1100, 0x1188, 0x1b00, 0x2800], &[1, 20, 300, 4000]);
    assert_eq!((credit.asked_pages, credit.held_pages), (4321, 301));
    let expected = FreeMemory {
        allocator: Allocator::Pymalloc,
        copied_pages: 4020,
        in_use_bytes: 20 * (4096 - 0x900 - 0x110),
        free_bytes: 0x900 + 0x110 + 4096,
    };
    assert_eq!(credit.free, [expected]);
    // Where all is free but the address, nothing holds it.
    survey.free = FreeRanges::of(Allocator::Pymalloc, std::slice::from_ref(&(0x2000..0x2800)));
    let credit = survey.credit(&[0x2900], &[7]);
    assert_eq!((credit.asked_pages, credit.held_pages), (7, 0));
    assert!(credit.free.is_empty());
}

#[test]
fn too_many_kinds_of_places_lose_their_details_but_not_their_variable() {
    let mut making = Making::default();
    for mask in 0..=u16::MAX {
        let number = making.kind_of(KnownPlace { mask, ..HELD });
        assert!(making.survey.places[usize::from(number)].is_held);
    }
    let number = making.kind_of(KnownPlace { mask: 9, ..SMALL });
    assert_eq!(making.survey.places[usize::from(number)].variable, Some(1));
    assert!(making.survey.places.len() < usize::from(u16::MAX));
}
