//! A renewal per request, answered once the broker has it; and from a declaration to its code.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use suikang_schemas::Topic;
use uuid::Uuid;

use super::{Bench, DOOR, DOOR_CONNECTIONS, say};
use crate::measure::cost::round;
use crate::measure::floors;
use crate::measure::load::{Make, post, send, send_well};
use crate::measure::servers::Before;
use crate::simulate::{Resident, Residents};
use crate::walk::last;

impl Bench {
    /// People, by their forms and tokens, in turns.
    fn declare(&self, people: &Arc<Vec<(String, String)>>, wait: bool) -> Make {
        let people = Arc::clone(people);
        Arc::new(move |number| {
            let (form, token) = &people[usize::try_from(number).unwrap_or(0) % people.len()];
            let key = Uuid::now_v7().to_string();
            let mut request = post("/v1/declarations", token, Some(("idempotency-key", &key)), form.clone());
            if wait {
                request.headers_mut().insert("prefer", "wait=10".parse().expect("a header"));
            }
            request
        })
    }

    /// Renewals, one per request, while no issuer runs.
    pub(super) async fn door(&mut self) -> anyhow::Result<Value> {
        self.start(DOOR).await?;
        self.start("issuer-1").await?;
        say("everybody declares for the first time");
        let drawn: Vec<_> = Residents::new(self.plan.seed, "bench").take(self.plan.people).collect();
        let token = |resident: &Resident| {
            let (role, area) = resident.caller();
            (self.mint)(role, &area, &resident.login)
        };
        let firsts = Arc::new(drawn.iter().map(|one| (one.declaration.to_string(), token(one))).collect::<Vec<_>>());
        // Drawn people share a number now and then; whoever isn't the holder hears of it by waiting for the outcome, and doesn't renew.
        let mut load = self.load(DOOR_CONNECTIONS, firsts.len() as u64, self.declare(&firsts, true));
        load.keep = true;
        let first = send(load).await?;
        ensure!(
            first.good * 10 > firsts.len() as u64 * 9,
            "{} of the first declarations were refused",
            first.refused.len()
        );
        let people = first.bodies.iter().map(|(number, body)| {
            let at = usize::try_from(*number)?;
            let mut form = drawn[at].declaration.clone();
            form["person"] = json!({"subject": serde_json::from_slice::<Value>(body)?["subject"]});
            form.as_object_mut().context("a form")?.remove("residence");
            Ok((form.to_string(), firsts[at].1.clone()))
        });
        let people = Arc::new(people.collect::<anyhow::Result<Vec<_>>>()?);
        self.codes_for_all().await?;
        self.city.kill("issuer-1")?;

        say("renewals, one per request");
        // The broker's Java compiles itself while it works: a third as much first, uncounted.
        let warm = self.load(DOOR_CONNECTIONS, self.plan.renewals / 3, self.declare(&people, false));
        send_well(warm).await?;
        let meter = self.meter(&[DOOR])?;
        let mut renewed =
            send_well(self.load(DOOR_CONNECTIONS, self.plan.renewals, self.declare(&people, false))).await?;
        let spent = meter.stop(self.plan.renewals)?;
        let [median_ms, p99_ms] = renewed.percentiles_ms();
        let load = self.load(DOOR_CONNECTIONS, self.plan.renewals, self.declare(&people, false));
        let (fixed, _) = self.alike(Before::Nothing, load.clone()).await?;
        let (forwarded, _) =
            self.alike(Before::Acknowledged { url: &self.broker.url(), linger_ms: floors::LINGER_MS }, load).await?;
        let renewals = last(self.log.as_ref(), Topic::Declarations, self.plan.renewals).await?;
        let bare = floors::produce(&self.broker.url(), &renewals, self.plan.renewals).await?;
        let floor = fixed.of("server") + bare.of("bare");

        say("declaration to code at a quarter of the door's pace");
        self.start("issuer-1").await?;
        self.codes_for_all().await?;
        let pace = spent.per_second() / 4.0;
        // One for each request of a second: a door lets go a connection on which nothing comes for long.
        let connections = (pace.ceil() as usize).min(256);
        let mut load = self.load(connections, (pace * 15.0) as u64, self.declare(&people, true));
        load.pace = Some(pace);
        load.keep = true;
        let mut waited = send_well(load).await?;
        let [code_median_ms, code_p99_ms] = waited.percentiles_ms();
        let codes = waited.bodies.iter().map(|(_, body)| {
            let answer: Value = serde_json::from_slice(body)?;
            Ok(answer["outcome"]["pass_code"].as_str().map(str::to_owned))
        });
        self.pass_codes = codes.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect();
        self.city.kill("issuer-1")?;
        // For the issuer, which has nothing to do now: enough that its start is little beside them.
        send_well(self.load(DOOR_CONNECTIONS, 3 * self.plan.renewals, self.declare(&people, false))).await?;
        let figures = json!({
            "spent": spent.figures(), "median_ms": median_ms, "p99_ms": p99_ms, "connections": DOOR_CONNECTIONS,
            "fixed_reply": fixed.figures(), "bare_produce": bare.figures(), "forwarded": forwarded.figures(),
            "times_floor": round(spent.of(DOOR) / floor), "times_forwarded": round(spent.of(DOOR) / forwarded.of("server")),
            "to_code": {"per_second": pace.round(), "median_ms": code_median_ms, "p99_ms": code_p99_ms, "told_later": waited.later},
        });
        Ok(figures)
    }
}
