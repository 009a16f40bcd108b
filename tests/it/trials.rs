//! Trials in short form, one after the other: those whose claims don't hang on how fast this machine is.

use std::time::Duration;

use suikang_benchmarks::trials::{Amount, Fault, Stage};

use super::SUIKANG;

#[tokio::test(flavor = "multi_thread")]
async fn faults_do_no_harm() {
    let stage = Stage { suikang: SUIKANG.into(), seed: 5, load: 40.0, keep: None };
    for (fault, times, seconds) in [(Fault::OneKey, 100, 0), (Fault::Recount, 60, 0), (Fault::Zombies, 1, 8)] {
        let amount = Amount { times, time: Duration::from_secs(seconds) };
        fault.inflict(&stage, amount).await.unwrap_or_else(|error| panic!("{fault:?}: {error:#}"));
    }
}
