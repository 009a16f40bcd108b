//! One flight per request: repetitions of a request in hand wait for it, repetitions of one that was accepted get its answer.
//!
//! What was refused is forgotten, so that it can be tried again. A flight goes on though everyone who waited has left: what it
//! appends is then answered when the client comes back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use suikang_registry::http::Problem;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::accepted::Accepted;
use super::identity::RequestId;
use crate::generations::Generations;

type Answer = Result<Accepted, Problem>;

/// The requests in hand, and those accepted last. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Flights(Arc<Mutex<Board>>);

struct Board {
    /// Each with the repetitions that wait for it.
    flying: HashMap<RequestId, Vec<oneshot::Sender<Answer>>>,
    accepted: Generations<RequestId, Accepted>,
}

impl Flights {
    /// Remembers at least the last `remembered` accepted requests.
    pub(crate) fn new(remembered: usize) -> Self {
        Self(Arc::new(Mutex::new(Board { flying: HashMap::new(), accepted: Generations::new(remembered) })))
    }

    /// The answer to this request, from `accept` if nobody has it yet or gets it right now.
    pub(crate) async fn once<F>(&self, request: RequestId, accept: impl FnOnce() -> F) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let landing = {
            let mut board = self.lock();
            if let Some(accepted) = board.accepted.touch(&request) {
                return Ok(accepted.clone());
            }
            match board.flying.entry(request) {
                Entry::Occupied(mut waiting) => {
                    let (tell, told) = oneshot::channel();
                    waiting.get_mut().push(tell);
                    Some(told)
                }
                Entry::Vacant(place) => {
                    place.insert(Vec::new());
                    None
                }
            }
        };
        match landing {
            // Where nobody tells, the flight panicked; that is logged where it happened.
            Some(landing) => landing.await.unwrap_or_else(|_| Err(Problem::internal())),
            None => {
                let flight = Flight { flights: self.clone(), request, answer: None };
                Aboard(Some(Box::pin(fly(flight, accept())))).await
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // Nothing under this lock can leave the board half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fly(mut flight: Flight, accept: impl Future<Output = Answer>) -> Answer {
    let answer = accept.await;
    flight.answer = Some(answer.clone());
    answer
}

/// Leaves the board when it ends, however it ends, and tells those who wait.
struct Flight {
    flights: Flights,
    request: RequestId,
    answer: Option<Answer>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut board = self.flights.lock();
        if let Some(Ok(accepted)) = &self.answer {
            board.accepted.insert(self.request, accepted.clone());
        }
        let waiting = board.flying.remove(&self.request).unwrap_or_default();
        drop(board);
        // Of one that broke there is no answer; who waits hears of it as its teller is dropped.
        let Some(answer) = &self.answer else { return };
        for tell in waiting {
            // Whoever has left needs no telling.
            let _ = tell.send(answer.clone());
        }
    }
}

/// Flies with whoever asked first, which spares a task and its waking. If they leave, a task of its own takes it to its end.
struct Aboard<F: Future<Output = Answer> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output = Answer> + Send + 'static> Future for Aboard<F> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        // Out of its place meanwhile: one that panics does not go on.
        let mut flight = self.0.take().expect("nobody polls what is ready");
        let polled = flight.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(flight);
        }
        polled
    }
}

impl<F: Future<Output = Answer> + Send + 'static> Drop for Aboard<F> {
    fn drop(&mut self) {
        // Where no runtime is left, nothing goes on.
        if let (Some(flight), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(flight);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use suikang_registry::{Caller, Role};
    use suikang_schemas::{DeclarationId, Subject};
    use tokio::sync::Notify;

    use super::super::identity::IdempotencyKey;
    use super::*;

    static REQUEST: LazyLock<RequestId> = LazyLock::new(|| {
        let caller = Caller { role: Role::Resident, area: "4401".parse().unwrap(), login: "me".to_owned() };
        RequestId::new(&caller, IdempotencyKey::new(1), &[1; 32])
    });

    fn accepted() -> Answer {
        Ok(Accepted { declaration_id: DeclarationId([1; 16]), subject: Subject([2; 16]), inadmissible: None })
    }

    /// Starts a flight that ends when told, beside one who waits for it.
    fn start(
        flights: &Flights,
        flown: &Arc<AtomicUsize>,
        end: &Arc<Notify>,
        answer: Answer,
    ) -> tokio::task::JoinHandle<Answer> {
        let (flights, flown, end) = (flights.clone(), Arc::clone(flown), Arc::clone(end));
        tokio::spawn(async move {
            let accept = || async move {
                flown.fetch_add(1, Ordering::SeqCst);
                end.notified().await;
                answer
            };
            flights.once(*REQUEST, accept).await
        })
    }

    #[tokio::test]
    async fn a_flight_goes_on_when_whoever_asked_first_leaves() {
        let (flights, flown, end) = (Flights::new(10), Arc::default(), Arc::default());
        let first = start(&flights, &flown, &end, accepted());
        tokio::task::yield_now().await;
        let second = start(&flights, &flown, &end, accepted());
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        end.notify_one();
        assert_eq!(second.await.unwrap(), accepted());
        assert_eq!(start(&flights, &flown, &end, accepted()).await.unwrap(), accepted(), "remembered");
        assert_eq!(flown.load(Ordering::SeqCst), 1);
        assert!(flights.lock().flying.is_empty());
    }

    #[tokio::test]
    async fn what_was_refused_or_broke_can_be_tried_again() {
        let (flights, flown, end) = (Flights::new(10), Arc::default(), Arc::<Notify>::default());
        end.notify_one();
        assert!(start(&flights, &flown, &end, Err(Problem::internal())).await.unwrap().is_err());

        let breaks = {
            let (flights, end) = (flights.clone(), Arc::clone(&end));
            let accept = || async move {
                end.notified().await;
                panic!("it breaks, as told")
            };
            tokio::spawn(async move { flights.once(*REQUEST, accept).await })
        };
        tokio::task::yield_now().await;
        let second = start(&flights, &flown, &end, accepted());
        tokio::task::yield_now().await;
        end.notify_one();
        assert!(breaks.await.unwrap_err().is_panic());
        assert_eq!(second.await.unwrap(), Err(Problem::internal()), "who waited hears of it");
        end.notify_one();
        assert_eq!(start(&flights, &flown, &end, accepted()).await.unwrap(), accepted());
        assert_eq!(flown.load(Ordering::SeqCst), 2);
    }
}
