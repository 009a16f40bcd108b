//! From a form to a record that is durable: the one way for single declarations and for the rows of a batch.
//!
//! Look the people up, plan, tell the registry of those who are new or changed, stamp, append: each step for all forms together, so that
//! a batch costs as many waits for the log as one declaration. A form that fails fails alone; the log takes all records or none.

use suikang_registry::command::{CommandError, Committed};
use suikang_registry::http::Problem;
use suikang_registry::seal::SealPurpose;
use suikang_registry::{Caller, Claim, Person, Refusal};
use suikang_schemas::declaration::{Declaration, Sealed};
use suikang_schemas::{DeclarationId, Subject, Topic, avro};
use suikang_stream::NewRecord;

use super::accepted::Accepted;
use super::form::Form;
use super::identity::{self, BodyDigest, IdempotencyKey};
use super::in_force::InForce;
use super::people::{self, Plan, Settled};
use super::person_set;
use crate::doors::Doors;
use crate::refusals;

/// Rounds in which a form may lose against another node that adds the same document.
const ROUNDS: usize = 3;

/// A form that can be true, and what identifies the request.
pub(crate) struct Submission {
    pub(crate) form: Form,
    pub(crate) key: IdempotencyKey,
    /// Whether the client chose the key and so may have sent it before.
    pub(crate) key_is_clients: bool,
    pub(crate) body: BodyDigest,
}

/// Where a submission stands.
enum Stage {
    /// Its person was not looked up, or is to be looked up again.
    Open,
    /// The registry knows of the person what it should.
    Planned(Box<Planned>),
    /// It ended without a record: refused, or accepted earlier.
    Ended(Result<Accepted, Problem>),
}

struct Planned {
    declaration_id: DeclarationId,
    plan: Plan,
    /// Where nothing had to be changed.
    person: Option<Person>,
}

/// Accepts submissions of one caller; answers in their order.
pub(crate) async fn accept(
    doors: &Doors,
    caller: &Caller,
    submissions: &[Submission],
    in_force: &InForce,
) -> Vec<Result<Accepted, Problem>> {
    let mut stages: Vec<Stage> = submissions.iter().map(|_| Stage::Open).collect();
    for round in 0..ROUNDS {
        register(doors, caller, submissions, in_force, &mut stages, round).await;
    }
    let mut records = Vec::new();
    let mut answers = Vec::with_capacity(submissions.len());
    for (submission, stage) in submissions.iter().zip(stages) {
        answers.push(match stage {
            Stage::Open => Err(refusals::log_away(1)),
            Stage::Ended(answer) => answer,
            Stage::Planned(planned) => draft(doors, &submission.form, *planned, in_force).await.map(|declaration| {
                records.push(record(&declaration));
                Accepted {
                    declaration_id: declaration.declaration_id,
                    subject: declaration.subject,
                    inadmissible: declaration.inadmissible,
                }
            }),
        });
    }
    if !records.is_empty()
        && let Err(problem) = doors.append(Topic::Declarations, records).await
    {
        // Those accepted earlier fall with the others: a repetition is answered from what is on the log then.
        answers.iter_mut().filter(|answer| answer.is_ok()).for_each(|answer| *answer = Err(problem.clone()));
    }
    answers
}

/// One round: looks up and plans what is open, and submits the plans' commands together.
async fn register(
    doors: &Doors,
    caller: &Caller,
    submissions: &[Submission],
    in_force: &InForce,
    stages: &mut [Stage],
    round: usize,
) {
    let mut commands = Vec::new();
    let mut commanded = Vec::new();
    for (at, submission) in submissions.iter().enumerate() {
        if !matches!(stages[at], Stage::Open) {
            continue;
        }
        stages[at] =
            look_up(doors, caller, submission, in_force).await.unwrap_or_else(|problem| Stage::Ended(Err(problem)));
        let Stage::Planned(planned) = &mut stages[at] else { continue };
        let Some(change) = planned.plan.change.take() else { continue };
        let claim = change.claim;
        let id = identity::command_id(doors.id_key(), caller, submission.key, &submission.body, round);
        match person_set::command(doors.registry(), caller, id, &submission.form, in_force, change) {
            Ok(command) => {
                commands.push(command);
                commanded.push((at, claim));
            }
            Err(problem) => stages[at] = Stage::Ended(Err(problem)),
        }
    }
    if commands.is_empty() {
        return;
    }
    let results = doors.registry().submit_all(commands).await;
    for ((at, claim), result) in commanded.into_iter().zip(results) {
        if let Some(stage) = after_command(doors, &stages[at], claim, result).await {
            stages[at] = stage;
        }
    }
}

