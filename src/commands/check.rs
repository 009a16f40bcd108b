//! `suikang config check`: whether what the configuration refers to is there.

use suikang_registry::{NodeSecrets, keys};
use suikang_stream::Access;

use super::unlock;
use crate::config::Config;

/// Says what is well; fails with what isn't.
pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    println!("configuration: every key is known and of its type");
    suikang_stream::open(&config.log, Access::ReadOnly).await?;
    println!("log {}: reachable, with its topics", config.log.url);
    anyhow::ensure!(
        keys::exist(&config.keys_dir),
        "no keys in {}; `suikang keys init` makes them",
        config.keys_dir.display()
    );
    NodeSecrets::load(&config.keys_dir, &unlock(config))?;
    println!("keys in {}: there, and they open", config.keys_dir.display());
    std::fs::create_dir_all(&config.state_dir)?;
    println!("state in {}: writable", config.state_dir.display());
    Ok(())
}
