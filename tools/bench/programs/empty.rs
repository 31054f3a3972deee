//! A program that does nothing: what its C library and Rust's runtime do at a start.

fn main() {}
