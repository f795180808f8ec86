//! The whole application as its callers meet it: who may do what, what bad input does, what checks find, and the store at work.
//! Leaves single rules to the crates that own them.

#[cfg(test)]
mod acceptance {
    mod api;
    mod attacks;
    mod authorisation;
    mod backup;
    mod bad_input;
    mod browser;
    mod checks;
    mod console;
    mod docs_page;
    mod dump;
    mod fuzz;
    mod ground;
    mod known_faults;
    mod log_routes;
    mod parity;
    mod real_catalogue;
    mod route;
    mod table;
    mod team_keys;
}
