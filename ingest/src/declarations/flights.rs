//! One flight per request: repetitions of a request in hand wait for it, repetitions of one that was accepted get its answer.
//!
//! What was refused is forgotten, so that it can be tried again. A flight goes on though everyone who waited has left: what it
//! appends is then answered when the client comes back.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use suikang_registry::http::Problem;
use tokio::sync::watch;

use super::accepted::Accepted;
use super::identity::RequestId;
use crate::generations::Generations;

type Landed = watch::Receiver<Option<Result<Accepted, Problem>>>;

/// The requests in hand, and those accepted last. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Flights(Arc<Mutex<Board>>);

struct Board {
    flying: HashMap<RequestId, Landed>,
    accepted: Generations<RequestId, Accepted>,
}

impl Flights {
    /// Remembers at least the last `remembered` accepted requests.
    pub(crate) fn new(remembered: usize) -> Self {
        Self(Arc::new(Mutex::new(Board { flying: HashMap::new(), accepted: Generations::new(remembered) })))
    }

    /// The answer to this request, from `accept` if nobody has it yet or gets it right now.
    pub(crate) async fn once<F>(&self, request: RequestId, accept: impl FnOnce() -> F) -> Result<Accepted, Problem>
    where
        F: Future<Output = Result<Accepted, Problem>> + Send + 'static,
    {
        let mut landed = {
            let mut board = self.lock();
            if let Some(accepted) = board.accepted.touch(&request) {
                return Ok(accepted.clone());
            }
            match board.flying.get(&request) {
                Some(landed) => landed.clone(),
                None => {
                    let (land, landed) = watch::channel(None);
                    board.flying.insert(request, landed.clone());
                    tokio::spawn(fly(Flight { flights: self.clone(), request }, accept(), land));
                    landed
                }
            }
        };
        match landed.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or_else(|| Err(Problem::internal())),
            // The flight panicked; that is logged where it happened.
            Err(_) => Err(Problem::internal()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // Nothing under this lock can leave the board half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fly(
    flight: Flight,
    accept: impl Future<Output = Result<Accepted, Problem>>,
    land: watch::Sender<Option<Result<Accepted, Problem>>>,
) {
    let result = accept.await;
    if let Ok(accepted) = &result {
        flight.flights.lock().accepted.insert(flight.request, accepted.clone());
    }
    drop(flight);
    // Nobody may be waiting any more.
    let _ = land.send(Some(result));
}

/// Leaves the board when it ends, however it ends.
struct Flight {
    flights: Flights,
    request: RequestId,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().flying.remove(&self.request);
    }
}
