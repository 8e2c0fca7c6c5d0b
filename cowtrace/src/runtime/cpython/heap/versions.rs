//! Handmade heaps of every version, walked.

use super::{
    find::finish_walk,
    handmade::{ALL, BYTES, Heap, LIST, START, versions},
    offsets::Offsets,
};

fn made() -> (Heap, Vec<u64>) {
    Heap::made(Offsets::WITHOUT_VERSION[0])
}

#[test]
fn variables_are_named_with_what_they_hold_in_every_version() {
    assert_eq!(versions().len(), 8);
    for version in versions() {
        let (heap, texts) = Heap::made(&version);
        // At most 32 are reported one by one: the others are added to those that contain them.
        for (text, path) in [
            (22, "app.more[2]"),
            (41, "app.by_key[0]['text 40']"),
            (45, "app.tags{…}"),
            (48, "app.queue"),
            (49, "app.handler closure handler"),
            (50, "app.handler.__defaults__[0]"),
            (51, "app.article.body"),
            (52, "app.article.slug"),
            (55, "handler() local article"),
        ] {
            let found = heap.find(vec![texts[text]]).unwrap();
            let paths: Vec<&str> = found.variables.iter().map(|it| it.path.as_str()).collect();
            assert_eq!(paths, [path], "{:#x}", version.version);
        }
    }
}

#[test]
fn variables_of_every_interpreter_are_named_with_it_where_names_are_the_same() {
    for version in versions() {
        let (mut heap, texts) = Heap::made(&version);
        let [app, blog] = heap.add_interpreter();
        for (text, path) in [
            (app, "interpreter 3: app.data[0]"),
            (blog, "blog.posts[0]"),
            (texts[22], "app.more[2]"),
        ] {
            let found = heap.find(vec![text]).unwrap();
            let paths: Vec<&str> = found.variables.iter().map(|it| it.path.as_str()).collect();
            assert_eq!(paths, [path], "{:#x}", version.version);
        }
    }
}

#[test]
fn objects_in_an_array_are_found_and_named_with_their_numbers() {
    for version in versions() {
        let (mut heap, texts) = Heap::made(&version);
        let items: Vec<u64> = (0..3).map(|n| heap.text(&format!("item {n}"))).collect();
        let data = heap.array_in(texts[0], &[0, items[0], items[1], items[2]]);
        let found = heap.find(vec![items[1]]).unwrap();
        assert_eq!(found.variables[0].path, "app.data[0][0][0][2]");
        let of_table = heap.find(vec![data + 8]).unwrap();
        let array = &of_table.variables[0];
        assert_eq!(array.path, "app.data[0][0][0]");
        assert_eq!(array.type_name.as_deref(), Some("numpy.ndarray[object]"));
        assert_eq!(array.entries, Some(4));
    }
}

#[test]
fn columns_are_named_by_the_numbers_in_their_block() {
    for version in versions() {
        let (mut heap, texts) = Heap::made(&version);
        let mut column =
            |of: &str| -> Vec<u64> { (0..3).map(|n| heap.text(&format!("{of} {n}"))).collect() };
        let (cities, names) = (column("city"), column("name"));
        let of_columns = ["name", "city", "price"].map(|name| heap.text(name));
        heap.table_in(texts[0], of_columns, [&cities, &names]);
        for (item, path) in [
            (cities[1], "app.data[0][0][0]['city']"),
            (names[2], "app.data[0][0][0]['name']"),
        ] {
            let found = heap.find(vec![item]).unwrap();
            let column = &found.variables[0];
            assert_eq!(column.path, path, "{:#x}", version.version);
            assert_eq!(column.type_name.as_deref(), Some("column[object]"));
            assert_eq!((column.entries, found.variables.len()), (Some(3), 1));
        }
    }
}

#[test]
fn what_is_mapped_belongs_to_its_mapping() {
    for version in versions() {
        let (mut heap, texts) = Heap::made(&version);
        let start = heap.mapping_in(texts[0], 0x2000);
        let found = heap.find(vec![start + 0x1800]).unwrap();
        assert_eq!(found.variables[0].path, "app.data[0][0][0]");
        assert_eq!(found.variables[0].type_name.as_deref(), Some("mmap.mmap"));
    }
}

