//! `suikang keys …`: key material in the folder, key lists on the log.

use suikang_registry::keys;
use suikang_schemas::KeyId;

use super::{now_ms, operator, unlock, with_registry};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// Make all keys of a new city and publish the first key list
    ///
    /// Files of mode 0600 in keys_dir, sealed by SUIKANG_PASSPHRASE or, without one, by the key file unlock.key beside them. Take root.key
    /// offline afterwards: only `rotate` and `revoke` need it. Again, it only publishes what the log doesn't have.
    Init,
    /// Publish a list with the next pass-code key, ahead of its use
    Rotate,
    /// List the keys in force
    List,
    /// Publish a list in which a key counts for nothing any more
    Revoke {
        /// Its id: 16 hexadecimal digits, as `list` shows it.
        key_id: KeyId,
    },
}

pub(crate) async fn run(config: &Config, command: KeysCommand) -> anyhow::Result<()> {
    let (folder, unlock) = (config.keys_dir.as_path(), unlock(config));
    match command {
        KeysCommand::Init if !keys::exist(folder) => {
            keys::init(folder, &unlock, now_ms())?;
            eprintln!(
                "made keys in {}; take root.key offline, and back the others up apart from the data",
                folder.display()
            );
        }
        KeysCommand::Init => eprintln!("there are keys in {} already", folder.display()),
        KeysCommand::Rotate => eprintln!("made {}, to sign from its time on", keys::rotate(folder, &unlock, now_ms())?),
        KeysCommand::Revoke { key_id } => keys::revoke(folder, &unlock, key_id, now_ms())?,
        KeysCommand::List => return list(config).await,
    }
    let published = with_registry(config, async |_, registry| {
        Ok(keys::publish(&registry, folder, &unlock, operator(config)).await?)
    })
    .await?;
    eprintln!("published {published} events");
    Ok(())
}

async fn list(config: &Config) -> anyhow::Result<()> {
    with_registry(config, async |_, registry| {
        let snapshot = registry.snapshot();
        let published = snapshot.key_list().ok_or_else(|| anyhow::anyhow!("no key list has been published"))?;
        println!("list {}, issued {}", published.list.sequence, time(published.list.issued_at_s));
        for entry in &published.list.entries {
            println!(
                "{}  {:<13}  {}  signs {} to {}, verifies to {}{}",
                entry.key_id,
                entry.purpose.as_str(),
                entry.scope,
                time(entry.not_before_s),
                time(entry.sign_until_s),
                time(entry.not_after_s),
                entry.revoked_at_s.map(|at| format!(", revoked {}", time(at))).unwrap_or_default(),
            );
        }
        Ok(())
    })
    .await
}

fn time(at_s: i64) -> String {
    chrono::DateTime::from_timestamp(at_s, 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
