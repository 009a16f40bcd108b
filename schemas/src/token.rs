//! Session tokens: who calls, as what, where. A CWT like the pass code, under another key and another `aad`, in base64url behind `sk1.`.
//!
//! ```text
//! {2: login, 4: exp, 6: iat, 7: cti (16 bytes), -65538: role, -65539: area}
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;

use crate::area::AreaCode;
use crate::cose::{self, Claims, Malformed, map};
use crate::ids::KeyId;
use crate::key_list::{KeyList, Purpose};

/// What stands before the base64url.
pub const PREFIX: &str = "sk1.";
/// What the signature is over, besides the claims: a pass code's signature proves no session.
const AAD: &[u8] = b"suikang session token";
/// Longer texts are not looked at.
const MAX_TEXT_BYTES: usize = 1024;
/// How far a token's time of issue may lie ahead, in seconds: nodes' clocks differ.
const CLOCK_TOLERANCE_S: i64 = 120;

const SUB: i64 = 2;
const EXP: i64 = 4;
const IAT: i64 = 6;
const CTI: i64 = 7;
const ROLE: i64 = -65_538;
const AREA: i64 = -65_539;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// The account.
    pub login: String,
    /// A role's word.
    pub role: String,
    /// Where the role holds.
    pub area: AreaCode,
    /// Seconds since 1970.
    pub issued_at_s: i64,
    /// Seconds since 1970.
    pub expires_at_s: i64,
    /// Names this token, for the audit and for taking it back.
    pub token_id: [u8; 16],
}

/// Why a token counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token in canonical form.
    #[error("not a session token")]
    Malformed,
    /// Signed by no session-token key that counts now.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("forged")]
    Forged,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not yet valid")]
    NotYetValid,
}

impl SessionToken {
    /// The token's text.
    pub fn sign(&self, key_id: KeyId, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> String {
        let payload = map([
            (SUB, self.login.as_str().into()),
            (EXP, self.expires_at_s.into()),
            (IAT, self.issued_at_s.into()),
            (CTI, Value::Bytes(self.token_id.to_vec())),
            (ROLE, self.role.as_str().into()),
            (AREA, self.area.as_str().into()),
        ]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(cose::sign1(key_id, &payload, AAD, sign)))
    }

    /// The token in this text, if it counts now.
    ///
    /// # Errors
    /// Why it doesn't.
    pub fn verify(text: &str, key_list: &KeyList, now_ms: i64) -> Result<Self, TokenError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TokenError::Malformed);
        }
        let base64 = text.strip_prefix(PREFIX).ok_or(TokenError::Malformed)?;
        let bytes = URL_SAFE_NO_PAD.decode(base64).map_err(|_| TokenError::Malformed)?;
        let opened = cose::open(&bytes).map_err(|_| TokenError::Malformed)?;
        let entry =
            key_list.verifying_key(opened.key_id, Purpose::SessionToken, now_ms).map_err(|_| TokenError::UnknownKey)?;
        opened.verify(&entry.public_key, AAD).map_err(|_| TokenError::Forged)?;
        let token = Self::from_value(&opened.payload).map_err(|_| TokenError::Malformed)?;
        let now_s = now_ms.div_euclid(1000);
        if token.expires_at_s <= now_s {
            Err(TokenError::Expired)
        } else if token.issued_at_s > now_s + CLOCK_TOLERANCE_S {
            Err(TokenError::NotYetValid)
        } else {
            Ok(token)
        }
    }

    fn from_value(value: &Value) -> Result<Self, Malformed> {
        let claims = Claims::of(value)?;
        Ok(Self {
            login: claims.text(SUB)?.to_owned(),
            role: claims.text(ROLE)?.to_owned(),
            area: claims.text(AREA)?.parse().map_err(|_| Malformed)?,
            issued_at_s: claims.integer(IAT)?,
            expires_at_s: claims.integer(EXP)?,
            token_id: claims.bytes(CTI)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;
    use crate::key_list::{KeyEntry, key_id};
    use crate::pass_code;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[11; 32])
    }

    fn key_list(purpose: Purpose) -> KeyList {
        let public_key = key().verifying_key().to_bytes();
        let entry = KeyEntry {
            key_id: key_id(&public_key),
            purpose,
            public_key,
            scope: "4401".parse().unwrap(),
            not_before_s: 0,
            sign_until_s: 1_000_000,
            not_after_s: 1_000_000,
            revoked_at_s: None,
        };
        KeyList { sequence: 1, issued_at_s: 0, next_update_s: 0, entries: vec![entry] }
    }

    fn token() -> SessionToken {
        SessionToken {
            login: "li".into(),
            role: "district_analyst".into(),
            area: "440106".parse().unwrap(),
            issued_at_s: 1_000,
            expires_at_s: 2_000,
            token_id: [3; 16],
        }
    }

    fn text() -> String {
        token().sign(key_id(&key().verifying_key().to_bytes()), |bytes| key().sign(bytes).to_bytes())
    }

    #[test]
    fn a_token_has_its_time_and_its_key() {
        let list = key_list(Purpose::SessionToken);
        let verify = |at_s: i64| SessionToken::verify(&text(), &list, at_s * 1000);
        assert_eq!(verify(1_999), Ok(token()));
        assert_eq!(verify(2_000), Err(TokenError::Expired));
        assert_eq!(verify(880), Ok(token()));
        assert_eq!(verify(879), Err(TokenError::NotYetValid));
        let pass_code_key = key_list(Purpose::PassCode);
        assert_eq!(SessionToken::verify(&text(), &pass_code_key, 1_500_000), Err(TokenError::UnknownKey));
    }

    #[test]
    fn an_altered_token_is_refused() {
        let list = key_list(Purpose::SessionToken);
        let text = text();
        for at in PREFIX.len()..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(SessionToken::verify(&altered, &list, 1_500_000).is_err(), "character {at}");
        }
    }

    #[test]
    fn a_signature_over_the_same_claims_as_a_code_proves_no_session() {
        // The same key used for both, against the rule: the aad still keeps them apart.
        let bytes = URL_SAFE_NO_PAD.decode(text().strip_prefix(PREFIX).unwrap()).unwrap();
        let as_code = pass_code::to_text(&bytes);
        assert!(pass_code::verify(&as_code, &key_list(Purpose::PassCode), 1_500_000).is_err());
    }
}
