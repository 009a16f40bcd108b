//! A secret in a file that only its owner can read, encrypted under a passphrase or a key file.
//!
//! ```text
//! "SKSF" | version 1 | kdf, 1 byte | memory_kib, passes, lanes: 4 bytes each, big endian | salt, 16 | nonce, 12 | ciphertext and tag
//! kdf 1: Argon2id (RFC 9106) of a passphrase      kdf 2: HMAC-SHA256 of a key file's bytes, which need no slowing down
//! ```
//! ChaCha20-Poly1305; everything before the ciphertext and the file's label are authenticated, so a file neither opens under another's
//! name nor with weaker parameters than it was written with.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

const MAGIC: &[u8; 4] = b"SKSF";
const VERSION: u8 = 1;
const ARGON2ID: u8 = 1;
const KEY_FILE: u8 = 2;
const HEADER_BYTES: usize = 4 + 1 + 1 + 12 + 16 + 12;
const KEY_FILE_NAME: &str = "unlock.key";

/// What RFC 9106 and OWASP recommend where memory is short: 19 MiB, two passes, one lane.
const COST: Cost = Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
/// More than this a file can't ask for: reading a foreign one must not take the machine's memory.
const MOST_MEMORY_KIB: u32 = 256 * 1024;

/// What opens sealed files.
#[derive(Debug, Clone)]
pub enum Unlock {
    /// Typed or given by the environment.
    Passphrase(SecretString),
    /// 32 random bytes in a file of their own.
    KeyFile(PathBuf),
}

/// A sealed file was not read or written. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum SealedFileError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Others than the owner may read it.
    #[error("{path}: others may read it (mode {mode:o}); chmod 600 it")]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a sealed file, or of a newer version.
    #[error("{path}: not a sealed file of a known version")]
    Format {
        /// Which file.
        path: PathBuf,
    },
    /// The passphrase or key file is another's, or the file was altered.
    #[error("{path}: wrong passphrase or key file, or altered")]
    Locked {
        /// Which file.
        path: PathBuf,
    },
}

struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Unlock {
    /// The passphrase if there is one, else the key file that lies in `keys_dir`.
    pub fn of(keys_dir: &Path, passphrase: Option<SecretString>) -> Unlock {
        match passphrase {
            Some(passphrase) => Unlock::Passphrase(passphrase),
            None => Unlock::KeyFile(keys_dir.join(KEY_FILE_NAME)),
        }
    }

    /// Makes the key file if this is one and it doesn't exist yet.
    pub fn prepare(&self) -> Result<(), SealedFileError> {
        match self {
            Unlock::KeyFile(path) if !path.exists() => write_private(path, &rand::random::<[u8; 32]>()),
            _ => Ok(()),
        }
    }
}

/// Seals `secret` into the file, whole or not at all; `label` says which of a node's files it is.
pub fn write(path: &Path, unlock: &Unlock, label: &str, secret: &[u8]) -> Result<(), SealedFileError> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.push(VERSION);
    header.push(match unlock {
        Unlock::Passphrase(_) => ARGON2ID,
        Unlock::KeyFile(_) => KEY_FILE,
    });
    for number in [COST.memory_kib, COST.passes, COST.lanes] {
        header.extend_from_slice(&number.to_be_bytes());
    }
    let salt: [u8; 16] = rand::random();
    let nonce: [u8; 12] = rand::random();
    header.extend_from_slice(&salt);
    header.extend_from_slice(&nonce);

    let key = derive(path, unlock, &COST, &salt)?;
    let payload = Payload { msg: secret, aad: &[&header, label.as_bytes()].concat() };
    let ciphertext = cipher(&key)
        .encrypt(&Nonce::from(nonce), payload)
        .map_err(|_| SealedFileError::Format { path: path.to_owned() })?;
    header.extend_from_slice(&ciphertext);
    write_private(path, &header)
}

