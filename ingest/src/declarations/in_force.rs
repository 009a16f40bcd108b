//! What is in force when a declaration is accepted: policy, signing key, validity. Without them nothing can be accepted, and the answer
//! says what operators must do.

use axum::http::StatusCode;
use suikang_registry::Snapshot;
use suikang_registry::http::Problem;
use suikang_registry::seal::seal_day_at;
use suikang_schemas::KeyId;

/// Operators take minutes, not seconds.
const RETRY_AFTER_S: u32 = 30;

/// What a declaration accepted at this time is stamped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InForce {
    /// When, in milliseconds since 1970.
    pub(crate) accepted_at_ms: i64,
    pub(crate) policy_version: i32,
    pub(crate) signing_key: KeyId,
    pub(crate) validity_s: i32,
    pub(crate) masked_name_on_code: bool,
    /// Nothing is issued any more.
    pub(crate) order_ended: bool,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missing {
    #[error("no order is in force")]
    Order,
    #[error("no policy is in force")]
    Policy,
    #[error("no pass-code key may sign now")]
    SigningKey,
    #[error("no seal key is published for today")]
    SealKey,
}

impl InForce {
    /// What is in force at this time.
    pub(crate) fn at(registry: &Snapshot, now_ms: i64) -> Result<Self, Missing> {
        let order = registry.order().ok_or(Missing::Order)?;
        let policy = registry.policy_at(now_ms).ok_or(Missing::Policy)?;
        let signing_key = registry.signing_key_at(now_ms).ok_or(Missing::SigningKey)?;
        registry.seal_key(seal_day_at(now_ms)).ok_or(Missing::SealKey)?;
        Ok(Self {
            accepted_at_ms: now_ms,
            policy_version: policy.version,
            signing_key,
            validity_s: order.validity_s,
            masked_name_on_code: order.masked_name_on_code,
            order_ended: registry.order_has_ended(now_ms),
        })
    }
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Problem {
        let (error_code, title, detail) = match missing {
            Missing::Order => (
                "no_order",
                "防控命令尚未设定 No order is in force",
                "运维人员：请先设定命令（起止时间、有效期）。 Operators: set the order (dates, validity) in the registry.",
            ),
            Missing::Policy => (
                "no_policy",
                "目前没有生效的判定规则 No policy is in force",
                "运维人员：请发布一条已生效的规则。 Operators: publish a policy whose effective time has come.",
            ),
            Missing::SigningKey => (
                "no_signing_key",
                "目前没有可用的签发密钥 No key may sign now",
                "运维人员：请运行 suikang keys rotate 并发布密钥名单。 Operators: run `suikang keys rotate` and publish the list.",
            ),
            Missing::SealKey => (
                "no_seal_key",
                "今天的封存密钥尚未发布 No seal key is published for today",
                "运维人员：请发布今天的封存密钥（suikang keys rotate）。 Operators: publish seal keys (`suikang keys rotate`).",
            ),
        };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error_code, title).detail(detail).retry_after(RETRY_AFTER_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_registry_accepts_nothing_and_says_what_to_do() {
        let missing = InForce::at(&Snapshot::default(), 0).unwrap_err();
        assert_eq!(missing, Missing::Order);
        for missing in [Missing::Order, Missing::Policy, Missing::SigningKey, Missing::SealKey] {
            let problem = Problem::from(missing);
            assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(problem.to_value()["detail"].as_str().unwrap().contains("Operators: "));
        }
    }
}
