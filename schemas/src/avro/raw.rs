//! Identifiers inside an event are plain bytes (Avro `fixed`), not the text that JSON has: `#[serde(with = "raw")]`.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserializer, Serializer, de};

use crate::ids::{CodeId, DeclarationId, KeyId, Subject};

/// A value that is a fixed number of bytes.
pub trait Raw: Sized {
    /// Its bytes.
    fn as_bytes(&self) -> &[u8];
    /// The value of these bytes, if there are exactly as many as it has.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

macro_rules! raw {
    ($($id:ident),*) => {$(
        impl Raw for $id {
            fn as_bytes(&self) -> &[u8] {
                &self.0
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Self::from_slice(bytes)
            }
        }
    )*};
}
raw!(Subject, CodeId, DeclarationId, KeyId);

impl<const N: usize> Raw for [u8; N] {
    fn as_bytes(&self) -> &[u8] {
        self
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl Raw for Vec<u8> {
    fn as_bytes(&self) -> &[u8] {
        self
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

/// Writes the bytes.
pub fn serialize<T: Raw, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(value.as_bytes())
}

/// Reads the bytes, and refuses any other number of them.
pub fn deserialize<'de, T: Raw, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_bytes(BytesVisitor(PhantomData))
}

struct BytesVisitor<T>(PhantomData<T>);

impl<T: Raw> de::Visitor<'_> for BytesVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes of the right number")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        T::from_bytes(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
    }
}

/// The same where the value may be absent.
pub mod option {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::{Deserializer, Serializer, de};

    use super::Raw;

    /// Writes the bytes, or null.
    pub fn serialize<T: Raw, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_some(&Bytes(value)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the bytes, or null.
    pub fn deserialize<'de, T: Raw, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(OptionVisitor(PhantomData))
    }

    struct Bytes<'a, T>(&'a T);

    impl<T: Raw> serde::Serialize for Bytes<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            super::serialize(self.0, serializer)
        }
    }

    struct OptionVisitor<T>(PhantomData<T>);

    impl<'de, T: Raw> de::Visitor<'de> for OptionVisitor<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes or null")
        }

        fn visit_none<E: de::Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_unit<E: de::Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}
