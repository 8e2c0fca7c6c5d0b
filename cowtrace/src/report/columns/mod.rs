//! The columns of each table, for both text and HTML: their titles, their content, and where they
//! are shown.

mod column;
mod growers;
mod grown;
mod holders;
mod mappings;
mod processes;
mod writers;

pub(crate) use column::{Cell, Column, Holds};
pub(crate) use growers::{GREW_IN, GROWERS, GrowerRow};
pub(crate) use grown::{
    GROWN_TYPES, GROWN_VARIABLES, rows_of_grown_types, rows_of_grown_variables,
};
pub(crate) use holders::{HOLDERS, HolderRow, PROCESS_OF_HOLDER, SAVING_OF_HOLDER};
pub(crate) use mappings::{MAPPINGS, MappingRow};
pub(crate) use processes::{NOTE_ON_NEW, PROCESSES, ProcessRows, is_about_new};
pub(crate) use writers::{BY, LINE, WRITERS, WRITTEN, WriterCells};
