//! Whether a part can do its work now, in words an operator can act on.

use serde::Serialize;

/// One part's answer to "are you ready?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Which part.
    pub name: &'static str,
    /// Whether it can do its work.
    pub ready: bool,
    /// How it is; if it isn't ready, what to do.
    pub detail: String,
}

impl Readiness {
    /// It can.
    pub fn ready(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ready: true, detail: detail.into() }
    }

    /// It can't.
    pub fn not_ready(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ready: false, detail: detail.into() }
    }
}
