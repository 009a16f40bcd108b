//! The demonstration city.

use std::time::{Duration, Instant};

use suikang_registry::seed;
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;

use crate::nodes::{Deployment, actor};

const NOW_MS: i64 = 1_582_768_800_000; // 2020-02-27T10:00:00+08:00

#[tokio::test(flavor = "multi_thread")]
async fn the_city_is_seeded_in_seconds_and_only_once() {
    let deployment = Deployment::new().await;
    let node = deployment.node("one").await;
    let begun = Instant::now();
    let submitted = seed::city(&node.registry, actor(), NOW_MS).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(60), "took {:?}", begun.elapsed());
    assert_eq!(submitted, seed::places().len() + 8, "five sets of choices, policy, order, area rule");
    assert_eq!(seed::city(&node.registry, actor(), NOW_MS).await.unwrap(), 0);

    let snapshot = node.registry.snapshot();
    let area = |text: &str| text.parse::<AreaCode>().unwrap();
    assert_eq!(snapshot.children(&area("4401")).count(), 11);
    assert_eq!(snapshot.places_of_level(&area("440106"), Level::Street).count(), 21);
    let committee = area("440103001101");
    let gates: Vec<&str> = snapshot.children(&area("440103001101-001")).map(|place| place.name_zh.as_str()).collect();
    assert_eq!(gates, ["翠洲社区东门", "翠洲社区西门"]);
    assert_eq!(snapshot.place(&committee).unwrap().name_zh, "翠洲社区居民委员会");
    assert_eq!(snapshot.area_rule(&area("440103001101-001-01")).unwrap().area, area("4401"));
    assert!(snapshot.has_value("symptom", "fever") && !snapshot.has_value("symptom", "none"));
    assert_eq!(snapshot.policy_at(NOW_MS).unwrap().version, 1);
    assert!(!snapshot.order_has_ended(NOW_MS));
}
