//! Session tokens: minted with the token key, which signs nothing else.

use std::path::Path;
use std::time::Duration;

use crate::caller::Caller;
use crate::snapshot::Snapshot;
use crate::secrets::{SealedFileError, Unlock};

/// The private half of the session-token key.
pub struct TokenKey {}

impl TokenKey {
    /// Reads `token.key`.
    pub fn load(keys_dir: &Path, unlock: &Unlock) -> Result<Self, SealedFileError> {
        let _ = (keys_dir, unlock);
        todo!()
    }

    /// A token for this caller, `sk1…`, that lives for `ttl`.
    pub fn mint(&self, caller: &Caller, now_ms: i64, ttl: Duration) -> String {
        let _ = (caller, now_ms, ttl);
        todo!()
    }
}

/// The token counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token")]
pub struct AuthenticateError;

#[derive(Default)]
pub(crate) struct TokenCache {}

impl TokenCache {
    pub(crate) fn authenticate(&self, snapshot: &Snapshot, token: &str, now_ms: i64) -> Result<Caller, AuthenticateError> {
        let _ = (snapshot, token, now_ms);
        todo!()
    }
}
