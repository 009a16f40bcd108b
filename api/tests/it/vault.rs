//! The vault: keys for the days ahead without anybody's doing, and nothing unsealed without right, purpose and record.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use suikang_api::Vault;
use suikang_api::vault::UnsealError;
use suikang_registry::seal::{SealPurpose, seal_day_at};
use suikang_registry::{Action, Role};
use suikang_schemas::Subject;
use tokio_util::sync::CancellationToken;

use crate::city::{AWAY, City, HOME, caller, now_ms};

const SECRET: &str = "张三 13800138000";

fn open(city: &City) -> Vault {
    Vault::open(city.registry.clone(), &city.keys_dir(), city.unlock.clone(), city.audit.clone(), "test").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_for_today_and_the_days_ahead_are_there_though_nobody_rotates() {
    // As an operator would have left it 45 days ago: the last seal key was for five days ago.
    let long_ago_ms = now_ms() - 45 * 24 * 3_600_000;
    let city = City::with(|_| {}, long_ago_ms).await;
    let today = seal_day_at(now_ms());
    assert_eq!(city.registry.snapshot().seal_key(today), None);
    let vault = open(&city);
    assert!(!vault.readiness()[0].ready);

    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (vault, stop) = (vault.clone(), stop.clone());
        async move { vault.run(stop).await }
    });
    for _ in 0..200 {
        if vault.readiness()[0].detail.contains("today and tomorrow") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let snapshot = city.registry.snapshot();
    assert!((today..=today + 2).all(|day| snapshot.seal_key(day).is_some()), "{:?}", vault.readiness());
    let mode = std::fs::metadata(city.keys_dir().join("vault.keystore")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    stop.cancel();
    running.await.unwrap();

    // And what is sealed to them opens.
    let of = SealPurpose::BasicInformation(Subject([7; 16]));
    let sealed = city.registry.seal(now_ms(), of, SECRET.as_bytes()).unwrap();
    let reviewer = caller(Role::Reviewer, HOME, "reviewer");
    let opened = vault.unseal(&reviewer, &HOME.parse().unwrap(), "回访 follow-up", of, &sealed).await.unwrap();
    assert_eq!(opened.as_slice(), SECRET.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_persons_own_reviewer_unseals_and_all_of_it_is_written_down() {
    let city = City::new().await;
    let vault = open(&city);
    let of = SealPurpose::BasicInformation(Subject([7; 16]));
    let sealed = city.registry.seal(now_ms(), of, SECRET.as_bytes()).unwrap();
    let home = HOME.parse().unwrap();
    let unseal = async |role, area: &str, purpose: &str| {
        vault.unseal(&caller(role, area, "login"), &home, purpose, of, &sealed).await
    };
    for (role, area, purpose) in [
        (Role::Reviewer, AWAY, "follow-up"),
        (Role::Reviewer, HOME, " "),
        (Role::CommunityAdministrator, HOME, "follow-up"),
        (Role::DistrictAdministrator, "4401", "follow-up"),
        (Role::HeadquartersInvestigator, "4401", "follow-up"),
        (Role::Operator, "4401", "follow-up"),
        (Role::Resident, "4401", "follow-up"),
    ] {
        assert!(matches!(unseal(role, area, purpose).await, Err(UnsealError::Refused(_))), "{role} {area}");
    }
    assert_eq!(unseal(Role::Reviewer, HOME, "follow-up").await.unwrap().as_slice(), SECRET.as_bytes());
    let another = SealPurpose::BasicInformation(Subject([8; 16]));
    let reviewer = caller(Role::Reviewer, HOME, "login");
    let stolen = vault.unseal(&reviewer, &home, "follow-up", another, &sealed).await;
    assert!(matches!(stolen, Err(UnsealError::Sealed(_))), "one person's information doesn't open as another's");

    let entries = city.audited().await;
    assert_eq!(
        entries.iter().map(|(entry, _)| entry.allowed).collect::<Vec<_>>(),
        [[false; 7].as_slice(), &[true; 2]].concat()
    );
    assert!(entries.iter().all(|(entry, _)| entry.action == Action::ReadProfile.as_str()));
    assert_eq!(entries[7].0.target, format!("subject {}: follow-up", Subject([7; 16])));
    assert!(entries.iter().all(|(_, bytes)| !bytes.windows(11).any(|window| window == b"13800138000")));

    city.mute(true);
    assert!(matches!(unseal(Role::Reviewer, HOME, "follow-up").await, Err(UnsealError::Refused(_))), "not unseen");
}
