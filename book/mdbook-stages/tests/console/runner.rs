//! Tests of what runs the chapters: each is a small chapter, and whether it holds.

use libtest_mimic::Trial;

use crate::Place;

pub fn trials(_: &Place) -> Vec<Trial> {
    Vec::new()
}
