//! Any writers, stacks and holders.

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

use super::values::{count, text};
use crate::run::{
    Allocator, AlsoHeld, CopiedType, ExportedNeighbour, FreeMemory, FreezeSaving, Grower, HeapWalk,
    Holder, Kind, NativeFrame, PageNeighbour, PythonFrame, ReadingReach, RuntimePart, Saving,
    Stack, StackEnd, Store, StrippedFile, UnnamedFunction, WriteKind, Writer,
};

/// A number below `many`, or none.
fn number_below(many: u32) -> BoxedStrategy<Option<u32>> {
    if many == 0 {
        Just(None).boxed()
    } else {
        option::of(0..many).boxed()
    }
}

pub(super) fn writer(regions: Vec<u32>, python: u32, native: u32) -> impl Strategy<Value = Writer> {
    let region = if regions.is_empty() {
        Just(None).boxed()
    } else {
        option::of(prop::sample::select(regions)).boxed()
    };
    (
        prop::sample::select(WriteKind::ALL.to_vec()),
        [option::of(text()), option::of(text()), option::of(text())],
        vec(text(), 0..3),
        option::of(any::<u32>()),
        region,
        (number_below(python), number_below(native)),
        option::of(prop::sample::select(Store::ALL.to_vec())),
        count(),
    )
        .prop_map(
            |(
                kind,
                names,
                inlined,
                system_call,
                region_id,
                (python_stack, native_stack),
                store,
                pages,
            )| {
                let [type_name, function, module] = names;
                Writer {
                    kind,
                    type_name,
                    function,
                    module,
                    inlined,
                    system_call,
                    region_id,
                    python_stack,
                    native_stack,
                    store,
                    copied_pages: pages,
                }
            },
        )
}

/// Who touched new memory of some of the processes, from the first of the stacks.
pub(super) fn growers(processes: Vec<u32>, python: u32, native: u32) -> BoxedStrategy<Vec<Grower>> {
    if processes.is_empty() {
        return Just(Vec::new()).boxed();
    }
    let grower = (
        prop::sample::select(processes),
        option::of(prop::sample::select(Kind::ALL.to_vec())),
        [option::of(text()), option::of(text())],
        option::of(any::<u32>()),
        (number_below(python), number_below(native)),
        (count(), count()),
    );
    let grower = grower.prop_map(
        |(process_id, kind, names, system_call, (python_stack, native_stack), counts)| {
            let [function, module] = names;
            Grower {
                process_id,
                kind,
                function,
                module,
                system_call,
                python_stack,
                native_stack,
                sampled_touches: counts.0,
                pages: counts.1,
            }
        },
    );
    vec(grower, 0..5).boxed()
}

/// What moving a variable would save.
fn saving() -> impl Strategy<Value = Saving> {
    let counts = [count(), count(), count(), count()];
    let saving = (counts, any::<bool>(), vec((text(), count()), 0..3));
    saving.prop_map(|(counts, is_sampled, shares_with)| Saving {
        pages_with: counts[0],
        pages_alone: counts[1],
        saved_pages: counts[2],
        saved_together_pages: counts[3],
        is_sampled,
        shares_with: shares_with
            .into_iter()
            .map(|(path, pages)| PageNeighbour { path, pages })
            .collect(),
    })
}