#[test]
fn what_lives_on_new_pages_is_found_in_every_version() {
    for version in versions() {
        let (heap, texts) = Heap::made(&version);
        let grown = |new: std::ops::Range<u64>| heap.grown_in(&[new], &[ALL], u16::MAX).unwrap();
        let all = grown(ALL);
        let of_texts = all.types.iter().find(|it| it.name == "str").unwrap();
        let (objects, unheld) = (of_texts.objects, of_texts.unheld_objects);
        assert!(
            objects >= texts.len() as u64,
            "{:#x}: {objects}",
            version.version
        );
        // The names of modules, and of what they have.
        assert!(
            unheld * 2 < objects,
            "{:#x}: {unheld} of {objects}",
            version.version
        );
        let heap_of_all = &all.heaps[0];
        assert_eq!(heap_of_all.new_pages, BYTES as u64 / 4096);
        assert_eq!(heap_of_all.read_pages, heap_of_all.new_pages);
        assert!(all.variables.iter().any(|it| it.path.starts_with("app.")));
        // A page has what begins on it.
        let page = texts[0] / 4096 * 4096;
        let one = grown(page..page + 4096);
        let found = one
            .types
            .iter()
            .find(|it| it.name == "str")
            .unwrap()
            .objects;
        let expected = texts.iter().filter(|at| **at / 4096 == page / 4096).count() as u64;
        assert!(
            found >= expected && found <= objects,
            "{:#x}",
            version.version
        );
        // Nothing lives where there is nothing.
        let none = grown(ALL.end..ALL.end + 4096);
        assert_eq!((none.heaps[0].objects, none.types.len()), (0, 0));
    }
}

#[test]
fn what_is_held_is_counted_and_what_is_not_is_not() {
    let (heap, texts) = made();
    let found = heap
        .find([&texts[..40], &[START + BYTES as u64 - 16]].concat())
        .unwrap();
    let one = found.variables.iter().find(|it| it.path == "app.more[1]");
    let one = one.unwrap_or_else(|| panic!("{:#?}", found.variables));
    assert_eq!(one.type_name.as_deref(), Some("str"));
    assert_eq!((one.entries, one.copied_pages), (Some(7), 1));
    assert_eq!(found.variables.len(), 32);
    assert_eq!((found.asked_pages, found.held_pages), (41, 40));
    assert!(!found.is_partial && found.is_compared);
}

#[test]
fn what_there_is_no_room_to_put_off_is_found_too() {
    let (mut heap, texts) = made();
    // A list that is too long for its items to get names.
    let more: Vec<u64> = (0..300).map(|n| heap.text(&format!("{n}"))).collect();
    let long = heap.list(&more);
    heap.put(texts[0], &[1, LIST, 0, 0, 0]);
    let (items, count) = (heap.next + 64, 1);
    heap.put(items, &[long]);
    heap.put(texts[0], &[1, LIST, count, items, count]);
    let found = |most: Option<usize>| {
        let (mut walk, pages) = heap.walk(more.clone(), &[ALL], u16::MAX)?;
        walk.max_deferred = most.unwrap_or(walk.max_deferred);
        Ok::<_, &str>(finish_walk(&mut walk, &pages))
    };
    let (all, few) = (found(None).unwrap(), found(Some(0)).unwrap());
    assert_eq!((all.held_pages, few.held_pages), (300, 300));
    assert_eq!(all.variables, few.variables);
}

#[test]
fn names_that_cannot_be_so_many_name_nothing() {
    let (mut heap, texts) = made();
    let path = |heap: &Heap| {
        heap.find(vec![texts[49]]).unwrap().variables[0]
            .path
            .clone()
    };
    assert_eq!(path(&heap), "app.handler closure handler");
    let code = heap.word(heap.handler + heap.offsets.function.code);
    let names = heap.word(code + heap.offsets.code.free);
    // Multiplied by the size of a word, it overflows to two.
    heap.put(names + 16, &[(1 << 61) + 2]);
    assert_ne!(path(&heap), "app.handler closure handler");
}

#[test]
fn what_lies_on_the_same_pages_is_found_in_every_version() {
    for version in versions() {
        let (heap, texts) = Heap::made(&version);
        let copied = texts[22..25].to_vec();
        let (mut walk, _) = heap.walk(copied, &[ALL], u16::MAX).unwrap();
        walk.run();
        let count = (walk.occupancy.copied.all, walk.occupancy.others.all);
        assert_eq!(count.0 + count.1, BYTES / 4096, "{:#x}", version.version);
        let pages = walk.occupancy.pages.iter();
        for page in pages.filter(|page| page.is_copied) {
            // Texts lie there, with 32 bytes between them.
            let bytes = page.parts().iter().map(|part| u32::from(part.bytes));
            let bytes: u32 = bytes.sum();
            assert!((2048..=4096).contains(&bytes), "{bytes}");
            assert!(page.parts().iter().any(|part| part.has_counts));
        }
    }
}
