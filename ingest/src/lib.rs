//! The doors: declarations, checks and scans come in over HTTP; records go out to the log. What was answered with 2xx is durable.

mod settings;

pub use settings::Settings;
