//! Failures of what lies behind the doors, as answers. What is logged says which part failed; nobody's data is in it.

use suikang_registry::http::Problem;
use suikang_registry::seal::SealError;
use suikang_registry::{CommandError, LookupError};
use suikang_stream::AppendError;

/// A broker that fails over is back in seconds.
const SOON_S: u32 = 2;
/// What needs a person takes longer.
const LATER_S: u32 = 30;

/// The log did not take what it was given: nothing is promised, and the same may be sent again.
pub(crate) fn append(error: &AppendError) -> Problem {
    match error {
        AppendError::Unavailable(_) => {
            tracing::warn!(%error, "nothing was accepted: the log did not acknowledge");
            log_away(SOON_S)
        }
        AppendError::TooLarge => Problem::too_large(0).detail("超过日志单条记录上限。 Larger than a record may be."),
        AppendError::Fatal(_) => {
            tracing::error!(%error, "nothing was accepted: the log refuses");
            log_away(LATER_S)
        }
    }
}

/// The log can't be asked.
pub(crate) fn log_away(retry_after_s: u32) -> Problem {
    Problem::unavailable(retry_after_s)
        .detail("日志暂不可用，本次内容未被接受，请原样重发。 The log is not available: nothing was accepted, send the same again.")
}

/// A command that should be in force is not known to be.
pub(crate) fn command(error: &CommandError) -> Problem {
    match error {
        CommandError::Unavailable | CommandError::NotSeen(_) | CommandError::Conflict { .. } => {
            tracing::warn!(%error, "a person was not registered");
            log_away(SOON_S)
        }
        CommandError::Refused(_) | CommandError::Fatal(_) | CommandError::View(_) => {
            tracing::error!(%error, "a person was not registered");
            Problem::internal()
        }
    }
}

/// A view could not be read.
pub(crate) fn lookup(error: LookupError) -> Problem {
    tracing::error!(%error, "a view could not be read");
    Problem::internal()
}

/// Something personal could not be sealed, so it was not kept.
pub(crate) fn seal(error: SealError) -> Problem {
    tracing::error!(%error, "nothing was accepted: it could not be sealed");
    Problem::unavailable(LATER_S)
        .detail("封存密钥不可用，运维人员请检查。 Operators: the seal key of today is missing or unusable.")
}

/// This node has not heard of the registry for too long to know what is in force.
pub(crate) fn stale() -> Problem {
    Problem::unavailable(SOON_S)
        .detail("本节点的登记信息过旧，请稍后再试。 Operators: this node's view of the log is too old; see /readyz.")
}
