//! The city simulator and what measures the system from outside. Everything here speaks HTTP as a resident, an inspector or an analyst would.

pub mod binary;
pub mod measure;
pub mod report;
pub mod simulate;
pub mod trials;
pub mod walk;