/// The secret in a file that was written under the same label.
pub fn read(path: &Path, unlock: &Unlock, label: &str) -> Result<Zeroizing<Vec<u8>>, SealedFileError> {
    let bytes = read_private(path)?;
    let format = || SealedFileError::Format { path: path.to_owned() };
    let (header, ciphertext) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(format)?;
    let expected_kdf = match unlock {
        Unlock::Passphrase(_) => ARGON2ID,
        Unlock::KeyFile(_) => KEY_FILE,
    };
    if !header.starts_with(MAGIC) || header[4] != VERSION {
        return Err(format());
    }
    let locked = || SealedFileError::Locked { path: path.to_owned() };
    if header[5] != expected_kdf {
        return Err(locked());
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let cost = Cost { memory_kib: number(6), passes: number(10), lanes: number(14) };
    if cost.memory_kib > MOST_MEMORY_KIB || cost.passes > 16 || cost.lanes > 16 {
        return Err(format());
    }
    let (salt, nonce) = header[18..].split_at(16);
    let nonce: [u8; 12] = nonce.try_into().map_err(|_| format())?;
    let key = derive(path, unlock, &cost, salt)?;
    let payload = Payload { msg: ciphertext, aad: &[header.as_slice(), label.as_bytes()].concat() };
    cipher(&key).decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| locked())
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn derive(path: &Path, unlock: &Unlock, cost: &Cost, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealedFileError> {
    let mut key = Zeroizing::new([0; 32]);
    match unlock {
        Unlock::Passphrase(passphrase) => {
            let format = |_| SealedFileError::Format { path: path.to_owned() };
            let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(format)?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(passphrase.expose_secret().as_bytes(), salt, key.as_mut_slice())
                .map_err(format)?;
        }
        Unlock::KeyFile(key_file) => {
            let bytes = read_private(key_file)?;
            if bytes.len() < 32 {
                return Err(SealedFileError::Format { path: key_file.clone() });
            }
            let mac = Hmac::<Sha256>::new_from_slice(&bytes).expect("HMAC takes keys of any length");
            key.copy_from_slice(&mac.chain_update(salt).finalize().into_bytes());
        }
    }
    Ok(key)
}

/// Writes a file that only its owner can read, so that after a crash it is the old one or the new one.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), SealedFileError> {
    let failed = |source| SealedFileError::Io { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&staged).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&staged, path).map_err(failed)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Reads a file, unless others than its owner may.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealedFileError> {
    let failed = |source| SealedFileError::Io { path: path.to_owned(), source };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SealedFileError::TooOpen { path: path.to_owned(), mode });
        }
    }
    fs::read(path).map(Zeroizing::new).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Unlock {
        Unlock::Passphrase(SecretString::from(text))
    }

    #[test]
    fn opens_with_its_passphrase_and_label_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.secret");
        write(&path, &passphrase("correct horse"), "node.secret", b"secret").unwrap();
        let on_disk = fs::read(&path).unwrap();
        assert!(!on_disk.windows(6).any(|window| window == b"secret"));
        assert_eq!(read(&path, &passphrase("correct horse"), "node.secret").unwrap().as_slice(), b"secret");

        for (unlock, label) in [(passphrase("correct horsf"), "node.secret"), (passphrase("correct horse"), "root.key")]
        {
            assert!(matches!(read(&path, &unlock, label), Err(SealedFileError::Locked { .. })));
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_opens_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let unlock = Unlock::of(folder.path(), None);
        unlock.prepare().unwrap();
        write(&path, &unlock, "root.key", b"secret").unwrap();
        unlock.prepare().unwrap();
        assert_eq!(read(&path, &unlock, "root.key").unwrap().as_slice(), b"secret");

        let elsewhere = tempfile::tempdir().unwrap();
        let another = Unlock::of(elsewhere.path(), None);
        another.prepare().unwrap();
        assert!(matches!(read(&path, &another, "root.key"), Err(SealedFileError::Locked { .. })));
        assert!(matches!(read(&path, &passphrase("x"), "root.key"), Err(SealedFileError::Locked { .. })));
    }

    #[test]
    fn an_altered_byte_anywhere_keeps_it_shut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let unlock = Unlock::of(folder.path(), None);
        unlock.prepare().unwrap();
        write(&path, &unlock, "f", b"secret").unwrap();
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            write_private(&path, &bytes).unwrap();
            assert!(read(&path, &unlock, "f").is_err(), "byte {at}");
        }
        write_private(&path, &good[..HEADER_BYTES - 1]).unwrap();
        assert!(matches!(read(&path, &unlock, "f"), Err(SealedFileError::Format { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let unlock = Unlock::of(folder.path(), None);
        unlock.prepare().unwrap();
        write(&path, &unlock, "f", b"secret").unwrap();
        for file in [&path, &folder.path().join(KEY_FILE_NAME)] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path, &unlock, "f"), Err(SealedFileError::TooOpen { mode: 0o640, .. })));
    }
}
