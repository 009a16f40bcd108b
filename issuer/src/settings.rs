//! What can be configured of the issuer.

use serde::{Deserialize, Serialize};

/// Settings of the issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The consumer group: issuers of one group share the work.
    pub group: String,
    /// Declarations issued together at most.
    pub batch: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { group: "issuer".to_owned(), batch: 500 }
    }
}
