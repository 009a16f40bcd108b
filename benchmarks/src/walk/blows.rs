//! What befalls the processes on the way: SIGKILL at random moments, and restarts of the broker, spread over the run.

use std::time::Duration;

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use suikang_stream::testing::Broker;

use super::{City, Walk, say};
use crate::simulate::Client;

/// One thing that befalls the city.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill(&'static str),
    RestartBroker,
}

/// Deals the walk's blows while its clients go on, each after its share of the requests was answered; says how many.
///
/// # Errors
/// If a process can't be killed or started, or the run is over before the last blow.
pub(super) async fn deal(
    walk: &Walk,
    city: &mut City,
    mut broker: Option<&mut Broker>,
    client: &Client,
    is_over: impl Fn() -> bool,
) -> anyhow::Result<usize> {
    let mut rng = StdRng::seed_from_u64(walk.seed ^ 0xb10e5);
    let victims = city.layout().victims().iter().flat_map(|victim| std::iter::repeat_n(Blow::Kill(victim), walk.kills));
    let restarts = std::iter::repeat_n(Blow::RestartBroker, walk.broker_restarts);
    let mut blows: Vec<_> = victims.chain(restarts).collect();
    blows.shuffle(&mut rng);

    // A tenth of the scans are asked for one by one, the others some fifty at a time.
    let requests = walk.declarations + walk.scans / 10 + walk.scans / 56;
    let count = u64::try_from(blows.len())?;
    for (number, blow) in (1..).zip(&blows) {
        // The last comes while a fifth is still to do.
        let after = requests * 4 / 5 * number / (count + 1);
        while client.answered() < after && !is_over() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ensure!(!is_over(), "the run was over before blow {number} of {count}");
        match blow {
            Blow::Kill(name) => {
                say(walk, &format!("{number} of {count}: SIGKILL {name}"));
                city.kill(name)?;
                tokio::time::sleep(Duration::from_millis(rng.random_range(100..1_500))).await;
                city.start(name)?;
            }
            Blow::RestartBroker => {
                let Some(broker) = broker.as_deref_mut() else { continue };
                say(walk, &format!("{number} of {count}: SIGKILL the broker"));
                broker.kill();
                tokio::time::sleep(Duration::from_millis(rng.random_range(100..3_000))).await;
                broker.resume().await;
            }
        }
    }
    Ok(blows.len())
}
