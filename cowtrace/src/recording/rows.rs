//! Reads the rows of tables.

use rusqlite::Connection;

use super::{
    columns::{ColumnReader, Damage},
    read_error::ReadError,
    tables::Stored,
};

/// Most rows of a table: each takes at least 10 bytes of the file.
const MAX_ROWS: usize = 1 << 24;

/// The rows of a table with their keys, by key.
pub(super) fn read_rows<S: Stored>(db: &Connection) -> Result<Vec<(u64, S)>, ReadError> {
    let table = S::TABLE;
    let columns: Vec<&str> = table.key.iter().chain(table.columns).copied().collect();
    // Without indexes: one that somebody has added may contain anything.
    let mut statement = db.prepare(&format!(
        "SELECT {} FROM {} NOT INDEXED ORDER BY {}",
        columns.join(", "),
        table.name,
        table.key.join(", ")
    ))?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        if rows.len() >= MAX_ROWS {
            return Err(Damage(format!("{} has too many rows", table.name)).into());
        }
        let mut columns = ColumnReader::new(table.name, row);
        let key = match table.key {
            [_, _] => u64::from(columns.id()?) << 32 | u64::from(columns.id()?),
            _ => columns.count()?,
        };
        rows.push((key, S::read(key, &mut columns)?));
    }
    Ok(rows)
}

/// Their values alone.
pub(super) fn rows_without_keys<S>(rows: Vec<(u64, S)>) -> Vec<S> {
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The rows of a table whose keys are their positions.
pub(super) fn read_list<S: Stored>(db: &Connection) -> Result<Vec<S>, ReadError> {
    let rows = read_rows::<S>(db)?;
    let is_whole = (0..).zip(&rows).all(|(place, (key, _))| place == *key);
    if !is_whole {
        return Err(Damage(format!("rows of {} are missing", S::TABLE.name)).into());
    }
    Ok(rows_without_keys(rows))
}
