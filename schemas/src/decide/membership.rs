//! Who is a member of a community, told by the code alone: only who has the community's secret recognises its tags.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Context, Facts};
use crate::ids::CodeId;

/// Bytes of a community tag.
pub const COMMUNITY_TAG_BYTES: usize = 4;

/// The tag by which a community's checkpoints recognise their member's code: HMAC-SHA-256(secret, code id), cut.
pub fn community_tag(secret: &[u8; 32], code_id: CodeId) -> [u8; COMMUNITY_TAG_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC key may have any length");
    mac.update(&code_id.0);
    let hash = mac.finalize().into_bytes();
    std::array::from_fn(|at| hash[at])
}

pub(super) fn is_member(facts: &Facts, context: &Context<'_>) -> bool {
    let tagged = |secret| facts.community_tags.contains(&community_tag(secret, facts.code_id));
    context.community_secret.is_some_and(tagged) || context.approved.contains(facts.code_id)
}
