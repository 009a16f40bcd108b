//! Session tokens: minted with the token key, which signs nothing else.

use std::path::Path;
use std::time::Duration;

use crate::caller::Caller;
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
