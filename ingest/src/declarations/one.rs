//! `POST /v1/declarations`: one form, answered 202 once it is on the log, or 201 with its outcome if the client waits for it.

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use suikang_registry::http::{Bearer, Problem, json};
use suikang_registry::{Action, Caller};

use super::accept::{Submission, accept};
use super::accepted::Accepted;
use super::form::{self, Reading, TypedForm};
use super::identity::{self, BodyDigest, IdempotencyKey, RequestId};
use super::in_force::InForce;
use super::{people, wait};
use crate::doors::Doors;
use crate::limits::Door;
use crate::{body, clock, metrics};

pub(crate) async fn post(
    State(doors): State<Doors>,
    Bearer(caller): Bearer,
    request: Request,
) -> Result<Response, Problem> {
    require_declarer(&caller)?;
    let clients_key = IdempotencyKey::from_headers(request.headers(), doors.now_ms())?;
    let patience = wait::asked(request.headers(), &doors.settings);
    let settings = &doors.settings;
    let (bytes, admission) =
        body::json(request, settings.declaration_bytes, doors.body_timeout(), &doors.limits, Door::Declarations)
            .await?;
    let body = identity::digest(&bytes);
    let answer = match clients_key {
        Some(key) => {
            let request_id = RequestId::new(&caller, key, &body);
            let sent = Sent { key, key_is_clients: true, body, bytes };
            doors.flights.once(request_id, || declare(doors.clone(), caller, sent)).await
        }
        None => {
            let key = IdempotencyKey::new(doors.now_ms());
            declare(doors.clone(), caller, Sent { key, key_is_clients: false, body, bytes }).await
        }
    };
    metrics::declaration_answered(&answer);
    let accepted = answer?;
    admission.answered();
    wait::answer(&doors, &accepted, patience).await
}

/// Whoever may declare at all; where is told by the form.
pub(super) fn require_declarer(caller: &Caller) -> Result<(), Problem> {
    let may = caller.may_somewhere(Action::Declare) || caller.may_somewhere(Action::DeclareForOthers);
    if may { Ok(()) } else { Err(Problem::forbidden()) }
}

/// A body, and what identifies the request.
struct Sent {
    key: IdempotencyKey,
    key_is_clients: bool,
    body: BodyDigest,
    bytes: Bytes,
}

async fn declare(doors: Doors, caller: Caller, sent: Sent) -> Result<Accepted, Problem> {
    let Sent { key, key_is_clients, body, bytes } = sent;
    let typed: TypedForm = json::parse_closed(&bytes)?;
    doors.require_fresh_registry()?;
    let now_ms = doors.now_ms();
    let registry = doors.registry().snapshot();
    let reading =
        Reading { registry: &registry, today: clock::local_date(now_ms), by_staff: people::is_staff(&caller) };
    let form = form::read(typed, reading).map_err(|errors| Problem::invalid("invalid_declaration", errors))?;
    let in_force = InForce::at(&registry, now_ms)?;
    let submission = Submission { form, key, key_is_clients, body };
    let mut answers = accept(&doors, &caller, &[submission], &in_force).await;
    answers.pop().unwrap_or_else(|| Err(Problem::internal()))
}
