use secrecy::SecretString;
use suikang_schemas::key_list::KeyEntry;
use tempfile::TempDir;

use super::*;

const NOW_MS: i64 = 1_582_768_800_000; // 2020-02-27T10:00:00+08:00
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn initialised() -> (TempDir, Unlock) {
    let folder = tempfile::tempdir().unwrap();
    let unlock = Unlock::of(folder.path(), None);
    init(folder.path(), &unlock, NOW_MS).unwrap();
    (folder, unlock)
}

fn signing_key_at(folder: &TempDir, now_ms: i64) -> Option<KeyId> {
    list(folder.path()).unwrap().signing_key_at(Purpose::PassCode, now_ms)
}

fn entry(folder: &TempDir, key_id: KeyId) -> KeyEntry {
    list(folder.path()).unwrap().entries.into_iter().find(|entry| entry.key_id == key_id).unwrap()
}

#[test]
fn init_makes_every_key_once() {
    let (folder, unlock) = initialised();
    assert!(exist(folder.path()));
    assert!(matches!(init(folder.path(), &unlock, NOW_MS), Err(KeysError::Exist)));

    let list = list(folder.path()).unwrap();
    assert_eq!(list.sequence, 1);
    for purpose in Purpose::ALL {
        assert!(list.signing_key_at(purpose, NOW_MS).is_some(), "{purpose:?}");
    }
    let keystore = IssuerKeystore::load(folder.path(), &unlock).unwrap();
    let key_id = list.signing_key_at(Purpose::PassCode, NOW_MS).unwrap();
    let public_key = keystore.signing_key(&key_id).unwrap().verifying_key().to_bytes();
    assert_eq!(public_key, entry(&folder, key_id).public_key);
    let vault = VaultKeystore::load(folder.path(), &unlock).unwrap();
    assert_eq!(vault.public_keys().count(), 42);
    lake_secret(folder.path(), &unlock).unwrap();
}

#[test]
fn a_passphrase_needs_no_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let unlock = Unlock::of(folder.path(), Some(SecretString::from("correct horse")));
    init(folder.path(), &unlock, NOW_MS).unwrap();
    assert!(!folder.path().join("unlock.key").exists());
    let wrong = Unlock::of(folder.path(), Some(SecretString::from("correct horsf")));
    assert!(matches!(IssuerKeystore::load(folder.path(), &wrong), Err(SealedFileError::Locked { .. })));
}

#[test]
fn a_rotated_key_is_published_two_days_ahead_and_leaves_no_gap() {
    let (folder, unlock) = initialised();
    let first = signing_key_at(&folder, NOW_MS).unwrap();
    let rotated_ms = NOW_MS + 25 * DAY_MS;
    let second = rotate(folder.path(), &unlock, rotated_ms).unwrap();

    assert_eq!(signing_key_at(&folder, rotated_ms), Some(first));
    assert_eq!(signing_key_at(&folder, rotated_ms + 2 * DAY_MS - 1_000), Some(first));
    assert_eq!(signing_key_at(&folder, rotated_ms + 2 * DAY_MS), Some(second));
    let (old, new) = (entry(&folder, first), entry(&folder, second));
    assert_eq!(old.not_after_s - old.sign_until_s, 8 * 24 * 60 * 60);
    assert_eq!(new.sign_until_s - new.not_before_s, 30 * 24 * 60 * 60);
    assert!(IssuerKeystore::load(folder.path(), &unlock).unwrap().signing_key(&second).is_some());
    assert_eq!(VaultKeystore::load(folder.path(), &unlock).unwrap().public_keys().count(), 42 + 25);
}

