//! The workshop's crates, beside the stages' own.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

#[test]
fn the_workshop_takes_the_versions_of_the_stages_so_that_they_are_fetched_once() -> Result<()> {
    let fetched = crates("../../Cargo.lock")?;
    let other: Vec<_> = crates("../Cargo.lock")?.difference(&fetched).cloned().collect();
    assert!(other.is_empty(), "in workshop/Cargo.lock, and not in Cargo.lock: {other:?}");
    Ok(())
}

/// Returns the name and the version of each crate in a lock that comes from a registry.
fn crates(lock: &str) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(lock).with_context(|| format!("read {lock}"))?;
    let packages = text.split("[[package]]\n").skip(1);
    let fetched = packages.filter(|package| package.contains("\nsource = "));
    let named = fetched.map(|package| package.lines().take(2).collect::<Vec<_>>().join(", "));
    let named: BTreeSet<_> = named.collect();
    assert!(!named.is_empty(), "{lock} names no crates");
    Ok(named)
}
