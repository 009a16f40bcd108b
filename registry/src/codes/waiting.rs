//! Who waits for which outcome: entered before the view is asked, told after its commit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use suikang_schemas::DeclarationId;
use tokio::sync::oneshot::{self, Receiver, Sender};

/// Those who wait, by declaration.
#[derive(Default)]
pub(super) struct Waiting {
    by_declaration: Mutex<HashMap<DeclarationId, Vec<Sender<()>>>>,
}

/// A place among those who wait; leaving it is dropping it.
pub(super) struct Told<'w> {
    waiting: &'w Waiting,
    declaration_id: DeclarationId,
    arrival: Receiver<()>,
}

impl Waiting {
    /// Begins to wait.
    pub(super) fn enter(&self, declaration_id: DeclarationId) -> Told<'_> {
        let (tell, arrival) = oneshot::channel();
        self.lock().entry(declaration_id).or_default().push(tell);
        Told { waiting: self, declaration_id, arrival }
    }

    /// Whether anyone waits for this one.
    pub(super) fn has(&self, declaration_id: &DeclarationId) -> bool {
        self.lock().contains_key(declaration_id)
    }

    /// Tells those who wait for these that the view has them.
    pub(super) fn tell(&self, arrived: impl Iterator<Item = DeclarationId>) {
        let mut waiting = self.lock();
        for declaration_id in arrived {
            for told in waiting.remove(&declaration_id).unwrap_or_default() {
                // Whoever has just left needs no telling.
                let _ = told.send(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeclarationId, Vec<Sender<()>>>> {
        // Each change is one call on the map: it is whole after any panic.
        self.by_declaration.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told<'_> {
    /// Comes to its end when the view has the outcome.
    pub(super) async fn arrival(&mut self) {
        let _ = (&mut self.arrival).await;
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.arrival.close();
        let mut waiting = self.waiting.lock();
        if let Some(others) = waiting.get_mut(&self.declaration_id) {
            others.retain(|other| !other.is_closed());
            if others.is_empty() {
                waiting.remove(&self.declaration_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: DeclarationId = DeclarationId([1; 16]);

    #[tokio::test]
    async fn all_who_wait_are_told_and_nobody_stays() {
        let waiting = Waiting::default();
        let (mut one, mut two) = (waiting.enter(ID), waiting.enter(ID));
        drop(waiting.enter(ID));
        assert!(waiting.has(&ID));
        waiting.tell([ID].into_iter());
        one.arrival().await;
        two.arrival().await;
        assert!(!waiting.has(&ID));
    }

    #[test]
    fn whoever_gives_up_leaves_nothing_behind() {
        let waiting = Waiting::default();
        let (one, two) = (waiting.enter(ID), waiting.enter(ID));
        drop(one);
        assert!(waiting.has(&ID));
        drop(two);
        assert!(!waiting.has(&ID));
    }
}
