//! `POST /v1/scans`: 1 to 500 scans that a device has decided and numbered; for each: accepted, duplicate or conflict.
//!
//! What is new of an upload is appended, what was there before is not. Uploads of one device are taken one after the other, so that
//! each sees what the former left.

mod follow;
mod form;
mod intervals;
mod own;
mod seen;
mod since;

use std::borrow::Cow;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use suikang_registry::Action;
use suikang_registry::http::{Bearer, Problem};
use suikang_schemas::scan::ScanUpload;
use suikang_schemas::{DeviceEpoch, Topic, avro};
use suikang_stream::NewRecord;
use tokio::sync::{Mutex, MutexGuard};

use crate::doors::{Doors, Parts};
use crate::limits::Door;
use crate::{body, metrics};
pub(crate) use follow::follow;
use own::Own;
use seen::Seen;
pub(crate) use seen::Sighting;

/// Devices wait for each other only where they meet in one of these by chance.
const TURNSTILES: usize = 1024;

/// What this node knows of devices, and whose turn it is.
pub(crate) struct Devices {
    seen: Seen,
    own: Own,
    turnstiles: Box<[Mutex<()>]>,
}

impl Devices {
    /// Remembers the content of at least the last `scans`.
    pub(crate) fn new(scans: usize) -> Self {
        let turnstiles = (0..TURNSTILES).map(|_| Mutex::new(())).collect();
        Self { seen: Seen::new(scans), own: Own::default(), turnstiles }
    }

    /// Waits until no other request of this device is in hand.
    pub(crate) async fn turn(&self, device_epoch: i64) -> MutexGuard<'_, ()> {
        // Epochs are random, so any of their bits spread them.
        let at = device_epoch.unsigned_abs() % TURNSTILES as u64;
        self.turnstiles[usize::try_from(at).unwrap_or(0)].lock().await
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// What became of each scan; the index is the scan's.
#[derive(Debug, Serialize)]
pub(crate) struct ScansAnswer {
    /// `accepted`, `duplicate` (its number is on the log) or `conflict` (another scan is on the log under its number, and counts).
    results: Vec<&'static str>,
}

pub(crate) async fn post(
    State(doors): State<Doors>,
    Bearer(caller): Bearer,
    request: Request,
) -> Result<Json<ScansAnswer>, Problem> {
    if !caller.may_somewhere(Action::UploadScans) {
        return Err(Problem::forbidden());
    }
    let (bytes, _admission) =
        body::json(request, doors.settings.scans_bytes, doors.body_timeout(), &doors.limits, Door::Scans).await?;
    let registry = doors.registry().snapshot();
    let reading =
        form::Reading { registry: &registry, now_ms: doors.now_ms(), plates: doors.plates(), caller: &caller };
    let upload = form::read(&bytes, reading)?;
    let _turn = doors.devices.turn(upload.device_epoch).await;
    let sightings = doors.devices.seen().judge(&upload);
    append_new(&doors, &upload, &sightings).await?;
    metrics::scans_answered(&sightings);
    Ok(Json(ScansAnswer { results: sightings.into_iter().map(Sighting::as_str).collect() }))
}

/// Appends what is new of an upload: one record for each run of consecutive new scans, usually the whole upload.
pub(crate) async fn append_new(doors: &Parts, upload: &ScanUpload, sightings: &[Sighting]) -> Result<(), Problem> {
    let new = runs_of_new(upload, sightings);
    if new.is_empty() {
        return Ok(());
    }
    let positions = doors.append(Topic::Scans, new.iter().map(|upload| record(upload)).collect()).await?;
    new.iter().for_each(|upload| doors.devices.seen.note(upload));
    doors.devices.own.appended(&positions);
    Ok(())
}

fn runs_of_new<'a>(upload: &'a ScanUpload, sightings: &[Sighting]) -> Vec<Cow<'a, ScanUpload>> {
    if sightings.iter().all(|sighting| *sighting == Sighting::New) {
        return vec![Cow::Borrowed(upload)];
    }
    let mut first_seq = upload.first_seq;
    let mut new = Vec::new();
    let mut rest = upload.scans.as_slice();
    for run in sightings.chunk_by(|one, next| (*one == Sighting::New) == (*next == Sighting::New)) {
        let (scans, after) = rest.split_at(run.len());
        if run.first() == Some(&Sighting::New) {
            let checkpoint = upload.checkpoint.clone();
            new.push(Cow::Owned(ScanUpload { first_seq, scans: scans.to_vec(), checkpoint, ..*upload }));
        }
        first_seq += i64::try_from(run.len()).unwrap_or(i64::MAX);
        rest = after;
    }
    new
}

/// A device's scans lie in one partition, in order.
pub(crate) fn record(upload: &ScanUpload) -> NewRecord {
    NewRecord { record_key: DeviceEpoch::from_i64(upload.device_epoch).0.to_vec(), payload: avro::encode(upload) }
}
