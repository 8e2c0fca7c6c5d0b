//! Tables of who wrote and who touched new memory: the functions inlined into writers', and stacks. Python and
//! native stacks each have a table of frames, one of the stacks' frames and one of how stacks end.

use std::marker::PhantomData;

use rusqlite::Connection;

use super::{
    columns::{ColumnReader, Columns, Damage},
    sync::{HeldRows, key_columns, key_of_columns, parts_by_owner, sync_list, sync_table},
    tables::{Stored, TableDefinition},
};
use crate::run::{
    Grower, NativeFrame, PythonFrame, Run, Stack, StackEnd, Store, WriteKind, Writer,
};

/// The rows that these tables hold.
#[derive(Clone, Debug, Default)]
pub(super) struct ByWhom {
    writers: HeldRows,
    growers: HeldRows,
    inlined: HeldRows,
    stores: HeldRows,
    python: HeldStacks,
    native: HeldStacks,
}

#[derive(Clone, Debug, Default)]
struct HeldStacks {
    frames: HeldRows,
    stacks: HeldRows,
    ends: HeldRows,
}

impl ByWhom {
    pub(super) fn sync(&self, db: &Connection, run: &Run) -> rusqlite::Result<Self> {
        let inlined = parts_by_owner(&run.who_wrote.writers, |writer| &writer.inlined);
        let inlined = inlined.map(|(key, function)| (key, Inlined(function.clone())));
        let writers = run.who_wrote.writers.iter();
        let stores = writers.enumerate().filter_map(|(at, writer)| {
            let key = u64::try_from(at).unwrap_or(u64::MAX);
            Some((key, StoreRow(writer.store?)))
        });
        let (python, native) = (&run.who_wrote.python_stacks, &run.who_wrote.native_stacks);
        Ok(Self {
            writers: sync_list::<Writer, _>(db, &self.writers, &run.who_wrote.writers)?,
            growers: sync_list::<Grower, _>(db, &self.growers, &run.growth.growers)?,
            inlined: sync_table(db, &self.inlined, inlined)?,
            stores: sync_table(db, &self.stores, stores)?,
            python: self
                .python
                .sync::<OfPython>(db, &run.who_wrote.python_frames, python)?,
            native: self
                .native
                .sync::<OfNative>(db, &run.who_wrote.native_frames, native)?,
        })
    }
}

impl HeldStacks {
    fn sync<K: StackKind>(
        &self,
        db: &Connection,
        frames: &[K::Frame],
        stacks: &[Stack],
    ) -> rusqlite::Result<Self> {
        let of_stacks = parts_by_owner(stacks, |stack| &stack.frames);
        let of_stacks = of_stacks.map(|(key, &frame)| (key, StackFrame::<K>::new(frame)));
        let ends = stacks
            .iter()
            .map(|stack| StackEndRow::<K>(stack.end, PhantomData));
        Ok(Self {
            frames: sync_list::<K::Frame, _>(db, &self.frames, frames)?,
            stacks: sync_table(db, &self.stacks, of_stacks)?,
            ends: sync_list(db, &self.ends, ends)?,
        })
    }
}

/// A kind of stacks, with its tables.
pub(super) trait StackKind {
    type Frame: Stored;
    const STACKS: TableDefinition;
    const ENDS: TableDefinition;
}

/// Stacks of Python.
pub(super) struct OfPython;

/// Stacks of native code.
pub(super) struct OfNative;

const STACK_KEY: &[&str] = &["stack_id", "depth"];
const STACK_COLUMNS: &[&str] = &["frame_id"];
const END_KEY: &[&str] = &["stack_id"];
const END_COLUMNS: &[&str] = &["ending"];

impl StackKind for OfPython {
    type Frame = PythonFrame;
    const STACKS: TableDefinition = TableDefinition {
        name: "python_stacks",
        key: STACK_KEY,
        columns: STACK_COLUMNS,
    };
    const ENDS: TableDefinition = TableDefinition {
        name: "python_stack_ends",
        key: END_KEY,
        columns: END_COLUMNS,
    };
}

impl StackKind for OfNative {
    type Frame = NativeFrame;
    const STACKS: TableDefinition = TableDefinition {
        name: "native_stacks",
        key: STACK_KEY,
        columns: STACK_COLUMNS,
    };
    const ENDS: TableDefinition = TableDefinition {
        name: "native_stack_ends",
        key: END_KEY,
        columns: END_COLUMNS,
    };
}

