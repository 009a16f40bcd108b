//! What a code costs: signing and verifying one, beside a bare Ed25519 of the same bytes, which nobody can beat.
//!
//! ```text
//! cargo run --release -p suikang-benchmarks --bin codes              prints the figures
//!                                            … --save FILE.json      keeps them as well
//! ```
//! Rounds of ours and of the bare loop take turns, so that a machine whose speed drifts is fair to both; medians count.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use serde_json::{Value, json};
use suikang_benchmarks::report::machine;
use suikang_schemas::key_list::{self, KeyEntry, KeyList, Purpose};
use suikang_schemas::pass_code::{self, Kind, PassCode};
use suikang_schemas::status::Status;
use suikang_schemas::{CodeId, KeyId};

/// Measure signing and verifying a code beside bare Ed25519.
#[derive(Debug, Parser)]
struct Arguments {
    /// Codes in a round.
    #[arg(long, default_value_t = 20_000)]
    codes: u32,
    /// Rounds of each.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Keep the figures in this file.
    #[arg(long)]
    save: Option<PathBuf>,
}

const NOW_S: i64 = 1_582_781_445;
const DAY_S: i64 = 86_400;

/// Microseconds for one, in each round.
#[derive(Default)]
struct Rounds(Vec<f64>);

impl Rounds {
    fn time(&mut self, count: u32, mut one: impl FnMut(usize)) {
        let started = Instant::now();
        (0..count as usize).for_each(&mut one);
        self.0.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        self.sorted()[self.0.len() / 2]
    }

    fn figures(&self) -> Value {
        let sorted = self.sorted();
        json!({"median_us": self.median(), "least_us": sorted[0], "most_us": sorted[sorted.len() - 1], "rounds_us": self.0})
    }
}

fn main() -> anyhow::Result<()> {
    let Arguments { codes, rounds, save } = Arguments::parse();
    ensure!(codes > 0 && rounds > 0, "--codes and --rounds are at least 1");
    ensure!(!cfg!(debug_assertions), "an unoptimized build measures nothing: run it with --release");
    let signing_key = SigningKey::from_bytes(&[7; 32]);
    let public_key = signing_key.verifying_key();
    let key_id = key_list::key_id(public_key.as_bytes());
    let list = list(*public_key.as_bytes(), key_id)?;
    let claims: Vec<_> = (0..codes).map(claims).collect::<Result<_, _>>()?;

    // What is signed, and the codes as their holders show them.
    let mut signed = Vec::with_capacity(claims.len());
    let texts: Vec<_> = claims
        .iter()
        .map(|claims| {
            let bytes = pass_code::encode(claims, key_id, |message| {
                let signature = signing_key.sign(message);
                signed.push((message.to_vec(), signature));
                signature.to_bytes()
            });
            pass_code::to_text(&bytes)
        })
        .collect();
    let [mut sign, mut bare_sign, mut verify, mut bare_verify] = [(); 4].map(|()| Rounds::default());
    for _ in 0..rounds {
        bare_sign.time(codes, |n| _ = black_box(signing_key.sign(&signed[n].0)));
        sign.time(codes, |n| {
            let bytes = pass_code::encode(&claims[n], key_id, |message| signing_key.sign(message).to_bytes());
            black_box(pass_code::to_text(&bytes));
        });
        bare_verify.time(codes, |n| {
            let (message, signature): &(Vec<u8>, Signature) = &signed[n];
            public_key.verify_strict(message, signature).expect("it was signed with this key");
        });
        verify.time(codes, |n| {
            black_box(pass_code::verify(&texts[n], &list, NOW_S * 1000)).expect("it is genuine");
        });
    }
    let share = |bare: &Rounds, ours: &Rounds| bare.median() / ours.median();
    let (signing, verifying) = (share(&bare_sign, &sign), share(&bare_verify, &verify));
    println!(
        "sign    {:>7.1} µs, bare Ed25519 {:>7.1} µs: {signing:.2} of its speed",
        sign.median(),
        bare_sign.median()
    );
    println!(
        "verify  {:>7.1} µs, bare Ed25519 {:>7.1} µs: {verifying:.2} of its speed",
        verify.median(),
        bare_verify.median()
    );
    if let Some(path) = save {
        let figures = json!({
            "command": std::env::args().collect::<Vec<_>>().join(" "),
            "machine": machine(),
            "version": env!("CARGO_PKG_VERSION"),
            "codes": codes,
            "bytes_of_text": texts[0].len(),
            "sign": sign.figures(), "bare_sign": bare_sign.figures(), "sign_share_of_bare": signing,
            "verify": verify.figures(), "bare_verify": bare_verify.figures(), "verify_share_of_bare": verifying,
        });
        std::fs::write(&path, format!("{figures:#}\n")).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn claims(number: u32) -> anyhow::Result<PassCode> {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Ok(PassCode {
        code_id: CodeId(id),
        issued_at_s: NOW_S - 60,
        expires_at_s: NOW_S + 7 * DAY_S,
        status: Status::Green,
        district: "440106".parse()?,
        kind: Kind::Screen,
        masked_name: Some("张**".to_owned()),
        community_tags: vec![[1; _], [2; _]],
    })
}

fn list(public_key: [u8; 32], key_id: KeyId) -> anyhow::Result<KeyList> {
    let entry = KeyEntry {
        key_id,
        purpose: Purpose::PassCode,
        public_key,
        scope: "4401".parse()?,
        not_before_s: NOW_S - DAY_S,
        sign_until_s: NOW_S + 30 * DAY_S,
        not_after_s: NOW_S + 40 * DAY_S,
        revoked_at_s: None,
    };
    Ok(KeyList { sequence: 1, issued_at_s: NOW_S, next_update_s: NOW_S + DAY_S, entries: vec![entry] })
}
