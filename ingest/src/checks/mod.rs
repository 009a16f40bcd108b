//! `POST /v1/checks`: for thin gates. A code's text comes in; it is verified, a verdict is made and recorded, and then answered.
//!
//! The scan that is recorded is the same as a device's own: no name, no number. A gate that numbers its checks may repeat one safely; for
//! the others this process is the device.

mod form;
mod recorder;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use suikang_registry::http::{Bearer, Problem, json};
use suikang_registry::{Action, Snapshot};
use suikang_schemas::area::Level;
use suikang_schemas::decide::{
    self, AreaRule, CodePrefixes, Context, Credential, Decision, Failure, Presented, Reason,
};
use suikang_schemas::pass_code::{self, Verified};
use suikang_schemas::scan::{Scan, ScanUpload};
use suikang_schemas::{AreaCode, DeviceEpoch};

use crate::doors::Doors;
use crate::limits::Door;
use crate::scans::{self, Sighting};
use crate::{body, clock, metrics, refusals};
use form::Check;
use recorder::Number;
pub(crate) use recorder::Recorder;

/// What a gate is told.
#[derive(Debug, Serialize)]
pub(crate) struct CheckAnswer {
    /// `admit`, `refer` (aside, a person looks) or `refuse`.
    verdict: &'static str,
    /// Why; none for who is simply admitted.
    reasons: Vec<ReasonAnswer>,
    /// The code's status, if it verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Such as 张**, if the code carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    masked_name: Option<String>,
    /// Until when the code is valid, exclusively.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Under which device the scan is recorded.
    device_epoch: String,
    /// And under which number.
    seq: i64,
}

/// A reason, for programs and for people.
#[derive(Debug, Serialize)]
pub(crate) struct ReasonAnswer {
    /// Such as `expired`.
    reason: &'static str,
    /// What the inspector reads.
    zh: &'static str,
    /// In English.
    en: &'static str,
}

pub(crate) async fn post(
    State(doors): State<Doors>,
    Bearer(caller): Bearer,
    request: Request,
) -> Result<Json<CheckAnswer>, Problem> {
    if !caller.may_somewhere(Action::Check) {
        return Err(Problem::forbidden());
    }
    let (bytes, admission) =
        body::json(request, doors.settings.check_bytes, doors.body_timeout(), &doors.limits, Door::Checks).await?;
    let registry = doors.registry().snapshot();
    let check = form::read(json::parse_closed(&bytes)?, &registry, doors.plates(), &caller)?;
    doors.require_fresh_registry()?;
    doors.require_fresh_codes()?;

    let now_ms = doors.now_ms();
    let code = check.code.as_deref().map(|text| verify(text, &registry, now_ms));
    let decision = decide(&doors, &registry, &check, code.as_ref(), now_ms).await?;
    let code = code.and_then(Result::ok);
    let scan = scan(&check, code.as_ref(), &decision, now_ms);
    let number = match check.number {
        Some(number) => record_numbered(&doors, check.checkpoint, number, scan).await?,
        None => recorder::record(&doors, check.checkpoint, scan).await?,
    };
    admission.answered();
    metrics::checked(decision.verdict);
    Ok(Json(answer(&decision, code.as_ref(), number)))
}

fn verify(text: &str, registry: &Snapshot, now_ms: i64) -> Result<Verified, Failure> {
    // Without a list no key is known.
    let published = registry.key_list().ok_or(Failure::UnknownKey)?;
    pass_code::verify(text, &published.list, now_ms)
}

async fn decide(
    doors: &Doors,
    registry: &Snapshot,
    check: &Check,
    code: Option<&Result<Verified, Failure>>,
    now_ms: i64,
) -> Result<Decision, Problem> {
    let credential = match code {
        None => Credential::NoCode,
        Some(Err(failure)) => Credential::Failed(*failure),
        Some(Ok(code)) => Credential::Verified(code.clone().into()),
    };
    let mut superseded = CodePrefixes::default();
    if let Credential::Verified(facts) = &credential
        && doors.codes().is_superseded(&facts.code_id).await.map_err(refusals::lookup)?
    {
        superseded = CodePrefixes::from_iter([facts.code_id]);
    }
    let community_secret = check
        .checkpoint
        .ancestor(Level::Community)
        .map(|community| doors.registry().secrets().community_secret(&community));
    let presented = Presented { credential, temperature_tenths_celsius: check.temperature_tenths_celsius };
    let context = Context {
        checkpoint: &check.checkpoint,
        rule: &rule(registry, &check.checkpoint, now_ms),
        revoked: &CodePrefixes::default(),
        superseded: &superseded,
        approved: &CodePrefixes::default(),
        community_secret: community_secret.as_ref(),
    };
    Ok(decide::decide(&presented, now_ms, &context))
}

/// The rule of the nearest area that has one; when the order has ended, nothing is checked anywhere.
fn rule(registry: &Snapshot, checkpoint: &AreaCode, now_ms: i64) -> AreaRule {
    let mut rule = registry.area_rule(checkpoint).map(AreaRule::from).unwrap_or_default();
    rule.checking &= !registry.order_has_ended(now_ms);
    rule
}

fn scan(check: &Check, code: Option<&Verified>, decision: &Decision, now_ms: i64) -> Scan {
    Scan {
        scanned_at_ms: now_ms,
        direction: check.direction,
        shown: check.shown,
        verdict: decision.verdict,
        reasons: decision.reasons.iter().map(|reason| reason.as_str().to_owned()).collect(),
        code_id: code.map(|code| code.claims.code_id),
        status: code.map(|code| code.claims.status),
        temperature_tenths_celsius: check.temperature_tenths_celsius,
        vehicle: check.vehicle,
        offline: false,
    }
}

/// Records a check under the gate's own number, once however often it is repeated.
async fn record_numbered(
    doors: &Doors,
    checkpoint: AreaCode,
    number: (DeviceEpoch, i64),
    scan: Scan,
) -> Result<Number, Problem> {
    let (device_epoch, first_seq) = number;
    let upload = ScanUpload {
        device_epoch: device_epoch.to_i64(),
        first_seq,
        received_at_ms: scan.scanned_at_ms,
        checkpoint,
        scans: vec![scan],
    };
    let _turn = doors.devices.turn(upload.device_epoch).await;
    match doors.devices.seen().judge_check(&upload) {
        Sighting::New => scans::append_new(doors, &upload, &[Sighting::New]).await?,
        Sighting::Repeated => {}
        Sighting::Contradicts => {
            return Err(Problem::conflict(
                "number_taken",
                "此编号已用于另一次查验 Another check is recorded under this number",
            ));
        }
    }
    Ok(number)
}

fn answer(decision: &Decision, code: Option<&Verified>, (device_epoch, seq): Number) -> CheckAnswer {
    CheckAnswer {
        verdict: decision.verdict.as_str(),
        reasons: decision.reasons.iter().map(|reason| reason_answer(*reason)).collect(),
        status: code.map(|code| code.claims.status.as_str()),
        masked_name: code.and_then(|code| code.claims.masked_name.clone()),
        expires_at: code.map(|code| clock::rfc3339(code.claims.expires_at_ms())),
        device_epoch: device_epoch.to_string(),
        seq,
    }
}

fn reason_answer(reason: Reason) -> ReasonAnswer {
    let (zh, en) = reason.words();
    ReasonAnswer { reason: reason.as_str(), zh, en }
}
