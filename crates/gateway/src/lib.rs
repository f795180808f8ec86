//! The single entry: routes, balances, limits and guards what goes to the services.
//! Refuses to know what the services do.
