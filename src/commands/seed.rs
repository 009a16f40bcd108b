//! `suikang seed`: the demonstration city into the registry.

use suikang_registry::seed;

use super::{now_ms, operator, with_registry};
use crate::config::Config;

/// Submits what the registry doesn't have of Guangzhou; again, nothing.
pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    let submitted =
        with_registry(config, async |_, registry| Ok(seed::city(&registry, operator(config), now_ms()).await?)).await?;
    eprintln!("submitted {submitted} events");
    Ok(())
}
