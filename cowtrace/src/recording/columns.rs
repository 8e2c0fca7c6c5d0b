//! Values on their way into and out of a table. Every value read is checked.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rusqlite::{Row, Statement, types::ValueRef};

use crate::foreign::printable;

/// An impossible value: table and column, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage(pub(super) String);

/// Receives the values of a row, column by column.
pub(super) trait Columns {
    fn integer(&mut self, value: i64);
    fn text(&mut self, value: &str);
    fn null(&mut self);

    /// A count, an id or a time.
    fn number(&mut self, value: u64) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Any 64 bits: SQLite's integers are signed, and kernel addresses use all 64 bits.
    fn address(&mut self, value: u64) {
        self.integer(value.cast_signed());
    }

    fn number_or_null(&mut self, value: Option<impl Into<u64>>) {
        match value {
            Some(value) => self.number(value.into()),
            None => self.null(),
        }
    }

    fn text_or_null(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }
}

/// Binds the values to a statement.
pub(super) struct Binder<'a, 'c> {
    statement: &'a mut Statement<'c>,
    next: usize,
    result: rusqlite::Result<()>,
}

impl<'a, 'c> Binder<'a, 'c> {
    pub(super) const fn new(statement: &'a mut Statement<'c>) -> Self {
        Self {
            statement,
            next: 0,
            result: Ok(()),
        }
    }

    pub(super) fn run(self) -> rusqlite::Result<()> {
        self.result?;
        self.statement.raw_execute().map(|_| ())
    }

    fn bind(&mut self, value: impl rusqlite::ToSql) {
        self.next += 1;
        if self.result.is_ok() {
            self.result = self.statement.raw_bind_parameter(self.next, value);
        }
    }
}

impl Columns for Binder<'_, '_> {
    fn integer(&mut self, value: i64) {
        self.bind(value);
    }

    fn text(&mut self, value: &str) {
        self.bind(value);
    }

    fn null(&mut self) {
        self.bind(rusqlite::types::Null);
    }
}

/// Reduces a row to a fingerprint of 64 bits. A change that the fingerprint misses is not a
/// practical concern: at a million changed rows a second, one in 500,000 years.
#[derive(Default)]
pub(super) struct Fingerprint(DefaultHasher);

impl Fingerprint {
    pub(super) fn get(&self) -> u64 {
        self.0.finish()
    }
}

impl Columns for Fingerprint {
    fn integer(&mut self, value: i64) {
        self.0.write_i64(value);
    }

    fn text(&mut self, value: &str) {
        value.hash(&mut self.0);
    }

    fn null(&mut self) {
        self.0.write_u8(1);
    }
}

/// Reads the values of a row, column by column.
pub(super) struct ColumnReader<'a> {
    table: &'static str,
    row: &'a Row<'a>,
    next: usize,
}

impl<'a> ColumnReader<'a> {
    pub(super) const fn new(table: &'static str, row: &'a Row<'a>) -> Self {
        Self {
            table,
            row,
            next: 0,
        }
    }

    fn value(&mut self) -> Result<ValueRef<'a>, Damage> {
        let index = self.next;
        self.next += 1;
        let value = self.row.get_ref(index);
        value.map_err(|error| Damage(printable(&format!("{}: {error}", self.table))))
    }

    fn damage(&self, what: &str) -> Damage {
        let index = self.next.saturating_sub(1);
        let column = self.row.as_ref().column_name(index).unwrap_or("?");
        Damage(format!("{}.{column} {what}", self.table))
    }

    fn integer_or_null(&mut self) -> Result<Option<i64>, Damage> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => Ok(Some(value)),
            _ => Err(self.damage("is not an integer")),
        }
    }

    fn present<T>(&self, value: Option<T>) -> Result<T, Damage> {
        value.ok_or_else(|| self.damage("is missing"))
    }

    pub(super) fn count_or_null(&mut self) -> Result<Option<u64>, Damage> {
        let value = self.integer_or_null()?.map(u64::try_from).transpose();
        value.map_err(|_| self.damage("is negative"))
    }

    pub(super) fn count(&mut self) -> Result<u64, Damage> {
        let value = self.count_or_null()?;
        self.present(value)
    }

    pub(super) fn id_or_null(&mut self) -> Result<Option<u32>, Damage> {
        let value = self.count_or_null()?.map(u32::try_from).transpose();
        value.map_err(|_| self.damage("is too large"))
    }

    pub(super) fn id(&mut self) -> Result<u32, Damage> {
        let value = self.id_or_null()?;
        self.present(value)
    }

    /// The row's key as an id.
    pub(super) fn key(&self, key: u64) -> Result<u32, Damage> {
        u32::try_from(key).map_err(|_| Damage(format!("{}: a key is too large", self.table)))
    }

    pub(super) fn address_or_null(&mut self) -> Result<Option<u64>, Damage> {
        Ok(self.integer_or_null()?.map(i64::cast_unsigned))
    }

    pub(super) fn address(&mut self) -> Result<u64, Damage> {
        let value = self.address_or_null()?;
        self.present(value)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Damage> {
        match self.count()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damage("is neither 0 nor 1")),
        }
    }

    pub(super) fn text_or_null(&mut self) -> Result<Option<String>, Damage> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(self.damage("is no UTF-8")),
            },
            _ => Err(self.damage("is not text")),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, Damage> {
        let value = self.text_or_null()?;
        self.present(value)
    }

    /// One of some names, or null.
    pub(super) fn named_or_null<T>(
        &mut self,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Damage> {
        let Some(name) = self.text_or_null()? else {
            return Ok(None);
        };
        find(&name)
            .map(Some)
            .ok_or_else(|| self.unknown_name(&name))
    }

    /// One of some names.
    pub(super) fn named<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, Damage> {
        let name = self.text()?;
        find(&name).ok_or_else(|| self.unknown_name(&name))
    }

    fn unknown_name(&self, name: &str) -> Damage {
        let name: String = name.chars().take(32).collect();
        self.damage(&format!("is {name:?}, which this version does not know"))
    }
}