/// What a command's end makes of a stage; nothing if it stays as planned.
async fn after_command(
    doors: &Doors,
    stage: &Stage,
    claim: Option<[u8; 32]>,
    result: Result<Committed, CommandError>,
) -> Option<Stage> {
    match (result, stage, claim) {
        (Ok(_), Stage::Planned(planned), Some(claim)) => {
            // The same request through another node is the same command: then that node's subject is the person's.
            match doors.registry().subject_of(&Claim(claim)).await {
                Ok(Some(subject)) if subject == planned.plan.subject => None,
                Ok(_) => Some(Stage::Open),
                Err(error) => Some(Stage::Ended(Err(refusals::lookup(error)))),
            }
        }
        (Ok(_), ..) => None,
        // Another request added this document first: the person is there now.
        (Err(CommandError::Refused(Refusal::ClaimTaken) | CommandError::Conflict { .. }), ..) => Some(Stage::Open),
        (Err(error), ..) => Some(Stage::Ended(Err(refusals::command(&error)))),
    }
}

async fn look_up(
    doors: &Doors,
    caller: &Caller,
    submission: &Submission,
    in_force: &InForce,
) -> Result<Stage, Problem> {
    let found = people::find(doors.registry(), doors.log(), &submission.form).await?;
    let unregistered = |claim: &Claim| identity::unregistered_subject(doors.id_key(), &claim.0);
    let plan = people::plan(caller, &submission.form, &found, in_force, Subject(rand::random()), unregistered)?;
    let declaration_id = identity::declaration_id(doors.id_key(), plan.subject, submission.key, &submission.body);
    // What has its outcome is not appended again; nor does a late repetition change back what was changed since.
    if submission.key_is_clients
        && found.person.is_some()
        && let Some(outcome) = doors.codes().outcome(&declaration_id).await.map_err(refusals::lookup)?
    {
        let accepted = Accepted { declaration_id, subject: plan.subject, inadmissible: outcome.rejected };
        return Ok(Stage::Ended(Ok(accepted)));
    }
    let person = if plan.change.is_none() { found.person } else { None };
    Ok(Stage::Planned(Box::new(Planned { declaration_id, plan, person })))
}

/// The declaration as it will stand on the log.
async fn draft(
    doors: &Doors,
    form: &Form,
    Planned { declaration_id, plan, person }: Planned,
    in_force: &InForce,
) -> Result<Declaration, Problem> {
    let person = match person {
        Some(person) => Some(person),
        None => doors.registry().person(&plan.subject).await.map_err(refusals::lookup)?,
    };
    let settled = people::settle(doors.registry(), form, &plan, person.as_ref(), in_force)?;
    let sealed = match &form.description {
        // Where no code is due, nothing is kept of what somebody wrote about their health.
        Some(description) if settled.inadmissible.is_none() => {
            let purpose = SealPurpose::FreeText(declaration_id);
            let sealed = doors.registry().seal(in_force.accepted_at_ms, purpose, description.expose().as_bytes());
            Some(sealed.map_err(refusals::seal)?)
        }
        _ => None,
    };
    Ok(stamp(declaration_id, form, settled, in_force, sealed))
}

/// Form, facts and what is in force become the record; the outcome follows from it alone.
fn stamp(
    declaration_id: DeclarationId,
    form: &Form,
    settled: Settled,
    in_force: &InForce,
    sealed: Option<Sealed>,
) -> Declaration {
    Declaration {
        declaration_id,
        subject: settled.subject,
        accepted_at_ms: in_force.accepted_at_ms,
        declared_by: form.declared_by,
        inadmissible: settled.inadmissible,
        policy_version: in_force.policy_version,
        signing_key: in_force.signing_key,
        validity_s: in_force.validity_s,
        registry_offset: settled.registry_offset,
        facts: settled.facts,
        residence: settled.residence,
        health: form.health.clone(),
        sealed,
    }
}

fn record(declaration: &Declaration) -> NewRecord {
    NewRecord { record_key: declaration.subject.0.to_vec(), payload: avro::encode(declaration) }
}
