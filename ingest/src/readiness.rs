//! Whether this node can take declarations, checks and scans, in words an operator can act on.

use std::time::Duration;

use suikang_stream::Readiness;

use crate::declarations::InForce;
use crate::doors::Doors;

pub(crate) fn readiness(doors: &Doors) -> Vec<Readiness> {
    vec![log(doors), view("ingest registry view", doors, doors.registry().age()), codes(doors), in_force(doors)]
}

fn log(doors: &Doors) -> Readiness {
    const NAME: &str = "ingest log";
    if doors.log_health.is_good() {
        Readiness::ready(NAME, "the log answers")
    } else {
        Readiness::not_ready(
            NAME,
            "the log does not answer: see that the broker, or the disk of the embedded log, is well",
        )
    }
}

fn codes(doors: &Doors) -> Readiness {
    view("ingest codes view", doors, doors.codes().age())
}

fn view(name: &'static str, doors: &Doors, age: Option<Duration>) -> Readiness {
    let most_s = doors.settings.registry_age_s;
    match age {
        Some(age) if age.as_secs() <= most_s => Readiness::ready(name, format!("{} s old", age.as_secs())),
        Some(age) => {
            Readiness::not_ready(name, format!("{} s old, over {most_s} s: is the log reachable?", age.as_secs()))
        }
        None => Readiness::not_ready(name, "has not reached the log's end yet"),
    }
}

fn in_force(doors: &Doors) -> Readiness {
    const NAME: &str = "ingest policy and keys";
    match InForce::at(&doors.registry().snapshot(), doors.now_ms()) {
        Ok(in_force) => {
            Readiness::ready(NAME, format!("policy {}, key {}", in_force.policy_version, in_force.signing_key))
        }
        Err(missing) => Readiness::not_ready(NAME, format!("{missing}: set it in the registry")),
    }
}
