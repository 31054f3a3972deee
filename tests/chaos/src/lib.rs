//! Nothing of its own: see `tests/chaos.rs`.
