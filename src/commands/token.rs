//! `suikang token`: a bearer token, printed alone on a line.

use std::time::Duration;

use suikang_registry::tokens::TokenKey;
use suikang_registry::{Caller, Role};
use suikang_schemas::AreaCode;

use super::{now_ms, unlock};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// Such as resident, inspector, community_administrator, district_analyst, headquarters_investigator, operator.
    #[arg(long, value_parser = parse_role)]
    role: Role,
    /// Where the role holds: 4401 for the city, 440106 for a district, longer for less.
    #[arg(long, default_value = "4401")]
    area: AreaCode,
    /// How long it lives: 30m, 8h, 7d.
    #[arg(long, default_value = "8h", value_parser = parse_duration)]
    ttl: Duration,
    /// The account it is for.
    #[arg(long, default_value = "cli")]
    login: String,
}

#[expect(clippy::unused_async, reason = "every subcommand has this shape")]
pub(crate) async fn run(config: &Config, args: TokenArgs) -> anyhow::Result<()> {
    let token_key = TokenKey::load(&config.keys_dir, &unlock(config))?;
    let caller = Caller { role: args.role, area: args.area, login: args.login };
    println!("{}", token_key.mint(&caller, now_ms(), args.ttl));
    Ok(())
}

fn parse_role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| {
        let roles: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("no such role; there are {}", roles.join(", "))
    })
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || "a number and s, m, h or d, such as 8h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(refused)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refused()),
    };
    let number: u32 = number.parse().map_err(|_| refused())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("8h"), Ok(Duration::from_secs(28_800)));
        for text in ["", "8", "h", "-1h", "8 h", "八h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
