//! Issuing: the pure function from a declaration's record to its outcome.

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use suikang_schemas::CodeId;
use suikang_schemas::area::Level;
use suikang_schemas::decide::community_tag;
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::{DeclarationPosition, Issued, Outcome};
use suikang_schemas::pass_code::{self, Kind, PassCode};

use crate::policy::Ruling;

/// What signs.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// Of the declaration's key id.
    pub signing_key: &'a SigningKey,
    /// For code ids.
    pub code_id_key: &'a [u8; 32],
    /// The secret of each community, for the tags of its members.
    pub community_secret: &'a dyn CommunitySecret,
}

/// Knows the secret that a community shares with its checkpoints.
pub trait CommunitySecret: std::fmt::Debug {
    /// The secret of this community.
    fn of(&self, community: &suikang_schemas::AreaCode) -> [u8; 32];
}

/// The rejection of a declaration that the door found inadmissible.
pub fn reject(declaration: &Declaration, position: DeclarationPosition) -> Outcome {
    Outcome { rejected: declaration.inadmissible, ..outcome(declaration, position) }
}

/// The code of a declaration. `payload` is its record as it lies on the log: equal records get equal codes.
pub fn issue(
    declaration: &Declaration,
    payload: &[u8],
    position: DeclarationPosition,
    ruling: Ruling,
    keys: Keys<'_>,
) -> Outcome {
    let code_id = code_id(keys.code_id_key, payload, Kind::Screen);
    let issued_at_s = declaration.accepted_at_ms.div_euclid(1000);
    // A standing hold is not washed off by declaring again.
    let status = declaration.facts.hold.map_or(ruling.status, |hold| hold.max(ruling.status));
    let code = PassCode {
        code_id,
        issued_at_s,
        expires_at_s: issued_at_s + i64::from(declaration.validity_s),
        status,
        district: declaration.residence.committee.ancestor(Level::District).expect("a committee lies in a district"),
        kind: Kind::Screen,
        masked_name: declaration.facts.masked_name.clone(),
        community_tags: declaration
            .facts
            .communities
            .iter()
            .map(|community| community_tag(&keys.community_secret.of(community), code_id))
            .collect(),
    };
    let pass_code = pass_code::encode(&code, declaration.signing_key, |bytes| keys.signing_key.sign(bytes).to_bytes());
    let issued = Issued {
        code_id,
        status,
        reasons: ruling.reasons,
        expires_at_ms: code.expires_at_ms(),
        policy_version: declaration.policy_version,
        signing_key: declaration.signing_key,
        pass_code,
    };
    Outcome { issued: Some(issued), ..outcome(declaration, position) }
}

fn outcome(declaration: &Declaration, declaration_position: DeclarationPosition) -> Outcome {
    Outcome {
        declaration_id: declaration.declaration_id,
        subject: declaration.subject,
        declaration_position,
        accepted_at_ms: declaration.accepted_at_ms,
        committee: declaration.residence.committee.clone(),
        community: declaration.residence.community.clone(),
        issued: None,
        rejected: None,
    }
}

/// The first 16 bytes of HMAC(key, SHA-256(record) ‖ kind).
fn code_id(key: &[u8; 32], payload: &[u8], kind: Kind) -> CodeId {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC key may have any length");
    mac.update(&Sha256::digest(payload));
    mac.update(&[kind as u8]);
    let hash = mac.finalize().into_bytes();
    CodeId(std::array::from_fn(|at| hash[at]))
}
