//! Lists round-trip, follow each other by the rule, and open and close each key's windows.

use ed25519_dalek::{Signer as _, SigningKey};

use super::*;

const DAY_S: i64 = 86_400;

fn entry(seed: u8, purpose: Purpose, not_before_s: i64) -> KeyEntry {
    let public_key = SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes();
    KeyEntry {
        key_id: key_id(&public_key),
        purpose,
        public_key,
        scope: "4401".parse().unwrap(),
        not_before_s,
        sign_until_s: not_before_s + 30 * DAY_S,
        not_after_s: not_before_s + 38 * DAY_S,
        revoked_at_s: None,
    }
}

fn list(sequence: i64, entries: Vec<KeyEntry>) -> KeyList {
    KeyList { sequence, issued_at_s: 0, next_update_s: DAY_S, entries }
}

#[test]
fn a_list_is_what_the_root_signed() {
    let root = SigningKey::from_bytes(&[1; 32]);
    let root_public_key = root.verifying_key().to_bytes();
    let mut revoked = entry(3, Purpose::SessionToken, 5);
    revoked.revoked_at_s = Some(77);
    let list = list(4, vec![entry(2, Purpose::PassCode, 0), revoked]);
    let bytes = list.sign(&root_public_key, |bytes| root.sign(bytes).to_bytes());
    assert_eq!(KeyList::verify(&bytes, &root_public_key), Ok(list));
    let other = SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes();
    assert_eq!(KeyList::verify(&bytes, &other), Err(KeyListError::Forged));
    assert_eq!(KeyList::verify(&bytes[1..], &root_public_key), Err(KeyListError::Malformed));
}

#[test]
fn a_list_that_forgets_a_key_in_use_is_refused() {
    let (old, new) = (entry(2, Purpose::PassCode, 0), entry(3, Purpose::PassCode, 28 * DAY_S));
    let current = list(4, vec![old.clone()]);
    let now_s = 29 * DAY_S;
    assert_eq!(list(5, vec![old.clone(), new.clone()]).may_follow(&current, now_s), Ok(()));
    assert_eq!(list(4, vec![old.clone(), new.clone()]).may_follow(&current, now_s), Err(KeyListError::Older));
    assert_eq!(list(5, vec![new.clone()]).may_follow(&current, now_s), Err(KeyListError::DropsKeyInUse));
    assert_eq!(list(5, vec![new.clone()]).may_follow(&current, 38 * DAY_S), Ok(()), "its time is over");

    let mut revoked = old.clone();
    revoked.revoked_at_s = Some(now_s);
    let killing = list(5, vec![revoked, new.clone()]);
    assert_eq!(killing.may_follow(&current, now_s), Ok(()));
    assert_eq!(
        list(6, vec![old.clone(), new]).may_follow(&killing, now_s),
        Err(KeyListError::DropsKeyInUse),
        "back from the dead"
    );

    let mut shortened = old;
    shortened.not_after_s = now_s;
    assert_eq!(list(5, vec![shortened]).may_follow(&current, now_s), Err(KeyListError::DropsKeyInUse));
}

#[test]
fn a_key_has_its_time_and_its_purpose() {
    let (old, new) = (entry(2, Purpose::PassCode, 10 * DAY_S), entry(3, Purpose::PassCode, 38 * DAY_S));
    let (old_id, new_id) = (old.key_id, new.key_id);
    let mut list = list(1, vec![old, new]);
    let at = |day: i64| day * DAY_S * 1000;
    let verifying =
        |list: &KeyList, day| list.verifying_key(old_id, Purpose::PassCode, at(day)).map(|entry| entry.key_id);

    assert_eq!(verifying(&list, 9), Err(KeyRefusal::NotYetValid));
    assert_eq!(verifying(&list, 47), Ok(old_id));
    assert_eq!(verifying(&list, 48), Err(KeyRefusal::Expired));
    assert_eq!(list.verifying_key(old_id, Purpose::SessionToken, at(20)).err(), Some(KeyRefusal::Unknown));

    let signing = |list: &KeyList, day| list.signing_key_at(Purpose::PassCode, at(day));
    assert_eq!(
        [9, 10, 37, 38, 39, 67, 68].map(|day| signing(&list, day)),
        [None, Some(old_id), Some(old_id), Some(new_id), Some(new_id), Some(new_id), None]
    );
    list.entries[1].revoked_at_s = Some(0);
    assert_eq!(signing(&list, 39), Some(old_id), "the former key signs on while its window is open");
    assert_eq!(list.jwks()["keys"].as_array().unwrap().len(), 1);
}
