//! The registry as its users see it: an [`Agent`] that keeps a process registered, and a [`Watch`] that knows who is there.
//! Refuses to forget what it knew because no registry answers: that is the registry's fault and not the instances'.

mod agent;
mod link;
mod watch;

pub use agent::Agent;
pub use link::{Fault, Link};
pub use watch::{Snapshot, Watch};
