//! Declarations: a form comes in, singly or as rows of a batch; a record goes out, stamped with all that issuing needs.

pub(crate) mod batch;
pub(crate) mod one;

mod accept;
mod accepted;
mod csv_row;
mod flights;
mod form;
mod identity;
mod in_force;
mod people;
mod person_set;
mod rows;
mod wait;

pub(crate) use accepted::Accepted;
pub(crate) use flights::Flights;
pub(crate) use in_force::InForce;