impl Stored for Writer {
    const TABLE: TableDefinition = TableDefinition {
        name: "writers",
        key: &["id"],
        columns: &[
            "kind",
            "type",
            "function",
            "module",
            "system_call",
            "region_id",
            "python_stack_id",
            "native_stack_id",
            "copied_pages",
        ],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(self.kind.name());
        columns.text_or_null(self.type_name.as_deref());
        columns.text_or_null(self.function.as_deref());
        columns.text_or_null(self.module.as_deref());
        columns.number_or_null(self.system_call);
        columns.number_or_null(self.region_id);
        columns.number_or_null(self.python_stack);
        columns.number_or_null(self.native_stack);
        columns.number(self.copied_pages);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            kind: columns
                .named(|name| WriteKind::ALL.into_iter().find(|kind| kind.name() == name))?,
            type_name: columns.text_or_null()?,
            function: columns.text_or_null()?,
            module: columns.text_or_null()?,
            inlined: Vec::new(),
            system_call: columns.id_or_null()?,
            region_id: columns.id_or_null()?,
            python_stack: columns.id_or_null()?,
            native_stack: columns.id_or_null()?,
            store: None,
            copied_pages: columns.count()?,
        })
    }
}

/// A function inlined into a writer's; the key is the writer and the position.
pub(super) struct Inlined(pub(super) String);

impl Stored for Inlined {
    const TABLE: TableDefinition = TableDefinition {
        name: "writer_inlined",
        key: &["writer_id", "position"],
        columns: &["function"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.0);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self(columns.text()?))
    }
}

/// What a writer's writes did; the key is the writer.
pub(super) struct StoreRow(pub(super) Store);

impl Stored for StoreRow {
    const TABLE: TableDefinition = TableDefinition {
        name: "writer_stores",
        key: &["writer_id"],
        columns: &["store"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(self.0.name());
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        let store = columns.named(|name| Store::ALL.into_iter().find(|it| it.name() == name))?;
        Ok(Self(store))
    }
}

/// Adds what their writes did to writers.
pub(super) fn distribute_stores(
    found: Vec<(u64, StoreRow)>,
    writers: &mut [Writer],
) -> Result<(), Damage> {
    for (writer, StoreRow(store)) in found {
        let writer = usize::try_from(writer).ok();
        let writer = writer.and_then(|writer| writers.get_mut(writer));
        let none = || Damage("writer_stores: one of no writer".into());
        writer.ok_or_else(none)?.store = Some(store);
    }
    Ok(())
}

impl Stored for PythonFrame {
    const TABLE: TableDefinition = TableDefinition {
        name: "python_frames",
        key: &["id"],
        columns: &["function", "file", "line"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text(&self.function);
        columns.text(&self.file);
        columns.number_or_null(self.line);
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            function: columns.text()?,
            file: columns.text()?,
            line: columns.id_or_null()?,
        })
    }
}

impl Stored for NativeFrame {
    const TABLE: TableDefinition = TableDefinition {
        name: "native_frames",
        key: &["id"],
        columns: &["function", "module", "inlined"],
    };

    fn write(&self, columns: &mut impl Columns) {
        columns.text_or_null(self.function.as_deref());
        columns.text_or_null(self.module.as_deref());
        columns.number(u64::from(self.inlined));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self {
            function: columns.text_or_null()?,
            module: columns.text_or_null()?,
            inlined: columns.flag()?,
        })
    }
}

/// A frame of a stack; the key is the stack and the depth.
pub(super) struct StackFrame<K>(u32, PhantomData<K>);

impl<K> StackFrame<K> {
    fn new(frame: u32) -> Self {
        Self(frame, PhantomData)
    }
}

impl<K: StackKind> Stored for StackFrame<K> {
    const TABLE: TableDefinition = K::STACKS;

    fn write(&self, columns: &mut impl Columns) {
        columns.number(u64::from(self.0));
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        Ok(Self::new(columns.id()?))
    }
}

/// Why a stack ends.
pub(super) struct StackEndRow<K>(StackEnd, PhantomData<K>);

impl<K: StackKind> Stored for StackEndRow<K> {
    const TABLE: TableDefinition = K::ENDS;

    fn write(&self, columns: &mut impl Columns) {
        columns.text(self.0.name());
    }

    fn read(_: u64, columns: &mut ColumnReader<'_>) -> Result<Self, Damage> {
        let end = columns.named(|name| StackEnd::ALL.into_iter().find(|end| end.name() == name))?;
        Ok(Self(end, PhantomData))
    }
}

/// Builds stacks from their frames, given in order of stack and depth, and their ends.
pub(super) fn stacks_of_frames<K: StackKind>(
    frames: Vec<(u64, StackFrame<K>)>,
    ends: &[StackEndRow<K>],
) -> Result<Vec<Stack>, Damage> {
    let damaged = |what: &str| Damage(format!("{}: {what} is missing", K::STACKS.name));
    let mut stacks: Vec<Stack> = Vec::new();
    for (key, StackFrame(frame, _)) in frames {
        if key_columns(key).1 == 0 {
            let end = ends.get(stacks.len());
            stacks.push(Stack {
                frames: Vec::new(),
                end: end.ok_or_else(|| damaged("an end"))?.0,
            });
        }
        let number = stacks.len().wrapping_sub(1);
        let stack = stacks.last_mut().ok_or_else(|| damaged("a frame"))?;
        if key_of_columns(number, stack.frames.len()) != key {
            return Err(damaged("a frame"));
        }
        stack.frames.push(frame);
    }
    if stacks.len() != ends.len() {
        return Err(damaged("a stack"));
    }
    Ok(stacks)
}