/// Holders of what the processes have, and how they were looked for.
pub(super) fn heaps(processes: Vec<u32>) -> BoxedStrategy<(Vec<Holder>, Vec<HeapWalk>)> {
    if processes.is_empty() {
        return Just((Vec::new(), Vec::new())).boxed();
    }
    let process = prop::sample::select(processes);
    let part = || vec((text(), count()), 0..3);
    let holder = (
        process.clone(),
        text(),
        option::of(text()),
        (option::of(count()), count()),
        (part(), part()),
        option::of(saving()),
    );
    let holder = holder.prop_map(
        |(process_id, path, type_name, (entries, pages), (types, also), saving)| {
            let typed = |(type_name, copied_pages)| CopiedType {
                type_name,
                copied_pages,
            };
            let held = |(path, copied_pages)| AlsoHeld { path, copied_pages };
            Holder {
                process_id,
                path,
                type_name,
                entries,
                copied_pages: pages,
                copied_types: types.into_iter().map(typed).collect(),
                also_held_by: also.into_iter().map(held).collect(),
                saving,
            }
        },
    );
    let walk = (
        process.clone(),
        option::of(process),
        [count(), count(), count(), count(), count(), count()],
        [any::<bool>(), any::<bool>(), any::<bool>()],
        (option::of(count()), option::of(text())),
        option::of([count(), count()]),
    );
    let walk = walk.prop_map(
        |(process_id, read_process_id, counts, flags, (at_ns, failure), freeze)| HeapWalk {
            process_id,
            read_process_id,
            asked_pages: counts[0],
            held_pages: counts[1],
            by_page: counts[2],
            free: free_of_walk(counts),
            objects: counts[3],
            bytes_read: counts[4],
            duration_ns: counts[5],
            is_partial: flags[0],
            is_compared: flags[1],
            at_ns,
            has_changed: flags[2],
            failure,
            reading: freeze.map(|[one, other]| ReadingReach {
                pages: one.max(other),
                with_counts: one.min(other),
            }),
            freeze: freeze.map(|[header_pages, saved_pages]| FreezeSaving {
                header_pages,
                saved_pages,
                is_bound: flags[0],
            }),
        },
    );
    (vec(holder, 0..5), vec(walk, 0..3)).boxed()
}

/// Free memory of some allocators, as the counts of a walk have it.
fn free_of_walk(counts: [u64; 6]) -> Vec<FreeMemory> {
    let free = |(allocator, copied_pages): (Allocator, u64)| FreeMemory {
        allocator,
        copied_pages,
        in_use_bytes: copied_pages.min(counts[3]),
        free_bytes: copied_pages.min(counts[4]),
    };
    let all = Allocator::ALL.into_iter().zip(counts);
    all.filter(|(_, pages)| pages % 2 == 0).map(free).collect()
}

pub(super) fn frames() -> impl Strategy<Value = Vec<PythonFrame>> {
    let frame = (text(), text(), option::of(any::<u32>()));
    let frame = frame.prop_map(|(function, file, line)| PythonFrame {
        function,
        file,
        line,
    });
    vec(frame, 1..6)
}

pub(super) fn native_frames() -> impl Strategy<Value = Vec<NativeFrame>> {
    let frame = (option::of(text()), option::of(text()), any::<bool>());
    let frame = frame.prop_map(|(function, module, inlined)| NativeFrame {
        function,
        module,
        inlined,
    });
    vec(frame, 1..6)
}

/// Stacks of the first `frames` frames.
pub(super) fn stacks(frames: usize) -> impl Strategy<Value = Vec<Stack>> {
    let frames = vec(0..u32::try_from(frames).unwrap(), 1..5);
    let stack = (frames, prop::sample::select(StackEnd::ALL.to_vec()));
    vec(stack.prop_map(|(frames, end)| Stack { frames, end }), 0..5)
}

/// Functions without names, and files, each in order.
pub(super) fn without_names() -> impl Strategy<Value = (Vec<UnnamedFunction>, Vec<StrippedFile>)> {
    let beside = || option::of((text(), count()));
    let part = option::of(prop::sample::select(RuntimePart::ALL.to_vec()));
    let function = (text(), (beside(), beside()), part);
    let functions = btree_map(text(), function, 0..4).prop_map(|all| {
        let beside = |(function, functions_apart)| ExportedNeighbour {
            function,
            functions_apart,
        };
        all.into_iter()
            .map(
                |(function, (module, (before, after), part))| UnnamedFunction {
                    function,
                    module,
                    before: before.map(beside),
                    after: after.map(beside),
                    part,
                },
            )
            .collect()
    });
    let known = [option::of(text()), option::of(text()), option::of(text())];
    let files = btree_map(text(), (known, any::<bool>()), 0..3).prop_map(|all| {
        all.into_iter()
            .map(|(module, (known, is_in_container))| {
                let [build_id, package, distribution] = known;
                StrippedFile {
                    module,
                    build_id,
                    package,
                    distribution,
                    is_in_container,
                }
            })
            .collect()
    });
    (functions, files)
}
