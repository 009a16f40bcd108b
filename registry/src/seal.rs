//! Sealing to a day's public key: HPKE (RFC 9180), X25519, HKDF-SHA256, ChaCha20-Poly1305, base mode.
//!
//! ```text
//! sealed bytes = encapsulated key, 32 bytes | ciphertext and tag
//! info         = "suikang seal 1" | seal day, 4 bytes, big endian
//! aad          = what it is, and of what
//! ```
//! Any node seals; only the vault, which has the private half, opens, and nobody once that half is destroyed. The purpose is
//! authenticated: bytes sealed for one person or one use don't open as another's.

use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable};
use suikang_schemas::declaration::Sealed;
use suikang_schemas::{DeclarationId, Subject};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;

const ENCAPSULATED_BYTES: usize = 32;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const SHANGHAI_OFFSET_MS: i64 = 8 * 60 * 60 * 1000;

/// What is sealed, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealPurpose {
    /// Name, document, phone and address of a person.
    BasicInformation(Subject),
    /// The free description in a declaration.
    FreeText(DeclarationId),
    /// The payload of a record that nobody could process.
    DeadLetter,
}

/// Nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No key is published for the day.
    #[error("no seal key is published for day {0}")]
    NoKey(i32),
    /// The published key is not a point that keys can be agreed with.
    #[error("the seal key of day {0} is unusable")]
    UnusableKey(i32),
}

/// The bytes stay sealed. Says nothing about why, lest it say something about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed under another key, for another purpose, or altered")]
pub struct OpenSealError;

/// The private half of a day's key: lives in the vault, erased from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealPrivateKey(pub(crate) [u8; 32]);

/// The seal day at a time: the date in Shanghai, as days since 1970.
pub fn seal_day_at(now_ms: i64) -> i32 {
    let day = (now_ms + SHANGHAI_OFFSET_MS).div_euclid(DAY_MS);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

/// A new pair for one day: the private half for the vault, the public half to publish.
pub fn generate() -> (SealPrivateKey, [u8; 32]) {
    let (private, public) = Kem::gen_keypair();
    (SealPrivateKey(private.to_bytes().into()), public.to_bytes().into())
}

/// The public half of a private key.
pub(crate) fn public_key_of(private_key: &SealPrivateKey) -> [u8; 32] {
    let private_key =
        <Kem as hpke::Kem>::PrivateKey::from_bytes(&private_key.0).expect("any 32 bytes are an X25519 private key");
    Kem::sk_to_pk(&private_key).to_bytes().into()
}

/// Seals to a day's public key.
pub fn seal(public_key: &[u8; 32], seal_day: i32, purpose: SealPurpose, plaintext: &[u8]) -> Result<Sealed, SealError> {
    let unusable = |_| SealError::UnusableKey(seal_day);
    let public_key = <Kem as hpke::Kem>::PublicKey::from_bytes(public_key).map_err(unusable)?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal::<Aead, Kdf, Kem>(
        &OpModeS::Base,
        &public_key,
        &info(seal_day),
        plaintext,
        &purpose.aad(),
    )
    .map_err(unusable)?;
    let mut bytes = encapsulated.to_bytes().to_vec();
    bytes.extend_from_slice(&ciphertext);
    Ok(Sealed { seal_day, bytes })
}

/// Opens what was sealed to the public half of this key for this purpose.
pub fn open(
    private_key: &SealPrivateKey,
    purpose: SealPurpose,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, OpenSealError> {
    let (encapsulated, ciphertext) = sealed.bytes.split_at_checked(ENCAPSULATED_BYTES).ok_or(OpenSealError)?;
    let private_key = <Kem as hpke::Kem>::PrivateKey::from_bytes(&private_key.0).map_err(|_| OpenSealError)?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| OpenSealError)?;
    hpke::single_shot_open::<Aead, Kdf, Kem>(
        &OpModeR::Base,
        &private_key,
        &encapsulated,
        &info(sealed.seal_day),
        ciphertext,
        &purpose.aad(),
    )
    .map(Zeroizing::new)
    .map_err(|_| OpenSealError)
}

impl SealPurpose {
    fn aad(self) -> Vec<u8> {
        let (word, of): (&[u8], &[u8]) = match &self {
            SealPurpose::BasicInformation(subject) => (b"basic-information/", &subject.0),
            SealPurpose::FreeText(declaration_id) => (b"free-text/", &declaration_id.0),
            SealPurpose::DeadLetter => (b"dead-letter/", &[]),
        };
        [word, of].concat()
    }
}

fn info(seal_day: i32) -> Vec<u8> {
    [b"suikang seal 1".as_slice(), &seal_day.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject([7; 16]);
    const PURPOSE: SealPurpose = SealPurpose::BasicInformation(SUBJECT);

    #[test]
    fn what_is_sealed_opens_with_the_days_key_alone() {
        let (private_key, public_key) = generate();
        let sealed = seal(&public_key, 18_320, PURPOSE, "张三".as_bytes()).unwrap();
        assert!(!sealed.bytes.windows(6).any(|window| window == "张三".as_bytes()));
        assert_eq!(open(&private_key, PURPOSE, &sealed).unwrap().as_slice(), "张三".as_bytes());

        let (another, _) = generate();
        assert_eq!(open(&another, PURPOSE, &sealed), Err(OpenSealError));
    }

    #[test]
    fn nothing_opens_as_something_else() {
        let (private_key, public_key) = generate();
        let sealed = seal(&public_key, 18_320, PURPOSE, b"x").unwrap();
        let another_person = SealPurpose::BasicInformation(Subject([8; 16]));
        assert_eq!(open(&private_key, another_person, &sealed), Err(OpenSealError));
        assert_eq!(open(&private_key, SealPurpose::FreeText(DeclarationId([7; 16])), &sealed), Err(OpenSealError));

        let another_day = Sealed { seal_day: 18_321, ..sealed.clone() };
        assert_eq!(open(&private_key, PURPOSE, &another_day), Err(OpenSealError));
        for at in 0..sealed.bytes.len() {
            let mut altered = sealed.clone();
            altered.bytes[at] ^= 1;
            assert_eq!(open(&private_key, PURPOSE, &altered), Err(OpenSealError), "byte {at}");
        }
        let short = Sealed { seal_day: 18_320, bytes: sealed.bytes[..31].to_vec() };
        assert_eq!(open(&private_key, PURPOSE, &short), Err(OpenSealError));
    }

    #[test]
    fn the_public_half_follows_from_the_private() {
        let (private_key, public_key) = generate();
        assert_eq!(public_key_of(&private_key), public_key);
    }

    #[test]
    fn a_key_of_no_order_is_refused() {
        assert_eq!(seal(&[0; 32], 1, PURPOSE, b"x"), Err(SealError::UnusableKey(1)));
    }

    #[test]
    fn the_day_begins_at_midnight_in_shanghai() {
        let midnight_ms = 1_582_732_800_000; // 2020-02-27T00:00:00+08:00
        assert_eq!(seal_day_at(midnight_ms), 18_319);
        assert_eq!(seal_day_at(midnight_ms - 1), 18_318);
    }
}
