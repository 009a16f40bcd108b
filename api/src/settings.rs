//! What can be configured of the API.

use serde::{Deserialize, Serialize};

/// Settings of the reading side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether `/` and `/v1/overview` answer without a token. They hold sums of whole districts and nothing smaller.
    pub public_overview: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { public_overview: true }
    }
}
