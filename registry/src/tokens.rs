//! Session tokens: minted with the token key, which signs nothing else, and verified against the key list in force.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use suikang_schemas::key_list::key_id;
use suikang_schemas::token::SessionToken;

use crate::caller::Caller;
use crate::keys::files;
use crate::metrics;
use crate::secrets::{SealedFileError, Unlock};
use crate::snapshot::Snapshot;

/// A verified token is believed this long without another look at its signature.
const BELIEVED_MS: i64 = 60 * 1000;
/// Tokens remembered; some 200 bytes each.
const MOST_REMEMBERED: usize = 64 * 1024;

/// The private half of the session-token key.
#[derive(Clone)]
pub struct TokenKey(SigningKey);

impl TokenKey {
    /// Reads `token.key`.
    pub fn load(keys_dir: &Path, unlock: &Unlock) -> Result<Self, SealedFileError> {
        files::read_secret(keys_dir, unlock, files::TOKEN_KEY).map(|seed| Self(SigningKey::from_bytes(&seed)))
    }

    /// A token for this caller, `sk1.…`, that lives for `ttl`.
    pub fn mint(&self, caller: &Caller, now_ms: i64, ttl: Duration) -> String {
        let issued_at_s = now_ms.div_euclid(1000);
        let token = SessionToken {
            login: caller.login.clone(),
            role: caller.role.as_str().to_owned(),
            area: caller.area.clone(),
            issued_at_s,
            expires_at_s: issued_at_s.saturating_add_unsigned(ttl.as_secs()),
            token_id: rand::random(),
        };
        let public_key = self.0.verifying_key().to_bytes();
        token.sign(key_id(&public_key), |bytes| self.0.sign(bytes).to_bytes())
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", key_id(self.0.verifying_key().as_bytes()))
    }
}

/// The token counts for nothing. Why is not for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token")]
pub struct AuthenticateError;

/// Tokens that were verified a short while ago: verifying one costs more than most requests do.
#[derive(Default)]
pub(crate) struct TokenCache {
    verified: RwLock<HashMap<[u8; 32], Verified>>,
}

struct Verified {
    caller: Caller,
    /// Of the key list that said so: with another list the token is verified again.
    sequence: i64,
    believed_until_ms: i64,
}

impl TokenCache {
    /// Who holds this token, if it counts now.
    pub(crate) fn authenticate(
        &self,
        snapshot: &Snapshot,
        token: &str,
        now_ms: i64,
    ) -> Result<Caller, AuthenticateError> {
        let key_list = &snapshot.key_list().ok_or(AuthenticateError)?.list;
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(caller) = self.remembered(&digest, key_list.sequence, now_ms) {
            return Ok(caller);
        }
        let verified = SessionToken::verify(token, key_list, now_ms).map_err(|error| {
            tracing::debug!(%error, "a session token was refused");
            metrics::token_refused();
            AuthenticateError
        })?;
        let role = verified.role.parse().map_err(|_| AuthenticateError)?;
        let caller = Caller { role, area: verified.area, login: verified.login };
        let believed_until_ms = (now_ms + BELIEVED_MS).min(verified.expires_at_s.saturating_mul(1000));
        self.remember(
            digest,
            Verified { caller: caller.clone(), sequence: key_list.sequence, believed_until_ms },
            now_ms,
        );
        Ok(caller)
    }

    fn remembered(&self, digest: &[u8; 32], sequence: i64, now_ms: i64) -> Option<Caller> {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        let known = verified.get(digest)?;
        (known.sequence == sequence && now_ms < known.believed_until_ms).then(|| known.caller.clone())
    }

    fn remember(&self, digest: [u8; 32], token: Verified, now_ms: i64) {
        let mut verified = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MOST_REMEMBERED {
            verified.retain(|_, known| now_ms < known.believed_until_ms);
            if verified.len() >= MOST_REMEMBERED {
                // More than this in a minute: begin anew rather than look for the oldest.
                verified.clear();
            }
        }
        verified.insert(digest, token);
    }
}
