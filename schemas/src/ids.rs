//! Identifiers that carry no meaning of their own: fixed bytes, shown as lower-case hex (declarations as a UUID).
//!
//! None of them says anything about a person: a [`Subject`] is random, a [`CodeId`] is a keyed hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not the identifier it was parsed as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: {expected}")]
pub struct ParseIdError {
    what: &'static str,
    expected: &'static str,
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// The identifier in these bytes, if there are exactly as many as it has.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let refused = ParseIdError { what: $what, expected: $expected };
                let mut bytes = [0; $bytes];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Self(bytes)),
                    _ => Err(refused),
                }
            }
        }
        text_serde!($name);
    };
}

/// In JSON an identifier is its text; in Avro the events carry plain bytes and convert at their edge.
macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("the text of an identifier")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

hex_id!(
    /// The pseudonymous identity of a person: 16 random bytes, meaningless once its claim is erased.
    Subject, 16, "subject", "32 lower-case hexadecimal digits"
);
hex_id!(
    /// A pass code's identity (`cti`): the first 16 bytes of an HMAC over the declaration's record.
    CodeId, 16, "code id", "32 lower-case hexadecimal digits"
);
hex_id!(
    /// A signing key's identity (`kid`): the first 8 bytes of the SHA-256 of its public half.
    KeyId, 8, "key id", "16 lower-case hexadecimal digits"
);
hex_id!(
    /// A device's installation: 64 random bits, drawn once. With a scan's number it is the scan's identity.
    DeviceEpoch, 8, "device epoch", "16 lower-case hexadecimal digits"
);

impl DeviceEpoch {
    /// As the signed 64-bit integer that Avro, Arrow and Delta have (big endian, two's complement).
    pub const fn to_i64(self) -> i64 {
        i64::from_be_bytes(self.0)
    }

    /// The inverse of [`DeviceEpoch::to_i64`].
    pub const fn from_i64(number: i64) -> Self {
        Self(number.to_be_bytes())
    }
}

/// A declaration's identity: 48 bits of milliseconds since 1970 from its Idempotency-Key, then 80 bits of a keyed hash of
/// subject, key and body. Equal requests therefore have equal ids on every node; the time lets readers forget old ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeclarationId(pub [u8; 16]);

impl DeclarationId {
    /// The id of these 16 bytes, if there are 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// When its Idempotency-Key was made, in milliseconds since 1970.
    pub fn time_ms(self) -> i64 {
        let mut wide = [0; 8];
        wide[2..].copy_from_slice(&self.0[..6]);
        i64::from_be_bytes(wide)
    }
}

impl fmt::Display for DeclarationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for DeclarationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeclarationId({self})")
    }
}

impl FromStr for DeclarationId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let refused = ParseIdError { what: "declaration id", expected: "a UUID in lower case with hyphens" };
        let id = Uuid::try_parse(text).map_err(|_| refused.clone())?;
        // One text per id: the hyphenated lower-case form and no other.
        if id.hyphenated().to_string() == text { Ok(Self(id.into_bytes())) } else { Err(refused) }
    }
}
text_serde!(DeclarationId);

/// Names one registry command, so that its author recognises it in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

impl CommandId {
    /// A new one; its order is the order of time.
    pub fn now() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_text() {
        let subject = Subject([0xab; 16]);
        assert_eq!(subject.to_string().parse(), Ok(subject));
        assert!(subject.to_string().to_uppercase().parse::<Subject>().is_err());
        assert!("ab".parse::<Subject>().is_err());

        let id = DeclarationId([0x11; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().replace('-', "").parse::<DeclarationId>().is_err());
    }

    #[test]
    fn a_declaration_id_tells_its_time() {
        let uuid = Uuid::now_v7();
        let (seconds, nanos) = uuid.get_timestamp().unwrap().to_unix();
        let ms = i64::try_from(seconds).unwrap() * 1000 + i64::from(nanos / 1_000_000);
        assert_eq!(DeclarationId(uuid.into_bytes()).time_ms(), ms);
    }

    #[test]
    fn a_device_epoch_survives_its_signed_form() {
        for epoch in [DeviceEpoch([0; 8]), DeviceEpoch([0xff; 8]), DeviceEpoch([0x80, 0, 0, 0, 0, 0, 0, 1])] {
            assert_eq!(DeviceEpoch::from_i64(epoch.to_i64()), epoch);
        }
    }
}
