//! Whom a form is about: a document leads by its claim to a subject, a subject to what is known of the person.
//!
//! [`find`] looks up, the pure [`plan`] decides: whoever is unknown is added, whoever moved or gave new information is changed, and what
//! a stranger says changes nobody. Then the plan's command is submitted, and [`settle`] reads what the declaration is stamped with.

use std::time::Duration;

use axum::http::StatusCode;
use suikang_registry::http::Problem;
use suikang_registry::{Action, Caller, Claim, Person, Registry};
use suikang_schemas::declaration::{IssuingFacts, Rejection, Residence};
use suikang_schemas::registry_event::PersonSet;
use suikang_schemas::{Subject, Topic};
use suikang_stream::Log;

use super::form::{Form, WhoIsDeclared};
use super::in_force::InForce;
use super::person_set;
use crate::refusals;

/// How long a node that may be behind catches up before it says that it doesn't know.
const CATCH_UP: Duration = Duration::from_secs(3);

/// What the registry has on whom a form is about.
#[derive(Debug)]
pub(crate) struct Found {
    /// Of the document, where the form has one.
    pub(crate) claim: Option<Claim>,
    /// Nobody yet, or the one that the claim or the subject leads to.
    pub(crate) person: Option<Person>,
}

/// What is to become of the person, and of the declaration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Whom the declaration is about.
    pub(crate) subject: Subject,
    /// What to tell the registry first, yet without sealed information.
    pub(crate) change: Option<PersonSet>,
    /// Why there will be no code.
    pub(crate) inadmissible: Option<Rejection>,
}

/// What a declaration is stamped with of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) subject: Subject,
    pub(crate) facts: IssuingFacts,
    pub(crate) residence: Residence,
    pub(crate) inadmissible: Option<Rejection>,
    /// The registry's next offset when the facts were looked up.
    pub(crate) registry_offset: i64,
}

/// Looks the person up.
pub(crate) async fn find(registry: &Registry, log: &dyn Log, form: &Form) -> Result<Found, Problem> {
    match &form.person {
        WhoIsDeclared::Full(basic) => {
            let claim = registry.claim(&basic.document);
            let subject = registry.subject_of(&claim).await.map_err(refusals::lookup)?;
            let person = match subject {
                Some(subject) => registry.person(&subject).await.map_err(refusals::lookup)?,
                None => None,
            };
            Ok(Found { claim: Some(claim), person })
        }
        WhoIsDeclared::Known(subject) => {
            let mut person = registry.person(subject).await.map_err(refusals::lookup)?;
            if person.is_none() {
                // Perhaps another node has added the person and this one has yet to hear of it.
                catch_up(registry, log).await?;
                person = registry.person(subject).await.map_err(refusals::lookup)?;
            }
            Ok(Found { claim: None, person })
        }
    }
}

/// Waits until this node knows what is on the log now.
async fn catch_up(registry: &Registry, log: &dyn Log) -> Result<(), Problem> {
    let extents = log.extents(Topic::Registry).await.map_err(|error| {
        tracing::warn!(%error, "cannot tell whether this node is behind");
        refusals::log_away(2)
    })?;
    let end = extents.values().map(|extent| extent.next).max().unwrap_or(0);
    if registry.wait_for(end, CATCH_UP).await { Ok(()) } else { Err(refusals::stale()) }
}

/// Whether somebody declares as staff; residents declare for themselves and those they hold.
pub(crate) fn is_staff(caller: &Caller) -> bool {
    !caller.may_somewhere(Action::Declare)
}

/// Decides what becomes of the person. `new` is the subject of somebody who is not there yet, `unregistered` of one who won't be.
pub(crate) fn plan(
    caller: &Caller,
    form: &Form,
    found: &Found,
    in_force: &InForce,
    new: Subject,
    unregistered: impl FnOnce(&Claim) -> Subject,
) -> Result<Plan, Problem> {
    let staff = is_staff(caller);
    // Staff declares for those who live in its area.
    let elsewhere = |residence: &Residence| staff && !caller.may(Action::DeclareForOthers, &residence.committee);
    if form.residence.as_ref().is_some_and(elsewhere) {
        return Err(Problem::forbidden());
    }
    let rejected = |subject, rejection| Ok(Plan { subject, change: None, inadmissible: Some(rejection) });

    let Some(person) = &found.person else {
        return match (&form.person, &form.residence) {
            // Nobody is added any more: what isn't needed isn't collected.
            (WhoIsDeclared::Full(_), _) if in_force.order_ended => {
                rejected(found.claim.as_ref().map_or(new, unregistered), Rejection::OrderEnded)
            }
            (WhoIsDeclared::Full(basic), Some(residence)) => {
                let claim = found.claim.map(|claim| claim.0);
                let change = person_set::added(new, claim, &caller.login, basic, residence, in_force);
                Ok(Plan { subject: new, change: Some(change), inadmissible: None })
            }
            _ => Err(unknown_person()),
        };
    };
    let renewal = matches!(form.person, WhoIsDeclared::Known(_));
    if renewal && staff && !caller.may(Action::DeclareForOthers, &person.committee) {
        // Nor may staff of another area learn that there is such a person.
        return Err(unknown_person());
    }
    if !staff && person.holder != caller.login {
        return rejected(person.subject, Rejection::NotTheHolder);
    }
    if renewal && !person.has_basic_information() {
        return Err(no_basic_information());
    }
    if in_force.order_ended {
        return rejected(person.subject, Rejection::OrderEnded);
    }
    let change = match (&form.person, &form.residence) {
        (WhoIsDeclared::Full(basic), Some(residence)) => {
            Some(person_set::added(person.subject, None, &person.holder, basic, residence, in_force))
        }
        (WhoIsDeclared::Known(_), Some(residence)) => person_set::moved(person, residence),
        _ => None,
    };
    Ok(Plan { subject: person.subject, change, inadmissible: None })
}

fn unknown_person() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_person", "没有此人的登记 Nobody is known under this subject")
}

fn no_basic_information() -> Problem {
    Problem::conflict("no_basic_information", "尚无基本信息 No basic information is on file")
        .detail("请先用完整的基本信息申报一次。 Declare once with full information first.")
}

/// What the declaration is stamped with, once the plan's command is in force; `person` as the registry then knows them.
pub(crate) fn settle(
    registry: &Registry,
    form: &Form,
    plan: &Plan,
    person: Option<&Person>,
    in_force: &InForce,
) -> Result<Settled, Problem> {
    let facts = match (person, &form.person) {
        (Some(person), _) => person.issuing_facts(in_force.masked_name_on_code),
        (None, WhoIsDeclared::Full(basic)) if plan.inadmissible.is_some() => nothing_known(basic.kind.clone()),
        (None, _) => return Err(unknown_person()),
    };
    let residence = form.residence.clone().or_else(|| person.map(person_set::residence));
    Ok(Settled {
        subject: plan.subject,
        facts,
        residence: residence.ok_or_else(unknown_person)?,
        inadmissible: plan.inadmissible,
        // After the look-up, so that whoever waits for this offset sees at least these facts.
        registry_offset: registry.next_offset(),
    })
}

fn nothing_known(person_kind: String) -> IssuingFacts {
    IssuingFacts { birth_year: None, person_kind, communities: Vec::new(), masked_name: None, hold: None }
}

#[cfg(test)]
mod tests;
