//! A declaration's outcome, its code as a picture, and a page to print.
//!
//! Who made it (or holds the person) may look, and staff of the area where the person lives. To everyone else it does not exist.

mod print;
mod read;
mod svg;

use std::time::Duration;

use suikang_registry::http::Problem;
use suikang_registry::{Action, Caller};
use suikang_schemas::DeclarationId;
use suikang_schemas::outcome::{Issued, Outcome};

use crate::dates::now_ms;
use crate::state::ApiState;

pub(crate) use print::print;
pub(crate) use read::read;
pub(crate) use svg::svg;

/// How long after its Idempotency-Key was made a declaration may still arrive: keys live a day, and issuing may lag.
const MAY_STILL_ARRIVE: Duration = Duration::from_secs(26 * 3600);

/// What is known of a declaration.
enum Known {
    /// It has ended.
    Ended(Outcome),
    /// It may be on its way: the view has not come to it.
    Pending,
}

/// The declaration's outcome, if this caller may see it.
async fn find(state: &ApiState, caller: &Caller, id: &str) -> Result<Known, Problem> {
    if !caller.may_somewhere(Action::ReadOwnDeclaration) && !caller.may_somewhere(Action::ReadDeclaration) {
        return Err(Problem::forbidden());
    }
    let id: DeclarationId = id.parse().map_err(|_| Problem::not_found())?;
    let Some(outcome) = state.codes.outcome(&id).await.map_err(broken)? else {
        let age_ms = u128::try_from(now_ms() - id.time_ms()).unwrap_or(0);
        return if age_ms <= MAY_STILL_ARRIVE.as_millis() { Ok(Known::Pending) } else { Err(Problem::not_found()) };
    };
    let may = caller.may(Action::ReadDeclaration, &outcome.committee)
        || caller.may_somewhere(Action::ReadOwnDeclaration)
            && state
                .registry
                .person(&outcome.subject)
                .await
                .map_err(broken)?
                .is_some_and(|person| person.holder == caller.login);
    if may { Ok(Known::Ended(outcome)) } else { Err(Problem::not_found()) }
}

/// The declaration's code, if there is one.
async fn find_code(state: &ApiState, caller: &Caller, id: &str) -> Result<(Outcome, Issued), Problem> {
    match find(state, caller, id).await? {
        Known::Pending => Err(Problem::unavailable(1).detail("尚未签发 not issued yet")),
        Known::Ended(outcome) => match outcome.issued.clone() {
            Some(issued) => Ok((outcome, issued)),
            None => Err(Problem::not_found().detail("该申报未获签发 this declaration was rejected, so it has no code")),
        },
    }
}

/// A view that can't be read is our mistake: the log says which.
fn broken(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a view cannot be read");
    Problem::internal()
}
