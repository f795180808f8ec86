//! The mapping language, fact by fact: on records made for it, on real ones and on hostile ones.
//! Leaves what events do to campaigns to the other tests.

#![allow(clippy::unwrap_used)]

mod mapping {
    mod faults;
    mod formats;
    mod ground;
    mod hostile;
    mod ids;
    mod language;
    mod page;
    mod presets;
    mod random;
    mod real;
    mod times;
}
