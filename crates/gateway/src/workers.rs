//! Threads that serve connections, each with a runtime of its own: a request, and the connection it is sent on, stay on one core.
//! Refuses to move work from one to another: what that evens out costs more than it brings where requests are small.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// Which of the threads this is, from 1; 0 for every other thread.
pub(crate) fn place() -> usize {
    PLACE.get()
}

/// The threads; they end when this is dropped, and what still runs on them with them.
pub(crate) struct Workers {
    runtimes: Vec<Handle>,
    next: AtomicUsize,
    _running: Vec<oneshot::Sender<()>>,
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    /// The system has no threads or descriptors left.
    pub(crate) fn start(threads: usize) -> io::Result<Workers> {
        let mut workers = Workers { runtimes: Vec::new(), next: AtomicUsize::new(0), _running: Vec::new() };
        for n in 1..=threads {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (running, stopped) = oneshot::channel::<()>();
            workers.runtimes.push(runtime.handle().clone());
            workers._running.push(running);
            std::thread::Builder::new().name(format!("gateway-{n}")).spawn(move || {
                PLACE.set(n);
                drop(runtime.block_on(stopped));
                runtime.shutdown_background();
            })?;
        }
        Ok(workers)
    }

    /// Runs a task on the next thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.runtimes.len();
        self.runtimes[next].spawn(task);
    }
}
