//! Turns Ctrl-C and its relatives into a flag that long commands look at, so that they end their children first.
//! Does no cleaning itself. A second signal ends the process at once; the guard of a running Postgres cleans up after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What a shell reports for a command ended by Ctrl-C.
pub(crate) const EXIT_CODE: u8 = 130;

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on a signal sets the flag instead of ending the process.
pub(crate) fn watch() -> Result<(), String> {
    let flag = FLAG.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Order matters: the first signal finds the flag still unset and only sets it, the second finds it set.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(EXIT_CODE), Arc::clone(flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag)))
            .map_err(|error| format!("could not watch signal {signal}: {error}"))?;
    }
    Ok(())
}

/// Whether a signal has asked us to end.
pub(crate) fn happened() -> bool {
    FLAG.get().is_some_and(|flag| flag.load(Ordering::SeqCst))
}
