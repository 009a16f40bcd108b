//! What districts read.

mod csv;
mod etag;
mod range;
mod summary;

pub(crate) use summary::summary;
