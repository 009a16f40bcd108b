//! What the handlers stand on.

use std::sync::Arc;

use axum::extract::FromRef;
use suikang_analytics::counts::Counts;
use suikang_analytics::sql::SqlEngine;
use suikang_registry::Registry;
use suikang_registry::codes::Codes;

use crate::audit::Auditor;
use crate::settings::Settings;

/// Shared by every handler; a clone costs a few reference counts.
#[derive(Clone)]
pub struct ApiState {
    /// Places, rules, keys, people.
    pub registry: Registry,
    /// Declaration → outcome, subject → current code.
    pub codes: Codes,
    /// Standing counts for summaries.
    pub counts: Counts,
    /// Lake ∪ tail in SQL.
    pub sql: SqlEngine,
    /// Who looked at what.
    pub audit: Auditor,
    /// What the operator chose.
    pub settings: Arc<Settings>,
}

impl FromRef<ApiState> for Registry {
    fn from_ref(state: &ApiState) -> Registry {
        state.registry.clone()
    }
}
