//! What every node of a deployment shares: one secret, from which each use derives a key of its own, and the root's public key.
//!
//! Keys are `HMAC-SHA256(secret, label)`: one of them tells nothing about another.

use std::fmt;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use suikang_schemas::AreaCode;
use suikang_schemas::document::IdentityDocument;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::keys::files;
use crate::people::Claim;
use crate::secrets::sealed_file::{SealedFileError, Unlock};

/// The keys of a node, and whose key lists it believes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NodeSecrets {
    pepper: [u8; 32],
    declaration_id_key: [u8; 32],
    plate_key: [u8; 32],
    scan_door_key: [u8; 32],
    community_key: [u8; 32],
    #[zeroize(skip)]
    root_public_key: [u8; 32],
}

impl NodeSecrets {
    /// Derives the keys from a deployment's secret; `root_public_key` (Ed25519) is the one that key lists must be signed by.
    pub fn new(secret: &[u8; 32], root_public_key: [u8; 32]) -> Self {
        Self {
            pepper: derive(secret, b"suikang/claim-pepper"),
            declaration_id_key: derive(secret, b"suikang/declaration-id"),
            plate_key: derive(secret, b"suikang/plate"),
            scan_door_key: derive(secret, b"suikang/scan-door"),
            community_key: derive(secret, b"suikang/community"),
            root_public_key,
        }
    }

    /// Reads `node.secret` and `root.pub` from the folder of keys.
    pub fn load(keys_dir: &Path, unlock: &Unlock) -> Result<Self, SealedFileError> {
        let secret = files::read_secret(keys_dir, unlock, files::NODE_SECRET)?;
        Ok(Self::new(&secret, files::read_root_public_key(keys_dir)?))
    }

    /// The claim that a document makes: equal for equal documents, and no way back.
    pub fn claim(&self, document: &IdentityDocument) -> Claim {
        Claim(derive(&self.pepper, document.canonical().as_slice()))
    }

    /// For the keyed part of a declaration's id.
    pub fn declaration_id_key(&self) -> &[u8; 32] {
        &self.declaration_id_key
    }

    /// For the hash that stands for a vehicle's plate.
    pub fn plate_key(&self) -> &[u8; 32] {
        &self.plate_key
    }

    /// For the door's own device epochs, where a gate without one asks for a check.
    pub fn scan_door_key(&self) -> &[u8; 32] {
        &self.scan_door_key
    }

    /// A community's secret, by which its own checkpoints recognise its members' codes.
    pub fn community_secret(&self, community: &AreaCode) -> [u8; 32] {
        derive(&self.community_key, community.as_str().as_bytes())
    }

    /// The Ed25519 key that key lists must be signed by.
    pub fn root_public_key(&self) -> &[u8; 32] {
        &self.root_public_key
    }
}

impl fmt::Debug for NodeSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSecrets(root {})", hex::encode(self.root_public_key))
    }
}

fn derive(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::NaiveDate;
    use suikang_schemas::document::DocumentType;

    use super::*;

    #[test]
    fn each_use_has_a_key_of_its_own() {
        let secrets = NodeSecrets::new(&[1; 32], [0; 32]);
        let community = |text: &str| secrets.community_secret(&text.parse().unwrap());
        let keys = [
            *secrets.declaration_id_key(),
            *secrets.plate_key(),
            *secrets.scan_door_key(),
            secrets.pepper,
            secrets.community_key,
            community("440106001003-001"),
            community("440106001003-002"),
        ];
        assert_eq!(HashSet::from(keys).len(), keys.len());
    }

    #[test]
    fn one_document_makes_one_claim_under_one_pepper() {
        let today = NaiveDate::from_ymd_opt(2020, 2, 27).unwrap();
        let document = |text: &str| IdentityDocument::parse(DocumentType::Passport, text, today).unwrap();
        let secrets = NodeSecrets::new(&[1; 32], [0; 32]);
        let claim = secrets.claim(&document("E12345678"));
        assert_eq!(claim, secrets.claim(&document("e12345678")));
        assert_ne!(claim, secrets.claim(&document("E12345679")));
        assert_ne!(claim, NodeSecrets::new(&[2; 32], [0; 32]).claim(&document("E12345678")));
        assert!(format!("{claim:?}").len() < 20, "too little to look one up");
    }
}
