//! Updates tables: writes the rows that are new or have changed since the last time, and deletes
//! those that are gone. It remembers the table's rows by key and fingerprint.

use std::borrow::Borrow;

use rusqlite::{Connection, Result, Statement};

use super::{
    columns::{Binder, Columns as _, Damage, Fingerprint},
    tables::{Stored, TableDefinition},
};

/// The rows of a table, as keys and fingerprints: 16 bytes each.
pub(super) type HeldRows = Vec<(u64, u64)>;

/// A key of two columns. Both fit, because they count things in memory.
pub(super) const fn key_of_columns(high: usize, low: usize) -> u64 {
    (high as u64) << 32 | low as u64 & 0xffff_ffff
}

/// The two columns of a key.
pub(super) const fn key_columns(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, (key & 0xffff_ffff) as u32)
}

/// The parts of each owner, with keys of owner and position.
pub(super) fn parts_by_owner<'a, O, P: 'a>(
    owners: &'a [O],
    of: impl Fn(&'a O) -> &'a Vec<P> + 'a,
) -> impl Iterator<Item = (u64, &'a P)> {
    owners.iter().enumerate().flat_map(move |(owner, it)| {
        let parts = of(it).iter().enumerate();
        parts.map(move |(position, part)| (key_of_columns(owner, position), part))
    })
}

/// Adds the parts read from a separate table to their owners.
pub(super) fn distribute_parts<O, P>(
    owners: &mut [O],
    parts: Vec<(u64, P)>,
    of: impl Fn(&mut O) -> &mut Vec<P>,
) -> std::result::Result<(), Damage> {
    for (key, part) in parts {
        let (owner, position) = key_columns(key);
        let parts = owners.get_mut(owner as usize).map(&of);
        match parts.filter(|parts| parts.len() == position as usize) {
            Some(parts) => parts.push(part),
            None => return Err(Damage("a part of a row is out of place".into())),
        }
    }
    Ok(())
}

/// Makes the table hold exactly `rows`, given in order of their keys. Returns the rows that it then
/// holds.
pub(super) fn sync_table<S: Stored, B: Borrow<S>>(
    db: &Connection,
    held: &[(u64, u64)],
    rows: impl Iterator<Item = (u64, B)>,
) -> Result<HeldRows> {
    let mut edit = Edit::new(db, &S::TABLE);
    let mut before = held.iter().copied().peekable();
    let mut now = HeldRows::with_capacity(rows.size_hint().0);
    for (key, row) in rows {
        while let Some((gone, _)) = before.next_if(|(old, _)| *old < key) {
            edit.delete(gone)?;
        }
        let old = before.next_if(|(old, _)| *old == key);
        let print = fingerprint_of_row::<S>(row.borrow());
        if old.is_none_or(|(_, old)| old != print) {
            edit.put::<S>(key, row.borrow())?;
        }
        now.push((key, print));
    }
    for (gone, _) in before {
        edit.delete(gone)?;
    }
    Ok(now)
}

/// Like [`sync_table`], for rows whose keys are their positions.
pub(super) fn sync_list<S: Stored, B: Borrow<S>>(
    db: &Connection,
    held: &[(u64, u64)],
    rows: impl IntoIterator<Item = B>,
) -> Result<HeldRows> {
    sync_table::<S, B>(db, held, (0..).zip(rows))
}

pub(super) fn fingerprint_of_row<S: Stored>(row: &S) -> u64 {
    let mut print = Fingerprint::default();
    row.write(&mut print);
    print.get()
}

/// Writes and deletes rows by key; each statement is prepared when first needed.
pub(super) struct Edit<'c> {
    db: &'c Connection,
    put: String,
    delete: String,
    is_pair: bool,
    putting: Option<Statement<'c>>,
    deleting: Option<Statement<'c>>,
}

impl<'c> Edit<'c> {
    pub(super) fn new(db: &'c Connection, table: &TableDefinition) -> Self {
        let columns: Vec<&str> = table.key.iter().chain(table.columns).copied().collect();
        let marks = vec!["?"; columns.len()].join(", ");
        Self {
            db,
            put: format!(
                "INSERT OR REPLACE INTO {} ({}) VALUES ({marks})",
                table.name,
                columns.join(", ")
            ),
            delete: format!(
                "DELETE FROM {} WHERE {} = ?",
                table.name,
                table.key.join(" = ? AND ")
            ),
            is_pair: table.key.len() == 2,
            putting: None,
            deleting: None,
        }
    }

    pub(super) fn put<S: Stored>(&mut self, key: u64, row: &S) -> Result<()> {
        let statement = prepare_once(self.db, &mut self.putting, &self.put)?;
        let mut binder = Binder::new(statement);
        bind_key(&mut binder, key, self.is_pair);
        row.write(&mut binder);
        binder.run()
    }

    pub(super) fn delete(&mut self, key: u64) -> Result<()> {
        let statement = prepare_once(self.db, &mut self.deleting, &self.delete)?;
        let mut binder = Binder::new(statement);
        bind_key(&mut binder, key, self.is_pair);
        binder.run()
    }
}

fn prepare_once<'a, 'c>(
    db: &'c Connection,
    statement: &'a mut Option<Statement<'c>>,
    sql: &str,
) -> Result<&'a mut Statement<'c>> {
    if statement.is_none() {
        *statement = Some(db.prepare(sql)?);
    }
    statement.as_mut().ok_or(rusqlite::Error::InvalidQuery)
}

fn bind_key(binder: &mut Binder<'_, '_>, key: u64, is_pair: bool) {
    if is_pair {
        let (high, low) = key_columns(key);
        binder.number(u64::from(high));
        binder.number(u64::from(low));
    } else {
        binder.number(key);
    }
}
