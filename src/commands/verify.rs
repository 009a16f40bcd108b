//! `suikang verify CODE`: as a checkpoint would, with the key list of the log or of a file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use suikang_schemas::decide::Reason;
use suikang_schemas::key_list::KeyList;
use suikang_schemas::pass_code;

use super::{now_ms, with_registry};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The text of the QR code, beginning with GZ1:.
    code: String,
    /// A signed key list, as /.well-known/suikang-keys serves it; without it the log is asked.
    #[arg(long, value_name = "FILE", requires = "root")]
    key_list: Option<PathBuf>,
    /// The root's public key, 64 hexadecimal digits, as root.pub has it.
    #[arg(long, value_name = "HEX")]
    root: Option<String>,
}

/// Prints what the code says; exits 1 if it isn't genuine and in its time.
pub(crate) async fn run(config: &Config, args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let key_list = match (&args.key_list, &args.root) {
        (Some(file), Some(root)) => {
            let mut root_public_key = [0; 32];
            hex::decode_to_slice(root.trim(), &mut root_public_key).context("--root is 64 hexadecimal digits")?;
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            KeyList::verify(&bytes, &root_public_key)?
        }
        _ => {
            with_registry(config, async |_, registry| {
                registry
                    .snapshot()
                    .key_list()
                    .map(|published| published.list.clone())
                    .context("no key list has been published")
            })
            .await?
        }
    };
    let now_ms = now_ms();
    let claims = match pass_code::verify(&args.code, &key_list, now_ms) {
        Ok(verified) => verified.claims,
        Err(failure) => return Ok(refused(failure.reason())),
    };
    let (zh, en) = claims.status.words();
    println!(
        "{} {zh} {en}  {}  {}",
        claims.status.sign(),
        claims.district,
        claims.masked_name.as_deref().unwrap_or("-")
    );
    println!("code {}  from {} to {} (seconds since 1970)", claims.code_id, claims.issued_at_s, claims.expires_at_s);
    Ok(if claims.expires_at_ms() <= now_ms { refused(Reason::Expired) } else { ExitCode::SUCCESS })
}

fn refused(reason: Reason) -> ExitCode {
    let (zh, en) = reason.words();
    println!("{}: {zh} {en}", reason.as_str());
    ExitCode::FAILURE
}
