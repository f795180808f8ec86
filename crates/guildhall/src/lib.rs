//! Wires the services into one program: configuration, the parts and their order, HTTP, jobs, shutdown, command line.
//! Refuses business rules: those live in the services.

pub mod app;
pub mod checks;
pub mod cli;
pub mod config;
pub mod demo;
mod exports;
pub mod fleet;
mod follow;
mod jobs;
pub mod load;
mod logs;
pub mod pages;
pub mod secrets;
pub mod server;
pub mod services;
mod telemetry;

pub use app::App;
pub use config::Config;
