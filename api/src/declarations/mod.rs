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

/// How long after its Idempotency-Key was made a declaration may still come to an outcome: keys live a day, and issuing may lag.
const MAY_STILL_ARRIVE: Duration = Duration::from_secs(26 * 3600);
/// How far ahead of our clock an Idempotency-Key may be.
const AHEAD: Duration = Duration::from_secs(2 * 60);

/// What is known of a declaration.
enum Known {
    /// It has ended.
    Ended(Outcome),
    /// It may be on its way: the view has not come to it.
    Pending,
}

/// The declaration's outcome, if this caller may see it.
async fn find(state: &ApiState, caller: &Caller, id: &str) -> Result<Known, Problem> {
    let is_holder = caller.may_somewhere(Action::ReadOwnDeclaration);
    if !is_holder && !caller.may_somewhere(Action::ReadDeclaration) {
        state.audit.record(caller, Action::ReadDeclaration, "-", false).await?;
        return Err(Problem::forbidden());
    }
    let id: DeclarationId = id.parse().map_err(|_| Problem::not_found())?;
    // Asked before the view is read, so that it holds at least as much as this says.
    let known_until_ms = state.codes.age().map(|age| now_ms() - ms(age));
    let Some(outcome) = state.codes.outcome(&id).await.map_err(broken)? else {
        return if may_be_pending(id, known_until_ms, now_ms()) {
            Ok(Known::Pending)
        } else {
            Err(Problem::not_found())
        };
    };
    let allowed = if is_holder {
        let person = state.registry.person(&outcome.subject).await.map_err(broken)?;
        person.is_some_and(|person| person.holder == caller.login)
    } else {
        // Staff look at others' declarations; holders at their own, which is nobody's business.
        let home = outcome.community.as_ref().unwrap_or(&outcome.committee);
        let allowed = caller.may(Action::ReadDeclaration, home);
        state.audit.record(caller, Action::ReadDeclaration, &id.to_string(), allowed).await?;
        allowed
    };
    if allowed { Ok(Known::Ended(outcome)) } else { Err(Problem::not_found()) }
}

/// Whether an id that the view doesn't have may be on its way: until the view has seen all that could still arrive under it.
fn may_be_pending(id: DeclarationId, known_until_ms: Option<i64>, now_ms: i64) -> bool {
    let made_ms = id.time_ms();
    made_ms <= now_ms + ms(AHEAD) && known_until_ms.is_none_or(|known| known <= made_ms + ms(MAY_STILL_ARRIVE))
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The declaration's code, if there is one.
async fn find_code(state: &ApiState, caller: &Caller, id: &str) -> Result<(Outcome, Issued), Problem> {
    match find(state, caller, id).await? {
        Known::Pending => Err(Problem::conflict("pending", "尚未签发，请稍候 Not issued yet").retry_after(1)),
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn made_at(ms: i64) -> DeclarationId {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
        DeclarationId(id)
    }

    #[test]
    fn an_answer_that_may_still_come_is_pending() {
        let now = 1_582_768_800_000;
        let pending = |made, known| may_be_pending(made_at(made), known, now);
        assert!(pending(now, Some(now)));
        assert!(pending(now - 26 * HOUR_MS, Some(now)));
        assert!(!pending(now - 26 * HOUR_MS - 1, Some(now)), "whatever was going to arrive has");
        assert!(pending(now - 48 * HOUR_MS, Some(now - 24 * HOUR_MS)), "the view has not come so far");
        assert!(pending(now - 48 * HOUR_MS, None), "the view has not begun");
        assert!(pending(now + 2 * 60_000, Some(now)));
        assert!(!pending(now + 2 * 60_000 + 1, None), "no key is made so far ahead");
    }
}
