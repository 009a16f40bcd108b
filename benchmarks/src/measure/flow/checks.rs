//! Checks of thin gates: a code's text comes in, is verified, decided on and recorded, and answered once the record is durable.

use std::sync::Arc;

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Bench, DOOR, DOOR_CONNECTIONS, say};
use crate::measure::gates::Gates;
use crate::measure::load::{Make, send_well};
use crate::measure::servers::Before;

/// Checks a second: what one door is to take beside everything else.
const PACE: f64 = 2_000.0;

impl Bench {
    /// Checks of codes that the issuer has just made, at a pace that waits for nobody.
    pub(super) async fn checks(&mut self) -> anyhow::Result<Value> {
        say("checks of codes at thin gates");
        ensure!(!self.pass_codes.is_empty(), "nobody has a code");
        let (gates, codes) = (Gates::new(self.plan.seed + 2, 1, &self.mint), std::mem::take(&mut self.pass_codes));
        let make: Make = Arc::new(move |number| {
            let code = &codes[usize::try_from(number).unwrap_or(0) % codes.len()];
            gates.check(number, code)
        });
        send_well(self.load(DOOR_CONNECTIONS, self.plan.checks / 3, Arc::clone(&make))).await?;
        let meter = self.meter(&[DOOR])?;
        let mut load = self.load(DOOR_CONNECTIONS, self.plan.checks, make);
        load.pace = Some(PACE);
        let mut checked = send_well(load.clone()).await?;
        let spent = meter.stop(self.plan.checks)?;
        let [median_ms, p99_ms] = checked.percentiles_ms();
        let (forwarded, mut answered) =
            self.alike(Before::Acknowledged { url: &self.broker.url(), linger_ms: "2" }, load).await?;
        let [forwarded_median_ms, forwarded_p99_ms] = answered.percentiles_ms();
        Ok(json!({
            "pace_per_second": PACE, "spent": spent.figures(), "median_ms": median_ms, "p99_ms": p99_ms,
            "connections": DOOR_CONNECTIONS, "told_later": checked.later,
            "forwarded": {"spent": forwarded.figures(), "median_ms": forwarded_median_ms, "p99_ms": forwarded_p99_ms},
        }))
    }
}
