//! Keeps one process registered: registers it, renews its lease, drains it and lets it leave.
//! Refuses to give up while no registry answers: it asks again until one does, and registers again when it is not known any more.

use super::{Fault, Link};
use crate::Registration;
use kernel::Uuid;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// After a failure it is tried again this soon, and then half as soon each time.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// While no registry answers it is tried this often.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// One process's place in the registry.
pub struct Agent {
    own: Arc<Own>,
    state: watch::Receiver<State>,
    wish: watch::Sender<Wish>,
    running: JoinHandle<()>,
}

struct Own {
    id: String,
    link: Link,
    registration: Registration,
}

/// What the agent knows of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unregistered,
    Registered,
    Draining,
}

/// What its process wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Stay,
    Drain,
}

impl Agent {
    /// Starts to register the process and to renew, under an id that begins with `name`. It does not wait for a registry.
    pub fn start(link: Link, name: &str, registration: Registration) -> Agent {
        let id = format!("{name}-{}", Uuid::now_v7().simple());
        let own = Arc::new(Own { id, link, registration });
        let (told, state) = watch::channel(State::Unregistered);
        let (wish, wished) = watch::channel(Wish::Stay);
        let running = tokio::spawn(keep(own.clone(), told, wished));
        Agent { own, state, wish, running }
    }

    /// The instance's id.
    pub fn id(&self) -> &str {
        &self.own.id
    }

    /// True when the registry answered the last time that it knows this process.
    pub fn is_registered(&self) -> bool {
        *self.state.borrow() != State::Unregistered
    }

    /// Waits until the registry knows this process.
    pub async fn registered(&self) {
        // Its sender lives as long as the agent.
        drop(self.state.clone().wait_for(|state| *state != State::Unregistered).await);
    }

    /// Asks to get nothing new, and waits until the registry knows, for at most `within`. Renewals go on. True when it knows.
    pub async fn drain(&self, within: Duration) -> bool {
        self.wish.send_replace(Wish::Drain);
        let mut state = self.state.clone();
        tokio::time::timeout(within, state.wait_for(|state| *state == State::Draining)).await.is_ok_and(|told| told.is_ok())
    }

    /// Leaves, and stops renewing; where no registry answers the lease runs out by itself.
    pub async fn leave(self) {
        self.running.abort();
        // A renewal that is under way would come before or not at all: leaving takes the lease away.
        if let Err(error) = self.own.link.leave(&self.own.id, &self.own.registration.ticket).await {
            tracing::info!(instance = %self.own.id, %error, "this process could not leave the registry: its lease runs out instead");
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn keep(own: Arc<Own>, told: watch::Sender<State>, mut wished: watch::Receiver<Wish>) {
    let mut retry = RETRY_MIN;
    loop {
        let wish = *wished.borrow_and_update();
        let pause = match step(&own, &told, wish).await {
            Ok(pause) => {
                retry = RETRY_MIN;
                pause
            }
            Err(fault) => {
                tracing::warn!(instance = %own.id, %fault, "this process is not renewed in the registry; it tries again");
                retry = (retry * 2).min(RETRY_MAX);
                retry
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            wished = wished.changed() => if wished.is_err() { return },
        }
    }
}

/// Does the next thing: registers where it is not known, drains where that is wished, renews otherwise. Returns how long to wait.
async fn step(own: &Own, told: &watch::Sender<State>, wish: Wish) -> Result<Duration, Fault> {
    let state = *told.borrow();
    let done = match (state, wish) {
        (State::Unregistered, _) => own.link.register(&own.id, &own.registration).await.map(|leased| (State::Registered, Some(leased))),
        (State::Registered, Wish::Drain) => own.link.drain(&own.id, &own.registration.ticket).await.map(|()| (State::Draining, None)),
        (known, _) => own.link.renew(&own.id, &own.registration.ticket).await.map(|leased| (known, Some(leased))),
    };
    match done {
        Ok((next, leased)) => {
            told.send_if_modified(|state| std::mem::replace(state, next) != next);
            // A wish that is not fulfilled yet waits for nothing.
            let waits = next != State::Registered || wish != Wish::Drain;
            let renew_ms = leased.map_or(0, |leased| u64::from(leased.renew_ms));
            Ok(if waits { Duration::from_millis(renew_ms) } else { Duration::ZERO })
        }
        Err(Fault::Unknown) => {
            tracing::info!(instance = %own.id, "the registry does not know this process any more: it registers again");
            told.send_replace(State::Unregistered);
            Ok(Duration::ZERO)
        }
        Err(fault) => Err(fault),
    }
}
