//! What every HTTP door shares: how it refuses, whom it believes, how it reads a body.

pub mod bearer;
pub mod json;
pub mod problem;

pub use bearer::Bearer;
pub use json::StrictJson;
pub use problem::{FieldError, Problem};
