//! What districts read.

mod csv;
mod range;
mod summary;

pub(crate) use summary::summary;
