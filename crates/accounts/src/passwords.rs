//! Password hashes: argon2id (RFC 9106), on threads of their own that give way to everything else.
//! Refuses to let hashing wait without bound: a full queue answers `overloaded` at once. See docs/decisions/0005-passwords.md.

mod phc;

use crate::Policy;
use argon2::Block;
use kernel::{Code, Refusal};
use parking_lot::{Condvar, Mutex};
use phc::Phc;
use std::collections::VecDeque;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;

/// Hashes that may wait: at 20 ms each, about five seconds for the last.
const WAITING_MAX: usize = 256;
/// How far the threads step back: with this niceness Linux gives a thread about a tenth of what a busy neighbour gets.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// What it costs to make or check a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    iterations: u32,
}

/// Makes and checks password hashes.
pub(crate) struct Passwords {
    shared: Arc<Shared>,
    cost: Cost,
    /// Checked when there is no account, so that its absence costs what its presence would.
    nobody: String,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    stopping: bool,
}

impl Passwords {
    /// Starts the threads.
    pub(crate) fn new(policy: &Policy) -> Passwords {
        let shared = Arc::new(Shared::default());
        // It stands at zero from the start, so that the first refusal is seen as a change.
        metrics::counter!("guildhall_password_refused_total").absolute(0);
        for n in 0..policy.argon2_concurrency.max(1) {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name(format!("password-{n}"));
            if let Err(error) = thread.spawn(move || shared.work()) {
                tracing::error!(%error, "a thread for password hashes cannot be started: sign-ins are slower or fail");
            }
        }
        let cost = Cost { memory_kib: policy.argon2_memory_kib.max(8), iterations: policy.argon2_iterations.max(1) };
        Passwords { shared, cost, nobody: Phc { cost, salt: rand::random(), hash: rand::random() }.to_string() }
    }

    /// Hashes a password under the policy, with a new salt.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Refusal> {
        let (password, cost) = (password.to_owned(), self.cost);
        self.run(move |memory| {
            let salt = rand::random();
            Phc { cost, salt, hash: argon2id(&password, &salt, cost, memory) }.to_string()
        })
        .await
    }

    /// Checks a password against a stored hash, or against nobody's, which never fits.
    pub(crate) async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, Refusal> {
        let known = stored.and_then(Phc::parse);
        let is_known = known.is_some();
        let phc = known.or_else(|| Phc::parse(&self.nobody)).expect("nobody's hash was written here");
        let password = password.to_owned();
        self.run(move |memory| {
            let hash = argon2id(&password, &phc.salt, phc.cost, memory);
            bool::from(hash.ct_eq(&phc.hash)) && is_known
        })
        .await
    }

    /// True when a stored hash was made under another policy and should be made anew when its password is known.
    pub(crate) fn is_outdated(&self, stored: &str) -> bool {
        Phc::parse(stored).is_none_or(|phc| phc.cost != self.cost)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        let asked = std::time::Instant::now();
        let job: Job = Box::new(move |memory| {
            // Whoever hung up needs no hash.
            if answer.is_closed() {
                return;
            }
            metrics::histogram!("guildhall_password_wait_seconds").record(asked.elapsed());
            // The caller may hang up while it is worked on.
            drop(answer.send(work(memory)));
        });
        {
            let mut waiting = self.shared.waiting.lock();
            if waiting.jobs.len() >= WAITING_MAX {
                metrics::counter!("guildhall_password_refused_total").increment(1);
                let full = format!("{WAITING_MAX} sign-ins wait already: try again in a few seconds");
                return Err(Refusal::new(Code::Overloaded, full).with_facts(serde_json::json!({ "retry_after_s": 5 })));
            }
            waiting.jobs.push_back(job);
            metrics::gauge!("guildhall_passwords_waiting").set(waiting.jobs.len() as f64);
        }
        self.shared.arrived.notify_one();
        answered.await.map_err(|_| Refusal::new(Code::Unavailable, "the server is stopping: try again shortly"))
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        self.shared.waiting.lock().stopping = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        step_back();
        let mut memory = Vec::new();
        loop {
            let job = {
                let mut waiting = self.waiting.lock();
                loop {
                    if waiting.stopping {
                        return;
                    }
                    if let Some(job) = waiting.jobs.pop_front() {
                        metrics::gauge!("guildhall_passwords_waiting").set(waiting.jobs.len() as f64);
                        break job;
                    }
                    // An idle server should not sit on the memory of its last sign-in.
                    memory = Vec::new();
                    self.arrived.wait(&mut waiting);
                }
            };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
            if done.is_err() {
                tracing::error!("a password hash panicked; its caller is answered unavailable");
            }
        }
    }
}

/// On Linux niceness belongs to the thread; elsewhere it is the whole process's and stays as it is.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "password hashes run at full priority and may slow other requests");
    }
}

fn argon2id(password: &str, salt: &[u8; 16], cost: Cost, memory: &mut Vec<Block>) -> [u8; 32] {
    let params =
        argon2::Params::new(cost.memory_kib, cost.iterations, 1, Some(32)).expect("costs are within what the policy and the parser allow");
    memory.resize(params.block_count(), Block::new());
    let mut hash = [0; 32];
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, memory.as_mut_slice())
        .expect("the password is short, the salt has 16 bytes and the memory was made to measure");
    hash
}

#[cfg(test)]
mod tests;
