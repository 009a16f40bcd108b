//! The registry's event for a person that is added, gave new information, or moved; what is personal is sealed to the day's key.

use suikang_registry::command::Command;
use suikang_registry::http::Problem;
use suikang_registry::seal::SealPurpose;
use suikang_registry::{Caller, Person, Registry};
use suikang_schemas::declaration::Residence;
use suikang_schemas::registry_event::{Change, PersonSet};
use suikang_schemas::{CommandId, Subject};
use zeroize::Zeroizing;

use super::form::{BasicInformation, Form, WhoIsDeclared};
use super::in_force::InForce;
use crate::refusals;

/// The person as full information says; `claim` for somebody new.
pub(crate) fn added(
    subject: Subject,
    claim: Option<[u8; 32]>,
    holder: &str,
    basic: &BasicInformation,
    residence: &Residence,
    in_force: &InForce,
) -> PersonSet {
    PersonSet {
        subject,
        claim,
        holder: holder.to_owned(),
        birth_year: basic.document.birth_year(),
        person_kind: basic.kind.clone(),
        // Kept only where the order puts it on codes.
        masked_name: in_force.masked_name_on_code.then(|| basic.name.masked()),
        committee: residence.committee.clone(),
        community: residence.community.clone(),
        since_day: residence.since_day,
        capacity: residence.capacity.clone(),
        sealed: None,
    }
}

/// The person at another residence; nothing if it is the one on file.
pub(crate) fn moved(person: &Person, to: &Residence) -> Option<PersonSet> {
    if *to == residence(person) {
        return None;
    }
    Some(PersonSet {
        subject: person.subject,
        claim: None,
        holder: person.holder.clone(),
        birth_year: person.birth_year,
        person_kind: person.person_kind.clone(),
        masked_name: person.masked_name.clone(),
        committee: to.committee.clone(),
        community: to.community.clone(),
        since_day: to.since_day,
        capacity: to.capacity.clone(),
        sealed: None,
    })
}

/// Where the registry says that a person lives.
pub(crate) fn residence(person: &Person) -> Residence {
    Residence {
        committee: person.committee.clone(),
        community: person.community.clone(),
        since_day: person.since_day,
        capacity: person.capacity.clone(),
    }
}

/// The command for a change, with the form's basic information sealed in it.
pub(crate) fn command(
    registry: &Registry,
    caller: &Caller,
    command_id: CommandId,
    form: &Form,
    in_force: &InForce,
    mut change: PersonSet,
) -> Result<Command, Problem> {
    if let WhoIsDeclared::Full(basic) = &form.person {
        let purpose = SealPurpose::BasicInformation(change.subject);
        let sealed = registry.seal(in_force.accepted_at_ms, purpose, plaintext(basic).as_bytes());
        change.sealed = Some(sealed.map_err(refusals::seal)?);
    }
    // Somebody new must not be there yet; whoever is there is changed from whatever they are.
    let expected_version = change.claim.is_some().then_some(0);
    Ok(Command { command_id, actor: caller.actor(), expected_version, change: Change::PersonSet(change) })
}

/// What is sealed of a person: JSON of this form, which only the vault opens.
fn plaintext(basic: &BasicInformation) -> Zeroizing<String> {
    let value = serde_json::json!({
        "name": basic.name.expose(),
        "document_type": basic.document.document_type().as_str(),
        "document_number": basic.document.expose(),
        "phone": basic.phone.expose(),
        "address": basic.address.expose(),
    });
    Zeroizing::new(value.to_string())
}