#[test]
fn whoever_rotates_late_has_a_key_all_the_same() {
    let (folder, unlock) = initialised();
    let first = signing_key_at(&folder, NOW_MS).unwrap();
    // A day before the end: the next key begins where the first ends.
    let late_ms = NOW_MS + 29 * DAY_MS;
    rotate(folder.path(), &unlock, late_ms).unwrap();
    let end_ms = entry(&folder, first).sign_until_s * 1000;
    for now_ms in [end_ms - 1_000, end_ms, end_ms + DAY_MS] {
        assert!(signing_key_at(&folder, now_ms).is_some());
    }
    // Long after the end: at once.
    let too_late_ms = NOW_MS + 200 * DAY_MS;
    assert_eq!(signing_key_at(&folder, too_late_ms), None);
    let third = rotate(folder.path(), &unlock, too_late_ms).unwrap();
    assert_eq!(signing_key_at(&folder, too_late_ms), Some(third));
}

#[test]
fn each_list_may_follow_the_one_before_it() {
    let (folder, unlock) = initialised();
    let mut former = list(folder.path()).unwrap();
    for month in 1..=24 {
        let now_ms = NOW_MS + month * 28 * DAY_MS;
        rotate(folder.path(), &unlock, now_ms).unwrap();
        let current = list(folder.path()).unwrap();
        assert_eq!(current.may_follow(&former, current.issued_at_s), Ok(()), "month {month}");
        for purpose in Purpose::ALL {
            assert!(current.signing_key_at(purpose, now_ms).is_some(), "{purpose:?} in month {month}");
        }
        former = current;
    }
    assert!(former.entries.len() < 12, "{} entries after two years", former.entries.len());
}

#[test]
fn a_revoked_key_is_replaced_at_once() {
    let (folder, unlock) = initialised();
    let before = list(folder.path()).unwrap();
    for purpose in Purpose::ALL {
        let revoked = before.signing_key_at(purpose, NOW_MS).unwrap();
        revoke(folder.path(), &unlock, revoked, NOW_MS + 1_000).unwrap();
        let list = list(folder.path()).unwrap();
        assert!(list.verifying_key(revoked, purpose, NOW_MS + 1_000).is_err());
        let successor = list.signing_key_at(purpose, NOW_MS + 1_000).unwrap();
        assert_ne!(successor, revoked);
    }
    assert_eq!(list(folder.path()).unwrap().may_follow(&before, NOW_MS / 1000), Ok(()));
    let unknown = KeyId([0; 8]);
    assert!(matches!(revoke(folder.path(), &unlock, unknown, NOW_MS), Err(KeysError::NoSuchKey(_))));
}

#[test]
fn a_list_of_another_root_is_not_believed() {
    let (folder, _) = initialised();
    let (another, _) = initialised();
    std::fs::copy(another.path().join(files::KEY_LIST), folder.path().join(files::KEY_LIST)).unwrap();
    assert!(matches!(list(folder.path()), Err(KeysError::List(KeyListError::Forged))));
}

#[test]
fn a_vault_makes_keys_when_few_days_have_one() {
    let (folder, unlock) = initialised();
    assert!(has_vault(folder.path()) && !has_vault(tempfile::tempdir().unwrap().path()));
    let keys = || VaultKeystore::load(folder.path(), &unlock).unwrap().public_keys().collect::<Vec<_>>();
    let before = keys();
    assert!(!renew_seal_keys(folder.path(), &unlock, NOW_MS + 38 * DAY_MS).unwrap(), "today and two days have one");
    assert!(renew_seal_keys(folder.path(), &unlock, NOW_MS + 39 * DAY_MS).unwrap());
    assert_eq!(keys()[..before.len()], before, "what was there stays");
    assert_eq!(keys().len(), before.len() + 39);
}

#[test]
fn who_changes_the_folder_waits_for_who_does() {
    let (folder, unlock) = initialised();
    let turn = files::turn(folder.path()).unwrap();
    std::thread::scope(|scope| {
        let renewal = scope.spawn(|| renew_seal_keys(folder.path(), &unlock, NOW_MS + 60 * DAY_MS).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!renewal.is_finished());
        drop(turn);
        assert!(renewal.join().unwrap());
    });
}
